//! Who has subscribed, in memory: what the writer asks for each message. What must not live here: subscriptions themselves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::RwLock;
use rusqlite::Connection;
use tokio::sync::Notify;

use super::super::int;
use crate::core::roster::Roster;
use crate::proto::{Seq, UserId};

/// Users with a subscription. One too many costs a row that leads nowhere; so they are added at once, and taken out when
/// it is seen that they have none any more.
#[derive(Default)]
pub struct Interest {
    /// Nothing is known, asked or written while push is off.
    on: AtomicBool,
    /// The number of users, so that nobody takes the lock for none.
    count: AtomicUsize,
    users: RwLock<HashSet<UserId>>,
    bell: Arc<Notify>,
}

impl Interest {
    /// Whether a message in this conversation has somebody to be told.
    pub fn concerns(&self, roster: &Roster, sender: UserId) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let users = self.users.read();
        if users.len() < roster.members().len() {
            users
                .iter()
                .any(|user| *user != sender && roster.member(*user).is_some())
        } else {
            roster
                .members()
                .any(|member| member.user != sender && users.contains(&member.user))
        }
    }

    /// Reads who has subscribed, from now on or after a transaction was undone.
    pub fn begin(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut find = connection.prepare("SELECT DISTINCT user FROM push_subscription")?;
        let found: HashSet<UserId> = find
            .query_map([], |row| row.get::<_, i64>(0))?
            .map(|user| user.map(|user| UserId(user.cast_unsigned())))
            .collect::<rusqlite::Result<_>>()?;
        let mut users = self.users.write();
        self.count.store(found.len(), Ordering::Release);
        *users = found;
        self.on.store(true, Ordering::Release);
        Ok(())
    }

    /// The same after a transaction was undone, if anybody asks at all.
    pub fn reload(&self, connection: &Connection) {
        if self.on.load(Ordering::Acquire)
            && let Err(error) = self.begin(connection)
        {
            log::warn!("who subscribed to push could not be read again: {error}; a restart does");
        }
    }

    pub fn add(&self, user: UserId) {
        if self.on.load(Ordering::Acquire) {
            let mut users = self.users.write();
            users.insert(user);
            self.count.store(users.len(), Ordering::Release);
        }
    }

    pub fn remove(&self, user: UserId) {
        if !self.users.read().contains(&user) {
            return;
        }
        let mut users = self.users.write();
        users.remove(&user);
        self.count.store(users.len(), Ordering::Release);
    }

    /// Wakes whoever lays messages out.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }
}

/// Notes, in the transaction of the messages themselves, which conversations have something to tell: from which message on,
/// and up to which. The messages of a conversation come in their order.
pub fn note(connection: &Connection, messages: &[(u64, Seq)]) -> rusqlite::Result<()> {
    let mut due: HashMap<u64, (Seq, Seq)> = HashMap::new();
    for (conversation, seq) in messages {
        due.entry(*conversation).or_insert((*seq, *seq)).1 = *seq;
    }
    for (conversation, (first, last)) in due {
        connection
            .prepare_cached(
                "INSERT INTO push_due (conversation, first, seq, after) VALUES (?1, ?2, ?3, 0)
                 ON CONFLICT DO UPDATE SET seq = excluded.seq, after = 0",
            )?
            .execute([conversation, first, last].map(int))?;
    }
    Ok(())
}
