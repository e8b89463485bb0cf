//! A new card becomes the server that there was, from a stick with its backup and the recovery key, before it first starts: phones
//! carry on without trusting anew. What must not live here: other parts.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::inside::Inside;
use super::looks;
use super::machine::{Bench, Plugged};
use super::neighbour::Neighbour;
use super::{NAME, answers};
use crate::debian::{ask, must};

const MIB: u64 = 1 << 20;
const STICK: u64 = 64 * MIB;
/// Those of the talk of the first day (benches/load/src/kill9).
const PASSWORD: &str = "correct horse battery";
/// The identity of age's own documentation, which opens nothing here.
const OTHER_KEY: &str = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
const BACK_UP: &str = "\
sed -i '/^\\[backup\\]/a to = \"usb\"' /etc/kinglet/kinglet.toml
systemctl restart kinglet.service
kinglet --config /etc/kinglet/kinglet.toml backup";
const EVENTS: &str = "\
systemctl stop kinglet.socket kinglet-http.socket kinglet.service
runuser -u kinglet -- kinglet --config /etc/kinglet/kinglet.toml doctor | grep 'events in'";
/// The server is held back, and nothing lies where its data go.
const HELD: &str = "\
systemctl is-active kinglet.service || true
ls -A /data/kinglet";

pub fn run(bench: &Bench<'_>, image: &Path, inside: &Inside, wire: &Neighbour) -> Result<()> {
    println!("a backup onto a stick");
    let stick = stick(bench)?;
    let plugged = Plugged {
        stick: Some(&stick),
        ..Plugged::default()
    };
    let machine = bench.start_with("backup", &plugged, wire)?;
    answers(bench, &machine, true)?;
    inside.awaited()?;
    let authority = looks::authority(bench, "authority-before.pem")?;
    let phone = signed_in(bench)?;
    let made = asked(
        bench,
        "server/recovery-key",
        Some(&phone),
        Some(&json!({ "client_id": id()? })),
    )?;
    let key = made["key"].as_str().context("a recovery key")?.to_owned();
    println!("  {}", inside.run(BACK_UP)?.lines().next().unwrap_or_default());
    let events = inside.run(EVENTS)?;
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;

    println!("a new card with that stick, and another server's key");
    bench.fresh_card(image)?;
    let host = NAME.trim_end_matches(".local");
    bench.write(
        "user-data",
        &format!(
            "#cloud-config\nhostname: {host}\nssh_authorized_keys:\n  - {}\n",
            inside.public()?
        ),
    )?;
    bench.write("restore-key", &format!("{OTHER_KEY}\n"))?;
    let mut machine = bench.start_with("restore-refused", &plugged, wire)?;
    machine.hear(bench.patience, "word that the backup was not put back", |line| {
        line.contains("was not put back").then_some(())
    })?;
    inside.awaited()?;
    let held = inside.run(HELD)?;
    let held: Vec<&str> = held.lines().filter(|name| *name != "lock").collect();
    ensure!(
        matches!(held[..], ["inactive" | "activating"]),
        "a server, or something of one, where there should be none: {held:?}"
    );
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
    answers(bench, &machine, true)?;
    looks::trusts(bench, NAME, &authority)?;
    let page = asked(bench, "audit?act=restored&operator=true", Some(&phone), None)?;
    ensure!(
        page["entries"]
            .as_array()
            .is_some_and(|entries| entries.len() == 1),
        "the journal of admins does not have it: {page}"
    );
    inside.awaited()?;
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
fn stick(bench: &Bench<'_>) -> Result<PathBuf> {
    let path = bench.folder.join("stick.img");
    let file = File::create(&path).context("making a stick")?;
    file.set_len(STICK).context("giving it its size")?;
    let mut table = bench
        .tools
        .command("sfdisk")
        .args(["--quiet", "--no-reread"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting sfdisk")?;
    let mut told = table.stdin.take().context("it was asked to listen")?;
    told.write_all(b"label: dos\nstart=2048, type=c\n")
        .context("telling sfdisk")?;
    drop(told);
    ensure!(
        table.wait().context("waiting for sfdisk")?.success(),
        "sfdisk failed"
    );
    let kib = (STICK - MIB) / 1_024;
    must(
        bench
            .tools
            .command("mkfs.vfat")
            .args(["--offset", "2048", "-F", "32", "-n", "BACKUP"])
            .arg(&path)
            .arg(kib.to_string()),
    )?;
    Ok(path)
}

/// The token of a new device of the owner's.
fn signed_in(bench: &Bench<'_>) -> Result<String> {
    let ask = json!({ "name": "person0", "password": PASSWORD, "device": { "id": id()?, "name": "phone" } });
    let told = asked(bench, "sign-in", None, Some(&ask))?;
    Ok(told["token"].as_str().context("a token")?.to_owned())
}

fn id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").context("a new id")?;
    Ok(id.trim().to_owned())
}

fn asked(bench: &Bench<'_>, what: &str, token: Option<&str>, body: Option<&Value>) -> Result<Value> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--fail-with-body", "--max-time", "120"]);
    if let Some(token) = token {
        curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    if let Some(body) = body {
        curl.args([
            "--header",
            "Content-Type: application/json",
            "--data",
            &body.to_string(),
        ]);
    }
    let said = ask(curl.arg(format!("https://127.0.0.1:{}/api/v1/{what}", bench.https)))?;
    serde_json::from_str(&said).with_context(|| format!("{what} said {said}"))
}
