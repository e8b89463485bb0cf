//! What a machine wrote to its disk, in the order in which it did, as the emulator's `blklogwrites` notes it; and the disk as it
//! would be had the power gone in between. What must not live here: what is looked at then.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The form is that of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const SECTOR: u64 = 512;

/// One thing that was done to the disk.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// Where on the disk, and how much.
    to: u64,
    bytes: u64,
    /// Where its bytes are in the log.
    at: u64,
    flags: u64,
}

impl Write {
    /// Everything before it is on the disk when it is done.
    pub fn is_flush(&self) -> bool {
        self.flags & FLUSH != 0
    }

    fn has_bytes(&self) -> bool {
        self.bytes > 0 && self.flags & DISCARD == 0
    }
}

pub struct Record {
    log: File,
    pub writes: Vec<Write>,
}

impl Record {
    pub fn open(path: &Path) -> Result<Record> {
        let log = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let mut head = [0; 28];
        log.read_exact_at(&mut head, 0)
            .context("reading the record's head")?;
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        ensure!(number(0) == MAGIC, "{} is no record of writes", path.display());
        let sector = u64::from(u32::from_le_bytes(head[24..28].try_into().expect("four bytes")));
        let mut writes = Vec::new();
        let mut at = sector;
        for _ in 0..number(16) {
            let mut entry = [0; 32];
            log.read_exact_at(&mut entry, at)
                .context("reading what was written")?;
            let number = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
            let write = Write {
                to: number(0) * SECTOR,
                bytes: number(8) * SECTOR,
                at: at + sector,
                flags: number(16),
            };
            at += sector;
            if write.has_bytes() {
                at += write.bytes.next_multiple_of(sector);
            }
            writes.push(write);
        }
        Ok(Record { log, writes })
    }

    fn bytes(&self, write: &Write) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(write.bytes).context("a write of a size that fits")?];
        self.log
            .read_exact_at(&mut bytes, write.at)
            .context("reading the bytes of a write")?;
        Ok(bytes)
    }

    fn apply(&self, write: &Write, disk: &File) -> Result<()> {
        if !write.has_bytes() {
            return Ok(());
        }
        disk.write_all_at(&self.bytes(write)?, write.to)
            .context("writing to the disk")
    }

    /// Does the writes of a range to a disk that has those before it.
    pub fn go_on(&self, disk: &File, range: std::ops::Range<usize>) -> Result<()> {
        self.writes[range]
            .iter()
            .try_for_each(|write| self.apply(write, disk))
    }

    /// The power goes some time after the flush at `from`: each write up to the next one is on the disk or not, as the dice say;
    /// the last one that is may be torn. Gives how many there were to choose from, and how many are.
    pub fn cut(&self, disk: &File, from: usize, dice: &mut Dice) -> Result<(usize, usize)> {
        let after = &self.writes[from + 1..];
        let end = after.iter().position(Write::is_flush).unwrap_or(after.len());
        let open: Vec<&Write> = after[..end].iter().filter(|write| write.has_bytes()).collect();
        // How much of it had been asked for by then.
        let asked = dice.below(open.len() + 1);
        let mut kept = 0;
        for write in &open[..asked] {
            if write.flags & FUA != 0 || dice.below(2) == 0 {
                kept += 1;
                self.apply(write, disk)?;
            }
        }
        if let Some(torn) = open
            .get(asked)
            .filter(|write| write.bytes > SECTOR && dice.below(3) == 0)
        {
            let sectors = usize::try_from(torn.bytes / SECTOR).context("a write of a size that fits")?;
            let bytes = self.bytes(torn)?;
            let half = (1 + dice.below(sectors - 1)) * usize::try_from(SECTOR).context("512 fits")?;
            disk.write_all_at(&bytes[..half], torn.to)
                .context("writing to the disk")?;
        }
        Ok((open.len(), kept))
    }

    /// The first write that holds these bytes.
    pub fn find(&self, words: &[u8]) -> Result<Option<usize>> {
        for (number, write) in self.writes.iter().enumerate() {
            if write.has_bytes() && find(&self.bytes(write)?, words).is_some() {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

/// Where these words stand first.
pub fn find(within: &[u8], words: &[u8]) -> Option<usize> {
    let first = *words.first()?;
    let mut from = 0;
    while let Some(at) = within[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if within[at..].starts_with(words) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Chance that comes again with its seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bound = u64::try_from(bound.max(1)).expect("a number of things that fits");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("below what fits")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A record as the emulator writes it.
    fn record(entries: &[(u64, u64, &[u8])]) -> Vec<u8> {
        let mut log = Vec::new();
        for number in [MAGIC, 1, entries.len() as u64] {
            log.extend_from_slice(&number.to_le_bytes());
        }
        log.extend_from_slice(&512_u32.to_le_bytes());
        log.resize(512, 0);
        for (sector, flags, bytes) in entries {
            for number in [*sector, bytes.len() as u64 / 512, *flags, 0] {
                log.extend_from_slice(&number.to_le_bytes());
            }
            log.resize(log.len().next_multiple_of(512), 0);
            log.extend_from_slice(bytes);
        }
        log
    }

    #[test]
    fn what_was_flushed_is_there_and_the_rest_may_be() {
        let folder = tempfile::tempdir().expect("a test may make a directory");
        let (one, two, three) = ([b'1'; 512], [b'2'; 1024], [b'3'; 512]);
        let entries: [(u64, u64, &[u8]); 5] = [
            (0, 0, &one),
            (0, FLUSH, &[]),
            (1, 0, &two),
            (3, FUA, &three),
            (0, FLUSH, &[]),
        ];
        let path = folder.path().join("log");
        fs::write(&path, record(&entries)).expect("the directory is ours");
        let record = Record::open(&path).expect("it is one");
        assert_eq!(record.writes.len(), 5);
        assert_eq!(record.find(b"2222").expect("it can be read"), Some(2));
        let (mut torn, mut both, mut none) = (0, 0, 0);
        for seed in 0..200 {
            let path = folder.path().join("disk");
            fs::write(&path, [b'0'; 2048]).expect("the directory is ours");
            let disk = File::options()
                .read(true)
                .write(true)
                .open(&path)
                .expect("it is ours");
            record.go_on(&disk, 0..2).expect("it can be written");
            record.cut(&disk, 1, &mut Dice(seed)).expect("it can be written");
            let found = fs::read(&path).expect("it is ours");
            assert!(found.starts_with(&one), "it was flushed");
            match (&found[512..1536], &found[1536..]) {
                (middle, end) if middle == two && end == three => both += 1,
                (middle, end) if middle == [b'0'; 1024] && end == [b'0'; 512] => none += 1,
                (middle, _) if middle[..512] == two[..512] && middle[512..] == [b'0'; 512] => torn += 1,
                _ => {}
            }
        }
        assert!(
            torn > 0 && both > 0 && none > 0,
            "{torn} torn, {both} whole, {none} without"
        );
    }
}
