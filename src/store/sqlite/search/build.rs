//! Making the index: by the writer, in small steps, only while nobody waits for it. A send pays nothing; what came since
//! the last step is looked through as it is. What must not live here: what an entry holds.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, params};
use tokio::sync::mpsc::error::TryRecvError;

use super::super::find::row_at;
use super::super::rows::{COLUMNS, Row};
use super::super::writer::{Job, Writer};
use super::super::{checkpoint, int, sql_refusal};
use super::{empty, indexed, insert, is_corrupt, say_damaged, set_indexed};
use crate::clock::monotonic;
use crate::limits;
use crate::meters::{METERS, set};
use crate::proto::Code;
use crate::store::{Pos, Writable};

/// What the writer keeps in mind of the index.
#[derive(Debug, Default)]
pub struct Indexing {
    /// How far it was made at the last step; the table knows better.
    mark: Pos,
    /// The last step left something to merge.
    merging: bool,
    /// The disk was full: no step before something else could be written.
    resting: bool,
}

/// What a step came to.
enum Step {
    Made(Pos),
    Merged { more: bool },
}

impl Indexing {
    /// Something was written: there is room again.
    pub fn go_on(&mut self) {
        self.resting = false;
    }
}

impl Writer {
    /// The next job; until there is one, the index is made. Nothing when all who could send one are gone, or when the
    /// process must end.
    pub fn next_job(&mut self) -> Option<Job> {
        loop {
            match self.queue.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            match self.index_some() {
                Ok(true) => {}
                Ok(false) => return self.queue.blocking_recv(),
                Err(error) => {
                    (self.shared.fatal)(&error);
                    return None;
                }
            }
        }
    }

    /// One step, if there is one to make. `Err` means the same as for a batch.
    fn index_some(&mut self) -> Result<bool, String> {
        if self.shared.searches.damaged.swap(false, Ordering::Relaxed) {
            return self.index_anew();
        }
        let head = self.shared.recent.read().head;
        let waiting = head.saturating_sub(self.indexing.mark);
        set(&METERS.index_rows_waiting, waiting);
        let is_due = waiting >= limits::INDEX_ROWS;
        if self.indexing.resting || !(is_due || self.indexing.merging) {
            return Ok(false);
        }
        if matches!(*self.shared.writable.read(), Writable::ReadOnly(_)) {
            return Ok(false);
        }
        let begun = monotonic();
        match step(&self.connection, is_due.then_some(head)) {
            Ok(Step::Made(mark)) => (self.indexing.mark, self.indexing.merging) = (mark, true),
            Ok(Step::Merged { more }) => self.indexing.merging = more,
            Err(error) => return self.not_made(&error),
        }
        METERS.index_step.observe_time(begun.elapsed());
        let long = checkpoint::wal_pages() >= limits::WAL_PAGES;
        self.shared.checkpointer.after_commit(&self.connection, long)?;
        Ok(true)
    }

    fn not_made(&mut self, error: &rusqlite::Error) -> Result<bool, String> {
        // SQLite may have undone the transaction itself.
        let _ = self.connection.execute_batch("ROLLBACK");
        if is_corrupt(error) {
            say_damaged(error);
            return self.index_anew();
        }
        if sql_refusal(error).code == Code::StorageFull {
            self.indexing.resting = true;
            return Ok(false);
        }
        Err(lost(error))
    }

    fn index_anew(&mut self) -> Result<bool, String> {
        let anew = || {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            empty(&self.connection)?;
            self.connection.execute_batch("COMMIT")
        };
        anew().map_err(|error| lost(&error))?;
        self.indexing = Indexing::default();
        Ok(true)
    }
}

fn lost(error: &rusqlite::Error) -> String {
    format!("the search index could not be written: {error}; nothing that was acknowledged is touched")
}

/// One step in a transaction of its own: the next rows, or else a little merging.
fn step(connection: &Connection, head: Option<Pos>) -> rusqlite::Result<Step> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let step = if let Some(head) = head {
        let mark = add_rows(connection, indexed(connection)?, head)?;
        set_indexed(connection, mark)?;
        Step::Made(mark)
    } else {
        let more = merge(connection)?;
        Step::Merged { more }
    };
    connection.execute_batch("COMMIT")?;
    Ok(step)
}

/// Puts the rows after `mark` into the index, a bounded number of a bounded size; gives the last one's place.
fn add_rows(connection: &Connection, mark: Pos, head: Pos) -> rusqlite::Result<Pos> {
    let mut edits = connection
        .prepare_cached("SELECT pos, words FROM reworded WHERE pos > ?1 AND pos <= ?1 + ?2 ORDER BY pos")?;
    let mut rows = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log WHERE pos > ?1 AND pos <= ?1 + ?2 ORDER BY pos"
    ))?;
    let span = params![int(mark), int(limits::INDEX_ROWS)];
    let edits = edits.query_map(span, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let edits = edits.collect::<rusqlite::Result<std::collections::HashMap<i64, i64>>>()?;
    let (mut last, mut bytes) = (mark, 0);
    let mut rows = rows.query(span)?;
    while let Some(row) = rows.next()? {
        let row = Row::read(row)?;
        let edit = match edits.get(&int(row.pos)) {
            Some(words) => row_at(connection, words.cast_unsigned())?,
            None => None,
        };
        if let Some(words) = edit.as_ref().unwrap_or(&row).words().filter(|_| row.is_message()) {
            if bytes > 0 && bytes + words.len() > limits::INDEX_BYTES {
                return Ok(last);
            }
            bytes += words.len();
            insert(connection, &row, &words)?;
        }
        last = row.pos;
    }
    // A damaged log may miss places: the mark goes on all the same.
    if last == mark {
        return Ok((mark + limits::INDEX_ROWS).min(head));
    }
    Ok(last)
}

/// Merges a few pages; whether there was something to merge.
fn merge(connection: &Connection) -> rusqlite::Result<bool> {
    let before = connection.total_changes();
    connection
        .prepare_cached("INSERT INTO search (search, rank) VALUES ('merge', ?1)")?
        .execute([limits::INDEX_MERGE_PAGES])?;
    // The command itself is one change (see the FTS5 documentation, section 6.8).
    Ok(connection.total_changes() - before >= 2)
}
