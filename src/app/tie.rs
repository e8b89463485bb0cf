//! Ties the store to the hub: what a commit brought is published, told, answered and rung, in this order.
//! What must not live here: a decision about any of it. It runs on the writer's thread, so it must not block.

use std::sync::Arc;

use crate::hub::{Hub, Kind, Published, Publisher, Ringer, Round};
use crate::proto::{ConversationId, Notice};
use crate::store::{AccountEffect, Appended, Commit, Committed, Waiter};

/// The sink that the store is opened with.
pub struct Tie {
    hub: Arc<Hub>,
    publisher: Publisher,
    ringer: Ringer,
}

impl Tie {
    /// Starts the ringing thread.
    pub fn new(hub: Arc<Hub>, tail_bytes: usize) -> std::io::Result<Tie> {
        Ok(Tie {
            publisher: Publisher::new(Arc::clone(&hub), tail_bytes),
            ringer: Ringer::start(Arc::clone(&hub))?,
            hub,
        })
    }

    fn effect(&self, effect: AccountEffect) {
        match effect {
            AccountEffect::Revoked { user, device, except } => self.hub.revoke(user, device, except),
            AccountEffect::Profile(info) => {
                self.hub.tell_all(info.user, Kind::User, &Notice::User(info));
            }
        }
    }
}

impl Committed for Tie {
    fn committed(&mut self, commit: Commit) {
        let Commit { appended, answers, effects, .. } = commit;
        let published: Vec<Published<'_>> = appended.iter().map(published).collect();
        self.publisher.publish(&published);
        effects.into_iter().for_each(|effect| self.effect(effect));
        let mut waiters: Vec<Arc<dyn Waiter>> = Vec::with_capacity(answers.len());
        for (waiter, slot, outcome) in answers {
            waiter.answer(slot, outcome);
            waiters.push(waiter);
        }
        if appended.is_empty() && waiters.is_empty() {
            return;
        }
        // A session with many requests in this commit is woken once.
        waiters.sort_unstable_by_key(address);
        waiters.dedup_by_key(|waiter| address(waiter));
        self.ringer.ring(Round {
            conversations: touched(&appended),
            head: appended.last().map_or(0, |last| last.pos),
            then: Box::new(move || waiters.iter().for_each(|waiter| waiter.wake())),
        });
    }
}

fn published(appended: &Appended) -> Published<'_> {
    Published {
        pos: appended.pos,
        event: &appended.event,
        roster: appended.roster.as_ref(),
        tombstones: &appended.tombstones,
    }
}

fn address(waiter: &Arc<dyn Waiter>) -> usize {
    Arc::as_ptr(waiter).cast::<()>().addr()
}

/// Each conversation once, with whether any of its events changed its people.
fn touched(appended: &[Appended]) -> Vec<(ConversationId, bool)> {
    let mut all: Vec<(ConversationId, bool)> =
        appended.iter().map(|one| (one.event.conversation, one.roster.is_some())).collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 |= same && next.1;
        same
    });
    all
}
