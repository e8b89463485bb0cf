//! The card's units as systemd reads them together, without a system of its own around them. What must not live here: what one
//! unit says of itself, which is tests/units.rs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Bench, Sources};
use crate::debian::must;

const HOST: &str = "/usr/lib/systemd/system";
const GENERATOR: &str = "/usr/lib/systemd/system-generators/systemd-fstab-generator";
/// What the units start.
const PROGRAMS: [&str; 4] = [
    "usr/bin/kinglet",
    "usr/bin/kill",
    "usr/libexec/kinglet/kinglet-switch",
    "usr/libexec/kinglet/kinglet-board",
];

pub fn check(bench: &Bench, sources: &Sources) -> Result<()> {
    let root = bench.empty("units")?;
    let place = root.join("usr/lib/systemd/system");
    fs::create_dir_all(root.join("usr/lib/systemd")).context("making a folder for units")?;
    must(Command::new("cp").args(["-a", HOST]).arg(&place))?;
    must(
        Command::new("cp")
            .arg("-r")
            .arg(sources.recipe.join("files/."))
            .arg(&root),
    )?;
    for program in PROGRAMS {
        let path = root.join(program);
        fs::create_dir_all(path.parent().context("it lies in a folder")?)?;
        fs::write(&path, "#!/bin/sh\n").with_context(|| format!("writing {program}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&sources.units).context("listing the units")? {
        let entry = entry.context("listing the units")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".conf") {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("reading {name}"))?;
            fs::write(place.join(&name), &text).with_context(|| format!("copying {name}"))?;
            if text.contains("[Install]") {
                names.push(name);
            }
        }
    }
    mounts(&root, &place, sources)?;
    let base = format!("--root={}", root.display());
    must(
        Command::new("systemctl")
            .args([&base, "--quiet", "enable"])
            .args(&names),
    )?;
    read(&base)
}

/// What systemd makes of fstab at each start.
fn mounts(root: &Path, place: &Path, sources: &Sources) -> Result<()> {
    let made = ["normal", "early", "late"].map(|name| root.join("generated").join(name));
    for folder in &made {
        fs::create_dir_all(folder).context("making a folder for mounts")?;
    }
    let fstab = sources.file("etc/fstab");
    let output = Command::new(GENERATOR)
        .args(&made)
        .env("SYSTEMD_FSTAB", &fstab)
        .env("SYSTEMD_LOG_TARGET", "console")
        .output()
        .with_context(|| format!("starting {GENERATOR}, which is in the package systemd"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && said.is_empty(),
        "systemd says of fstab: {said}"
    );
    let text = fs::read_to_string(&fstab).context("reading fstab")?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let at = line
            .split_whitespace()
            .nth(1)
            .context("a line of fstab says where")?;
        let name = crate::debian::ask(Command::new("systemd-escape").args(["--path", "--suffix=mount", at]))?;
        ensure!(made[0].join(name.trim()).exists(), "systemd does not mount {at}");
    }
    must(Command::new("cp").arg("-a").arg(made[0].join(".")).arg(place))
}

fn read(base: &str) -> Result<()> {
    let output = Command::new("systemd-analyze")
        .args([base, "--man=no", "verify", "multi-user.target", "kinglet.service"])
        .env("SYSTEMD_COLORS", "0")
        .output()
        .context("starting systemd-analyze, which is in the package systemd")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(
        output.status.success() && said.is_empty(),
        "systemd says of the units together:\n{said}"
    );
    Ok(())
}
