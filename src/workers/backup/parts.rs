//! A backup as files on a disk that may hold none larger than 4 GB: written in parts under names that do not count, synced, read
//! back from the disk, and only then renamed. What must not live here: what is in them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use super::place;
use crate::limits;

/// What a part is called until it is known to be good.
pub const PARTIAL: &str = "partial";
const SUFFIX: &str = "age";

/// A part that was written, synced and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    pub blake3: String,
}

/// Writes the parts. Dropped before `finish`, it takes away what it wrote.
pub struct PartsWriter {
    folder: PathBuf,
    stem: String,
    part_bytes: u64,
    open: Option<Open>,
    done: Vec<Part>,
    /// Told to whoever watches.
    progress: Arc<AtomicU64>,
    is_finished: bool,
}

struct Open {
    file: File,
    hash: blake3::Hasher,
    bytes: u64,
    unsynced: u64,
}

impl PartsWriter {
    pub fn new(folder: &Path, stem: &str, part_bytes: u64, progress: Arc<AtomicU64>) -> PartsWriter {
        PartsWriter {
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            part_bytes: part_bytes.max(1),
            open: None,
            done: Vec::new(),
            progress,
            is_finished: false,
        }
    }

    fn partial(&self, number: usize) -> PathBuf {
        self.folder
            .join(format!("{}.{SUFFIX}.{number:03}.{PARTIAL}", self.stem))
    }

    fn begin(&mut self) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let path = self.partial(self.done.len() + 1);
            self.open = Some(Open {
                file: File::create(path)?,
                hash: blake3::Hasher::new(),
                bytes: 0,
                unsynced: 0,
            });
        }
        Ok(self.open.as_mut().expect("it was opened just now"))
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        open.file.sync_all()?;
        self.done.push(Part {
            name: String::new(),
            bytes: open.bytes,
            blake3: open.hash.finalize().to_hex().to_string(),
        });
        Ok(())
    }

    /// Reads everything back, which `opens` reads along with it, and gives the parts their names; a single one needs no number.
    pub fn finish(mut self, opens: impl FnOnce(&mut PartsReader) -> io::Result<()>) -> io::Result<Vec<Part>> {
        self.begin()?;
        self.end()?;
        let partials = (1..=self.done.len()).map(|number| self.partial(number));
        let mut read = PartsReader::from_disk(partials.collect());
        let opened = opens(&mut read);
        // What it left, as where it stopped at something that is wrong.
        io::copy(&mut read, &mut io::sink())?;
        let written = self.done.iter().map(|part| (part.bytes, part.blake3.clone()));
        if !read.found().into_iter().eq(written) {
            return Err(io::Error::other("what was read back is not what was written"));
        }
        opened?;
        let is_single = self.done.len() == 1;
        for index in 0..self.done.len() {
            let name = if is_single {
                format!("{}.{SUFFIX}", self.stem)
            } else {
                format!("{}.{SUFFIX}.{:03}", self.stem, index + 1)
            };
            place::rename(&self.partial(index + 1), &self.folder.join(&name))?;
            self.done[index].name = name;
        }
        self.is_finished = true;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Write for PartsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.part_bytes;
        let open = self.begin()?;
        let room = usize::try_from(most - open.bytes).unwrap_or(usize::MAX);
        let taken = open.file.write(&bytes[..bytes.len().min(room)])?;
        open.hash.update(&bytes[..taken]);
        open.bytes += taken as u64;
        open.unsynced += taken as u64;
        if open.unsynced >= limits::BACKUP_SYNC {
            open.unsynced = 0;
            open.file.sync_data()?;
        }
        let is_full = open.bytes >= most;
        self.progress.fetch_add(taken as u64, Ordering::Relaxed);
        if is_full {
            self.end()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PartsWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let begun = self.done.len() + usize::from(self.open.take().is_some());
        for number in 1..=begun {
            // What cannot be removed now is cleared before the next backup.
            let _ = fs::remove_file(self.partial(number));
        }
    }
}

/// A file's length and hash, as the disk has it: what the kernel remembers of it is dropped first.
pub fn hash_from_disk(path: &Path) -> io::Result<(u64, String)> {
    let mut read = PartsReader::from_disk(vec![path.to_owned()]);
    io::copy(&mut read, &mut io::sink())?;
    read.found()
        .pop()
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Drops what the kernel remembers of a file. Where it does not do that, a comparison is of its memory; nothing better can be had there.
fn forget(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Reads parts one after the other.
pub struct PartsReader {
    paths: std::vec::IntoIter<PathBuf>,
    open: Option<BufReader<File>>,
    /// What was read of each, where that is wanted.
    hashes: Option<Vec<(u64, blake3::Hasher)>>,
}

impl PartsReader {
    pub fn new(paths: Vec<PathBuf>) -> PartsReader {
        PartsReader {
            paths: paths.into_iter(),
            open: None,
            hashes: None,
        }
    }

    /// As the disk has them (`forget`), and with a length and a hash of each.
    fn from_disk(paths: Vec<PathBuf>) -> PartsReader {
        PartsReader {
            hashes: Some(Vec::new()),
            ..PartsReader::new(paths)
        }
    }

    fn next_part(&mut self, path: &Path) -> io::Result<File> {
        let file = File::open(path)?;
        if let Some(hashes) = &mut self.hashes {
            forget(&file);
            hashes.push((0, blake3::Hasher::new()));
        }
        Ok(file)
    }

    fn found(self) -> Vec<(u64, String)> {
        let hashes = self.hashes.into_iter().flatten();
        hashes
            .map(|(bytes, hash)| (bytes, hash.finalize().to_hex().to_string()))
            .collect()
    }
}

impl Read for PartsReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let given = self.fill_buf()?.read(out)?;
        self.consume(given);
        Ok(given)
    }
}

impl BufRead for PartsReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            let is_empty = match &mut self.open {
                Some(open) => open.fill_buf()?.is_empty(),
                None => true,
            };
            if !is_empty {
                break;
            }
            if let (Some(read), Some(_)) = (&self.open, &self.hashes) {
                forget(read.get_ref());
            }
            let Some(next) = self.paths.next() else {
                return Ok(&[]);
            };
            let next = self.next_part(&next)?;
            self.open = Some(BufReader::with_capacity(limits::FILE_PIECE, next));
        }
        match &mut self.open {
            Some(open) => open.fill_buf(),
            None => Ok(&[]),
        }
    }

    fn consume(&mut self, count: usize) {
        if let Some(open) = &mut self.open {
            if let Some((bytes, hash)) = self.hashes.as_mut().and_then(|hashes| hashes.last_mut()) {
                hash.update(&open.buffer()[..count]);
                *bytes += count as u64;
            }
            open.consume(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_they_may_be_and_read_as_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let progress = Arc::new(AtomicU64::new(0));
        let mut writer = PartsWriter::new(folder.path(), "x", 10, Arc::clone(&progress));
        let bytes: Vec<u8> = (0..25).collect();
        writer.write_all(&bytes).expect("it is written");
        let mut found = Vec::new();
        let parts = writer.finish(|read| read.read_to_end(&mut found).map(drop));
        let parts = parts.expect("it is as written");
        assert_eq!(found, bytes);
        let told: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.bytes))
            .collect();
        assert_eq!(told, [("x.age.001", 10), ("x.age.002", 10), ("x.age.003", 5)]);
        assert_eq!(progress.load(Ordering::Relaxed), 25);
        let paths = parts.iter().map(|part| folder.path().join(&part.name)).collect();
        let mut read = Vec::new();
        PartsReader::new(paths).read_to_end(&mut read).expect("readable");
        assert_eq!(read, bytes);
    }

    #[test]
    fn what_does_not_open_or_is_not_what_was_written_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let written = || {
            let mut writer = PartsWriter::new(folder.path(), "x", 10, Arc::default());
            writer.write_all(&[7; 25]).expect("it is written");
            writer
        };
        let closed = |_: &mut PartsReader| Err(io::Error::other("it does not open"));
        assert!(written().finish(closed).is_err());
        let writer = written();
        fs::write(writer.partial(2), [8; 10]).expect("a disk that keeps something else");
        assert!(writer.finish(|_| Ok(())).is_err());
        let writer = written();
        fs::write(writer.partial(2), [7; 9]).expect("a disk that keeps less");
        assert!(writer.finish(|_| Ok(())).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn what_was_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = PartsWriter::new(folder.path(), "x", 10, Arc::default());
        writer.write_all(&[0; 25]).expect("it is written");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 3);
        drop(writer);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        let single = PartsWriter::new(folder.path(), "y", 10, Arc::default());
        let parts = single.finish(|_| Ok(())).expect("an empty one");
        assert_eq!(parts[0].name, "y.age");
    }
}
