//! What a client may ask. What must not live here: whether it may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::board::{Announce, Board, Nickname, Requests};
use super::event::{Body, ConversationKind, JoinRule, Role};
use super::ids::{ClientId, ConversationId, RequestId, Seq, UserId};
use super::setting::Setting;
use super::talk::{Edits, Events, Follow, Source, Thread, Threads};

/// A request frame: `{"id": ..., "type": ..., ...}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    pub id: RequestId,
    #[serde(flatten)]
    pub command: Command,
}

/// The first frame of a WebSocket, unless an `Authorization` header said it already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// The device's token from sign-in, claim or join. Left out when the header carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The newest resume token the client has stored, or nothing on a first load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

/// A command, told apart by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Sign in on this socket. Only as the first frame.
    Hello(Hello),
    /// Post a message to a conversation, or to a user: the first message to a user opens the direct conversation.
    Send(Send),
    /// Replace the body of one's own message.
    Edit(Edit),
    /// Take a message back: its body is erased everywhere, its place stays.
    Recall(Target),
    /// Add or remove a reaction.
    React(React),
    /// Say how far one has read. The largest number wins.
    MarkRead(MarkRead),
    /// Say that one is writing, or has stopped.
    Typing(Typing),
    /// Start or stop hearing who is online, and get the present state.
    Presence(Presence),
    /// Found a group or a channel.
    Create(Create),
    /// Change a group's or channel's settings.
    Update(Update),
    /// Leave a group or channel.
    Leave(Plain),
    /// End a group or channel for all.
    Dissolve(Plain),
    /// Add users as members.
    Invite(Invite),
    /// Join a group or channel that is open, or ask to.
    Join(Plain),
    /// Decide on a request to join.
    Approve(Approve),
    /// Remove a member.
    Kick(Subject),
    /// Remove a member, if there, and refuse to let the user in again; or lift that.
    Ban(Ban),
    /// Make a member an admin or an admin a member.
    Role(SetRole),
    /// Silence a member for a while, for ever, or no longer.
    Mute(Mute),
    /// Hand the ownership over.
    Transfer(Subject),
    /// A page of a conversation's events, forwards or backwards.
    History(History),
    /// One's conversations.
    Conversations(Conversations),
    /// Groups and channels one could join.
    Discover(Conversations),
    /// A conversation's members.
    Members(Members),
    /// Who has read a conversation up to a seq.
    Readers(Readers),
    /// What changed since a resume token.
    Sync(Sync),
    /// Keep a personal setting, or clear it.
    Set(Set),
    /// One's personal settings.
    Settings(Settings),
    /// One's saved messages.
    Saved(Settings),
    /// The people of this server.
    Users(Users),
    /// Words in what one may read.
    Search(Box<super::search::Search>),
    /// Single events by their seqs: what an answer quotes.
    Events(Events),
    /// The versions of a message.
    Edits(Edits),
    /// Follow a thread, or no longer.
    Follow(Follow),
    /// A page of a thread's messages.
    Thread(Thread),
    /// The threads one follows, or those of a conversation.
    Threads(Threads),
    /// Pin a message to the conversation.
    Pin(Target),
    /// Take a pin off.
    Unpin(Target),
    /// The pinned messages.
    Pins(Board),
    /// Put up a text that everyone of a group or channel sees, or take it down.
    Announce(Announce),
    /// A name of one's own in this conversation, or none any more.
    Nickname(Nickname),
    /// Who asks to join.
    Requests(Requests),
    /// Messages with a link.
    Links(Board),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Send {
    pub client_id: ClientId,
    /// Where to; or `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The peer of a direct conversation; or `conversation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    /// What is said; or `forward_of`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The message this one answers, in the same conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// A message to say again, from any conversation in which one may see it; or `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_of: Option<Source>,
    /// The message whose thread this belongs to, in the same conversation; itself in no thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    /// With `thread`: it counts in the conversation, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub also_send: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// The message's seq.
    pub target: Seq,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// The message's seq.
    pub target: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct React {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// The message's seq.
    pub target: Seq,
    /// 1 to 32 bytes, without blanks and controls.
    pub emoji: String,
    /// Take the reaction back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarkRead {
    pub conversation: ConversationId,
    /// The event read last; it must exist.
    pub seq: Seq,
    /// Read in this thread only, which one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Typing {
    pub conversation: ConversationId,
    pub on: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    pub on: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Create {
    pub client_id: ClientId,
    /// `group` or `channel`; a direct conversation opens with its first message.
    pub kind: ConversationKind,
    /// 1 to 128 bytes.
    pub title: String,
    /// First members beside oneself, at most 100, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<UserId>,
    #[serde(default)]
    pub join: JoinRule,
    /// Whether newcomers see what was said before they came.
    #[serde(default)]
    pub history: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Update {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<bool>,
    /// Whether only owner and admins may post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute_all: Option<bool>,
    /// Whether members may mention everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_mentions: Option<bool>,
    /// Whether members may pin messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_pin: Option<bool>,
    /// Whether members are told who has read what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_lists: Option<bool>,
    /// Days after which what is said here is erased, at most 36,500; 0: as long as the server keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plain {
    pub client_id: ClientId,
    pub conversation: ConversationId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invite {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// 1 to 100, each once.
    pub users: Vec<UserId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approve {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    pub user: UserId,
    pub accept: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    pub user: UserId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ban {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    pub user: UserId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lift: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetRole {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    pub user: UserId,
    /// `admin` or `member`; the owner changes by `transfer`.
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mute {
    pub client_id: ClientId,
    pub conversation: ConversationId,
    pub user: UserId,
    /// Seconds from now, at most ten years; 0 ends the mute; left out means until someone ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    pub conversation: ConversationId,
    /// Events with a larger seq, ascending. Without `after` and `before` (never both): the newest page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Events with a smaller seq; the page is still ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// 1 to 100; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conversations {
    /// The last conversation of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ConversationId>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Members {
    pub conversation: ConversationId,
    /// The last user of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readers {
    pub conversation: ConversationId,
    /// Members who have read this far or further.
    pub seq: Seq,
    /// Those who have not, instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// The last user of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sync {
    /// A resume token; left out on a first load: everything is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 200 conversations; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Set {
    #[serde(flatten)]
    pub setting: Setting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// The `change` that the page before ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Users {
    /// What the user name or the display name begins with; left out: everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<String>,
    /// The last name of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 200; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Every `type` a request may have, for error texts, the token buckets and the documents' tests.
pub const TYPES: &[&str] = &[
    "hello",
    "send",
    "edit",
    "recall",
    "react",
    "mark_read",
    "typing",
    "presence",
    "create",
    "update",
    "leave",
    "dissolve",
    "invite",
    "join",
    "approve",
    "kick",
    "ban",
    "role",
    "mute",
    "transfer",
    "history",
    "conversations",
    "discover",
    "members",
    "readers",
    "sync",
    "set",
    "settings",
    "saved",
    "users",
    "search",
    "events",
    "edits",
    "follow",
    "thread",
    "threads",
    "pin",
    "unpin",
    "pins",
    "announce",
    "nickname",
    "requests",
    "links",
];
