//! `kinglet-board`: what the appliance needs root for. Started for one connection of a Unix socket, it reads one line of JSON,
//! does one of a few fixed things, and answers with one line. Only root and the server's user are heard. No shell is involved,
//! no path and no program comes from outside, and every argument is checked against a narrow form.
//! What must not live here: what a verb does.
//!
//! - `request.rs`: the verbs and the form of their arguments
//! - `lib.rs`, `machine.rs`: files of the system below a root directory; `program.rs`: its programs, with bounds
//! - `peer.rs`: who asks
//! - `install.rs`: an installation; `repair.rs`: one that was cut off
//! - `power.rs`, `names.rs`, `ssh.rs`, `usb.rs`, `update.rs`, `reset.rs`, `sensors.rs`: the verbs
//! - `answer.rs`: what is said of it
//! - `appliance/`: what is done at the start of an appliance, started by units of its own with a word

mod appliance;
mod install;
mod names;
mod peer;
mod power;
mod repair;
mod request;
mod reset;
mod sensors;
mod ssh;
mod update;
mod usb;

use std::fs::TryLockError;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use kinglet_board::{answer, machine, program};
use serde_json::Value;

use answer::{Code, Outcome, Wrong};
use machine::Machine;
use request::Request;

/// How long the answer may wait for whoever asked.
const WRITE_TIME: Duration = Duration::from_secs(5);
const LOCK: &str = "/run/kinglet-board/lock";

const HELP: &str = "\
What the Kinglet appliance needs root for: a line of JSON in, a line of JSON out

Usage: kinglet-board [--root DIR] [WORD | ssh-off | --repair | --install VERSION]

systemd starts it with a connection of /run/kinglet-board.sock as standard input (kinglet-board.socket).
At the start of an appliance it is started with a WORD: settings, grow, restore, screen (docs/APPLIANCE.md).
ssh-off: ends SSH when its time is over (kinglet-board-ssh-off.timer).
--repair: finishes an installation that a power cut has ended (kinglet-board-repair.service).
--install: installs the update that was taken over, once no other installation is at work (kinglet-update.service).
--root: files and programs are looked for below DIR, for tests.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (root, words) = match words.as_slice() {
        ["--root", root, words @ ..] => (*root, words),
        words => ("/", words),
    };
    let machine = Machine::at(PathBuf::from(root));
    match words {
        [] => {}
        ["--repair"] => {
            return ended(
                "an installation that was cut off cannot be finished",
                repair::repair(&machine),
            );
        }
        ["--install", version] => {
            return ended(
                &format!("{version} was not installed"),
                install::install(&machine, version),
            );
        }
        ["ssh-off"] => return ended("ssh-off", in_turn(&machine, ssh::off_in_time)),
        [word] if appliance::WORDS.contains(word) => return ended(word, appliance::run(&machine, word)),
        ["--version"] => {
            println!("kinglet-board {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    }
    match serve(&machine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "kinglet-board: cannot talk over standard input: {error}. It must be a connected Unix socket"
            );
            ExitCode::FAILURE
        }
    }
}

fn ended(what: &str, outcome: Result<(), Wrong>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            note(&format!("{what}: {wrong}"));
            ExitCode::FAILURE
        }
    }
}

/// For what nobody waits for: after whatever is being done.
fn in_turn(machine: &Machine, act: fn(&Machine) -> Result<(), Wrong>) -> Result<(), Wrong> {
    let lock = machine.open_lock(LOCK)?;
    lock.lock().map_err(|error| Wrong::io("lock", LOCK, &error))?;
    act(machine)
}

/// One request, one answer.
fn serve(machine: &Machine) -> io::Result<()> {
    let mut stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.set_write_timeout(Some(WRITE_TIME))?;
    let outcome = answered(machine, &mut stream);
    let mut line = answer::line(&outcome);
    line.push('\n');
    stream.write_all(line.as_bytes())
}

fn answered(machine: &Machine, stream: &mut UnixStream) -> Outcome {
    let uid = peer::allowed(machine, stream)?;
    let request = request::read(stream)?;
    let verb = request.name();
    let outcome = exclusively(machine, &request);
    // Standard error is the journal. What was asked for is worth a line; arguments are not.
    match &outcome {
        Ok(_) => note(&format!("user {uid} asked for {verb}: done")),
        Err(wrong) => note(&format!("user {uid} asked for {verb}: {wrong}")),
    }
    outcome
}

/// A line for the journal. Without one the answer still goes out.
fn note(what: &str) {
    let _ = writeln!(io::stderr(), "kinglet-board: {what}");
}

/// One at a time changes something; looking is free.
fn exclusively(machine: &Machine, request: &Request) -> Outcome {
    if request.only_looks() {
        return perform(machine, request);
    }
    let lock = machine.open_lock(LOCK)?;
    match lock.try_lock() {
        Ok(()) => perform(machine, request),
        Err(TryLockError::WouldBlock) => Err(Wrong::of(Code::Busy)),
        Err(TryLockError::Error(error)) => Err(Wrong::io("lock", LOCK, &error)),
    }
}

fn perform(machine: &Machine, request: &Request) -> Outcome {
    match request {
        Request::Reboot {} => power::reboot(machine),
        Request::PowerOff {} => power::off(machine),
        Request::Update { from } => update::install(machine, *from),
        Request::SshOn { key, keep } => ssh::on(machine, key, *keep),
        Request::SshOff {} => ssh::off(machine).map(|()| Value::Null),
        Request::HostName { name } => names::host(machine, name),
        Request::TimeZone { zone } => names::zone(machine, zone),
        Request::UsbMount { device } => usb::mount(machine, device.as_ref()),
        Request::UsbUnmount {} => usb::unmount(machine),
        Request::FactoryReset { keep_data, confirm } => reset::reset(machine, *keep_data, confirm),
        Request::Sensors {} => Ok(sensors::read(machine)),
    }
}
