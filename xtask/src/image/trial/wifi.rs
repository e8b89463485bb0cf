//! A Wi-Fi: two simulated radios in the machine, of which one is an access point in a network of its own and the other is what
//! the card's settings bring up; and a new password, which must not lose a box that has no screen. What must not live here: the
//! settings' form, which the board's own tests have.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::inside::Inside;
use super::machine::{Bench, Plugged, Running};
use super::neighbour::Neighbour;
use super::{NAME, answers, looks};
use crate::debian::{Debian, must};

const AIR: &str = include_str!("wifi/air.sh");
const JOINED: &str = include_str!("wifi/joined.sh");
const REFUSED: &str = include_str!("wifi/refused.sh");
const ASKS: &str = include_str!("wifi/asks.py");
/// Has the card's own kernel make the radios, as early as a board's are there.
const RADIOS: &str = "modules_load=mac80211_hwsim";
/// Also after what a unit would wait for such a device.
const NO_RADIO: &str = "sleep 100; systemctl --failed --plain --no-legend";
/// Packages and their programs for the other end of the air, of the release that this machine has; their libraries are the card's.
const PROGRAMS: [(&str, &str); 3] = [
    ("hostapd", "hostapd"),
    ("iw", "iw"),
    ("busybox-static", "busybox"),
];
const FOLDERS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];
/// What the card says to another computer: looked for once a minute.
const TELLS: &str = "\
for try in $(seq 90); do
    if grep -q 'http://@GIVEN@/' /boot/firmware/KINGLET.txt; then exit 0; fi
    sleep 2
done
cat /boot/firmware/KINGLET.txt";
const SSID: &str = "home";
const FIRST: &str = "first word of the air";
const SECOND: &str = "another \"word\" of it";
/// The access point's address, the one that it gives, and their network.
const HERE: &str = "192.168.77.1";
const GIVEN: &str = "192.168.77.20";
const NET: &str = "192.168.77.0/24";
const ASKED: &str = "\
named
HTTP/1.1 200 OK
HTTP/1.1 200 OK";

pub fn run(bench: &Bench<'_>, inside: &Inside, wire: &Neighbour) -> Result<()> {
    let disk = disk(bench)?;
    let plugged = Plugged {
        disk: Some(&disk),
        told: RADIOS,
        ..Plugged::default()
    };
    println!("a start with a Wi-Fi in network-config");
    settings(bench, FIRST)?;
    let mut machine = bench.start_with("wifi", &plugged, wire)?;
    comes(bench, inside, &mut machine, FIRST)?;
    inside.run(&filled(AIR, SECOND))?;
    let turned_away = inside.run(REFUSED)?;
    ensure!(
        turned_away == "0",
        "with another password at the access point the box should be turned away: {turned_away}"
    );
    println!("  another password at the access point, and the box is turned away");
    gone(bench, inside, machine)?;

    println!("a start with the new password in network-config, and radios that come late");
    settings(bench, SECOND)?;
    let late = Plugged {
        disk: Some(&disk),
        ..Plugged::default()
    };
    let mut machine = bench.start_with("wifi-changed", &late, wire)?;
    answers(bench, &mut machine, true)?;
    inside.awaited(&mut machine)?;
    let failed = inside.run(NO_RADIO)?;
    ensure!(failed.is_empty(), "without a radio there failed: {failed}");
    inside.run("modprobe mac80211_hwsim")?;
    comes(bench, inside, &mut machine, SECOND)?;
    gone(bench, inside, machine)
}

/// As somebody writes it who has put the card into another computer.
fn settings(bench: &Bench<'_>, password: &str) -> Result<()> {
    bench.write(
        "network-config",
        &format!(
            "version: 2\nwifis:\n  wlan0:\n    regulatory-domain: DE\n    access-points:\n      \"{SSID}\":\n        password: '{password}'\n"
        ),
    )
}

/// The box is on the air by itself, and is found and trusted from there.
fn comes(bench: &Bench<'_>, inside: &Inside, machine: &mut Running, password: &str) -> Result<()> {
    answers(bench, machine, true)?;
    inside.awaited(machine)?;
    inside.run(&filled(AIR, password))?;
    let said = inside.run(&filled(JOINED, password))?;
    let wanted = format!(
        "on the air\nssid={SSID}\nkey_mgmt=WPA2-PSK\nwpa_state=COMPLETED\ncountry DE\n{GIVEN}/24\n{NET}"
    );
    ensure!(
        said == wanted,
        "by Wi-Fi the box says:\n{said}\nand should say:\n{wanted}"
    );
    println!("  on the air with an address, by the country's rules, and neighbours are known");
    let authority = looks::authority(bench, "authority-air.pem")?;
    let trust = fs::read_to_string(authority).context("reading the box's authority")?;
    let asked = inside.python(&filled(ASKS, password).replace("@TRUST@", &trust))?;
    ensure!(asked == ASKED, "asked over the air, the box says:\n{asked}");
    let told = inside.run(&filled(TELLS, password))?;
    ensure!(
        told.is_empty(),
        "the card does not say where the box is by Wi-Fi: {told}"
    );
    println!("  found from there by name, trusted by name and by address, and the card says the address");
    Ok(())
}

/// Turns it off; no password is left where any computer could read it.
fn gone(bench: &Bench<'_>, inside: &Inside, machine: Running) -> Result<()> {
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    for name in ["network-config", "KINGLET.txt"] {
        let text = bench
            .read(name)?
            .with_context(|| format!("{name} is gone from the card"))?;
        for password in [FIRST, SECOND] {
            ensure!(
                !text.contains(password),
                "the Wi-Fi's password is still on the card: {name} says {text}"
            );
        }
        ensure!(
            name != "network-config" || text.contains(SSID),
            "the network is no longer named on the card: {text}"
        );
    }
    println!("  no password is on the card");
    Ok(())
}

fn filled(text: &str, password: &str) -> String {
    let mut text = text.to_owned();
    for (mark, value) in [
        ("@SSID@", SSID),
        ("@PASSWORD@", password),
        ("@HERE@", HERE),
        ("@GIVEN@", GIVEN),
        ("@NET@", NET),
        ("@NAME@", NAME),
    ] {
        text = text.replace(mark, value);
    }
    text
}

/// A disk with what the access point is made of, for this trial alone: nothing of it comes onto the card.
fn disk(bench: &Bench<'_>) -> Result<PathBuf> {
    let packages: Vec<String> = PROGRAMS
        .iter()
        .map(|(name, _)| format!("{name}:{}", bench.processor.debian))
        .collect();
    let unpacked = Debian::open()?.unpack("image-air", &packages)?;
    let (content, disk) = (bench.folder.join("air"), bench.folder.join("air.img"));
    if content.exists() {
        fs::remove_dir_all(&content).context("removing what was on the last disk")?;
    }
    fs::create_dir_all(&content).context("making what goes onto the disk")?;
    for (_, program) in PROGRAMS {
        let places = FOLDERS.iter().map(|folder| unpacked.join(folder).join(program));
        let from = places.into_iter().find(|place| place.exists());
        let from = from.with_context(|| format!("no {program} in its package"))?;
        fs::copy(from, content.join(program)).with_context(|| format!("copying {program}"))?;
    }
    if disk.exists() {
        fs::remove_file(&disk).context("removing the last disk")?;
    }
    must(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "air", "-d"])
            .args([&content, &disk])
            .arg("16M"),
    )?;
    Ok(disk)
}
