//! What a finished program asks of the machine it will run on, read from the program itself: processor, libraries, and how
//! new the C library has to be. What must not live here: how it was built.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

use super::Target;

/// Debian bookworm's C library, which Raspberry Pi OS of that name has, too. What needs a newer one does not start there.
pub const NEWEST_GLIBC: [u32; 2] = [2, 36];

/// What is asked for by a name without a number, and the C library that first had it: the loader of an older one refuses the
/// program. Packed relocations are what build.rs has the linker write, where the linker can.
const FEATURES: [(&str, [u32; 2]); 1] = [("ABI_DT_RELR", [2, 36])];

/// The packages that hold the libraries a program may need. The C library's own parts come with it.
const PACKAGES: [(&str, &str); 2] = [("libgcc_s.so.", "libgcc-s1"), ("", "libc6")];
const C_LIBRARY: [&str; 8] = [
    "libc.so.",
    "libm.so.",
    "libdl.so.",
    "librt.so.",
    "libpthread.so.",
    "libresolv.so.",
    "ld-linux-x86-64.so.",
    "ld-linux-aarch64.so.",
];

/// What one program needs.
#[derive(Debug, PartialEq)]
pub struct Needs {
    machine: elf::Machine,
    pub libraries: Vec<String>,
    /// The symbol versions that it takes from each library.
    versions: BTreeMap<String, Vec<String>>,
    /// Whether the names of functions are still in it.
    pub has_symbols: bool,
}

impl Needs {
    pub fn of(program: &Path) -> Result<Needs> {
        let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        Needs::read(&bytes).with_context(|| format!("{} as a Linux program", program.display()))
    }

    fn read(bytes: &[u8]) -> Result<Needs> {
        let header = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, bytes)?;
        let mut libraries = Vec::new();
        let dynamic = sections.dynamic_table(endian, bytes)?;
        for entry in dynamic.iter().filter(|entry| entry.tag == elf::DT_NEEDED) {
            libraries.push(text(dynamic.string(entry)?)?);
        }
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if let Some((needs, link)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            for need in needs {
                let (need, names) = need?;
                let of = versions.entry(text(need.file(endian, strings)?)?).or_default();
                for name in names {
                    of.push(text(name?.name(endian, strings)?)?);
                }
            }
        }
        let has_symbols = sections
            .iter()
            .any(|section| section.sh_type(endian) == elf::SHT_SYMTAB);
        libraries.sort();
        Ok(Needs {
            machine: header.e_machine(endian),
            libraries,
            versions,
            has_symbols,
        })
    }

    /// The newest C library that anything in it asks for. A name that says no number and that nobody knows is an error: passed
    /// over, it would make a package that installs where its program does not start.
    pub fn glibc(&self) -> Result<[u32; 2]> {
        let mut newest = [2, 0];
        let names = self.versions.values().flatten();
        for asked in names.filter_map(|name| name.strip_prefix("GLIBC_")) {
            let feature = FEATURES.iter().find(|(name, _)| *name == asked);
            let version = feature
                .map(|(_, version)| *version)
                .or_else(|| two_numbers(asked));
            let version = version.with_context(|| {
                format!(
                    "it asks for GLIBC_{asked}, and nobody said which glibc has that; add it to xtask/src/dist/needs.rs"
                )
            })?;
            newest = newest.max(version);
        }
        Ok(newest)
    }

    /// Refuses what would not start on the oldest system that is promised.
    pub fn check(&self, target: &Target) -> Result<()> {
        ensure!(
            self.machine == target.machine,
            "it is for another processor than {}",
            target.triple
        );
        let [major, minor] = self.glibc()?;
        ensure!(
            [major, minor] <= NEWEST_GLIBC,
            "it needs glibc {major}.{minor}, and Debian bookworm has {}.{}: it would not start there. Build it on Debian \
             bookworm, or with `cross` and a web client that was built before (KINGLET_WEB_DIST): the head of cross.toml has \
             both commands",
            NEWEST_GLIBC[0],
            NEWEST_GLIBC[1]
        );
        self.packages().map(drop)
    }

    /// The Debian packages that hold its libraries, as `Depends:` names them.
    pub fn packages(&self) -> Result<Vec<String>> {
        let mut packages = Vec::new();
        for library in &self.libraries {
            let of_c = C_LIBRARY.iter().any(|name| library.starts_with(name));
            let found = PACKAGES.iter().find(|(name, _)| {
                if name.is_empty() {
                    of_c
                } else {
                    library.starts_with(name)
                }
            });
            let (_, package) = found.with_context(|| {
                format!(
                    "it needs {library}, and nobody said which package has that; add it to xtask/src/dist/needs.rs"
                )
            })?;
            let [major, minor] = self.glibc()?;
            // GCC's library has had everything Rust takes from it since long before bookworm.
            let said = match *package {
                "libc6" => format!("libc6 (>= {major}.{minor})"),
                other => format!("{other} (>= 4.2)"),
            };
            if !packages.contains(&said) {
                packages.push(said);
            }
        }
        packages.sort();
        Ok(packages)
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(std::str::from_utf8(bytes).context("a name in it")?.to_owned())
}

/// `2.34`, or `2.2.5`, whose third number changes nothing here.
fn two_numbers(version: &str) -> Option<[u32; 2]> {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(major), Ok(minor)) => Some([major, minor]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needing(version: &str, library: &str) -> Needs {
        Needs {
            machine: elf::EM_X86_64,
            libraries: vec![library.to_owned(), "libgcc_s.so.1".to_owned()],
            versions: BTreeMap::from([(
                library.to_owned(),
                vec![
                    "GLIBC_2.2.5".to_owned(),
                    format!("GLIBC_{version}"),
                    "GLIBC_2.9".to_owned(),
                ],
            )]),
            has_symbols: false,
        }
    }

    /// Packed relocations, as build.rs has the linker write them, are asked for by a name without a number.
    #[test]
    fn what_asks_for_a_feature_needs_the_library_that_first_had_it() {
        let target = Target::named("x86_64-unknown-linux-gnu").expect("it is one of ours");
        let asking = |name: &str| {
            let mut needs = needing("2.34", "libc.so.6");
            let names = needs.versions.get_mut("libc.so.6").expect("it is there");
            names.push(name.to_owned());
            needs
        };
        let packed = asking("GLIBC_ABI_DT_RELR");
        assert_eq!(packed.glibc().expect("it is known"), [2, 36]);
        assert_eq!(
            packed.packages().expect("both are known"),
            ["libc6 (>= 2.36)", "libgcc-s1 (>= 4.2)"]
        );
        assert!(packed.check(target).is_ok(), "bookworm has it");
        for unknown in ["GLIBC_ABI_GNU2_TLS", "GLIBC_PRIVATE"] {
            let refused = asking(unknown).check(target).expect_err(unknown);
            assert!(refused.to_string().contains(unknown), "{refused:#}");
            assert!(asking(unknown).packages().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_newer_c_library_than_the_boards_is_refused() {
        let target = Target::named("x86_64-unknown-linux-gnu").expect("it is one of ours");
        let old = needing("2.34", "libc.so.6");
        assert_eq!(
            old.glibc().expect("all are numbers"),
            [2, 34],
            "2.9 is older than 2.34"
        );
        assert!(needing("2.36", "libm.so.6").check(target).is_ok());
        assert_eq!(
            old.packages().expect("both are known"),
            ["libc6 (>= 2.34)", "libgcc-s1 (>= 4.2)"]
        );
        let new = needing("2.38", "libc.so.6")
            .check(target)
            .expect_err("bookworm has not got it");
        assert!(new.to_string().contains("bookworm"), "{new:#}");
        // The images of cross have no Node: its build fails without that.
        assert!(new.to_string().contains("KINGLET_WEB_DIST"), "{new:#}");
        let board = Target::named("aarch64-unknown-linux-gnu").expect("it is one of ours");
        assert!(old.check(board).is_err(), "another processor");
        let foreign = needing("2.34", "libssl.so.3")
            .check(target)
            .expect_err("nobody promised it");
        assert!(foreign.to_string().contains("libssl"), "{foreign:#}");
    }

    #[test]
    fn this_very_program_can_be_read() {
        let own = std::env::current_exe().expect("a test knows itself");
        let needs = Needs::of(&own).expect("it is a Linux program");
        assert!(
            needs.libraries.iter().any(|name| name.starts_with("libc.so.")),
            "{needs:?}"
        );
        assert!(
            needs.glibc().expect("all are known") > [2, 0] && needs.has_symbols,
            "{needs:?}"
        );
        assert!(Needs::read(b"#!/bin/sh\n").is_err());
    }
}
