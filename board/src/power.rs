//! The machine's power. What must not live here: when it is right to use it; whoever asks has decided.

use serde_json::Value;

use crate::answer::Outcome;
use crate::machine::Machine;
use crate::program::run;

pub const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Not waited for: the answer must get out before everything ends.
pub fn reboot(machine: &Machine) -> Outcome {
    run(machine, SYSTEMCTL, &["--no-block", "reboot"]).map(|_| Value::Null)
}

pub fn off(machine: &Machine) -> Outcome {
    run(machine, SYSTEMCTL, &["--no-block", "poweroff"]).map(|_| Value::Null)
}
