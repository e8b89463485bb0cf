//! Limits that only a store can see reached. What must not live here: the queue's (see `queue`), a page's bytes (`pages`).

use std::future::Future;
use std::task::{Context, Waker};

use kinglet::limits::{CONVERSATIONS_PER_USER, PAGE_ANNOTATIONS, READS_WAITING};
use kinglet::proto::{Code, JoinRule};
use kinglet::store::Span;

use crate::store_kit::words::*;
use crate::store_kit::{ALL, Factory, World, actor};

pub async fn conversations_of_a_user_are_limited(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut coming = Vec::new();
    for _ in 0..CONVERSATIONS_PER_USER {
        let command = group("room", &[], JoinRule::Open, false);
        coming.push(world.submit(actor(1), command).await.expect("queued"));
    }
    for answer in coming {
        answer.await.expect("an answer").expect("there is room");
    }
    let another = || group("one more", &[], JoinRule::Open, false);
    assert_eq!(world.refused(1, another()).await, Code::LimitReached);
    let room = world.done(2, another()).await.conversation;
    assert_eq!(world.refused(2, invite(room, &[1])).await, Code::LimitReached);
    assert_eq!(world.refused(1, join(room)).await, Code::LimitReached);
    let with = group("with them", &[1], JoinRule::Open, false);
    assert_eq!(world.refused(2, with).await, Code::LimitReached);
    world.done(3, join(room)).await;
}

/// The first of them by seq, whichever messages of the page they are about.
pub async fn annotations_of_a_page_are_limited(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    world.done(1, send(room, "two")).await;
    let mut coming = Vec::new();
    for at in 0..PAGE_ANNOTATIONS as u64 + 20 {
        let command = edit(room, 1 + at % 2, "again");
        coming.push(world.submit(actor(1), command).await.expect("queued"));
    }
    for answer in coming {
        answer.await.expect("an answer").expect("a receipt");
    }
    let told = world.store.annotations(room, vec![1, 2], 2, vec![ALL]).await;
    let seqs: Vec<u64> = told.expect("readable").iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (3..3 + PAGE_ANNOTATIONS as u64).collect::<Vec<_>>());
}

pub async fn waiting_reads_are_limited(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    for _ in 0..8 {
        world.done(1, send(room, "x".repeat(30_000))).await;
    }
    // Asked far faster than read: each is handed in by its first poll.
    let mut context = Context::from_waker(Waker::noop());
    let mut asked = Vec::new();
    let mut busy = None;
    for at in 0..40 * READS_WAITING {
        let mut page = Box::pin(world.store.page(room, Span::After(0), vec![ALL], 100));
        match page.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Err(refusal)) => {
                busy = Some((at, refusal));
                break;
            }
            std::task::Poll::Ready(Ok(_)) => {}
            std::task::Poll::Pending => asked.push(page),
        }
    }
    let (before, refusal) = busy.expect("reads wait without end");
    assert_eq!(refusal.code, Code::Busy);
    assert!(
        refusal.retry_after_ms.is_some() && before >= READS_WAITING,
        "{before}"
    );
    for page in asked {
        page.await.expect("what was taken is read");
    }
}
