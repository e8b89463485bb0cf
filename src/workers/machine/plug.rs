//! The plug test: does the card keep what it says? While somebody watches the numbers, records are written and synced at a steady
//! pace; the plug is pulled; after the next start what was seen is compared with what is there. What must not live here: the form
//! of the records, who may ask, and the log's own files, which this never touches.
//!
//! Invariants: nothing is told of a card whose board was not off; a server that is stopped in good order says so in the note.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use super::super::backup::{read_json, write_whole};
use super::records::{self, Records};
use crate::clock::Clock;
use crate::limits;
use crate::proto::machine::{PlugTest, PlugTestResult, PlugTestState, PlugTestVerdict, PlugTestWhy};
use crate::proto::{ClientId, Code, Refusal};

/// In the data directory.
const NOTE: &str = "plug-test.json";
const RECORDS: &str = "plug-test.records";
const NOTE_BYTES: u64 = 16 * 1024;

/// What outlives the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    /// One that writes, or that wrote when everything ended.
    test: Option<Begun>,
    last: Option<PlugTestResult>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begun {
    run: ClientId,
    /// The kernel's own number for the time between two starts.
    boot: String,
}

enum Phase {
    Idle,
    Running {
        run: ClientId,
        stop: SyncSender<PlugTestWhy>,
        thread: Option<JoinHandle<()>>,
    },
    Cut(Begun),
}

struct Present {
    phase: Phase,
    last: Option<PlugTestResult>,
}

/// How fast, and how many.
#[derive(Clone, Copy)]
struct Pace {
    pause: Duration,
    most: u64,
}

pub struct Plug {
    note: PathBuf,
    records: PathBuf,
    clock: Arc<Clock>,
    pace: Pace,
    acked: AtomicU64,
    now: Mutex<Present>,
}

impl Plug {
    pub fn open(data_dir: &Path, clock: Arc<Clock>) -> Arc<Plug> {
        let usual = Pace {
            pause: limits::PLUG_TEST_PAUSE,
            most: limits::PLUG_TEST_MOST,
        };
        Plug::paced(data_dir, clock, usual)
    }

    fn paced(data_dir: &Path, clock: Arc<Clock>, pace: Pace) -> Arc<Plug> {
        let note = data_dir.join(NOTE);
        // Without the file there was no test.
        let known: Note = read_json(&note, NOTE_BYTES).unwrap_or_default();
        Arc::new(Plug {
            note,
            records: data_dir.join(RECORDS),
            clock,
            pace,
            acked: AtomicU64::new(0),
            now: Mutex::new(Present {
                phase: known.test.map_or(Phase::Idle, Phase::Cut),
                last: known.last,
            }),
        })
    }

    pub fn told(&self) -> PlugTest {
        let present = self.now.lock();
        let (state, run, acked) = match &present.phase {
            Phase::Idle => (PlugTestState::Idle, None, None),
            Phase::Running { run, .. } => (
                PlugTestState::Running,
                Some(*run),
                Some(self.acked.load(Ordering::Acquire)),
            ),
            Phase::Cut(begun) => (PlugTestState::Cut, Some(begun.run), None),
        };
        PlugTest {
            state,
            run,
            acked,
            most: self.pace.most,
            last: present.last.clone(),
        }
    }

    /// Begins to write. The same again begins nothing. Where nobody may read whether the board was off, it says so at once.
    pub fn begin(self: &Arc<Self>, run: ClientId, boot: Option<String>) -> Result<(), Refusal> {
        let mut present = self.now.lock();
        match &present.phase {
            Phase::Running { run: running, .. } if *running == run => return Ok(()),
            Phase::Idle if present.last.as_ref().is_some_and(|last| last.run == run) => return Ok(()),
            Phase::Idle => {}
            Phase::Running { .. } | Phase::Cut(_) => {
                let sentence = "Another plug test is running, or waits for what was seen of it.";
                return Err(Refusal {
                    next: "Look at how it stands, and end it first.".into(),
                    ..Refusal::because(Code::ChangedMeanwhile, sentence)
                });
            }
        }
        let Some(boot) = boot else {
            self.close(
                &mut present,
                self.cannot_tell(run, None, PlugTestWhy::BootUnknown),
            );
            return Ok(());
        };
        let (stop, told) = sync_channel(1);
        let own = Arc::clone(self);
        self.acked.store(0, Ordering::Release);
        let write = move || {
            let why = own.write(&Begun { run, boot }, &told);
            own.close(&mut own.now.lock(), own.cannot_tell(run, None, why));
        };
        let thread = std::thread::Builder::new().name("plug-test".into()).spawn(write);
        match thread {
            Ok(thread) => {
                present.phase = Phase::Running {
                    run,
                    stop,
                    thread: Some(thread),
                };
            }
            Err(error) => {
                log::warn!("plug test: no thread can be started for it: {error}");
                self.close(&mut present, self.cannot_tell(run, None, PlugTestWhy::Failed));
            }
        }
        Ok(())
    }

    /// Ends one that is running, or judges one that was cut off by what was seen of it.
    pub fn end(&self, run: ClientId, seen: Option<u64>, boot: Option<&str>) -> Result<(), Refusal> {
        if seen.is_some_and(|seen| seen > self.pace.most) {
            return Err(Refusal::because(
                Code::BadRequest,
                format!("`acked` is at most {}.", self.pace.most),
            ));
        }
        let mut present = self.now.lock();
        let is_over = present.last.as_ref().is_some_and(|last| last.run == run);
        match &present.phase {
            Phase::Running { run: running, .. } if *running == run => {
                halt(present);
                Ok(())
            }
            Phase::Cut(begun) if begun.run == run => {
                let result = self.judged(begun, seen, boot);
                say(&result);
                self.close(&mut present, result);
                Ok(())
            }
            Phase::Idle if is_over => Ok(()),
            _ => Err(Code::ChangedMeanwhile.into()),
        }
    }

    /// The server stops in good order.
    pub fn stop(&self) {
        halt(self.now.lock());
    }

    /// Writes until it is told to stop, or is over. While it does, the note says so.
    fn write(&self, begun: &Begun, stop: &Receiver<PlugTestWhy>) -> PlugTestWhy {
        let written = || -> std::io::Result<PlugTestWhy> {
            let records = Records::make(&self.records, begun.run)?;
            let last = self.now.lock().last.clone();
            self.save(&Note {
                test: Some(begun.clone()),
                last,
            })?;
            for number in 1..=self.pace.most {
                match stop.recv_timeout(self.pace.pause) {
                    Ok(why) => return Ok(why),
                    Err(RecvTimeoutError::Disconnected) => return Ok(PlugTestWhy::Stopped),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                records.write(number)?;
                self.acked.store(number, Ordering::Release);
            }
            Ok(PlugTestWhy::Over)
        };
        written().unwrap_or_else(|error| {
            log::error!(
                "plug test: cannot write {}: {error}. Look at the disk, then try again",
                self.records.display()
            );
            PlugTestWhy::Failed
        })
    }

    fn judged(&self, begun: &Begun, seen: Option<u64>, boot: Option<&str>) -> PlugTestResult {
        let unknown = |why| self.cannot_tell(begun.run, seen, why);
        let Some(boot) = boot else {
            return unknown(PlugTestWhy::BootUnknown);
        };
        if boot == begun.boot {
            return unknown(PlugTestWhy::NotOff);
        }
        let found = match records::read(&self.records, begun.run) {
            Ok(found) => found,
            Err(error) => {
                log::error!("plug test: cannot read {}: {error}", self.records.display());
                return unknown(PlugTestWhy::Failed);
            }
        };
        let lost = records::lost(&found, seen.unwrap_or(0));
        if lost == 0 && seen.is_none_or(|seen| seen == 0) {
            return unknown(PlugTestWhy::NotWatched);
        }
        PlugTestResult {
            run: begun.run,
            verdict: if lost > 0 {
                PlugTestVerdict::Lost
            } else {
                PlugTestVerdict::Keeps
            },
            why: None,
            acked: seen,
            lost,
            ts: self.clock.now().ms,
        }
    }

    fn cannot_tell(&self, run: ClientId, acked: Option<u64>, why: PlugTestWhy) -> PlugTestResult {
        PlugTestResult {
            run,
            verdict: PlugTestVerdict::CannotTell,
            why: Some(why),
            acked,
            lost: 0,
            ts: self.clock.now().ms,
        }
    }

    /// It is over: the note first, so that what is there is not judged again without its records.
    fn close(&self, present: &mut Present, result: PlugTestResult) {
        let note = Note {
            test: None,
            last: Some(result.clone()),
        };
        let done = self.save(&note).and_then(|()| records::remove(&self.records));
        if let Err(error) = done {
            log::warn!("plug test: what came of it is known only until the next start: {error}");
        }
        present.last = Some(result);
        present.phase = Phase::Idle;
    }

    fn save(&self, note: &Note) -> std::io::Result<()> {
        let text = serde_json::to_vec(note).expect("it is made of what JSON can say");
        write_whole(&self.note, &text)
    }
}

/// Ends one that is running, and waits for it.
fn halt(mut present: MutexGuard<'_, Present>) {
    let Phase::Running { stop, thread, .. } = &mut present.phase else {
        return;
    };
    // One that is told already ends by that.
    let _ = stop.try_send(PlugTestWhy::Stopped);
    let thread = thread.take();
    drop(present);
    // One that panicked has said so, and the next start finds its note.
    let _ = thread.map(JoinHandle::join);
}

fn say(result: &PlugTestResult) {
    let seen = result.acked.unwrap_or(0);
    match result.verdict {
        PlugTestVerdict::Keeps => {
            log::info!("plug test: the card had all {seen} records that it had confirmed")
        }
        PlugTestVerdict::Lost => log::error!(
            "plug test: the card lost {} records that it had confirmed. Make a backup now, and replace the card",
            result.lost
        ),
        PlugTestVerdict::CannotTell => log::info!("plug test: nothing can be told of the card"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, most: u64) -> Arc<Plug> {
        let pace = Pace {
            pause: Duration::from_millis(1),
            most,
        };
        Plug::paced(folder, Arc::new(Clock::manual(5, 5)), pace)
    }

    fn run(number: u128) -> ClientId {
        ClientId(uuid::Uuid::from_u128(number))
    }

    fn thread(plug: &Plug) -> JoinHandle<()> {
        match &mut plug.now.lock().phase {
            Phase::Running { thread, .. } => thread.take().expect("nobody waits for it yet"),
            _ => panic!("it is not running"),
        }
    }

    #[test]
    fn it_ends_by_itself_and_leaves_no_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let plug = open(folder.path(), 3);
        plug.begin(run(1), Some("a".into())).expect("nothing runs");
        plug.begin(run(1), Some("a".into())).expect("the same again");
        let running = thread(&plug);
        assert_eq!(
            plug.begin(run(2), Some("a".into()))
                .map_err(|refusal| refusal.code),
            Err(Code::ChangedMeanwhile)
        );
        running.join().expect("no panic");
        let told = plug.told();
        let last = told.last.expect("it is over");
        assert_eq!(
            (told.state, last.why),
            (PlugTestState::Idle, Some(PlugTestWhy::Over))
        );
        assert!(!plug.records.exists());
        plug.begin(run(1), Some("a".into())).expect("a repeat");
        assert_eq!(plug.told().state, PlugTestState::Idle, "begins nothing");
        assert_eq!(
            plug.end(run(1), Some(4), None).map_err(|refusal| refusal.code),
            Err(Code::BadRequest),
            "more than there are"
        );
        assert_eq!(
            plug.end(run(9), None, None).map_err(|refusal| refusal.code),
            Err(Code::ChangedMeanwhile)
        );
    }

    #[test]
    fn without_knowing_whether_the_board_was_off_nobody_has_to_pull_the_plug() {
        let folder = tempfile::tempdir().expect("a folder");
        let plug = open(folder.path(), 3);
        plug.begin(run(1), None).expect("nothing runs");
        let last = plug.told().last.expect("it is over");
        assert_eq!(last.why, Some(PlugTestWhy::BootUnknown));
        let again = open(folder.path(), 3).told();
        assert_eq!((again.state, again.last), (PlugTestState::Idle, Some(last)));
    }
}
