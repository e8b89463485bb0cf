//! The sweeper: works off erasures of people, one bounded step a commit, and goes on after a restart where it stood.
//! What must not live here: how a step is done (the store's `sweep`).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::proto::{ConversationId, Refusal, Seq};
use crate::store::Store;
use crate::store::sqlite::sweep::{Open, Whose};

/// How often it is looked for what a busy or a full store has refused.
const LOOK: Duration = Duration::from_secs(60);

/// Sweeps when something is erased, and looks by itself now and then, until `stop` says so.
pub async fn run(store: Store, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweeping = async {
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = store.sweeping_wanted() => {}
            }
            if let Err(refusal) = people(&store).await {
                log::warn!("erasing what somebody wrote was put off: {refusal}");
            }
        }
    };
    tokio::select! {
        () = sweeping => {}
        // A sender that is gone has stopped, too.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Erases what all those wrote who are to be forgotten.
async fn people(store: &Store) -> Result<(), Refusal> {
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
            conversation_of(store, person, conversation, begun).await?;
        }
    }
    store.erasure_done(person.user).await
}

async fn conversation_of(
    store: &Store,
    person: Open,
    conversation: ConversationId,
    mut after: Seq,
) -> Result<(), Refusal> {
    let whose = Whose::Person(person.user);
    loop {
        let stretch = store.stretch(conversation, whose, after, Seq::MAX).await?;
        after = stretch.upto;
        let ends = stretch.ends;
        if !stretch.seqs.is_empty() {
            store.sweep(stretch).await?;
        }
        if ends {
            return store.conversation_swept(person.user, conversation).await;
        }
    }
}
