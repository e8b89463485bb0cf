//! Puts the boot partition's settings into force, once for each time that they change, and takes the secrets out of them. What
//! must not live here: what a setting may look like.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::settings::{Password, Settings};
use super::{card, network};
use crate::answer::Wrong;
use crate::machine::Machine;
use crate::power::SYSTEMCTL;
use crate::program::{agrees, run as call};
use crate::{names, note, ssh};

/// What was in force last, without secrets. A factory reset takes it away, so that a box without a screen comes back.
pub const TAKEN: &str = "/var/lib/kinglet-board/settings-taken";
/// What there is to say about it, for the screen.
pub const NOTES: &str = "/run/kinglet-board/settings-notes";
const NETWORKCTL: &str = "/usr/bin/networkctl";
const WIFI_SERVICE: &str = "wpa_supplicant@wlan0.service";

/// What stands in place of a password that was taken over.
const REMOVED: &str = "password: \"\"  # taken over; write a new one here to change it";

pub fn run(machine: &Machine) -> Result<(), Wrong> {
    let user_data = card::read(machine, card::USER_DATA);
    let network = card::read(machine, card::NETWORK);
    let here = together(user_data.as_ref(), network.as_ref());
    if machine.text(TAKEN).as_deref() == Some(here.trim()) {
        return Ok(());
    }
    let text = |file: &Option<(String, String)>| file.as_ref().map(|(_, text)| text.clone());
    let settings = Settings::read(text(&user_data).as_deref(), text(&network).as_deref());
    let mut notes = settings.notes.clone();
    for wrong in enforce(machine, &settings) {
        notes.push(format!("{}.", wrong.to_string().trim_end_matches('.')));
    }
    let without = network.map(|(name, text)| {
        let clean = without_secrets(&text);
        if clean != text
            && let Err(wrong) = card::write(machine, &name, &clean)
        {
            notes.push(format!("The Wi-Fi password is still on the card: {wrong}."));
            return (name, text);
        }
        (name, clean)
    });
    for said in &notes {
        note(said);
    }
    machine.write(NOTES, &format!("{}\n", notes.join("\n")))?;
    machine.write(TAKEN, &together(user_data.as_ref(), without.as_ref()))
}

fn together(user_data: Option<&(String, String)>, network: Option<&(String, String)>) -> String {
    let text =
        |file: Option<&(String, String)>| file.map_or(String::new(), |(_, text)| text.trim().to_owned());
    format!("{}\n---\n{}\n", text(user_data), text(network))
}

/// Each for itself: one that fails keeps none of the others from being tried.
fn enforce(machine: &Machine, settings: &Settings) -> Vec<Wrong> {
    let mut failed = Vec::new();
    let mut tried = |outcome: Result<(), Wrong>| failed.extend(outcome.err());
    if let Some(wire) = &settings.wire {
        tried(wired(machine, &network::wire(wire)));
    }
    if !settings.wifi.is_empty() || settings.country.is_some() {
        tried(wireless(machine, settings));
    }
    if let Some(name) = &settings.name {
        tried(names::host(machine, name).map(drop));
    }
    if let Some(zone) = &settings.zone {
        tried(names::zone(machine, zone).map(drop));
    }
    if let Some(key) = &settings.key {
        tried(ssh::on(machine, key, true).map(drop));
    }
    failed
}

fn wired(machine: &Machine, text: &str) -> Result<(), Wrong> {
    machine.write(network::WIRE_FILE, text)?;
    call(machine, NETWORKCTL, &["reload"]).map(drop)
}

fn wireless(machine: &Machine, settings: &Settings) -> Result<(), Wrong> {
    let before = machine.text(network::WIFI_FILE).unwrap_or_default();
    let text = network::wifi(settings.country.as_deref(), &settings.wifi, &before);
    private(machine, network::WIFI_FILE, &text)?;
    call(machine, SYSTEMCTL, &["enable", WIFI_SERVICE])?;
    // A board without Wi-Fi has no such device, and waits for it for ever otherwise.
    agrees(machine, SYSTEMCTL, &["--no-block", "restart", WIFI_SERVICE]).map(drop)
}

/// A file that root alone may read, from the moment it is there.
fn private(machine: &Machine, path: &str, text: &str) -> Result<(), Wrong> {
    let file = machine.path(path);
    let beside = file.with_extension("new");
    machine.remove(&format!("{}.new", path.trim_end_matches(".conf")))?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside);
    let written = made.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&beside, &file));
    placed.map_err(|error| Wrong::io("write", path, &error))
}

/// The text without its passwords. Where they cannot be taken out of their lines, nothing of the text is left.
fn without_secrets(text: &str) -> String {
    let clean: Vec<String> = text
        .lines()
        .map(|line| {
            let bare = line.trim_start();
            let indent = &line[..line.len() - bare.len()];
            let value = bare.strip_prefix("password:").map(str::trim);
            match value {
                None | Some("" | "\"\"" | "''") => line.to_owned(),
                Some(value) if value.starts_with("\"\" ") => line.to_owned(),
                Some(_) => format!("{indent}{REMOVED}"),
            }
        })
        .collect();
    let mut clean = clean.join("\n");
    clean.push('\n');
    let left = Settings::read(None, Some(&clean));
    let has_secret = left
        .wifi
        .iter()
        .any(|wifi| matches!(wifi.password, Password::New(_)));
    // What is not understood may hide one.
    if has_secret || (!left.notes.is_empty() && clean.contains("password")) {
        return "# What stood here was taken over, and removed since it held a password. To change something, write it anew.\n"
            .to_owned();
    }
    if clean.trim() == text.trim() {
        return text.to_owned();
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_stays_on_the_card() {
        let text = "version: 2\nwifis:\n  wlan0:\n    access-points:\n      home:\n        password: \"secret 12\"\n";
        let clean = without_secrets(text);
        assert!(!clean.contains("secret 12") && clean.contains("home:"), "{clean}");
        let again = Settings::read(None, Some(&clean));
        assert_eq!(again.wifi[0].password, Password::AsBefore);
        assert_eq!(without_secrets(&clean), clean, "once is enough");
        let inline = "version: 2\nwifis: {wlan0: {access-points: {home: {password: secret 12}}}}\n";
        assert!(!without_secrets(inline).contains("secret"));
        let broken = "version: 2\nwifis: {wlan0: {access-points: {home: {password: secret 12}}\n";
        assert!(!without_secrets(broken).contains("secret"));
        let folded = "version: 2\nwifis:\n  wlan0:\n    access-points:\n      home:\n        password: >-\n          secret12\n";
        assert!(
            !without_secrets(folded).contains("secret12"),
            "{}",
            without_secrets(folded)
        );
        let plain = "version: 2\nethernets: {eth0: {dhcp4: true}}";
        assert_eq!(without_secrets(plain), plain, "what holds none is left alone");
    }
}
