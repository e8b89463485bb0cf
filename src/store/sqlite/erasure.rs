//! Taking words out of the log: a message with its edits, inside the writer's transaction. What must not live here: who may
//! erase, and when the write-ahead log is emptied of it (see `checkpoint`).
//!
//! Invariant: whatever erases words goes through `Work::empty`, which also takes them out of whatever keeps a copy: files,
//! mentions, lists; the index for searching loses them before, since it needs the old words for that.

use std::sync::Arc;

use rusqlite::params;

use super::append::{Failure, Work};
use super::blobs::uses;
use super::rows::{self, Row};
use super::staged::State;
use super::{int, rosters, search};
use crate::core::permit::DeviceNo;
use crate::core::roster::Roster;
use crate::proto::{ConversationId, Event, Seq, UserId, What};
use crate::store::Appended;

/// Devices are counted from one; this is the server itself.
const NO_DEVICE: DeviceNo = 0;

impl Work<'_> {
    /// Empties a message and its edits; their places, and so the chain, stay. Gives the tombstones.
    pub fn erase(&mut self, conversation: u64, target: Seq) -> Result<Vec<Event>, Failure> {
        if let Some(message) = self.row_of(conversation, target)?
            && message.is_message()
        {
            search::erased(self.connection, &message)?;
        }
        let seqs = self.with_edits(conversation, target)?;
        self.empty(conversation, &seqs, |row| row.is_message() || row.is_edit())
    }

    /// Empties an event that holds words, of whatever kind; with a message go its edits.
    pub fn erase_all(&mut self, conversation: u64, seq: Seq) -> Result<Vec<Event>, Failure> {
        let mut tombstones = self.empty(conversation, &[seq], |row| {
            row.is_reaction() || row.stub().is_some()
        })?;
        tombstones.extend(self.erase(conversation, seq)?);
        Ok(tombstones)
    }

    /// The roster without the announcement, if that is this event's and about to be erased.
    pub fn without_announcement(
        &mut self,
        conversation: u64,
        seq: Seq,
    ) -> Result<Option<Arc<Roster>>, Failure> {
        let Some(row) = self.row_of(conversation, seq)? else {
            return Ok(None);
        };
        let What::Announced { text: Some(text), .. } = row.event().what else {
            return Ok(None);
        };
        let Some(old) = self.roster(conversation)? else {
            return Ok(None);
        };
        // What stands there is the newest one; somebody else may have said something else since.
        if old.announcement.as_deref() != Some(text.as_str()) {
            return Ok(None);
        }
        let mut new = Roster::clone(&old);
        new.announcement = None;
        rosters::save(self.connection, &old, &new, row.pos)?;
        let new = Arc::new(new);
        self.staged.rosters.insert(conversation, Arc::clone(&new));
        Ok(Some(new))
    }

    /// Appends an event that nobody's command asked for, with the tombstones of what it erased, and the roster where that
    /// changes it.
    pub fn say(
        &mut self,
        conversation: ConversationId,
        by: UserId,
        what: What,
        (tombstones, roster): (Vec<Event>, Option<Arc<Roster>>),
    ) -> Result<(), Failure> {
        let state = self.state(conversation.0)?;
        let row = self.own_row(conversation, by, &what, &state);
        let hash = row.link(&state.hash);
        self.insert(&row)?;
        *self.head = row.pos;
        self.states.insert(conversation.0, State::behind(&row, hash));
        self.staged.clients.insert((row.device, row.client), row.pos);
        self.staged.places.insert((conversation.0, row.seq), row.pos);
        self.staged.appended.push(Appended {
            pos: row.pos,
            event: row.event(),
            roster,
            tombstones,
        });
        self.staged.rows.push((row, hash));
        Ok(())
    }

    fn own_row(&mut self, conversation: ConversationId, by: UserId, what: &What, state: &State) -> Row {
        let (kind, target, body) = rows::pack(what);
        let salt = self.chance.salt(&self.shared.clock).to_vec();
        let mut chance = [0; 10];
        self.shared.clock.random(&mut chance);
        let client = uuid::Builder::from_unix_timestamp_millis(self.now.ms, &chance).into_uuid();
        Row {
            pos: *self.head + 1,
            conversation: conversation.0,
            seq: state.standing.last_seq + 1,
            count: state.standing.last_count,
            kind,
            unsynchronised: !self.now.synchronised,
            sender: by.0,
            device: NO_DEVICE,
            client: *client.as_bytes(),
            ts: self.now.ms,
            target,
            digest: Some([0; 8]),
            salt,
            body,
        }
    }

    /// A message and everything later that is about it.
    fn with_edits(&self, conversation: u64, target: Seq) -> rusqlite::Result<Vec<Seq>> {
        let mut seqs = vec![target];
        let mut later = self
            .connection
            .prepare_cached("SELECT seq FROM annotation WHERE conversation = ?1 AND target = ?2")?;
        for seq in later.query_map([int(conversation), int(target)], |row| row.get::<_, i64>(0))? {
            seqs.push(seq?.cast_unsigned());
        }
        Ok(seqs)
    }

    /// Empties those of these events that still have words and are of the kind that is meant.
    fn empty(
        &mut self,
        conversation: u64,
        seqs: &[Seq],
        meant: fn(&Row) -> bool,
    ) -> Result<Vec<Event>, Failure> {
        let mut tombstones = Vec::new();
        for seq in seqs {
            let Some(mut row) = self.row_of(conversation, *seq)? else {
                continue;
            };
            if row.is_erased() || !meant(&row) {
                continue;
            }
            if row.carries_blob() {
                self.staged.files |= uses::let_go(self.connection, conversation, *seq, self.now.ms)?;
            }
            self.unnote(&row)?;
            let commitment = row.commitment();
            row.target = row.target.or(row.stub());
            self.connection
                .prepare_cached(
                    "UPDATE log SET body = NULL, digest = NULL, salt = ?2, target = ?3 WHERE pos = ?1",
                )?
                .execute(params![int(row.pos), commitment, row.target.map(int)])?;
            (row.body, row.digest, row.salt) = (None, None, commitment.to_vec());
            // An event of this very batch was not told yet: it is told as erased from the start.
            if let Some(same) = self
                .staged
                .appended
                .iter_mut()
                .find(|appended| appended.pos == row.pos)
            {
                same.event = row.event();
            }
            tombstones.push(row.event());
        }
        // The write-ahead log is a copy, too: it is emptied once this is committed.
        self.staged.erased += tombstones.len() as u64;
        Ok(tombstones)
    }
}
