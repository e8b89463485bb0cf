//! Puts the boot partition's settings into force, each once for each time that it changes, and takes the secrets out of them. What
//! must not live here: what a setting may look like.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::settings::{Password, Settings, Wifi, shown};
use super::{card, network, secrets};
use crate::answer::Wrong;
use crate::machine::Machine;
use crate::power::SYSTEMCTL;
use crate::program::{agrees, run as call};
use crate::{names, note, ssh};

/// What was put into force last, without secrets. A factory reset takes it away, so that a box without a screen comes back.
pub const TAKEN: &str = "/var/lib/kinglet-board/settings-taken";
/// What there is to say about it, for the screen.
pub const NOTES: &str = "/run/kinglet-board/settings-notes";
const NETWORKCTL: &str = "/usr/bin/networkctl";
const WIFI_SERVICE: &str = "wpa_supplicant@wlan0.service";

pub fn run(machine: &Machine) -> Result<(), Wrong> {
    let mut unread = Vec::new();
    unread.extend(card::tidy(machine).err());
    let mut read = |name: &str| {
        let found = card::read(machine, name);
        found.unwrap_or_else(|wrong| {
            unread.push(wrong);
            None
        })
    };
    let user_data = read(card::USER_DATA);
    let network = read(card::NETWORK);
    let text = |file: &Option<(String, String)>| file.as_ref().map(|(_, text)| text.clone());
    let settings = Settings::read(text(&user_data).as_deref(), text(&network).as_deref());
    let mut taking = Taking::new(machine, &settings);
    taking.notes.extend(unread.iter().map(sentence));
    if taking.wireless(machine, &settings)
        && let Some((name, text)) = &network
    {
        taking.clean(machine, name, text, &settings);
    }
    taking.wired(machine, &settings);
    taking.user_data(machine, &settings);
    taking.end(machine)
}

/// One start's work.
struct Taking {
    /// By setting: what was put into force last. What was changed since by another way, as on the server's pages, stays so until
    /// its setting is written otherwise.
    taken: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Taking {
    fn new(machine: &Machine, settings: &Settings) -> Taking {
        let taken = machine.text(TAKEN).unwrap_or_default();
        Taking {
            // Without what it was, all of it is new.
            taken: serde_json::from_str(&taken).unwrap_or_default(),
            notes: settings.notes.clone(),
        }
    }

    fn end(self, machine: &Machine) -> Result<(), Wrong> {
        for said in &self.notes {
            note(said);
        }
        machine.write(NOTES, &format!("{}\n", self.notes.join("\n")))?;
        let taken =
            serde_json::to_string(&self.taken).map_err(|error| Wrong::io("note", TAKEN, &error.into()))?;
        if machine.text(TAKEN).as_deref() == Some(&taken) {
            return Ok(());
        }
        machine.write(TAKEN, &format!("{taken}\n"))
    }

    fn is_taken(&self, setting: &str, value: &str) -> bool {
        self.taken.get(setting).is_some_and(|taken| taken == value)
    }

    /// What failed is tried again by the next start, and keeps none of the others from being tried.
    fn done(&mut self, setting: &str, value: &str, outcome: Result<(), Wrong>) -> bool {
        match outcome {
            Ok(()) => {
                self.taken.insert(setting.to_owned(), value.to_owned());
                true
            }
            Err(wrong) => {
                self.taken.remove(setting);
                self.notes.push(sentence(&wrong));
                false
            }
        }
    }

    fn user_data(&mut self, machine: &Machine, settings: &Settings) {
        if !settings.has_user_data {
            return;
        }
        let name = settings.name.as_ref().map(|name| name.as_str());
        self.one("hostname", name, || match &settings.name {
            Some(name) => names::host_at_once(machine, name).map(drop),
            None => Ok(()),
        });
        let zone = settings.zone.as_ref().map(|zone| zone.as_str());
        self.one("timezone", zone, || match &settings.zone {
            Some(zone) => names::zone(machine, zone).map(drop),
            None => Ok(()),
        });
        let key = settings.key.as_ref().map(|key| key.as_str());
        self.one("ssh_authorized_keys", key, || match &settings.key {
            Some(key) => ssh::on(machine, key, true).map(drop),
            None => Ok(()),
        });
    }

    /// What is not named any more stays in force, and counts when it is named again.
    fn one(&mut self, setting: &str, value: Option<&str>, enforce: impl FnOnce() -> Result<(), Wrong>) {
        match value {
            None => drop(self.taken.remove(setting)),
            Some(value) if self.is_taken(setting, value) => {}
            Some(value) => drop(self.done(setting, value, enforce())),
        }
    }

    fn wired(&mut self, machine: &Machine, settings: &Settings) {
        match &settings.wire {
            Some(wire) => {
                let text = network::wire(wire);
                self.one("eth0", Some(&text), || {
                    machine.write(network::WIRE_FILE, &text)?;
                    call(machine, NETWORKCTL, &["reload"]).map(drop)
                });
            }
            // A wrong address must not need a new card.
            None if settings.is_whole => {
                self.taken.remove("eth0");
                if machine.exists(network::WIRE_FILE) {
                    let removed = machine.remove(network::WIRE_FILE);
                    let outcome = removed.and_then(|()| call(machine, NETWORKCTL, &["reload"]).map(drop));
                    self.notes.extend(outcome.err().as_ref().map(sentence));
                }
            }
            None => {}
        }
    }

    /// Whether what the file says of the Wi-Fi is in force.
    fn wireless(&mut self, machine: &Machine, settings: &Settings) -> bool {
        if settings.wifi.is_none() && settings.country.is_none() {
            return true;
        }
        let networks = settings.wifi.as_deref().unwrap_or_default();
        let keep = !settings.is_whole || settings.wifi.is_none();
        let before = machine.text(network::WIFI_FILE).unwrap_or_default();
        let wifi = network::wifi(settings.country.as_deref(), networks, keep, &before);
        for ssid in &wifi.missing {
            let ssid = shown(ssid);
            self.notes.push(format!(
                "network-config: the password of {ssid} is to be as before, and there is none; write it anew."
            ));
        }
        let wanted = without_secrets(settings, networks, keep);
        let is_new = networks
            .iter()
            .any(|wifi| matches!(wifi.password, Password::New(_)));
        if !is_new && self.is_taken("wlan0", &wanted) {
            return true;
        }
        let outcome = machine
            .write_private(network::WIFI_FILE, &wifi.text)
            // Where its radio is not there yet, or there is none, the device starts it (pi-image).
            .and_then(|()| agrees(machine, SYSTEMCTL, &["--no-block", "restart", WIFI_SERVICE]));
        self.done("wlan0", &wanted, outcome.map(drop))
    }

    /// Takes the passwords that are in force out of the file.
    fn clean(&mut self, machine: &Machine, name: &str, text: &str, settings: &Settings) {
        let networks = settings.wifi.iter().flatten();
        let taken: Vec<&str> = networks
            .filter_map(|wifi| match &wifi.password {
                Password::New(password) => Some(password.as_str()),
                _ => None,
            })
            .collect();
        let clean = secrets::without(text, &taken);
        if clean != text
            && let Err(wrong) = card::replace_secret(machine, name, &clean)
        {
            self.notes
                .push(format!("The Wi-Fi password is still on the card: {wrong}."));
            return;
        }
        if secrets::are_in(&clean) {
            self.notes.push(format!(
                "{name} still holds a password that was not taken over: correct the file, or take it out."
            ));
        }
    }
}

fn sentence(wrong: &Wrong) -> String {
    format!("{}.", wrong.to_string().trim_end_matches('.'))
}

/// What is wanted of the Wi-Fi, to know it again.
fn without_secrets(settings: &Settings, networks: &[Wifi], keep: bool) -> String {
    let mut text = format!("{} {keep}", settings.country.as_deref().unwrap_or_default());
    for wifi in networks {
        let manner = match wifi.password {
            Password::Open => "open",
            Password::AsBefore | Password::New(_) => "by password",
        };
        let _ = write!(text, ", {:?} {manner}", wifi.ssid);
    }
    text
}
