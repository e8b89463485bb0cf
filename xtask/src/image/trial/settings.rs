//! What is written on a card that has been in use for a while: another name and a fixed address, and another name once more where the
//! data cannot be reached. What must not live here: what the first day takes over (`first`), and a Wi-Fi (`wifi`).

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::super::card;
use super::inside::Inside;
use super::machine::Bench;
use super::machine::MIB;
use super::neighbour::Neighbour;
use super::{TIME_ZONE, answers, looks};
use crate::debian::must;

/// What the network gives anyway, so that the ports still lead here.
const ADDRESS: &str = "10.0.2.15/24";
const SAYS: &str = "\
cat /proc/sys/kernel/hostname
ip -4 -o address show dev eth0 scope global
grep -v CERTIFICATE /var/lib/kinglet/tls/ca.pem | base64 -d | sha256sum | tr a-f A-F | cut -c1-64";

pub fn run(bench: &Bench<'_>, inside: &Inside, wire: &Neighbour) -> Result<()> {
    println!("a start with another name and a fixed address on the card");
    called(bench, inside, "harbour")?;
    bench.write(
        "network-config",
        &format!("version: 2\nethernets:\n  eth0:\n    addresses: [{ADDRESS}]\n"),
    )?;
    let mut machine = bench.start("settings", wire)?;
    machine.hear(bench.patience, "the new name on its serial line", |line| {
        line.contains("http://harbour.local/").then_some(())
    })?;
    answers(bench, &mut machine, true)?;
    wire.finds("harbour.local", bench.patience, || machine.is_on())?;
    looks::trusted(bench, "harbour.local")?;
    inside.awaited(&mut machine)?;
    let said = inside.run(SAYS)?;
    let [name, address, print] = said.lines().collect::<Vec<_>>()[..] else {
        anyhow::bail!("it says: {said}");
    };
    // `dynamic` is what DHCP gave.
    ensure!(
        name == "harbour" && address.contains(ADDRESS) && !address.contains("dynamic"),
        "it says: {said}"
    );
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(
        told.contains("http://harbour.local/"),
        "the card says another name: {told}"
    );
    ensure!(
        told.replace(':', "").contains(print),
        "what is to be compared of its authority, {print}, is not on the card: {told}"
    );
    println!(
        "  it is found by that name and has a certificate for it; the card says what to compare of its authority"
    );

    println!("a start whose data cannot be reached, with another name on the card");
    // It is the last one, and has grown: with anything left of it a look over would make an empty one.
    let data = card::part(card::DATA)?.start * MIB;
    let all = fs::metadata(&bench.card).context("the card")?.len();
    must(
        Command::new("fallocate")
            .args(["--punch-hole", "--offset", &data.to_string()])
            .args(["--length", &(all - data).to_string()])
            .arg(&bench.card),
    )?;
    called(bench, inside, "quay")?;
    let mut machine = bench.start("no-data", wire)?;
    machine.hear(bench.patience, "word that the data cannot be reached", |line| {
        line.contains("data on this card cannot be reached").then_some(())
    })?;
    inside.awaited(&mut machine)?;
    let name = inside
        .run("cat /proc/sys/kernel/hostname; systemctl --failed --plain --no-legend | cut -d' ' -f1")?;
    ensure!(
        name.lines().next() == Some("quay"),
        "settings were not taken over: {name}"
    );
    println!(
        "  said on its serial line, and it is called {}",
        name.replace('\n', " ")
    );
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(told.contains("cannot be reached"), "the card says: {told}");
    Ok(())
}

fn called(bench: &Bench<'_>, inside: &Inside, name: &str) -> Result<()> {
    bench.write(
        "user-data",
        &format!(
            "#cloud-config\nhostname: {name}\ntimezone: {TIME_ZONE}\nssh_authorized_keys:\n  - {}\n",
            inside.public()?
        ),
    )
}
