//! The words about what a conversation shows beside its messages: pins, the announcement, nicknames, requests to join,
//! links. What must not live here: whether one may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::UserInfo;
use super::event::Event;
use super::ids::{ClientId, ConversationId, Seq, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Announce {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// 1 to 1,024 bytes; left out: no announcement any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nickname {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// Whose; left out: one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// As for display names; left out: no nickname any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A page of a list of messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Board {
    pub conversation: ConversationId,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// 1 to 100; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    pub conversation: ConversationId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pin {
    /// The message's seq.
    pub target: Seq,
    /// The seq of the event that pinned it.
    pub seq: Seq,
    pub by: UserId,
    pub ts: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PinPage {
    pub conversation: ConversationId,
    /// Newest first; only those whose message the asker may see.
    pub pins: Vec<Pin>,
    /// Their messages, ascending by seq.
    pub events: Vec<Event>,
    /// The newest edit of each of these messages that was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Event>,
    /// What to ask with for those before; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkPage {
    pub conversation: ConversationId,
    /// Messages with a link, ascending by seq; only what the asker may see.
    pub events: Vec<Event>,
    /// The newest edit of each of these messages that was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Event>,
    /// What to ask with for those before; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestList {
    pub conversation: ConversationId,
    /// Who asks to join, oldest request first.
    pub requests: Vec<UserInfo>,
}
