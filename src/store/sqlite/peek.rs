//! The stored address, read without opening the store: it changes no file, and may run beside the server. What must not
//! live here: anything that writes or takes the lock.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::accounts::stored_address;
use super::open::{DATABASE, OpenError};

/// The address that people were told, if there is a database that knows one.
pub fn address(directory: &Path) -> Result<Option<String>, OpenError> {
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
    stored_address(&connection).map_err(sql)
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
