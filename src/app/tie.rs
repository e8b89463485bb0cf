//! Ties the store to the hub: what a commit brought is published, told, answered and rung, in this order.
//! What must not live here: a decision about any of it. It runs on the writer's thread, so it must not block.

use std::sync::Arc;

use crate::core::discretion::Discreet;
use crate::hub::{Hub, Published, Publisher, Ringer, Round};
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
            AccountEffect::Setting {
                user,
                change,
                discreet,
            } => {
                if let Some(Discreet::Unseen { user, on }) = discreet {
                    self.hub.change_sight(user, on);
                }
                self.hub.ring_own(user, change);
            }
            AccountEffect::News(user) => self.hub.tell_news(user),
            // The store keeps it; nobody who is connected needs to hear of it.
            AccountEffect::Restrained(_) => {}
            AccountEffect::Profile(info) => {
                let hub = Arc::clone(&self.hub);
                self.ringer.ring(Round {
                    conversations: Vec::new(),
                    head: 0,
                    then: Box::new(move || hub.tell_everyone(info.user, &Notice::User(info))),
                });
            }
        }
    }
}

impl Committed for Tie {
    fn committed(&mut self, commit: Commit) {
        let Commit {
            appended,
            answers,
            effects,
            ..
        } = commit;
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
    let mut all: Vec<(ConversationId, bool)> = appended
        .iter()
        .map(|one| (one.event.conversation, one.roster.is_some()))
        .collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 |= same && next.1;
        same
    });
    all
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use parking_lot::Mutex;

    use super::*;
    use crate::core::roster::Roster;
    use crate::hub::Bell;
    use crate::proto::{Body, ClientId, Event, Refusal, UserId, What};
    use crate::store::Receipt;

    const ONE: UserId = UserId(1);
    const OTHER: UserId = UserId(2);

    fn appended(pos: u64, conversation: u64, founds: bool) -> Appended {
        let conversation = ConversationId(conversation);
        let what = What::message(Some(Body::Text { text: "hi".into() }), None);
        let client_id = ClientId(uuid::Uuid::from_u128(u128::from(pos)));
        let event = Event {
            conversation,
            seq: pos,
            count: pos,
            ts: 0,
            unsynchronised: false,
            by: ONE,
            client_id,
            what,
        };
        let roster = founds.then(|| Arc::new(Roster::direct(conversation, ONE, OTHER)));
        Appended {
            pos,
            event,
            roster,
            tombstones: Vec::new(),
        }
    }

    /// Says when it is woken, and how many answers it had by then.
    struct Listener {
        answers: Mutex<usize>,
        woken: SyncSender<usize>,
    }

    impl Waiter for Listener {
        fn answer(&self, _: u32, _: Result<Receipt, Refusal>) {
            *self.answers.lock() += 1;
        }

        fn wake(&self) {
            self.woken.send(*self.answers.lock()).expect("the test waits");
        }
    }

    #[test]
    fn a_commit_is_published_answered_once_each_and_woken_once() {
        let hub = Hub::new(0);
        let bell = Arc::new(Bell::new(OTHER, 7, 4));
        hub.attach(&bell).expect("there is room");
        let mut tie = Tie::new(Arc::clone(&hub), 1 << 20).expect("a test may start a thread");
        let (woken, wakes) = sync_channel(8);
        let listener = Arc::new(Listener {
            answers: Mutex::new(0),
            woken,
        });
        let receipt = Receipt {
            conversation: ConversationId(9),
            seq: 1,
            ts: 0,
            duplicate: false,
            erased: false,
        };
        let answer = |slot| (Arc::clone(&listener) as Arc<dyn Waiter>, slot, Ok(receipt));
        tie.committed(Commit {
            appended: vec![appended(1, 9, true), appended(2, 9, false)],
            answers: vec![answer(0), answer(1)],
            ..Commit::default()
        });
        assert_eq!(*listener.answers.lock(), 2);
        assert!(
            hub.roster(ConversationId(9)).is_some(),
            "the roster was not published"
        );
        assert_eq!(wakes.recv(), Ok(2));
        assert!(hub.rung() == 2, "woken before the mark was raised");
        tie.committed(Commit {
            answers: vec![answer(2)],
            ..Commit::default()
        });
        assert_eq!(wakes.recv(), Ok(3), "two answers in one commit woke twice");
        assert_eq!(hub.rung(), 2, "a commit without events moved the mark");
    }

    #[test]
    fn each_conversation_is_rung_once_and_any_change_of_people_counts() {
        let commit = [
            appended(1, 5, false),
            appended(2, 4, false),
            appended(3, 5, true),
            appended(4, 5, false),
        ];
        assert_eq!(
            touched(&commit),
            [(ConversationId(4), false), (ConversationId(5), true)]
        );
    }
}
