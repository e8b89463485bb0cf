//! What somebody should do something about, before people notice: which figure is bad from where on, and from where on it is good
//! again, so that a warning does not come and go. What must not live here: how a figure is found.
//!
//! Where the thresholds come from stands beside them in `limits.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::sensors::Seen;
use crate::limits;
use crate::meters::HistogramPicture;
use crate::proto::Timestamp;
use crate::proto::machine::{BoardFlag, BoardTrouble, BoardWarning, CardHealth};

/// Syncs are judged by those of an hour.
const WINDOW: Duration = Duration::from_secs(60 * 60);
const NEVER: Duration = Duration::ZERO;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Bad,
    /// Not good enough to take a warning back, not bad enough for one.
    Between,
    Good,
}

impl Sign {
    fn of(is_bad: bool, is_good: bool) -> Sign {
        match (is_bad, is_good) {
            (true, _) => Sign::Bad,
            (false, true) => Sign::Good,
            (false, false) => Sign::Between,
        }
    }
}

struct Finding {
    code: BoardTrouble,
    sign: Sign,
    message: String,
    next: &'static str,
    /// How long it has to be good.
    calm: Duration,
}

struct Held {
    warning: BoardWarning,
    /// When it was bad for the last time.
    bad: Instant,
}

/// What changed with one look.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    Begun(BoardWarning),
    Over(BoardWarning),
}

/// What is to be judged.
pub struct Figures<'a> {
    pub seen: &'a Seen,
    pub card: Option<&'a CardHealth>,
    /// How long syncs took, counting up.
    pub syncs: HistogramPicture,
    /// What the newest plug test found missing.
    pub lost: u64,
}

/// The warnings that hold, and what was seen before.
#[derive(Default)]
pub struct Watch {
    held: BTreeMap<BoardTrouble, Held>,
    errors: Option<u64>,
    under_voltage: Option<bool>,
    throttled: Option<bool>,
    syncs: Syncs,
}

impl Watch {
    pub fn warnings(&self) -> Vec<BoardWarning> {
        self.held.values().map(|held| held.warning.clone()).collect()
    }

    pub fn look(&mut self, figures: &Figures<'_>, at: Instant, ts: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        for finding in self.findings(figures, at) {
            news.extend(self.weigh(finding, at, ts));
        }
        news
    }

    fn weigh(&mut self, finding: Finding, at: Instant, ts: Timestamp) -> Option<News> {
        let Finding {
            code,
            sign,
            message,
            next,
            calm,
        } = finding;
        match (sign, self.held.get_mut(&code)) {
            (Sign::Bad, None) => {
                let warning = BoardWarning {
                    code,
                    message,
                    next: next.to_owned(),
                    since: ts,
                };
                self.held.insert(
                    code,
                    Held {
                        warning: warning.clone(),
                        bad: at,
                    },
                );
                Some(News::Begun(warning))
            }
            (Sign::Bad, Some(held)) => {
                held.bad = at;
                held.warning.message = message;
                None
            }
            (Sign::Good, Some(held)) if at.saturating_duration_since(held.bad) >= calm => {
                self.held.remove(&code).map(|held| News::Over(held.warning))
            }
            _ => None,
        }
    }

    fn findings(&mut self, figures: &Figures<'_>, at: Instant) -> Vec<Finding> {
        let seen = figures.seen;
        let mut all = vec![
            loses(figures.lost),
            file_system(seen),
            low_voltage(rises(&mut self.under_voltage, seen.under_voltage)),
            slowed(rises(&mut self.throttled, seen.throttled)),
            hot(seen),
            slow(self.syncs.look(&figures.syncs, at)),
        ];
        if let Some(card) = figures.card {
            let before = self.errors.or(card.errors);
            let new = card
                .errors
                .zip(before)
                .map_or(0, |(now, before)| now.saturating_sub(before));
            self.errors = card.errors.or(self.errors);
            all.extend([card_errors(new), worn(card), ending(card)]);
        }
        all
    }
}

/// Whether it is so, or was for a moment since the last look. What was so before the first look is shown, and no warning.
fn rises(before: &mut Option<bool>, flag: Option<BoardFlag>) -> bool {
    let ever = flag.and_then(|flag| flag.since_start);
    let was = std::mem::replace(before, ever);
    flag.is_some_and(|flag| flag.now) || (was == Some(false) && ever == Some(true))
}

fn loses(lost: u64) -> Finding {
    Finding {
        code: BoardTrouble::CardLoses,
        sign: Sign::of(lost > 0, true),
        message: format!("When the plug was pulled, the card lost writes that it had confirmed: {lost}."),
        next: "Make a backup now, and restore it onto a new card. A plug test that the new one passes ends this.",
        calm: NEVER,
    }
}

fn file_system(seen: &Seen) -> Finding {
    let errors = seen.file_system_errors.unwrap_or(0);
    Finding {
        code: BoardTrouble::FileSystem,
        sign: Sign::of(errors > 0, true),
        message: format!("The file system of the card has noted errors: {errors}."),
        next: "Make a backup now, then restore it onto a new card.",
        calm: NEVER,
    }
}

fn low_voltage(is_bad: bool) -> Finding {
    Finding {
        code: BoardTrouble::UnderVoltage,
        sign: Sign::of(is_bad, true),
        message: "The board gets less than 4.63 V: it slows down, and the card may be damaged.".into(),
        next: "Use the board's own power supply with a short cable, and unplug USB devices that it does not need.",
        calm: limits::BOARD_CALM,
    }
}

fn slowed(is_bad: bool) -> Finding {
    Finding {
        code: BoardTrouble::Throttled,
        sign: Sign::of(is_bad, true),
        message: "The board runs slower than it could, because of heat or too little power.".into(),
        next: "Look at the temperature and the voltage: give it air, or a better power supply.",
        calm: limits::BOARD_CALM,
    }
}

fn hot(seen: &Seen) -> Finding {
    let celsius = seen.celsius.filter(|_| seen.is_processor);
    Finding {
        code: BoardTrouble::Hot,
        sign: Sign::of(
            celsius.is_some_and(|celsius| celsius >= limits::BOARD_HOT),
            celsius.is_none_or(|celsius| celsius < limits::BOARD_COOL),
        ),
        message: format!(
            "The board's processor is at {} °C; from 80 °C on a Raspberry Pi slows down.",
            celsius.unwrap_or_default()
        ),
        next: "Give it air or a cooler, and keep it out of the sun.",
        calm: NEVER,
    }
}

fn card_errors(new: u64) -> Finding {
    Finding {
        code: BoardTrouble::CardErrors,
        sign: Sign::of(new > 0, true),
        message: format!("There were new errors between the board and the card: {new}."),
        next: "Make a backup now. Switch the board off, take the card out and put it in again; if it goes on, replace the card.",
        calm: limits::CARD_CALM,
    }
}

fn worn(card: &CardHealth) -> Finding {
    let used = card.life_used_percent.unwrap_or(0);
    let spare = card.spare_blocks.as_deref().unwrap_or("normal");
    Finding {
        code: BoardTrouble::CardWorn,
        sign: Sign::of(used >= limits::CARD_WORN || spare != "normal", true),
        message: match card.life_used_percent {
            Some(used) => {
                format!("The card says that up to {used} % of its life are used up; spare blocks: {spare}.")
            }
            None => format!("The card says of its spare blocks: {spare}."),
        },
        next: "Make a backup now, and restore it onto a new card soon.",
        calm: NEVER,
    }
}

fn ending(card: &CardHealth) -> Finding {
    let is_known = card.measured_ms.is_some_and(|ms| ms >= limits::CARD_KNOWN_MS);
    let days = card.days_left.filter(|_| is_known);
    Finding {
        code: BoardTrouble::CardEnding,
        sign: Sign::of(
            days.is_some_and(|days| days < limits::CARD_SHORT_DAYS),
            days.is_none_or(|days| days >= limits::CARD_LONG_DAYS),
        ),
        message: format!(
            "As much is written that the card lasts for about {} more days, by an estimate.",
            days.unwrap_or_default()
        ),
        next: "Look which program writes so much, or get a larger or more durable card ready.",
        calm: NEVER,
    }
}

fn slow(sign: Sign) -> Finding {
    let ms = limits::CARD_SLOW.as_millis();
    Finding {
        code: BoardTrouble::CardSlow,
        sign,
        message: format!("One of twenty commits took more than {ms} ms to reach the card in the last hour."),
        next: "Look whether something else writes to the card; if not, it is too slow or near its end: try another one.",
        calm: NEVER,
    }
}

/// The syncs of an hour, and what they were found to be.
struct Syncs {
    begun: Option<(Instant, Vec<u64>)>,
    sign: Sign,
}

impl Default for Syncs {
    fn default() -> Self {
        Syncs {
            begun: None,
            sign: Sign::Good,
        }
    }
}

impl Syncs {
    fn look(&mut self, syncs: &HistogramPicture, at: Instant) -> Sign {
        match &self.begun {
            None => self.begun = Some((at, syncs.counts.clone())),
            Some((begun, before)) if at.saturating_duration_since(*begun) >= WINDOW => {
                self.sign = judged(syncs, before);
                self.begun = Some((at, syncs.counts.clone()));
            }
            Some(_) => {}
        }
        self.sign
    }
}

fn judged(syncs: &HistogramPicture, before: &[u64]) -> Sign {
    let counts: Vec<u64> = syncs
        .counts
        .iter()
        .zip(before)
        .map(|(now, before)| now.saturating_sub(*before))
        .collect();
    let all: u64 = counts.iter().sum();
    // The last count is over all bounds.
    let over = |bound: Duration| {
        let longer = syncs
            .bounds
            .iter()
            .map(|end| u128::from(*end) > bound.as_micros())
            .chain([true]);
        counts
            .iter()
            .zip(longer)
            .filter_map(|(count, is_longer)| is_longer.then_some(*count))
            .sum::<u64>()
    };
    if all < limits::CARD_SYNCS {
        return Sign::Between;
    }
    let is_often = |count: u64| count.saturating_mul(20) > all;
    Sign::of(
        is_often(over(limits::CARD_SLOW)),
        !is_often(over(limits::CARD_QUICK)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;
    use crate::meters::{Histogram, SECONDS};

    struct Scene {
        watch: Watch,
        seen: Seen,
        card: CardHealth,
        syncs: Histogram<14>,
        at: Instant,
    }

    impl Scene {
        fn new() -> Scene {
            Scene {
                watch: Watch::default(),
                seen: Seen::default(),
                card: CardHealth::default(),
                syncs: Histogram::new(&SECONDS),
                at: monotonic(),
            }
        }

        /// What changes with a look after some minutes: the codes that begin, and with a minus those that are over.
        fn after(&mut self, minutes: u64) -> Vec<String> {
            self.at += Duration::from_secs(minutes * 60);
            let figures = Figures {
                seen: &self.seen,
                card: Some(&self.card),
                syncs: self.syncs.picture(),
                lost: 0,
            };
            let news = self.watch.look(&figures, self.at, 7);
            news.iter()
                .map(|one| match one {
                    News::Begun(warning) => warning.code.text().to_owned(),
                    News::Over(warning) => format!("-{}", warning.code.text()),
                })
                .collect()
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn heat_comes_once_and_goes_once() {
        let mut scene = Scene::new();
        scene.seen.is_processor = true;
        let steps: [(i32, &[&str]); 7] = [
            (limits::BOARD_HOT - 1, &[]),
            (limits::BOARD_HOT, &["hot"]),
            (limits::BOARD_HOT - 1, &[]),
            (limits::BOARD_HOT, &[]),
            (limits::BOARD_COOL, &[]),
            (limits::BOARD_COOL - 1, &["-hot"]),
            (limits::BOARD_COOL, &[]),
        ];
        for (celsius, expected) in steps {
            scene.seen.celsius = Some(celsius);
            assert_eq!(scene.after(1), expected, "{celsius}");
        }
        scene.seen.is_processor = false;
        scene.seen.celsius = Some(99);
        assert_eq!(scene.after(1), NOTHING, "the limits of other parts are not known");
    }

    #[test]
    fn a_moment_of_low_voltage_between_two_looks_is_seen_and_held_for_an_hour() {
        let mut scene = Scene::new();
        let flag = |now, ever| {
            Some(BoardFlag {
                now,
                since_start: Some(ever),
            })
        };
        scene.seen.throttled = flag(false, true);
        scene.seen.under_voltage = flag(false, false);
        assert_eq!(
            scene.after(1),
            NOTHING,
            "what was before the first look is no news"
        );
        scene.seen.under_voltage = flag(false, true);
        assert_eq!(scene.after(1), ["under_voltage"]);
        let calm = limits::BOARD_CALM.as_secs() / 60;
        assert_eq!(scene.after(calm - 1), NOTHING);
        scene.seen.under_voltage = flag(true, true);
        assert_eq!(scene.after(0), NOTHING, "it is said already");
        scene.seen.under_voltage = flag(false, true);
        assert_eq!(scene.after(calm - 1), NOTHING, "the hour begins anew");
        assert_eq!(scene.after(1), ["-under_voltage"]);
    }

    #[test]
    fn a_card_is_judged_by_what_is_new_and_by_what_it_says() {
        let mut scene = Scene::new();
        scene.card.errors = Some(3);
        assert_eq!(scene.after(1), NOTHING, "a few at the start are usual");
        scene.card.errors = None;
        assert_eq!(scene.after(1), NOTHING);
        scene.card.errors = Some(5);
        assert_eq!(scene.after(1), ["card_errors"]);
        assert!(scene.watch.warnings()[0].message.contains(": 2."));
        assert_eq!(scene.after(limits::CARD_CALM.as_secs() / 60 - 1), NOTHING);
        assert_eq!(scene.after(1), ["-card_errors"]);
        scene.card.life_used_percent = Some(limits::CARD_WORN);
        scene.seen.file_system_errors = Some(1);
        assert_eq!(scene.after(1), ["file_system", "card_worn"]);
        scene.card.life_used_percent = Some(limits::CARD_WORN - 10);
        scene.card.spare_blocks = Some("urgent".into());
        scene.seen.file_system_errors = Some(0);
        assert_eq!(scene.after(1), ["-file_system"]);
    }

    #[test]
    fn an_estimate_warns_after_a_day_of_measuring() {
        let mut scene = Scene::new();
        scene.card.days_left = Some(limits::CARD_SHORT_DAYS - 1);
        scene.card.measured_ms = Some(limits::CARD_KNOWN_MS - 1);
        assert_eq!(scene.after(1), NOTHING);
        scene.card.measured_ms = Some(limits::CARD_KNOWN_MS);
        assert_eq!(scene.after(1), ["card_ending"]);
        scene.card.days_left = Some(limits::CARD_LONG_DAYS - 1);
        assert_eq!(scene.after(1), NOTHING);
        scene.card.days_left = Some(limits::CARD_LONG_DAYS);
        assert_eq!(scene.after(1), ["-card_ending"]);
    }

    #[test]
    fn syncs_are_judged_by_the_hour() {
        let mut scene = Scene::new();
        assert_eq!(scene.after(0), NOTHING);
        let slow = limits::CARD_SLOW * 2;
        let few = limits::CARD_SYNCS - 1;
        (0..few).for_each(|_| scene.syncs.observe_time(slow));
        assert_eq!(scene.after(60), NOTHING, "too few to say");
        (0..=few).for_each(|_| scene.syncs.observe_time(slow));
        assert_eq!(scene.after(59), NOTHING, "the hour is not over");
        assert_eq!(scene.after(1), ["card_slow"]);
        (0..=few).for_each(|_| scene.syncs.observe_time(limits::CARD_SLOW));
        assert_eq!(scene.after(60), NOTHING, "better, and not good");
        assert_eq!(scene.after(60), NOTHING, "nobody wrote");
        (0..=few).for_each(|_| scene.syncs.observe_time(limits::CARD_QUICK));
        assert_eq!(scene.after(60), ["-card_slow"]);
    }
}
