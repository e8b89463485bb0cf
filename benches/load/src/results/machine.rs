//! What the figures were measured on, and with which versions. What must not live here: names of hosts and places.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::peers;

/// A line for each thing that a reader needs to know.
pub fn lines() -> Result<Vec<String>> {
    let mut lines = vec![
        format!(
            "Date: {}",
            said("date", &["-u", "+%Y-%m-%d"]).context("the date")?
        ),
        format!(
            "Processor: {}, {} cores for this run",
            field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            std::thread::available_parallelism()?
        ),
        format!("Memory: {:.1} GB", memory()?),
        format!(
            "Kernel: {}",
            kernel(&fs::read_to_string("/proc/sys/kernel/osrelease")?)
        ),
    ];
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    lines.extend(name.map(|name| format!("System: {}", name.trim_matches('"'))));
    let kinglet = std::env::current_exe()?.with_file_name("kinglet");
    lines.extend(
        said(&kinglet.to_string_lossy(), &["--version"]).map(|version| format!("Kinglet: {version}")),
    );
    for package in peers::PACKAGES {
        lines.extend(
            peers::version(package).map(|version| format!("{package}: {version} (Debian's package)")),
        );
    }
    Ok(lines)
}

/// The kernel's version without what its builder calls it.
fn kernel(release: &str) -> &str {
    release.trim().split('-').next().unwrap_or_default()
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Result<f64> {
    let text = field("/proc/meminfo", "MemTotal").context("MemTotal in /proc/meminfo")?;
    let kib: f64 = text
        .trim_end_matches(" kB")
        .parse()
        .context("MemTotal as a number")?;
    Ok(kib * 1024.0 / 1e9)
}
