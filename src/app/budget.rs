//! `kinglet limits`: the memory budget line by line, and every limit an operator sets. What must not live here: limits.

use std::fmt::Write as _;

use serde::Serialize;

use super::cli::Cli;
use super::failure::Outcome;
use super::{print, serve, settings, surroundings};
use crate::limits;

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Serialize)]
struct Line {
    pool: &'static str,
    bytes: usize,
    why: &'static str,
}

#[derive(Serialize)]
struct Budget {
    tls: bool,
    connections: usize,
    connections_configured: usize,
    connections_per_user: usize,
    connections_per_address: usize,
    message_bytes: usize,
    memory: Vec<Line>,
    memory_total_bytes: usize,
    memory_allowed_bytes: Option<u64>,
    /// What the configuration asks for and does not get, with the next step.
    lowered: Vec<String>,
}

/// Prints the limits as the server would run with them.
pub fn limits(cli: &Cli) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    let wanted = settings::limits(&config, settings::speaks_tls(&config));
    // Descriptors are the server's own matter, not this shell's.
    let (fitted, lowered) = settings::fit(&config, wanted, u64::MAX)
        .map_err(|problem| super::failure::Failure::config(problem.to_string()))?;
    let lines = limits::memory_budget(&fitted).into_iter();
    let budget = Budget {
        tls: fitted.tls,
        connections: fitted.connections,
        connections_configured: wanted.connections,
        connections_per_user: fitted.connections_per_user,
        connections_per_address: fitted.connections_per_address,
        message_bytes: fitted.frame,
        memory: lines
            .map(|line| Line {
                pool: line.pool,
                bytes: line.bytes,
                why: line.why,
            })
            .collect(),
        memory_total_bytes: limits::memory_total(&fitted),
        memory_allowed_bytes: surroundings::memory_limit().map(|(bytes, _)| bytes),
        lowered,
    };
    print(cli, &budget, table)
}

fn table(budget: &Budget) -> String {
    let mut text = String::new();
    let mut line = |name: &str, bytes: f64, why: &str| {
        writeln!(text, "{name:<12} {:>9.2} MiB  {why}", bytes / MIB).expect("a String takes every write");
    };
    for one in &budget.memory {
        line(one.pool, one.bytes as f64, one.why);
    }
    line(
        "total",
        budget.memory_total_bytes as f64,
        "the most the server can come to hold; for MemoryMax",
    );
    if let Some(allowed) = budget.memory_allowed_bytes {
        line("allowed", allowed as f64, "this control group's memory limit");
    }
    let tls = if budget.tls { "with TLS" } else { "plain" };
    writeln!(
        text,
        "\nconnections  {} {tls}, {} per user, {} per address\nmessages     {} bytes",
        budget.connections, budget.connections_per_user, budget.connections_per_address, budget.message_bytes
    )
    .expect("a String takes every write");
    for what in &budget.lowered {
        writeln!(text, "note         {what}").expect("a String takes every write");
    }
    text
}
