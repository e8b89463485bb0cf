//! The bodies of HTTP requests and answers about the server itself: the team's name, the one address, and the key that
//! backups are encrypted to. What must not live here: routes, or who may.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Timestamp, UserId};

/// `GET /api/v1/server`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerInfo {
    /// Absent until somebody gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The one address that people are told, without a slash at its end.
    pub address: String,
    /// Whether `listen.canonical_url` decides on it: then nothing else changes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub address_is_set: bool,
    /// Absent until there is a recovery key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// What the server keeps of the recovery key: its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// What backups are encrypted to, in age's form.
    pub recipient: String,
    pub made: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    pub by: UserId,
    /// Whether its owner has shown that they hold it on paper.
    pub kept: bool,
}

/// `PATCH /api/v1/server`. What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ChangeServer {
    /// 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The address that people are told from now on: scheme, host and, if need be, port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// With `address`: the one that it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// The recipient whose key one holds on paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_kept: Option<String>,
}

/// `POST /api/v1/server/recovery-key`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewRecoveryKey {
    /// Makes a retry give the same key.
    pub client_id: ClientId,
    /// The recipient that it takes the place of; needed where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// A new recovery key, shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryKey {
    /// The secret half, in age's form. The server does not keep it.
    pub key: String,
    pub recipient: String,
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryKey")
            .field("recipient", &self.recipient)
            .finish_non_exhaustive()
    }
}
