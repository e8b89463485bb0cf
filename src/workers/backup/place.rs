//! The folder that backups go to: their names, the note beside each that makes it count, what is old, what was left of one that
//! broke off. What must not live here: what is in a backup.
//!
//! Invariant: a backup counts from the moment its note is renamed, after all its parts; whatever has no note is nothing. Only
//! names that begin with this server's own letters are ever removed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parts::{PARTIAL, Part};
use super::wrong::{Outcome, Wrong};
use crate::limits;
use crate::proto::Timestamp;
use crate::proto::backup::BackupMade;
use crate::store::Pos;

/// The form of notes that this program writes.
pub const FORMAT: u32 = 1;
const NOTE: &str = "json";
const LABEL: &str = "kinglet 2026 name of backups v1";

/// What stands beside a backup, for everybody to read: nothing of what people say, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub format: u32,
    /// Counts up; the newest is the one with the largest number, whatever the clock said.
    pub number: u64,
    pub version: String,
    pub schema: usize,
    pub made: Timestamp,
    pub unsynchronised: bool,
    pub took_ms: u64,
    /// Where the log ended, and of which time it is: a restore begins a new one.
    pub head: Pos,
    pub epoch: u64,
    pub lost_files: u64,
    /// Whose key opens it.
    pub recipient: String,
    pub parts: Vec<Part>,
}

/// A folder, as one server sees it.
pub struct Place {
    pub folder: PathBuf,
    /// What its backups' names begin with.
    pub prefix: String,
}

impl Note {
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// As it is told.
    pub fn told(&self, place: &Place) -> BackupMade {
        BackupMade {
            name: match self.parts.as_slice() {
                [only] => only.name.clone(),
                _ => format!("{}.age", place.stem(self.number)),
            },
            path: place.folder.display().to_string(),
            made: self.made,
            unsynchronised: self.unsynchronised,
            bytes: self.bytes(),
            parts: u32::try_from(self.parts.len()).unwrap_or(u32::MAX),
            took_ms: self.took_ms,
            lost_files: self.lost_files,
        }
    }
}

impl Place {
    /// `secret` is the server's; its name tells nothing of it.
    pub fn of(folder: &Path, secret: &[u8; 32]) -> Place {
        let name = blake3::derive_key(LABEL, secret);
        Place {
            folder: folder.to_owned(),
            prefix: format!("kinglet-{}", data_encoding::HEXLOWER.encode(&name[..4])),
        }
    }

    pub fn stem(&self, number: u64) -> String {
        format!("{}-{number:06}", self.prefix)
    }

    fn note_path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}.{NOTE}", self.stem(number)))
    }

    pub fn erasures_path(&self) -> PathBuf {
        self.folder.join(format!("{}.erasures", self.prefix))
    }

    fn names(&self) -> Outcome<Vec<String>> {
        let wrong = |error: io::Error| Wrong::io("read the folder", &self.folder, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            names.extend(
                name.into_string()
                    .ok()
                    .filter(|name| name.starts_with(&self.prefix)),
            );
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The backups that are whole, newest first.
    pub fn list(&self) -> Outcome<Vec<Note>> {
        let mut found = Vec::new();
        for name in self.names()? {
            let Some(number) = self.number_of(&name) else {
                continue;
            };
            if name == format!("{}.{NOTE}", self.stem(number)) {
                found.extend(
                    read_note(&self.folder.join(name))
                        .ok()
                        .filter(|note| self.is_whole(note)),
                );
            }
        }
        found.sort_by_key(|note: &Note| std::cmp::Reverse(note.number));
        Ok(found)
    }

    fn is_whole(&self, note: &Note) -> bool {
        note.parts.iter().all(|part| {
            let found = self.folder.join(&part.name).metadata();
            part.name.starts_with(&self.prefix) && found.is_ok_and(|found| found.len() == part.bytes)
        })
    }

    /// The number in a name of ours.
    fn number_of(&self, name: &str) -> Option<u64> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let digits = rest.split('.').next()?;
        digits
            .parse()
            .ok()
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The largest number that any name has, whole or not.
    pub fn last_number(&self) -> Outcome<u64> {
        let names = self.names()?;
        Ok(names
            .iter()
            .filter_map(|name| self.number_of(name))
            .max()
            .unwrap_or(0))
    }

    /// Takes away what a backup that broke off has left: parts without a note.
    pub fn clear(&self) -> Outcome<()> {
        let whole: Vec<u64> = self.list()?.iter().map(|note| note.number).collect();
        for name in self.names()? {
            let is_left = match self.number_of(&name) {
                Some(number) => {
                    name.ends_with(PARTIAL) || (!whole.contains(&number) && !self.note_path(number).exists())
                }
                None => name.ends_with(PARTIAL),
            };
            if is_left {
                let path = self.folder.join(&name);
                fs::remove_file(&path).map_err(|error| Wrong::io("remove", &path, &error))?;
                log::info!(
                    "backup: {} was left of one that broke off, and is removed",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Makes a backup count.
    pub fn put(&self, note: &Note) -> Outcome<()> {
        let path = self.note_path(note.number);
        let text = serde_json::to_vec_pretty(note).expect("a note is made of what JSON can say");
        write_whole(&path, &text).map_err(|error| Wrong::io("write", &path, &error))
    }

    /// Removes one: its note first, so that it does not count any more.
    pub fn remove(&self, note: &Note) -> Outcome<()> {
        let gone = |path: PathBuf| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Wrong::io("remove", &path, &error)),
            _ => Ok(()),
        };
        gone(self.note_path(note.number))?;
        for part in &note.parts {
            gone(self.folder.join(&part.name))?;
        }
        Ok(())
    }

    /// Keeps the newest ones; at least one.
    pub fn prune(&self, keep: u32) -> Outcome<Vec<Note>> {
        let mut kept = self.list()?;
        let keep = usize::try_from(keep.clamp(1, limits::BACKUPS_KEPT)).unwrap_or(1);
        for old in kept.drain(keep.min(kept.len())..) {
            self.remove(&old)?;
        }
        Ok(kept)
    }

    /// Bytes that are free there for this user.
    pub fn room(&self) -> Outcome<u64> {
        let disk = rustix::fs::statvfs(&self.folder)
            .map_err(|error| Wrong::io("look at the disk of", &self.folder, &error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize.max(1)))
    }
}

/// Writes a small file under another name, synced, then renamed, and file and folder synced.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".");
    beside.push(PARTIAL);
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    rename(&beside, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// FAT writes where a renamed file lies, and how long it is, into its entry with the file, and not with the folder (`vfat_rename` of
/// Linux marks the file as changed): on a stick that is pulled before that, it is empty.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    File::open(to)?.sync_all()
}

pub fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems of sticks know no such thing.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// A small file of JSON, whoever wrote it.
pub fn read_json<T: DeserializeOwned>(path: &Path, most: u64) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other("it is too large for what it should be"));
    }
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

/// A backup's note; only names of files in the same folder are in it.
pub fn read_note(path: &Path) -> io::Result<Note> {
    let note: Note = read_json(path, limits::BACKUP_KEY_BYTES)?;
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
    if note.format != FORMAT || note.parts.is_empty() || !note.parts.iter().all(|part| is_name(&part.name)) {
        return Err(io::Error::other("it is not the note of a backup"));
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(place: &Place, number: u64) -> Note {
        let name = format!("{}.age", place.stem(number));
        fs::write(place.folder.join(&name), b"sealed").expect("written");
        let note = Note {
            format: FORMAT,
            number,
            version: "0".into(),
            schema: 1,
            made: 1,
            unsynchronised: false,
            took_ms: 1,
            head: 1,
            epoch: 1,
            lost_files: 0,
            recipient: "age1".into(),
            parts: vec![Part {
                name,
                bytes: 6,
                blake3: String::new(),
            }],
        };
        place.put(&note).expect("noted");
        note
    }

    fn numbers(place: &Place) -> Vec<u64> {
        let list = place.list().expect("readable");
        list.iter().map(|note| note.number).collect()
    }

    #[test]
    fn the_newest_are_kept_by_number_and_what_others_have_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::of(folder.path(), &[1; 32]);
        let other = Place::of(folder.path(), &[2; 32]);
        for number in [1, 2, 9, 10] {
            put(&place, number);
        }
        put(&other, 1);
        fs::write(folder.path().join("holiday.jpg"), b"x").expect("written");
        assert_eq!(place.prune(2).expect("done").len(), 2);
        assert_eq!((numbers(&place), numbers(&other)), (vec![10, 9], vec![1]));
        place.prune(0).expect("done");
        assert_eq!(numbers(&place), [10], "the last one is never removed");
        assert!(folder.path().join("holiday.jpg").exists());
        assert_eq!(place.last_number().expect("readable"), 10);
    }

    #[test]
    fn what_broke_off_is_cleared_and_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::of(folder.path(), &[1; 32]);
        put(&place, 1);
        let left = [
            "000002.age.001",
            "000002.age.002.partial",
            "000003.age",
            "000003.json.partial",
        ];
        for name in left {
            fs::write(folder.path().join(format!("{}-{name}", place.prefix)), b"x").expect("written");
        }
        let short = put(&place, 4);
        fs::write(folder.path().join(&short.parts[0].name), b"cut").expect("written");
        assert_eq!(numbers(&place), [1], "a short part is no part");
        place.clear().expect("done");
        assert_eq!(numbers(&place), [1]);
        assert!(
            !left
                .iter()
                .any(|name| folder.path().join(format!("{}-{name}", place.prefix)).exists())
        );
        assert_eq!(
            place.last_number().expect("readable"),
            4,
            "a number is not given twice"
        );
    }
}
