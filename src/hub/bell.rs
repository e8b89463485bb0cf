//! A session's bell: the one thing others may do to a session. What must not live here: messages.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::core::permit::DeviceNo;
use crate::core::permit::bots::Scopes;
use crate::proto::{ConversationId, UserId};

const NOTHING: u64 = 0;
const MANY: u64 = u64::MAX;

const REVOKED: u8 = 1;
const STOPPED: u8 = 2;
const PRESENCE: u8 = 4;
const PULSE: u8 = 8;
const POKED: u8 = 16;
const NEWS: u8 = 32;

/// Beside the scopes, which are smaller.
const QUIET: u8 = 128;

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    Nothing,
    One(ConversationId),
    Many,
}

impl Hint {
    /// Where to look for both.
    #[must_use]
    pub fn and(self, other: Hint) -> Hint {
        match (self, other) {
            (Hint::Nothing, hint) | (hint, Hint::Nothing) => hint,
            (one, other) if one == other => one,
            _ => Hint::Many,
        }
    }
}

/// A hint as a number: eight bytes, where a session keeps some.
#[derive(Clone, Copy, Debug)]
pub struct Packed(u64);

impl From<Hint> for Packed {
    fn from(hint: Hint) -> Packed {
        Packed(match hint {
            Hint::Nothing => NOTHING,
            Hint::One(conversation) => conversation.0,
            Hint::Many => MANY,
        })
    }
}

impl From<Packed> for Hint {
    fn from(packed: Packed) -> Hint {
        match packed.0 {
            NOTHING => Hint::Nothing,
            MANY => Hint::Many,
            id => Hint::One(ConversationId(id)),
        }
    }
}

/// 56 bytes that others may touch; everything else of a session is its own.
pub struct Bell {
    user: UserId,
    device: DeviceNo,
    hint: AtomicU64,
    waker: AtomicWaker,
    flags: AtomicU8,
    /// The first change of the user's own settings that was not told yet, its lower half; 0: none.
    own: AtomicU32,
    per_user: u16,
    /// The scopes' number, and whether it comes and goes without anybody being told.
    manner: u8,
}

/// What a wake-up was about, beside the hint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rung {
    pub revoked: bool,
    pub stopped: bool,
    pub pulse: bool,
}

impl Bell {
    #[must_use]
    pub fn new(user: UserId, device: DeviceNo, per_user: usize) -> Bell {
        Bell {
            user,
            device,
            hint: AtomicU64::new(NOTHING),
            waker: AtomicWaker::new(),
            flags: AtomicU8::new(0),
            own: AtomicU32::new(0),
            per_user: u16::try_from(per_user).unwrap_or(u16::MAX),
            manner: Scopes::PERSON.number(),
        }
    }

    /// A bell that comes and goes without anybody being told: a poll's.
    #[must_use]
    pub fn quiet(self) -> Bell {
        Bell {
            manner: self.manner | QUIET,
            ..self
        }
    }

    /// The bell of a session that may do this.
    #[must_use]
    pub fn of(self, scopes: Scopes) -> Bell {
        Bell {
            manner: self.manner & QUIET | scopes.number(),
            ..self
        }
    }

    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_number(self.manner & !QUIET)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.manner & QUIET != 0
    }

    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    #[must_use]
    pub fn device(&self) -> DeviceNo {
        self.device
    }

    pub(super) fn per_user(&self) -> usize {
        usize::from(self.per_user)
    }

    /// Says where to look, without waking.
    pub fn hint(&self, conversation: ConversationId) {
        let merge = |known: u64| match known {
            NOTHING => Some(conversation.0),
            known if known == conversation.0 => Some(known),
            _ => Some(MANY),
        };
        let _ = self.hint.fetch_update(Ordering::AcqRel, Ordering::Acquire, merge);
    }

    /// Look everywhere.
    pub fn hint_many(&self) {
        self.hint.store(MANY, Ordering::Release);
    }

    /// Takes the hint. Read `Hub::rung` before: then no event up to there is overlooked, if a hint taken while the mark
    /// stood is used again when it has moved (the hint comes before the mark).
    #[must_use]
    pub fn take_hint(&self) -> Hint {
        Packed(self.hint.swap(NOTHING, Ordering::AcqRel)).into()
    }

    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Wakes the session although there may be no hint: an answer waits, or a mark was raised whose hint is taken already.
    pub fn poke(&self) {
        self.flags.fetch_or(POKED, Ordering::AcqRel);
        self.wake();
    }

    /// A setting of the user's own stands since this change. The first that was not told is kept: from there on is read.
    pub fn ring_own(&self, change: u64) {
        // A change whose lower half is nothing is told from the one before it on.
        let low = u32::try_from(change & u64::from(u32::MAX)).expect("half of it");
        let low = if low == 0 { u32::MAX } else { low };
        let _ = self
            .own
            .compare_exchange(0, low, Ordering::AcqRel, Ordering::Acquire);
        self.poke();
    }

    /// Whether settings of the user's own are to be told.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.own.load(Ordering::Acquire) != 0
    }

    /// Takes the first change that was not told; `head` is the newest of all changes.
    #[must_use]
    pub fn take_own(&self, head: u64) -> Option<u64> {
        let low = u64::from(self.own.swap(0, Ordering::AcqRel));
        if low == 0 {
            return None;
        }
        let half = u64::from(u32::MAX);
        let change = (head & !half) | low;
        Some(if change > head {
            change.saturating_sub(half + 1)
        } else {
            change
        })
    }

    /// There is something new about the account. A poll does not tell such things.
    pub(super) fn tell_news(&self) {
        if !self.is_quiet() {
            self.flags.fetch_or(NEWS, Ordering::AcqRel);
            self.wake();
        }
    }

    /// Takes the word of news. A blocked write looks at the bell, too, and must not take it: so it is taken by itself.
    #[must_use]
    pub fn take_news(&self) -> bool {
        self.flags.load(Ordering::Acquire) & NEWS != 0
            && self.flags.fetch_and(!NEWS, Ordering::AcqRel) & NEWS != 0
    }

    pub fn pulse(&self) {
        self.flags.fetch_or(PULSE, Ordering::AcqRel);
        self.wake();
    }

    pub fn revoke(&self) {
        self.flags.fetch_or(REVOKED, Ordering::AcqRel);
        self.wake();
    }

    pub fn stop(&self) {
        self.flags.fetch_or(STOPPED, Ordering::AcqRel);
        self.wake();
    }

    /// Says whether it was on before.
    pub(super) fn set_presence(&self, on: bool) -> bool {
        let before = if on {
            self.flags.fetch_or(PRESENCE, Ordering::AcqRel)
        } else {
            self.flags.fetch_and(!PRESENCE, Ordering::AcqRel)
        };
        before & PRESENCE != 0
    }

    #[must_use]
    pub fn wants_presence(&self) -> bool {
        self.flags.load(Ordering::Acquire) & PRESENCE != 0
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (REVOKED | STOPPED) != 0
    }

    /// Looks whether the session must end, and takes nothing.
    #[must_use]
    pub fn ends(&self) -> Rung {
        let flags = self.flags.load(Ordering::Acquire);
        Rung {
            revoked: flags & REVOKED != 0,
            stopped: flags & STOPPED != 0,
            pulse: false,
        }
    }

    /// Takes the one-time flags; revoked and stopped stay.
    #[must_use]
    pub fn take(&self) -> Rung {
        let flags = self.flags.fetch_and(!(PULSE | POKED), Ordering::AcqRel);
        Rung {
            revoked: flags & REVOKED != 0,
            stopped: flags & STOPPED != 0,
            pulse: flags & PULSE != 0,
        }
    }

    /// Ready when there is something to look at.
    pub fn poll_rung(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        let rung = self.flags.load(Ordering::Acquire) & (REVOKED | STOPPED | PULSE | POKED | NEWS) != 0
            || self.hint.load(Ordering::Acquire) != NOTHING;
        if rung { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready only when the session must end, or a pulse lets it check its deadlines: what a blocked write waits for.
    pub fn poll_urgent(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        let urgent = self.flags.load(Ordering::Acquire) & (REVOKED | STOPPED | PULSE) != 0;
        if urgent { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_it_is_and_how_it_comes_share_a_byte() {
        use crate::proto::bots::BotScope;
        let bell = || Bell::new(UserId(1), 1, 4);
        assert!(!bell().is_quiet() && bell().scopes() == Scopes::PERSON);
        let scopes = Scopes::of(&[BotScope::Read, BotScope::Manage]);
        for both in [bell().quiet().of(scopes), bell().of(scopes).quiet()] {
            assert!(both.is_quiet() && both.scopes() == scopes);
        }
        assert_eq!(size_of::<Bell>(), 56);
    }

    #[test]
    fn the_first_change_not_told_is_kept_also_where_its_lower_half_begins_anew() {
        let bell = Bell::new(UserId(1), 1, 4);
        assert!(!bell.has_own() && bell.take_own(9).is_none());
        let turn = 1 << 32;
        for (first, later, told) in [
            (3, 7, 3),
            (turn - 1, turn + 5, turn - 1),
            (turn, turn + 5, turn - 1),
            (2 * turn + 1, 2 * turn + 1, 2 * turn + 1),
        ] {
            bell.ring_own(first);
            bell.ring_own(later);
            assert!(bell.has_own());
            assert_eq!(bell.take_own(later), Some(told), "{first} {later}");
            assert!(!bell.has_own(), "told twice");
        }
    }
}
