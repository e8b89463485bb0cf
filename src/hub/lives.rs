//! The conversations in use, each in a numbered place: who lists many of them keeps four bytes for each.
//! What must not live here: what a conversation is (see `live`).

use std::collections::HashMap;
use std::sync::Arc;

use super::Hasher;
use super::live::Live;
use crate::proto::ConversationId;

/// A place's number. It is given again once its conversation is no longer in use.
pub type Slot = u32;

#[derive(Default)]
pub struct Lives {
    slots: HashMap<ConversationId, Slot, Hasher>,
    lives: Vec<Option<(ConversationId, Arc<Live>)>>,
    free: Vec<Slot>,
}

impl Lives {
    pub fn get(&self, id: ConversationId) -> Option<&Arc<Live>> {
        self.slots.get(&id).map(|slot| self.at(*slot).1)
    }

    /// What stands in a place that somebody lists: while they do, it is taken.
    pub fn at(&self, slot: Slot) -> (ConversationId, &Arc<Live>) {
        let (id, live) = self.lives[slot as usize]
            .as_ref()
            .expect("who lists a conversation holds it");
        (*id, live)
    }

    /// The conversation's place, made with `live` if there is none.
    pub fn open(&mut self, id: ConversationId, live: impl FnOnce() -> Arc<Live>) -> Slot {
        *self.slots.entry(id).or_insert_with(|| {
            let entry = Some((id, live()));
            match self.free.pop() {
                Some(slot) => {
                    self.lives[slot as usize] = entry;
                    slot
                }
                None => {
                    self.lives.push(entry);
                    Slot::try_from(self.lives.len() - 1).expect("fewer than memberships")
                }
            }
        })
    }

    /// Nobody holds it any more.
    pub fn close(&mut self, slot: Slot) {
        if let Some((id, _)) = self.lives[slot as usize].take() {
            self.slots.remove(&id);
            self.free.push(slot);
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_again_and_leads_to_its_conversation_only() {
        let mut lives = Lives::default();
        let (one, other, third) = (ConversationId(1), ConversationId(2), ConversationId(3));
        let mut open = |id| lives.open(id, || Live::empty(0));
        let (first, second) = (open(one), open(other));
        assert_eq!((open(one), second), (first, first + 1));
        lives.close(first);
        assert!(lives.get(one).is_none());
        assert_eq!(lives.at(second).0, other);
        assert_eq!(lives.open(third, || Live::empty(0)), first);
        assert_eq!((lives.at(first).0, lives.len()), (third, 2));
    }
}
