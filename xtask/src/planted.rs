//! Planted bugs: each breaks a promise, and has a test here that must turn red with it. A test that stays green with its bug
//! checks nothing. What must not live here: the bugs (`src/planted.rs`), and the tests.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::ci::program_of;
use crate::tree;

/// The bug's name, the test program, and the one test in it that must fail.
struct Planted {
    bug: &'static str,
    program: &'static str,
    test: &'static str,
}

const PLANTED: [Planted; 9] = [
    Planted {
        bug: "synchronous-normal",
        program: "power_cut",
        test: "random::acknowledged_messages_survive_every_cut",
    },
    Planted {
        bug: "ack-before-commit",
        program: "power_cut",
        test: "random::acknowledged_messages_survive_every_cut",
    },
    Planted {
        bug: "ack-before-commit",
        program: "power_cut",
        test: "chains::no_answer_leaves_before_the_sync",
    },
    Planted {
        bug: "no-checkpoint-at-start",
        program: "power_cut",
        test: "chains::a_duplicate_acknowledged_after_a_crash_survives_the_power_cut",
    },
    Planted {
        bug: "forgetful-deduplication",
        program: "power_cut",
        test: "chains::a_retry_is_known_for_ever",
    },
    Planted {
        bug: "ack-before-commit",
        program: "kill9",
        test: "what_was_acknowledged_outlives_kill_9",
    },
    Planted {
        bug: "forgetful-deduplication",
        program: "kill9",
        test: "what_was_acknowledged_outlives_kill_9",
    },
    Planted {
        bug: "no-audience-check",
        program: "store_contract",
        test: "sqlite::rules::only_ones_own_time_is_shown",
    },
    Planted {
        bug: "no-audience-check",
        program: "matrix",
        test: "events_and_notices_are_heard_by_whom_the_table_says",
    },
];

pub fn run() -> Result<()> {
    let mut green = Vec::new();
    for planted in &PLANTED {
        // A test that cannot be built is no red test, so that comes first and must succeed.
        let built = cargo(planted, &["--no-run"]).status().context("starting cargo")?;
        if !built.success() {
            bail!("{} does not build with {}", planted.program, planted.bug);
        }
        let outcome = cargo(planted, &["--", "--exact", planted.test])
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .context("starting cargo")?;
        let said = String::from_utf8_lossy(&outcome.stdout);
        let red = !outcome.status.success() && said.contains(&format!("test {} ... FAILED", planted.test));
        println!(
            "{:28} {:70} {}",
            planted.bug,
            planted.test,
            if red { "red, as it must be" } else { "GREEN" }
        );
        if !red {
            println!("{said}{}", String::from_utf8_lossy(&outcome.stderr));
            green.push(format!("{} ({})", planted.test, planted.bug));
        }
    }
    if !green.is_empty() {
        bail!(
            "these tests do not notice their bug any more: {}",
            green.join(", ")
        );
    }
    Ok(())
}

/// The very programs that `cargo test` builds: a bug is chosen as they start.
fn cargo(planted: &Planted, rest: &[&str]) -> Command {
    let mut command = Command::new(program_of("cargo"));
    command
        .args(["test", "--package", "kinglet", "--test", planted.program])
        .args(rest)
        .env("PLANTED_BUG", planted.bug)
        .current_dir(tree::root())
        .stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_bug_has_its_test() {
        let root = tree::root();
        let bugs = std::fs::read_to_string(root.join("src/planted.rs")).expect("the bugs' file");
        let named = bugs
            .lines()
            .filter_map(|line| line.trim().strip_prefix("(Self::"));
        let names: Vec<&str> = named.filter_map(|rest| rest.split('"').nth(1)).collect();
        assert!(!names.is_empty(), "src/planted.rs lists no bug");
        for bug in names {
            assert!(
                PLANTED.iter().any(|planted| planted.bug == bug),
                "{bug} has no test that turns red with it"
            );
        }
        for planted in &PLANTED {
            let name = planted.test.rsplit("::").next().expect("a path ends with a name");
            // A test in no room stands in the program's own file.
            let path = match planted.test.trim_start_matches("sqlite::").split_once("::") {
                Some((room, _)) => format!("tests/{}/{room}.rs", planted.program),
                None => format!("tests/{}.rs", planted.program),
            };
            let text = std::fs::read_to_string(root.join(&path)).expect("the test's file");
            assert!(text.contains(&format!("fn {name}(")), "{path} has no test {name}");
        }
    }
}
