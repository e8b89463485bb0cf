//! The installation itself, in a unit of its own: it waits until no other one is at work, runs dpkg, and notes what failed. What must
//! not live here: whether the package may be installed (`update`), and whether the new version is well (kinglet-switch).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;
use crate::update::{DPKG, copies};

/// Whoever calls dpkg holds this one meanwhile (dpkg(1), `DPKG_FRONTEND_LOCKED`). dpkg itself waits for nobody.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";
/// Security updates of a whole system, on a slow card.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
const AGAIN: Duration = Duration::from_secs(2);
/// Of the last one, until the next one or the next start.
const FAILED: &str = "/run/kinglet-board/update-failed";
/// What the versions' own program knows (board/src/switch/state.rs).
const STATE: &str = "/var/lib/kinglet-switch/state.json";

pub fn install(machine: &Machine, version: &str) -> Result<(), Wrong> {
    machine.remove(FAILED)?;
    let done = alone(machine, PATIENCE).and_then(|held| {
        let done = unpack(machine);
        drop(held);
        done
    });
    if let Err(wrong) = &done {
        let failed = json!({ "version": version, "why": wrong.message });
        machine.write(FAILED, &format!("{failed}\n"))?;
    }
    done
}

fn alone(machine: &Machine, patience: Duration) -> Result<File, Wrong> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640);
    let file = options
        .open(machine.path(LOCK))
        .map_err(|error| Wrong::io("open", LOCK, &error))?;
    let deadline = Instant::now() + patience;
    let mut is_said = false;
    loop {
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) => {}
            Err(error) => return Err(Wrong::io("lock", LOCK, &error.into())),
        }
        if Instant::now() >= deadline {
            let what = format!(
                "another installation was at work for {} minutes",
                patience.as_secs() / 60
            );
            return Err(Wrong::because(Code::Busy, what));
        }
        if !is_said {
            note("another installation is at work; the update waits for its end");
            is_said = true;
        }
        let time = Timespec::try_from(AGAIN).map_err(|_| Wrong::of(Code::Failed))?;
        // A signal makes the next try earlier.
        let _ = poll(&mut [], Some(&time));
    }
}

/// It takes as long as it takes: the new version is tried meanwhile. What it says goes to the journal.
fn unpack(machine: &Machine) -> Result<(), Wrong> {
    let copies = copies(machine);
    if copies.is_empty() {
        let what = "no update has been taken over";
        return Err(Wrong::because(Code::NotAvailable, what));
    }
    let status = Command::new(machine.path(DPKG))
        .args(["--force-confold", "--install"])
        .args(copies)
        .env("DPKG_FRONTEND_LOCKED", "1")
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Wrong::io("start", DPKG, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Wrong::because(
        Code::Failed,
        format!("dpkg ended with {status}; journalctl -u kinglet-update has what it said"),
    ))
}

/// The last update, where it came to nothing: `{"version", "why"}`.
pub fn failed(machine: &Machine) -> Value {
    let read = |path: &str| serde_json::from_str::<Value>(&machine.text(path)?).ok();
    let told = read(FAILED).or_else(|| Some(read(STATE)?["failed"].clone()));
    told.filter(|failed| failed["version"].is_string() && failed["why"].is_string())
        .unwrap_or_default()
}
