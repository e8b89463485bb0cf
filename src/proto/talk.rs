//! The words about what is said: what a message is about, forwarding, versions, threads. What must not live here: whether
//! one may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::{ConversationId, Seq, UserId};

/// A message somewhere else, to be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub conversation: ConversationId,
    /// The message's seq there.
    pub seq: Seq,
}

/// Where a forwarded message comes from; which conversation it was is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forwarded {
    /// Who said it first.
    pub by: UserId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    pub conversation: ConversationId,
    /// 1 to 50, each once.
    pub seqs: Vec<Seq>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edits {
    pub conversation: ConversationId,
    /// The message's seq.
    pub target: Seq,
    /// The seq of the last version of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// 1 to 100; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventList {
    pub conversation: ConversationId,
    /// Ascending by seq; only what the asker may see.
    pub events: Vec<Event>,
    /// The newest edit of each of these messages that was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Event>,
    /// Whether the answer ended early: ask again for the seqs after the last one here.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EditPage {
    pub conversation: ConversationId,
    pub target: Seq,
    /// The message, then its edits, ascending by seq.
    pub versions: Vec<Event>,
    pub more: bool,
}

/// Follow a thread, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Follow {
    pub conversation: ConversationId,
    /// The seq of the message that the thread hangs on.
    pub thread: Seq,
    pub on: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    pub conversation: ConversationId,
    /// The seq of the message that the thread hangs on.
    pub thread: Seq,
    /// Messages with a larger seq, ascending. Without `after` and `before` (never both): the newest page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Messages with a smaller seq; the page is still ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// 1 to 100; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Threads {
    /// All threads of this conversation; left out: those one follows, wherever they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A thread as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadInfo {
    pub conversation: ConversationId,
    /// The seq of the message that the thread hangs on.
    pub thread: Seq,
    /// How many messages were written in it.
    pub replies: u64,
    /// The newest message in it.
    pub last_seq: Seq,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub following: bool,
    /// Messages after one's own marker; 0 for those who do not follow.
    pub unread: u64,
}

/// A thread that one has begun or ceased to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Followed {
    pub conversation: ConversationId,
    /// The seq of the message that the thread hangs on.
    pub thread: Seq,
    pub following: bool,
}

/// What a page of history says of a message on which a thread hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadSummary {
    pub thread: Seq,
    pub replies: u64,
    pub last_seq: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadPage {
    #[serde(flatten)]
    pub info: ThreadInfo,
    /// Ascending by seq; only what the asker may see.
    pub events: Vec<Event>,
    /// The newest edit of each of these messages that was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Event>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadList {
    /// Newest first.
    pub threads: Vec<ThreadInfo>,
    /// What to ask with for those before; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
