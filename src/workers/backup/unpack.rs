//! Taking a backup apart into a folder, with every check that can be made on the way. What must not live here: where the folder
//! is, and what the database in it says.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::age::{Decryptor, Identity};
use super::archive::{self, DATA, Entry, HEAD, Head, MANIFEST, Manifest, blob_name};
use super::parts::{PartsReader, hash_from_disk};
use super::place::read_note;
use super::wrong::{Outcome, Wrong};
use crate::limits;
use crate::proto::BlobId;
use crate::store::sqlite::image::schema_version;

/// Entries that are read into memory: the head and the manifest.
const LIST_BYTES: u64 = limits::BACKUP_LIST_BYTES;

/// A backup's files in their order.
pub struct Source {
    pub parts: Vec<PathBuf>,
    /// Where they lie, with the list of erasures.
    pub folder: PathBuf,
}

fn damaged(message: impl Into<String>) -> Wrong {
    Wrong::failed(message, "Take another backup; this one is left as it is.")
}

impl Source {
    /// From what somebody named: the note, the one file, or the first of several parts. With the note beside them all parts are
    /// checked before anything else is done.
    pub fn find(named: &Path) -> Outcome<Source> {
        let name = named
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let folder = match named.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::metadata(named).map_err(|error| Wrong::io("find", named, &error))?;
        let stem = name
            .strip_suffix(".json")
            .or_else(|| name.split_once(".age").map(|(stem, _)| stem))
            .unwrap_or(name);
        let note = folder.join(format!("{stem}.json"));
        if note.exists() {
            let note = read_note(&note).map_err(|error| Wrong::io("read the note", &note, &error))?;
            let mut parts = Vec::new();
            for part in &note.parts {
                let path = folder.join(&part.name);
                checked(&path, part.bytes, &part.blake3)?;
                parts.push(path);
            }
            return Ok(Source { parts, folder });
        }
        let parts = match name.strip_suffix(".001") {
            Some(common) => numbered(&folder, common),
            None => vec![named.to_owned()],
        };
        Ok(Source { parts, folder })
    }
}

fn checked(path: &Path, bytes: u64, blake3: &str) -> Outcome<()> {
    let found = match hash_from_disk(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("A part of the backup is missing: {}.", path.display());
            return Err(Wrong::failed(
                message,
                "Put all its parts into one folder, or take another backup.",
            ));
        }
        Err(error) => return Err(Wrong::io("read", path, &error)),
    };
    if found.0 != bytes {
        return Err(damaged(format!(
            "{} has {} bytes instead of {bytes}.",
            path.display(),
            found.0
        )));
    }
    if found.1 != blake3 {
        return Err(damaged(format!("{} is not as it was written.", path.display())));
    }
    Ok(())
}

fn numbered(folder: &Path, common: &str) -> Vec<PathBuf> {
    (1..)
        .map(|number| folder.join(format!("{common}.{number:03}")))
        .take_while(|path| path.exists())
        .collect()
}

/// What was taken apart.
pub struct Unpacked {
    pub head: Head,
    pub manifest: Manifest,
}

/// Decrypts a backup and puts what is in it into `staging`, which is made for that. `room` says how much is free there.
pub fn unpack(
    source: &Source,
    identity: &Identity,
    staging: &Path,
    room: &dyn Fn() -> Outcome<u64>,
) -> Outcome<Unpacked> {
    let plain = Decryptor::open(identity, PartsReader::new(source.parts.clone()))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(limits::FILE_PIECE, plain));
    let entries = archive.entries().map_err(|error| unreadable(&error))?;
    let mut unpacking = Unpacking {
        staging,
        head: None,
        manifest: None,
        entries: BTreeMap::new(),
        files: 0,
        file_bytes: 0,
        changed: Vec::new(),
    };
    for entry in entries {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        unpacking.take(&mut entry, room)?;
    }
    unpacking.complete()
}

fn unreadable(error: &io::Error) -> Wrong {
    damaged(format!("The backup cannot be read to its end: {error}."))
}

struct Unpacking<'a> {
    staging: &'a Path,
    head: Option<Head>,
    manifest: Option<Manifest>,
    entries: BTreeMap<String, (u64, String)>,
    files: u64,
    file_bytes: u64,
    /// Stored files whose bytes are not those of their name.
    changed: Vec<BlobId>,
}

impl Unpacking<'_> {
    fn take<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        room: &dyn Fn() -> Outcome<u64>,
    ) -> Outcome<()> {
        let path = entry.path().map_err(|error| unreadable(&error))?;
        let name = path.to_str().unwrap_or_default().to_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(damaged(format!("{name:?} in the backup is no file.")));
        }
        match (name.as_str(), &self.head) {
            (HEAD, None) => {
                let head: Head = self.listed(entry, &name)?;
                may_be_restored(&head, room)?;
                self.head = Some(head);
                Ok(())
            }
            (_, None) => Err(damaged("This is not a backup of Kinglet.")),
            (MANIFEST, _) => {
                self.manifest = Some(self.listed(entry, &name)?);
                Ok(())
            }
            _ => self.file(entry, &name),
        }
    }

    fn listed<T: serde::de::DeserializeOwned>(&mut self, entry: &mut impl Read, name: &str) -> Outcome<T> {
        let mut bytes = Vec::new();
        entry
            .take(LIST_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error))?;
        self.entries.insert(
            name.to_owned(),
            (bytes.len() as u64, blake3::hash(&bytes).to_hex().to_string()),
        );
        serde_json::from_slice(&bytes)
            .map_err(|_| damaged(format!("{name} in the backup is not of a known form.")))
    }

    /// A file of the data directory. Nothing else is written anywhere.
    fn file(&mut self, entry: &mut impl Read, name: &str) -> Outcome<()> {
        let inside =
            below(name).ok_or_else(|| damaged(format!("{name:?} in the backup is out of place.")))?;
        let path = self.staging.join(inside);
        let io = |error: io::Error| Wrong::io("write", &path, &error);
        let folder = path.parent().unwrap_or(self.staging);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        let mut options = OpenOptions::new();
        let mut file: File = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let mut hash = blake3::Hasher::new();
        let mut bytes = 0;
        let mut piece = vec![0; limits::FILE_PIECE];
        loop {
            let count = entry.read(&mut piece).map_err(|error| unreadable(&error))?;
            if count == 0 {
                break;
            }
            file.write_all(&piece[..count]).map_err(io)?;
            hash.update(&piece[..count]);
            bytes += count as u64;
        }
        let hash = hash.finalize();
        match stored_file(name) {
            Some(id) => {
                self.files += 1;
                self.file_bytes += bytes;
                if hash.as_bytes() != &id.0 {
                    self.changed.push(id);
                }
            }
            None => {
                self.entries
                    .insert(name.to_owned(), (bytes, hash.to_hex().to_string()));
            }
        }
        Ok(())
    }

    /// Whether all of it came, as it was.
    fn complete(self) -> Outcome<Unpacked> {
        let (Some(head), Some(manifest)) = (self.head, self.manifest) else {
            return Err(damaged("The backup has no end."));
        };
        for Entry { path, bytes, blake3 } in &manifest.entries {
            let found = self.entries.get(path);
            if found.is_none_or(|(length, hash)| length != bytes || hash != blake3) {
                return Err(damaged(format!("{path} in the backup is not as it was written.")));
            }
        }
        if (self.files, self.file_bytes) != (manifest.files, manifest.file_bytes) {
            return Err(damaged("Stored files are missing in the backup."));
        }
        if let Some(id) = self.changed.iter().find(|id| !manifest.lost.contains(id)) {
            return Err(damaged(format!(
                "The stored file {id} in the backup is not as it was written."
            )));
        }
        Ok(Unpacked { head, manifest })
    }
}

fn may_be_restored(head: &Head, room: &dyn Fn() -> Outcome<u64>) -> Outcome<()> {
    if head.format > archive::FORMAT || head.schema > schema_version() {
        return Err(Wrong::failed(
            format!(
                "The backup was made by Kinglet {}, whose database is of a newer form ({}) than this program knows ({}).",
                head.version,
                head.schema,
                schema_version()
            ),
            format!("Install Kinglet {} or a newer one, then restore.", head.version),
        ));
    }
    let free = room()?;
    if free < head.bytes {
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        return Err(Wrong::new(
            crate::proto::backup::BackupTrouble::Full,
            format!(
                "The restore needs about {} MiB, and {} MiB are free.",
                mib(head.bytes),
                free / (1024 * 1024)
            ),
            "Make room, or take a larger card. What is there stays until all of the backup is there.",
        ));
    }
    Ok(())
}

/// The path below the data directory, if it is a plain one.
fn below(name: &str) -> Option<PathBuf> {
    let rest = name.strip_prefix(DATA)?.strip_prefix('/')?;
    let path = Path::new(rest);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_plain && path.components().count() <= 5).then(|| path.to_owned())
}

/// Whether an entry is a stored file, and which.
fn stored_file(name: &str) -> Option<BlobId> {
    let rest = name
        .strip_prefix(DATA)?
        .strip_prefix('/')?
        .strip_prefix(archive::BLOBS)?;
    let id: BlobId = rest.replace('/', "").parse().ok()?;
    (blob_name(id, "") == name).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_outside_and_stored_files_are_known_by_their_place() {
        assert_eq!(below("data/kinglet.db"), Some(PathBuf::from("kinglet.db")));
        for wrong in [
            "kinglet.db",
            "data",
            "data/../x",
            "data//etc/x",
            "/data/x",
            "data/a/b/c/d/e/f",
            "database/x",
        ] {
            assert_eq!(
                below(wrong).filter(|path| path.is_absolute() || wrong.contains("..")),
                None,
                "{wrong}"
            );
        }
        for wrong in ["data/../x", "kinglet.db", "/data/x", "data/a/b/c/d/e/f"] {
            assert_eq!(below(wrong), None, "{wrong}");
        }
        let id = BlobId([0xab; 32]);
        let name = blob_name(id, "");
        assert_eq!(stored_file(&name), Some(id));
        assert_eq!(stored_file(&blob_name(id, ".jpg")), None);
        assert_eq!(stored_file("data/kinglet.db"), None);
    }
}
