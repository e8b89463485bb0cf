//! The stored address, and what is too old to keep, read without opening the store: it changes no file, and may run beside the
//! server. What must not live here: anything that writes or takes the lock.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::accounts::stored_address;
use super::open::{DATABASE, OpenError};
use super::rows::{holds_words, is_unsynchronised};
use crate::core::retention::{kept_from, shorter};
use crate::proto::Timestamp;

/// The address that people were told, if there is a database that knows one.
pub fn address(directory: &Path) -> Result<Option<String>, OpenError> {
    look(directory, stored_address).map(Option::flatten)
}

/// Messages, edits and reactions that were kept long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TooOld {
    pub conversations: u64,
    pub events: u64,
    pub bytes: u64,
}

/// What would be erased now if the server kept things for so many days (0: for ever), each conversation's own time
/// considered. Those whose time is doubtful are not counted.
pub fn too_old(directory: &Path, now: Timestamp, server_days: u32) -> Result<TooOld, OpenError> {
    let found = look(directory, |connection| {
        let mut all = TooOld::default();
        let mut times = connection.prepare("SELECT DISTINCT retention_days FROM conversation")?;
        let times = times.query_map([], |row| row.get::<_, u32>(0))?;
        for own in times.collect::<rusqlite::Result<Vec<u32>>>()? {
            if let Some(days) = shorter(own, server_days) {
                count(connection, own, kept_from(now, days), &mut all)?;
            }
        }
        Ok(all)
    })?;
    Ok(found.unwrap_or_default())
}

/// Adds what was said before a moment in the conversations of one time.
fn count(connection: &Connection, own: u32, before: Timestamp, all: &mut TooOld) -> rusqlite::Result<()> {
    let mut rows = connection.prepare(
        "SELECT log.conversation, log.kind, length(log.body) FROM log JOIN conversation ON conversation.id = log.conversation
         WHERE conversation.retention_days = ?1 AND log.ts < ?2 AND log.body IS NOT NULL",
    )?;
    let mut rows = rows.query([i64::from(own), before.cast_signed()])?;
    let mut conversations = std::collections::HashSet::new();
    while let Some(row) = rows.next()? {
        let kind = row.get::<_, i64>(1)?;
        if holds_words(kind) && !is_unsynchronised(kind) {
            conversations.insert(row.get::<_, i64>(0)?);
            all.events += 1;
            all.bytes += row.get::<_, i64>(2)?.cast_unsigned();
        }
    }
    all.conversations += conversations.len() as u64;
    Ok(())
}

/// Reads something from the database, if there is one.
fn look<T>(
    directory: &Path,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, OpenError> {
    let path = directory.join(DATABASE);
    if !path.exists() {
        return Ok(None);
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let sql = |source| OpenError::Sql {
        what: "looked into",
        source,
    };
    let connection = Connection::open_with_flags(uri(directory, &path), flags).map_err(sql)?;
    read(&connection).map(Some).map_err(sql)
}

/// With nothing in the write-ahead log the file is all there is. Else the log is read too, by an index that is shared with
/// the server that runs, or built in memory where none does.
fn uri(directory: &Path, path: &Path) -> String {
    let wal = directory.join(format!("{DATABASE}-wal"));
    let is_alone = !wal.metadata().is_ok_and(|wal| wal.len() > 0);
    let manner = if is_alone { "immutable=1" } else { "readonly_shm=1" };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encode = |byte: &u8| {
        if plain(*byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let path: String = path.as_os_str().as_bytes().iter().map(encode).collect();
    format!("file:{path}?mode=ro&{manner}")
}
