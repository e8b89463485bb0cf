//! Remembers: the contract between those who append and read, and whoever keeps the log.
//! What must not live here: sessions, sockets, the hub; nor SQL, which is `sqlite`'s own.

pub mod blobs;
pub mod sqlite;

use std::sync::Arc;
use std::time::Instant;

use crate::core::discretion::Discreet;
use crate::core::permit::moderation::Restraint;
use crate::core::permit::{DeviceNo, Permit};
use crate::core::roster::Roster;
use crate::proto::answer::UserInfo;
use crate::proto::{ConversationId, Event, Refusal, Seq, Timestamp, UserId};

pub use sqlite::{OpenError, Options, Store};

/// A place in the log of the whole server: 1, 2, 3, ... in the order of commits.
pub type Pos = u64;

/// Who waits for a commit. Called on the writer's thread: it stores the outcome and returns.
pub trait Waiter: Send + Sync {
    /// The outcome of the request the waiter knows as `slot`.
    fn answer(&self, slot: u32, outcome: Result<Receipt, Refusal>);
    /// Rung after the answer, by another thread.
    fn wake(&self);
}

/// A permitted change on its way to the writer.
pub struct Append {
    pub permit: Permit,
    pub waiter: Arc<dyn Waiter>,
    pub slot: u32,
    /// When it was asked, for the latency that metrics show.
    pub asked: Instant,
}

/// A change is in the log, and the log is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub ts: Timestamp,
    pub duplicate: bool,
    pub erased: bool,
}

/// One event that a commit put into the log.
#[derive(Clone, Debug)]
pub struct Appended {
    pub pos: Pos,
    pub event: Event,
    /// The conversation's people after it, when the event changed them (or founded the conversation).
    pub roster: Option<Arc<Roster>>,
    /// Events this one erased, as the tombstones that replace them.
    pub tombstones: Vec<Event>,
}

/// What a commit did to accounts, for those who are connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountEffect {
    /// A profile changed.
    Profile(UserInfo),
    /// A personal setting changed; what of it is kept in memory, if anything.
    Setting {
        user: UserId,
        change: u64,
        discreet: Option<Discreet>,
    },
    /// These sessions are over: one device's, or (without a device) all of the user's but the one excepted.
    Revoked {
        user: UserId,
        device: Option<DeviceNo>,
        except: Option<DeviceNo>,
    },
    /// There is something new for this user to ask for.
    News(UserId),
    /// Somebody was muted on the whole server, or is not any more.
    Restrained(Restraint),
}

/// Who waits, for which of its requests, and the outcome.
pub type Answered = (Arc<dyn Waiter>, u32, Result<Receipt, Refusal>);

/// What one synced transaction did, in the order in which it did it.
#[derive(Default)]
pub struct Commit {
    pub appended: Vec<Appended>,
    pub answers: Vec<Answered>,
    pub effects: Vec<AccountEffect>,
    /// The newest account change.
    pub accounts: u64,
}

/// Told after each synced commit, on the writer's thread, in commit order. It must not block.
pub trait Committed: Send {
    fn committed(&mut self, commit: Commit);
}

/// Which part of a conversation to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Ascending from after this seq.
    After(Seq),
    /// The newest ones below this seq (still given ascending).
    Before(Seq),
    /// Ascending from after this place in the log: what a walking reader asks.
    AfterPos(Pos),
}

/// A page of the log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub events: Vec<(Pos, Event)>,
    /// Whether there is more in the direction asked.
    pub more: bool,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub last_seq: Seq,
    pub last_count: u64,
    pub last_pos: Pos,
}

/// Whether the store takes anything new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writable {
    Yes,
    /// The disk is full; reads go on, and so will writes once there is room.
    Full,
    /// The log is damaged; the reason for the operator.
    ReadOnly(Arc<str>),
}
