//! Finding: the index proposes, the text decides, and `core::audience` says who may see it. Newest first, in bounded
//! portions. What must not live here: making the index, or what a query means.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Connection, params};

use super::super::rows::{COLUMNS, Row};
use super::super::{Shared, Store, int, sql_refusal};
use super::{conversation_word, indexed, is_corrupt, push_pair, reworded, say_damaged, sender_word};
use crate::clock::monotonic;
use crate::core::audience;
use crate::core::roster::Roster;
use crate::core::text::{Snippet, fold, has_all, pairs, snippet, spots};
use crate::limits;
use crate::proto::search::FoundKind;
use crate::proto::{Code, ConversationId, Refusal, Seq, Timestamp, UserId};
use crate::store::Pos;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub user: UserId,
    /// In their form, not empty.
    pub words: Vec<String>,
    /// Those the user is in.
    pub conversations: Vec<ConversationId>,
    pub by: Option<UserId>,
    pub kind: Option<FoundKind>,
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
    /// Only places in the log before this one.
    pub place: Pos,
    pub limit: usize,
}

/// A message in which the words stand.
#[derive(Clone, Debug)]
pub struct Hit {
    pub pos: Pos,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub edit: Option<Seq>,
    pub ts: Timestamp,
    pub unsynchronised: bool,
    pub by: UserId,
    pub kind: FoundKind,
    pub snippet: Snippet,
}

/// A portion of what is found.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    pub hits: Vec<Hit>,
    /// The place to go on before; nothing at the end.
    pub next: Option<Pos>,
    /// The index lacks more than one search looks through.
    pub partial: bool,
}

impl Store {
    /// Looks for messages, newest first.
    ///
    /// # Errors
    /// `busy` when too many searches wait, or there is no room for a roster.
    pub async fn search(&self, wanted: Wanted) -> Result<Hits, Refusal> {
        let turn = self.shared.searches.take().await?;
        let shared = Arc::clone(&self.shared);
        let found = self.read(move |connection| {
            // It lasts as long as the work, also when the asker has hung up.
            let _turn = turn;
            let mut walk = Walk::new(connection, &shared, &wanted);
            walk.run()?;
            Ok(walk.result())
        });
        let found = found.await;
        if self.shared.searches.damaged.load(Ordering::Relaxed) {
            // The writer looks at it once it has been woken.
            self.tidy_soon();
        }
        found
    }
}

enum Failure {
    Refused(Refusal),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sql(error)
    }
}

/// One search at work.
struct Walk<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    wanted: &'a Wanted,
    mine: HashSet<u64>,
    rosters: HashMap<u64, Option<Arc<Roster>>>,
    hits: Vec<Hit>,
    next: Option<Pos>,
    partial: bool,
    looked: usize,
    bytes: usize,
    until: Instant,
}

/// Whether a walk goes on.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    No,
}

impl<'a> Walk<'a> {
    fn new(connection: &'a Connection, shared: &'a Shared, wanted: &'a Wanted) -> Walk<'a> {
        Walk {
            connection,
            shared,
            wanted,
            mine: wanted.conversations.iter().map(|id| id.0).collect(),
            rosters: HashMap::new(),
            hits: Vec::new(),
            next: None,
            partial: false,
            looked: 0,
            bytes: 0,
            until: monotonic() + limits::SEARCH_TIME,
        }
    }

    fn run(&mut self) -> Result<(), Refusal> {
        self.walk().map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Sql(error) if is_corrupt(&error) => {
                say_damaged(&error);
                self.shared.searches.damaged.store(true, Ordering::Relaxed);
                Code::Busy.into()
            }
            Failure::Sql(error) => sql_refusal(&error),
        })
    }

    fn result(mut self) -> Hits {
        if self.hits.len() > self.wanted.limit {
            self.hits.truncate(self.wanted.limit);
            self.next = self.hits.last().map(|hit| hit.pos);
        }
        Hits {
            hits: self.hits,
            next: self.next,
            partial: self.partial,
        }
    }

    /// First what the index does not have, then the index, stretch by stretch. The mark is read before: what is below it
    /// is in the index from then on.
    fn walk(&mut self) -> Result<(), Failure> {
        let head = self.shared.recent.read().head;
        let mark = indexed(self.connection)?;
        let unmade = usize::try_from(head.saturating_sub(mark)).unwrap_or(usize::MAX);
        self.partial = unmade > limits::SEARCH_TAIL;
        let asked = self.question();
        // Without a question for it the index is of no use: all is looked through, portion by portion.
        let mark = if asked.is_some() { mark } else { 0 };
        if self.tail(mark)? == Goes::No {
            return Ok(());
        }
        let Some(asked) = asked else { return Ok(()) };
        // Of few conversations the index knows the rows; else the stretches stay short, since others' rows come along.
        let is_narrow = self.mine.len() <= limits::SEARCH_CONVERSATIONS;
        let mut high = self.wanted.place.min(mark + 1);
        let mut span = limits::SEARCH_STRETCH;
        while high > 1 {
            let low = high.saturating_sub(span).max(1);
            if self.stretch(&asked, low, high)? == Goes::No {
                return Ok(());
            }
            high = low;
            if high > 1 && monotonic() >= self.until {
                self.next = Some(high);
                return Ok(());
            }
            if is_narrow {
                span = (span * 2).min(limits::SEARCH_STRETCH_MAX);
            }
        }
        Ok(())
    }

    /// What the index is asked: quoted words of ours, so that nothing a user wrote is syntax.
    fn question(&self) -> Option<String> {
        let mut parts = Vec::new();
        let words = self.wanted.words.iter().flat_map(|word| pairs(word));
        for pair in words.take(limits::SEARCH_GRAMS) {
            let mut part = String::new();
            push_pair(&mut part, pair);
            parts.push(format!("\"{part}\""));
        }
        let conversations: Vec<String> = self
            .wanted
            .conversations
            .iter()
            .map(|id| format!("\"{}\"", conversation_word(id.0)))
            .collect();
        if conversations.len() <= limits::SEARCH_CONVERSATIONS {
            parts.push(format!("({})", conversations.join(" OR ")));
        }
        if let Some(user) = self.wanted.by {
            parts.push(format!("\"{}\"", sender_word(user.0)));
        }
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// Rows above the mark, whosever they are: their number says nothing of what is in them.
    fn tail(&mut self, mark: Pos) -> Result<Goes, Failure> {
        let most = i64::try_from(limits::SEARCH_TAIL).expect("a small bound");
        let mut rows = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM log WHERE pos > ?1 AND pos < ?2 ORDER BY pos DESC LIMIT ?3"
        ))?;
        let mut rows = rows.query(params![int(mark), int(self.wanted.place), most])?;
        let (mut seen, mut last) = (0, 0);
        while let Some(row) = rows.next()? {
            (seen, last) = (seen + 1, row.get::<_, i64>(0)?.cast_unsigned());
            if self.look(row)? == Goes::No {
                return Ok(Goes::No);
            }
        }
        if seen < limits::SEARCH_TAIL {
            return Ok(Goes::On);
        }
        self.next = Some(last);
        Ok(Goes::No)
    }

    /// What the index proposes of the places `low..high`.
    fn stretch(&mut self, asked: &str, low: Pos, high: Pos) -> Result<Goes, Failure> {
        let connection = self.connection;
        let mut proposed = connection.prepare_cached(
            "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid >= ?2 AND rowid < ?3 ORDER BY rowid DESC",
        )?;
        let mut row = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM log WHERE pos = ?1"))?;
        let mut proposed = proposed.query(params![asked, int(low), int(high)])?;
        while let Some(place) = proposed.next()? {
            let mut found = row.query([place.get::<_, i64>(0)?])?;
            if let Some(found) = found.next()?
                && self.look(found)? == Goes::No
            {
                return Ok(Goes::No);
            }
        }
        Ok(Goes::On)
    }

    /// Looks at one row. Those of others are passed over uncounted: a page's end must not tell how many there are.
    fn look(&mut self, row: &rusqlite::Row<'_>) -> Result<Goes, Failure> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let (pos, sender, ts) = (number(0)?, number(5)?, number(8)?);
        let wanted = self.wanted;
        if !self.mine.contains(&number(1)?) {
            return Ok(Goes::On);
        }
        self.looked += 1;
        let fits = wanted.by.is_none_or(|user| user.0 == sender)
            && wanted.after.is_none_or(|after| ts >= after)
            && wanted.before.is_none_or(|before| ts < before);
        if fits {
            let message = Row::read(row)?;
            if message.is_message() && !message.is_erased() {
                self.compare(&message)?;
            }
        }
        if self.hits.len() > wanted.limit {
            return Ok(Goes::No);
        }
        let is_spent = self.looked >= limits::SEARCH_LOOKED
            || self.bytes >= limits::SEARCH_BYTES
            || (self.looked.is_multiple_of(64) && monotonic() >= self.until);
        if is_spent {
            self.next = Some(pos);
            return Ok(Goes::No);
        }
        Ok(Goes::On)
    }

    /// The newest words decide. Whoever may not see the message, or the edit they come from, does not find it.
    fn compare(&mut self, message: &Row) -> Result<(), Failure> {
        let edit = reworded(self.connection, message.pos)?;
        let newest = edit.as_ref().unwrap_or(message);
        let Some(words) = newest.words() else {
            return Ok(());
        };
        self.bytes += words.len();
        if !has_all(&fold(&words), &self.wanted.words) {
            return Ok(());
        }
        let kind = newest.event().what.body().and_then(FoundKind::of);
        let Some(kind) = kind.filter(|kind| self.wanted.kind.is_none_or(|wanted| wanted == *kind)) else {
            return Ok(());
        };
        let user = self.wanted.user;
        let edit_seq = edit.as_ref().map(|edit| edit.seq);
        let Some(roster) = self.roster(message.conversation)? else {
            return Ok(());
        };
        let may_see = [Some(message.seq), edit_seq]
            .into_iter()
            .flatten()
            .all(|seq| audience::may_see(&roster, user, seq));
        if may_see {
            self.hits.push(Hit {
                pos: message.pos,
                conversation: ConversationId(message.conversation),
                seq: message.seq,
                edit: edit_seq,
                ts: message.ts,
                unsynchronised: message.unsynchronised,
                by: UserId(message.sender),
                kind,
                snippet: snippet(&words, &spots(&words, &self.wanted.words)),
            });
        }
        Ok(())
    }

    fn roster(&mut self, conversation: u64) -> Result<Option<Arc<Roster>>, Failure> {
        if let Some(roster) = self.rosters.get(&conversation) {
            return Ok(roster.clone());
        }
        let roster = self
            .shared
            .load_roster(self.connection, ConversationId(conversation))
            .map_err(Failure::Refused)?;
        self.rosters.insert(conversation, roster.clone());
        Ok(roster)
    }
}
