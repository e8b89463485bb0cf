//! Whether somebody may be notified now: by the level they chose and by their quiet hours. What must not live here: a
//! clock (time comes in), who is told by which way, or whether they may see the event at all.

use jiff::Timestamp as Moment;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::clock::Now;
use crate::proto::setting::{Notify, NotifyLevel, Quiet, QuietHours, Weekday};

/// Minutes of a day.
pub const MINUTES: u16 = 24 * 60;
/// No name of a zone is longer.
const ZONE_BYTES: usize = 64;

const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// What somebody has chosen: for the conversation, for all others, and when not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    pub here: Option<&'a Notify>,
    pub elsewhere: Option<&'a Notify>,
    pub quiet: Option<&'a Quiet>,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    pub mentioned: bool,
    /// In a direct conversation everything is meant for one.
    pub direct: bool,
}

/// The rules of a zone by its IANA name, out of the program itself: they are the same on every machine.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > ZONE_BYTES {
        return None;
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Whether one may be notified now. `zone` holds the rules that `quiet` names; without them there are no quiet hours.
#[must_use]
pub fn may_notify(wishes: &Wishes<'_>, occasion: Occasion, now: Now, zone: Option<&TimeZone>) -> bool {
    // While the clock is not right, what holds until a time goes on holding; as for mutes.
    let holds = |notify: &&Notify| {
        notify
            .until
            .is_none_or(|until| !now.synchronised || now.ms < until)
    };
    let chosen = wishes
        .here
        .filter(holds)
        .or_else(|| wishes.elsewhere.filter(holds));
    let wanted = match chosen.map_or(NotifyLevel::All, |notify| notify.level) {
        NotifyLevel::All => true,
        NotifyLevel::Mentions => occasion.mentioned || occasion.direct,
        NotifyLevel::None => false,
    };
    // A clock that is not right knows no hours, and a message that is not told of is worse than a disturbance.
    let quiet = || match (wishes.quiet, zone) {
        (Some(quiet), Some(zone)) if now.synchronised => is_quiet(quiet, zone, now.ms),
        _ => false,
    };
    wanted && !quiet()
}

/// Whether a moment lies in the quiet hours, as the clock on the wall shows it there: where the hand jumps over an hour
/// there is none to be quiet in, and an hour that comes twice is quiet twice.
#[must_use]
pub fn is_quiet(quiet: &Quiet, zone: &TimeZone, ms: u64) -> bool {
    let Some(moment) = i64::try_from(ms)
        .ok()
        .and_then(|ms| Moment::from_millisecond(ms).ok())
    else {
        return false;
    };
    let wall = zone.to_datetime(moment);
    let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
    let day = usize::from(wall.weekday().to_monday_zero_offset().unsigned_abs());
    let (today, yesterday) = (WEEK[day], WEEK[(day + 6) % 7]);
    quiet.hours.iter().any(|QuietHours { days, from, to }| {
        if from < to {
            return days.contains(&today) && (*from..*to).contains(&minute);
        }
        (days.contains(&today) && minute >= *from) || (days.contains(&yesterday) && minute < *to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYTHING: Occasion = Occasion {
        mentioned: false,
        direct: false,
    };

    fn at(text: &str) -> Now {
        let moment: Moment = text.parse().expect("a moment");
        Now {
            ms: moment.as_millisecond().unsigned_abs(),
            synchronised: true,
        }
    }

    fn level(level: NotifyLevel, until: Option<u64>) -> Notify {
        Notify { level, until }
    }

    #[test]
    fn the_nearest_wish_that_still_holds_decides() {
        let now = at("2025-06-02T12:00:00Z");
        let none = level(NotifyLevel::None, None);
        let mentions = level(NotifyLevel::Mentions, None);
        let over = level(NotifyLevel::None, Some(now.ms));
        let soon = level(NotifyLevel::None, Some(now.ms + 1));
        let everything = level(NotifyLevel::All, None);
        let ask = |here, elsewhere, occasion, now| {
            let wishes = Wishes {
                here,
                elsewhere,
                quiet: None,
            };
            may_notify(&wishes, occasion, now, None)
        };
        let named = Occasion {
            mentioned: true,
            ..ANYTHING
        };
        let direct = Occasion {
            direct: true,
            ..ANYTHING
        };
        assert!(ask(None, None, ANYTHING, now), "by default everything is told");
        assert!(!ask(Some(&none), None, named, now));
        assert!(!ask(None, Some(&mentions), ANYTHING, now));
        assert!(ask(None, Some(&mentions), named, now) && ask(None, Some(&mentions), direct, now));
        assert!(ask(Some(&everything), Some(&none), ANYTHING, now));
        assert!(ask(Some(&over), None, ANYTHING, now), "its time is over");
        assert!(!ask(Some(&soon), None, ANYTHING, now));
        assert!(
            !ask(Some(&over), Some(&none), ANYTHING, now),
            "then the other wish counts"
        );
        let doubtful = Now {
            synchronised: false,
            ..now
        };
        assert!(
            !ask(Some(&over), None, ANYTHING, doubtful),
            "a doubtful clock ends nothing"
        );
    }

    fn quiet(days: &[Weekday], from: u16, to: u16) -> Quiet {
        Quiet {
            zone: "Europe/Berlin".into(),
            hours: vec![QuietHours {
                days: days.to_vec(),
                from,
                to,
            }],
        }
    }

    #[test]
    fn hours_are_those_of_the_clock_on_the_wall_also_when_it_is_changed() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let nights = quiet(&WEEK, 22 * 60, 7 * 60);
        let is = |text| is_quiet(&nights, &berlin, at(text).ms);
        // Winter: an hour before UTC. Summer: two.
        assert!(is("2025-01-15T21:00:00Z") && !is("2025-01-15T20:59:59Z"));
        assert!(is("2025-01-15T05:59:59Z") && !is("2025-01-15T06:00:00Z"));
        assert!(is("2025-07-15T20:00:00Z") && !is("2025-07-15T19:59:59Z"));
        // The night of 30 March 2025 is an hour shorter, that of 26 October an hour longer; both end at seven.
        assert!(is("2025-03-30T04:59:59Z") && !is("2025-03-30T05:00:00Z"));
        assert!(is("2025-10-26T05:59:59Z") && !is("2025-10-26T06:00:00Z"));
        // From two to three: skipped in spring, twice in autumn.
        let small = quiet(&WEEK, 2 * 60, 3 * 60);
        let is = |text| is_quiet(&small, &berlin, at(text).ms);
        assert!(!is("2025-03-30T00:59:59Z") && !is("2025-03-30T01:00:00Z"));
        assert!(is("2025-10-26T00:00:00Z") && is("2025-10-26T01:59:59Z") && !is("2025-10-26T02:00:00Z"));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let (friday, utc) = (quiet(&[Weekday::Fri], 22 * 60, 7 * 60), TimeZone::UTC);
        let is = |text| is_quiet(&friday, &utc, at(text).ms);
        // 6 June 2025 is a Friday.
        assert!(is("2025-06-06T23:00:00Z") && is("2025-06-07T06:00:00Z"));
        assert!(!is("2025-06-06T06:00:00Z") && !is("2025-06-07T23:00:00Z") && !is("2025-06-05T23:00:00Z"));
        let all_day = quiet(&[Weekday::Sun], 0, 0);
        let is = |text| is_quiet(&all_day, &utc, at(text).ms);
        assert!(is("2025-06-08T00:00:00Z") && is("2025-06-08T23:59:59Z") && !is("2025-06-09T00:00:00Z"));
        let sunday_night = quiet(&[Weekday::Sun], 23 * 60, 60);
        assert!(is_quiet(&sunday_night, &utc, at("2025-06-09T00:30:00Z").ms));
    }

    #[test]
    fn quiet_hours_silence_mentions_too_but_not_by_a_doubtful_clock() {
        let (always, utc) = (quiet(&WEEK, 0, 0), TimeZone::UTC);
        let wishes = Wishes {
            quiet: Some(&always),
            ..Wishes::default()
        };
        let named = Occasion {
            mentioned: true,
            direct: true,
        };
        let now = at("2025-06-06T12:00:00Z");
        assert!(!may_notify(&wishes, named, now, Some(&utc)));
        assert!(may_notify(&wishes, named, now, None), "without rules no hours");
        let doubtful = Now {
            synchronised: false,
            ..now
        };
        assert!(may_notify(&wishes, named, doubtful, Some(&utc)));
        assert!(zone("Europe/Atlantis").is_none() && zone(&"x".repeat(65)).is_none());
    }
}
