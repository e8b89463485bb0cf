//! What a backup holds, as a tar: a head that says what is coming, the database, keys and certificates, stored files, the settings,
//! and at the end a manifest by which all of it is checked. What must not live here: encryption, and where it goes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::wrong::{Outcome, Wrong};
use crate::limits;
use crate::proto::{BlobId, Timestamp};
use crate::store::Pos;
use crate::store::blobs::Vault;
use crate::store::sqlite::DATABASE;
use crate::store::sqlite::image::{Image, ImageFacts};

pub const FORMAT: u32 = 1;
pub const HEAD: &str = "kinglet-backup.json";
pub const MANIFEST: &str = "manifest.json";
/// Everything that goes into a data directory is under this name.
pub const DATA: &str = "data";
pub const BLOBS: &str = "blobs";
pub const KEYS: &str = "tls";
/// The settings of the server that was backed up, for its operator to compare.
pub const SETTINGS: &str = "restored-kinglet.toml";
/// Of lost files so many are named.
const LOST_NAMED: usize = 1_000;
/// After so many bytes of the database it is looked how long the write-ahead log has become.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;

/// What is coming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub format: u32,
    pub version: String,
    pub schema: usize,
    pub made: Timestamp,
    pub unsynchronised: bool,
    /// Room that a restore needs, about.
    pub bytes: u64,
    /// What the machine is called, for a new card; absent from backups of earlier builds, as is the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// All but the stored files, whose names are their hashes.
    pub entries: Vec<Entry>,
    pub files: u64,
    pub file_bytes: u64,
    /// Stored files that were damaged before: they are in here as they were.
    pub lost: Vec<BlobId>,
    pub epoch: u64,
    pub head: Pos,
    pub users: u64,
    pub conversations: u64,
    pub events: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub bytes: u64,
    pub blake3: String,
}

/// What is to be put into an archive.
pub struct Content<'a> {
    pub image: &'a Image,
    pub facts: &'a ImageFacts,
    pub events: u64,
    pub data_dir: &'a Path,
    pub settings: Option<&'a Path>,
    pub head: Head,
}

/// What of it was not whole.
#[derive(Debug, Default)]
pub struct Written {
    pub lost: u64,
}

fn wrong(error: &io::Error) -> Wrong {
    Wrong::io("write", Path::new("the backup"), error)
}

/// Writes all of it.
pub fn write<W: Write>(content: &Content<'_>, out: W) -> Outcome<(W, Written)> {
    let mut archive = Archive {
        tar: tar::Builder::new(out),
        manifest: Manifest {
            epoch: content.facts.epoch,
            head: content.facts.head,
            users: content.facts.users,
            conversations: content.facts.conversations,
            events: content.events,
            ..Manifest::default()
        },
        written: Written::default(),
    };
    let head = serde_json::to_vec(&content.head).expect("a head is made of what JSON can say");
    archive.put(HEAD, head.len() as u64, &head[..])?;
    archive.database(content)?;
    content.image.release()?;
    archive.keys(content.data_dir)?;
    archive.blobs(content)?;
    if let Some(path) = content.settings {
        archive.small(path, &format!("{DATA}/{SETTINGS}"))?;
    }
    let manifest = serde_json::to_vec(&archive.manifest).expect("a manifest is made of what JSON can say");
    archive.put(MANIFEST, manifest.len() as u64, &manifest[..])?;
    let out = archive.tar.into_inner().map_err(|error| wrong(&error))?;
    Ok((out, archive.written))
}

struct Archive<W: Write> {
    tar: tar::Builder<W>,
    manifest: Manifest,
    written: Written,
}

impl<W: Write> Archive<W> {
    fn append(&mut self, path: &str, bytes: u64, reader: &mut dyn Read) -> Outcome<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        let done = self.tar.append_data(&mut header, path, reader);
        done.map_err(|error| wrong(&error))
    }

    fn put(&mut self, path: &str, bytes: u64, reader: impl Read) -> Outcome<()> {
        let mut reader = Hashing::new(reader);
        self.append(path, bytes, &mut reader)?;
        if reader.bytes != bytes {
            let message = format!("{path} has {} bytes, and {bytes} were announced.", reader.bytes);
            return Err(Wrong::failed(
                message,
                "Try again; if it stays, run `kinglet doctor`.",
            ));
        }
        self.manifest.entries.push(Entry {
            path: path.to_owned(),
            bytes,
            blake3: reader.hash.finalize().to_hex().to_string(),
        });
        Ok(())
    }

    fn database(&mut self, content: &Content<'_>) -> Outcome<()> {
        let mut pages = content.image.pages()?;
        let watched = Watched {
            reader: pages.reader()?,
            wal_bytes: || content.image.wal_bytes(),
            since: 0,
        };
        self.put(&format!("{DATA}/{DATABASE}"), content.facts.bytes, watched)
    }

    /// The own authority with its key, the certificate, and whatever else lies beside them.
    fn keys(&mut self, data_dir: &Path) -> Outcome<()> {
        let mut found = Vec::new();
        list(&data_dir.join(KEYS), 0, &mut found)?;
        found.sort_unstable();
        for path in found {
            let name = path.strip_prefix(data_dir).ok().and_then(Path::to_str);
            let Some(name) = name else { continue };
            let name = format!("{DATA}/{name}");
            self.small(&path, &name)?;
        }
        Ok(())
    }

    fn small(&mut self, path: &Path, name: &str) -> Outcome<()> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let most = limits::BACKUP_KEY_BYTES;
            File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > most {
                return Err(io::Error::other("it is larger than such a file can be"));
            }
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => self.put(name, bytes.len() as u64, &bytes[..]),
            // A certificate that is renewed just now has its new name in a moment, and its old one is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Wrong::io("read", path, &error)),
        }
    }

    fn blobs(&mut self, content: &Content<'_>) -> Outcome<()> {
        let vault = Vault::at(content.data_dir);
        let mut after = None;
        loop {
            let some = content.image.blobs(after)?;
            let Some(last) = some.last() else { return Ok(()) };
            after = Some(last.id);
            for blob in some {
                if !self.blob(&vault.path(blob.id), blob.id)? && content.image.has_blob(blob.id)? {
                    self.written.lost += 1;
                    log::warn!(
                        "backup: the stored file {} is missing, in the backup as well",
                        blob.id
                    );
                }
                if blob.has_thumbnail {
                    self.thumbnail(&vault.thumbnail_path(blob.id), blob.id)?;
                }
            }
        }
    }

    /// Says whether it was there: it may have been erased a moment ago.
    fn blob(&mut self, path: &Path, id: BlobId) -> Outcome<bool> {
        let Some((file, bytes)) = opened(path) else {
            return Ok(false);
        };
        let mut reader = Hashing::new(Padded { file, left: bytes });
        self.append(&blob_name(id, ""), bytes, &mut reader)?;
        self.manifest.files += 1;
        self.manifest.file_bytes += bytes;
        if reader.hash.finalize().as_bytes() != &id.0 {
            self.written.lost += 1;
            log::warn!("backup: the stored file {id} is damaged; the backup has it as it is");
            if self.manifest.lost.len() < LOST_NAMED {
                self.manifest.lost.push(id);
            }
        }
        Ok(true)
    }

    /// The server makes no second one, but does without.
    fn thumbnail(&mut self, path: &Path, id: BlobId) -> Outcome<()> {
        let Some((file, bytes)) = opened(path) else {
            return Ok(());
        };
        self.append(&blob_name(id, ".jpg"), bytes, &mut Padded { file, left: bytes })
    }
}

/// Where a stored file is in the archive: as in the data directory.
pub fn blob_name(id: BlobId, suffix: &str) -> String {
    let name = id.to_string();
    let (folder, rest) = name.split_at(2);
    format!("{DATA}/{BLOBS}/{folder}/{rest}{suffix}")
}

fn opened(path: &Path) -> Option<(File, u64)> {
    let file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    Some((file, bytes))
}

/// Regular files below a folder; a few.
fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Outcome<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Wrong::io("read the folder", folder, &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| Wrong::io("read the folder", folder, &error))?;
        let kind = entry
            .file_type()
            .map_err(|error| Wrong::io("look at", &entry.path(), &error))?;
        if kind.is_dir() && depth < 3 {
            list(&entry.path(), depth + 1, found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
        if found.len() > limits::BACKUP_KEYS {
            let message = format!(
                "There are more than {} files in {}.",
                limits::BACKUP_KEYS,
                folder.display()
            );
            return Err(Wrong::failed(message, "Move away what is not the server's."));
        }
    }
    Ok(())
}

/// Hashes what goes through.
struct Hashing<R> {
    inner: R,
    hash: blake3::Hasher,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(inner: R) -> Hashing<R> {
        Hashing {
            inner,
            hash: blake3::Hasher::new(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.hash.update(&out[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// A file that gives as many bytes as were announced: a bad spot of the card must not keep everything else from being saved.
struct Padded {
    file: File,
    left: u64,
}

impl Read for Padded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let given = match self.file.read(&mut out[..most]) {
            Ok(0) | Err(_) => {
                out[..most].fill(0);
                most
            }
            Ok(count) => count,
        };
        self.left -= given as u64;
        Ok(given)
    }
}

/// Gives up when the write-ahead log grows too long behind the moment that is held.
struct Watched<R, F> {
    reader: R,
    wal_bytes: F,
    since: u64,
}

impl<R: Read, F: Fn() -> u64> Read for Watched<R, F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.since >= LOOK_EVERY {
            self.since = 0;
            if (self.wal_bytes)() > limits::BACKUP_WAL {
                return Err(io::Error::other(
                    "people write faster than this disk takes the backup; try again when it is quieter, or to a faster disk",
                ));
            }
        }
        let count = self.reader.read(out)?;
        self.since += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_too_long_behind_it_ends_the_backup() {
        let read = |wal: u64| {
            let mut watched = Watched {
                reader: io::repeat(7).take(LOOK_EVERY + limits::FILE_PIECE as u64),
                wal_bytes: || wal,
                since: 0,
            };
            io::copy(&mut watched, &mut io::sink())
        };
        assert!(read(limits::BACKUP_WAL).is_ok());
        assert!(read(limits::BACKUP_WAL + 1).is_err());
    }

    fn archive() -> Archive<Vec<u8>> {
        Archive {
            tar: tar::Builder::new(Vec::new()),
            manifest: Manifest::default(),
            written: Written::default(),
        }
    }

    #[test]
    fn keys_are_few_and_small() {
        let data = tempfile::tempdir().expect("a folder");
        let keys = data.path().join(KEYS).join("deeper");
        fs::create_dir_all(&keys).expect("made");
        for number in 0..limits::BACKUP_KEYS {
            fs::write(keys.join(number.to_string()), b"key").expect("written");
        }
        let mut whole = archive();
        whole.keys(data.path()).expect("as many as there may be");
        assert_eq!(whole.manifest.entries.len(), limits::BACKUP_KEYS);
        assert_eq!(whole.manifest.entries[0].path, "data/tls/deeper/0");
        fs::write(keys.join("one more"), b"key").expect("written");
        assert!(archive().keys(data.path()).is_err());
        fs::remove_file(keys.join("one more")).expect("removed");
        let large = File::create(keys.join("0")).expect("made");
        large
            .set_len(limits::BACKUP_KEY_BYTES + 1)
            .expect("it can be longer");
        assert!(archive().keys(data.path()).is_err());
    }

    #[test]
    fn a_file_with_a_bad_end_has_its_length_all_the_same() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join("short");
        fs::write(&path, b"abc").expect("written");
        let mut read = Vec::new();
        let file = File::open(&path).expect("readable");
        Padded { file, left: 5 }
            .read_to_end(&mut read)
            .expect("it never fails");
        assert_eq!(read, b"abc\0\0");
    }
}
