//! What the server says that is not an event. What must not live here: when it says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{ServerRole, UserList};
use super::board::{LinkPage, PinPage, RequestList};
use super::event::{ConversationKind, Event, JoinRule, Role};
use super::ids::{BlobId, ConversationId, DeviceId, RequestId, Seq, Timestamp, UserId};
use super::refusal::Refusal;
use super::setting::{Kept, SavedPage, SetDone, SettingPage, Status};
use super::talk::{EditPage, EventList, Followed, ThreadList, ThreadPage, ThreadSummary};

/// The answer to a request: `{"re": ..., "type": ..., ...}`, or `{"re": ..., "error": {...}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    pub re: RequestId,
    #[serde(flatten)]
    pub answer: Answer,
}

/// `{"re": ..., "error": {...}}`; `re` is absent when the frame could not be read that far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReply {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<RequestId>,
    pub error: Refusal,
}

/// Answers, told apart by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    Welcome(Welcome),
    Ack(Ack),
    /// Done; there is nothing to tell.
    Ok {},
    History(HistoryPage),
    Conversations(ConversationPage),
    Discover(DiscoverPage),
    Members(MemberPage),
    Readers(ReaderPage),
    Presence(PresenceList),
    Sync(SyncPage),
    Set(SetDone),
    Settings(SettingPage),
    Saved(SavedPage),
    Users(UserList),
    Search(super::search::SearchPage),
    Events(EventList),
    Edits(EditPage),
    Thread(ThreadPage),
    Threads(ThreadList),
    Pins(PinPage),
    Requests(RequestList),
    Links(LinkPage),
}

/// What the client needs to know about this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    pub user: UserId,
    pub device: DeviceId,
    /// Changes when the server was restored from a backup: drop the local copy then.
    pub epoch: String,
    /// Where this connection starts to be told of events; store it once nothing from before is missing.
    pub resume: String,
    pub catch_up: CatchUp,
    pub limits: WelcomeLimits,
    pub capabilities: Vec<String>,
    /// The server's shown time, and whether its clock is known to be right.
    pub ts: Timestamp,
    pub synchronised: bool,
}

/// What the client has to do about what it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing: what was missed follows on this socket.
    Streaming,
    /// Ask `sync` with the old token (or none on a first load), then pull the pages wanted.
    Sync,
    /// The token is of another state of the server: drop the local copy, keep the outbox, `sync` without a token.
    Resync,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WelcomeLimits {
    /// Bytes of a frame.
    pub frame_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Unanswered requests at once; beyond it the socket is not read until something was answered.
    pub in_flight: usize,
    /// Events of a page.
    pub page_events: usize,
    /// How often the server looks and pings; twice as much without any frame from the client ends the connection.
    pub ping_ms: u64,
}

/// A state-changing command is done and on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub ts: Timestamp,
    /// Present and true when the same command was done before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// Present and true when the event was erased since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPage {
    pub conversation: ConversationId,
    /// Ascending by seq; only what the asker may see.
    pub events: Vec<Event>,
    /// Edits, recalls and reactions of these messages that lie after the page, at most the first 200. They are still to
    /// be received in their own places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Event>,
    /// The threads that hang on these messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadSummary>,
    /// Whether the conversation goes on beyond this page in the direction asked.
    pub more: bool,
    /// The newest seq the asker may see.
    pub last_seq: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationInfo {
    pub conversation: ConversationId,
    pub kind: ConversationKind,
    /// Empty for a direct conversation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The other one of a direct conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<UserId>,
    pub role: Role,
    pub members: u64,
    pub join: JoinRule,
    pub history: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mute_all: bool,
    /// Present and true where plain members may mention everyone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_mentions: bool,
    /// Present and true where plain members may pin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub members_pin: bool,
    /// Present and false where nobody is told who has read what.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub read_lists: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announcement: Option<String>,
    /// Open requests to join; only for owner and admins, and only where there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Days after which what is said here is erased: the shorter of the conversation's time and the server's. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// The newest seq the asker may see.
    pub last_seq: Seq,
    /// The asker's read marker; 0: never read.
    pub read_seq: Seq,
    /// Messages after the marker.
    pub unread: u64,
    /// How many of them mention the asker, or everyone; at most 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread_mentions: u64,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference in
fn is_yes(flag: &bool) -> bool {
    *flag
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference in
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationPage {
    pub conversations: Vec<ConversationInfo>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Discovered {
    pub conversation: ConversationId,
    pub kind: ConversationKind,
    pub title: String,
    pub join: JoinRule,
    pub members: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoverPage {
    pub conversations: Vec<Discovered>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberInfo {
    pub user: UserId,
    pub name: String,
    pub display_name: String,
    /// What they go by in this conversation, if they chose something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    pub role: Role,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Present and true for a bot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberPage {
    pub members: Vec<MemberInfo>,
    /// Open requests to join; only for owner and admins, and only on the first page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<UserId>,
    /// The banned; only for owner and admins, and only on the first page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned: Vec<UserId>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reader {
    pub user: UserId,
    pub seq: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReaderPage {
    /// Members whose marker is at the seq asked for or beyond; with `unread` those whose marker is not.
    pub readers: Vec<Reader>,
    /// How many they are on all pages.
    pub count: u64,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserState {
    pub user: UserId,
    pub online: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresenceList {
    /// Who of the people in one's conversations (up to 256 members each) is online now.
    pub online: Vec<UserId>,
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    pub user: UserId,
    pub name: String,
    pub display_name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What they say of themselves; no longer to be shown after its `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Their picture: a file, with a small one of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<BlobId>,
    /// Present and true for one who has left the server; then `disabled` is true as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deactivated: bool,
    /// Their role on the server; absent for a member.
    #[serde(default, skip_serializing_if = "ServerRole::is_member")]
    pub role: ServerRole,
    /// Present and true for one who was erased: both names are the server's words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// Present and true for a bot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncPage {
    /// One's conversations in which something happened since the token.
    pub conversations: Vec<ConversationInfo>,
    /// Conversations one is no longer in; drop or keep them, but nothing more will come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<ConversationId>,
    /// Users whose profile changed since the token; without a token everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserInfo>,
    /// Personal settings that changed since the token, cleared ones without a `value`; without a token all that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Kept>,
    /// Threads that one has begun or ceased to follow since the token, as that stands now; without a token none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<Followed>,
    /// Present and true when the token is older than what is still known of cleared settings, or of threads no longer
    /// followed: drop one's copy of all settings and followed threads, and ask `settings` and `threads`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settings_stale: bool,
    /// Whether to ask again with `resume` at once.
    pub more: bool,
    pub resume: String,
}

/// Frames without a `re` that are no events: never stored, and shed first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// Somebody writes, or has stopped; forget it after ten seconds.
    Typing {
        conversation: ConversationId,
        user: UserId,
        on: bool,
    },
    /// Somebody came or went.
    Presence { user: UserId, online: bool },
    /// Somebody, or another device of one's own, has read up to here.
    Read {
        conversation: ConversationId,
        user: UserId,
        seq: Seq,
    },
    /// Another device of one's own follows a thread, no longer does, or has read in it up to here.
    Thread {
        conversation: ConversationId,
        thread: Seq,
        following: bool,
        seq: Seq,
    },
    /// A profile changed.
    User(UserInfo),
    /// A personal setting of one's own changed, on this device or another; without a `value` it was cleared.
    Setting(Kept),
    /// There is something new about one's own account: ask `GET news`.
    News {},
    /// Everything before this token was delivered, or skipped by a `behind`; store it once nothing is left to pull.
    Position { resume: String },
    /// This connection fell too far behind and skipped to now: `sync` with this token, then pull pages.
    Behind { resume: String },
}

/// The fallback's answer: `GET /api/v1/sync`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PollPage {
    /// Events after the token, in the order they would have come over the socket.
    pub events: Vec<Event>,
    /// Too far behind, or a first load: pull `conversations` and pages.
    pub catch_up: CatchUp,
    pub resume: String,
}
