//! `cargo xtask image-check`: what of the card can be tried without starting it, by the programs that read it and on this
//! machine's kernel: its units together, its firewall, its partitions and how they grow. What must not live here: what only a
//! start shows (`trial`).

mod planted;
mod units;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::card;
use super::tools::{self, Tools};
use crate::debian::{ask, must};
use crate::tree;

pub const HELP: &str = "\
Tries of the card what can be tried without starting it, in less than a minute: nothing is built, and nothing is emulated

Usage: cargo xtask image-check [--programs DIR] [--planted | --where-possible]

  --programs DIR  Where this machine's kinglet-board is [default: target/debug]
  --where-possible
                  Says what this machine lacks for it, and passes: a container often has no loop devices
  --planted       Each check with each of the bugs that it has to see, planted into copies of pi-image and systemd: all have to be red

  units       Kinglet's units, the card's settings for them and its mounts (fstab), read together by systemd: nothing unknown in
              them, and no circle in their order
  firewall    /etc/nftables.conf in a network of its own, while programs listen on nine ports: who comes through to which, of all
              65,535; names from neighbours alone; whether it answers when it is asked whether it is there
  partitions  A card with next to nothing on it: its table, its file systems, and its last partition grown to the end of a larger
              card by kinglet-board
  settings    What Debian's programs make of the settings for updates and for the admin

Needed: root, systemd, iproute2, python3, e2fsprogs and util-linux. Other tools come from Debian's packages, unpacked below
target/debian and not installed. That a machine starts from the card, cargo xtask image-test shows, and a board.";

/// For a card of 8 GB, the least that one grows to here.
const LARGER: u64 = 8_000;
const PORTS: &str = include_str!("../trial/ports.py");
const FIREWALL: &str = include_str!("firewall.py");
/// What comes through, as `firewall.py` says it.
const THROUGH: [&str; 5] = [
    "stranger: tcp 4 open 80 443 tcp 4 refused udp 4 answered tcp 6 open 80 443 tcp 6 refused udp 6 answered",
    "neighbour: tcp 4 open 22 80 443 tcp 4 refused udp 4 answered tcp 6 open 80 443 tcp 6 refused udp 6 answered",
    "names: 255",
    "six: 80 443",
    // The answer to it is of kind 0.
    "echo: 0",
];

/// The sources of a card: `pi-image`, `systemd`.
pub struct Sources {
    pub recipe: PathBuf,
    pub units: PathBuf,
}

impl Sources {
    pub fn of(folder: &Path) -> Sources {
        Sources {
            recipe: folder.join("pi-image"),
            units: folder.join("systemd"),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.recipe.join("files").join(name)
    }
}

/// What a check works with.
pub struct Bench {
    tools: Tools,
    programs: PathBuf,
    pub folder: PathBuf,
}

type Check = fn(&Bench, &Sources) -> Result<()>;

const CHECKS: [(&str, Check); 4] = [
    ("units", units::check),
    ("firewall", firewall),
    ("partitions", partitions),
    ("settings", settings),
];

pub fn run(words: &[&str]) -> Result<()> {
    let (mut programs, mut is_planted, mut rest) = (tree::root().join("target/debug"), false, words);
    let mut where_possible = false;
    loop {
        rest = match rest {
            [] => break,
            ["--planted", rest @ ..] => {
                is_planted = true;
                rest
            }
            ["--where-possible", rest @ ..] => {
                where_possible = true;
                rest
            }
            ["--programs", folder, rest @ ..] => {
                programs = std::path::absolute(folder)?;
                rest
            }
            [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
        };
    }
    match tools::is_root() {
        Err(error) if where_possible => {
            println!("not tried here: {error:#}");
            return Ok(());
        }
        is_root => is_root?,
    }
    let bench = Bench {
        tools: Tools::for_checks()?,
        programs,
        folder: tree::root().join("target/image/check"),
    };
    fs::create_dir_all(&bench.folder).context("making a folder for the checks")?;
    if is_planted {
        return planted::run(&bench);
    }
    if where_possible && let Err(error) = bench.can_try() {
        println!("not tried here: {error:#}");
        return Ok(());
    }
    let sources = Sources::of(&tree::root());
    for (name, check) in CHECKS {
        let begun = Instant::now();
        check(&bench, &sources).with_context(|| format!("the check of the card's {name} failed"))?;
        println!(
            "{name}: as it should be, in {:.0} s",
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

impl Bench {
    /// Whether this machine's kernel lets us have what the checks are made with.
    fn can_try(&self) -> Result<()> {
        ask(self
            .apart(true)
            .arg(self.tools.path("nft"))
            .args(["list", "ruleset"]))
        .context("no network with a firewall of its own")?;
        ask(self.tools.command("losetup").arg("--find")).context("no loop devices")?;
        Ok(())
    }

    /// Runs it with a view of mounts of its own, so that nothing stays mounted.
    fn apart(&self, net: bool) -> Command {
        let mut command = self.tools.command("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if net {
            command.arg("--net");
        }
        command
    }

    /// A folder that is empty.
    pub fn empty(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing the last {name}"))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {name}"))?;
        Ok(folder)
    }
}

fn firewall(bench: &Bench, sources: &Sources) -> Result<()> {
    let put = |name: &str, text: &str| -> Result<PathBuf> {
        let file = bench.folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {name}"))?;
        Ok(file)
    };
    let (script, ports) = (put("firewall.py", FIREWALL)?, put("ports.py", PORTS)?);
    let said = ask(bench
        .apart(true)
        .arg("python3")
        .arg(script)
        .arg(bench.tools.path("nft"))
        .args([sources.file("etc/nftables.conf"), ports]))?;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    ensure!(
        lines == THROUGH,
        "it lets through:\n{said}\nand should:\n{}",
        THROUGH.join("\n")
    );
    Ok(())
}

/// The table as the tool reads it back: number, start and size, in sectors.
fn table(bench: &Bench, image: &Path) -> Result<Vec<(u32, u64, u64)>> {
    let said = ask(bench.tools.command("sfdisk").args(["--json"]).arg(image))?;
    let said: serde_json::Value = serde_json::from_str(&said).context("what sfdisk says of the card")?;
    let table = &said["partitiontable"];
    ensure!(
        table["id"] == format!("0x{}", card::NUMBER).as_str(),
        "the card's number is {}, and fstab and the kernel's line say {}",
        table["id"],
        card::NUMBER
    );
    let parts = table["partitions"].as_array().context("a list of partitions")?;
    let each = parts.iter().map(|part| {
        let name = part["node"].as_str().unwrap_or_default();
        let number = name.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        Some((
            number.parse().ok()?,
            part["start"].as_u64()?,
            part["size"].as_u64()?,
        ))
    });
    each.collect::<Option<Vec<_>>>().context("numbers in the table")
}

fn partitions(bench: &Bench, sources: &Sources) -> Result<()> {
    let content = bench.empty("content")?;
    for part in ["root", "data"] {
        fs::create_dir_all(content.join(part)).context("making what goes onto the card")?;
    }
    fs::write(content.join("data/kept"), "what people have said")
        .context("making what goes onto the card")?;
    let image = bench.folder.join("card.img");
    let boot = sources.recipe.join("boot");
    let (root, data) = (content.join("root"), content.join("data"));
    card::make(
        &bench.tools,
        &card::Content {
            boot: &boot,
            root: &root,
            data: &data,
        },
        &image,
    )?;
    let wanted: Vec<(u32, u64, u64)> = card::PARTS
        .iter()
        .map(|part| (part.number, part.start * 2_048, part.size * 2_048))
        .collect();
    let made = table(bench, &image)?;
    ensure!(made == wanted, "the table is {made:?}, and should be {wanted:?}");
    let at = format!("{}@@{}M", image.display(), card::part(card::BOOT)?.start);
    for entry in fs::read_dir(&boot).context("listing the boot partition's files")? {
        let path = entry.context("listing the boot partition's files")?.path();
        let name = path
            .file_name()
            .and_then(OsStr::to_str)
            .context("a file's name")?;
        let read = ask(bench
            .tools
            .command("mtype")
            .args(["-i", &at])
            .arg(format!("::{name}")))?;
        let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        ensure!(read == text, "{name} is not on the card as it is here: {read}");
    }
    grown(bench, &image)?;
    fs::remove_file(&image).context("removing the card")
}

/// On a larger card.
fn grown(bench: &Bench, image: &Path) -> Result<()> {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(image)
        .context("opening the card")?;
    file.set_len(LARGER << 20).context("making the card larger")?;
    let system = bench.empty("system")?;
    for folder in ["data", "proc/self", "usr/bin", "usr/sbin"] {
        fs::create_dir_all(system.join(folder)).context("making a system's folders")?;
    }
    for own in ["sys", "dev"] {
        std::os::unix::fs::symlink(Path::new("/").join(own), system.join(own))
            .context("linking the kernel's own")?;
    }
    std::os::unix::fs::symlink(bench.tools.path("sfdisk"), system.join("usr/sbin/sfdisk"))
        .context("linking sfdisk")?;
    for (name, place) in [
        ("usr/sbin/resize2fs", "/usr/sbin/resize2fs"),
        ("usr/bin/partx", "/usr/bin/partx"),
    ] {
        std::os::unix::fs::symlink(place, system.join(name)).with_context(|| format!("linking {name}"))?;
    }
    let (root, data) = (card::ROOT, card::DATA);
    let script = format!(
        "device=$(losetup --find --show \"$1\")
        trap 'umount -q \"$0/data\" || true; partx --delete $device || true; losetup --detach $device' EXIT
        # Not every kernel reads such a table by itself.
        for part in {root} {data}; do [ -b ${{device}}p$part ] || partx --add --nr $part $device; done
        e2fsck -fn ${{device}}p{root} >/dev/null
        e2fsck -fn ${{device}}p{data} >/dev/null
        # Where it is said to be mounted. To grow it while it is takes more than root may everywhere; a start shows that.
        echo \"${{device}}p{data} /data ext4 rw 0 0\" >\"$0/proc/self/mounts\"
        \"$2\" --root \"$0\" grow
        mount -o noatime,errors=remount-ro,nosuid,nodev,noexec ${{device}}p{data} \"$0/data\"
        cat \"$0/data/kept\"; echo; df --output=size --block-size=M \"$0/data\" | tail -n 1
        umount \"$0/data\"; e2fsck -fn ${{device}}p{data} >/dev/null"
    );
    let said = ask(bench.apart(false).args(["sh", "-euc", &script]).args([
        &system,
        image,
        &bench.programs.join("kinglet-board"),
    ]))?;
    let (kept, size) = said.split_once('\n').context("what was kept, and the size")?;
    ensure!(
        kept == "what people have said",
        "what was there before is not: {said}"
    );
    let size: u64 = size.trim().trim_end_matches('M').parse().context("a size")?;
    let start = card::part(card::DATA)?.start;
    // The file system keeps something for itself.
    ensure!(
        size > (LARGER - start) * 9 / 10,
        "the data's partition has {size} MiB on a card of {LARGER} MiB"
    );
    let parts = table(bench, image)?;
    for number in [3, card::DATA] {
        let part = parts.iter().find(|(part, _, _)| *part == number);
        let end = part.map(|(_, start, size)| start + size);
        ensure!(end == Some(LARGER * 2_048), "partition {number} ends at {end:?}");
    }
    Ok(())
}

fn settings(bench: &Bench, sources: &Sources) -> Result<()> {
    let said = ask(Command::new("apt-config")
        .arg("dump")
        .env("APT_CONFIG", sources.file("etc/apt/apt.conf.d/99kinglet")))?;
    for wanted in [
        "Unattended-Upgrade::Origins-Pattern:: \"origin=Debian,codename=${distro_codename}-security,label=Debian-Security\";",
        "Unattended-Upgrade::Automatic-Reboot \"false\";",
        "APT::Periodic::Update-Package-Lists \"1\";",
        "APT::Periodic::Unattended-Upgrade \"1\";",
    ] {
        ensure!(
            said.lines().any(|line| line == wanted),
            "apt does not read {wanted} in it"
        );
    }
    let patterns = said
        .lines()
        .filter(|line| line.starts_with("Unattended-Upgrade::Origins-Pattern::"));
    ensure!(
        patterns.count() == 1,
        "apt would take updates from elsewhere, too"
    );
    let admin = sources.file("etc/sudoers.d/kinglet-admin");
    must(
        bench
            .tools
            .command("visudo")
            .args(["--check", "--quiet", "--file"])
            .arg(admin),
    )
}
