//! Runs the tests of what goes onto the board, built for 64-bit ARM, under qemu-user, the programs that they start included, and says
//! what of it cannot run there. Nothing has to be registered with the kernel. What must not live here: the toolchain.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::TARGET;
use super::toolchain::{Flags, Toolchain};
use super::trial::emulator;
use crate::debian::said;
use crate::tree;

/// What goes onto the board or measures there; this chore's own package runs where it is built.
const PACKAGES: [&str; 3] = ["kinglet", "kinglet-board", "kinglet-load"];
/// Programs that tests start; each is emulated then, too.
const STARTED: [&str; 3] = ["kinglet", "kinglet-board", "kinglet-switch"];
/// Tells a test how it can start its own program again: the words that come before it.
const EMULATOR: &str = "TEST_EMULATOR";
/// Tells `tests/programs/board.rs` that the board's program is there already.
const BOARD_IS_BUILT: &str = "TEST_BOARD_IS_BUILT";

/// Test programs that are left out, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    ("web", "it drives browsers and Node, which are this machine's"),
    (
        "tidy",
        "it reads the sources, which are the same for every processor",
    ),
];

/// Single tests that are left out, and why.
const CANNOT: [(&str, &str); 2] = [
    (
        "app::pages::tests::code_is_let_go_and_comes_back",
        "the kernel has the emulator's machine code in memory, and not the program's",
    ),
    (
        "workers::acme::hook::tests::a_hook_that_is_missing_says_so",
        "the emulator makes a fork of the clone(CLONE_VM) of a start, so that the child cannot tell why its execve failed",
    ),
];

/// How many tests passed, failed, and were left out by name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    left_out: u64,
}

pub fn run(toolchain: &Toolchain, filters: &[String]) -> Result<()> {
    let folder = tree::root().join("target/aarch64");
    let programs = build(toolchain, &folder)?;
    let emulator = emulator()?;
    let (mut failed, mut ran, mut all) = (Vec::new(), 0, Count::default());
    for (name, program) in programs {
        if let Some((_, why)) = LEFT_OUT.iter().find(|(left, _)| *left == name) {
            println!("\n{name}: left out: {why}");
            continue;
        }
        if !filters.is_empty() && !filters.contains(&name) {
            continue;
        }
        println!("\n{name}: {} under {emulator}", program.display());
        let start = Instant::now();
        // A test may build what it starts, and then that is no longer emulated.
        let started = emulated(&folder.join(TARGET).join("debug"), &toolchain.libraries)?;
        let (status, count) = tried(tests(emulator, &program, &toolchain.libraries))?;
        drop(started);
        println!(
            "{name}: {} passed, {} failed, {} left out, {status} in {:.0} s",
            count.passed,
            count.failed,
            count.left_out,
            start.elapsed().as_secs_f64()
        );
        ran += 1;
        all.passed += count.passed;
        all.failed += count.failed;
        all.left_out += count.left_out;
        if !status.success() {
            failed.push(name);
        }
    }
    for (test, why) in CANNOT {
        println!("left out: {test}: {why}");
    }
    ensure!(ran > 0, "no test program is called {}", filters.join(" or "));
    println!(
        "{ran} test programs for {TARGET} under {emulator}: {} tests passed, {} failed, {} left out",
        all.passed, all.failed, all.left_out
    );
    ensure!(
        failed.is_empty(),
        "tests failed for 64-bit ARM in: {}; see above",
        failed.join(", ")
    );
    ensure!(all.passed > 0, "no test ran");
    Ok(())
}

fn tests(emulator: &str, program: &Path, libraries: &Path) -> Command {
    let mut command = Command::new(emulator);
    command.arg("-L").arg(libraries).arg(program);
    for (test, _) in CANNOT {
        command.args(["--skip", test]);
    }
    // Else every test whose name only begins so would be left out, too.
    command.arg("--exact");
    // An emulated processor is a tenth as fast, and tests that wait for each other do not get faster by being many.
    command
        .args(["--test-threads", "2"])
        .current_dir(tree::root())
        .env(BOARD_IS_BUILT, "yes")
        .env(EMULATOR, format!("{emulator} -L {}", libraries.display()))
        .stdin(Stdio::null());
    command
}

/// Runs a test program, shows what it says, and counts by its closing line.
fn tried(mut command: Command) -> Result<(ExitStatus, Count)> {
    let line = said(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{line}`"))?;
    let output = child.stdout.take().context("its output was asked for")?;
    let mut count = Count::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading what the tests say")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(closing) = closing(&line) {
            count = closing;
        }
    }
    Ok((child.wait().context("waiting for the tests")?, count))
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.10s`
fn closing(line: &str) -> Option<Count> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |what: &str| {
        let before = rest.split(what).next()?;
        before
            .rsplit([' ', ';'])
            .find(|word| !word.is_empty())?
            .parse()
            .ok()
    };
    Some(Count {
        passed: number(" passed")?,
        failed: number(" failed")?,
        left_out: number(" filtered out")?,
    })
}

/// Builds all test programs, and the programs that they start; gives the tests' names and places.
fn build(toolchain: &Toolchain, folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    println!("building the tests for {TARGET} with {}", toolchain.name);
    let mut command = toolchain.cargo(TARGET, &Flags::default());
    command.args(["test", "--no-run", "--locked", "--lib", "--bins", "--tests"]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    command
        .args(["--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(folder)
        .current_dir(tree::root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let line = said(&command);
    let output = command.output().with_context(|| format!("starting `{line}`"))?;
    ensure!(output.status.success(), "`{line}` ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("what cargo said")?;
    Ok(text.lines().filter_map(test_program).collect())
}

/// A test program in one line of what cargo says.
fn test_program(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let program = message["executable"].as_str().filter(|_| is_test)?;
    let name = message["target"]["name"].as_str()?;
    Some((name.to_owned(), PathBuf::from(program)))
}

/// Every program that tests start, emulated.
fn emulated(folder: &Path, libraries: &Path) -> Result<Vec<Emulated>> {
    STARTED
        .iter()
        .map(|name| Emulated::put_in(&folder.join(name), libraries))
        .collect()
}

/// A script in a program's place that starts it under the emulator, for as long as this lives.
struct Emulated {
    place: PathBuf,
    moved: PathBuf,
}

impl Emulated {
    fn put_in(place: &Path, libraries: &Path) -> Result<Emulated> {
        let emulator = emulator()?;
        let moved = place.with_extension("emulated");
        fs::rename(place, &moved)
            .with_context(|| format!("moving {}, which the tests start", place.display()))?;
        let put = Emulated {
            place: place.to_owned(),
            moved,
        };
        let text = format!(
            "#!/bin/sh\nexec {emulator} -L '{}' '{}' \"$@\"\n",
            libraries.display(),
            put.moved.display()
        );
        fs::write(place, text).context("writing the script that starts it")?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).context("making it a program")?;
        Ok(put)
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // If it stays moved, cargo builds it anew.
        let _ = fs::rename(&self.moved, &self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_programs_are_taken_from_what_cargo_says() {
        let line = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"limits"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = test_program(&line(true, r#""/x/limits-1""#));
        assert_eq!(found, Some(("limits".to_owned(), PathBuf::from("/x/limits-1"))));
        for other in [
            line(false, r#""/x/kinglet""#),
            line(true, "null"),
            "not JSON".to_owned(),
        ] {
            assert_eq!(test_program(&other), None, "{other}");
        }
    }

    #[test]
    fn a_closing_line_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.10s";
        let count = Count {
            passed: 12,
            failed: 3,
            left_out: 1,
        };
        assert_eq!(closing(line), Some(count));
        assert_eq!(closing("test a::passed ... ok"), None);
    }

    #[test]
    fn the_server_comes_back_to_its_place() {
        let folder = std::env::temp_dir().join(format!("kinglet-suite-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a test may make a folder");
        let place = folder.join("kinglet");
        fs::write(&place, "a program").expect("it may write there");
        let put = Emulated::put_in(&place, Path::new("/libraries")).expect("it may");
        let script = fs::read_to_string(&place).expect("it was written");
        assert!(
            script.starts_with("#!/bin/sh\n") && script.contains("-L '/libraries'"),
            "{script}"
        );
        drop(put);
        assert_eq!(fs::read_to_string(&place).expect("it is back"), "a program");
        fs::remove_dir_all(&folder).expect("a test may remove its own folder");
    }
}
