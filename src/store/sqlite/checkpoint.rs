//! The checkpointer: moves the write-ahead log into the database, off the commit path. What must not live here: writes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::clock::monotonic;
use crate::limits;
use crate::meters::{METERS, add, set};

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
    erasures: Arc<AtomicU64>,
}

/// The checkpointer's side of it.
pub struct Nudges {
    receiver: Receiver<()>,
    state: Arc<AtomicU8>,
    /// Committed so far.
    erasures: Arc<AtomicU64>,
}

impl Checkpointer {
    pub fn new() -> (Checkpointer, Nudges) {
        let (nudges, receiver) = sync_channel(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let erasures = Arc::new(AtomicU64::new(0));
        let theirs = Nudges {
            receiver,
            state: Arc::clone(&state),
            erasures: Arc::clone(&erasures),
        };
        let own = Checkpointer {
            nudges,
            state,
            erasures,
        };
        (own, theirs)
    }

    /// Called by the writer after a commit that erased words: old pages of the write-ahead log still have them.
    pub fn after_erasure(&self) {
        self.erasures.fetch_add(1, Ordering::AcqRel);
        add(&METERS.erasures, 1);
        // A nudge that waits already is as good.
        let _ = self.nudges.try_send(());
    }

    /// Called by the writer after each commit, with its own connection. An error ends the program.
    pub fn after_commit(&self, connection: &Connection, long: bool) -> Result<(), String> {
        match self.state.load(Ordering::Acquire) {
            IDLE if long => {
                self.state.store(RUNNING, Ordering::Release);
                // There is room: it is taken out before the state is anything but RUNNING.
                let _ = self.nudges.try_send(());
            }
            NEARLY => {
                if long {
                    passive(connection)?;
                }
                self.state.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Runs until the last `Checkpointer` is gone. PASSIVE never makes the writer wait; emptying the log after an erasure does,
/// for a moment. An error ends the program.
pub fn run(connection: &Connection, nudges: &Nudges) -> Result<(), String> {
    let mut emptying = Emptying::default();
    loop {
        let wait = emptying.wait(nudges.erasures.load(Ordering::Acquire), monotonic());
        let nudged = match wait {
            None => nudges.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => nudges.receiver.recv_timeout(wait),
        };
        if nudged == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
        if nudges.state.load(Ordering::Acquire) == RUNNING {
            let moved = passive(connection)?;
            nudges
                .state
                .store(if moved { NEARLY } else { IDLE }, Ordering::Release);
        }
        emptying.attempt(connection, &nudges.erasures)?;
    }
}

/// When the write-ahead log is emptied of what was erased: soon, but not each time anew, since it costs a sync.
#[derive(Default)]
struct Emptying {
    /// Erasures whose words are in no file any more.
    done: u64,
    /// Not before this.
    next: Option<Instant>,
    /// When the oldest erasure that is not done was seen.
    since: Option<Instant>,
    warned: bool,
}

impl Emptying {
    /// How long to wait for a nudge; nothing when there is nothing to do.
    fn wait(&self, erasures: u64, now: Instant) -> Option<std::time::Duration> {
        (erasures > self.done).then(|| {
            self.next.map_or(std::time::Duration::ZERO, |next| {
                next.saturating_duration_since(now)
            })
        })
    }

    fn attempt(&mut self, connection: &Connection, erasures: &AtomicU64) -> Result<(), String> {
        // Read before the attempt: what is erased meanwhile has the next one.
        let wanted = erasures.load(Ordering::Acquire);
        let now = monotonic();
        if self.wait(wanted, now).is_none_or(|wait| !wait.is_zero()) {
            return Ok(());
        }
        let since = *self.since.get_or_insert(now);
        match emptied(connection)? {
            Ok(true) => {
                add(&METERS.erasures_done, wanted - self.done);
                self.done = wanted;
                self.next = Some(monotonic() + limits::ERASURE_PACE);
                (self.since, self.warned) = (None, false);
                add(&METERS.wal_emptied, 1);
                set(&METERS.wal_bytes, 0);
            }
            outcome => {
                add(&METERS.wal_not_emptied, 1);
                self.next = Some(monotonic() + limits::ERASURE_RETRY);
                if !self.warned && now.duration_since(since) > limits::ERASURE_WITHIN {
                    self.warned = true;
                    let why = outcome
                        .err()
                        .map_or("a reader is in the way".into(), |error| error.to_string());
                    log::warn!(
                        "erased words are still in the write-ahead log ({why}); it is tried again, and each start empties it. \
                         Look for a program that keeps the database open"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Empties the write-ahead log if nobody reads from it just now. Nearly everything is moved before the writer has to wait.
/// The outer error ends the program.
fn emptied(connection: &Connection) -> Result<rusqlite::Result<bool>, String> {
    passive(connection)?;
    let busy = connection.busy_timeout(limits::ERASURE_WAIT).and_then(|()| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
    });
    match busy.as_ref().err().and_then(unsynced) {
        Some(why) => Err(why),
        None => Ok(busy.map(|busy| busy == 0)),
    }
}

/// Whether everything went well. An error ends the program.
fn passive(connection: &Connection) -> Result<bool, String> {
    let begun = monotonic();
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0)) {
        Ok(_) => {
            add(&METERS.checkpoints, 1);
            METERS.checkpoint_seconds.observe_time(begun.elapsed());
            Ok(true)
        }
        Err(error) => {
            if let Some(why) = unsynced(&error) {
                return Err(why);
            }
            log::warn!("checkpoint failed ({error}); the write-ahead log grows until one succeeds");
            Ok(false)
        }
    }
}

/// Why the program must end, if a sync failed. A checkpoint beside the writer moves pages that only a later one syncs. After a
/// failed sync the kernel takes them for clean, the next sync succeeds without them, and SQLite forgets the log they came
/// from: a power cut would leave torn pages. A start moves the whole log once more, so the database must not be closed either.
pub fn unsynced(error: &rusqlite::Error) -> Option<String> {
    let code = error.sqlite_error()?.extended_code;
    matches!(
        code,
        rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
    )
    .then(|| {
        format!("the database could not be synced: {error}; what was acknowledged is in the write-ahead log")
    })
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
