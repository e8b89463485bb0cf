//! The registry of files by path, what of them is unsynced, and how the machine goes down: crash and power cut.
//! It outlives every connection, since the page cache outlives a process. Must not live here: SQLite's C types.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::faults::{self, Action, Counts, Failure, Fault, FileKind, Go, Op, OpInfo, Rule};
use super::image::{Rng, Toll, Unsynced};
use super::{PlainFile, ffi};

/// What a power cut leaves of the unsynced writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    DropAll,
    /// Any of them, sector by sector, as the seed decides.
    Random(u64),
}

/// What a power cut cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Sectors that were not durable when the power went.
    pub unsynced_sectors: u64,
    /// How many of them went back to an older state.
    pub lost_sectors: u64,
    /// Created files that are gone.
    pub files_lost: u64,
    /// Deleted files that are back.
    pub files_back: u64,
}

type Hook = dyn Fn(&OpInfo<'_>) -> Action + Send + Sync;

/// A simulated disk over one directory of real files.
pub struct Disk {
    dir: PathBuf,
    /// Grows at each crash and cut; a handle of an older generation belongs to a dead process.
    generation: AtomicU64,
    state: Mutex<State>,
    hook: Mutex<Option<Arc<Hook>>>,
}

struct State {
    files: BTreeMap<PathBuf, Entry>,
    next_id: u64,
    rules: Vec<Rule>,
    counts: [Counts; 3],
    ops: u64,
    faults_fired: u64,
    forget_on_failed_sync: bool,
}

#[derive(Default)]
struct Entry {
    live: Option<Live>,
    /// A file of this name whose deletion is not durable.
    ghost: Option<Ghost>,
}

struct Live {
    /// Tells a file from another one created later under the same name.
    id: u64,
    kind: FileKind,
    unsynced: Unsynced,
}

struct Ghost {
    kind: FileKind,
    unsynced: Unsynced,
    bytes: Vec<u8>,
}

/// What a handle shows at the door: which process it belongs to, and which file it is.
pub(super) struct Ticket {
    pub(super) generation: u64,
    pub(super) kind: FileKind,
    /// Empty for an unnamed temporary file, which dies with its process and is not tracked.
    pub(super) path: PathBuf,
    pub(super) id: u64,
}

impl Disk {
    /// A disk over an existing directory. Files already there count as durable.
    pub fn new(dir: &Path) -> Arc<Disk> {
        let dir = fs::canonicalize(dir).expect("the disk's directory must exist");
        let state = State {
            files: BTreeMap::new(),
            next_id: 1,
            rules: Vec::new(),
            counts: [Counts::default(); 3],
            ops: 0,
            faults_fired: 0,
            forget_on_failed_sync: true,
        };
        Arc::new(Disk {
            dir,
            generation: AtomicU64::new(0),
            state: Mutex::new(state),
            hook: Mutex::new(None),
        })
    }

    /// Registers the VFS under a name that no other VFS of this process has. It stays usable after a crash or cut, so a thread
    /// of the "dead" process that opens one more connection would come back to life; [`Disk::boot`] has no such hole.
    pub fn register(self: &Arc<Self>, name: &str) {
        ffi::register(self, name, None);
    }

    /// Registers the VFS for the process that starts now, under a fresh name: after the next crash or cut nothing opens by it.
    pub fn boot(self: &Arc<Self>) -> String {
        // SQLite's list of names is one for the whole process.
        static BOOTS: AtomicU64 = AtomicU64::new(0);
        let name = format!("kinglet-fault-{}", BOOTS.fetch_add(1, Ordering::Relaxed));
        ffi::register(self, &name, Some(self.generation()));
        name
    }

    /// A plain file under the same rules, relative to the disk's directory, held by the process that runs now.
    pub fn plain(self: &Arc<Self>, path: impl AsRef<Path>) -> PlainFile {
        PlainFile::new(Arc::clone(self), self.dir.join(path))
    }

    /// Replaces a plain file's content (cut to nothing, then written), unsynced.
    pub fn file_write(self: &Arc<Self>, path: impl AsRef<Path>, bytes: &[u8]) -> std::io::Result<()> {
        let file = self.plain(path);
        file.truncate(0)?;
        file.append(bytes)
    }

    pub fn file_sync(self: &Arc<Self>, path: impl AsRef<Path>) -> std::io::Result<()> {
        self.plain(path).sync()
    }

    pub fn file_read(self: &Arc<Self>, path: impl AsRef<Path>) -> std::io::Result<Vec<u8>> {
        self.plain(path).read_all()
    }

    /// The process dies: every handle is dead, the page cache stays, and so does what in it was never synced.
    pub fn crash(&self) {
        self.end(self.generation());
    }

    /// The process of a generation dies, unless it has already.
    pub fn end(&self, generation: u64) {
        let mut state = self.state.lock();
        if self.generation() != generation {
            return;
        }
        self.generation.fetch_add(1, Ordering::SeqCst);
        for (path, entry) in &mut state.files {
            if let Some(live) = &entry.live {
                let bytes = fs::read(path).expect("a tracked file can be read");
                replace(path, live.kind, Some(&bytes));
            }
        }
    }

    /// The power goes: every handle is dead, and each file is what [`Cut`] leaves of it.
    pub fn cut(&self, how: Cut) -> CutReport {
        let mut state = self.state.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        let mut rng = match how {
            Cut::DropAll => None,
            Cut::Random(seed) => Some(Rng::new(seed)),
        };
        let mut report = CutReport::default();
        let mut toll = Toll::default();
        for (path, entry) in std::mem::take(&mut state.files) {
            let Some(kind) = entry.kind() else { continue };
            let image = entry.after_cut(&path, rng.as_mut(), &mut toll, &mut report);
            replace(&path, kind, image.as_deref());
            if let Some(image) = image {
                let unsynced = Unsynced::existing(image.len() as u64);
                let live = Live {
                    id: state.take_id(),
                    kind,
                    unsynced,
                };
                state.files.insert(
                    path,
                    Entry {
                        live: Some(live),
                        ghost: None,
                    },
                );
            }
        }
        (report.unsynced_sectors, report.lost_sectors) = (toll.unsynced, toll.lost);
        report
    }

    /// The `n`-th matching operation from now (1 is the next) fails; `sticky` also fails every later one. Rules outlive a crash
    /// and a cut, as a bad card does; see [`Disk::clear_faults`].
    pub fn fail_nth(&self, op: Op, n: u64, fault: Fault, sticky: bool) {
        self.state.lock().rules.push(Rule {
            op,
            kind: None,
            left: n,
            fault,
            sticky,
        });
    }

    /// [`Disk::fail_nth`], on one kind of file only.
    pub fn fail_nth_on(&self, kind: FileKind, op: Op, n: u64, fault: Fault, sticky: bool) {
        self.state.lock().rules.push(Rule {
            op,
            kind: Some(kind),
            left: n,
            fault,
            sticky,
        });
    }

    pub fn clear_faults(&self) {
        self.state.lock().rules.clear();
    }

    /// How often a rule has fired.
    pub fn faults_fired(&self) -> u64 {
        self.state.lock().faults_fired
    }

    /// On by default: after a failed sync the kernel takes the dirty pages for clean, so a later sync succeeds without them.
    pub fn forget_on_failed_sync(&self, on: bool) {
        self.state.lock().forget_on_failed_sync = on;
    }

    /// Asks `hook` before each operation. It runs outside the disk's lock and may call the disk; a panic in it ends the process.
    pub fn before_op(&self, hook: Box<dyn Fn(&OpInfo<'_>) -> Action + Send + Sync>) {
        *self.hook.lock() = Some(Arc::from(hook));
    }

    pub fn clear_before_op(&self) {
        *self.hook.lock() = None;
    }

    pub fn counts(&self) -> Counts {
        let state = self.state.lock();
        let mut all = Counts::default();
        state.counts.iter().for_each(|counts| all.merge(counts));
        all
    }

    pub fn counts_of(&self, kind: FileKind) -> Counts {
        self.state.lock().counts[kind as usize]
    }

    /// Operations tried on living handles so far.
    pub fn op_count(&self) -> u64 {
        self.state.lock().ops
    }

    /// Sectors a power cut could take back now.
    pub fn unsynced_sectors(&self) -> usize {
        let state = self.state.lock();
        state
            .files
            .values()
            .filter_map(|e| e.live.as_ref())
            .map(|l| l.unsynced.sectors())
            .sum()
    }

    /// Of the process that runs now.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(super) fn alive(&self, ticket: &Ticket) -> bool {
        ticket.generation == self.generation()
    }

    /// The door every operation passes: is the process alive, does a rule or the hook object?
    pub(super) fn admit(&self, ticket: &Ticket, op: Op, offset: u64, len: u64) -> Result<Go, Failure> {
        let (fault, index) = {
            let mut state = self.state.lock();
            if !self.alive(ticket) {
                return Err(Failure::Dead);
            }
            state.ops += 1;
            let fault = faults::apply_rules(&mut state.rules, op, ticket.kind);
            state.faults_fired += u64::from(fault.is_some());
            let moved = match fault.map(|fault| faults::outcome(op, fault)) {
                None => len,
                Some(Ok(_)) => faults::half(len as usize) as u64,
                Some(Err(_)) => 0,
            };
            state.counts[ticket.kind as usize].add(op, moved);
            (fault, state.ops)
        };
        let hook = self.hook.lock().clone();
        if let Some(hook) = hook {
            let info = OpInfo {
                op,
                kind: ticket.kind,
                path: &ticket.path,
                offset,
                len,
                index,
            };
            match hook(&info) {
                Action::Go => {}
                Action::Fail(code) => return Err(Failure::Code(code)),
                Action::CrashHere => self.crash(),
                Action::CutHere(how) => drop(self.cut(how)),
            }
            if !self.alive(ticket) {
                return Err(Failure::Dead);
            }
        }
        fault.map_or(Ok(Go::Whole), |fault| faults::outcome(op, fault))
    }

    /// Opens a file by `open` (which says whether it could) and gives the id to track it by.
    pub(super) fn open<T, E>(
        &self,
        ticket: &mut Ticket,
        open: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let mut state = self.state.lock();
        if !self.alive(ticket) {
            return Err(Failure::Dead);
        }
        let before = fs::metadata(&ticket.path).map(|meta| meta.len());
        let opened = open();
        if opened.is_err() || ticket.path.as_os_str().is_empty() {
            return Ok(opened);
        }
        let id = state.take_id();
        let entry = state.files.entry(ticket.path.clone()).or_default();
        let live = entry.live.get_or_insert_with(|| Live {
            id,
            kind: ticket.kind,
            unsynced: before.map_or_else(|_| Unsynced::created(), Unsynced::existing),
        });
        ticket.id = live.id;
        Ok(opened)
    }

    /// Writes `len` bytes at `offset` by `write`, remembering first what they replace.
    pub(super) fn write<T, E>(
        &self,
        ticket: &Ticket,
        (offset, len): (u64, usize),
        read: &mut dyn FnMut(u64, &mut [u8]),
        write: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let mut state = self.state.lock();
        if !self.alive(ticket) {
            return Err(Failure::Dead);
        }
        let Some(live) = state.live(ticket) else {
            return Ok(write());
        };
        live.unsynced.before_write(offset, len, read);
        let written = write();
        if written.is_ok() {
            live.unsynced.after_write(offset, len);
        }
        Ok(written)
    }

    pub(super) fn truncate<T, E>(
        &self,
        ticket: &Ticket,
        size: u64,
        read: &mut dyn FnMut(u64, &mut [u8]),
        truncate: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let mut state = self.state.lock();
        if !self.alive(ticket) {
            return Err(Failure::Dead);
        }
        if let Some(live) = state.live(ticket) {
            live.unsynced.before_truncate(size, read);
        }
        Ok(truncate())
    }

    /// Makes a file durable; the real fsync is left out, since the real disk does not lose power here.
    pub(super) fn sync(&self, ticket: &Ticket) -> Result<(), Failure> {
        let admitted = self.admit(ticket, Op::Sync, 0, 0);
        let mut state = self.state.lock();
        if !self.alive(ticket) {
            return Err(Failure::Dead);
        }
        let forget = state.forget_on_failed_sync;
        let Some(live) = state.live(ticket) else {
            return admitted.map(drop);
        };
        if let Err(failure) = admitted {
            if forget {
                live.unsynced.forget();
            }
            return Err(failure);
        }
        let created = live.unsynced.created;
        live.unsynced.synced();
        if created {
            // SQLite syncs the directory with the first sync of a new journal or log.
            state.directory_synced(&ticket.path);
        }
        Ok(())
    }

    /// Deletes a file by `delete`. Unless its directory is synced too, a cut may bring the file back.
    pub(super) fn delete<T, E>(
        &self,
        ticket: &Ticket,
        sync_dir: bool,
        delete: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let mut state = self.state.lock();
        if !self.alive(ticket) {
            return Err(Failure::Dead);
        }
        // Opening and closing a file drops this process's POSIX locks on it. SQLite locks only the database and its shared
        // memory, and deletes neither through here while they are open.
        let bytes = fs::read(&ticket.path).unwrap_or_default();
        let deleted = delete();
        if deleted.is_err() {
            return Ok(deleted);
        }
        let entry = state.files.entry(ticket.path.clone()).or_default();
        let unsynced = match entry.live.take() {
            Some(live) => live.unsynced,
            None => Unsynced::existing(bytes.len() as u64),
        };
        if sync_dir {
            state.directory_synced(&ticket.path);
        } else if !unsynced.created {
            entry.ghost = Some(Ghost {
                kind: ticket.kind,
                unsynced,
                bytes,
            });
        }
        Ok(deleted)
    }

    /// For operations that only need the process to be alive for as long as they last.
    pub(super) fn while_alive<T>(&self, ticket: &Ticket, run: impl FnOnce() -> T) -> Option<T> {
        let _state = self.state.lock();
        self.alive(ticket).then(run)
    }
}

impl State {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Names made and removed beside `path` are durable now.
    fn directory_synced(&mut self, path: &Path) {
        for (other, entry) in &mut self.files {
            if other.parent() == path.parent() {
                entry.ghost = None;
                if let Some(live) = &mut entry.live {
                    live.unsynced.created = false;
                }
            }
        }
    }

    fn live(&mut self, ticket: &Ticket) -> Option<&mut Live> {
        let live = self.files.get_mut(&ticket.path)?.live.as_mut()?;
        (live.id == ticket.id).then_some(live)
    }
}

impl Entry {
    fn kind(&self) -> Option<FileKind> {
        let live = self.live.as_ref().map(|live| live.kind);
        live.or(self.ghost.as_ref().map(|ghost| ghost.kind))
    }

    fn after_cut(
        &self,
        path: &Path,
        mut rng: Option<&mut Rng>,
        toll: &mut Toll,
        report: &mut CutReport,
    ) -> Option<Vec<u8>> {
        if let Some(live) = &self.live {
            let survives = !live.unsynced.created || rng.as_deref_mut().is_some_and(|rng| rng.coin());
            if survives {
                let bytes = fs::read(path).expect("a tracked file can be read");
                return Some(live.unsynced.after_cut(&bytes, rng, toll));
            }
            report.files_lost += 1;
        }
        let ghost = self.ghost.as_ref()?;
        if rng.as_deref_mut().is_some_and(|rng| rng.coin()) {
            return None;
        }
        report.files_back += 1;
        Some(ghost.unsynced.after_cut(&ghost.bytes, rng, toll))
    }
}

/// Puts a file in place as a new inode, so that locks, descriptors and shared memory of dead handles stay with the old one.
fn replace(path: &Path, kind: FileKind, image: Option<&[u8]>) {
    match image {
        Some(image) => {
            let mut fresh = path.as_os_str().to_owned();
            fresh.push("-fresh");
            fs::write(&fresh, image).expect("the disk's directory must be writable");
            fs::rename(&fresh, path).expect("the disk's directory must be writable");
        }
        None => drop(fs::remove_file(path)),
    }
    if kind == FileKind::Db {
        // The next process would rebuild it anyway: nobody holds its first lock any more.
        let mut shared_memory = path.as_os_str().to_owned();
        shared_memory.push("-shm");
        drop(fs::remove_file(shared_memory));
    }
}
