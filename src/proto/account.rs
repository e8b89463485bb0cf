//! The bodies of HTTP requests and answers about accounts. What must not live here: routes, or who may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::UserInfo;
use super::event::ConversationKind;
use super::ids::{ClientId, ConversationId, DeviceId, InvitationId, Seq, Timestamp, UserId};

/// A server-wide role.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServerRole {
    #[default]
    Member,
    /// Invites, disables and resets people.
    Admin,
    /// The one who claimed the server, and those made owner since.
    Owner,
}

impl ServerRole {
    pub(super) fn is_member(&self) -> bool {
        *self == ServerRole::Member
    }
}

/// The device that signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct NewDevice {
    /// A UUID the client made once, presents at every sign-in and never reuses.
    #[schema(value_type = String, format = "uuid")]
    pub id: DeviceId,
    /// A name for the device list, at most 64 bytes.
    #[serde(default)]
    pub name: String,
}

/// `POST /api/v1/claim`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Claim {
    /// The ten digits the server printed.
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub display_name: String,
    pub password: String,
    pub device: NewDevice,
    /// What the team is called, 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The address that people are to be told; the server's own guess when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// `POST /api/v1/join`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct JoinServer {
    /// The invitation's code.
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub display_name: String,
    pub password: String,
    pub device: NewDevice,
}

/// `POST /api/v1/sign-in`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SignIn {
    pub name: String,
    pub password: String,
    pub device: NewDevice,
}

/// The answer of claim, join and sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SignedIn {
    /// Shown once. Send it in `hello` or as `Authorization: Bearer ...`; never in an address.
    pub token: String,
    #[schema(value_type = String)]
    pub user: UserId,
    #[schema(value_type = String, format = "uuid")]
    pub device: DeviceId,
    pub name: String,
    pub display_name: String,
    pub role: ServerRole,
}

/// `POST /api/v1/invitations`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct NewInvitation {
    /// Makes a retry give the same invitation.
    #[schema(value_type = String, format = "uuid")]
    pub client_id: ClientId,
    #[serde(default)]
    pub role: ServerRole,
    /// How many may use it, 1 to 1,000; 1 when left out.
    #[serde(default)]
    pub uses: Option<u32>,
    /// For how long, 1 to 365 days; the server's setting when left out.
    #[serde(default)]
    pub days: Option<u32>,
    /// Into this group or channel, too: a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub conversation: Option<ConversationId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvitationInfo {
    #[schema(value_type = String)]
    pub id: InvitationId,
    pub code: String,
    /// The address to open.
    pub link: String,
    pub role: ServerRole,
    pub uses: u32,
    pub used: u32,
    #[schema(value_type = u64)]
    pub expires: Timestamp,
    #[schema(value_type = String)]
    pub by: UserId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The group or channel that it leads into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub conversation: Option<ConversationId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvitationList {
    pub invitations: Vec<InvitationInfo>,
}

/// `POST /api/v1/invitations/check`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CheckInvitation {
    pub code: String,
}

/// What an invitation offers. One that cannot be used is refused with `invitation_invalid` instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvitationCheck {
    pub valid: bool,
    /// Who invites.
    pub by_name: String,
    pub by_display_name: String,
    /// What one becomes by it.
    pub role: ServerRole,
    #[schema(value_type = u64)]
    pub expires: Timestamp,
    /// The group or channel that it leads into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<InvitedInto>,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvitedInto {
    #[schema(value_type = String)]
    pub kind: ConversationKind,
    pub title: String,
    /// Whether one without an account may make one by it.
    pub accounts: bool,
}

/// `POST /api/v1/invitations/accept`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct AcceptInvitation {
    /// Makes a retry give the same answer.
    #[schema(value_type = String, format = "uuid")]
    pub client_id: ClientId,
    pub code: String,
}

/// One is a member now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Accepted {
    #[schema(value_type = String)]
    pub conversation: ConversationId,
}

/// `POST /api/v1/sign-out-everywhere`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SignOutEverywhere {
    /// Keep the session that asks.
    #[serde(default)]
    pub keep_this: bool,
}

/// How many sessions were ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SessionsEnded {
    pub ended: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct DeviceInfo {
    #[schema(value_type = String, format = "uuid")]
    pub id: DeviceId,
    pub name: String,
    /// Whether this is the device that asks.
    pub current: bool,
    pub signed_in: bool,
    pub created: Timestamp,
    pub last_seen: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct DeviceList {
    pub devices: Vec<DeviceInfo>,
}

/// `PATCH /api/v1/devices/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct RenameDevice {
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Profile {
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    pub display_name: String,
    pub role: ServerRole,
}

/// `PATCH /api/v1/profile`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ChangeProfile {
    pub display_name: String,
}

/// `POST /api/v1/password`: cuts every other session of the user.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ChangePassword {
    pub current: String,
    pub new: String,
}

/// `GET /api/v1/users`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct UserList {
    #[schema(value_type = Vec<Object>)]
    pub users: Vec<UserInfo>,
    pub more: bool,
}

/// `GET /api/v1/users/{id}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserProfile {
    #[serde(flatten)]
    pub info: UserInfo,
    /// When a device of theirs was last here; only if both show it, share a conversation and keep no distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// `POST /api/v1/users/{id}/disable` and `enable` answer with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct UserStatus {
    #[schema(value_type = String)]
    pub user: UserId,
    pub disabled: bool,
    /// Present and true for one who has left the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deactivated: bool,
}

/// The answer of a reset: a password to tell the user, good until they change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PasswordReset {
    #[schema(value_type = String)]
    pub user: UserId,
    pub password: String,
}

/// `GET /health`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Health {
    /// `ready`, `read_only`, `full` or `stopping`.
    pub status: String,
    pub version: String,
    /// Whether somebody has claimed the server.
    pub claimed: bool,
    /// Whether the wall clock is known to be right.
    pub synchronised: bool,
    /// What the team is called, once somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// What whoever claims the server can decide on; only while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_run: Option<FirstRun>,
}

/// The operator asks for a message to the log and back (over the control socket alone).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRound {
    pub client_id: ClientId,
    /// What takes the message back again.
    pub recall_id: ClientId,
}

/// A message was acknowledged, and read again as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its place in the operator's own conversation.
    pub seq: Seq,
    /// How long that took, in microseconds.
    pub micros: u64,
}

/// The address that a claim fixes if it names no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct FirstRun {
    pub address: String,
    /// Whether `listen.canonical_url` decides on it: then a claim cannot name another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub address_is_set: bool,
}

/// The query of `GET /api/v1/invitations`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct InvitationsOf {
    /// The links into this conversation instead.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub conversation: Option<ConversationId>,
}

/// What a place in a list looks like on the next page's address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ListAfter {
    /// What the name begins with.
    #[serde(default)]
    pub find: Option<String>,
    #[serde(default)]
    pub after: Option<String>,
    /// Those who have left instead of those who are here; for admins.
    #[serde(default)]
    pub deactivated: bool,
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Which page of a numbered list: what comes after a number, or what comes before one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PageOf {
    #[serde(default)]
    pub after: Option<u64>,
    #[serde(default)]
    pub before: Option<u64>,
    #[serde(default)]
    pub limit: Option<u32>,
}

/// `GET /api/v1/sync`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct PollQuery {
    #[serde(default)]
    pub after: Option<String>,
    /// Seconds to wait for something new, at most 25.
    #[serde(default)]
    pub wait: Option<u64>,
}

/// A conversation's id in an address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ConversationPath {
    pub id: ConversationId,
}
