//! Bytes written to the disk in a day: the kernel's own count, which begins anew at each of its starts, remembered over those and
//! over the server's. What must not live here: how the count is read.
//!
//! Invariant: the file is written once for each day that is over, and at no other time.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::backup::{read_json, write_whole};
use crate::limits;

/// In the data directory.
const FILE: &str = "board.json";
const FILE_BYTES: u64 = 64 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Over a shorter time nothing is said of a day.
const KNOWN_MS: u64 = 10 * 60 * 1_000;

/// The kernel's count, and how long it has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub bytes: u64,
    pub up_ms: u64,
}

/// A time, and what was written in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    ms: u64,
    bytes: u64,
}

/// What outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// Name and size: another card begins anew.
    disk: String,
    /// The count when the last day was over.
    at: Count,
    /// Of all days that are over.
    total: u64,
    /// The newest, oldest first.
    days: Vec<Span>,
}

/// What is known of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub per_day: u64,
    pub measured_ms: u64,
}

pub struct Writes {
    path: PathBuf,
    kept: Kept,
    /// Where the day that is not over began; nothing before the first look.
    from: Option<Count>,
}

impl Writes {
    pub fn open(data_dir: &std::path::Path) -> Writes {
        let path = data_dir.join(FILE);
        Writes {
            // Without the file nothing is known yet.
            kept: read_json(&path, FILE_BYTES).unwrap_or_default(),
            path,
            from: None,
        }
    }

    /// Takes a count in. Gives all that was written since this is counted, and the pace once it is known.
    pub fn look(&mut self, disk: &str, now: Count) -> (u64, Option<Pace>) {
        if self.kept.disk != disk {
            self.kept = Kept {
                disk: disk.to_owned(),
                ..Kept::default()
            };
            self.from = None;
        }
        let goes_on = |before: Count| before.bytes <= now.bytes && before.up_ms <= now.up_ms;
        // A count below the one before is of another start of the kernel, which counted from nothing.
        let from = *self.from.get_or_insert(if goes_on(self.kept.at) {
            self.kept.at
        } else {
            Count::default()
        });
        let open = Span {
            ms: now.up_ms.saturating_sub(from.up_ms),
            bytes: now.bytes.saturating_sub(from.bytes),
        };
        let days = self.kept.days.iter().chain([&open]);
        let all = days.fold(Span::default(), |sum, day| Span {
            ms: sum.ms.saturating_add(day.ms),
            bytes: sum.bytes.saturating_add(day.bytes),
        });
        let total = self.kept.total.saturating_add(open.bytes);
        if open.ms >= DAY_MS {
            self.close(open, total, now);
        }
        let per_day = u128::from(all.bytes) * u128::from(DAY_MS) / u128::from(all.ms.max(1));
        let pace = (all.ms >= KNOWN_MS).then(|| Pace {
            per_day: u64::try_from(per_day).unwrap_or(u64::MAX),
            measured_ms: all.ms,
        });
        (total, pace)
    }

    /// A day is over.
    fn close(&mut self, day: Span, total: u64, now: Count) {
        self.kept.total = total;
        self.kept.at = now;
        self.kept.days.push(day);
        let more = self.kept.days.len().saturating_sub(limits::CARD_DAYS);
        self.kept.days.drain(..more);
        self.from = Some(now);
        if let Err(error) = self.save() {
            log::warn!(
                "the board: what was written in a day cannot be noted in {}: {error}; the next day tries again",
                self.path.display()
            );
        }
    }

    fn save(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.kept).expect("it is made of what JSON can say");
        write_whole(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1_000;

    fn at(bytes: u64, hours: u64) -> Count {
        Count {
            bytes,
            up_ms: hours * HOUR,
        }
    }

    #[test]
    fn a_day_is_known_over_starts_and_written_once_when_it_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let mut writes = Writes::open(folder.path());
        assert_eq!(
            writes.look(
                "a",
                Count {
                    bytes: 900,
                    up_ms: 1_000
                }
            ),
            (900, None),
            "too early"
        );
        let (total, pace) = writes.look("a", at(1_000, 12));
        assert_eq!((total, pace.map(|pace| pace.per_day)), (1_000, Some(2_000)));
        assert!(!file.exists(), "the day is not over");
        // The server is started again in the same day: the kernel still has its count.
        let mut writes = Writes::open(folder.path());
        assert_eq!(writes.look("a", at(1_200, 18)).0, 1_200);
        writes.look("a", at(2_400, 24));
        let noted = std::fs::read(&file).expect("the day is over");
        writes.look("a", at(2_500, 36));
        assert_eq!(std::fs::read(&file).expect("it is there"), noted, "once a day");
        // Of the days that are over nothing is counted twice.
        let mut writes = Writes::open(folder.path());
        let (total, pace) = writes.look("a", at(2_500, 36));
        assert_eq!(
            (total, pace.map(|pace| pace.measured_ms)),
            (2_500, Some(36 * HOUR))
        );
        // The kernel is started again.
        let mut writes = Writes::open(folder.path());
        let (total, pace) = writes.look("a", at(300, 6));
        assert_eq!(
            (total, pace.map(|pace| pace.measured_ms)),
            (2_700, Some(30 * HOUR))
        );
        // Another card.
        assert_eq!(writes.look("b", at(300, 6)).0, 300);
    }

    #[test]
    fn the_newest_days_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writes = Writes::open(folder.path());
        let days = limits::CARD_DAYS as u64 + 5;
        for day in 0..=days {
            writes.look("a", at(day * 10, day * 24));
        }
        assert_eq!(writes.kept.days.len(), limits::CARD_DAYS);
        assert_eq!(Writes::open(folder.path()).kept, writes.kept);
        assert_eq!(writes.kept.total, days * 10);
    }
}
