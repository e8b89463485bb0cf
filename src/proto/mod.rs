//! The words: ids, commands, events, refusals and their JSON. The only floor that serialises to the wire.
//! What must not live here: a decision.

pub mod account;
pub mod answer;
pub mod codec;
pub mod command;
pub mod complaint;
pub mod event;
pub mod ids;
pub mod privacy;
pub mod refusal;

pub use answer::{Ack, Answer, Notice};
pub use command::Command;
pub use event::{Body, ConversationKind, Event, JoinRule, Role, What};
pub use ids::{ClientId, ConversationId, DeviceId, ID_MASK, InvitationId, RequestId, Seq, Timestamp, UserId};
pub use refusal::{Code, Refusal};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "kinglet.v1";
