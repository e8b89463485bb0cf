//! The card: partitions, their file systems, and the image made of them, without mounting anything. What must not live here:
//! what is on them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::tools::Tools;
use crate::debian::must;

/// The card's own number, by which the system names its partitions: "KNGL" in the partition table.
pub const NUMBER: &str = "4b4e474c";
const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;

/// One partition, in MiB. What lies in the extended one leaves room in front for its own line of the table.
pub struct Part {
    pub number: u32,
    kind: &'static str,
    pub start: u64,
    pub size: u64,
}

/// Room for a second boot and a second root is there already, so that updates of the whole system can come without
/// writing the card anew. The last one grows.
pub const PARTS: [Part; 6] = [
    Part {
        number: 1,
        kind: "c",
        start: 4,
        size: 508,
    },
    Part {
        number: 2,
        kind: "c",
        start: 512,
        size: 512,
    },
    Part {
        number: 3,
        kind: "f",
        start: 1_024,
        size: 5_376,
    },
    Part {
        number: 5,
        kind: "83",
        start: 1_028,
        size: 2_556,
    },
    Part {
        number: 6,
        kind: "83",
        start: 3_588,
        size: 2_556,
    },
    Part {
        number: 7,
        kind: "83",
        start: 6_148,
        size: 252,
    },
];
pub const BOOT: u32 = 1;
pub const ROOT: u32 = 5;
pub const DATA: u32 = 7;
const ALL: u64 = 6_400;

pub fn part(number: u32) -> Result<&'static Part> {
    PARTS
        .iter()
        .find(|part| part.number == number)
        .with_context(|| format!("there is no partition {number}"))
}

/// What becomes the image.
pub struct Content<'a> {
    pub boot: &'a Path,
    pub root: &'a Path,
    pub data: &'a Path,
}

pub fn make(tools: &Tools, content: &Content<'_>, image: &Path) -> Result<()> {
    if image.exists() {
        fs::remove_file(image).context("removing the last image")?;
    }
    let file = File::create(image).context("making the image")?;
    file.set_len(ALL * MIB).context("giving the image its size")?;
    drop(file);
    table(tools, image)?;
    let folder = image.parent().context("an image lies in a folder")?;
    put(&boot(tools, content.boot, folder)?, image, BOOT)?;
    put(
        &linux(tools, content.root, folder, ROOT, "kinglet-root", &["-m", "1"])?,
        image,
        ROOT,
    )?;
    // A journal as the grown partition wants one; it cannot be changed later while it is in use. Nothing is kept for root, who writes
    // nothing here: of a disk that is full to its last byte the server could not use what it held back itself.
    put(
        &linux(
            tools,
            content.data,
            folder,
            DATA,
            "kinglet-data",
            &["-m", "0", "-J", "size=32"],
        )?,
        image,
        DATA,
    )
}

fn script() -> String {
    let mut text = format!("label: dos\nlabel-id: 0x{NUMBER}\nunit: sectors\n\n");
    for part in &PARTS {
        let (start, size) = (part.start * MIB / SECTOR, part.size * MIB / SECTOR);
        let boots = if part.number == BOOT { ", bootable" } else { "" };
        text.push_str(&format!(
            "{} : start={start}, size={size}, type={}{boots}\n",
            part.number, part.kind
        ));
    }
    text
}

fn table(tools: &Tools, image: &Path) -> Result<()> {
    let mut running = tools
        .command("sfdisk")
        .args(["--quiet", "--no-reread"])
        .arg(image)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting sfdisk")?;
    let mut told = running.stdin.take().context("it was asked to listen")?;
    told.write_all(script().as_bytes()).context("telling sfdisk")?;
    drop(told);
    let status = running.wait().context("waiting for sfdisk")?;
    ensure!(status.success(), "sfdisk ended with {status}");
    Ok(())
}

fn boot(tools: &Tools, content: &Path, folder: &Path) -> Result<PathBuf> {
    let made = folder.join("part-1.img");
    let file = File::create(&made).context("making the boot partition")?;
    file.set_len(part(BOOT)?.size * MIB)
        .context("giving it its size")?;
    must(
        tools
            .command("mkfs.vfat")
            .args(["-F", "32", "-n", "KINGLET", "-i", NUMBER])
            .arg(&made),
    )?;
    let mut files = Vec::new();
    for entry in fs::read_dir(content).context("listing the boot partition's files")? {
        files.push(entry.context("listing the boot partition's files")?.path());
    }
    files.sort();
    must(
        tools
            .command("mcopy")
            .args(["-s", "-p", "-m", "-i"])
            .arg(&made)
            .args(&files)
            .arg("::"),
    )?;
    Ok(made)
}

fn linux(
    tools: &Tools,
    content: &Path,
    folder: &Path,
    number: u32,
    name: &str,
    more: &[&str],
) -> Result<PathBuf> {
    let made = folder.join(format!("part-{number}.img"));
    if made.exists() {
        fs::remove_file(&made).context("removing the last partition")?;
    }
    must(
        tools
            .command("mke2fs")
            .args(["-q", "-t", "ext4", "-L", name])
            // Else the running system would write what is empty now, for an hour.
            .args(["-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .args(more)
            .arg("-d")
            .args([content, &made])
            .arg(format!("{}M", part(number)?.size)),
    )?;
    Ok(made)
}

/// Copies a partition to its place; what is empty of it stays a hole.
fn put(made: &Path, image: &Path, number: u32) -> Result<()> {
    let start = part(number)?.start;
    must(
        Command::new("dd")
            .arg(format!("if={}", made.display()))
            .arg(format!("of={}", image.display()))
            .args(["bs=1M", "conv=notrunc,sparse", "status=none"])
            .arg(format!("seek={start}")),
    )?;
    fs::remove_file(made).context("removing a partition that is on the card")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_each_other_and_fit() {
        let primary: Vec<&Part> = PARTS.iter().filter(|part| part.number <= 4).collect();
        let inner: Vec<&Part> = PARTS.iter().filter(|part| part.number > 4).collect();
        for list in [&primary, &inner] {
            for pair in list.windows(2) {
                assert!(
                    pair[0].start + pair[0].size <= pair[1].start,
                    "{} and {}",
                    pair[0].number,
                    pair[1].number
                );
            }
        }
        let around = part(3).expect("it is there");
        for part in inner {
            assert!(part.start > around.start && part.start + part.size <= around.start + around.size);
        }
        assert_eq!(around.start + around.size, ALL);
        // A card of 16 GB holds it, with room for data.
        const { assert!(ALL * MIB < 14_000_000_000) };
        // The system and the table speak of the same card.
        for file in ["files/etc/fstab", "first/etc/default/raspi-firmware"] {
            let text =
                fs::read_to_string(crate::tree::root().join("pi-image").join(file)).expect("it is there");
            assert!(text.contains(&format!("PARTUUID={NUMBER}-05")), "{file}");
        }
    }
}
