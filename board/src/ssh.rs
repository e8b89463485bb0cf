//! SSH to the appliance: for one user of its own, by one key, off unless it was asked for. What must not live here: that user,
//! which the image makes; without it the machine's SSH is its owner's own matter and is left alone.

use serde_json::json;

use crate::answer::{Code, Outcome, Wrong};
use crate::machine::Machine;
use crate::power::SYSTEMCTL;
use crate::program::{agrees, run};
use crate::request::Key;

const USER: &str = "kinglet-admin";
const SERVICE: &str = "ssh.service";
/// Its processes' own group, which is there as long as they are.
const RUNNING: &str = "/sys/fs/cgroup/system.slice/ssh.service";
const SSHD: &str = "/usr/sbin/sshd";
const KEYS: &str = "/etc/kinglet-board/authorized_keys";
const CONFIG: &str = "/etc/ssh/sshd_config.d/00-kinglet.conf";
const LOGINCTL: &str = "/usr/bin/loginctl";
/// Starts this program again, to do what switching it off does.
const TIMER: &str = "kinglet-board-ssh-off.timer";
const TIMED: &str = "kinglet-board-ssh-off.service";
/// How long it is on, unless it is to stay; the timer's own number.
const HOURS: u32 = 24;

/// What sshd is told. It takes the first word on a matter, and reads these files by their names.
const SETTINGS: &str = "\
# Written by kinglet-board when SSH was switched on; removed when it is switched off.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
PermitEmptyPasswords no
X11Forwarding no
AllowTcpForwarding no
AllowAgentForwarding no
AllowUsers kinglet-admin
AuthorizedKeysFile /etc/kinglet-board/authorized_keys
";

/// Lets the user in. If that does not come to its end nobody is let in.
pub fn on(machine: &Machine, key: &Key, keep: bool) -> Outcome {
    needs(machine)?;
    let done = let_in(machine, key, keep);
    if done.is_err() {
        // The first error is the one to tell.
        let _ = off(machine);
    }
    done?;
    Ok(json!({ "user": USER, "hours": if keep { None } else { Some(HOURS) } }))
}

fn needs(machine: &Machine) -> Result<(), Wrong> {
    machine.needs(SSHD, "There is no SSH server on this machine.")?;
    if machine.user(USER).is_some() {
        return Ok(());
    }
    let why =
        format!("This machine has no user {USER}: its SSH is set up by whoever runs it, and is left alone.");
    Err(Wrong::because(Code::NotAvailable, why))
}

fn let_in(machine: &Machine, key: &Key, keep: bool) -> Result<(), Wrong> {
    machine.write(KEYS, &format!("{}\n", key.as_str()))?;
    machine.write(CONFIG, SETTINGS)?;
    // Also what has begun meanwhile, and waits for this to end.
    agrees(machine, SYSTEMCTL, &["stop", TIMER, TIMED])?;
    // Neither survives a start of the machine unless it is to.
    let enabled = if keep { "enable" } else { "disable" };
    run(machine, SYSTEMCTL, &[enabled, SERVICE])?;
    run(machine, SYSTEMCTL, &["restart", SERVICE])?;
    if !keep {
        run(machine, SYSTEMCTL, &["start", TIMER])?;
    }
    Ok(())
}

/// Nobody comes in any more, and who is in is shown out.
pub fn off(machine: &Machine) -> Result<(), Wrong> {
    needs(machine)?;
    // Says no when there is none.
    agrees(machine, SYSTEMCTL, &["stop", TIMER])?;
    show_out(machine)
}

/// The same when its time is over. The timer has gone by itself then.
pub fn off_in_time(machine: &Machine) -> Result<(), Wrong> {
    needs(machine)?;
    show_out(machine)
}

fn show_out(machine: &Machine) -> Result<(), Wrong> {
    machine.remove(KEYS)?;
    run(machine, SYSTEMCTL, &["disable", "--now", SERVICE])?;
    machine.remove(CONFIG)?;
    // Says no when nobody is there.
    agrees(machine, LOGINCTL, &["terminate-user", USER]).map(drop)
}

/// Nothing where SSH is not ours.
pub fn is_on(machine: &Machine) -> Option<bool> {
    needs(machine).ok()?;
    Some(machine.exists(RUNNING))
}
