//! `cargo xtask image-test`: the card in an emulated machine, part by part: found and claimed as people do, cut off while they
//! talk, looked at inside, started with a clock of 1970, with a full disk, and after a factory reset. What must not live here:
//! the machine (`machine`, `control`), the parts themselves (`first`, `looks`, `later`, `stick`, `update`, `restore`, `settings`, `wifi`), who asks (`inside`, `owner`),
//! and the bugs that they have to see (`planted`).

mod control;
mod first;
mod inside;
mod later;
mod looks;
mod machine;
mod neighbour;
mod owner;
mod pi3;
mod planted;
mod restore;
mod settings;
mod stick;
mod update;
mod wifi;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::processor::{BOARD, PC, Processor};
use super::system;
use super::tools::Tools;
use crate::ci::program_of;
use crate::debian::{ask, must};
use crate::tree;
use inside::Inside;
use machine::{Bench, Plugged, Running};
use neighbour::Neighbour;

pub const HELP: &str = "\
Starts the card in an emulated machine: it is found, claimed over https, talked through, cut off from power meanwhile, looked at
inside, started with a clock of 1970, filled up and reset

Usage: cargo xtask image-test [--only PART]... [--image FILE] [--programs DIR] [--memory MIB] [--minutes N] [--idle N] [--short]
                              [--planted] [--pc] [--where-possible]

  --only PART     Only this part, and others so named [default: all, in this order]:
                  first-day  found, unplugged, claimed, talked through, the power cut under it, and the start after that
                  looks      settings, partitions, limits, passwords: what has to be so inside
                  ports      every port of TCP and UDP, by IPv4 and IPv6, tried from a network beside it
                  idle       nothing is written to the system's partition while nobody is there
                  full       no room on the data's partition, and room again
                  stick      a USB stick is plugged in, chosen for backups, pulled, and plugged in again
                  update     an update from a stick: of another key, one that does not run, one that does
                  1970       a wrong clock; reset-admin and a Wi-Fi's password on the card
                  wifi       the Wi-Fi that network-config names, by simulated radios, and another password for it
                  reset      factory reset, with data kept and with everything erased
                  pi3        started as a Raspberry Pi 3 B: its SD card and its USB, by the card's device tree
                  restore    a backup onto a stick, and from there onto a new card
                  settings   another name and a fixed address on the card, and a name where the data cannot be reached
  --image FILE    The image, unpacked [default: target/image/kinglet-VERSION-arm64.img, made with `cargo xtask image --unpacked`]
  --programs DIR  Where this machine's kinglet-load is, instead of building it for release; with --pc kinglet and kinglet-board, too
  --memory MIB    Memory of the machine [default: 1024]
  --minutes N     How long one step may take [default: 15]
  --idle N        Minutes of the part idle [default: 3]
  --short         The first day, a look inside and every port, in three starts: what each change passes
  --planted       Each part with each of the bugs that it has to see, planted into a copy of the card: all have to be red, and some
                  are by what does not come in the time that a step may take
  --pc            A card by the same recipe for this PC's own processor, which takes a third of the time: made on the way
                  unless --image names one. Without the part pi3
  --where-possible
                  Says what this machine lacks for it, and passes: a container may lack mounts, or a way to Debian's packages

The first day keeps the card that it gave an owner, beside the consoles' logs in target/image/trial; every other part needs that card,
and takes a copy of it unless the first day was asked for as well. Needed: what `cargo xtask image` needs, ssh (openssh-client) and
curl; with --pc qemu-system-x86_64 (qemu-system-x86). The machine is emulated in software: seconds mean nothing.";

const AGAIN: Duration = Duration::from_millis(500);
const TIME_ZONE: &str = "Asia/Shanghai";
/// The name of the box that was there first, and what the second one calls itself.
const TAKEN: &str = "kinglet.local";
const NAME: &str = "kinglet-2.local";

/// What can be tried alone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    FirstDay,
    Looks,
    Ports,
    Idle,
    Full,
    Stick,
    Update,
    Clock,
    Wifi,
    Reset,
    Pi3,
    Restore,
    Settings,
}

const PARTS: [(&str, Part); 13] = [
    ("first-day", Part::FirstDay),
    ("looks", Part::Looks),
    ("ports", Part::Ports),
    ("idle", Part::Idle),
    ("full", Part::Full),
    ("stick", Part::Stick),
    ("update", Part::Update),
    ("1970", Part::Clock),
    ("wifi", Part::Wifi),
    ("reset", Part::Reset),
    ("pi3", Part::Pi3),
    ("restore", Part::Restore),
    ("settings", Part::Settings),
];

#[derive(Clone, Debug)]
struct Wanted {
    parts: Vec<Part>,
    image: Option<PathBuf>,
    programs: Option<PathBuf>,
    memory: u32,
    minutes: u64,
    idle: u32,
    short: bool,
    planted: bool,
    is_pc: bool,
    where_possible: bool,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            parts: Vec::new(),
            image: None,
            programs: None,
            memory: 1_024,
            minutes: 15,
            idle: 3,
            short: false,
            planted: false,
            is_pc: false,
            where_possible: false,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => break,
                ["--short", rest @ ..] => {
                    wanted.short = true;
                    rest
                }
                ["--pc", rest @ ..] => {
                    wanted.is_pc = true;
                    rest
                }
                ["--where-possible", rest @ ..] => {
                    wanted.where_possible = true;
                    rest
                }
                ["--planted", rest @ ..] => {
                    wanted.planted = true;
                    rest
                }
                ["--only", name, rest @ ..] => {
                    let known = PARTS.iter().find(|(known, _)| known == name);
                    let (_, part) = known.with_context(|| format!("no such part: {name}\n\n{HELP}"))?;
                    wanted.parts.push(*part);
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
                ["--idle", number, rest @ ..] => {
                    wanted.idle = number.parse().context("--idle takes a number")?;
                    rest
                }
                ["--minutes", number, rest @ ..] => {
                    wanted.minutes = number.parse().context("--minutes takes a number")?;
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
        ensure!(
            !wanted.short || (wanted.parts.is_empty() && !wanted.planted),
            "--short has parts of its own, and takes neither --only nor --planted"
        );
        ensure!(
            !wanted.is_pc || !wanted.has(Part::Pi3),
            "a PC is no Raspberry Pi 3: --pc goes without the part pi3"
        );
        ensure!(
            u64::from(wanted.idle) < wanted.minutes,
            "--idle {} does not end within a step's --minutes {}",
            wanted.idle,
            wanted.minutes
        );
        if wanted.parts.is_empty() {
            wanted.parts = PARTS.iter().map(|(_, part)| *part).collect();
            wanted.parts.retain(|part| !wanted.is_pc || *part != Part::Pi3);
        }
        Ok(wanted)
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    let processor = if wanted.is_pc { &PC } else { &BOARD };
    if wanted.where_possible
        && let Err(error) = can_try(processor)
    {
        println!("not tried here: {error:#}");
        return Ok(());
    }
    let tools = Tools::fetch()?;
    if wanted.where_possible
        && let Err(error) = system::base(&tools, processor, super::MIRROR)
    {
        println!("not tried here, where Debian's packages cannot be had: {error:#}");
        return Ok(());
    }
    let image = match &wanted.image {
        Some(image) => image.clone(),
        // The owner of its card would go with it.
        None if wanted.is_pc && (wanted.short || wanted.has(Part::FirstDay)) => {
            super::for_trial(&tools, wanted.programs.clone())?
        }
        None => system::folder().join(format!("{}.img", super::image_name(processor)?)),
    };
    ensure!(
        image.exists(),
        "there is no {}; make it with `cargo xtask image --unpacked{}`",
        image.display(),
        if wanted.is_pc { " --pc" } else { "" }
    );
    let patience = Duration::from_secs(60 * wanted.minutes);
    let bench = Bench::new(&tools, processor, wanted.memory, patience)?;
    let wire = Neighbour::with(TAKEN)?;
    if wanted.planted {
        planted::run(&bench, &image, &wire, &wanted)?;
        return fs::remove_file(&bench.card).context("removing the card");
    }
    let inside = if wanted.has(Part::FirstDay) {
        timed("first-day", || first_day(&bench, &image, &wire, &wanted))?
    } else {
        bench.kept_card(&image)?;
        Inside::kept(&bench)
    };
    if !wanted.short {
        with_an_owner(&bench, &image, &inside, &wire, &wanted)?;
    }
    fs::remove_file(&bench.card).context("removing the card")
}

/// What it cannot do without, and not every machine has.
fn can_try(processor: &Processor) -> Result<()> {
    processor.can_be_made_for()?;
    let mounts = "mount -t tmpfs none /mnt && mount -t proc proc /mnt";
    ask(Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", mounts]))
        .context("this machine lets nobody mount anything")?;
    // A board's emulator is among the tools that are unpacked.
    for (program, package) in [
        (PC.emulator, "qemu-system-x86"),
        ("ssh", "openssh-client"),
        ("curl", "curl"),
    ] {
        ask(Command::new("sh").args(["-c", &format!("command -v {program}")]))
            .with_context(|| format!("{program} is missing; it is in the package {package}"))?;
    }
    Ok(())
}

fn first_day(bench: &Bench<'_>, image: &Path, wire: &Neighbour, wanted: &Wanted) -> Result<Inside> {
    let load = match &wanted.programs {
        Some(folder) => folder.join("kinglet-load"),
        None => build_load()?,
    };
    bench.fresh_card(image)?;
    let inside = Inside::new(bench)?;
    bench.write(
        "user-data",
        &format!(
            "#cloud-config\ntimezone: {TIME_ZONE}\nssh_authorized_keys:\n  - {}\n",
            inside.public()?
        ),
    )?;
    first::run(bench, &inside, &load, wire, wanted.short)?;
    if !wanted.short {
        bench.keep_card()?;
    }
    Ok(inside)
}

/// The other parts, in their order; those that only look at a machine that is on share one start.
fn with_an_owner(
    bench: &Bench<'_>,
    image: &Path,
    inside: &Inside,
    wire: &Neighbour,
    wanted: &Wanted,
) -> Result<()> {
    let on = [
        Part::Looks,
        Part::Ports,
        Part::Idle,
        Part::Full,
        Part::Stick,
        Part::Update,
    ];
    if on.iter().any(|part| wanted.has(*part)) {
        println!("a start of a card that has an owner");
        let plugged = Plugged {
            is_open: true,
            ..Plugged::default()
        };
        let mut machine = bench.start_with("owned", &plugged, wire)?;
        answers(bench, &mut machine, true)?;
        inside.awaited(&mut machine)?;
        for (name, part) in PARTS {
            let tried: &dyn Fn() -> Result<()> = match part {
                Part::Looks => &|| looks::all(inside),
                Part::Ports => &|| looks::closed(inside),
                Part::Idle => &|| looks::idle(inside, wanted.idle),
                Part::Full => &|| later::full(inside),
                Part::Stick => &|| stick::run(bench),
                Part::Update => &|| update::run(bench, image, inside),
                _ => continue,
            };
            if wanted.has(part) {
                timed(name, tried)?;
            }
        }
        inside.end("systemctl --no-block poweroff");
        machine.ended(bench.patience)?;
    }
    if wanted.has(Part::Clock) {
        timed("1970", || later::wrong_clock(bench, inside, wire))?;
    }
    if wanted.has(Part::Wifi) {
        timed("wifi", || wifi::run(bench, inside, wire))?;
    }
    if wanted.has(Part::Reset) {
        timed("reset", || later::reset(bench, inside, wire))?;
    }
    if wanted.has(Part::Pi3) {
        if wanted.has(Part::Reset) {
            // It needs an owner, and the part before took that away.
            bench.kept_card(image)?;
        }
        timed("pi3", || pi3::run(bench, inside))?;
    }
    if wanted.has(Part::Restore) {
        if wanted.has(Part::Reset) {
            // It needs an owner, and the part before took that away.
            bench.kept_card(image)?;
        }
        timed("restore", || restore::run(bench, image, inside, wire))?;
    }
    if wanted.has(Part::Settings) {
        if wanted.has(Part::Reset) || wanted.has(Part::Restore) {
            // They leave another card than the first day's.
            bench.kept_card(image)?;
        }
        timed("settings", || settings::run(bench, inside, wire))?;
    }
    Ok(())
}

/// Says which part it was and how long it took, either way.
fn timed<T>(name: &str, part: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let came = part().with_context(|| format!("the part {name} failed"));
    let word = if came.is_ok() { "passed" } else { "failed" };
    println!("{name}: {word} after {:.0} s", begun.elapsed().as_secs_f64());
    came
}

fn build_load() -> Result<PathBuf> {
    must(
        Command::new(program_of("cargo"))
            .args(["build", "--release", "--locked", "--package", "kinglet-load"])
            .current_dir(tree::root()),
    )?;
    Ok(tree::root().join("target/release/kinglet-load"))
}

/// Waits for the server as long as the machine is on; it is owned or not, as it should be.
fn answers(bench: &Bench<'_>, machine: &mut Running, is_owned: bool) -> Result<()> {
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
        machine.is_on().with_context(|| format!("no answer at {url}"))?;
        ensure!(Instant::now() < deadline, "no answer at {url}");
        std::thread::park_timeout(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let wanted = Wanted::read(&["--short", "--memory", "512"]).expect("both are known");
        assert_eq!((wanted.short, wanted.memory, wanted.minutes), (true, 512, 15));
        assert_eq!(wanted.parts.len(), PARTS.len());
        let some = Wanted::read(&["--only", "1970", "--only", "ports"]).expect("both are known");
        assert!(some.has(Part::Clock) && some.has(Part::Ports) && !some.has(Part::FirstDay));
        for wrong in [
            &["--image"][..],
            &["--memory", "much"],
            &["--kvm"],
            &["--only", "2038"],
            &["--short", "--only", "looks"],
            &["--pc", "--only", "pi3"],
            &["--idle", "15"],
        ] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
        for (name, _) in PARTS {
            assert!(HELP.contains(&format!("  {name} ")), "{name}");
        }
    }
}
