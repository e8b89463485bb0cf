//! Stored files as files: `<data_dir>/blobs/ab/cdef...` by the hash of what is in them, and `blobs/partial/` for those on
//! their way. Everything here blocks and belongs on a thread that may. What must not live here: rows (see
//! `sqlite::blobs`), and who may have what.
//!
//! Invariants: a file appears under its last name only after its bytes are synced, and is not changed from then on; what is
//! under that name has that hash.

pub mod picture;
pub mod sniff;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::limits;
use crate::proto::{BlobId, UploadId};

const FOLDER: &str = "blobs";
const PARTIAL: &str = "partial";
const BALLAST: &str = "ballast";
const SPARE: &str = "spare";
/// What is left of a picture's cleaning or a thumbnail's making when the power goes.
const BESIDE: &str = "new";

/// The folder of all stored files.
#[derive(Clone, Debug)]
pub struct Vault {
    root: PathBuf,
}

/// A file on its way, with the hash of what has arrived.
pub struct Partial {
    file: File,
    hash: blake3::Hasher,
    pub offset: u64,
}

impl Vault {
    /// The folder as it is, for who only looks.
    #[must_use]
    pub fn at(data_dir: &Path) -> Vault {
        Vault {
            root: data_dir.join(FOLDER),
        }
    }

    /// Opens the folder, and makes it where it is missing.
    pub fn open(data_dir: &Path) -> io::Result<Vault> {
        let Vault { root } = Vault::at(data_dir);
        fs::create_dir_all(root.join(PARTIAL))?;
        sync_folder(&root)?;
        sync_folder(data_dir)?;
        Ok(Vault { root })
    }

    /// Where a stored file lies.
    #[must_use]
    pub fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        let (folder, rest) = name.split_at(2);
        self.root.join(folder).join(rest)
    }

    /// Where its small picture lies.
    #[must_use]
    pub fn thumbnail_path(&self, id: BlobId) -> PathBuf {
        self.path(id).with_extension("jpg")
    }

    #[must_use]
    pub fn partial_path(&self, id: UploadId) -> PathBuf {
        self.root.join(PARTIAL).join(id.to_string())
    }

    /// A file to write, beside an upload, for what is to take its place.
    pub fn beside(&self, id: UploadId) -> io::Result<(File, PathBuf)> {
        let path = self.partial_path(id).with_extension(BESIDE);
        Ok((File::create(&path)?, path))
    }

    /// The begun file of an upload, to go on at `offset`: what lies beyond was never acknowledged and goes. Without `hash`
    /// what is there is read once more. A file that is too short begins anew: see the offset.
    pub fn resume(&self, id: UploadId, offset: u64, hash: Option<blake3::Hasher>) -> io::Result<Partial> {
        let path = self.partial_path(id);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let offset = if file.metadata()?.len() < offset {
            0
        } else {
            offset
        };
        file.set_len(offset)?;
        let hash = match hash {
            Some(hash) if hash.count() == offset => hash,
            _ => hash_of((&mut file).take(offset))?,
        };
        file.seek(SeekFrom::Start(offset))?;
        Ok(Partial { file, hash, offset })
    }

    /// Gives a synced file its last name, synced too.
    pub fn settle(&self, from: &Path, id: BlobId) -> io::Result<()> {
        let path = self.path(id);
        let folder = path.parent().expect("a file lies in a folder");
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            sync_folder(&self.root)?;
        }
        fs::rename(from, &path)?;
        sync_folder(folder)
    }

    /// Puts a small picture beside its file. It can be made again, so it is not waited for.
    pub fn put_thumbnail(&self, id: BlobId, bytes: &[u8]) -> io::Result<()> {
        let path = self.thumbnail_path(id);
        let beside = path.with_extension(BESIDE);
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(beside, path)
    }

    /// Removes a stored file and what lies beside it; one that is not there is fine.
    pub fn remove(&self, id: BlobId) -> io::Result<()> {
        gone(fs::remove_file(self.thumbnail_path(id)))?;
        gone(fs::remove_file(self.path(id)))
    }

    pub fn remove_partial(&self, id: UploadId) -> io::Result<()> {
        gone(fs::remove_file(self.partial_path(id).with_extension(BESIDE)))?;
        gone(fs::remove_file(self.partial_path(id)))
    }

    /// The uploads that have left a file.
    pub fn partials(&self) -> io::Result<Vec<UploadId>> {
        let mut found: Vec<UploadId> = Vec::new();
        for entry in fs::read_dir(self.root.join(PARTIAL))? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            found.extend(
                name.split('.')
                    .next()
                    .and_then(|name| name.parse::<UploadId>().ok()),
            );
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The folders that stored files lie in.
    pub fn folders(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.len() == 2 {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The stored files of one of them.
    pub fn blobs_in(&self, folder: &str) -> io::Result<Vec<BlobId>> {
        let mut found: Vec<BlobId> = Vec::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let rest = name.split('.').next().unwrap_or_default();
            found.extend(format!("{folder}{rest}").parse::<BlobId>().ok());
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Frees the room of the ballast.
    pub fn give_up_ballast(&self) -> io::Result<()> {
        gone(fs::remove_file(self.root.join(BALLAST)))
    }

    /// Makes the ballast and what a start may need, where they are missing.
    pub fn make_ballast(&self, bytes: u64) -> io::Result<()> {
        take_room(&self.root.join(SPARE), limits::DISK_SPARE)?;
        take_room(&self.root.join(BALLAST), bytes)
    }

    /// For a start: frees the room that was held back for it, if the disk has none else.
    pub fn give_up_spare(&self) -> io::Result<()> {
        let spare = self.root.join(SPARE);
        if !spare.exists() || self.disk()?.0 >= limits::DISK_SPARE {
            return Ok(());
        }
        gone(fs::remove_file(spare))
    }

    /// Bytes that the disk has free for this user, and bytes that it has at all.
    pub fn disk(&self) -> io::Result<(u64, u64)> {
        let disk = rustix::fs::statvfs(&self.root)?;
        let block = disk.f_frsize.max(1);
        Ok((
            disk.f_bavail.saturating_mul(block),
            disk.f_blocks.saturating_mul(block),
        ))
    }
}

/// A file of nothing, whose room is really taken.
fn take_room(path: &Path, bytes: u64) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let made = File::create(path).and_then(|file| {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        file.sync_all()
    });
    // Half of it is worse than none: nobody would make it whole.
    made.or_else(|_| gone(fs::remove_file(path)))
}

impl Partial {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Only what is synced may be acknowledged.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[must_use]
    pub fn id(&self) -> BlobId {
        BlobId(*self.hash.finalize().as_bytes())
    }

    /// The begun hash, for who goes on later.
    #[must_use]
    pub fn into_hash(self) -> blake3::Hasher {
        self.hash
    }
}

/// The hash of all that a reader gives.
pub fn hash_of(mut reader: impl Read) -> io::Result<blake3::Hasher> {
    let mut hash = blake3::Hasher::new();
    let mut piece = vec![0; limits::FILE_PIECE];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hash),
            count => hash.update(&piece[..count]),
        };
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_acknowledged_is_cut_off_and_the_hash_is_of_what_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let vault = Vault::open(directory.path()).expect("it opens");
        let upload = UploadId(5);
        let mut partial = vault.resume(upload, 0, None).expect("it begins");
        partial.write(b"whole and torn").expect("it is written");
        drop(partial);
        let mut partial = vault.resume(upload, 5, None).expect("it goes on");
        assert_eq!(partial.offset, 5);
        partial.write(b" again").expect("it is written");
        assert_eq!(partial.id().0, *blake3::hash(b"whole again").as_bytes());
        let path = vault.partial_path(upload);
        assert_eq!(fs::read(path).expect("it is there"), b"whole again");
        let hash = partial.into_hash();
        let kept = vault.resume(upload, 11, Some(hash.clone())).expect("it goes on");
        assert_eq!(kept.id().0, *blake3::hash(b"whole again").as_bytes());
        let other = vault.resume(upload, 5, Some(hash)).expect("it goes on");
        assert_eq!(
            other.id().0,
            *blake3::hash(b"whole").as_bytes(),
            "not the hash of another place"
        );
        let lost = vault.resume(upload, 50, None).expect("it begins anew");
        assert_eq!(lost.offset, 0, "a file that is too short is not filled up");
    }

    #[test]
    fn a_settled_file_is_found_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let vault = Vault::open(directory.path()).expect("it opens");
        let mut partial = vault.resume(UploadId(6), 0, None).expect("it begins");
        partial.write(b"hello").expect("it is written");
        let id = partial.id();
        assert_eq!(vault.partials().expect("readable"), [UploadId(6)]);
        vault
            .settle(&vault.partial_path(UploadId(6)), id)
            .expect("it settles");
        vault.put_thumbnail(id, b"small").expect("it is put");
        assert_eq!(fs::read(vault.path(id)).expect("it is there"), b"hello");
        let folders = vault.folders().expect("readable");
        assert_eq!(vault.blobs_in(&folders[0]).expect("readable"), [id]);
        vault.remove(id).expect("it goes");
        vault.remove(id).expect("it is gone already");
        assert!(vault.blobs_in(&folders[0]).expect("readable").is_empty());
    }
}
