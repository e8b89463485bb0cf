//! What the server is called and known by, where its backups go, and what of the recovery key is kept: rows of `meta`. What must not live here: what
//! a name or an address may be, and the key itself.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{By, Outcome, Registers, Store, audit, office, sql_refusal};
use crate::core::permit::server;
use crate::proto::backup::BackupChoice;
use crate::proto::house::Recovery;
use crate::proto::people::AuditWhat;
use crate::proto::{Code, Refusal, Timestamp, UserId};

const ADDRESS_KEY: &str = "canonical_url";
const TEAM_KEY: &str = "team";
const RECOVERY_KEY: &str = "recovery";
const BACKUPS_KEY: &str = "backups_to";

/// What a claim lays down.
#[derive(Clone, Debug)]
pub struct Founding {
    pub team: Option<String>,
    pub address: String,
    /// Whether a person wished for that address: then it takes the place of one that was noted before.
    pub is_wish: bool,
}

/// What is named is changed.
#[derive(Clone, Debug, Default)]
pub struct HouseChange {
    pub team: Option<String>,
    /// From which address to which.
    pub address: Option<(String, String)>,
    pub recovery_kept: Option<String>,
}

#[derive(Clone, Debug)]
pub struct HouseFacts {
    pub team: Option<String>,
    pub address: Option<String>,
    pub recovery: Option<Recovery>,
}

/// The row of the recovery key. Its fields are stored: they never change their names.
#[derive(Serialize, Deserialize)]
struct RecoveryRow {
    recipient: String,
    made: Timestamp,
    unsynchronised: bool,
    by: u64,
    kept: bool,
}

impl Store {
    /// The address that people were told, if any was.
    pub async fn address(&self) -> Outcome<Option<String>> {
        self.read(|connection| stored_address(connection).map_err(sql_refusal))
            .await
    }

    /// Notes the address that people are told from now on, and gives the one that holds: what was noted before stays,
    /// unless it is replaced.
    pub async fn fix_address(&self, address: String, replace: bool) -> Outcome<String> {
        self.write(move |registers| fix_address(registers, address, replace))
            .await
    }

    /// What the team is called.
    pub async fn team(&self) -> Outcome<Option<String>> {
        self.read(|connection| text(connection, TEAM_KEY).map_err(sql_refusal))
            .await
    }

    /// Where backups go, as far as it was chosen.
    pub async fn backup_choice(&self) -> Outcome<BackupChoice> {
        self.read(|connection| stored_choice(connection).map_err(sql_refusal))
            .await
    }

    /// Notes where backups go from now on. The same again changes nothing.
    pub async fn place_backups(&self, by: By, from: BackupChoice, to: BackupChoice) -> Outcome<()> {
        self.write(move |registers| place_backups(registers, by, from, to))
            .await
    }

    /// All of it, for those who may see it.
    pub async fn house(&self, by: By) -> Outcome<HouseFacts> {
        self.read(move |connection| {
            server::may_oversee(office::office(connection, by)?)?;
            facts(connection)
        })
        .await
    }

    pub async fn change_house(&self, by: By, change: HouseChange) -> Outcome<HouseFacts> {
        self.write(move |registers| change_house(registers, by, change))
            .await
    }

    /// Notes a recipient, instead of the one named. The same again changes nothing while its key may still be told.
    pub async fn set_recovery(&self, by: By, recipient: String, replaces: Option<String>) -> Outcome<()> {
        self.write(move |registers| set_recovery(registers, by, recipient, replaces.as_deref()))
            .await
    }
}

pub(in crate::store::sqlite) fn stored_address(connection: &Connection) -> rusqlite::Result<Option<String>> {
    text(connection, ADDRESS_KEY)
}

pub(super) fn fix_address(registers: &mut Registers<'_>, address: String, replace: bool) -> Outcome<String> {
    let stored = stored_address(registers.connection).map_err(sql_refusal)?;
    if let Some(stored) = stored.filter(|_| !replace) {
        return Ok(stored);
    }
    put(registers.connection, ADDRESS_KEY, &address)?;
    Ok(address)
}

/// What was chosen. A word that a later release has written is no choice here.
pub(in crate::store::sqlite) fn stored_choice(connection: &Connection) -> rusqlite::Result<BackupChoice> {
    let stored = text(connection, BACKUPS_KEY)?;
    let known = BackupChoice::ALL.into_iter();
    let mut chosen = known.filter(|choice| stored.as_deref() == Some(choice.text()));
    Ok(chosen.next().unwrap_or_default())
}

pub(super) fn place_backups(
    registers: &mut Registers<'_>,
    by: By,
    from: BackupChoice,
    to: BackupChoice,
) -> Outcome<()> {
    server::may_place_backups(office::office(registers.connection, by)?)?;
    let before = stored_choice(registers.connection).map_err(sql_refusal)?;
    if before == to {
        return Ok(());
    }
    if before != from {
        let sentence = "Backups do not go where `instead_of` says.";
        return Err(Refusal::because(Code::ChangedMeanwhile, sentence));
    }
    put(registers.connection, BACKUPS_KEY, to.text())?;
    audit::note(registers, by, None, &AuditWhat::BackupsPlaced { from, to })
}

/// Gives the address that holds.
pub(super) fn found(registers: &mut Registers<'_>, founding: Founding) -> Outcome<String> {
    if let Some(team) = &founding.team {
        put(registers.connection, TEAM_KEY, team)?;
    }
    fix_address(registers, founding.address, founding.is_wish)
}

pub(super) fn change_house(
    registers: &mut Registers<'_>,
    by: By,
    change: HouseChange,
) -> Outcome<HouseFacts> {
    let office = office::office(registers.connection, by)?;
    server::may_oversee(office)?;
    let before = facts(registers.connection)?;
    if let Some(team) = change.team.filter(|team| before.team.as_ref() != Some(team)) {
        put(registers.connection, TEAM_KEY, &team)?;
        audit::note(registers, by, None, &AuditWhat::TeamNamed { team })?;
    }
    if let Some((from, to)) = change.address {
        move_to(registers, by, before.address, &from, to)?;
    }
    if let Some(recipient) = change.recovery_kept {
        server::may_hold_the_key(office)?;
        let mut row = recovery_row(registers.connection)?
            .filter(|row| row.recipient == recipient)
            .ok_or(Code::ChangedMeanwhile)?;
        row.kept = true;
        put_recovery(registers.connection, &row)?;
    }
    facts(registers.connection)
}

fn move_to(
    registers: &mut Registers<'_>,
    by: By,
    before: Option<String>,
    from: &str,
    to: String,
) -> Outcome<()> {
    if before.as_deref() == Some(to.as_str()) {
        return Ok(());
    }
    let Some(from) = before.filter(|before| before == from) else {
        let sentence = "`instead_of` is not the address that people are told.";
        return Err(Refusal::because(Code::ChangedMeanwhile, sentence));
    };
    put(registers.connection, ADDRESS_KEY, &to)?;
    audit::note(registers, by, None, &AuditWhat::AddressChanged { from, to })
}

pub(super) fn set_recovery(
    registers: &mut Registers<'_>,
    by: By,
    recipient: String,
    replaces: Option<&str>,
) -> Outcome<()> {
    server::may_hold_the_key(office::office(registers.connection, by)?)?;
    let before = recovery_row(registers.connection)?;
    if let Some(same) = before.as_ref().filter(|row| row.recipient == recipient) {
        if same.kept {
            let sentence =
                "This key was told, and somebody has shown that they hold it: it is not told again.";
            return Err(Refusal::because(Code::LinkInvalid, sentence));
        }
        return Ok(());
    }
    if before.as_ref().map(|row| row.recipient.as_str()) != replaces {
        let sentence = "There is another recovery key than the one that `replaces` names.";
        return Err(Refusal::because(Code::ChangedMeanwhile, sentence));
    }
    let row = RecoveryRow {
        recipient: recipient.clone(),
        made: registers.now.ms,
        unsynchronised: !registers.now.synchronised,
        by: by.numbers().0,
        kept: false,
    };
    put_recovery(registers.connection, &row)?;
    audit::note(registers, by, None, &AuditWhat::RecoveryKeyMade { recipient })
}

fn facts(connection: &Connection) -> Outcome<HouseFacts> {
    let recovery = recovery_row(connection)?.map(|row| Recovery {
        recipient: row.recipient,
        made: row.made,
        unsynchronised: row.unsynchronised,
        by: UserId(row.by),
        kept: row.kept,
    });
    Ok(HouseFacts {
        team: text(connection, TEAM_KEY).map_err(sql_refusal)?,
        address: stored_address(connection).map_err(sql_refusal)?,
        recovery,
    })
}

fn recovery_row(connection: &Connection) -> Outcome<Option<RecoveryRow>> {
    let stored = text(connection, RECOVERY_KEY).map_err(sql_refusal)?;
    let row = stored.map(|stored| serde_json::from_str(&stored)).transpose();
    row.map_err(|_| Code::Internal.into())
}

fn put_recovery(connection: &Connection, row: &RecoveryRow) -> Outcome<()> {
    let row = serde_json::to_string(row).map_err(|_| Code::Internal)?;
    put(connection, RECOVERY_KEY, &row)
}

fn text(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let bytes: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn put(connection: &Connection, key: &str, value: &str) -> Outcome<()> {
    connection
        .execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
            params![key, value.as_bytes()],
        )
        .map(drop)
        .map_err(sql_refusal)
}
