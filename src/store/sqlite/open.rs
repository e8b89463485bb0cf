//! Opening the store: the checks before anything is served. What must not live here: what happens afterwards.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use parking_lot::RwLock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::mpsc;

use super::chance::Chance;
use super::checkpoint::{self, Checkpointer};
use super::find;
use super::heads::{self, HeadsFile, Recorded};
use super::markers::Markers;
use super::recent::Recent;
use super::rosters::RosterCache;
use super::rows::{COLUMNS, Hash, Row};
use super::writer::Writer;
use super::{ById, Options, ReadPool, Shared, Store, int, personal, schema};
use crate::clock::{Clock, monotonic};
use crate::limits;
use crate::planted::Bug;
use crate::proto::What;
use crate::store::{Committed, Pos, Writable};

/// Older libraries can lose committed writes when a checkpoint and a commit meet (the WAL-reset race).
const OLDEST_SQLITE: i32 = 3_051_003;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the data directory {0} is in use by another kinglet process; stop that one, or use another `data_dir`"
    )]
    InUse(PathBuf),
    #[error("SQLite {0} is too old: at least 3.51.3 is needed, build with the bundled one")]
    OldSqlite(&'static str),
    #[error("{what} in {path}: {source}; check that the directory exists and belongs to the server's user")]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the database could not be {what}: {source}; run `kinglet doctor`")]
    Sql {
        what: &'static str,
        source: rusqlite::Error,
    },
}

pub const DATABASE: &str = "kinglet.db";
pub const HEADS: &str = "heads";

fn sql(what: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |source| OpenError::Sql { what, source }
}

/// Takes a data directory for this process alone, for as long as the file is held.
pub fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|source| OpenError::File {
        what: "could not make the lock file",
        path,
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(OpenError::InUse(directory.to_owned())),
    }
}

pub fn connect(directory: &Path, vfs: Option<&str>, cache_kib: usize) -> Result<Connection, OpenError> {
    let path = directory.join(DATABASE);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&path, flags, vfs),
        None => Connection::open_with_flags(&path, flags),
    };
    let connection = connection.map_err(sql("opened"))?;
    let synchronous = if Bug::SynchronousNormal.is_planted() {
        "NORMAL"
    } else {
        "FULL"
    };
    let pragmas = format!(
        "PRAGMA busy_timeout = 5000; PRAGMA synchronous = {synchronous};
         PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache_kib};"
    );
    connection.execute_batch(&pragmas).map_err(sql("set up"))?;
    // Plans do not depend on the values asked for. Without it a statement that might use a partial index is parsed anew
    // each time another value is bound to it, which was half of what a sign-in cost.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(sql("set up"))?;
    journal(&connection).map_err(sql("switched to a write-ahead log"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The pragma answers "wal" before the change is committed: only stepping it to its end shows whether that failed.
fn journal(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
    let modes = statement
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if modes == ["wal"] {
        Ok(())
    } else {
        Err(rusqlite::Error::InvalidQuery)
    }
}

pub fn meta<const N: usize>(connection: &Connection, key: &str) -> rusqlite::Result<Option<[u8; N]>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
}

/// The same for what has no fixed length.
pub fn meta_bytes(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
}

/// The server's epoch; made once, and anew after a restore.
pub fn epoch(connection: &Connection, clock: &Clock) -> rusqlite::Result<u64> {
    if let Some(bytes) = meta(connection, "epoch")? {
        return Ok(u64::from_le_bytes(bytes));
    }
    let mut bytes = [0; 8];
    clock.random(&mut bytes);
    connection.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?1)", [bytes])?;
    Ok(u64::from_le_bytes(bytes))
}

/// What the rows that are not folded say.
pub struct Rebuilt {
    pub recent: Recent,
    pub damage: Vec<String>,
    /// Who sends, or arrives, has read so far: what a crash took of it comes back with the log.
    pub markers: Markers,
}

/// A copy of a database without the heads file beside it is a restored one: a new epoch keeps clients from taking its
/// state for the one they know.
fn renew_if_restored(connection: &Connection, heads: &Path, recent: &Recent) -> rusqlite::Result<()> {
    if recent.head > 0 && !heads.try_exists().unwrap_or(true) {
        log::warn!(
            "this database was restored from a copy: a new epoch begins, and clients start from its state"
        );
        connection.execute("DELETE FROM meta WHERE key = 'epoch'", [])?;
    }
    Ok(())
}

/// Rebuilds the memory's index from the rows that are not folded, checking the chain and the seqs on the way.
pub fn rebuild(connection: &Connection) -> rusqlite::Result<Rebuilt> {
    let folded: Pos = meta(connection, "folded")?.map_or(0, u64::from_le_bytes);
    let mut recent = Recent {
        folded,
        head: folded,
        ..Recent::default()
    };
    let mut damage = Vec::new();
    let markers = Markers::default();
    let mut ends: HashMap<u64, (u64, u64, Hash)> = HashMap::new();
    let mut rows = connection.prepare(&format!("SELECT {COLUMNS} FROM log WHERE pos > ?1 ORDER BY pos"))?;
    let mut rows = rows.query([int(folded)])?;
    while let Some(row) = rows.next()? {
        let row = Row::read(row)?;
        if row.pos != recent.head + 1 {
            damage.push(format!("place {} of the log is missing", recent.head + 1));
        }
        let (seq, count, hash) = match ends.get(&row.conversation) {
            Some(end) => *end,
            None => find::folded_state(connection, row.conversation)?
                .map_or((0, 0, [0; 32]), |(standing, hash)| {
                    (standing.last_seq, standing.last_count, hash)
                }),
        };
        if row.seq != seq + 1 {
            damage.push(format!("seq {} follows seq {seq} in a conversation", row.seq));
            continue;
        }
        if row.count != count + u64::from(row.counts()) {
            damage.push(format!(
                "an event counts {} messages after one that counted {count}",
                row.count
            ));
        }
        let hash = row.link(&hash);
        ends.insert(row.conversation, (row.seq, row.count, hash));
        recent.add(&row, hash);
        let event = row.event();
        let arrived = match &event.what {
            What::Message { .. } if row.counts() => &[][..],
            What::Created { members, .. } => members,
            What::Joined { users, .. } => users,
            _ => continue,
        };
        for user in arrived.iter().chain([&event.by]) {
            markers.raise(*user, row.conversation, row.seq, row.count);
        }
    }
    Ok(Rebuilt {
        recent,
        damage,
        markers,
    })
}

/// Compares the log with what the heads file knew.
pub fn missing(
    connection: &Connection,
    recent: &Recent,
    recorded: &Recorded,
) -> rusqlite::Result<Vec<String>> {
    let mut damage = Vec::new();
    if recorded.base > recent.head {
        damage.push(format!(
            "the log ends at place {}, but had come to {}",
            recent.head, recorded.base
        ));
    }
    for (conversation, head) in &recorded.heads {
        let (last, hash) = match recent.conversations.get(conversation) {
            Some(stretch) => (
                stretch.last(),
                (stretch.last() == head.seq).then_some(stretch.hash),
            ),
            None => match find::folded_state(connection, *conversation)? {
                Some((standing, hash)) => {
                    (standing.last_seq, (standing.last_seq == head.seq).then_some(hash))
                }
                None => (0, None),
            },
        };
        if last < head.seq {
            damage.push(format!(
                "{} acknowledged events of a conversation are missing",
                head.seq - last
            ));
        } else if hash.is_some_and(|hash| hash != head.hash) {
            damage.push(format!(
                "a conversation's hash chain does not end as recorded at seq {}",
                head.seq
            ));
        }
    }
    Ok(damage)
}

/// Whether a log with this damage takes anything new; says loudly why not.
fn writable(damage: &[String]) -> Writable {
    let Some(first) = damage.first() else {
        return Writable::Yes;
    };
    for line in damage.iter().take(20) {
        log::error!("the log is damaged: {line}");
    }
    log::error!("nothing new is taken until an operator has run `kinglet doctor`");
    Writable::ReadOnly(first.as_str().into())
}

impl Store {
    /// Opens the log: takes the lock, completes the last checkpoint, checks what was written since, starts the threads.
    pub fn open(options: Options, clock: Arc<Clock>, sink: Box<dyn Committed>) -> Result<Store, OpenError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(OpenError::OldSqlite(rusqlite::version()));
        }
        let directory = &options.directory;
        let lock = lock(directory)?;
        let vfs = options.vfs.as_deref();
        let mut connection = connect(directory, vfs, limits::WRITER_CACHE_KIB)?;
        if !Bug::NoCheckpointAtStart.is_planted() {
            checkpoint::complete(&connection).map_err(sql("checkpointed"))?;
        }
        schema::migrate(&mut connection).map_err(sql("brought to this release's form"))?;
        let Rebuilt {
            recent,
            mut damage,
            markers,
        } = rebuild(&connection).map_err(sql("read"))?;
        let heads_path = directory.join(HEADS);
        renew_if_restored(&connection, &heads_path, &recent).map_err(sql("written"))?;
        let epoch = epoch(&connection, &clock).map_err(sql("read"))?;
        let heads = open_heads(&connection, &heads_path, epoch, &recent, &mut damage)?;
        let change = personal::last_change(&connection).map_err(sql("read"))?;
        let discretion = Arc::new(personal::discretion(&connection).map_err(sql("read"))?);
        let restraints = super::accounts::restraints(&connection).map_err(sql("read"))?;
        let writable = writable(&damage);
        let mut readers = Vec::new();
        for _ in 0..limits::READERS {
            readers.push(connect(directory, vfs, limits::READER_CACHE_KIB)?);
        }
        let checkpoints = connect(directory, vfs, 256)?;
        let (checkpointer, nudges) = Checkpointer::new();
        let shared = Arc::new(Shared {
            recent: RwLock::new(recent),
            rosters: RosterCache::new(options.roster_members),
            markers,
            writable: RwLock::new(writable),
            tight: AtomicBool::new(false),
            clock,
            settings: options.settings,
            epoch,
            queued_bytes: AtomicUsize::new(0),
            accounts_change: AtomicU64::new(change),
            discretion,
            restraints,
            checkpointer,
            searches: super::search::Turns::default(),
            push: super::push::Interest::default(),
            sweeping: tokio::sync::Notify::new(),
            let_go: super::blobs::LetGo::default(),
            fatal: Arc::clone(&options.fatal),
            _lock: lock,
        });
        let thread = |source| OpenError::File {
            what: "could not start a thread",
            path: directory.clone(),
            source,
        };
        let reads = Arc::new(ReadPool::start(readers).map_err(thread)?);
        let (queue, jobs) = mpsc::channel(limits::QUEUE_COMMANDS);
        let writer = Writer {
            connection,
            shared: Arc::clone(&shared),
            sink,
            queue: jobs,
            states: ById::default(),
            chance: Chance::default(),
            heads,
            change,
            last_flush: monotonic(),
            pace: super::pace::Pace::new(),
            indexing: super::search::Indexing::default(),
            gone: Vec::new(),
        };
        keep_checkpoints(checkpoints, nudges, Arc::clone(&options.fatal)).map_err(thread)?;
        let fatal = Arc::clone(&options.fatal);
        let mut writer = writer;
        checkpoint::watch(&mut writer.connection).map_err(sql("watched"))?;
        let waits = writer.connection.busy_timeout(limits::EMPTYING_TIME);
        waits.map_err(sql("set up"))?;
        spawn("writer", move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run())).is_err() {
                fatal("the writer panicked; memory would lag the log");
            }
        })
        .map_err(thread)?;
        Ok(Store { shared, queue, reads })
    }
}

fn keep_checkpoints(
    connection: Connection,
    nudges: checkpoint::Nudges,
    fatal: Arc<dyn Fn(&str) + Send + Sync>,
) -> std::io::Result<()> {
    spawn("checkpointer", move || {
        if let Err(error) = checkpoint::run(&connection, &nudges) {
            fatal(&error);
        }
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map(drop)
}

/// Reads the heads file, compares, and begins a new one. After damage the old file is kept for the doctor.
fn open_heads(
    connection: &Connection,
    path: &Path,
    epoch: u64,
    recent: &Recent,
    damage: &mut Vec<String>,
) -> Result<HeadsFile, OpenError> {
    let file = |source| OpenError::File {
        what: "could not use the heads file",
        path: path.to_owned(),
        source,
    };
    if let Some(recorded) = heads::read(path).map_err(file)?
        && recorded.epoch == epoch
    {
        damage.extend(missing(connection, recent, &recorded).map_err(sql("read"))?);
        if !damage.is_empty() {
            return HeadsFile::begin(&path.with_extension("spare"), epoch, recent.head).map_err(file);
        }
    }
    let mut heads = HeadsFile::begin(path, epoch, recent.folded).map_err(file)?;
    for (conversation, stretch) in &recent.conversations {
        heads.note(*conversation, stretch.last(), &stretch.hash);
    }
    heads.write().and_then(|()| heads.sync()).map_err(file)?;
    // A heads file that a power cut took with its directory entry would look like a restored database.
    let directory = path.parent().unwrap_or(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(file)?;
    Ok(heads)
}

#[cfg(test)]
mod tests {
    /// Only a compiler's flag makes SQLite call fdatasync, and no pragma tells whether it does. What it costs without:
    /// `kinglet-load bytes --loop`.
    #[test]
    fn sqlite_was_told_that_fdatasync_can_be_trusted() {
        let flags = option_env!("LIBSQLITE3_FLAGS").unwrap_or_default();
        assert!(
            flags.contains("-DHAVE_FDATASYNC=1"),
            "built without .cargo/config.toml: {flags:?}"
        );
    }
}
