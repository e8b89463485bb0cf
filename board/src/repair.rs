//! An installation that a power cut has ended is finished, by dpkg's own means, so that the machine takes updates again. What must
//! not live here: which version of the server runs; that is switched by its own package, and was not touched.

use std::time::Duration;

use crate::answer::Wrong;
use crate::machine::Machine;
use crate::note;
use crate::program::{run, run_with};
use crate::update::{BOARD, DPKG, DPKG_QUERY, NAME, OWN_BOARD, OWN_PACKAGE};

const ENV: &str = "/usr/bin/env";
/// Packages are set up, and a version that comes with one of them is tried.
const TIME: Duration = Duration::from_secs(25 * 60);
/// A version that was not well is not tried once more: the machine may have gone down by it.
const SETTINGS: [&str; 2] = ["DEBIAN_FRONTEND=noninteractive", "KINGLET_REPAIR=1"];

pub fn repair(machine: &Machine) -> Result<(), Wrong> {
    // The copies that only root writes, whose signatures were verified before they were unpacked the first time. The server's
    // comes first in an update: with this one cut off, the other was not begun.
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
    if !copies.is_empty() {
        note("an update was cut off while it was unpacked; it is unpacked again");
        dpkg(
            machine,
            &[&["--force-confold", "--install"][..], copies.as_slice()].concat(),
        )?;
    }
    if run(machine, DPKG, &["--audit"])?.trim().is_empty() {
        return Ok(());
    }
    note("an installation was cut off; it is finished");
    dpkg(machine, &["--force-confold", "--configure", "--pending"])
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

fn dpkg(machine: &Machine, words: &[&str]) -> Result<(), Wrong> {
    run_with(machine, ENV, &[&SETTINGS[..], &[DPKG], words].concat(), "", TIME).map(drop)
}
