//! `kinglet-switch`: two versions of the server side by side, of which one runs. A new one is on trial: it is kept once it was
//! found well, and else the one before comes back, also where the power goes in the middle.
//! What must not live here: what well means (`trial`), and how it is written down (`state`, `versions`).
//!
//! - `versions.rs`: the programs on the disk, and the link that says which one runs
//! - `state.rs`: what is known of them: which is on trial, which was kept, which failed, and below which none may be
//! - `trial.rs`: watching a new version, and its end

mod state;
mod trial;
mod versions;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use kinglet_board::answer::{Code, Wrong};
use kinglet_board::machine::Machine;
use kinglet_board::program::agrees;

use state::{State, Trial};
use versions::Version;

const HELP: &str = "\
Two versions of the Kinglet server side by side: a new one is on trial, and the one before comes back if it is not well

Usage: kinglet-switch [--root DIR] take VERSION [--unless-failed]
       kinglet-switch [--root DIR] judge [--every MILLISECONDS]
       kinglet-switch [--root DIR] back
       kinglet-switch [--root DIR] status [--json]

  take    Puts what the package brought beside the version that runs, and has it run on trial after the next start
  judge   Watches the version on trial and keeps it, or goes back (kinglet-trial.service)
  back    Has the version before run again, on trial; start the server anew after it
  status  Which versions there are, and what became of the last trial

--root: files and programs are looked for below DIR, for tests.";

const DPKG: &str = "/usr/bin/dpkg";
const EVERY: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (machine, words) = match words.as_slice() {
        ["--root", root, rest @ ..] => (Machine::at(PathBuf::from(root)), rest),
        rest => (Machine::at(PathBuf::from("/")), rest),
    };
    let done = match words {
        ["take", version] => state::alone(&machine, || take(&machine, version, false)),
        ["take", version, "--unless-failed"] => state::alone(&machine, || take(&machine, version, true)),
        ["judge"] => trial::judge(&machine, EVERY),
        ["judge", "--every", number] => match number.parse() {
            Ok(ms) => trial::judge(&machine, Duration::from_millis(ms)),
            Err(_) => return usage(),
        },
        ["back"] => state::alone(&machine, || back(&machine)),
        ["status"] => status(&machine, false),
        ["status", "--json"] => status(&machine, true),
        ["--version"] => {
            println!("kinglet-switch {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            note(&wrong.to_string());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{HELP}");
    ExitCode::from(2)
}

/// A line for whoever ran this, or the journal. Without one the work is done all the same.
fn note(what: &str) {
    let _ = writeln!(io::stderr(), "kinglet-switch: {what}");
}

/// Takes over what the package brought. The first version there is needs no trial: there is none to go back to.
fn take(machine: &Machine, version: &str, unless_failed: bool) -> Result<(), Wrong> {
    let version = Version::try_from(version)?;
    not_below_the_floor(machine, &version)?;
    versions::adopt(machine, &version)?;
    let known = State::read(machine);
    let Some(runs) = versions::current(machine) else {
        // What is known is of versions that went when the package was removed.
        if known != State::default() {
            State::default().write(machine)?;
        }
        return versions::run(machine, &version);
    };
    if runs == version {
        return Ok(());
    }
    if unless_failed && known.has_failed(&version) {
        note(&format!(
            "{version} was not well when it was tried; {runs} goes on running"
        ));
        return Ok(());
    }
    try_out(machine, known, version, runs)
}

/// The version before, on trial like a new one.
fn back(machine: &Machine) -> Result<(), Wrong> {
    let known = State::read(machine);
    let none = || Wrong::because(Code::NotAvailable, "There is no version before to go back to.");
    let (Some(previous), Some(runs)) = (known.previous.clone(), versions::current(machine)) else {
        return Err(none());
    };
    if previous == runs || !versions::is_there(machine, &previous) {
        return Err(none());
    }
    not_below_the_floor(machine, &previous)?;
    try_out(machine, known, previous, runs)
}

/// Written down first, so that whoever finds the new version running knows that it is on trial.
fn try_out(machine: &Machine, known: State, version: Version, runs: Version) -> Result<(), Wrong> {
    // Who is on trial still is nobody to go back to.
    let previous = match known.trial {
        Some(unfinished) if unfinished.version == runs => unfinished.previous,
        _ => runs,
    };
    let trial = Trial::new(version.clone(), previous);
    let state = State {
        trial: Some(trial),
        failed: None,
        ..known
    };
    state.write(machine)?;
    versions::run(machine, &version)
}

/// A version with a hole that is known does not come back, whoever signed it.
fn not_below_the_floor(machine: &Machine, version: &Version) -> Result<(), Wrong> {
    let Some(floor) = state::floor(machine) else {
        return Ok(());
    };
    if agrees(
        machine,
        DPKG,
        &["--compare-versions", version.as_str(), "ge", &floor],
    )? {
        return Ok(());
    }
    let what = format!(
        "{version} is below {floor}, the oldest version without holes that are known. Take a newer one; whoever must have \
         this one removes {}",
        state::FLOOR
    );
    Err(Wrong::because(Code::NotNewer, what))
}

fn status(machine: &Machine, as_json: bool) -> Result<(), Wrong> {
    let state = State::read(machine);
    let runs = versions::current(machine);
    let text = if as_json {
        state.json(runs.as_ref(), state::floor(machine))
    } else {
        state.told(runs.as_ref())
    };
    writeln!(io::stdout(), "{text}").map_err(|error| Wrong::io("write to", "standard output", &error))
}
