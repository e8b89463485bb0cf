//! The command line: `--name value` and `--switch`. What must not live here: what the options do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// A subcommand's options, all of them known.
pub struct Args {
    values: BTreeMap<String, String>,
}

const SWITCHES: [&str; 5] = ["json", "tls", "loop", "keep", "quick"];

impl Args {
    /// Reads the words behind the subcommand; `known` are the names it takes.
    pub fn read(words: impl IntoIterator<Item = String>, known: &[&str]) -> Result<Args> {
        let mut words = words.into_iter();
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .with_context(|| format!("expected an option, not {word:?}"))?;
            ensure!(
                known.contains(&name),
                "--{name} is not an option here; there are: --{}",
                known.join(", --")
            );
            let value = if SWITCHES.contains(&name) {
                String::new()
            } else {
                words.next().with_context(|| format!("--{name} needs a value"))?
            };
            if values.insert(name.to_owned(), value).is_some() {
                bail!("--{name} is given twice");
            }
        }
        Ok(Args { values })
    }

    pub fn switch(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.values.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .with_context(|| format!("--{name} cannot be {text:?}")),
        }
    }

    /// Several numbers with commas between.
    pub fn list(&self, name: &str, default: &[usize]) -> Result<Vec<usize>> {
        let Some(text) = self.values.get(name) else {
            return Ok(default.to_vec());
        };
        let numbers = text.split(',').map(|number| number.trim().parse().ok());
        numbers
            .collect::<Option<_>>()
            .with_context(|| format!("--{name} cannot be {text:?}; write for example 1,8,64"))
    }

    /// The server's binary: the one named, or the one beside this program.
    pub fn server(&self) -> Result<PathBuf> {
        let path = match self.values.get("server-bin") {
            Some(path) => PathBuf::from(path),
            None => std::env::current_exe()?.with_file_name("kinglet"),
        };
        path.canonicalize().with_context(|| {
            format!(
                "no server at {}; build it, or name it with --server-bin",
                path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args> {
        Args::read(
            line.split_whitespace().map(str::to_owned),
            &["json", "seconds", "in-flight"],
        )
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let args = read("--json --seconds 3 --in-flight 1,8").expect("all are known");
        assert!(args.switch("json"));
        assert_eq!(args.get("seconds", 10).expect("a number"), 3);
        assert_eq!(args.list("in-flight", &[]).expect("a list"), [1, 8]);
        for wrong in ["json", "--tls", "--seconds", "--json --json"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
