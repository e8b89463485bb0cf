//! Starts, kills and stops a server of our own, and asks the kernel about it. What must not live here: what is asked of it.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::args::Args;
use crate::http::{self, Place};

/// How to start a server; it can be started again and again.
#[derive(Clone, Debug)]
pub struct Setup {
    pub binary: PathBuf,
    /// Holds the data directory, the log and nothing else.
    pub directory: PathBuf,
    pub place: Place,
    pub settings: Vec<(String, String)>,
}

impl Setup {
    /// A server on a free port of loopback, with limits that do not stop a load.
    pub fn new(binary: &Path, directory: &Path, tls: bool) -> Result<Setup> {
        let free = free_address()?;
        let settings = [
            ("KINGLET_LIMITS_CONNECTIONS", "15000"),
            ("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "15000"),
            ("KINGLET_LIMITS_MEMORY_MIB", "2048"),
            ("KINGLET_LIMITS_PACE", "1000"),
            ("KINGLET_TLS_MODE", if tls { "local" } else { "off" }),
        ];
        let settings = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Ok(Setup {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            place: Place { address: free, tls },
            settings,
        })
    }

    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub fn database(&self) -> PathBuf {
        self.data().join("kinglet.db")
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The claim code that the server prints at its first start, soon after it listens.
    pub async fn claim_code(&self) -> Result<String> {
        let is_code = |word: &&str| word.len() == 11 && word.as_bytes()[5] == b'-' && digits(word) == 10;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let said = self.said();
            let found = said
                .split(|c: char| c != '-' && !c.is_ascii_digit())
                .find(is_code);
            if let Some(code) = found {
                return Ok(code.to_owned());
            }
            ensure!(
                Instant::now() < deadline,
                "no claim code in what the server said:\n{said}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What starts it, without its input and output.
    pub fn command(&self) -> Result<Command> {
        fs::create_dir_all(self.data())?;
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KINGLET_")) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .current_dir(&self.directory)
            .env_remove("NOTIFY_SOCKET")
            .env("KINGLET_DATA_DIR", self.data())
            .env("KINGLET_LISTEN_ADDRESS", self.place.address.to_string())
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Starts it and waits until it listens.
    pub async fn start(&self) -> Result<Server> {
        let mut command = self.command()?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let mut server = Server { child };
        let deadline = Instant::now() + Duration::from_secs(30);
        while tokio::net::TcpStream::connect(self.place.address).await.is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}; it said:\n{}", self.said());
            }
            ensure!(
                Instant::now() < deadline,
                "the server did not listen within 30 s; it said:\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(server)
    }

    /// Whether it says that it takes messages.
    pub async fn is_healthy(&self) -> Result<bool> {
        Ok(http::ask(self.place, "GET", "/health", "", None).await?.0 == 200)
    }
}

fn digits(word: &str) -> usize {
    word.bytes().filter(u8::is_ascii_digit).count()
}

/// A free address for a server that starts again and again. Not one that the kernel gives out: while the server is down
/// another program would get it, or a client that tries to connect would be connected to itself.
pub fn free_address() -> Result<SocketAddr> {
    let mut chance = [0; 2];
    File::open("/dev/urandom")?.read_exact(&mut chance)?;
    let first = u16::from_le_bytes(chance) % 10_000;
    let ports = (0..10_000).map(|step| 20_000 + (first + step) % 10_000);
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.context("no port between 20000 and 29999 is free on loopback")
}

/// A server that runs until it is told otherwise, at the latest until this is dropped.
pub struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, at this very moment.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and its end.
    pub async fn stop(mut self) -> Result<()> {
        let sent = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status()?;
        ensure!(sent.success(), "kill -TERM failed");
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait()?.is_none() {
            ensure!(
                Instant::now() < deadline,
                "the server did not stop within 30 s of SIGTERM"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Processor time used so far, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_of(&self.pid().to_string())
    }

    pub fn memory(&self) -> Result<Memory> {
        memory_of(self.pid())
    }

    /// What the process wrote: by all write calls, and to storage.
    pub fn written(&self) -> Result<Written> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.pid()))?;
        let figure = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        let calls = figure("wchar:").context("wchar in /proc/PID/io")?;
        let storage = figure("write_bytes:").context("write_bytes in /proc/PID/io")?;
        Ok(Written { calls, storage })
    }
}

/// Figures of `/proc/PID/smaps_rollup`, in bytes.
pub fn memory_of(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(Memory {
        rss: kib_line(&text, "Rss"),
        pss: kib_line(&text, "Pss"),
        anonymous: kib_line(&text, "Anonymous"),
    })
}

/// A line such as `Pss:  12 kB`, in bytes; nothing there is nothing used.
fn kib_line(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    kib * 1024
}

/// What the kernel says about the memory of the whole machine, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub available: u64,
    /// The kernel's own objects: sockets, files, their names.
    pub slab: u64,
}

pub fn machine() -> Result<Machine> {
    let text = fs::read_to_string("/proc/meminfo")?;
    Ok(Machine {
        available: kib_line(&text, "MemAvailable"),
        slab: kib_line(&text, "Slab"),
    })
}

#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub rss: u64,
    pub pss: u64,
    pub anonymous: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub calls: u64,
    pub storage: u64,
}

/// Processor time of a process; `self` is this one.
pub fn cpu_of(pid: &str) -> Result<Duration> {
    let (user, system) = cpu_split(pid)?;
    Ok(user + system)
}

/// Processor time of a process: its own, and what the kernel did for it.
pub fn cpu_split(pid: &str) -> Result<(Duration, Duration)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = text.rsplit_once(')').context("a name in /proc/PID/stat")?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<u64>().ok())
            .context("ticks in /proc/PID/stat")
    };
    // The kernel tells them in hundredths of a second, whatever its own tick.
    let time = |at: usize| Ok::<_, anyhow::Error>(Duration::from_millis(ticks(at)? * 10));
    Ok((time(11)?, time(12)?))
}

/// Kernel memory of all TCP sockets of the machine, in bytes.
pub fn tcp_memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let line = text
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .context("TCP in /proc/net/sockstat")?;
    let pages: u64 = line
        .split_whitespace()
        .last()
        .and_then(|pages| pages.parse().ok())
        .context("pages of TCP")?;
    Ok(pages * 4096)
}

/// A directory of its own for a run, removed at its end; under `--directory` if that is given.
pub fn scratch(args: &Args) -> Result<tempfile::TempDir> {
    let under = args.get("directory", std::env::temp_dir())?;
    tempfile::Builder::new()
        .prefix("kinglet-load-")
        .tempdir_in(&under)
        .with_context(|| format!("in {}", under.display()))
}
