//! Bugs planted into the card's sources, which the checks have to see. What must not live here: the checks.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Bench, CHECKS, Sources};
use crate::debian::must;
use crate::tree;

struct Plant {
    check: &'static str,
    what: &'static str,
    /// A script, in a folder with `pi-image` and `systemd`.
    change: &'static str,
    /// What the check has to say of it.
    says: &'static str,
}

const PLANTS: [Plant; 15] = [
    Plant {
        check: "units",
        what: "a setting that systemd does not know",
        change: "echo 'RequireMountsFor=/data' >>pi-image/files/etc/systemd/system/kinglet.socket.d/appliance.conf",
        says: "Unknown key 'RequireMountsFor'",
    },
    Plant {
        check: "units",
        what: "a circle: the settings wait for the server, and the server for them",
        change: "sed -i 's/^Before=kinglet.service.*/&\\nAfter=kinglet-http.socket kinglet.service/' systemd/kinglet-board-settings.service",
        says: "ordering cycle",
    },
    Plant {
        check: "units",
        what: "a circle through a mount",
        change: "sed -i '/data .*ext4/s/nofail/nofail,x-systemd.after=kinglet.service/' pi-image/files/etc/fstab",
        says: "ordering cycle",
    },
    Plant {
        check: "units",
        what: "a line of fstab that says nothing",
        change: "echo '/data/lost' >>pi-image/files/etc/fstab",
        says: "fstab",
    },
    Plant {
        check: "firewall",
        what: "one port more",
        change: "sed -i 's/dport { 80, 443 }/dport { 80, 443, 8080 }/' pi-image/files/etc/nftables.conf",
        says: "stranger: tcp 4 open 80 443 8080",
    },
    Plant {
        check: "firewall",
        what: "all ports",
        change: "sed -i '0,/policy drop/s//policy accept/' pi-image/files/etc/nftables.conf",
        says: "stranger: tcp 4 open 22 53 80",
    },
    Plant {
        check: "firewall",
        what: "SSH for everybody",
        change: "sed -i 's/tcp dport 22 ip saddr @neighbours4 accept/tcp dport 22 accept/' pi-image/files/etc/nftables.conf",
        says: "stranger: tcp 4 open 22 80 443",
    },
    Plant {
        check: "firewall",
        what: "SSH for nobody",
        change: "sed -i '/tcp dport 22/d' pi-image/files/etc/nftables.conf",
        says: "neighbour: tcp 4 open 80 443",
    },
    Plant {
        check: "firewall",
        what: "names from afar",
        change: "sed -i 's/ ip ttl 255//' pi-image/files/etc/nftables.conf",
        says: "names: 64",
    },
    Plant {
        check: "firewall",
        what: "the server's ports for old addresses alone",
        change: "sed -i 's/tcp dport { 80, 443 } accept/meta nfproto ipv4 &/' pi-image/files/etc/nftables.conf",
        says: "six: \n",
    },
    Plant {
        check: "firewall",
        what: "an answer to every question of ICMP",
        change: "sed -i 's/meta l4proto icmp icmp type echo-request limit rate 20\\/second accept/meta l4proto icmp accept/' pi-image/files/etc/nftables.conf",
        says: "echo: 14",
    },
    Plant {
        check: "firewall",
        what: "rules that the kernel does not take",
        change: "sed -i 's/@neighbours6/@neighbours/' pi-image/files/etc/nftables.conf",
        says: "ended with",
    },
    Plant {
        check: "settings",
        what: "updates from everywhere",
        change: "sed -i '/#clear/d; s/-security,label/,label/' pi-image/files/etc/apt/apt.conf.d/99kinglet",
        says: "apt does not read",
    },
    Plant {
        check: "settings",
        what: "one source of updates more",
        change: "echo 'Unattended-Upgrade::Origins-Pattern:: \"origin=Debian\";' >>pi-image/files/etc/apt/apt.conf.d/99kinglet",
        says: "from elsewhere, too",
    },
    Plant {
        check: "settings",
        what: "a line that sudo does not understand",
        change: "echo 'kinglet-admin may everything' >>pi-image/files/etc/sudoers.d/kinglet-admin",
        says: "visudo",
    },
];

pub fn run(bench: &Bench) -> Result<()> {
    let mut green = Vec::new();
    for plant in &PLANTS {
        let folder = bench.empty("planted")?;
        for name in ["pi-image", "systemd"] {
            must(
                Command::new("cp")
                    .arg("-r")
                    .arg(tree::root().join(name))
                    .arg(&folder),
            )?;
        }
        must(
            Command::new("sh")
                .args(["-euc", plant.change])
                .current_dir(&folder),
        )?;
        let check = CHECKS.iter().find(|(name, _)| *name == plant.check);
        let Some((name, check)) = check else {
            bail!("there is no check {}", plant.check);
        };
        match check(bench, &Sources::of(&folder)) {
            Err(error) if format!("{error:#}").contains(plant.says) => {
                println!("{name:12} {:70} red, as it must be", plant.what);
            }
            Err(error) => green.push(format!(
                "{}: red, without {:?}: {error:#}",
                plant.what, plant.says
            )),
            Ok(()) => green.push(format!("{}: GREEN", plant.what)),
        }
    }
    if !green.is_empty() {
        bail!("not seen as what they are:\n  {}", green.join("\n  "));
    }
    Ok(())
}
