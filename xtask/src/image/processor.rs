//! Whose processor a card is for: the boards', or a PC's. The second is made by the same recipe and only to be started where
//! emulating the first takes too long; nobody flashes it. What must not live here: anything in which the two do not differ.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::card;
use super::tools;
use crate::debian::must;

#[derive(Debug, PartialEq)]
pub struct Processor {
    /// As people say it.
    pub name: &'static str,
    /// As Debian does.
    pub debian: &'static str,
    pub target: &'static str,
    pub emulator: &'static str,
    /// The machine, and who plays its processor.
    pub machine: [&'static str; 4],
    /// Where what is tried with it lies.
    pub trial: &'static str,
    /// Its first serial line.
    pub line: &'static str,
    /// What takes the place of a package of the boards'; nothing, where a PC has no use for it.
    instead: &'static [(&'static str, Option<&'static str>)],
}

pub static BOARD: Processor = Processor {
    name: "64-bit ARM",
    debian: "arm64",
    target: "aarch64-unknown-linux-gnu",
    emulator: "qemu-system-aarch64",
    machine: ["-machine", "virt", "-cpu", "cortex-a72"],
    trial: "trial",
    line: "ttyAMA0",
    instead: &[],
};

pub static PC: Processor = Processor {
    name: "a PC's processor",
    debian: "amd64",
    target: "x86_64-unknown-linux-gnu",
    emulator: "qemu-system-x86_64",
    machine: ["-machine", "q35,accel=tcg", "-cpu", "max"],
    trial: "trial-pc",
    line: "ttyS0",
    instead: &[
        ("linux-image-arm64", Some("linux-image-amd64")),
        ("raspi-firmware", None),
    ],
};

impl Processor {
    /// The boards' packages, as far as this one needs them or others in their place.
    pub fn packages(&self, boards: Vec<String>) -> Vec<String> {
        let own = |name: String| match self.instead.iter().find(|(boards, _)| *boards == name) {
            None => Some(name),
            Some((_, instead)) => instead.map(str::to_owned),
        };
        boards.into_iter().filter_map(own).collect()
    }

    /// Its programs can be started on this machine.
    pub fn can_be_made_for(&self) -> Result<()> {
        if self.debian == BOARD.debian {
            return tools::runs_foreign_programs();
        }
        ensure!(
            std::env::consts::ARCH == "x86_64",
            "a card for a PC's processor is made on a PC"
        );
        tools::is_root()
    }

    /// The kernel, its first file system and what it is told go onto the boot partition. For a board Debian's package of its firmware
    /// has done that.
    pub fn lay_out(&self, root: &Path, boot: &Path) -> Result<()> {
        if self.debian == BOARD.debian {
            return Ok(());
        }
        let kernel = newest(&root.join("boot"), "vmlinuz-")?;
        let first = kernel.replacen("vmlinuz-", "initrd.img-", 1);
        for name in [&kernel, &first] {
            must(Command::new("cp").arg(root.join("boot").join(name)).arg(boot))?;
        }
        let config = format!("kernel={kernel}\ninitramfs {first}\n");
        fs::write(boot.join("config.txt"), config).context("writing config.txt")?;
        let told = format!(
            "console=tty0 root=PARTUUID={}-0{} rw fsck.repair=yes net.ifnames=0 rootwait panic=10\n",
            card::NUMBER,
            card::ROOT
        );
        fs::write(boot.join("cmdline.txt"), told).context("writing cmdline.txt")
    }
}

fn newest(folder: &Path, beginning: &str) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        names.push(entry.context("an entry's name")?.file_name());
    }
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    names
        .filter(|name| name.starts_with(beginning))
        .max()
        .with_context(|| format!("there is no {beginning}… in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pc_gets_the_boards_packages_but_for_what_only_a_board_has() {
        let boards = ["systemd", "linux-image-arm64", "raspi-firmware"].map(str::to_owned);
        assert_eq!(BOARD.packages(boards.to_vec()), boards);
        assert_eq!(PC.packages(boards.to_vec()), ["systemd", "linux-image-amd64"]);
        let all = super::super::system::packages().expect("the list can be read");
        for (name, _) in PC.instead {
            assert!(all.iter().any(|one| one == name), "{name} is on the list no more");
        }
    }
}
