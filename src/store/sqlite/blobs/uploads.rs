//! Files on their way: begun, arrived so far, finished, given up. What must not live here: the bytes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{BlobRow, COLUMNS, EVERYBODY, Outcome, blob, charge, take, taken};
use crate::core::permit::Actor;
use crate::limits;
use crate::proto::files::{NewUpload, UploadInfo};
use crate::proto::{BlobId, Code, Refusal, Timestamp, UploadId, UserId};
use crate::store::Store;
use crate::store::sqlite::registers::Registers;
use crate::store::sqlite::{int, sql_refusal};

/// How much may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub user_bytes: u64,
    pub total_bytes: u64,
}

/// An upload's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    pub id: UploadId,
    pub size: u64,
    /// Bytes that are synced.
    pub arrived: u64,
    pub announced: Option<BlobId>,
    pub created: Timestamp,
    pub blob: Option<BlobRow>,
}

/// A file that lies under its last name, synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub blob: BlobRow,
}

impl UploadRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<(UploadRow, Option<BlobId>)> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let upload = UploadRow {
            id: UploadId(number(0)?),
            size: number(1)?,
            arrived: number(2)?,
            announced: row.get::<_, Option<[u8; 32]>>(3)?.map(BlobId),
            created: number(4)?,
            blob: None,
        };
        Ok((upload, row.get::<_, Option<[u8; 32]>>(5)?.map(BlobId)))
    }

    /// As it is told.
    #[must_use]
    pub fn info(&self) -> UploadInfo {
        let kept = u64::try_from(limits::BLOB_KEPT.as_millis()).expect("a small number");
        UploadInfo {
            upload: self.id,
            size: self.size,
            offset: self.arrived,
            expires: self.created + kept,
            blob: self.blob.as_ref().map(BlobRow::info),
        }
    }
}

fn with_blob(
    connection: &Connection,
    found: Option<(UploadRow, Option<BlobId>)>,
) -> rusqlite::Result<Option<UploadRow>> {
    let Some((mut upload, id)) = found else {
        return Ok(None);
    };
    if let Some(id) = id {
        upload.blob = blob(connection, id)?;
    }
    Ok(Some(upload))
}

fn find(connection: &Connection, user: UserId, id: UploadId) -> rusqlite::Result<Option<UploadRow>> {
    let found = connection
        .prepare_cached(
            "SELECT id, size, arrived, announced, created, blob FROM upload WHERE id = ?1 AND user = ?2",
        )?
        .query_row([int(id.0), int(user.0)], UploadRow::read)
        .optional()?;
    with_blob(connection, found)
}

impl Store {
    /// Begins an upload and takes the room for it; the same command again finds it.
    pub async fn begin_upload(&self, actor: Actor, new: NewUpload, quota: Quota) -> Outcome<UploadRow> {
        self.write(move |registers| begin(registers, actor, &new, quota))
            .await
    }

    /// A user's upload.
    pub async fn upload(&self, user: UserId, id: UploadId) -> Outcome<Option<UploadRow>> {
        self.read(move |connection| find(connection, user, id).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// Notes how many bytes are synced.
    pub async fn upload_arrived(&self, id: UploadId, bytes: u64) -> Outcome<()> {
        self.write(move |registers| {
            let changed = registers
                .connection
                .execute(
                    "UPDATE upload SET arrived = ?2 WHERE id = ?1 AND blob IS NULL",
                    [int(id.0), int(bytes)],
                )
                .map_err(|error| sql_refusal(&error))?;
            if changed == 0 {
                return Err(Code::NotFound.into());
            }
            Ok(())
        })
        .await
    }

    /// The file is there: its row, and whose it is.
    pub async fn finish_upload(&self, user: UserId, id: UploadId, finished: Finished) -> Outcome<BlobRow> {
        self.write(move |registers| finish(registers, user, id, finished.blob))
            .await
    }

    /// Drops an upload that is not finished. False: there was none.
    pub async fn cancel_upload(&self, user: UserId, id: UploadId) -> Outcome<bool> {
        self.write(move |registers| {
            let connection = registers.connection;
            let cancel = || -> rusqlite::Result<bool> {
                let Some(upload) = find(connection, user, id)? else {
                    return Ok(false);
                };
                if upload.blob.is_none() {
                    forget(connection, id, (user, upload.size, true))?;
                }
                Ok(upload.blob.is_none())
            };
            cancel().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Those of the uploads that are still under way.
    pub async fn open_uploads(&self, ids: Vec<UploadId>) -> Outcome<Vec<UploadId>> {
        self.read(move |connection| {
            let mut open = Vec::new();
            for id in ids {
                let is_open = connection
                    .prepare_cached("SELECT 1 FROM upload WHERE id = ?1 AND blob IS NULL")
                    .and_then(|mut look| look.exists([int(id.0)]));
                if is_open.map_err(|error| sql_refusal(&error))? {
                    open.push(id);
                }
            }
            Ok(open)
        })
        .await
    }
}

fn begin(registers: &mut Registers<'_>, actor: Actor, new: &NewUpload, quota: Quota) -> Outcome<UploadRow> {
    let sql = |error| sql_refusal(&error);
    let connection = registers.connection;
    let client = new.client_id.0.as_bytes();
    let known = connection
        .prepare_cached(
            "SELECT id, size, arrived, announced, created, blob FROM upload WHERE device = ?1 AND client = ?2",
        )
        .and_then(|mut find| find.query_row(params![int(actor.device), client], UploadRow::read).optional())
        .and_then(|found| with_blob(connection, found))
        .map_err(sql)?;
    if let Some(known) = known {
        let same = known.size == new.size && known.announced == new.blake3;
        return if same {
            Ok(known)
        } else {
            Err(Code::IdReused.into())
        };
    }
    // Who is erased may have asked a moment before.
    let is_erased = connection
        .prepare_cached("SELECT 1 FROM erasure WHERE user = ?1")
        .and_then(|mut find| find.exists([int(actor.user.0)]))
        .map_err(sql)?;
    if is_erased {
        return Err(Code::SignedOut.into());
    }
    room_for(connection, actor.user, new.size, quota)?;
    let mut bytes = [0; 8];
    registers.clock.random(&mut bytes);
    let upload = UploadRow {
        id: UploadId::from_random(bytes),
        size: new.size,
        arrived: 0,
        announced: new.blake3,
        created: registers.now.ms,
        blob: None,
    };
    connection
        .execute(
            "INSERT INTO upload (id, user, device, client, size, arrived, announced, created)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
            params![
                int(upload.id.0),
                int(actor.user.0),
                int(actor.device),
                client,
                int(new.size),
                new.blake3.map(|id| id.0),
                int(upload.created)
            ],
        )
        .map_err(sql)?;
    let bytes = int(charge(new.size));
    take(connection, int(actor.user.0), bytes)
        .and_then(|()| take(connection, EVERYBODY, bytes))
        .map_err(sql)?;
    Ok(upload)
}

fn room_for(connection: &Connection, user: UserId, size: u64, quota: Quota) -> Outcome<()> {
    let sql = |error| sql_refusal(&error);
    let open: i64 = connection
        .prepare_cached("SELECT count(*) FROM upload WHERE user = ?1 AND blob IS NULL")
        .and_then(|mut count| count.query_row([int(user.0)], |row| row.get(0)))
        .map_err(sql)?;
    if open >= i64::try_from(limits::UPLOADS_OPEN).expect("a small bound") {
        let sentence = format!(
            "You have {} uploads under way; finish or drop one.",
            limits::UPLOADS_OPEN
        );
        return Err(Refusal::because(Code::LimitReached, sentence));
    }
    let more = charge(size);
    if taken(connection, int(user.0)).map_err(sql)? + more > quota.user_bytes {
        let sentence = format!(
            "Your files may take {} MiB together, and this one does not fit.",
            quota.user_bytes >> 20
        );
        return Err(Refusal::because(Code::LimitReached, sentence));
    }
    if taken(connection, EVERYBODY).map_err(sql)? + more > quota.total_bytes {
        let sentence = "This server's room for files is used up; nothing was stored.";
        return Err(Refusal::because(Code::StorageFull, sentence));
    }
    Ok(())
}

fn finish(registers: &mut Registers<'_>, user: UserId, id: UploadId, new: BlobRow) -> Outcome<BlobRow> {
    let sql = |error: rusqlite::Error| sql_refusal(&error);
    let connection = registers.connection;
    let upload = find(connection, user, id).map_err(sql)?.ok_or(Code::NotFound)?;
    if let Some(done) = upload.blob {
        return Ok(done);
    }
    let store = || -> rusqlite::Result<BlobRow> {
        let added = connection
            .prepare_cached(&format!(
                "INSERT INTO blob ({COLUMNS}, created, idle) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
                 ON CONFLICT DO NOTHING"
            ))?
            .execute(params![
                new.id.0,
                int(new.size),
                new.media_type,
                new.width,
                new.height,
                new.thumbhash,
                new.has_thumbnail,
                int(registers.now.ms)
            ])?;
        // One who had it for nothing so long has a day from now on again.
        connection
            .prepare_cached("UPDATE blob SET idle = ?2 WHERE hash = ?1 AND idle IS NOT NULL")?
            .execute(params![new.id.0, int(registers.now.ms)])?;
        let owned = connection
            .prepare_cached("SELECT 1 FROM blob_owner WHERE hash = ?1 AND user = ?2")?
            .exists(params![new.id.0, int(user.0)])?;
        connection
            .prepare_cached(
                "INSERT INTO blob_owner (hash, user, sent) VALUES (?1, ?2, 0)
                 ON CONFLICT DO UPDATE SET sent = 0",
            )?
            .execute(params![new.id.0, int(user.0)])?;
        let (reserved, kept) = (int(charge(upload.size)), int(charge(new.size)));
        take(connection, int(user.0), if owned { 0 } else { kept } - reserved)?;
        take(
            connection,
            EVERYBODY,
            if added == 0 { 0 } else { kept } - reserved,
        )?;
        connection
            .prepare_cached("UPDATE upload SET blob = ?2, arrived = size WHERE id = ?1")?
            .execute(params![int(id.0), new.id.0])?;
        // Who stored the same before may know more of it.
        Ok(blob(connection, new.id)?.unwrap_or(new))
    };
    store().map_err(sql)
}

/// Takes an upload's row away; of an open one its room, too.
pub fn forget(
    connection: &Connection,
    id: UploadId,
    (user, size, is_open): (UserId, u64, bool),
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM upload WHERE id = ?1")?
        .execute([int(id.0)])?;
    if is_open {
        let back = -int(charge(size));
        take(connection, int(user.0), back)?;
        take(connection, EVERYBODY, back)?;
    }
    Ok(())
}
