//! What goes out beside an image: the list of everything in it (CycloneDX), its sum, its signature. What must not live here: the
//! image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::tools::Tools;
use crate::deb::{content, notices};
use crate::debian::{ask, must};
use crate::dist;

/// Writes `name.cdx.json`: Debian's packages with their versions, and the libraries inside Kinglet's programs.
pub fn list(root: &Path, into: &Path) -> Result<usize> {
    let format = "${Package}\t${Version}\t${Architecture}\n";
    let said = ask(Command::new("dpkg-query")
        .arg(format!("--admindir={}", root.join("var/lib/dpkg").display()))
        .args(["--show", &format!("--showformat={format}")]))?;
    let mut components: Vec<Value> = Vec::new();
    for line in said.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, architecture] = fields[..] else {
            continue;
        };
        let purl = format!(
            "pkg:deb/debian/{name}@{}?arch={architecture}",
            version.replace('+', "%2B")
        );
        components.push(json!({ "type": "library", "name": name, "version": version, "purl": purl }));
    }
    let mut seen = BTreeSet::new();
    for package in content::PACKAGES {
        for (kind, libraries) in ["cargo", "npm"].into_iter().zip(notices::lists(package)?) {
            for [name, version, licence] in libraries {
                let purl = format!("pkg:{kind}/{}@{version}", name.replace('@', "%40"));
                if seen.insert(purl.clone()) {
                    components.push(json!({
                        "type": "library", "name": name, "version": version, "purl": purl,
                        "licenses": [{ "expression": licence }],
                    }));
                }
            }
        }
    }
    let count = components.len();
    ensure!(
        count > 100,
        "only {count} things are in the image, which cannot be all"
    );
    let all = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "operating-system", "name": "kinglet-appliance", "version": dist::version()? } },
        "components": components,
    });
    fs::write(into, format!("{all:#}\n")).with_context(|| format!("writing {}", into.display()))?;
    Ok(count)
}

/// Packs the image, and writes its sum.
pub fn pack(image: &Path, level: u32) -> Result<PathBuf> {
    let packed = image.with_extension("img.zst");
    must(
        Command::new("zstd")
            .args(["--quiet", "--force", "--sparse", "-T0", &format!("-{level}")])
            .arg(image)
            .arg("-o")
            .arg(&packed),
    )?;
    sum(&packed)?;
    Ok(packed)
}

fn sum(file: &Path) -> Result<()> {
    let (folder, name) = (
        file.parent().context("it lies in a folder")?,
        file.file_name().context("it has a name")?,
    );
    let said = ask(Command::new("sha256sum").arg(name).current_dir(folder))?;
    let beside = folder.join(format!("{}.sha256", name.to_string_lossy()));
    fs::write(&beside, said).with_context(|| format!("writing {}", beside.display()))
}

/// Signs it as updates are signed: by a key whose other half is on the card (`trust`), unless another was wanted there.
pub fn sign(tools: &Tools, file: &Path, key: &Path) -> Result<()> {
    must(
        tools
            .command("minisign")
            .args(["-S", "-m"])
            .arg(file)
            .arg("-s")
            .arg(key),
    )
}
