//! `cargo xtask deb`: Debian packages from the finished programs, checked by lintian. dpkg-deb makes them
//! (docs/decisions/0013-packages-by-dpkg.md). What must not live here: what is in them (`content`), how a package is laid
//! out (`tree`), and whether one installs (`trial`).

pub mod content;
mod cuts;
pub mod notices;
mod tree;
pub mod trial;
mod variants;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::debian::{ask, must};
use crate::dist::{self, Target};
use crate::tree as repository;

pub const HELP: &str = "\
Builds the Debian packages for 64-bit ARM and for x86-64

Usage: cargo xtask deb [--target TARGET]... [--programs DIR] [--revision N] [--no-lint]

  --target TARGET  aarch64-unknown-linux-gnu, or on a PC x86_64-unknown-linux-gnu [default: both on a PC, else the first]
  --programs DIR   Takes the programs from there, for one target, instead of building them as `cargo xtask dist` does
  --revision N     The package's own number, behind the version of the program [default: 1]
  --no-lint        Leaves lintian out

They come to lie in target/deb. The same programs give the same bytes: all times in them are that of the last commit, or
SOURCE_DATE_EPOCH. Needed: dpkg-deb (dpkg), gzip, lintian, and what `cargo xtask dist` needs.";

#[derive(Clone, Debug)]
pub struct Wanted {
    pub targets: Vec<&'static Target>,
    pub programs: Option<PathBuf>,
    pub revision: u32,
    pub lint: bool,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            targets: Vec::new(),
            programs: None,
            revision: 1,
            lint: true,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => break,
                ["--no-lint", rest @ ..] => {
                    wanted.lint = false;
                    rest
                }
                ["--target", triple, rest @ ..] => {
                    wanted.targets.push(Target::named(triple)?);
                    rest
                }
                ["--programs", folder, rest @ ..] => {
                    wanted.programs = Some(std::path::absolute(folder)?);
                    rest
                }
                ["--revision", number, rest @ ..] => {
                    wanted.revision = number.parse().context("--revision takes a number")?;
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
        match (wanted.targets.len(), &wanted.programs) {
            (0, None) => wanted.targets = dist::built_here(),
            (0, Some(_)) => wanted.targets.push(Target::own()?),
            (1, _) | (_, None) => {}
            _ => bail!("--programs are for one target\n\n{HELP}"),
        }
        Ok(wanted)
    }
}

pub fn run(words: &[&str]) -> Result<()> {
    let packages = make(&Wanted::read(words)?)?;
    let folder = folder();
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.file_name()?.to_str())
        .collect();
    print!(
        "{}",
        ask(Command::new("sha256sum").args(&names).current_dir(&folder))?
    );
    Ok(())
}

fn folder() -> PathBuf {
    repository::root().join("target/deb")
}

/// Makes the packages that are wanted, and gives where they lie.
pub fn make(wanted: &Wanted) -> Result<Vec<PathBuf>> {
    let (folder, time) = (folder(), dist::time()?);
    let version = format!("{}-{}", dist::version()?, wanted.revision);
    let mut packages = Vec::new();
    for target in &wanted.targets {
        let programs = match &wanted.programs {
            Some(programs) => programs.clone(),
            None => dist::build(target, &dist::PROGRAMS)?.folder,
        };
        agree(&programs, target)?;
        for name in content::PACKAGES {
            let tree = tree::Tree::new(folder.join(format!("{name}_{}", target.debian)))?;
            let about = content::About {
                name,
                version: &version,
                target,
                programs: &programs,
                time,
            };
            content::fill(&tree, &about)?;
            let package = folder.join(format!("{name}_{version}_{}.deb", target.debian));
            tree.build(&package, time)?;
            println!(
                "{}: {:.2} MB",
                package.display(),
                fs::metadata(&package)?.len() as f64 / 1e6
            );
            packages.push(package);
        }
    }
    if wanted.lint {
        lint(&packages)?;
    }
    Ok(packages)
}

/// The program says the version that the package is called by.
fn agree(programs: &Path, target: &Target) -> Result<()> {
    let program = programs.join("kinglet");
    let version = dist::version()?;
    let said = if target.is_own() {
        ask(Command::new(&program).arg("--version"))?
    } else {
        // The libraries of a cross compiler; where there is none, the program was made elsewhere.
        let libraries = crate::aarch64::toolchain::find()?.libraries;
        let mut command = Command::new(crate::aarch64::trial::emulator()?);
        ask(command.arg("-L").arg(libraries).arg(&program).arg("--version"))?
    };
    ensure!(
        said.trim() == format!("kinglet {version}"),
        "{} calls itself {said:?}, and the package would be {version}; build it anew",
        program.display()
    );
    Ok(())
}

/// Everything that lintian calls an error or a warning has to be mended or overridden with a reason.
fn lint(packages: &[PathBuf]) -> Result<()> {
    let mut command = Command::new("lintian");
    command
        .args([
            "--no-cfg",
            "--fail-on",
            "error,warning",
            "--tag-display-limit",
            "0",
        ])
        .arg("--info")
        .args(packages);
    // It warns of being run as root, and does nothing that needs it.
    if is_root()? {
        command.arg("--allow-root");
    }
    must(&mut command).context("what lintian says has to be mended; it is in the package lintian")?;
    println!("lintian has nothing to say against {} packages", packages.len());
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(ask(Command::new("id").arg("-u"))?.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let all = Wanted::read(&[]).expect("nothing has to be said");
        assert_eq!(
            (all.targets.len(), all.revision, all.lint),
            (dist::built_here().len(), 1, true)
        );
        let own = Wanted::read(&["--programs", "/x", "--revision", "2", "--no-lint"]).expect("all are known");
        assert!(own.targets.len() == 1 && own.targets[0].is_own());
        assert_eq!((own.revision, own.lint), (2, false));
        let both = [
            "--target",
            "aarch64-unknown-linux-gnu",
            "--target",
            "x86_64-unknown-linux-gnu",
            "--programs",
            "/x",
        ];
        for wrong in [&["--revision"][..], &["--revision", "new"], &["--sign"], &both] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
