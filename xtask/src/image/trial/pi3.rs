//! The card in a Raspberry Pi 3 B, as far as the emulator has one: what the board's own device tree leads the kernel to. What must not
//! live here: what is so on any machine.

use anyhow::{Result, ensure};

use super::answers;
use super::inside::Inside;
use super::machine::Bench;

const SAYS: &str = "\
tr -d '\\000' </proc/device-tree/model; echo
findmnt -no SOURCE --nofsroot /var/lib/kinglet
basename $(readlink /sys/class/net/eth0/device/driver /sys/class/net/usb0/device/driver 2>/dev/null | head -n 1)
basename $(readlink /sys/class/watchdog/watchdog0/device/driver)
[ $(cat /sys/class/thermal/thermal_zone0/temp) -gt 0 ] && echo warm
[ $(df --output=size -BM /data | tail -1 | tr -dc 0-9) -gt 1800 ] && echo grown
systemctl --failed --plain --no-legend";
const WANTED: &str = "\
Raspberry Pi 3 Model B
/dev/mmcblk0p7
cdc_ether
bcm2835-wdt
warm
grown";

pub fn run(bench: &Bench<'_>, inside: &Inside) -> Result<()> {
    println!("a start in a Raspberry Pi 3 B");
    let mut machine = bench.start_pi3("pi3")?;
    machine.hear(bench.patience, "word on its serial line that it runs", |line| {
        line.contains("This chat server runs.").then_some(())
    })?;
    answers(bench, &mut machine, true)?;
    inside.awaited(&mut machine)?;
    let said = inside.run(SAYS)?;
    ensure!(
        said == WANTED,
        "a Raspberry Pi 3 B says:\n{said}\nand should say:\n{WANTED}"
    );
    println!(
        "  its SD card, its network by USB, its watchdog and its sensor are there, and the data go to the end of the card"
    );
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)
}
