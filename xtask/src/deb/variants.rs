//! Versions of the server to be tried: the same program, the next release as far as its schema goes, one that does not start, and
//! one that starts and is sick. What must not live here: packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::ci::program_of;
use crate::debian::must;
use crate::guest::record::find;
use crate::tree as repository;

/// What is packaged under a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Same,
    /// With one more step of the schema.
    Next,
    /// Does not start: it asks for a table that there is not.
    Dead,
    /// Starts, says that it is ready, and takes no message.
    Sick,
}

/// The revisions that scripts find by their number.
pub const REVISIONS: [Variant; 6] = [
    Variant::Same,
    Variant::Same,
    Variant::Next,
    Variant::Dead,
    Variant::Sick,
    Variant::Same,
];

/// Beside the server in a package.
const OTHERS: [&str; 2] = ["kinglet-board", "kinglet-switch"];

impl Variant {
    /// Words of the program, and as many others in their place.
    fn spoilt(self) -> Option<(&'static [u8], &'static [u8])> {
        match self {
            Variant::Same | Variant::Next => None,
            Variant::Dead => Some((
                b"SELECT value FROM meta WHERE key = ?1",
                b"SELECT value FROM mota WHERE key = ?1",
            )),
            Variant::Sick => Some((b"INSERT INTO log (pos, ", b"INSERT INTO lag (pos, ")),
        }
    }

    /// A folder with the programs as this variant has them.
    pub fn programs(self, own: &Path) -> Result<PathBuf> {
        if self == Variant::Same {
            return Ok(own.to_owned());
        }
        let folder = repository::root().join(format!("target/deb/programs-{self:?}").to_lowercase());
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        for other in OTHERS {
            copy(&own.join(other), &folder.join(other))?;
        }
        let server = folder.join("kinglet");
        match self.spoilt() {
            None => copy(&next(own)?, &server)?,
            Some((from, to)) => {
                copy(&own.join("kinglet"), &server)?;
                let program = fs::read(&server).context("reading the copy")?;
                fs::write(&server, spoil(program, from, to)?).context("writing the copy")?;
            }
        }
        Ok(folder)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying {}", from.display()))
}

fn spoil(mut program: Vec<u8>, from: &[u8], to: &[u8]) -> Result<Vec<u8>> {
    assert_eq!(from.len(), to.len(), "nothing else moves");
    let mut places = 0;
    let mut at = 0;
    while let Some(found) = find(&program[at..], from) {
        program[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
        places += 1;
    }
    let words = String::from_utf8_lossy(from);
    ensure!(
        places > 0,
        "the program has no words {words:?} any more; spoil others"
    );
    Ok(program)
}

/// The program of the release after this one, built beside those that are tried.
fn next(own: &Path) -> Result<PathBuf> {
    let is_release = own.ends_with("release");
    let mut command = Command::new(program_of("cargo"));
    // The whole workspace is named, so that what it is made of was built with it already.
    command
        .args(["build", "--locked", "--workspace", "--bin", "kinglet-next"])
        .args(["--features", "fault-injection"])
        .current_dir(repository::root());
    if is_release {
        command.arg("--release");
    }
    must(&mut command)?;
    let profile = if is_release { "release" } else { "debug" };
    Ok(repository::root()
        .join("target")
        .join(profile)
        .join("kinglet-next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_spoilt_in_every_place_and_nowhere_else() {
        let spoilt = spoil(b"a log, a log, a dog".to_vec(), b"log", b"lag").expect("it has the words");
        assert_eq!(spoilt, b"a lag, a lag, a dog");
        assert!(spoil(b"nothing".to_vec(), b"log", b"lag").is_err());
    }
}
