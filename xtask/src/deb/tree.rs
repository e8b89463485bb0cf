//! A package as a folder: its files with their modes, what dpkg is told of them, and the archive made of both. What must not
//! live here: what is in a package.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian::{ask, must};

const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;

/// The folder of one package that is being made.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    pub fn new(root: PathBuf) -> Result<Tree> {
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("removing the old {}", root.display()))?;
        }
        fs::create_dir_all(root.join("DEBIAN")).with_context(|| format!("making {}", root.display()))?;
        Ok(Tree { root })
    }

    pub fn program(&self, path: &str, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        self.write(path, &content, PROGRAM)
    }

    /// Takes the names of functions out of a program.
    pub fn strip(&self, path: &str) -> Result<()> {
        must(Command::new("strip").arg("--strip-all").arg(self.root.join(path)))
    }

    pub fn file(&self, path: &str, content: &[u8]) -> Result<()> {
        self.write(path, content, FILE)
    }

    pub fn link(&self, path: &str, to: &str) -> Result<()> {
        let link = self.root.join(path);
        let folder = link.parent().context("every link lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        symlink(to, &link).with_context(|| format!("linking {}", link.display()))
    }

    /// Compressed without a time and a name in it, so that it is the same each time.
    pub fn packed(&self, path: &str, content: &[u8]) -> Result<()> {
        self.write(path, content, FILE)?;
        must(Command::new("gzip").args(["-9nf"]).arg(self.root.join(path)))
    }

    /// What dpkg runs, or reads.
    pub fn control(&self, name: &str, content: &str) -> Result<()> {
        let mode = if content.starts_with("#!") { PROGRAM } else { FILE };
        self.write(&format!("DEBIAN/{name}"), content.as_bytes(), mode)
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let file = self.root.join(path);
        let folder = file.parent().context("every file lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))
            .with_context(|| format!("setting the mode of {}", file.display()))
    }

    /// Every file but dpkg's own, as it is named in the package.
    pub fn files(&self) -> Result<Vec<String>> {
        let found = ask(Command::new("find")
            .args([".", "-type", "f", "-not", "-path", "./DEBIAN/*"])
            .current_dir(&self.root))?;
        let mut files: Vec<String> = found
            .lines()
            .map(|line| line.trim_start_matches("./").to_owned())
            .collect();
        files.sort();
        Ok(files)
    }

    /// What it takes once installed, in KiB, counted as Debian does: each file in whole ones, one for each folder.
    pub fn size(&self) -> Result<u64> {
        let mut size = 0;
        for file in self.files()? {
            size += fs::metadata(self.root.join(&file))?.len().div_ceil(1024);
        }
        let folders = ask(Command::new("find")
            .args([".", "-type", "d"])
            .current_dir(&self.root))?;
        Ok(size + folders.lines().count() as u64)
    }

    /// Makes the archive; the same tree at the same time of the sources gives the same bytes.
    pub fn build(&self, into: &Path, time: u64) -> Result<()> {
        let files = self.files()?;
        let sums = ask(Command::new("md5sum").args(&files).current_dir(&self.root))?;
        self.control("md5sums", &sums)?;
        let settings: String = files
            .iter()
            .filter(|file| file.starts_with("etc/"))
            .map(|file| format!("/{file}\n"))
            .collect();
        if !settings.is_empty() {
            self.control("conffiles", &settings)?;
        }
        self.folders()?;
        must(
            Command::new("dpkg-deb")
                .args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"])
                .args([&self.root, into])
                .env("SOURCE_DATE_EPOCH", time.to_string()),
        )?;
        ensure!(into.exists(), "dpkg-deb made no {}", into.display());
        Ok(())
    }

    /// Whatever this user's mask is, everyone may look into the package's folders.
    fn folders(&self) -> Result<()> {
        must(
            Command::new("find")
                .arg(&self.root)
                .args(["-type", "d", "-exec", "chmod", "755", "{}", "+"]),
        )
    }
}

/// Puts values in place of their names between at signs, and refuses a text in which a name is left.
pub fn filled(text: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    let left =
        text.split('@').skip(1).step_by(2).find(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        });
    ensure!(
        left.is_none(),
        "nothing stands for @{}@",
        left.unwrap_or_default()
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_needs_a_value() {
        let text = "Version: @VERSION@\nMaintainer: x@y.org";
        assert_eq!(
            filled(text, &[("VERSION", "1")]).expect("all is there"),
            "Version: 1\nMaintainer: x@y.org"
        );
        assert!(filled(text, &[("SIZE", "1")]).is_err());
    }

    #[test]
    fn a_tree_becomes_the_same_package_each_time() {
        let folder = std::env::temp_dir().join(format!("kinglet-tree-{}", std::process::id()));
        let made = |name: &str| {
            let tree = Tree::new(folder.join(name)).expect("a test may make a folder");
            tree.file("etc/x/x.toml", b"a = 1\n").expect("it can write");
            tree.packed("usr/share/doc/x/changelog", b"text")
                .expect("it can pack");
            let control =
                "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y.org>\nDescription: x\n";
            tree.control("control", control).expect("it can write");
            let file = folder.join(format!("{name}.deb"));
            tree.build(&file, 1_000_000_000).expect("dpkg-deb is there");
            fs::read(file).expect("it was made")
        };
        let (one, other) = (made("one"), made("other"));
        assert_eq!(one, other);
        let listed =
            ask(Command::new("dpkg-deb").arg("-c").arg(folder.join("one.deb"))).expect("it is a package");
        assert!(
            listed.contains("-rw-r--r-- root/root") && listed.contains("./etc/x/x.toml"),
            "{listed}"
        );
        let settings = ask(Command::new("dpkg-deb")
            .args(["-I"])
            .arg(folder.join("one.deb"))
            .arg("conffiles"));
        assert_eq!(settings.expect("it has settings"), "/etc/x/x.toml\n");
        fs::remove_dir_all(&folder).expect("a test may remove its own folder");
    }
}
