//! Devices and their sessions. What must not live here: live sockets (they hear of it by `AccountEffect::Revoked`) and
//! users' own rows.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::history::{self, Entrance};
use super::{
    By, Entered, Outcome, Registers, SecretHash, SessionFacts, Store, audit, from_sql, measures, office,
    read_device_id, read_role, sql_refusal, to_sql, users,
};
use crate::core::permit::DeviceNo;
use crate::core::permit::bots::Scopes;
use crate::limits;
use crate::proto::account::{DeviceInfo, NewDevice};
use crate::proto::people::AuditWhat;
use crate::proto::{Code, DeviceId, Refusal, Timestamp, UserId};
use crate::store::AccountEffect;

/// A sign-in whose password was found right.
pub struct SignInWith {
    pub user: UserId,
    /// The stored password that was verified; if it is no longer the stored one, the sign-in is refused.
    pub verified: String,
    /// The same password hashed at today's costs, when the stored hash has others.
    pub rehashed: Option<String>,
    pub device: NewDevice,
    pub token: SecretHash,
}

impl Store {
    pub async fn sign_in(&self, with: SignInWith, by: Entrance) -> Outcome<Entered> {
        self.write(move |registers| {
            let entered = sign_in(registers, &with)?;
            history::note(registers, &entered, &by).map(|()| entered)
        })
        .await
    }

    /// Who a token stands for. Nothing is written: resuming costs no disk.
    pub async fn session(&self, token: SecretHash) -> Outcome<Option<SessionFacts>> {
        self.read(move |connection| session(connection, &token)).await
    }

    /// Ends a device's session. Doing it again changes nothing.
    pub async fn sign_out(&self, user: UserId, device: DeviceNo) -> Outcome<()> {
        self.write(move |registers| sign_out(registers, user, device))
            .await
    }

    /// Ends every session of the user but `keep`; says how many that were.
    pub async fn sign_out_everywhere(&self, user: UserId, keep: Option<DeviceNo>) -> Outcome<usize> {
        self.write(move |registers| revoke_all(registers, user, keep))
            .await
    }

    /// The user's devices: the signed-in ones first, then by when they were last seen.
    pub async fn devices(&self, user: UserId, current: DeviceNo) -> Outcome<Vec<DeviceInfo>> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let latest = |device| shared.markers.last_seen(device);
            devices(connection, user, current, latest)
        })
        .await
    }

    pub async fn rename_device(&self, user: UserId, device: DeviceId, name: String) -> Outcome<()> {
        self.write(move |registers| rename(registers, user, device, &name))
            .await
    }

    /// Another person's devices, for whoever may administer them.
    pub async fn devices_of(&self, by: By, user: UserId) -> Outcome<Vec<DeviceInfo>> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            office::authority(connection, by, user)?;
            devices(connection, user, 0, |device| shared.markers.last_seen(device))
        })
        .await
    }

    /// Ends the session of one of another person's devices. Doing it again changes nothing.
    pub async fn end_device(&self, by: By, user: UserId, device: DeviceId) -> Outcome<()> {
        self.write(move |registers| end(registers, by, user, device))
            .await
    }

    /// Ends the session of one of the user's devices.
    pub async fn kick_device(&self, user: UserId, device: DeviceId) -> Outcome<()> {
        self.write(move |registers| kick(registers, user, device)).await
    }
}

pub(super) fn sign_in(registers: &mut Registers<'_>, with: &SignInWith) -> Outcome<Entered> {
    let connection = registers.connection;
    let unchanged: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE id = ?1 AND password = ?2 AND disabled = 0)",
            params![to_sql(with.user.0), with.verified],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if !unchanged {
        // Disabled, or the password was replaced after it was checked: a reset must not be outrun.
        return Err(Code::WrongCredentials.into());
    }
    if let Some(rehashed) = &with.rehashed {
        connection
            .execute(
                "UPDATE user SET password = ?2 WHERE id = ?1",
                params![to_sql(with.user.0), rehashed],
            )
            .map_err(sql_refusal)?;
    }
    let device_no = put_device(registers, with.user, &with.device, &with.token)?;
    Ok(Entered {
        profile: users::profile(connection, with.user)?,
        device_no,
    })
}

/// Signs a device in: a new row, or the row it had since its first sign-in.
pub(super) fn put_device(
    registers: &mut Registers<'_>,
    user: UserId,
    device: &NewDevice,
    token: &SecretHash,
) -> Outcome<DeviceNo> {
    measures::admit(registers, user)?;
    let connection = registers.connection;
    let id = device.id.0.as_bytes();
    let known = connection
        .query_row(
            "SELECT no, user, token IS NOT NULL FROM device WHERE id = ?1",
            params![id],
            |row| {
                Ok((
                    from_sql(row, 0)?,
                    UserId(from_sql(row, 1)?),
                    row.get::<_, bool>(2)?,
                ))
            },
        )
        .optional()
        .map_err(sql_refusal)?;
    let now = to_sql(registers.now.ms);
    let Some((no, owner, signed_in)) = known else {
        room_for_device(connection, user, None)?;
        connection
            .execute(
                "INSERT INTO device (user, id, name, token, created, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                params![to_sql(user.0), id, device.name, token, now],
            )
            .map_err(sql_refusal)?;
        return Ok(connection.last_insert_rowid().cast_unsigned());
    };
    if owner != user {
        return Err(Code::DeviceTaken.into());
    }
    if signed_in {
        // The old token ends here, so whoever is connected with it must go.
        registers.effects.push(AccountEffect::Revoked {
            user,
            device: Some(no),
            except: None,
        });
    } else {
        room_for_device(connection, user, Some(no))?;
    }
    connection
        .execute(
            "UPDATE device SET token = ?2, last_seen = max(last_seen, ?3),
                    name = CASE WHEN ?4 = '' THEN name ELSE ?4 END
             WHERE no = ?1",
            params![to_sql(no), token, now, device.name],
        )
        .map_err(sql_refusal)?;
    Ok(no)
}

fn room_for_device(connection: &Connection, user: UserId, known: Option<DeviceNo>) -> Outcome<()> {
    let (signed_in, rows): (i64, i64) = connection
        .query_row(
            "SELECT count(token), count(*) FROM device WHERE user = ?1",
            [to_sql(user.0)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(sql_refusal)?;
    let is_full = |count: i64, limit: usize| usize::try_from(count).unwrap_or(usize::MAX) >= limit;
    if is_full(signed_in, limits::DEVICES_PER_USER) {
        let message = format!(
            "You are signed in on {} devices; sign out on one of them first.",
            limits::DEVICES_PER_USER
        );
        return Err(Refusal::because(Code::LimitReached, message));
    }
    if known.is_none() && is_full(rows, limits::DEVICE_IDS_PER_USER) {
        let message =
            "This account has used too many device ids; a client must present the same id at every sign-in.";
        return Err(Refusal::because(Code::LimitReached, message));
    }
    Ok(())
}

pub(in crate::store::sqlite) fn session(
    connection: &Connection,
    token: &SecretHash,
) -> Outcome<Option<SessionFacts>> {
    connection
        .prepare_cached(
            "SELECT user.id, device.no, device.id, user.role, user.bot
             FROM device JOIN user ON user.id = device.user
             WHERE device.token = ?1 AND user.disabled = 0",
        )
        .and_then(|mut find| {
            find.query_row(params![token], |row| {
                Ok(SessionFacts {
                    user: UserId(from_sql(row, 0)?),
                    device_no: from_sql(row, 1)?,
                    device_id: read_device_id(row, 2)?,
                    role: read_role(row, 3)?,
                    scopes: Scopes::from_number(row.get(4)?),
                })
            })
            .optional()
        })
        .map_err(sql_refusal)
}

/// Whether a device's session goes on, and its user may act.
pub(in crate::store::sqlite) fn is_signed_in(
    connection: &Connection,
    user: UserId,
    device: DeviceNo,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM device JOIN user ON user.id = device.user AND user.disabled = 0
             WHERE device.no = ?1 AND device.user = ?2 AND device.token IS NOT NULL",
        )?
        .exists([to_sql(device), to_sql(user.0)])
}

pub(super) fn sign_out(registers: &mut Registers<'_>, user: UserId, device: DeviceNo) -> Outcome<()> {
    end_session(registers, user, device).map(drop)
}

/// Whether there was one.
fn end_session(registers: &mut Registers<'_>, user: UserId, device: DeviceNo) -> Outcome<bool> {
    let ended = registers
        .connection
        .execute(
            "UPDATE device SET token = NULL WHERE no = ?1 AND user = ?2 AND token IS NOT NULL",
            params![to_sql(device), to_sql(user.0)],
        )
        .map_err(sql_refusal)?;
    if ended > 0 {
        registers.effects.push(AccountEffect::Revoked {
            user,
            device: Some(device),
            except: None,
        });
    }
    Ok(ended > 0)
}

/// Ends every session of a user but one. The effect goes out even if no token was left, so that a socket which outlived
/// its token cannot stay.
pub(super) fn revoke_all(
    registers: &mut Registers<'_>,
    user: UserId,
    keep: Option<DeviceNo>,
) -> Outcome<usize> {
    let ended = registers
        .connection
        .execute(
            "UPDATE device SET token = NULL WHERE user = ?1 AND token IS NOT NULL AND no IS NOT ?2",
            params![to_sql(user.0), keep.map(to_sql)],
        )
        .map_err(sql_refusal)?;
    registers.effects.push(AccountEffect::Revoked {
        user,
        device: None,
        except: keep,
    });
    Ok(ended)
}

/// `latest` knows what was seen since the last write.
pub(super) fn devices(
    connection: &Connection,
    user: UserId,
    current: DeviceNo,
    latest: impl Fn(DeviceNo) -> Option<Timestamp>,
) -> Outcome<Vec<DeviceInfo>> {
    let limit = i64::try_from(limits::LIST_ROWS).expect("a page is small");
    connection
        .prepare_cached(
            "SELECT no, id, name, token IS NOT NULL, created, last_seen FROM device WHERE user = ?1
             ORDER BY 4 DESC, last_seen DESC, no DESC LIMIT ?2",
        )
        .and_then(|mut find| {
            find.query_map(params![to_sql(user.0), limit], |row| {
                let no = from_sql(row, 0)?;
                Ok(DeviceInfo {
                    id: read_device_id(row, 1)?,
                    name: row.get(2)?,
                    current: no == current,
                    signed_in: row.get(3)?,
                    created: from_sql(row, 4)?,
                    last_seen: from_sql(row, 5)?.max(latest(no).unwrap_or(0)),
                })
            })?
            .collect()
        })
        .map_err(sql_refusal)
}

fn own_device(connection: &Connection, user: UserId, device: DeviceId) -> Outcome<DeviceNo> {
    connection
        .query_row(
            "SELECT no FROM device WHERE id = ?1 AND user = ?2",
            params![device.0.as_bytes(), to_sql(user.0)],
            |row| from_sql(row, 0),
        )
        .optional()
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::NotFound.into())
}

pub(super) fn rename(
    registers: &mut Registers<'_>,
    user: UserId,
    device: DeviceId,
    name: &str,
) -> Outcome<()> {
    let no = own_device(registers.connection, user, device)?;
    registers
        .connection
        .execute(
            "UPDATE device SET name = ?2 WHERE no = ?1",
            params![to_sql(no), name],
        )
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn kick(registers: &mut Registers<'_>, user: UserId, device: DeviceId) -> Outcome<()> {
    let no = own_device(registers.connection, user, device)?;
    sign_out(registers, user, no)
}

pub(super) fn end(registers: &mut Registers<'_>, by: By, user: UserId, device: DeviceId) -> Outcome<()> {
    office::authority(registers.connection, by, user)?;
    let no = own_device(registers.connection, user, device)?;
    if end_session(registers, user, no)? {
        audit::note(
            registers,
            by,
            Some(user),
            &AuditWhat::DeviceEnded { ended: device },
        )?;
    }
    Ok(())
}
