//! The database as one moment had it, for a backup: checked, then read page by page, while everybody goes on writing. What must
//! not live here: where it goes, and how it is encrypted.
//!
//! A reading transaction on a connection of its own holds that moment from `take` to the end: what is read out is what was
//! checked. In write-ahead mode neither that nor anything here makes the writer wait; the write-ahead log only cannot begin again
//! meanwhile, which is why its length is looked at (docs/decisions/0016-backups.md).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Rows, Statement};
use serde::Deserialize;

use super::checkpoint;
use super::doctor::{self, Report};
use super::open::{self, DATABASE, OpenError};
use super::replay::{self, Erased};
use super::{accounts, int, schema};
use crate::clock::monotonic;
use crate::limits;
use crate::proto::backup::BackupChoice;
use crate::proto::{BlobId, UserId};
use crate::store::Pos;

/// How long that is waited for, and how often it is looked.
const SETTLING: Duration = Duration::from_secs(30);
const SETTLING_LOOK: Duration = Duration::from_millis(20);

/// Brings everything into the database file itself, so that nothing else of it is needed. By whoever has its lock.
pub fn settle(directory: &Path) -> Result<(), OpenError> {
    let connection = open::connect(directory, None, limits::READER_CACHE_KIB)?;
    // A store that was closed just now may be emptying its log itself: that is waited for.
    let deadline = monotonic() + SETTLING;
    loop {
        match checkpoint::complete(&connection) {
            Err(error) if is_busy(&error) && monotonic() < deadline => {
                std::thread::park_timeout(SETTLING_LOOK)
            }
            done => return done.map_err(sql),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// A moment of the database.
pub struct Image {
    connection: Connection,
    directory: PathBuf,
}

/// What is told of it, beside its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    pub schema: usize,
    pub epoch: u64,
    pub head: Pos,
    pub users: u64,
    pub conversations: u64,
    /// Bytes of all its pages.
    pub bytes: u64,
    /// Stored files, and their bytes.
    pub files: u64,
    pub file_bytes: u64,
    pub secret: Option<[u8; 32]>,
    /// What backups are encrypted to, and whether somebody has shown that they hold its key.
    pub recipient: Option<(String, bool)>,
    /// Where backups go, as far as it was chosen.
    pub chosen: BackupChoice,
}

/// A stored file that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageBlob {
    pub id: BlobId,
    pub size: u64,
    pub has_thumbnail: bool,
}

#[derive(Deserialize)]
struct RecoveryRow {
    recipient: String,
    kept: bool,
}

fn sql(source: rusqlite::Error) -> OpenError {
    OpenError::Sql { what: "read", source }
}

/// The form of the tables that this program makes.
#[must_use]
pub fn schema_version() -> usize {
    schema::version()
}

impl Image {
    /// Holds on to this moment. Beside a running server, or by whoever has its lock.
    pub fn take(directory: &Path) -> Result<Image, OpenError> {
        let path = directory.join(DATABASE);
        if !path.exists() {
            // Looking must not make one.
            return Err(OpenError::File {
                what: "there is no database",
                path,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        let connection = open::connect(directory, None, limits::READER_CACHE_KIB)?;
        let begun = || {
            connection.execute_batch("BEGIN")?;
            // The first look is what fixes the moment.
            connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))
        };
        begun().map_err(sql)?;
        Ok(Image {
            connection,
            directory: directory.to_owned(),
        })
    }

    pub fn facts(&self) -> Result<ImageFacts, OpenError> {
        facts(&self.connection).map_err(sql)
    }

    /// SQLite's own check of its structure, every hash chain from the beginning, counts and places. Each line of damage is a
    /// sentence.
    pub fn verify(&self) -> Result<Report, OpenError> {
        doctor::sound(&self.connection).map_err(sql)
    }

    /// All pages, in order: the bytes of a database file.
    pub fn pages(&self) -> Result<Pages<'_>, OpenError> {
        let statement = self
            .connection
            .prepare("SELECT data FROM sqlite_dbpage")
            .map_err(sql)?;
        Ok(Pages { statement })
    }

    /// Lets go of the moment: what is read from here on is what there is then.
    pub fn release(&self) -> Result<(), OpenError> {
        self.connection.execute_batch("COMMIT").map_err(sql)
    }

    /// What was erased after a place in the log; at most so many.
    pub fn erased(&self, after: Pos) -> Result<Vec<Erased>, OpenError> {
        replay::erased_since(&self.connection, after).map_err(sql)
    }

    /// The people who are erased.
    pub fn erased_people(&self) -> Result<Vec<UserId>, OpenError> {
        replay::erased_people(&self.connection).map_err(sql)
    }

    /// The stored files after one of them.
    pub fn blobs(&self, after: Option<BlobId>) -> Result<Vec<ImageBlob>, OpenError> {
        blobs(&self.connection, after).map_err(sql)
    }

    /// Whether a stored file still belongs to it.
    pub fn has_blob(&self, id: BlobId) -> Result<bool, OpenError> {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM blob WHERE hash = ?1");
        found.and_then(|mut found| found.exists([id.0])).map_err(sql)
    }

    /// How long the write-ahead log is by now.
    #[must_use]
    pub fn wal_bytes(&self) -> u64 {
        let wal = self.directory.join(format!("{DATABASE}-wal"));
        wal.metadata().map_or(0, |wal| wal.len())
    }
}

fn facts(connection: &Connection) -> rusqlite::Result<ImageFacts> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let recovery: Option<Vec<u8>> = open::meta_bytes(connection, "recovery")?;
    let recovery = recovery.and_then(|row| serde_json::from_slice::<RecoveryRow>(&row).ok());
    Ok(ImageFacts {
        schema: usize::try_from(number("PRAGMA user_version")?).unwrap_or(usize::MAX),
        epoch: open::meta(connection, "epoch")?.map_or(0, u64::from_le_bytes),
        head: number("SELECT coalesce(max(pos), 0) FROM log")?.cast_unsigned(),
        users: number("SELECT count(*) FROM user")?.cast_unsigned(),
        conversations: number("SELECT count(*) FROM conversation")?.cast_unsigned(),
        bytes: number("PRAGMA page_count")?.cast_unsigned() * number("PRAGMA page_size")?.cast_unsigned(),
        files: number("SELECT count(*) FROM blob")?.cast_unsigned(),
        file_bytes: number("SELECT coalesce(sum(size), 0) FROM blob")?.cast_unsigned(),
        secret: open::meta(connection, "server_secret")?,
        recipient: recovery.map(|row| (row.recipient, row.kept)),
        chosen: accounts::stored_choice(connection)?,
    })
}

fn blobs(connection: &Connection, after: Option<BlobId>) -> rusqlite::Result<Vec<ImageBlob>> {
    let mut some = connection
        .prepare_cached("SELECT hash, size, thumbnail FROM blob WHERE hash > ?1 ORDER BY hash LIMIT ?2")?;
    let after = after.map_or_else(Vec::new, |after| after.0.to_vec());
    some.query_map(rusqlite::params![after, int(limits::LIST_ROWS as u64)], |row| {
        Ok(ImageBlob {
            id: BlobId(row.get(0)?),
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            has_thumbnail: row.get(2)?,
        })
    })?
    .collect()
}

/// The pages, to be read.
pub struct Pages<'a> {
    statement: Statement<'a>,
}

/// A file's bytes that come out of a statement.
pub struct PageReader<'a> {
    rows: Rows<'a>,
    page: Vec<u8>,
    at: usize,
}

impl Pages<'_> {
    pub fn reader(&mut self) -> Result<PageReader<'_>, OpenError> {
        Ok(PageReader {
            rows: self.statement.query([]).map_err(sql)?,
            page: Vec::new(),
            at: 0,
        })
    }
}

impl Read for PageReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.page.len() {
            let Some(row) = self.rows.next().map_err(io::Error::other)? else {
                return Ok(0);
            };
            let bytes = row.get_ref(0).map_err(io::Error::other)?;
            let bytes = bytes.as_blob().map_err(io::Error::other)?;
            self.page.clear();
            self.page.extend_from_slice(bytes);
            self.at = 0;
        }
        let given = out.len().min(self.page.len() - self.at);
        out[..given].copy_from_slice(&self.page[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}
