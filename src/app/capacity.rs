//! `kinglet capacity`: how many people this machine, or a board that is named, has room for. What must not live here: the
//! formulas (`model`), what the server costs (`costs`), what boards can do (`boards`).

mod boards;
mod costs;
mod model;
mod probe;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::cli::{Capacity, Cli};
use super::config::{CONNECTIONS_MAX, Config};
use super::failure::Outcome;
use super::{print, serve, settings, surroundings};
pub use boards::Board;
use boards::{CARD_PAGES_PER_SECOND, CARD_SYNC_MS, Machine, SYSTEM_MIB};
use model::{Answer, Bound, Costs, Disk, Question};

const MIB: usize = 1024 * 1024;

#[derive(Serialize)]
struct Report {
    machine: String,
    cores: usize,
    mhz: f64,
    instructions_per_cycle: f64,
    allowed_bytes: usize,
    /// Where the figure comes from.
    allowed_why: String,
    sync_ms: f64,
    pages_per_second: f64,
    disk_why: String,
    tls: bool,
    receivers: u32,
    #[serde(flatten)]
    answer: Answer,
    assumed: Vec<String>,
}

/// Says how many people the machine has room for, and what is at its limit first.
pub fn capacity(cli: &Cli, asked: &Capacity) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    let machine = machine(asked);
    let (allowed, allowed_why) = allowed(asked, &machine);
    let (disk, disk_why) = disk(asked, &config)?;
    let tls = !asked.plain;
    let question = Question {
        limits: settings::limits(&config, tls),
        allowed,
        most_connections: CONNECTIONS_MAX as usize,
        receivers: f64::from(asked.receivers),
    };
    let report = Report {
        answer: model::answer(&machine, &disk, &measured_costs(), &question),
        machine: machine.name,
        cores: machine.cores,
        mhz: machine.mhz,
        instructions_per_cycle: machine.ipc,
        allowed_bytes: allowed,
        allowed_why,
        sync_ms: disk.sync_ms,
        pages_per_second: disk.pages_per_second,
        disk_why,
        tls,
        receivers: asked.receivers,
        assumed: assumptions(asked),
    };
    print(cli, &report, tell)
}

fn measured_costs() -> Costs {
    Costs {
        lone_send: costs::INSTRUCTIONS_LONE_SEND,
        batched_send: costs::INSTRUCTIONS_BATCHED_SEND,
        delivery: costs::INSTRUCTIONS_DELIVERY,
        kernel_share_lone: costs::KERNEL_SHARE_LONE,
        kernel_share_batched: costs::KERNEL_SHARE_BATCHED,
        kernel_share_delivery: costs::KERNEL_SHARE_DELIVERY,
        bytes_lone: costs::BYTES_LONE,
        bytes_batched: costs::BYTES_BATCHED,
    }
}

fn machine(asked: &Capacity) -> Machine {
    let here = || {
        let model = fs::read_to_string("/proc/device-tree/model").unwrap_or_default();
        Board::named(&model)
    };
    let mut machine = match asked.board {
        Some(board) => board.machine(),
        None => here().map_or_else(probe::machine, |board| Machine {
            memory_mib: probe::memory_mib(),
            ..board.machine()
        }),
    };
    if let Some(memory) = asked.memory {
        machine.memory_mib = memory as usize;
    }
    machine
}

/// What the server may come to hold, and why.
fn allowed(asked: &Capacity, machine: &Machine) -> (usize, String) {
    let whole = machine.memory_mib.saturating_sub(SYSTEM_MIB) * MIB;
    let why = format!("{} MiB less {SYSTEM_MIB} for the system", machine.memory_mib);
    if asked.board.is_some() || asked.memory.is_some() {
        return (whole, why);
    }
    match surroundings::memory_limit() {
        Some((bytes, file)) if bytes < whole as u64 => (
            usize::try_from(bytes).unwrap_or(whole),
            format!("{} says so", file.display()),
        ),
        _ => (whole, why),
    }
}

fn disk(asked: &Capacity, config: &Config) -> Outcome<(Disk, String)> {
    if let Some(micros) = asked.fdatasync_us {
        let disk = Disk {
            sync_ms: micros as f64 / 1e3,
            pages_per_second: CARD_PAGES_PER_SECOND,
        };
        return Ok((disk, "given; pages as a card of class A1 promises".to_owned()));
    }
    if asked.board.is_some() {
        let disk = Disk {
            sync_ms: CARD_SYNC_MS,
            pages_per_second: CARD_PAGES_PER_SECOND,
        };
        return Ok((disk, "assumed for a card of class A1".to_owned()));
    }
    let directory = nearest(&config.data_dir);
    let disk = probe::measure(directory)?;
    Ok((disk, format!("measured in {}", directory.display())))
}

/// Before the first start there is no data directory yet, but it will be on the same disk.
fn nearest(directory: &Path) -> &Path {
    let here = Path::new(".");
    let found = directory.ancestors().find(|path| path.is_dir());
    found.filter(|path| !path.as_os_str().is_empty()).unwrap_or(here)
}

fn assumptions(asked: &Capacity) -> Vec<String> {
    let mut all = vec![
        "instructions per cycle; `perf stat` on the machine tells".to_owned(),
        format!(
            "a person has {} sessions and sends {} messages a day, {:.0} % of them in the busiest hour",
            model::SESSIONS_PER_PERSON,
            model::MESSAGES_A_DAY,
            100.0 * model::BUSIEST_HOUR
        ),
        format!(
            "a message goes to {} sessions (--receivers), and the server may keep the processors {:.0} % busy",
            asked.receivers,
            100.0 * model::BUSY
        ),
    ];
    if asked.board.is_some() && asked.fdatasync_us.is_none() {
        all.push("the card; run this on the board, or give --fdatasync-ms".to_owned());
    }
    all
}

fn bound(bound: Bound) -> &'static str {
    match bound {
        Bound::Memory => "memory",
        Bound::Processor => "the processor",
        Bound::Card => "the card",
        Bound::Server => "the server's own bound",
    }
}

fn tell(report: &Report) -> String {
    let mut text = String::new();
    let answer = &report.answer;
    let mut line = |name: &str, what: String| {
        writeln!(text, "{name:<12} {what}").expect("a String takes every write");
    };
    line(
        "machine",
        format!(
            "{}, {} cores of {:.0} MHz, {} instructions a cycle",
            report.machine, report.cores, report.mhz, report.instructions_per_cycle
        ),
    );
    line(
        "memory",
        format!(
            "{} MiB for the server: {}",
            report.allowed_bytes / MIB,
            report.allowed_why
        ),
    );
    line(
        "disk",
        format!(
            "{:.2} ms a synced write, {:.0} pages a second: {}",
            report.sync_ms, report.pages_per_second, report.disk_why
        ),
    );
    line(
        "connections",
        format!(
            "{} {}, with limits.memory_mib = {}",
            answer.connections,
            if report.tls { "over TLS" } else { "plain" },
            answer.memory_mib
        ),
    );
    line(
        "messages",
        format!(
            "{:.0} a second for long; {} is the limit (processor {:.0}, card {:.0})",
            answer.messages_per_second,
            bound(answer.messages_bound),
            answer.processor_messages_per_second,
            answer.card_messages_per_second
        ),
    );
    line(
        "one by one",
        format!(
            "{:.0} a second, each acknowledged after {:.1} ms",
            answer.lone_messages_per_second, answer.lone_ack_ms
        ),
    );
    line(
        "wear",
        format!(
            "{:.0} MB a day from 10,000 messages that come one by one",
            answer.wear_mb_per_day
        ),
    );
    line(
        "people",
        format!("{}; {} is the limit", answer.people, bound(answer.people_bound)),
    );
    for what in &report.assumed {
        line("assumed", what.clone());
    }
    text
}
