//! `cargo xtask deb-test --cuts N`: states of the disk as a power cut during an upgrade would leave them, between any two writes
//! that are flushed. Each is mounted here, and its own programs must find it whole and finish what was begun; some are started.
//! What must not live here: how the record is read (`guest::record`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::trial;
use crate::debian::{ask, must};
use crate::guest::boot;
use crate::guest::debian;
use crate::guest::image::Machine;
use crate::guest::record::{Dice, Record};
use crate::tree as repository;

const BEGIN: &[u8] = b"KINGLET-CUTS-BEGIN";
const END: &[u8] = b"KINGLET-CUTS-END";
/// As large as the record may become; it takes only what is in it.
const RECORD_BYTES: u64 = 16 << 30;
/// So many states are looked at for each one that is started.
const STARTED: usize = 10;
/// From so many states on, each part of an upgrade has to be among them: the shortest takes a fifth of the flushes.
const SPREAD: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);
const SWITCH: &str = "/usr/libexec/kinglet/kinglet-switch";
const BOARD: &str = "/usr/libexec/kinglet/kinglet-board";

pub fn run(packages: &[PathBuf], load: &Path, many: usize, memory: u32, patience: Duration) -> Result<()> {
    let folder = debian::folder("cuts");
    let script = |name: &str| repository::root().join("packaging/guest/cuts").join(name);
    let machine = trial::machine("cuts", packages, load, &[script("upgrade.sh")])?;
    let (before, log) = (folder.join("before.img"), folder.join("record"));
    copy(&machine.disk, &before)?;
    File::create(&log)
        .and_then(|file| file.set_len(RECORD_BYTES))
        .context("making room for the record")?;
    println!("recording an upgrade");
    let said = boot::run(&machine, memory, patience, Some(&log))?;
    ensure!(said.status == 0, "the upgrade failed; what it said is above");
    let record = Record::open(&log)?;
    let points = points(&record, many)?;
    let known = [1, 3].map(|revision| program_in(packages, revision));
    let known = known.into_iter().collect::<Result<Vec<_>>>()?;
    let disk = File::options()
        .write(true)
        .open(&before)
        .context("opening the disk")?;
    let (mut done, mut found) = (0, BTreeMap::<Found, usize>::new());
    for (number, point) in points.iter().enumerate() {
        record.go_on(&disk, done..point + 1)?;
        done = point + 1;
        let state = folder.join("state.img");
        copy(&before, &state)?;
        let cut = File::options()
            .write(true)
            .open(&state)
            .context("opening a state")?;
        let (open, kept) = record.cut(&cut, *point, &mut Dice(number as u64))?;
        cut.sync_all().context("writing a state")?;
        let is_started = number % STARTED == STARTED / 2;
        let started = folder.join("started.img");
        if is_started {
            copy(&state, &started)?;
        }
        let what = look(&state, &known)
            .with_context(|| format!("state {number}: flush {point}, {kept} of {open} writes after it"))?;
        println!("state {number}: flush {point}, {kept} of {open} writes after it: {what}");
        *found.entry(what).or_default() += 1;
        if is_started {
            start(&machine, &started, &script("after.sh"), memory, patience)
                .with_context(|| format!("state {number} was started"))?;
        }
    }
    println!("{} states, all whole, and finished by themselves:", points.len());
    for (what, many) in &found {
        println!("  {many:>4}  {what}");
    }
    let missed = missed(found.keys());
    ensure!(
        points.len() < SPREAD || missed.is_empty(),
        "the states are not of the whole upgrade; none is {}",
        missed.join(", nor ")
    );
    Ok(())
}

/// What a state was, and what became of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// In dpkg's words.
    package: String,
    began: Runs,
    /// How far the database's form was.
    step: u32,
    ended: Runs,
}

impl Display for Found {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found {
            package,
            began,
            step,
            ended,
        } = self;
        write!(
            to,
            "{package}; {began} ran, step {step} in the file; then {ended}"
        )
    }
}

/// The version that runs, and whether it is on trial.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Runs {
    version: String,
    on_trial: bool,
}

impl Display for Runs {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{}{}",
            self.version,
            if self.on_trial { " on trial" } else { "" }
        )
    }
}

/// The parts of an upgrade that no state is of: were they left out, all others would be whole and say nothing about them.
fn missed<'a>(found: impl Iterator<Item = &'a Found> + Clone) -> Vec<&'static str> {
    let steps: BTreeSet<u32> = found.clone().map(|state| state.step).collect();
    let is_cut_off = |state: &Found| {
        ["half-installed", "unpacked"]
            .iter()
            .any(|word| state.package.contains(word))
    };
    let parts = [
        ("on the other side of the database's new step", steps.len() > 1),
        ("on trial", found.clone().any(|state| state.began.on_trial)),
        (
            "of a package half unpacked or not set up",
            found.clone().any(is_cut_off),
        ),
    ];
    parts
        .into_iter()
        .filter(|(_, is_met)| !is_met)
        .map(|(part, _)| part)
        .collect()
}

/// Flushes between the marks, evenly spread.
fn points(record: &Record, many: usize) -> Result<Vec<usize>> {
    let (begin, end) = (record.find(BEGIN)?, record.find(END)?);
    let (begin, end) = (
        begin.context("the record has no beginning")?,
        end.context("the record has no end")?,
    );
    let flushes: Vec<usize> = (begin..end).filter(|at| record.writes[*at].is_flush()).collect();
    println!(
        "{} writes, {} of them between the marks, with {} flushes",
        record.writes.len(),
        end - begin,
        flushes.len()
    );
    ensure!(!flushes.is_empty(), "nothing was flushed between the marks");
    // Where there are fewer flushes than states, the same one is cut by other dice.
    Ok((0..many)
        .map(|number| flushes[number * flushes.len() / many])
        .collect())
}

/// Into a file of its own each time: where another program made itself a copy of all mounts meanwhile (`unshare --mount`), a state that was
/// looked at stays mounted for as long as that runs, and is written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    must(
        Command::new("cp")
            .args(["--sparse=always", "--remove-destination"])
            .args([from, to]),
    )
}

/// The server as a package brings it.
fn program_in(packages: &[PathBuf], revision: u32) -> Result<Vec<u8>> {
    let ending = format!("-{revision}_amd64.deb");
    let is_it = |name: &str| name.starts_with("kinglet_") && name.ends_with(&ending);
    let package = packages
        .iter()
        .find(|package| {
            package
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_it)
        })
        .with_context(|| format!("there is no package with the revision {revision}"))?;
    let folder = debian::folder("cuts").join(format!("package-{revision}"));
    must(Command::new("dpkg-deb").arg("--extract").args([package, &folder]))?;
    fs::read(folder.join("usr/lib/kinglet/packaged/kinglet")).context("reading a package's program")
}

/// A state that is mounted; goes with its end.
struct Mounted(PathBuf);

impl Mounted {
    fn new(disk: &Path) -> Result<Mounted> {
        let place = debian::folder("cuts").join("mounted");
        fs::create_dir_all(&place).context("making a place to mount at")?;
        must(Command::new("mount").args(["-o", "loop"]).args([disk, &place]))?;
        let mounted = Mounted(place);
        must(
            Command::new("mount")
                .args(["-t", "proc", "proc"])
                .arg(mounted.path("/proc")),
        )?;
        Ok(mounted)
    }

    fn path(&self, absolute: &str) -> PathBuf {
        self.0.join(absolute.trim_start_matches('/'))
    }

    /// One of its own programs, as root or as the server's user.
    fn command(&self, user: &str, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={user}:{user}"))
            .arg(&self.0)
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("KINGLET_LISTEN_ADDRESS", "127.0.0.9:0")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A failure here is seen by the next one, which cannot be mounted.
        let _ = Command::new("umount").arg(self.path("/proc")).status();
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Holds a state to what must be, and says what it was.
fn look(disk: &Path, known: &[Vec<u8>]) -> Result<Found> {
    let mounted = Mounted::new(disk)?;
    let status = [
        "/usr/bin/dpkg-query",
        "--show",
        "--showformat=${Status}, ${Version}",
        "kinglet",
    ];
    let package = ask(&mut mounted.command("root", &status))?;
    let began = runs(&mounted, known)?;
    let step = step(&mounted)?;
    serves(&mounted).context("as it was found")?;
    ask(&mut mounted.command("root", &[BOARD, "--repair"])).context("repairing it")?;
    let left = ask(&mut mounted.command("root", &["/usr/bin/dpkg", "--audit"]))?;
    ensure!(
        left.trim().is_empty(),
        "dpkg is not whole after the repair: {left}"
    );
    let ended = runs(&mounted, known)?;
    serves(&mounted).context("after the repair")?;
    Ok(Found {
        package,
        began,
        step,
        ended,
    })
}

fn runs(mounted: &Mounted, known: &[Vec<u8>]) -> Result<Runs> {
    let program =
        fs::read(mounted.path("/usr/lib/kinglet/current/kinglet")).context("no program would run")?;
    ensure!(
        known.contains(&program),
        "the program that would run is neither the old one nor the new one"
    );
    let said = ask(&mut mounted.command("root", &[SWITCH, "status", "--json"]))?;
    let said: Value = serde_json::from_str(&said).context("what the switch says")?;
    Ok(Runs {
        version: said["runs"].as_str().unwrap_or("nothing").to_owned(),
        on_trial: !said["trial"].is_null(),
    })
}

/// How far the database's form is.
fn step(mounted: &Mounted) -> Result<u32> {
    // At byte 60 of the first page, and of what the write-ahead log has of it; the main file's is enough to tell states apart.
    let database = fs::read(mounted.path("/var/lib/kinglet/kinglet.db")).context("reading the database")?;
    let bytes = database.get(60..64).context("the database has no head")?;
    Ok(u32::from_be_bytes(bytes.try_into().context("four bytes")?))
}

/// Ends with its program.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // One that ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its log is sound, it starts, and takes a message.
fn serves(mounted: &Mounted) -> Result<()> {
    let kinglet = |words: &[&str]| {
        let all = [
            &["/usr/bin/kinglet", "--config", "/etc/kinglet/kinglet.toml"][..],
            words,
        ]
        .concat();
        mounted.command("kinglet", &all)
    };
    ask(&mut kinglet(&["doctor"])).context("its log is damaged")?;
    let log = File::create(debian::folder("cuts").join("server.log")).context("making a log")?;
    let copy = log.try_clone().context("a second handle of the log")?;
    let child = kinglet(&["serve"]).stdout(log).stderr(copy).spawn();
    let mut serving = Serving(child.context("starting its server")?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = kinglet(&["health"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if asked.context("asking its server")?.success() {
            break;
        }
        let ended = serving.0.try_wait().context("looking after its server")?;
        if ended.is_some() || Instant::now() > deadline {
            bail!(
                "its server is not well ({ended:?}): {}",
                fs::read_to_string(debian::folder("cuts").join("server.log")).unwrap_or_default()
            );
        }
    }
    drop(serving);
    ask(&mut kinglet(&["doctor"]))
        .context("its log is damaged after it was served")
        .map(drop)
}

/// Starts a state as a machine, which has to come to a good end by itself.
fn start(machine: &Machine, disk: &Path, script: &Path, memory: u32, patience: Duration) -> Result<()> {
    let mounted = Mounted::new(disk)?;
    for entry in fs::read_dir(mounted.path("/trial/scripts")).context("listing its scripts")? {
        fs::remove_file(entry?.path()).context("removing the last script")?;
    }
    fs::copy(script, mounted.path("/trial/scripts/after.sh")).context("putting the script there")?;
    drop(mounted);
    let started = Machine {
        kernel: machine.kernel.clone(),
        first: machine.first.clone(),
        disk: disk.to_owned(),
        console: machine.console.with_extension("started.log"),
    };
    let said = boot::run(&started, memory, patience, None)?;
    ensure!(
        said.status == 0,
        "it does not come to a good end; what it said is above"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(package: &str, began: (&str, bool), step: u32) -> Found {
        let runs = |(version, on_trial): (&str, bool)| Runs {
            version: version.to_owned(),
            on_trial,
        };
        Found {
            package: package.to_owned(),
            began: runs(began),
            step,
            ended: runs(("3", true)),
        }
    }

    #[test]
    fn states_of_a_part_of_an_upgrade_are_not_of_all_of_it() {
        let all = [
            state("install ok installed, 1", ("1", false), 14),
            state("install reinstreq half-installed, 1", ("1", false), 14),
            state("install ok half-configured, 3", ("3", true), 14),
            state("install ok half-configured, 3", ("3", true), 15),
            state("install ok installed, 3", ("3", false), 15),
        ];
        assert!(missed(all.iter()).is_empty());
        let unpacked = state("install ok unpacked, 3", ("1", false), 14);
        assert!(missed([&unpacked, &all[3]].into_iter()).is_empty());
        // What a state ended as says nothing of where it was cut.
        assert_eq!(
            missed(all[..2].iter()),
            ["on the other side of the database's new step", "on trial"]
        );
        assert_eq!(
            missed(all[2..].iter()),
            ["of a package half unpacked or not set up"]
        );
        assert_eq!(missed([].iter()).len(), 3);
    }

    #[test]
    fn a_state_is_told_in_a_line() {
        let told = state("install ok half-configured, 3", ("3", true), 14).to_string();
        assert_eq!(
            told,
            "install ok half-configured, 3; 3 on trial ran, step 14 in the file; then 3 on trial"
        );
    }
}
