//! Putting restored data in the place of what is there, so that a power cut at any moment leaves the one or the other: what is to go
//! is moved aside, what is to come is moved in, and a mark says how far that is. What must not live here: whether the restored data
//! are good; that was seen before.
//!
//! The data directory itself stays, since it may be a disk of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::place::{sync_folder, write_whole};
use super::wrong::{Outcome, Wrong};

/// What is being restored, inside the data directory.
const STAGING: &str = "restore.new";
/// What was there before, until the restored server has started well.
const BEFORE: &str = "before-restore";
const MARK: &str = "restore.swap";
const OUT: &[u8] = b"out";
const IN: &[u8] = b"in";
/// The server's own folder of backups, where its owner wants them beside the data.
pub const BACKUPS: &str = "backups";
/// What stays where it is: what is put back may have come out of the folder of backups.
const STAYS: [&str; 7] = [
    "lock",
    "control.sock",
    "lost+found",
    BACKUPS,
    STAGING,
    BEFORE,
    MARK,
];
/// What a server's data are known by.
const DATA: [&str; 3] = ["kinglet.db", "blobs", "tls"];

fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Wrong {
    let path = path.to_owned();
    move |error| Wrong::io(operation, &path, &error)
}

/// Where a restore may be put together.
#[must_use]
pub fn staging(data_dir: &Path) -> PathBuf {
    data_dir.join(STAGING)
}

/// Where the data of before lie, while they do.
#[must_use]
pub fn before(data_dir: &Path) -> Option<PathBuf> {
    Some(data_dir.join(BEFORE)).filter(|path| path.exists())
}

/// Whether a server's data are there.
#[must_use]
pub fn is_taken(data_dir: &Path) -> bool {
    DATA.iter().any(|name| data_dir.join(name).exists())
}

/// Completes what a power cut broke off, or takes away what was not whole. By whoever holds the data directory's lock.
pub fn resume(data_dir: &Path) -> Outcome<()> {
    if data_dir.join(MARK).exists() {
        log::warn!("a restore was broken off after everything was checked; it is completed now");
        return finish(data_dir);
    }
    discard(data_dir)
}

/// Takes away a restore that was not completed.
pub fn discard(data_dir: &Path) -> Outcome<()> {
    let path = staging(data_dir);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Wrong::io("remove", &path, &error)),
        _ => Ok(()),
    }
}

/// Whether there is anything for `resume` to do.
#[must_use]
pub fn is_begun(data_dir: &Path) -> bool {
    data_dir.join(MARK).exists() || staging(data_dir).exists()
}

/// Puts what is in the staging folder in the place of what is there. It must be on the disk, all of it.
pub fn begin(data_dir: &Path) -> Outcome<()> {
    forget(data_dir)?;
    let mark = data_dir.join(MARK);
    write_whole(&mark, OUT).map_err(at("write", &mark))?;
    finish(data_dir)
}

fn finish(data_dir: &Path) -> Outcome<()> {
    let mark = data_dir.join(MARK);
    let before = data_dir.join(BEFORE);
    if fs::read(&mark).map_err(at("read", &mark))? != IN {
        for name in names(data_dir)? {
            if STAYS.contains(&name.as_str()) || name.ends_with(".partial") {
                continue;
            }
            fs::create_dir_all(&before).map_err(at("make", &before))?;
            let from = data_dir.join(&name);
            fs::rename(&from, before.join(&name)).map_err(at("move", &from))?;
        }
        if before.exists() {
            sync_folder(&before).map_err(at("sync", &before))?;
        }
        sync_folder(data_dir).map_err(at("sync", data_dir))?;
        write_whole(&mark, IN).map_err(at("write", &mark))?;
    }
    let staging = staging(data_dir);
    if staging.exists() {
        for name in names(&staging)? {
            let from = staging.join(&name);
            fs::rename(&from, data_dir.join(&name)).map_err(at("move", &from))?;
        }
        fs::remove_dir(&staging).map_err(at("remove", &staging))?;
    }
    sync_folder(data_dir).map_err(at("sync", data_dir))?;
    fs::remove_file(&mark).map_err(at("remove", &mark))?;
    sync_folder(data_dir).map_err(at("sync", data_dir))
}

/// The restored server has started well: the data of before go.
pub fn forget(data_dir: &Path) -> Outcome<()> {
    let path = data_dir.join(BEFORE);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Wrong::io("remove", &path, &error)),
        _ => Ok(()),
    }
}

fn names(folder: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(at("read", folder))? {
        let name = entry.map_err(at("read", folder))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(&path).unwrap_or_else(|_| "nothing".into())
    }

    fn scene() -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("kinglet.db", "old"),
            ("heads", "old"),
            ("blobs/ab/c", "old"),
            ("lock", ""),
        ] {
            write(&data.path().join(name), text);
        }
        for (name, text) in [("kinglet.db", "new"), ("blobs/de/f", "new")] {
            write(&staging(data.path()).join(name), text);
        }
        data
    }

    fn is_new(data: &Path) {
        assert_eq!(read(data.join("kinglet.db")), "new");
        assert_eq!(read(data.join("blobs/de/f")), "new");
        assert_eq!(read(data.join("blobs/ab/c")), "nothing");
        assert!(!data.join("heads").exists() && data.join("lock").exists());
        assert_eq!(read(data.join("before-restore/blobs/ab/c")), "old");
        assert_eq!(read(data.join("before-restore/heads")), "old");
        assert!(!is_begun(data));
    }

    #[test]
    fn what_is_there_goes_aside_and_what_comes_takes_its_place() {
        let data = scene();
        assert!(is_taken(data.path()));
        begin(data.path()).expect("done");
        is_new(data.path());
        forget(data.path()).expect("done");
        assert!(before(data.path()).is_none());
    }

    #[test]
    fn broken_off_anywhere_it_is_completed() {
        let moves = ["blobs", "heads", "kinglet.db"];
        for done in 0..=moves.len() {
            let data = scene();
            write(&data.path().join(MARK), "out");
            for name in &moves[..done] {
                fs::create_dir_all(data.path().join(BEFORE)).expect("made");
                fs::rename(data.path().join(name), data.path().join(BEFORE).join(name)).expect("moved");
            }
            resume(data.path()).expect("completed");
            is_new(data.path());
        }
        for done in 0..=2 {
            let data = scene();
            for name in moves {
                fs::create_dir_all(data.path().join(BEFORE)).expect("made");
                fs::rename(data.path().join(name), data.path().join(BEFORE).join(name)).expect("moved");
            }
            write(&data.path().join(MARK), "in");
            for name in &["blobs", "kinglet.db"][..done] {
                fs::rename(staging(data.path()).join(name), data.path().join(name)).expect("moved");
            }
            resume(data.path()).expect("completed");
            is_new(data.path());
        }
    }

    #[test]
    fn what_was_not_whole_is_taken_away() {
        let data = scene();
        resume(data.path()).expect("done");
        assert!(!staging(data.path()).exists());
        assert_eq!(read(data.path().join("kinglet.db")), "old");
    }
}
