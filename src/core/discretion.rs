//! Who blocks whom, who does not want to be seen or seen to read, and what people have deleted for themselves: few enough to be kept in memory, so that neither the writer nor the
//! hub asks the disk. What must not live here: how the two are stored.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::change::Place;
use super::hidden::Hidden;
use super::permit::Permit;
use super::roster::Roster;
use crate::proto::{Code, Command, ConversationId, ConversationKind, Refusal, Seq, UserId};

/// A change of what is kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discreet {
    Blocked {
        by: UserId,
        user: UserId,
        on: bool,
    },
    Unseen {
        user: UserId,
        on: bool,
    },
    ReadsUnseen {
        user: UserId,
        on: bool,
    },
    Hidden {
        user: UserId,
        conversation: ConversationId,
        seq: Seq,
        on: bool,
    },
}

/// What the server knows of people's distance.
#[derive(Default)]
pub struct Discretion {
    /// Whether there is anything at all: on most servers there is not, and then nobody takes the lock.
    any: AtomicBool,
    kept: RwLock<Kept>,
    hidden: Hidden,
}

/// All in order.
#[derive(Default)]
struct Kept {
    blocks: Vec<(UserId, UserId)>,
    unseen: Vec<UserId>,
    reads_unseen: Vec<UserId>,
}

impl Discretion {
    /// Puts a change in; each once or again, in the order of commits.
    pub fn apply(&self, change: Discreet) {
        if let Discreet::Hidden {
            user,
            conversation,
            seq,
            on,
        } = change
        {
            return self.hidden.apply((user, conversation, seq), on);
        }
        let mut kept = self.kept.write();
        match change {
            Discreet::Blocked { by, user, on } => put(&mut kept.blocks, (by, user), on),
            Discreet::Unseen { user, on } => put(&mut kept.unseen, user, on),
            Discreet::ReadsUnseen { user, on } => put(&mut kept.reads_unseen, user, on),
            Discreet::Hidden { .. } => {}
        }
        self.note_any(&kept);
    }

    fn note_any(&self, kept: &Kept) {
        let any = !(kept.blocks.is_empty() && kept.unseen.is_empty() && kept.reads_unseen.is_empty());
        self.any.store(any, Ordering::Release);
    }

    /// Forgets what one who was erased had chosen.
    pub fn forget(&self, user: UserId) {
        self.hidden.forget(user);
        let mut kept = self.kept.write();
        kept.blocks.retain(|(by, _)| *by != user);
        kept.unseen.retain(|unseen| *unseen != user);
        kept.reads_unseen.retain(|unseen| *unseen != user);
        self.note_any(&kept);
    }

    /// What people have deleted for themselves.
    #[must_use]
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    fn look(&self, look: impl FnOnce(&Kept) -> bool) -> bool {
        self.any.load(Ordering::Acquire) && look(&self.kept.read())
    }

    #[must_use]
    pub fn blocks(&self, by: UserId, user: UserId) -> bool {
        self.look(|kept| kept.blocks.binary_search(&(by, user)).is_ok())
    }

    /// Whether one of two blocks the other.
    #[must_use]
    pub fn are_apart(&self, one: UserId, other: UserId) -> bool {
        self.blocks(one, other) || self.blocks(other, one)
    }

    #[must_use]
    pub fn is_unseen(&self, user: UserId) -> bool {
        self.look(|kept| kept.unseen.binary_search(&user).is_ok())
    }

    /// Whether one may hear what another does in a conversation: that they write, have read, are there. In a direct one
    /// not, while one of them blocks the other; in a group everybody hears everybody.
    #[must_use]
    pub fn may_hear(&self, roster: &Roster, of: UserId, user: UserId) -> bool {
        roster.kind != ConversationKind::Direct || of == user || !self.are_apart(of, user)
    }

    /// Whether one may see of another that they are online, and when they were: who does not show it does not see it.
    #[must_use]
    pub fn may_see_presence(&self, of: UserId, user: UserId) -> bool {
        !self.is_unseen(of) && !self.is_unseen(user)
    }

    /// Whether one may see what another has read: who does not show it does not see it. One's own one sees.
    #[must_use]
    pub fn may_see_reads(&self, of: UserId, user: UserId) -> bool {
        let hides = |kept: &Kept, user| kept.reads_unseen.binary_search(&user).is_ok();
        of == user || !self.look(|kept| hides(kept, of) || hides(kept, user))
    }
}

/// Few are changed, many looked up; the list grows by what it needs.
fn put<T: Ord>(list: &mut Vec<T>, one: T, on: bool) {
    match (list.binary_search(&one), on) {
        (Err(at), true) => {
            list.reserve_exact(1);
            list.insert(at, one);
        }
        (Ok(at), false) => {
            list.remove(at);
        }
        _ => {}
    }
}

impl Permit {
    /// The part that needs to know who blocks whom: asked inside the transaction. Where either blocks the other, nothing
    /// is said in a direct conversation; what was said may be taken back.
    ///
    /// # Errors
    /// `forbidden` to the one who blocks. The one who is blocked is told what a disabled user's name is answered with.
    pub fn on_discretion(&self, roster: Option<&Roster>, discretion: &Discretion) -> Result<(), Refusal> {
        let me = self.actor().user;
        let peer = match (self.change().place(), roster) {
            (_, Some(roster)) => roster.peer(me),
            (Place::Direct(peer), None) => Some(peer),
            _ => None,
        };
        let Some(peer) = peer.filter(|_| !matches!(self.change().command(), Command::Recall(_))) else {
            return Ok(());
        };
        if discretion.blocks(peer, me) {
            let sentence = "There is no such user, or not any more.";
            return Err(Refusal::because(Code::NotFound, sentence));
        }
        if discretion.blocks(me, peer) {
            let sentence = "You block this user; lift that first.";
            return Err(Refusal::because(Code::Forbidden, sentence));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: UserId = UserId(1);
    const OTHER: UserId = UserId(2);

    #[test]
    fn what_is_put_in_can_be_taken_out_and_doubles_nothing() {
        let discretion = Discretion::default();
        let block = |on| Discreet::Blocked {
            by: ONE,
            user: OTHER,
            on,
        };
        for _ in 0..2 {
            discretion.apply(block(true));
        }
        assert!(discretion.blocks(ONE, OTHER) && !discretion.blocks(OTHER, ONE));
        assert!(discretion.are_apart(OTHER, ONE));
        discretion.apply(Discreet::Unseen {
            user: OTHER,
            on: true,
        });
        discretion.apply(block(false));
        assert!(!discretion.are_apart(ONE, OTHER) && discretion.is_unseen(OTHER));
        assert!(!discretion.may_see_presence(OTHER, ONE) && !discretion.may_see_presence(ONE, OTHER));
        discretion.apply(Discreet::Unseen {
            user: OTHER,
            on: false,
        });
        assert!(
            !discretion.any.load(Ordering::Acquire),
            "the lock is taken for nothing"
        );
    }

    #[test]
    fn who_does_not_show_what_they_read_does_not_see_it_either() {
        let discretion = Discretion::default();
        let reads = |on| Discreet::ReadsUnseen { user: ONE, on };
        discretion.apply(reads(true));
        assert!(!discretion.may_see_reads(ONE, OTHER) && !discretion.may_see_reads(OTHER, ONE));
        assert!(discretion.may_see_reads(ONE, ONE) && discretion.may_see_reads(OTHER, UserId(3)));
        assert!(discretion.may_see_presence(ONE, OTHER), "that is another wish");
        discretion.apply(reads(false));
        assert!(discretion.may_see_reads(ONE, OTHER) && !discretion.any.load(Ordering::Acquire));
        discretion.apply(reads(true));
        discretion.forget(ONE);
        assert!(discretion.may_see_reads(ONE, OTHER));
    }

    #[test]
    fn in_a_group_everybody_hears_everybody() {
        let discretion = Discretion::default();
        discretion.apply(Discreet::Blocked {
            by: ONE,
            user: OTHER,
            on: true,
        });
        let direct = Roster::direct(ConversationId(1), ONE, OTHER);
        let group = Roster::new(ConversationId(2), ConversationKind::Group);
        assert!(!discretion.may_hear(&direct, ONE, OTHER) && !discretion.may_hear(&direct, OTHER, ONE));
        assert!(discretion.may_hear(&direct, ONE, ONE) && discretion.may_hear(&group, ONE, OTHER));
    }
}
