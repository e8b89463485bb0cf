//! Measures the disk under a directory with a file of its own, removed afterwards, and reads what the machine says of
//! itself. What must not live here: what follows from the figures.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::boards::Machine;
use super::model::Disk;
use crate::app::failure::{Failure, Outcome};

const PAGE: usize = 4096;
/// Pages of the probe's file; the rounds write among them.
const PAGES: u64 = 4096;
/// Synced writes of one page each.
const SYNCS: usize = 40;
/// Rounds of pages all over the file with one sync behind them, as a checkpoint writes.
const ROUNDS: u64 = 5;
const PAGES_A_ROUND: u64 = 128;

/// Assumed of a processor that is no board's we know: on a PC between what lone messages and batches reached on one (0.5
/// and 1.9), elsewhere as a small core that works out of order.
const UNKNOWN_IPC: f64 = if cfg!(target_arch = "x86_64") { 1.5 } else { 0.8 };
/// Assumed where the machine does not tell its clock.
const UNKNOWN_MHZ: f64 = 1_000.0;

/// This machine, which is no board we know.
pub fn machine() -> Machine {
    Machine {
        name: format!("this machine ({})", std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        mhz: mhz().unwrap_or(UNKNOWN_MHZ),
        ipc: UNKNOWN_IPC,
        memory_mib: memory_mib(),
    }
}

fn mhz() -> Option<f64> {
    let most = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
    if let Some(khz) = most.ok().and_then(|text| text.trim().parse::<f64>().ok()) {
        return Some(khz / 1e3);
    }
    let all = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = all.lines().find(|line| line.starts_with("cpu MHz"))?;
    line.split(':').nth(1)?.trim().parse().ok()
}

/// All memory of this machine.
pub fn memory_mib() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}

/// Removed however the measurement ends.
struct Probe {
    path: PathBuf,
    file: File,
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Who cannot remove it is told by its name what it is.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The median of synced writes, and the pace of pages that are synced together. Takes a second or two, on a slow card more.
pub fn measure(directory: &Path) -> Outcome<Disk> {
    let path = directory.join(format!(".capacity-probe-{}", std::process::id()));
    let failed = |error: io::Error| {
        Failure::failed(format!(
            "measuring the disk with the file {}: {error}. Run this as the server's user, or give --fdatasync-ms",
            path.display()
        ))
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(failed)?;
    let probe = Probe {
        path: path.clone(),
        file,
    };
    figures(&probe.file).map_err(failed)
}

fn figures(file: &File) -> io::Result<Disk> {
    let page = [0x5a; PAGE];
    // The file has its place first: what is measured is overwriting, as in a log that goes round.
    for number in 0..PAGES {
        file.write_all_at(&page, number * PAGE as u64)?;
    }
    file.sync_all()?;
    let mut syncs = Vec::with_capacity(SYNCS);
    for number in 0..SYNCS {
        let start = Instant::now();
        file.write_all_at(&page, (number * PAGE) as u64)?;
        file.sync_data()?;
        syncs.push(start.elapsed().as_secs_f64());
    }
    syncs.sort_by(f64::total_cmp);
    let start = Instant::now();
    for round in 0..ROUNDS {
        for number in 0..PAGES_A_ROUND {
            // An odd stride visits every page once before any page again.
            let place = (round * PAGES_A_ROUND + number) * 1_597 % PAGES;
            file.write_all_at(&page, place * PAGE as u64)?;
        }
        file.sync_data()?;
    }
    let pace = (ROUNDS * PAGES_A_ROUND) as f64 / start.elapsed().as_secs_f64();
    Ok(Disk {
        sync_ms: syncs[SYNCS / 2] * 1e3,
        pages_per_second: pace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a test may make a directory");
        let disk = measure(directory.path()).expect("the directory can be written");
        assert!(disk.sync_ms > 0.0 && disk.pages_per_second > 0.0, "{disk:?}");
        let left = std::fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(left, 0);
        let missing = measure(&directory.path().join("none")).expect_err("there is no such directory");
        assert!(missing.text.contains("--fdatasync-ms"), "{missing}");
    }
}
