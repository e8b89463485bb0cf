//! Planted bugs: each breaks one promise where the promise is kept, and a test must turn red with it. They are there only in
//! a build for tests, and only with `PLANTED_BUG` set to one of the names; `cargo xtask planted-bugs` sets each in turn.
//! And a step of the schema as the next release would have it, so that tests can have this one read it.
//! What must not live here: what a bug breaks, and the tests.

/// What may be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A commit does not wait for the disk.
    SynchronousNormal,
    /// An answer leaves before its commit.
    AckBeforeCommit,
    /// What the log's file lacks is not folded into it at the start.
    NoCheckpointAtStart,
    /// A `client_id` is forgotten once its row is folded.
    ForgetfulDeduplication,
    /// Everybody may see everything.
    NoAudienceCheck,
}

impl Bug {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::SynchronousNormal, "synchronous-normal"),
        (Self::AckBeforeCommit, "ack-before-commit"),
        (Self::NoCheckpointAtStart, "no-checkpoint-at-start"),
        (Self::ForgetfulDeduplication, "forgetful-deduplication"),
        (Self::NoAudienceCheck, "no-audience-check"),
    ];

    /// Whether this one is in force in this process.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn is_planted(self) -> bool {
        static PLANTED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
        let planted = PLANTED.get_or_init(|| {
            let name = std::env::var("PLANTED_BUG").ok()?;
            let known = Self::ALL.iter().find(|(_, known)| *known == name);
            // A misspelt bug would leave its test green for the wrong reason.
            Some(known.expect("PLANTED_BUG names one of the planted bugs").0)
        });
        *planted == Some(self)
    }

    /// Never: this build has no planted bugs.
    #[cfg(not(feature = "fault-injection"))]
    #[inline(always)]
    #[must_use]
    pub const fn is_planted(self) -> bool {
        false
    }
}

/// Whether a store that is opened now takes the step after the last one; so a test can be the next release, and this one again.
#[cfg(feature = "fault-injection")]
pub static NEXT_RELEASE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// It adds, as every step must: a column, a table that is filled from the log, an index of the log.
#[cfg(feature = "fault-injection")]
const NEXT_STEP: &str = r"
ALTER TABLE conversation ADD COLUMN planted INTEGER NOT NULL DEFAULT 7;
CREATE TABLE planted (pos INTEGER PRIMARY KEY, words TEXT NOT NULL) STRICT;
INSERT INTO planted SELECT pos, hex(client) || hex(salt) FROM log;
CREATE INDEX planted_kind ON log (kind, pos);
";

/// The step after the last one.
#[cfg(feature = "fault-injection")]
#[must_use]
pub fn next_step() -> Option<&'static str> {
    NEXT_RELEASE
        .load(std::sync::atomic::Ordering::SeqCst)
        .then_some(NEXT_STEP)
}

/// None: this build is this release.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
#[must_use]
pub const fn next_step() -> Option<&'static str> {
    None
}
