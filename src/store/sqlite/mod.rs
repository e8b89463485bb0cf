//! The embedded store on SQLite: opening it, its threads, and the handle that others hold.
//! What must not live here: the rules of what may be appended, or what a page contains.

pub mod accounts;
mod answer;
mod append;
pub mod blobs;
mod board;
mod chance;
mod checkpoint;
pub mod doctor;
mod erasure;
mod extras;
#[cfg(feature = "fault-injection")]
pub mod fault_vfs;
mod find;
mod fold;
mod follows;
mod heads;
pub mod image;
mod markers;
mod open;
mod pace;
pub mod peek;
pub mod personal;
pub mod push;
mod reads;
mod recent;
mod registers;
pub mod replay;
mod rosters;
mod rows;
mod schema;
mod search;
mod staged;
pub mod sweep;
mod talk;
mod talk_reads;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use self::checkpoint::Checkpointer;
use self::markers::Markers;
use self::recent::Recent;
use self::rosters::RosterCache;
use self::writer::Job;
use super::{Append, Pos, Writable};
use crate::clock::Clock;
use crate::core::cursor::Position;
use crate::core::discretion::Discretion;
use crate::core::permit::Settings;
use crate::core::permit::moderation::Restraints;
use crate::limits;
use crate::proto::{Code, Refusal};

pub use self::open::{DATABASE, OpenError, lock};
pub use self::reads::{Changed, Listed};
pub use self::search::{Hit, Hits, Wanted};
pub use self::talk_reads::{Following, Told};

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// The data directory; it must exist.
    pub directory: PathBuf,
    /// The name of a registered storage layer instead of the system's. For tests.
    pub vfs: Option<String>,
    pub settings: Settings,
    /// Memberships that all rosters in memory may have together.
    pub roster_members: usize,
    /// Called once when the state on disk is unknown (a failed sync): the process must end and start again.
    pub fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The handle to the log. Cheap to clone; the last one closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
    reads: Arc<ReadPool>,
}

struct Shared {
    recent: RwLock<Recent>,
    rosters: RosterCache,
    markers: Markers,
    writable: RwLock<Writable>,
    /// The disk is almost full: only what makes room, or takes hardly any, is written.
    tight: AtomicBool,
    clock: Arc<Clock>,
    settings: Settings,
    epoch: u64,
    queued_bytes: AtomicUsize,
    accounts_change: AtomicU64,
    discretion: Arc<Discretion>,
    restraints: Restraints,
    checkpointer: Checkpointer,
    searches: search::Turns,
    push: push::Interest,
    /// Rung when there is something new to sweep.
    sweeping: Notify,
    let_go: blobs::LetGo,
    fatal: Arc<dyn Fn(&str) + Send + Sync>,
    /// Held as long as the store is open: one process per data directory.
    _lock: std::fs::File,
}

type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

struct ReadPool {
    jobs: std::sync::mpsc::SyncSender<ReadJob>,
}

/// For keys that the server makes itself: ids by chance, and numbers in a row. Nobody else can make them collide.
type Hasher = foldhash::fast::RandomState;
type ById<Value> = std::collections::HashMap<u64, Value, Hasher>;

fn int(value: u64) -> i64 {
    value.cast_signed()
}

/// What a client is told of an SQL error; the operator finds the rest in the log.
fn sql_refusal(error: impl std::borrow::Borrow<rusqlite::Error>) -> Refusal {
    let error = error.borrow();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Code::StorageFull.into(),
        _ => {
            log::error!("the store failed: {error}");
            Code::Internal.into()
        }
    }
}

impl Store {
    /// Hands a permitted change to the writer, or refuses at once when the queue is full.
    pub fn append(&self, append: Append) -> Result<(), Refusal> {
        let weight = append.permit.change().weight();
        let queued = self.shared.queued_bytes.fetch_add(weight, Ordering::Relaxed);
        if queued + weight > limits::QUEUE_BYTES {
            self.shared.queued_bytes.fetch_sub(weight, Ordering::Relaxed);
            return Err(Code::Busy.into());
        }
        self.queue.try_send(Job::Append(append)).map_err(|full| {
            self.shared.queued_bytes.fetch_sub(weight, Ordering::Relaxed);
            match full {
                mpsc::error::TrySendError::Full(_) => Code::Busy.into(),
                mpsc::error::TrySendError::Closed(_) => Code::ShuttingDown.into(),
            }
        })
    }

    fn submit_register(&self, job: registers::RegisterJob) -> Result<(), Refusal> {
        self.queue
            .try_send(Job::Register(job))
            .map_err(|full| match full {
                mpsc::error::TrySendError::Full(_) => Code::Busy.into(),
                mpsc::error::TrySendError::Closed(_) => Code::ShuttingDown.into(),
            })
    }

    /// Runs a read on one of the readers' connections. Each statement sees its own moment; nothing is held in between.
    async fn read<T, F>(&self, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    {
        let (answer, asked) = answer::ask();
        let job: ReadJob = Box::new(move |connection| answer.give(read(connection)));
        self.reads.jobs.try_send(job).map_err(|full| match full {
            std::sync::mpsc::TrySendError::Full(_) => Refusal::new(Code::Busy),
            std::sync::mpsc::TrySendError::Disconnected(_) => Code::ShuttingDown.into(),
        })?;
        asked.given().await.unwrap_or_else(|| Err(Code::Internal.into()))
    }

    /// A round trip through the writer's queue that writes nothing. False: the writer does not answer.
    pub async fn probe(&self) -> bool {
        let (answer, receive) = oneshot::channel();
        // A queue that is full is a writer at work, as long as it moves: waiting for a place is part of the round trip.
        if self.queue.send(Job::Probe(answer)).await.is_err() {
            return false;
        }
        receive.await.unwrap_or(false)
    }

    /// Writes out read markers and last-seen times now.
    pub async fn tidy(&self) {
        let (answer, receive) = oneshot::channel();
        if self.queue.send(Job::Tidy(Some(answer))).await.is_ok() {
            let _ = receive.await;
        }
    }

    fn tidy_soon(&self) {
        let _ = self.queue.try_send(Job::Tidy(None));
    }

    /// Stops taking anything, writes out what was coalesced, and returns when the writer has ended.
    pub async fn close(&self) {
        let (answer, receive) = oneshot::channel();
        if self.queue.send(Job::Stop(answer)).await.is_ok() {
            let _ = receive.await;
        }
    }

    /// Where the log stands now.
    #[must_use]
    pub fn head(&self) -> Position {
        Position {
            epoch: self.shared.epoch,
            log: self.shared.recent.read().head,
            accounts: self.shared.accounts_change.load(Ordering::Acquire),
        }
    }

    /// The last place in the log.
    #[must_use]
    pub fn head_pos(&self) -> Pos {
        self.shared.recent.read().head
    }

    #[must_use]
    pub fn writable(&self) -> Writable {
        self.shared.writable.read().clone()
    }

    /// Whether messages are refused because the disk is almost full.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.shared.tight.load(Ordering::Relaxed)
    }

    /// Says whether the disk is almost full; whoever looks at disks knows.
    pub fn set_tight(&self, tight: bool) {
        self.shared.tight.store(tight, Ordering::Relaxed);
    }

    #[must_use]
    pub fn clock(&self) -> &Arc<Clock> {
        &self.shared.clock
    }

    /// Notes that a device was here; written with a later commit.
    pub fn seen(&self, device: crate::core::permit::DeviceNo) {
        let now = self.shared.clock.now();
        if now.synchronised {
            self.shared.markers.seen(device, now.ms);
        }
    }

    /// (bytes in the queue, memberships in memory, rows not folded), for metrics.
    #[must_use]
    pub fn usage(&self) -> (usize, usize, usize) {
        let recent = self.shared.recent.read().rows();
        (
            self.shared.queued_bytes.load(Ordering::Relaxed),
            self.shared.rosters.weight(),
            recent,
        )
    }
}

impl ReadPool {
    /// Starts one thread per connection; they end when the pool is dropped.
    fn start(connections: Vec<Connection>) -> std::io::Result<ReadPool> {
        let (jobs, receiver) = std::sync::mpsc::sync_channel::<ReadJob>(limits::READS_WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for (number, connection) in connections.into_iter().enumerate() {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || {
                    loop {
                        // The lock is held while waiting: the others wait for the lock instead, which is the same.
                        let job = receiver.lock().recv();
                        let Ok(job) = job else { return };
                        // A panic in one read must not take the reader away from everybody else.
                        let outcome =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&connection)));
                        if outcome.is_err() {
                            crate::meters::add(&crate::meters::METERS.panics, 1);
                        }
                    }
                })?;
        }
        Ok(ReadPool { jobs })
    }
}
