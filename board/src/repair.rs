//! An installation that a power cut has ended is finished, by dpkg's own means, so that the machine takes updates again. What must
//! not live here: which version of the server runs; that is switched by its own package, and was not touched.

use std::time::Duration;

use crate::answer::Wrong;
use crate::machine::Machine;
use crate::note;
use crate::program::{run, run_with};
use crate::update::{DPKG, DPKG_QUERY, OWN_PACKAGE};

const ENV: &str = "/usr/bin/env";
/// Packages are set up, and a version that comes with one of them is tried.
const TIME: Duration = Duration::from_secs(25 * 60);
/// A version that was not well is not tried once more: the machine may have gone down by it.
const SETTINGS: [&str; 2] = ["DEBIAN_FRONTEND=noninteractive", "KINGLET_REPAIR=1"];

pub fn repair(machine: &Machine) -> Result<(), Wrong> {
    if is_half_unpacked(machine)? && machine.exists(OWN_PACKAGE) {
        // The copy that only root writes, whose signature was verified before it was unpacked the first time.
        note("an update was cut off while it was unpacked; it is unpacked again");
        dpkg(machine, &["--force-confold", "--install", OWN_PACKAGE])?;
    }
    if run(machine, DPKG, &["--audit"])?.trim().is_empty() {
        return Ok(());
    }
    note("an installation was cut off; it is finished");
    dpkg(machine, &["--force-confold", "--configure", "--pending"])
}

/// In the words of dpkg's own list: the server's package has to be installed again.
fn is_half_unpacked(machine: &Machine) -> Result<bool, Wrong> {
    let status = run(
        machine,
        DPKG_QUERY,
        &["--show", "--showformat=${Status}", "kinglet"],
    )?;
    Ok(status.contains("half-installed") || status.contains("reinstreq"))
}

fn dpkg(machine: &Machine, words: &[&str]) -> Result<(), Wrong> {
    run_with(machine, ENV, &[&SETTINGS[..], &[DPKG], words].concat(), "", TIME).map(drop)
}
