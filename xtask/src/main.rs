//! The project's chores: `cargo xtask <chore>`. What must not live here: the chores themselves, and anything the server
//! needs at run time.

mod aarch64;
mod bench;
mod ci;
mod deb;
mod debian;
mod dist;
mod guest;
mod image;
mod instructions;
mod planted;
mod policy;
mod spdx;
mod tree;
mod version;

use std::process::ExitCode;

const HELP: &str = "\
Chores of the Kinglet repository

Usage: cargo xtask <CHORE>

Chores:
  ci         Everything a change must pass beside `cargo test`: format, lints, docs, dependencies
  tidy-deps  Only the dependency checks: licences, banned and doubled crates, known advisories
  planted-bugs
             Builds each planted bug and shows that its test turns red
  instructions [--update]
             Counts the instructions of each operation and holds them against benches/instructions.json, or writes it
  bench [--peers]
             Measures, and writes benches/RESULTS.md with plots; --peers: other servers too, from Debian's packages
             (installed if missing, as root). On a machine that does nothing else: about half an hour
  aarch64    Builds the release binary for 64-bit ARM, shows that it runs, counts its instructions; see `aarch64 --help`
  dist       Builds the release programs for 64-bit ARM and x86-64, the same bytes each time; see `dist --help`
  deb        Builds the Debian packages and has lintian look at them; see `deb --help`
  deb-test   Installs, upgrades, removes and purges them in an emulated Debian with systemd; see `deb-test --help`
  image      Makes the card of the appliance, for 64-bit ARM boards; see `image --help`
  image-check
             Tries of it what can be tried without starting it: units, firewall, partitions, settings; see `image-check --help`
  image-test Starts it in an emulated machine: found, claimed, talked through, cut off, started in 1970; see `image-test --help`
  guest      Measures a hundred thousand idle sessions inside an emulated machine; see `guest --help`
  help       This text

Exit codes: 0 all well, 1 a check failed, 2 unknown chore";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy-deps"] => tree::check(),
        ["planted-bugs"] => planted::run(),
        ["instructions"] => instructions::run(false),
        ["instructions", "--update"] => instructions::run(true),
        ["bench"] => bench::run(false),
        ["bench", "--peers"] => bench::run(true),
        ["aarch64", "--help" | "-h"] => {
            println!("{}", aarch64::HELP);
            return ExitCode::SUCCESS;
        }
        ["guest", "--help" | "-h"] => {
            println!("{}", guest::HELP);
            return ExitCode::SUCCESS;
        }
        ["dist", "--help" | "-h"] => {
            println!("{}", dist::HELP);
            return ExitCode::SUCCESS;
        }
        ["deb", "--help" | "-h"] => {
            println!("{}", deb::HELP);
            return ExitCode::SUCCESS;
        }
        ["deb-test", "--help" | "-h"] => {
            println!("{}", deb::trial::HELP);
            return ExitCode::SUCCESS;
        }
        ["image", "--help" | "-h"] => {
            println!("{}", image::HELP);
            return ExitCode::SUCCESS;
        }
        ["image-test", "--help" | "-h"] => {
            println!("{}", image::trial::HELP);
            return ExitCode::SUCCESS;
        }
        ["image-check", "--help" | "-h"] => {
            println!("{}", image::check::HELP);
            return ExitCode::SUCCESS;
        }
        ["image-check", options @ ..] => image::check::run(options),
        ["image", options @ ..] => image::run(options),
        ["image-test", options @ ..] => image::trial::run(options),
        ["dist", options @ ..] => dist::run(options),
        ["deb", options @ ..] => deb::run(options),
        ["deb-test", options @ ..] => deb::trial::run(options),
        ["guest", options @ ..] => guest::run(options),
        ["aarch64", options @ ..] => aarch64::run(options),
        []
        | ["help" | "--help" | "-h"]
        | [
            "ci" | "tidy-deps" | "planted-bugs" | "instructions" | "bench",
            "--help" | "-h",
        ] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("xtask: no such chore: {}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask {}: {error:#}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}
