//! Why a backup was not made, or cannot be read: a code, a sentence, the next step. What must not live here: when.

use std::fmt;
use std::io;
use std::path::Path;

use super::age::AgeError;
use crate::proto::backup::BackupTrouble;
use crate::store::OpenError;

/// What went wrong, as people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub code: BackupTrouble,
    pub message: String,
    pub next: String,
}

pub type Outcome<T> = Result<T, Wrong>;

impl Wrong {
    pub fn new(code: BackupTrouble, message: impl Into<String>, next: impl Into<String>) -> Wrong {
        Wrong {
            code,
            message: message.into(),
            next: next.into(),
        }
    }

    pub fn failed(message: impl Into<String>, next: impl Into<String>) -> Wrong {
        Wrong::new(BackupTrouble::Failed, message, next)
    }

    /// An operation on a file; a full disk has a code of its own.
    pub fn io(operation: &str, path: &Path, error: &io::Error) -> Wrong {
        let message = format!("Cannot {operation} {}: {error}.", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Wrong::new(
                BackupTrouble::Full,
                message,
                "Make room there, or use a larger stick. What was there before is as it was.",
            ),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Wrong::failed(
                message,
                "Let the server's user write there; under systemd the unit must allow it, too (ReadWritePaths=).",
            ),
            _ => Wrong::failed(message, "Look at the disk and its file system, then try again."),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.message, self.next)
    }
}

impl From<OpenError> for Wrong {
    fn from(error: OpenError) -> Wrong {
        let next = match &error {
            OpenError::InUse(_) => {
                "Stop the server first (`systemctl stop kinglet.socket kinglet-http.socket kinglet`), then try again."
            }
            _ => "Run `kinglet doctor`.",
        };
        Wrong::failed(format!("The database cannot be used: {error}."), next)
    }
}

impl From<AgeError> for Wrong {
    fn from(error: AgeError) -> Wrong {
        let next = match &error {
            AgeError::NotAKey | AgeError::KeyMistyped => "Type it again as it stands on the emergency sheet.",
            AgeError::OtherKey => {
                "Take the sheet that was printed before this backup was made, or another backup."
            }
            AgeError::NotARecipient => "Have an owner make a recovery key again.",
            AgeError::NotAge(_) | AgeError::Io(_) => "Take another backup.",
        };
        let mut message = error.to_string();
        if let Some(first) = message.get(..1).map(str::to_uppercase) {
            message.replace_range(..1, &first);
        }
        Wrong::failed(format!("{message}."), next)
    }
}
