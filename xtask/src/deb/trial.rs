//! `cargo xtask deb-test`: the packages in an emulated Debian with systemd: installed, upgraded under a conversation,
//! removed, purged. What is done there stands in packaging/guest/, one script after the other. What must not live here: the
//! machine, which is in `guest`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::variants::REVISIONS;
use super::{Wanted as Packages, cuts, make};
use crate::ci::program_of;
use crate::debian::must;
use crate::dist::needs::Needs;
use crate::dist::{self, Target};
use crate::guest::image::Machine;
use crate::guest::{boot, debian};
use crate::tree as repository;

pub const HELP: &str = "\
Installs the packages in an emulated Debian with systemd, upgrades them under a conversation, removes and purges them

Usage: cargo xtask deb-test [--programs DIR] [--only NAME]... [--cuts N] [--memory MIB] [--minutes N]

  --programs DIR  Where kinglet and kinglet-load are, instead of building them for release
  --only NAME     Only the scripts of packaging/guest whose names begin so
  --cuts N        Instead of the scripts: an upgrade, and N states in which the power may go in it
  --memory MIB    Memory of the machine [default: 1024]
  --minutes N     Give up after so long [default: 60]

Six packages are made of the programs: the revisions 1, 2 and 6 are the same, 3 has a step of the schema more, 4 does not start, and
5 starts and is sick. With --cuts the disk's writes are recorded while 1 is upgraded to 3, and states of it are looked at as a power
cut would have left them: mounted here, and every tenth of them started. Of 20 or more, some have to be of each part of the upgrade.
The system is made from this machine's own package sources, below target/debian, and nothing is installed here. Needed: root, an
amd64 Debian, qemu-system-x86_64 (qemu-system-x86), mke2fs (e2fsprogs), cpio, perl, dpkg-deb. The machine is emulated in software,
with a clock that counts instructions: a busy host makes it slower, and changes no outcome.";

/// Runs every script and tells how it ended.
const RUN: &str = include_str!("trial.sh");

#[derive(Debug)]
struct Wanted {
    programs: Option<PathBuf>,
    only: Vec<String>,
    cuts: usize,
    memory: u32,
    minutes: u64,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            programs: None,
            only: Vec::new(),
            cuts: 0,
            memory: 1_024,
            minutes: 60,
        };
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                bail!("{} needs a value\n\n{HELP}", pair.concat())
            };
            let number = || {
                value
                    .parse::<u32>()
                    .with_context(|| format!("{name} cannot be {value}"))
            };
            match *name {
                "--programs" => wanted.programs = Some(std::path::absolute(value)?),
                "--only" => wanted.only.push((*value).to_owned()),
                "--cuts" => wanted.cuts = number()? as usize,
                "--memory" => wanted.memory = number()?,
                "--minutes" => wanted.minutes = u64::from(number()?),
                other => bail!("no such option: {other}\n\n{HELP}"),
            }
        }
        Ok(wanted)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60 * self.minutes)
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    let target = Target::own()?;
    ensure!(
        target.debian == "amd64",
        "the emulated machine is an amd64 one, and so is the host it needs"
    );
    let (packages, load) = packages(&wanted, target)?;
    if wanted.cuts > 0 {
        return cuts::run(&packages, &load, wanted.cuts, wanted.memory, wanted.patience());
    }
    let scripts = scripts(&wanted.only)?;
    let machine = machine("installed", &packages, &load, &scripts)?;
    println!("starting the machine, with {} scripts", scripts.len());
    let begun = Instant::now();
    let said = boot::run(&machine, wanted.memory, wanted.patience(), None)?;
    ensure!(
        said.status == 0,
        "a script failed; what it said is above, and in {}",
        machine.console.display()
    );
    println!(
        "{} scripts passed in {:.0} s of the emulator",
        scripts.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// A machine of this name that runs the scripts.
pub fn machine(name: &str, packages: &[PathBuf], load: &Path, scripts: &[PathBuf]) -> Result<Machine> {
    debian::make(&debian::folder(name), |folder| {
        for package in packages {
            put(package, &folder.join("packages"))?;
        }
        for script in scripts {
            put(script, &folder.join("scripts"))?;
        }
        put(load, folder)?;
        fs::write(folder.join("run"), RUN).context("writing what runs the scripts")?;
        fs::set_permissions(folder.join("run"), fs::Permissions::from_mode(0o755))
            .context("making it a program")
    })
}

/// A package of each revision, and the program that talks meanwhile.
fn packages(wanted: &Wanted, target: &'static Target) -> Result<(Vec<PathBuf>, PathBuf)> {
    let (programs, load) = match &wanted.programs {
        Some(folder) => (folder.clone(), folder.join("kinglet-load")),
        None => (dist::build(target, &dist::PROGRAMS)?.folder, build_load()?),
    };
    Needs::of(&load)?
        .check(target)
        .context("kinglet-load runs in the emulated machine, too")?;
    let mut all = Vec::new();
    for (variant, revision) in REVISIONS.into_iter().zip(1..) {
        all.extend(make(&Packages {
            targets: vec![target],
            programs: Some(variant.programs(&programs)?),
            revision,
            lint: false,
        })?);
    }
    Ok((all, load))
}

fn build_load() -> Result<PathBuf> {
    must(
        Command::new(program_of("cargo"))
            .args(["build", "--release", "--locked", "--package", "kinglet-load"])
            .current_dir(repository::root()),
    )?;
    Ok(repository::root().join("target/release/kinglet-load"))
}

fn scripts(only: &[String]) -> Result<Vec<PathBuf>> {
    let folder = repository::root().join("packaging/guest");
    let mut scripts = Vec::new();
    for entry in fs::read_dir(&folder).context("listing packaging/guest")? {
        let path = entry.context("listing packaging/guest")?.path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if only.is_empty() || only.iter().any(|start| name.starts_with(start.as_str())) {
            scripts.push(path);
        }
    }
    ensure!(!scripts.is_empty(), "packaging/guest has no such script");
    scripts.sort();
    Ok(scripts)
}

fn put(file: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let name = file.file_name().context("a file's name")?;
    fs::copy(file, folder.join(name))
        .map(drop)
        .with_context(|| format!("copying {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let wanted =
            Wanted::read(&["--only", "10", "--only", "70", "--memory", "512"]).expect("all are known");
        assert_eq!((wanted.only.len(), wanted.memory, wanted.minutes), (2, 512, 60));
        for wrong in [&["--only"][..], &["--memory", "much"], &["--kvm", "1"]] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn scripts_come_in_their_order() {
        let all = scripts(&[]).expect("there are some");
        assert!(all.is_sorted() && all.len() > 2, "{all:?}");
        assert_eq!(scripts(&["10-".to_owned()]).expect("there is one").len(), 1);
        assert!(scripts(&["no-such".to_owned()]).is_err());
    }
}
