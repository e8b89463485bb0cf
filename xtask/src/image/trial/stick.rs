//! A USB stick that an owner plugs in, chooses for backups and pulls, while the machine is on; what is on it is looked at from outside.
//! What must not live here: the way back from it (`restore`).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::super::tools::Tools;
use super::AGAIN;
use super::control::Control;
use super::machine::Bench;
use super::owner::{Owner, PASSWORD, id};
use crate::debian::must;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 64 * MIB;
const BOARD: &str = "admin/board";
const BACKUPS: &str = "admin/backups";
/// The first line of what age has made.
const SEALED: &[u8] = b"age-encryption.org/v1\n";
/// The first bytes of a database that anybody can read, and who is in it.
const IN_THE_CLEAR: [&[u8]; 2] = [b"SQLite format 3\0", b"person0"];
/// A stick as people have it: how it is formatted, and how another computer looks at it.
struct Kind {
    name: &'static str,
    /// The partition's, in the table.
    number: &'static str,
    /// Run with the stick.
    format: &'static str,
    /// Run with where to mount it, the stick, and where to copy to.
    look: &'static str,
}

/// This machine's kernel may not know it.
const EXFAT: Kind = Kind {
    name: "exfat.img",
    number: "7",
    format: "\
loop=$(losetup --find --show --offset 1048576 \"$0\")
trap 'losetup --detach \"$loop\"' EXIT
mkfs.exfat --volume-label=BACKUP \"$loop\" >/dev/null",
    look: "\
loop=$(losetup --find --show --offset 1048576 \"$1\")
trap 'umount \"$0\" || true; losetup --detach \"$loop\"' EXIT
fsck.exfat -n \"$loop\" >&2
mount.exfat-fuse -o ro \"$loop\" \"$0\" >&2
cp -r \"$0/.\" \"$2\"",
};
/// Its topmost folder belongs to root, as it does after every `mkfs`.
const EXT4: Kind = Kind {
    name: "ext4.img",
    number: "83",
    format: "mkfs.ext4 -q -E offset=1048576,root_owner=0:0 \"$0\" 63M",
    look: "\
loop=$(losetup --find --show --offset 1048576 \"$1\")
trap 'umount \"$0\" || true; losetup --detach \"$loop\"' EXIT
fsck.ext4 -f -n \"$loop\" >&2
mount -t ext4 -o ro \"$loop\" \"$0\" >&2
cp -r \"$0/.\" \"$2\"",
};
/// As most are bought. What is on it is read as the stick has it, and not as the machine that it was pulled from remembers it.
const FAT: Kind = Kind {
    name: "fat.img",
    number: "c",
    format: "mkfs.vfat -F 32 -s 1 --offset 2048 \"$0\" 64512 >/dev/null",
    look: "mcopy -Q -s -n -i \"$1@@1048576\" '::*' \"$2\"",
};

/// A stick with one partition, as it is bought, and nothing in that.
pub fn blank(bench: &Bench<'_>, name: &str, kind: &str) -> Result<PathBuf> {
    let path = bench.folder.join(name);
    let file = File::create(&path).context("making a stick")?;
    file.set_len(SIZE).context("giving it its size")?;
    let mut table = bench
        .tools
        .command("sfdisk")
        .args(["--quiet", "--no-reread"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting sfdisk")?;
    let mut told = table.stdin.take().context("it was asked to listen")?;
    writeln!(told, "label: dos\nstart=2048, type={kind}").context("telling sfdisk")?;
    drop(told);
    ensure!(
        table.wait().context("waiting for sfdisk")?.success(),
        "sfdisk failed"
    );
    Ok(path)
}

pub fn run(bench: &Bench<'_>) -> Result<()> {
    let tools = Tools::for_sticks()?;
    let stick = formatted(bench, &tools, &EXFAT)?;
    let owner = Owner::signed_in(bench)?;
    let mut hand = Control::at(&bench.control(), bench.patience)?;
    owner.makes_recovery_key()?;
    sees(bench, &owner, 0)?;
    let (number, said) = chosen(bench, &owner)?;
    ensure!(
        said["error"]["code"] == "board_failed",
        "without a stick it was taken for a place: {number} {said}"
    );

    hand.plugs_in(&stick)?;
    sees(bench, &owner, 1)?;
    let (number, said) = chosen(bench, &owner)?;
    ensure!(
        number == 200,
        "the stick is plugged in, and was not taken: {number} {said}"
    );
    let first = made(bench, &owner, 1)?;
    backs_up(bench, &owner)?;
    let second = made(bench, &owner, 2)?;
    hand.pulls()?;
    lie_on(bench, &tools, (&stick, &EXFAT), &second)?;
    println!(
        "  plugged in, seen and chosen; {} and one more are on it, sealed and whole",
        first[0]
    );

    sees(bench, &owner, 0)?;
    backs_up(bench, &owner)?;
    let state = until(bench, &owner, "word that the stick is missing", |state| {
        state["wrong"].is_object()
    })?;
    ensure!(
        state["wrong"]["code"] == "no_stick" && state["last"]["name"] == second[0],
        "without its stick it says: {state}"
    );
    println!("  pulled: {}", state["wrong"]["message"]);

    hand.plugs_in(&stick)?;
    sees(bench, &owner, 1)?;
    backs_up(bench, &owner)?;
    let third = made(bench, &owner, 3)?;
    hand.pulls()?;
    lie_on(bench, &tools, (&stick, &EXFAT), &third)?;
    let page = owner.gets("audit?act=backups_placed")?;
    let entries = page["entries"].as_array().context("the journal of admins")?;
    ensure!(
        entries.len() == 1 && entries[0]["from"] == "off" && entries[0]["to"] == "usb",
        "the journal of admins says: {page}"
    );
    println!("  plugged in again: the next one is on it, beside the others");

    for kind in [&EXT4, &FAT] {
        let other = formatted(bench, &tools, kind)?;
        hand.plugs_in(&other)?;
        sees(bench, &owner, 1)?;
        backs_up(bench, &owner)?;
        until(bench, &owner, "backup on another stick", |state| {
            kept(state) == 1 || state["wrong"].is_object()
        })?;
        let only = made(bench, &owner, 1)?;
        hand.pulls()?;
        lie_on(bench, &tools, (&other, kind), &only)?;
        println!("  another one, {}: {} is on it", kind.name, only[0]);
    }
    Ok(())
}

fn formatted(bench: &Bench<'_>, tools: &Tools, kind: &Kind) -> Result<PathBuf> {
    let path = blank(bench, kind.name, kind.number)?;
    must(tools.command("sh").args(["-euc", kind.format]).arg(&path))?;
    Ok(path)
}

/// Asks again until it is as wanted; the place may be at work for a moment, and the machine is slow.
pub fn asked<T>(bench: &Bench<'_>, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + bench.patience;
    loop {
        if let Some(came) = ask()? {
            return Ok(came);
        }
        ensure!(Instant::now() < deadline, "no {what}");
        std::thread::park_timeout(AGAIN);
    }
}

/// So many sticks are shown to who looks at the page of the box.
pub fn sees(bench: &Bench<'_>, owner: &Owner<'_>, count: usize) -> Result<()> {
    let mut last = Value::Null;
    asked(bench, "stick, or one too many", || {
        let (number, state) = owner.asks("GET", BOARD, None)?;
        let is_so = number == 200 && state["sticks"].as_array().is_some_and(|all| all.len() == count);
        last = state;
        Ok(is_so.then_some(()))
    })
    .with_context(|| format!("the box should see {count} and says {last}"))
}

/// What choosing a stick is answered with.
fn chosen(bench: &Bench<'_>, owner: &Owner<'_>) -> Result<(u16, Value)> {
    let choice = json!({ "place": "usb", "instead_of": "off", "password": PASSWORD });
    asked(bench, "end of what the place was at work for", || {
        let (number, said) = owner.asks("PATCH", BACKUPS, Some(&choice))?;
        Ok((said["error"]["code"] != "busy").then_some((number, said)))
    })
}

/// The same request again is the same backup.
fn backs_up(bench: &Bench<'_>, owner: &Owner<'_>) -> Result<()> {
    let wanted = json!({ "client_id": id()? });
    asked(bench, "end of what the place was at work for", || {
        let (number, said) = owner.asks("POST", BACKUPS, Some(&wanted))?;
        let is_busy = said["error"]["code"] == "busy";
        ensure!(
            is_busy || number == 200,
            "a backup was answered with {number}: {said}"
        );
        Ok((!is_busy).then_some(()))
    })
}

fn until(bench: &Bench<'_>, owner: &Owner<'_>, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    asked(bench, what, || {
        let state = owner.gets(BACKUPS)?;
        Ok((state["running"].is_null() && is_so(&state)).then_some(state))
    })
}

fn kept(state: &Value) -> usize {
    state["kept"].as_array().map_or(0, Vec::len)
}

/// The names of the backups there, newest first, once there are so many.
fn made(bench: &Bench<'_>, owner: &Owner<'_>, count: usize) -> Result<Vec<String>> {
    let state = until(bench, owner, "backup on the stick", |state| {
        kept(state) >= count || state["wrong"].is_object()
    })?;
    ensure!(
        kept(&state) == count && state["wrong"].is_null() && state["place"]["usb"] == true,
        "{count} backups should be on the stick: {state}"
    );
    let names = state["kept"].as_array().into_iter().flatten();
    Ok(names
        .filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect())
}

/// Another computer finds them there, and can read nothing of what people said.
fn lie_on(bench: &Bench<'_>, tools: &Tools, (stick, kind): (&Path, &Kind), names: &[String]) -> Result<()> {
    let (place, copied) = (bench.folder.join("inside"), bench.folder.join("from-the-stick"));
    if copied.exists() {
        fs::remove_dir_all(&copied).context("removing what was on it before")?;
    }
    for folder in [&place, &copied] {
        fs::create_dir_all(folder).context("making a folder to look at the stick")?;
    }
    must(
        tools
            .command("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-euc", kind.look])
            .args([&place, stick, &copied]),
    )
    .context("looking at the stick in another computer")?;
    for name in names {
        let (sealed, note) = (copied.join(name), copied.join(name).with_extension("json"));
        let bytes = fs::read(&sealed).with_context(|| format!("{name} is not on the stick"))?;
        ensure!(bytes.starts_with(SEALED), "{name} is not sealed");
        let note =
            fs::read_to_string(note).with_context(|| format!("the note of {name} is not on the stick"))?;
        let note: Value = serde_json::from_str(&note).with_context(|| format!("the note of {name}"))?;
        ensure!(
            note["parts"][0]["bytes"] == bytes.len(),
            "{name} has {} bytes and should be as its note says: {note}",
            bytes.len()
        );
    }
    let all = fs::read(stick).context("reading the stick")?;
    for word in IN_THE_CLEAR {
        if all.windows(word.len()).any(|part| part == word) {
            bail!("{} can be read on the stick", String::from_utf8_lossy(word));
        }
    }
    Ok(())
}
