//! An installation that a power cut has ended is finished, by dpkg's own means, so that the machine takes updates again: an update
//! of ours, and whatever else of the system was being installed. What must not live here: which version of the server runs; that
//! is switched by its own package, and was not touched.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;
use crate::program::{run, run_with};
use crate::update::{BOARD, DPKG, DPKG_QUERY, NAME, OWN_BOARD, OWN_PACKAGE, compare};

const ENV: &str = "/usr/bin/env";
/// Packages are set up, and a version that comes with one of them is tried.
const TIME: Duration = Duration::from_secs(25 * 60);
/// A version that was not well is not tried once more: the machine may have gone down by it.
const SETTINGS: [&str; 2] = ["DEBIAN_FRONTEND=noninteractive", "KINGLET_REPAIR=1"];
/// Where apt, and with it Debian's own security updates, puts what it has fetched until it is installed.
const ARCHIVES: &str = "/var/cache/apt/archives";
/// Two letters and perhaps a third: what is wanted, what there is, what is wrong (dpkg-query(1)).
const LISTED: &str = r"--showformat=${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n";

pub fn repair(machine: &Machine) -> Result<(), Wrong> {
    let own = unpack_own(machine);
    if audit(machine)?.is_empty() {
        return own;
    }
    note("an installation was cut off; dpkg goes on with it");
    // What fails on the way may be mended by the next step: what dpkg says of itself at the end decides.
    told(own);
    told(configure(machine));
    let archives = half_unpacked(machine).and_then(|packages| archives(machine, &packages));
    match archives {
        Ok(archives) if archives.is_empty() => {}
        Ok(archives) => {
            note(&format!("unpacked again: {}", archives.join(" ")));
            told(unpack(machine, &archives));
            told(configure(machine));
        }
        Err(wrong) => told(Err(wrong)),
    }
    let left = audit(machine)?;
    if left.is_empty() {
        note("an installation was cut off; it is finished");
        return Ok(());
    }
    Err(broken(&left))
}

/// The copies that only root writes, whose signatures were verified before they were unpacked the first time. The server's
/// comes first in an update: with this one cut off, the other was not begun.
fn unpack_own(machine: &Machine) -> Result<(), Wrong> {
    let copies: &[&str] = match (is_half_unpacked(machine, NAME)?, is_half_unpacked(machine, BOARD)) {
        (true, _) => &[OWN_PACKAGE, OWN_BOARD],
        (false, Ok(true)) => &[OWN_BOARD],
        // A machine may have this program without its package.
        (false, _) => &[],
    };
    let copies: Vec<&str> = copies
        .iter()
        .copied()
        .filter(|copy| machine.exists(copy))
        .collect();
    if copies.is_empty() {
        return Ok(());
    }
    note("an update was cut off while it was unpacked; it is unpacked again");
    dpkg(
        machine,
        &[&["--force-confold", "--install"][..], copies.as_slice()].concat(),
    )
}

/// In the words of dpkg's own list: the package has to be installed again.
fn is_half_unpacked(machine: &Machine, package: &str) -> Result<bool, Wrong> {
    let status = run(
        machine,
        DPKG_QUERY,
        &["--show", "--showformat=${Status}", package],
    )?;
    Ok(status.contains("half-installed") || status.contains("reinstreq"))
}

/// A package that has to be unpacked again, as dpkg knows it: with the version from before it was begun.
struct Package {
    name: String,
    architecture: String,
    version: String,
}

impl Package {
    /// From a line of [`LISTED`]; nothing where the package is not half unpacked.
    fn half_unpacked(line: &str) -> Option<Package> {
        let mut fields = line.split('\t');
        let mut state = fields.next()?.chars().skip(1);
        let (status, error) = (state.next()?, state.next());
        if status != 'H' && error != Some('R') {
            return None;
        }
        let mut next = || fields.next().map(str::to_owned);
        Some(Package {
            name: next()?,
            architecture: next()?,
            version: next()?,
        })
    }

    /// The version in an archive that apt has fetched; nothing where it is another package's.
    fn version_in(&self, archive: &str) -> Option<String> {
        let rest = archive.strip_prefix(&self.name)?.strip_prefix('_')?;
        let (version, architecture) = rest.strip_suffix(".deb")?.rsplit_once('_')?;
        // A new version may be one for all machines.
        let is_its = architecture == self.architecture || architecture == "all";
        is_its.then(|| version.replace("%3a", ":"))
    }
}

fn half_unpacked(machine: &Machine) -> Result<Vec<Package>, Wrong> {
    let listed = run(machine, DPKG_QUERY, &["--show", LISTED])?;
    Ok(listed.lines().filter_map(Package::half_unpacked).collect())
}

/// Of each package the newest, which is the one that was begun. apt has verified it, and only root writes there.
fn archives(machine: &Machine, packages: &[Package]) -> Result<Vec<String>, Wrong> {
    let fetched = machine.names(ARCHIVES);
    let mut archives = Vec::new();
    for package in packages {
        // What is older than what there was, is left from an earlier day.
        let (mut newest, mut archive) = (package.version.clone(), None);
        for name in &fetched {
            let Some(version) = package.version_in(name) else {
                continue;
            };
            if compare(machine, &version, "ge", &newest)? {
                (newest, archive) = (version, Some(format!("{ARCHIVES}/{name}")));
            }
        }
        archives.extend(archive);
    }
    Ok(archives)
}

/// As apt does it: what is in the way of a new version is set up again after it.
fn unpack(machine: &Machine, archives: &[String]) -> Result<(), Wrong> {
    let mut words = vec!["--force-confold", "--auto-deconfigure", "--unpack"];
    words.extend(archives.iter().map(String::as_str));
    dpkg(machine, &words)
}

fn configure(machine: &Machine) -> Result<(), Wrong> {
    dpkg(machine, &["--force-confold", "--configure", "--pending"])
}

/// What dpkg finds wrong with its packages.
fn audit(machine: &Machine) -> Result<String, Wrong> {
    run(machine, DPKG, &["--audit"]).map(|said| said.trim().to_owned())
}

fn broken(audit: &str) -> Wrong {
    // A package stands on a line of its own, after a space, and on as many as there are things wrong with it.
    let names: BTreeSet<&str> = audit
        .lines()
        .filter_map(|line| line.strip_prefix(' ')?.split_whitespace().next())
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let what = format!(
        "these packages are broken: {}. Next: sudo apt-get --fix-broken install; \
         and for what is broken after it: sudo apt-get install --reinstall {}",
        names.join(", "),
        names.join(" ")
    );
    Wrong::because(Code::Failed, what)
}

/// For the journal, where the next step is taken all the same.
fn told(outcome: Result<(), Wrong>) {
    if let Err(wrong) = outcome {
        note(&wrong.to_string());
    }
}

fn dpkg(machine: &Machine, words: &[&str]) -> Result<(), Wrong> {
    run_with(machine, ENV, &[&SETTINGS[..], &[DPKG], words].concat(), "", TIME).map(drop)
}
