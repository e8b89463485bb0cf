//! The heads file: how far each conversation's hash chain had come, kept apart from the database. Ahead of the database,
//! it proves that acknowledged messages are missing; behind, it says nothing, for it is synced lazily and never before an
//! ack. What must not live here: what to do about it (see `verify`).

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::rows::Hash;
use crate::proto::Seq;
use crate::store::Pos;

const RECORD: usize = 64;
const MAGIC: u64 = u64::from_le_bytes(*b"KINGHEAD");
/// Records written since the last sync before one is asked for.
const SYNC_EVERY: usize = 256;

/// One conversation's recorded end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: Seq,
    pub hash: Hash,
}

/// What a heads file says.
#[derive(Debug, Default)]
pub struct Recorded {
    pub epoch: u64,
    /// The log's last position when the file was begun.
    pub base: Pos,
    pub heads: HashMap<u64, Head>,
}

pub struct HeadsFile {
    path: PathBuf,
    file: File,
    pending: Vec<u8>,
    unsynced: usize,
}

fn record(conversation: u64, seq: u64, hash: &Hash) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    out[..8].copy_from_slice(&conversation.to_le_bytes());
    out[8..16].copy_from_slice(&seq.to_le_bytes());
    out[16..48].copy_from_slice(hash);
    let check = blake3::hash(&out[..48]);
    out[48..].copy_from_slice(&check.as_bytes()[..16]);
    out
}

/// Reads a heads file up to the first record that is torn; no file says nothing.
pub fn read(path: &Path) -> io::Result<Option<Recorded>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = |record: &[u8], at: usize| {
        u64::from_le_bytes(
            record[at..at + 8]
                .try_into()
                .expect("eight bytes of a whole record"),
        )
    };
    let mut said = Recorded::default();
    for (index, bytes) in bytes.as_chunks::<RECORD>().0.iter().enumerate() {
        if blake3::hash(&bytes[..48]).as_bytes()[..16] != bytes[48..] {
            break;
        }
        let (first, second) = (number(bytes, 0), number(bytes, 8));
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[16..48]);
        if index == 0 {
            if first != MAGIC {
                return Ok(None);
            }
            said.base = second;
            said.epoch = number(bytes, 16);
        } else {
            said.heads.insert(first, Head { seq: second, hash });
        }
    }
    Ok(Some(said))
}

impl HeadsFile {
    /// Begins a new file for the log's stretch after `base`, and replaces the old one by it.
    pub fn begin(path: &Path, epoch: u64, base: Pos) -> io::Result<HeadsFile> {
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&fresh)?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&epoch.to_le_bytes());
        file.write_all(&record(MAGIC, base, &hash))?;
        std::fs::rename(&fresh, path)?;
        Ok(HeadsFile {
            path: path.to_owned(),
            file,
            pending: Vec::new(),
            unsynced: 0,
        })
    }

    pub fn note(&mut self, conversation: u64, seq: Seq, hash: &Hash) {
        self.pending.extend_from_slice(&record(conversation, seq, hash));
    }

    /// Hands what was noted to the kernel; syncs now and then. Called after the commit and the acks.
    pub fn write(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.pending) {
            // Kept, they would grow for as long as the file cannot be written. Behind is a state that heads may be in.
            self.pending = Vec::new();
            return Err(error);
        }
        self.unsynced += self.pending.len() / RECORD;
        self.pending.clear();
        if self.unsynced >= SYNC_EVERY {
            self.sync()
        } else {
            Ok(())
        }
    }

    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced == 0 {
            return Ok(());
        }
        self.unsynced = 0;
        self.file.sync_data()
    }

    pub fn restart(&mut self, epoch: u64, base: Pos) -> io::Result<()> {
        *self = HeadsFile::begin(&self.path, epoch, base)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_costs_no_memory() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut heads = HeadsFile::begin(&folder.path().join("heads"), 7, 0).expect("begins");
        heads.file = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        for seq in 1..=1_000 {
            heads.note(5, seq, &[0; 32]);
            assert!(heads.write().is_err());
        }
        assert!(heads.pending.capacity() <= 4 * RECORD);
    }

    #[test]
    fn a_torn_record_ends_the_reading_and_a_foreign_file_says_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("heads");
        assert!(read(&path).expect("no file is fine").is_none());
        let mut file = HeadsFile::begin(&path, 7, 40).expect("begins");
        for seq in 1..=3 {
            file.note(5, seq, &[seq as u8; 32]);
        }
        file.write().expect("writes");
        let said = read(&path).expect("reads").expect("says something");
        assert_eq!(
            (said.epoch, said.base, said.heads[&5]),
            (
                7,
                40,
                Head {
                    seq: 3,
                    hash: [3; 32]
                }
            )
        );
        let bytes = std::fs::read(&path).expect("reads");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("cuts");
        assert_eq!(read(&path).expect("reads").expect("says").heads[&5].seq, 2);
        std::fs::write(&path, [9; 256]).expect("overwrites");
        assert!(read(&path).expect("reads").expect("says").heads.is_empty());
    }
}
