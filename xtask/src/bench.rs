//! The steps of `cargo xtask bench`: build, measure, write `benches/RESULTS.md`. What must not live here: a measurement.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::ci::program_of;
use crate::tree;

/// From the root of the repository, so that the commands on the page can be typed there.
const GENERATOR: &str = "target/release/kinglet-load";
const PAGE: &str = "benches/RESULTS.md";

const BUILD: [&str; 7] = [
    "cargo",
    "build",
    "--release",
    "-p",
    "kinglet",
    "-p",
    "kinglet-load",
];

/// Subcommands that measure Kinglet alone, with their options and how often they are run, all in turn; the page shows
/// medians. `peers` has rounds of its own, a row of `search` is hundreds of searches. Those that the generator does not
/// know yet are left out.
const ALONE: [(&str, &[&str], usize); 8] = [
    ("sends", &["--seconds", "5"], ROUNDS),
    ("rate", &["--seconds", "10"], ROUNDS),
    ("bytes", &["--stored", "1000000", "--messages", "20000"], 1),
    ("storm", &["--tls"], ROUNDS),
    ("history", &[], ROUNDS),
    ("search", &[], 1),
    ("vendor", &[], ROUNDS),
    ("catchup", &[], ROUNDS),
];

const ROUNDS: usize = 3;

/// What `peers` measures without the other systems.
const KINGLET: [&str; 2] = ["--systems", "kinglet,kinglet-tls,floor"];

/// Everything; with the other systems beside Kinglet if that is asked for.
pub fn run(with_peers: bool) -> Result<()> {
    let start = Instant::now();
    perform(&BUILD.map(str::to_owned), None)?;
    let scratch = tree::root().join("target/bench");
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let known = usage()?;
    let mut files = Vec::new();
    for (name, options, round) in runs(with_peers, &known) {
        let file = scratch.join(format!("{name}-{round}.json"));
        let words = [GENERATOR.to_owned(), name.to_owned()];
        let options = options.iter().map(|option| (*option).to_owned());
        let line: Vec<String> = words
            .into_iter()
            .chain(options)
            .chain(["--json".to_owned()])
            .collect();
        perform(&line, Some(&file))?;
        files.push(file);
    }
    let words = [GENERATOR, "results"].map(str::to_owned).into_iter();
    let printed = files.iter().map(|file| file.to_string_lossy().into_owned());
    let line: Vec<String> = words
        .chain(printed)
        .chain(["--out", PAGE].map(str::to_owned))
        .collect();
    perform(&line, None)?;
    println!(
        "\n== {PAGE} and its plots are written, in {:.0} min",
        start.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

/// The subcommands to run, with their options and the round.
fn runs(with_peers: bool, usage: &str) -> Vec<(&'static str, Vec<&'static str>, usize)> {
    let options = if with_peers { Vec::new() } else { KINGLET.to_vec() };
    let mut runs = vec![("peers", options, 1)];
    let known = |name: &str| {
        usage
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("kinglet-load {name} ")))
    };
    for round in 1..=ROUNDS {
        let alone = ALONE
            .iter()
            .filter(|(name, _, rounds)| round <= *rounds && known(name));
        runs.extend(alone.map(|(name, options, _)| (*name, options.to_vec(), round)));
    }
    runs
}

fn usage() -> Result<String> {
    let output = Command::new(tree::root().join(GENERATOR))
        .arg("help")
        .output()
        .context("starting the load generator")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command line; what it prints goes into the file, if one is named.
fn perform(line: &[String], into: Option<&PathBuf>) -> Result<()> {
    println!("\n$ {}", line.join(" "));
    io::stdout().flush().context("writing to standard output")?;
    let Some((program, arguments)) = line.split_first() else {
        bail!("a step without a command")
    };
    let program = program_of(program);
    let out = match into {
        Some(file) => Stdio::from(File::create(file).with_context(|| format!("making {}", file.display()))?),
        None => Stdio::inherit(),
    };
    let status = Command::new(Path::new(&program))
        .args(arguments)
        .current_dir(tree::root())
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .with_context(|| format!("starting `{program}`"))?;
    if !status.success() {
        bail!(
            "`{}` ended with {status}; its output above says what to mend",
            line.join(" ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_generator_knows_is_run() {
        let usage = "Measures\n\n  kinglet-load sends  [--x]\n  kinglet-load storms [--x]\n  kinglet-load search [--x]\n";
        let names = |with_peers| -> Vec<_> {
            runs(with_peers, usage)
                .into_iter()
                .map(|(name, options, round)| (name, options.len(), round))
                .collect()
        };
        let sends = [
            ("sends", 2, 1),
            ("search", 0, 1),
            ("sends", 2, 2),
            ("sends", 2, 3),
        ];
        assert_eq!(names(false)[..1], [("peers", 2, 1)]);
        assert_eq!(names(true)[..1], [("peers", 0, 1)]);
        assert_eq!(names(true)[1..], sends);
    }

    #[test]
    fn a_step_writes_where_it_was_told_and_stops_the_run_when_it_fails() {
        let file = std::env::temp_dir().join(format!("kinglet-xtask-bench-{}", std::process::id()));
        let line = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        perform(&line("echo figures"), Some(&file)).expect("echo works");
        assert_eq!(fs::read_to_string(&file).expect("it was written"), "figures\n");
        fs::remove_file(&file).expect("it is there");
        let failed = perform(&line("false --json"), None).expect_err("`false` fails");
        assert!(failed.to_string().contains("false --json"), "{failed:#}");
    }
}
