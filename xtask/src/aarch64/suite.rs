//! Runs the test suite built for 64-bit ARM under qemu-user, the server that the tests start included, and says what of it
//! cannot run there. Nothing has to be registered with the kernel. What must not live here: the toolchain.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::TARGET;
use super::toolchain::{Flags, Toolchain};
use super::trial::emulator;
use crate::debian::said;
use crate::tree;

/// Test programs that are left out, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    ("web", "it drives browsers and Node, which are this machine's"),
    (
        "tidy",
        "it reads the sources, which are the same for every processor",
    ),
];

/// Single tests that are left out, and why.
const CANNOT: [(&str, &str); 1] = [(
    "app::systemd::tests::a_socket_passed_in_is_found_by_its_name",
    "it starts its own program again, which only a kernel of that processor can",
)];

pub fn run(toolchain: &Toolchain, filters: &[String]) -> Result<()> {
    let folder = tree::root().join("target/aarch64");
    let programs = build(toolchain, &folder)?;
    let server = Emulated::put_in(&folder.join(TARGET).join("debug/kinglet"), &toolchain.libraries)?;
    let emulator = emulator()?;
    let (mut failed, mut ran) = (Vec::new(), 0);
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
        let status = tests(emulator, &program, &toolchain.libraries)
            .status()
            .with_context(|| format!("starting {emulator}"))?;
        println!("{name}: {status} in {:.0} s", start.elapsed().as_secs_f64());
        ran += 1;
        if !status.success() {
            failed.push(name);
        }
    }
    drop(server);
    for (test, why) in CANNOT {
        println!("left out: {test}: {why}");
    }
    ensure!(ran > 0, "no test program is called {}", filters.join(" or "));
    ensure!(
        failed.is_empty(),
        "tests failed for 64-bit ARM in: {}; see above",
        failed.join(", ")
    );
    println!("{ran} test programs passed for {TARGET} under {emulator}");
    Ok(())
}

fn tests(emulator: &str, program: &Path, libraries: &Path) -> Command {
    let mut command = Command::new(emulator);
    command.arg("-L").arg(libraries).arg(program);
    for (test, _) in CANNOT {
        command.args(["--skip", test]);
    }
    // An emulated processor is a tenth as fast, and tests that wait for each other do not get faster by being many.
    command
        .args(["--test-threads", "2"])
        .current_dir(tree::root())
        .stdin(Stdio::null());
    command
}

/// Builds all test programs of the server's package; gives their names and places.
fn build(toolchain: &Toolchain, folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    println!("building the tests for {TARGET} with {}", toolchain.name);
    let mut command = toolchain.cargo(TARGET, &Flags::default());
    command
        .args([
            "test",
            "--no-run",
            "--locked",
            "--package",
            "kinglet",
            "--lib",
            "--tests",
        ])
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

/// A script in the server's place that starts it under the emulator, for as long as this lives.
struct Emulated {
    place: PathBuf,
    moved: PathBuf,
}

impl Emulated {
    fn put_in(place: &Path, libraries: &Path) -> Result<Emulated> {
        let emulator = emulator()?;
        let moved = place.with_extension("emulated");
        fs::rename(place, &moved).context("moving the server that the tests start")?;
        let put = Emulated {
            place: place.to_owned(),
            moved,
        };
        let text = format!(
            "#!/bin/sh\nexec {emulator} -L '{}' '{}' \"$@\"\n",
            libraries.display(),
            put.moved.display()
        );
        fs::write(place, text).context("writing the script that starts the server")?;
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
