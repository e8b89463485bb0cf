//! The queue and the batches: bounds, isolation, the end. What must not live here: what a change does.

use kinglet::limits::{BATCH_COMMANDS, BODY_BYTES, QUEUE_BYTES, QUEUE_COMMANDS};
use kinglet::proto::{Code, JoinRule};
use kinglet::store::OpenError;

use crate::store_kit::words::*;
use crate::store_kit::{Ears, Factory, World, actor, locked};

/// Fills the queue with sends of `size` bytes until it says no; gives how many went in.
async fn fill(world: &World<'_>, size: usize) -> usize {
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    let held = world.hold().await;
    let mut coming = Vec::new();
    let refusal = loop {
        match world.submit(actor(1), send(room, "x".repeat(size))).await {
            Ok(answer) => coming.push(answer),
            Err(outcome) => break outcome.expect_err("refused"),
        }
        assert!(coming.len() <= QUEUE_COMMANDS, "the queue has no end");
    };
    assert_eq!(refusal.code, Code::Busy);
    assert!(refusal.retry_after_ms.is_some());
    drop(held);
    let taken = coming.len();
    for answer in coming {
        answer.await.expect("an answer").expect("what was taken is done");
    }
    let standing = world.store.standing(room).await.expect("readable");
    assert_eq!(standing.last_seq, 1 + taken as u64);
    world.done(1, send(room, "there is room again")).await;
    assert_eq!(world.store.usage().0, 0, "no bytes are queued any more");
    taken
}

pub async fn a_full_queue_is_busy(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(fill(&world, 10).await, QUEUE_COMMANDS);
    let largest = locked(&world.ears.heard).commits.iter().copied().max();
    assert_eq!(
        largest,
        Some(BATCH_COMMANDS),
        "a full queue is drained in whole batches"
    );
}

pub async fn queued_bytes_are_bounded_too(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let taken = fill(&world, BODY_BYTES).await;
    assert!(
        taken * BODY_BYTES <= QUEUE_BYTES && (taken + 2) * (BODY_BYTES + 256) > QUEUE_BYTES,
        "{taken}"
    );
}

/// A batch is what waits, however many batches there were before.
pub async fn a_batch_takes_what_waits(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    for _ in 0..BATCH_COMMANDS + 10 {
        assert!(world.store.probe().await);
    }
    world.done(1, send(room, "one")).await;
    let held = world.hold().await;
    let mut coming = Vec::new();
    for _ in 0..64 {
        coming.push(
            world
                .submit(actor(1), send(room, "one of many"))
                .await
                .expect("queued"),
        );
    }
    drop(held);
    for answer in coming {
        answer.await.expect("an answer").expect("a receipt");
    }
    assert_eq!(locked(&world.ears.heard).commits.last(), Some(&64));
}

pub async fn one_bad_command_spares_its_batch(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    let held = world.hold().await;
    let asked = [
        (1, send(room, "good"), None),
        (1, edit(room, 77, "no such message"), Some(Code::NotFound)),
        (2, send_to(9_999, "nobody"), Some(Code::NotFound)),
        (
            1,
            group("room", &[9_999], JoinRule::Open, false),
            Some(Code::NotFound),
        ),
        (2, send(room, "also good"), None),
        (1, recall(room, 1), Some(Code::NotFound)),
        (2, send_to(3, "and a new conversation"), None),
    ];
    let mut coming = Vec::new();
    for (who, command, expected) in asked {
        coming.push((world.submit(actor(who), command).await.expect("queued"), expected));
    }
    drop(held);
    for (answer, expected) in coming {
        let outcome = answer.await.expect("an answer");
        assert_eq!(outcome.err().map(|refusal| refusal.code), expected);
    }
    assert_eq!(locked(&world.ears.heard).commits.last(), Some(&3));
    assert_eq!(world.log(room).await.expect("readable").len(), 3);
    let of_two = world
        .store
        .conversations_of(actor(2).user)
        .await
        .expect("readable");
    assert_eq!(of_two.len(), 2, "nothing is left of what was refused");
}

pub async fn a_closed_store_says_so(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    world.store.close().await;
    assert_eq!(world.refused(1, send(room, "two")).await, Code::ShuttingDown);
    assert!(!world.store.probe().await);
    world.store.close().await;
    assert_eq!(world.log(room).await.expect("reads go on").len(), 1);
    let world = world.reopen().await;
    assert_eq!(world.done(1, send(room, "two")).await.seq, 2);
}

pub async fn one_store_per_directory(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let second = factory.open(&world.setup, world.clock.clone(), Box::new(Ears::default()));
    assert!(
        matches!(second, Err(OpenError::InUse(_))),
        "the directory is in use"
    );
    world.done(1, send_to(2, "undisturbed")).await;
}
