//! Watches a version on trial: it is kept once it was found well twice, and else the one before comes back. What must not live
//! here: what well means for a server (`kinglet health`, by kinglet-health.service).
//!
//! Each step is written down before it is taken, and may be taken again: the power can go between any two.

use std::time::{Duration, Instant};

use kinglet_board::answer::{Code, Wrong};
use kinglet_board::machine::Machine;
use kinglet_board::program::{agrees, run};
use rustix::event::{Timespec, poll};

use super::state::{self, Failed, State, Trial};
use super::{DPKG, note, versions};

const SYSTEMCTL: &str = "/usr/bin/systemctl";
const SERVER: &str = "kinglet.service";
const HEALTH: &str = "kinglet-health.service";
/// Where the server counts starts that failed: those of one version are nothing to the other.
const COUNTS: [&str; 2] = ["/var/lib/kinglet/starts.json", "/run/kinglet/starts.json"];

/// A server that has to bring a large log to a new form takes its time; systemd gives it five minutes unless it asks for more.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Starts that may fail, looks that may find it unwell, and looks at a server that nobody starts.
const STARTS: u32 = 3;
const UNWELL: u32 = 5;
const AT_REST: u32 = 10;
/// So often in a row it must be found well, by the same process.
const WELL: u32 = 2;
/// So often its watching may be cut off.
const TRIES: u32 = 3;

enum Verdict {
    Well,
    /// Nobody starts it, so nothing can be said.
    AtRest,
    Unwell(String),
}

pub fn judge(machine: &Machine, every: Duration) -> Result<(), Wrong> {
    let Some(trial) = state::alone(machine, || begin(machine))? else {
        return Ok(());
    };
    let verdict = match trial.unwell.clone() {
        Some(why) => Verdict::Unwell(why),
        None if trial.tries > TRIES => Verdict::Unwell(format!(
            "the machine went down {TRIES} times while it was watched"
        )),
        None => watch(machine, every)?,
    };
    state::alone(machine, || {
        let state = State::read(machine);
        // Another one may have come meanwhile, and has a judge of its own.
        if state.trial.as_ref() != Some(&trial) {
            return Ok(());
        }
        match verdict {
            Verdict::Well => keep(machine, state, trial),
            Verdict::AtRest => rest(machine, state, trial),
            Verdict::Unwell(why) => go_back(machine, state, trial, why),
        }
    })
}

/// The trial that goes on, one more try noted.
fn begin(machine: &Machine) -> Result<Option<Trial>, Wrong> {
    let mut state = State::read(machine);
    let Some(trial) = &mut state.trial else {
        return Ok(None);
    };
    if trial.unwell.is_none() {
        if versions::current(machine).as_ref() != Some(&trial.version) {
            // Cut off before it began: the package is not configured either, and that is done again.
            note(&format!("the trial of {} did not begin", trial.version));
            state.trial = None;
            return state.write(machine).map(|()| None);
        }
        trial.tries += 1;
    }
    let trial = trial.clone();
    state.write(machine)?;
    Ok(Some(trial))
}

/// What systemd says of the server.
struct Seen {
    state: String,
    process: String,
    starts: u32,
}

/// Nothing where systemd does not say.
fn look(machine: &Machine) -> Option<Seen> {
    let asked = ["show", "--property=ActiveState,MainPID,NRestarts", SERVER];
    let said = run(machine, SYSTEMCTL, &asked).ok()?;
    let field = |name: &str| {
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    Some(Seen {
        state: field("ActiveState"),
        process: field("MainPID"),
        starts: field("NRestarts").parse().unwrap_or(0),
    })
}

fn watch(machine: &Machine, every: Duration) -> Result<Verdict, Wrong> {
    let deadline = Instant::now() + PATIENCE;
    let (mut well, mut unwell, mut at_rest) = (0, 0, 0);
    let mut process = String::new();
    while Instant::now() < deadline {
        let Some(seen) = look(machine) else {
            pause(every)?;
            continue;
        };
        if seen.starts >= STARTS {
            return Ok(Verdict::Unwell(format!(
                "it ended {} times by itself",
                seen.starts
            )));
        }
        match seen.state.as_str() {
            // One that does not answer in time is not well either.
            "active" if agrees(machine, SYSTEMCTL, &["start", HEALTH]).unwrap_or(false) => {
                well = if seen.process == process { well + 1 } else { 1 };
                process = seen.process;
            }
            "active" => (well, unwell) = (0, unwell + 1),
            "failed" => unwell = UNWELL,
            "inactive" => at_rest += 1,
            _ => well = 0,
        }
        if well >= WELL {
            return Ok(Verdict::Well);
        }
        if unwell >= UNWELL {
            return Ok(Verdict::Unwell("`kinglet health` finds it unwell".to_owned()));
        }
        if at_rest >= AT_REST {
            return Ok(Verdict::AtRest);
        }
        pause(every)?;
    }
    let why = format!("it was not found well within {} minutes", PATIENCE.as_secs() / 60);
    Ok(Verdict::Unwell(why))
}

fn pause(time: Duration) -> Result<(), Wrong> {
    let time = Timespec::try_from(time).map_err(|_| Wrong::of(Code::BadArgument))?;
    match poll(&mut [], Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Wrong::io("wait for", SERVER, &error.into())),
    }
}

fn keep(machine: &Machine, state: State, trial: Trial) -> Result<(), Wrong> {
    let is_newer = |one: &str, other: &str| agrees(machine, DPKG, &["--compare-versions", one, "gt", other]);
    state::raise_floor(machine, is_newer)?;
    let kept = State {
        previous: Some(trial.previous.clone()),
        trial: None,
        ..state
    };
    kept.write(machine)?;
    note(&format!("{} was found well and is kept", trial.version));
    versions::keep_only(machine, &[&trial.version, &trial.previous])
}

/// Nothing was seen, so this was no try.
fn rest(machine: &Machine, state: State, trial: Trial) -> Result<(), Wrong> {
    note(&format!(
        "{} stays on trial: the server is not started",
        trial.version
    ));
    let trial = Some(Trial {
        tries: trial.tries - 1,
        ..trial
    });
    State { trial, ..state }.write(machine)
}

/// Noted first that it is on its way back: the link alone would say that the trial has not begun.
fn go_back(machine: &Machine, state: State, trial: Trial, why: String) -> Result<(), Wrong> {
    let unwell = Trial {
        unwell: Some(why.clone()),
        ..trial.clone()
    };
    let going = State {
        trial: Some(unwell),
        ..state.clone()
    };
    going.write(machine)?;
    note(&format!(
        "{} is not well ({why}); {} comes back",
        trial.version, trial.previous
    ));
    versions::run(machine, &trial.previous)?;
    for counts in COUNTS {
        machine.remove(counts)?;
    }
    // Also where that fails the version before is the one that starts next.
    let restarted = run(machine, SYSTEMCTL, &["restart", SERVER]);
    let back = State {
        trial: None,
        failed: Some(Failed {
            version: trial.version,
            why,
        }),
        ..state
    };
    back.write(machine)?;
    restarted.map(drop)
}
