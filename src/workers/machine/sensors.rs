//! One look at the machine: what the kernel tells everybody, and what kinglet-board adds, which is root. Whatever neither tells
//! is nothing. What must not live here: when it is bad.
//!
//! The paths are those of the kernel's own documentation (sysfs-class-thermal, sysfs-block, ext4, mmc-dev-attrs) and of the
//! Raspberry Pi's firmware driver.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::proto::machine::{BoardFlag, FailedUpdate, UsbStick};

const THERMAL: &str = "sys/class/thermal";
const HWMON: &str = "sys/class/hwmon";
/// The Raspberry Pi's firmware, as a number of bits in hexadecimal.
const THROTTLED: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";
const EXT4: &str = "sys/fs/ext4";
const BOOT: &str = "proc/sys/kernel/random/boot_id";
/// What the sensor of a board's processor is called.
const PROCESSOR: &str = "cpu-thermal";
/// The unit of the kernel's counts of sectors, whatever the disk's own are.
const SECTOR: u64 = 512;
/// A longer file is not what it should be.
const FILE_BYTES: u64 = 4_096;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub celsius: Option<i32>,
    /// Whether that is the processor of a board, whose limits are known.
    pub is_processor: bool,
    pub under_voltage: Option<BoardFlag>,
    pub throttled: Option<BoardFlag>,
    pub disk: Option<Disk>,
    pub file_system_errors: Option<u64>,
}

/// The disk with the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    pub name: String,
    pub kind: Option<String>,
    pub size: Option<u64>,
    /// Bytes written since the kernel started.
    pub written: Option<u64>,
    pub life_used: Option<u32>,
    pub spare: Option<String>,
    pub errors: Option<u64>,
}

/// What kinglet-board answers to `sensors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Told {
    pub ok: bool,
    temperature: Option<Vec<Sensor>>,
    under_voltage: Option<BoardFlag>,
    throttled: Option<BoardFlag>,
    disks: Option<Vec<ToldDisk>>,
    file_systems: Option<Vec<ToldSystem>>,
    /// Another one after each start of the kernel.
    #[serde(rename = "boot_id")]
    pub boot: Option<String>,
    pub host_name: Option<String>,
    pub time_zone: Option<String>,
    /// Whether the appliance's SSH is on.
    pub ssh: Option<bool>,
    /// Whether it trusts anybody to sign updates. Absent from a board of an earlier version, as are the next two.
    pub updates: Option<bool>,
    pub failed_update: Option<FailedUpdate>,
    pub usb_disks: Option<Vec<UsbStick>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Sensor {
    sensor: String,
    celsius: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct ToldDisk {
    name: String,
    kind: Option<String>,
    bytes_written_since_start: Option<u64>,
    life_used_percent_at_most: Option<u32>,
    spare_blocks: Option<String>,
    errors: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct ToldSystem {
    name: String,
    errors: u64,
}

/// Looks below a root directory, which is `/` but in tests; what this process may not read comes from the board's answer.
pub fn look(root: &Path, data_dir: &Path, told: Option<&Told>) -> Seen {
    let own = own(root, data_dir);
    let Some(told) = told else { return own };
    let heat = told.temperature.as_deref().and_then(hottest);
    let (celsius, is_processor) = own
        .celsius
        .map(|own_heat| (own_heat, own.is_processor))
        .or(heat)
        .map_or((None, false), |(celsius, is_processor)| {
            (Some(celsius), is_processor)
        });
    let disk = own.disk.map(|disk| with_told(disk, told));
    let file_system_errors = own.file_system_errors.or_else(|| {
        let name = disk.as_ref().map(|disk| disk.name.as_str())?;
        let systems = told.file_systems.iter().flatten();
        sum(systems
            .filter(|system| system.name.starts_with(name))
            .map(|system| system.errors))
    });
    Seen {
        celsius,
        is_processor,
        under_voltage: own.under_voltage.or(told.under_voltage),
        throttled: own.throttled.or(told.throttled),
        disk,
        file_system_errors,
    }
}

fn with_told(own: Disk, told: &Told) -> Disk {
    let mut disks = told.disks.iter().flatten();
    let Some(told) = disks.find(|disk| disk.name == own.name) else {
        return own;
    };
    Disk {
        kind: own
            .kind
            .or_else(|| told.kind.clone().filter(|kind| is_card(kind))),
        written: own.written.or(told.bytes_written_since_start),
        life_used: own.life_used.or(told.life_used_percent_at_most),
        spare: own.spare.or_else(|| told.spare_blocks.clone()),
        errors: own.errors.or(told.errors),
        ..own
    }
}

fn own(root: &Path, data_dir: &Path) -> Seen {
    let heat = hottest(&sensors(root));
    let firmware = text(&root.join(THROTTLED))
        .and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    let flag = |now: u32, ever: u32| {
        firmware.map(|bits| BoardFlag {
            now: bits >> now & 1 == 1,
            since_start: Some(bits >> ever & 1 == 1),
        })
    };
    let disk = data_disk(root, data_dir);
    Seen {
        celsius: heat.map(|(celsius, _)| celsius),
        is_processor: heat.is_some_and(|(_, is_processor)| is_processor),
        under_voltage: flag(0, 16).or_else(|| low_voltage(root)),
        throttled: flag(2, 18),
        file_system_errors: disk
            .as_ref()
            .and_then(|disk| file_system_errors(root, &disk.name)),
        disk,
    }
}

/// Which start of the kernel this is.
pub fn boot(root: &Path) -> Option<String> {
    text(&root.join(BOOT)).filter(|boot| !boot.is_empty())
}

fn sensors(root: &Path) -> Vec<Sensor> {
    let folder = root.join(THERMAL);
    let zones = names(&folder).into_iter().filter_map(|zone| {
        let millis: f64 = text(&folder.join(&zone).join("temp"))?.parse().ok()?;
        Some(Sensor {
            sensor: text(&folder.join(&zone).join("type")).unwrap_or(zone),
            celsius: millis / 1_000.0,
        })
    });
    zones.collect()
}

/// The processor's, else the highest of all; and whether it is the processor's.
fn hottest(sensors: &[Sensor]) -> Option<(i32, bool)> {
    let whole = |sensor: &Sensor| sensor.celsius.round() as i32;
    let processor = sensors.iter().find(|sensor| sensor.sensor == PROCESSOR);
    match processor {
        Some(sensor) => Some((whole(sensor), true)),
        None => Some((sensors.iter().map(whole).max()?, false)),
    }
}

/// The kernel's own driver of the Raspberry Pi, which knows the present only.
fn low_voltage(root: &Path) -> Option<BoardFlag> {
    let folder = root.join(HWMON);
    names(&folder).into_iter().find_map(|entry| {
        let entry = folder.join(entry);
        text(&entry.join("name")).filter(|name| name == "rpi_volt")?;
        Some(BoardFlag {
            now: text(&entry.join("in0_lcrit_alarm"))? == "1",
            since_start: None,
        })
    })
}

fn data_disk(root: &Path, data_dir: &Path) -> Option<Disk> {
    let device = fs::metadata(data_dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let part = fs::canonicalize(root.join(format!("sys/dev/block/{major}:{minor}"))).ok()?;
    let path: PathBuf = if part.join("partition").exists() {
        part.parent()?.to_owned()
    } else {
        part
    };
    let of_device = |file: &str| text(&path.join("device").join(file));
    // Reads, merged, sectors, ms; then the same of writes.
    let written = text(&path.join("stat"))
        .and_then(|text| text.split_whitespace().nth(6)?.parse::<u64>().ok())
        .and_then(|sectors| sectors.checked_mul(SECTOR));
    Some(Disk {
        name: path.file_name()?.to_str()?.to_owned(),
        kind: of_device("type").filter(|kind| is_card(kind)),
        size: text(&path.join("size"))
            .and_then(|text| text.parse::<u64>().ok())
            .and_then(|sectors| sectors.checked_mul(SECTOR)),
        written,
        life_used: of_device("life_time").and_then(|text| life(&text)),
        spare: of_device("pre_eol_info").and_then(|text| spare(&text)),
        errors: None,
    })
}

/// Other disks have numbers in the same place.
fn is_card(kind: &str) -> bool {
    matches!(kind, "SD" | "MMC")
}

/// `0x01 0x02`: the first kind of cells up to 10 % used, the second up to 20 % (JEDEC eMMC, `DEVICE_LIFE_TIME_EST`). The worse counts.
fn life(text: &str) -> Option<u32> {
    let steps = text.split_whitespace().filter_map(hexadecimal);
    steps
        .filter(|step| (1..=11).contains(step))
        .max()
        .map(|step| step * 10)
}

/// `PRE_EOL_INFO` of the same.
fn spare(text: &str) -> Option<String> {
    let word = match hexadecimal(text)? {
        1 => "normal",
        2 => "warning",
        3 => "urgent",
        _ => return None,
    };
    Some(word.to_owned())
}

fn hexadecimal(word: &str) -> Option<u32> {
    u32::from_str_radix(word.trim_start_matches("0x"), 16).ok()
}

fn file_system_errors(root: &Path, disk: &str) -> Option<u64> {
    let folder = root.join(EXT4);
    let parts = names(&folder).into_iter().filter(|name| name.starts_with(disk));
    sum(parts.filter_map(|name| text(&folder.join(name).join("errors_count"))?.parse().ok()))
}

/// Nothing where there is nothing to be added up.
fn sum(counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.reduce(u64::saturating_add)
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path)
        .ok()?
        .take(FILE_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    Some(text.trim().to_owned())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_sees_comes_before_what_it_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        let zone = root.path().join(THERMAL).join("thermal_zone0");
        fs::create_dir_all(&zone).expect("the folder is ours");
        let told: Told = serde_json::from_str(
            r#"{"ok":true,"temperature":[{"sensor":"soc","celsius":91.0},{"sensor":"cpu-thermal","celsius":48.6}],
                "under_voltage":{"now":false,"since_start":null},"boot_id":"b"}"#,
        )
        .expect("as the board says it");
        let seen = look(root.path(), root.path(), Some(&told));
        assert_eq!((seen.celsius, seen.is_processor), (Some(49), true));
        assert_eq!(told.boot.as_deref(), Some("b"));
        assert!(seen.under_voltage.is_some_and(|flag| !flag.now) && seen.throttled.is_none());
        fs::write(zone.join("temp"), "61200\n").expect("the folder is ours");
        let seen = look(root.path(), root.path(), Some(&told));
        assert_eq!((seen.celsius, seen.is_processor), (Some(61), false));
    }

    #[test]
    fn words_of_cards_that_say_nothing_are_nothing() {
        assert_eq!(
            (life("0x01 0x02"), life("0x00 0x00"), life("")),
            (Some(20), None, None)
        );
        assert_eq!((spare("0x02").as_deref(), spare("0x00")), (Some("warning"), None));
        assert!(is_card("SD") && !is_card("0"));
    }
}
