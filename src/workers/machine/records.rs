//! Numbered records in a file of their own, each written over an older one and synced: what the plug test writes, and what it
//! finds afterwards. What must not live here: when, and what follows from it.
//!
//! The file has its full size before the first record, so that a record is a write and a flush of the card and nothing else. A
//! record is the number of its run, its own, and bytes that follow from both, so that a torn or an older one is known.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::limits;
use crate::proto::ClientId;

const RECORD: usize = limits::PLUG_TEST_RECORD;
const SLOTS: u64 = limits::PLUG_TEST_RECORDS;
/// So many of the newest are looked for. What was being written at the end has spoilt an older one than these.
const LOOKED: u64 = SLOTS / 2;

pub struct Records {
    file: File,
    run: ClientId,
}

impl Records {
    /// An empty file of the full size, on the disk.
    pub fn make(path: &Path, run: ClientId) -> io::Result<Records> {
        let file = File::create(path)?;
        for slot in 0..SLOTS {
            file.write_all_at(&[0; RECORD], place(slot))?;
        }
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Records { file, run })
    }

    /// Has the disk confirm a record. A failed sync is not tried again.
    pub fn write(&self, number: u64) -> io::Result<()> {
        self.file
            .write_all_at(&record(self.run, number), place(number % SLOTS))?;
        self.file.sync_data()
    }
}

fn place(slot: u64) -> u64 {
    slot * RECORD as u64
}

fn record(run: ClientId, number: u64) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..16].copy_from_slice(run.0.as_bytes());
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    let (head, rest) = bytes.split_at_mut(24);
    blake3::Hasher::new().update(head).finalize_xof().fill(rest);
    bytes
}

/// The number in each place; 0 where there is no whole one of this run.
pub fn read(path: &Path, run: ClientId) -> io::Result<Vec<u64>> {
    let mut file = File::open(path)?;
    let mut found = Vec::new();
    let mut bytes = [0; RECORD];
    for _ in 0..SLOTS {
        file.read_exact(&mut bytes)?;
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[16..24]);
        let number = u64::from_le_bytes(number);
        let is_whole = number > 0 && bytes == record(run, number);
        found.push(if is_whole { number } else { 0 });
    }
    Ok(found)
}

/// How many records that were confirmed are not there. All before the newest that is there were, whatever was seen.
pub fn lost(found: &[u64], seen: u64) -> u64 {
    let newest = found.iter().copied().max().unwrap_or(0);
    let confirmed = seen.max(newest.saturating_sub(1));
    let first = confirmed.saturating_sub(LOOKED - 1).max(1);
    let is_missing = |number: &u64| {
        let at = usize::try_from(number % SLOTS).unwrap_or(usize::MAX);
        // A newer one has taken its place.
        found.get(at).is_none_or(|found| found < number)
    };
    let missing = (first..=confirmed).filter(is_missing).count() as u64;
    // Further back than it is looked.
    missing.max(seen.saturating_sub(newest))
}

/// A file that is gone already is what was wanted.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: ClientId = ClientId(uuid::Uuid::from_u128(7));

    /// A file with the records up to a number, but for those that a card has lost.
    fn written(upto: u64, but: &[u64]) -> Vec<u64> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let records = Records::make(&path, RUN).expect("there is room");
        (1..=upto)
            .filter(|number| !but.contains(number))
            .for_each(|number| records.write(number).expect("there is room"));
        read(&path, RUN).expect("it is there")
    }

    #[test]
    fn what_was_confirmed_is_found_and_what_is_missing_is_counted() {
        let all = SLOTS + 44;
        let found = written(all, &[]);
        assert_eq!(lost(&found, all), 0);
        assert_eq!(lost(&found, all - 3), 0, "what was seen is behind");
        assert_eq!(lost(&found, all + 2), 2);
        assert_eq!(lost(&found, all + SLOTS), SLOTS, "more than it is looked back");
        assert_eq!(
            lost(&written(all, &[all - 5]), all),
            1,
            "an older one is in its place"
        );
        assert_eq!(
            lost(&written(9, &[4]), 0),
            1,
            "a later one was begun after it was confirmed"
        );
        assert_eq!(lost(&written(9, &[]), 0), 0);
        assert_eq!(lost(&written(0, &[]), 3), 3);
    }

    #[test]
    fn a_torn_record_and_one_of_another_run_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let records = Records::make(&path, RUN).expect("there is room");
        (1..=4).for_each(|number| records.write(number).expect("there is room"));
        records
            .file
            .write_all_at(&[0; 512], place(4) + 1_024)
            .expect("it is there");
        let found = read(&path, RUN).expect("it is there");
        assert_eq!((found[3], found[4]), (3, 0));
        assert_eq!(lost(&found, 4), 1);
        let other = ClientId(uuid::Uuid::from_u128(8));
        assert!(
            read(&path, other)
                .expect("it is there")
                .iter()
                .all(|number| *number == 0)
        );
    }

    #[test]
    fn what_was_under_way_at_the_cut_spoils_nothing_that_is_looked_for() {
        let all = SLOTS * 2;
        let mut found = written(all, &[]);
        // The next one was torn in the place of an old one.
        found[usize::try_from((all + 1) % SLOTS).expect("small")] = 0;
        assert_eq!(lost(&found, all), 0);
    }
}
