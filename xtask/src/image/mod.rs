//! `cargo xtask image`: the card of the appliance, from Debian's packages and ours. What must not live here: what is on it
//! (pi-image/, `system`), its partitions (`card`), and whether it starts (`trial`).

mod card;
pub mod check;
mod contents;
mod papers;
mod processor;
mod secrets;
mod system;
mod tools;
pub mod trial;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::debian::{ask, must};
use crate::dist::{self, Target};
use crate::{deb, tree};
use processor::{BOARD, PC, Processor};
use tools::Tools;

pub const HELP: &str = "\
Makes the card of the appliance for 64-bit ARM boards, and looks by content whether each named board can start from it

Usage: cargo xtask image [--programs DIR] [--key FILE] [--trust FILE] [--level N] [--mirror URL] [--unpacked] [--pc]

  --programs DIR  Where kinglet and kinglet-board for 64-bit ARM are, stripped, instead of building them for release
  --key FILE      Signs the image with this secret key of minisign, whose public half goes onto the card: a box takes updates
                  from a stick that are signed by it
  --trust FILE    Puts this public key of minisign there instead; without any the box takes no update from a stick
  --level N       How hard zstd tries [default: 12]
  --mirror URL    Where Debian's packages come from [default: http://deb.debian.org/debian]
  --unpacked      Leaves the image as it is, for trying it
  --pc            For a PC's processor instead, by the same recipe: to be tried where emulating a board takes too long, not to be used

It comes to lie in target/image: kinglet-VERSION-arm64.img.zst, with its sum, the list of everything in it (CycloneDX) and, with a
key, its signature. Debian itself is made once for the same pi-image/packages.list and pi-image/first; remove target/image/debian-*
to have it made anew with newer packages. Needed: root, an amd64 or arm64 Debian with binfmt_misc, qemu-user-static, e2fsprogs, perl,
zstd, and what `cargo xtask deb` needs. Other tools come from Debian's packages, unpacked below target/debian and not installed.";

const MIRROR: &str = "http://deb.debian.org/debian";

#[derive(Debug, PartialEq)]
pub struct Wanted {
    processor: &'static Processor,
    programs: Option<PathBuf>,
    key: Option<PathBuf>,
    trust: Option<PathBuf>,
    level: u32,
    mirror: String,
    unpacked: bool,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            processor: &BOARD,
            programs: None,
            key: None,
            trust: None,
            level: 12,
            mirror: MIRROR.to_owned(),
            unpacked: false,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(wanted),
                ["--unpacked", rest @ ..] => {
                    wanted.unpacked = true;
                    rest
                }
                ["--pc", rest @ ..] => {
                    wanted.processor = &PC;
                    rest
                }
                ["--programs", folder, rest @ ..] => {
                    wanted.programs = Some(std::path::absolute(folder)?);
                    rest
                }
                ["--key", file, rest @ ..] => {
                    wanted.key = Some(std::path::absolute(file)?);
                    rest
                }
                ["--trust", file, rest @ ..] => {
                    wanted.trust = Some(std::path::absolute(file)?);
                    rest
                }
                ["--level", number, rest @ ..] => {
                    wanted.level = number
                        .parse()
                        .ok()
                        .filter(|level| (1..=19).contains(level))
                        .context("--level takes 1 to 19")?;
                    rest
                }
                ["--mirror", url, rest @ ..] => {
                    wanted.mirror = url.trim_end_matches('/').to_owned();
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    let tools = Tools::fetch()?;
    let image = make(&tools, &wanted)?;
    if wanted.key.is_none() && wanted.trust.is_none() {
        println!("{}", trust::NEVER);
    }
    if wanted.unpacked {
        println!("{}", image.display());
        return Ok(());
    }
    let packed = papers::pack(&image, wanted.level)?;
    fs::remove_file(&image).context("removing what is packed now")?;
    match &wanted.key {
        Some(key) => papers::sign(&tools, &packed, key)?,
        None => println!("not signed: give --key for that"),
    }
    let size = fs::metadata(&packed).context("the image")?.len();
    println!("{}: {:.1} MB", packed.display(), size as f64 / 1e6);
    Ok(())
}

/// A card for a PC's processor, to be tried.
fn for_trial(tools: &Tools, programs: Option<PathBuf>) -> Result<PathBuf> {
    let wanted = Wanted {
        processor: &PC,
        programs,
        ..Wanted::read(&[])?
    };
    make(tools, &wanted)
}

/// The image as it goes onto a card.
fn make(tools: &Tools, wanted: &Wanted) -> Result<PathBuf> {
    let processor = wanted.processor;
    processor.can_be_made_for()?;
    let begun = Instant::now();
    let base = system::base(tools, processor, &wanted.mirror)?;
    let packages = deb::make(&deb::Wanted {
        targets: vec![Target::named(processor.target)?],
        programs: wanted.programs.clone(),
        revision: 1,
        lint: false,
    })?;
    let root = system::complete(&base, &packages)?;
    let folder = system::folder();
    let boot = boot(&root, &folder)?;
    if processor == &BOARD {
        contents::check(&boot, &root)?;
    }
    processor.lay_out(&root, &boot)?;
    trust::put(tools, wanted, &root)?;
    secrets::check(&root)?;
    let name = image_name(processor)?;
    let count = papers::list(&root, &folder.join(format!("{name}.cdx.json")))?;
    let data = data(&root, &folder)?;
    let image = folder.join(format!("{name}.img"));
    let content = card::Content {
        boot: &boot,
        root: &root,
        data: &data,
    };
    card::make(tools, &content, &image)?;
    let used = ask(Command::new("du").args(["-sm", "--one-file-system"]).arg(&root))?;
    println!(
        "{count} packages and libraries, {} MiB of files, in {:.0} s",
        used.split_whitespace().next().unwrap_or("?"),
        begun.elapsed().as_secs_f64()
    );
    Ok(image)
}

/// Without its ending.
fn image_name(processor: &Processor) -> Result<String> {
    Ok(format!("kinglet-{}-{}", dist::version()?, processor.debian))
}

/// The boot partition's files move out of the system, and the notes for people come beside them.
fn boot(root: &Path, folder: &Path) -> Result<PathBuf> {
    let (inside, boot) = (root.join("boot/firmware"), folder.join("boot"));
    if boot.exists() {
        fs::remove_dir_all(&boot).context("removing the last boot partition")?;
    }
    must(
        Command::new("cp")
            .args(["-r", "--no-preserve=mode,ownership"])
            .args([&inside, &boot]),
    )?;
    for entry in fs::read_dir(&inside).context("listing the boot partition")? {
        let path = entry.context("listing the boot partition")?.path();
        must(Command::new("rm").arg("-rf").arg(&path))?;
    }
    must(
        Command::new("cp")
            .arg("-r")
            .arg(tree::root().join("pi-image/boot/."))
            .arg(&boot),
    )?;
    Ok(boot)
}

/// What is mounted from the data's partition has to be there, and to belong to whom it is for.
fn data(root: &Path, folder: &Path) -> Result<PathBuf> {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).context("removing the last data")?;
    }
    let users = fs::read_to_string(root.join("etc/passwd")).context("reading the system's users")?;
    let owner = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")));
        let fields: Vec<&str> = line
            .with_context(|| format!("the system has no user {name}"))?
            .split(':')
            .collect();
        anyhow::Ok(format!("{}:{}", fields[2], fields[3]))
    };
    for (name, user, mode) in [
        ("kinglet", "kinglet", "0700"),
        ("kinglet-board", "root", "0700"),
        ("timesync", "systemd-timesync", "0755"),
    ] {
        let place = data.join(name);
        fs::create_dir_all(&place).with_context(|| format!("making {name}"))?;
        must(Command::new("chown").arg(owner(user)?).arg(&place))?;
        must(Command::new("chmod").arg(mode).arg(&place))?;
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let wanted =
            Wanted::read(&["--programs", "/x", "--level", "3", "--unpacked"]).expect("all are known");
        assert_eq!((wanted.level, wanted.unpacked, wanted.key), (3, true, None));
        for wrong in [
            &["--key"][..],
            &["--trust"],
            &["--level", "20"],
            &["--level", "hard"],
            &["--flash", "/dev/sda"],
        ] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
