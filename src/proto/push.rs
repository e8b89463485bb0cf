//! The words about push: what a client subscribes with, and what a push message says. What must not live here: sending.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{ConversationId, Seq, Timestamp, UserId};

/// `GET /api/v1/push`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PushInfo {
    /// Whether this server sends push messages.
    pub enabled: bool,
    /// The server's key (RFC 8292), base64url: what a client subscribes with as `applicationServerKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether a device may ask for names and text.
    pub text_allowed: bool,
}

/// The receiver's keys (RFC 8291), base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PushKeys {
    /// A point of P-256, uncompressed: 65 bytes.
    pub p256dh: String,
    /// 16 bytes.
    pub auth: String,
}

/// `PUT /api/v1/push/subscription`: what a browser's `PushSubscription.toJSON()` gives, and one choice more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PushSubscribe {
    /// The address that the push service gave, at most 2,048 bytes.
    pub endpoint: String,
    pub keys: PushKeys,
    /// Put names and text into the message, which only the receiver can read. Without it a message tells nothing but
    /// that there is something new.
    #[serde(default)]
    pub text: bool,
}

/// The subscription of the device that asks. Its keys are not told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PushSubscription {
    pub endpoint: String,
    pub text: bool,
    #[schema(value_type = u64)]
    pub created: Timestamp,
}

/// `POST /api/v1/push/test`: what became of one message to the device that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PushTested {
    /// Whether the push service took it.
    pub taken: bool,
    pub host: String,
    /// The status that the push service answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a push message says once the receiver has decrypted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PushMessage {
    /// There are unread messages. The names and the text are there only if the device asked for them.
    Message {
        conversation: ConversationId,
        /// The newest one.
        seq: Seq,
        /// How many are unread.
        count: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// The sender's display name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The conversation's; a direct one has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The newest message, its first 1,000 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Somebody pressed "test".
    Test {},
}
