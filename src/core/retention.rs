//! How long what is said is kept: pure days. What must not live here: erasing, and whether the clock is right.

use crate::proto::Timestamp;

const DAY_MS: u64 = 86_400_000;

/// The time that holds where a conversation and the server each have one; 0 stands for none.
#[must_use]
pub fn shorter(conversation: u32, server: u32) -> Option<u32> {
    [conversation, server].into_iter().filter(|days| *days > 0).min()
}

/// What was said before this moment has been kept long enough. Whole days, so that one conversation is swept once a day.
#[must_use]
pub fn kept_from(now: Timestamp, days: u32) -> Timestamp {
    (now / DAY_MS).saturating_sub(u64::from(days)) * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_time_holds_and_none_is_for_ever() {
        assert_eq!(shorter(0, 0), None);
        assert_eq!((shorter(30, 0), shorter(0, 30)), (Some(30), Some(30)));
        assert_eq!((shorter(7, 30), shorter(30, 7)), (Some(7), Some(7)));
    }

    #[test]
    fn a_time_ends_with_its_day_and_never_before_it() {
        let noon = 100 * DAY_MS + DAY_MS / 2;
        assert_eq!(kept_from(noon, 1), 99 * DAY_MS);
        assert_eq!(kept_from(noon + DAY_MS / 2 - 1, 1), 99 * DAY_MS);
        assert_eq!(kept_from(noon + DAY_MS / 2, 1), 100 * DAY_MS);
        assert_eq!(kept_from(noon, 36_500), 0);
    }
}
