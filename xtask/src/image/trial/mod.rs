//! `cargo xtask image-test`: the card in an emulated machine: found and claimed as people do, cut off while they talk, started
//! with a clock of 1970. What must not live here: the machine (`machine`), and what is looked for inside it (`looks`).

mod inside;
mod looks;
mod machine;
mod neighbour;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::system;
use super::tools::Tools;
use crate::ci::program_of;
use crate::debian::{ask, must};
use crate::{dist, tree};
use inside::Inside;
use machine::{Bench, Running};
use neighbour::Neighbour;

pub const HELP: &str = "\
Starts the card in an emulated machine: it is found, claimed over https, talked through, cut off from power meanwhile, started with
a clock of 1970, and looked at inside

Usage: cargo xtask image-test [--image FILE] [--programs DIR] [--memory MIB] [--minutes N] [--short]

  --image FILE    The image, unpacked [default: target/image/kinglet-VERSION-arm64.img, made with `cargo xtask image --unpacked`]
  --programs DIR  Where this machine's kinglet-load is, instead of building it for release
  --memory MIB    Memory of the machine [default: 1024]
  --minutes N     How long one step may take [default: 15]
  --short         One start: found, claimed, talked through, looked at

Needed: what `cargo xtask image` needs, ssh (openssh-client) and curl. The machine is emulated in software: seconds mean nothing.";

/// Talk before the power is cut, and after it is back.
const TALK: Duration = Duration::from_secs(40);
const AGAIN: Duration = Duration::from_millis(500);
const TIME_ZONE: &str = "Asia/Shanghai";
/// The name of the box that was there first, and what the second one calls itself.
const TAKEN: &str = "kinglet.local";
const NAME: &str = "kinglet-2.local";
const WIFI_SECRET: &str = "secret of the air";

#[derive(Debug)]
struct Wanted {
    image: Option<PathBuf>,
    programs: Option<PathBuf>,
    memory: u32,
    minutes: u64,
    short: bool,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            image: None,
            programs: None,
            memory: 1_024,
            minutes: 15,
            short: false,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(wanted),
                ["--short", rest @ ..] => {
                    wanted.short = true;
                    rest
                }
                ["--image", file, rest @ ..] => {
                    wanted.image = Some(std::path::absolute(file)?);
                    rest
                }
                ["--programs", folder, rest @ ..] => {
                    wanted.programs = Some(std::path::absolute(folder)?);
                    rest
                }
                ["--memory", number, rest @ ..] => {
                    wanted.memory = number.parse().context("--memory takes a number")?;
                    rest
                }
                ["--minutes", number, rest @ ..] => {
                    wanted.minutes = number.parse().context("--minutes takes a number")?;
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    let tools = Tools::fetch()?;
    let image = match &wanted.image {
        Some(image) => image.clone(),
        None => system::folder().join(format!("kinglet-{}-arm64.img", dist::version()?)),
    };
    ensure!(
        image.exists(),
        "there is no {}; make it with `cargo xtask image --unpacked`",
        image.display()
    );
    let load = match &wanted.programs {
        Some(folder) => folder.join("kinglet-load"),
        None => build_load()?,
    };
    let patience = Duration::from_secs(60 * wanted.minutes);
    let folder = system::folder().join("trial");
    let bench = Bench::new(&tools, &image, folder, wanted.memory, patience)?;
    let inside = Inside::new(&bench)?;
    bench.write(
        "user-data",
        &format!(
            "#cloud-config\ntimezone: {TIME_ZONE}\nssh_authorized_keys:\n  - {}\n",
            inside.public()?
        ),
    )?;
    let wire = Neighbour::with(TAKEN)?;
    first_day(&bench, &inside, &load, &wire, wanted.short)?;
    if !wanted.short {
        wrong_clock(&bench, &inside, &wire)?;
    }
    fs::remove_file(&bench.card).context("removing the card")
}

fn build_load() -> Result<PathBuf> {
    must(
        Command::new(program_of("cargo"))
            .args(["build", "--release", "--locked", "--package", "kinglet-load"])
            .current_dir(tree::root()),
    )?;
    Ok(tree::root().join("target/release/kinglet-load"))
}

/// A talk through the server, which ends with this program at the latest.
struct Talk {
    child: Child,
    until: PathBuf,
    said: PathBuf,
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Talk {
    fn begin(bench: &Bench<'_>, load: &Path, code: &str) -> Result<Talk> {
        let (until, said) = (bench.folder.join("enough"), bench.folder.join("talk.json"));
        if until.exists() {
            fs::remove_file(&until).context("removing the last talk's end")?;
        }
        let child = Command::new(load)
            .args(["through", "--tls", "--json", "--rate", "5", "--claim", code])
            .args(["--address", &format!("127.0.0.1:{}", bench.https)])
            .args(["--patience", &bench.patience.as_secs().to_string(), "--until"])
            .arg(&until)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said).context("making the talk's file")?)
            .spawn()
            .with_context(|| format!("starting {}", load.display()))?;
        Ok(Talk { child, until, said })
    }

    /// Nothing acknowledged may be missing, doubled or out of order.
    fn end(mut self, cuts: u64) -> Result<()> {
        fs::write(&self.until, "").context("ending the talk")?;
        let status = self.child.wait().context("waiting for the talk's end")?;
        let text = fs::read_to_string(&self.said).context("reading what came of the talk")?;
        ensure!(status.success(), "the talk ended with {status}: {text}");
        let said: Value = serde_json::from_str(&text).context("what came of the talk")?;
        let row = &said["rows"][0];
        let count = |name: &str| row[name].as_u64();
        println!("talk: {row}");
        for name in ["lost", "doubled", "reordered", "otherwise wrong"] {
            ensure!(count(name) == Some(0), "{name}: {row}");
        }
        ensure!(count("acked") > Some(20), "hardly anything was said: {row}");
        ensure!(
            count("acked") == count("sent"),
            "not everything was answered: {row}"
        );
        ensure!(
            count("cut off") >= Some(cuts),
            "the power was not cut under it: {row}"
        );
        Ok(())
    }
}

/// Until somebody owns it, and a power cut on the same day.
fn first_day(bench: &Bench<'_>, inside: &Inside, load: &Path, wire: &Neighbour, short: bool) -> Result<()> {
    println!("first start, beside a box that is called {TAKEN}");
    let mut machine = bench.start("first", None, wire)?;
    let mut shown = None;
    let code = machine.hear(bench.patience, "claim code beside a free name", |line| {
        // Each screen begins so; what an earlier one said may not hold any more.
        if line.trim() == "Kinglet" {
            shown = None;
        }
        if let Some((_, code)) = line.split_once("claim code  ") {
            shown = Some(code.trim().to_owned());
        }
        let is_named = line.contains(&format!("http://{NAME}/"));
        is_named.then(|| shown.take()).flatten()
    })?;
    println!(
        "  a claim code on the serial line after {:.0} s",
        machine.begun.elapsed().as_secs_f64()
    );
    answers(bench, &machine, false)?;
    ensure!(wire.defended() > 0, "it never asked whether {TAKEN} is free");
    wire.finds(NAME, bench.patience)?;
    println!("  it is {NAME}, since {TAKEN} is taken, and is found by that from the wire");
    looks::trusted(bench, NAME)?;
    let mut talk = Talk::begin(bench, load, &code)?;
    said_of_it(&mut machine, bench)?;
    pause(&mut talk, TALK)?;
    if short {
        looks::first(inside)?;
        return talk.end(0);
    }
    machine.cut()?;
    println!("power cut under the talk; second start");
    let machine = bench.start("second", None, wire)?;
    answers(bench, &machine, true)?;
    pause(&mut talk, TALK)?;
    talk.end(1)?;
    looks::first(inside)?;
    inside.run("systemctl --no-block poweroff")?;
    machine.ended(bench.patience)?;
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(
        told.contains("http://10.0.2.15/") && !told.contains("claim code"),
        "the card says: {told}"
    );
    Ok(())
}

/// The screen no longer asks for an owner.
fn said_of_it(machine: &mut Running, bench: &Bench<'_>) -> Result<()> {
    machine.hear(bench.patience, "word that it is owned", |line| {
        line.contains("This chat server runs.").then_some(())
    })
}

/// The board's clock says 1970, a password lies on the card, and the owner cannot get in.
fn wrong_clock(bench: &Bench<'_>, inside: &Inside, wire: &Neighbour) -> Result<()> {
    println!("third start, in 1970");
    bench.write("reset-admin", "person0\n")?;
    bench.write(
        "network-config",
        &format!(
            "version: 2\nwifis:\n  wlan0:\n    regulatory-domain: DE\n    access-points:\n      home:\n        password: {WIFI_SECRET}\n"
        ),
    )?;
    let mut machine = bench.start("third", Some("1970-01-01T00:00:00"), wire)?;
    let link = machine.hear(bench.patience, "link for the owner", |line| {
        let at = line.find("https://")?;
        line.contains("#").then(|| line[at..].to_owned())
    })?;
    answers(bench, &machine, true)?;
    looks::later(inside, WIFI_SECRET)?;
    inside.run("systemctl --no-block poweroff")?;
    machine.ended(bench.patience)?;
    ensure!(
        bench.read("reset-admin")?.is_none(),
        "reset-admin is still on the card"
    );
    let network = bench.read("network-config")?.context("network-config is gone")?;
    ensure!(
        !network.contains(WIFI_SECRET),
        "the Wi-Fi's password is still on the card: {network}"
    );
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(told.contains(link.trim()), "the link is not on the card: {told}");
    Ok(())
}

/// Waits for the server; it is owned or not, as it should be.
fn answers(bench: &Bench<'_>, machine: &Running, is_owned: bool) -> Result<()> {
    let deadline = Instant::now() + bench.patience;
    let url = format!("https://127.0.0.1:{}/health", bench.https);
    loop {
        let said = ask(Command::new("curl").args(["--silent", "--insecure", "--max-time", "10", &url]));
        if let Ok(said) = said {
            let health: Value =
                serde_json::from_str(&said).with_context(|| format!("/health said {said}"))?;
            ensure!(
                health["claimed"] == is_owned,
                "an owner, or none, where it should be the other way: {said}"
            );
            println!(
                "  GET /health after {:.0} s: {said}",
                machine.begun.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no answer at {url}");
        std::thread::park_timeout(AGAIN);
    }
}

/// The talk goes on for a while; if it ends, that is an error.
fn pause(talk: &mut Talk, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(status) = talk.child.try_wait().context("looking after the talk")? {
            bail!("the talk ended with {status} by itself");
        }
        std::thread::park_timeout(AGAIN);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let wanted = Wanted::read(&["--short", "--memory", "512"]).expect("both are known");
        assert_eq!((wanted.short, wanted.memory, wanted.minutes), (true, 512, 15));
        for wrong in [&["--image"][..], &["--memory", "much"], &["--kvm"]] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
