//! What each board needs to start from this card, looked for by content: no emulator runs the boards' own firmware. What must
//! not live here: making the card.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A board, and what it cannot do without.
struct Board {
    name: &'static str,
    /// On the boot partition.
    tree: &'static str,
    /// What the device tree says it is for.
    compatible: &'static str,
    /// What the board's own first program reads from the card; a Pi 5 has all of it in its own memory.
    firmware: &'static [&'static str],
    /// Modules, or built into the kernel.
    drivers: &'static [&'static str],
    /// Firmware of its Wi-Fi; the names without their ending. With each goes a text about the board's own radio.
    wifi: &'static [&'static str],
}

const OLD: &[&str] = &["bootcode.bin", "start.elf", "fixup.dat"];
const NEW: &[&str] = &["start4.elf", "fixup4.dat"];
/// As many links may lead to a file; a circle of them has no end.
const MOST_LINKS: usize = 8;
/// Everywhere: Wi-Fi, the watchdog, the screen.
const COMMON: [&str; 4] = ["brcmfmac", "bcm2835_wdt", "vc4", "ext4"];

const BOARDS: [Board; 6] = [
    Board {
        name: "Raspberry Pi 4 B",
        tree: "bcm2711-rpi-4-b.dtb",
        compatible: "raspberrypi,4-model-b",
        firmware: NEW,
        drivers: &[
            "genet",
            "sdhci_iproc",
            "pcie_brcmstb",
            "xhci_pci",
            "bcm2711_thermal",
        ],
        wifi: &["brcmfmac43455-sdio"],
    },
    Board {
        name: "Raspberry Pi 400",
        tree: "bcm2711-rpi-400.dtb",
        compatible: "raspberrypi,400",
        firmware: NEW,
        drivers: &[
            "genet",
            "sdhci_iproc",
            "pcie_brcmstb",
            "xhci_pci",
            "bcm2711_thermal",
        ],
        wifi: &["brcmfmac43456-sdio"],
    },
    Board {
        name: "Raspberry Pi 5",
        tree: "bcm2712-rpi-5-b.dtb",
        compatible: "raspberrypi,5-model-b",
        firmware: &[],
        drivers: &[
            "macb",
            "sdhci_brcmstb",
            "pcie_brcmstb",
            "rp1_pci",
            "clk_rp1",
            "pinctrl_rp1",
            "dwc3",
        ],
        wifi: &["brcmfmac43455-sdio"],
    },
    Board {
        name: "Raspberry Pi 3 B+",
        tree: "bcm2837-rpi-3-b-plus.dtb",
        compatible: "raspberrypi,3-model-b-plus",
        firmware: OLD,
        drivers: &["lan78xx", "bcm2835", "dwc2", "bcm2835_thermal"],
        wifi: &["brcmfmac43455-sdio"],
    },
    Board {
        name: "Raspberry Pi 3 B",
        tree: "bcm2837-rpi-3-b.dtb",
        compatible: "raspberrypi,3-model-b",
        firmware: OLD,
        drivers: &["smsc95xx", "bcm2835", "dwc2", "bcm2835_thermal"],
        wifi: &["brcmfmac43430-sdio"],
    },
    Board {
        name: "Raspberry Pi Zero 2 W",
        tree: "bcm2837-rpi-zero-2-w.dtb",
        compatible: "raspberrypi,model-zero-2-w",
        firmware: OLD,
        drivers: &["bcm2835", "dwc2", "bcm2835_thermal"],
        // Those with the chip's later revision want brcmfmac43430b0-sdio, which Debian has not got (docs/APPLIANCE.md).
        wifi: &["brcmfmac43430-sdio"],
    },
];

/// Looks for everything, and says what of it is there; fails when something is missing.
pub fn check(boot: &Path, root: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let kernel = kernel(boot)?;
    let known = drivers(root, &kernel)?;
    for board in &BOARDS {
        let before = missing.len();
        let lacks = |what: String| format!("{}: {what}", board.name);
        if let Err(error) = is_tree(boot, board) {
            missing.push(lacks(format!("{error:#}")));
        }
        for name in board.firmware {
            if let Err(error) = is_firmware(boot, name) {
                missing.push(lacks(format!("{error:#}")));
            }
        }
        for name in board.drivers.iter().chain(&COMMON) {
            if !known.iter().any(|driver| driver == name) {
                missing.push(lacks(format!("kernel {kernel} has no driver {name}")));
            }
        }
        for name in board.wifi {
            if !has_wifi(root, name) {
                missing.push(lacks(format!("no Wi-Fi firmware {name}")));
            }
            if let Err(error) = has_radio(root, name, board.compatible) {
                missing.push(lacks(format!("{error:#}")));
            }
        }
        if missing.len() == before {
            println!(
                "{}: device tree, firmware, {} drivers, Wi-Fi",
                board.name,
                board.drivers.len() + COMMON.len()
            );
        }
    }
    told(boot, &mut missing)?;
    ensure!(
        missing.is_empty(),
        "the image lacks what boards need:\n  {}",
        missing.join("\n  ")
    );
    Ok(())
}

/// The kernel that config.txt names, in a form that the boards' firmware starts.
pub fn kernel(boot: &Path) -> Result<String> {
    let config = text(boot, "config.txt")?;
    let name = config.lines().find_map(|line| line.strip_prefix("kernel="));
    let name = name.context("config.txt names no kernel")?;
    let bytes = fs::read(boot.join(name)).with_context(|| format!("reading {name}"))?;
    let is_plain = bytes.get(56..60) == Some(b"ARM\x64");
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    ensure!(
        is_plain || is_packed,
        "{name} is neither a plain nor a gzip-packed kernel for 64-bit ARM: the firmware cannot start it"
    );
    let first = config.lines().find_map(|line| line.strip_prefix("initramfs "));
    let first = first.context("config.txt names no first file system")?;
    ensure!(
        boot.join(first.trim()).exists(),
        "{first}, which config.txt names, is not there"
    );
    Ok(name.trim_start_matches("vmlinuz-").to_owned())
}

fn text(folder: &Path, name: &str) -> Result<String> {
    fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name}"))
}

fn is_tree(boot: &Path, board: &Board) -> Result<()> {
    let bytes = fs::read(boot.join(board.tree)).with_context(|| format!("reading {}", board.tree))?;
    ensure!(
        bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]),
        "{} is no device tree",
        board.tree
    );
    // With the end of the string: the 3 B's name is how the 3 B+'s begins.
    ensure!(
        holds(&bytes, format!("{}\0", board.compatible).as_bytes()),
        "{} is not for {}",
        board.tree,
        board.compatible
    );
    Ok(())
}

/// The start files are programs of the graphics processor; the others are tables, which begin with no mark.
fn is_firmware(boot: &Path, name: &str) -> Result<()> {
    let bytes = fs::read(boot.join(name)).with_context(|| format!("reading {name}"))?;
    let right = if Path::new(name).extension().is_some_and(|ending| ending == "elf") {
        bytes.starts_with(b"\x7fELF") && bytes.len() > 1_000_000
    } else {
        bytes.len() > 1_000
    };
    ensure!(right, "{name} is not what it is called");
    Ok(())
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Every module, and what is built in; `-` and `_` are the same to the kernel.
fn drivers(root: &Path, kernel: &str) -> Result<Vec<String>> {
    let folder = root.join("usr/lib/modules").join(kernel);
    let mut names = Vec::new();
    for list in ["modules.dep", "modules.builtin"] {
        for line in text(&folder, list)?.lines() {
            let path = line.split(':').next().unwrap_or(line);
            let file = path.rsplit('/').next().unwrap_or(path);
            names.push(file.split(".ko").next().unwrap_or(file).replace('-', "_"));
        }
    }
    Ok(names)
}

fn has_wifi(root: &Path, name: &str) -> bool {
    ["brcm", "cypress"].iter().any(|folder| {
        let folder = root.join("usr/lib/firmware").join(folder);
        // A link counts if it leads somewhere.
        fs::metadata(folder.join(format!("{name}.bin"))).is_ok_and(|about| about.len() > 100_000)
    })
}

/// The text that tells the chip how the board is built around it (NVRAM), without which Wi-Fi does not come up. As in the kernel, the
/// board's own goes before the one for all, which is what a Pi 400 has.
fn has_radio(root: &Path, chip: &str, compatible: &str) -> Result<()> {
    let folder = Path::new("usr/lib/firmware/brcm");
    let names = [format!("{chip}.{compatible}.txt"), format!("{chip}.txt")];
    let file = names
        .iter()
        .find_map(|name| inside(root, &folder.join(name)))
        .with_context(|| format!("no Wi-Fi settings {}", names.join(" or ")))?;
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    for key in ["boardtype=", "boardrev=", "manfid="] {
        let is_there = |line: &str| {
            line.strip_prefix(key)
                .is_some_and(|value| !value.trim().is_empty())
        };
        ensure!(
            text.lines().any(is_there),
            "{} says no {key} and is not about a board's Wi-Fi",
            file.display()
        );
    }
    Ok(())
}

/// The file that a path leads to in the image's own system, where the links' roots are the image's; none if they lead out of it.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(root.join(&path)) {
            Ok(end) => path = path.with_file_name(end),
            Err(_) => break,
        }
        if let Ok(absolute) = path.strip_prefix("/") {
            path = absolute.to_owned();
        }
    }
    let file = root.join(path).canonicalize().ok()?;
    (file.starts_with(&root) && file.is_file()).then_some(file)
}

/// What the kernel is told decides whether the memory limit works, and whether a Pi 4 starts.
fn told(boot: &Path, missing: &mut Vec<String>) -> Result<()> {
    let line = text(boot, "cmdline.txt")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let root = format!("root=PARTUUID={}-0{}", super::card::NUMBER, super::card::ROOT);
    for wanted in [root.as_str(), "cgroup_enable=memory", "rootwait", "console=tty0"] {
        if !words.contains(&wanted) {
            missing.push(format!("cmdline.txt does not say {wanted}: {line}"));
        }
    }
    if words.iter().any(|word| word.starts_with("cma=")) {
        missing.push("cmdline.txt sets cma, with which a Raspberry Pi 4 does not start".to_owned());
    }
    let config = text(boot, "config.txt")?;
    for wanted in ["arm_64bit=1", "upstream_kernel=1"] {
        if !config.lines().any(|line| line == wanted) {
            missing.push(format!("config.txt does not say {wanted}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_told_by_what_is_in_them() {
        let folder = std::env::temp_dir().join(format!("kinglet-contents-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a test may make a folder");
        let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("the folder is ours");
        let mut image = vec![0_u8; 100];
        image[56..60].copy_from_slice(b"ARM\x64");
        put("vmlinuz-7", &image);
        put("initrd-7", b"x");
        put("config.txt", b"kernel=vmlinuz-7\ninitramfs initrd-7\n");
        assert_eq!(kernel(&folder).expect("it is one"), "7");
        put(
            "vmlinuz-7",
            b"MZ\0\0zimg, packed for another way of starting, and long enough to be looked into further",
        );
        assert!(kernel(&folder).is_err(), "the firmware cannot unpack that");
        let pi = &BOARDS[0];
        put(pi.tree, b"\xd0\x0d\xfe\xed and raspberrypi,4-model-b\0");
        assert!(is_tree(&folder, pi).is_ok());
        put(pi.tree, b"\xd0\x0d\xfe\xed and raspberrypi,5-model-b\0");
        assert!(is_tree(&folder, pi).is_err());
        let three = &BOARDS[4];
        assert_eq!(three.compatible, "raspberrypi,3-model-b");
        put(
            three.tree,
            b"\xd0\x0d\xfe\xed and raspberrypi,3-model-b-plus\0brcm,bcm2837\0",
        );
        assert!(is_tree(&folder, three).is_err(), "that is a 3 B+");
        put(
            three.tree,
            b"\xd0\x0d\xfe\xed and raspberrypi,3-model-b\0brcm,bcm2837\0",
        );
        assert!(is_tree(&folder, three).is_ok());
        put("start4.elf", b"\x7fELF but short");
        assert!(is_firmware(&folder, "start4.elf").is_err());
        fs::remove_dir_all(&folder).expect("a test may remove its own folder");
    }

    #[test]
    fn each_boards_wifi_has_its_settings() {
        let root = std::env::temp_dir().join(format!("kinglet-radio-{}", std::process::id()));
        let folder = root.join("usr/lib/firmware/brcm");
        fs::create_dir_all(&folder).expect("a test may make a folder");
        let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("the folder is ours");
        let link = |end: &str, name: &str| symlink(end, folder.join(name)).expect("the folder is ours");
        let good = b"# about a radio\nmanfid=0x2d0\nboardtype=0x6e4\nboardrev=0x1304\n";
        let (chip, board) = ("brcmfmac43455-sdio", "raspberrypi,5-model-b");
        let has = || has_radio(&root, chip, board);
        let (own, other) = (format!("{chip}.{board}.txt"), format!("{chip}.another.txt"));
        put(&other, good);
        assert!(has().is_err(), "another board's");
        put(&format!("{chip}.txt"), good);
        has().expect("the one for all boards");
        put(&own, b"boardtype=0x6e4\nmanfid=0x2d0\n");
        assert!(has().is_err(), "the board's own is read before the one for all");
        for bad in [
            &b"#boardtype=1\nboardrev=2\nmanfid=3\n"[..],
            b"boardtype=\nboardrev=2\nmanfid=3\n",
            b"\xff\xfe",
            b"",
        ] {
            put(&own, bad);
            assert!(has().is_err(), "{bad:?}");
        }
        fs::remove_file(folder.join(format!("{chip}.txt"))).expect("it was made above");
        for (end, is_good) in [
            (other.as_str(), true),
            (&*format!("/usr/lib/firmware/brcm/{other}"), true),
            ("nowhere.txt", false),
            (&own, false),
            ("/etc/passwd", false),
        ] {
            fs::remove_file(folder.join(&own)).expect("it was made above");
            link(end, &own);
            assert_eq!(has().is_ok(), is_good, "{end}");
        }
        fs::remove_dir_all(&root).expect("a test may remove its own folder");
    }
}
