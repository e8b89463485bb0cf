//! What was erased, as a list of places that goes beside backups, and erasing it once more in a database that was restored. What
//! must not live here: the list's file, and how a row is emptied (see `erasure`).
//!
//! A place alone would not do: after a restore the same seq is another message. So each has a mark, made from what an erased row
//! keeps, and what bears another mark is left alone.

use std::collections::VecDeque;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::find::{self, RecentSlice};
use super::open;
use super::rows::{self, Row};
use super::sweep::{Stretch, Whose};
use super::{Store, int, sql_refusal};
use crate::limits;
use crate::proto::{Code, ConversationId, Refusal, Seq, UserId, What};
use crate::store::Pos;
use crate::store::sqlite::accounts::{By, EraseBy};

/// One erasure: of a message, or (`whole`) of everything in the conversation up to there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Where in the log it was said.
    pub pos: Pos,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub whole: bool,
    pub mark: u64,
}

/// What came of erasing once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub messages: u64,
    pub people: Vec<UserId>,
    /// Those who own what others need, or the server itself, as it is now.
    pub people_left: Vec<UserId>,
}

/// Tells a row from any other that ever had its place.
fn mark(row: &Row) -> u64 {
    let mut hash = blake3::Hasher::new_derive_key("kinglet 2026 mark of an erased row v1");
    hash.update(&row.device.to_le_bytes()).update(&row.client);
    let hash = hash.finalize();
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

pub(super) fn erased_people(connection: &Connection) -> rusqlite::Result<Vec<UserId>> {
    let mut all = connection.prepare("SELECT user FROM erasure ORDER BY user LIMIT ?1")?;
    let most = int(limits::ERASURES_LISTED as u64);
    all.query_map([most], |row| {
        row.get::<_, i64>(0).map(|id| UserId(id.cast_unsigned()))
    })?
    .collect()
}

/// Erasures said after a place in the log, oldest first.
pub(super) fn erased_since(connection: &Connection, after: Pos) -> rusqlite::Result<Vec<Erased>> {
    let recent = open::rebuild(connection)?.recent;
    let mut found = VecDeque::new();
    let mut said = connection.prepare("SELECT pos, kind FROM log WHERE pos > ?1 ORDER BY pos")?;
    let mut said = said.query([int(after)])?;
    while let Some(row) = said.next()? {
        if !rows::may_erase(row.get(1)?) {
            continue;
        }
        let Some(row) = find::row_at(connection, row.get::<_, i64>(0)?.cast_unsigned())? else {
            continue;
        };
        let (seq, whole) = match row.event().what {
            What::Recalled { target } => (target, false),
            // A person's is done again by their name on the list.
            What::Erased { user: None, upto } => (upto, true),
            _ => continue,
        };
        let slice = RecentSlice::of(&recent, row.conversation);
        if let Some(target) = row_of(connection, &slice, row.conversation, seq)? {
            found.push_back(Erased {
                pos: row.pos,
                conversation: ConversationId(row.conversation),
                seq,
                whole,
                mark: mark(&target),
            });
        }
        if found.len() > limits::ERASURES_LISTED {
            found.pop_front();
        }
    }
    Ok(found.into())
}

fn row_of(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: u64,
    seq: Seq,
) -> rusqlite::Result<Option<Row>> {
    let found = find::positions(connection, recent, conversation, seq, seq)?;
    match found.first() {
        Some((_, pos)) => find::row_at(connection, *pos),
        None => Ok(None),
    }
}

impl Store {
    /// Erases what is on the list and is here.
    ///
    /// # Errors
    /// As of the store; asked again it goes on.
    pub async fn replay(&self, erased: &[Erased], people: &[UserId]) -> Result<Replayed, Refusal> {
        let mut replayed = Replayed::default();
        for one in erased {
            if !self.is_same(one).await? {
                continue;
            }
            if one.whole {
                replayed.messages += self.erase_upto(one).await?;
                continue;
            }
            let stretch = Stretch {
                conversation: one.conversation,
                whose: Whose::Everybody,
                // Of what lies before it nothing is said.
                upto: 0,
                seqs: vec![one.seq],
                ends: true,
            };
            self.sweep(stretch).await?;
            replayed.messages += 1;
        }
        for user in people {
            match self.erase_user(EraseBy::Other(By::Operator), *user).await {
                Ok(_) => replayed.people.push(*user),
                // They came after the backup was made.
                Err(refusal) if refusal.code == Code::NotFound => {}
                Err(refusal) if matches!(refusal.code, Code::OwnerMustStay | Code::LastOwner) => {
                    replayed.people_left.push(*user);
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(replayed)
    }

    /// Whether the row is there, is the one that was meant, and still says something.
    async fn is_same(&self, one: &Erased) -> Result<bool, Refusal> {
        let recent = RecentSlice::of(&self.shared.recent.read(), one.conversation.0);
        let (conversation, seq) = (one.conversation.0, one.seq);
        let found =
            self.read(move |connection| row_of(connection, &recent, conversation, seq).map_err(sql_refusal));
        let row = found.await?.filter(|row| mark(row) == one.mark);
        Ok(row.is_some_and(|row| one.whole || !row.is_erased()))
    }

    async fn erase_upto(&self, one: &Erased) -> Result<u64, Refusal> {
        let (mut after, mut messages) = (0, 0);
        loop {
            let stretch = self
                .stretch(one.conversation, Whose::Everybody, after, one.seq)
                .await?;
            after = stretch.upto;
            let ends = stretch.ends;
            messages += stretch.seqs.len() as u64;
            if !stretch.seqs.is_empty() {
                self.sweep(stretch).await?;
            }
            if ends {
                return Ok(messages);
            }
        }
    }
}
