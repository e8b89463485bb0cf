//! Which events carry which files: written with the event, dropped with its body. What must not live here: who may see an
//! event; that is asked of `core` for each.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Outcome, blob, told_hash, uploads};
use crate::core::audience;
use crate::core::permit::blobs::{BlobFacts, may_open, may_open_avatar};
use crate::core::roster::Roster;
use crate::core::settings::Picture;
use crate::limits;
use crate::proto::files::MediaKind;
use crate::proto::privacy::ExportFile;
use crate::proto::{BlobId, Body, ConversationId, Event, Refusal, Seq, Timestamp, UploadId, UserId};
use crate::store::Store;
use crate::store::sqlite::find::{self, RecentSlice};
use crate::store::sqlite::{int, sql_refusal};

/// Asks for a conversation's people.
type People<'a, E> = &'a dyn Fn(u64) -> Result<Option<Arc<Roster>>, E>;

/// The number of a kind in its column. The numbers are stored: they never change.
fn kind_number(kind: MediaKind) -> i64 {
    match kind {
        MediaKind::Image => 1,
        MediaKind::Audio => 2,
        MediaKind::Voice => 3,
        MediaKind::Video => 4,
        MediaKind::File => 5,
    }
}

/// Whether the user uploaded it and has not sent it yet.
fn is_own(connection: &Connection, user: UserId, id: BlobId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM blob_owner WHERE hash = ?1 AND user = ?2 AND sent = 0")?
        .exists(params![id.0, int(user.0)])
}

/// Whether an event that the user may see now carries the file. As many looks as the user has conversations, however often
/// the file was sent.
fn is_seen<E: From<rusqlite::Error>>(
    connection: &Connection,
    user: UserId,
    id: BlobId,
    people: People<'_, E>,
) -> Result<bool, E> {
    let mut shared = connection.prepare_cached(
        "SELECT conversation FROM member WHERE user = ?2
         AND EXISTS (SELECT 1 FROM blob_use WHERE hash = ?1 AND blob_use.conversation = member.conversation)",
    )?;
    let mut carrier = connection.prepare_cached(
        "SELECT seq FROM blob_use WHERE hash = ?1 AND conversation = ?2 AND seq BETWEEN ?3 AND ?4 LIMIT 1",
    )?;
    let conversations = shared
        .query_map(params![id.0, int(user.0)], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for conversation in conversations {
        let Some(roster) = people(conversation.cast_unsigned())? else {
            continue;
        };
        for (from, to) in audience::visible(&roster, user).ranges() {
            let to = (*to).min(i64::MAX.cast_unsigned());
            let seq = carrier
                .query_row(params![id.0, conversation, int(*from), int(to)], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()?;
            if seq.is_some_and(|seq| may_open(&roster, user, seq.cast_unsigned())) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What is known of a file that a user wants to send.
pub fn facts<E: From<rusqlite::Error>>(
    connection: &Connection,
    user: UserId,
    id: BlobId,
    people: People<'_, E>,
) -> Result<Option<BlobFacts>, E> {
    let Some(row) = blob(connection, id)? else {
        return Ok(None);
    };
    let is_own = is_own(connection, user, id)?;
    Ok(Some(BlobFacts {
        size: row.size,
        media_type: row.media_type,
        width: row.width,
        height: row.height,
        thumbhash: row.thumbhash.as_deref().map(told_hash),
        is_own,
        is_seen: !is_own && is_seen(connection, user, id, people)?,
    }))
}

/// Notes that an event carries a file.
pub fn carry(
    connection: &Connection,
    (conversation, seq): (u64, Seq),
    sender: UserId,
    body: &Body,
) -> rusqlite::Result<()> {
    let (Some(media), Some(kind)) = (body.media(), MediaKind::of(body)) else {
        return Ok(());
    };
    connection
        .prepare_cached("INSERT INTO blob_use (conversation, seq, hash, kind) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            int(conversation),
            int(seq),
            media.blob.0,
            kind_number(kind)
        ])?;
    taken_up(connection, sender, media.blob)
}

/// An event's body is gone, and what it carried with it. A file that nobody needs any more goes, too; says whether one does.
pub fn let_go(
    connection: &Connection,
    conversation: u64,
    seq: Seq,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let hash: Option<[u8; 32]> = connection
        .prepare_cached("DELETE FROM blob_use WHERE conversation = ?1 AND seq = ?2 RETURNING hash")?
        .query_row([int(conversation), int(seq)], |row| row.get(0))
        .optional()?;
    match hash {
        Some(hash) => unless_needed(connection, BlobId(hash), now),
        None => Ok(false),
    }
}

/// Lets a file go that nothing carries: at once, but for who uploaded it and has not sent it yet; it rests for them.
fn unless_needed(connection: &Connection, id: BlobId, now: Timestamp) -> rusqlite::Result<bool> {
    let is_carried = connection
        .prepare_cached("SELECT 1 FROM blob_use WHERE hash = ?1")?
        .exists([id.0])?;
    if is_carried || stands_for_somebody(connection, id)? {
        return Ok(false);
    }
    let waits = connection
        .prepare_cached("SELECT 1 FROM blob_owner WHERE hash = ?1 AND sent = 0")?
        .exists([id.0])?;
    if waits {
        connection
            .prepare_cached("UPDATE blob SET idle = ?2 WHERE hash = ?1")?
            .execute(params![id.0, int(now)])?;
        return Ok(false);
    }
    let Some(row) = blob(connection, id)? else {
        return Ok(false);
    };
    super::drop_row(connection, id, row.size)?;
    connection
        .prepare_cached("INSERT INTO blob_gone (hash) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([id.0])?;
    Ok(true)
}

/// Whether a file is somebody's picture.
fn stands_for_somebody(connection: &Connection, id: BlobId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM user WHERE avatar = ?1")?
        .exists([id.0])
}

/// What is known of a file that a user wants to stand for them; nothing unless they have uploaded it.
pub fn picture(connection: &Connection, user: UserId, id: BlobId) -> rusqlite::Result<Option<Picture>> {
    let is_theirs = connection
        .prepare_cached("SELECT 1 FROM blob_owner WHERE hash = ?1 AND user = ?2")?
        .exists(params![id.0, int(user.0)])?;
    let row = if is_theirs { blob(connection, id)? } else { None };
    Ok(row.map(|row| Picture {
        size: row.size,
        shows: row.has_thumbnail,
    }))
}

/// A picture has taken another's place, already written; says whether the other goes.
pub fn stand(
    connection: &Connection,
    user: UserId,
    (before, after): (Option<BlobId>, Option<BlobId>),
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if let Some(id) = after {
        taken_up(connection, user, id)?;
    }
    before.map_or(Ok(false), |id| unless_needed(connection, id, now))
}

/// A file that rested is needed from now on, and has gone out.
fn taken_up(connection: &Connection, user: UserId, id: BlobId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE blob SET idle = NULL WHERE hash = ?1")?
        .execute([id.0])?;
    connection
        .prepare_cached("UPDATE blob_owner SET sent = 1 WHERE hash = ?1 AND user = ?2")?
        .execute(params![id.0, int(user.0)])
        .map(drop)
}

/// A person is erased: what they uploaded and did not send goes, and what is on its way. Files that messages carry go
/// with the messages.
pub fn forget_person(connection: &Connection, user: UserId, now: Timestamp) -> rusqlite::Result<()> {
    let mut open =
        connection.prepare_cached("SELECT id, size FROM upload WHERE user = ?1 AND blob IS NULL")?;
    let open = open
        .query_map([int(user.0)], |row| {
            Ok((
                row.get::<_, i64>(0)?.cast_unsigned(),
                row.get::<_, i64>(1)?.cast_unsigned(),
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, size) in open {
        uploads::forget(connection, UploadId(id), (user, size, true))?;
    }
    connection.execute("DELETE FROM upload WHERE user = ?1", [int(user.0)])?;
    let mut theirs = connection.prepare_cached("DELETE FROM blob_owner WHERE user = ?1 RETURNING hash")?;
    let theirs = theirs
        .query_map([int(user.0)], |row| row.get(0).map(BlobId))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for id in theirs {
        unless_needed(connection, id, now)?;
    }
    connection
        .execute("DELETE FROM blob_room WHERE whose = ?1", [int(user.0)])
        .map(drop)
}

/// A refusal, from a read or from a roster.
struct Refused(Refusal);

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Refused {
        Refused(sql_refusal(&error))
    }
}

/// Which files of a conversation to list.
pub struct FilesAsk {
    pub conversation: ConversationId,
    /// Only before this seq.
    pub before: Seq,
    pub kind: Option<MediaKind>,
    pub limit: usize,
}

impl Store {
    /// Whether a user may have a file: it is their own and not sent yet, or an event that they may see carries it, or it is
    /// somebody's picture.
    pub async fn may_open(&self, user: UserId, id: BlobId) -> Outcome<bool> {
        let shared = Arc::clone(&self.shared);
        self.read(move |connection| {
            let people = |conversation| {
                shared
                    .load_roster(connection, ConversationId(conversation))
                    .map_err(Refused)
            };
            let may = || -> Result<bool, Refused> {
                let shown = stands_for_somebody(connection, id)? && may_open_avatar(user);
                Ok(shown || is_own(connection, user, id)? || is_seen(connection, user, id, &people)?)
            };
            may().map_err(|refused| refused.0)
        })
        .await
    }

    /// Some of the files that a user uploaded, in the order of their ids.
    pub async fn uploaded_by(
        &self,
        user: UserId,
        after: Option<BlobId>,
        limit: usize,
    ) -> Outcome<Vec<ExportFile>> {
        self.read(move |connection| {
            uploaded_by(connection, user, after, limit).map_err(|error| sql_refusal(&error))
        })
        .await
    }

    /// The newest events that carry files, descending, only of seqs inside `visible`; and whether there are older ones.
    pub async fn files(&self, ask: FilesAsk, visible: Vec<(Seq, Seq)>) -> Outcome<(Vec<Event>, bool)> {
        let recent = self.recent(ask.conversation);
        self.read(move |connection| {
            files(connection, &recent, &ask, &visible).map_err(|error| sql_refusal(&error))
        })
        .await
    }
}

fn files(
    connection: &Connection,
    recent: &RecentSlice,
    ask: &FilesAsk,
    visible: &[(Seq, Seq)],
) -> rusqlite::Result<(Vec<Event>, bool)> {
    let mut find = connection.prepare_cached(
        "SELECT seq FROM blob_use WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3 AND (?4 IS NULL OR kind = ?4)
         ORDER BY seq DESC LIMIT ?5",
    )?;
    let most = ask.limit + 1;
    let mut seqs: Vec<Seq> = Vec::new();
    for (from, to) in visible.iter().rev() {
        let to = (*to)
            .min(ask.before.saturating_sub(1))
            .min(i64::MAX.cast_unsigned());
        let left = i64::try_from(most - seqs.len()).expect("a page is small");
        let rows = find.query_map(
            params![
                int(ask.conversation.0),
                int(*from),
                int(to),
                ask.kind.map(kind_number),
                left
            ],
            |row| row.get::<_, i64>(0),
        )?;
        for seq in rows {
            seqs.push(seq?.cast_unsigned());
        }
    }
    let mut more = seqs.len() > ask.limit;
    seqs.truncate(ask.limit);
    let (mut events, mut bytes) = (Vec::with_capacity(seqs.len()), 0);
    for seq in seqs {
        let places = find::positions(connection, recent, ask.conversation.0, seq, seq)?;
        let Some(row) = places
            .first()
            .map_or(Ok(None), |(_, pos)| find::row_at(connection, *pos))?
        else {
            continue;
        };
        bytes += row.body.as_ref().map_or(0, Vec::len) + 256;
        if bytes > limits::PAGE_BYTES && !events.is_empty() {
            more = true;
            break;
        }
        events.push(row.event());
    }
    Ok((events, more))
}

fn uploaded_by(
    connection: &Connection,
    user: UserId,
    after: Option<BlobId>,
    limit: usize,
) -> rusqlite::Result<Vec<ExportFile>> {
    let mut theirs = connection.prepare_cached(
        "SELECT hash, sent FROM blob_owner WHERE hash > ?1 AND user = ?2 ORDER BY hash LIMIT ?3",
    )?;
    let from = after.map_or_else(Vec::new, |id| id.0.to_vec());
    let most = i64::try_from(limit).expect("a page is small");
    let theirs = theirs
        .query_map(params![from, int(user.0), most], |row| {
            Ok((row.get(0).map(BlobId)?, row.get::<_, bool>(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut files = Vec::with_capacity(theirs.len());
    for (id, sent) in theirs {
        if let Some(row) = blob(connection, id)? {
            files.push(ExportFile {
                file: row.info(),
                sent,
            });
        }
    }
    Ok(files)
}
