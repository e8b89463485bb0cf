//! The notices of everything that is inside the programs and not ours: their licences ask for no more than to be passed on.
//! What must not live here: which licences are allowed, which is in `policy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tree;

/// How the files are called in which licences and notices come.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "notice",
    "copyright",
    "unlicense",
];

/// One library, and where its files lie.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Library {
    name: String,
    version: String,
    licence: String,
    authors: String,
    folder: PathBuf,
}

/// Name, version and licence of each library in a package of the workspace, cargo's first, and npm's apart.
pub fn lists(package: &str) -> Result<[Vec<[String; 3]>; 2]> {
    let named = |libraries: Vec<Library>| {
        let all = libraries.into_iter();
        all.map(|library| [library.name, library.version, library.licence])
            .collect()
    };
    let own = linked(&tree::metadata()?, package)?.into_iter().collect();
    let client = if package == "kinglet" {
        bundled(&tree::root().join("web"))?
    } else {
        Vec::new()
    };
    Ok([named(own), named(client)])
}

/// The notices of a package of the workspace; of the server with those of the web client.
pub fn of(package: &str) -> Result<String> {
    let mut libraries = linked(&tree::metadata()?, package)?;
    if package == "kinglet" {
        // The program that switches versions comes along.
        libraries.extend(linked(&tree::metadata()?, "kinglet-board")?);
        libraries.extend(bundled(&tree::root().join("web"))?);
    }
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut list, mut all) = (String::new(), String::new());
    for library in &libraries {
        let mut numbers = Vec::new();
        for text in notices(&library.folder)? {
            let next = texts.len() + 1;
            let number = *texts.entry(text.clone()).or_insert(next);
            if number == next {
                all.push_str(&format!("\n---- {number} ----\n\n{}\n", text.trim_end()));
            }
            numbers.push(number.to_string());
        }
        let said = if numbers.is_empty() {
            format!("no text comes with it; by {}", library.authors)
        } else {
            format!("texts {}", numbers.join(", "))
        };
        list.push_str(&format!(
            "{} {}: {}; {said}\n",
            library.name, library.version, library.licence
        ));
    }
    Ok(format!(
        "The programs of this package hold these libraries. The texts that they come with follow, each once.\n\n{list}{all}"
    ))
}

/// What cargo links into a package, that itself not counted.
fn linked(metadata: &Value, package: &str) -> Result<BTreeSet<Library>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let own = packages
        .iter()
        .find(|(_, it)| it["name"] == package && it["source"].is_null());
    let (start, _) = own.with_context(|| format!("no package `{package}` here"))?;
    let (mut seen, mut open) = (BTreeSet::from([start.clone()]), vec![start.clone()]);
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        for edge in list(&nodes.get(&id).context("every package is resolved")?["deps"]) {
            let is_linked = list(&edge["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let next = text(&edge["pkg"]);
            if is_linked && seen.insert(next.clone()) {
                open.push(next);
            }
        }
        let it = packages.get(&id).context("every package is described")?;
        if !it["source"].is_null() {
            let manifest = PathBuf::from(text(&it["manifest_path"]));
            found.insert(Library {
                name: text(&it["name"]),
                version: text(&it["version"]),
                licence: text(&it["license"]),
                authors: list(&it["authors"])
                    .iter()
                    .map(text)
                    .collect::<Vec<_>>()
                    .join(", "),
                folder: manifest
                    .parent()
                    .context("a manifest lies in a folder")?
                    .to_owned(),
            });
        }
    }
    Ok(found)
}

/// What the web client's bundle is made of: everything that its lock file does not call a tool.
fn bundled(web: &Path) -> Result<Vec<Library>> {
    let lock =
        fs::read_to_string(web.join("package-lock.json")).context("reading the web client's lock file")?;
    let lock: Value = serde_json::from_str(&lock).context("the web client's lock file")?;
    let packages = lock["packages"].as_object().context("its packages")?;
    let shipped = packages
        .iter()
        .filter(|(place, about)| !place.is_empty() && about["dev"] != true);
    let library = |(place, about): (&String, &Value)| {
        let name = place.rsplit("node_modules/").next().unwrap_or(place);
        Library {
            name: name.to_owned(),
            version: about["version"].as_str().unwrap_or_default().to_owned(),
            licence: about["license"].as_str().unwrap_or_default().to_owned(),
            authors: String::new(),
            folder: web.join(place),
        }
    };
    Ok(shipped.map(library).collect())
}

/// The texts in a library's folder, in the order of their names.
fn notices(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| {
        format!(
            "looking for the notices in {}; build the server first",
            folder.display()
        )
    })?;
    for entry in entries {
        let path = entry.context("looking for notices")?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let is_source = name.ends_with(".rs") || name.ends_with(".js");
        if path.is_file() && !is_source && NAMES.iter().any(|start| name.starts_with(start)) {
            files.push(path);
        }
    }
    files.sort();
    let read = |file: &PathBuf| fs::read(file).with_context(|| format!("reading {}", file.display()));
    files
        .iter()
        .map(|file| Ok(String::from_utf8_lossy(&read(file)?).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_named_and_what_only_tests_or_builds_is_not() {
        let of_server =
            linked(&tree::metadata().expect("cargo is there"), "kinglet").expect("it is a package");
        let has = |name: &str| of_server.iter().any(|library| library.name == name);
        assert!(has("ring") && has("tokio") && has("libsqlite3-sys"));
        assert!(!has("proptest") && !has("cc") && !has("kinglet"));
        assert!(of_server.iter().all(|library| !library.licence.is_empty()));
    }

    #[test]
    fn the_web_clients_own_parts_are_named() {
        let parts = bundled(&tree::root().join("web")).expect("its lock file is there");
        assert!(
            parts
                .iter()
                .any(|part| part.name == "preact" && part.licence == "MIT")
        );
        assert!(!parts.iter().any(|part| part.name == "vite"));
    }
}
