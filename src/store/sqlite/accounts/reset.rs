//! Links that set a forgotten password: made, looked at, used once. What must not live here: the code itself (only its
//! hash is stored) and argon2.
//!
//! Invariants: one link a user at most; a wrong clock ends none, by the rule of `invitations`: expiry is looked at only
//! while the clock is right, and what was made under a wrong one is dated by the first change under a right one; a link
//! whose maker lost the office, or whose user was disabled, is void.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::devices::{put_device, revoke_all};
use super::history::{self, Entrance};
use super::users::profile;
use super::{
    By, Entered, Outcome, Registers, SecretHash, Store, audit, from_sql, news, office, sql_refusal, to_sql,
};
use crate::clock::Now;
use crate::core::permit::bots;
use crate::proto::account::NewDevice;
use crate::proto::people::{AuditWhat, NewsWhat};
use crate::proto::{ClientId, Code, DeviceId, Refusal, Timestamp, UserId};

const USED: i64 = 1;
const REVOKED: i64 = 2;

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub struct ResetRow {
    pub client: ClientId,
    pub code: SecretHash,
    /// For how long, in milliseconds.
    pub lasts_ms: u64,
}

/// A stored link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetFacts {
    pub user: UserId,
    /// Who made it; nobody: the operator.
    pub by: Option<UserId>,
    pub expires: Timestamp,
}

/// A link that was used, for the device that used it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedBefore {
    pub name: String,
}

impl Store {
    /// Makes a link; it ends an older one of the same user. The same request gives the same link.
    pub async fn make_reset_link(&self, by: By, user: UserId, row: ResetRow) -> Outcome<ResetFacts> {
        self.write(move |registers| make(registers, by, user, &row)).await
    }

    /// The link behind a code, if a password could be set by it now.
    pub async fn open_reset_link(&self, code: SecretHash) -> Outcome<ResetFacts> {
        let now = self.clock().now();
        self.read(move |connection| open(connection, &code, now)).await
    }

    /// Whether this very device has used the link of this code: then its answer may have been lost.
    pub async fn reset_link_used_by(
        &self,
        code: SecretHash,
        device: DeviceId,
    ) -> Outcome<Option<UsedBefore>> {
        self.read(move |connection| used_by(connection, &code, device))
            .await
    }

    /// Sets the password, ends every session of the user, and signs the device in.
    pub async fn use_reset_link(
        &self,
        code: SecretHash,
        password: String,
        device: NewDevice,
        token: SecretHash,
        by: Entrance,
    ) -> Outcome<Entered> {
        self.write(move |registers| {
            let entered = use_up(registers, &code, &password, &device, &token)?;
            history::note(registers, &entered, &by).map(|()| entered)
        })
        .await
    }
}

fn date_the_undated(registers: &Registers<'_>) -> Outcome<()> {
    if registers.now.synchronised {
        registers
            .connection
            .execute(
                "UPDATE reset_link SET created = ?1, expires = expires + ?1 WHERE created = 0",
                [to_sql(registers.now.ms)],
            )
            .map_err(sql_refusal)?;
    }
    Ok(())
}

const COLUMNS: &str = "reset_link.user, reset_link.by, reset_link.created, reset_link.expires";

fn read_facts(row: &Row<'_>, now: Now) -> rusqlite::Result<ResetFacts> {
    let (created, expires) = (from_sql(row, 2)?, from_sql(row, 3)?);
    Ok(ResetFacts {
        user: UserId(from_sql(row, 0)?),
        by: Some(UserId(from_sql(row, 1)?)).filter(|user| user.0 != 0),
        expires: if created == 0 {
            now.ms.saturating_add(expires)
        } else {
            expires
        },
    })
}

pub(super) fn make(
    registers: &mut Registers<'_>,
    by: By,
    user: UserId,
    row: &ResetRow,
) -> Outcome<ResetFacts> {
    date_the_undated(registers)?;
    let rank = office::authority(registers.connection, by, user)?;
    bots::may_have_password(rank.bot)?;
    if rank.disabled {
        let message = "This user is locked out; a new password would not let them in.";
        return Err(Refusal {
            next: "Enable the user first.".into(),
            ..Refusal::because(Code::Forbidden, message)
        });
    }
    if let Some(earlier) = earlier_request(registers, by, user, row)? {
        return Ok(earlier);
    }
    let now = registers.now;
    let (created, expires) = if now.synchronised {
        (now.ms, now.ms.saturating_add(row.lasts_ms))
    } else {
        (0, row.lasts_ms)
    };
    let (maker, device) = by.numbers();
    registers
        .connection
        .execute(
            "INSERT INTO reset_link (user, code, by, device, client, created, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (user) DO UPDATE SET code = ?2, by = ?3, device = ?4, client = ?5, created = ?6,
                 expires = ?7, ended = 0",
            params![
                to_sql(user.0),
                row.code,
                to_sql(maker),
                to_sql(device),
                row.client.0.as_bytes(),
                to_sql(created),
                to_sql(expires),
            ],
        )
        .map_err(sql_refusal)?;
    news::tell(registers, user, &NewsWhat::ResetLinkMade { by: by.user() })?;
    audit::note(registers, by, Some(user), &AuditWhat::ResetLinkMade {})?;
    open(registers.connection, &row.code, now)
}

/// The link that this request made before. After a restart its code is another one: the old one is not stored, so it is
/// replaced, and whoever asks again has not seen it.
fn earlier_request(
    registers: &Registers<'_>,
    by: By,
    user: UserId,
    row: &ResetRow,
) -> Outcome<Option<ResetFacts>> {
    let (_, device) = by.numbers();
    let found = registers
        .connection
        .query_row(
            "SELECT ended, expires - created FROM reset_link WHERE user = ?1 AND device = ?2 AND client = ?3",
            params![to_sql(user.0), to_sql(device), row.client.0.as_bytes()],
            |found| Ok((found.get::<_, i64>(0)?, from_sql(found, 1)?)),
        )
        .optional()
        .map_err(sql_refusal)?;
    match found {
        None => Ok(None),
        Some((_, lasts_ms)) if lasts_ms != row.lasts_ms => Err(Code::IdReused.into()),
        Some((ended, _)) if ended != 0 => Err(Code::LinkInvalid.into()),
        Some(_) => {
            registers
                .connection
                .execute(
                    "UPDATE reset_link SET code = ?2 WHERE user = ?1",
                    params![to_sql(user.0), row.code],
                )
                .map_err(sql_refusal)?;
            open(registers.connection, &row.code, registers.now).map(Some)
        }
    }
}

pub(super) fn open(connection: &Connection, code: &SecretHash, now: Now) -> Outcome<ResetFacts> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reset_link JOIN user ON user.id = reset_link.user AND user.disabled = 0
         WHERE reset_link.code = ?1 AND reset_link.ended = 0
           AND (?2 = 0 OR reset_link.created = 0 OR reset_link.expires > ?3)"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut find| {
            find.query_row(params![code, now.synchronised, to_sql(now.ms)], |row| {
                read_facts(row, now)
            })
            .optional()
        })
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::LinkInvalid.into())
}

fn used_by(connection: &Connection, code: &SecretHash, device: DeviceId) -> Outcome<Option<UsedBefore>> {
    connection
        .query_row(
            "SELECT user.name FROM reset_link JOIN user ON user.id = reset_link.user
                 JOIN device ON device.user = user.id AND device.id = ?2
             WHERE reset_link.code = ?1 AND reset_link.ended = ?3",
            params![code, device.0.as_bytes(), USED],
            |row| Ok(UsedBefore { name: row.get(0)? }),
        )
        .optional()
        .map_err(sql_refusal)
}

pub(super) fn use_up(
    registers: &mut Registers<'_>,
    code: &SecretHash,
    password: &str,
    device: &NewDevice,
    token: &SecretHash,
) -> Outcome<Entered> {
    date_the_undated(registers)?;
    let facts = open(registers.connection, code, registers.now)?;
    let user = facts.user;
    registers
        .connection
        .execute(
            "UPDATE reset_link SET ended = ?2 WHERE user = ?1",
            params![to_sql(user.0), USED],
        )
        .and_then(|_| {
            registers.connection.execute(
                "UPDATE user SET password = ?2 WHERE id = ?1",
                params![to_sql(user.0), password],
            )
        })
        .map_err(sql_refusal)?;
    revoke_all(registers, user, None)?;
    let device_no = put_device(registers, user, device, token)?;
    let device_name = device.name.clone();
    news::tell(registers, user, &NewsWhat::PasswordReset { device_name })?;
    if let Some(maker) = facts.by {
        news::tell(registers, maker, &NewsWhat::ResetLinkUsed { user })?;
    }
    audit::note(
        registers,
        By::User(user, device_no),
        Some(user),
        &AuditWhat::ResetLinkUsed {},
    )?;
    Ok(Entered {
        profile: profile(registers.connection, user)?,
        device_no,
    })
}

/// Ends the open links that a user made.
pub(super) fn end_made_by(connection: &Connection, maker: UserId) -> Outcome<()> {
    end(connection, "by", maker)
}

/// Ends the open link for a user.
pub(super) fn end_for(connection: &Connection, user: UserId) -> Outcome<()> {
    end(connection, "user", user)
}

fn end(connection: &Connection, column: &'static str, user: UserId) -> Outcome<()> {
    let sql = format!("UPDATE reset_link SET ended = ?2 WHERE {column} = ?1 AND ended = 0");
    connection
        .execute(&sql, params![to_sql(user.0), REVOKED])
        .map_err(sql_refusal)
        .map(drop)
}
