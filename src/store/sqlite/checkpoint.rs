//! The checkpointer: moves the write-ahead log into the database, off the commit path. What must not live here: writes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
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

/// How far the present checkpoint is. One that runs beside the writer moves nearly everything, but a busy writer has always
/// added something by its end, and only a log that is moved wholly starts again from its beginning. So the writer moves the
/// last bit itself; without that the log would grow, and tiny checkpoints would follow each commit and wear the card.
const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const NEARLY: u8 = 2;

/// The writer's side of it.
pub struct Checkpointer {
    nudges: SyncSender<()>,
    state: Arc<AtomicU8>,
}

/// The checkpointer's side of it.
pub struct Nudges {
    receiver: Receiver<()>,
    state: Arc<AtomicU8>,
}

impl Checkpointer {
    pub fn new() -> (Checkpointer, Nudges) {
        let (nudges, receiver) = sync_channel(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let own = Arc::clone(&state);
        (Checkpointer { nudges, state }, Nudges { receiver, state: own })
    }

    /// Called by the writer after each commit, with its own connection.
    pub fn after_commit(&self, connection: &Connection, long: bool) {
        match self.state.load(Ordering::Acquire) {
            IDLE if long => {
                self.state.store(RUNNING, Ordering::Release);
                // There is room: it is taken out before the state is anything but RUNNING.
                let _ = self.nudges.try_send(());
            }
            NEARLY => {
                if long {
                    passive(connection);
                }
                self.state.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
    }
}

/// Runs until the last `Checkpointer` is gone. PASSIVE never makes the writer wait.
pub fn run(connection: &Connection, nudges: &Nudges) {
    while nudges.receiver.recv().is_ok() {
        let moved = passive(connection);
        nudges
            .state
            .store(if moved { NEARLY } else { IDLE }, Ordering::Release);
    }
}

fn passive(connection: &Connection) -> bool {
    let begun = monotonic();
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0)) {
        Ok(_) => {
            add(&METERS.checkpoints, 1);
            METERS.checkpoint_seconds.observe_time(begun.elapsed());
            true
        }
        Err(error) => {
            log::warn!("checkpoint failed ({error}); the write-ahead log grows until one succeeds");
            false
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
