//! The sweeper: works off erasures of people, and erases what was kept long enough, one bounded step a commit; it goes on after
//! a restart where it stood.
//! What must not live here: how a step is done (the store's `sweep`).

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::monotonic;
use crate::core::retention::{kept_from, shorter};
use crate::limits;
use crate::proto::{ConversationId, Refusal, Seq, Timestamp};
use crate::store::Store;
use crate::store::sqlite::sweep::{Kept, Open, Whose};

/// How often it is looked for what a busy or a full store has refused.
const LOOK: Duration = Duration::from_secs(60);
/// How often it is looked for what was kept long enough: a day ends somewhere in between.
const AGES: Duration = Duration::from_secs(60 * 60);

/// Sweeps when something is erased, and looks by itself now and then, until `stop` says so.
pub async fn run(store: Store, server_days: u32, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweeping = async {
        let mut aged: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = store.sweeping_wanted() => {}
            }
            if let Err(refusal) = people(&store).await {
                log::warn!("erasing what somebody wrote was put off: {refusal}");
            }
            if aged.is_some_and(|last| last.elapsed() < AGES) {
                continue;
            }
            match ages(&store, server_days).await {
                Ok(true) => aged = Some(monotonic()),
                Ok(false) => {}
                Err(refusal) => log::warn!("erasing what was kept long enough was put off: {refusal}"),
            }
        }
    };
    tokio::select! {
        () = sweeping => {}
        // A sender that is gone has stopped, too.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Erases what was kept long enough, in all conversations. False while the clock is not known to be right: then nothing is too
/// old.
///
/// # Errors
/// As of the store; what is left is done the next time.
pub async fn ages(store: &Store, server_days: u32) -> Result<bool, Refusal> {
    let now = store.clock().now();
    if !now.synchronised {
        return Ok(false);
    }
    let mut after = ConversationId(0);
    loop {
        let page = store.kept(after).await?;
        let Some(last) = page.last() else {
            return Ok(true);
        };
        after = last.conversation;
        for kept in page {
            if let Some(days) = shorter(kept.days, server_days) {
                age(store, kept, kept_from(now.ms, days)).await?;
            }
        }
    }
}

/// Erases what was said before a moment in one conversation.
async fn age(store: &Store, kept: Kept, before: Timestamp) -> Result<(), Refusal> {
    let conversation = kept.conversation;
    let (mut end, mut looked) = (kept.floor, kept.floor);
    loop {
        let aged = store.aged(conversation, looked, before).await?;
        // A part in which every time is doubtful says nothing; what comes after it does.
        if aged.upto > looked {
            end = aged.upto;
        }
        looked = aged.looked;
        if aged.ends {
            break;
        }
    }
    let (mut after, mut marked) = (kept.floor, kept.floor);
    while after < end {
        let stretch = store.stretch(conversation, Whose::Everybody, after, end).await?;
        after = stretch.upto;
        // A mark costs a commit: without anything to erase it is set only now and then.
        if !stretch.seqs.is_empty() || after - marked >= limits::SWEEP_ROWS as u64 {
            marked = after;
            store.sweep(stretch).await?;
        }
    }
    Ok(())
}

/// Erases what all those wrote who are to be forgotten.
pub(super) async fn people(store: &Store) -> Result<(), Refusal> {
    loop {
        let open = store.open_erasures().await?;
        if open.is_empty() {
            return Ok(());
        }
        for person in open {
            one(store, person).await?;
        }
    }
}

async fn one(store: &Store, person: Open) -> Result<(), Refusal> {
    let mut after = person.conversation;
    loop {
        let conversations = store.conversations_ever(person.user, after).await?;
        let Some(last) = conversations.last() else {
            break;
        };
        after = *last;
        for conversation in conversations {
            let begun = if conversation == person.within {
                person.seq
            } else {
                0
            };
            // A mark costs a commit, and most people only read in most places.
            if conversation_of(store, person, conversation, begun).await? || conversation == after {
                store.conversation_swept(person.user, conversation).await?;
            }
        }
    }
    store.erasure_done(person.user).await
}

/// Erases what a person wrote in one conversation; says whether there was anything.
async fn conversation_of(
    store: &Store,
    person: Open,
    conversation: ConversationId,
    mut after: Seq,
) -> Result<bool, Refusal> {
    let whose = Whose::Person(person.user);
    let mut swept = false;
    loop {
        let stretch = store.stretch(conversation, whose, after, Seq::MAX).await?;
        after = stretch.upto;
        let ends = stretch.ends;
        if !stretch.seqs.is_empty() {
            swept = true;
            store.sweep(stretch).await?;
        }
        if ends {
            return Ok(swept);
        }
    }
}
