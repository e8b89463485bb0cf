//! One line of the log: formatted where it was said, capped, and without control characters, so that nothing a client
//! sent can forge a line or move a terminal's cursor.
//! What must not live here: where it goes.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::kv::{Key, Value, VisitSource};
use log::{Level, Record};

/// A longer line is cut and ends in `…`.
pub const BYTES_MAX: usize = 2048;

const CUT: &str = "…";

pub struct Line {
    since_epoch: Duration,
    level: Level,
    target: String,
    /// The message, then each field as ` key=value`.
    text: String,
}

impl Line {
    pub fn new(record: &Record<'_>) -> Self {
        let mut text = Capped::new();
        // A cut line reports an error to its formatter, which saves it the rest; what fits is there.
        let _ = text.write_fmt(*record.args());
        let _ = record.key_values().visit(&mut Fields(&mut text));
        Self::with(record.level(), record.target(), text.finish())
    }

    /// A line of the writer itself.
    pub fn own(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Capped::new();
        let _ = text.write_fmt(arguments);
        Self::with(Level::Warn, "kinglet::app::logging", text.finish())
    }

    fn with(level: Level, target: &str, text: String) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            since_epoch,
            level,
            target: target.to_owned(),
            text,
        }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The whole line, for a reader without a journal.
impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Time(self.since_epoch);
        writeln!(
            formatter,
            "{time} {:5} {}: {}",
            self.level, self.target, self.text
        )
    }
}

struct Fields<'a>(&'a mut Capped);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        write!(self.0, " {key}={value}").map_err(log::kv::Error::from)
    }
}

/// Text that stops growing at [`BYTES_MAX`].
struct Capped {
    text: String,
    cut: bool,
}

impl Capped {
    fn new() -> Self {
        Self {
            text: String::new(),
            cut: false,
        }
    }

    fn push(&mut self, piece: &str) -> fmt::Result {
        if self.cut || self.text.len() + piece.len() > BYTES_MAX - CUT.len() {
            self.cut = true;
            return Err(fmt::Error);
        }
        self.text.push_str(piece);
        Ok(())
    }

    fn finish(mut self) -> String {
        if self.cut {
            self.text.push_str(CUT);
        }
        self.text.shrink_to_fit();
        self.text
    }
}

impl Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut buffer = [0; 4];
        for character in text.chars() {
            if character.is_control() {
                for escaped in character.escape_default() {
                    self.push(escaped.encode_utf8(&mut buffer))?;
                }
            } else {
                self.push(character.encode_utf8(&mut buffer))?;
            }
        }
        Ok(())
    }
}

/// UTC to the millisecond, as RFC 3339 writes it.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years that start in March, in eras of 400 years, so that the leap day is a year's last: Howard Hinnant,
        // "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millisecond = self.0.subsec_millis();
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(arguments: fmt::Arguments<'_>) -> Line {
        Line::new(
            &Record::builder()
                .level(Level::Info)
                .target("kinglet")
                .args(arguments)
                .build(),
        )
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let text = line(format_args!("{}", "雀".repeat(10_000))).text;
        assert!(
            text.len() <= BYTES_MAX && text.len() > BYTES_MAX - 8,
            "{} bytes",
            text.len()
        );
        assert!(text.ends_with("雀…"));
        assert_eq!(
            line(format_args!("{}", "x".repeat(BYTES_MAX - CUT.len())))
                .text
                .len(),
            BYTES_MAX - CUT.len()
        );
    }

    #[test]
    fn a_line_stays_one_line() {
        let text = line(format_args!("one\ntwo\x1b[2J\u{85}")).text;
        assert_eq!(text, "one\\ntwo\\u{1b}[2J\\u{85}");
    }

    #[test]
    fn fields_follow_the_message() {
        let fields = [("batch", 7), ("bytes", 900)];
        let record = Record::builder()
            .target("kinglet")
            .args(format_args!("committed"))
            .key_values(&fields)
            .build();
        assert_eq!(Line::new(&record).text, "committed batch=7 bytes=900");
    }

    #[test]
    fn the_whole_line_reads_time_level_target_message() {
        let mut line = line(format_args!("ready"));
        line.since_epoch = Duration::from_millis(1_709_210_096_789);
        assert_eq!(
            line.to_string(),
            "2024-02-29T12:34:56.789Z INFO  kinglet: ready\n"
        );
    }

    #[test]
    fn time_knows_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Time(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
