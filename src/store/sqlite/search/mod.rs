//! The index of what is said: what a row of it holds, how rows come and go, and how far it is made. What must not live
//! here: when it is made (`build`), what is found (`find`), or what a word is (`core::text`).
//!
//! The index holds no text, only pairs of characters, and for each message two words that no user can write: whose
//! conversation it is in, and who said it. A row is numbered as the message's place in the log. It always has the newest
//! words: an edit replaces them, and an erasure takes them out, in the transaction that does the one or the other.

mod build;
mod find;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::find::row_at;
use super::rows::Row;
use super::{int, open};
use crate::core::text::{Pair, fold, pairs};
use crate::limits;
use crate::proto::{Code, Refusal};
use crate::store::Pos;

pub use self::build::Indexing;
pub use self::find::{Hit, Hits, Wanted};

/// The first characters of the two words of ours, in the private use area, where `letter` puts nothing.
const IN_CONVERSATION: char = '\u{e100}';
const SAID_BY: char = '\u{e101}';
/// SQLite's `SQLITE_CORRUPT_VTAB`: an index that does not read.
const CORRUPT_INDEX: i32 = rusqlite::ffi::SQLITE_CORRUPT | (1 << 8);

/// A character as the index's tokenizer takes it for one of a word: of ASCII that are only letters and digits.
fn letter(c: char) -> char {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        char::from_u32(0xe000 + u32::from(c)).expect("the private use area is all characters")
    } else {
        c
    }
}

fn push_pair(out: &mut String, (one, other): Pair) {
    out.push(letter(one));
    out.push(letter(other));
}

fn conversation_word(conversation: u64) -> String {
    format!("{IN_CONVERSATION}{conversation:x}")
}

fn sender_word(user: u64) -> String {
    format!("{SAID_BY}{user:x}")
}

/// What the index holds of a message: its words' pairs, then whose it is.
fn entry(message: &Row, words: &str) -> String {
    let pairs = pairs(&fold(words));
    // A pair of ASCII and its blank are three bytes; two words of ours come after.
    let mut out = String::with_capacity(pairs.len() * 3 + 40);
    for pair in pairs {
        push_pair(&mut out, pair);
        out.push(' ');
    }
    out.push_str(&conversation_word(message.conversation));
    out.push(' ');
    out.push_str(&sender_word(message.sender));
    out
}

/// The last place in the log that is in the index, and all before it.
fn indexed(connection: &Connection) -> rusqlite::Result<Pos> {
    Ok(open::meta(connection, "indexed")?.map_or(0, Pos::from_le_bytes))
}

fn set_indexed(connection: &Connection, pos: Pos) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('indexed', ?1) ON CONFLICT DO UPDATE SET value = ?1",
        )?
        .execute([pos.to_le_bytes()])
        .map(drop)
}

fn insert(connection: &Connection, message: &Row, words: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?
        .execute(params![int(message.pos), entry(message, words)])
        .map(drop)
}

fn delete(connection: &Connection, message: &Row, words: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO search (search, rowid, words) VALUES ('delete', ?1, ?2)")?
        .execute(params![int(message.pos), entry(message, words)])
        .map(drop)
}

/// The event with the newest words of the message at `pos`, if it was edited.
fn reworded(connection: &Connection, pos: Pos) -> rusqlite::Result<Option<Row>> {
    let words = connection
        .prepare_cached("SELECT words FROM reworded WHERE pos = ?1")?
        .query_row([int(pos)], |row| row.get::<_, i64>(0))
        .optional()?;
    words.map_or(Ok(None), |words| row_at(connection, words.cast_unsigned()))
}

/// A message has new words: called in the edit's transaction, once the edit is in the log.
pub fn edited(connection: &Connection, message: &Row, edit: &Row) -> rusqlite::Result<()> {
    if message.pos <= indexed(connection)? {
        let before = reworded(connection, message.pos)?;
        let replaced = || {
            if let Some(words) = before.as_ref().unwrap_or(message).words() {
                delete(connection, message, &words)?;
            }
            edit.words()
                .map_or(Ok(()), |words| insert(connection, message, &words))
        };
        or_anew(connection, replaced())?;
    }
    connection
        .prepare_cached(
            "INSERT INTO reworded (pos, words) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET words = ?2",
        )?
        .execute([int(message.pos), int(edit.pos)])
        .map(drop)
}

/// A message is about to be erased: its newest words leave the index. Called in the erasure's transaction, before the
/// bodies go from the log.
pub fn erased(connection: &Connection, message: &Row) -> rusqlite::Result<()> {
    let edit = reworded(connection, message.pos)?;
    if message.pos <= indexed(connection)?
        && let Some(words) = edit.as_ref().unwrap_or(message).words()
    {
        or_anew(connection, delete(connection, message, &words))?;
    }
    if edit.is_some() {
        connection
            .prepare_cached("DELETE FROM reworded WHERE pos = ?1")?
            .execute([int(message.pos)])?;
    }
    Ok(())
}

/// An index that does not read is made again from the log: it must not keep anybody from erasing. What was done is
/// written to its pages here, since a commit that fails for it would be too late.
fn or_anew(connection: &Connection, done: rusqlite::Result<()>) -> rusqlite::Result<()> {
    let flush = "INSERT INTO search (search) VALUES ('flush')";
    match done.and_then(|()| connection.prepare_cached(flush)?.execute([]).map(drop)) {
        Err(error) if is_corrupt(&error) => {
            say_damaged(&error);
            empty(connection)
        }
        done => done,
    }
}

fn say_damaged(error: &rusqlite::Error) {
    log::error!("the search index is damaged ({error}); it is made again from the log");
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == CORRUPT_INDEX)
}

/// Begins the index anew. It also drops what FTS5 holds back for pages that do not read, which `DROP TABLE` would write first.
fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO search (search) VALUES ('delete-all')")?
        .execute([])?;
    set_indexed(connection, 0)
}

/// Searches take turns, so that they leave a reader to everybody else.
pub struct Turns {
    at_work: Arc<Semaphore>,
    in_line: Arc<Semaphore>,
    /// A search found the index damaged: the writer makes it anew.
    damaged: AtomicBool,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            at_work: Arc::new(Semaphore::new(limits::SEARCHES_AT_ONCE)),
            in_line: Arc::new(Semaphore::new(limits::SEARCHES_WAITING)),
            damaged: AtomicBool::new(false),
        }
    }
}

impl Turns {
    /// Waits for a turn; it lasts as long as what is given.
    ///
    /// # Errors
    /// `busy` when too many wait already.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let _place = self.in_line.try_acquire().map_err(|_| Code::Busy)?;
        let turn = Arc::clone(&self.at_work).acquire_owned().await;
        turn.map_err(|_| Code::ShuttingDown.into())
    }
}

#[cfg(test)]
mod tests;
