//! Counts the instructions of the board's binary under QEMU, with a small plugin of our own. Counts say nothing about
//! time, and kernel work is not in them. What must not live here: what is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::ci::program_of;
use crate::debian::{ask, must};
use crate::tree;

/// The one of qemu-user: that of qemu-user-static takes no plugins.
const EMULATOR: &str = "qemu-aarch64";

pub fn run(binary: &Path, libraries: &Path, messages: u64, json: Option<&Path>) -> Result<()> {
    let folder = tree::root().join("target/aarch64");
    let counters = folder.join("instructions");
    let plugin = plugin(&folder)?;
    let wrapper = folder.join("kinglet-counted");
    let text = format!(
        "#!/bin/sh\nexec {EMULATOR} -L '{}' -plugin '{},out={}' '{}' \"$@\"\n",
        libraries.display(),
        plugin.display(),
        counters.display(),
        binary.display()
    );
    fs::write(&wrapper, text).context("writing the script that starts the counted server")?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).context("making it a program")?;
    must(
        Command::new(program_of("cargo"))
            .args(["build", "--release", "--locked", "--package", "kinglet-load"])
            .current_dir(tree::root()),
    )?;
    let mut load = Command::new(tree::root().join("target/release/kinglet-load"));
    load.args(["count", "--messages", &messages.to_string()])
        .arg("--server-bin")
        .arg(&wrapper)
        .arg("--instructions")
        .arg(&counters);
    match json {
        None => must(&mut load),
        Some(file) => {
            let said = ask(load.arg("--json"))?;
            print!("{said}");
            fs::write(file, said).with_context(|| format!("writing {}", file.display()))
        }
    }
}

fn plugin(folder: &Path) -> Result<PathBuf> {
    let source = tree::root().join("xtask/src/aarch64/count.c");
    let plugin = folder.join("count.so");
    let version = ask(Command::new(EMULATOR).arg("--version"))?;
    must(
        Command::new("cc")
            .args(["-O2", "-Wall", "-fPIC", "-shared"])
            .arg(format!("-DVERSION={}", interface(&version)))
            .arg("-o")
            .args([&plugin, &source]),
    )?;
    Ok(plugin)
}

/// QEMU takes plugins of interface version 1 up to its release 8, and of version 2 from there on.
fn interface(version: &str) -> u32 {
    let number = version.split("version ").nth(1).unwrap_or_default();
    let major = number
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 9) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_follows_the_release() {
        assert_eq!(interface("qemu-aarch64 version 7.2.22 (Debian 1:7.2)"), 1);
        assert_eq!(interface("qemu-aarch64 version 10.0.2 (Debian)"), 2);
        assert_eq!(interface("nonsense"), 1);
    }
}
