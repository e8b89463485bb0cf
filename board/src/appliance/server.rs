//! The server's own command line, as the server's user. What must not live here: which of its commands, and when.

use std::time::Duration;

use crate::answer::Wrong;
use crate::machine::Machine;
use crate::program::run_with;

const SETPRIV: &str = "/usr/bin/setpriv";
const SERVER: [&str; 6] = [
    "--reuid=kinglet",
    "--regid=kinglet",
    "--clear-groups",
    "/usr/bin/kinglet",
    "--config",
    "/etc/kinglet/kinglet.toml",
];

/// What is told comes to its standard input, where no list of programs shows it.
pub fn ask(machine: &Machine, words: &[&str], told: &str, time: Duration) -> Result<String, Wrong> {
    run_with(machine, SETPRIV, &[&SERVER, words].concat(), told, time)
}
