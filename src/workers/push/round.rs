//! The rounds: what is due is laid out, what waits is sent when its time has come, what failed waits longer. The table is the
//! truth; what is kept here is only when to look at which place in it. What must not live here: what is sent.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Push, Unsent};
use crate::clock::{Now, monotonic};
use crate::core::notify::{self, Occasion, Wishes};
use crate::core::push::{self, Verdict};
use crate::limits;
use crate::meters::{METERS, add};
use crate::proto::{ConversationKind, Refusal, Seq};
use crate::store::sqlite::push::{Attempt, Letter, Slot};

/// A bell that was lost is made up for within this time.
const SWEEP: Duration = Duration::from_secs(60);
/// When a host has enough to do with us, or the store is busy.
const SOON: Duration = Duration::from_secs(1);
/// Beyond any seq.
const ALL: u64 = u64::MAX >> 1;

/// What became of one slot.
enum Ended {
    /// Nothing waits there any more. True: something was sent.
    Empty(bool),
    /// Look again after this time.
    Again(Duration),
    /// The user is connected, and has a moment to read it.
    Grace,
}

/// When to look at which slot, and whether its user had a moment to read it.
type Turn = (Instant, Slot, bool);

struct Rounds {
    push: Arc<Push>,
    queue: BinaryHeap<Reverse<Turn>>,
    /// What is in the queue or under way.
    known: HashSet<Slot>,
    /// Something came for a slot that was under way.
    renewed: HashSet<Slot>,
    /// Until when a slot that was just sent is left alone.
    resting: HashMap<Slot, Instant>,
    running: JoinSet<(Slot, Ended)>,
}

/// Sends until told to stop. What is under way then is cut off, and waits in the table for the next start.
pub async fn run(push: Arc<Push>, mut stop: watch::Receiver<bool>) {
    let bell = push.store.push_bell();
    let mut rounds = Rounds {
        push,
        queue: BinaryHeap::new(),
        known: HashSet::new(),
        renewed: HashSet::new(),
        resting: HashMap::new(),
        running: JoinSet::new(),
    };
    rounds.take_up().await;
    loop {
        rounds.start();
        let next = tokio::time::Instant::from_std(rounds.next());
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = bell.notified() => rounds.lay_out().await,
            Some(ended) = rounds.running.join_next(), if !rounds.running.is_empty() => {
                if let Ok((slot, ended)) = ended {
                    rounds.ended(slot, ended);
                }
            }
            () = tokio::time::sleep_until(next) => rounds.sweep().await,
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Rounds {
    /// What waited when the server stopped.
    async fn take_up(&mut self) {
        match self.push.store.waiting_push().await {
            Ok(slots) => slots.into_iter().for_each(|slot| self.add(slot, monotonic())),
            Err(refusal) => complain("what waited could not be read", &refusal),
        }
        self.lay_out().await;
    }

    async fn sweep(&mut self) {
        let now = monotonic();
        self.resting.retain(|_, until| *until > now);
        self.lay_out().await;
    }

    /// Lays out everything that is due.
    async fn lay_out(&mut self) {
        loop {
            match self.push.store.lay_out_push().await {
                Ok(laid) => {
                    let now = monotonic();
                    laid.slots.into_iter().for_each(|slot| self.add(slot, now));
                    if !laid.more {
                        return;
                    }
                }
                Err(refusal) => return complain("what is due could not be laid out", &refusal),
            }
        }
    }

    fn add(&mut self, slot: Slot, when: Instant) {
        if self.known.insert(slot) {
            let rested = self.resting.get(&slot).copied().unwrap_or(when);
            self.queue.push(Reverse((rested.max(when), slot, false)));
        } else {
            self.renewed.insert(slot);
        }
    }

    /// When there is something to do without anybody ringing.
    fn next(&self) -> Instant {
        let sweep = monotonic() + SWEEP;
        let is_full = self.running.len() >= limits::PUSH_AT_ONCE;
        match self.queue.peek() {
            Some(Reverse((when, ..))) if !is_full => sweep.min(*when),
            _ => sweep,
        }
    }

    /// Starts what has its time, as much as may be under way at once.
    fn start(&mut self) {
        let now = monotonic();
        while self.running.len() < limits::PUSH_AT_ONCE
            && self.queue.peek().is_some_and(|Reverse((when, ..))| *when <= now)
        {
            let Some(Reverse((_, slot, had_grace))) = self.queue.pop() else {
                return;
            };
            // What came until now is part of what is sent now.
            self.renewed.remove(&slot);
            let push = Arc::clone(&self.push);
            self.running.spawn(async move {
                let delivered = AssertUnwindSafe(deliver(&push, slot, had_grace))
                    .catch_unwind()
                    .await;
                // A panic must not keep a device from all that follows.
                let ended = delivered.unwrap_or_else(|_| {
                    add(&METERS.panics, 1);
                    Ended::Again(limits::PUSH_LAST_WAIT)
                });
                (slot, ended)
            });
        }
    }

    fn ended(&mut self, slot: Slot, ended: Ended) {
        let now = monotonic();
        let renewed = self.renewed.remove(&slot);
        match ended {
            Ended::Empty(was_sent) => {
                self.known.remove(&slot);
                if was_sent {
                    self.resting.insert(slot, now + limits::PUSH_PAUSE);
                }
                if renewed {
                    self.add(slot, now);
                }
            }
            Ended::Again(wait) => self.queue.push(Reverse((now + wait, slot, true))),
            Ended::Grace => self.queue.push(Reverse((now + limits::PUSH_GRACE, slot, true))),
        }
    }
}

fn complain(what: &str, refusal: &Refusal) {
    log::warn!("push: {what}: {refusal}");
}

/// Sends what waits in a slot, if it is still owed.
async fn deliver(push: &Arc<Push>, slot: Slot, had_grace: bool) -> Ended {
    match attempt(push, slot, had_grace).await {
        Ok(ended) => ended,
        Err(refusal) => {
            complain("the store", &refusal);
            Ended::Again(SOON)
        }
    }
}

async fn attempt(push: &Arc<Push>, slot: Slot, had_grace: bool) -> Result<Ended, Refusal> {
    let Some(letter) = push.store.push_letter(slot).await? else {
        return empty(push, slot, ALL, false).await;
    };
    if !had_grace && push.hub.is_online(letter.user) {
        // Whoever is looking at it reads it now, on any device, and need not be told twice.
        return Ok(Ended::Grace);
    }
    let Some(seq) = letter
        .worth
        .newest
        .filter(|seq| is_due(&letter, *seq, push.store.clock().now()))
    else {
        return empty(push, slot, letter.seq, false).await;
    };
    let target = match push.guard.read(&letter.subscription.endpoint) {
        Ok(target) => target,
        Err(wrong) => return refuse(push, slot, &letter, &wrong).await,
    };
    let Some(_place) = push.place_at(&target.host) else {
        return Ok(Ended::Again(SOON));
    };
    let message = push.write(&letter, seq).await;
    let topic = Some(push.topic(slot));
    match push.send(&target, &letter.subscription, &message, topic).await {
        Err(Unsent::Never(wrong)) => refuse(push, slot, &letter, &wrong).await,
        Err(Unsent::Later(error)) => later(push, slot, &letter, None, &error).await,
        Ok(answer) => match push::verdict(answer.status) {
            Verdict::Taken => {
                let ended = empty(push, slot, letter.seq, true).await;
                add(&METERS.push_taken, 1);
                ended
            }
            Verdict::Gone => {
                add(&METERS.push_gone, 1);
                let endpoint = letter.subscription.endpoint;
                push.store.drop_push(slot.device, Some(endpoint)).await?;
                Ok(Ended::Empty(false))
            }
            Verdict::Never => {
                let status = format!("{} answers {}", target.host, answer.status);
                refuse(push, slot, &letter, &status).await
            }
            Verdict::Later => {
                let status = format!("{} answers {}", target.host, answer.status);
                later(push, slot, &letter, answer.retry_after, &status).await
            }
        },
    }
}

/// Whether a message is still owed to its reader, and wanted now.
fn is_due(letter: &Letter, seq: Seq, now: Now) -> bool {
    push::is_owed(&letter.roster, letter.user, seq, letter.read) && is_wanted(letter, now)
}

/// Whether its reader chose to be told of such a message at this hour. What is not wanted now is not told later either.
fn is_wanted(letter: &Letter, now: Now) -> bool {
    let wishes = Wishes {
        here: letter.wishes.here.as_ref(),
        elsewhere: letter.wishes.elsewhere.as_ref(),
        quiet: letter.wishes.quiet.as_ref(),
    };
    let occasion = Occasion {
        mentioned: letter.worth.mentioned,
        direct: letter.roster.kind == ConversationKind::Direct,
    };
    let zone = wishes.quiet.and_then(|quiet| notify::zone(&quiet.zone));
    notify::may_notify(&wishes, occasion, now, zone.as_ref())
}

/// Takes away what is done with; what came meanwhile is looked at after a pause.
async fn empty(push: &Push, slot: Slot, seq: u64, was_sent: bool) -> Result<Ended, Refusal> {
    if push.store.push_sent(slot, seq).await? {
        return Ok(Ended::Empty(was_sent));
    }
    let pause = if was_sent {
        limits::PUSH_PAUSE
    } else {
        Duration::ZERO
    };
    Ok(Ended::Again(pause))
}

async fn refuse(push: &Push, slot: Slot, letter: &Letter, why: &str) -> Result<Ended, Refusal> {
    add(&METERS.push_refused, 1);
    log::warn!("push: a message is not sent: {why}");
    empty(push, slot, letter.seq, false).await
}

async fn later(
    push: &Push,
    slot: Slot,
    letter: &Letter,
    asked: Option<Duration>,
    why: &str,
) -> Result<Ended, Refusal> {
    let Attempt { tries, waited } = letter.attempt;
    let Some(wait) = push::wait(tries, Duration::from_secs(waited), asked) else {
        return refuse(push, slot, letter, &format!("given up after a day: {why}")).await;
    };
    add(&METERS.push_put_off, 1);
    let attempt = Attempt {
        tries: tries.saturating_add(1),
        waited: waited.saturating_add(wait.as_secs()),
    };
    push.store.push_failed(slot, attempt).await?;
    Ok(Ended::Again(wait))
}
