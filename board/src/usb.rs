//! A USB disk for backups, at one place and for the server's user. What must not live here: what is written to it.

use std::fs;
use std::path::Component;

use serde_json::{Value, json};

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::Machine;
use crate::program::run;
use crate::request::Device;

/// The one place. A disk that is mounted there later is seen, and can be written, by the server as well.
pub const PLACE: &str = "/media/kinglet-backup";
const DISKS: &str = "/sys/class/block";
const MOUNTS: &str = "/proc/self/mounts";
const BLKID: &str = "/usr/sbin/blkid";
const MOUNT: &str = "/usr/bin/systemd-mount";
const UMOUNT: &str = "/usr/bin/systemd-umount";
/// Nothing on a stick may be run, or be a device, or give anybody rights.
const OPTIONS: &str = "nosuid,nodev,noexec,noatime";

pub fn mount(machine: &Machine, wanted: Option<&Device>) -> Outcome {
    let mounts = machine.text(MOUNTS).unwrap_or_default();
    if is_mounted(&mounts) {
        let what = format!("A disk is at {PLACE} already; unmount it first.");
        return Err(Wrong::because(Code::Busy, what));
    }
    let device = choose(machine, &mounts, wanted)?;
    let path = format!("/dev/{device}");
    let kind = run(machine, BLKID, &["-p", "-o", "value", "-s", "TYPE", &path])?;
    let options = match (kind.trim(), machine.user("kinglet")) {
        ("exfat" | "vfat", Some((uid, gid))) => format!("{OPTIONS},uid={uid},gid={gid},umask=0077"),
        // A new one has a topmost folder of root's. Before util-linux 2.39 nobody heeds these two, and they do no harm.
        ("ext4", Some((uid, gid))) => format!("{OPTIONS},X-mount.owner={uid},X-mount.group={gid}"),
        ("ext4", None) => OPTIONS.to_owned(),
        (other, _) => {
            let what = format!("The file system {other:?} is not one of exfat, vfat and ext4.");
            return Err(Wrong::because(Code::NotAvailable, what));
        }
    };
    let (kind, options) = (format!("--type={}", kind.trim()), format!("--options={options}"));
    run(
        machine,
        MOUNT,
        &["--no-ask-password", "--collect", &kind, &options, &path, PLACE],
    )?;
    Ok(json!({ "path": PLACE, "device": device, "file_system": kind.trim_start_matches("--type=") }))
}

pub fn unmount(machine: &Machine) -> Outcome {
    if !is_mounted(&machine.text(MOUNTS).unwrap_or_default()) {
        return Err(Wrong::because(
            Code::NotAvailable,
            format!("No disk is at {PLACE}."),
        ));
    }
    run(machine, UMOUNT, &[PLACE]).map(|_| Value::Null)
}

/// Disks that could be mounted, as they are now.
pub fn disks(machine: &Machine) -> Vec<String> {
    candidates(machine, &machine.text(MOUNTS).unwrap_or_default())
}

fn is_mounted(mounts: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(PLACE))
}

fn choose(machine: &Machine, mounts: &str, wanted: Option<&Device>) -> Result<String, Wrong> {
    let found = candidates(machine, mounts);
    let none = "There is no USB disk that is not in use.";
    match (wanted, found.as_slice()) {
        (Some(wanted), _) => {
            let chosen = found.iter().find(|name| *name == wanted.as_str());
            chosen
                .cloned()
                .ok_or_else(|| Wrong::because(Code::NotAvailable, none))
        }
        (None, []) => Err(Wrong::because(Code::NotAvailable, none)),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Wrong::several(found)),
    }
}

/// Partitions, and disks without any, that hang on USB and of whose disk nothing is mounted: the system may be on USB, too.
fn candidates(machine: &Machine, mounts: &str) -> Vec<String> {
    let names: Vec<String> = machine
        .names(DISKS)
        .into_iter()
        .filter(|name| Device::try_from(name.clone()).is_ok() && hangs_on_usb(machine, name))
        .collect();
    let used: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').next()?.strip_prefix("/dev/"))
        .collect();
    let is_free = |name: &&String| !used.iter().any(|other| disk_of(other) == disk_of(name));
    let has_parts = |name: &str| names.iter().any(|other| other != name && disk_of(other) == name);
    names
        .iter()
        .filter(is_free)
        .filter(|name| !has_parts(name))
        .cloned()
        .collect()
}

fn disk_of(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn hangs_on_usb(machine: &Machine, name: &str) -> bool {
    let Ok(path) = fs::canonicalize(machine.path(&format!("{DISKS}/{name}"))) else {
        return false;
    };
    path.components().any(|part| match part {
        Component::Normal(part) => part
            .to_str()
            .and_then(|part| part.strip_prefix("usb"))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
        _ => false,
    })
}
