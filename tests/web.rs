//! The web client's own tests, run by its own tools against this build of the server: types, units, the real server over a
//! line that is cut, and real browsers. What must not live here: the tests, which are in `web/tests`.

#[path = "programs/board.rs"]
mod board;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

/// One at a time: each of these keeps a small machine busy by itself.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// Runs one of the client's tools; what it says is shown when it fails, but for the lines of what passed: a long list of
/// those hides the one that did not.
#[track_caller]
fn passes(program: &str, arguments: &[&str]) {
    let _turn = turn();
    let output = Command::new("node")
        .arg(web().join("node_modules").join(program))
        .args(arguments)
        .current_dir(web())
        .env("KINGLET_BIN", env!("CARGO_BIN_EXE_kinglet"))
        .env("NO_COLOR", "1")
        .output()
        .expect("Node built the client, so it is here");
    // Past what the test harness keeps of a test that passed.
    for line in String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.starts_with("FLAKY "))
    {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    if !output.status.success() {
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        let told: Vec<&str> = said
            .iter()
            .flat_map(|said| said.lines())
            .filter(|line| !line.trim_start().starts_with('✓') && !line.trim().is_empty())
            .collect();
        panic!("{program} {} failed:\n{}", arguments.join(" "), told.join("\n"));
    }
}

const VITEST: &str = "vitest/vitest.mjs";

/// `KINGLET_UPDATE_GOLDEN=1 cargo test --test web the_types` makes them anew, after the schemas were.
#[test]
fn the_types_are_those_of_the_schemas() {
    let anew = std::env::var_os("KINGLET_UPDATE_GOLDEN").is_some();
    let arguments: &[&str] = if anew { &[] } else { &["--check"] };
    passes("../scripts/types.mjs", arguments);
}

#[test]
fn the_client_is_well_typed() {
    passes("typescript/bin/tsc", &["--noEmit"]);
    passes("typescript/bin/tsc", &["--noEmit", "-p", "tsconfig.worker.json"]);
}

#[test]
fn log_cursor_and_outbox() {
    passes(VITEST, &["run", "--project", "unit"]);
}

#[test]
fn nothing_is_lost_doubled_or_reordered_when_the_line_is_cut() {
    passes(VITEST, &["run", "--project", "server"]);
}

/// Needs Debian's packages `chromium`, `firefox-esr`, `webkit2gtk-driver`, `xvfb`, `openssl`, `libnss3-tools` and `gcc`.
#[test]
fn people_use_it_in_a_browser() {
    board::board_program();
    passes(VITEST, &["run", "--project", "browser"]);
}

/// Each page is also written to `web/screens/pages`, to be looked at.
#[test]
fn every_page_keeps_nobody_out() {
    passes(VITEST, &["run", "--project", "screens"]);
}
