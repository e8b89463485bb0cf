//! Reading: pages, standings, lists, on connections of their own, each read in one short transaction.
//! What must not live here: writes.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::accounts::SecretHash;
use super::accounts::devices::session;
use super::append::receipt_of_repeat;
use super::find::{self, RecentSlice};
use super::{Store, int, rosters, sql_refusal};
use crate::core::change::Change;
use crate::core::permit::Actor;
use crate::core::roster::Roster;
use crate::limits;
use crate::meters::{METERS, add};
use crate::proto::answer::{Discovered, Reader};
use crate::proto::{Code, ConversationId, Event, Refusal, Seq, UserId};
use crate::store::{Page, Pos, Receipt, Span, Standing};

/// A conversation in a user's list, with where it stands and how far the user has read.
#[derive(Clone, Debug)]
pub struct Listed {
    pub roster: Arc<Roster>,
    pub standing: Standing,
    pub marker: (Seq, u64),
}

/// What changed for a user since a place in the log.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// (conversation, last place), ascending by place.
    pub conversations: Vec<(ConversationId, Pos)>,
    pub gone: Vec<(ConversationId, Pos)>,
}

fn id_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<ConversationId> {
    row.get::<_, i64>(0).map(|id| ConversationId(id.cast_unsigned()))
}

impl Store {
    pub(super) fn recent(&self, conversation: ConversationId) -> RecentSlice {
        RecentSlice::of(&self.shared.recent.read(), conversation.0)
    }

    /// A conversation's people, shared with all who need them.
    pub async fn roster(&self, conversation: ConversationId) -> Result<Option<Arc<Roster>>, Refusal> {
        if let Some(roster) = self.shared.rosters.get(conversation.0) {
            return Ok(Some(roster));
        }
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| shared.load_roster(connection, conversation))
            .await
    }

    /// The conversations a user is a member of.
    pub async fn conversations_of(&self, user: UserId) -> Result<Vec<ConversationId>, Refusal> {
        self.read(move |connection| conversations_of(connection, user).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// A page of a conversation, only of seqs inside `visible` (ascending ranges, both ends inside).
    pub async fn page(
        &self,
        conversation: ConversationId,
        span: Span,
        visible: Vec<(Seq, Seq)>,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let recent = self.recent(conversation);
        add(&METERS.pages_read, 1);
        self.read(move |connection| {
            page(connection, &recent, conversation, span, &visible, limit)
                .map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Later edits, recalls and reactions of the given messages, visible ones only.
    pub async fn annotations(
        &self,
        conversation: ConversationId,
        targets: Vec<Seq>,
        after: Seq,
        visible: Vec<(Seq, Seq)>,
    ) -> Result<Vec<Event>, Refusal> {
        let recent = self.recent(conversation);
        self.read(move |connection| {
            annotations(connection, &recent, conversation, &targets, after, &visible)
                .map_err(|error| sql_refusal(&error))
        })
        .await
    }

    pub async fn standing(&self, conversation: ConversationId) -> Result<Standing, Refusal> {
        let recent = self.recent(conversation);
        if let Some(standing) = recent.standing {
            return Ok(standing);
        }
        self.read(move |connection| {
            find::standing(connection, &recent, conversation.0).map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Rosters, standings and markers of several conversations, for a user's list.
    pub async fn list(&self, user: UserId, wanted: Vec<ConversationId>) -> Result<Vec<Listed>, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let mut listed = Vec::with_capacity(wanted.len());
            for conversation in wanted {
                let recent = RecentSlice::of(&shared.recent.read(), conversation.0);
                let Some(roster) = shared.load_roster(connection, conversation)? else {
                    continue;
                };
                let standing = find::standing(connection, &recent, conversation.0)
                    .map_err(|error| sql_refusal(&error))?;
                let marker = shared
                    .markers
                    .get(connection, user, conversation.0)
                    .map_err(|error| sql_refusal(&error))?;
                listed.push(Listed {
                    roster,
                    standing,
                    marker: (marker.seq, marker.count),
                });
            }
            Ok(listed)
        })
        .await
    }

    /// What a device that has just come in is to be told of: its user's conversations, and those that the user was removed from
    /// after `since`. Nothing if its session has ended. One question, since ten thousand may ask it at once.
    pub async fn arrival(
        &self,
        token: SecretHash,
        user: UserId,
        since: Option<Pos>,
    ) -> Result<Option<Vec<ConversationId>>, Refusal> {
        self.read(move |connection| arrival(connection, &token, user, since))
            .await
    }

    /// What changed for a user after a place in the log, oldest change first.
    pub async fn changed(&self, user: UserId, after: Pos) -> Result<Changed, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let changed = || -> rusqlite::Result<Changed> {
                let mut changed = Changed::default();
                for conversation in conversations_of(connection, user)? {
                    let recent = RecentSlice::of(&shared.recent.read(), conversation.0);
                    let last = find::standing(connection, &recent, conversation.0)?.last_pos;
                    if last > after {
                        changed.conversations.push((conversation, last));
                    }
                }
                changed.conversations.sort_unstable_by_key(|(_, pos)| *pos);
                changed.gone = gone(connection, user, after)?;
                Ok(changed)
            };
            changed().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Groups and channels that one may join or ask to join, by id.
    pub async fn discover(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Discovered>, Refusal> {
        self.read(move |connection| discover(connection, after, limit).map_err(|error| sql_refusal(&error)))
            .await
    }

    /// Moves a user's read marker; the caller has checked that the user may see the conversation.
    pub async fn mark_read(
        &self,
        user: UserId,
        conversation: ConversationId,
        seq: Seq,
    ) -> Result<bool, Refusal> {
        let recent = self.recent(conversation);
        let shared = Arc::clone(&self.shared);
        let moved = self
            .read(move |connection| {
                let moved = || -> rusqlite::Result<Option<bool>> {
                    let pos = match recent.standing.filter(|_| seq >= recent.first) {
                        Some(_) => usize::try_from(seq - recent.first)
                            .ok()
                            .and_then(|at| recent.positions.get(at))
                            .copied(),
                        None => find::folded_pos(connection, conversation.0, seq)?,
                    };
                    let Some(row) = pos.map_or(Ok(None), |pos| find::row_at(connection, pos))? else {
                        return Ok(None);
                    };
                    let before = shared.markers.get(connection, user, conversation.0)?;
                    if seq <= before.seq {
                        return Ok(Some(false));
                    }
                    shared.markers.raise(user, conversation.0, seq, row.count);
                    Ok(Some(true))
                };
                moved().map_err(|error| sql_refusal(&error))
            })
            .await?;
        if self.shared.markers.len() > limits::QUEUE_COMMANDS {
            self.tidy_soon();
        }
        moved.ok_or_else(|| Refusal::because(Code::BadRequest, "There is no event of that seq yet."))
    }

    /// Members whose marker is at `seq` or beyond (or, with `unread`, is not), by user id: one more than `limit` where there
    /// are more, and how many they are in all; of those only of whom the asker may see it.
    pub async fn readers(
        &self,
        roster: Arc<Roster>,
        (seq, unread): (Seq, bool),
        after: Option<UserId>,
        limit: usize,
        may_see: impl Fn(UserId) -> bool + Send + 'static,
    ) -> Result<(Vec<Reader>, u64), Refusal> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let markers = shared
                .markers
                .of(connection, roster.conversation.0)
                .map_err(|error| sql_refusal(&error))?;
            let seen = roster.members().filter(|member| may_see(member.user));
            let meant = seen.filter_map(|member| {
                let marker = markers.get(&member.user).copied().unwrap_or_default();
                let reader = Reader {
                    user: member.user,
                    seq: marker.seq,
                };
                ((marker.seq >= seq) != unread).then_some(reader)
            });
            let (mut readers, mut count) = (Vec::new(), 0);
            for reader in meant {
                count += 1;
                if readers.len() <= limit && after.is_none_or(|after| reader.user > after) {
                    readers.push(reader);
                }
            }
            Ok((readers, count))
        })
        .await
    }

    /// The receipt of a command that was done before: asked when the rules would now refuse it, because the same id from
    /// the same device gets the same answer for ever.
    pub async fn repeat(&self, actor: Actor, change: &Change) -> Option<Result<Receipt, Refusal>> {
        let key = (actor.device, *change.client_id().0.as_bytes());
        let digest = change.digest();
        let known = self.shared.recent.read().clients.get(&key).copied();
        let found = self
            .read(move |connection| {
                let row = || -> rusqlite::Result<_> {
                    let pos = match known {
                        Some(pos) => Some(pos),
                        None => find::folded_client(connection, key)?,
                    };
                    pos.map_or(Ok(None), |pos| find::row_at(connection, pos))
                };
                row().map_err(|error| sql_refusal(&error))
            })
            .await;
        match found {
            Ok(row) => row.map(|row| receipt_of_repeat(&row, digest)),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Whether a permit names a direct conversation that exists already, and which.
    pub async fn direct(&self, one: UserId, other: UserId) -> Result<Option<ConversationId>, Refusal> {
        let pair = (one.min(other), one.max(other));
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT id FROM conversation WHERE one = ?1 AND other = ?2")
                .and_then(|mut statement| {
                    statement
                        .query_row([int(pair.0.0), int(pair.1.0)], id_of)
                        .optional()
                })
                .map_err(|error| sql_refusal(&error))
        })
        .await
    }
}

impl super::Shared {
    /// A roster from memory or tables; no room in memory means busy.
    pub fn load_roster(
        &self,
        connection: &Connection,
        conversation: ConversationId,
    ) -> Result<Option<Arc<Roster>>, Refusal> {
        if let Some(roster) = self.rosters.get(conversation.0) {
            return Ok(Some(roster));
        }
        // Announced before it is read: what a commit publishes meanwhile stays, and is what `loaded` gives back.
        self.rosters.begin_load(conversation.0);
        let loaded = rosters::load(connection, conversation.0);
        let (roster, error) = match loaded {
            Ok(roster) => (roster, None),
            Err(error) => (None, Some(sql_refusal(&error))),
        };
        let kept = self
            .rosters
            .loaded(conversation.0, roster)
            .map_err(|_| Code::Busy.into());
        match error {
            Some(refusal) => Err(refusal),
            None => kept,
        }
    }
}

fn conversations_of(connection: &Connection, user: UserId) -> rusqlite::Result<Vec<ConversationId>> {
    let mut statement =
        connection.prepare_cached("SELECT conversation FROM member WHERE user = ?1 ORDER BY conversation")?;
    statement.query_map([int(user.0)], id_of)?.collect()
}

pub(super) fn arrival(
    connection: &Connection,
    token: &SecretHash,
    user: UserId,
    since: Option<Pos>,
) -> Result<Option<Vec<ConversationId>>, Refusal> {
    if session(connection, token)?.is_none_or(|facts| facts.user != user) {
        return Ok(None);
    }
    // In this order a removal that comes in between is found by both, not by neither.
    let found = || {
        let mut found = conversations_of(connection, user)?;
        if let Some(since) = since {
            found.extend(gone(connection, user, since)?.into_iter().map(|(id, _)| id));
        }
        Ok(found)
    };
    found().map(Some).map_err(|error| sql_refusal(&error))
}

/// The conversations that a user was removed from after a place, and where.
fn gone(connection: &Connection, user: UserId, after: Pos) -> rusqlite::Result<Vec<(ConversationId, Pos)>> {
    let mut gone = connection
        .prepare_cached("SELECT conversation, pos FROM gone WHERE user = ?1 AND pos > ?2 ORDER BY pos")?;
    let rows = gone.query_map([int(user.0), int(after)], |row| {
        Ok((id_of(row)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    rows.collect()
}

fn page(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    span: Span,
    visible: &[(Seq, Seq)],
    limit: usize,
) -> rusqlite::Result<Page> {
    let last = find::standing(connection, recent, conversation.0)?.last_seq;
    let ascending = |after: Seq| {
        let ranges = visible
            .iter()
            .map(move |(from, to)| ((*from).max(after.saturating_add(1)), (*to).min(last)));
        ranges.flat_map(|(from, to)| from..=to)
    };
    let (mut seqs, more): (Vec<Seq>, bool) = match span {
        Span::After(after) => {
            let mut seqs: Vec<Seq> = ascending(after).take(limit + 1).collect();
            let more = seqs.len() > limit;
            seqs.truncate(limit);
            (seqs, more)
        }
        Span::AfterPos(pos) => {
            let first = find::first_after_pos(connection, recent, conversation.0, pos, last)?;
            let mut seqs: Vec<Seq> = ascending(first.saturating_sub(1)).take(limit + 1).collect();
            let more = seqs.len() > limit;
            seqs.truncate(limit);
            (seqs, more)
        }
        Span::Before(before) => {
            let ranges = visible
                .iter()
                .rev()
                .map(|(from, to)| (*from, (*to).min(last).min(before.saturating_sub(1))));
            let mut seqs: Vec<Seq> = ranges
                .flat_map(|(from, to)| (from..=to).rev())
                .take(limit + 1)
                .collect();
            let more = seqs.len() > limit;
            seqs.truncate(limit);
            seqs.reverse();
            (seqs, more)
        }
    };
    let mut page = Page {
        events: Vec::with_capacity(seqs.len()),
        more,
    };
    let mut bytes = 0;
    let places = places(connection, recent, conversation, &seqs)?;
    let backwards = matches!(span, Span::Before(_));
    let ordered: Box<dyn Iterator<Item = &(Seq, Pos)>> = if backwards {
        Box::new(places.iter().rev())
    } else {
        Box::new(places.iter())
    };
    for (_, pos) in ordered {
        let Some(row) = find::row_at(connection, *pos)? else {
            continue;
        };
        bytes += row.body.as_ref().map_or(0, Vec::len) + 256;
        if bytes > limits::PAGE_BYTES && !page.events.is_empty() {
            page.more = true;
            break;
        }
        page.events.push((*pos, row.event()));
    }
    if backwards {
        page.events.reverse();
    }
    seqs.clear();
    Ok(page)
}

/// The places of ascending seqs, run by run.
pub(super) fn places(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    seqs: &[Seq],
) -> rusqlite::Result<Vec<(Seq, Pos)>> {
    let mut found = Vec::with_capacity(seqs.len());
    for run in seqs.chunk_by(|one, next| *next == one + 1) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        found.extend(find::positions(
            connection,
            recent,
            conversation.0,
            *first,
            *last,
        )?);
    }
    Ok(found)
}

fn annotations(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    targets: &[Seq],
    after: Seq,
    visible: &[(Seq, Seq)],
) -> rusqlite::Result<Vec<Event>> {
    let mut seqs = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT seq FROM annotation WHERE conversation = ?1 AND target = ?2 AND seq > ?3 ORDER BY seq",
    )?;
    for target in targets {
        // Each target's own first: of all together the first are kept, and they may all be about one.
        let most = seqs.len() + limits::PAGE_ANNOTATIONS;
        let rows = statement.query_map([int(conversation.0), int(*target), int(after)], |row| {
            row.get::<_, i64>(0)
        })?;
        for seq in rows {
            let seq = seq?.cast_unsigned();
            if visible.iter().any(|(from, to)| (*from..=*to).contains(&seq)) {
                seqs.push(seq);
            }
            if seqs.len() >= most {
                break;
            }
        }
    }
    seqs.sort_unstable();
    seqs.truncate(limits::PAGE_ANNOTATIONS);
    let mut events = Vec::with_capacity(seqs.len());
    let mut bytes = 0;
    for (_, pos) in places(connection, recent, conversation, &seqs)? {
        let Some(row) = find::row_at(connection, pos)? else {
            continue;
        };
        // Edits carry bodies: their number alone bounds nothing.
        bytes += row.body.as_ref().map_or(0, Vec::len) + 256;
        if bytes > limits::PAGE_BYTES {
            break;
        }
        events.push(row.event());
    }
    Ok(events)
}

fn discover(
    connection: &Connection,
    after: Option<ConversationId>,
    limit: usize,
) -> rusqlite::Result<Vec<Discovered>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, title, join_rule, (SELECT count(*) FROM member WHERE conversation = id) FROM conversation
         WHERE id > ?1 AND join_rule <> 2 AND dissolved = 0 AND one IS NULL ORDER BY id LIMIT ?2",
    )?;
    let after = after.map_or(-1, |after| int(after.0));
    let rows = statement.query_map([after, i64::try_from(limit).expect("a small bound")], |row| {
        Ok(Discovered {
            conversation: id_of(row)?,
            kind: rosters::kind_of(row.get(1)?),
            title: row.get(2)?,
            join: rosters::join_of(row.get(3)?),
            members: row.get::<_, i64>(4)?.cast_unsigned(),
        })
    })?;
    rows.collect()
}
