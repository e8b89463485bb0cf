//! What the tables know of what is said, beside the log: mentions, versions, threads and who follows them. Written in the
//! message's own transaction, and only for messages that have any of it. What must not live here: reading (see
//! `talk_reads`), and the rules.

use rusqlite::{Connection, OptionalExtension, params};

use super::append::{Failure, Work, facts};
use super::int;
use super::rows::Row;
use crate::core::permit::Permit;
use crate::core::roster::Roster;
use crate::core::{audience, links};
use crate::limits;
use crate::proto::talk::{Forwarded, Source};
use crate::proto::{Body, Code, Seq, UserId, What};

/// Stands for everyone in `mention`.
pub const EVERYONE: i64 = -1;

impl Work<'_> {
    /// The rest of a message that stands in a thread, or says again what was said elsewhere.
    pub fn complete(&self, permit: &Permit, roster: &Roster, what: &mut What) -> Result<(), Failure> {
        let What::Message {
            body,
            forwarded,
            thread_count,
            ..
        } = what
        else {
            return Ok(());
        };
        if let Some(root) = permit.change().thread() {
            let conversation = roster.conversation.0;
            let row = self.row_of(conversation, root)?;
            permit.on_thread(roster, root, facts(row.as_ref()))?;
            *thread_count = Some(replies(self.connection, conversation, root)? + 1);
        }
        if let Some(source) = permit.change().source() {
            let (words, by) = self.carried(permit, source)?;
            (*body, *forwarded) = (Some(words), Some(Forwarded { by }));
        }
        Ok(())
    }

    /// What a forwarded message carries over: its words as the sender may see them now, and who said them first. Whatever
    /// else messages come to carry (files) is copied here.
    fn carried(&self, permit: &Permit, source: Source) -> Result<(Body, UserId), Failure> {
        let conversation = source.conversation.0;
        let roster = self.roster(conversation)?.ok_or(Code::NotFound)?;
        let row = self.row_of(conversation, source.seq)?;
        permit.on_source(&roster, source.seq, facts(row.as_ref()))?;
        let row = row.ok_or(Code::NotFound)?;
        let user = permit.actor().user;
        let newest = newest_edit(self.connection, conversation, source.seq, |seq| {
            audience::may_see(&roster, user, seq)
        })?;
        let What::Message { body, forwarded, .. } = row.event().what else {
            return Err(Code::NotFound.into());
        };
        let by = forwarded.map_or(UserId(row.sender), |forwarded| forwarded.by);
        let edited = match newest {
            Some(seq) => self.row_of(conversation, seq)?.map(|row| row.event().what),
            None => None,
        };
        let body = match edited {
            Some(What::Edited { body, .. }) => body,
            _ => body,
        };
        Ok((body.ok_or(Code::Erased)?, by))
    }

    pub fn note_edit(&self, conversation: u64, what: &What, seq: Seq) -> rusqlite::Result<()> {
        if let What::Edited { target, body, .. } = what {
            let has_link = body.as_ref().is_some_and(links::has_link);
            self.note_link(conversation, *target, has_link)?;
            self.connection
                .prepare_cached("INSERT INTO edit (conversation, target, seq) VALUES (?1, ?2, ?3)")?
                .execute([int(conversation), int(*target), int(seq)])?;
        }
        Ok(())
    }

    /// Whom a message mentions, whether it has a link, and the thread that it stands in.
    pub fn note_said(&self, row: &Row, what: &What) -> rusqlite::Result<()> {
        let What::Message {
            body,
            mentions,
            mention_all,
            thread,
            thread_count,
            ..
        } = what
        else {
            return self.note_board(row, what);
        };
        if body.as_ref().is_some_and(links::has_link) {
            self.note_link(row.conversation, row.seq, true)?;
        }
        if *mention_all || !mentions.is_empty() {
            let everyone = mention_all.then_some(EVERYONE);
            let mut note = self
                .connection
                .prepare_cached("INSERT INTO mention (conversation, user, seq) VALUES (?1, ?2, ?3)")?;
            for user in mentions.iter().map(|user| int(user.0)).chain(everyone) {
                note.execute([int(row.conversation), user, int(row.seq)])?;
            }
        }
        if let (Some(root), Some(number)) = (thread, thread_count) {
            self.note_thread(row, *root, *number)?;
        }
        Ok(())
    }

    fn note_thread(&self, row: &Row, root: Seq, number: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO thread (conversation, root, replies, last_seq, last_pos) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET replies = excluded.replies, last_seq = excluded.last_seq,
                 last_pos = excluded.last_pos",
            )?
            .execute([row.conversation, root, number, row.seq, row.pos].map(int))?;
        self.connection
            .prepare_cached(
                "INSERT INTO thread_message (conversation, root, seq, number) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute([row.conversation, root, row.seq, number].map(int))?;
        let thread = (row.conversation, root);
        follow(
            self.connection,
            UserId(row.sender),
            thread,
            row.pos,
            (row.seq, number),
        )?;
        // Who is answered for the first time hears of it.
        if number == 1
            && let Some(first) = self.row_of(row.conversation, root)?
            && first.sender != row.sender
        {
            follow(self.connection, UserId(first.sender), thread, row.pos, (0, 0))?;
        }
        Ok(())
    }

    /// A message that is about to be erased mentions nobody any more, and is listed nowhere.
    pub fn unnote(&self, row: &Row) -> rusqlite::Result<()> {
        let (mentions, mention_all) = match row.event().what {
            What::Message {
                mentions,
                mention_all,
                ..
            } => (mentions, mention_all),
            What::Nickname {
                user,
                name: Some(name),
                ..
            } => return self.drop_nickname(row.conversation, user, &name),
            _ => return Ok(()),
        };
        self.take_down(row)?;
        let everyone = mention_all.then_some(EVERYONE);
        for user in mentions.iter().map(|user| int(user.0)).chain(everyone) {
            self.connection
                .prepare_cached("DELETE FROM mention WHERE conversation = ?1 AND user = ?2 AND seq = ?3")?
                .execute([int(row.conversation), user, int(row.seq)])?;
        }
        Ok(())
    }
}

/// How many messages a thread has.
fn replies(connection: &Connection, conversation: u64, root: Seq) -> rusqlite::Result<u64> {
    let found = connection
        .prepare_cached("SELECT replies FROM thread WHERE conversation = ?1 AND root = ?2")?
        .query_row([conversation, root].map(int), |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(found.map_or(0, i64::cast_unsigned))
}

/// The newest version of a message that may be seen, if it was edited.
pub fn newest_edit(
    connection: &Connection,
    conversation: u64,
    target: Seq,
    is_visible: impl Fn(Seq) -> bool,
) -> rusqlite::Result<Option<Seq>> {
    let mut statement = connection
        .prepare_cached("SELECT seq FROM edit WHERE conversation = ?1 AND target = ?2 ORDER BY seq DESC")?;
    let mut rows = statement.query([conversation, target].map(int))?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        if is_visible(seq) {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

/// Lets a user follow a thread, read up to a message of it; who follows it already has just read further.
pub fn follow(
    connection: &Connection,
    user: UserId,
    (conversation, root): (u64, Seq),
    since: u64,
    (seq, number): (Seq, u64),
) -> rusqlite::Result<()> {
    let known = connection
        .prepare_cached(
            "UPDATE follow SET seq = max(seq, ?4), number = max(number, ?5)
             WHERE user = ?1 AND conversation = ?2 AND root = ?3",
        )?
        .execute([user.0, conversation, root, seq, number].map(int))?;
    if known > 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO follow (user, conversation, root, since, seq, number) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute([user.0, conversation, root, since, seq, number].map(int))?;
    let most = i64::try_from(limits::THREADS_FOLLOWED).expect("a small bound");
    connection
        .prepare_cached(
            "DELETE FROM follow WHERE user = ?1 AND (conversation, root) IN (SELECT conversation, root FROM follow
             WHERE user = ?1 ORDER BY since DESC, conversation, root LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![int(user.0), most])?;
    Ok(())
}

pub fn unfollow(
    connection: &Connection,
    user: UserId,
    (conversation, root): (u64, Seq),
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM follow WHERE user = ?1 AND conversation = ?2 AND root = ?3")?
        .execute([user.0, conversation, root].map(int))
        .map(drop)
}
