//! What is asked inside the machine, by the way that an admin has: SSH with a key that was written on the card. What must not
//! live here: what has to be so.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::machine::{Bench, Running};
use crate::debian::must;

const AGAIN: Duration = Duration::from_secs(2);

pub struct Inside {
    key: PathBuf,
    port: u16,
    patience: Duration,
}

impl Inside {
    /// By the key that the card knows which was kept.
    pub fn kept(bench: &Bench<'_>) -> Inside {
        Inside {
            key: bench.folder.join("key"),
            port: bench.ssh,
            patience: bench.patience,
        }
    }

    /// By a new key.
    pub fn new(bench: &Bench<'_>) -> Result<Inside> {
        let inside = Inside::kept(bench);
        for old in [inside.key.clone(), inside.key.with_extension("pub")] {
            if old.exists() {
                fs::remove_file(&old).context("removing the last key")?;
            }
        }
        must(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "trial", "-f"])
                .arg(&inside.key),
        )?;
        Ok(inside)
    }

    pub fn public(&self) -> Result<String> {
        let text = fs::read_to_string(self.key.with_extension("pub")).context("reading the key")?;
        Ok(text.trim().to_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg(self.patience.as_secs().to_string())
            .args(["ssh", "-i"])
            .arg(&self.key)
            .args(["-p", &self.port.to_string()])
            // The machine made its own key a moment ago; nobody else is at this port.
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
            ])
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=60",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-F", "/dev/null", "kinglet-admin@127.0.0.1"]);
        command
    }

    /// Waits until somebody is let in: the server may be there earlier.
    pub fn awaited(&self, machine: &mut Running) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        loop {
            let mut tried = self.command();
            tried.arg("true").stdin(Stdio::null()).stderr(Stdio::null());
            if tried.status().context("starting ssh")?.success() {
                return Ok(());
            }
            machine.is_on().context("nobody is let in by SSH")?;
            ensure!(Instant::now() < deadline, "nobody is let in by SSH");
            std::thread::park_timeout(AGAIN);
        }
    }

    /// Has the machine end, or start anew, which may take the way in along before it has answered.
    pub fn end(&self, script: &str) {
        // Whether it ends is seen at the machine.
        let _ = self.run(script);
    }

    /// Runs a script as root in it, and gives what it said.
    pub fn run(&self, script: &str) -> Result<String> {
        self.feed(&["sudo", "sh", "-eu"], script)
    }

    pub fn python(&self, script: &str) -> Result<String> {
        self.feed(&["sudo", "python3", "-"], script)
    }

    fn feed(&self, words: &[&str], script: &str) -> Result<String> {
        let mut running = self
            .command()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting ssh; it is in the package openssh-client")?;
        let mut told = running.stdin.take().context("it was asked to listen")?;
        told.write_all(script.as_bytes())
            .context("telling it what to do")?;
        drop(told);
        let output = running.wait_with_output().context("waiting for ssh")?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(
            output.status.success(),
            "inside the machine this ended with {}: {}\n{said}",
            output.status,
            // What it would say in another case is no part of what it said.
            script.lines().next().unwrap_or_default()
        );
        Ok(said)
    }
}
