//! A new card for a server that there was: with the recovery key on the boot partition and a stick with its backup it becomes that
//! server before it first starts. What must not live here: what a backup is and whether it is good, which the server knows.
//!
//! Invariant: while the key lies on the card and no server's data do, the server does not start. An empty one would be a stranger to
//! every phone, and whoever came first could claim it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::Settings;
use super::{card, pause, server};
use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::power::SYSTEMCTL;
use crate::program::run_with;
use crate::request::{HostName, Zone};
use crate::{names, note, usb};

/// How it stands, for the screen and the card, until the next start.
pub const SAID: &str = "/run/kinglet-board/restore";
/// What a server's data are known by, and a restore that a power cut broke off when all was checked: its next start completes that.
const DATA: [&str; 2] = ["/var/lib/kinglet/kinglet.db", "/var/lib/kinglet/restore.swap"];
const GROW: &str = "kinglet-board-grow.service";
const KEY: &str = "AGE-SECRET-KEY-1";
const AGAIN: Duration = Duration::from_secs(2);
/// Of what is read, checked and written: a full stick at the speed of a slow one.
const TIME: Duration = Duration::from_secs(12 * 3_600);

/// How the server's program says them (src/app/restore.rs).
const NAME: &str = "Name of its machine: ";
const ZONE: &str = "Time zone of its machine: ";

const WAITS: &str =
    "A backup is to be put back: plug in the USB stick that has it. The server does not start before that.";

/// What stands in the file.
struct Order {
    key: String,
    /// Which backup, where the newest is not meant or several servers share the stick.
    name: Option<String>,
}

pub fn run(machine: &Machine) -> Result<(), Wrong> {
    let (file, text) = match card::read(machine, card::KEY) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        // As one that holds no key: it is there, and somebody wants their server back.
        Err(wrong) => {
            note(&wrong.to_string());
            (card::KEY.to_owned(), String::new())
        }
    };
    if DATA.iter().any(|path| machine.exists(path)) {
        say(
            machine,
            "There is a server's data on this card already: restore-key was taken off it, and no backup was put back.",
        );
        return card::erase(machine, &file);
    }
    say(machine, WAITS);
    // It needs the room.
    if let Err(wrong) = run_with(machine, SYSTEMCTL, &["start", GROW], "", TIME) {
        note(&format!("the data's partition may be small: {wrong}"));
    }
    loop {
        let disks = usb::disks(machine);
        match Order::read(&text).and_then(|order| put_back(machine, &order)) {
            Ok(told) => {
                say(machine, &told);
                return card::erase(machine, &file);
            }
            // Sticks take a while to be seen after a start.
            Err(wrong) if wrong.code == Code::NotAvailable && disks.is_empty() => say(machine, WAITS),
            Err(wrong) => say(machine, &failed(&wrong)),
        }
        // The same stick would fail again; another may not.
        loop {
            pause(AGAIN)?;
            if usb::disks(machine) != disks {
                break;
            }
        }
    }
}

fn failed(wrong: &Wrong) -> String {
    format!(
        "The backup was not put back, nothing was changed, and the server does not start:\n{}\n\
         Plug in the stick with the backup, or another one. Or turn the power off and put the card into a computer: correct\n\
         restore-key, or remove it for a new server without an owner. For an older backup than the newest write its name below the key,\n\
         as it is on the stick (kinglet-1a2b3c4d-000007.json).",
        wrong.message
    )
}

fn say(machine: &Machine, what: &str) {
    if let Err(wrong) = machine.write(SAID, &format!("{what}\n")) {
        note(&format!("what comes of restore-key cannot be shown: {wrong}"));
    }
    note(&format!("restore-key is on the card: {what}"));
}

impl Order {
    fn read(text: &str) -> Result<Order, Wrong> {
        let bad = |what: &str| Wrong::because(Code::BadArgument, format!("The file restore-key: {what}"));
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = lines.next().filter(|line| {
            line.to_ascii_uppercase().starts_with(KEY)
                && line.len() <= 100
                && line.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let key = key.ok_or_else(|| {
            bad("its first line must be the recovery key of the emergency sheet, AGE-SECRET-KEY-1...")
        })?;
        let name = lines.next();
        if name.is_some_and(|name| place_of(name).is_none()) || lines.next().is_some() {
            return Err(bad(
                "beside the key it may have one line more, the name of a backup: kinglet-1a2b3c4d-000007.json",
            ));
        }
        Ok(Order {
            key: key.to_owned(),
            name: name.map(str::to_owned),
        })
    }
}

/// Whose backup it is, and which: `kinglet-1a2b3c4d-000007.json`.
fn place_of(name: &str) -> Option<(&str, u64)> {
    let (server, number) = name
        .strip_prefix("kinglet-")?
        .strip_suffix(".json")?
        .split_once('-')?;
    let is_server = server.len() == 8 && server.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_server && is_number).then_some((server, number.parse().ok()?))
}

fn put_back(machine: &Machine, order: &Order) -> Result<String, Wrong> {
    mounted(machine)?;
    let outcome = restored(machine, order);
    // It may be pulled from now on.
    if let Err(wrong) = usb::unmount(machine) {
        note(&format!("the stick is still in use: {wrong}"));
    }
    outcome
}

fn mounted(machine: &Machine) -> Result<(), Wrong> {
    let tried = usb::mount(machine, None);
    let left = tried.as_ref().is_err_and(|wrong| wrong.code == Code::Busy);
    let tried = if left {
        // By one that was broken off.
        usb::unmount(machine)?;
        usb::mount(machine, None)
    } else {
        tried
    };
    match tried {
        Ok(_) => Ok(()),
        Err(wrong) if wrong.code == Code::Several => Err(Wrong::because(
            Code::Several,
            format!(
                "There is more than one disk on USB: {}. Leave the one with the backup.",
                wrong.choices.join(", ")
            ),
        )),
        Err(wrong) => Err(wrong),
    }
}

fn restored(machine: &Machine, order: &Order) -> Result<String, Wrong> {
    let name = chosen(&machine.names(usb::PLACE), order.name.as_deref())?;
    say(
        machine,
        &format!(
            "The backup {name} is being put back. Leave the stick in; this takes minutes, and hours with many files."
        ),
    );
    let file = format!("{}/{name}", usb::PLACE);
    let told = server::ask(machine, &["restore", &file], &format!("{}\n", order.key), TIME)?;
    let called = called(machine, &told);
    let told: Vec<&str> = told
        .lines()
        .filter(|line| {
            !["Start the server.", NAME, ZONE]
                .iter()
                .any(|begin| line.starts_with(begin))
        })
        .chain(called.iter().map(String::as_str))
        .collect();
    Ok(format!(
        "Put back from {name}; restore-key was taken off the card.\n{}",
        told.join("\n")
    ))
}

/// Gives this machine the name and the time zone of the one before, so that phones find it where it was; what the card's own
/// settings name is not touched. Gives what there is to say of it: the server is put back either way.
fn called(machine: &Machine, told: &str) -> Vec<String> {
    let text = card::read(machine, card::USER_DATA)
        .ok()
        .flatten()
        .map(|(_, text)| text);
    let own = Settings::read(text.as_deref(), None);
    let said = |begin: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(begin))?;
        Some(line.trim().to_owned())
    };
    let mut notes = Vec::new();
    if let (None, Some(name)) = (&own.name, said(NAME)) {
        notes.push(match named(machine, &name) {
            Ok(()) => format!("It is called {name}.local, as before."),
            Err(why) => format!("It was called {name:?} before, which could not be taken over: {why}"),
        });
    }
    if let (None, Some(zone)) = (&own.zone, said(ZONE)) {
        let set = Zone::try_from(zone.clone()).map_err(|_| "it is none.".to_owned());
        let set = set.and_then(|zone| names::zone(machine, &zone).map_err(|wrong| wrong.message));
        if let Err(why) = set {
            notes.push(format!(
                "Its time zone was {zone:?}, which could not be taken over: {why}"
            ));
        }
    }
    notes
}

fn named(machine: &Machine, name: &str) -> Result<(), String> {
    let name = HostName::try_from(name.to_owned()).map_err(|_| "it is no name for a machine.".to_owned())?;
    names::host_at_once(machine, &name).map_err(|wrong| wrong.message)?;
    Ok(())
}

fn chosen(names: &[String], wanted: Option<&str>) -> Result<String, Wrong> {
    let missing = |what: String| Err(Wrong::because(Code::NotAvailable, what));
    if let Some(wanted) = wanted {
        return match names.iter().find(|name| *name == wanted) {
            Some(name) => Ok(name.clone()),
            None => missing(format!("The stick has no {wanted}, which restore-key names.")),
        };
    }
    // The newest of each server.
    let mut newest: BTreeMap<&str, (u64, &String)> = BTreeMap::new();
    for name in names {
        if let Some((server, number)) = place_of(name) {
            let best = newest.entry(server).or_insert((number, name));
            if number > best.0 {
                *best = (number, name);
            }
        }
    }
    let mut found = newest.values().map(|(_, name)| (*name).clone());
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            missing("The stick has no backup: no kinglet-....json lies on it, outside of folders.".to_owned())
        }
        (Some(one), Some(other)) => missing(format!(
            "The stick has backups of more than one server ({one}, {other}): write the name of the one into restore-key, below the key."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_at_most_a_name_are_taken() {
        let key = format!("{KEY}QQQQ");
        let order = Order::read(&format!(
            "# from the sheet\n\n{key}\nkinglet-1a2b3c4d-000007.json\n"
        ));
        let order = order.expect("it is whole");
        assert_eq!(
            (order.key.as_str(), order.name.as_deref()),
            (key.as_str(), Some("kinglet-1a2b3c4d-000007.json"))
        );
        for bad in [
            String::new(),
            "secret".to_owned(),
            format!("{key}\n../etc/passwd\n"),
            format!("{key}\n--replace\n"),
            format!("{key}\nkinglet-1a2b3c4d-000007.json\nmore\n"),
            format!("{key} {key}\n"),
        ] {
            let wrong = Order::read(&bad).err().expect("it is refused");
            assert!(!wrong.message.contains("QQQQ"), "a key is not repeated: {wrong}");
        }
    }

    #[test]
    fn the_newest_of_one_server_is_taken() {
        let all = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let one = all(&[
            "kinglet-1a2b3c4d-000002.json",
            "kinglet-1a2b3c4d-1000000.json",
            "kinglet-1a2b3c4d-999999.json",
            "kinglet-1a2b3c4d-1000000.age",
            "kinglet-evil.json",
            "photos",
        ]);
        assert_eq!(
            chosen(&one, None).expect("there is one"),
            "kinglet-1a2b3c4d-1000000.json"
        );
        let two = all(&["kinglet-1a2b3c4d-000002.json", "kinglet-99999999-000001.json"]);
        let wrong = chosen(&two, None).expect_err("which one?");
        assert!(wrong.message.contains("more than one server"), "{wrong}");
        let named = chosen(&two, Some("kinglet-99999999-000001.json"));
        assert_eq!(named.expect("it is there"), two[1]);
        assert!(chosen(&two, Some("kinglet-99999999-000009.json")).is_err());
        assert!(chosen(&all(&["photos"]), None).is_err());
    }
}
