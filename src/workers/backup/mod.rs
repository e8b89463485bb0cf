//! Backups while the server runs: when one is due or asked for, it is made on a thread of its own that stands back; what came of it
//! is kept at hand and in a small file. What must not live here: HTTP, and the permission to ask.
//!
//! - `make.rs`: making one; `archive.rs`: what is in it; `age.rs`: its encryption; `parts.rs`: its files; `place.rs`: its folder
//! - `called.rs`: what of the machine is in it
//! - `journal.rs`: the list of what was erased, beside it
//! - `usb.rs`: a stick; `chosen.rs`: a place that an owner chooses; `schedule.rs`: when
//! - `restore.rs` and `unpack.rs`: the way back; `swap.rs`: putting it in the place of what is there
//! - `wrong.rs`: why not

mod age;
mod archive;
mod called;
mod chosen;
mod journal;
pub mod make;
mod parts;
mod place;
pub mod restore;
pub mod schedule;
pub mod swap;
mod unpack;
mod usb;
pub mod wrong;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::make::{Job, Made};
use self::schedule::{TimeOfDay, Tried};
use self::wrong::{Outcome, Wrong};
use crate::clock::{Clock, monotonic};
use crate::limits;
use crate::meters::{METERS, add, get, set};
use crate::proto::backup::{
    BackupChoice, BackupMade, BackupPlace, BackupRun, BackupTrouble, BackupWrong, ServerBackups,
};
use crate::proto::{ClientId, Code, Refusal, Timestamp};

pub use self::age::{AgeError, Identity};
pub(in crate::workers) use self::place::{read_json, write_whole};
pub use self::usb::BOARD;

/// What is known of backups, in the data directory.
const STATE: &str = "backup.json";
const LOOK: Duration = Duration::from_secs(20);
/// The list of erasures follows within this time; a stick is not mounted more often.
const ERASURES: Duration = Duration::from_secs(60);
const ERASURES_USB: Duration = Duration::from_secs(10 * 60);
/// How far the thread stands back (sched(7)): as far as there is.
const NICE: i32 = 19;

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Folder(PathBuf),
    /// A stick that `kinglet-board` mounts.
    Usb,
}

/// How far ahead of UTC local time is at a moment, in milliseconds.
pub type Ahead = Box<dyn Fn(Timestamp) -> i64 + Send + Sync>;

pub struct BackupSettings {
    pub data_dir: PathBuf,
    /// The settings' file, if they came from one.
    pub settings: Option<PathBuf>,
    /// Where the configuration says. Without that it is what an owner has chosen.
    pub to: Option<Target>,
    pub at: TimeOfDay,
    pub keep: u32,
    pub part_bytes: u64,
    pub board: PathBuf,
    /// What the board's paths are below of: `/` but in tests.
    pub root: PathBuf,
    pub ahead: Ahead,
}

pub struct Backups {
    settings: BackupSettings,
    clock: Arc<Clock>,
    started: Instant,
    now: Mutex<Present>,
}

/// What is so at this moment.
#[derive(Default)]
struct Present {
    chosen: BackupChoice,
    running: Option<Running>,
    /// The place is at work for something else: the list of erasures, or to be tried out.
    is_taken: bool,
    /// Requests that a backup was begun for, or that joined one.
    asked: Asked,
    /// The last try at the place, and whether it went well.
    tried: Option<(Instant, bool)>,
    listed: Option<Instant>,
    /// How many erasures were on the list.
    erasures: Option<u64>,
    known: Known,
}

/// The newest requests, so that a repeat of one is known.
#[derive(Default)]
struct Asked(VecDeque<ClientId>);

impl Asked {
    fn is_known(&self, id: Option<ClientId>) -> bool {
        id.is_some_and(|id| self.0.contains(&id))
    }

    fn add(&mut self, id: Option<ClientId>) {
        self.0.extend(id);
        if self.0.len() > limits::BACKUPS_ASKED {
            self.0.pop_front();
        }
    }
}

struct Running {
    since: Timestamp,
    to: Target,
    progress: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

/// What outlives the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    last: Option<BackupMade>,
    kept: Vec<BackupMade>,
    wrong: Option<BackupWrong>,
    /// The place, if it was another disk than the data's: without that disk the folder under it is not meant.
    other_disk: Option<PathBuf>,
    /// Which place `kept` and `wrong` are about; absent from what an earlier build has written.
    at: Option<Target>,
}

impl Known {
    /// What was known of another place is nothing of this one.
    fn go_to(&mut self, place: Option<&Target>) {
        if self.at.is_some() && self.at.as_ref() != place {
            self.kept.clear();
            self.wrong = None;
        }
        self.at = place.cloned();
    }
}

impl Backups {
    /// `chosen`: what an owner has said.
    #[must_use]
    pub fn open(settings: BackupSettings, chosen: BackupChoice, clock: Arc<Clock>) -> Arc<Backups> {
        // Without the file nothing is known yet, and what is in it is for people to see.
        let mut known: Known =
            place::read_json(&settings.data_dir.join(STATE), limits::BACKUP_KEY_BYTES).unwrap_or_default();
        known.go_to(settings.place(chosen).as_ref());
        if let Some(last) = &known.last {
            set(&METERS.backup_made, last.made);
            set(&METERS.backup_bytes, last.bytes);
        }
        set(&METERS.backup_wrong, u64::from(known.wrong.is_some()));
        Arc::new(Backups {
            settings,
            clock,
            started: monotonic(),
            now: Mutex::new(Present {
                chosen,
                known,
                ..Present::default()
            }),
        })
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> ServerBackups {
        let now = self.clock.now();
        let present = self.now.lock();
        let settings = &self.settings;
        let next = settings.at.next(now.ms, (settings.ahead)(now.ms));
        let place = settings.place(present.chosen);
        ServerBackups {
            keep: settings.keep,
            at: settings.at.text(),
            next: Some(next).filter(|_| now.synchronised && place.is_some()),
            place: place.map(|to| self.told_place(&to)),
            running: present.running.as_ref().map(|run| BackupRun {
                since: run.since,
                bytes: run.progress.load(Ordering::Relaxed),
                total: Some(run.total.load(Ordering::Relaxed)).filter(|total| *total > 0),
            }),
            last: present.known.last.clone(),
            kept: present.known.kept.clone(),
            wrong: present.known.wrong.clone(),
            chosen: present.chosen,
            place_is_set: settings.to.is_some(),
            may: Vec::new(),
            key_kept: false,
        }
    }

    fn told_place(&self, to: &Target) -> BackupPlace {
        match to {
            Target::Usb => BackupPlace {
                path: None,
                usb: true,
                same_disk: false,
            },
            Target::Folder(path) => BackupPlace {
                path: Some(path.display().to_string()),
                usb: false,
                same_disk: make::is_same_disk(path, &self.settings.data_dir),
            },
        }
    }

    /// Begins one, or joins the one that is being made; the same id again does neither. `to`: somewhere else than usually.
    ///
    /// # Errors
    /// `backup_off` without a place; `busy` while one is made to another.
    pub fn start(self: &Arc<Self>, id: Option<ClientId>, to: Option<Target>) -> Result<(), Refusal> {
        let mut present = self.now.lock();
        let usual = || self.settings.place(present.chosen);
        let to = to.or_else(usual).ok_or(Code::BackupOff)?;
        if present.asked.is_known(id) {
            return Ok(());
        }
        let is_other = present.running.as_ref().is_some_and(|running| running.to != to);
        if is_other || (present.is_taken && present.running.is_none()) {
            return Err(Code::Busy.into());
        }
        present.asked.add(id);
        if present.running.is_some() {
            return Ok(());
        }
        let (progress, total) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        present.running = Some(Running {
            since: self.clock.now().ms,
            to: to.clone(),
            progress: Arc::clone(&progress),
            total: Arc::clone(&total),
        });
        drop(present);
        let (own, at) = (Arc::clone(self), to.clone());
        let begun = apart(move || {
            let made =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| own.make(&to, (progress, total))));
            own.note(made.unwrap_or_else(|_| Err(panicked())), &to);
        });
        if let Err(error) = begun {
            self.note(Err(no_thread(&error)), &at);
        }
        Ok(())
    }

    fn make(&self, to: &Target, watch: (Arc<AtomicU64>, Arc<AtomicU64>)) -> Outcome<Made> {
        let settings = &self.settings;
        self.at(to, |folder| {
            make::make(&Job {
                data_dir: &settings.data_dir,
                folder,
                keep: settings.keep,
                part_bytes: settings.part_bytes,
                settings: settings.settings.as_deref(),
                clock: &self.clock,
                progress: Arc::clone(&watch.0),
                total: Arc::clone(&watch.1),
            })
        })
    }

    /// Does something in the folder that is meant, and mounts it where that is needed.
    fn at<T>(&self, to: &Target, act: impl FnOnce(&Path) -> Outcome<T>) -> Outcome<T> {
        match to {
            Target::Usb => {
                let stick = usb::Stick::mount(&self.settings.board, &self.settings.root)?;
                act(&stick.path)
            }
            Target::Folder(folder) => {
                self.make_own(folder)?;
                let is_same = make::is_same_disk(folder, &self.settings.data_dir);
                if is_same && self.now.lock().known.other_disk.as_ref() == Some(folder) {
                    return Err(Wrong::new(
                        BackupTrouble::NoStick,
                        format!("The disk that was mounted at {} is not there.", folder.display()),
                        "Put it in and mount it. Without it the backup would lie on the disk with the data.",
                    ));
                }
                act(folder)
            }
        }
    }

    /// Keeps what came of a try, and says it.
    fn note(&self, made: Outcome<Made>, to: &Target) {
        let now = self.clock.now().ms;
        let mut present = self.now.lock();
        // By now it may be another than when it began.
        let is_usual = self.settings.place(present.chosen).as_ref() == Some(to);
        if is_usual {
            present.tried = Some((monotonic(), made.is_ok()));
        }
        let known = &mut present.known;
        match made {
            Ok(Made { made, kept }) => {
                log::info!(
                    "backup: {} with {} bytes in {} is good, after {} ms",
                    made.name,
                    made.bytes,
                    made.path,
                    made.took_ms
                );
                if made.lost_files > 0 {
                    log::warn!(
                        "backup: {} stored files were missing or damaged before",
                        made.lost_files
                    );
                }
                set(&METERS.backup_made, made.made);
                set(&METERS.backup_bytes, made.bytes);
                set(&METERS.backup_wrong, 0);
                let folder = PathBuf::from(&made.path);
                if is_usual {
                    known.other_disk =
                        Some(folder).filter(|folder| !make::is_same_disk(folder, &self.settings.data_dir));
                    known.kept = kept;
                }
                known.wrong = None;
                known.last = Some(made);
            }
            Err(wrong) => {
                add(&METERS.backup_failures, 1);
                set(&METERS.backup_wrong, 1);
                log::error!("backup: {wrong}");
                let before = known.wrong.take().filter(|before| before.code == wrong.code);
                known.wrong = Some(BackupWrong {
                    code: wrong.code,
                    message: wrong.message,
                    next: wrong.next,
                    since: before.map_or(now, |before| before.since),
                });
            }
        }
        self.save(&present.known);
        // Last, so that who waits for the end finds what came of it.
        present.running = None;
    }

    fn save(&self, known: &Known) {
        let text = serde_json::to_vec(known).expect("it is made of what JSON can say");
        if let Err(error) = place::write_whole(&self.settings.data_dir.join(STATE), &text) {
            log::warn!("backup: what came of it is known only until the next start: {error}");
        }
    }

    /// Begins what is due.
    fn look(self: &Arc<Self>) {
        let now = self.clock.now();
        let (to, tried) = {
            let present = self.now.lock();
            let Some(to) = self.settings.place(present.chosen) else {
                return;
            };
            if present.running.is_some() || present.is_taken {
                return;
            }
            let newest = present.known.kept.first();
            let tried = Tried {
                made: newest.map(|made| (made.made, !made.unsynchronised)),
                started: self.started,
                last: present.tried,
            };
            (to, tried)
        };
        if schedule::is_due(
            self.settings.at,
            (self.settings.ahead)(now.ms),
            now,
            monotonic(),
            &tried,
        ) {
            // There is a place, and nothing runs.
            let _ = self.start(None, None);
            return;
        }
        self.list_erasures(&to);
    }

    /// Brings the list of erasures up, if there were any.
    fn list_erasures(self: &Arc<Self>, to: &Target) {
        let erasures = get(&METERS.erasures);
        let pace = if *to == Target::Usb {
            ERASURES_USB
        } else {
            ERASURES
        };
        {
            let mut present = self.now.lock();
            let is_early = present.listed.is_some_and(|listed| listed.elapsed() < pace);
            if present.known.kept.is_empty() || is_early || present.erasures == Some(erasures) {
                return;
            }
            present.listed = Some(monotonic());
            present.is_taken = true;
        }
        let (own, to) = (Arc::clone(self), to.clone());
        let listing = move || {
            let done = own.at(&to, |folder| {
                make::bring_up_erasures(&own.settings.data_dir, folder)
            });
            let mut present = own.now.lock();
            present.is_taken = false;
            match done {
                Ok(()) => present.erasures = Some(erasures),
                Err(wrong) => log::warn!("backup: the list of erasures is not up to date: {wrong}"),
            }
        };
        if apart(listing).is_err() {
            self.now.lock().is_taken = false;
        }
    }
}

fn no_thread(error: &std::io::Error) -> Wrong {
    Wrong::failed(
        format!("A thread for the backup cannot be started: {error}."),
        "Raise TasksMax or `ulimit -u`.",
    )
}

fn panicked() -> Wrong {
    Wrong::failed(
        "Making the backup came upon a mistake in this program.",
        "Please report it with the line that the log has about a panic.",
    )
}

/// Runs something on a thread that stands back behind everybody.
fn apart(act: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let stand_back = || {
        // On Linux this is the thread alone. Without it the backup is only not slower.
        let _ = rustix::process::setpriority_process(None, NICE);
        act();
    };
    std::thread::Builder::new()
        .name("backup".into())
        .spawn(stand_back)
        .map(drop)
}

/// Looks now and then whether something is due, until the server stops.
pub async fn run(backups: Arc<Backups>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A sender that is gone has stopped, too.
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => backups.look(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_of_another_place_is_nothing_of_this_one() {
        let wrong = Wrong::failed("x", "y");
        let wrong = BackupWrong {
            code: wrong.code,
            message: wrong.message,
            next: wrong.next,
            since: 1,
        };
        let mut known = Known {
            wrong: Some(wrong),
            ..Known::default()
        };
        // Of an earlier build, which did not say where.
        known.go_to(Some(&Target::Usb));
        assert!(known.wrong.is_some());
        let text = serde_json::to_vec(&known).expect("it is made of what JSON can say");
        let mut known: Known = serde_json::from_slice(&text).expect("it is read again");
        known.go_to(Some(&Target::Usb));
        assert!(known.wrong.is_some());
        known.go_to(None);
        assert!(known.wrong.is_none());
    }

    #[test]
    fn the_newest_requests_are_known_again() {
        let id = |n: usize| Some(ClientId(uuid::Uuid::from_u128(n as u128)));
        let mut asked = Asked::default();
        for n in 0..=limits::BACKUPS_ASKED {
            asked.add(id(n));
        }
        asked.add(None);
        assert!(!asked.is_known(id(0)) && !asked.is_known(None));
        assert!((1..=limits::BACKUPS_ASKED).all(|n| asked.is_known(id(n))));
    }
}
