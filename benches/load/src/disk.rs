//! A file system of its own on a loop device, so that a block device's counters count one server and nothing else. Needs
//! root. What must not live here: what is written.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Mounted until it is dropped.
pub struct LoopDisk {
    device: String,
    pub mount: PathBuf,
}

fn tool(name: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(name)
        .args(arguments)
        .output()
        .with_context(|| format!("starting {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{name} {}: {said}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl LoopDisk {
    /// An ext4 of so many bytes in a sparse file under `directory`.
    pub fn mount(directory: &Path, bytes: u64) -> Result<LoopDisk> {
        let (image, mount) = (directory.join("disk.img"), directory.join("disk"));
        std::fs::File::create(&image)?.set_len(bytes)?;
        std::fs::create_dir_all(&mount)?;
        let image = image.to_str().context("a path in UTF-8")?;
        // Without lazy initialisation, or the kernel writes tables while we count.
        tool(
            "mkfs.ext4",
            &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image],
        )?;
        let device = tool("losetup", &["--find", "--show", image])?;
        let disk = LoopDisk { device, mount };
        tool(
            "mount",
            &[&disk.device, disk.mount.to_str().context("a path in UTF-8")?],
        )?;
        Ok(disk)
    }

    /// Bytes written to the block device so far, after everything in memory was written.
    pub fn written(&self) -> Result<u64> {
        tool(
            "sync",
            &["--file-system", self.mount.to_str().context("a path in UTF-8")?],
        )?;
        let name = self.device.trim_start_matches("/dev/");
        let text = std::fs::read_to_string(format!("/sys/block/{name}/stat"))?;
        let sectors: u64 = text
            .split_whitespace()
            .nth(6)
            .and_then(|field| field.parse().ok())
            .context("sectors written")?;
        Ok(sectors * 512)
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        for (name, argument) in [
            ("umount", self.mount.to_string_lossy()),
            ("losetup", self.device.as_str().into()),
        ] {
            let arguments: &[&str] = if name == "losetup" {
                &["--detach", &argument]
            } else {
                &[&argument]
            };
            if let Err(error) = tool(name, arguments) {
                eprintln!("left behind: {error:#}");
            }
        }
    }
}
