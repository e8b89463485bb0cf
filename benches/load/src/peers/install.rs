//! Debian's packages of the other systems. What must not live here: their settings, and their services: they are not
//! started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Asked by Debian's scripts before they start a service; 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The version of an installed package.
pub fn version(package: &str) -> Option<String> {
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat",
            "${db:Status-Status} ${Version}",
            package,
        ])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.strip_prefix("installed ").map(str::to_owned)
}

/// Installs a package if it is missing, without starting what is in it.
pub fn ensure(package: &str) -> Result<()> {
    if version(package).is_some() {
        return Ok(());
    }
    eprintln!("-- installing {package}");
    let _quiet = Quiet::begin()?;
    let status = Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .context("starting apt-get; the other systems come from Debian's packages")?;
    ensure!(
        status.success() && version(package).is_some(),
        "{package} could not be installed; as root, run: apt-get install {package}"
    );
    Ok(())
}

/// While it lives, no package starts its service.
struct Quiet(bool);

impl Quiet {
    fn begin() -> Result<Quiet> {
        if Path::new(POLICY).exists() {
            return Ok(Quiet(false));
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("writing {POLICY}; installing needs root"))?;
        let quiet = Quiet(true);
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.0
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("left behind: {POLICY}: {error}; remove it, or services will not start");
        }
    }
}
