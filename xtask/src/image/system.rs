//! The appliance's system as a folder: Debian, made once for the same list of packages, and a copy of it with Kinglet and its
//! settings. What must not live here: how the folder becomes a card.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::processor::Processor;
use super::tools::Tools;
use crate::debian::{ask, must};
use crate::tree as repository;

const RELEASE: &str = "trixie";
/// Who came in by SSH's key; see `board/src/ssh.rs`.
const ADMIN: &str = "kinglet-admin";
const ON: [&str; 4] = [
    "systemd-networkd.service",
    "nftables.service",
    "avahi-daemon.service",
    "systemd-timesyncd.service",
];
/// Those that have no use without what they are for, or write to the card each day.
const OFF: [&str; 6] = [
    "ssh.service",
    "ssh.socket",
    "wpa_supplicant.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
];
/// Nobody has a password that a console could ask for; and nothing waits for a network.
const NEVER: [&str; 7] = [
    "getty@tty1.service",
    "autovt@.service",
    "serial-getty@.service",
    "console-getty.service",
    "systemd-networkd-wait-online.service",
    "systemd-rfkill.service",
    "systemd-rfkill.socket",
];
/// What each machine makes for itself, and what was only needed to make the system.
const NOT_KEPT: [&str; 12] = [
    "etc/ssh/ssh_host_*",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/timesync/*",
    "var/lib/apt/lists/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/debconf/*-old",
    "var/log/*",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/0000*",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
];
const SOURCES: &str = "\
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates trixie-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: trixie-security
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

pub fn folder() -> PathBuf {
    repository::root().join("target/image")
}

fn recipe(name: &str) -> PathBuf {
    repository::root().join("pi-image").join(name)
}

/// Debian itself.
pub fn base(tools: &Tools, processor: &Processor, mirror: &str) -> Result<PathBuf> {
    let packages = processor.packages(packages()?);
    let first = recipe("first");
    let root = folder().join(format!("debian-{:016x}", fingerprint(&first, &packages)?));
    if root.join("etc/os-release").exists() {
        return Ok(root);
    }
    println!(
        "making a Debian {RELEASE} for {} in {}, which takes up to ten minutes the first time",
        processor.name,
        root.display()
    );
    let draft = folder().join("debian-draft");
    clear(&draft)?;
    let sources = folder().join("sources.list");
    let lines = [
        format!("deb {mirror} {RELEASE} main non-free-firmware"),
        format!("deb {mirror} {RELEASE}-updates main non-free-firmware"),
        format!("deb {mirror}-security {RELEASE}-security main non-free-firmware"),
        format!("deb {mirror} {RELEASE}-backports main non-free-firmware"),
    ];
    fs::write(&sources, lines.join("\n") + "\n").context("writing where packages come from")?;
    let mut command = tools.command("perl");
    command
        .arg(tools.path("mmdebstrap"))
        .args(["--quiet", "--skip=check/qemu", "--mode=root", "--variant=minbase"])
        .arg(format!("--architectures={}", processor.debian))
        .arg(format!("--include={}", packages.join(",")))
        .args([
            "--keyring=/usr/share/keyrings",
            "--dpkgopt=force-confold",
            "--dpkgopt=force-unsafe-io",
        ])
        .arg("--aptopt=Acquire::Languages \"none\"")
        .arg(format!("--setup-hook=cp -a '{}/.' \"$1\"", first.display()))
        .arg(RELEASE)
        .args([&draft, &sources]);
    // It would have the system's own programs look for libraries of this one.
    command.env_remove("LD_LIBRARY_PATH");
    must(&mut command)?;
    fs::rename(&draft, &root).context("keeping the system")?;
    Ok(root)
}

/// Names alone: why each is there is said in the list.
pub fn packages() -> Result<Vec<String>> {
    let list = fs::read_to_string(recipe("packages.list")).context("reading pi-image/packages.list")?;
    let names = list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Another list or other first files make another system. Only this machine compares it.
fn fingerprint(first: &Path, packages: &[String]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let files = ask(Command::new("find").args([".", "-type", "f"]).current_dir(first))?;
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    for file in files {
        file.hash(&mut hasher);
        fs::read(first.join(file))
            .with_context(|| format!("reading {file}"))?
            .hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// The whole system, with Kinglet in it.
pub fn complete(base: &Path, kinglet: &[PathBuf]) -> Result<PathBuf> {
    let root = folder().join("root");
    clear(&root)?;
    must(
        Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([base, &root]),
    )?;
    laid_over(&root)?;
    let inside = root.join("tmp/kinglet");
    fs::create_dir_all(&inside).context("making a folder for the packages")?;
    let mut names = Vec::new();
    for package in kinglet {
        let name = package
            .file_name()
            .and_then(|name| name.to_str())
            .context("a package's name")?;
        fs::copy(package, inside.join(name)).with_context(|| format!("copying {name}"))?;
        names.push(format!("/tmp/kinglet/{name}"));
    }
    let mut install = vec!["dpkg", "--force-confold", "--install"];
    install.extend(names.iter().map(String::as_str));
    within(&root, &install)?;
    fs::remove_dir_all(&inside).context("removing the packages")?;
    // `!`: no password is right. There is none to guess, and none to forget to change.
    within(
        &root,
        &[
            "useradd",
            "--create-home",
            "--shell",
            "/bin/bash",
            "--password",
            "!",
            ADMIN,
        ],
    )?;
    for (verb, units) in [("enable", &ON[..]), ("disable", &OFF), ("mask", &NEVER)] {
        within(&root, &[&["systemctl", "--quiet", verb], units].concat())?;
    }
    forget(&root)?;
    Ok(root)
}

/// Our files over Debian's, all of root's.
fn laid_over(root: &Path) -> Result<()> {
    must(
        Command::new("cp")
            .args(["-r", "--no-preserve=ownership", "--remove-destination"])
            .arg(recipe("files").join("."))
            .arg(root),
    )?;
    for (path, mode) in [
        ("etc/sudoers.d/kinglet-admin", "0440"),
        ("etc/nftables.conf", "0755"),
    ] {
        must(Command::new("chmod").arg(mode).arg(root.join(path)))?;
    }
    fs::write(root.join("etc/apt/sources.list.d/debian.sources"), SOURCES)
        .context("writing where updates come from")?;
    // It would open other ways for SSH than the one that is switched on.
    let generators = root.join("etc/systemd/system-generators");
    fs::create_dir_all(&generators).context("making the folder of generators")?;
    std::os::unix::fs::symlink("/dev/null", generators.join("systemd-ssh-generator"))
        .context("leaving SSH's out")?;
    for place in [
        "boot/firmware",
        "data",
        "var/lib/kinglet-board",
        "var/lib/systemd/timesync",
    ] {
        fs::create_dir_all(root.join(place)).with_context(|| format!("making {place}"))?;
    }
    Ok(())
}

/// Runs a program of the system in the system, with a /proc that is gone with the program.
pub fn within(root: &Path, words: &[&str]) -> Result<()> {
    must(
        Command::new("/usr/bin/unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount -t proc proc \"$0/proc\" && exec chroot \"$0\" \"$@\"")
            .arg(root)
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8"),
    )
}

fn forget(root: &Path) -> Result<()> {
    for pattern in NOT_KEPT {
        let (folder, name) = pattern.rsplit_once('/').context("every pattern has a folder")?;
        let folder = root.join(folder);
        if folder.exists() {
            must(Command::new("find").arg(&folder).args([
                "-mindepth",
                "1",
                "-maxdepth",
                "1",
                "-name",
                name,
                "-exec",
                "rm",
                "-rf",
                "{}",
                "+",
            ]))?;
        }
    }
    // Empty, not missing: each machine writes its own at its first start, and switches nothing on or off by that.
    fs::write(root.join("etc/machine-id"), "").context("emptying the machine's number")?;
    // Caches are as new as the system: the first start need not make them again.
    for place in ["etc/.updated", "var/.updated"] {
        fs::write(root.join(place), "").with_context(|| format!("writing {place}"))?;
    }
    // The earliest that it can be: a board has no clock while it is off.
    fs::write(root.join("usr/lib/clock-epoch"), "").context("noting when the system was made")?;
    let resolver = root.join("etc/resolv.conf");
    if fs::symlink_metadata(&resolver).is_ok() {
        fs::remove_file(&resolver).context("removing this machine's resolver")?;
    }
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", &resolver)
        .context("linking the resolver")
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        must(Command::new("rm").args(["-rf", "--one-file-system"]).arg(folder))?;
    }
    let above = folder.parent().context("it lies in a folder")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    ensure!(!folder.exists(), "{} is still there", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_packages_is_names_and_reasons() {
        let packages = packages().expect("it is there");
        assert!(packages.contains(&"linux-image-arm64".to_owned()), "{packages:?}");
        assert!(
            packages.iter().all(|name| name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))),
            "{packages:?}"
        );
        let more = [packages.clone(), vec!["more".to_owned()]].concat();
        let first = recipe("first");
        let (one, other) = (fingerprint(&first, &packages), fingerprint(&first, &more));
        assert_ne!(one.expect("it can be read"), other.expect("it can be read"));
    }
}
