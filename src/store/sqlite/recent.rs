//! The newest part of the log: what finds its rows before the indexes are folded into tables. Rebuilt at start.
//! What must not live here: SQL, or anything that is not committed.

use std::collections::HashMap;

use super::ById;
use super::rows::{Hash, Row};
use crate::core::permit::DeviceNo;
use crate::proto::Seq;
use crate::store::{Pos, Standing};

/// A command's identity: the device, and the id its client gave.
pub type ClientKey = (DeviceNo, [u8; 16]);

#[derive(Default)]
pub struct Recent {
    /// The last position whose indexes are in the tables.
    pub folded: Pos,
    /// The last position of the log.
    pub head: Pos,
    pub conversations: ById<Stretch>,
    pub clients: HashMap<ClientKey, Pos>,
}

/// A conversation's part in it: consecutive seqs.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub first: Seq,
    pub positions: Vec<Pos>,
    pub last_count: u64,
    pub hash: Hash,
}

impl Stretch {
    pub fn last(&self) -> Seq {
        self.first + self.positions.len() as u64 - 1
    }

    pub fn position(&self, seq: Seq) -> Option<Pos> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.positions.get(at).copied()
    }

    pub fn standing(&self) -> Standing {
        let last_pos = self.positions.last().copied().unwrap_or(0);
        Standing {
            last_seq: self.last(),
            last_count: self.last_count,
            last_pos,
        }
    }
}

impl Recent {
    /// Takes in a committed row; `hash` is its link.
    pub fn add(&mut self, row: &Row, hash: Hash) {
        self.head = self.head.max(row.pos);
        self.clients.insert((row.device, row.client), row.pos);
        let stretch = self
            .conversations
            .entry(row.conversation)
            .or_insert_with(|| Stretch {
                first: row.seq,
                positions: Vec::new(),
                last_count: 0,
                hash,
            });
        debug_assert_eq!(
            stretch.first + stretch.positions.len() as u64,
            row.seq,
            "seqs are gapless"
        );
        stretch.positions.push(row.pos);
        stretch.last_count = row.count;
        stretch.hash = hash;
    }

    pub fn rows(&self) -> usize {
        self.clients.len()
    }

    /// Forgets everything up to `head`, which is in the tables now.
    pub fn folded_up_to(&mut self, head: Pos) {
        debug_assert_eq!(head, self.head, "a fold takes everything");
        self.folded = head;
        // The maps go too: after a burst they would keep their room for ever.
        self.conversations = ById::default();
        self.clients = HashMap::new();
    }
}
