//! The bodies of HTTP requests and answers about moderation: reports of messages, and warnings, mutes and bans.
//! What must not live here: routes, or who may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::{ClientId, ConversationId, Seq, Timestamp, UserId};

/// `POST /api/v1/reports`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewReport {
    /// Makes a retry give the same report.
    pub client_id: ClientId,
    pub conversation: ConversationId,
    /// The message.
    pub seq: Seq,
    /// At most 500 bytes; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// A report was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reported {
    pub report: u64,
}

/// A report as those see it who decide on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportInfo {
    pub report: u64,
    pub conversation: ConversationId,
    pub seq: Seq,
    /// Who reports.
    pub by: UserId,
    /// Who wrote the message.
    pub author: UserId,
    pub reason: String,
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    /// Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// What was made of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    pub by: UserId,
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    pub note: String,
}

/// Which reports a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Oldest first, by `after`.
    #[default]
    Open,
    /// Newest first, by `before`.
    Resolved,
}

/// What the query of `GET /api/v1/reports` asks for, beside the page
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReportsOf {
    #[serde(default)]
    pub state: ReportState,
}

/// `GET /api/v1/reports`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportList {
    pub reports: Vec<ReportInfo>,
    pub more: bool,
}

/// `GET /api/v1/reports/{no}`: a report with what it is about, as the log has it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportView {
    pub report: ReportInfo,
    /// The message, with up to two messages before it and two after it, ascending. Without words once erased.
    pub events: Vec<Event>,
    /// How these were edited later.
    pub edits: Vec<Event>,
}

/// `POST /api/v1/reports/{no}/resolve`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResolveReport {
    /// What was made of it, for other admins; at most 500 bytes, may be empty.
    #[serde(default)]
    pub note: String,
}

/// What is done about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// The person reads the reason; nothing else happens.
    Warning,
    /// The person may not post anywhere.
    Mute,
    /// The person cannot sign in.
    Ban,
}

/// `POST /api/v1/users/{id}/warn`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Warn {
    /// Makes a retry warn once.
    pub client_id: ClientId,
    /// Told to the person; 1 to 500 bytes.
    pub reason: String,
}

/// `POST /api/v1/users/{id}/mute` and `POST /api/v1/users/{id}/ban`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restrain {
    /// Makes a retry give the same answer.
    pub client_id: ClientId,
    /// Told to the person; 1 to 500 bytes.
    pub reason: String,
    /// For how long, 1 to ten years' seconds; until it is lifted when left out.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// A warning, a mute or a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureInfo {
    pub no: u64,
    pub user: UserId,
    pub measure: MeasureKind,
    pub reason: String,
    /// Who did it; absent for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    pub ts: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    /// When it ends; absent where it stays until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether the mute or the ban holds now.
    pub holds: bool,
}

/// What the query of `GET /api/v1/measures` asks for, beside the page
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MeasuresOf {
    /// All of one user; without it what holds now, of all.
    #[serde(default)]
    pub user: Option<UserId>,
}

/// `GET /api/v1/measures`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureList {
    /// Newest first.
    pub measures: Vec<MeasureInfo>,
    pub more: bool,
}
