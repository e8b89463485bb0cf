//! What no image may hold: a password that somebody could know, a key that all machines would share, SSH that is on before somebody
//! asked for it. What must not live here: what takes them out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian::ask;

/// Files that are the same on every machine if they are in the image.
const SHARED: [&str; 7] = [
    "ssh_host_*_key",
    "authorized_keys*",
    "wpa_supplicant-*.conf",
    "random-seed",
    "control.sock",
    "*.minisign",
    "vapid*",
];

pub fn check(root: &Path) -> Result<()> {
    let mut found = Vec::new();
    for file in ["etc/shadow", "etc/gshadow"] {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("reading {file}"))?;
        found.extend(
            passwords(&text)
                .into_iter()
                .map(|name| format!("{file}: {name} has a password")),
        );
    }
    let accounts = fs::read_to_string(root.join("etc/passwd")).context("reading etc/passwd")?;
    for line in accounts.lines() {
        let mut fields = line.split(':');
        let (name, secret) = (fields.next().unwrap_or_default(), fields.next());
        if secret != Some("x") {
            found.push(format!("etc/passwd: {name} has a password there, or needs none"));
        }
        if fields.next() == Some("0") && name != "root" {
            found.push(format!("etc/passwd: {name} is root by another name"));
        }
    }
    for pattern in SHARED {
        let there = ask(Command::new("find")
            .arg(root)
            .args(["-xdev", "-type", "f", "-name", pattern]))?;
        found.extend(
            there
                .lines()
                .map(|path| format!("{path} would be the same on every machine")),
        );
    }
    let number = fs::read_to_string(root.join("etc/machine-id")).context("reading etc/machine-id")?;
    if !number.is_empty() {
        found.push("etc/machine-id would be the same on every machine".to_owned());
    }
    let started = started_ssh(root)?;
    found.extend(
        started
            .into_iter()
            .map(|link| format!("{link} starts SSH, which only the owner may switch on")),
    );
    ensure!(
        found.is_empty(),
        "the image must not go out:\n  {}",
        found.join("\n  ")
    );
    Ok(())
}

/// Those whose second field lets somebody in: a hash, or nothing at all.
fn passwords(shadow: &str) -> Vec<&str> {
    let lines = shadow.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(_, rest)| !matches!(rest.split(':').next(), Some("!" | "*" | "!*" | "!!")))
        .map(|(name, _)| name)
        .collect()
}

/// Links that start SSH with the machine, by their own names or by those of what they lead to. Debian's package makes one when it is
/// installed, so SSH is off only as long as that is taken back.
fn started_ssh(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for units in ["etc/systemd/system", "usr/lib/systemd/system"] {
        for folder in entries(&root.join(units))? {
            // What SSH itself wants is started only with it.
            if !is_wanted_list(&folder) || is_ssh(&folder) {
                continue;
            }
            for link in entries(&folder)? {
                // What is no link counts by its own name.
                let end = fs::read_link(&link).unwrap_or_default();
                if is_ssh(&link) || is_ssh(&end) {
                    found.push(link.display().to_string());
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let list = fs::read_dir(folder).and_then(|list| list.map(|entry| Ok(entry?.path())).collect());
    list.with_context(|| format!("listing {}", folder.display()))
}

fn is_wanted_list(folder: &Path) -> bool {
    let ending = folder.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("wants" | "requires" | "upholds"))
}

fn is_ssh(unit: &Path) -> bool {
    let name = unit.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("ssh"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_password_is_seen_whatever_it_looks_like() {
        let shadow = "root:*:1:0:99999:7:::\na:!:1::::::\nb:$y$j9T$x$y:1::::::\nc::1::::::\nd:!$6$x$y:1::::::\ne:secret:1\n";
        assert_eq!(passwords(shadow), ["b", "c", "d", "e"]);
    }

    #[test]
    fn an_image_with_a_password_or_a_key_does_not_go_out() {
        let root = std::env::temp_dir().join(format!("kinglet-secrets-{}", std::process::id()));
        fs::create_dir_all(root.join("etc/ssh")).expect("a test may make a folder");
        let put = |name: &str, text: &str| fs::write(root.join(name), text).expect("the folder is ours");
        put("etc/shadow", "root:*:1::::::\n");
        put("etc/gshadow", "root:*::\n");
        put("etc/passwd", "root:x:0:0::/:/bin/sh\n");
        put("etc/machine-id", "");
        assert!(check(&root).is_ok());
        for (name, bad, good) in [
            ("etc/shadow", "root:$y$j9T$a$b:1::::::\n", "root:*:1::::::\n"),
            ("etc/passwd", "root::0:0::/:/bin/sh\n", "root:x:0:0::/:/bin/sh\n"),
            (
                "etc/passwd",
                "root:x:0:0::/:/bin/sh\npi:x:0:0::/:/bin/sh\n",
                "root:x:0:0::/:/bin/sh\n",
            ),
            ("etc/machine-id", "0123\n", ""),
        ] {
            put(name, bad);
            assert!(check(&root).is_err(), "{name}: {bad}");
            put(name, good);
        }
        put("etc/ssh/ssh_host_ed25519_key", "x");
        assert!(check(&root).is_err());
        fs::remove_dir_all(&root).expect("a test may remove its own folder");
    }

    #[test]
    fn an_image_with_ssh_switched_on_does_not_go_out() {
        let root = std::env::temp_dir().join(format!("kinglet-secrets-ssh-{}", std::process::id()));
        let units = root.join("etc/systemd/system");
        let list = |name: &str| fs::create_dir_all(units.join(name)).expect("a test may make a folder");
        let link = |end: &str, name: &str| symlink(end, units.join(name)).expect("the folder is ours");
        let put = |name: &str, text: &str| fs::write(root.join(name), text).expect("the folder is ours");
        for name in [
            "multi-user.target.wants",
            "sockets.target.requires",
            "ssh.service.wants",
        ] {
            list(name);
        }
        put("etc/shadow", "root:*:1::::::\n");
        put("etc/gshadow", "root:*::\n");
        put("etc/passwd", "root:x:0:0::/:/bin/sh\n");
        put("etc/machine-id", "");
        // As it is in Debian where SSH is off.
        link(
            "/usr/lib/systemd/system/sshd-keygen.service",
            "ssh.service.wants/sshd-keygen.service",
        );
        link(
            "/usr/lib/systemd/system/avahi-daemon.service",
            "multi-user.target.wants/avahi-daemon.service",
        );
        check(&root).expect("SSH is off");
        for (end, name) in [
            (
                "/usr/lib/systemd/system/ssh.service",
                "multi-user.target.wants/ssh.service",
            ),
            (
                "/usr/lib/systemd/system/ssh.socket",
                "sockets.target.requires/ssh.socket",
            ),
            ("../ssh.service", "multi-user.target.wants/sshd.service"),
            (
                "/usr/lib/systemd/system/sshd@.service",
                "multi-user.target.wants/other@1.service",
            ),
        ] {
            link(end, name);
            assert!(check(&root).is_err(), "{name}");
            fs::remove_file(units.join(name)).expect("it was made above");
        }
        fs::remove_dir_all(&root).expect("a test may remove its own folder");
    }
}
