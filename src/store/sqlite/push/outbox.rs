//! What is due, and what waits for which device. What is due was written with the message; laying it out, and taking away
//! what was sent, are transactions of their own, so that nothing is lost between them and little is doubled.
//! What must not live here: when to send, and to whom it is still owed (see `core::push`).

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::worth::{Look, Worth};
use super::{Outcome, Subscription, number, of};
use crate::core::permit::DeviceNo;
use crate::core::roster::Roster;
use crate::limits;
use crate::meters::{METERS, add};
use crate::proto::{ConversationId, Seq, UserId};
use crate::store::sqlite::find::{self, RecentSlice};
use crate::store::sqlite::personal::{Wishes, wishes};
use crate::store::sqlite::push::Interest;
use crate::store::sqlite::{Store, int, sql_refusal};

/// One conversation that waits for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub device: DeviceNo,
    pub conversation: ConversationId,
}

/// What a step of laying out came to.
#[derive(Debug, Default)]
pub struct LaidOut {
    pub slots: Vec<Slot>,
    /// There is more that is due.
    pub more: bool,
}

/// How often it was tried, and the seconds waited in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    pub tries: u32,
    pub waited: u64,
}

/// All that is to be known for sending what waits in a slot.
pub struct Letter {
    pub user: UserId,
    pub subscription: Subscription,
    /// The newest message that waits, how far the user has read, and how many messages lie between.
    pub seq: Seq,
    pub read: Seq,
    pub unread: u64,
    /// What of these messages there is to tell.
    pub worth: Worth,
    pub wishes: Wishes,
    pub roster: Arc<Roster>,
    pub attempt: Attempt,
}

impl Store {
    /// Lays the next due conversation out for those who subscribed, a step at a time.
    pub async fn lay_out_push(&self) -> Outcome<LaidOut> {
        let is_due = |connection: &Connection| -> rusqlite::Result<bool> {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM push_due)")?
                .query_row([], |row| row.get(0))
        };
        if !self
            .read(move |connection| is_due(connection).map_err(sql_refusal))
            .await?
        {
            return Ok(LaidOut::default());
        }
        let shared = Arc::clone(&self.shared);
        self.write(move |registers| lay_out(registers.connection, &shared.push).map_err(sql_refusal))
            .await
    }

    /// Everything that waits, for a start.
    pub async fn waiting_push(&self) -> Outcome<Vec<Slot>> {
        self.read(|connection| waiting(connection).map_err(sql_refusal))
            .await
    }

    /// What waits in a slot; nothing when it was taken away, or has nobody to go to.
    pub async fn push_letter(&self, slot: Slot) -> Outcome<Option<Letter>> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let waits = wait_in(connection, slot).map_err(sql_refusal)?;
            let Some(Waiting {
                user,
                first,
                seq,
                attempt,
            }) = waits
            else {
                return Ok(None);
            };
            let subscription = of(connection, slot.device).map_err(sql_refusal)?;
            let roster = shared.load_roster(connection, slot.conversation)?;
            let (Some(subscription), Some(roster)) = (subscription, roster) else {
                return Ok(None);
            };
            let recent = RecentSlice::of(&shared.recent.read(), slot.conversation.0);
            let standing = find::standing(connection, &recent, slot.conversation.0).map_err(sql_refusal)?;
            let marker = shared
                .markers
                .get(connection, user, slot.conversation.0)
                .map_err(sql_refusal)?;
            let look = Look {
                connection,
                recent: &recent,
                discretion: &shared.discretion,
                user,
                conversation: slot.conversation,
            };
            let worth = look
                .worth(first.max(marker.seq.saturating_add(1)), seq)
                .map_err(sql_refusal)?;
            Ok(Some(Letter {
                user,
                subscription,
                seq,
                read: marker.seq,
                unread: standing.last_count.saturating_sub(marker.count),
                worth,
                wishes: wishes(connection, user, slot.conversation).map_err(sql_refusal)?,
                roster,
                attempt,
            }))
        })
        .await
    }

    /// Takes away what was sent. False: something newer came meanwhile and waits there now.
    pub async fn push_sent(&self, slot: Slot, seq: Seq) -> Outcome<bool> {
        self.write(move |registers| sent(registers.connection, slot, seq).map_err(sql_refusal))
            .await
    }

    /// Notes a failed attempt.
    pub async fn push_failed(&self, slot: Slot, attempt: Attempt) -> Outcome<()> {
        self.write(move |registers| failed(registers.connection, slot, attempt).map_err(sql_refusal))
            .await
    }
}

/// One step: the subscribed ones among the next members of one conversation.
pub(super) fn lay_out(connection: &Connection, interest: &Interest) -> rusqlite::Result<LaidOut> {
    let next = connection
        .prepare_cached("SELECT conversation, first, seq, after FROM push_due LIMIT 1")?
        .query_row([], |row| {
            Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?))
        })
        .optional()?;
    let Some((conversation, first, seq, after)) = next else {
        return Ok(LaidOut::default());
    };
    let step = i64::try_from(limits::PUSH_STEP).expect("a small step");
    let members: Vec<u64> = connection
        .prepare_cached(
            "SELECT user FROM member WHERE conversation = ?1 AND user > ?2 ORDER BY user LIMIT ?3",
        )?
        .query_map(params![int(conversation), int(after), step], |row| number(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut devices =
        connection.prepare_cached("SELECT device FROM push_subscription WHERE user = ?1 ORDER BY device")?;
    let mut put = connection.prepare_cached(
        "INSERT INTO push_waiting (device, conversation, first, seq) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
    )?;
    let waiting: i64 = connection.query_row("SELECT count(*) FROM push_waiting", [], |row| row.get(0))?;
    let mut room = limits::PUSH_WAITING.saturating_sub(usize::try_from(waiting).unwrap_or(usize::MAX));
    let mut slots = Vec::new();
    for user in &members {
        let own: Vec<u64> = devices
            .query_map([int(*user)], |row| number(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        if own.is_empty() {
            interest.remove(UserId(*user));
        }
        for device in own {
            if room == 0 {
                add(&METERS.push_dropped, 1);
                continue;
            }
            room -= 1;
            put.execute([device, conversation, first, seq].map(int))?;
            slots.push(Slot {
                device,
                conversation: ConversationId(conversation),
            });
        }
    }
    match members.last().filter(|_| members.len() == limits::PUSH_STEP) {
        Some(last) => connection
            .prepare_cached("UPDATE push_due SET after = ?2 WHERE conversation = ?1")?
            .execute([int(conversation), int(*last)])?,
        None => connection
            .prepare_cached("DELETE FROM push_due WHERE conversation = ?1")?
            .execute([int(conversation)])?,
    };
    let more = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM push_due)")?
        .query_row([], |row| row.get(0))?;
    Ok(LaidOut { slots, more })
}

fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Slot>> {
    let mut find = connection.prepare("SELECT device, conversation FROM push_waiting")?;
    let slots = find.query_map([], |row| {
        Ok(Slot {
            device: number(row, 0)?,
            conversation: ConversationId(number(row, 1)?),
        })
    })?;
    slots.collect()
}

/// What waits in a slot: all messages from the first to the newest.
struct Waiting {
    user: UserId,
    first: Seq,
    seq: Seq,
    attempt: Attempt,
}

fn wait_in(connection: &Connection, slot: Slot) -> rusqlite::Result<Option<Waiting>> {
    connection
        .prepare_cached(
            "SELECT device.user, first, seq, tries, waited FROM push_waiting JOIN device ON device.no = push_waiting.device
             WHERE push_waiting.device = ?1 AND conversation = ?2",
        )?
        .query_row([int(slot.device), int(slot.conversation.0)], |row| {
            Ok(Waiting {
                user: UserId(number(row, 0)?),
                first: number(row, 1)?,
                seq: number(row, 2)?,
                attempt: Attempt {
                    tries: row.get(3)?,
                    waited: number(row, 4)?,
                },
            })
        })
        .optional()
}

pub(super) fn sent(connection: &Connection, slot: Slot, seq: Seq) -> rusqlite::Result<bool> {
    let place = [int(slot.device), int(slot.conversation.0)];
    connection
        .prepare_cached("DELETE FROM push_waiting WHERE device = ?1 AND conversation = ?2 AND seq <= ?3")?
        .execute([place[0], place[1], int(seq)])?;
    // What came meanwhile has its own attempts.
    let newer = connection
        .prepare_cached(
            "UPDATE push_waiting SET tries = 0, waited = 0, first = max(first, ?3)
             WHERE device = ?1 AND conversation = ?2",
        )?
        .execute([place[0], place[1], int(seq + 1)])?;
    Ok(newer == 0)
}

fn failed(connection: &Connection, slot: Slot, attempt: Attempt) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE push_waiting SET tries = ?3, waited = ?4 WHERE device = ?1 AND conversation = ?2",
        )?
        .execute(params![
            int(slot.device),
            int(slot.conversation.0),
            attempt.tries,
            int(attempt.waited)
        ])
        .map(drop)
}
