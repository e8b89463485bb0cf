//! The words: ids, commands, events, refusals and their JSON. The only floor that serialises to the wire.
//! What must not live here: a decision.

pub mod account;
pub mod answer;
pub mod backup;
pub mod board;
pub mod bots;
pub mod codec;
pub mod command;
pub mod complaint;
pub mod event;
pub mod files;
pub mod history;
pub mod house;
pub mod ids;
pub mod machine;
pub mod moderation;
pub mod overview;
pub mod pairing;
pub mod people;
pub mod privacy;
pub mod push;
pub mod refusal;
pub mod search;
pub mod setting;
pub mod talk;

pub use answer::{Ack, Answer, Notice};
pub use command::Command;
pub use event::{Body, ConversationKind, Event, JoinRule, Role, What};
pub use files::Media;
pub use ids::{
    BlobId, ClientId, ConversationId, DeviceId, ID_MASK, InvitationId, RequestId, Seq, Timestamp, UploadId,
    UserId,
};
pub use refusal::{Code, Refusal};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "kinglet.v1";
