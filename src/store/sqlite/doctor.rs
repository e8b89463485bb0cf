//! The whole log checked, row by row: what `kinglet doctor` runs. What must not live here: repairs that hide a loss.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use super::heads;
use super::open::{self, DATABASE, HEADS, OpenError};
use super::recent::Recent;
use super::rows::{COLUMNS, Hash, Row, unpack_positions};
use super::{blobs, find, int, rosters};
use crate::clock::Clock;
use crate::core::roster::Roster;
use crate::proto::{ConversationId, ConversationKind, Seq, UserId};
use crate::store::blobs::{Vault, hash_of};

/// What the doctor found.
#[derive(Debug, Default)]
pub struct Report {
    pub conversations: u64,
    pub events: u64,
    /// Each a sentence; empty means that the log is whole.
    pub damage: Vec<String>,
    /// Stored files that messages carry and that are not what they were, each a sentence. The log may be whole all the same.
    pub lost_files: Vec<String>,
}

/// Checks the database's structure, every hash chain from its beginning, the indexes and the heads file.
/// Nothing is changed. The data directory must not be in use.
pub fn examine(directory: &Path) -> Result<Report, OpenError> {
    let _lock = open::lock(directory)?;
    if !directory.join(DATABASE).exists() {
        return Ok(Report::default());
    }
    let connection = open::connect(directory, None, 4096)?;
    let sql = |source| OpenError::Sql { what: "read", source };
    let mut report = Report::default();
    let recent = log(&connection, &mut report).map_err(sql)?;
    people(&connection, &mut report).map_err(sql)?;
    clients(&connection, recent.folded, &mut report).map_err(sql)?;
    files(&connection, directory, &mut report).map_err(sql)?;
    let path = directory.join(HEADS);
    let file = |source| OpenError::File {
        what: "could not read the heads file",
        path: path.clone(),
        source,
    };
    if let Some(recorded) = heads::read(&path).map_err(file)? {
        let epoch = connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| {
            row.get::<_, [u8; 8]>(0)
        });
        if epoch.is_ok_and(|epoch| u64::from_le_bytes(epoch) == recorded.epoch) {
            report
                .damage
                .extend(open::missing(&connection, &recent, &recorded).map_err(sql)?);
        }
    }
    Ok(report)
}

/// Whether the log that this connection sees is sound: structure, hash chains, counts, places. It needs little memory, so that a
/// server may do it beside everything else.
pub(super) fn sound(connection: &Connection) -> rusqlite::Result<Report> {
    let mut report = Report::default();
    let recent = log(connection, &mut report)?;
    report.events += recent.rows() as u64;
    Ok(report)
}

fn log(connection: &Connection, report: &mut Report) -> rusqlite::Result<Recent> {
    structure(connection, report)?;
    chains(connection, report)?;
    let open::Rebuilt { recent, damage, .. } = open::rebuild(connection)?;
    report.damage.extend(damage);
    Ok(recent)
}

/// Accepts that acknowledged events are lost: a new epoch makes every client drop its copy and start from what is there.
pub fn accept_loss(directory: &Path, clock: &Clock) -> Result<(), OpenError> {
    let _lock = open::lock(directory)?;
    let connection = open::connect(directory, None, 4096)?;
    let sql = |source| OpenError::Sql {
        what: "written",
        source,
    };
    connection
        .execute("DELETE FROM meta WHERE key = 'epoch'", [])
        .map_err(sql)?;
    open::epoch(&connection, clock).map_err(sql)?;
    Ok(())
}

fn structure(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let mut check = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    for line in lines {
        let line = line?;
        if line != "ok" {
            report.damage.push(format!("SQLite: {line}"));
        }
    }
    Ok(())
}

fn chains(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let mut conversations = connection.prepare("SELECT id FROM conversation ORDER BY id")?;
    let ids = conversations.query_map([], |row| row.get::<_, i64>(0))?;
    for id in ids {
        report.conversations += 1;
        chain(connection, id?.cast_unsigned(), report)?;
    }
    Ok(())
}

/// One conversation: every folded row, and the hash that each segment recorded.
fn chain(connection: &Connection, conversation: u64, report: &mut Report) -> rusqlite::Result<()> {
    let name = ConversationId(conversation);
    let mut expected: Seq = 1;
    let mut hash: Hash = [0; 32];
    let mut count = 0;
    let mut segments = connection.prepare_cached(
        "SELECT first, last, hash, positions FROM segment WHERE conversation = ?1 ORDER BY first",
    )?;
    let mut rows = segments.query([int(conversation)])?;
    while let Some(row) = rows.next()? {
        let (first, last) = (
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, i64>(1)?.cast_unsigned(),
        );
        let recorded: Hash = row.get(2)?;
        let positions = unpack_positions(row.get_ref(3)?.as_blob()?);
        if first != expected || last.checked_sub(first).map(|more| more + 1) != Some(positions.len() as u64) {
            report.damage.push(format!(
                "conversation {name}: the index goes from seq {expected} to {first}"
            ));
        }
        for pos in positions {
            match find::row_at(connection, pos)? {
                Some(row) if row.conversation == conversation && row.seq == expected => {
                    hash = row.link(&hash);
                    count += u64::from(row.counts());
                    if row.count != count {
                        report.damage.push(format!(
                            "conversation {name}: seq {expected} counts {} messages, there are {count}",
                            row.count
                        ));
                        count = row.count;
                    }
                }
                _ => report.damage.push(format!(
                    "conversation {name}: seq {expected} is not where the index says"
                )),
            }
            expected += 1;
            report.events += 1;
        }
        if hash != recorded {
            report.damage.push(format!(
                "conversation {name}: the hash chain breaks between seq {first} and {last}"
            ));
            hash = recorded;
        }
    }
    let folded = find::folded_state(connection, conversation)?;
    if folded.is_some_and(|(standing, end)| {
        let same = standing.last_seq + 1 == expected && standing.last_count == count;
        !same || (expected > 1 && end != hash)
    }) {
        report.damage.push(format!(
            "conversation {name}: its recorded end is not the index's"
        ));
    }
    Ok(())
}

/// Every conversation's people and settings must be what its events add up to.
fn people(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let mut told: HashMap<u64, Roster> = HashMap::new();
    let mut rows = connection.prepare(&format!("SELECT {COLUMNS} FROM log ORDER BY pos"))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let row = Row::read(row)?;
        if row.is_message() || row.is_edit() {
            continue;
        }
        let event = row.event();
        if Roster::is_changed_by(&event.what) {
            let roster = told
                .entry(row.conversation)
                .or_insert_with(|| Roster::new(event.conversation, ConversationKind::Group));
            roster.fold(event.seq, event.by, &event.what);
        }
    }
    let mut conversations = connection.prepare("SELECT id, one, other FROM conversation ORDER BY id")?;
    let mut rows = conversations.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get::<_, i64>(0)?.cast_unsigned();
        let pair = (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?);
        let user = |number: i64| UserId(number.cast_unsigned());
        let expected = match pair {
            // No event founds a direct conversation.
            (Some(one), Some(other)) => Some(Roster::direct(ConversationId(id), user(one), user(other))),
            _ => told.remove(&id),
        };
        if rosters::load(connection, id)? != expected {
            report.damage.push(format!(
                "conversation {}: its people or settings are not what its events say",
                ConversationId(id)
            ));
        }
    }
    Ok(())
}

/// Every file that a message carries must be there, and be what its name says.
fn files(connection: &Connection, directory: &Path, report: &mut Report) -> rusqlite::Result<()> {
    // A database of an earlier release has no such tables before its first start under this one.
    if !connection.table_exists(None, "blob")? {
        return Ok(());
    }
    let vault = Vault::at(directory);
    for id in blobs::carried(connection)? {
        let found = File::open(vault.path(id)).and_then(hash_of);
        match found {
            Ok(hash) if hash.finalize().as_bytes() == &id.0 => {}
            Ok(_) => report.lost_files.push(format!("file {id}: its bytes are others")),
            Err(error) => report.lost_files.push(format!("file {id}: {error}")),
        }
    }
    Ok(())
}

/// Every folded row's client id must lead back to it, or a retry would double.
fn clients(connection: &Connection, folded: u64, report: &mut Report) -> rusqlite::Result<()> {
    let mut rows = connection.prepare(&format!("SELECT {COLUMNS} FROM log WHERE pos <= ?1 ORDER BY pos"))?;
    let mut rows = rows.query([int(folded)])?;
    let mut expected = 1;
    while let Some(row) = rows.next()? {
        let row = Row::read(row)?;
        if row.pos != expected {
            report
                .damage
                .push(format!("place {expected} of the log is missing"));
        }
        expected = row.pos + 1;
        if find::folded_client(connection, (row.device, row.client))? != Some(row.pos) {
            report
                .damage
                .push(format!("place {}: its client id does not lead to it", row.pos));
        }
    }
    let recent: i64 =
        connection.query_row("SELECT count(*) FROM log WHERE pos > ?1", [int(folded)], |row| {
            row.get(0)
        })?;
    report.events += recent.cast_unsigned();
    Ok(())
}
