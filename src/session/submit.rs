//! One way in: command, permit, append, receipt. What must not live here: waiting, except for what the store must be
//! asked first.

use std::sync::Arc;

use super::desk::Single;
use super::{Services, Who};
use crate::clock::monotonic;
use crate::core::change::{Change, Place};
use crate::core::permit::{self, Actor};
use crate::core::roster::Roster;
use crate::meters::{METERS, add};
use crate::proto::{Ack, Answer, Code, Command, Refusal};
use crate::store::{Append, Receipt, Waiter};

/// What became of a change that was handed in.
pub enum Submitted {
    /// The writer has it; the answer comes to the waiter.
    Queued,
    /// The store must be asked before: is it a repeat, or a conversation that is not in memory?
    Ask(Change),
}

impl Who {
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            user: self.user,
            device: self.device,
            scopes: self.scopes,
        }
    }
}

/// Hands a change in, without waiting for anything. Most changes go this way.
pub fn submit(
    services: &Services,
    who: &Who,
    change: Change,
    waiter: &Arc<dyn Waiter>,
    slot: u32,
) -> Result<Submitted, Refusal> {
    let roster = match change.place() {
        Place::Conversation(conversation) => match services.hub.roster(conversation) {
            Some(roster) => Some(roster),
            None => return Ok(Submitted::Ask(change)),
        },
        Place::Direct(_) | Place::New => None,
    };
    match authorise(services, who, change, roster.as_deref()) {
        Ok(permit) => append(services, permit, waiter, slot).map(|()| Submitted::Queued),
        // A repeat gets its old answer even where the rules would refuse it now.
        Err(refused) => Ok(Submitted::Ask(refused.change)),
    }
}

/// The rest: asks the store whether the command was done before, or who is in the conversation, and hands it in then.
/// An answer at once is a repeat's.
pub async fn ask(
    services: &Services,
    who: &Who,
    change: Change,
    waiter: &Arc<dyn Waiter>,
    slot: u32,
) -> Result<Option<Receipt>, Refusal> {
    if let Some(repeat) = services.store.repeat(who.actor(), &change).await {
        return repeat.map(Some);
    }
    // Before it is looked whether there is such a conversation: a bot learns nothing by asking for what it may not do.
    permit::bots::may_command(who.scopes, change.command())?;
    let roster = match change.place() {
        Place::Conversation(conversation) => {
            Some(services.store.roster(conversation).await?.ok_or(Code::NotFound)?)
        }
        Place::Direct(_) | Place::New => None,
    };
    match authorise(services, who, change, roster.as_deref()) {
        Ok(permit) => append(services, permit, waiter, slot).map(|()| None),
        // Its first time may have been on its way while we asked, and may be why the rules refuse it now.
        Err(refused) => match services.store.repeat(who.actor(), &refused.change).await {
            Some(repeat) => repeat.map(Some),
            None => Err(refused.refusal),
        },
    }
}

fn authorise(
    services: &Services,
    who: &Who,
    change: Change,
    roster: Option<&Roster>,
) -> Result<permit::Permit, Box<permit::Refused>> {
    let now = services.store.clock().now();
    permit::authorise(change, who.actor(), roster, now)?.unless_restrained(services.store.restraints(), now)
}

fn append(
    services: &Services,
    permit: permit::Permit,
    waiter: &Arc<dyn Waiter>,
    slot: u32,
) -> Result<(), Refusal> {
    add(&METERS.sends, 1);
    services.store.append(Append {
        permit,
        waiter: Arc::clone(waiter),
        slot,
        asked: monotonic(),
    })
}

/// A receipt as it is told.
#[must_use]
pub fn ack(receipt: Receipt) -> Ack {
    let Receipt {
        conversation,
        seq,
        ts,
        duplicate,
        erased,
    } = receipt;
    Ack {
        conversation,
        seq,
        ts,
        duplicate,
        erased,
    }
}

/// One command from start to answer, for faces without a live socket.
pub async fn run(services: &Services, who: &Who, command: Command) -> Result<Answer, Refusal> {
    let change = match Change::try_from_command(command) {
        Ok(change) => change,
        Err(question) => return super::answer::answer(services, who, question).await,
    };
    let (single, receive) = Single::new();
    let waiter: Arc<dyn Waiter> = single;
    let receipt = match submit(services, who, change, &waiter, 0)? {
        Submitted::Queued => None,
        Submitted::Ask(change) => ask(services, who, change, &waiter, 0).await?,
    };
    drop(waiter);
    let receipt = match receipt {
        Some(receipt) => receipt,
        None => receive.await.unwrap_or_else(|_| Err(Code::ShuttingDown.into()))?,
    };
    add(&METERS.acks, 1);
    Ok(Answer::Ack(ack(receipt)))
}
