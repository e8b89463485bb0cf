//! The bodies of HTTP requests and answers about bots: made, listed, given new tokens. What must not live here: routes, or
//! what a bot may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::UserInfo;
use super::ids::{ClientId, DeviceId, Timestamp};

/// What a bot's token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BotScope {
    /// To receive events and to read what the bot's conversations show it.
    Read,
    /// To send, edit, react, upload, and to take its own messages back.
    Write,
    /// To do what its role in a conversation lets a person do there.
    Manage,
}

/// `POST /api/v1/admin/bots`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewBot {
    /// Makes a retry give the same bot, and the same token.
    pub client_id: ClientId,
    pub name: String,
    /// The user name when left out.
    #[serde(default)]
    pub display_name: String,
    /// `read` and `write` when left out.
    #[serde(default)]
    pub scopes: Option<Vec<BotScope>>,
}

/// `POST /api/v1/admin/bots/{id}/token`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewBotToken {
    /// Makes a retry give the same token.
    pub client_id: ClientId,
    /// As they were when left out.
    #[serde(default)]
    pub scopes: Option<Vec<BotScope>>,
}

/// A bot and its token, which is told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BotToken {
    pub bot: UserInfo,
    /// The one device that it has, for ever.
    pub device: DeviceId,
    pub scopes: Vec<BotScope>,
    pub token: String,
}

/// `GET /api/v1/admin/bots`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BotList {
    /// By their names; those that were removed are not among them.
    pub bots: Vec<BotInfo>,
}

/// A bot as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BotInfo {
    pub bot: UserInfo,
    pub scopes: Vec<BotScope>,
    /// When its newest token was made.
    pub token_made: Timestamp,
    /// Whether that token is good still.
    pub signed_in: bool,
    /// When it was last here.
    pub last_seen: Timestamp,
}
