//! The tools that an image is made and tried with: from Debian's packages, unpacked and not installed. What must not live here:
//! what is made with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian::{Debian, ask, must};

const PACKAGES: [&str; 9] = [
    "mmdebstrap",
    "qemu-system-arm",
    "dosfstools",
    "mtools",
    "fdisk",
    "device-tree-compiler",
    "libfdt1",
    "libyaml-0-2",
    "minisign",
];
/// Those for what is tried without starting the card.
const CHECKS: [&str; 11] = [
    "nftables",
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libjansson4",
    "libxtables12",
    "libedit2",
    "dosfstools",
    "mtools",
    "fdisk",
    "sudo",
];
/// Those for a stick as it is bought, which this machine's kernel may not know.
const STICKS: [&str; 5] = ["exfatprogs", "exfat-fuse", "libfuse2", "dosfstools", "mtools"];
const FOLDERS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// sudo has its own beside it.
const LIBRARIES: [&str; 3] = [
    "usr/lib/x86_64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "usr/libexec/sudo",
];
/// Where the kernel is told which emulator runs programs of another processor.
const FORMATS: &str = "/proc/sys/fs/binfmt_misc";
const OURS: &str = "qemu-aarch64";
/// What the package qemu-user-static brings along for systemd.
const RULE: &str = "/usr/lib/binfmt.d/qemu-aarch64.conf";

pub struct Tools {
    root: PathBuf,
}

impl Tools {
    pub fn fetch() -> Result<Tools> {
        Tools::of("image-tools", &PACKAGES)
    }

    pub fn for_checks() -> Result<Tools> {
        Tools::of("image-check-tools", &CHECKS)
    }

    pub fn for_sticks() -> Result<Tools> {
        Tools::of("stick-tools", &STICKS)
    }

    fn of(folder: &str, packages: &[&str]) -> Result<Tools> {
        let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        let root = Debian::open()?.unpack(folder, &packages)?;
        Ok(Tools { root })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let places = FOLDERS.iter().map(|folder| self.root.join(folder).join(name));
        // One that is installed is as good.
        places
            .into_iter()
            .find(|path| path.exists())
            .unwrap_or_else(|| PathBuf::from(name))
    }

    /// A command that finds the other tools, too.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        let own = FOLDERS.map(|folder| self.root.join(folder).display().to_string());
        let libraries = LIBRARIES.map(|folder| self.root.join(folder).display().to_string());
        let others = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{others}:/usr/sbin:/sbin:{}", own.join(":")))
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .env("MTOOLS_SKIP_CHECK", "1")
            .env("LC_ALL", "C");
        command
    }
}

pub fn is_root() -> Result<()> {
    ensure!(
        ask(Command::new("id").arg("-u"))?.trim() == "0",
        "files of several users, mounts and networks are root's to make: run this as root"
    );
    Ok(())
}

/// Programs for 64-bit ARM can be started on this machine, which needs root and an emulator the first time.
pub fn runs_foreign_programs() -> Result<()> {
    is_root()?;
    if std::env::consts::ARCH == "aarch64" || Path::new(FORMATS).join(OURS).exists() {
        return Ok(());
    }
    if !Path::new(FORMATS).join("register").exists() {
        must(Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc", FORMATS]))?;
    }
    let rule = fs::read_to_string(RULE)
        .with_context(|| format!("reading {RULE}; it is in the package qemu-user-static"))?;
    println!(
        "telling this machine's kernel that {OURS} runs programs for 64-bit ARM, until it is started again"
    );
    fs::write(Path::new(FORMATS).join("register"), rule.trim()).context("registering the emulator")
}
