//! A whole Debian in the emulated machine, with systemd as its first process: the same release as this machine's, from its
//! own package sources. What must not live here: what is tried in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::image::{Kernel, Machine, finish};
use crate::debian::{Debian, ask, must};
use crate::tree;

/// Beside what every Debian has. What a package needs has to be in this list: the machine has no network.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,procps,iproute2,curl,jq,openssl,ca-certificates,kmod";
/// A network card that leads nowhere: what looks at a machine's addresses finds one.
const MODULES: [&str; 1] = ["dummy"];
/// Free space on its disk, for packages and data.
const ROOM_MIB: u64 = 1_024;
/// What runs once it is up, and where its files lie.
const UNIT: &str = "\
[Unit]
Description=What is tried in this machine

[Service]
Type=exec
ExecStart=/trial/run
StandardOutput=null
StandardError=null

[Install]
WantedBy=multi-user.target
";
/// From memory to the disk.
const INIT: &str = "\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do insmod \"/lib/modules/$module\" || echo \"guest-trouble: $module\"; done </lib/modules/order
mount -t ext4 -o noatime /dev/vda /disk || echo 'guest-trouble: no disk'
mount --move /dev /disk/dev
umount /proc
exec switch_root /disk /sbin/init
";

/// A machine that will run `/trial/run`, which is among the files that are laid out in the folder that `fill` is given.
pub fn make(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Machine> {
    ensure!(
        ask(Command::new("id").arg("-u"))?.trim() == "0",
        "a file system with files of several users can be written by root alone: run this as root"
    );
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let (base, root) = (base()?, folder.join("root"));
    if root.exists() {
        fs::remove_dir_all(&root).context("removing the last machine's files")?;
    }
    must(
        Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([&base, &root]),
    )?;
    let trial = root.join("trial");
    fs::create_dir_all(&trial).context("making a folder for what is tried")?;
    fill(&trial)?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("trial.service"), UNIT).context("writing what runs in the machine")?;
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted).context("making the folder of what starts")?;
    symlink("../trial.service", wanted.join("trial.service")).context("switching it on")?;
    let kernel = Kernel::fetch()?;
    let first = folder.join("first");
    kernel.lay_out(&first, &MODULES)?;
    Ok(Machine {
        kernel: kernel.file(),
        first: finish(&first, INIT, &folder.join("first.cpio"))?,
        disk: disk(&root, &folder.join("disk.img"))?,
        console: folder.join("console.log"),
    })
}

fn disk(content: &Path, disk: &Path) -> Result<PathBuf> {
    if disk.exists() {
        fs::remove_file(disk).context("removing the last disk")?;
    }
    let used = ask(Command::new("du").args(["-sm"]).arg(content))?;
    let used: u64 = used
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .context("how much the machine's files take")?;
    must(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([content, disk])
            .arg(format!("{}M", used + used / 8 + ROOM_MIB)),
    )?;
    Ok(disk.to_owned())
}

/// The system itself, made once for the same release and packages.
fn base() -> Result<PathBuf> {
    let about = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name));
    let release = field("VERSION_CODENAME=").filter(|_| field("ID=") == Some("debian"));
    let release =
        release.context("the machine is made from the package sources of this one, which is no Debian")?;
    let place = crate::debian::place();
    let (root, stamp) = (place.join("guest-debian"), place.join("guest-debian-is-there"));
    let wanted = format!("{release} {PACKAGES}");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(root);
    }
    if root.exists() {
        fs::remove_dir_all(&root).context("removing the old system")?;
    }
    println!("making a Debian {release} from this machine's package sources");
    let tool = Debian::open()?.unpack("mmdebstrap", &["mmdebstrap".to_owned()])?;
    must(
        Command::new("perl")
            .arg(tool.join("usr/bin/mmdebstrap"))
            .args(["--quiet", "--mode=root", "--variant=minbase"])
            .arg(format!("--include={PACKAGES}"))
            .args([
                "--dpkgopt=force-unsafe-io",
                "--aptopt=Acquire::Languages \"none\"",
            ])
            .arg(release)
            .arg(&root)
            .args(sources()?),
    )?;
    fs::write(&stamp, wanted).context("noting that the system is there")?;
    Ok(root)
}

/// The files that name this machine's package sources.
fn sources() -> Result<Vec<PathBuf>> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.retain(|file| {
        let is_list = ["list", "sources"]
            .iter()
            .any(|ending| file.extension().is_some_and(|its| its == *ending));
        is_list && fs::metadata(file).is_ok_and(|about| about.len() > 0)
    });
    files.sort();
    ensure!(!files.is_empty(), "no package sources in /etc/apt");
    Ok(files)
}

/// Where machines of that name are made.
pub fn folder(name: &str) -> PathBuf {
    tree::root().join("target/guest").join(name)
}
