//! Bugs planted into the card, which the parts of its trial have to see: a part that passes with its bug checks nothing. What must
//! not live here: the parts.

use std::path::Path;

use anyhow::{Result, bail};

use super::inside::Inside;
use super::machine::Bench;
use super::neighbour::Neighbour;
use super::{Part, Wanted, first_day, timed, with_an_owner};

struct Plant {
    part: Part,
    what: &'static str,
    /// A script, in the folder of the card's system, with the data's partition in its `data`.
    change: &'static str,
    /// What the part has to say of it, all of it.
    says: &'static [&'static str],
}

const PLANTS: [Plant; 25] = [
    Plant {
        part: Part::FirstDay,
        what: "what is synced stays in memory",
        change: "mkdir -p etc/systemd/system/kinglet.service.d
            printf '[Service]\\nSystemCallFilter=~fdatasync:0 fsync:0\\n' >etc/systemd/system/kinglet.service.d/zz.conf",
        says: &["an owner, or none", "safe_mode"],
    },
    Plant {
        part: Part::FirstDay,
        what: "it does not look whether its name is free",
        change: "sed -i 's/use-ipv6=yes/use-ipv6=no/' etc/avahi/avahi-daemon.conf",
        says: &["no claim code beside a free name"],
    },
    Plant {
        part: Part::FirstDay,
        what: "nothing is written to the first partition",
        change: "sed -i '/^PARTUUID=4b4e474c-01/s/noatime,/noatime,ro,/' etc/fstab",
        says: &["the card says nothing"],
    },
    Plant {
        part: Part::FirstDay,
        what: "each start begins anew, with a claim code of its own",
        change: "mkdir -p etc/systemd/system/kinglet.service.d
            printf '[Service]\\nExecStartPre=+/bin/sh -c \"find /data/kinglet -mindepth 1 -delete\"\\n' \
                >etc/systemd/system/kinglet.service.d/zz.conf",
        says: &["word that it is owned"],
    },
    Plant {
        part: Part::Looks,
        what: "a password, root by SSH, root by another name, a journal on the card, and what else was set otherwise",
        change: "sed -i 's/^kinglet-admin:[^:]*:/kinglet-admin:$6$salt$hash:/' etc/shadow
            sed -i 's/,nosuid,nodev,noexec,nofail,x-systemd.device/,nofail,x-systemd.device/; /^PARTUUID.*-07/s/errors=remount-ro,//; \
                s/noauto,x-systemd.automount/noauto/' etc/fstab
            sed -i 's/policy drop/policy accept/' etc/nftables.conf
            sed -i '/^NFTSet/d' etc/systemd/network/*.network
            sed -i 's/-security,/,/' etc/apt/apt.conf.d/99kinglet
            sed -i '1i PasswordAuthentication yes\\nPermitRootLogin yes' etc/ssh/sshd_config
            echo 'second:x:0:0::/root:/bin/bash' >>etc/passwd
            printf '[Journal]\\nStorage=persistent\\n' >etc/systemd/journald.conf.d/zz.conf
            printf '[Manager]\\nRuntimeWatchdogSec=60s\\n' >etc/systemd/system.conf.d/zz.conf
            mkdir -p etc/systemd/system/kinglet.service.d
            printf '[Service]\\nMemoryMax=infinity\\n' >etc/systemd/system/kinglet.service.d/zz.conf
            # Without it Debian's own would be read.
            echo '# none' >etc/systemd/zram-generator.conf
            rm etc/systemd/system/systemd-networkd-wait-online.service
            ln -sf /usr/share/zoneinfo/Africa/Nairobi etc/localtime
            printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' >etc/systemd/system/planted.service
            ln -s ../planted.service etc/systemd/system/multi-user.target.wants/",
        says: &[
            "no unit failed: ",
            "the time zone from the card: ",
            "it closes when it is damaged: ",
            "no programs on it: ",
            "the journal in memory: ",
            "compressed memory: ",
            "a memory limit that holds: ",
            "the boot partition is mounted when it is looked at: ",
            "nobody has a password: ",
            "one root: ",
            "no password is taken by SSH: ",
            "root does not come in by SSH: ",
            "the firewall is on: ",
            "neighbours are known: ",
            "nothing waits for a network: ",
            "security updates alone: ",
            "the watchdog is asked for: ",
        ],
    },
    Plant {
        part: Part::Looks,
        what: "the data lie on the system's partition, and another goes to swap",
        change: "mkdir srv/data; cp -a data/. srv/data; sed -i 's,^PARTUUID=4b4e474c-07 .*,/srv/data /data none bind,' etc/fstab
            dd if=/dev/zero of=srv/swap bs=1M count=16 status=none; chmod 600 srv/swap; mkswap -q srv/swap
            echo '/srv/swap none swap' >>etc/fstab",
        says: &["the data's own partition: ", "no swap but memory: "],
    },
    Plant {
        part: Part::Ports,
        what: "a program that listens, and a hole for it",
        change: "sed -i 's/tcp dport { 80, 443 } accept/tcp dport { 80, 443, 8443 } accept/' etc/nftables.conf
            printf '[Socket]\\nListenStream=8443\\nAccept=yes\\n' >etc/systemd/system/planted.socket
            printf '[Service]\\nExecStart=/bin/true\\n' >etc/systemd/system/planted@.service
            mkdir -p etc/systemd/system/sockets.target.wants; ln -s ../planted.socket etc/systemd/system/sockets.target.wants/",
        says: &["not what should be open: tcp 4 open 80 443 8443", "tcp 6 open 80 443 8443"],
    },
    Plant {
        part: Part::Ports,
        what: "a port that says that it is closed",
        change: "sed -i 's/tcp dport { 80, 443 } accept/&\\n        tcp dport 8081 reject with tcp reset/' etc/nftables.conf",
        says: &["something answers that it is closed", "tcp 4 refused 8081", "tcp 6 refused 8081"],
    },
    Plant {
        part: Part::Ports,
        what: "a port of UDP that says that it is closed, by IPv6",
        change: "sed -i 's/tcp dport { 80, 443 } accept/&\\n        meta nfproto ipv6 udp dport 5355 reject/' etc/nftables.conf",
        says: &["something answers that it is closed", "udp 4 answered\n", "udp 6 answered 5355"],
    },
    Plant {
        part: Part::Idle,
        what: "a timer that writes to the system's partition",
        change: "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"date >>/var/lib/planted\"\\n' >etc/systemd/system/planted.service
            printf '[Timer]\\nOnBootSec=30s\\nOnUnitActiveSec=60s\\nAccuracySec=1s\\n' >etc/systemd/system/planted.timer
            mkdir -p etc/systemd/system/timers.target.wants; ln -s ../planted.timer etc/systemd/system/timers.target.wants/",
        says: &["sectors were written to the system's partition"],
    },
    Plant {
        part: Part::Full,
        what: "the server writes elsewhere than to the data's partition",
        change: "mkdir srv/kinglet; cp -a data/kinglet/. srv/kinglet; chown --reference=data/kinglet srv/kinglet
            sed -i 's,^/data/kinglet ,/srv/kinglet ,' etc/fstab",
        says: &["a message was taken, and there is no room for it: ready"],
    },
    Plant {
        part: Part::Stick,
        what: "the server has memory where the stick is",
        change: "mkdir -p media/kinglet-backup etc/systemd/system/kinglet.service.d
            printf '[Service]\\nTemporaryFileSystem=/media/kinglet-backup:mode=0777\\n' >etc/systemd/system/kinglet.service.d/zz.conf",
        says: &["is not on the stick"],
    },
    Plant {
        part: Part::Stick,
        what: "an ext4 stick stays root's",
        // So written they are words that only people read.
        change: "board=usr/libexec/kinglet/kinglet-board; grep -q X-mount.owner= $board
            LC_ALL=C sed -i 's/X-mount[.]/x-mount./g' $board",
        says: &["1 backups should be on the stick: "],
    },
    Plant {
        part: Part::Update,
        what: "nobody looks whether a new version is well",
        change: "mkdir -p etc/systemd/system/kinglet-trial.service.d
            printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' >etc/systemd/system/kinglet-trial.service.d/zz.conf",
        says: &["was to be kept: "],
    },
    Plant {
        part: Part::Clock,
        what: "the time that was noted last is gone",
        change: "rm -f data/timesync/clock usr/lib/clock-epoch",
        says: &["the machine believes that it is "],
    },
    Plant {
        part: Part::Clock,
        what: "the card's settings are not taken over",
        change: "ln -s /dev/null etc/systemd/system/kinglet-board-settings.service",
        says: &["the Wi-Fi's settings are not as they should be"],
    },
    Plant {
        part: Part::Wifi,
        what: "a Wi-Fi gets no address",
        change: "rm etc/systemd/network/30-kinglet-wifi.network",
        says: &["by Wi-Fi the box says:\non the air\n", "country DE\nand should say"],
    },
    Plant {
        part: Part::Wifi,
        what: "settings are taken over once, and never again",
        change: "mkdir -p etc/systemd/system/kinglet-board-settings.service.d
            printf '[Unit]\\nConditionPathExists=!/etc/wpa_supplicant/wpa_supplicant-wlan0.conf\\n' \
                >etc/systemd/system/kinglet-board-settings.service.d/zz.conf",
        says: &["by Wi-Fi the box says:", "AP-STA-POSSIBLE-PSK-MISMATCH"],
    },
    Plant {
        part: Part::Reset,
        what: "the settings of the first day are not there",
        change: "rm usr/share/kinglet/kinglet.toml",
        says: &["not as after a reset of the settings"],
    },
    Plant {
        part: Part::Reset,
        what: "what people have said comes back",
        change: "mkdir srv/kept; cp -a data/kinglet/. srv/kept
            printf '[Unit]\\nRequiresMountsFor=/data\\nBefore=kinglet.service\\n[Service]\\nType=oneshot\\nExecStart=/bin/cp -an /srv/kept/. /data/kinglet/\\n' \
                >etc/systemd/system/planted.service
            ln -s ../planted.service etc/systemd/system/multi-user.target.wants/",
        says: &["everything was erased, and it still has an owner"],
    },
    Plant {
        part: Part::Reset,
        what: "a file that everything was copied to stays",
        change: "mkdir data/kinglet-before; cat data/kinglet/kinglet.db* >data/kinglet-before/all",
        says: &["everything was erased, and \"person0\" is still in ./data/kinglet-before/all"],
    },
    Plant {
        part: Part::Pi3,
        what: "the data do not go to the end of a larger card",
        change: "ln -s /dev/null etc/systemd/system/kinglet-board-grow.service",
        says: &["a Raspberry Pi 3 B says"],
    },
    Plant {
        part: Part::Restore,
        what: "the server does not wait for its backup",
        change: "sed -i '/^Before=kinglet.service/d' usr/lib/systemd/system/kinglet-board-restore.service",
        says: &["a server, or something of one, where there should be none"],
    },
    Plant {
        part: Part::Restore,
        what: "the key comes back onto the card",
        change: "printf '[Unit]\\nRequires=boot-firmware.automount\\nAfter=boot-firmware.automount\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n\
            ExecStart=/bin/true\\nExecStop=/bin/sh -c \"echo planted >/boot/firmware/restore-key\"\\n' >etc/systemd/system/planted.service
            ln -s ../planted.service etc/systemd/system/multi-user.target.wants/",
        says: &["the key is still on the card"],
    },
    Plant {
        part: Part::Settings,
        what: "settings on the card need the data",
        change: "mkdir -p etc/systemd/system/kinglet-board-settings.service.d
            printf '[Service]\\nStateDirectory=kinglet-board\\n' \
                >etc/systemd/system/kinglet-board-settings.service.d/zz.conf",
        says: &["settings were not taken over: harbour"],
    },
];

/// Each part that is wanted, with each of its bugs; all have to be red, and to say why.
pub fn run(bench: &Bench<'_>, image: &Path, wire: &Neighbour, wanted: &Wanted) -> Result<()> {
    let mut green = Vec::new();
    for plant in PLANTS.iter().filter(|plant| wanted.has(plant.part)) {
        println!("planted: {}", plant.what);
        let only = Wanted {
            parts: vec![plant.part],
            ..wanted.clone()
        };
        match tried(bench, image, wire, &only, plant) {
            Ok(()) => green.push(format!("{}: GREEN", plant.what)),
            Err(error) => {
                let said = format!("{error:#}");
                let missing: Vec<&str> = plant
                    .says
                    .iter()
                    .filter(|part| !said.contains(**part))
                    .copied()
                    .collect();
                if missing.is_empty() {
                    println!("red, as it must be: {said}\n");
                } else {
                    green.push(format!("{}: red, without {missing:?}: {said}", plant.what));
                }
            }
        }
    }
    if !green.is_empty() {
        bail!("not seen as what they are:\n  {}", green.join("\n  "));
    }
    Ok(())
}

fn tried(bench: &Bench<'_>, image: &Path, wire: &Neighbour, only: &Wanted, plant: &Plant) -> Result<()> {
    match plant.part {
        // These begin with the image.
        Part::FirstDay | Part::Restore => {
            let changed = bench.folder.join("planted.img");
            bench.copy(image, &changed)?;
            bench.change(&changed, plant.change)?;
            if plant.part == Part::FirstDay {
                return timed("first-day", || first_day(bench, &changed, wire, only).map(drop));
            }
            bench.kept_card(image)?;
            with_an_owner(bench, &changed, &Inside::kept(bench), wire, only)
        }
        _ => {
            bench.kept_card(image)?;
            bench.change(&bench.card, plant.change)?;
            with_an_owner(bench, image, &Inside::kept(bench), wire, only)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PARTS;
    use super::*;

    #[test]
    fn every_part_has_a_bug_that_it_must_see() {
        for (name, part) in PARTS {
            assert!(PLANTS.iter().any(|plant| plant.part == part), "{name}");
        }
        assert!(PLANTS.iter().all(|plant| !plant.says.is_empty()));
    }
}
