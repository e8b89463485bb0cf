//! The bodies of HTTP requests and answers about erasing people, and the files of an export. What must not live here: routes, or who may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{ConversationInfo, MemberInfo};
use super::event::Event;
use super::files::BlobInfo;
use super::ids::{ConversationId, DeviceId, Timestamp, UserId};

/// `POST /api/v1/me/erase`: erases the one who asks. There is no way back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct EraseMe {
    pub password: String,
    /// One's own user name, typed once more.
    pub confirm: String,
}

/// `POST /api/v1/users/{id}/erase`: erases somebody. There is no way back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct EraseUser {
    /// Their user name, typed by the one who asks.
    pub confirm: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// The account is gone; what they wrote is being erased, conversation by conversation.
    Running,
    /// Nothing they wrote is left.
    Done,
}

/// How far the erasure of a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Erasure {
    #[schema(value_type = String)]
    pub user: UserId,
    pub state: ErasureState,
    /// When it was asked for.
    #[schema(value_type = u64)]
    pub asked: Timestamp,
    /// Messages, edits and reactions that lost their words so far.
    pub erased: u64,
    /// Conversations that are still to be gone through.
    pub conversations_left: u64,
}

/// `format.json` of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportFormat {
    /// `kinglet-export`.
    pub format: String,
    /// Rises when files change in a way that a reader must know of; new files and fields do not count.
    pub version: u32,
    /// Whose data it is.
    pub user: UserId,
    pub made: Timestamp,
}

/// `conversations/ID/conversation.json` of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportConversation {
    /// With one's own role and read marker.
    pub conversation: ConversationInfo,
    /// Who is in it, as everyone in it may see.
    pub members: Vec<MemberInfo>,
}

/// `conversations/ID/events-NNNNNN.json` of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportEvents {
    pub conversation: ConversationId,
    /// Ascending by seq; what one may see, and nothing else.
    pub events: Vec<Event>,
}

/// `push.json` of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportPush {
    pub subscriptions: Vec<ExportSubscription>,
}

/// A device's push subscription. Its address and keys are not in the archive: who has them can disturb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportSubscription {
    pub device: DeviceId,
    /// Whose push service it is.
    pub host: String,
    pub text: bool,
    pub created: Timestamp,
}

/// `files/list-NNNNNN.json` of an export; the bytes of each are beside it, under its `blob`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportFiles {
    pub files: Vec<ExportFile>,
}

/// A file that the person uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportFile {
    #[serde(flatten)]
    pub file: BlobInfo,
    /// Whether it has gone out in a message; else it is removed a day after it came.
    pub sent: bool,
}

/// `complete.json`, the last file of an export: without it something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportEnd {
    /// Files before this one.
    pub files: u64,
}
