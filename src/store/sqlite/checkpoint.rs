//! The checkpointer: moves the write-ahead log into the database, off the commit path. What must not live here: writes.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::clock::monotonic;
use crate::meters::{METERS, add};

thread_local! {
    static WAL_PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Makes the writer's commits note how long the write-ahead log is.
pub fn watch(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.wal_hook(Some(|_: &mut Wal, pages| {
        WAL_PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }))
}

/// Pages in the write-ahead log after this thread's last commit.
pub fn wal_pages() -> u32 {
    WAL_PAGES.get()
}

/// The writer's way to say that it is time.
pub struct Checkpointer {
    nudges: SyncSender<()>,
}

impl Checkpointer {
    pub fn new() -> (Checkpointer, Receiver<()>) {
        let (nudges, receiver) = sync_channel(1);
        (Checkpointer { nudges }, receiver)
    }

    pub fn nudge(&self) {
        // One nudge waiting is enough.
        let _ = self.nudges.try_send(());
    }
}

/// Runs until the last `Checkpointer` is gone. PASSIVE never makes the writer wait.
pub fn run(connection: &Connection, nudges: &Receiver<()>) {
    while nudges.recv().is_ok() {
        let begun = monotonic();
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0)) {
            Ok(_) => {
                add(&METERS.checkpoints, 1);
                METERS.checkpoint_seconds.observe_time(begun.elapsed());
            }
            Err(error) => {
                log::warn!("checkpoint failed ({error}); the write-ahead log grows until one succeeds")
            }
        }
    }
}

/// Brings everything recovered from the write-ahead log into the database, synced, before anybody is served from it: rows
/// that a crash left written but unsynced would otherwise be shown, or acknowledged again, and lost at the next power cut.
pub fn complete(connection: &Connection) -> rusqlite::Result<()> {
    let (busy, pages): (i64, i64) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    // Minus one: the database is not in WAL mode after all, so nothing of what was promised holds.
    if busy != 0 || pages < 0 {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("another process reads or writes this database".into()),
        ));
    }
    Ok(())
}
