//! Whose updates the card takes: the public half of a key of minisign, where the board looks for it (`board/src/update.rs`). What
//! must not live here: the signing of anything.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::Wanted;
use super::system::folder;
use super::tools::Tools;
use crate::debian::must;

/// What is said of a card without one.
pub const NEVER: &str = "the card will take no update from a stick: give --key, or --trust with the public half of the key that updates \
     are signed by";
pub const PLACE: &str = "usr/share/kinglet/update.pub";
/// What minisign's public keys begin with, and how long they are.
const MARK: &str = "RW";
const CHARS: usize = 56;

pub fn put(tools: &Tools, wanted: &Wanted, root: &Path) -> Result<()> {
    let key = match (&wanted.trust, &wanted.key) {
        (Some(public), _) => {
            fs::read_to_string(public).with_context(|| format!("reading {}", public.display()))?
        }
        (None, Some(secret)) => half(tools, secret)?,
        // Said where everything is made.
        (None, None) => return Ok(()),
    };
    let key = plain(&key)?;
    fs::write(root.join(PLACE), format!("{key}\n")).with_context(|| format!("writing {PLACE}"))?;
    println!(
        "the card takes updates that are signed by {}",
        key.lines().next_back().unwrap_or_default()
    );
    Ok(())
}

fn half(tools: &Tools, secret: &Path) -> Result<String> {
    let public = folder().join("update.pub");
    let mut minisign = tools.command("minisign");
    minisign
        .args(["-R", "-f", "-s"])
        .arg(secret)
        .arg("-p")
        .arg(&public);
    must(&mut minisign).context("taking the public half of --key")?;
    fs::read_to_string(&public).context("reading the public half of --key")
}

/// Both lines of it, and nothing else: a secret key given by mistake would go onto every card.
fn plain(text: &str) -> Result<String> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let [comment, key] = lines[..] else {
        bail!("a public key of minisign has two lines");
    };
    let is_key = key.len() == CHARS
        && key.starts_with(MARK)
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    ensure!(
        comment.starts_with("untrusted comment:") && is_key,
        "that is no public key of minisign, which looks like RW... below a comment"
    );
    Ok(format!("{comment}\n{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of minisign's own documentation.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn only_a_public_key_goes_onto_the_card() {
        let good = format!("untrusted comment: minisign public key\r\n{KEY}\n\n");
        let taken = plain(&good).expect("it is one");
        assert_eq!(taken, format!("untrusted comment: minisign public key\n{KEY}"));
        let secret = format!(
            "untrusted comment: minisign encrypted secret key\nRWRTY0Iy{}\n",
            "A".repeat(204)
        );
        for wrong in [
            String::new(),
            KEY.to_owned(),
            secret,
            good.replace("RW", "ED"),
            good.repeat(2),
        ] {
            assert!(plain(&wrong).is_err(), "{wrong:?}");
        }
    }
}
