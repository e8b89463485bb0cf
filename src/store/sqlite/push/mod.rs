//! Push in the store: the server's key, who subscribed with what, what is due and what waits. Registers of one device each,
//! so they have no change number: nobody else is told of them.
//!
//! - `interest.rs`: who subscribed, as the writer asks it for each message
//! - `outbox.rs`: what is due, what waits for which device, and a letter with all that is to be known for sending it
//! - `worth.rs`: which of the messages that wait are worth telling their reader
//!
//! What must not live here: what a push message says, and any sending.

mod interest;
mod outbox;
#[cfg(test)]
mod tests;
mod worth;

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Notify;

use super::registers::Registers;
use super::{Store, int, sql_refusal};
use crate::core::permit::DeviceNo;
use crate::limits;
use crate::proto::{Code, DeviceId, Refusal, Timestamp, UserId};

pub use interest::Interest;
pub(super) use interest::note;
pub use outbox::{Attempt, LaidOut, Letter, Slot};
pub use worth::Worth;

type Outcome<T> = Result<T, Refusal>;

const KEY: &str = "push_key";
/// An uncompressed point of P-256, and the secret beside it (RFC 8291, section 2).
pub const POINT: usize = 65;
pub const AUTH: usize = 16;

/// Where and how one device is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub endpoint: String,
    pub p256dh: [u8; POINT],
    pub auth: [u8; AUTH],
    /// Names and text are wanted.
    pub text: bool,
    pub created: Timestamp,
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

impl Store {
    /// From now on messages are noted for those who subscribed. For before anybody is let in.
    pub async fn begin_push(&self) -> Outcome<()> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| shared.push.begin(connection).map_err(sql_refusal))
            .await
    }

    /// Rung when a commit left something due. It may be lost; look now and then.
    #[must_use]
    pub fn push_bell(&self) -> Arc<Notify> {
        self.shared.push.bell()
    }

    /// The server's own key pair for push, if it was made.
    pub async fn push_key(&self) -> Outcome<Option<Vec<u8>>> {
        self.read(stored_key).await
    }

    /// Keeps a key pair that was just made, unless there is one; gives the one that holds.
    pub async fn keep_push_key(&self, fresh: Vec<u8>) -> Outcome<Vec<u8>> {
        self.write(move |registers| keep_key(registers, fresh)).await
    }

    /// Subscribes a device in place of what it had. An address that another device had is this one's from now on: it is the
    /// same browser, and its messages must not go to whoever was there before.
    pub async fn put_push(
        &self,
        user: UserId,
        device: DeviceNo,
        subscription: Subscription,
    ) -> Outcome<Subscription> {
        let shared = Arc::clone(&self.shared);
        self.write(move |registers| {
            let put = put(registers, user, device, subscription)?;
            shared.push.add(user);
            Ok(put)
        })
        .await
    }

    pub async fn push_of(&self, device: DeviceNo) -> Outcome<Option<Subscription>> {
        self.read(move |connection| of(connection, device).map_err(sql_refusal))
            .await
    }

    /// The subscriptions of a user's devices.
    pub async fn pushes_of(&self, user: UserId) -> Outcome<Vec<(DeviceId, Subscription)>> {
        self.read(move |connection| all_of(connection, user).map_err(sql_refusal))
            .await
    }

    /// Ends a device's subscription; with an address, only if it still has that one.
    pub async fn drop_push(&self, device: DeviceNo, endpoint: Option<String>) -> Outcome<()> {
        self.write(move |registers| {
            remove(registers.connection, device, endpoint.as_deref()).map_err(sql_refusal)
        })
        .await
    }
}

fn stored_key(connection: &Connection) -> Outcome<Option<Vec<u8>>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [KEY], |row| row.get(0))
        .optional()
        .map_err(sql_refusal)
}

fn keep_key(registers: &mut Registers<'_>, fresh: Vec<u8>) -> Outcome<Vec<u8>> {
    if let Some(stored) = stored_key(registers.connection)? {
        return Ok(stored);
    }
    registers
        .connection
        .execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)",
            params![KEY, fresh],
        )
        .map_err(sql_refusal)?;
    Ok(fresh)
}

fn put(
    registers: &mut Registers<'_>,
    user: UserId,
    device: DeviceNo,
    subscription: Subscription,
) -> Outcome<Subscription> {
    let connection = registers.connection;
    let sql = |error: rusqlite::Error| sql_refusal(error);
    let signed_in: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM device WHERE no = ?1 AND user = ?2 AND token IS NOT NULL)",
            [int(device), int(user.0)],
            |row| row.get(0),
        )
        .map_err(sql)?;
    if !signed_in {
        // It was signed out between the question and now.
        return Err(Code::SignedOut.into());
    }
    let before = of(connection, device).map_err(sql)?;
    let same = before
        .as_ref()
        .is_some_and(|before| before.endpoint == subscription.endpoint);
    let created = match before {
        Some(before) if same => before.created,
        _ => registers.now.ms,
    };
    connection
        .execute(
            "DELETE FROM push_subscription WHERE device = ?1 OR endpoint = ?2",
            params![int(device), subscription.endpoint],
        )
        .map_err(sql)?;
    let count: i64 = connection
        .query_row("SELECT count(*) FROM push_subscription", [], |row| row.get(0))
        .map_err(sql)?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= limits::PUSH_SUBSCRIPTIONS {
        let message = "This server has as many push subscriptions as it may have.";
        return Err(Refusal::because(Code::LimitReached, message));
    }
    connection
        .execute(
            "INSERT INTO push_subscription (device, user, endpoint, p256dh, auth, text, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                int(device),
                int(user.0),
                subscription.endpoint,
                subscription.p256dh,
                subscription.auth,
                subscription.text,
                int(created)
            ],
        )
        .map_err(sql)?;
    Ok(Subscription {
        created,
        ..subscription
    })
}

fn all_of(connection: &Connection, user: UserId) -> rusqlite::Result<Vec<(DeviceId, Subscription)>> {
    let mut devices = connection.prepare_cached(
        "SELECT device.no, device.id FROM push_subscription JOIN device ON device.no = push_subscription.device
         WHERE push_subscription.user = ?1 ORDER BY device.no",
    )?;
    let devices = devices
        .query_map([int(user.0)], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, [u8; 16]>(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for (device, id) in devices {
        if let Some(subscription) = of(connection, device)? {
            all.push((DeviceId(uuid::Uuid::from_bytes(id)), subscription));
        }
    }
    Ok(all)
}

fn of(connection: &Connection, device: DeviceNo) -> rusqlite::Result<Option<Subscription>> {
    connection
        .prepare_cached(
            "SELECT endpoint, p256dh, auth, text, created FROM push_subscription WHERE device = ?1",
        )?
        .query_row([int(device)], |row| {
            Ok(Subscription {
                endpoint: row.get(0)?,
                p256dh: row.get(1)?,
                auth: row.get(2)?,
                text: row.get(3)?,
                created: number(row, 4)?,
            })
        })
        .optional()
}

fn remove(connection: &Connection, device: DeviceNo, endpoint: Option<&str>) -> rusqlite::Result<()> {
    let gone = connection.execute(
        "DELETE FROM push_subscription WHERE device = ?1 AND endpoint = coalesce(?2, endpoint)",
        params![int(device), endpoint],
    )?;
    if gone > 0 {
        connection.execute("DELETE FROM push_waiting WHERE device = ?1", [int(device)])?;
    }
    Ok(())
}
