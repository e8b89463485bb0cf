//! Who is told of a message by push, and what follows from a push service's answer. What must not live here: sending.

use std::time::Duration;

use super::audience;
use super::roster::Roster;
use crate::limits;
use crate::proto::{Code, Refusal, Seq, UserId};

/// Whether `user` still has to be told of the message `seq`, having read up to `read`. Asked right before sending, so that
/// who left, or read it meanwhile on any device, is not told. Who sent it has read it. Whether they want to be told is another
/// question: see `notify`.
#[must_use]
pub fn is_owed(roster: &Roster, user: UserId, seq: Seq, read: Seq) -> bool {
    seq > read && audience::may_see(roster, user, seq)
}

/// What a push service's status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    /// The subscription is no more.
    Gone,
    /// It will not be taken, however often it is sent.
    Never,
    /// Another time.
    Later,
}

/// RFC 8030, sections 5 and 7.3. A redirect is not followed: the address that was checked is the one that counts.
#[must_use]
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        404 | 410 => Verdict::Gone,
        408 | 425 | 429 | 500..=599 => Verdict::Later,
        _ => Verdict::Never,
    }
}

/// How long to wait after so many failed attempts, `waited` in all so far; nothing when it is time to give up. What the
/// service asks for counts, within bounds.
#[must_use]
pub fn wait(tries: u32, waited: Duration, asked: Option<Duration>) -> Option<Duration> {
    if waited >= limits::PUSH_GIVE_UP {
        return None;
    }
    let own = limits::PUSH_FIRST_WAIT.saturating_mul(1 << tries.min(16));
    let wait = match asked {
        Some(asked) => asked.clamp(Duration::from_secs(1), limits::PUSH_GIVE_UP),
        None => own.min(limits::PUSH_LAST_WAIT),
    };
    Some(wait)
}

/// What a device without a subscription is answered.
#[must_use]
pub fn not_subscribed() -> Refusal {
    Refusal {
        next: "Subscribe this device first.".into(),
        ..Refusal::because(Code::NotFound, "This device has no push subscription.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ConversationId, What};

    #[test]
    fn who_has_read_it_or_left_is_owed_nothing() {
        let (one, other) = (UserId(1), UserId(2));
        let mut roster = Roster::direct(ConversationId(9), one, other);
        assert!(is_owed(&roster, other, 5, 4) && !is_owed(&roster, other, 5, 5));
        assert!(!is_owed(&roster, UserId(3), 5, 0), "a stranger");
        roster.fold(6, other, &What::Left {});
        assert!(!is_owed(&roster, other, 5, 4));
    }

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_a_day() {
        let (mut waited, mut waits) = (Duration::ZERO, Vec::new());
        while let Some(wait) = super::wait(u32::try_from(waits.len()).expect("few"), waited, None) {
            waits.push(wait.as_secs());
            waited += wait;
        }
        assert_eq!(waits[..4], [30, 60, 120, 240]);
        assert_eq!(waits.last(), Some(&limits::PUSH_LAST_WAIT.as_secs()));
        assert!(
            (30..40).contains(&waits.len()) && waited >= limits::PUSH_GIVE_UP,
            "{waited:?}"
        );
    }

    #[test]
    fn what_the_service_asks_for_counts_within_a_second_and_a_day() {
        let asked = |seconds| wait(3, Duration::ZERO, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(0), Some(Duration::from_secs(1)));
        assert_eq!(asked(u64::MAX), Some(limits::PUSH_GIVE_UP));
    }

    #[test]
    fn statuses() {
        for (status, meaning) in [
            (201, Verdict::Taken),
            (301, Verdict::Never),
            (307, Verdict::Never),
            (400, Verdict::Never),
            (403, Verdict::Never),
            (404, Verdict::Gone),
            (410, Verdict::Gone),
            (413, Verdict::Never),
            (429, Verdict::Later),
            (503, Verdict::Later),
        ] {
            assert_eq!(verdict(status), meaning, "{status}");
        }
    }
}
