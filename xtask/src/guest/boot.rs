//! Runs the emulated machine and listens to what it says. What must not live here: what it is made of.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::image::Machine;

/// The emulator without anything that was not asked for; its console is this program's.
pub const BARE: [&str; 7] = [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-serial",
    "stdio",
];

const EMULATOR: &str = "qemu-system-x86_64";
/// Lines that wait to be read here.
const LINES: usize = 1_024;

/// What the guest said at its end.
pub struct Said {
    pub result: String,
    pub status: i32,
}

/// Ends with its program, however this one ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It turned itself off already, unless something is wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs it until it has said its status. With a file to record to, everything that it writes to its disk is noted there, and
/// it is waited for until it has turned itself off.
pub fn run(machine: &Machine, memory: u32, bound: Duration, record: Option<&Path>) -> Result<Said> {
    let child = command(machine, memory, record)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {EMULATOR}; it is in the package qemu-system-x86"))?;
    let mut running = Ended(child);
    let output = running.0.stdout.take().context("its output was asked for")?;
    let (say, lines) = sync_channel::<String>(LINES);
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if say
                .send(String::from_utf8_lossy(&line).trim_end().to_owned())
                .is_err()
            {
                break;
            }
        }
    });
    let mut console = File::create(&machine.console).context("making the console's log")?;
    let (deadline, mut result, mut said) = (Instant::now() + bound, None, None);
    loop {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!(
                "the machine was not done after {} minutes; give it more with --minutes. What it said is in {}",
                bound.as_secs() / 60,
                machine.console.display()
            ),
            Err(RecvTimeoutError::Disconnected) => {
                return said.with_context(|| {
                    format!(
                        "the machine ended without a result; what it said is in {}",
                        machine.console.display()
                    )
                });
            }
        };
        writeln!(console, "{line}").context("writing the console's log")?;
        if let Some(text) = line.strip_prefix("guest-result: ") {
            result = Some(text.to_owned());
        } else if let Some(status) = line.strip_prefix("guest-status: ") {
            let ended = Said {
                result: result.take().unwrap_or_default(),
                status: status.parse().context("the measurement's status")?,
            };
            if record.is_none() {
                return Ok(ended);
            }
            said = Some(ended);
        } else if !line.starts_with('[') {
            println!("guest| {line}");
        }
    }
}

/// One emulated processor whose clock counts instructions while it works, so that a busy host makes it slower but lets no
/// time run out inside. (It must not jump over idle time: what waits for the disk is idle, too.)
fn command(machine: &Machine, memory: u32, record: Option<&Path>) -> Command {
    let mut command = Command::new(EMULATOR);
    command
        .args(["-accel", "tcg", "-icount", "shift=0", "-smp", "1", "-cpu", "max"])
        .args(["-m", &memory.to_string()])
        .args(BARE)
        .args(["-append", "console=ttyS0 quiet panic=-1"])
        .arg("-kernel")
        .arg(&machine.kernel)
        .arg("-initrd")
        .arg(&machine.first);
    match record {
        None => command.arg("-drive").arg(format!(
            "file={},format=raw,if=virtio,cache=unsafe",
            machine.disk.display()
        )),
        Some(log) => command
            .arg("-blockdev")
            .arg(format!(
                "driver=blklogwrites,node-name=recorded,file.driver=file,file.filename={},log.driver=file,log.filename={}",
                machine.disk.display(),
                log.display()
            ))
            .args(["-device", "virtio-blk-pci,drive=recorded"]),
    };
    command
}
