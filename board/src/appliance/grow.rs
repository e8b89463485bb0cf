//! Makes the last partition, the data's, as large as the card, and its file system as large as the partition. Done at each
//! start, and nothing where nothing is to be done. What must not live here: the other partitions.

use std::time::Duration;

use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;
use crate::program::{run as call, run_with};

/// Where the data is mounted.
const PLACE: &str = "/data";
const MOUNTS: &str = "/proc/self/mounts";
const DISKS: &str = "/sys/class/block";
const SFDISK: &str = "/usr/sbin/sfdisk";
const PARTX: &str = "/usr/bin/partx";
const RESIZE: &str = "/usr/sbin/resize2fs";
/// The partition that the data's lies in.
const EXTENDED: &str = "3";
/// Sectors; less than this is not worth it.
const LEAST: u64 = 8 * 2_048;
/// A large card that is slow.
const TIME: Duration = Duration::from_secs(600);

pub fn run(machine: &Machine) -> Result<(), Wrong> {
    let mounts = machine.text(MOUNTS).unwrap_or_default();
    let part = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(1) == Some(&PLACE))
        .and_then(|fields| fields.first()?.strip_prefix("/dev/"));
    let Some(part) = part else {
        return Err(Wrong::because(
            Code::NotAvailable,
            format!("nothing is mounted at {PLACE}"),
        ));
    };
    let number = |path: &str| machine.text(path)?.parse::<u64>().ok();
    let about = |name: &str| number(&format!("{DISKS}/{part}/{name}"));
    let disk = disk_of(part);
    let all = number(&format!("{DISKS}/{disk}/size"));
    let (Some(index), Some(start), Some(size), Some(all)) =
        (about("partition"), about("start"), about("size"), all)
    else {
        return Err(Wrong::because(
            Code::NotAvailable,
            format!("/dev/{part} is no partition"),
        ));
    };
    if all.saturating_sub(start + size) >= LEAST {
        let device = format!("/dev/{disk}");
        let index = index.to_string();
        let _locked = machine.locked(&device)?;
        // The one around it first. Each is one sector that is written; whatever comes between, the next start goes on.
        for number in [EXTENDED, &index] {
            let words = ["--no-reread", "--no-tell-kernel", "-N", number, &device];
            run_with(machine, SFDISK, &words, ", +\n", TIME)?;
        }
        call(machine, PARTX, &["--update", "--nr", &index, &device])?;
        note(&format!("the data's partition goes to the end of {device}"));
    }
    run_with(machine, RESIZE, &[&format!("/dev/{part}")], "", TIME).map(drop)
}

/// `mmcblk0p7` is of `mmcblk0`, `sda7` of `sda`.
fn disk_of(part: &str) -> &str {
    let without = part.trim_end_matches(|c: char| c.is_ascii_digit());
    match without.strip_suffix('p') {
        Some(disk) if disk.ends_with(|c: char| c.is_ascii_digit()) => disk,
        _ => without,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_of_its_disk() {
        for (part, disk) in [
            ("mmcblk0p7", "mmcblk0"),
            ("sda7", "sda"),
            ("vda7", "vda"),
            ("nvme0n1p12", "nvme0n1"),
        ] {
            assert_eq!(disk_of(part), disk);
        }
    }
}
