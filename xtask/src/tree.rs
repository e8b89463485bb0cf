//! The dependency checks: reads what cargo resolved and holds it against the tables in `policy.rs`. Every complaint is
//! collected before it fails, so that one run shows all. What must not live here: the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::policy::{AT_LEAST, BANNED, LICENCES, PUBLIC_REGISTRY, SINGLE, TARGETS};
use crate::version::Version;
use crate::{ci, spdx};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
        .to_owned()
}

pub fn check() -> Result<()> {
    let metadata = metadata()?;
    let graph = Graph::read(&metadata)?;
    let mut complaints = Vec::new();
    complaints.extend(licences(&graph)?);
    complaints.extend(sources(&graph));
    complaints.extend(banned(&graph)?);
    complaints.extend(doubled(&graph));
    complaints.extend(outdated(&graph)?);
    complaints.extend(lock_file()?);
    if complaints.is_empty() {
        println!(
            "{} packages: licences, sources, bans, single versions, advisories, lock file",
            graph.packages.len()
        );
        return Ok(());
    }
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    bail!(
        "{} complaints about dependencies; the tables are in xtask/src/policy.rs",
        complaints.len()
    )
}

pub fn metadata() -> Result<Value> {
    let mut command = Command::new(ci::program_of("cargo"));
    command.args(["metadata", "--format-version", "1", "--locked"]);
    for target in TARGETS {
        command.args(["--filter-platform", target]);
    }
    let output = command
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting `cargo metadata`; is cargo installed and in PATH?")?;
    ensure!(
        output.status.success(),
        "`cargo metadata --locked` ended with {}; if Cargo.lock is behind Cargo.toml, run `cargo check` and commit it",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` said")
}

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
}

/// Package ids, the packages behind them and the edges that end in the binary.
struct Graph {
    packages: BTreeMap<String, Package>,
    normal: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Result<Self> {
        let list = |value: &Value, what: &str| {
            value
                .as_array()
                .cloned()
                .with_context(|| format!("`cargo metadata` has no list of {what}"))
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut packages = BTreeMap::new();
        for package in list(&metadata["packages"], "packages")? {
            let id = text(&package["id"]).context("a package without an id")?;
            let name = text(&package["name"]).context("a package without a name")?;
            let version = text(&package["version"]).context("a package without a version")?;
            let (licence, source) = (text(&package["license"]), text(&package["source"]));
            packages.insert(
                id,
                Package {
                    name,
                    version,
                    licence,
                    source,
                },
            );
        }
        let mut normal = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"], "resolved packages")? {
            let id = text(&node["id"]).context("a resolved package without an id")?;
            let mut edges = Vec::new();
            for edge in list(&node["deps"], "edges")? {
                // In cargo's words a dependency of kind null is a normal one; the others are "dev" and "build".
                if list(&edge["dep_kinds"], "kinds")?
                    .iter()
                    .any(|kind| kind["kind"].is_null())
                {
                    edges.push(text(&edge["pkg"]).context("an edge that leads nowhere")?);
                }
            }
            normal.insert(id, edges);
        }
        Ok(Self { packages, normal })
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Package> {
        self.packages.values().filter(move |package| package.name == name)
    }

    /// Everything that is linked into the package of that name, with the way that leads there.
    fn linked_into(&self, name: &str) -> Result<BTreeMap<&str, String>> {
        let own = |(_, package): &(&String, &Package)| package.name == name && package.source.is_none();
        let (start, _) = self
            .packages
            .iter()
            .find(own)
            .with_context(|| format!("no package `{name}` here"))?;
        let mut found = BTreeMap::new();
        let mut seen = BTreeSet::from([start.as_str()]);
        let mut open = vec![(start.as_str(), name.to_owned())];
        while let Some((id, way)) = open.pop() {
            for next in self.normal.get(id).into_iter().flatten() {
                let package = self
                    .packages
                    .get(next)
                    .with_context(|| format!("no package for `{next}`"))?;
                let way = format!("{way} > {}", package.name);
                if seen.insert(next) {
                    found.insert(package.name.as_str(), way.clone());
                    open.push((next, way));
                }
            }
        }
        Ok(found)
    }
}

fn licences(graph: &Graph) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for Package {
        name,
        version,
        licence,
        ..
    } in graph.packages.values()
    {
        let Some(licence) = licence else {
            complaints.push(format!(
                "{name} {version} names no licence; leave it, or settle it with its authors"
            ));
            continue;
        };
        if !spdx::allowed(licence, &LICENCES).with_context(|| format!("{name} {version}"))? {
            complaints.push(format!(
                "{name} {version} is under `{licence}`, which the list does not allow"
            ));
        }
    }
    Ok(complaints)
}

fn sources(graph: &Graph) -> Vec<String> {
    let foreign = |package: &&Package| {
        package
            .source
            .as_deref()
            .is_some_and(|source| source != PUBLIC_REGISTRY)
    };
    graph
        .packages
        .values()
        .filter(foreign)
        .map(|p| {
            format!(
                "{} {} comes from {}; only the public registry will do",
                p.name,
                p.version,
                p.source.as_deref().unwrap_or("")
            )
        })
        .collect()
}

fn banned(graph: &Graph) -> Result<Vec<String>> {
    let linked = graph.linked_into("kinglet")?;
    let ways = BANNED.iter().filter_map(|name| linked.get(name));
    Ok(ways
        .map(|way| format!("banned: {way}; find the feature that pulls it in and turn it off"))
        .collect())
}

fn doubled(graph: &Graph) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in SINGLE {
        let versions: Vec<&str> = graph
            .named(name)
            .map(|package| package.version.as_str())
            .collect();
        if versions.len() != 1 {
            complaints.push(format!(
                "{name} has to be there in exactly one version, not {versions:?}; see `cargo tree -i {name}`"
            ));
        }
    }
    complaints
}

fn outdated(graph: &Graph) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (name, least, why) in AT_LEAST {
        let bound = Version::parse(least)?;
        for package in graph.named(name) {
            if Version::parse(&package.version).with_context(|| name.to_owned())? < bound {
                complaints.push(format!(
                    "{name} {} is older than {least} ({why}); run `cargo update -p {name}`",
                    package.version
                ));
            }
        }
    }
    Ok(complaints)
}

/// A server is built from the versions that were tested, so the lock file is part of the sources.
fn lock_file() -> Result<Option<String>> {
    let root = root();
    if !root.join("Cargo.lock").is_file() {
        return Ok(Some(
            "Cargo.lock is missing; run `cargo check` and commit it".to_owned(),
        ));
    }
    if !root.join(".git").exists() {
        return Ok(None); // an unpacked archive: what is there is what was committed
    }
    let output = Command::new("git")
        .args(["ls-files", "--error-unmatch", "Cargo.lock"])
        .current_dir(&root)
        .stdin(Stdio::null())
        .output()
        .context("starting `git ls-files`; is git installed?")?;
    let complaint = || {
        format!(
            "Cargo.lock is not committed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    };
    Ok((!output.status.success()).then(complaint))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `kinglet` on top; each line is name, version, licence and the kind by which kinglet depends on it.
    fn graph(lines: &[(&str, &str, &str, Option<&str>)]) -> Graph {
        let id = |name: &str, version: &str| format!("{name}@{version}");
        let mut packages = vec![
            json!({"id": "kinglet", "name": "kinglet", "version": "0.1.0", "license": "MIT", "source": null}),
        ];
        let mut nodes = Vec::new();
        let mut edges = Vec::new();
        for (name, version, licence, kind) in lines {
            packages.push(json!({"id": id(name, version), "name": name, "version": version, "license": licence, "source": PUBLIC_REGISTRY}));
            nodes.push(json!({"id": id(name, version), "deps": []}));
            edges.push(json!({"pkg": id(name, version), "dep_kinds": [{"kind": kind}]}));
        }
        nodes.push(json!({"id": "kinglet", "deps": edges}));
        Graph::read(&json!({"packages": packages, "resolve": {"nodes": nodes}}))
            .expect("the shape cargo gives")
    }

    fn one(name: &str, version: &str, licence: &str, kind: Option<&str>) -> Graph {
        graph(&[(name, version, licence, kind)])
    }

    #[test]
    fn a_foreign_licence_is_refused() {
        assert!(
            licences(&one("a", "1.0.0", "MIT OR Apache-2.0", None))
                .expect("readable")
                .is_empty()
        );
        assert_eq!(
            licences(&one("a", "1.0.0", "AGPL-3.0-only", None))
                .expect("readable")
                .len(),
            1
        );
        assert_eq!(
            licences(&one("a", "1.0.0", "OpenSSL", Some("dev")))
                .expect("readable")
                .len(),
            1
        );
        assert!(licences(&one("a", "1.0.0", "MIT OR", None)).is_err());
        let mut nameless = one("a", "1.0.0", "MIT", None);
        nameless
            .packages
            .values_mut()
            .for_each(|package| package.licence = None);
        assert_eq!(licences(&nameless).expect("readable").len(), 2);
    }

    #[test]
    fn a_foreign_source_is_refused() {
        let mut graph = one("a", "1.0.0", "MIT", None);
        assert!(sources(&graph).is_empty());
        graph
            .packages
            .values_mut()
            .for_each(|p| p.source = Some("git+https://example.org/a".to_owned()));
        assert_eq!(sources(&graph).len(), 2);
    }

    #[test]
    fn a_banned_crate_is_refused_where_it_is_linked() {
        for name in BANNED {
            let complaints = banned(&one(name, "1.0.0", "MIT", None)).expect("readable");
            assert_eq!(complaints.len(), 1, "{name}");
            assert!(
                complaints[0].contains(&format!("kinglet > {name}")),
                "{complaints:?}"
            );
            assert!(
                banned(&one(name, "1.0.0", "MIT", Some("dev")))
                    .expect("readable")
                    .is_empty(),
                "{name}"
            );
        }
        let mut deep = graph(&[("a", "1.0.0", "MIT", None), ("sqlx", "1.0.0", "MIT", Some("dev"))]);
        deep.normal
            .insert("a@1.0.0".to_owned(), vec!["sqlx@1.0.0".to_owned()]);
        assert!(banned(&deep).expect("readable")[0].contains("kinglet > a > sqlx"));
    }

    #[test]
    fn a_doubled_or_missing_crate_is_refused() {
        let singles: Vec<_> = SINGLE.iter().map(|name| (*name, "1.0.0", "MIT", None)).collect();
        assert!(doubled(&graph(&singles)).is_empty());
        let twice: Vec<_> = singles
            .iter()
            .copied()
            .chain([("rustls", "2.0.0", "MIT", None)])
            .collect();
        assert_eq!(doubled(&graph(&twice)).len(), 1);
        assert_eq!(doubled(&graph(&singles[1..])).len(), 1);
    }

    #[test]
    fn a_version_with_an_advisory_is_refused() {
        for (name, least, _) in AT_LEAST {
            assert!(
                outdated(&one(name, least, "MIT", None))
                    .expect("readable")
                    .is_empty(),
                "{name}"
            );
            for old in [format!("{least}-rc.1"), "0.0.1".to_owned()] {
                assert_eq!(
                    outdated(&one(name, &old, "MIT", None)).expect("readable").len(),
                    1,
                    "{name} {old}"
                );
            }
        }
        assert!(outdated(&one("h2", "newest", "MIT", None)).is_err());
    }

    #[test]
    fn an_answer_of_another_shape_is_an_error() {
        for bad in [
            json!({}),
            json!({"packages": [{}]}),
            json!({"packages": [], "resolve": {"nodes": [{"id": "a"}]}}),
        ] {
            assert!(Graph::read(&bad).is_err(), "{bad}");
        }
    }
}
