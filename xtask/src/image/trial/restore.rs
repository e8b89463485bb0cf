//! A new card becomes the server that there was, from a stick with its backup and the recovery key, before it first starts: phones
//! carry on without trusting anew, and find it by the name of before. What must not live here: other parts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::inside::Inside;
use super::looks;
use super::machine::{Bench, Plugged};
use super::neighbour::Neighbour;
use super::owner::Owner;
use super::{NAME, answers, stick};
use crate::debian::must;

const MIB: u64 = 1 << 20;
/// The identity of age's own documentation, which opens nothing here.
const OTHER_KEY: &str = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
const BACK_UP: &str = "\
sed -i '/^\\[backup\\]/a to = \"usb\"' /etc/kinglet/kinglet.toml
systemctl restart kinglet.service
kinglet --config /etc/kinglet/kinglet.toml backup";
const EVENTS: &str = "\
systemctl stop kinglet.socket kinglet-http.socket kinglet.service
runuser -u kinglet -- kinglet --config /etc/kinglet/kinglet.toml doctor | grep 'events in'";
const NO_SERVER: &str = "a server, or something of one, where there should be none";
/// The server is held back, and nothing lies where its data go.
const HELD: &str = "\
systemctl is-active kinglet.service || true
ls -A /data/kinglet";

pub fn run(bench: &Bench<'_>, image: &Path, inside: &Inside, wire: &Neighbour) -> Result<()> {
    println!("a backup onto a stick");
    let stick = fat(bench)?;
    let plugged = Plugged {
        stick: Some(&stick),
        ..Plugged::default()
    };
    let mut machine = bench.start_with("backup", &plugged, wire)?;
    answers(bench, &mut machine, true)?;
    inside.awaited(&mut machine)?;
    let authority = looks::authority(bench, "authority-before.pem")?;
    let phone = Owner::signed_in(bench)?;
    let key = phone.makes_recovery_key()?;
    println!("  {}", inside.run(BACK_UP)?.lines().next().unwrap_or_default());
    let events = inside.run(EVENTS)?;
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;

    println!("a new card with that stick, and another server's key");
    bench.fresh_card(image)?;
    bench.write(
        "user-data",
        &format!("#cloud-config\nssh_authorized_keys:\n  - {}\n", inside.public()?),
    )?;
    bench.write("restore-key", &format!("{OTHER_KEY}\n"))?;
    let mut machine = bench.start_with("restore-refused", &plugged, wire)?;
    let is_refused = machine.hear(bench.patience, "word that the backup was not put back", |line| {
        let is_refused = line.contains("was not put back");
        (is_refused || line.contains("claim code  ")).then_some(is_refused)
    })?;
    ensure!(is_refused, "{NO_SERVER}: it shows a claim code");
    inside.awaited(&mut machine)?;
    let held = inside.run(HELD)?;
    let held: Vec<&str> = held.lines().filter(|name| *name != "lock").collect();
    ensure!(held == ["inactive"], "{NO_SERVER}: {held:?}");
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(told.contains("was not put back"), "the card says: {told}");
    ensure!(
        bench.read("restore-key")?.is_some(),
        "the key is gone, and was of no use"
    );
    println!(
        "  refused, said on the serial line and on the card; no server was started, and nothing is left of it"
    );

    println!("the same with the right key");
    bench.write("restore-key", &format!("{key}\n"))?;
    let mut machine = bench.start_with("restored", &plugged, wire)?;
    machine.hear(bench.patience, "word that it runs", |line| {
        line.contains("This chat server runs.").then_some(())
    })?;
    answers(bench, &mut machine, true)?;
    looks::trusts(bench, NAME, &authority)?;
    let page = phone.gets("audit?act=restored&operator=true")?;
    ensure!(
        page["entries"]
            .as_array()
            .is_some_and(|entries| entries.len() == 1),
        "the journal of admins does not have it: {page}"
    );
    inside.awaited(&mut machine)?;
    let now = inside.run(EVENTS)?;
    ensure!(now == events, "before: {events}\nnow: {now}");
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    ensure!(
        bench.read("restore-key")?.is_none(),
        "the key is still on the card"
    );
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(
        told.contains("Put back from kinglet-") && !told.contains(&key),
        "the card says: {told}"
    );
    println!("  the same authority, a device that is still signed in, and {now}");
    Ok(())
}

/// As it is bought: one partition, FAT.
pub fn fat(bench: &Bench<'_>) -> Result<PathBuf> {
    let path = stick::blank(bench, "stick.img", "c")?;
    let end = std::fs::metadata(&path).context("the stick")?.len();
    must(
        bench
            .tools
            .command("mkfs.vfat")
            .args(["--offset", "2048", "-F", "32", "-n", "BACKUP"])
            .arg(&path)
            .arg(((end - MIB) / 1_024).to_string()),
    )?;
    Ok(path)
}
