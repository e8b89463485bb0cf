//! Sweeping: erasing many messages in bounded steps, each found by a reader and erased by the writer in one commit, with the
//! mark of how far it is. What must not live here: when to sweep, and how one row is emptied (see `erasure`).
//!
//! Invariant: a mark is written in the transaction that erases what lies before it, so a sweep that broke off, however it
//! did, goes on where it stood and leaves nothing out.

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::append::{Failure, Work};
use super::find::{self, RecentSlice};
use super::rows;
use super::writer::Job;
use super::{Store, int, sql_refusal};
use crate::limits;
use crate::proto::{Code, ConversationId, Event, Refusal, Seq, Timestamp, UserId, What};
use crate::store::Writable;

/// Whose words are swept away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everything that this person wrote.
    Person(UserId),
    /// What everybody wrote.
    Everybody,
}

/// A stretch of a conversation, and what in it is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub conversation: ConversationId,
    pub whose: Whose,
    /// The last seq looked at: nothing of theirs is left up to here once the stretch is swept.
    pub upto: Seq,
    pub seqs: Vec<Seq>,
    /// Whether the conversation, or the part that was asked for, ends here.
    pub ends: bool,
}

/// A person whose words are being erased, and where that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub user: UserId,
    /// Conversations up to this one are done.
    pub conversation: ConversationId,
    /// Of the next one, this much.
    pub within: ConversationId,
    pub seq: Seq,
}

/// A conversation's own time, and up to where it was swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub conversation: ConversationId,
    /// 0: none.
    pub days: u32,
    pub floor: Seq,
}

/// A part of a conversation, looked through for what was said before a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aged {
    /// Everything up to here is older.
    pub upto: Seq,
    pub looked: Seq,
    /// Whether something newer was found, or the conversation ends.
    pub ends: bool,
}

/// What the writer does in one commit.
pub struct Step {
    pub stretch: Stretch,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

impl Step {
    pub fn answer(self, outcome: Result<(), Refusal>) {
        // Who waited may be gone; the step stays.
        let _ = self.answer.send(outcome);
    }
}

impl Store {
    /// Comes back once there may be something to sweep that there was not before.
    pub async fn sweeping_wanted(&self) {
        self.shared.sweeping.notified().await;
    }

    /// The erasures that are not done, oldest first.
    pub async fn open_erasures(&self) -> Result<Vec<Open>, Refusal> {
        self.read(|connection| open_erasures(connection).map_err(sql_refusal))
            .await
    }

    /// The next conversations after one that a person is or was in.
    pub async fn conversations_ever(
        &self,
        user: UserId,
        after: ConversationId,
    ) -> Result<Vec<ConversationId>, Refusal> {
        self.read(move |connection| conversations_ever(connection, user, after).map_err(sql_refusal))
            .await
    }

    /// The next conversations after one, with how long they keep what is said.
    pub async fn kept(&self, after: ConversationId) -> Result<Vec<Kept>, Refusal> {
        self.read(move |connection| kept(connection, after).map_err(sql_refusal))
            .await
    }

    /// Looks after a seq for what was said before a moment.
    pub async fn aged(
        &self,
        conversation: ConversationId,
        after: Seq,
        before: Timestamp,
    ) -> Result<Aged, Refusal> {
        let recent = RecentSlice::of(&self.shared.recent.read(), conversation.0);
        self.read(move |connection| {
            aged(connection, &recent, conversation, after, before).map_err(sql_refusal)
        })
        .await
    }

    /// The next stretch of a conversation after a seq, at most up to `end`.
    pub async fn stretch(
        &self,
        conversation: ConversationId,
        whose: Whose,
        after: Seq,
        end: Seq,
    ) -> Result<Stretch, Refusal> {
        let recent = RecentSlice::of(&self.shared.recent.read(), conversation.0);
        self.read(move |connection| {
            stretch(connection, &recent, conversation, whose, after, end).map_err(sql_refusal)
        })
        .await
    }

    /// Erases a stretch, tells it, and notes how far it is; answers once that is on disk.
    pub async fn sweep(&self, stretch: Stretch) -> Result<(), Refusal> {
        let (answer, receive) = oneshot::channel();
        let job = Job::Sweep(Step { stretch, answer });
        if self.queue.send(job).await.is_err() {
            return Err(Code::ShuttingDown.into());
        }
        receive.await.unwrap_or_else(|_| match self.writable() {
            Writable::Yes => Err(Code::ShuttingDown.into()),
            Writable::Full => Err(Code::StorageFull.into()),
            Writable::ReadOnly(_) => Err(Code::ReadOnly.into()),
        })
    }

    /// Notes that a conversation holds nothing more of a person.
    pub async fn conversation_swept(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<(), Refusal> {
        self.write(move |registers| {
            registers
                .connection
                .execute(
                    "UPDATE erasure SET conversation = max(conversation, ?2) WHERE user = ?1",
                    [int(user.0), int(conversation.0)],
                )
                .map_err(sql_refusal)
                .map(drop)
        })
        .await
    }

    /// Notes that nothing of a person is left.
    pub async fn erasure_done(&self, user: UserId) -> Result<(), Refusal> {
        self.write(move |registers| {
            registers
                .connection
                .execute("UPDATE erasure SET done = 1 WHERE user = ?1", [int(user.0)])
                .map_err(sql_refusal)
                .map(drop)
        })
        .await
    }
}

fn open_erasures(connection: &Connection) -> rusqlite::Result<Vec<Open>> {
    let mut open = connection.prepare_cached(
        "SELECT user, conversation, within, seq FROM erasure WHERE done = 0 ORDER BY asked, user LIMIT ?1",
    )?;
    let most = i64::try_from(limits::LIST_ROWS).expect("a small bound");
    open.query_map([most], |row| {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(Open {
            user: UserId(number(0)?),
            conversation: ConversationId(number(1)?),
            within: ConversationId(number(2)?),
            seq: number(3)?,
        })
    })?
    .collect()
}

fn conversations_ever(
    connection: &Connection,
    user: UserId,
    after: ConversationId,
) -> rusqlite::Result<Vec<ConversationId>> {
    let mut theirs = connection.prepare_cached(
        "SELECT conversation FROM member WHERE user = ?1 AND conversation > ?2
         UNION SELECT conversation FROM gone WHERE user = ?1 AND conversation > ?2 ORDER BY 1 LIMIT ?3",
    )?;
    let most = i64::try_from(limits::LIST_ROWS).expect("a small bound");
    theirs
        .query_map([int(user.0), int(after.0), most], |row| {
            row.get::<_, i64>(0).map(|id| ConversationId(id.cast_unsigned()))
        })?
        .collect()
}

/// What a sweep must know of a row; its words are not read.
struct Glimpse {
    has_words: bool,
    may_name: bool,
    sender: u64,
    ts: Timestamp,
    unsynchronised: bool,
    bytes: u64,
}

fn glimpse(connection: &Connection, pos: u64) -> rusqlite::Result<Option<Glimpse>> {
    connection
        .prepare_cached(
            "SELECT kind, sender, ts, body IS NOT NULL, coalesce(length(body), 0) FROM log WHERE pos = ?1",
        )?
        .query_row([int(pos)], |row| {
            let kind = row.get::<_, i64>(0)?;
            Ok(Glimpse {
                has_words: row.get::<_, bool>(3)? && rows::holds_words(kind),
                may_name: row.get::<_, bool>(3)? && rows::may_name(kind),
                sender: row.get::<_, i64>(1)?.cast_unsigned(),
                ts: row.get::<_, i64>(2)?.cast_unsigned(),
                unsynchronised: rows::is_unsynchronised(kind),
                bytes: row.get::<_, i64>(4)?.cast_unsigned(),
            })
        })
        .optional()
}

fn kept(connection: &Connection, after: ConversationId) -> rusqlite::Result<Vec<Kept>> {
    let mut kept = connection.prepare_cached(
        "SELECT id, retention_days, coalesce(floor, 0) FROM conversation LEFT JOIN retained ON conversation = id
         WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let most = i64::try_from(limits::LIST_ROWS).expect("a small bound");
    kept.query_map([int(after.0), most], |row| {
        Ok(Kept {
            conversation: ConversationId(row.get::<_, i64>(0)?.cast_unsigned()),
            days: row.get(1)?,
            floor: row.get::<_, i64>(2)?.cast_unsigned(),
        })
    })?
    .collect()
}

/// A row whose time is doubtful is as old as the next one whose time is not: order is what the log knows for certain.
fn aged(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    after: Seq,
    before: Timestamp,
) -> rusqlite::Result<Aged> {
    let last = find::standing(connection, recent, conversation.0)?.last_seq;
    let to = last.min(after.saturating_add(limits::SWEEP_LOOKS));
    let mut found = Aged {
        upto: after,
        looked: after,
        ends: false,
    };
    for (seq, pos) in find::positions(connection, recent, conversation.0, after + 1, to)? {
        if let Some(row) = glimpse(connection, pos)?.filter(|row| !row.unsynchronised) {
            if row.ts >= before {
                found.ends = true;
                return Ok(found);
            }
            found.upto = seq;
        }
        found.looked = seq;
    }
    found.ends = to >= last;
    Ok(found)
}

fn stretch(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    whose: Whose,
    after: Seq,
    end: Seq,
) -> rusqlite::Result<Stretch> {
    let last = find::standing(connection, recent, conversation.0)?
        .last_seq
        .min(end);
    let to = last.min(after.saturating_add(limits::SWEEP_LOOKS));
    let mut found = Stretch {
        conversation,
        whose,
        upto: after,
        seqs: Vec::new(),
        ends: false,
    };
    let mut bytes = 0;
    for (seq, pos) in find::positions(connection, recent, conversation.0, after + 1, to)? {
        if bytes >= limits::SWEEP_BYTES || found.seqs.len() == limits::SWEEP_ROWS {
            return Ok(found);
        }
        if let Some(row) = glimpse(connection, pos)? {
            let theirs = match whose {
                Whose::Person(user) if row.sender != user.0 => false,
                Whose::Person(_) if row.may_name => {
                    find::row_at(connection, pos)?.is_some_and(|row| row.stub().is_some())
                }
                Whose::Person(_) => row.has_words,
                Whose::Everybody => row.has_words,
            };
            if theirs {
                found.seqs.push(seq);
                bytes += row.bytes;
            }
        }
        found.upto = seq;
    }
    found.ends = to >= last;
    Ok(found)
}

impl Work<'_> {
    /// Erases a stretch and appends the event that says so; where there is nothing to erase, nothing is said.
    pub fn sweep(&mut self, stretch: &Stretch) -> Result<(), Failure> {
        let conversation = stretch.conversation.0;
        let mut tombstones: Vec<Event> = Vec::new();
        let mut roster = None;
        for seq in &stretch.seqs {
            roster = self.without_announcement(conversation, *seq)?.or(roster);
            tombstones.extend(self.erase_all(conversation, *seq)?);
        }
        let erased = tombstones.len() as u64;
        if erased > 0 {
            let (by, user) = match stretch.whose {
                Whose::Person(user) => (user, Some(user)),
                Whose::Everybody => (UserId(0), None),
            };
            let what = What::Erased {
                user,
                upto: stretch.upto,
            };
            self.say(stretch.conversation, by, what, (tombstones, roster))?;
        }
        match stretch.whose {
            Whose::Person(user) => self
                .connection
                .prepare_cached(
                    "UPDATE erasure SET within = ?2, seq = ?3, erased = erased + ?4 WHERE user = ?1",
                )?
                .execute([int(user.0), int(conversation), int(stretch.upto), int(erased)])?,
            Whose::Everybody => self
                .connection
                .prepare_cached(
                    "INSERT INTO retained (conversation, floor) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET floor = max(floor, excluded.floor)",
                )?
                .execute(params![int(conversation), int(stretch.upto)])?,
        };
        Ok(())
    }
}
