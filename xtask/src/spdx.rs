//! Licence expressions: does one of the ways to take a crate stay within a list? What must not live here: the list.

use anyhow::{Result, bail, ensure};

/// Exceptions that only add permissions, so that the licence they are attached to decides.
const HARMLESS_EXCEPTIONS: [&str; 1] = ["LLVM-exception"];

/// `OR` needs one side, `AND` both and binds tighter. The old `A/B` of early crates means `A OR B`.
pub fn allowed(expression: &str, list: &[&str]) -> Result<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        at: 0,
        list,
    };
    let verdict = reader.either()?;
    ensure!(
        reader.at == words.len(),
        "licence `{expression}`: `{}` is one word too many",
        words[reader.at]
    );
    Ok(verdict)
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    list: &'a [&'a str],
}

impl<'a> Reader<'a> {
    fn take(&mut self, word: &str) -> bool {
        let here = self.words.get(self.at) == Some(&word);
        self.at += usize::from(here);
        here
    }

    fn either(&mut self) -> Result<bool> {
        let mut verdict = self.both()?;
        while self.take("OR") {
            verdict |= self.both()?;
        }
        Ok(verdict)
    }

    fn both(&mut self) -> Result<bool> {
        let mut verdict = self.one()?;
        while self.take("AND") {
            verdict &= self.one()?;
        }
        Ok(verdict)
    }

    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let verdict = self.either()?;
            ensure!(
                self.take(")"),
                "licence `{}`: a bracket stays open",
                self.words.join(" ")
            );
            return Ok(verdict);
        }
        let name = self.name()?;
        let mut verdict = self.list.contains(&name);
        if self.take("WITH") {
            verdict &= HARMLESS_EXCEPTIONS.contains(&self.name()?);
        }
        Ok(verdict)
    }

    fn name(&mut self) -> Result<&'a str> {
        match self.words.get(self.at) {
            Some(name) if !matches!(*name, "AND" | "OR" | "WITH" | "(" | ")") => {
                self.at += 1;
                Ok(name)
            }
            _ => bail!("licence `{}`: a name is missing", self.words.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 3] = ["MIT", "Apache-2.0", "Unicode-3.0"];

    #[test]
    fn what_is_on_the_list_may_come_in() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "GPL-3.0-only/MIT",
            "Apache-2.0 / MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-3.0-only AND ISC OR MIT",
            "Apache-2.0 WITH LLVM-exception",
            "((MIT))",
        ] {
            assert!(
                allowed(good, &LIST).expect("it is well formed"),
                "{good} was refused"
            );
        }
    }

    #[test]
    fn what_is_not_stays_out() {
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR Apache-2.0) AND OpenSSL",
            "MIT AND (ISC OR GPL-3.0-only)",
            "Apache-2.0 WITH Commons-Clause",
            "mit",
        ] {
            assert!(
                !allowed(bad, &LIST).expect("it is well formed"),
                "{bad} was let in"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in [
            "",
            "MIT OR",
            "AND MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
            "OR",
            "()",
            "MIT OR OR MIT",
        ] {
            assert!(allowed(bad, &LIST).is_err(), "{bad:?} was understood");
        }
    }
}
