//! How the board is: heat, power, cards, USB disks; its name, its time zone, whether SSH is on; whether it takes updates, and whether
//! the last one came to nothing. Whatever nobody reports is `null` and named in `not_reported`; nothing is guessed. What must not live
//! here: when it is bad.

use std::fs;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::{install, names, ssh, update, usb};

const THERMAL: &str = "/sys/class/thermal";
const HWMON: &str = "/sys/class/hwmon";
/// The Raspberry Pi's firmware, as a number of bits in hexadecimal.
const THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";
const BLOCK: &str = "/sys/block";
const CLASS_BLOCK: &str = "/sys/class/block";
const EXT4: &str = "/sys/fs/ext4";
/// Another one after each start of the kernel: whether the board was off in between.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const MMC_ERRORS: &str = "/sys/kernel/debug";
/// What has no wear of its own.
const NOT_DISKS: [&str; 6] = ["loop", "ram", "zram", "dm-", "md", "sr"];
/// The unit of `/sys/block/*/stat`, whatever the disk's own sectors are.
const SECTOR: u64 = 512;

pub fn read(machine: &Machine) -> Value {
    let mut missing = Vec::new();
    let mut or_missing = |name: &'static str, value: Option<Value>| {
        value.unwrap_or_else(|| {
            missing.push(name);
            Value::Null
        })
    };
    let heat = or_missing("temperature", temperatures(machine));
    let firmware = machine
        .text(THROTTLED)
        .and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    let bit = |at: u32| firmware.map(|bits| bits >> at & 1 == 1);
    let since = |now: u32, ever: u32| Some(json!({ "now": bit(now)?, "since_start": bit(ever)? }));
    let power = or_missing("under_voltage", since(0, 16).or_else(|| low_voltage(machine)));
    let throttled = or_missing("throttled", since(2, 18));
    let capped = or_missing("frequency_capped", since(1, 17));
    let disks = or_missing("disks", disks(machine));
    let systems = or_missing("file_systems", file_systems(machine));
    let boot = or_missing("boot_id", machine.text(BOOT).map(Value::String));
    let host = or_missing("host_name", names::host_now(machine).map(Value::String));
    let zone = or_missing("time_zone", names::zone_now(machine).map(Value::String));
    let ssh = or_missing("ssh", ssh::is_on(machine).map(Value::Bool));
    json!({
        "temperature": heat,
        "under_voltage": power,
        "throttled": throttled,
        "frequency_capped": capped,
        "disks": disks,
        "file_systems": systems,
        "usb_disks": usb_disks(machine),
        "boot_id": boot,
        "host_name": host,
        "time_zone": zone,
        "ssh": ssh,
        "updates": machine.exists(update::TRUSTED),
        "failed_update": install::failed(machine),
        "not_reported": missing,
    })
}

/// `[{"sensor", "celsius"}]`
fn temperatures(machine: &Machine) -> Option<Value> {
    let zones = machine.names(THERMAL).into_iter().filter_map(|zone| {
        let millis: i32 = machine.text(&format!("{THERMAL}/{zone}/temp"))?.parse().ok()?;
        let sensor = machine.text(&format!("{THERMAL}/{zone}/type")).unwrap_or(zone);
        Some(json!({ "sensor": sensor, "celsius": f64::from(millis) / 1_000.0 }))
    });
    some(zones.collect())
}

/// The kernel's own driver of the Raspberry Pi, which knows the present only.
fn low_voltage(machine: &Machine) -> Option<Value> {
    machine.names(HWMON).into_iter().find_map(|entry| {
        let name = machine.text(&format!("{HWMON}/{entry}/name"))?;
        if name != "rpi_volt" {
            return None;
        }
        let alarm = machine.text(&format!("{HWMON}/{entry}/in0_lcrit_alarm"))?;
        Some(json!({ "now": alarm == "1", "since_start": null }))
    })
}

fn disks(machine: &Machine) -> Option<Value> {
    let names = machine.names(BLOCK).into_iter();
    let disks = names.filter(|name| !NOT_DISKS.iter().any(|other| name.starts_with(other)));
    some(disks.map(|name| disk(machine, &name)).collect())
}

fn disk(machine: &Machine, name: &str) -> Value {
    let of_device = |file: &str| machine.text(&format!("{BLOCK}/{name}/device/{file}"));
    // Reads, merged, sectors, ms; then the same of writes.
    let written = machine.text(&format!("{BLOCK}/{name}/stat")).and_then(|text| {
        let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
        sectors.checked_mul(SECTOR)
    });
    json!({
        "name": name,
        "kind": of_device("type"),
        "bytes_written_since_start": written,
        // Of an eMMC's two kinds of cells, in steps of ten percent. SD cards do not tell.
        "life_used_percent_at_most": of_device("life_time").and_then(|text| life(&text)),
        "spare_blocks": of_device("pre_eol_info").and_then(|text| spare(&text)),
        "errors": card_errors(machine, name),
    })
}

/// `0x01 0x02`: the first kind up to 10 % used, the second up to 20 %. The worse one counts.
fn life(text: &str) -> Option<u32> {
    let steps = text
        .split_whitespace()
        .filter_map(|word| u32::from_str_radix(word.trim_start_matches("0x"), 16).ok());
    steps
        .filter(|step| (1..=11).contains(step))
        .max()
        .map(|step| step * 10)
}

fn spare(text: &str) -> Option<&'static str> {
    match u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()? {
        1 => Some("normal"),
        2 => Some("warning"),
        3 => Some("urgent"),
        _ => None,
    }
}

/// Those that could be mounted now. None is an answer, too: nobody has plugged one in.
fn usb_disks(machine: &Machine) -> Vec<Value> {
    let size = |name: &str| {
        let sectors = machine.text(&format!("{CLASS_BLOCK}/{name}/size"))?;
        sectors.parse::<u64>().ok()?.checked_mul(SECTOR)
    };
    let disks = usb::disks(machine).into_iter();
    disks
        .map(|name| json!({ "name": name, "bytes": size(&name) }))
        .collect()
}

/// What the card's host has counted, all kinds together: lines of `# Name: 0`.
fn card_errors(machine: &Machine, name: &str) -> Option<u64> {
    let device = fs::canonicalize(machine.path(&format!("{BLOCK}/{name}/device"))).ok()?;
    let mut parts = device.iter().filter_map(|part| part.to_str());
    parts.find(|part| *part == "mmc_host")?;
    let host = parts.next()?;
    let counted = machine.text(&format!("{MMC_ERRORS}/{host}/err_stats"))?;
    let counts: Vec<u64> = counted
        .lines()
        .filter_map(|line| line.rsplit_once(':')?.1.trim().parse().ok())
        .collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

fn file_systems(machine: &Machine) -> Option<Value> {
    let systems = machine.names(EXT4).into_iter().filter_map(|name| {
        let errors: u64 = machine
            .text(&format!("{EXT4}/{name}/errors_count"))?
            .parse()
            .ok()?;
        Some(json!({ "name": name, "errors": errors }))
    });
    some(systems.collect())
}

fn some(found: Vec<Value>) -> Option<Value> {
    (!found.is_empty()).then_some(Value::Array(found))
}
