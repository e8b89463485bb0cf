//! Installing an update: a package that the server's user has put down, or that lies on a USB disk, and that somebody whom this
//! machine trusts has signed; and this program's own package of the same release, where that lies beside it.
//! It is copied first, so that what was examined is what is installed. What must not live here: fetching it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use minisign_verify::{PublicKey, Signature};
use rustix::fs::OFlags;
use serde_json::json;

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::{Machine, read_text};
use crate::power::SYSTEMCTL;
use crate::program::{agrees, run};
use crate::request::Place;
use crate::usb;

/// Where the server's user puts it.
const COME: &str = "/var/lib/kinglet/update";
/// Where nobody but root writes.
const OWN: &str = "/var/lib/kinglet-board/update";
pub const OWN_PACKAGE: &str = "/var/lib/kinglet-board/update/kinglet.deb";
pub const OWN_BOARD: &str = "/var/lib/kinglet-board/update/kinglet-board.deb";
/// Whom this machine trusts: comes with an image that was made with a key.
pub const TRUSTED: &str = "/usr/share/kinglet/update.pub";
/// The oldest version without holes that are known; rises with each version that is kept (kinglet-switch).
const FLOOR: &str = "/var/lib/kinglet-switch/floor";
const PACKAGE_BYTES: u64 = 256 * 1024 * 1024;
pub const DPKG: &str = "/usr/bin/dpkg";
const DPKG_DEB: &str = "/usr/bin/dpkg-deb";
pub const DPKG_QUERY: &str = "/usr/bin/dpkg-query";
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const UNIT: &str = "kinglet-update.service";
/// This program, which waits and then calls dpkg.
const INSTALLER: &str = "/usr/libexec/kinglet/kinglet-board";
/// Leads to the version that runs (board/src/switch/versions.rs).
const RUNS: &str = "/usr/lib/kinglet/current";
pub const NAME: &str = "kinglet";
pub const BOARD: &str = "kinglet-board";

/// One package of an update, which has its signature beside it.
struct Part {
    name: &'static str,
    from: String,
    /// What only root writes, and what is installed.
    copy: &'static str,
}

pub fn install(machine: &Machine, from: Place) -> Outcome {
    machine.needs(TRUSTED, "This machine trusts nobody to sign updates.")?;
    // It would lose its packages here, and may wait for an hour.
    if is_installing(machine)? {
        let what = "An update is being installed, or waits for another installation.";
        return Err(Wrong::because(Code::Busy, what));
    }
    let (server, board) = match from {
        Place::Data => put_down(machine),
        Place::Usb => on_usb(machine)?,
    };
    machine.needs(&server.from, "No update has been put down.")?;
    for part in [Some(&server), board.as_ref()].into_iter().flatten() {
        let what = format!("The update has no signature beside it ({}).", part.name);
        machine.needs(&part.signature(), &what)?;
    }
    // What an earlier update left is no part of this one.
    forget(machine)?;
    let checked = checked(machine, &server, board.as_ref());
    let Ok(version) = &checked else {
        forget(machine)?;
        return checked.map(|_| json!({}));
    };
    // In a unit of its own: the installation ends and starts the server, and may replace this program.
    let words = [
        &format!("--unit={UNIT}"),
        "--collect",
        "--no-block",
        "--setenv=DEBIAN_FRONTEND=noninteractive",
    ];
    let install = [INSTALLER, "--install", version];
    run(machine, SYSTEMD_RUN, &[&words[..], &install].concat())?;
    Ok(json!({ "version": version, "unit": UNIT }))
}

fn is_installing(machine: &Machine) -> Result<bool, Wrong> {
    let state = run(
        machine,
        SYSTEMCTL,
        &["show", "--property=ActiveState", "--value", UNIT],
    )?;
    Ok(["active", "activating", "deactivating"].contains(&state.trim()))
}

impl Part {
    fn server(from: String) -> Part {
        Part {
            name: NAME,
            from,
            copy: OWN_PACKAGE,
        }
    }

    fn board(from: String) -> Part {
        Part {
            name: BOARD,
            from,
            copy: OWN_BOARD,
        }
    }

    fn signature(&self) -> String {
        format!("{}.minisig", self.from)
    }
}

/// What has been taken over and verified.
pub fn copies(machine: &Machine) -> Vec<&'static str> {
    let mut copies = vec![OWN_PACKAGE, OWN_BOARD];
    copies.retain(|copy| machine.exists(copy));
    copies
}

fn forget(machine: &Machine) -> Result<(), Wrong> {
    machine.remove(OWN_PACKAGE)?;
    machine.remove(OWN_BOARD)
}

fn put_down(machine: &Machine) -> (Part, Option<Part>) {
    let at = |name: &str| format!("{COME}/{name}.deb");
    let board = machine.exists(&at(BOARD)).then(|| Part::board(at(BOARD)));
    (Part::server(at(NAME)), board)
}

/// The packages on the disk that are called as ours are, in its topmost folder: one of the server's, and perhaps one of this
/// program's.
fn on_usb(machine: &Machine) -> Result<(Part, Option<Part>), Wrong> {
    let only = |name: &str| {
        let mut names = machine.names(usb::PLACE);
        names.retain(|file| {
            let rest = file.strip_prefix(name).unwrap_or_default();
            rest.starts_with('_') && rest.ends_with(".deb")
        });
        match names.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(format!("{}/{only}", usb::PLACE))),
            _ => Err(Wrong::several(names)),
        }
    };
    let none = || {
        let what = format!(
            "No kinglet_….deb lies on a disk at {}; mount it first.",
            usb::PLACE
        );
        Wrong::because(Code::NotAvailable, what)
    };
    let server = only(NAME)?.ok_or_else(none)?;
    Ok((Part::server(server), only(BOARD)?.map(Part::board)))
}

/// Gives the update's version; the copies that are there then are to be installed ([`copies`]). All of them are verified, and are
/// of one release. What this machine has already is left out, so that this program can be brought along later.
fn checked(machine: &Machine, server: &Part, board: Option<&Part>) -> Result<String, Wrong> {
    take_over(machine, server)?;
    let version = version_of(machine, server)?;
    if let Some(floor) = machine.text(FLOOR)
        && !compare(machine, &version, "ge", &floor)?
    {
        let what = format!("The update is {version}, and everything below {floor} has holes that are known.");
        return Err(Wrong::because(Code::NotNewer, what));
    }
    // Of one that was gone back from dpkg says that it is installed, and it may be tried again.
    let has = match running(machine) {
        Some(runs) => runs,
        None => run(machine, DPKG_QUERY, &["--show", "--showformat=${Version}", NAME])?,
    };
    let not_newer = || {
        let what = format!("The update is {version}, and {} runs.", has.trim());
        Wrong::because(Code::NotNewer, what)
    };
    if !compare(machine, &version, "ge", has.trim())? {
        return Err(not_newer());
    }
    let mut copies = Vec::new();
    if compare(machine, &version, "gt", has.trim())? {
        copies.push(server.copy);
    }
    if let Some(board) = board {
        take_over(machine, board)?;
        let own = version_of(machine, board)?;
        if own != version {
            let what = format!(
                "The update is {version}, and the {BOARD} beside it is {own}: put both of one release there."
            );
            return Err(Wrong::because(Code::NotAvailable, what));
        }
        // A machine that has it in another way than by its package keeps that.
        let has = run(machine, DPKG_QUERY, &["--show", "--showformat=${Version}", BOARD]).unwrap_or_default();
        if !has.trim().is_empty() && compare(machine, &own, "gt", has.trim())? {
            copies.push(board.copy);
        }
    }
    if copies.is_empty() {
        return Err(not_newer());
    }
    // What is not installed must not be taken for an update that was cut off.
    for copy in [OWN_PACKAGE, OWN_BOARD] {
        if !copies.contains(&copy) {
            machine.remove(copy)?;
        }
    }
    Ok(version)
}

pub fn compare(machine: &Machine, one: &str, relation: &str, other: &str) -> Result<bool, Wrong> {
    agrees(machine, DPKG, &["--compare-versions", one, relation, other])
}

/// Copies it, and verifies the copy while it is made.
fn take_over(machine: &Machine, part: &Part) -> Result<(), Wrong> {
    let bad = |what: &str| Wrong::because(Code::BadSignature, what);
    let key = read_text(&machine.path(TRUSTED)).map_err(|error| Wrong::io("read", TRUSTED, &error))?;
    let key = PublicKey::decode(&key)
        .map_err(|error| Wrong::because(Code::Failed, format!("{TRUSTED} is no public key: {error}")))?;
    let mut text = String::new();
    let signature = plain_file(machine, &part.signature())?;
    let read = signature.take(4_096).read_to_string(&mut text);
    read.map_err(|error| Wrong::io("read", &part.signature(), &error))?;
    let signature = Signature::decode(&text).map_err(|_| bad("The signature beside the update is none."))?;
    let mut verifier = key
        .verify_stream(&signature)
        .map_err(|_| bad("The update is signed by another key, or in an old way."))?;
    let from = plain_file(machine, &part.from)?;
    copied(machine, from, part.copy, |piece| verifier.update(piece)).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Wrong::because(Code::TooLarge, "The update is larger than 256 MiB."),
        _ => Wrong::io("copy to", part.copy, &error),
    })?;
    verifier
        .finalize()
        .map_err(|_| bad("The update is not what was signed: it is damaged, or somebody has changed it."))
}

/// Only a file: what the server's user put there may be anything, a link or a pipe included.
fn plain_file(machine: &Machine, path: &str) -> Result<File, Wrong> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(machine.path(path));
    let file = opened.map_err(|error| Wrong::io("open", path, &error))?;
    let found = file
        .metadata()
        .map_err(|error| Wrong::io("look at", path, &error))?;
    if found.is_file() {
        return Ok(file);
    }
    Err(Wrong::because(
        Code::NotAvailable,
        format!("{path} is not a file."),
    ))
}

fn copied(machine: &Machine, mut from: File, copy: &str, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let directory = machine.path(OWN);
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    }
    let path = machine.path(copy);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let (mut piece, mut total) = (vec![0; 64 * 1024], 0_u64);
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return to.sync_all();
        }
        total += count as u64;
        if total > PACKAGE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        see(&piece[..count]);
        to.write_all(&piece[..count])?;
    }
}

/// The version in a copy, which must be of the package that it is to be, for this machine.
fn version_of(machine: &Machine, part: &Part) -> Result<String, Wrong> {
    let path = machine.path(part.copy);
    let path = path.to_string_lossy();
    let field =
        |name: &str| run(machine, DPKG_DEB, &["--field", &path, name]).map(|said| said.trim().to_owned());
    let (package, version, made_for) = (field("Package")?, field("Version")?, field("Architecture")?);
    if package != part.name {
        return Err(Wrong::because(
            Code::NotAvailable,
            "The update is for another program.",
        ));
    }
    let here = run(machine, DPKG, &["--print-architecture"])?;
    if made_for != here.trim() {
        let what = format!(
            "The update is for {made_for:?}; this machine is {:?}.",
            here.trim()
        );
        return Err(Wrong::because(Code::NotAvailable, what));
    }
    Ok(version)
}

fn running(machine: &Machine) -> Option<String> {
    let leads_to = fs::read_link(machine.path(RUNS)).ok()?;
    Some(leads_to.file_name()?.to_str()?.to_owned())
}
