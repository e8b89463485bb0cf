//! The bodies of HTTP requests and answers about the server's backups. What must not live here: routes, or how a backup is
//! made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Timestamp};

/// `GET /api/v1/admin/backups`: where backups go, what there is of them, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerBackups {
    /// Absent while nobody has named one: then there are no backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<BackupPlace>,
    /// So many are kept there; the oldest goes first.
    pub keep: u32,
    /// The time of day, where the server is, at which one is made.
    pub at: String,
    /// When that is the next time, while the server's clock is known to be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Present while one is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<BackupRun>,
    /// The newest good one, wherever it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<BackupMade>,
    /// Those at the place, newest first, when it was last looked at.
    #[serde(default)]
    pub kept: Vec<BackupMade>,
    /// Why there is no newer one; absent once there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<BackupWrong>,
    /// What an owner has chosen; what holds, where the configuration does not decide.
    pub chosen: BackupChoice,
    /// Whether `backup.to` decides where they go: then nothing else changes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub place_is_set: bool,
    /// What the caller may choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<BackupChoice>,
    /// Whether an owner has shown that they hold the key that backups are opened with. Without it a backup helps nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_kept: bool,
}

/// A place that the server can always write to, as a page offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupChoice {
    /// Nowhere: there are no backups.
    #[default]
    Off,
    /// A folder in the data directory: on the same disk as the data.
    Data,
    /// A USB stick, which kinglet-board mounts.
    Usb,
}

impl BackupChoice {
    pub const ALL: [BackupChoice; 3] = [BackupChoice::Off, BackupChoice::Data, BackupChoice::Usb];

    /// As on the wire.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            BackupChoice::Off => "off",
            BackupChoice::Data => "data",
            BackupChoice::Usb => "usb",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupPlace {
    /// The folder, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it is a USB stick, mounted only while it is written to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub usb: bool,
    /// Whether it is on the same disk as the data: what takes the one takes the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_disk: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupRun {
    pub since: Timestamp,
    /// Bytes written so far.
    pub bytes: u64,
    /// Bytes that it will have, about; absent while the log is being checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A good backup: the log was checked before, and what was written was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupMade {
    /// Its file, or the first letters of its parts.
    pub name: String,
    /// The folder that it was written to.
    pub path: String,
    pub made: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    pub bytes: u64,
    pub parts: u32,
    pub took_ms: u64,
    /// Stored files that were missing or damaged already.
    #[serde(default)]
    pub lost_files: u64,
}

/// What keeps backups from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupTrouble {
    /// There is no recovery key.
    NoKey,
    /// There is no USB stick, or more than one.
    NoStick,
    /// There is no room, even without the older ones.
    Full,
    /// The log itself is damaged: the older backups are left as they are.
    Damaged,
    /// It was tried and failed.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupWrong {
    pub code: BackupTrouble,
    /// A sentence for a person.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// Since when it has been so.
    pub since: Timestamp,
}

/// `POST /api/v1/admin/backups`: make one now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BackUpNow {
    /// Makes a retry ask for the same one.
    pub client_id: ClientId,
}

/// `PATCH /api/v1/admin/backups`: where they go from now on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlaceBackups {
    pub place: BackupChoice,
    /// What `place` takes the place of.
    pub instead_of: BackupChoice,
    /// The caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}
