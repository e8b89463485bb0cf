//! The simulated disk against real SQLite: it must lose what was not synced, keep what was, and let SQLite work as ever.
//! Must not live here: Kinglet's own schema; the crash checker has that.
#![cfg(feature = "fault-injection")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use kinglet::store::sqlite::fault_vfs::{Action, Cut, Disk, Fault, FileKind, Op};
use rusqlite::{Connection, ErrorCode, OpenFlags, Result};
use tempfile::TempDir;

struct Rig {
    disk: Arc<Disk>,
    path: PathBuf,
    _dir: TempDir,
}

/// The settings of one run.
#[derive(Clone, Copy)]
struct Mode {
    journal: &'static str,
    synchronous: &'static str,
}

const FULL: Mode = Mode {
    journal: "WAL",
    synchronous: "FULL",
};
const NORMAL: Mode = Mode {
    journal: "WAL",
    synchronous: "NORMAL",
};

impl Rig {
    fn new() -> Rig {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().canonicalize().expect("it exists").join("log.db");
        Rig {
            disk: Disk::new(dir.path()),
            path,
            _dir: dir,
        }
    }

    fn open(&self, vfs: &str, mode: Mode) -> Result<Connection> {
        let db = Connection::open_with_flags_and_vfs(&self.path, OpenFlags::default(), vfs)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        // The pragma answers "wal" before it commits the change, and asking again answers the same. Only a statement stepped to
        // its end tells that the commit failed; else SQLite goes on with rollback journals, which promise less.
        let journal = format!("PRAGMA journal_mode={}", mode.journal);
        db.prepare(&journal)?
            .query_map([], |row| row.get::<_, String>(0))?
            .try_for_each(|got| got.map(drop))?;
        db.execute_batch(&format!(
            "PRAGMA synchronous={}; PRAGMA wal_autocheckpoint=0;
             CREATE TABLE IF NOT EXISTS row (n INTEGER PRIMARY KEY, body BLOB);",
            mode.synchronous
        ))?;
        Ok(db)
    }

    /// A new process that opens the file.
    fn start(&self, mode: Mode) -> Connection {
        self.open(&self.disk.boot(), mode)
            .expect("opening after a restart works")
    }

    fn file(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

fn insert(db: &Connection, n: u64) -> Result<()> {
    let body = vec![n as u8; 40 + (n * 97 % 1500) as usize];
    db.execute("INSERT INTO row VALUES (?1, ?2)", (n as i64, body))
        .map(drop)
}

fn rows(db: &Connection) -> Result<BTreeSet<u64>> {
    let mut query = db.prepare("SELECT n FROM row")?;
    query
        .query_map([], |row| row.get::<_, i64>(0).map(|n| n as u64))?
        .collect()
}

fn assert_sound(db: &Connection, when: &str) {
    let verdict: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("the check runs");
    assert_eq!(verdict, "ok", "{when}");
}

/// False when someone was in the way or the database is not in WAL mode at all.
fn truncating_checkpoint(db: &Connection) -> Result<bool> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? >= 0)
    })
}

/// A seeded choice, so that a failure is its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Lets the machine go down by `how` just before the `n`-th operation from now.
fn down_at(disk: &Disk, n: u64, how: Action) {
    let at = disk.op_count() + n;
    disk.before_op(Box::new(
        move |info| if info.index >= at { how } else { Action::Go },
    ));
}

/// Insert and checkpoint until the machine goes down, again and again; how many acknowledged rows went missing?
fn lost_in_cuts(mode: Mode, cuts: u64, crashes_too: bool) -> usize {
    let rig = Rig::new();
    let mut acked = BTreeSet::new();
    let mut next = 0;
    let mut lost = 0;
    for seed in 0..cuts {
        let mut dice = Dice(seed);
        let db = rig.start(mode);
        // What a restart shows must stay, as the server answers from it.
        let whole = truncating_checkpoint(&db).expect("the start-up checkpoint runs");
        assert!(
            whole || mode.journal != "WAL",
            "the start-up checkpoint was not whole"
        );
        assert_sound(&db, &format!("after a restart, seed {seed}"));
        let found = rows(&db).expect("rows can be read");
        lost += acked.difference(&found).count();
        acked = found;
        let how = match dice.below(3) {
            0 if crashes_too => Action::CrashHere,
            0 | 1 => Action::CutHere(Cut::Random(seed)),
            _ => Action::CutHere(Cut::DropAll),
        };
        down_at(&rig.disk, 1 + dice.below(120), how);
        for turn in 0.. {
            assert!(turn < 1000, "the machine never went down, seed {seed}");
            next += 1;
            let done = match dice.below(8) {
                0 => db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())),
                1 => truncating_checkpoint(&db).map(drop),
                2 => db
                    .execute("DELETE FROM row WHERE n = ?1", [-(next as i64)])
                    .map(drop),
                _ => insert(&db, next).map(|()| {
                    acked.insert(next);
                }),
            };
            if done.is_err() {
                break;
            }
        }
        rig.disk.clear_before_op();
        drop(db);
    }
    lost
}

#[test]
fn a_synced_commit_survives_every_cut() {
    assert_eq!(lost_in_cuts(FULL, 100, true), 0);
}

/// The harness's own red test: it can tell a database that does not sync its commits.
#[test]
fn unsynced_commits_are_lost_and_noticed() {
    assert!(
        lost_in_cuts(NORMAL, 100, false) > 0,
        "no row was lost: the disk forgets nothing"
    );
}

#[test]
fn rollback_journals_need_the_directory_synced_too() {
    let extra = Mode {
        journal: "DELETE",
        synchronous: "EXTRA",
    };
    assert_eq!(lost_in_cuts(extra, 60, false), 0);
    let full = Mode {
        journal: "DELETE",
        synchronous: "FULL",
    };
    assert!(
        lost_in_cuts(full, 60, false) > 0,
        "an unsynced deletion of the journal was never undone"
    );
}

/// Process crash between write and sync, restart, power cut: the row was served, then lost, unless the start checkpoints.
#[test]
fn rows_read_after_a_crash_are_lost_by_a_cut_unless_checkpointed() {
    for (checkpoint, expected) in [(false, vec![1]), (true, vec![1, 2])] {
        let rig = Rig::new();
        let db = rig.start(FULL);
        insert(&db, 1).expect("the first row is synced");
        rig.disk.before_op(Box::new(|info| match (info.kind, info.op) {
            (FileKind::Wal, Op::Sync) => Action::CrashHere,
            _ => Action::Go,
        }));
        insert(&db, 2).expect_err("the process dies before the sync");
        rig.disk.clear_before_op();

        let restarted = rig.start(FULL);
        assert_eq!(
            rows(&restarted).expect("rows"),
            BTreeSet::from([1, 2]),
            "the page cache is alive"
        );
        drop(db);
        if checkpoint {
            assert!(truncating_checkpoint(&restarted).expect("checkpoint"));
        }
        rig.disk.cut(Cut::DropAll);

        let again = rig.start(FULL);
        drop(restarted);
        assert_eq!(
            rows(&again).expect("rows"),
            expected.into_iter().collect(),
            "{checkpoint}"
        );
        assert_sound(&again, "after the chain");
    }
}

#[test]
fn a_dead_process_changes_nothing() {
    let rig = Rig::new();
    let old_name = rig.disk.boot();
    let writer = rig.open(&old_name, FULL).expect("open");
    let reader = rig.open(&old_name, FULL).expect("open");
    insert(&writer, 1).expect("insert");
    writer.execute_batch("BEGIN IMMEDIATE").expect("begin");
    insert(&writer, 2).expect("unfinished");
    reader
        .execute_batch("BEGIN; SELECT * FROM row")
        .expect("a read transaction stays open");
    rig.disk.cut(Cut::DropAll);

    let now = rig.start(FULL);
    insert(&now, 3).expect("no lock of the dead is in the way");
    assert!(truncating_checkpoint(&now).expect("nor of its readers"));
    insert(&now, 4).expect("insert");
    let before = (
        std::fs::read(&rig.path).expect("db"),
        std::fs::read(rig.file("-wal")).expect("wal"),
    );
    // Within its transaction SQLite answers from its own cache, without asking the file.
    reader
        .execute_batch("COMMIT")
        .expect("ending a read asks nothing of the disk");
    assert!(rows(&reader).is_err(), "a dead handle reads nothing new");
    assert!(
        writer.execute_batch("COMMIT").is_err(),
        "a dead handle commits nothing"
    );
    drop((writer, reader));
    let after = (
        std::fs::read(&rig.path).expect("db"),
        std::fs::read(rig.file("-wal")).expect("wal"),
    );
    assert!(before == after, "closing dead handles wrote to a file");
    assert!(
        rig.file("-shm").exists(),
        "closing dead handles removed the living one's shared memory"
    );
    assert!(
        rig.open(&old_name, FULL).is_err(),
        "the name of a dead process opens nothing"
    );
    // Another connection finds the same shared memory and the same locks.
    let other =
        Connection::open_with_flags_and_vfs(&rig.path, OpenFlags::default(), rig.disk.boot().as_str());
    let other = other.expect("open");
    assert_eq!(rows(&other).expect("rows"), BTreeSet::from([1, 3, 4]));
    now.execute_batch("BEGIN IMMEDIATE").expect("begin");
    other.busy_timeout(std::time::Duration::ZERO).expect("set");
    let busy = insert(&other, 5).expect_err("two writers at once");
    assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
}

/// A writer, a reader and a checkpointer on threads; with `cut_at`, the power goes in the middle.
fn run_threads(rig: &Rig, name: &str, cut_at: Option<u64>) -> u64 {
    const ROWS: u64 = 300;
    drop(rig.open(name, FULL).expect("set up"));
    let connections: Vec<_> = (0..3).map(|_| rig.open(name, FULL).expect("open")).collect();
    if let Some(n) = cut_at {
        down_at(&rig.disk, n, Action::CutHere(Cut::Random(n)));
    }
    let acked = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let [writer, reader, checkpointer]: [Connection; 3] = connections
        .try_into()
        .unwrap_or_else(|_| unreachable!("three were opened"));
    thread::scope(|scope| {
        let (acked, over) = (&acked, &over);
        scope.spawn(move || {
            for n in 1..=ROWS {
                if insert(&writer, n).is_err() {
                    break;
                }
                acked.store(n, Ordering::SeqCst);
            }
            over.store(true, Ordering::SeqCst);
        });
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                let at_least = acked.load(Ordering::SeqCst);
                let Ok(found) = rows(&reader) else { break };
                assert!(found.len() as u64 >= at_least, "an acknowledged row is not shown");
                assert_eq!(
                    found.len() as u64,
                    found.last().copied().unwrap_or(0),
                    "a row is missing"
                );
            }
        });
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                let run = checkpointer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                if run.is_err() {
                    break;
                }
            }
        });
    });
    rig.disk.clear_before_op();
    let acked = acked.load(Ordering::SeqCst);
    assert!(
        cut_at.is_some() || acked == ROWS,
        "a writer alone failed at {acked}"
    );
    acked
}

#[test]
fn writer_reader_and_checkpointer_share_one_log() {
    let rig = Rig::new();
    rig.disk.register("kinglet-test-threads");
    run_threads(&rig, "kinglet-test-threads", None);
    let wal = rig.disk.counts_of(FileKind::Wal);
    let db = rig.disk.counts_of(FileKind::Db);
    assert!(wal.syncs >= 300, "a commit without a sync of the log: {wal:?}");
    assert!(
        db.writes > 0 && db.syncs > 0,
        "the checkpointer did nothing: {db:?}"
    );
    assert_sound(&rig.start(FULL), "after the threads");
}

#[test]
fn a_cut_under_threads_keeps_what_was_acknowledged() {
    for cut_at in [50, 200, 411, 900, 1500, 2500] {
        let rig = Rig::new();
        let acked = run_threads(&rig, &rig.disk.boot(), Some(cut_at));
        let db = rig.start(FULL);
        assert_sound(&db, &format!("cut at {cut_at}"));
        let found = rows(&db).expect("rows");
        assert!(
            (1..=acked).all(|n| found.contains(&n)),
            "cut at {cut_at}: {acked} acknowledged"
        );
        assert!(
            found.len() as u64 <= acked + 1,
            "cut at {cut_at}: rows from nowhere"
        );
    }
}

/// Open, commit a few times, checkpoint, commit, close; stops at the first error.
fn standard_run(rig: &Rig, acked: &mut BTreeSet<u64>) -> Result<()> {
    let db = rig.open(&rig.disk.boot(), FULL)?;
    for n in 1..=8 {
        insert(&db, n)?;
        acked.insert(n);
        if n % 3 == 0 {
            assert!(
                truncating_checkpoint(&db)?,
                "a checkpoint was not whole, without an error"
            );
        }
    }
    if rows(&db)? != *acked {
        panic!("a run without an error does not show its own rows");
    }
    db.close().map_err(|(_, error)| error)
}

#[test]
fn every_operation_may_fail_once_or_for_good() {
    let mut fired = 0;
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortRead, Fault::TornWrite] {
        for sticky in [false, true] {
            for n in 1.. {
                let rig = Rig::new();
                let mut acked = BTreeSet::new();
                rig.disk.fail_nth(Op::Any, n, fault, sticky);
                let outcome = standard_run(&rig, &mut acked);
                if rig.disk.faults_fired() == 0 {
                    outcome.expect("nothing failed, so the run is whole");
                    assert_eq!(acked.len(), 8);
                    break;
                }
                fired += 1;
                rig.disk.clear_faults();
                rig.disk
                    .cut(if n % 2 == 0 { Cut::DropAll } else { Cut::Random(n) });
                let db = rig.start(FULL);
                assert_sound(&db, &format!("{fault:?} at {n}"));
                let found = rows(&db).expect("rows");
                assert!(
                    acked.is_subset(&found),
                    "{fault:?} at {n}: {acked:?} but {found:?}"
                );
            }
        }
    }
    assert!(fired > 200, "only {fired} faults fired");
}

#[test]
fn a_full_disk_is_an_error_and_passes() {
    let rig = Rig::new();
    let db = rig.start(FULL);
    insert(&db, 1).expect("insert");
    rig.disk
        .fail_nth_on(FileKind::Wal, Op::Write, 2, Fault::Enospc, true);
    for n in 2..5 {
        let error = insert(&db, n).expect_err("the disk is full");
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull), "{error}");
    }
    rig.disk.clear_faults();
    insert(&db, 9).expect("there is room again");
    rig.disk.cut(Cut::DropAll);
    drop(db);
    let db = rig.start(FULL);
    assert_eq!(rows(&db).expect("rows"), BTreeSet::from([1, 9]));
    assert_sound(&db, "after a full disk");
}

#[test]
fn a_failed_sync_makes_nothing_durable() {
    let rig = Rig::new();
    let db = rig.start(FULL);
    insert(&db, 1).expect("insert");
    rig.disk
        .fail_nth_on(FileKind::Wal, Op::Sync, 1, Fault::Eio, false);
    insert(&db, 2).expect_err("the commit's sync failed");
    rig.disk.cut(Cut::DropAll);
    drop(db);
    assert_eq!(rows(&rig.start(FULL)).expect("rows"), BTreeSet::from([1]));
}

#[test]
fn the_kernel_forgets_pages_whose_sync_failed() {
    for (forget, survives) in [(true, false), (false, true)] {
        let rig = Rig::new();
        rig.disk.forget_on_failed_sync(forget);
        let heads = rig.disk.plain("heads");
        heads.append(&[b'a'; 512]).expect("append");
        rig.disk.fail_nth(Op::Sync, 1, Fault::Eio, false);
        heads.sync().expect_err("the sync fails");
        heads.append(&[b'b'; 512]).expect("append");
        heads.sync().expect("the next one says all is well");
        rig.disk.cut(Cut::DropAll);
        assert!(heads.read_all().is_err(), "the handle is dead");
        let left = rig.disk.file_read("heads").expect("the file is there");
        assert_eq!(left[..512] == [b'a'; 512], survives);
        assert_eq!(left[512..], [b'b'; 512]);
    }
}

#[test]
fn plain_files_follow_the_same_rules() {
    let rig = Rig::new();
    rig.disk.file_write("heads", b"one").expect("write");
    rig.disk.cut(Cut::DropAll);
    let gone = rig.disk.file_read("heads").expect_err("created, never synced");
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);

    rig.disk.file_write("heads", b"one").expect("write");
    rig.disk.file_sync("heads").expect("sync");
    rig.disk.file_write("heads", b"twenty").expect("write");
    rig.disk.crash();
    assert_eq!(
        rig.disk.file_read("heads").expect("read"),
        b"twenty",
        "the page cache is alive"
    );
    assert!(rig.disk.unsynced_sectors() > 0);
    let report = rig.disk.cut(Cut::DropAll);
    assert!(report.lost_sectors > 0);
    assert_eq!(
        rig.disk.file_read("heads").expect("read"),
        b"one",
        "the crash synced nothing"
    );

    rig.disk.fail_nth(Op::Write, 1, Fault::TornWrite, false);
    rig.disk.plain("heads").append(b"abcd").expect_err("torn");
    assert_eq!(rig.disk.file_read("heads").expect("read"), b"oneab");
    rig.disk.fail_nth(Op::Write, 1, Fault::Enospc, false);
    let full = rig.disk.plain("heads").append(b"x").expect_err("full");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_cut_is_reproduced_by_its_seed() {
    let run = |seed| {
        let rig = Rig::new();
        let db = rig.start(NORMAL);
        (1..40).for_each(|n| insert(&db, n).expect("insert"));
        let report = rig.disk.cut(Cut::Random(seed));
        let sizes = ["", "-wal"].map(|end| std::fs::metadata(rig.file(end)).map(|m| m.len()).ok());
        (report, sizes)
    };
    assert!((0..10).all(|seed| run(seed) == run(seed)));
    let different: BTreeSet<_> = (0..10).map(|seed| run(seed).0.lost_sectors).collect();
    assert!(different.len() > 3, "ten seeds, the same cut");
}

#[test]
fn bytes_are_counted_and_the_hook_sees_them_too() {
    let rig = Rig::new();
    let db = rig.start(FULL);
    let seen = Arc::new(Mutex::new((0, 0)));
    let sum = Arc::clone(&seen);
    let before = rig.disk.counts_of(FileKind::Wal);
    rig.disk.before_op(Box::new(move |info| {
        if info.op == Op::Write && info.kind == FileKind::Wal {
            assert!(info.path.to_string_lossy().ends_with("log.db-wal"));
            let mut sum = sum.lock().expect("no panic while held");
            *sum = (sum.0 + 1, sum.1 + info.len);
        }
        Action::Go
    }));
    (1..=10).for_each(|n| insert(&db, n).expect("insert"));
    let after = rig.disk.counts_of(FileKind::Wal);
    let (writes, bytes) = *seen.lock().expect("no panic while held");
    assert_eq!(
        (
            after.writes - before.writes,
            after.bytes_written - before.bytes_written
        ),
        (writes, bytes)
    );
    assert_eq!(after.syncs - before.syncs, 10, "one sync for each commit");
    assert!(bytes >= 10 * 4096 && rig.disk.counts().bytes_written >= bytes);
}
