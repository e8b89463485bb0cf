//! The machine as this program touches it: fixed paths below one root directory, which is `/` but in tests. What must not live
//! here: which paths, and why.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::answer::{Code, Wrong};

/// Files of `/proc`, `/sys` and settings are short; whatever is longer is not what it should be.
const FILE_BYTES: u64 = 64 * 1024;

pub struct Machine {
    root: PathBuf,
}

impl Machine {
    pub fn at(root: PathBuf) -> Machine {
        Machine { root }
    }

    /// An absolute path of this program's own, below the root.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    pub fn exists(&self, absolute: &str) -> bool {
        self.path(absolute).exists()
    }

    /// A short text file, without the space around it; nothing where it cannot be read.
    pub fn text(&self, absolute: &str) -> Option<String> {
        read_text(&self.path(absolute)).ok()
    }

    /// A short file as it is; nothing where there is none that can be opened, and an error where it cannot be read or is too long.
    pub fn bytes(&self, absolute: &str) -> Option<io::Result<Vec<u8>>> {
        let file = File::open(self.path(absolute)).ok()?;
        let mut bytes = Vec::new();
        let read = file.take(FILE_BYTES + 1).read_to_end(&mut bytes);
        Some(match read {
            Ok(count) if count as u64 > FILE_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => Ok(bytes),
            Err(error) => Err(error),
        })
    }

    /// A disk that udev leaves alone until this is dropped (<https://systemd.io/BLOCK_DEVICE_LOCKING>). What it looks at while the table
    /// and the kernel do not agree on a partition, it takes for gone by its name, and systemd unmounts what is on it.
    pub fn locked(&self, disk: &str) -> Result<File, Wrong> {
        // Not to write: udev looks at each disk that was, once it is closed.
        let lock = || {
            let file = File::open(self.path(disk))?;
            file.lock()?;
            io::Result::Ok(file)
        };
        lock().map_err(|error| Wrong::because(Code::Failed, format!("locking {disk}: {error}")))
    }

    /// The names in a directory, in order; none where it cannot be read.
    pub fn names(&self, absolute: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(absolute)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Replaces a file as a whole, on the disk before it is said to be done; readable by all, writable by root.
    pub fn write(&self, absolute: &str, text: &str) -> Result<(), Wrong> {
        self.place(absolute, text, 0o644)
    }

    /// The same for what root alone may read, from the moment it is there.
    pub fn write_private(&self, absolute: &str, text: &str) -> Result<(), Wrong> {
        self.place(absolute, text, 0o600)
    }

    fn place(&self, absolute: &str, text: &str, mode: u32) -> Result<(), Wrong> {
        let path = self.path(absolute);
        let beside = path.with_extension("new");
        let written = || -> io::Result<()> {
            // One that a power cut left may be readable by others.
            if let Err(error) = fs::remove_file(&beside)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            sync_folder_of(&path)
        };
        written().map_err(|error| Wrong::io("write", absolute, &error))
    }

    /// A file that is gone already is what was wanted.
    pub fn remove(&self, absolute: &str) -> Result<(), Wrong> {
        match fs::remove_file(self.path(absolute)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Wrong::io("remove", absolute, &error))
            }
            _ => Ok(()),
        }
    }

    pub fn open_lock(&self, absolute: &str) -> Result<File, Wrong> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options
            .open(self.path(absolute))
            .map_err(|error| Wrong::io("open", absolute, &error))
    }

    /// A user's id and group by name, from the machine's own list.
    pub fn user(&self, name: &str) -> Option<(u32, u32)> {
        let list = self.text("/etc/passwd")?;
        list.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    }

    /// Where something must be before the verb makes sense.
    pub fn needs(&self, absolute: &str, what: &str) -> Result<(), Wrong> {
        if self.exists(absolute) {
            return Ok(());
        }
        Err(Wrong::because(Code::NotAvailable, what))
    }
}

/// Puts what was made, renamed or removed in a folder on the disk.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}
