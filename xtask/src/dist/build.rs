//! Builds the programs so that the same sources and the same compilers give the same bytes in whatever folder: no path of the
//! builder's machine is in them, and no time but the sources' own. What must not live here: what they are checked for.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Target;
use crate::aarch64::toolchain::{self, Toolchain};
use crate::debian::{ask, must};
use crate::tree;

/// What C's compiler would put in of the hour.
const NO_TIME: [&str; 3] = [
    "-Wno-builtin-macro-redefined",
    "-D__DATE__=\"-\"",
    "-D__TIME__=\"-\"",
];

/// Finished programs of one target.
pub struct Built {
    pub folder: PathBuf,
    /// The folder that holds the dynamic linker and libraries, for the emulator.
    pub libraries: PathBuf,
    /// What they were built with, each in a line of its own words.
    pub tools: Vec<String>,
}

impl Built {
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// From the sources as they lie here.
pub fn build(target: &Target, programs: &[&str]) -> Result<Built> {
    build_in(&tree::root(), target, programs)
}

/// From a copy of them, in a folder of another name and with nothing built before.
pub fn again(target: &Target, programs: &[&str]) -> Result<Built> {
    let copy = super::folder().join("again");
    if copy.exists() {
        fs::remove_dir_all(&copy).context("removing the last copy of the sources")?;
    }
    fs::create_dir_all(&copy).context("making a folder for a copy of the sources")?;
    copy_sources(&copy)?;
    build_in(&copy, target, programs)
}

fn build_in(root: &Path, target: &Target, programs: &[&str]) -> Result<Built> {
    target.check_here()?;
    let toolchain = if target.is_own() {
        Toolchain::own()
    } else {
        toolchain::find()?
    };
    let folder = root.join("target/dist/build");
    println!("building for {} with {}", target.triple, toolchain.name);
    must(
        command(&toolchain, root, target, programs)?
            .arg("--target-dir")
            .arg(&folder),
    )?;
    Ok(Built {
        folder: folder.join(target.triple).join("release"),
        tools: toolchain.tools()?,
        libraries: toolchain.libraries,
    })
}

/// The compiler's call. The date is the programs' own: no clock before it is believed.
fn command(toolchain: &Toolchain, root: &Path, target: &Target, programs: &[&str]) -> Result<Command> {
    let mut command = toolchain.cargo(target.triple, &flags(root)?);
    command
        .args(["build", "--release", "--locked", "--target", target.triple])
        .env("SOURCE_DATE_EPOCH", super::time()?.to_string())
        .current_dir(root);
    let packages: BTreeSet<&str> = programs
        .iter()
        .map(|program| super::package_of(program))
        .collect();
    for package in packages {
        command.args(["--package", package]);
    }
    Ok(command)
}

/// What the web client is built with, unless it comes ready made.
pub fn client_tools() -> Vec<String> {
    if std::env::var_os("KINGLET_WEB_DIST").is_some() {
        return vec!["built before (KINGLET_WEB_DIST)".to_owned()];
    }
    let version = |program: &str| {
        let said = ask(Command::new(program).arg("--version"));
        format!(
            "{program} {}",
            said.as_deref().map_or("of an unknown version", str::trim)
        )
    };
    vec![version("node"), version("npm")]
}

/// What stands for the places of this machine, for the compilers of Rust and of C.
fn flags(root: &Path) -> Result<toolchain::Flags> {
    let home = cargo_home()?;
    let places = [(root, "/kinglet"), (home.as_path(), "/cargo")];
    let said = |option: &str| -> Vec<String> {
        let each = places
            .iter()
            .map(|(place, name)| format!("{option}={}={name}", place.display()));
        each.collect()
    };
    let mut c = said("-ffile-prefix-map");
    // The allocator says when it was compiled.
    c.extend(NO_TIME.map(str::to_owned));
    Ok(toolchain::Flags {
        rust: said("--remap-path-prefix"),
        c,
    })
}

fn cargo_home() -> Result<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    named.or_else(home).context("neither CARGO_HOME nor HOME is set")
}

/// Everything that git knows or would take, and the packages that the web client is built with.
fn copy_sources(to: &Path) -> Result<()> {
    let root = tree::root();
    let listed = ask(Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root))
    .context("a second build copies what git lists")?;
    for name in listed.lines().filter(|name| root.join(name).is_file()) {
        let into = to.join(name);
        fs::create_dir_all(into.parent().context("every file lies in a folder")?)?;
        fs::copy(root.join(name), into).with_context(|| format!("copying {name}"))?;
    }
    let packages = root.join("web/node_modules");
    if packages.is_dir() {
        let words: [OsString; 3] = ["-a".into(), packages.into(), to.join("web").into()];
        must(Command::new("cp").args(words))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a release of years from now would take a clock of today for right.
    #[test]
    fn a_release_is_told_the_time_of_its_sources() {
        let target = Target::own().expect("it is one of ours");
        let command = command(&Toolchain::own(), &tree::root(), target, &["kinglet"]).expect("it is known");
        let told = command
            .get_envs()
            .find_map(|(name, value)| (name == "SOURCE_DATE_EPOCH").then_some(value?));
        let time = super::super::time().expect("the sources have one").to_string();
        assert_eq!(told.and_then(|told| told.to_str()), Some(time.as_str()));
    }

    #[test]
    fn the_compilers_say_who_they_are() {
        let tools = Toolchain::own().tools().expect("they are here");
        let all = tools.join(", ");
        assert!(all.contains("rustc 1.") && all.contains("ld "), "{all}");
    }
}
