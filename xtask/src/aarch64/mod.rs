//! `cargo xtask aarch64`: builds the release binary for 64-bit ARM, shows that it runs and answers, and counts its
//! instructions. What must not live here: where the compiler comes from, and how instructions are counted or tests run.

mod count;
mod suite;
pub mod toolchain;
pub mod trial;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::debian::must;
use crate::tree;
use toolchain::Flags;

pub const HELP: &str = "\
Builds the release binary for 64-bit ARM and shows that it runs

Usage: cargo xtask aarch64 [--count [--messages N] [--json FILE]]
       cargo xtask aarch64 --test [PROGRAM]...

  --count        Also counts the instructions of a send and of a delivery, under qemu-aarch64
  --messages N   Messages of the smaller of the two runs that are compared [default: 4096, as many as are folded at once]
  --json FILE    Writes the counts there, too
  --test         Instead builds the tests of the server, the board and kinglet-load and runs them under qemu-aarch64, or only the
                 test programs named (`kinglet` are the server's unit tests, `stories` the stories, ...); says what cannot run there

An installed rustup target aarch64-unknown-linux-gnu is used if it is there. Else the compiler comes from Debian's packages,
unpacked below target/debian and not installed. Needed: aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu) and qemu-aarch64 (qemu-user; without
--count qemu-user-static is as good).";

const TARGET: &str = "aarch64-unknown-linux-gnu";

#[derive(Debug, PartialEq)]
struct Wanted {
    count: bool,
    messages: u64,
    json: Option<PathBuf>,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            count: false,
            messages: 4_096,
            json: None,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(wanted),
                ["--count", rest @ ..] => {
                    wanted.count = true;
                    rest
                }
                ["--messages", number, rest @ ..] => {
                    wanted.messages = number.parse()?;
                    rest
                }
                ["--json", file, rest @ ..] => {
                    wanted.json = Some(std::path::absolute(file)?);
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    if let ["--test", programs @ ..] = words {
        ensure!(
            programs.iter().all(|name| !name.starts_with('-')),
            "only names of test programs may follow --test\n\n{HELP}"
        );
        let programs: Vec<String> = programs.iter().map(|name| (*name).to_owned()).collect();
        return suite::run(&toolchain::find()?, &programs);
    }
    let wanted = Wanted::read(words)?;
    let toolchain = toolchain::find()?;
    let binary = build(&toolchain)?;
    trial::show_that_it_runs(&binary, Some(&toolchain.libraries))?;
    if wanted.count {
        count::run(
            &binary,
            &toolchain.libraries,
            wanted.messages,
            wanted.json.as_deref(),
        )?;
    }
    Ok(())
}

fn build(toolchain: &toolchain::Toolchain) -> Result<PathBuf> {
    let folder = tree::root().join("target/aarch64");
    println!("building for {TARGET} with {}", toolchain.name);
    must(
        toolchain
            .cargo(TARGET, &Flags::default())
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "kinglet",
                "--target",
                TARGET,
            ])
            .arg("--target-dir")
            .arg(&folder)
            .current_dir(tree::root()),
    )?;
    Ok(folder.join(TARGET).join("release/kinglet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let plain = Wanted::read(&[]).expect("nothing has to be said");
        assert!(!plain.count && plain.json.is_none());
        let full = Wanted::read(&["--count", "--messages", "5", "--json", "/x"]).expect("all are known");
        assert_eq!(
            full,
            Wanted {
                count: true,
                messages: 5,
                json: Some(PathBuf::from("/x"))
            }
        );
        for wrong in [&["--json"][..], &["--messages", "few"], &["--install"]] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
