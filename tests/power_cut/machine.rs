//! A machine that can go down: a simulated disk, and the store as its only program. What must not live here: checks.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kinglet::clock::Clock;
use kinglet::meters::METERS;
use kinglet::store::OpenError;
use kinglet::store::sqlite::doctor;
use kinglet::store::sqlite::fault_vfs::{Action, Cut, Disk};

use crate::store_kit::{Desk, Dice, Factory, Setup, Sqlite, USERS, locked};

type LastWords = Arc<Mutex<Vec<String>>>;

pub struct Machine {
    pub disk: Arc<Disk>,
    pub setup: Setup,
    pub clock: Arc<Clock>,
    down: Arc<AtomicBool>,
    /// What each program said at its end: a dying one may speak after the next one has started.
    said: Mutex<Vec<LastWords>>,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// A machine whose store knows its users.
    pub async fn new(seed: u64) -> Machine {
        let machine = Machine::bare(seed);
        let desk = machine.start().expect("an empty directory opens");
        desk.store.close().await;
        drop(desk);
        let setup = Setup {
            vfs: Some(machine.disk.boot()),
            ..machine.setup.clone()
        };
        Sqlite.seed_users(&setup, USERS);
        machine
    }

    fn bare(seed: u64) -> Machine {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().canonicalize().expect("it exists");
        let disk = Disk::new(&path);
        Machine {
            disk,
            setup: Setup::at(&path),
            clock: Arc::new(Clock::manual(1_700_000_000_000, seed)),
            down: Arc::default(),
            said: Mutex::default(),
            path,
            _directory: directory,
        }
    }

    /// A machine with the files of another one, which stands still.
    pub fn copy_of(other: &Machine, seed: u64) -> Machine {
        let machine = Machine::bare(seed);
        copy_files(&other.path, &machine.path);
        machine
    }

    /// The program starts.
    pub fn start(&self) -> Result<Desk, OpenError> {
        let (disk, generation) = (Arc::clone(&self.disk), self.disk.generation());
        let setup = Setup {
            vfs: Some(self.disk.boot()),
            fatal: Arc::default(),
            exit: Arc::new(move || disk.end(generation)),
            ..self.setup.clone()
        };
        locked(&self.said).push(Arc::clone(&setup.fatal));
        Desk::open(&Sqlite, &setup, &self.clock)
    }

    /// Why the newest program gave up, if it did.
    pub fn fatal(&self) -> Vec<String> {
        locked(&self.said)
            .last()
            .map_or_else(Vec::new, |said| locked(said).clone())
    }

    /// From now on the machine goes down before the `n`-th operation.
    pub fn down_at(&self, n: u64, how: Action) {
        let at = self.disk.op_count() + n;
        let down = Arc::clone(&self.down);
        down.store(false, Ordering::SeqCst);
        self.disk.before_op(Box::new(move |info| {
            if info.index < at || down.swap(true, Ordering::SeqCst) {
                Action::Go
            } else {
                how
            }
        }));
    }

    /// Whether it went down by itself since `down_at`.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    /// It goes down now if it has not yet; the program and its threads are gone afterwards.
    pub fn go_down(&self, desk: Option<Desk>, how: Action) {
        self.disk.clear_before_op();
        if !self.is_down() {
            match how {
                Action::CutHere(how) => {
                    let _report = self.disk.cut(how);
                }
                _ => self.disk.crash(),
            }
        }
        drop(desk);
        for said in locked(&self.said).iter() {
            let said = locked(said).clone();
            assert!(!said.iter().any(|why| why.contains("panic")), "{said:?}");
        }
        assert_eq!(METERS.panics.load(Ordering::Relaxed), 0, "a reader panicked");
        self.down.store(false, Ordering::SeqCst);
    }

    /// The heads file is not the simulated disk's; a power cut may lose what was not synced of it.
    pub fn lose_heads(&self, dice: &mut Dice) {
        let path = self.path.join("heads");
        let Ok(bytes) = std::fs::read(&path) else { return };
        if dice.below(3) == 0 {
            let keep = usize::try_from(dice.below(bytes.len() as u64 + 1)).expect("small");
            std::fs::write(&path, &bytes[..keep]).expect("the directory is writable");
        }
    }

    /// What the doctor finds in the files as they lie there.
    pub fn examined(&self) -> Vec<String> {
        let copy = tempfile::tempdir().expect("a temporary directory");
        copy_files(&self.path, copy.path());
        doctor::examine(copy.path()).expect("the doctor can look").damage
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A failing test leaves threads behind; they must not go down on files that are gone.
        self.disk.clear_before_op();
    }
}

fn copy_files(from: &Path, to: &Path) {
    for name in ["kinglet.db", "kinglet.db-wal", "heads"] {
        if from.join(name).exists() {
            let _bytes = std::fs::copy(from.join(name), to.join(name)).expect("a file can be copied");
        }
    }
}

/// How a machine goes down, as the dice say: a crash keeps the page cache, a cut does not.
pub fn any_end(dice: &mut Dice) -> Action {
    match dice.below(4) {
        0 => Action::CrashHere,
        1 => Action::CutHere(Cut::DropAll),
        _ => Action::CutHere(Cut::Random(dice.below(u64::from(u32::MAX)))),
    }
}
