//! The versions on the disk: a folder each, and a link that says which one runs. A version is put in place as a whole before the
//! link names it, and the link is replaced in one act, so that a power cut leaves one or the other. What must not live here: which.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};

use kinglet_board::answer::{Code, Wrong};
use kinglet_board::machine::{Machine, sync_folder_of};
use serde::{Deserialize, Serialize};

/// What the package brought: dpkg replaces it, and nobody runs it there.
const PACKAGED: &str = "/usr/lib/kinglet/packaged/kinglet";
const FOLDER: &str = "/usr/lib/kinglet/versions";
/// Where `/usr/bin/kinglet` leads.
const CURRENT: &str = "/usr/lib/kinglet/current";
const PROGRAM: &str = "kinglet";
const VERSION_CHARS: usize = 64;

/// A package's version, in the form that Debian gives it; so it is a plain name for a folder, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(String);

impl Version {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folder(&self) -> String {
        format!("{FOLDER}/{}", self.0)
    }

    fn program(&self) -> String {
        format!("{FOLDER}/{}/{PROGRAM}", self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<&str> for Version {
    type Error = Wrong;

    fn try_from(text: &str) -> Result<Version, Wrong> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+~-".contains(&byte));
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        if plain && begins && text.len() <= VERSION_CHARS {
            return Ok(Version(text.to_owned()));
        }
        Err(Wrong::because(Code::BadArgument, "A version looks like 0.2.0-1."))
    }
}

impl TryFrom<String> for Version {
    type Error = Wrong;

    fn try_from(text: String) -> Result<Version, Wrong> {
        Version::try_from(text.as_str())
    }
}

/// The one that runs after the next start.
pub fn current(machine: &Machine) -> Option<Version> {
    let leads_to = fs::read_link(machine.path(CURRENT)).ok()?;
    Version::try_from(leads_to.file_name()?.to_str()?).ok()
}

pub fn is_there(machine: &Machine, version: &Version) -> bool {
    machine.path(&version.program()).is_file()
}

/// Puts what the package brought in place as this version. The same file under a second name where that can be, so that it
/// takes no room; dpkg gives its own name to another file when it brings the next version.
pub fn adopt(machine: &Machine, version: &Version) -> Result<(), Wrong> {
    machine.needs(
        PACKAGED,
        "The package's own program is not there: install the package again.",
    )?;
    let made = || -> io::Result<()> {
        let (packaged, place) = (machine.path(PACKAGED), machine.path(&version.program()));
        let folder = machine.path(&version.folder());
        DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        let beside = place.with_extension("new");
        remove(&beside)?;
        if fs::metadata(&place).is_ok_and(|there| is_same(&there, &packaged)) {
            return Ok(());
        }
        if fs::hard_link(&packaged, &beside).is_err() {
            fs::copy(&packaged, &beside)?;
        }
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &place)?;
        for made in [&place, &folder, &machine.path(FOLDER)] {
            sync_folder_of(made)?;
        }
        Ok(())
    };
    made().map_err(|error| Wrong::io("put in place", &version.program(), &error))
}

fn is_same(there: &fs::Metadata, other: &std::path::Path) -> bool {
    fs::metadata(other).is_ok_and(|other| (other.dev(), other.ino()) == (there.dev(), there.ino()))
}

/// From the next start on this version runs.
pub fn run(machine: &Machine, version: &Version) -> Result<(), Wrong> {
    machine.needs(&version.program(), "That version is not on this machine.")?;
    let switched = || -> io::Result<()> {
        let (link, beside) = (machine.path(CURRENT), machine.path(CURRENT).with_extension("new"));
        remove(&beside)?;
        symlink(format!("versions/{version}"), &beside)?;
        fs::rename(&beside, &link)?;
        sync_folder_of(&link)
    };
    switched().map_err(|error| Wrong::io("switch", CURRENT, &error))
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes all but these.
pub fn keep_only(machine: &Machine, kept: &[&Version]) -> Result<(), Wrong> {
    for name in machine.names(FOLDER) {
        if kept.iter().any(|version| version.as_str() == name) {
            continue;
        }
        let path = format!("{FOLDER}/{name}");
        fs::remove_dir_all(machine.path(&path)).map_err(|error| Wrong::io("remove", &path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_plain_name() {
        for good in ["0.1.0-1", "1.2.3~rc1-2", "10+dfsg-1", "0"] {
            assert_eq!(Version::try_from(good).expect("it is one").as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "../0",
            "0/1",
            "a1",
            "1:2",
            "0 1",
            "0\n",
            "-1",
            &"1".repeat(65),
        ] {
            assert!(Version::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
