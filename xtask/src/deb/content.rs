//! What is in each package. What must not live here: how a package is laid out and made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::notices;
use super::tree::{Tree, filled};
use crate::debian::ask;
use crate::dist::Target;
use crate::dist::needs::Needs;
use crate::tree as repository;

/// The server, and what does for it on an appliance what needs root. Each has a folder in packaging/.
pub const PACKAGES: [&str; 2] = ["kinglet", BOARD];
const BOARD: &str = "kinglet-board";
const SWITCH: &str = "kinglet-switch";

/// Nobody answers mail for the project; security reports have a way of their own (SECURITY.md).
const MAINTAINER: &str = "The Kinglet contributors <contributors@kinglet.invalid>";
const UNITS: &str = "usr/lib/systemd/system";

/// What is said about a package in several places.
pub struct About<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub target: &'a Target,
    /// Where the programs lie.
    pub programs: &'a Path,
    /// The time of the sources.
    pub time: u64,
}

pub fn fill(tree: &Tree, about: &About<'_>) -> Result<()> {
    let units = units(about.name)?;
    for unit in &units {
        tree.file(&format!("{UNITS}/{}", name(unit)?), &read(unit)?)?;
    }
    let needs = if about.name == BOARD {
        program(tree, about, BOARD, &format!("usr/libexec/kinglet/{BOARD}"))?
    } else {
        settings(tree)?;
        documents(tree)?;
        versions(tree, about)?
    };
    papers(tree, about)?;
    control(tree, about, &needs, &switched_on(&units)?)
}

/// The server where nobody runs it, what takes it from there, and the name that leads to the version which runs.
fn versions(tree: &Tree, about: &About<'_>) -> Result<Needs> {
    program(tree, about, SWITCH, &format!("usr/libexec/kinglet/{SWITCH}"))?;
    tree.link("usr/bin/kinglet", "../lib/kinglet/current/kinglet")?;
    tree.file("usr/share/kinglet/floor", &packaging("kinglet/floor")?)?;
    program(tree, about, about.name, "usr/lib/kinglet/packaged/kinglet")
}

fn program(tree: &Tree, about: &About<'_>, name: &str, into: &str) -> Result<Needs> {
    let from = about.programs.join(name);
    let needs = Needs::of(&from)?;
    needs.check(about.target)?;
    tree.program(into, &from)?;
    if needs.has_symbols {
        // Not a release: what is tried with it does not need them, and they are most of it.
        ensure!(
            about.target.is_own(),
            "{} is not stripped, and for another machine",
            from.display()
        );
        tree.strip(into)?;
    }
    Ok(needs)
}

/// The units of one package: those that begin with its name, and none of the other's.
fn units(package: &str) -> Result<Vec<PathBuf>> {
    let mut units = listed("systemd", &[".service", ".socket", ".timer"])?;
    units.retain(|unit| name(unit).is_ok_and(|name| name.starts_with(BOARD) == (package == BOARD)));
    ensure!(!units.is_empty(), "systemd/ has no unit for {package}");
    Ok(units)
}

/// Those that are switched on. The others are started by these.
fn switched_on(units: &[PathBuf]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for unit in units {
        let text = String::from_utf8(read(unit)?).context("a unit is text")?;
        if text.lines().any(|line| line.trim() == "[Install]") {
            names.push(name(unit)?.to_owned());
        }
    }
    Ok(names)
}

/// The example, with the two lines that this installation needs: commands that an operator types look for the data there, and
/// reckon with the sockets that clients come through.
fn settings(tree: &Tree) -> Result<()> {
    let example = read_text("docs/kinglet.example.toml")?;
    tree.file("etc/kinglet/kinglet.toml", installed(&example)?.as_bytes())?;
    // What a factory reset goes back to.
    tree.file("usr/share/kinglet/kinglet.toml", installed(&example)?.as_bytes())?;
    tree.file(
        "usr/lib/sysusers.d/kinglet.conf",
        &packaging("kinglet/sysusers.conf")?,
    )?;
    tree.file(
        "usr/lib/tmpfiles.d/kinglet.conf",
        &packaging("kinglet/tmpfiles.conf")?,
    )
}

fn installed(example: &str) -> Result<String> {
    let mut text = example.to_owned();
    for (default, here) in [
        ("#data_dir = \"data\"\n", "data_dir = \"/var/lib/kinglet\"\n"),
        ("#address = \"127.0.0.1:8080\"\n", "address = \"systemd\"\n"),
    ] {
        ensure!(
            text.matches(default).count() == 1,
            "docs/kinglet.example.toml has not exactly one line {default:?}"
        );
        text = text.replace(default, here);
    }
    Ok(text)
}

fn documents(tree: &Tree) -> Result<()> {
    let place = "usr/share/doc/kinglet";
    for name in ["OPERATING", "APPLIANCE", "PROTOCOL", "DATA-PROTECTION", "EXPORT"] {
        let text = read_text(&format!("docs/{name}.md"))?;
        tree.file(&format!("{place}/{name}.md"), text.as_bytes())?;
    }
    tree.file(
        &format!("{place}/SECURITY.md"),
        read_text("SECURITY.md")?.as_bytes(),
    )?;
    let example = read_text("docs/kinglet.example.toml")?;
    tree.file(
        &format!("{place}/examples/kinglet.example.toml"),
        example.as_bytes(),
    )?;
    // What a unit is changed with, to be copied.
    for path in listed("systemd", &[".conf"])? {
        tree.file(&format!("{place}/examples/{}", name(&path)?), &read(&path)?)?;
    }
    for path in listed("packaging/man", &[".1"])? {
        tree.packed(&format!("usr/share/man/man1/{}", name(&path)?), &read(&path)?)?;
    }
    Ok(())
}

/// The files of a folder whose names end so, in the order of their names.
fn listed(folder: &str, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(repository::root().join(folder)).with_context(|| format!("listing {folder}"))? {
        let path = entry.with_context(|| format!("listing {folder}"))?.path();
        if endings
            .iter()
            .any(|ending| path.to_string_lossy().ends_with(ending))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.with_context(|| format!("{} has no plain name", path.display()))
}

/// What Debian wants of every package: copyright, notices, what changed.
fn papers(tree: &Tree, about: &About<'_>) -> Result<()> {
    let place = format!("usr/share/doc/{}", about.name);
    let licence = read_text("LICENSE-MIT")?;
    let (_, terms) = licence
        .split_once("Permission is")
        .context("LICENSE-MIT has other words")?;
    let terms: Vec<String> = format!("Permission is{terms}")
        .trim()
        .lines()
        .map(|line| {
            if line.is_empty() {
                " .".to_owned()
            } else {
                format!(" {line}")
            }
        })
        .collect();
    let copyright = String::from_utf8(packaging("copyright")?).context("packaging/copyright")?;
    let copyright = filled(&copyright, &[("MIT", &terms.join("\n"))])?;
    tree.file(&format!("{place}/copyright"), copyright.as_bytes())?;
    tree.packed(&format!("{place}/NOTICES"), notices::of(about.name)?.as_bytes())?;
    tree.packed(
        &format!("{place}/changelog"),
        read_text("CHANGELOG.md")?.as_bytes(),
    )?;
    let date = ask(Command::new("date").args(["-u", "-R", "-d", &format!("@{}", about.time)]))?;
    let entry = format!(
        "{} ({}) stable; urgency=medium\n\n  * What changed in Kinglet stands in changelog.gz beside this file.\n\n -- {MAINTAINER}  {}\n",
        about.name,
        about.version,
        date.trim()
    );
    tree.packed(&format!("{place}/changelog.Debian"), entry.as_bytes())?;
    let overrides = format!("{}/lintian-overrides", about.name);
    if repository::root().join("packaging").join(&overrides).exists() {
        tree.file(
            &format!("usr/share/lintian/overrides/{}", about.name),
            &packaging(&overrides)?,
        )?;
    }
    Ok(())
}

/// What dpkg is told: names, needs, and what it runs when.
fn control(tree: &Tree, about: &About<'_>, needs: &Needs, units: &[String]) -> Result<()> {
    let size = tree.size()?.to_string();
    let libraries = needs.packages()?.join(", ");
    let sockets: Vec<&str> = units
        .iter()
        .map(String::as_str)
        .filter(|unit| unit.ends_with(".socket"))
        .collect();
    let (sockets, units) = (sockets.join(" "), units.join(" "));
    let values = [
        ("VERSION", about.version),
        ("ARCHITECTURE", about.target.debian),
        ("MAINTAINER", MAINTAINER),
        ("SIZE", &size),
        ("LIBRARIES", &libraries),
        ("SOCKETS", &sockets),
        ("UNITS", &units),
    ];
    // Which version may come is a question of the server's package alone.
    let before: &[&str] = if about.name == BOARD { &[] } else { &["preinst"] };
    for name in ["control", "postinst", "prerm", "postrm"].iter().chain(before) {
        let text = String::from_utf8(packaging(&format!("{}/{name}", about.name))?)
            .with_context(|| format!("{name} is text"))?;
        let text = filled(&text, &values).with_context(|| format!("{name} of {}", about.name))?;
        tree.control(name, &text)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn packaging(name: &str) -> Result<Vec<u8>> {
    read(&repository::root().join("packaging").join(name))
}

fn read_text(name: &str) -> Result<String> {
    String::from_utf8(read(&repository::root().join(name))?).with_context(|| format!("{name} is text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_settings_differ_in_two_lines() {
        let example = read_text("docs/kinglet.example.toml").expect("it is there");
        let here = installed(&example).expect("it has the lines");
        let set: Vec<&str> = here
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with('[') && !line.is_empty())
            .collect();
        assert_eq!(set, ["data_dir = \"/var/lib/kinglet\"", "address = \"systemd\""]);
        assert!(installed("data_dir = 1").is_err());
    }

    #[test]
    fn the_servers_package_has_none_of_roots_units() {
        let units = units("kinglet").expect("systemd/ has some");
        let on = switched_on(&units).expect("they can be read");
        assert!(on.contains(&"kinglet.service".to_owned()), "{on:?}");
        assert!(on.iter().all(|unit| !unit.contains(BOARD)), "{on:?}");
    }
}
