//! Reading what is said by other ways than in order: single events, versions, threads, unread mentions. What must not live
//! here: who may (visible stretches come in), and writing (see `talk`).

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow};

use super::find::{self, RecentSlice};
use super::talk::{EVERYONE, follow, newest_edit, unfollow};
use super::{Store, follows, int, reads, sql_refusal};
use crate::limits;
use crate::proto::talk::ThreadSummary;
use crate::proto::{Code, ConversationId, Event, Refusal, Seq, UserId};
use crate::store::{Pos, Span};

/// Events out of order, ascending by seq, and what their words are now.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub events: Vec<Event>,
    /// The newest edit of each that was edited.
    pub edits: Vec<Event>,
    /// The answer grew too heavy, or there is more to be had.
    pub more: bool,
}

/// A thread, and how far a user has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    pub conversation: ConversationId,
    pub root: Seq,
    pub replies: u64,
    pub last_seq: Seq,
    pub last_pos: Pos,
    /// The seq read last, and how many messages the thread had with it; nothing for one who does not follow.
    pub read: Option<(Seq, u64)>,
}

type Visible = Vec<(Seq, Seq)>;

pub(super) fn is_in(visible: &[(Seq, Seq)], seq: Seq) -> bool {
    visible.iter().any(|(from, to)| (*from..=*to).contains(&seq))
}

pub(super) fn number(row: &SqlRow<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

pub(super) fn small(limit: usize) -> i64 {
    i64::try_from(limit).expect("a small bound")
}

const THREAD: &str = "t.conversation, t.root, t.replies, t.last_seq, t.last_pos, f.seq, f.number";

fn following(row: &SqlRow<'_>) -> rusqlite::Result<Following> {
    let seq: Option<i64> = row.get(5)?;
    Ok(Following {
        conversation: ConversationId(number(row, 0)?),
        root: number(row, 1)?,
        replies: number(row, 2)?,
        last_seq: number(row, 3)?,
        last_pos: number(row, 4)?,
        read: match seq {
            Some(seq) => Some((seq.cast_unsigned(), number(row, 6)?)),
            None => None,
        },
    })
}

impl Store {
    /// How many unread messages mention a user, of conversations with how far the user has read them; up to
    /// `limits::MENTIONS_COUNTED` each.
    pub async fn unread_mentions(
        &self,
        user: UserId,
        read: Vec<(ConversationId, Seq)>,
    ) -> Result<HashMap<ConversationId, u64>, Refusal> {
        self.read(move |connection| {
            let count = || -> rusqlite::Result<_> {
                let mut count = connection.prepare_cached(
                    "SELECT count(*) FROM (SELECT seq FROM mention WHERE conversation = ?1 AND user = ?2 AND seq > ?4
                     UNION SELECT seq FROM mention WHERE conversation = ?1 AND user = ?3 AND seq > ?4 LIMIT ?5)",
                )?;
                let mut found = HashMap::new();
                for (conversation, seq) in read {
                    let most = small(limits::MENTIONS_COUNTED);
                    let many = count.query_row(
                        [int(conversation.0), int(user.0), EVERYONE, int(seq), most],
                        |row| number(row, 0),
                    )?;
                    if many > 0 {
                        found.insert(conversation, many);
                    }
                }
                Ok(found)
            };
            count().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Events by their seqs, visible ones only.
    pub async fn events(
        &self,
        conversation: ConversationId,
        mut seqs: Vec<Seq>,
        visible: Visible,
    ) -> Result<Told, Refusal> {
        seqs.sort_unstable();
        seqs.dedup();
        let recent = self.recent(conversation);
        self.read(move |connection| {
            tell(connection, &recent, conversation, &seqs, &visible).map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// A message and its edits after a seq, ascending, and whether there are more.
    ///
    /// # Errors
    /// `not_found` where there is no such message, `erased`.
    pub async fn edits(
        &self,
        conversation: ConversationId,
        target: Seq,
        (after, limit): (Option<Seq>, usize),
        visible: Visible,
    ) -> Result<(Vec<Event>, bool), Refusal> {
        let recent = self.recent(conversation);
        self.read(move |connection| {
            let sql = |error: rusqlite::Error| sql_refusal(&error);
            let rows = |seqs: &[Seq]| -> rusqlite::Result<Vec<_>> {
                let places = reads::places(connection, &recent, conversation, seqs)?;
                let rows = places.into_iter().map(|(_, pos)| find::row_at(connection, pos));
                Ok(rows
                    .collect::<rusqlite::Result<Vec<_>>>()?
                    .into_iter()
                    .flatten()
                    .collect())
            };
            let message = rows(&[target]).map_err(sql)?.pop();
            let message = message.filter(|row| row.is_message()).ok_or(Code::NotFound)?;
            if message.is_erased() {
                return Err(Code::Erased.into());
            }
            let seqs = versions(connection, conversation, target, after, limit + 1).map_err(sql)?;
            let mut page = Told::default();
            let mut bytes = 0;
            let first = after.is_none().then_some(message);
            for row in first.into_iter().chain(rows(&seqs).map_err(sql)?) {
                if !is_in(&visible, row.seq) {
                    continue;
                }
                bytes += row.body.as_ref().map_or(0, Vec::len) + 256;
                if page.events.len() == limit || (bytes > limits::PAGE_BYTES && !page.events.is_empty()) {
                    page.more = true;
                    break;
                }
                page.events.push(row.event());
            }
            Ok((page.events, page.more))
        })
        .await
    }

    /// The threads that hang on the messages of a stretch.
    pub async fn threads_within(
        &self,
        conversation: ConversationId,
        (first, last): (Seq, Seq),
    ) -> Result<Vec<ThreadSummary>, Refusal> {
        self.read(move |connection| {
            let found = || -> rusqlite::Result<Vec<_>> {
                let mut statement = connection.prepare_cached(
                    "SELECT root, replies, last_seq FROM thread WHERE conversation = ?1 AND root BETWEEN ?2 AND ?3",
                )?;
                let rows = statement.query_map([conversation.0, first, last].map(int), |row| {
                    Ok(ThreadSummary {
                        thread: number(row, 0)?,
                        replies: number(row, 1)?,
                        last_seq: number(row, 2)?,
                    })
                })?;
                rows.collect()
            };
            found().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// A thread as a user has read it.
    pub async fn thread(
        &self,
        user: UserId,
        conversation: ConversationId,
        root: Seq,
    ) -> Result<Option<Following>, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let waiting = shared.markers.threads_of(user);
            let found = || -> rusqlite::Result<_> {
                let statement = format!(
                    "SELECT {THREAD} FROM thread t LEFT JOIN follow f
                     ON f.user = ?3 AND f.conversation = t.conversation AND f.root = t.root
                     WHERE t.conversation = ?1 AND t.root = ?2"
                );
                let mut statement = connection.prepare_cached(&statement)?;
                let found = statement.query_row([conversation.0, root, user.0].map(int), following);
                Ok(found.optional()?.map(|thread| waiting.with(thread)))
            };
            found().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Threads, newest first: those of a conversation, or those that a user follows. `before`: only those whose newest
    /// message lies before this place.
    pub async fn threads(
        &self,
        user: UserId,
        conversation: Option<ConversationId>,
        (before, limit): (Pos, usize),
    ) -> Result<Vec<Following>, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let waiting = shared.markers.threads_of(user);
            let found = || -> rusqlite::Result<Vec<_>> {
                let (before, limit) = (before.min(i64::MAX.cast_unsigned()), small(limit));
                let own = conversation.map_or(0, |id| int(id.0));
                let from = match conversation {
                    Some(_) => {
                        "thread t LEFT JOIN follow f ON f.user = ?1 AND f.conversation = t.conversation AND
                         f.root = t.root WHERE t.conversation = ?2"
                    }
                    None => {
                        "follow f JOIN thread t ON t.conversation = f.conversation AND t.root = f.root
                         JOIN member m ON m.conversation = f.conversation AND m.user = f.user
                         WHERE f.user = ?1 AND ?2 = 0"
                    }
                };
                let statement = format!(
                    "SELECT {THREAD} FROM {from} AND t.last_pos < ?3 ORDER BY t.last_pos DESC LIMIT ?4"
                );
                let mut statement = connection.prepare_cached(&statement)?;
                let rows = statement.query_map([int(user.0), own, int(before), limit], following)?;
                rows.map(|thread| Ok(waiting.with(thread?))).collect()
            };
            found().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// A page of a thread's messages, visible ones only.
    pub async fn thread_page(
        &self,
        (conversation, root): (ConversationId, Seq),
        span: Span,
        limit: usize,
        visible: Visible,
    ) -> Result<Told, Refusal> {
        let recent = self.recent(conversation);
        self.read(move |connection| {
            let page = || -> rusqlite::Result<Told> {
                let (bound, statement) = match span {
                    Span::After(after) | Span::AfterPos(after) => (
                        after,
                        "SELECT seq FROM thread_message WHERE conversation = ?1 AND root = ?2 AND seq > ?3 ORDER BY seq",
                    ),
                    Span::Before(before) => (
                        before.min(i64::MAX.cast_unsigned()),
                        "SELECT seq FROM thread_message WHERE conversation = ?1 AND root = ?2 AND seq < ?3
                         ORDER BY seq DESC",
                    ),
                };
                let mut statement = connection.prepare_cached(statement)?;
                let mut rows = statement.query([conversation.0, root, bound].map(int))?;
                let (mut seqs, mut more) = (Vec::new(), false);
                while let Some(row) = rows.next()? {
                    let seq = number(row, 0)?;
                    if !is_in(&visible, seq) {
                        continue;
                    }
                    more = seqs.len() == limit;
                    if more {
                        break;
                    }
                    seqs.push(seq);
                }
                let mut told = tell(connection, &recent, conversation, &seqs, &visible)?;
                told.more |= more;
                Ok(told)
            };
            page().map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// Notes how far a user has read a thread that they follow; written with a later commit. Gives the seq when it moved.
    pub async fn mark_thread(
        &self,
        user: UserId,
        (conversation, root): (ConversationId, Seq),
        seq: Seq,
    ) -> Result<Option<Seq>, Refusal> {
        let thread = self
            .thread(user, conversation, root)
            .await?
            .ok_or(Code::NotFound)?;
        let Some((before, _)) = thread.read.filter(|(before, _)| *before < seq) else {
            return Ok(None);
        };
        let shared = Arc::clone(&self.shared);
        let moved = self
            .read(move |connection| {
                let reached = connection
                    .prepare_cached(
                        "SELECT seq, number FROM thread_message WHERE conversation = ?1 AND root = ?2 AND seq <= ?3
                         ORDER BY seq DESC LIMIT 1",
                    )
                    .and_then(|mut statement| {
                        let key = [conversation.0, root, seq].map(int);
                        statement.query_row(key, |row| Ok((number(row, 0)?, number(row, 1)?))).optional()
                    })
                    .map_err(|error| sql_refusal(&error))?;
                let Some((seq, number)) = reached.filter(|(seq, _)| *seq > before) else {
                    return Ok(None);
                };
                shared.markers.raise_thread(user, (conversation.0, root), (seq, number));
                Ok(Some(seq))
            })
            .await?;
        if self.shared.markers.len() > limits::QUEUE_COMMANDS {
            self.tidy_soon();
        }
        Ok(moved)
    }

    /// Lets a user follow a thread, read up to now, or not follow it any more.
    pub async fn follow(&self, user: UserId, thread: Following, on: bool) -> Result<(), Refusal> {
        let key = (thread.conversation.0, thread.root);
        self.write(move |registers| {
            let since = thread.last_pos;
            let done = match on {
                true => {
                    let read = thread.read.unwrap_or((thread.last_seq, thread.replies));
                    follow(registers.connection, user, key, since, read)
                }
                false => unfollow(registers.connection, user, key),
            };
            let noted = done.and_then(|()| follows::note(registers, user, key));
            noted.map_err(|error| sql_refusal(&error))
        })
        .await?;
        if !on {
            self.shared.markers.forget_thread(user, key);
        }
        Ok(())
    }
}

/// Later versions of a message, by seq.
fn versions(
    connection: &Connection,
    conversation: ConversationId,
    target: Seq,
    after: Option<Seq>,
    limit: usize,
) -> rusqlite::Result<Vec<Seq>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq FROM edit WHERE conversation = ?1 AND target = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
    )?;
    let after = after.unwrap_or(0).min(i64::MAX.cast_unsigned());
    let key = [int(conversation.0), int(target), int(after), small(limit)];
    statement.query_map(key, |row| number(row, 0))?.collect()
}

/// Reads events in the order given (ascending or descending) until they grow too heavy.
pub(super) fn tell(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: ConversationId,
    seqs: &[Seq],
    visible: &[(Seq, Seq)],
) -> rusqlite::Result<Told> {
    let mut ascending: Vec<Seq> = seqs.iter().copied().filter(|seq| is_in(visible, *seq)).collect();
    ascending.sort_unstable();
    let places: HashMap<Seq, Pos> = reads::places(connection, recent, conversation, &ascending)?
        .into_iter()
        .collect();
    let (mut told, mut bytes) = (Told::default(), 0);
    for seq in seqs {
        let Some(row) = places
            .get(seq)
            .map_or(Ok(None), |pos| find::row_at(connection, *pos))?
        else {
            continue;
        };
        let newest = match row.is_message() && !row.is_erased() {
            true => newest_edit(connection, conversation.0, *seq, |edit| is_in(visible, edit))?,
            false => None,
        };
        let edit = match newest {
            Some(edit) => reads::places(connection, recent, conversation, &[edit])?.pop(),
            None => None,
        };
        let edit = edit.map_or(Ok(None), |(_, pos)| find::row_at(connection, pos))?;
        let weight = |row: &super::rows::Row| row.body.as_ref().map_or(0, Vec::len) + 256;
        bytes += weight(&row) + edit.as_ref().map_or(0, weight);
        if bytes > limits::PAGE_BYTES && !told.events.is_empty() {
            told.more = true;
            break;
        }
        told.events.push(row.event());
        told.edits.extend(edit.map(|row| row.event()));
    }
    told.events.sort_unstable_by_key(|event| event.seq);
    told.edits.sort_unstable_by_key(|event| event.seq);
    Ok(told)
}
