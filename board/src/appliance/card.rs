//! The boot partition, as people see it who put the card into another computer: a few files by name, read with bounds and
//! written as a whole. What must not live here: what is in them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::answer::{Code, Wrong};
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
/// What is written before it takes another's place.
const BESIDE: &str = "kinglet.new";

fn path(name: &str) -> String {
    format!("{PLACE}/{name}")
}

/// A file's name and text, if there is one. Editors of other systems end its name in `.txt`, its lines in `\r\n`, begin it with a
/// mark, and some write two bytes for each character; what is none of that is an error, and not the same as no file.
pub fn read(machine: &Machine, name: &str) -> Result<Option<(String, String)>, Wrong> {
    for name in [name.to_owned(), format!("{name}.txt")] {
        let Some(bytes) = machine.bytes(&path(&name)) else {
            continue;
        };
        let bytes = bytes.map_err(|error| Wrong::io("read", &path(&name), &error))?;
        let Some(text) = decoded(&bytes) else {
            return Err(Wrong::because(
                Code::BadArgument,
                format!(
                    "{name} cannot be read, and changes nothing: it is no text in UTF-8; save it as such"
                ),
            ));
        };
        return Ok(Some((name, text)));
    }
    Ok(None)
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let by_two = |order: fn([u8; 2]) -> u16| -> Option<String> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| order(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok().filter(|_| rest.is_empty())
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => by_two(u16::from_le_bytes),
        [0xfe, 0xff, ..] => by_two(u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    let text = text.filter(|text| !text.contains('\0'))?;
    Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

/// Replaces a file, unless it says so already.
pub fn write(machine: &Machine, name: &str, text: &str) -> Result<(), Wrong> {
    if machine.text(&path(name)).as_deref() == Some(text.trim()) {
        return Ok(());
    }
    let file = machine.path(&path(name));
    let beside = machine.path(&path(BESIDE));
    let written = fs::write(&beside, text).and_then(|()| {
        fs::File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &file)?;
        settle(machine, &[name])
    });
    written.map_err(|error| Wrong::io("write", &path(name), &error))
}

/// Replaces a file that holds a secret, in one step, and writes over what it was: the bytes of a file that is replaced stay on the card.
pub fn replace_secret(machine: &Machine, name: &str, text: &str) -> Result<(), Wrong> {
    let (file, beside) = (machine.path(&path(name)), machine.path(&path(BESIDE)));
    let exchanged = || -> io::Result<()> {
        fs::write(&beside, text)?;
        fs::File::open(&beside)?.sync_all()?;
        renameat_with(CWD, &beside, CWD, &file, RenameFlags::EXCHANGE)?;
        // Both: what is written over next must not be what the card still calls by the name.
        settle(machine, &[name, BESIDE])
    };
    exchanged().map_err(|error| Wrong::io("replace", &path(name), &error))?;
    erase(machine, BESIDE)
}

/// FAT writes where a renamed file lies, and how long it is, into its entry with the file, and not with the folder (`vfat_rename` of
/// Linux marks the file as changed): to a card that lost its power before that, it is empty.
fn settle(machine: &Machine, names: &[&str]) -> io::Result<()> {
    for name in names {
        fs::File::open(machine.path(&path(name)))?.sync_all()?;
    }
    fs::File::open(machine.path(PLACE))?.sync_all()
}

/// What a power cut left of that.
pub fn tidy(machine: &Machine) -> Result<(), Wrong> {
    if machine.exists(&path(BESIDE)) {
        return erase(machine, BESIDE);
    }
    Ok(())
}

/// A power cut does not bring it back.
pub fn remove(machine: &Machine, name: &str) -> Result<(), Wrong> {
    machine.remove(&path(name))?;
    settle(machine, &[]).map_err(|error| Wrong::io("remove", &path(name), &error))
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
