//! What people have deleted for themselves: few enough to be kept in memory, so that neither a page nor a delivery asks the
//! disk. What must not live here: how it is stored, and what follows from it for an event (see `audience`).

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::proto::{ConversationId, Seq, UserId};

/// One event that one user does not want to see any more.
type One = (UserId, ConversationId, Seq);

/// All that is hidden on this server.
#[derive(Default)]
pub struct Hidden {
    /// How many there are: where there are none, nobody takes the lock.
    count: AtomicUsize,
    kept: RwLock<BTreeSet<One>>,
}

impl Hidden {
    pub(super) fn apply(&self, one: One, on: bool) {
        let mut kept = self.kept.write();
        if on {
            kept.insert(one);
        } else {
            kept.remove(&one);
        }
        self.count.store(kept.len(), Ordering::Release);
    }

    /// Forgets all of a user's.
    pub(super) fn forget(&self, user: UserId) {
        if self.count() == 0 {
            return;
        }
        let mut kept = self.kept.write();
        kept.retain(|(whose, ..)| *whose != user);
        self.count.store(kept.len(), Ordering::Release);
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// What a user has hidden of a conversation, ascending.
    #[must_use]
    pub fn of(&self, user: UserId, conversation: ConversationId) -> Vec<Seq> {
        if self.count() == 0 {
            return Vec::new();
        }
        let span = (
            Bound::Included((user, conversation, 0)),
            Bound::Included((user, conversation, Seq::MAX)),
        );
        let kept = self.kept.read();
        kept.range(span).map(|(.., seq)| *seq).collect()
    }

    #[must_use]
    pub fn hides(&self, user: UserId, conversation: ConversationId, seq: Seq) -> bool {
        self.count() > 0 && self.kept.read().contains(&(user, conversation, seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_their_own_and_what_is_brought_back_is_gone() {
        let hidden = Hidden::default();
        let (one, other) = (UserId(1), UserId(2));
        let (room, next) = (ConversationId(7), ConversationId(8));
        for (user, conversation, seq) in [(one, room, 9), (one, room, 3), (one, next, 1), (other, room, 4)] {
            hidden.apply((user, conversation, seq), true);
            hidden.apply((user, conversation, seq), true);
        }
        assert_eq!(hidden.of(one, room), [3, 9]);
        assert_eq!((hidden.of(one, next), hidden.of(other, next)), (vec![1], vec![]));
        assert!(hidden.hides(other, room, 4) && !hidden.hides(one, room, 4));
        hidden.apply((one, room, 3), false);
        assert_eq!((hidden.of(one, room), hidden.count()), (vec![9], 3));
        hidden.forget(one);
        assert_eq!((hidden.of(one, next), hidden.count()), (vec![], 1));
        hidden.apply((other, room, 4), false);
        assert_eq!(hidden.count(), 0, "the lock is taken for nothing");
    }
}
