//! The thread that rings: first it tells every bell where to look, then it raises the mark up to which readers may go,
//! then it wakes them. In this order no reader passes an event that it was not told of.
//! What must not live here: anything that decides what is delivered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::{Bell, Hub, Pos};
use crate::proto::ConversationId;

/// One commit's worth of ringing.
pub struct Round {
    /// Each with whether its people changed: then those who have just left are rung, too.
    pub conversations: Vec<(ConversationId, bool)>,
    pub head: Pos,
    /// Run after the bells: wakes those whose answers wait.
    pub then: Box<dyn FnOnce() + Send>,
}

/// The way to the ringing thread. Full means that the writer waits: it must not run ahead without end.
pub struct Ringer {
    rounds: SyncSender<Round>,
}

/// Commits that may wait to be rung.
const ROUNDS: usize = 64;

impl Ringer {
    /// Starts the thread; it ends when the ringer is dropped.
    pub fn start(hub: Arc<Hub>) -> std::io::Result<Ringer> {
        let (rounds, receiver) = sync_channel::<Round>(ROUNDS);
        std::thread::Builder::new().name("ringer".into()).spawn(move || {
            let mut bells: Vec<Arc<Bell>> = Vec::new();
            while let Ok(round) = receiver.recv() {
                hub.ring(&round, &mut bells);
                (round.then)();
                bells.clear();
                bells.shrink_to(1024);
            }
        })?;
        Ok(Ringer { rounds })
    }

    pub fn ring(&self, round: Round) {
        // The thread only ends when the process does; then nobody listens any more.
        let _ = self.rounds.send(round);
    }
}

impl Hub {
    fn ring(&self, round: &Round, bells: &mut Vec<Arc<Bell>>) {
        {
            let maps = self.maps.read();
            for (id, changed) in &round.conversations {
                let Some(roster) = maps.conversations.get(*id).and_then(|live| live.roster()) else {
                    continue;
                };
                let gone = roster.departed.iter().filter(|_| *changed).map(|gone| gone.user);
                for user in roster.members().map(|member| member.user).chain(gone) {
                    let Some(online) = maps.users.get(&user) else {
                        continue;
                    };
                    for bell in &online.bells {
                        bell.hint(*id);
                        bells.push(Arc::clone(bell));
                    }
                }
            }
            // Under the same lock: who is attached after the bells were told finds the mark raised.
            if round.head > 0 {
                self.rung.fetch_max(round.head, Ordering::AcqRel);
            }
        }
        // Not just woken: who has taken the hint already must look once more, now that the mark is raised.
        bells.iter().for_each(|bell| bell.poke());
    }
}
