//! A compiler and a C library for 64-bit ARM: what is installed, else Debian's packages in a private folder. Nothing is
//! ever installed by this. What must not live here: what is compiled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::TARGET;
use crate::ci::program_of;
use crate::debian::{Debian, ask};

/// Where Debian's cross packages put the C library of the board.
const CROSS_LIBRARIES: &str = "/usr/aarch64-linux-gnu";
const LINKER_NAME: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";
const LINKER: &str = "aarch64-linux-gnu-gcc";

pub struct Toolchain {
    pub name: String,
    /// The folder that holds the board's dynamic linker and libraries, for `qemu-aarch64 -L`.
    pub libraries: PathBuf,
    environment: Vec<(String, String)>,
}

/// What the compilers are told beside what the toolchain needs.
#[derive(Default)]
pub struct Flags {
    pub rust: Vec<String>,
    pub c: Vec<String>,
}

impl Toolchain {
    /// This machine's own compiler, for programs of its own.
    pub fn own() -> Toolchain {
        Toolchain {
            name: "this machine's own compiler".to_owned(),
            libraries: PathBuf::from("/"),
            environment: Vec::new(),
        }
    }

    /// Which compilers and which linker, as they say it themselves.
    pub fn tools(&self) -> Result<Vec<String>> {
        let said = |name: &str| {
            self.environment
                .iter()
                .find_map(|(is, value)| (is == name).then_some(value.as_str()))
        };
        let rustc = said("RUSTC").unwrap_or("rustc");
        let c = said(LINKER_NAME).unwrap_or("cc");
        let run = |program: &str, word: &str| {
            let mut command = Command::new(program);
            ask(command.arg(word).envs(self.environment.iter().cloned()))
        };
        let linker = run(c, "-print-prog-name=ld")?;
        let mut tools = Vec::new();
        for program in [rustc, c, linker.trim()] {
            let said = run(program, "--version")?;
            tools.extend(said.lines().next().map(str::to_owned));
        }
        Ok(tools)
    }

    pub fn cargo(&self, target: &str, flags: &Flags) -> Command {
        let mut command = Command::new(program_of("cargo"));
        command.envs(with_flags(&self.environment, target, flags));
        if !flags.rust.is_empty() {
            // Either would be taken instead of the target's.
            command
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS");
        }
        command
    }
}

/// The environment with more flags for one target, behind those that are in it.
fn with_flags(environment: &[(String, String)], target: &str, flags: &Flags) -> BTreeMap<String, String> {
    let name = target.replace('-', "_");
    let mut all: BTreeMap<String, String> = environment.iter().cloned().collect();
    for (name, more) in [
        (
            format!("CARGO_TARGET_{}_RUSTFLAGS", name.to_uppercase()),
            &flags.rust,
        ),
        (format!("CFLAGS_{name}"), &flags.c),
    ] {
        if !more.is_empty() {
            let said = all.entry(name).or_default();
            *said = format!("{said} {}", more.join(" ")).trim().to_owned();
        }
    }
    all
}

pub fn find() -> Result<Toolchain> {
    ask(Command::new(LINKER).arg("-dumpversion"))
        .context("linking for the board needs the package gcc-aarch64-linux-gnu")?;
    let (libraries, mut environment) = c_library()?;
    environment.push((LINKER_NAME.to_owned(), LINKER.to_owned()));
    let installed = installed_target()?;
    let name = if installed {
        "the installed rustup target".to_owned()
    } else {
        let (name, compiler) = debian_compiler()?;
        environment.extend(compiler);
        name
    };
    Ok(Toolchain {
        name,
        libraries,
        environment,
    })
}

/// Whether this machine's own compiler already has the board's standard library.
fn installed_target() -> Result<bool> {
    let sysroot = ask(Command::new("rustc").args(["--print", "sysroot"]))?;
    let target = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET);
    Ok(target.join("lib").is_dir())
}

/// The C library to link with: the cross package's, else the board's own packages.
fn c_library() -> Result<(PathBuf, Vec<(String, String)>)> {
    let installed = Path::new(CROSS_LIBRARIES);
    if installed.join("lib/crt1.o").exists() {
        return Ok((installed.to_owned(), Vec::new()));
    }
    let packages = ["libc6", "libc6-dev", "linux-libc-dev", "libgcc-s1"];
    let packages: Vec<String> = packages.iter().map(|name| format!("{name}:arm64")).collect();
    let root = Debian::open()?.unpack("arm64-libraries", &packages)?;
    let sysroot = format!("--sysroot={}", root.display());
    let environment = vec![
        (
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS".to_owned(),
            format!("-Clink-arg={sysroot}"),
        ),
        ("CFLAGS_aarch64_unknown_linux_gnu".to_owned(), sysroot),
    ];
    Ok((root, environment))
}

/// Debian's newest compiler, with the standard libraries of this machine and of the board in the same version.
fn debian_compiler() -> Result<(String, Vec<(String, String)>)> {
    let debian = Debian::open()?;
    let version = debian.candidate("rustc-web")?;
    let runtime = debian.needed_by("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = debian.needed_by(&runtime, "libllvm")?;
    let root = debian.unpack(
        "rust",
        &[
            format!("rustc-web={version}"),
            format!("libstd-rust-web-dev:amd64={version}"),
            format!("libstd-rust-web-dev:arm64={version}"),
            format!("{runtime}={version}"),
            llvm,
        ],
    )?;
    let bin = |name: &str| root.join("usr/bin").join(name).display().to_string();
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    ensure!(
        libraries.is_dir(),
        "this way of building needs an amd64 Debian; elsewhere install the rustup target {TARGET}"
    );
    let environment = vec![
        ("RUSTC".to_owned(), bin("rustc")),
        ("RUSTDOC".to_owned(), bin("rustdoc")),
        ("LD_LIBRARY_PATH".to_owned(), libraries.display().to_string()),
    ];
    Ok((format!("Debian's rustc {version}"), environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_added_and_replace_none() {
        let name = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS";
        let there = [(name.to_owned(), "-Clink-arg=--sysroot=/x".to_owned())];
        let flags = Flags {
            rust: vec!["--remap-path-prefix=/y=/z".to_owned()],
            c: vec!["-ffile-prefix-map=/y=/z".to_owned()],
        };
        let all = with_flags(&there, TARGET, &flags);
        assert_eq!(all[name], "-Clink-arg=--sysroot=/x --remap-path-prefix=/y=/z");
        assert_eq!(all["CFLAGS_aarch64_unknown_linux_gnu"], "-ffile-prefix-map=/y=/z");
        assert_eq!(with_flags(&there, TARGET, &Flags::default()).len(), 1);
    }
}
