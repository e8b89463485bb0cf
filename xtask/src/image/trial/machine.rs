//! A machine that starts from the card: QEMU's `virt` board with the card's own kernel, since no emulator runs a Pi's firmware
//! or a Pi 4's network. What must not live here: what is tried with it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use super::super::card;
use super::super::processor::{BOARD, Processor};
use super::super::system;
use super::super::tools::Tools;
use super::neighbour::Neighbour;
use crate::debian::{ask, must};
use crate::guest::boot::BARE;

pub const MIB: u64 = 1 << 20;
/// Lines that wait to be read here.
const LINES: usize = 4_096;
/// Lines that are told of a machine that has ended.
const LAST: usize = 12;

/// The card and what is outside of it: ports of this machine that lead to ports of that one.
pub struct Bench<'a> {
    pub tools: &'a Tools,
    pub processor: &'static Processor,
    pub folder: PathBuf,
    pub card: PathBuf,
    pub memory: u32,
    pub http: u16,
    pub https: u16,
    pub ssh: u16,
    pub patience: Duration,
}

/// What is plugged into the machine beside its card, and what its clock says, if that is to be wrong.
#[derive(Default)]
pub struct Plugged<'a> {
    pub clock: Option<&'a str>,
    /// A stick on USB.
    pub stick: Option<&'a Path>,
    /// A disk beside the card, which nothing is written to.
    pub disk: Option<&'a Path>,
    /// What the kernel is told beside the card's own words.
    pub told: &'a str,
    /// Whether a hand may plug one in later.
    pub is_open: bool,
}

/// A machine that is on.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    log: File,
    console: PathBuf,
    last: VecDeque<String>,
    pub begun: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have turned itself off.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What nobody waited for tells why, if something went wrong.
        while let Ok(line) = self.lines.recv() {
            if self.keep(&line).is_err() {
                break;
            }
        }
    }
}

impl<'a> Bench<'a> {
    /// Without a card in it yet.
    pub fn new(
        tools: &'a Tools,
        processor: &'static Processor,
        memory: u32,
        patience: Duration,
    ) -> Result<Bench<'a>> {
        let folder = system::folder().join(processor.trial);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let card = folder.join("card.img");
        let free = || {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("looking for a free port")
        };
        // Held together, or one could be given out twice.
        let held = [free()?, free()?, free()?];
        let port = |of: &TcpListener| -> Result<u16> {
            Ok(of.local_addr().context("looking for a free port")?.port())
        };
        Ok(Bench {
            tools,
            processor,
            folder,
            card,
            memory,
            http: port(&held[0])?,
            https: port(&held[1])?,
            ssh: port(&held[2])?,
            patience,
        })
    }

    /// A copy of the image on a card that is larger.
    pub fn fresh_card(&self, image: &Path) -> Result<()> {
        self.copy(image, &self.card)?;
        let file = OpenOptions::new()
            .write(true)
            .open(&self.card)
            .context("opening the card")?;
        file.set_len(8_000 * MIB)
            .context("making the card larger than the image")
    }

    /// Keeps the card as it is for parts that are tried alone later.
    pub fn keep_card(&self) -> Result<()> {
        self.copy(&self.card, &self.kept())
    }

    /// The card as it was kept, of the same image.
    pub fn kept_card(&self, image: &Path) -> Result<()> {
        let changed = |file: &Path| fs::metadata(file).and_then(|about| about.modified());
        let is_of_it = match (changed(&self.kept()), changed(image)) {
            (Ok(kept), Ok(image)) => kept >= image,
            _ => false,
        };
        ensure!(
            is_of_it,
            "no card of this image has an owner yet: `--only first-day` gives it one, and keeps it"
        );
        self.copy(&self.kept(), &self.card)
    }

    /// Where the emulator listens, if a hand may plug something in.
    pub fn control(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    fn kept(&self) -> PathBuf {
        self.folder.join("kept.img")
    }

    pub fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        must(
            Command::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .args([from, to]),
        )
    }

    /// The boot partition, as mtools name it.
    fn boot(&self) -> Result<String> {
        Ok(format!(
            "{}@@{}M",
            self.card.display(),
            card::part(card::BOOT)?.start
        ))
    }

    /// Runs a script in the folder of a card's system, with the data's partition in its `data`: where nobody else sees them
    /// mounted, and they are not when it has ended.
    pub fn change(&self, image: &Path, script: &str) -> Result<()> {
        must(&mut self.beside(image, script)?)
    }

    /// The same, for what the script says.
    pub fn look(&self, image: &Path, script: &str) -> Result<String> {
        ask(&mut self.beside(image, script)?)
    }

    fn beside(&self, image: &Path, script: &str) -> Result<Command> {
        let place = self.folder.join("inside");
        fs::create_dir_all(&place).context("making a folder to mount the card at")?;
        let (root, data) = (card::part(card::ROOT)?, card::part(card::DATA)?);
        let script = format!(
            "mount -o loop,offset={},sizelimit={} \"$1\" \"$0\"; mount -o loop,offset={} \"$1\" \"$0/data\"; cd \"$0\"\n{script}\nsync",
            root.start * MIB,
            root.size * MIB,
            // It may have grown.
            data.start * MIB,
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-euc", &script])
            .args([&place, image]);
        Ok(command)
    }

    /// As somebody does who has put the card into another computer.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join("to-the-card");
        fs::write(&file, text).context("writing what goes to the card")?;
        must(
            self.tools
                .command("mcopy")
                .args(["-o", "-i", &self.boot()?])
                .arg(&file)
                .arg(format!("::{name}")),
        )
    }

    /// `None` where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<String>> {
        let file = self.folder.join("from-the-card");
        if file.exists() {
            fs::remove_file(&file).context("removing what was read last")?;
        }
        let mut copy = self.tools.command("mcopy");
        copy.args(["-n", "-i", &self.boot()?])
            .arg(format!("::{name}"))
            .arg(&file);
        let output = copy.output().context("starting mcopy")?;
        if !output.status.success() {
            return Ok(None);
        }
        let bytes = fs::read(&file).context("reading what came from the card")?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Turns it on.
    pub fn start(&self, name: &str, wire: &Neighbour) -> Result<Running> {
        self.start_with(name, &Plugged::default(), wire)
    }

    /// What the board's firmware hands to the kernel, but for the serial line, which is to tell more.
    fn handed(&self, line: &str, more: &str) -> Result<Vec<String>> {
        let config = self.read("config.txt")?.context("the card has a config.txt")?;
        let value = |key: &str| {
            config
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
        };
        let (kernel, first) = (value("kernel="), value("initramfs "));
        let kernel = self.taken(kernel.context("config.txt names a kernel")?)?;
        let first = self.taken(first.context("and a first file system")?)?;
        let told = self.read("cmdline.txt")?.context("the card has a cmdline.txt")?;
        let told: Vec<&str> = told
            .split_whitespace()
            .filter(|word| !word.starts_with("console=") && *word != "quiet")
            .collect();
        let told = format!(
            "console=tty0 console={line} loglevel=4 systemd.show_status=true {more} {}",
            told.join(" ")
        );
        let words = ["-kernel", &kernel, "-initrd", &first, "-append", &told];
        Ok(words.map(str::to_owned).to_vec())
    }

    /// A file of the boot partition, beside the card.
    fn taken(&self, file: &str) -> Result<String> {
        let from = format!("::{file}");
        let into = self.folder.join(file);
        must(
            self.tools
                .command("mcopy")
                .args(["-o", "-i", &self.boot()?, &from])
                .arg(&into),
        )?;
        Ok(into.display().to_string())
    }

    /// A network whose ports lead here, and that leads nowhere: no internet, and no names of others'.
    fn net(&self) -> String {
        let lead = |out: u16, inside: u16| format!("hostfwd=tcp:127.0.0.1:{out}-:{inside}");
        let led = [lead(self.http, 80), lead(self.https, 443), lead(self.ssh, 22)];
        format!("user,id=net,restrict=on,{}", led.join(","))
    }

    pub fn start_with(&self, name: &str, plugged: &Plugged<'_>, wire: &Neighbour) -> Result<Running> {
        let mut command = self.tools.command(self.processor.emulator);
        command
            .args(self.processor.machine)
            .args(["-smp", "2"])
            .args(["-m", &self.memory.to_string()])
            .args(BARE)
            .args(self.handed(self.processor.line, plugged.told)?)
            .arg("-drive")
            .arg(format!(
                "if=none,id=card,format=raw,cache=writeback,file={}",
                self.card.display()
            ))
            .args(["-device", "virtio-blk-pci,drive=card,romfile="])
            .args(["-netdev", &self.net()])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-device", "virtio-rng-pci"]);
        command.args(wire.card()?);
        if let Some(clock) = plugged.clock {
            command.args(["-rtc", &format!("base={clock}")]);
        }
        if let Some(disk) = plugged.disk {
            command
                .arg("-drive")
                .arg(format!(
                    "if=none,id=beside,format=raw,readonly=on,file={}",
                    disk.display()
                ))
                .args(["-device", "virtio-blk-pci,drive=beside,romfile="]);
        }
        if plugged.stick.is_some() || plugged.is_open {
            command.args(["-device", "qemu-xhci"]);
        }
        if plugged.is_open {
            command.arg("-qmp");
            command.arg(format!("unix:{},server=on,wait=off", self.control().display()));
        }
        if let Some(stick) = plugged.stick {
            command
                .arg("-drive")
                .arg(format!("if=none,id=stick,format=raw,file={}", stick.display()))
                .args(["-device", "usb-storage,drive=stick,removable=on"]);
        }
        Running::start(command, self.folder.join(format!("{name}.log")))
    }

    /// Turns a Raspberry Pi 3 B on, as far as there is one here: the board's own way to its card and to USB, by the card's own device
    /// tree, and a network adapter on USB. Its firmware is not run.
    pub fn start_pi3(&self, name: &str) -> Result<Running> {
        // A card of the emulator's has a size that is a power of two.
        let card = OpenOptions::new()
            .write(true)
            .open(&self.card)
            .context("opening the card")?;
        card.set_len(8_192 * MIB).context("making the card larger")?;
        let mut command = self.tools.command(BOARD.emulator);
        command
            // Its first line is for Bluetooth.
            .args(["-machine", "raspi3b", "-serial", "null"])
            .args(BARE)
            // Its watchdog bites at once when it is asked to watch.
            .args(self.handed("ttyS1,115200", "systemd.watchdog_sec=off")?)
            .args(["-dtb", &self.taken("bcm2837-rpi-3-b.dtb")?, "-drive"])
            .arg(format!(
                "if=sd,format=raw,cache=writeback,file={}",
                self.card.display()
            ))
            .args(["-netdev", &self.net(), "-device", "usb-net,netdev=net"]);
        Running::start(command, self.folder.join(format!("{name}.log")))
    }
}

impl Running {
    fn start(mut command: Command, console: PathBuf) -> Result<Running> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        let output = child.stdout.take().context("its output was asked for")?;
        let troubles = child.stderr.take().context("its troubles were asked for")?;
        let (say, lines) = sync_channel::<String>(LINES);
        passed_on(output, say.clone());
        passed_on(troubles, say);
        let log = File::create(&console).context("making the console's log")?;
        Ok(Running {
            child,
            lines,
            log,
            console,
            last: VecDeque::new(),
            begun: Instant::now(),
        })
    }

    /// Fails once it has ended, and says what it said last.
    pub fn is_on(&mut self) -> Result<()> {
        match self.child.try_wait().context("looking after the emulator")? {
            None => Ok(()),
            Some(status) => Err(self.over(status)),
        }
    }

    /// Why there is no more to come from it.
    fn over(&mut self, status: ExitStatus) -> Error {
        // Whoever writes has ended, so this does.
        while let Ok(line) = self.lines.recv() {
            if let Err(error) = self.keep(&line) {
                return error;
            }
        }
        let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
        anyhow!(
            "the emulator ended with {status}; it said last:\n    {}\n  and all of it is in {}",
            last.join("\n    "),
            self.console.display()
        )
    }

    fn keep(&mut self, line: &str) -> Result<()> {
        writeln!(self.log, "{line}").context("writing the console's log")?;
        if !line.is_empty() {
            self.last.push_back(line.to_owned());
        }
        if self.last.len() > LAST {
            self.last.pop_front();
        }
        Ok(())
    }

    /// The next line of the serial console, kept in its log; `None` once it has ended.
    fn line(&mut self, deadline: Instant, what: &str, patience: Duration) -> Result<Option<String>> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.keep(&line)?;
                Ok(Some(line))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!(
                "no {what} in {} s; what it said is in {}",
                patience.as_secs(),
                self.console.display()
            ),
        }
    }

    /// The next line of the serial console that says something.
    pub fn hear<T>(
        &mut self,
        patience: Duration,
        what: &str,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        while let Some(line) = self.line(deadline, what, patience)? {
            if let Some(found) = wanted(&line) {
                return Ok(found);
            }
        }
        let status = self.child.wait().context("waiting for its end")?;
        Err(self.over(status)).with_context(|| format!("no {what}"))
    }

    /// Cuts the power: nothing in it gets to do anything any more.
    pub fn cut(mut self) -> Result<()> {
        self.child.kill().context("cutting its power")?;
        self.child.wait().map(drop).context("waiting for its end")
    }

    /// Waits until it has turned itself off.
    pub fn ended(mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.line(deadline, "end", patience)?.is_some() {}
        let status = self.child.wait().context("waiting for its end")?;
        if status.success() {
            return Ok(());
        }
        Err(self.over(status))
    }
}

/// What comes from the emulator, line by line, until it ends.
fn passed_on(from: impl Read + Send + 'static, say: SyncSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if say.send(line).is_err() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let log = std::env::temp_dir().join(format!("kinglet-machine-{}.log", std::process::id()));
        let running = Running::start(command, log.clone()).expect("a shell is there");
        fs::remove_file(log).expect("it was made a moment ago");
        running
    }

    #[test]
    fn a_machine_that_has_ended_is_told_of_with_its_last_words() {
        let mut machine = started("echo from the console; echo of the emulator >&2; kill -9 $$");
        let deadline = Instant::now() + Duration::from_secs(60);
        let error = loop {
            match machine.is_on() {
                Err(error) => break error.to_string(),
                Ok(()) => assert!(Instant::now() < deadline, "it ends by itself"),
            }
            thread::yield_now();
        };
        for part in ["signal: 9", "from the console", "of the emulator"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let mut lasting = started("exec tail -f /dev/null");
        assert!(lasting.is_on().is_ok(), "it goes on until it is ended");
    }
}
