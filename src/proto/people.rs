//! The bodies of HTTP requests and answers about the people of this server: reset links, leaving, roles, what a person
//! hears of their account, their devices as admins see them, and the journal of admins. What must not live here: routes, or who may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{NewDevice, ServerRole};
use super::backup::BackupChoice;
use super::bots::BotScope;
use super::event::{ConversationKind, Role};
use super::ids::{ClientId, ConversationId, DeviceId, InvitationId, Timestamp, UserId};
use super::machine::BoardVerb;
use super::moderation::MeasureKind;
use super::refusal::{Code, Refusal};

/// `POST /api/v1/users/{id}/reset-link`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewResetLink {
    /// Makes a retry give the same link.
    pub client_id: ClientId,
    /// For how long, 1 to 168 hours; 24 when left out.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// A way to a new password, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResetLink {
    pub user: UserId,
    pub code: String,
    /// The address to open. As a QR code show just this text.
    pub link: String,
    pub expires: Timestamp,
}

/// `POST /api/v1/reset/check`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckReset {
    pub code: String,
}

/// Whose password a code sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResetCheck {
    pub name: String,
    pub display_name: String,
    pub expires: Timestamp,
}

/// `POST /api/v1/reset`: sets the password, ends all sessions of the user, and signs this device in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UseReset {
    pub code: String,
    pub password: String,
    pub device: NewDevice,
}

/// `POST /api/v1/users/{id}/deactivate`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Deactivate {
    pub client_id: ClientId,
    /// Who owns their conversations from then on; a member of each.
    #[serde(default)]
    pub successor: Option<UserId>,
}

/// `POST /api/v1/leave`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaveServer {
    pub client_id: ClientId,
    pub password: String,
    /// Who owns one's conversations from then on; a member of each.
    #[serde(default)]
    pub successor: Option<UserId>,
}

/// Why somebody cannot go yet: the refusal, and the conversations it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuccessorNeeded {
    pub error: Needed,
    pub owned: Vec<OwnedConversation>,
}

/// The refusal that comes with a list: waiting does not help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Needed {
    pub code: Code,
    /// A sentence for a person.
    pub message: String,
    /// What to do next.
    pub next: String,
}

impl From<Refusal> for Needed {
    fn from(refusal: Refusal) -> Needed {
        Needed {
            code: refusal.code,
            message: refusal.message,
            next: refusal.next,
        }
    }
}

/// A conversation that would be left without an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnedConversation {
    pub conversation: ConversationId,
    pub kind: ConversationKind,
    pub title: String,
    /// Who could take it over: its admins, then those who are there longest; at most ten.
    pub candidates: Vec<Candidate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    pub user: UserId,
    pub role: Role,
}

/// `POST /api/v1/users/{id}/role`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SetServerRole {
    pub role: ServerRole,
}

/// `GET /api/v1/news`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewsPage {
    /// Ascending.
    pub news: Vec<News>,
    pub more: bool,
}

/// Something a person must hear about their account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    pub no: u64,
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    #[serde(flatten)]
    pub what: NewsWhat,
}

/// What happened, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NewsWhat {
    /// Somebody made a link that sets one's password; without `by` the operator.
    ResetLinkMade {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// One's password was set by such a link, on this device.
    PasswordReset { device_name: String },
    /// A link that one made was used.
    ResetLinkUsed { user: UserId },
    /// One's role on the server is now this.
    ServerRole {
        role: ServerRole,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// Another device of one's own let this one in.
    DeviceAdded { device_name: String },
    /// One may sign in again.
    Reactivated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// An admin warns one: nothing else happens.
    Warned {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// One may not post on this server, until then or until it is lifted.
    Muted {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// One could not sign in, until then or until it was lifted.
    Banned {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// A mute or a ban was lifted before its time.
    Lifted {
        measure: MeasureKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// Somebody looked into what one reported.
    ReportResolved { report: u64 },
    /// There are open reports, and were none before; for those who decide on them.
    ReportsWaiting {},
}

/// `GET /api/v1/users/{id}/devices`: another person's, for admins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDevices {
    /// The signed-in ones first, then by when they were last here.
    pub devices: Vec<UserDevice>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDevice {
    pub id: DeviceId,
    pub name: String,
    pub signed_in: bool,
    pub created: Timestamp,
    /// Absent where the person, or who asks, is `unseen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// `POST /api/v1/users/{id}/devices/end`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EndDevice {
    pub device: DeviceId,
}

/// Which entries of the journal `GET /api/v1/audit` is to give: those to which all fits that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    #[serde(default)]
    pub before: Option<u64>,
    #[serde(default)]
    pub limit: Option<u32>,
    /// Who did it.
    #[serde(default)]
    pub by: Option<UserId>,
    /// Only what was done by the operator's command line.
    #[serde(default)]
    pub operator: bool,
    /// To whom.
    #[serde(default)]
    pub whom: Option<UserId>,
    #[serde(default)]
    pub act: Option<String>,
    /// Not before this time.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    pub to: Option<Timestamp>,
}

/// `GET /api/v1/audit`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    pub more: bool,
    /// With `more`: the next page is `before` this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// One act of an admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    pub no: u64,
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    /// Who did it; absent for the operator's command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// From which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device_name: String,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whom: Option<UserId>,
    #[serde(flatten)]
    pub what: AuditWhat,
}

/// What was done, told apart by `act`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AuditWhat {
    InvitationMade {
        invitation: InvitationId,
        role: ServerRole,
    },
    InvitationRevoked {
        invitation: InvitationId,
    },
    ResetLinkMade {},
    ResetLinkUsed {},
    PasswordReset {},
    Disabled {},
    Enabled {},
    /// The user left, or was made to: `by` tells.
    Deactivated {},
    RoleSet {
        role: ServerRole,
    },
    /// `seconds` is absent for a mute or a ban without an end, and for a warning.
    Restrained {
        measure: MeasureKind,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// A mute or a ban was lifted before its time.
    MeasureLifted {
        measure: MeasureKind,
    },
    ReportResolved {
        report: u64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    BotMade {
        scopes: Vec<BotScope>,
    },
    /// The bot's token before it ended.
    BotTokenMade {
        scopes: Vec<BotScope>,
    },
    TeamNamed {
        team: String,
    },
    /// People are told another address from then on.
    AddressChanged {
        from: String,
        to: String,
    },
    /// Backups are encrypted to it from then on.
    RecoveryKeyMade {
        recipient: String,
    },
    /// Backups go there from then on.
    BackupsPlaced {
        from: BackupChoice,
        to: BackupChoice,
    },
    /// One device of somebody was signed out.
    DeviceEnded {
        ended: DeviceId,
    },
    /// Records were written until the plug was pulled.
    PlugTestBegun {},
    PlugTestEnded {},
    /// The server was put back from a backup; what was after it is gone.
    Restored {
        /// When the backup was made.
        made: Timestamp,
    },
    /// kinglet-board was asked to do this: noted before it was.
    BoardAsked {
        verb: BoardVerb,
    },
}
