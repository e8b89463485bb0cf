//! The bodies of HTTP answers about the server as a whole: its figures, and the settings it runs with. What must not live
//! here: routes, or how a figure is found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Timestamp;
use super::machine::BoardHealth;

/// `GET /api/v1/admin/health`: figures of this moment. What counts up begins at the start of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerHealth {
    /// `ready`, `read_only`, `full` or `stopping`.
    pub status: String,
    pub version: String,
    /// Whether the wall clock is known to be right.
    pub synchronised: bool,
    pub ts: Timestamp,
    pub uptime_ms: u64,
    pub connections: u64,
    /// How many connections there may be.
    pub connections_limit: u64,
    /// Connections refused at a limit, counting up.
    pub connections_refused: u64,
    pub users_online: u64,
    /// Events in the log.
    pub events: u64,
    /// Acknowledged commands, counting up.
    pub acks: u64,
    /// From a command's arrival to its ack.
    pub ack: Times,
    /// One commit, its sync included.
    pub commit: Times,
    pub memory: MemoryFigures,
    pub disk: DiskFigures,
    pub pools: Vec<PoolFigures>,
    /// Panics that ended one connection, counting up.
    pub panics: u64,
    /// The certificate that people are shown, where the server has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFigures>,
    /// The machine under the server, as far as its kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardHealth>,
}

/// The certificate that people are shown, and what became of ordering a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateFigures {
    /// `own`: of the server's own authority; `files`: the operator's; `acme`: ordered from an authority.
    pub source: String,
    /// The names and addresses in it.
    pub names: Vec<String>,
    pub ends: Timestamp,
    /// Whether browsers trust it without being told to.
    pub public: bool,
    /// Orders for a new one that failed in a row.
    pub failures: u32,
    /// Why the last of them failed, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How long something took: a histogram, counting up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// Upper ends in microseconds, ascending.
    pub bounds: Vec<u64>,
    /// How many fell under each end and over the one before; one more at the end for those over all.
    pub counts: Vec<u64>,
    /// Microseconds of all of them together.
    pub sum: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryFigures {
    /// What the process holds now, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<u64>,
    /// The most that the server can come to hold: the sum of the lines.
    pub budget: u64,
    pub lines: Vec<BudgetShare>,
}

/// A line of the memory budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetShare {
    pub pool: String,
    pub bytes: u64,
    pub why: String,
}

/// What is taken from a bounded pool, and what it holds, in its own unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolFigures {
    pub name: String,
    pub used: u64,
    pub limit: u64,
}

/// Bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFigures {
    /// Of the disk with the data directory, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The database, its write-ahead log included.
    pub database: u64,
    /// All files that people uploaded.
    pub files: u64,
    /// What all files together may take.
    pub files_limit: u64,
    /// Written to disks by this process, counting up, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
}

/// `GET /api/v1/admin/settings`: what the server was started with. There is no secret among them: keys and certificates
/// are files, and only their paths are settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSettings {
    /// The file they came from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// In the order of the example file.
    pub settings: Vec<ServerSetting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSetting {
    /// As in the file, with its section: `limits.connections`.
    pub key: String,
    /// As it would stand in the file.
    pub value: String,
    /// The same for the value when nothing is set.
    pub usual: String,
    /// What it means, for the operator, in English.
    pub about: String,
}
