//! Debian packages in a private folder: fetched by name with a configuration of our own and unpacked. Nothing is installed
//! and no setting of the machine is touched. What must not live here: which packages, and what for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tree;

/// The folder everything goes to; removing it fetches everything anew.
pub fn place() -> PathBuf {
    tree::root().join("target/debian")
}

/// Runs a command with its output shown, and says what it was when it fails.
pub fn must(command: &mut Command) -> Result<()> {
    let line = said(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting `{line}`; is it installed and in PATH?"))?;
    ensure!(
        status.success(),
        "`{line}` ended with {status}; its output above says why"
    );
    Ok(())
}

/// Runs a command and gives what it printed.
pub fn ask(command: &mut Command) -> Result<String> {
    let line = said(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{line}`; is it installed and in PATH?"))?;
    ensure!(output.status.success(), "`{line}` ended with {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("what `{line}` printed"))
}

pub fn said(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The package lists of one amd64 and one arm64 Debian, in our own folder.
pub struct Debian {
    configuration: PathBuf,
}

impl Debian {
    /// Reads the lists that the machine's own sources name, unless that was done before.
    pub fn open() -> Result<Debian> {
        let place = place();
        let configuration = place.join("apt.conf");
        let debian = Debian {
            configuration: configuration.clone(),
        };
        if place.join("lists-are-there").exists() {
            return Ok(debian);
        }
        for folder in ["state/lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(place.join(folder)).with_context(|| format!("making {folder} for apt"))?;
        }
        fs::write(place.join("status"), "").context("writing apt's empty status")?;
        fs::write(&configuration, settings(&place)).context("writing apt's configuration")?;
        must(debian.apt("apt-get").args(["--quiet", "update"]))?;
        fs::write(place.join("lists-are-there"), "").context("noting that the lists are there")?;
        Ok(debian)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C");
        command
    }

    /// The version that would be taken.
    pub fn candidate(&self, package: &str) -> Result<String> {
        let policy = ask(self.apt("apt-cache").args(["policy", package]))?;
        let line = policy
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "));
        line.filter(|version| *version != "(none)")
            .map(str::to_owned)
            .with_context(|| format!("this Debian has no package {package}"))
    }

    /// The one package whose name begins so among those that `package` needs.
    pub fn needed_by(&self, package: &str, prefix: &str) -> Result<String> {
        let depends = ask(self.apt("apt-cache").args(["depends", "--important", package]))?;
        let names = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        names
            .map(str::trim)
            .find(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .with_context(|| format!("{package} needs no {prefix}…"))
    }

    /// Fetches the packages and unpacks them into a folder below ours. Done once for the same list of names.
    pub fn unpack(&self, folder: &str, packages: &[String]) -> Result<PathBuf> {
        let root = place().join(folder);
        let stamp = place().join(format!("{folder}-is-there"));
        let wanted = packages.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
            return Ok(root);
        }
        let fetched = place().join("packages").join(folder);
        for old in [&root, &fetched] {
            if old.exists() {
                fs::remove_dir_all(old).with_context(|| format!("removing the old {}", old.display()))?;
            }
            fs::create_dir_all(old).with_context(|| format!("making {}", old.display()))?;
        }
        must(
            self.apt("apt-get")
                .args(["--quiet", "download"])
                .args(packages)
                .current_dir(&fetched),
        )?;
        for entry in fs::read_dir(&fetched).context("listing what was fetched")? {
            let file = entry.context("listing what was fetched")?.path();
            must(Command::new("dpkg").arg("-x").args([&file, &root]))?;
        }
        fs::write(&stamp, wanted).context("noting what is unpacked")?;
        Ok(root)
    }
}

/// Both architectures, and every place inside our folder; the sources and keys are the machine's.
fn settings(place: &Path) -> String {
    let place = place.display();
    format!(
        "Dir::State \"{place}/state\";\nDir::State::status \"{place}/status\";\nDir::Cache \"{place}/cache\";\n\
         APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; \"arm64\"; }};\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named() {
        assert!(must(&mut Command::new("true")).is_ok());
        let failed = must(Command::new("false").arg("x")).expect_err("`false` fails");
        assert!(failed.to_string().contains("`false x`"), "{failed:#}");
        let missing = ask(&mut Command::new("kinglet-no-such-tool")).expect_err("it is not there");
        assert!(missing.to_string().contains("installed"), "{missing:#}");
        assert_eq!(ask(Command::new("echo").arg("a")).expect("`echo` prints"), "a\n");
    }

    #[test]
    fn apt_is_kept_inside_our_folder() {
        let text = settings(Path::new("/x"));
        for key in ["Dir::State ", "Dir::State::status ", "Dir::Cache "] {
            let line = text
                .lines()
                .find(|line| line.starts_with(key))
                .expect("it is set");
            assert!(line.contains("\"/x/"), "{line}");
        }
    }
}
