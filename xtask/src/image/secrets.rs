//! What no image may hold: a password that somebody could know, a key that all machines would share. What must not live here:
//! what takes them out.

use std::fs;
use std::path::Path;
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

#[cfg(test)]
mod tests {
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
}
