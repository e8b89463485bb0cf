//! The first day of a card: it is found, unplugged, claimed as people do, and cut off from power while two of them talk. What must not
//! live here: what is tried with a card that has an owner.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::inside::Inside;
use super::machine::{Bench, Running};
use super::neighbour::Neighbour;
use super::{AGAIN, NAME, TAKEN, answers, looks};

/// Talk before the power is cut, and after it is back.
const TALK: Duration = Duration::from_secs(40);

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
pub fn run(bench: &Bench<'_>, inside: &Inside, load: &Path, wire: &Neighbour, short: bool) -> Result<()> {
    println!("first start, beside a box that is called {TAKEN}");
    let mut machine = bench.start("first", wire)?;
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
    answers(bench, &mut machine, false)?;
    ensure!(wire.defended() > 0, "it never asked whether {TAKEN} is free");
    wire.finds(NAME, bench.patience, || machine.is_on())?;
    println!("  it is {NAME}, since {TAKEN} is taken, and is found by that from the wire");
    looks::trusted(bench, NAME)?;
    machine.cut()?;
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(
        told.contains(&format!("claim code  {code}")),
        "the plug was pulled, and the claim code {code} is not on the card: {told}"
    );
    println!("the plug is pulled, the claim code is read off the card; second start");
    let mut machine = bench.start("unplugged", wire)?;
    answers(bench, &mut machine, false)?;
    let mut talk = Talk::begin(bench, load, &code)?;
    said_of_it(&mut machine, bench)?;
    pause(&mut talk, TALK)?;
    machine.cut()?;
    println!("power cut under the talk; third start");
    let mut machine = bench.start("cut", wire)?;
    answers(bench, &mut machine, true)?;
    pause(&mut talk, TALK)?;
    talk.end(1)?;
    inside.awaited(&mut machine)?;
    if short {
        looks::all(inside)?;
        return looks::closed(inside);
    }
    println!("  {}", inside.run("systemd-analyze 2>/dev/null | head -n 1")?);
    inside.run("runuser -u kinglet -- kinglet --config /etc/kinglet/kinglet.toml health >/dev/null")?;
    inside.end("systemctl --no-block poweroff");
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
