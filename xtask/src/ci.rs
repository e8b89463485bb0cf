//! The steps of `cargo xtask ci`, in order, stopping at the first that fails. What must not live here: what a step checks.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::tree;

/// A step is a command line. The first word `cargo` means the cargo that runs this program.
struct Step {
    name: &'static str,
    command: Vec<&'static str>,
    env: Vec<(&'static str, &'static str)>,
}

fn step(name: &'static str, command: &[&'static str], env: &[(&'static str, &'static str)]) -> Step {
    Step {
        name,
        command: command.to_vec(),
        env: env.to_vec(),
    }
}

/// Before the dependency checks.
fn basics() -> Vec<Step> {
    let lints = [
        "cargo",
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "fault-injection",
        "--",
        "-D",
        "warnings",
    ];
    vec![
        step("format", &["cargo", "fmt", "--all", "--check"], &[]),
        step("lints", &lints, &[]),
        step(
            "documentation",
            &["cargo", "doc", "--no-deps", "--workspace"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
    ]
}

/// After them. A check too slow or too special for `cargo test` gets its line here:
/// `step("name", &["cargo", "test", "--features", "…"], &[("NAME", "value")])`.
fn further() -> Vec<Step> {
    vec![
        step("chores", &["cargo", "test", "--package", "xtask"], &[]),
        step("board", &["cargo", "test", "--package", "kinglet-board"], &[]),
        // Of the programs that the tests have built; `deb-test` installs real ones, which takes longer.
        step(
            "packages",
            &["cargo", "xtask", "deb", "--programs", "target/debug"],
            &[],
        ),
        step(
            "card",
            &["cargo", "xtask", "image-check", "--where-possible"],
            &[],
        ),
        // By the boards' recipe, for this machine's own processor: with a board's it takes ten times as long.
        step(
            "load generator",
            &["cargo", "build", "--package", "kinglet-load"],
            &[],
        ),
        step(
            "a start of the card",
            &[
                "cargo",
                "xtask",
                "image-test",
                "--pc",
                "--short",
                "--programs",
                "target/debug",
                "--where-possible",
            ],
            &[],
        ),
        step("planted bugs", &["cargo", "xtask", "planted-bugs"], &[]),
        step("instructions", &["cargo", "xtask", "instructions"], &[]),
    ]
}

pub fn run() -> Result<()> {
    let (basics, further) = (basics(), further());
    let all = basics.len() + 1 + further.len();
    let start = Instant::now();
    let mut number = 0;
    let mut next = |name: &str, work: &dyn Fn() -> Result<()>| {
        number += 1;
        timed(&format!("{number}/{all} {name}"), work)
    };
    for step in &basics {
        next(step.name, &|| perform(step))?;
    }
    next("dependencies", &tree::check)?;
    for step in &further {
        next(step.name, &|| perform(step))?;
    }
    println!(
        "\n== all {all} steps passed in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn timed(heading: &str, work: &dyn Fn() -> Result<()>) -> Result<()> {
    println!("\n== {heading}");
    // The step writes to the same place on its own, and its heading should stand above it.
    io::stdout().flush().context("writing to standard output")?;
    let start = Instant::now();
    let outcome = work();
    let (word, seconds) = (
        if outcome.is_ok() { "passed" } else { "FAILED" },
        start.elapsed().as_secs_f64(),
    );
    println!("== {heading}: {word} in {seconds:.1} s");
    outcome.with_context(|| format!("step {heading}"))
}

fn perform(step: &Step) -> Result<()> {
    let line = step.command.join(" ");
    let settings: String = step
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value:?} "))
        .collect();
    println!("$ {settings}{line}");
    io::stdout().flush().context("writing to standard output")?;
    let Some((program, arguments)) = step.command.split_first() else {
        bail!("a step without a command")
    };
    let status = Command::new(program_of(program))
        .args(arguments)
        .envs(step.env.iter().copied())
        .current_dir(tree::root())
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting `{program}`; is it installed and in PATH?"))?;
    if !status.success() {
        bail!("`{settings}{line}` ended with {status}; its output above says what to mend");
    }
    Ok(())
}

/// Inside `cargo run`, `CARGO` is the very program in use, whatever PATH says.
pub fn program_of(name: &str) -> String {
    match std::env::var("CARGO") {
        Ok(cargo) if name == "cargo" => cargo,
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_or_missing_command_stops_the_run() {
        assert!(perform(&step("well", &["true"], &[])).is_ok());
        let failed = perform(&step("ill", &["false"], &[("A", "b")])).expect_err("`false` fails");
        assert!(failed.to_string().contains("A=\"b\" false"), "{failed:#}");
        let missing = perform(&step("absent", &["kinglet-no-such-tool"], &[])).expect_err("it is not there");
        assert!(missing.to_string().contains("installed"), "{missing:#}");
        assert!(timed("x", &|| perform(&step("ill", &["false"], &[]))).is_err());
    }
}
