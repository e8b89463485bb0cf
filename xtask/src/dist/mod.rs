//! `cargo xtask dist`: the programs that are given to people, for the boards' processor and for PCs: built, held to what the
//! oldest supported system has, and named with their sums. What must not live here: the compiler's ways (`build`), packages.

mod build;
pub mod needs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::elf;

use crate::aarch64::trial;
use crate::debian::ask;
use crate::tree;
use needs::Needs;

pub use build::{Built, build};

pub const HELP: &str = "\
Builds the release programs for 64-bit ARM and for x86-64, checks what they need, and writes them with their sums

Usage: cargo xtask dist [--target TARGET]... [--program NAME]... [--twice]

  --target TARGET  aarch64-unknown-linux-gnu, or on a PC x86_64-unknown-linux-gnu [default: both on a PC, else the first]
  --program NAME   kinglet, kinglet-board or kinglet-switch [default: all]
  --twice          Builds each once more, from a copy of the sources in another folder, and fails unless the programs are
                   the same, byte for byte

They come to lie in target/dist: the programs of this run, their sums in SHA256SUMS, and in BUILT-WITH what they were built
with. The programs' own date is that of the last commit, or SOURCE_DATE_EPOCH. An installed rustup target is used if it is there;
else, on an amd64 Debian, the compiler for 64-bit ARM comes from Debian's packages, unpacked below target/debian and not
installed. Needed for 64-bit ARM on another machine: aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu) and, to see it run,
qemu-aarch64 (qemu-user, or qemu-user-static). A program that needs a newer C library than Debian bookworm's is refused. Who has
`cross` may use that, with a web client that was built before (KINGLET_WEB_DIST), since its images have no Node: the head of
cross.toml has the two commands";

/// The programs that are given to people.
pub const PROGRAMS: [&str; 3] = ["kinglet", "kinglet-board", "kinglet-switch"];

/// The package of the workspace that a program is in.
fn package_of(program: &str) -> &str {
    match program {
        "kinglet-switch" => "kinglet-board",
        own => own,
    }
}

/// A kind of machine that programs are made for.
#[derive(Debug)]
pub struct Target {
    pub triple: &'static str,
    /// What Debian calls it.
    pub debian: &'static str,
    machine: elf::Machine,
}

pub static TARGETS: [Target; 2] = [
    Target {
        triple: "aarch64-unknown-linux-gnu",
        debian: "arm64",
        machine: elf::EM_AARCH64,
    },
    Target {
        triple: "x86_64-unknown-linux-gnu",
        debian: "amd64",
        machine: elf::EM_X86_64,
    },
];

impl Target {
    pub fn named(triple: &str) -> Result<&'static Target> {
        let found = TARGETS.iter().find(|target| target.triple == triple);
        found.with_context(|| {
            let all: Vec<&str> = TARGETS.iter().map(|target| target.triple).collect();
            format!("no such target: {triple}; there are {}", all.join(" and "))
        })
    }

    /// The one that this machine is.
    pub fn own() -> Result<&'static Target> {
        Target::named(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
    }

    pub fn is_own(&self) -> bool {
        self.is_own_of(std::env::consts::ARCH)
    }

    fn is_own_of(&self, processor: &str) -> bool {
        self.triple.starts_with(processor)
    }

    /// There is a way to the boards' processor from every machine, and to a PC's from a PC.
    fn is_built_on(&self, processor: &str) -> bool {
        self.is_own_of(processor) || self.machine == elf::EM_AARCH64
    }

    /// Refuses what this machine cannot build, before anything is built.
    fn check_here(&self) -> Result<()> {
        ensure!(
            self.is_built_on(std::env::consts::ARCH),
            "{} is built on such a machine, and this is {}; name the other with --target",
            self.triple,
            std::env::consts::ARCH
        );
        Ok(())
    }
}

/// All targets that a machine with this processor can build.
fn built_on(processor: &str) -> Vec<&'static Target> {
    TARGETS
        .iter()
        .filter(|target| target.is_built_on(processor))
        .collect()
}

/// All that this machine can build.
pub fn built_here() -> Vec<&'static Target> {
    built_on(std::env::consts::ARCH)
}

#[derive(Debug)]
struct Wanted {
    targets: Vec<&'static Target>,
    programs: Vec<&'static str>,
    twice: bool,
}

impl Wanted {
    fn read(words: &[&str]) -> Result<Wanted> {
        let mut wanted = Wanted {
            targets: Vec::new(),
            programs: Vec::new(),
            twice: false,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => break,
                ["--twice", rest @ ..] => {
                    wanted.twice = true;
                    rest
                }
                ["--target", triple, rest @ ..] => {
                    wanted.targets.push(Target::named(triple)?);
                    rest
                }
                ["--program", name, rest @ ..] => {
                    let known = PROGRAMS.into_iter().find(|program| program == name);
                    let known = known.with_context(|| format!("no such program: {name}\n\n{HELP}"))?;
                    wanted.programs.push(known);
                    rest
                }
                [other, ..] => bail!("no such option, or without its value: {other}\n\n{HELP}"),
            };
        }
        if wanted.targets.is_empty() {
            wanted.targets = built_here();
        }
        if wanted.programs.is_empty() {
            wanted.programs = PROGRAMS.to_vec();
        }
        Ok(wanted)
    }
}

/// Where the programs come to lie.
pub fn folder() -> PathBuf {
    tree::root().join("target/dist")
}

pub fn run(words: &[&str]) -> Result<()> {
    let wanted = Wanted::read(words)?;
    for target in &wanted.targets {
        target.check_here()?;
    }
    let folder = folder();
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for target in &wanted.targets {
        let built = build(target, &wanted.programs)?;
        for program in &wanted.programs {
            let file = keep(&built, target, program, &folder)?;
            tell(&file, target)?;
            files.push(file);
        }
        notes.push(format!("{}: {}", target.triple, built.tools.join(", ")));
        if wanted.programs.contains(&"kinglet") {
            shown_to_run(&built, target)?;
        }
        if wanted.twice {
            same_again(&built, target, &wanted.programs)?;
        }
    }
    sums(&folder, &files)?;
    notes.push(format!("web client: {}", build::client_tools().join(", ")));
    notes.push(sources()?);
    let notes = notes.join("\n") + "\n";
    print!("{notes}");
    fs::write(folder.join("BUILT-WITH"), notes).context("writing BUILT-WITH")
}

/// When the sources were last changed, in seconds since 1970: the time of everything in a package, and the programs' own date.
pub fn time() -> Result<u64> {
    let said = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(time) => time,
        Err(_) => git(&["log", "-1", "--format=%ct"])
            .context("outside of git, set SOURCE_DATE_EPOCH to the time of the sources")?,
    };
    said.trim()
        .parse()
        .context("the time of the sources in seconds since 1970")
}

/// Which sources were built, and whether they were changed since they were committed.
fn sources() -> Result<String> {
    let commit = match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain"])) {
        (Ok(commit), Ok(changes)) if changes.is_empty() => format!("commit {}", commit.trim()),
        (Ok(commit), _) => format!("commit {} and changes on top of it", commit.trim()),
        (Err(_), _) => "not from git".to_owned(),
    };
    Ok(format!("sources: {commit}, of {} (seconds since 1970)", time()?))
}

fn git(words: &[&str]) -> Result<String> {
    ask(Command::new("git").args(words).current_dir(tree::root()))
}

/// What this version of the server is called.
pub fn version() -> Result<String> {
    let manifest = fs::read_to_string(tree::root().join("Cargo.toml")).context("reading Cargo.toml")?;
    let (_, package) = manifest
        .split_once("[workspace.package]")
        .context("Cargo.toml has no [workspace.package]")?;
    let line = package.lines().find_map(|line| line.strip_prefix("version = "));
    Ok(line.context("it has no version")?.trim_matches('"').to_owned())
}

/// Lays a program beside the others, under a name that says what it is.
fn keep(built: &Built, target: &Target, program: &str, folder: &Path) -> Result<PathBuf> {
    let file = folder.join(format!("{program}-{}-{}", version()?, target.triple));
    fs::copy(built.program(program), &file).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

fn tell(file: &Path, target: &Target) -> Result<()> {
    let needs = Needs::of(file)?;
    needs.check(target).with_context(|| file.display().to_string())?;
    ensure!(
        !needs.has_symbols,
        "{} still has the names of its functions; the release profile strips them",
        file.display()
    );
    let [major, minor] = needs.glibc()?;
    println!(
        "{}: {:.1} MB, needs glibc {major}.{minor}, links {}",
        file.display(),
        fs::metadata(file)?.len() as f64 / 1e6,
        needs.libraries.join(" ")
    );
    Ok(())
}

/// Starts the server that was built, under the emulator if it is another machine's.
fn shown_to_run(built: &Built, target: &Target) -> Result<()> {
    let libraries = (!target.is_own()).then_some(built.libraries.as_path());
    let said = trial::show_that_it_runs(&built.program("kinglet"), libraries)?;
    let version = version()?;
    ensure!(
        said.split_whitespace().nth(1) == Some(version.as_str()),
        "the program calls itself {said:?}, and Cargo.toml {version}"
    );
    Ok(())
}

fn same_again(built: &Built, target: &Target, programs: &[&str]) -> Result<()> {
    let again = build::again(target, programs)?;
    for program in programs {
        let (one, other) = (built.program(program), again.program(program));
        let content = |file: &Path| fs::read(file).with_context(|| format!("reading {}", file.display()));
        ensure!(
            content(&one)? == content(&other)?,
            "{program} was built twice and is not the same: compare {} and {} (`cmp -l`, or diffoscope)",
            one.display(),
            other.display()
        );
        println!("{program} for {}: built twice, the same", target.triple);
    }
    Ok(())
}

/// Of what was built now, in the order of its names: what else lies there may be of other sources.
fn sums(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let mut names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    names.sort();
    let said = ask(Command::new("sha256sum").args(&names).current_dir(folder))?;
    print!("{said}");
    fs::write(folder.join("SHA256SUMS"), said).context("writing SHA256SUMS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let all = Wanted::read(&[]).expect("nothing has to be said");
        assert_eq!((all.targets.len(), all.twice), (built_here().len(), false));
        assert_eq!(all.programs, PROGRAMS);
        let one =
            Wanted::read(&["--target", "aarch64-unknown-linux-gnu", "--twice"]).expect("both are known");
        assert!(one.twice && one.targets.len() == 1 && one.targets[0].debian == "arm64");
        for wrong in [
            &["--target"][..],
            &["--target", "riscv64gc-unknown-linux-gnu"],
            &["--program", "kinglet-load"],
            &["--once"],
        ] {
            assert!(Wanted::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_version_is_the_workspaces() {
        assert_eq!(version().expect("it stands there"), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn a_machine_builds_what_it_can_when_nothing_is_named() {
        let triples = |processor| -> Vec<&str> {
            let targets = built_on(processor).into_iter();
            targets.map(|target| target.triple).collect()
        };
        assert_eq!(
            triples("x86_64"),
            ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"]
        );
        assert_eq!(triples("aarch64"), ["aarch64-unknown-linux-gnu"]);
        assert!(Target::own().expect("it is one of ours").check_here().is_ok());
    }

    #[test]
    fn sums_are_of_this_run_alone() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let at = |program: &str| {
            folder
                .path()
                .join(format!("{program}-{}-x", version().expect("it stands there")))
        };
        for program in ["kinglet", "kinglet-board", "kinglet-switch"] {
            fs::write(at(program), program).expect("written");
        }
        sums(folder.path(), &[at("kinglet-switch"), at("kinglet")]).expect("all are there");
        let said = fs::read_to_string(folder.path().join("SHA256SUMS")).expect("it was written");
        let names: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        let file = |program| at(program).file_name().expect("it has one").to_owned();
        assert_eq!(names, [file("kinglet"), file("kinglet-switch")], "{said}");
    }
}
