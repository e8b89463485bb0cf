//! Users: made, found, changed, disabled. What must not live here: their devices (but for the revoking in the same
//! transaction, which `devices` does), and how a password is hashed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::devices::{put_device, revoke_all};
use super::directory;
use super::erase::is_reserved;
use super::history::{self, Entrance};
use super::house::{self, Founding};
use super::office::{authority, may_cease};
use super::{
    By, Entered, GONE, INFO, Outcome, Registers, SecretHash, Store, audit, bots, from_sql, is_constraint,
    news, owner_exists, read_info, read_role, reset, role_number, sql_refusal, to_sql,
};
use crate::core::permit::DeviceNo;
use crate::core::permit::bots::{self as rules, Scopes};
use crate::limits;
use crate::proto::account::{NewDevice, Profile, ServerRole, UserList};
use crate::proto::answer::UserInfo;
use crate::proto::people::{AuditWhat, NewsWhat};
use crate::proto::{BlobId, Code, DeviceId, Refusal, Timestamp, UserId};
use crate::store::AccountEffect;

/// A user to be made: names already in their stored form, the password already hashed.
#[derive(Clone)]
pub struct NewUser {
    pub name: String,
    pub skeleton: String,
    pub display_name: String,
    /// A PHC string.
    pub password: String,
    /// A person's, or what a bot may do.
    pub scopes: Scopes,
}

/// What a sign-in is checked against.
#[derive(Clone)]
pub struct Credentials {
    pub user: UserId,
    /// A PHC string.
    pub password: String,
    pub disabled: bool,
    /// Whether the device that asks has signed in to this account before.
    pub knows_device: bool,
}

impl Store {
    /// Makes the first user and signs it in. Refused when there is any user, decided where it is written.
    pub async fn claim(
        &self,
        user: NewUser,
        device: NewDevice,
        token: SecretHash,
        by: Entrance,
        founding: Founding,
    ) -> Outcome<(Entered, String)> {
        self.write(move |registers| {
            let entered = claim(registers, &user, &device, &token)?;
            history::note(registers, &entered, &by)?;
            let address = house::found(registers, founding)?;
            Ok((entered, address))
        })
        .await
    }

    pub async fn credentials(&self, name: String, device: DeviceId) -> Outcome<Option<Credentials>> {
        self.read(move |connection| credentials(connection, &name, device))
            .await
    }

    /// Whether a name or its look-alike is taken. Only advice before a costly hash: the write decides.
    pub async fn name_is_taken(&self, name: String, skeleton: String) -> Outcome<bool> {
        self.read(move |connection| name_is_taken(connection, &name, &skeleton))
            .await
    }

    pub async fn profile(&self, user: UserId) -> Outcome<Profile> {
        self.read(move |connection| profile(connection, user)).await
    }

    /// A user's stored password, for checking it before a change.
    pub async fn password_of(&self, user: UserId) -> Outcome<String> {
        self.read(move |connection| password_of(connection, user)).await
    }

    pub async fn change_display_name(&self, user: UserId, display_name: String) -> Outcome<Profile> {
        self.write(move |registers| change_display_name(registers, user, &display_name))
            .await
    }

    /// Replaces the password that was verified (`verified`, as stored then) and ends every session but `keep`.
    pub async fn set_password(
        &self,
        user: UserId,
        verified: String,
        password: String,
        keep: Option<DeviceNo>,
    ) -> Outcome<()> {
        self.write(move |registers| set_password(registers, user, &verified, &password, keep))
            .await
    }

    /// Replaces a password without knowing the old one and ends every session of the user.
    pub async fn reset_password(&self, by: By, user: UserId, password: String) -> Outcome<()> {
        self.write(move |registers| reset_password(registers, by, user, &password))
            .await
    }

    /// Whether `by` may administer `user`: advice before a costly hash, decided again where it is written.
    pub async fn may_administer(&self, by: By, user: UserId) -> Outcome<()> {
        self.read(move |connection| authority(connection, by, user).map(drop))
            .await
    }

    /// Disabling ends every session of the user; doing it again changes nothing.
    pub async fn set_disabled(&self, by: By, user: UserId, disabled: bool) -> Outcome<()> {
        self.write(move |registers| set_disabled(registers, by, user, disabled))
            .await
    }

    /// Users by name, from after `after`: those who are here, or those who have left; of them those whose name or display
    /// name begins with `find`, if that is given.
    pub async fn users(
        &self,
        find: Option<String>,
        after: Option<String>,
        limit: usize,
        gone: bool,
    ) -> Outcome<UserList> {
        self.read(move |connection| {
            directory::users(connection, find.as_deref(), after.as_deref(), limit, gone)
        })
        .await
    }

    /// When a user's devices were last here, if the two share a conversation.
    pub async fn last_seen(&self, by: UserId, user: UserId) -> Outcome<Option<Timestamp>> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.read(move |connection| {
            let latest = |device| shared.markers.last_seen(device);
            last_seen(connection, by, user, latest).map_err(sql_refusal)
        })
        .await
    }

    /// The owner who has been there longest, in whose name the operator invites.
    pub async fn first_owner(&self) -> Outcome<Option<UserId>> {
        self.read(first_owner).await
    }

    pub async fn user_by_name(&self, name: String) -> Outcome<Option<UserInfo>> {
        self.read(move |connection| user_by_name(connection, &name)).await
    }

    /// Users whose profile changed after an account change number, with the number of each.
    pub async fn users_changed_since(&self, change: u64, limit: usize) -> Outcome<Vec<(u64, UserInfo)>> {
        self.read(move |connection| changed_since(connection, change, limit))
            .await
    }

    /// The users of these ids that exist, in the order asked.
    pub async fn user_infos(&self, users: Vec<UserId>) -> Outcome<Vec<UserInfo>> {
        self.read(move |connection| infos(connection, &users)).await
    }

    /// Whether all of these exist and are not disabled.
    pub async fn users_exist(&self, users: Vec<UserId>) -> Outcome<bool> {
        self.read(move |connection| all_usable(connection, &users)).await
    }
}

pub(super) fn claim(
    registers: &mut Registers<'_>,
    user: &NewUser,
    device: &NewDevice,
    token: &SecretHash,
) -> Outcome<Entered> {
    if owner_exists(registers.connection)? {
        return Err(Code::ClaimClosed.into());
    }
    let user = insert_user(registers, user, ServerRole::Owner)?;
    let device_no = put_device(registers, user, device, token)?;
    Ok(Entered {
        profile: profile(registers.connection, user)?,
        device_no,
    })
}

pub(super) fn insert_user(
    registers: &mut Registers<'_>,
    user: &NewUser,
    role: ServerRole,
) -> Outcome<UserId> {
    let connection = registers.connection;
    let count: i64 = connection
        .query_row("SELECT count(*) FROM user", [], |row| row.get(0))
        .map_err(sql_refusal)?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= limits::USERS {
        return Err(Refusal::because(
            Code::LimitReached,
            "This server has as many users as it may have.",
        ));
    }
    if is_reserved(connection, &user.name, &user.skeleton)? {
        return Err(Code::NameTaken.into());
    }
    let id = fresh_id(registers)?;
    let change = registers.next_change();
    connection
        .execute(
            "INSERT INTO user (id, name, skeleton, display_name, password, role, created, change, bot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                to_sql(id.0),
                user.name,
                user.skeleton,
                user.display_name,
                user.password,
                role_number(role),
                to_sql(registers.now.ms),
                to_sql(change),
                user.scopes.number(),
            ],
        )
        // The id is fresh, so what is not unique is the name or what it looks like.
        .map_err(|error| {
            if is_constraint(&error) {
                Code::NameTaken.into()
            } else {
                sql_refusal(error)
            }
        })?;
    tell_profile(registers, id)?;
    Ok(id)
}

/// Ids are random; in the unlikely case that one is taken, another is drawn.
fn fresh_id(registers: &Registers<'_>) -> Outcome<UserId> {
    let mut taken = registers
        .connection
        .prepare_cached("SELECT 1 FROM user WHERE id = ?1")
        .map_err(sql_refusal)?;
    loop {
        let mut bytes = [0; 8];
        registers.clock.random(&mut bytes);
        let id = UserId::from_random(bytes);
        // Zero stands for nobody in other tables.
        if id.0 != 0 && !taken.exists([to_sql(id.0)]).map_err(sql_refusal)? {
            return Ok(id);
        }
    }
}

pub(super) fn tell_profile(registers: &mut Registers<'_>, user: UserId) -> Outcome<()> {
    let info = infos(registers.connection, &[user])?
        .pop()
        .ok_or(Code::NotFound)?;
    registers.effects.push(AccountEffect::Profile(info));
    Ok(())
}

pub(super) fn credentials(
    connection: &Connection,
    name: &str,
    device: DeviceId,
) -> Outcome<Option<Credentials>> {
    connection
        .prepare_cached(
            "SELECT id, password, disabled,
                    EXISTS (SELECT 1 FROM device WHERE device.id = ?2 AND device.user = user.id)
             FROM user WHERE name = ?1 AND bot = 0",
        )
        .and_then(|mut find| {
            find.query_row(params![name, device.0.as_bytes()], |row| {
                Ok(Credentials {
                    user: UserId(from_sql(row, 0)?),
                    password: row.get(1)?,
                    disabled: row.get(2)?,
                    knows_device: row.get(3)?,
                })
            })
            .optional()
        })
        .map_err(sql_refusal)
}

pub(super) fn name_is_taken(connection: &Connection, name: &str, skeleton: &str) -> Outcome<bool> {
    let taken: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE name = ?1 OR skeleton = ?2)",
            params![name, skeleton],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    Ok(taken || is_reserved(connection, name, skeleton)?)
}

pub(super) fn profile(connection: &Connection, user: UserId) -> Outcome<Profile> {
    connection
        .prepare_cached("SELECT name, display_name, role FROM user WHERE id = ?1")
        .and_then(|mut find| {
            find.query_row([to_sql(user.0)], |row| {
                Ok(Profile {
                    user,
                    name: row.get(0)?,
                    display_name: row.get(1)?,
                    role: read_role(row, 2)?,
                })
            })
            .optional()
        })
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::NotFound.into())
}

fn password_of(connection: &Connection, user: UserId) -> Outcome<String> {
    connection
        .query_row(
            "SELECT password FROM user WHERE id = ?1",
            [to_sql(user.0)],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::NotFound.into())
}

pub(super) fn change_display_name(
    registers: &mut Registers<'_>,
    user: UserId,
    display_name: &str,
) -> Outcome<Profile> {
    let before = profile(registers.connection, user)?;
    if before.display_name == display_name {
        return Ok(before);
    }
    let change = registers.next_change();
    registers
        .connection
        .execute(
            "UPDATE user SET display_name = ?2, change = ?3 WHERE id = ?1",
            params![to_sql(user.0), display_name, to_sql(change)],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)?;
    Ok(Profile {
        display_name: display_name.into(),
        ..before
    })
}

pub(super) fn set_password(
    registers: &mut Registers<'_>,
    user: UserId,
    verified: &str,
    password: &str,
    keep: Option<DeviceNo>,
) -> Outcome<()> {
    let changed = registers
        .connection
        .execute(
            "UPDATE user SET password = ?3 WHERE id = ?1 AND password = ?2 AND disabled = 0",
            params![to_sql(user.0), verified, password],
        )
        .map_err(sql_refusal)?;
    if changed == 0 {
        // It was changed or reset between the check and now: what was verified is no longer the password.
        return Err(Code::WrongCredentials.into());
    }
    revoke_all(registers, user, keep).map(drop)
}

pub(super) fn reset_password(
    registers: &mut Registers<'_>,
    by: By,
    user: UserId,
    password: &str,
) -> Outcome<()> {
    let rank = authority(registers.connection, by, user)?;
    rules::may_have_password(rank.bot)?;
    registers
        .connection
        .execute(
            "UPDATE user SET password = ?2 WHERE id = ?1",
            params![to_sql(user.0), password],
        )
        .map_err(sql_refusal)?;
    // An older way to a new password must not outlast this one.
    reset::end_for(registers.connection, user)?;
    revoke_all(registers, user, None)?;
    audit::note(registers, by, Some(user), &AuditWhat::PasswordReset {})
}

pub(super) fn set_disabled(
    registers: &mut Registers<'_>,
    by: By,
    user: UserId,
    disabled: bool,
) -> Outcome<()> {
    let rank = authority(registers.connection, by, user)?;
    if disabled {
        may_cease(registers.connection, user, rank.role)?;
    }
    if rank.disabled == disabled {
        return Ok(());
    }
    if rank.bot && !disabled {
        bots::room_for(registers.connection, user)?;
    }
    // A number is taken only for a row that keeps it: the newest row is where the next start goes on counting.
    let change = registers.next_change();
    registers
        .connection
        .execute(
            "UPDATE user SET disabled = ?2, change = ?3 WHERE id = ?1",
            params![to_sql(user.0), disabled, to_sql(change)],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)?;
    if disabled {
        reset::end_made_by(registers.connection, user)?;
        reset::end_for(registers.connection, user)?;
        revoke_all(registers, user, None)?;
        return audit::note(registers, by, Some(user), &AuditWhat::Disabled {});
    }
    news::tell(registers, user, &NewsWhat::Reactivated { by: by.user() })?;
    audit::note(registers, by, Some(user), &AuditWhat::Enabled {})
}

/// Whether a user has left the server.
pub(super) fn is_gone(connection: &Connection, user: UserId) -> Outcome<bool> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE id = ?1 AND disabled = ?2)",
            params![to_sql(user.0), GONE],
            |row| row.get(0),
        )
        .map_err(sql_refusal)
}

/// Whether this is the only owner who can come in.
pub(super) fn last_owner(connection: &Connection, user: UserId) -> Outcome<bool> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE id = ?2 AND role = ?1)
             AND NOT EXISTS (SELECT 1 FROM user WHERE role = ?1 AND disabled = 0 AND id <> ?2)",
            params![role_number(ServerRole::Owner), to_sql(user.0)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)
}

/// Whether two share a conversation.
pub(super) fn share(connection: &Connection, one: UserId, other: UserId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM member AS own WHERE own.user = ?1 AND EXISTS
                 (SELECT 1 FROM member AS theirs WHERE theirs.conversation = own.conversation AND theirs.user = ?2)",
        )?
        .exists([to_sql(one.0), to_sql(other.0)])
}

/// The latest time at which a device of the user was here; nothing for one with whom `by` shares no conversation.
fn last_seen(
    connection: &Connection,
    by: UserId,
    user: UserId,
    latest: impl Fn(DeviceNo) -> Option<Timestamp>,
) -> rusqlite::Result<Option<Timestamp>> {
    if !share(connection, by, user)? {
        return Ok(None);
    }
    let mut devices = connection.prepare_cached("SELECT no, last_seen FROM device WHERE user = ?1")?;
    let rows = devices.query_map([to_sql(user.0)], |row| Ok((from_sql(row, 0)?, from_sql(row, 1)?)))?;
    let mut last = None;
    for row in rows {
        let (device, written) = row?;
        last = last.max(latest(device)).max(Some(written));
    }
    Ok(last)
}

/// What a user says of themselves, for all to see: a change of the profile.
pub(in crate::store::sqlite) fn put_status(
    registers: &mut Registers<'_>,
    user: UserId,
    status: Option<&str>,
) -> Outcome<()> {
    let change = registers.next_change();
    registers
        .connection
        .execute(
            "UPDATE user SET status = ?2, change = ?3 WHERE id = ?1",
            params![to_sql(user.0), status, to_sql(change)],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)
}

/// The picture that stands for a user: a change of the profile.
pub(in crate::store::sqlite) fn put_avatar(
    registers: &mut Registers<'_>,
    user: UserId,
    avatar: Option<BlobId>,
) -> Outcome<()> {
    let change = registers.next_change();
    registers
        .connection
        .execute(
            "UPDATE user SET avatar = ?2, change = ?3 WHERE id = ?1",
            params![to_sql(user.0), avatar.map(|id| id.0), to_sql(change)],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)
}

pub(super) fn first_owner(connection: &Connection) -> Outcome<Option<UserId>> {
    connection
        .query_row(
            "SELECT id FROM user WHERE role = ?1 AND disabled = 0 ORDER BY created, id LIMIT 1",
            [role_number(ServerRole::Owner)],
            |row| from_sql(row, 0).map(UserId),
        )
        .optional()
        .map_err(sql_refusal)
}

pub(super) fn user_by_name(connection: &Connection, name: &str) -> Outcome<Option<UserInfo>> {
    connection
        .query_row(
            &format!("SELECT {INFO} FROM user WHERE name = ?1"),
            [name],
            read_info,
        )
        .optional()
        .map_err(sql_refusal)
}

/// Users whose profile changed after `change`, oldest change first.
pub(in crate::store::sqlite) fn changed_since(
    connection: &Connection,
    change: u64,
    limit: usize,
) -> Outcome<Vec<(u64, UserInfo)>> {
    collect(
        connection,
        &format!("SELECT {INFO}, change FROM user WHERE change > ?1 ORDER BY change LIMIT ?2"),
        params![to_sql(change), rows(limit)],
        |row| Ok((from_sql(row, 8)?, read_info(row)?)),
    )
}

/// The users of these ids that exist, in the order asked.
pub(in crate::store::sqlite) fn infos(connection: &Connection, users: &[UserId]) -> Outcome<Vec<UserInfo>> {
    let mut find = connection
        .prepare_cached(&format!("SELECT {INFO} FROM user WHERE id = ?1"))
        .map_err(sql_refusal)?;
    let mut found = Vec::with_capacity(users.len());
    for user in users {
        found.extend(
            find.query_row([to_sql(user.0)], read_info)
                .optional()
                .map_err(sql_refusal)?,
        );
    }
    Ok(found)
}

/// Whether all of these exist and are not disabled.
pub(in crate::store::sqlite) fn all_usable(connection: &Connection, users: &[UserId]) -> Outcome<bool> {
    let mut find = connection
        .prepare_cached("SELECT 1 FROM user WHERE id = ?1 AND disabled = 0")
        .map_err(sql_refusal)?;
    for user in users {
        if !find.exists([to_sql(user.0)]).map_err(sql_refusal)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn collect<T>(
    connection: &Connection,
    sql: &str,
    arguments: &[&dyn rusqlite::ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Outcome<Vec<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut find| find.query_map(arguments, read)?.collect())
        .map_err(sql_refusal)
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
