//! `cargo xtask guest`: as many idle sessions as asked for, inside an emulated machine of a given memory, since many hosts
//! allow a process too few open files. What must not live here: the machine's parts (`image`; `debian` for a whole system), and its run (`boot`).

pub mod boot;
pub mod debian;
pub mod image;
pub mod record;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::ci::program_of;
use crate::debian::must;
use crate::tree;

pub const HELP: &str = "\
Idle sessions inside an emulated machine, for bytes and counts only: nothing in it tells the time a board would take

Usage: cargo xtask guest [--sessions N] [--memory MIB] [--conversations N] [--members N] [--minutes N] [--json FILE]
                         [--programs DIR]

  --sessions N       Signed-in sessions, each of a user of its own [default: 100000]
  --memory MIB       Memory of the machine; server, clients, kernel and both ends of every socket share it [default: 2048]
  --conversations N  Conversations of each user [default: 20]
  --members N        Members of each conversation [default: 100]
  --minutes N        Give up after so long [default: 90]
  --json FILE        Writes the figures there, too
  --programs DIR     Where kinglet and kinglet-load are, instead of building them for release

Debian's kernel and busybox are fetched below target/debian and not installed. Needed: qemu-system-x86_64 (qemu-system-x86),
mke2fs (e2fsprogs), cpio. The machine is emulated in software with a clock that counts instructions: a busy host makes it
slower, but changes no figure.";

#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    sessions: u32,
    memory: u32,
    conversations: u32,
    members: u32,
    minutes: u32,
    json: Option<PathBuf>,
    programs: Option<PathBuf>,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            sessions: 100_000,
            memory: 2_048,
            conversations: 20,
            members: 100,
            minutes: 90,
            json: None,
            programs: None,
        };
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                bail!("{} needs a value\n\n{HELP}", pair.concat())
            };
            let place = match *name {
                "--sessions" => &mut wanted.sessions,
                "--memory" => &mut wanted.memory,
                "--conversations" => &mut wanted.conversations,
                "--members" => &mut wanted.members,
                "--minutes" => &mut wanted.minutes,
                "--json" => {
                    wanted.json = Some(std::path::absolute(value)?);
                    continue;
                }
                "--programs" => {
                    wanted.programs = Some(std::path::absolute(value)?);
                    continue;
                }
                other => bail!("no such option: {other}\n\n{HELP}"),
            };
            *place = value
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .with_context(|| format!("{name} cannot be {value}"))?;
        }
        Ok(wanted)
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    let programs = match &wanted.programs {
        Some(folder) => folder.clone(),
        None => build()?,
    };
    let machine = image::make(&wanted, &programs)?;
    let said = boot::run(
        &machine,
        wanted.memory,
        Duration::from_secs(60 * u64::from(wanted.minutes)),
        None,
    )?;
    ensure!(
        said.status == 0,
        "the measurement inside the machine ended with {}; what it said is above, and in {}",
        said.status,
        machine.console.display()
    );
    let mut result: Value = serde_json::from_str(&said.result).context("reading the figures")?;
    // Emulated time is no time.
    for row in result["rows"].as_array_mut().into_iter().flatten() {
        if let Some(figures) = row.as_object_mut() {
            figures.retain(|name, _| !name.starts_with("cpu"));
        }
    }
    result["emulated"] = Value::Bool(true);
    result["memory_mib"] = wanted.memory.into();
    tell(&result, &wanted);
    if let Some(file) = &wanted.json {
        fs::write(file, format!("{result:#}\n")).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    must(
        Command::new(program_of("cargo"))
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "kinglet",
                "--package",
                "kinglet-load",
            ])
            .current_dir(tree::root()),
    )?;
    Ok(tree::root().join("target/release"))
}

fn tell(result: &Value, wanted: &Wanted) {
    println!(
        "\nEmulated machine of {} MiB, for bytes and counts only; server, clients, kernel and both ends of every socket in it",
        wanted.memory
    );
    for note in result["notes"].as_array().into_iter().flatten() {
        println!("  {}", note.as_str().unwrap_or_default());
    }
    for row in result["rows"].as_array().into_iter().flatten() {
        for (name, value) in row.as_object().into_iter().flatten() {
            println!("| {name:<34} | {:>10} |", value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let wanted = Wanted::read(&["--sessions", "5000", "--json", "/x"]).expect("both are known");
        assert_eq!((wanted.sessions, wanted.memory), (5_000, 2_048));
        assert_eq!(wanted.json, Some(PathBuf::from("/x")));
        for wrong in [
            &["--sessions"][..],
            &["--sessions", "many"],
            &["--memory", "0"],
            &["--kvm", "1"],
        ] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
