//! The floor of an acknowledgement: what writing two pages and syncing them costs a thread that does nothing else.
//! What must not live here: the server.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::latency::Times;

/// What a commit of one message writes, frames and their heads.
const COMMIT: usize = 2 * (4096 + 24);
/// So many fit before it begins again, as in a log that is emptied now and then.
const COMMITS: u64 = 500;

/// Runs until it is dropped.
pub struct Bare {
    pub times: Arc<Times>,
    /// The thread ends when it is gone.
    running: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// So many syncs a second, of a file of its own in `directory`, whose blocks are there beforehand.
    pub fn start(directory: &Path, rate: u32) -> Result<Bare> {
        let path = directory.join("bare");
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        for at in 0..COMMITS {
            file.write_all_at(&[0; COMMIT], at * COMMIT as u64)?;
        }
        file.sync_all()?;
        let times = Arc::<Times>::default();
        let (running, ended) = sync_channel::<()>(0);
        let noted = Arc::clone(&times);
        let pause = Duration::from_secs(1) / rate.max(1);
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now();
            for round in 0.. {
                let begun = Instant::now();
                let written = file
                    .write_all_at(&[1; COMMIT], round % COMMITS * COMMIT as u64)
                    .and_then(|()| file.sync_data());
                if let Err(error) = written {
                    eprintln!("the bare sync failed: {error}");
                    break;
                }
                noted.note(begun.elapsed());
                next += pause;
                let rest = next.saturating_duration_since(Instant::now());
                if ended.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
        });
        Ok(Bare {
            times,
            running: Some(running),
            thread: Some(thread),
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
