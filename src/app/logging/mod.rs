//! Logs: a bounded queue and ONE thread that writes. A caller formats its line, hands it over and goes on; when the
//! queue is full the line is dropped and counted, because the journal's socket can block and a chat must not.
//! What must not live here: what is worth logging, and waiting for the writer anywhere but at exit.
//!
//! - `mod.rs`: the filter, the queue, its thread
//! - `line.rs`: one line, capped and free of control characters
//! - `sink.rs`: the journal, standard error

mod line;
mod sink;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};

use crate::meters::{self, METERS};
use line::Line;
use sink::Sink;

/// Lines that wait for the writer. With [`LINE_BYTES`] this bounds the logs' memory to about 2 MiB.
pub const LINES_QUEUED: usize = 1024;
/// The longest line.
pub const LINE_BYTES: usize = line::BYTES_MAX;

/// Our own targets: the crate and everything below it.
const OWN: &str = "kinglet";

static INSTALLED: OnceLock<Arc<Progress>> = OnceLock::new();

/// Why the logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error(
        "cannot reach the journal although systemd started us: {0}. Check systemd-journald, or unset JOURNAL_STREAM"
    )]
    Journal(io::Error),
    #[error("cannot start the thread that writes logs: {0}. Raise the limit on threads (TasksMax)")]
    Thread(io::Error),
    #[error("the logs are set up already; call it once")]
    Twice(#[from] log::SetLoggerError),
}

/// Sends the process's logs to the journal when systemd started it, else to standard error. Own lines from `level`
/// on, the libraries' from `warn` on; a release never goes below `info`.
pub fn install(level: LevelFilter) -> Result<(), LoggingError> {
    let sink: Box<dyn Sink> = if systemd_journal_logger::connected_to_journal() {
        Box::new(sink::Journal::connect().map_err(LoggingError::Journal)?)
    } else {
        Box::new(sink::Stderr)
    };
    let level = level.min(log::STATIC_MAX_LEVEL);
    let logger = Queue::start(level, sink).map_err(LoggingError::Thread)?;
    let progress = Arc::clone(&logger.progress);
    log::set_boxed_logger(Box::new(logger))?;
    log::set_max_level(level);
    INSTALLED.get_or_init(|| progress);
    Ok(())
}

/// Lines dropped since the start because the writer was behind.
pub fn dropped() -> u64 {
    meters::get(&METERS.logs_dropped)
}

/// Waits until everything logged so far is written, at most `timeout`. For the process's exit. False when lines are
/// still waiting.
pub fn flush(timeout: Duration) -> bool {
    INSTALLED.get().is_none_or(|progress| progress.wait(timeout))
}

/// How far the writer is: it counts lines, and whoever flushes waits for a count.
#[derive(Default)]
struct Progress {
    accepted: AtomicU64,
    dropped: AtomicU64,
    written: Mutex<u64>,
    moved: Condvar,
}

impl Progress {
    fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let goal = self.accepted.load(Relaxed);
        let mut written = self.written.lock();
        while *written < goal {
            if self.moved.wait_until(&mut written, deadline).timed_out() {
                return *written >= goal;
            }
        }
        true
    }

    fn wrote(&self) {
        *self.written.lock() += 1;
        self.moved.notify_all();
    }
}

/// The `log` crate's end of the queue.
struct Queue {
    level: LevelFilter,
    sender: SyncSender<Line>,
    progress: Arc<Progress>,
}

impl Queue {
    fn start(level: LevelFilter, sink: Box<dyn Sink>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(LINES_QUEUED);
        let progress = Arc::new(Progress::default());
        let writer = Arc::clone(&progress);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&receiver, &writer, sink))?;
        Ok(Self {
            level,
            sender,
            progress,
        })
    }
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let own = target
            .strip_prefix(OWN)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        metadata.level()
            <= if own {
                self.level
            } else {
                self.level.min(LevelFilter::Warn)
            }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match self.sender.try_send(Line::new(record)) {
            // Counted once it is in the queue, so that what comes later cannot stand in for it when somebody flushes.
            Ok(()) => drop(self.progress.accepted.fetch_add(1, Relaxed)),
            Err(_) => {
                self.progress.dropped.fetch_add(1, Relaxed);
                meters::add(&METERS.logs_dropped, 1);
            }
        }
    }

    fn flush(&self) {
        self.progress.wait(Duration::from_secs(1));
    }
}

/// The writer's thread. It ends when the queue's other end is gone, which outside of tests is never.
fn write(receiver: &Receiver<Line>, progress: &Progress, mut sink: Box<dyn Sink>) {
    let mut told = 0;
    for line in receiver {
        sink.write(&line);
        progress.wrote();
        let dropped = progress.dropped.load(Relaxed);
        if dropped > told {
            let count = dropped - told;
            told = dropped;
            sink.write(&Line::own(format_args!(
                "{count} log lines were dropped, because their writer was behind"
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use log::Level;

    use super::*;

    const SECONDS: Duration = Duration::from_secs(10);

    /// Keeps what it is given, and before each line takes one leave from `gate`.
    struct Gated {
        gate: Receiver<()>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Sink for Gated {
        fn write(&mut self, line: &Line) {
            // An error means that the test has opened the gate for good.
            let _ = self.gate.recv();
            self.lines.lock().push(line.text().to_owned());
        }
    }

    struct Bench {
        queue: Queue,
        gate: SyncSender<()>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    fn bench(level: LevelFilter) -> Bench {
        let (gate, closed) = sync_channel(1);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Gated {
            gate: closed,
            lines: Arc::clone(&lines),
        };
        let queue = Queue::start(level, Box::new(sink)).expect("a test may start a thread");
        Bench { queue, gate, lines }
    }

    fn say(queue: &Queue, level: Level, target: &str, text: &str) {
        queue.log(
            &Record::builder()
                .level(level)
                .target(target)
                .args(format_args!("{text}"))
                .build(),
        );
    }

    #[test]
    fn a_blocked_writer_drops_and_counts_but_never_blocks() {
        let bench = bench(LevelFilter::Info);
        let before = dropped();
        // One more than fits: the writer may hold one line in its hand.
        for number in 0..LINES_QUEUED + 11 {
            say(&bench.queue, Level::Info, "kinglet", &format!("line {number}"));
        }
        let lost = bench.queue.progress.dropped.load(Relaxed);
        assert!((10..=11).contains(&lost), "{lost} lines were dropped");
        assert!(dropped() >= before + lost, "the meter does not know of it");
        assert!(
            !bench.queue.progress.wait(Duration::ZERO),
            "nothing is written, yet the flush says so"
        );
        drop(bench.gate);
        assert!(bench.queue.progress.wait(SECONDS), "the flush does not end");
        say(&bench.queue, Level::Info, "kinglet", "the end");
        assert!(bench.queue.progress.wait(SECONDS), "the flush does not end");
        let lines = bench.lines.lock();
        assert!(lines.contains(&format!(
            "{lost} log lines were dropped, because their writer was behind"
        )));
        assert_eq!(lines.len() as u64, LINES_QUEUED as u64 + 11 - lost + 2);
    }

    #[test]
    fn libraries_speak_from_warn_on_and_we_from_the_configured_level() {
        let enabled = |level, wanted, target| {
            let queue = bench(level).queue;
            queue.enabled(&Metadata::builder().level(wanted).target(target).build())
        };
        assert!(enabled(LevelFilter::Info, Level::Info, "kinglet"));
        assert!(enabled(LevelFilter::Info, Level::Info, "kinglet::store::sqlite"));
        assert!(!enabled(LevelFilter::Info, Level::Debug, "kinglet::store"));
        assert!(!enabled(LevelFilter::Debug, Level::Info, "rustls::conn"));
        assert!(!enabled(
            LevelFilter::Debug,
            Level::Info,
            "kinglet_of_another_house"
        ));
        assert!(enabled(LevelFilter::Debug, Level::Warn, "rustls::conn"));
        assert!(!enabled(LevelFilter::Error, Level::Warn, "rustls::conn"));
    }
}
