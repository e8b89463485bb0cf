//! The words of a search: what is asked, and what is found. What must not live here: how it is found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Body;
use super::ids::{ConversationId, Seq, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// Words with blanks between them, 1 to 256 bytes: each must stand in the text, or in a file's caption or
    /// name, as it is or inside a longer word.
    pub query: String,
    /// Only in this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Only what this user said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// Only bodies of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FoundKind>,
    /// Only messages with this `ts` or a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
    /// Only messages with an earlier `ts` than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 50; 20 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Kinds of bodies that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundKind {
    Text,
    Image,
    Audio,
    Voice,
    Video,
    File,
}

impl FoundKind {
    /// Nothing for a body that the server does not read.
    #[must_use]
    pub fn of(body: &Body) -> Option<FoundKind> {
        Some(match body {
            Body::Text { .. } => FoundKind::Text,
            Body::Opaque { .. } => return None,
            Body::Image(_) => FoundKind::Image,
            Body::Audio(_) => FoundKind::Audio,
            Body::Voice(_) => FoundKind::Voice,
            Body::Video(_) => FoundKind::Video,
            Body::File(_) => FoundKind::File,
        })
    }
}

/// A message in which the words stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    pub conversation: ConversationId,
    /// The message's, also where its words are those of an edit.
    pub seq: Seq,
    pub ts: Timestamp,
    /// Present and true when the server's clock was not known to be right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    pub by: UserId,
    pub kind: FoundKind,
    /// The seq of the edit whose words these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Seq>,
    /// The text around the first of the words, with `…` where it is cut.
    pub snippet: String,
    /// Where the words stand in `snippet`: [from, to), in UTF-16 code units; at most 16.
    pub matches: Vec<[u32; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchPage {
    /// Newest first.
    pub found: Vec<Found>,
    /// Whether to ask on with `cursor`: there may be more, also where this page has nothing.
    pub more: bool,
    /// Goes into the next request, with everything else as it was. There when `more` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Present and true while the server still puts older messages into its index: pages are smaller until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}
