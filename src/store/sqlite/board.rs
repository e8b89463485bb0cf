//! What a conversation shows beside its messages: pins, nicknames, links. Written in the event's own transaction. What must
//! not live here: the announcement and the settings, which are the roster's.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::append::{Failure, Work};
use super::rows::Row;
use super::talk_reads::{Told, is_in, number, small, tell};
use super::{Store, int, sql_refusal};
use crate::core::permit::Permit;
use crate::proto::board::Pin;
use crate::proto::{Command, ConversationId, Refusal, Seq, UserId, What};

impl Work<'_> {
    /// What the rules must know of the tables before an event about them.
    pub fn check_board(&self, permit: &Permit, conversation: u64) -> Result<(), Failure> {
        match permit.change().command() {
            Command::Pin(pin) | Command::Unpin(pin) => {
                let (many, is_pinned) = self
                    .connection
                    .prepare_cached(
                        "SELECT count(*), coalesce(max(target = ?2), 0) FROM pin WHERE conversation = ?1",
                    )?
                    .query_row([conversation, pin.target].map(int), |row| {
                        Ok((number(row, 0)?, row.get(1)?))
                    })?;
                permit.on_pins(is_pinned, usize::try_from(many).unwrap_or(usize::MAX))?;
            }
            Command::Nickname(nickname) => {
                let whose = nickname.user.unwrap_or(permit.actor().user);
                let before: Option<String> = self
                    .connection
                    .prepare_cached("SELECT name FROM nickname WHERE conversation = ?1 AND user = ?2")?
                    .query_row([conversation, whose.0].map(int), |row| row.get(0))
                    .optional()?;
                permit.on_nickname(before.as_deref())?;
            }
            _ => {}
        }
        Ok(())
    }

    pub fn note_board(&self, row: &Row, what: &What) -> rusqlite::Result<()> {
        let conversation = int(row.conversation);
        let say = |statement: &str, values: &[&dyn rusqlite::ToSql]| {
            self.connection
                .prepare_cached(statement)?
                .execute(values)
                .map(drop)
        };
        match what {
            What::Pinned { target } => say(
                "INSERT INTO pin (conversation, target, seq, by, ts) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    conversation,
                    int(*target),
                    int(row.seq),
                    int(row.sender),
                    int(row.ts)
                ],
            ),
            What::Unpinned { target } => say(
                "DELETE FROM pin WHERE conversation = ?1 AND target = ?2",
                params![conversation, int(*target)],
            ),
            What::Nickname { user, name: None, .. } => say(
                "DELETE FROM nickname WHERE conversation = ?1 AND user = ?2",
                params![conversation, int(user.0)],
            ),
            What::Nickname { user, name, .. } => say(
                "INSERT INTO nickname (conversation, user, name) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET name = excluded.name",
                params![conversation, int(user.0), name],
            ),
            _ => Ok(()),
        }
    }

    /// A message with a link, or one that has none any more.
    pub fn note_link(&self, conversation: u64, seq: Seq, is_there: bool) -> rusqlite::Result<()> {
        let statement = match is_there {
            true => "INSERT INTO link (conversation, seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            false => "DELETE FROM link WHERE conversation = ?1 AND seq = ?2",
        };
        self.connection
            .prepare_cached(statement)?
            .execute([conversation, seq].map(int))
            .map(drop)
    }

    /// A nickname whose event is about to be erased is nobody's any more, unless another has followed it.
    pub fn drop_nickname(&self, conversation: u64, user: UserId, name: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM nickname WHERE conversation = ?1 AND user = ?2 AND name = ?3")?
            .execute(params![int(conversation), int(user.0), name])
            .map(drop)
    }

    /// What was erased is neither pinned nor listed.
    pub fn take_down(&self, row: &Row) -> rusqlite::Result<()> {
        self.note_link(row.conversation, row.seq, false)?;
        self.connection
            .prepare_cached("DELETE FROM pin WHERE conversation = ?1 AND target = ?2")?
            .execute([row.conversation, row.seq].map(int))
            .map(drop)
    }
}

/// A page of a list, and what to ask with for the one before.
pub type Listing<T> = (Vec<T>, Told, Option<Seq>);

impl Store {
    /// Pins of a conversation, newest first, with their messages; visible ones only.
    pub async fn pins(
        &self,
        conversation: ConversationId,
        (before, limit): (Seq, usize),
        visible: Vec<(Seq, Seq)>,
    ) -> Result<Listing<Pin>, Refusal> {
        let recent = self.recent(conversation);
        self.read(move |connection| {
            let page = || -> rusqlite::Result<_> {
                let mut pins = pins(connection, conversation, (before, limit + 1))?;
                let more = pins.len() > limit;
                pins.truncate(limit);
                let last = pins.last().map(|pin| pin.seq);
                let targets: Vec<Seq> = pins.iter().map(|pin| pin.target).collect();
                let told = tell(connection, &recent, conversation, &targets, &visible)?;
                pins.retain(|pin| told.events.iter().any(|event| event.seq == pin.target));
                // A page that grew too heavy ends with the last pin that is told.
                let end = if told.more {
                    pins.last().map(|pin| pin.seq)
                } else {
                    last
                };
                let next = end.filter(|_| more || told.more);
                Ok((pins, told, next))
            };
            page().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Messages with a link, the newest before a seq; visible ones only.
    pub async fn links(
        &self,
        conversation: ConversationId,
        (before, limit): (Seq, usize),
        visible: Vec<(Seq, Seq)>,
    ) -> Result<(Told, Option<Seq>), Refusal> {
        let recent = self.recent(conversation);
        self.read(move |connection| {
            let page = || -> rusqlite::Result<_> {
                let seqs = links(connection, conversation, (before, limit + 1), &visible)?;
                let shown = &seqs[..seqs.len().min(limit)];
                let told = tell(connection, &recent, conversation, shown, &visible)?;
                let first = told.events.first().map(|event| event.seq);
                let next = first.filter(|_| told.more || seqs.len() > limit);
                Ok((told, next))
            };
            page().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// The nicknames that some members of a conversation have there.
    pub async fn nicknames(
        &self,
        conversation: ConversationId,
        users: Vec<UserId>,
    ) -> Result<HashMap<UserId, String>, Refusal> {
        self.read(move |connection| {
            let found = || -> rusqlite::Result<_> {
                let (Some(first), Some(last)) = (users.iter().min(), users.iter().max()) else {
                    return Ok(HashMap::new());
                };
                let mut statement = connection.prepare_cached(
                    "SELECT user, name FROM nickname WHERE conversation = ?1 AND user BETWEEN ?2 AND ?3",
                )?;
                let rows = statement.query_map([conversation.0, first.0, last.0].map(int), |row| {
                    Ok((UserId(number(row, 0)?), row.get(1)?))
                })?;
                rows.collect()
            };
            found().map_err(|error| sql_refusal(&error))
        })
        .await
    }
}

fn pins(
    connection: &Connection,
    conversation: ConversationId,
    (before, limit): (Seq, usize),
) -> rusqlite::Result<Vec<Pin>> {
    let mut statement = connection.prepare_cached(
        "SELECT target, seq, by, ts FROM pin WHERE conversation = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
    )?;
    let before = int(before.min(i64::MAX.cast_unsigned()));
    let rows = statement.query_map([int(conversation.0), before, small(limit)], |row| {
        Ok(Pin {
            target: number(row, 0)?,
            seq: number(row, 1)?,
            by: UserId(number(row, 2)?),
            ts: number(row, 3)?,
        })
    })?;
    rows.collect()
}

fn links(
    connection: &Connection,
    conversation: ConversationId,
    (before, limit): (Seq, usize),
    visible: &[(Seq, Seq)],
) -> rusqlite::Result<Vec<Seq>> {
    let first = visible.first().map_or(Seq::MAX, |(from, _)| *from);
    let mut statement = connection.prepare_cached(
        "SELECT seq FROM link WHERE conversation = ?1 AND seq < ?2 AND seq >= ?3 ORDER BY seq DESC",
    )?;
    let bound = |seq: Seq| int(seq.min(i64::MAX.cast_unsigned()));
    let mut rows = statement.query([int(conversation.0), bound(before), bound(first)])?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = number(row, 0)?;
        if is_in(visible, seq) {
            seqs.push(seq);
        }
        if seqs.len() == limit {
            break;
        }
    }
    Ok(seqs)
}
