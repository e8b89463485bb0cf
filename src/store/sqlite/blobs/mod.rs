//! The rows about stored files: what is there, who brought it, how much room each has taken. `uploads` are files on their
//! way, `uses` the messages that carry them. What must not live here: the bytes (see `store::blobs`).
//!
//! Invariants: a blob's row is written after its file is synced under its last name; room is taken when an upload begins and
//! given back in the transaction that drops what it was taken for; a file is removed after its row. What is erased leaves its
//! hash in `blob_gone`, in the erasing transaction, until the file is off the disk.

mod uploads;
pub(super) mod uses;

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Notify;

use super::registers::Registers;
use super::{Store, int, sql_refusal};
use crate::meters::{METERS, add};
use crate::proto::files::BlobInfo;
use crate::proto::{BlobId, Refusal, Timestamp, UploadId, UserId};

pub use uploads::{Finished, Quota, UploadRow};
pub use uses::FilesAsk;

type Outcome<T> = Result<T, Refusal>;

/// In the table of room taken: all users together.
const EVERYBODY: i64 = -1;
/// Room is counted as disks give it out.
const BLOCK: u64 = 4_096;
/// Rows that one sweep takes away.
const SWEEP: i64 = 100;

/// A stored file's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRow {
    pub id: BlobId,
    pub size: u64,
    pub media_type: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub thumbhash: Option<Vec<u8>>,
    pub has_thumbnail: bool,
}

/// What nobody needs any more: its rows are gone, its files may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub uploads: Vec<UploadId>,
    pub blobs: Vec<BlobId>,
}

/// Commits after which files are to be removed: so many so far, and a bell.
#[derive(Debug, Default)]
pub(super) struct LetGo {
    commits: AtomicU64,
    bell: Notify,
}

impl LetGo {
    pub fn after_commit(&self) {
        add(&METERS.erasures, 1);
        self.commits.fetch_add(1, Ordering::AcqRel);
        self.bell.notify_one();
    }
}

const COLUMNS: &str = "hash, size, media_type, width, height, thumbhash, thumbnail";

impl BlobRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<BlobRow> {
        let pixels = |at: usize| row.get::<_, Option<u32>>(at);
        Ok(BlobRow {
            id: BlobId(row.get(0)?),
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            media_type: row.get(2)?,
            width: pixels(3)?,
            height: pixels(4)?,
            thumbhash: row.get(5)?,
            has_thumbnail: row.get(6)?,
        })
    }

    /// As it is told.
    #[must_use]
    pub fn info(&self) -> BlobInfo {
        BlobInfo {
            blob: self.id,
            size: self.size,
            media_type: self.media_type.clone(),
            width: self.width,
            height: self.height,
            thumbhash: self.thumbhash.as_deref().map(told_hash),
            thumbnail: self.has_thumbnail,
        }
    }
}

fn told_hash(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn blob(connection: &Connection, id: BlobId) -> rusqlite::Result<Option<BlobRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM blob WHERE hash = ?1"))?
        .query_row([id.0], BlobRow::read)
        .optional()
}

/// What a file of this size takes of the room.
fn charge(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

fn taken(connection: &Connection, whose: i64) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = connection
        .prepare_cached("SELECT bytes FROM blob_room WHERE whose = ?1")?
        .query_row([whose], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or(0).cast_unsigned())
}

/// Takes room, or gives it back.
fn take(connection: &Connection, whose: i64, bytes: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO blob_room (whose, bytes) VALUES (?1, max(?2, 0))
             ON CONFLICT DO UPDATE SET bytes = max(bytes + ?2, 0)",
        )?
        .execute(params![whose, bytes])?;
    Ok(())
}

impl Store {
    /// A stored file's row.
    pub async fn blob(&self, id: BlobId) -> Outcome<Option<BlobRow>> {
        self.read(move |connection| blob(connection, id).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// Bytes of the room that a user has taken.
    pub async fn room_taken(&self, user: UserId) -> Outcome<u64> {
        self.read(move |connection| taken(connection, int(user.0)).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// The same for all users together.
    pub async fn room_taken_by_all(&self) -> Outcome<u64> {
        self.read(|connection| taken(connection, EVERYBODY).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// Those of the files that have no row.
    pub async fn strange_blobs(&self, ids: Vec<BlobId>) -> Outcome<Vec<BlobId>> {
        self.read(move |connection| {
            let mut strange = Vec::new();
            for id in ids {
                if blob(connection, id)
                    .map_err(|error| sql_refusal(&error))?
                    .is_none()
                {
                    strange.push(id);
                }
            }
            Ok(strange)
        })
        .await
    }

    /// Comes back once there may be erased files to remove that were not there before.
    pub async fn files_let_go(&self) {
        self.shared.let_go.bell.notified().await;
    }

    /// Commits so far that let files go.
    #[must_use]
    pub fn commits_of_files(&self) -> u64 {
        self.shared.let_go.commits.load(Ordering::Acquire)
    }

    /// After so many of them nothing is left on the disk.
    pub fn files_are_removed(&self, commits: u64) {
        add(&METERS.erasures_done, commits);
    }

    /// Some of the files whose rows are erased and that may still lie on the disk.
    pub async fn gone_blobs(&self) -> Outcome<Vec<BlobId>> {
        self.read(|connection| {
            let gone = || -> rusqlite::Result<Vec<BlobId>> {
                let mut gone = connection.prepare_cached("SELECT hash FROM blob_gone LIMIT ?1")?;
                gone.query_map([SWEEP], |row| row.get(0).map(BlobId))?.collect()
            };
            gone().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Notes that these are on the disk no more, or belong to somebody again.
    pub async fn blobs_removed(&self, ids: Vec<BlobId>) -> Outcome<()> {
        self.write(move |registers| {
            let mut forget = registers
                .connection
                .prepare_cached("DELETE FROM blob_gone WHERE hash = ?1")
                .map_err(|error| sql_refusal(&error))?;
            for id in ids {
                forget.execute([id.0]).map_err(|error| sql_refusal(&error))?;
            }
            Ok(())
        })
        .await
    }

    /// Takes away the rows of some uploads that began before `before`, and of files that no message has carried since then.
    pub async fn sweep_blobs(&self, before: Timestamp) -> Outcome<Swept> {
        self.write(move |registers| sweep(registers, before).map_err(|error| sql_refusal(&error)))
            .await
    }
}

fn sweep(registers: &mut Registers<'_>, before: Timestamp) -> rusqlite::Result<Swept> {
    let connection = registers.connection;
    let mut swept = Swept::default();
    let mut old = connection
        .prepare_cached("SELECT id, user, size, blob IS NULL FROM upload WHERE created < ?1 LIMIT ?2")?;
    let uploads = old
        .query_map(params![int(before), SWEEP], |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok((number(0)?, number(1)?, number(2)?, row.get::<_, bool>(3)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, user, size, is_open) in uploads {
        uploads::forget(connection, UploadId(id), (UserId(user), size, is_open))?;
        swept.uploads.push(UploadId(id));
    }
    let mut idle = connection
        .prepare_cached("SELECT hash, size FROM blob WHERE idle IS NOT NULL AND idle < ?1 LIMIT ?2")?;
    let blobs = idle
        .query_map(params![int(before), SWEEP], |row| {
            Ok((BlobId(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, size) in blobs {
        drop_row(connection, id, size)?;
        swept.blobs.push(id);
    }
    Ok(swept)
}

/// Takes a file's row away, the uploads that brought it, and the room that it took.
fn drop_row(connection: &Connection, id: BlobId, size: u64) -> rusqlite::Result<()> {
    let back = -int(charge(size));
    let mut owners = connection.prepare_cached("DELETE FROM blob_owner WHERE hash = ?1 RETURNING user")?;
    let owners = owners
        .query_map([id.0], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for owner in owners {
        take(connection, owner, back)?;
    }
    take(connection, EVERYBODY, back)?;
    connection
        .prepare_cached("DELETE FROM upload WHERE blob = ?1")?
        .execute([id.0])?;
    connection
        .prepare_cached("DELETE FROM blob WHERE hash = ?1")?
        .execute([id.0])
        .map(drop)
}

/// The files that messages carry and that stand for people, for the doctor: only these count as lost.
pub fn carried(connection: &Connection) -> rusqlite::Result<Vec<BlobId>> {
    let mut all = connection.prepare(
        "SELECT hash FROM blob_use UNION SELECT avatar FROM user WHERE avatar IS NOT NULL ORDER BY 1",
    )?;
    all.query_map([], |row| row.get(0).map(BlobId))?.collect()
}
