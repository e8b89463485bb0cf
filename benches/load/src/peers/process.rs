//! A server with all its processes: started as our child, counted as one, and ended for certain. What must not live here:
//! which server it is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::system::{Choice, Ground};

/// A running system. It ends when this is dropped, and the kernel ends it if we are killed.
pub struct Running {
    child: Child,
    /// From its start until it took connections.
    pub ready: Duration,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits until it listens.
    pub async fn start(choice: &Choice, ground: &Ground) -> Result<Running> {
        let log = ground.directory.join("said.log");
        let command = choice.system.command(ground)?;
        let begun = Instant::now();
        let child = spawn(&command, &log).with_context(|| format!("starting {}", choice.label()))?;
        let mut running = Running {
            child,
            ready: Duration::ZERO,
            log,
        };
        running.listens(ground.address).await?;
        running.ready = begun.elapsed();
        Ok(running)
    }

    /// Waits until it takes connections at this address.
    pub async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}; it said:\n{}", self.said());
            }
            ensure!(
                Instant::now() < deadline,
                "it did not listen within 60 s; it said:\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and the end of all its processes.
    pub async fn stop(mut self) -> Result<()> {
        let all = tree(self.pid())?;
        let sent = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status()?;
        ensure!(sent.success(), "kill -TERM failed");
        let deadline = Instant::now() + Duration::from_secs(30);
        let ended = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(
                Instant::now() < deadline,
                "it did not stop within 30 s of SIGTERM; it said:\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        ensure!(
            ended.success() || ended.signal() == Some(15),
            "it ended with {ended}; it said:\n{}",
            self.said()
        );
        all.iter().skip(1).for_each(|pid| kill(*pid));
        Ok(())
    }

    /// Memory that belongs to it: the proportional set size of all its processes, in bytes.
    pub fn pss(&self) -> Result<u64> {
        tree(self.pid())?.iter().map(|pid| pss_of(*pid)).sum()
    }

    /// Processor time of all its processes, with those that it has already buried.
    pub fn cpu(&self) -> Result<Duration> {
        tree(self.pid())?.iter().map(|pid| cpu_of(*pid)).sum()
    }

    pub fn processes(&self) -> Result<usize> {
        Ok(tree(self.pid())?.len())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let all = tree(self.pid()).unwrap_or_default();
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        all.iter().skip(1).for_each(|pid| kill(*pid));
    }
}

fn kill(pid: u32) {
    // Gone already is what is wanted.
    let _ = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Through `setpriv`, so that the kernel ends the server when this process ends in whatever way.
pub fn spawn(command: &Command, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL"]);
    guarded.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        guarded.current_dir(directory);
    }
    guarded
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting it through setpriv (package util-linux)")
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(pid: u32) -> Option<Vec<u64>> {
    fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn fields(text: &str) -> Option<Vec<u64>> {
    let (_, after) = text.rsplit_once(')')?;
    // The first is the state, a letter; some further ones are negative, none of which is used.
    Some(
        after
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or(0))
            .collect(),
    )
}

/// A process and all its descendants, itself first.
fn tree(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that ended meanwhile has no line.
        if let Some(parent) = stat(pid).and_then(|fields| u32::try_from(*fields.first()?).ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let found = children.get(&all[at]).cloned().unwrap_or_default();
        all.extend(found);
        at += 1;
    }
    Ok(all)
}

fn pss_of(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok())
        .context("Pss in /proc/PID/smaps_rollup")?;
    Ok(kib * 1024)
}

fn cpu_of(pid: u32) -> Result<Duration> {
    Ok(stat(pid).map_or(Duration::ZERO, |fields| spent(&fields)))
}

/// User and system time, its own and that of the children it waited for. The kernel tells hundredths of a second.
fn spent(fields: &[u64]) -> Duration {
    let ticks: u64 = fields.get(10..14).map_or(0, |four| four.iter().sum());
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) S 42 1 1 0 -1 4194304 100 200 0 0 5 6 7 8 20 0 1 0 99 1 2";
        let fields = fields(line).expect("it is a whole line");
        assert_eq!((fields[0], spent(&fields)), (42, Duration::from_millis(260)));
    }

    #[test]
    fn a_tree_holds_children_of_children() {
        let mut shell = Command::new("sh")
            .args(["-c", "(cat; true); true"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut all = Vec::new();
        while all.len() < 3 && Instant::now() < deadline {
            all = tree(shell.id()).expect("the process table can be read");
        }
        assert_eq!((all.len(), all[0]), (3, shell.id()));
        assert!(pss_of(all[2]).expect("it lives") > 0);
        drop(shell.stdin.take());
        assert!(shell.wait().expect("it ends").success());
    }
}
