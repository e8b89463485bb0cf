//! The program that is root on an appliance, for tests that run it. What must not live here: the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The board's program, beside the server's: cargo builds no programs of other packages for a test.
pub fn board_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_kinglet"))
            .parent()
            .expect("it is in a folder");
        // Cargo would build it for this machine, and who says so has built it for another.
        if std::env::var_os("TEST_BOARD_IS_BUILT").is_some() {
            return beside.join("kinglet-board");
        }
        let mut build = Command::new(env!("CARGO"));
        build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--package", "kinglet-board", "--target-dir"])
            .arg(beside.parent().expect("the folder is in one"));
        if beside.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo runs").success(),
            "kinglet-board is not built"
        );
        beside.join("kinglet-board")
    })
}
