//! Whether it is time to order a certificate, and how long to wait after a failure. Pure. What must not live here: ordering.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::State;
use crate::limits;

/// What is known of the certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    pub names: Vec<String>,
}

/// There is none, it lacks a name, or two thirds of its life are over. A clock that stands before its beginning is behind:
/// the authority's was right.
pub(super) fn is_due(held: Option<&Held>, names: &[String], now: SystemTime) -> bool {
    let Some(held) = held else {
        return true;
    };
    let life = held.not_after.duration_since(held.not_before).unwrap_or_default();
    names.iter().any(|name| !held.names.contains(name)) || now > held.not_before + life.mul_f64(2.0 / 3.0)
}

/// The wait after so many failures in a row.
pub(super) fn pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let first = limits::ACME_FIRST_WAIT;
    first
        .saturating_mul(1 << doublings.min(16))
        .min(limits::ACME_LAST_WAIT)
}

/// What of that wait is left after a restart. A clock that went back in between does not make it longer.
pub(super) fn left(state: &State, now: SystemTime) -> Duration {
    let tried = UNIX_EPOCH + Duration::from_secs(state.tried);
    let pause = pause(state.failures);
    match now.duration_since(tried) {
        Ok(since) => pause.saturating_sub(since),
        Err(_) => pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn began() -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY
    }

    fn held() -> Held {
        Held {
            not_before: began(),
            not_after: began() + 90 * DAY,
            names: vec!["chat.example.org".into(), "www.example.org".into()],
        }
    }

    #[test]
    fn a_certificate_is_ordered_anew_after_two_thirds_of_its_life_whatever_happened_meanwhile() {
        let names = ["chat.example.org".to_owned()];
        let due = |now| is_due(Some(&held()), &names, now);
        assert!(is_due(None, &names, began()));
        assert!(!due(began() + 59 * DAY));
        assert!(due(began() + 61 * DAY));
        assert!(due(began() + 400 * DAY), "months without power");
        assert!(
            !due(began() - 30 * DAY) && !due(UNIX_EPOCH),
            "a clock that is behind"
        );
        assert!(is_due(Some(&held()), &["new.example.org".to_owned()], began()));
        let strange = Held {
            not_after: began() - DAY,
            ..held()
        };
        assert!(is_due(Some(&strange), &names, began() + DAY));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_go_on_after_a_restart() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1), limits::ACME_FIRST_WAIT);
        assert_eq!(pause(3), 4 * limits::ACME_FIRST_WAIT);
        assert_eq!(pause(u32::MAX), limits::ACME_LAST_WAIT);
        let tried = began();
        let seconds = tried.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let state = State {
            failures: 1,
            tried: seconds,
            error: None,
        };
        let minute = Duration::from_secs(60);
        assert_eq!(left(&state, tried + minute), limits::ACME_FIRST_WAIT - minute);
        assert_eq!(left(&state, tried + DAY), Duration::ZERO);
        assert_eq!(left(&state, UNIX_EPOCH), limits::ACME_FIRST_WAIT);
        assert_eq!(left(&State::default(), UNIX_EPOCH), Duration::ZERO);
    }
}
