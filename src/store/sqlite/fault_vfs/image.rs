//! What a power cut leaves of one file: per sector the durable bytes and every unsynced version since.
//! Pure bookkeeping. Must not live here: I/O, locks, paths.

use std::collections::BTreeMap;

/// The unit that is written whole or not at all.
pub(super) const SECTOR: usize = 512;
const SECTOR_U64: u64 = SECTOR as u64;

/// Versions kept of one sector; a sector rewritten more often between two syncs loses the ones between.
const MAX_VERSIONS: usize = 4;

/// A small seeded generator (splitmix64), so that a seed alone reproduces a cut.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

struct Version {
    bytes: Box<[u8; SECTOR]>,
    era: usize,
    /// A shrink made this version: once that shrink is on disk, nothing older can be.
    barrier: bool,
}

/// One sector with unsynced changes. The newest version is in the file itself; only its era is noted here.
struct Sector {
    /// Oldest first; the first is what is durable.
    older: Vec<Version>,
    era: usize,
    barrier: bool,
    /// A sync failed on it and the kernel marked it clean: a later sync will not write it.
    forgotten: bool,
}

/// The time between two shrinks of the file, with the size it began and ended with.
struct Era {
    start: u64,
    end: u64,
}

/// Everything unsynced about one file.
pub(super) struct Unsynced {
    sectors: BTreeMap<u64, Sector>,
    eras: Vec<Era>,
    /// Its directory entry is not durable yet.
    pub(super) created: bool,
}

/// What became of one file's unsynced sectors.
#[derive(Default)]
pub(super) struct Toll {
    pub(super) unsynced: u64,
    pub(super) lost: u64,
}

impl Unsynced {
    pub(super) fn existing(len: u64) -> Unsynced {
        Unsynced {
            sectors: BTreeMap::new(),
            eras: vec![Era { start: len, end: len }],
            created: false,
        }
    }

    pub(super) fn created() -> Unsynced {
        Unsynced {
            created: true,
            ..Unsynced::existing(0)
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.era().end
    }

    pub(super) fn sectors(&self) -> usize {
        self.sectors.len()
    }

    fn era(&self) -> &Era {
        self.eras.last().expect("there is always a current era")
    }

    fn era_mut(&mut self) -> &mut Era {
        self.eras.last_mut().expect("there is always a current era")
    }

    /// Call before bytes change. `read` fills its buffer from the file as it still is, zeros past the end.
    pub(super) fn before_write(&mut self, offset: u64, len: usize, read: &mut dyn FnMut(u64, &mut [u8])) {
        if len > 0 {
            let first = offset / SECTOR_U64;
            let last = (offset + len as u64 - 1) / SECTOR_U64;
            self.remember(first, last, false, read);
        }
    }

    pub(super) fn after_write(&mut self, offset: u64, len: usize) {
        let end = offset + len as u64;
        let era = self.era_mut();
        era.end = era.end.max(end);
    }

    /// Call before the file is cut (or stretched) to `size`.
    pub(super) fn before_truncate(&mut self, size: u64, read: &mut dyn FnMut(u64, &mut [u8])) {
        let old = self.len();
        if size >= old {
            self.era_mut().end = size;
            return;
        }
        self.eras.push(Era {
            start: size,
            end: size,
        });
        self.remember(size / SECTOR_U64, (old - 1) / SECTOR_U64, true, read);
    }

    fn remember(&mut self, first: u64, last: u64, barrier: bool, read: &mut dyn FnMut(u64, &mut [u8])) {
        let era = self.eras.len() - 1;
        let mut before = vec![0; (last - first + 1) as usize * SECTOR];
        read(first * SECTOR_U64, &mut before);
        for (index, bytes) in (first..=last).zip(before.chunks_exact(SECTOR)) {
            let sector = self.sectors.entry(index).or_insert_with(|| Sector {
                older: Vec::with_capacity(1),
                era: 0,
                barrier: false,
                forgotten: false,
            });
            sector.forgotten = false;
            if sector.era == era && !barrier && sector.older.len() >= MAX_VERSIONS {
                continue;
            }
            let bytes: [u8; SECTOR] = bytes.try_into().expect("chunks are one sector long");
            sector.older.push(Version {
                bytes: Box::new(bytes),
                era: sector.era,
                barrier: sector.barrier,
            });
            (sector.era, sector.barrier) = (era, barrier);
        }
    }

    /// A sync succeeded: the file as it is now is durable, except what an earlier failed sync made the kernel forget.
    pub(super) fn synced(&mut self) {
        let size = self.len();
        self.sectors
            .retain(|index, sector| sector.forgotten && index * SECTOR_U64 < size);
        for sector in self.sectors.values_mut() {
            sector.older.truncate(1);
            (sector.era, sector.barrier) = (0, false);
        }
        self.eras = vec![Era {
            start: size,
            end: size,
        }];
        self.created = false;
    }

    /// A sync failed and the kernel forgets which pages were dirty.
    pub(super) fn forget(&mut self) {
        for sector in self.sectors.values_mut() {
            sector.forgotten = true;
        }
    }

    /// The file after a power cut, from its live bytes. Without a generator only what is durable is left.
    pub(super) fn after_cut(&self, live: &[u8], rng: Option<&mut Rng>, toll: &mut Toll) -> Vec<u8> {
        let Some(rng) = rng else {
            let mut image = live.to_vec();
            image.resize(self.eras[0].start as usize, 0);
            for (index, sector) in &self.sectors {
                put(&mut image, *index, sector.older[0].bytes.as_slice());
            }
            toll.unsynced += self.sectors.len() as u64;
            toll.lost += self.sectors.len() as u64;
            return image;
        };
        let reached = rng.below(self.eras.len() as u64) as usize;
        let mut image = live.to_vec();
        image.resize(pick_size(&self.eras[reached], rng) as usize, 0);
        // One chance per file and cut: a fair coin per sector alone would never leave a long log whole.
        let keep_percent = [0, 10, 50, 90, 100][rng.below(5) as usize];
        for (index, sector) in &self.sectors {
            toll.unsynced += 1;
            let choice = sector.pick(reached, keep_percent, rng);
            if let Some(version) = choice {
                put(&mut image, *index, version.bytes.as_slice());
                toll.lost += 1;
            }
        }
        image
    }
}

impl Sector {
    /// The version on disk after a cut, given how many shrinks reached it. `None` is the newest, which the file holds.
    fn pick(&self, reached: usize, keep_percent: u64, rng: &mut Rng) -> Option<&Version> {
        let newest_possible = self.era <= reached;
        if newest_possible && (self.barrier || rng.below(100) < keep_percent) {
            return None;
        }
        let until = self.older.partition_point(|version| version.era <= reached);
        let from = self.older[..until]
            .iter()
            .rposition(|version| version.barrier)
            .unwrap_or(0);
        let candidates = &self.older[from..until];
        // Mostly the oldest: it is the one a plain loss leaves.
        let choice = if rng.coin() {
            0
        } else {
            rng.below(candidates.len() as u64) as usize
        };
        Some(&candidates[choice])
    }
}

fn pick_size(era: &Era, rng: &mut Rng) -> u64 {
    match rng.below(3) {
        0 => era.start,
        1 => era.end,
        _ => {
            let between = era.start + rng.below(era.end - era.start + 1);
            (between - between % SECTOR_U64).max(era.start)
        }
    }
}

fn put(image: &mut [u8], index: u64, bytes: &[u8]) {
    let start = index as usize * SECTOR;
    if start < image.len() {
        let n = bytes.len().min(image.len() - start);
        image[start..start + n].copy_from_slice(&bytes[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in memory that keeps its own bookkeeping.
    struct Paper {
        live: Vec<u8>,
        unsynced: Unsynced,
    }

    impl Paper {
        fn new(bytes: Vec<u8>) -> Paper {
            let unsynced = Unsynced::existing(bytes.len() as u64);
            Paper {
                live: bytes,
                unsynced,
            }
        }

        fn write(&mut self, offset: usize, bytes: &[u8]) {
            let live = &self.live;
            self.unsynced
                .before_write(offset as u64, bytes.len(), &mut |at, buf| copy(live, at, buf));
            let end = offset + bytes.len();
            self.live.resize(self.live.len().max(end), 0);
            self.live[offset..end].copy_from_slice(bytes);
            self.unsynced.after_write(offset as u64, bytes.len());
        }

        fn truncate(&mut self, size: usize) {
            let live = &self.live;
            self.unsynced
                .before_truncate(size as u64, &mut |at, buf| copy(live, at, buf));
            self.live.resize(size, 0);
        }

        fn cut(&self, rng: Option<&mut Rng>) -> Vec<u8> {
            self.unsynced.after_cut(&self.live, rng, &mut Toll::default())
        }
    }

    fn copy(live: &[u8], at: u64, buf: &mut [u8]) {
        buf.fill(0);
        let at = (at as usize).min(live.len());
        let n = buf.len().min(live.len() - at);
        buf[..n].copy_from_slice(&live[at..at + n]);
    }

    #[test]
    fn dropping_everything_gives_back_the_synced_bytes() {
        let mut paper = Paper::new(vec![1; 3000]);
        paper.write(100, &[2; 1000]);
        paper.truncate(10);
        paper.write(5, &[3; 5000]);
        assert_eq!(paper.cut(None), vec![1; 3000]);
        paper.unsynced.synced();
        assert_eq!(paper.cut(None), paper.live);
        for seed in 0..50 {
            assert_eq!(paper.cut(Some(&mut Rng::new(seed))), paper.live);
        }
    }

    #[test]
    fn a_sector_is_old_or_new_and_both_happen() {
        let mut paper = Paper::new(vec![1; 4096]);
        paper.write(0, &[2; 4096]);
        let (mut old, mut new) = (0, 0);
        for seed in 0..50 {
            for sector in paper.cut(Some(&mut Rng::new(seed))).chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector was torn");
                if sector[0] == 1 { old += 1 } else { new += 1 }
            }
        }
        assert!(old > 50 && new > 50, "old {old}, new {new}");
    }

    #[test]
    fn what_follows_a_shrink_never_reaches_the_disk_before_it() {
        let mut paper = Paper::new(vec![1; 4096]);
        paper.truncate(0);
        paper.write(0, &[2; 4096]);
        let (mut before, mut after) = (0, 0);
        for seed in 0..200 {
            let image = paper.cut(Some(&mut Rng::new(seed)));
            assert!(
                !(image.contains(&1) && image.contains(&2)),
                "old and new bytes side by side across a truncation, seed {seed}"
            );
            if image.contains(&1) {
                assert_eq!(image, vec![1; 4096], "a truncation half done, seed {seed}");
                before += 1;
            } else {
                after += 1;
            }
        }
        assert!(before > 20 && after > 20);
    }

    #[test]
    fn a_failed_sync_is_not_repaired_by_the_next_one() {
        let mut paper = Paper::new(vec![1; 1024]);
        paper.write(0, &[2; 1024]);
        paper.unsynced.forget();
        paper.write(512, &[3; 512]);
        paper.unsynced.synced();
        let image = paper.cut(None);
        assert_eq!(image[..512], [1; 512], "forgotten by the kernel");
        assert_eq!(image[512..], [3; 512], "written again, so synced");
    }
}
