//! What is known of the versions, in a small file that is replaced as a whole; and the oldest version that may run, in another.
//! What must not live here: what is done with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use kinglet_board::answer::Wrong;
use kinglet_board::machine::Machine;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::versions::Version;

const FOLDER: &str = "/var/lib/kinglet-switch";
const LOCK: &str = "/var/lib/kinglet-switch/lock";
const FILE: &str = "/var/lib/kinglet-switch/state.json";
/// Rises with each version that is kept; the board reads it, too.
pub const FLOOR: &str = "/var/lib/kinglet-switch/floor";
/// What the package that is installed says of it.
const PACKAGED_FLOOR: &str = "/usr/share/kinglet/floor";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// What ran before the one that was kept last.
    pub previous: Option<Version>,
    pub trial: Option<Trial>,
    /// The last one that was not well.
    pub failed: Option<Failed>,
}

/// A version that runs, but was not found well yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub version: Version,
    /// What comes back if it is not.
    pub previous: Version,
    /// How often it was begun to watch it: a machine that goes down each time counts, too.
    pub tries: u32,
    /// Why it was not well: from then on the version before is on its way back.
    pub unwell: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub version: Version,
    pub why: String,
}

impl Trial {
    pub fn new(version: Version, previous: Version) -> Trial {
        Trial {
            version,
            previous,
            tries: 0,
            unwell: None,
        }
    }
}

impl State {
    /// What cannot be read is as good as nothing: then what runs goes on running.
    pub fn read(machine: &Machine) -> State {
        let Some(text) = machine.text(FILE) else {
            return State::default();
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            super::note(&format!(
                "{FILE} is not what it should be, and is not heeded: {error}"
            ));
            State::default()
        })
    }

    pub fn write(&self, machine: &Machine) -> Result<(), Wrong> {
        let text = serde_json::to_string_pretty(self).expect("a state is made of what JSON can say");
        machine.write(FILE, &format!("{text}\n"))
    }

    pub fn has_failed(&self, version: &Version) -> bool {
        self.failed
            .as_ref()
            .is_some_and(|failed| failed.version == *version)
    }

    /// For people.
    pub fn told(&self, runs: Option<&Version>) -> String {
        let mut lines = vec![match runs {
            Some(runs) => format!("Kinglet {runs} runs."),
            None => "No version is in place.".to_owned(),
        }];
        if let Some(trial) = &self.trial {
            lines.push(format!(
                "{} is on trial; {} comes back if it is not well.",
                trial.version, trial.previous
            ));
        }
        if let Some(failed) = &self.failed {
            lines.push(format!(
                "{} was tried and was not well, so the version before came back. Why: {}",
                failed.version, failed.why
            ));
            lines.push(
                "What it said itself: journalctl -u kinglet -u kinglet-health -u kinglet-trial".to_owned(),
            );
        }
        if let (Some(previous), None) = (&self.previous, &self.trial) {
            lines.push(format!("{previous} is kept beside it."));
        }
        lines.join("\n")
    }

    /// For programs.
    pub fn json(&self, runs: Option<&Version>, floor: Option<String>) -> String {
        json!({
            "runs": runs,
            "previous": self.previous,
            "trial": self.trial,
            "failed": self.failed,
            "floor": floor,
        })
        .to_string()
    }
}

/// Reads and writes while nobody else does.
pub fn alone<T>(machine: &Machine, work: impl FnOnce() -> Result<T, Wrong>) -> Result<T, Wrong> {
    let mut folder = DirBuilder::new();
    let made = folder.recursive(true).mode(0o755).create(machine.path(FOLDER));
    made.map_err(|error| Wrong::io("make", FOLDER, &error))?;
    let lock = machine.open_lock(LOCK)?;
    lock.lock().map_err(|error| Wrong::io("lock", LOCK, &error))?;
    work()
}

/// The oldest version that may run here, if one was ever named.
pub fn floor(machine: &Machine) -> Option<String> {
    machine
        .text(FLOOR)
        .filter(|text| Version::try_from(text.as_str()).is_ok())
}

/// A version was kept: what its package says of older ones holds from now on.
pub fn raise_floor(
    machine: &Machine,
    is_newer: impl Fn(&str, &str) -> Result<bool, Wrong>,
) -> Result<(), Wrong> {
    let Some(said) = machine.text(PACKAGED_FLOOR) else {
        return Ok(());
    };
    Version::try_from(said.as_str())?;
    match floor(machine) {
        Some(known) if !is_newer(&said, &known)? => Ok(()),
        _ => machine.write(FLOOR, &format!("{said}\n")),
    }
}
