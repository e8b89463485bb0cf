//! What no tracked text may say, whatever its language: where it was built, where its packages came from, what is left
//! undone. What must not live here: rules about Rust.

/// Directories of whoever built it. Written in halves, so that this file passes its own check.
const PRIVATE_PLACES: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

const REGISTRIES: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("yarn", "pkg.com"),
    concat!("npm", "mirror.com"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("ruby", "gems.org"),
    concat!("proxy.gol", "ang.org"),
];

/// A lock file has to name a registry. It must be the public one, or the file only works where it was made.
const PUBLIC_CRATES: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");
const PUBLIC_NPM: &str = concat!("https://registry.npm", "js.org/");

const UNDONE: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub fn private_places(path: &str, text: &str) -> Vec<String> {
    each_line(text, |line| {
        let place = PRIVATE_PLACES.iter().find(|place| {
            // `$HOME` or a relative folder of the same name is nobody's secret; a path from the root is.
            line.match_indices(**place)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~}*)".contains(c)))
        })?;
        Some(format!(
            "names the directory {place}, which exists on one machine only"
        ))
    })
    .map(|(line, why)| format!("{path}:{line}: {why}"))
    .collect()
}

pub fn registries(path: &str, text: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    each_line(text, |line| match name {
        "Cargo.lock" => {
            let source = line.strip_prefix("source = ")?.trim_matches('"');
            (source != PUBLIC_CRATES)
                .then(|| format!("a package from {source}; only the public registry will do"))
        }
        "package-lock.json" => {
            let source = line.split_once("\"resolved\": \"")?.1;
            (!source.starts_with(PUBLIC_NPM))
                .then(|| format!("a package from {source} only the public registry will do"))
        }
        _ => REGISTRIES.iter().find(|host| line.contains(**host)).map(|host| {
            format!("names the package registry {host}; leave that to each machine's own settings")
        }),
    })
    .map(|(line, why)| format!("{path}:{line}: {why}"))
    .collect()
}

pub fn undone(path: &str, text: &str) -> Vec<String> {
    let alone = |line: &str, word: &str| {
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        line.match_indices(word)
            .any(|(at, _)| !line[..at].ends_with(joined) && !line[at + word.len()..].starts_with(joined))
    };
    each_line(text, |line| {
        let word = UNDONE.iter().find(|word| alone(line, word))?;
        Some(format!(
            "{word}: do it, or open an issue and say here what is so today"
        ))
    })
    .map(|(line, why)| format!("{path}:{line}: {why}"))
    .collect()
}

fn each_line<'a>(
    text: &'a str,
    rule: impl Fn(&str) -> Option<String> + 'a,
) -> impl Iterator<Item = (usize, String)> + 'a {
    text.lines()
        .enumerate()
        .filter_map(move |(at, line)| Some((at + 1, rule(line)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_directory_is_refused() {
        for place in PRIVATE_PLACES {
            for line in [
                format!("cd {place}x"),
                format!("DIR={place}x"),
                format!("file://{place}x"),
                format!("`{place}`"),
            ] {
                assert_eq!(private_places("README.md", &line).len(), 1, "{line}");
            }
            for line in [
                format!("~{place}x"),
                format!("docs{place}x"),
                format!("${{here}}{place}x"),
            ] {
                assert!(private_places("README.md", &line).is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn a_registry_host_is_refused() {
        for host in REGISTRIES {
            assert_eq!(
                registries("docs/x.md", &format!("a\nsee https://{host}/x")),
                [format!(
                    "docs/x.md:2: names the package registry {host}; leave that to each machine's own settings"
                )]
            );
        }
    }

    #[test]
    fn a_lock_file_names_the_public_registry_only() {
        let lock = |source: &str| format!("name = \"a\"\nsource = \"{source}\"\n");
        assert!(registries("Cargo.lock", &lock(PUBLIC_CRATES)).is_empty());
        assert_eq!(
            registries("fuzz/Cargo.lock", &lock("sparse+https://mirror.example/index/")).len(),
            1
        );
        let lock = |host: &str| format!("      \"resolved\": \"{host}a/-/a-1.0.0.tgz\",\n");
        assert!(registries("web/package-lock.json", &lock(PUBLIC_NPM)).is_empty());
        assert_eq!(
            registries("web/package-lock.json", &lock("https://mirror.example/")).len(),
            1
        );
    }

    #[test]
    fn work_left_undone_is_refused() {
        for word in UNDONE {
            assert_eq!(
                undone("docs/x.md", &format!("a\n<!-- {word}: later -->")).len(),
                1
            );
            assert!(undone("docs/x.md", &format!("mktemp {word}{word} a{word} {word}_1")).is_empty());
        }
    }
}
