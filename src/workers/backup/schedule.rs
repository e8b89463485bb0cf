//! When a backup is due. What must not live here: making it.
//!
//! The wall clock picks the hour of the day only while it is known to be right. Else a day is 24 hours: of this process, or of that
//! clock, which goes on from what was noted last and so knows of the hours before a machine was switched off.

use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::proto::Timestamp;

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// After a try that failed.
const RETRY: Duration = Duration::from_secs(60 * 60);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// A time of day, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// `03:30`
    #[must_use]
    pub fn parse(text: &str) -> Option<TimeOfDay> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, below: u16| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>()
                .ok()
                .filter(|number| digits && *number < below)
        };
        Some(TimeOfDay(number(hours, 24)? * 60 + number(minutes, 60)?))
    }

    #[must_use]
    pub fn text(self) -> String {
        format!("{:02}:{:02}", self.0 / 60, self.0 % 60)
    }

    /// The last moment before `now` with this time of day, where local time is ahead by so much.
    fn last(self, now: Timestamp, ahead: i64) -> i64 {
        let local = now.cast_signed() + ahead;
        let today = local.div_euclid(DAY_MS) * DAY_MS + i64::from(self.0) * MINUTE_MS;
        let last = if today > local { today - DAY_MS } else { today };
        last - ahead
    }

    /// The next one.
    #[must_use]
    pub fn next(self, now: Timestamp, ahead: i64) -> Timestamp {
        (self.last(now, ahead) + DAY_MS).max(0).cast_unsigned()
    }
}

/// What is known of the tries so far.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// When the newest good one was made, and whether the clock was known to be right.
    pub made: Option<(Timestamp, bool)>,
    pub started: Instant,
    /// The last try of this process, and whether it went well.
    pub last: Option<(Instant, bool)>,
}

/// Whether a backup is due.
#[must_use]
pub fn is_due(at: TimeOfDay, ahead: i64, now: Now, instant: Instant, tried: &Tried) -> bool {
    if let Some((when, false)) = tried.last {
        return instant.duration_since(when) >= RETRY;
    }
    if tried.made.is_none() && tried.last.is_none() {
        return true;
    }
    if now.synchronised {
        let made = tried.made.filter(|(_, synchronised)| *synchronised);
        return made.is_none_or(|(made, _)| made.cast_signed() < at.last(now.ms, ahead));
    }
    let since = tried.last.map_or(tried.started, |(when, _)| when);
    let is_old = |(made, _): (Timestamp, bool)| now.ms.saturating_sub(made) >= DAY_MS.cast_unsigned();
    instant.duration_since(since) >= DAY || tried.made.is_some_and(is_old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const HOUR: u64 = 60 * 60 * 1000;

    fn at(text: &str) -> TimeOfDay {
        TimeOfDay::parse(text).expect("a time of day")
    }

    #[test]
    fn a_time_of_day_is_read_as_it_is_written() {
        for text in ["00:00", "03:30", "23:59"] {
            assert_eq!(at(text).text(), text);
        }
        for wrong in ["", "3:30", "24:00", "12:60", "12", "+1:00", "12:3x", "012:00"] {
            assert_eq!(TimeOfDay::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn once_a_day_at_that_time_and_what_was_missed_at_once() {
        let started = monotonic();
        let now = |hours: u64| Now {
            ms: 100 * 24 * HOUR + hours * HOUR,
            synchronised: true,
        };
        let due = |made: Option<u64>, hours: u64, ahead: i64| {
            let tried = Tried {
                made: made.map(|hours| (now(hours).ms, true)),
                started,
                last: None,
            };
            is_due(at("03:00"), ahead, now(hours), started, &tried)
        };
        assert!(due(None, 1, 0), "there is none");
        assert!(!due(Some(0), 2, 0) && due(Some(0), 3, 0) && due(Some(0), 30, 0));
        assert!(!due(Some(3), 26, 0) && due(Some(3), 27, 0));
        let two_ahead = 2 * HOUR.cast_signed();
        assert!(due(Some(0), 1, two_ahead), "it is three there");
        assert!(!due(Some(2), 23, two_ahead));
        assert_eq!(at("03:00").next(now(1).ms, 0), now(3).ms);
        assert_eq!(at("03:00").next(now(3).ms, 0), now(27).ms);
        assert_eq!(at("03:00").next(now(1).ms, two_ahead), now(25).ms);
    }

    #[test]
    fn without_a_right_clock_days_are_counted_and_a_failure_is_tried_again_after_an_hour() {
        let started = monotonic();
        let wrong_clock = Now {
            ms: 5,
            synchronised: false,
        };
        let due = |last: Option<(Instant, bool)>, hours: u32| {
            let tried = Tried {
                made: Some((5, false)),
                started,
                last,
            };
            let instant = started + Duration::from_secs(3_600) * hours;
            is_due(at("03:00"), 0, wrong_clock, instant, &tried)
        };
        assert!(!due(None, 0) && !due(None, 23) && due(None, 24));
        let later = started + Duration::from_secs(3_600);
        assert!(!due(Some((later, true)), 24) && due(Some((later, true)), 25));
        assert!(!due(Some((later, false)), 1) && due(Some((later, false)), 2));
    }

    /// A box without internet that is switched off each evening: its clock goes on from where it stood.
    #[test]
    fn a_machine_that_is_never_on_for_a_whole_day_makes_backups_too() {
        let started = monotonic();
        let due = |made: Option<(Timestamp, bool)>, hours: u64, last: Option<(Instant, bool)>| {
            let now = Now {
                ms: hours * HOUR,
                synchronised: false,
            };
            let tried = Tried { made, started, last };
            is_due(at("03:00"), 0, now, started, &tried)
        };
        let made = Some((100 * HOUR, false));
        assert!(!due(made, 123, None) && due(made, 124, None));
        assert!(due(Some((100 * HOUR, true)), 124, None));
        assert!(!due(made, 1, None), "it fell back");
        assert!(
            !due(made, 124, Some((started, false))),
            "an hour after one that failed"
        );
    }
}
