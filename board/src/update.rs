//! Installing an update: a package that the server's user has put down, or that lies on a USB disk, and that somebody whom this
//! machine trusts has signed.
//! It is copied first, so that what was examined is what is installed. What must not live here: fetching it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use minisign_verify::{PublicKey, Signature};
use rustix::fs::OFlags;
use serde_json::json;

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::{Machine, read_text};
use crate::program::{agrees, run};
use crate::request::Place;
use crate::usb;

/// Where the server's user puts it.
const COME: &str = "/var/lib/kinglet/update/kinglet.deb";
/// Where nobody but root writes.
const OWN: &str = "/var/lib/kinglet-board/update";
pub const OWN_PACKAGE: &str = "/var/lib/kinglet-board/update/kinglet.deb";
/// Whom this machine trusts: comes with an image that was made with a key.
pub const TRUSTED: &str = "/usr/share/kinglet/update.pub";
/// The oldest version without holes that are known; rises with each version that is kept (kinglet-switch).
const FLOOR: &str = "/var/lib/kinglet-switch/floor";
const PACKAGE_BYTES: u64 = 256 * 1024 * 1024;
pub const DPKG: &str = "/usr/bin/dpkg";
const DPKG_DEB: &str = "/usr/bin/dpkg-deb";
pub const DPKG_QUERY: &str = "/usr/bin/dpkg-query";
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
/// This program, which waits and then calls dpkg.
const INSTALLER: &str = "/usr/libexec/kinglet/kinglet-board";
/// Leads to the version that runs (board/src/switch/versions.rs).
const RUNS: &str = "/usr/lib/kinglet/current";
const NAME: &str = "kinglet";

/// The two files of an update.
struct Bundle {
    package: String,
    signature: String,
}

pub fn install(machine: &Machine, from: Place) -> Outcome {
    machine.needs(TRUSTED, "This machine trusts nobody to sign updates.")?;
    let bundle = match from {
        Place::Data => Bundle::of(COME.to_owned()),
        Place::Usb => on_usb(machine)?,
    };
    machine.needs(&bundle.package, "No update has been put down.")?;
    machine.needs(&bundle.signature, "The update has no signature beside it.")?;
    let checked = take_over(machine, &bundle).and_then(|()| newer_version(machine));
    let Ok(version) = &checked else {
        machine.remove(OWN_PACKAGE)?;
        return checked.map(|_| json!({}));
    };
    // In a unit of its own: the installation ends and starts the server, and may replace this program.
    let words = [
        "--unit=kinglet-update",
        "--collect",
        "--no-block",
        "--setenv=DEBIAN_FRONTEND=noninteractive",
    ];
    let install = [INSTALLER, "--install", version];
    run(machine, SYSTEMD_RUN, &[&words[..], &install].concat())?;
    Ok(json!({ "version": version, "unit": "kinglet-update.service" }))
}

impl Bundle {
    fn of(package: String) -> Bundle {
        Bundle {
            signature: format!("{package}.minisig"),
            package,
        }
    }
}

/// The one package on the disk that is called as ours are, in its topmost folder.
fn on_usb(machine: &Machine) -> Result<Bundle, Wrong> {
    let mut names = machine.names(usb::PLACE);
    names.retain(|name| name.starts_with("kinglet_") && name.ends_with(".deb"));
    match names.as_slice() {
        [] => Err(Wrong::because(
            Code::NotAvailable,
            format!(
                "No kinglet_….deb lies on a disk at {}; mount it first.",
                usb::PLACE
            ),
        )),
        [only] => Ok(Bundle::of(format!("{}/{only}", usb::PLACE))),
        _ => Err(Wrong::several(names)),
    }
}

/// Copies it, and verifies the copy while it is made.
fn take_over(machine: &Machine, bundle: &Bundle) -> Result<(), Wrong> {
    let bad = |what: &str| Wrong::because(Code::BadSignature, what);
    let key = read_text(&machine.path(TRUSTED)).map_err(|error| Wrong::io("read", TRUSTED, &error))?;
    let key = PublicKey::decode(&key)
        .map_err(|error| Wrong::because(Code::Failed, format!("{TRUSTED} is no public key: {error}")))?;
    let mut text = String::new();
    let signature = plain_file(machine, &bundle.signature)?;
    let read = signature.take(4_096).read_to_string(&mut text);
    read.map_err(|error| Wrong::io("read", &bundle.signature, &error))?;
    let signature = Signature::decode(&text).map_err(|_| bad("The signature beside the update is none."))?;
    let mut verifier = key
        .verify_stream(&signature)
        .map_err(|_| bad("The update is signed by another key, or in an old way."))?;
    let from = plain_file(machine, &bundle.package)?;
    copied(machine, from, |piece| verifier.update(piece)).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Wrong::because(Code::TooLarge, "The update is larger than 256 MiB."),
        _ => Wrong::io("copy to", OWN_PACKAGE, &error),
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

fn copied(machine: &Machine, mut from: File, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let directory = machine.path(OWN);
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    }
    let path = machine.path(OWN_PACKAGE);
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

/// The version in the package, which must be ours, for this machine, and newer than what runs: of one that was gone back from dpkg
/// says that it is installed, and it may be tried again.
fn newer_version(machine: &Machine) -> Result<String, Wrong> {
    let path = machine.path(OWN_PACKAGE);
    let path = path.to_string_lossy();
    let field =
        |name: &str| run(machine, DPKG_DEB, &["--field", &path, name]).map(|said| said.trim().to_owned());
    let (package, version, made_for) = (field("Package")?, field("Version")?, field("Architecture")?);
    if package != NAME {
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
    if let Some(floor) = machine.text(FLOOR)
        && !agrees(machine, DPKG, &["--compare-versions", &version, "ge", &floor])?
    {
        let what = format!("The update is {version}, and everything below {floor} has holes that are known.");
        return Err(Wrong::because(Code::NotNewer, what));
    }
    let runs = match running(machine) {
        Some(runs) => runs,
        None => run(machine, DPKG_QUERY, &["--show", "--showformat=${Version}", NAME])?,
    };
    let runs = runs.trim();
    if agrees(machine, DPKG, &["--compare-versions", &version, "gt", runs])? {
        return Ok(version);
    }
    let what = format!("The update is {version}, and {runs} runs.");
    Err(Wrong::because(Code::NotNewer, what))
}

fn running(machine: &Machine) -> Option<String> {
    let leads_to = fs::read_link(machine.path(RUNS)).ok()?;
    Some(leads_to.file_name()?.to_str()?.to_owned())
}
