//! Instructions for each operation, as valgrind counts them: a figure that a busy machine does not change. Held against
//! `benches/instructions.json`, so that a slower server is noticed in the change that made it slower, and a faster one is
//! written down. What must not live here: the operations (`benches/instructions.rs`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::ci::program_of;
use crate::tree;

/// How far a figure may be from the committed one, in percent.
const TOLERANCE: f64 = 5.0;
const RUNS: usize = 5;

/// An operation of the bench, how often the shorter of its two runs does it, and by what each is divided.
struct Operation {
    name: &'static str,
    count: u64,
    parts: u64,
}

/// Sends: as many as fill the log's indexes once, so that each run has its share of folding.
const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "send",
        count: 4_096,
        parts: 1,
    },
    // A post to 1,000 people is delivered to 999 others.
    Operation {
        name: "deliver",
        count: 20,
        parts: 999,
    },
    Operation {
        name: "resume",
        count: 100,
        parts: 1,
    },
    Operation {
        name: "resume-cold",
        count: 100,
        parts: 1,
    },
];

/// What one operation costs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    instructions: f64,
    bytes: f64,
}

pub fn run(update: bool) -> Result<()> {
    let program = build()?;
    let traces = tree::root().join("target/instructions");
    std::fs::create_dir_all(&traces).with_context(|| format!("making {}", traces.display()))?;
    let mut found = Vec::new();
    for operation in &OPERATIONS {
        found.push((operation.name, cost(operation, &program, &traces)?));
    }
    let path = tree::root().join("benches/instructions.json");
    if update {
        std::fs::write(&path, written(&found)?).with_context(|| format!("writing {}", path.display()))?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "reading {}; `cargo xtask instructions --update` writes it",
            path.display()
        )
    })?;
    compare(&found, &serde_json::from_str(&text)?)
}

/// Builds the bench nearly as a release is built (the manifest says what is left out), and says where it is.
fn build() -> Result<PathBuf> {
    let mut command = Command::new(program_of("cargo"));
    // What cargo tells a program that it runs would make it build half the dependencies anew, and again without it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let output = command
        .args(["bench", "--package", "kinglet", "--bench", "instructions"])
        .args(["--profile", "counted", "--no-run", "--message-format", "json"])
        .current_dir(tree::root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "the bench does not build; see above");
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["name"] == "instructions" && message["target"]["kind"][0] == "bench";
        Some(PathBuf::from(message["executable"].as_str().filter(|_| ours)?))
    });
    built.context("cargo did not say where it put the bench")
}

/// The middle of some: what an address or a seed happens to be moves a count by one or two in a hundred.
fn cost(operation: &Operation, program: &Path, traces: &Path) -> Result<Cost> {
    let found: Vec<Cost> = (0..RUNS)
        .map(|_| one_cost(operation, program, traces))
        .collect::<Result<_>>()?;
    let middle = |of: fn(&Cost) -> f64| {
        let mut figures: Vec<f64> = found.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let cost = Cost {
        instructions: middle(|cost| cost.instructions),
        bytes: middle(|cost| cost.bytes),
    };
    println!(
        "{:12} {:>10.0} instructions {:>10.0} bytes allocated",
        operation.name, cost.instructions, cost.bytes
    );
    Ok(cost)
}

/// Runs it for a count and for twice that: what all runs have in common falls out.
fn one_cost(operation: &Operation, program: &Path, traces: &Path) -> Result<Cost> {
    // Side by side: a count does not change with what else the machine does.
    let (once, twice) = std::thread::scope(|scope| {
        let twice = scope.spawn(|| count(operation, 2 * operation.count, program, traces));
        let once = count(operation, operation.count, program, traces);
        (once, twice.join().expect("counting does not panic"))
    });
    let (once, twice) = (once?, twice?);
    let each = |once: u64, twice: u64| {
        let times = operation.count * operation.parts;
        twice.saturating_sub(once) as f64 / times as f64
    };
    Ok(Cost {
        instructions: each(once.0, twice.0),
        bytes: each(once.1, twice.1),
    })
}

/// The instructions of a whole run, and the bytes it allocated while it repeated its operation.
fn count(operation: &Operation, times: u64, program: &Path, traces: &Path) -> Result<(u64, u64)> {
    let trace = traces.join(format!("{}-{times}.callgrind", operation.name));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", trace.display()))
        .arg(program)
        .args([operation.name, &times.to_string()])
        // The allocator gives memory back by the clock, and under valgrind that is another clock.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .stdin(Stdio::null())
        .output()
        .context("starting valgrind; install it (`apt-get install valgrind`)")?;
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let figures = collected(&errors).zip(said.trim().parse().ok());
    match figures.filter(|_| output.status.success()) {
        Some(figures) => Ok(figures),
        None => bail!(
            "counting {} ended with {}:\n{said}{errors}",
            operation.name,
            output.status
        ),
    }
}

/// The total in what callgrind says at its end.
fn collected(errors: &str) -> Option<u64> {
    let line = errors.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().replace(',', "").parse().ok()
}

fn compiler() -> Result<String> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .context("starting rustc")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn written(found: &[(&str, Cost)]) -> Result<String> {
    let operations = found.iter().map(|(name, cost)| {
        let figures = json!({ "instructions": cost.instructions.round(), "bytes": cost.bytes.round() });
        ((*name).to_owned(), figures)
    });
    let file = json!({
        "command": "cargo xtask instructions --update",
        "compiler": compiler()?,
        "processor": std::env::consts::ARCH,
        "operations": operations.collect::<serde_json::Map<_, _>>(),
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&file)?))
}

/// Fails when a figure is further from the committed one than it may be.
fn compare(found: &[(&str, Cost)], committed: &Value) -> Result<()> {
    if committed["processor"] != std::env::consts::ARCH {
        println!("the committed figures are another processor's; nothing is compared");
        return Ok(());
    }
    let mut complaints = Vec::new();
    for (name, cost) in found {
        let before = &committed["operations"][name];
        complaints.extend(complaint(name, "instructions", cost.instructions, before));
        complaints.extend(complaint(name, "bytes", cost.bytes, before));
    }
    if complaints.is_empty() {
        println!("all within {TOLERANCE} % of benches/instructions.json");
        return Ok(());
    }
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    bail!(
        "{} figures left benches/instructions.json (taken with {}; here is {}). If that is meant, or an improvement, run \
         `cargo xtask instructions --update` and commit the file; if not, `callgrind_annotate \
         target/instructions/NAME.callgrind` shows where the instructions go",
        complaints.len(),
        committed["compiler"].as_str().unwrap_or("an unknown compiler"),
        compiler()?
    )
}

fn complaint(name: &str, what: &str, now: f64, before: &Value) -> Option<String> {
    let Some(before) = before[what].as_f64() else {
        return Some(format!("{name}: its {what} are not written down yet"));
    };
    let percent = (now / before - 1.0) * 100.0;
    let word = if percent > 0.0 { "more" } else { "fewer" };
    // Also true for what is no number.
    let within = percent.abs() <= TOLERANCE;
    (!within).then(|| {
        let by = percent.abs();
        format!("{name}: {now:.0} {what}, {by:.1} % {word} than the {before:.0} written down")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_what_valgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1,234,567\n==7== \n==7== I   refs:      9\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==7== Collected : \n"), None);
    }

    #[test]
    fn more_and_fewer_than_the_tolerance_are_told_and_less_is_not() {
        let cost = |instructions, bytes| [("send", Cost { instructions, bytes })];
        let committed = |processor: &str| {
            json!({
                "processor": processor,
                "operations": { "send": { "instructions": 1000.0, "bytes": 100.0 } },
            })
        };
        let here = committed(std::env::consts::ARCH);
        for (instructions, bytes, well) in [
            (1000.0, 100.0, true),
            (1049.0, 96.0, true),
            (1051.0, 100.0, false),
            (949.0, 100.0, false),
            (1000.0, 106.0, false),
            (f64::NAN, 100.0, false),
        ] {
            let outcome = compare(&cost(instructions, bytes), &here);
            assert_eq!(outcome.is_ok(), well, "{instructions} {bytes}");
        }
        assert!(compare(&cost(1.0, 1.0), &committed("another")).is_ok());
        assert!(
            compare(
                &[(
                    "new",
                    Cost {
                        instructions: 1.0,
                        bytes: 1.0
                    }
                )],
                &here
            )
            .is_err()
        );
    }

    #[test]
    fn what_is_written_is_what_is_compared() {
        let found = [(
            "send",
            Cost {
                instructions: 1234.4,
                bytes: 10.0,
            },
        )];
        let text = written(&found).expect("rustc says its version");
        assert!(compare(&found, &serde_json::from_str(&text).expect("it is JSON")).is_ok());
    }
}
