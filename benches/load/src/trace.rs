//! How long the server's syncs of its write-ahead log take, as strace sees them. What must not live here: other calls.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::latency::Sorted;

/// strace beside a process. Needs strace and the right to trace; slows each sync by the price of two stops.
pub struct Watch {
    strace: Child,
    output: PathBuf,
}

impl Watch {
    pub fn start(pid: u32, calls: &str, scratch: &Path) -> Result<Watch> {
        let output = scratch.join("strace.txt");
        let strace = Command::new("strace")
            .args([
                "-f",
                "-T",
                "-y",
                "--seccomp-bpf",
                "-e",
                &format!("trace={calls}"),
                "-o",
            ])
            .arg(&output)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting strace; install it, or leave --trace-seconds at 0")?;
        Ok(Watch { strace, output })
    }

    /// What it wrote.
    pub fn stop(mut self) -> Result<String> {
        let stopped = Command::new("kill")
            .args(["-INT", &self.strace.id().to_string()])
            .status()?;
        ensure!(
            stopped.success(),
            "strace ended by itself; may this user trace the server?"
        );
        self.strace.wait()?;
        Ok(std::fs::read_to_string(&self.output)?)
    }
}

/// Watches a process for a while.
pub async fn syncs(pid: u32, time: Duration, scratch: &Path) -> Result<Sorted> {
    let watch = Watch::start(pid, "fdatasync,fsync", scratch)?;
    tokio::time::sleep(time).await;
    Ok(Sorted::from_seconds(&read(&watch.stop()?)))
}

/// How many calls began, whatever file they were for.
pub fn count(text: &str) -> usize {
    // What was interrupted ends on a line of its own, without arguments.
    let begins = |line: &&str| line.contains("sync") && line.contains('(');
    text.lines().filter(begins).count()
}

/// The durations of syncs of the write-ahead log, in seconds.
fn read(text: &str) -> Vec<f64> {
    let mut unfinished: HashMap<&str, bool> = HashMap::new();
    let mut times = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let is_wal = rest.contains("-wal>");
        if rest.contains("<unfinished ...>") {
            unfinished.insert(pid, is_wal);
            continue;
        }
        let resumed = rest.contains("resumed>") && unfinished.remove(pid).unwrap_or(false);
        let time = rest
            .rsplit_once('<')
            .and_then(|(_, time)| time.trim_end_matches('>').parse().ok());
        if let Some(time) = time.filter(|_| is_wal || resumed) {
            times.push(time);
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_resumed_lines_are_read_and_other_files_are_not() {
        let text = "7 fdatasync(5</d/kinglet.db-wal>) = 0 <0.001500>\n\
                    8 fsync(4</d/kinglet.db>) = 0 <0.9>\n\
                    7 fdatasync(5</d/kinglet.db-wal> <unfinished ...>\n\
                    8 fdatasync(6</d/heads> <unfinished ...>\n\
                    8 <... fdatasync resumed>) = 0 <0.8>\n\
                    7 <... fdatasync resumed>) = 0 <0.002500>\n";
        assert_eq!(read(text), [0.0015, 0.0025]);
        assert_eq!(count(text), 4);
    }
}
