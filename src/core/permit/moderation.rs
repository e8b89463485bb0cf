//! Moderation of the server as rules: whom a mute of the whole server keeps from posting, who may report a message, and
//! what of a conversation a report shows. What must not live here: rows, a clock, and who administers whom (`server`).
//!
//! Who is muted is few and kept in memory, so that no send asks the disk for it.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::{Allowed, Permit, Refused, TargetFacts};
use crate::clock::Now;
use crate::core::audience;
use crate::core::roster::{MuteUntil, Roster};
use crate::limits;
use crate::proto::{Code, Command, Event, Refusal, Seq, Timestamp, UserId, What};

/// A change of who is muted on the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restraint {
    Muted(MuteUntil),
    Lifted(UserId),
}

/// Who is muted on the whole server.
#[derive(Default)]
pub struct Restraints {
    /// Whether there is anyone: on most servers there is not, and then nobody takes the lock.
    any: AtomicBool,
    /// In order of their ids.
    muted: RwLock<Vec<MuteUntil>>,
}

impl Restraints {
    /// Puts a change in, in the order of commits. A newer mute replaces an older one.
    pub fn apply(&self, change: Restraint) {
        let mut muted = self.muted.write();
        let (Restraint::Muted(MuteUntil { user, .. }) | Restraint::Lifted(user)) = change;
        let place = muted.binary_search_by_key(&user, |mute| mute.user);
        match (place, change) {
            (Ok(at), Restraint::Muted(mute)) => muted[at] = mute,
            (Ok(at), Restraint::Lifted(_)) => drop(muted.remove(at)),
            (Err(at), Restraint::Muted(mute)) => {
                muted.reserve_exact(1);
                muted.insert(at, mute);
            }
            (Err(_), Restraint::Lifted(_)) => {}
        }
        self.any.store(!muted.is_empty(), Ordering::Release);
    }

    #[must_use]
    pub fn is_muted(&self, user: UserId, now: Now) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let muted = self.muted.read();
        let place = muted.binary_search_by_key(&user, |mute| mute.user);
        place.is_ok_and(|at| holds(muted[at].until, now))
    }
}

/// Whether a mute or a ban still holds. While the clock is not right, it keeps its state.
#[must_use]
pub fn holds(until: Option<Timestamp>, now: Now) -> bool {
    until.is_none_or(|until| !now.synchronised || now.ms < until)
}

impl Permit {
    /// The part that needs to know who is muted on the server: asked when a change is handed in, and again inside the
    /// transaction. Who is muted puts no words before others: they may read, take back, leave, and do the office they hold
    /// in a group.
    ///
    /// # Errors
    /// `muted`.
    pub fn on_restraint(&self, restraints: &Restraints, now: Now) -> Allowed {
        // Named is what is left to them: a command that comes later is posting until somebody decides otherwise.
        let speaks = !matches!(
            self.change.command(),
            Command::Recall(_)
                | Command::Join(_)
                | Command::Leave(_)
                | Command::Dissolve(_)
                | Command::Invite(_)
                | Command::Approve(_)
                | Command::Kick(_)
                | Command::Ban(_)
                | Command::Role(_)
                | Command::Mute(_)
                | Command::Transfer(_)
        );
        if speaks && restraints.is_muted(self.actor.user, now) {
            let sentence = "You are muted on this server: you may read, but not post.";
            return Err(Refusal::because(Code::Muted, sentence));
        }
        Ok(())
    }

    /// The same, for who hands the change in: a refusal gives it back.
    ///
    /// # Errors
    /// `muted`, with the change.
    pub fn unless_restrained(self, restraints: &Restraints, now: Now) -> Result<Permit, Box<Refused>> {
        match self.on_restraint(restraints, now) {
            Ok(()) => Ok(self),
            Err(refusal) => Err(Box::new(Refused {
                change: self.change,
                refusal,
            })),
        }
    }
}

/// Whether a user may report a message: one that they see, of somebody else. Gives the first seq of the stretch in which
/// they see it.
///
/// # Errors
/// `not_found` for what they do not see and what is no message, `erased`, `bad_request` for their own.
pub fn may_report(
    roster: &Roster,
    user: UserId,
    seq: Seq,
    facts: Option<TargetFacts>,
) -> Result<Seq, Refusal> {
    super::may_read(roster, user)?;
    let seen = audience::visible(roster, user);
    let stretch = seen
        .ranges()
        .iter()
        .find(|(from, to)| (*from..=*to).contains(&seq));
    let (Some((from, _)), Some(facts)) = (stretch, facts.filter(|facts| facts.is_message)) else {
        return Err(Code::NotFound.into());
    };
    if facts.erased {
        return Err(Code::Erased.into());
    }
    if facts.by == user {
        let sentence = "This message is your own; recall it.";
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    Ok(*from)
}

/// What a report shows to those who decide on it: the message, and the nearest few messages on each side. `before` and
/// `after` are what stands there, ascending.
#[must_use]
pub fn shown(before: Vec<Event>, reported: Option<Event>, after: Vec<Event>) -> Vec<Event> {
    let is_message = |event: &Event| matches!(event.what, What::Message { .. });
    let mut shown: Vec<Event> = before
        .into_iter()
        .rev()
        .filter(is_message)
        .take(limits::REPORT_CONTEXT)
        .collect();
    shown.reverse();
    shown.extend(reported);
    shown.extend(after.into_iter().filter(is_message).take(limits::REPORT_CONTEXT));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ConversationId;

    const NOON: Now = Now {
        ms: 1_000,
        synchronised: true,
    };
    const DARK: Now = Now {
        ms: 9_000,
        synchronised: false,
    };

    fn mute(user: u64, until: Option<Timestamp>) -> Restraint {
        Restraint::Muted(MuteUntil {
            user: UserId(user),
            until,
        })
    }

    #[test]
    fn a_mute_ends_by_time_only_while_the_time_is_known() {
        let restraints = Restraints::default();
        restraints.apply(mute(2, Some(2_000)));
        restraints.apply(mute(1, None));
        let late = Now { ms: 2_000, ..NOON };
        for (user, now, muted) in [
            (2, NOON, true),
            (2, late, false),
            (2, DARK, true),
            (1, late, true),
            (3, NOON, false),
        ] {
            assert_eq!(restraints.is_muted(UserId(user), now), muted, "{user} {now:?}");
        }
        restraints.apply(mute(2, None));
        assert!(
            restraints.is_muted(UserId(2), late),
            "a newer mute replaces the older one"
        );
        for user in [1, 2, 3] {
            restraints.apply(Restraint::Lifted(UserId(user)));
        }
        assert!(!restraints.is_muted(UserId(1), NOON));
        assert!(
            !restraints.any.load(Ordering::Acquire),
            "the lock is taken for nothing"
        );
    }

    #[test]
    fn one_reports_what_one_sees_and_nothing_else() {
        let roster = Roster::direct(ConversationId(1), UserId(1), UserId(2));
        let facts = TargetFacts {
            is_message: true,
            by: UserId(2),
            erased: false,
            ts: 0,
            in_thread: false,
        };
        let may = |user, facts| may_report(&roster, UserId(user), 5, facts).map_err(|refusal| refusal.code);
        assert_eq!(may(1, Some(facts)), Ok(1));
        assert_eq!(may(2, Some(facts)), Err(Code::BadRequest));
        assert_eq!(may(3, Some(facts)), Err(Code::NotFound));
        assert_eq!(may(1, None), Err(Code::NotFound));
        let erased = TargetFacts {
            erased: true,
            ..facts
        };
        assert_eq!(may(1, Some(erased)), Err(Code::Erased));
        let no_message = TargetFacts {
            is_message: false,
            ..facts
        };
        assert_eq!(may(1, Some(no_message)), Err(Code::NotFound));
    }
}
