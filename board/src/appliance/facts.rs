//! What is so just now: addresses, name, whether somebody owns the server, and by which code one comes to. What must not live
//! here: how it is said.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::take_over::NOTES;
use super::{restore, way_back};
use crate::answer::Wrong;
use crate::machine::Machine;
use crate::power::SYSTEMCTL;
use crate::program::{run, run_with};

const IP: &str = "/usr/sbin/ip";
const JOURNALCTL: &str = "/usr/bin/journalctl";
const BUSCTL: &str = "/usr/bin/busctl";
const HOSTNAMECTL: &str = "/usr/bin/hostnamectl";
const SERVICE: &str = "kinglet.service";
const MOUNTS: &str = "/proc/self/mounts";
/// Where the data is seen, without which neither the server nor its ports are started.
const DATA: &str = "/var/lib/kinglet";
const MOUNT_UNITS: [&str; 2] = ["data.mount", "var-lib-kinglet.mount"];
/// Where the server answers those who run it.
const CONTROL: &str = "/var/lib/kinglet/control.sock";
const PATIENCE: Duration = Duration::from_secs(5);
/// What the server writes down of its authority.
const COMPARED: &str = "/var/lib/kinglet/tls/ca.txt";
/// A start may read a long log.
const RESTART_TIME: Duration = Duration::from_secs(300);
const ANSWER_BYTES: u64 = 64 * 1024;

#[derive(Debug, Default)]
pub struct Facts {
    pub addresses: Vec<String>,
    /// What the machine is called.
    pub name: String,
    /// What it is called on the network, where another may have the name.
    pub found_as: Option<String>,
    /// `None`: the server does not answer.
    pub is_claimed: Option<bool>,
    pub code: Option<String>,
    /// What a device shows of the box's own authority, too: six words, and the SHA-256.
    pub compared: Option<(String, String)>,
    pub notes: Vec<String>,
    pub way_back: Option<String>,
    /// Its link by number, for a phone's camera.
    pub link: Option<String>,
    /// How it stands with a backup that is to be put back.
    pub restore: Option<String>,
    /// The data's partition is not there, and nobody is at it any more.
    pub is_data_lost: bool,
}

impl Facts {
    pub fn look(machine: &Machine) -> Facts {
        let is_claimed = claimed(machine);
        let addresses = addresses(machine);
        let mut way_back = machine.text(way_back::SAID).filter(|text| !text.is_empty());
        let link = way_back
            .as_deref()
            .zip(addresses.first())
            .and_then(|(said, first)| way_back::by_number(said, first));
        if let (Some(said), Some(link)) = (&mut way_back, &link) {
            said.push_str(&format!(
                "\n\nThe same by number, and as the picture above:\n{link}"
            ));
        }
        Facts {
            addresses,
            name: machine.text("/etc/hostname").unwrap_or_default(),
            found_as: found_as(machine),
            is_claimed,
            code: if is_claimed == Some(false) {
                code(machine)
            } else {
                None
            },
            compared: is_claimed.and_then(|_| compared(machine)),
            notes: lines(machine.text(NOTES)),
            way_back,
            link,
            restore: machine.text(restore::SAID).filter(|text| !text.is_empty()),
            is_data_lost: is_data_lost(machine),
        }
    }
}

fn lines(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Those that others reach, as they stand in a link, the cable's first, since that is the order of the devices. People read
/// them off a screen, so the long ones are told only where there are no short ones.
fn addresses(machine: &Machine) -> Vec<String> {
    let said = run(machine, IP, &["-json", "address", "show", "up"]).unwrap_or_default();
    let cards: Value = serde_json::from_str(&said).unwrap_or_default();
    let all: Vec<(&Value, IpAddr)> = cards
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|card| card["addr_info"].as_array().into_iter().flatten())
        .filter_map(|about| Some((about, about["local"].as_str()?.parse().ok()?)))
        .collect();
    let short = all
        .iter()
        .filter(|(about, ip)| ip.is_ipv4() && about["scope"] != "host")
        .map(|(_, ip)| ip.to_string());
    let short: Vec<String> = short.collect();
    if !short.is_empty() {
        return short;
    }
    // One of a device's own is of no use in a browser, and one that changes by itself not for long.
    let passes = ["temporary", "deprecated", "tentative", "dadfailed"];
    let long = all
        .iter()
        .filter(|(about, ip)| {
            ip.is_ipv6() && about["scope"] == "global" && passes.iter().all(|flag| about[*flag] != true)
        })
        .map(|(_, ip)| format!("[{ip}]"));
    long.collect()
}

/// The name that mDNS has settled on. It asks the network first, and takes another where somebody has this one.
fn found_as(machine: &Machine) -> Option<String> {
    let service = [
        "--json=short",
        "call",
        "org.freedesktop.Avahi",
        "/",
        "org.freedesktop.Avahi.Server",
    ];
    let ask = |method: &str| {
        let said = run(machine, BUSCTL, &[&service[..], &[method]].concat()).ok()?;
        let said: Value = serde_json::from_str(&said).ok()?;
        said["data"].get(0).cloned()
    };
    // 2: it runs, and nobody has objected.
    let is_settled = ask("GetState")?.as_i64() == Some(2);
    ask("GetHostName")?
        .as_str()
        .filter(|_| is_settled)
        .map(str::to_owned)
}

/// A slow card is waited for, and one that was not closed is looked over first: that is no loss yet. What cannot be found out is
/// none either.
fn is_data_lost(machine: &Machine) -> bool {
    let Some(mounts) = machine.text(MOUNTS) else {
        return false;
    };
    if mounts.lines().any(|line| line.split(' ').nth(1) == Some(DATA)) {
        return false;
    }
    let words = [&["--no-legend", "list-jobs"][..], &MOUNT_UNITS].concat();
    run(machine, SYSTEMCTL, &words).is_ok_and(|jobs| jobs.trim().is_empty())
}

pub fn claimed(machine: &Machine) -> Option<bool> {
    let mut stream = UnixStream::connect(machine.path(CONTROL)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let health: Value = serde_json::from_str(body).ok()?;
    health["claimed"].as_bool()
}

/// The code that the server printed last.
fn code(machine: &Machine) -> Option<String> {
    let words = [
        "--quiet",
        "--boot",
        "--unit",
        SERVICE,
        "--output",
        "cat",
        "--grep",
        "claim code is",
        "--lines",
        "1",
    ];
    let said = run(machine, JOURNALCTL, &words).ok()?;
    let (_, code) = said.lines().next_back()?.split_once("claim code is ")?;
    let code = code.trim();
    let plain = code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (plain && !code.is_empty() && code.len() <= 32).then(|| code.to_owned())
}

/// Nothing else that the server may have written comes onto the screen by this.
fn compared(machine: &Machine) -> Option<(String, String)> {
    let text = machine.text(COMPARED)?;
    let said = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let words = said("words: ").filter(|words| {
        words.len() <= 80
            && words
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b' ')
    });
    let print = said("SHA-256: ").filter(|print| {
        print.len() == 32 * 3 - 1 && print.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
    });
    Some((words?.to_owned(), print?.to_owned()))
}

/// A second box on the network: the name that was free becomes the machine's own before anybody has learned another, so that
/// the two do not change names with each other. Gives whether it is called otherwise now.
pub fn settle_name(machine: &Machine, facts: &Facts) -> Result<bool, Wrong> {
    let Some(free) = &facts.found_as else {
        return Ok(false);
    };
    let number = free
        .strip_prefix(&facts.name)
        .and_then(|rest| rest.strip_prefix('-'));
    if number.is_none_or(|number| number.parse::<u16>().is_err()) {
        return Ok(false);
    }
    run(machine, HOSTNAMECTL, &["set-hostname", free])?;
    // Its certificate is to have the name, too.
    run_with(machine, SYSTEMCTL, &["try-restart", SERVICE], "", RESTART_TIME)?;
    Ok(true)
}
