//! The registers of people: users, devices, invitations, and the server's own secret.
//!
//! Each register has plain functions on a connection and, beside them, the `Store` methods that run them: changes in the
//! writer's transaction, reads on a reader. What must not live here: argon2, tokens' texts, names' rules, and which role
//! may ask for what, except where the answer depends on rows and must hold when it is written (see `authority`).
//!
//! Invariants: a session is a token hash beside a device that belongs to an enabled user, nothing else; whatever clears
//! one pushes `AccountEffect::Revoked` in the same transaction; a device row is never deleted, because its number is
//! part of every client id it ever sent.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use super::registers::Registers;
use super::{Store, int as to_sql};
use crate::core::permit::DeviceNo;
use crate::core::permit::bots::Scopes;
use crate::proto::account::{Profile, ServerRole};
use crate::proto::answer::UserInfo;
use crate::proto::{BlobId, DeviceId, Refusal, UserId};

mod audit;
mod bots;
pub(in crate::store::sqlite) mod devices;
mod directory;
mod erase;
mod history;
mod house;
mod invitations;
mod leaving;
mod links;
mod measures;
mod news;
mod office;
mod paired;
mod reports;
mod reset;
#[cfg(test)]
mod tests;
pub(in crate::store::sqlite) mod users;

pub use bots::{Equipped, NewBotRow, TokenRow};
pub use devices::SignInWith;
pub(in crate::store::sqlite) use devices::is_signed_in;
pub use erase::EraseBy;
pub use history::Entrance;
pub use house::{Founding, HouseChange, HouseFacts};
pub(super) use house::{stored_address, stored_choice};
pub use invitations::{InvitationFacts, InvitationRow, Inviter};
pub use leaving::{Departed, Departure};
pub(in crate::store::sqlite) use links::void_lost;
pub use measures::NewMeasure;
pub(in crate::store::sqlite) use measures::restraints;
pub use paired::PairedWith;
pub use reports::{NewReportRow, ReportFacts};
pub use reset::{ResetFacts, ResetRow};
pub use users::{Credentials, NewUser};

/// What is stored and looked up for a token or a code. How it is made is the session's business.
pub type SecretHash = [u8; 32];

type Outcome<T> = Result<T, Refusal>;

/// Who a valid token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    pub user: UserId,
    pub device_no: DeviceNo,
    pub device_id: DeviceId,
    pub role: ServerRole,
    pub scopes: Scopes,
}

/// A user that just signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    pub profile: Profile,
    pub device_no: DeviceNo,
}

/// On whose behalf a user is administered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A user, from one of their devices.
    User(UserId, DeviceNo),
    /// Whoever can run commands on the machine.
    Operator,
}

impl By {
    fn user(self) -> Option<UserId> {
        match self {
            By::User(user, _) => Some(user),
            By::Operator => None,
        }
    }

    /// User and device as their columns: 0 for the operator.
    fn numbers(self) -> (u64, DeviceNo) {
        match self {
            By::User(user, device) => (user.0, device),
            By::Operator => (0, 0),
        }
    }
}

const SECRET_KEY: &str = "server_secret";

impl Store {
    /// Whether somebody has claimed the server.
    pub async fn owner_exists(&self) -> Outcome<bool> {
        self.read(owner_exists).await
    }

    /// The server's secret, made at the first call: whoever reads only backups of codes' hashes cannot make a code.
    pub async fn server_secret(&self) -> Outcome<[u8; 32]> {
        if let Some(secret) = self.read(stored_secret).await? {
            return Ok(secret);
        }
        self.write(server_secret).await
    }
}

pub(super) fn owner_exists(connection: &Connection) -> Outcome<bool> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM user)", [], |row| row.get(0))
        .map_err(sql_refusal)
}

fn stored_secret(connection: &Connection) -> Outcome<Option<[u8; 32]>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [SECRET_KEY], |row| {
            row.get(0)
        })
        .optional()
        .map_err(sql_refusal)
}

fn server_secret(registers: &mut Registers<'_>) -> Outcome<[u8; 32]> {
    if let Some(secret) = stored_secret(registers.connection)? {
        return Ok(secret);
    }
    let mut secret = [0; 32];
    registers.clock.random(&mut secret);
    registers
        .connection
        .execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)",
            params![SECRET_KEY, secret],
        )
        .map_err(sql_refusal)?;
    Ok(secret)
}

/// As the argument of `map_err`.
fn sql_refusal(error: rusqlite::Error) -> Refusal {
    super::sql_refusal(&error)
}

fn from_sql(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

/// A role as its column. The numbers are stored: they never change.
const fn role_number(role: ServerRole) -> i64 {
    match role {
        ServerRole::Member => 0,
        ServerRole::Admin => 1,
        ServerRole::Owner => 2,
    }
}

/// A number that no release wrote is read as the least role.
const fn role_from(number: i64) -> ServerRole {
    match number {
        2 => ServerRole::Owner,
        1 => ServerRole::Admin,
        _ => ServerRole::Member,
    }
}

fn read_role(row: &Row<'_>, at: usize) -> rusqlite::Result<ServerRole> {
    row.get(at).map(role_from)
}

fn read_device_id(row: &Row<'_>, at: usize) -> rusqlite::Result<DeviceId> {
    row.get(at)
        .map(|bytes: [u8; 16]| DeviceId(uuid::Uuid::from_bytes(bytes)))
}

const INFO: &str = "id, name, display_name, disabled, role, status, avatar, bot";
/// The value of `disabled` for one who has left the server; 1 for one who is locked out.
const GONE: i64 = 2;

/// The columns of `INFO` in the first places.
fn read_info(row: &Row<'_>) -> rusqlite::Result<UserInfo> {
    let name: String = row.get(1)?;
    Ok(UserInfo {
        user: UserId(from_sql(row, 0)?),
        erased: name.starts_with(erase::ERASED_NAME),
        name,
        display_name: row.get(2)?,
        disabled: row.get(3)?,
        // One of a form that this release does not know is not shown.
        status: row
            .get::<_, Option<String>>(5)?
            .and_then(|status| serde_json::from_str(&status).ok()),
        avatar: row.get::<_, Option<[u8; 32]>>(6)?.map(BlobId),
        deactivated: row.get::<_, i64>(3)? == GONE,
        role: read_role(row, 4)?,
        bot: row.get(7)?,
    })
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
