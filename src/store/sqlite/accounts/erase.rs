//! Erasing a person: the account at once, in one transaction; what they wrote is a job with a stored mark that `sweep`
//! works off. What must not live here: passwords' hashing, and the log.
//!
//! Invariants: an erased user's row stays, since member lists and events name its id, and nothing in it tells who that was;
//! their name is never given out again, and can be recognised only by who guesses it and has the server's secret.

use rusqlite::{Connection, OptionalExtension, params};

use super::devices::revoke_all;
use super::users::{last_owner, tell_profile};
use super::{
    By, Outcome, Registers, SecretHash, Store, from_sql, role_number, server_secret, sql_refusal,
    stored_secret, to_sql,
};
use crate::proto::account::ServerRole;
use crate::proto::privacy::{Erasure, ErasureState};
use crate::proto::{Code, Refusal, UserId};
use crate::store::sqlite::blobs::uses;

/// What stands in an erased user's row; the user name is this and the id, which no name can be.
pub const ERASED_NAME: char = '~';
const ERASED_DISPLAY_NAME: &str = "Erased user";
/// No PHC string, so no password is ever right.
const NO_PASSWORD: &str = "erased";
/// Sets these hashes apart from all others made with the server's secret.
const NAMES: &str = "kinglet reserved user names, version 1";

/// On whose word somebody is erased.
pub enum EraseBy {
    /// Their own: the stored password that was verified, and the session that asks, which may ask how far it is.
    Oneself { verified: String, token: SecretHash },
    /// An admin's or the operator's.
    Other(By),
}

/// The conversations somebody is or was in.
const THEIRS: &str =
    "SELECT conversation FROM member WHERE user = ?1 UNION SELECT conversation FROM gone WHERE user = ?1";

impl Store {
    /// Erases the account and begins to erase what they wrote. Asked again, it tells how far that is.
    pub async fn erase_user(&self, by: EraseBy, user: UserId) -> Outcome<Erasure> {
        let erasure = self.write(move |registers| erase(registers, &by, user)).await?;
        self.shared.sweeping.notify_one();
        Ok(erasure)
    }

    pub async fn erasure(&self, user: UserId) -> Outcome<Option<Erasure>> {
        self.read(move |connection| erasure(connection, user)).await
    }

    /// The erasure that the session of this token asked for.
    pub async fn erasure_by_token(&self, token: SecretHash) -> Outcome<Option<Erasure>> {
        self.read(move |connection| {
            let user = connection
                .query_row("SELECT user FROM erasure WHERE token = ?1", [token], |row| {
                    from_sql(row, 0).map(UserId)
                })
                .optional()
                .map_err(sql_refusal)?;
            user.map_or(Ok(None), |user| erasure(connection, user))
        })
        .await
    }

    /// Refuses who is no admin.
    pub async fn is_admin(&self, user: UserId) -> Outcome<()> {
        self.read(move |connection| {
            let role = super::users::profile(connection, user)?.role;
            if role >= ServerRole::Admin {
                Ok(())
            } else {
                Err(Code::Forbidden.into())
            }
        })
        .await
    }
}

pub(super) fn erase(registers: &mut Registers<'_>, by: &EraseBy, user: UserId) -> Outcome<Erasure> {
    if let Some(known) = erasure(registers.connection, user)? {
        return Ok(known);
    }
    let (asked_by, token) = allowed(registers, by, user)?;
    if last_owner(registers.connection, user)? {
        let sentence = "The server's last owner cannot be erased.";
        return Err(Refusal::because(Code::LastOwner, sentence));
    }
    if leads_others(registers.connection, user)? {
        return Err(Refusal {
            next: "Transfer those groups and channels first, or dissolve them.".into(),
            ..Refusal::because(
                Code::OwnerMustStay,
                "They own a group or channel with other members.",
            )
        });
    }
    reserve_name(registers, user)?;
    clear(registers, user)?;
    registers
        .connection
        .execute(
            "INSERT INTO erasure (user, token, by, asked) VALUES (?1, ?2, ?3, ?4)",
            params![
                to_sql(user.0),
                token,
                to_sql(asked_by.0),
                to_sql(registers.now.ms)
            ],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)?;
    revoke_all(registers, user, None)?;
    registers.gone.push(user);
    erasure(registers.connection, user)?.ok_or_else(|| Code::Internal.into())
}

/// Who asks, and the token that may ask again.
fn allowed(registers: &Registers<'_>, by: &EraseBy, user: UserId) -> Outcome<(UserId, Option<SecretHash>)> {
    match by {
        EraseBy::Other(by) => {
            super::office::authority(registers.connection, *by, user)?;
            let asked_by = match by {
                By::User(admin, _) => *admin,
                By::Operator => UserId(0),
            };
            Ok((asked_by, None))
        }
        EraseBy::Oneself { verified, token } => {
            let unchanged: bool = registers
                .connection
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM user WHERE id = ?1 AND password = ?2 AND disabled = 0)",
                    params![to_sql(user.0), verified],
                    |row| row.get(0),
                )
                .map_err(sql_refusal)?;
            // Disabled, or the password was replaced after it was checked.
            unchanged
                .then_some((user, Some(*token)))
                .ok_or_else(|| Code::WrongCredentials.into())
        }
    }
}

fn leads_others(connection: &Connection, user: UserId) -> Outcome<bool> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM member JOIN conversation ON conversation.id = member.conversation
             WHERE member.user = ?1 AND member.role = ?2 AND conversation.dissolved = 0
             AND EXISTS (SELECT 1 FROM member AS other
                         WHERE other.conversation = member.conversation AND other.user <> ?1))",
            params![to_sql(user.0), crate::proto::Role::Owner as i64],
            |row| row.get(0),
        )
        .map_err(sql_refusal)
}

/// Puts the name and what it looks like among those that nobody gets again.
fn reserve_name(registers: &mut Registers<'_>, user: UserId) -> Outcome<()> {
    let secret = server_secret(registers)?;
    let (name, skeleton): (String, String) = registers
        .connection
        .query_row(
            "SELECT name, skeleton FROM user WHERE id = ?1",
            [to_sql(user.0)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(sql_refusal)?
        .ok_or(Code::NotFound)?;
    let mut put = registers
        .connection
        .prepare_cached("INSERT OR IGNORE INTO reserved_name (hash) VALUES (?1)")
        .map_err(sql_refusal)?;
    for hash in [
        name_hash(&secret, "name", &name),
        name_hash(&secret, "skeleton", &skeleton),
    ] {
        put.execute([hash]).map_err(sql_refusal)?;
    }
    Ok(())
}

fn name_hash(secret: &[u8; 32], kind: &str, name: &str) -> [u8; 32] {
    let key = blake3::derive_key(NAMES, secret);
    let mut hash = blake3::Hasher::new_keyed(&key);
    hash.update(kind.as_bytes());
    hash.update(&[0]);
    hash.update(name.as_bytes());
    *hash.finalize().as_bytes()
}

/// Whether a name, or what it looks like, belonged to somebody who was erased.
pub(super) fn is_reserved(connection: &Connection, name: &str, skeleton: &str) -> Outcome<bool> {
    let Some(secret) = stored_secret(connection)? else {
        return Ok(false);
    };
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM reserved_name WHERE hash IN (?1, ?2))",
            params![
                name_hash(&secret, "name", name),
                name_hash(&secret, "skeleton", skeleton)
            ],
            |row| row.get(0),
        )
        .map_err(sql_refusal)
}

/// Takes everything personal out of the registers. Whoever adds a register that holds something of a person adds its
/// statement here.
fn clear(registers: &mut Registers<'_>, user: UserId) -> Outcome<()> {
    let id = to_sql(user.0);
    let change = to_sql(registers.next_change());
    let connection = registers.connection;
    let name = format!("{ERASED_NAME}{user}");
    connection
        .execute(
            "UPDATE user SET name = ?2, skeleton = ?2, display_name = ?3, password = ?4, role = ?5, disabled = 1,
             created = 0, status = NULL, avatar = NULL, change = ?6 WHERE id = ?1",
            params![
                id,
                name,
                ERASED_DISPLAY_NAME,
                NO_PASSWORD,
                role_number(ServerRole::Member),
                change
            ],
        )
        .map_err(sql_refusal)?;
    for statement in [
        "UPDATE device SET name = '', token = NULL, created = 0, last_seen = 0 WHERE user = ?1",
        "DELETE FROM invitation WHERE by = ?1",
        "DELETE FROM reset_link WHERE user = ?1",
        "DELETE FROM news WHERE user = ?1",
        "DELETE FROM sign_in WHERE user = ?1",
        "DELETE FROM personal WHERE user = ?1",
        "DELETE FROM personal_floor WHERE user = ?1",
        "DELETE FROM push_subscription WHERE user = ?1",
        "DELETE FROM follow WHERE user = ?1",
        "DELETE FROM follow_change WHERE user = ?1",
        "DELETE FROM nickname WHERE user = ?1",
        "UPDATE report SET reason = '' WHERE by = ?1",
        "UPDATE report SET note = NULL WHERE resolved_by = ?1",
        "UPDATE measure SET reason = '' WHERE user = ?1 OR by = ?1",
        "DELETE FROM bot_token WHERE bot = ?1",
    ] {
        connection.execute(statement, [id]).map_err(sql_refusal)?;
    }
    uses::forget_person(connection, user, registers.now.ms).map_err(sql_refusal)?;
    connection
        .execute(
            &format!("DELETE FROM marker WHERE user = ?1 AND conversation IN ({THEIRS})"),
            [id],
        )
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn erasure(connection: &Connection, user: UserId) -> Outcome<Option<Erasure>> {
    connection
        .query_row(
            &format!(
                "SELECT asked, erased, done, (SELECT count(*) FROM ({THEIRS}) WHERE conversation > erasure.conversation)
                 FROM erasure WHERE user = ?1"
            ),
            [to_sql(user.0)],
            |row| {
                let done: bool = row.get(2)?;
                Ok(Erasure {
                    user,
                    state: if done { ErasureState::Done } else { ErasureState::Running },
                    asked: from_sql(row, 0)?,
                    erased: from_sql(row, 1)?,
                    conversations_left: if done { 0 } else { from_sql(row, 3)? },
                })
            },
        )
        .optional()
        .map_err(sql_refusal)
}

/// Whether this user was erased.
pub(super) fn is_erased(connection: &Connection, user: UserId) -> Outcome<bool> {
    connection
        .prepare_cached("SELECT 1 FROM erasure WHERE user = ?1")
        .and_then(|mut find| find.exists([to_sql(user.0)]))
        .map_err(sql_refusal)
}
