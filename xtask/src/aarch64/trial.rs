//! Shows that a binary runs, the board's emulated: its version, a start, an answer, an end. What must not live here: measurements.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::debian::{ask, must};
use crate::tree;

/// What runs the board's programs here: as the package qemu-user calls it, and as qemu-user-static does.
const EMULATORS: [&str; 2] = ["qemu-aarch64", "qemu-aarch64-static"];
/// An emulated start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The one that is installed.
pub fn emulator() -> Result<&'static str> {
    let is_there = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).exists())
    };
    EMULATORS.into_iter().find(is_there).context(
        "programs for 64-bit ARM are run by qemu-aarch64, which is in the packages qemu-user and qemu-user-static",
    )
}

/// Its version, and a start until it answers. With the board's libraries it is the board's program, and emulated.
pub fn show_that_it_runs(binary: &Path, libraries: Option<&Path>) -> Result<String> {
    let length = fs::metadata(binary)
        .context("the binary that was just built")?
        .len();
    let version = ask(started(binary, libraries)?.arg("version"))?;
    ensure!(
        libraries.is_none() || version.contains("aarch64-linux"),
        "not a binary for the board: {version}"
    );
    let health = serve(binary, libraries)?;
    let how = match libraries {
        Some(_) => format!(" under {}", emulator()?),
        None => String::new(),
    };
    println!(
        "{}: {:.1} MB, {}GET /health{how}: {health}",
        binary.display(),
        length as f64 / 1e6,
        version
    );
    Ok(version)
}

/// The program as it is started here.
fn started(binary: &Path, libraries: Option<&Path>) -> Result<Command> {
    let mut command = match libraries {
        None => Command::new(binary),
        Some(libraries) => {
            let mut command = Command::new(emulator()?);
            command.arg("-L").arg(libraries).arg(binary);
            command
        }
    };
    // Meant for the build, and a server refuses words of that kind that it does not know.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KINGLET_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Ends with its program, however this one ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(binary: &Path, libraries: Option<&Path>) -> Result<String> {
    let scratch = tree::root().join("target/trial");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).context("removing the last trial")?;
    }
    fs::create_dir_all(&scratch).context("making a folder for the trial")?;
    let address = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .context("looking for a free port on loopback")?;
    let log = fs::File::create(scratch.join("server.log")).context("making the trial's log")?;
    let child = started(binary, libraries)?
        .arg("serve")
        .env("KINGLET_DATA_DIR", scratch.join("data"))
        .env("KINGLET_LISTEN_ADDRESS", address.to_string())
        .current_dir(&scratch)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the trial's log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))?;
    let mut server = Ended(child);
    let answer = first_answer(&mut server.0, address).with_context(|| {
        let said = fs::read_to_string(scratch.join("server.log")).unwrap_or_default();
        format!("asking the server; it said:\n{said}")
    })?;
    must(Command::new("kill").args(["-TERM", &server.0.id().to_string()]))?;
    let status = server.0.wait().context("waiting for the server's end")?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(answer)
}

fn first_answer(server: &mut Child, address: SocketAddr) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = server.try_wait()? {
            bail!("it ended with {status} before it answered");
        }
        if let Ok(stream) = TcpStream::connect(address) {
            return health(stream, address);
        }
        ensure!(
            Instant::now() < deadline,
            "no answer within {} s",
            PATIENCE.as_secs()
        );
        thread::park_timeout(Duration::from_millis(50));
    }
}

fn health(mut stream: TcpStream, address: SocketAddr) -> Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let first = answer.lines().next().unwrap_or_default();
    ensure!(first.contains(" 200 "), "GET /health answered {answer}");
    Ok(first.to_owned())
}
