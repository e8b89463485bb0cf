//! What a client knows: which commands were acknowledged, refused, or left without an answer; and the check of a log against
//! that. What must not live here: crashes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kinglet::core::change::Change;
use kinglet::core::permit::Actor;
use kinglet::proto::{ClientId, Code, Command, ConversationId, Event, Refusal, Seq, UserId, What};
use kinglet::store::{Receipt, Writable};

use crate::store_kit::words::*;
use crate::store_kit::{Coming, Desk, Dice, actor};

pub const PEOPLE: u64 = 6;

#[derive(Default)]
pub struct Ledger {
    pub acked: Vec<(Actor, Command, Receipt)>,
    pub open: Vec<(Actor, Command)>,
    pub refused: HashSet<ClientId>,
    pub rooms: BTreeSet<ConversationId>,
    pub said: Vec<(ConversationId, Seq, u64)>,
}

fn id_of(command: &Command) -> ClientId {
    Change::try_from_command(command.clone())
        .expect("a change")
        .client_id()
}

impl Ledger {
    pub fn note(&mut self, who: Actor, command: Command, outcome: Option<Result<Receipt, Refusal>>) {
        match outcome {
            Some(Ok(receipt)) => {
                self.rooms.insert(receipt.conversation);
                if matches!(command, Command::Send(_)) {
                    self.said.push((receipt.conversation, receipt.seq, who.user.0));
                }
                self.acked.push((who, command, receipt));
            }
            None => self.open.push((who, command)),
            Some(Err(refusal)) => match refusal.code {
                Code::Internal | Code::ShuttingDown | Code::Busy => self.open.push((who, command)),
                Code::ReadOnly => panic!("the store found itself damaged"),
                // "Nothing was stored", but a crash right then may keep it: a retry settles it.
                Code::StorageFull => self.open.push((who, command)),
                _ => {
                    self.refused.insert(id_of(&command));
                }
            },
        }
    }

    /// Asks all at once, waits for all.
    pub async fn burst(&mut self, desk: &Desk, commands: Vec<(Actor, Command)>) {
        let mut waiting: Vec<(Actor, Command, Coming)> = Vec::new();
        for (who, command) in commands {
            match desk.submit(who, command.clone()).await {
                Ok(coming) => waiting.push((who, command, coming)),
                Err(outcome) => self.note(who, command, Some(outcome)),
            }
        }
        for (who, command, coming) in waiting {
            self.note(who, command, coming.await.ok());
        }
    }

    /// Sends again what got no answer, and some of what got one.
    pub async fn retry(&mut self, desk: &Desk, dice: &mut Dice) {
        let open = std::mem::take(&mut self.open);
        self.burst(desk, open).await;
        for _ in 0..4 {
            let Some((who, command, receipt)) = dice.of(&self.acked).cloned() else {
                return;
            };
            match desk.ask(who, command.clone()).await {
                Ok(again) => {
                    let same = Receipt {
                        duplicate: true,
                        erased: again.erased,
                        ..receipt
                    };
                    assert_eq!(again, same, "a repeat of {command:?}");
                }
                Err(refusal) => {
                    let gone =
                        [Code::Internal, Code::ShuttingDown, Code::StorageFull].contains(&refusal.code);
                    assert!(gone, "a repeat of {command:?} was refused: {refusal}");
                }
            }
        }
    }

    /// Something that somebody might do now.
    pub fn any(&self, dice: &mut Dice) -> (Actor, Command) {
        let who = 1 + dice.below(PEOPLE);
        let mut actor = actor(who);
        if dice.below(4) == 0 {
            actor.device += 100;
        }
        let rooms: Vec<ConversationId> = self.rooms.iter().copied().collect();
        let (Some(&room), Some(&(place, target, by))) = (dice.of(&rooms), dice.of(&self.said)) else {
            return (actor, send_to(1 + dice.below(PEOPLE), "first words"));
        };
        let own = crate::store_kit::actor(by);
        match dice.below(20) {
            0 => {
                let others: Vec<u64> = (1..=PEOPLE).filter(|other| *other != who).collect();
                (
                    actor,
                    group(
                        "room",
                        &others,
                        kinglet::proto::JoinRule::Open,
                        dice.below(2) == 0,
                    ),
                )
            }
            1 => (actor, send_to(1 + dice.below(PEOPLE), "direct words")),
            2 => (own, edit(place, target, "better words")),
            3 => (own, recall(place, target)),
            4 => (actor, react(place, target, "👍", dice.below(2) == 0)),
            5 => (actor, leave(room)),
            6 | 7 => (actor, join(room)),
            8 => (actor, reply(place, target, "an answer")),
            9 => (
                actor,
                send(
                    room,
                    "long words ".repeat(usize::try_from(dice.below(800)).expect("small") + 1),
                ),
            ),
            _ => (actor, send(room, format!("words {}", dice.below(1 << 30)))),
        }
    }

    /// The whole log against what is known. Only a store that can be read to its end passes.
    pub async fn check(&mut self, desk: &Desk, when: &str) {
        assert_eq!(desk.store.writable(), Writable::Yes, "{when}");
        for user in 1..=PEOPLE {
            self.rooms
                .extend(desk.store.conversations_of(UserId(user)).await.expect("readable"));
        }
        let mut logs: BTreeMap<ConversationId, Vec<Event>> = BTreeMap::new();
        let mut ids: HashMap<ClientId, (ConversationId, Seq)> = HashMap::new();
        for room in &self.rooms {
            let log = desk.log(*room).await.expect("readable");
            assert!(
                log.is_sorted_by_key(|(pos, _)| *pos),
                "{when}: places of {room} are out of order"
            );
            let log: Vec<Event> = log.into_iter().map(|(_, event)| event).collect();
            for (at, event) in log.iter().enumerate() {
                assert_eq!(event.seq, at as u64 + 1, "{when}: a gap in {room}");
                let twice = ids.insert(event.client_id, (*room, event.seq));
                assert_eq!(
                    twice, None,
                    "{when}: {:?} is there twice, also at {room} {}",
                    event.what, event.seq
                );
            }
            logs.insert(*room, log);
        }
        for (who, command, receipt) in &self.acked {
            let at = usize::try_from(receipt.seq - 1).expect("small");
            let event = logs.get(&receipt.conversation).and_then(|log| log.get(at));
            let event = event
                .unwrap_or_else(|| panic!("{when}: acknowledged, but not there: {command:?} {receipt:?}"));
            assert_eq!(
                (event.client_id, event.by, event.ts),
                (id_of(command), who.user, receipt.ts),
                "{when}"
            );
            let erased_by = |target: Seq| {
                logs[&receipt.conversation]
                    .iter()
                    .any(|event| event.what == What::Recalled { target })
            };
            match (command, &event.what) {
                (Command::Send(send), What::Message { body: Some(body), .. }) => {
                    assert_eq!(Some(body), send.body.as_ref(), "{when}")
                }
                (Command::Send(_), What::Message { body: None, .. }) => {
                    assert!(erased_by(receipt.seq), "{when}")
                }
                (Command::Edit(edit), What::Edited { body: Some(body), .. }) => {
                    assert_eq!(*body, edit.body, "{when}")
                }
                (Command::Edit(edit), What::Edited { body: None, .. }) => {
                    assert!(erased_by(edit.target), "{when}")
                }
                (Command::Send(_) | Command::Edit(_), what) => panic!("{when}: {command:?} became {what:?}"),
                (Command::Recall(recall), what) => {
                    assert_eq!(
                        *what,
                        What::Recalled {
                            target: recall.target
                        },
                        "{when}"
                    );
                    let target = usize::try_from(recall.target - 1).expect("small");
                    let target = &logs[&receipt.conversation][target].what;
                    assert!(
                        matches!(
                            target,
                            What::Message {
                                body: None,
                                erased: true,
                                ..
                            }
                        ),
                        "{when}: {target:?}"
                    );
                }
                _ => {}
            }
        }
        for id in &self.refused {
            assert_eq!(ids.get(id), None, "{when}: it was refused, and is there");
        }
    }
}
