//! An owner installs an update from a stick, by the page's own request: what another key has signed is refused, one that does not run
//! is gone back from and said to be, and one that runs is kept, with the conversation going on. What must not live here: what a
//! package holds (`deb`), and the forms of signatures that are none (`board/tests`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::card;
use super::super::trust::PLACE;
use super::control::Control;
use super::inside::Inside;
use super::machine::Bench;
use super::owner::{Owner, id};
use super::restore::fat;
use super::stick::{asked, sees};
use crate::debian::{ask, must};

const MIB: u64 = 1 << 20;
const BOARD: &str = "admin/board";
const STATE: &str = "/usr/libexec/kinglet/kinglet-switch status --json";
/// The card's own package once more under another number, from what dpkg knows of it. Run with where to mount the card, the card,
/// the folder to lay it out in, the new version, and what is to happen to it before it is packed.
const REPACK: &str = "\
dpkg=\"--admindir=$0/var/lib/dpkg\"; info=\"$0/var/lib/dpkg/info/kinglet\"
before=$(dpkg-query \"$dpkg\" --show --showformat='${Version}' kinglet)
rm -rf \"$2\"; mkdir -p \"$2/DEBIAN\"
# Without the papers that this system leaves out.
sed 's,^/,,; /^[.]$/d; /^$/d' \"$info.list\" | while read -r path; do
    if [ -e \"$0/$path\" ] || [ -L \"$0/$path\" ]; then echo \"$path\"; fi
done >\"$2.list\"
tar -C \"$0\" --no-recursion -cf - -T \"$2.list\" | tar -C \"$2\" -xf -
for part in conffiles md5sums postinst postrm preinst prerm; do
    if [ -e \"$info.$part\" ]; then cp \"$info.$part\" \"$2/DEBIAN/$part\"; fi
done
dpkg-query \"$dpkg\" --status kinglet | awk '
    /^Conffiles:/ { skip = 1; next } /^ / && skip { next } { skip = 0 } !/^Status:/' >\"$2/DEBIAN/control\"
sed -i \"s/$before/$3/g\" \"$2/DEBIAN/control\" \"$2/DEBIAN/preinst\" \"$2/DEBIAN/postinst\"
cd \"$2\"; sh -euc \"$4\"
dpkg-deb --root-owner-group -Zgzip --build \"$2\" \"$2.deb\" >&2
printf %s \"$before\"";
/// It starts, and that is all.
const SICK: &str = "printf '#!/bin/sh\\nexit 1\\n' >usr/lib/kinglet/packaged/kinglet";

/// A package of the server's, and the name that it has on a stick.
struct Package {
    file: PathBuf,
    name: String,
    version: String,
}

pub fn run(bench: &Bench<'_>, image: &Path, inside: &Inside) -> Result<()> {
    let (ours, theirs) = (key(bench, "ours")?, key(bench, "theirs")?);
    let public = fs::read_to_string(ours.with_extension("pub")).context("reading a public key")?;
    let owner = Owner::signed_in(bench)?;
    let trusts = inside.run(&format!("cat /{PLACE} 2>/dev/null || true"))?;
    if trusts.is_empty() {
        let state = owner.gets(BOARD)?;
        ensure!(
            state["updates"] == false,
            "the card has no key, and the page would offer an update: {state}"
        );
        println!("  the image has no key, and the page says so; it is given one for this trial");
    } else {
        println!(
            "  the image trusts {}; this trial's key takes its place",
            trusts.lines().next_back().unwrap_or_default()
        );
    }
    inside.run(&format!("cat >/{PLACE} <<'END'\n{}\nEND\n", public.trim()))?;
    let (stick, mut hand) = (fat(bench)?, Control::at(&bench.control(), bench.patience)?);
    let before = state(inside)?["runs"].as_str().context("what runs")?.to_owned();
    let talk = Talk::begun(&owner)?;

    let good = repacked(bench, image, &format!("{before}.1"), "")?;
    put(bench, &stick, &good, &theirs)?;
    let (number, said) = installed(bench, &owner, &mut hand, &stick)?;
    ensure!(
        number == 409 && said["error"]["message"].to_string().contains("signed"),
        "another key has signed it, and it was not refused: {number} {said}"
    );
    ensure!(state(inside)?["runs"] == before, "what was refused runs");
    println!("  signed by another key: {}", said["error"]["message"]);

    put(bench, &stick, &good, &ours)?;
    takes(bench, &owner, &mut hand, &stick, &good)?;
    let now = settled(bench, inside, &good.version)?;
    ensure!(
        now["runs"] == good.version && now["previous"] == before && now["failed"].is_null(),
        "{} was to be kept: {now}",
        good.version
    );
    talk.goes_on(&owner)?;
    println!(
        "  {} is kept, {before} beside it, and the conversation goes on",
        good.version
    );

    let sick = repacked(bench, image, &format!("{before}.2"), SICK)?;
    put(bench, &stick, &sick, &ours)?;
    takes(bench, &owner, &mut hand, &stick, &sick)?;
    let now = settled(bench, inside, &sick.version)?;
    ensure!(now["runs"] == good.version, "{} runs: {now}", sick.version);
    let told = owner.gets(BOARD)?;
    ensure!(
        told["failed_update"]["version"] == sick.version && told["failed_update"]["why"].is_string(),
        "nobody is told that {} was gone back from: {told}",
        sick.version
    );
    talk.goes_on(&owner)?;
    println!("  {}: {}", sick.version, told["failed_update"]["why"]);

    let mended = repacked(bench, image, &sick.version, "")?;
    put(bench, &stick, &mended, &ours)?;
    takes(bench, &owner, &mut hand, &stick, &mended)?;
    let now = settled(bench, inside, &mended.version)?;
    ensure!(
        now["runs"] == mended.version,
        "{} was mended: {now}",
        mended.version
    );
    let told = owner.gets(BOARD)?;
    ensure!(told["failed_update"].is_null(), "what failed is well now: {told}");
    talk.goes_on(&owner)?;
    println!("  the same version, mended, is kept");
    Ok(())
}

/// A pair of minisign's without a password.
fn key(bench: &Bench<'_>, name: &str) -> Result<PathBuf> {
    let secret = bench.folder.join(format!("{name}.key"));
    let mut minisign = bench.tools.command("minisign");
    minisign.args(["-G", "-W", "-f", "-s"]).arg(&secret);
    minisign.arg("-p").arg(secret.with_extension("pub"));
    // It says at length what can be done with them.
    ask(&mut minisign)?;
    Ok(secret)
}

fn repacked(bench: &Bench<'_>, image: &Path, version: &str, change: &str) -> Result<Package> {
    let root = card::part(card::ROOT)?;
    let (place, tree) = (bench.folder.join("inside"), bench.folder.join("package"));
    fs::create_dir_all(&place).context("making a folder to mount the card at")?;
    // The image is never changed.
    let script = format!(
        "mount -o loop,ro,noload,offset={},sizelimit={} \"$1\" \"$0\"\n{REPACK}",
        root.start * MIB,
        root.size * MIB
    );
    let change = if change.is_empty() { ":" } else { change };
    let before = ask(Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", &script])
        .args([&place, image, &tree])
        .args([version, change]))?;
    ensure!(
        version.starts_with(&before),
        "the card's package is {before}, and another version runs on it"
    );
    Ok(Package {
        file: tree.with_extension("deb"),
        name: format!("kinglet_{version}_{}.deb", bench.processor.debian),
        version: version.to_owned(),
    })
}

/// The package and its signature are all that is on the stick.
fn put(bench: &Bench<'_>, stick: &Path, package: &Package, key: &Path) -> Result<()> {
    let signature = package.file.with_extension("deb.minisig");
    let mut minisign = bench.tools.command("minisign");
    minisign.args(["-S", "-s"]).arg(key).arg("-m").arg(&package.file);
    must(minisign.arg("-x").arg(&signature))?;
    let disk = format!("{}@@1M", stick.display());
    // There is none on a new one.
    let _ = bench.tools.command("mdel").args(["-i", &disk, "::*"]).output();
    for (file, name) in [
        (&package.file, package.name.clone()),
        (&signature, format!("{}.minisig", package.name)),
    ] {
        let mut copy = bench.tools.command("mcopy");
        copy.args(["-o", "-i", &disk]).arg(file).arg(format!("::{name}"));
        must(&mut copy)?;
    }
    Ok(())
}

/// Plugged in, asked for, and pulled as soon as that is answered.
fn installed(bench: &Bench<'_>, owner: &Owner<'_>, hand: &mut Control, stick: &Path) -> Result<(u16, Value)> {
    hand.plugs_in(stick)?;
    sees(bench, owner, 1)?;
    let request = json!({ "client_id": id()?, "verb": "update" });
    let answer = asked(bench, "end of what the box was at work for", || {
        let (number, said) = owner.asks("POST", BOARD, Some(&request))?;
        Ok((said["error"]["code"] != "busy").then_some((number, said)))
    })?;
    hand.pulls()?;
    Ok(answer)
}

fn takes(
    bench: &Bench<'_>,
    owner: &Owner<'_>,
    hand: &mut Control,
    stick: &Path,
    package: &Package,
) -> Result<()> {
    let (number, said) = installed(bench, owner, hand, stick)?;
    ensure!(
        number == 200 && said["version"] == package.version,
        "{} was to be installed: {number} {said}",
        package.version
    );
    Ok(())
}

fn state(inside: &Inside) -> Result<Value> {
    serde_json::from_str(&inside.run(STATE)?).context("the state of the versions")
}

/// Once dpkg is done with this version, and it is on trial no more.
fn settled(bench: &Bench<'_>, inside: &Inside, version: &str) -> Result<Value> {
    asked(bench, "end of the trial", || {
        let units = "systemctl is-active kinglet-update.service kinglet-trial.service || true";
        let at_work = inside.run(units)?.lines().any(|state| state != "inactive");
        let there = inside.run("dpkg-query --show --showformat='${db:Status-Status} ${Version}' kinglet")?;
        if at_work || there != format!("installed {version}") {
            return Ok(None);
        }
        state(inside).map(Some)
    })
}

/// A conversation of the owner's, from before.
struct Talk {
    conversation: String,
    first: String,
    seq: u64,
}

impl Talk {
    fn begun(owner: &Owner<'_>) -> Result<Talk> {
        let page = owner.sends("POST", "commands", &json!({ "id": 1, "type": "conversations" }))?;
        let conversation = page["conversations"][0]["conversation"].as_str();
        let conversation = conversation
            .context("a conversation of the first day")?
            .to_owned();
        let (first, seq) = said(owner, &conversation)?;
        Ok(Talk {
            conversation,
            first,
            seq,
        })
    }

    /// What was said before is there, and more can be said.
    fn goes_on(&self, owner: &Owner<'_>) -> Result<()> {
        let (newest, _) = said(owner, &self.conversation)?;
        let from = self.seq - 1;
        let page = owner.gets(&format!(
            "conversations/{}/events?after={from}",
            self.conversation
        ))?;
        let events = page["events"].as_array().into_iter().flatten();
        let ids: Vec<&Value> = events.map(|event| &event["client_id"]).collect();
        ensure!(
            ids.first() == Some(&&json!(self.first)) && ids.last() == Some(&&json!(newest)),
            "the conversation does not go on: {page}"
        );
        Ok(())
    }
}

/// Which message it is, and where.
fn said(owner: &Owner<'_>, conversation: &str) -> Result<(String, u64)> {
    let client = id()?;
    let body = json!({ "kind": "text", "text": "Still there?" });
    let send =
        json!({ "id": 2, "type": "send", "client_id": client, "conversation": conversation, "body": body });
    let acked = owner.sends("POST", "commands", &send)?;
    Ok((
        client,
        acked["seq"].as_u64().context("its place in the conversation")?,
    ))
}
