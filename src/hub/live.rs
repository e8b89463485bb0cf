//! A conversation in use: its people, the newest events encoded once, the newest notices. What must not live here: who
//! reads it; a reader is a position that comes and asks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Bell, Pos};
use crate::core::audience;
use crate::core::roster::Roster;
use crate::limits;
use crate::proto::{Seq, UserId, codec};

/// What kind of notice; one slot for each kind and user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Typing,
    Presence,
    Read,
    /// Somebody goes out of sight who is here all the same.
    Farewell,
    Thread,
    /// A read marker that others are not told of.
    OwnRead,
}

impl Kind {
    /// Whether a session wants to hear a notice of this kind that `from` caused.
    pub fn is_for(self, bell: &Bell, from: UserId) -> bool {
        match self {
            Kind::Typing => from != bell.user(),
            Kind::Presence | Kind::Farewell => from != bell.user() && bell.wants_presence(),
            Kind::Read => true,
            Kind::Thread | Kind::OwnRead => from == bell.user(),
        }
    }
}

/// How a walk ended.
#[derive(Debug)]
pub enum Walk {
    /// Everything up to the target was handed over.
    Done,
    /// The taker had enough; go on after this place.
    Enough(Pos),
    /// The tail does not reach back that far: read the store, with these people as the audience.
    Older(Arc<Roster>),
}

struct Entry {
    seq: Seq,
    pos: Pos,
    bytes: Bytes,
}

impl Entry {
    /// What an event is about is looked at only for those who have hidden something of this conversation.
    fn is_shown(&self, hidden: &[Seq]) -> bool {
        hidden.is_empty()
            || codec::decode_event(&self.bytes).is_none_or(|event| audience::is_shown(&event, hidden))
    }
}

struct Noted {
    stamp: u64,
    from: UserId,
    kind: Kind,
    bytes: Bytes,
}

struct Inner {
    roster: Option<Arc<Roster>>,
    /// Every event of the conversation after this place is in the tail.
    base: Pos,
    tail: VecDeque<Entry>,
    notices: VecDeque<Noted>,
}

impl Inner {
    /// The index of the first entry after a place. Readers are nearly always close behind the end, and halving a long tail
    /// touches memory that nobody has looked at for long.
    fn first_after(&self, after: Pos) -> usize {
        const NEAR: usize = 8;
        let newer = |entry: &&Entry| entry.pos > after;
        match self.tail.iter().rev().take(NEAR).take_while(newer).count() {
            NEAR => self.tail.partition_point(|entry| entry.pos <= after),
            few => self.tail.len() - few,
        }
    }
}

pub struct Live {
    inner: Mutex<Inner>,
    last: AtomicU64,
    last_notice: AtomicU64,
    users: AtomicU32,
}

impl Live {
    /// A conversation nobody had open: its tail begins after `base`.
    pub fn empty(base: Pos) -> Arc<Live> {
        let inner = Inner {
            roster: None,
            base,
            tail: VecDeque::new(),
            notices: VecDeque::new(),
        };
        Arc::new(Live {
            inner: Mutex::new(inner),
            last: AtomicU64::new(0),
            last_notice: AtomicU64::new(0),
            users: AtomicU32::new(0),
        })
    }

    pub fn hold(&self) {
        self.users.fetch_add(1, Ordering::AcqRel);
    }

    /// One user less; true when that was the last.
    pub fn release(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub fn roster(&self) -> Option<Arc<Roster>> {
        self.inner.lock().roster.clone()
    }

    pub fn fill(&self, roster: Arc<Roster>, last: Pos) {
        let mut inner = self.inner.lock();
        inner.roster.get_or_insert(roster);
        self.last.fetch_max(last, Ordering::AcqRel);
    }

    pub fn set_roster(&self, roster: Arc<Roster>) {
        self.inner.lock().roster = Some(roster);
    }

    /// The place of the newest event.
    pub fn last(&self) -> Pos {
        self.last.load(Ordering::Acquire)
    }

    pub fn last_notice(&self) -> u64 {
        self.last_notice.load(Ordering::Acquire)
    }

    pub fn push(&self, seq: Seq, pos: Pos, bytes: Bytes) {
        self.inner.lock().tail.push_back(Entry { seq, pos, bytes });
        self.last.store(pos, Ordering::Release);
    }

    /// Puts a tombstone in an event's place; nothing to do when it is no longer here.
    pub fn replace(&self, seq: Seq, bytes: &Bytes) {
        let mut inner = self.inner.lock();
        if let Some(entry) = inner.tail.iter_mut().find(|entry| entry.seq == seq) {
            entry.bytes = bytes.clone();
        }
    }

    /// Drops the oldest event; readers that still need it read the store.
    pub fn pop(&self) {
        let mut inner = self.inner.lock();
        if let Some(entry) = inner.tail.pop_front() {
            inner.base = entry.pos;
        }
        if inner.tail.is_empty() {
            inner.tail = VecDeque::new();
        }
    }

    /// Whoever asks is checked here, event by event, at the moment of delivery.
    pub fn walk(
        &self,
        (user, hidden): (UserId, &[Seq]),
        (after, target): (Pos, Pos),
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Walk {
        let inner = self.inner.lock();
        let Some(roster) = &inner.roster else {
            return Walk::Done;
        };
        // At its target a walk is over, also where the tail begins beyond it.
        if after >= target {
            return Walk::Done;
        }
        if after < inner.base && after < self.last() {
            return Walk::Older(Arc::clone(roster));
        }
        let first = inner.first_after(after);
        for entry in inner.tail.range(first..).take_while(|entry| entry.pos <= target) {
            if audience::may_see(roster, user, entry.seq) && entry.is_shown(hidden) && !take(&entry.bytes) {
                return Walk::Enough(entry.pos);
            }
        }
        Walk::Done
    }

    pub fn put_notice(&self, stamp: u64, from: UserId, kind: Kind, bytes: Bytes) {
        let mut inner = self.inner.lock();
        inner
            .notices
            .retain(|noted| noted.from != from || noted.kind != kind);
        if inner.notices.len() >= limits::NOTICES {
            inner.notices.pop_front();
        }
        inner.notices.push_back(Noted {
            stamp,
            from,
            kind,
            bytes,
        });
        self.last_notice.store(stamp, Ordering::Release);
    }

    /// Hands over the notices of a stretch that the user hears.
    pub fn notices(
        &self,
        user: UserId,
        (after, upto): (u64, u64),
        hears: &dyn Fn(Kind, &Roster, UserId) -> bool,
        take: &mut dyn FnMut(&[u8]),
    ) {
        let inner = self.inner.lock();
        let Some(roster) = &inner.roster else { return };
        if roster.member(user).is_none() {
            return;
        }
        for noted in inner
            .notices
            .iter()
            .filter(|noted| noted.stamp > after && noted.stamp <= upto)
        {
            if hears(noted.kind, roster, noted.from) {
                take(&noted.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ConversationId;

    #[test]
    fn a_walk_begins_right_behind_its_place_near_the_end_and_far_from_it() {
        let reader = UserId(1);
        let live = Live::empty(0);
        live.fill(Arc::new(Roster::direct(ConversationId(9), reader, UserId(2))), 0);
        // Places have gaps: other conversations lie between.
        for seq in 1..=30 {
            live.push(seq, seq * 10, Bytes::from(seq.to_string()));
        }
        for after in 0..=300 {
            let mut got = Vec::new();
            let walk = live.walk((reader, &[]), (after, 300), &mut |bytes| {
                got.push(String::from_utf8_lossy(bytes).into_owned());
                true
            });
            assert!(matches!(walk, Walk::Done), "after {after}: {walk:?}");
            let expected: Vec<String> = (after / 10 + 1..=30).map(|seq| seq.to_string()).collect();
            assert_eq!(got, expected, "after {after}");
        }
    }
}
