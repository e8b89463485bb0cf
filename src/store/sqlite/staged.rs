//! What a batch has done so far and nobody else may see yet, and how the last of it is undone. What must not live here: the
//! rules of a single change (see `append`), or the transaction.

use std::collections::HashMap;
use std::sync::Arc;

use super::recent::ClientKey;
use super::rows::{Hash, Row};
use super::{ById, Hasher};
use crate::core::roster::Roster;
use crate::proto::{Seq, UserId};
use crate::store::{Appended, Pos, Standing};

/// Where a conversation stands for the next event.
#[derive(Clone, Copy)]
pub struct State {
    pub standing: Standing,
    pub hash: Hash,
}

impl State {
    /// Behind the newest row.
    pub fn behind(row: &Row, hash: Hash) -> State {
        let standing = Standing {
            last_seq: row.seq,
            last_count: row.count,
            last_pos: row.pos,
        };
        State { standing, hash }
    }
}

#[derive(Default)]
pub struct Staged {
    pub rows: Vec<(Row, Hash)>,
    pub appended: Vec<Appended>,
    /// As the newest of `appended` left them.
    pub rosters: ById<Arc<Roster>>,
    pub clients: HashMap<ClientKey, Pos>,
    pub places: HashMap<(u64, Seq), Pos, Hasher>,
    pub markers: Vec<(UserId, u64, Seq, u64)>,
    /// Messages that somebody is to be told of by push.
    pub push: Vec<(u64, Seq)>,
    /// Rows that lost their words.
    pub erased: u64,
    /// Whether files are to be removed. What is undone leaves it: then it is looked for them in vain.
    pub files: bool,
    /// People who were erased.
    pub gone: Vec<UserId>,
}

/// How much a batch had done.
pub struct Mark {
    rows: usize,
    appended: usize,
    markers: usize,
    push: usize,
    erased: u64,
    files: bool,
}

impl Staged {
    pub fn mark(&self) -> Mark {
        Mark {
            rows: self.rows.len(),
            appended: self.appended.len(),
            markers: self.markers.len(),
            push: self.push.len(),
            erased: self.erased,
            files: self.files,
        }
    }

    /// Forgets what was appended since the mark, also in `states`: what holds instead follows from what is left. Whose
    /// conversation has nothing left in this batch is read again when it is asked for.
    pub fn undo(&mut self, mark: &Mark, states: &mut ById<State>) {
        for (row, _) in self.rows.drain(mark.rows..) {
            self.clients.remove(&(row.device, row.client));
            self.places.remove(&(row.conversation, row.seq));
            self.rosters.remove(&row.conversation);
            states.remove(&row.conversation);
        }
        self.appended.truncate(mark.appended);
        self.markers.truncate(mark.markers);
        self.push.truncate(mark.push);
        self.erased = mark.erased;
        self.files = mark.files;
        for (row, hash) in &self.rows {
            states.insert(row.conversation, State::behind(row, *hash));
        }
        for appended in &self.appended {
            if let Some(roster) = &appended.roster {
                self.rosters.insert(roster.conversation.0, Arc::clone(roster));
            }
        }
    }
}
