//! Versions, as far as "at least" needs them. What must not live here: requirements (`^1.2`), which cargo resolves.

use anyhow::{Context, Result};

/// Ordered as SemVer orders releases; every pre-release counts as older than its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    numbers: [u64; 3],
    released: bool,
}

impl Version {
    pub fn parse(text: &str) -> Result<Self> {
        let (text, _build) = text.split_once('+').unwrap_or((text, ""));
        let (plain, released) = match text.split_once('-') {
            Some((plain, _)) => (plain, false),
            None => (text, true),
        };
        let mut numbers = [0; 3];
        let mut parts = plain.split('.');
        for number in &mut numbers {
            let part = parts
                .next()
                .with_context(|| format!("`{text}` is no version: three numbers are needed"))?;
            *number = part
                .parse()
                .with_context(|| format!("`{text}` is no version: `{part}` is no number"))?;
        }
        anyhow::ensure!(
            parts.next().is_none(),
            "`{text}` is no version: more than three numbers"
        );
        Ok(Self { numbers, released })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version of the test's own")
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version("0.4.16") > version("0.4.9"));
        assert!(version("0.103.13") > version("0.103.9"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert!(version("0.23.18-rc.1") < version("0.23.18"));
        assert!(version("0.23.19-rc.1") > version("0.23.18"));
        assert_eq!(version("3.53.0+3.53.2"), version("3.53.0"));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.x",
            "1.2.3.4",
            "v1.2.3",
            "1..3",
            "-1.2.3",
            "99999999999999999999.0.0",
        ] {
            assert!(Version::parse(bad).is_err(), "{bad:?} was taken for a version");
        }
    }
}
