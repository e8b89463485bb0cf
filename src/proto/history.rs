//! The bodies of answers about one's own sign-ins. What must not live here: other people's, and who may ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{DeviceId, Timestamp};

/// `GET /api/v1/sign-ins`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignInList {
    /// The newest, newest first.
    pub sign_ins: Vec<SignInEntry>,
    /// Wrong passwords for this account since the newest of them (and since the server's last start).
    pub refused_since: u32,
}

/// One sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignInEntry {
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    pub device: DeviceId,
    pub device_name: String,
    /// Whether this is the device that asks.
    pub current: bool,
    /// From where, as far as the operator keeps it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    pub how: SignInHow,
    /// Wrong passwords for this account since the sign-in before.
    pub refused: u32,
}

/// By which way somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInHow {
    Password,
    Claim,
    Invitation,
    ResetLink,
    DeviceCode,
}
