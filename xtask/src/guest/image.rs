//! The parts of the emulated machine: a kernel, a first file system in memory with the programs, and a disk with a server's
//! data. What must not live here: running it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::Wanted;
use crate::debian::{Debian, ask, must};
use crate::tree;

const INIT: &str = include_str!("init.sh");
/// What the guest needs beside what is built into its kernel.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

pub struct Machine {
    pub kernel: PathBuf,
    pub first: PathBuf,
    pub disk: PathBuf,
    /// Everything the guest said.
    pub console: PathBuf,
}

pub(super) fn make(wanted: &Wanted, programs: &Path) -> Result<Machine> {
    let folder = tree::root().join("target/guest");
    fs::create_dir_all(&folder).context("making target/guest")?;
    let kernel = Kernel::fetch()?;
    let disk = disk(&folder, programs, wanted)?;
    let first = first(&folder, programs, &kernel, wanted)?;
    Ok(Machine {
        kernel: kernel.file(),
        first,
        disk,
        console: folder.join("console.log"),
    })
}

/// Debian's kernel for virtual machines, with busybox beside it.
pub struct Kernel {
    unpacked: PathBuf,
    release: String,
}

impl Kernel {
    pub fn fetch() -> Result<Kernel> {
        let debian = Debian::open()?;
        let package = debian.needed_by("linux-image-cloud-amd64", "linux-image-")?;
        let release = package.trim_start_matches("linux-image-").to_owned();
        let unpacked = debian.unpack("guest-kernel", &[package, "busybox-static".to_owned()])?;
        Ok(Kernel { unpacked, release })
    }

    pub fn file(&self) -> PathBuf {
        self.unpacked
            .join("boot")
            .join(format!("vmlinuz-{}", self.release))
    }

    /// Lays out the first file system: busybox, and the modules that a disk takes, and others.
    pub fn lay_out(&self, root: &Path, others: &[&str]) -> Result<()> {
        if root.exists() {
            fs::remove_dir_all(root).context("removing the last first file system")?;
        }
        for name in ["bin", "dev", "proc", "sys", "tmp", "disk", "lib/modules"] {
            fs::create_dir_all(root.join(name)).with_context(|| format!("making {name}"))?;
        }
        symlink("lib", root.join("lib64")).context("linking lib64")?;
        copy(&self.unpacked.join("bin/busybox"), &root.join("bin/busybox"))?;
        modules(
            &self.unpacked.join("lib/modules").join(&self.release),
            &root.join("lib/modules"),
            &self.release,
            &[&MODULES, others].concat(),
        )
    }
}

/// A file system with users, devices and conversations, written on the host, where that takes seconds.
fn disk(folder: &Path, programs: &Path, wanted: &Wanted) -> Result<PathBuf> {
    let (content, disk) = (folder.join("content"), folder.join("disk.img"));
    if content.exists() {
        fs::remove_dir_all(&content).context("removing the last disk's content")?;
    }
    fs::create_dir_all(&content).context("making the disk's content")?;
    println!("writing {} users", wanted.sessions);
    must(
        Command::new(programs.join("kinglet-load"))
            .args(["plant", "--users", &wanted.sessions.to_string()])
            .args(["--conversations", &wanted.conversations.to_string()])
            .args(["--members", &wanted.members.to_string()])
            .arg("--directory")
            .arg(&content),
    )?;
    if disk.exists() {
        fs::remove_file(&disk).context("removing the last disk")?;
    }
    let used = fs::metadata(content.join("data/kinglet.db"))
        .context("the database that was just written")?
        .len();
    let mib = used / (1 << 20) * 2 + 512;
    must(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&content, &disk])
            .arg(format!("{mib}M")),
    )?;
    Ok(disk)
}

fn first(folder: &Path, programs: &Path, kernel: &Kernel, wanted: &Wanted) -> Result<PathBuf> {
    let root = folder.join("first");
    kernel.lay_out(&root, &[])?;
    for program in ["kinglet", "kinglet-load"] {
        let built = programs.join(program);
        copy(&built, &root.join(program))?;
        for library in libraries(&built)? {
            let name = library.file_name().context("a library's name")?;
            copy(&library, &root.join("lib").join(name))?;
        }
    }
    fs::write(
        root.join("arguments"),
        format!(
            "--sessions {} --conversations {} --members {}\n",
            wanted.sessions, wanted.conversations, wanted.members
        ),
    )
    .context("writing the measurement's arguments")?;
    finish(&root, INIT, &folder.join("first.cpio"))
}

/// Gives a first file system the program that it begins with, and packs it as the kernel takes it.
pub fn finish(root: &Path, init: &str, into: &Path) -> Result<PathBuf> {
    fs::write(root.join("init"), init).context("writing the guest's first program")?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))
        .context("making it a program")?;
    pack(root, into)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// The files that the dynamic linker would load, itself included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let said = ask(Command::new("ldd").arg(program))?;
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(PathBuf::from)
    };
    Ok(said.lines().filter_map(path).collect())
}

/// Copies the modules that are wanted and those they need, and writes down in which order they are loaded.
fn modules(from: &Path, to: &Path, release: &str, wanted: &[&str]) -> Result<()> {
    let base = from
        .ancestors()
        .nth(3)
        .context("modules lie three folders deep")?;
    must(
        Command::new(base.join("bin/busybox"))
            .arg("depmod")
            .arg("-b")
            .arg(base)
            .arg(release),
    )?;
    let table = fs::read_to_string(from.join("modules.dep")).context("reading which module needs which")?;
    let mut order = String::new();
    for path in in_order(&table, wanted) {
        let name = path.rsplit('/').next().unwrap_or(path);
        copy(&from.join(path), &to.join(name))?;
        order.push_str(name);
        order.push('\n');
    }
    fs::write(to.join("order"), order).context("writing the order of modules")
}

/// Paths of modules, each behind what it needs. One that is not there is built into the kernel.
fn in_order<'a>(table: &'a str, wanted: &[&str]) -> Vec<&'a str> {
    let needs: BTreeMap<&str, Vec<&str>> = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needed)| (path, needed.split_whitespace().collect()))
        .collect();
    let named = |name: &str| {
        needs
            .keys()
            .copied()
            .find(|path| path.rsplit('/').next() == Some(&format!("{name}.ko")))
    };
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for path in wanted.iter().filter_map(|name| named(name)) {
        load(path, &needs, &mut seen, &mut order);
    }
    order
}

fn load<'a>(
    path: &'a str,
    needs: &BTreeMap<&'a str, Vec<&'a str>>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) {
    if !seen.insert(path) {
        return;
    }
    for needed in needs.get(path).into_iter().flatten() {
        load(needed, needs, seen, order);
    }
    order.push(path);
}

fn pack(root: &Path, into: &Path) -> Result<PathBuf> {
    let mut names = ask(Command::new("find").arg(".").current_dir(root))?;
    names.push('\n');
    let list = root.with_extension("list");
    fs::write(&list, names.trim()).context("writing the list of files")?;
    let status = Command::new("cpio")
        .args(["--quiet", "-o", "-H", "newc", "-R", "0:0"])
        .current_dir(root)
        .stdin(Stdio::from(fs::File::open(&list).context("the list of files")?))
        .stdout(Stdio::from(fs::File::create(into).context("making the archive")?))
        .status()
        .context("starting `cpio`; is it installed?")?;
    ensure!(status.success(), "`cpio` ended with {status}");
    Ok(into.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_behind_what_it_needs() {
        let table = "fs/ext4.ko: fs/jbd2.ko lib/crc.ko\nfs/jbd2.ko: lib/crc.ko\nlib/crc.ko:\nnet/other.ko:\n";
        assert_eq!(
            in_order(table, &["built_in", "ext4", "jbd2"]),
            ["lib/crc.ko", "fs/jbd2.ko", "fs/ext4.ko"]
        );
    }
}
