//! What has to be so inside a machine that started from the card. What must not live here: starting it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::TIME_ZONE;
use super::inside::Inside;
use super::machine::Bench;
use crate::debian::ask;

const PORTS: &str = include_str!("ports.py");
const IDLY: &str = include_str!("idle.py");
/// What a stranger may reach. SSH is on in this trial, and for neighbours only.
const OPEN: [&str; 2] = ["tcp 4 open 80 443", "tcp 6 open 80 443"];
/// Nor does anything say that it is closed, or answer otherwise.
const SILENT: [&str; 4] = [
    "tcp 4 refused",
    "tcp 6 refused",
    "udp 4 answered",
    "udp 6 answered",
];

/// Whoever installs the box's own authority, as the page on the plain port says, reaches it by its name without a warning.
pub fn trusted(bench: &Bench<'_>, name: &str) -> Result<()> {
    trusts(bench, name, &authority(bench, "authority.pem")?)
}

/// The box's own authority, as its page gives it out.
pub fn authority(bench: &Bench<'_>, name: &str) -> Result<PathBuf> {
    let page =
        ask(Command::new("curl").args(["--silent", "--fail", &format!("http://127.0.0.1:{}/", bench.http)]))?;
    let path = page
        .split('"')
        .find(|part| part.starts_with('/') && part.ends_with(".pem"))
        .context("the trust page leads to no certificate")?;
    let file = bench.folder.join(name);
    let url = format!("http://127.0.0.1:{}{path}", bench.http);
    ask(Command::new("curl")
        .args(["--silent", "--fail", "--output"])
        .arg(&file)
        .arg(url))?;
    Ok(file)
}

pub fn trusts(bench: &Bench<'_>, name: &str, authority: &Path) -> Result<()> {
    let host = format!("{name}:{}", bench.https);
    let leads = format!("{host}:127.0.0.1");
    ask(Command::new("curl")
        .args(["--silent", "--fail", "--resolve", &leads, "--cacert"])
        .arg(authority)
        .arg(format!("https://{host}/health")))
    .context("reaching it by name, by the certificate that it gives out")?;
    println!("  {name} is trusted by its own authority");
    Ok(())
}

/// One thing that has to be so: what it is called, what is run, and what that has to say.
struct Look {
    what: &'static str,
    run: &'static str,
    says: &'static str,
}

const LOOKS: [Look; 21] = [
    Look {
        what: "no unit failed",
        run: "systemctl --failed --plain --no-legend | cut -d ' ' -f 1",
        says: "",
    },
    Look {
        what: "the time zone from the card",
        run: "readlink /etc/localtime | grep -c '@ZONE@'",
        says: "1",
    },
    Look {
        what: "the data's own partition",
        run: "findmnt -no SOURCE --nofsroot /var/lib/kinglet",
        says: "/dev/vda7",
    },
    Look {
        what: "it closes when it is damaged",
        run: "findmnt -no OPTIONS /data | grep -c 'noatime.*errors=remount-ro'",
        says: "1",
    },
    Look {
        what: "no programs on it",
        run: "findmnt -no OPTIONS /data | grep -c 'nosuid,nodev,noexec'",
        says: "1",
    },
    Look {
        what: "it goes to the end of the card",
        run: "[ $(df --output=size -BM /data | tail -1 | tr -dc 0-9) -gt 1500 ] && echo yes",
        says: "yes",
    },
    Look {
        what: "the journal in memory",
        run: "[ ! -e /var/log/journal ] && [ -d /run/log/journal ] && echo yes",
        says: "yes",
    },
    Look {
        what: "no swap but memory",
        run: "tail -n +2 /proc/swaps | grep -v ^/dev/zram | wc -l",
        says: "0",
    },
    Look {
        what: "compressed memory",
        run: "grep -c ^/dev/zram /proc/swaps",
        says: "1",
    },
    Look {
        what: "a memory limit that holds",
        run: "[ $(cat /sys/fs/cgroup/system.slice/kinglet.service/memory.max) -lt 1000000000 ] && echo yes",
        says: "yes",
    },
    Look {
        what: "the boot partition is mounted when it is looked at",
        run: "systemctl is-active boot-firmware.automount",
        says: "active",
    },
    Look {
        what: "nobody has a password",
        run: "grep -cv '^[^:]*:[!*]' /etc/shadow || true",
        says: "0",
    },
    Look {
        what: "one root",
        run: "awk -F: '$3 == 0 { print $1 }' /etc/passwd",
        says: "root",
    },
    Look {
        what: "root does not come in by SSH",
        run: "sshd -T | grep '^permitrootlogin'",
        says: "permitrootlogin no",
    },
    Look {
        what: "no password is taken by SSH",
        run: "sshd -T | grep -c '^passwordauthentication yes' || true",
        says: "0",
    },
    Look {
        what: "a number of its own",
        run: "[ $(wc -c </etc/machine-id) = 33 ] && echo yes",
        says: "yes",
    },
    Look {
        what: "the firewall is on",
        run: "nft list chain inet kinglet input | grep -c 'policy drop'",
        says: "1",
    },
    Look {
        what: "neighbours are known",
        run: "nft list set inet kinglet neighbours4 | grep -c '10.0.2.0/24'",
        says: "1",
    },
    Look {
        what: "nothing waits for a network",
        run: "systemctl is-enabled systemd-networkd-wait-online.service || true",
        says: "masked",
    },
    Look {
        what: "security updates alone",
        run: "unattended-upgrade --dry-run --debug 2>/dev/null | grep -c 'Allowed origins are: origin=Debian,codename=trixie-security,label=Debian-Security$' || true",
        says: "1",
    },
    Look {
        what: "the watchdog is asked for",
        run: "systemctl show --property RuntimeWatchdogUSec --value",
        says: "14s",
    },
];

/// Between what one look says and the next, in what all of them say.
const MARK: &str = "@@@@";

/// All of them at once: to come in by SSH is slow on such a machine.
pub fn all(inside: &Inside) -> Result<()> {
    let mut script = String::new();
    for look in &LOOKS {
        let run = look.run.replace("@ZONE@", TIME_ZONE);
        script.push_str(&format!(
            "echo {MARK}; ({run}) 2>&1 || echo \"it ended with $?\"\n"
        ));
    }
    let said = inside.run(&script)?;
    let said: Vec<&str> = said.split(MARK).skip(1).map(str::trim).collect();
    ensure!(said.len() == LOOKS.len(), "not every look was taken: {said:?}");
    let mut wrong = Vec::new();
    for (look, said) in LOOKS.iter().zip(said) {
        if said == look.says {
            println!("  {}", look.what);
        } else {
            wrong.push(format!("{}: {said:?} and not {:?}", look.what, look.says));
        }
    }
    ensure!(
        wrong.is_empty(),
        "not so inside the machine:\n  {}",
        wrong.join("\n  ")
    );
    Ok(())
}

/// Every port, from a network beside it whose addresses are not its neighbours'.
pub fn closed(inside: &Inside) -> Result<()> {
    let said = inside.python(PORTS)?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(
        OPEN.iter().all(|open| lines.contains(open)),
        "not what should be open: {said}"
    );
    ensure!(
        SILENT.iter().all(|silent| lines.contains(silent)),
        "something answers that it is closed, and should not answer: {said}"
    );
    ensure!(
        lines.len() == OPEN.len() + SILENT.len(),
        "the ports were not all tried: {said}"
    );
    println!(
        "  80 and 443 are open, and no answer at the other 65,533 ports, nor at any of UDP, by IPv4 and IPv6"
    );
    Ok(())
}

/// What wears the card when nobody is there, and what is done meanwhile.
pub fn idle(inside: &Inside, minutes: u32) -> Result<()> {
    let said = inside.python(&IDLY.replace("@SECONDS@", &(60 * minutes).to_string()))?;
    let lines: Vec<&str> = said.lines().collect();
    let [sectors, costs @ ..] = &lines[..] else {
        bail!("nothing was said of {minutes} idle minutes");
    };
    ensure!(
        *sectors == "0",
        "{sectors} sectors were written to the system's partition in {minutes} idle minutes"
    );
    ensure!(costs.len() == 4, "not everything was counted: {said}");
    println!("  nothing written to the system's partition in {minutes} idle minutes");
    for cost in costs {
        println!("  {cost}");
    }
    Ok(())
}

/// In 1970, and with new settings on the card.
pub fn later(inside: &Inside, secret: &str, noted: u64) -> Result<()> {
    let now = inside.run("date +%s; date")?;
    let (seconds, now) = now.split_once('\n').context("the time, twice")?;
    ensure!(
        seconds.parse::<u64>().is_ok_and(|seconds| seconds >= noted),
        "the machine believes that it is {now}, and noted a later time: {noted}"
    );
    let kept = inside.run(&format!(
        "cd /etc/wpa_supplicant; grep -c '{secret}' wpa_supplicant-wlan0.conf || true; stat -c %a:%U wpa_supplicant-wlan0.conf || true"
    ))?;
    ensure!(
        kept == "1\n600:root",
        "the Wi-Fi's settings are not as they should be: {kept}"
    );
    inside
        .run("command -v wpa_supplicant")
        .context("nothing on it speaks to a Wi-Fi")?;
    println!("  it is {now}; the Wi-Fi's password is known to root alone");
    Ok(())
}
