//! The machine's name and its time zone. What must not live here: what the server makes of them.

use std::fs::{self, File};
use std::io::Read;

use serde_json::{Value, json};

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::Machine;
use crate::note;
use crate::power::SYSTEMCTL;
use crate::program::{agrees, run};
use crate::request::{HostName, Zone};

const AVAHI: &str = "avahi-daemon.service";
const HOSTNAMECTL: &str = "/usr/bin/hostnamectl";
const TIMEDATECTL: &str = "/usr/bin/timedatectl";
const ZONES: &str = "/usr/share/zoneinfo";
const HOST: &str = "/proc/sys/kernel/hostname";
const LOCAL: &str = "/etc/localtime";
/// A fresh appliance's own.
const FIRST_NAME: &str = "kinglet";
const FIRST_ZONE: &str = "Etc/UTC";

/// The server learns its new name, and makes a certificate for it, when it is started again.
pub fn host(machine: &Machine, name: &HostName) -> Outcome {
    run(machine, HOSTNAMECTL, &["set-hostname", name.as_str()])?;
    Ok(json!({ "name": name.as_str(), "restart_needed": true }))
}

/// Before the server begins: it makes its certificate for this name, by which it has to be found, too.
pub fn host_at_once(machine: &Machine, name: &HostName) -> Outcome {
    let outcome = host(machine, name)?;
    // That tells others the name that it began with. One that does not run yet begins with this.
    if !agrees(machine, SYSTEMCTL, &["try-restart", AVAHI]).unwrap_or(false) {
        note("the name is told on the network after the next start only");
    }
    Ok(outcome)
}

pub fn zone(machine: &Machine, zone: &Zone) -> Outcome {
    let mut begins = [0; 4];
    let file = File::open(machine.path(&format!("{ZONES}/{}", zone.as_str())));
    let is_known = file.and_then(|mut file| file.read_exact(&mut begins)).is_ok() && &begins == b"TZif";
    if !is_known {
        return Err(Wrong::because(
            Code::BadArgument,
            "This machine knows no time zone of that name.",
        ));
    }
    run(machine, TIMEDATECTL, &["set-timezone", zone.as_str()])?;
    Ok(json!({ "zone": zone.as_str() }))
}

pub fn host_now(machine: &Machine) -> Option<String> {
    machine.text(HOST)
}

/// Where the link leads that says it.
pub fn zone_now(machine: &Machine) -> Option<String> {
    let to = fs::read_link(machine.path(LOCAL)).ok()?;
    let (_, zone) = to.to_str()?.split_once("/zoneinfo/")?;
    Some(zone.to_owned())
}

/// As on the first day.
pub fn reset(machine: &Machine) -> Outcome {
    run(machine, HOSTNAMECTL, &["set-hostname", FIRST_NAME])?;
    run(machine, TIMEDATECTL, &["set-timezone", FIRST_ZONE])?;
    Ok(Value::Null)
}
