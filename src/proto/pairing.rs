//! The bodies of HTTP requests and answers by which a signed-in device lets another one in. What must not live here:
//! routes, or who may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{NewDevice, SignedIn};

/// `POST /api/v1/devices/code`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceCode {
    /// Eight characters to type on the new device.
    pub code: String,
    /// The address to open there. As a QR code show just this text.
    pub link: String,
    pub expires_in_ms: u64,
}

/// `GET /api/v1/devices/code`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceCodeState {
    pub state: PairingState,
    /// The new device as it names itself, once it has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Three digits that both devices must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    pub expires_in_ms: u64,
}

/// How far a device code has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairingState {
    /// Nobody has used it yet.
    Open,
    /// A device asks: compare the numbers, then confirm or take the code back.
    Asked,
    /// Confirmed; the new device may fetch its token.
    Confirmed,
    /// The new device is signed in.
    Done,
}

/// `POST /api/v1/devices/code/confirm`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmDevice {
    /// The number that the person has seen on both devices.
    pub number: String,
}

/// `POST /api/v1/pair`: by the new device.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AskToPair {
    pub code: String,
    pub device: NewDevice,
}

/// What the new device waits with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairingTicket {
    /// Keep it like a password.
    pub ticket: String,
    /// Three digits that both devices must show.
    pub number: String,
    pub expires_in_ms: u64,
}

/// `POST /api/v1/pair/wait`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AwaitPairing {
    pub ticket: String,
    /// Seconds to wait for the confirmation, at most 25; 0 when left out.
    #[serde(default)]
    pub wait: Option<u64>,
}

/// Whether the new device is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paired {
    /// Absent while nobody has confirmed: ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<SignedIn>,
}

/// The query of `GET /api/v1/devices/code`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct WaitQuery {
    #[serde(default)]
    pub wait: Option<u64>,
}
