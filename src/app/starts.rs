//! Starts that failed, counted in a small file that outlives the process: after five in a row the server shows why instead of
//! trying at once again. What must not live here: the page (`gateway::http::safe_mode`), and what a start does.
//!
//! A start is noted before it is tried and the note goes once the server is ready, so that one that was killed counts as well. In
//! memory it stays for a minute longer: a server that is up for a moment and dies, again and again, has failed, too; one whose
//! power was cut has not.
//! Whoever enters safe mode notes first that the next start is a trial: however safe mode ends, the next start tries.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cli::{Cli, EXIT_CONFIG, EXIT_DAMAGED, EXIT_UNAVAILABLE};
use super::config::Config;
use crate::gateway::http::safe_mode::Cause;

const FILE: &str = "starts.json";
/// By this variable systemd names a directory that lives in memory.
const MEMORY: &str = "RUNTIME_DIRECTORY";
/// Starts in a row that may fail before the page.
const MAY_FAIL: u32 = 5;
/// What is kept of the last start's own words, and the most that is read back.
const TEXT_CHARS: usize = 1_000;
const FILE_BYTES: u64 = 16 * 1024;
/// How often the time until the next try doubles.
const DOUBLINGS: u32 = 4;

/// What is known of the starts so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// In a row, the one under way included.
    pub failed: u32,
    /// The next start is tried, however many have failed.
    trial: bool,
    /// How the last one ended; nothing if it said nothing.
    code: Option<u8>,
    pub text: String,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Start,
    SafeMode(Record),
}

/// How long a server must have been up to have started well.
pub const SETTLED: Duration = Duration::from_secs(60);

/// The start under way, where starts are counted.
struct Underway {
    places: Vec<PathBuf>,
    is_ready: AtomicBool,
    is_over: AtomicBool,
}

impl Underway {
    /// Where a restart of the machine forgets.
    fn in_memory(&self) -> impl Iterator<Item = &PathBuf> {
        let memory = first_of(MEMORY);
        self.places
            .iter()
            .filter(move |place| memory.as_ref() == Some(*place))
    }
}

static UNDERWAY: OnceLock<Underway> = OnceLock::new();

/// Where starts are counted: what systemd names, else the data directory. The second one is memory and takes a note also while
/// the disk does not.
#[must_use]
pub fn places(cli: &Cli) -> Vec<PathBuf> {
    let named = ["STATE_DIRECTORY", MEMORY].into_iter().filter_map(first_of);
    let mut places: Vec<PathBuf> = named.collect();
    if places.is_empty() {
        let config = Config::load(cli.config.as_deref(), std::env::vars_os());
        places.push(config.unwrap_or_default().data_dir);
    }
    places
}

/// systemd separates several by colons.
pub fn first_of(variable: &str) -> Option<PathBuf> {
    let value = std::env::var(variable).ok()?;
    let first = value.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

/// Notes that a start, or safe mode, begins.
pub fn begin(places: Vec<PathBuf>) -> Next {
    let known = read(&places);
    if known.failed >= MAY_FAIL && !known.trial {
        let next = Record {
            trial: true,
            ..known.clone()
        };
        write(&places, &next);
        return Next::SafeMode(known);
    }
    let begun = Record {
        failed: known.failed.saturating_add(1),
        ..Record::default()
    };
    write(&places, &begun);
    UNDERWAY.get_or_init(|| Underway {
        places,
        is_ready: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    Next::Start
}

/// The server is up.
pub fn ready() {
    let Some(underway) = UNDERWAY.get() else { return };
    underway.is_ready.store(true, Ordering::Release);
    let memory: Vec<_> = underway.in_memory().collect();
    if memory.is_empty() {
        underway.is_over.store(true, Ordering::Release);
    }
    forget(underway.places.iter().filter(|place| !memory.contains(place)));
}

/// It was up for long enough, or was told to end: what failed before does not matter any more.
pub fn settled() {
    let Some(underway) = UNDERWAY.get() else { return };
    if !underway.is_over.swap(true, Ordering::AcqRel) {
        forget(underway.places.iter());
    }
}

fn forget<'a>(places: impl Iterator<Item = &'a PathBuf>) {
    for place in places {
        match fs::remove_file(place.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("cannot remove {}: {error}", place.join(FILE).display());
            }
            _ => {}
        }
    }
}

/// Why the start under way failed; nothing is noted of a server that had started well.
pub fn failed(code: u8, text: &str) {
    let Some(underway) = UNDERWAY.get() else { return };
    if underway.is_over.swap(true, Ordering::AcqRel) {
        return;
    }
    let places: Vec<PathBuf> = if underway.is_ready.load(Ordering::Acquire) {
        underway.in_memory().cloned().collect()
    } else {
        underway.places.clone()
    };
    let record = Record {
        code: Some(code),
        text: text.chars().take(TEXT_CHARS).collect(),
        ..read(&places)
    };
    write(&places, &record);
}

/// What is noted; where the places do not agree, the one that counted further.
#[must_use]
pub fn read(places: &[PathBuf]) -> Record {
    let known = places.iter().filter_map(|place| read_one(place));
    known.max_by_key(|record| record.failed).unwrap_or_default()
}

/// A note that cannot be read must not keep a server from starting.
fn read_one(place: &Path) -> Option<Record> {
    let mut text = String::new();
    let file = File::open(place.join(FILE)).ok()?;
    file.take(FILE_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(places: &[PathBuf], record: &Record) {
    let noted = places.iter().map(|place| (place, write_one(place, record)));
    let failed: Vec<String> = noted
        .filter_map(|(place, noted)| Some(format!("{}: {}", place.display(), noted.err()?)))
        .collect();
    if failed.len() == places.len() {
        // The log is not set up yet.
        let what = failed.join("; ");
        let _ = writeln!(
            io::stderr(),
            "kinglet: cannot count failed starts ({what}); without that there is no safe mode"
        );
    }
}

fn write_one(place: &Path, record: &Record) -> io::Result<()> {
    if !place.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
    }
    let text = serde_json::to_vec(record).expect("a record is made of what JSON can say");
    let beside = place.join(format!("{FILE}.new"));
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&text)?;
    file.sync_data()?;
    fs::rename(&beside, place.join(FILE))
}

impl Record {
    /// How long safe mode lasts: `first`, and twice as long after each trial that failed, up to a bound.
    #[must_use]
    pub fn wait(&self, first: Duration) -> Duration {
        let trials = self.failed.saturating_sub(MAY_FAIL).min(DOUBLINGS);
        first * 2_u32.pow(trials)
    }

    /// What the last start's end means, in terms of the page. The words are the system's own, which do not change with a
    /// language setting; what none of them says is told by the exit code.
    #[must_use]
    pub fn cause(&self) -> Cause {
        const SAID: [(&str, Cause); 9] = [
            ("cannot listen on", Cause::Settings),
            ("No space left on device", Cause::DiskFull),
            ("database or disk is full", Cause::DiskFull),
            ("Read-only file system", Cause::DiskReadOnly),
            ("attempt to write a readonly database", Cause::DiskReadOnly),
            ("Input/output error", Cause::DiskFails),
            ("disk I/O error", Cause::DiskFails),
            ("Permission denied", Cause::Forbidden),
            ("belongs to user", Cause::Forbidden),
        ];
        let Some(code) = self.code else {
            return Cause::Silent;
        };
        let said = SAID.iter().find(|(words, _)| self.text.contains(words));
        match (said, code) {
            (Some((_, cause)), _) => *cause,
            (None, EXIT_CONFIG) => Cause::Settings,
            (None, EXIT_DAMAGED) => Cause::Damaged,
            (None, EXIT_UNAVAILABLE) => Cause::InUse,
            (None, _) => Cause::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(failed: u32, code: Option<u8>, text: &str) -> Record {
        Record {
            failed,
            trial: false,
            code,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_place_that_counted_further_is_believed_and_nonsense_is_not() {
        let (disk, memory) = (
            tempfile::tempdir().expect("a directory"),
            tempfile::tempdir().expect("another"),
        );
        let places = [disk.path().to_owned(), memory.path().to_owned()];
        assert_eq!(read(&places), Record::default());
        write(&places, &record(2, Some(1), "x"));
        write(&places[1..], &record(4, Some(1), "y"));
        assert_eq!(read(&places), record(4, Some(1), "y"));
        for nonsense in ["", "{", "[]", "{\"failed\":-1}", "{\"failed\":99999999999}"] {
            fs::write(memory.path().join(FILE), nonsense).expect("the directory is ours");
            assert_eq!(read(&places).failed, 2, "{nonsense}");
        }
        let long = vec![b' '; FILE_BYTES as usize + 10];
        fs::write(disk.path().join(FILE), long).expect("the directory is ours");
        assert_eq!(read(&places), Record::default());
    }

    #[test]
    fn a_missing_directory_is_made_for_its_owner_alone() {
        use std::os::unix::fs::MetadataExt;
        let above = tempfile::tempdir().expect("a directory");
        let place = above.path().join("data");
        write(std::slice::from_ref(&place), &record(1, None, ""));
        assert_eq!(fs::metadata(&place).expect("it was made").mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(place.join(FILE)).expect("it was made").mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn the_time_until_the_next_try_doubles_up_to_a_bound() {
        let minute = Duration::from_secs(60);
        let minutes = |failed: u32| record(failed, None, "").wait(minute).as_secs() / 60;
        assert_eq!(
            [5, 6, 7, 8, 9, 10, 4_000_000_000].map(minutes),
            [1, 2, 4, 8, 16, 16, 16]
        );
    }

    #[test]
    fn each_end_has_its_cause() {
        for (code, text, cause) in [
            (None, "", Cause::Silent),
            (Some(3), "limits.connections: wrong", Cause::Settings),
            (
                Some(3),
                "cannot listen on x: Permission denied (os error 13)",
                Cause::Settings,
            ),
            (
                Some(3),
                "cannot make the data directory /x: Permission denied (os error 13)",
                Cause::Forbidden,
            ),
            (Some(4), "file is not a database", Cause::Damaged),
            (Some(5), "another server", Cause::InUse),
            (
                Some(1),
                "cannot write: No space left on device (os error 28)",
                Cause::DiskFull,
            ),
            (
                Some(1),
                "open: Read-only file system (os error 30)",
                Cause::DiskReadOnly,
            ),
            (Some(1), "disk I/O error", Cause::DiskFails),
            (Some(1), "cannot start a thread", Cause::Other),
        ] {
            assert_eq!(record(5, code, text).cause(), cause, "{text}");
        }
    }
}
