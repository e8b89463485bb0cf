//! Factory reset: the machine as on its first day, with or without what people have said. What must not live here: asking whether
//! that is meant; the words that confirm it are checked here all the same.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;

use serde_json::Value;

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::Machine;
use crate::power::{self, SYSTEMCTL};
use crate::program::run;
use crate::{appliance, names, ssh};

const DATA: &str = "/var/lib/kinglet";
const OWN: &str = "/var/lib/kinglet-board";
const SETTINGS: &str = "/etc/kinglet/kinglet.toml";
/// As the package brought them.
const FIRST_SETTINGS: &str = "/usr/share/kinglet/kinglet.toml";
/// Where certificates, their keys and the authority's hook lie beside the settings.
const OWN_SETTINGS: &str = "/etc/kinglet";
/// What lets the server out to others, for settings that are gone then.
const WAYS_OUT: [&str; 2] = [
    "/etc/systemd/system/kinglet.service.d/push.conf",
    "/etc/systemd/system/kinglet.service.d/acme.conf",
];
/// The sockets first: a connection would start the server again.
const UNITS: [&str; 3] = ["kinglet.socket", "kinglet-http.socket", "kinglet.service"];

/// What must be said, so that a slip of a program erases nothing.
const ERASES: &str = "erase everything";
const KEEPS: &str = "reset settings";

pub fn reset(machine: &Machine, keep_data: bool, confirm: &str) -> Outcome {
    let wanted = if keep_data { KEEPS } else { ERASES };
    if confirm != wanted {
        let what = format!("To confirm it, `confirm` must be {wanted:?}.");
        return Err(Wrong::because(Code::BadArgument, what));
    }
    match ssh::off(machine) {
        // A machine whose SSH is not ours keeps it.
        Err(wrong) if wrong.code != Code::NotAvailable => return Err(wrong),
        _ => {}
    }
    if machine.exists(FIRST_SETTINGS) {
        let text = machine.text(FIRST_SETTINGS).unwrap_or_default();
        machine.write(SETTINGS, &format!("{text}\n"))?;
    }
    for file in WAYS_OUT {
        machine.remove(file)?;
    }
    names::reset(machine)?;
    // What lies on the boot partition counts again, or a box without a screen would have lost its way in.
    machine.remove(appliance::TAKEN)?;
    if !keep_data {
        return erase(machine);
    }
    power::reboot(machine)
}

/// The server is off from here on, so whatever comes of it the machine starts again: a box that nobody can reach helps nobody.
fn erase(machine: &Machine) -> Outcome {
    if let Err(wrong) = run(machine, SYSTEMCTL, &[&["stop"][..], &UNITS].concat()) {
        // Nothing is gone yet. Some may have stopped; the first error is the one to tell.
        let _ = run(machine, SYSTEMCTL, &[&["start"][..], &UNITS].concat());
        return Err(wrong);
    }
    let emptied = [DATA, OWN, OWN_SETTINGS]
        .into_iter()
        .map(|directory| empty(machine, directory).map_err(|error| Wrong::io("empty", directory, &error)))
        // Each is tried; the first error is told.
        .fold(Ok(()), Result::and);
    rustix::fs::sync();
    power::reboot(machine)?;
    emptied.map(|()| Value::Null)
}

/// A power cut in between must leave a server of the first day, and not the old one with half of its data: what it is known by
/// goes first. It takes away stored files without rows by itself.
const FIRST: [&str; 6] = [
    "kinglet.db",
    "kinglet.db-wal",
    "kinglet.db-shm",
    "tls",
    "before-restore",
    "restore.new",
];

fn rank(name: &OsStr) -> usize {
    let rank = FIRST.iter().position(|first| name == *first);
    rank.unwrap_or(FIRST.len())
}

/// The directory itself stays: it may be where the data's own partition is mounted. So do the settings, which are the first ones by
/// then. Links in it are removed, not followed.
fn empty(machine: &Machine, directory: &str) -> io::Result<()> {
    let entries = match fs::read_dir(machine.path(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut entries = entries.collect::<io::Result<Vec<DirEntry>>>()?;
    entries.sort_by_key(|entry| rank(&entry.file_name()));
    for entry in entries {
        if entry.file_name() == "lost+found" || entry.path() == machine.path(SETTINGS) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_is_known_by_goes_first() {
        let mut names = ["blobs", "tls", "heads", "kinglet.db-wal", "lock", "kinglet.db"];
        names.sort_by_key(|name| rank(OsStr::new(name)));
        assert_eq!(names[..3], ["kinglet.db", "kinglet.db-wal", "tls"]);
    }
}
