//! The boot partition, as people see it who put the card into another computer: a few files by name, read with bounds and
//! written as a whole. What must not live here: what is in them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use crate::answer::Wrong;
use crate::machine::Machine;

/// Mounted when somebody looks, and not for longer than that takes.
const PLACE: &str = "/boot/firmware";
/// More than any file that is read here.
const SECRET_BYTES: usize = 64 * 1024;

pub const USER_DATA: &str = "user-data";
pub const NETWORK: &str = "network-config";
pub const RESET: &str = "reset-admin";
pub const KEY: &str = "restore-key";
pub const ANSWER: &str = "KINGLET.txt";

fn path(name: &str) -> String {
    format!("{PLACE}/{name}")
}

/// A file's text, if there is one. Editors of other systems end its name in `.txt`, its lines in `\r\n`, and begin it with a mark.
pub fn read(machine: &Machine, name: &str) -> Option<(String, String)> {
    let found = [name.to_owned(), format!("{name}.txt")];
    found.into_iter().find_map(|name| {
        let text = machine.text(&path(&name))?;
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        Some((name, text))
    })
}

/// Replaces a file, unless it says so already.
pub fn write(machine: &Machine, name: &str, text: &str) -> Result<(), Wrong> {
    if machine.text(&path(name)).as_deref() == Some(text.trim()) {
        return Ok(());
    }
    let file = machine.path(&path(name));
    let beside = machine.path(&path("kinglet.new"));
    let written = fs::write(&beside, text).and_then(|()| {
        fs::File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &file)?;
        fs::File::open(machine.path(PLACE))?.sync_all()
    });
    written.map_err(|error| Wrong::io("write", &path(name), &error))
}

pub fn remove(machine: &Machine, name: &str) -> Result<(), Wrong> {
    machine.remove(&path(name))
}

/// Removes a file that holds a secret. What it said is written over first: a removed file's bytes stay where they were.
pub fn erase(machine: &Machine, name: &str) -> Result<(), Wrong> {
    let over = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(machine.path(&path(name)))?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        file.write_all(&vec![b'#'; length.min(SECRET_BYTES)])?;
        file.sync_all()
    };
    over().map_err(|error| Wrong::io("write over", &path(name), &error))?;
    remove(machine, name)
}
