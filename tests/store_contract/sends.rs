//! Sending: receipts, repeats, first messages. What must not live here: who may.

use kinglet::limits::FOLD_ROWS;
use kinglet::proto::{Body, Code, Command, ConversationId, JoinRule, What};
use kinglet::store::{Receipt, Span};

use crate::store_kit::words::{client_id, edit, group, recall, send, send_to, text};
use crate::store_kit::{Desk, Factory, World, actor};

/// Sends in bursts that fit the queue, so that the writer commits in large batches.
pub async fn many(desk: &Desk, who: u64, conversation: ConversationId, count: usize) {
    let mut left = count;
    while left > 0 {
        let burst = left.min(1_000);
        let mut coming = Vec::new();
        for at in 0..burst {
            let command = send(conversation, format!("{at} of {left}"));
            coming.push(
                desk.submit(actor(who), command)
                    .await
                    .expect("there is room for a burst"),
            );
        }
        for receipt in coming {
            receipt.await.expect("an answer").expect("a receipt");
        }
        left -= burst;
    }
}

fn with_words(command: &Command, words: &str) -> Command {
    match command.clone() {
        Command::Send(mut send) => {
            send.body = Some(text(words));
            Command::Send(send)
        }
        other => other,
    }
}

pub async fn receipts_are_gapless(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3, 4], JoinRule::Invitation, false))
        .await;
    assert_eq!((room.seq, room.duplicate, room.erased), (1, false, false));
    let asked = (0..300u64).map(|n| (1 + n % 4, send(room.conversation, format!("{n}"))));
    let mut coming = Vec::new();
    for (who, command) in asked {
        coming.push((
            command.clone(),
            world.submit(actor(who), command).await.expect("there is room"),
        ));
    }
    let mut receipts = Vec::new();
    for (command, receipt) in coming {
        receipts.push((command, receipt.await.expect("an answer").expect("a receipt")));
    }
    let mut seqs: Vec<u64> = receipts.iter().map(|(_, receipt)| receipt.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (2..=301).collect::<Vec<_>>());
    let log = world.log(room.conversation).await.expect("readable");
    assert_eq!(log.len(), 301);
    for (command, receipt) in receipts {
        let (_, event) = &log[usize::try_from(receipt.seq - 1).expect("small")];
        let Command::Send(send) = command else {
            panic!("only sends were asked")
        };
        assert_eq!(
            (event.client_id, event.ts, event.seq),
            (send.client_id, receipt.ts, receipt.seq)
        );
        assert_eq!(event.count, event.seq - 1, "the founding event does not count");
        assert!(matches!(&event.what, What::Message { body, .. } if *body == send.body));
    }
    let standing = world.store.standing(room.conversation).await.expect("readable");
    assert_eq!((standing.last_seq, standing.last_count), (301, 300));
    assert_eq!(standing.last_pos, world.store.head_pos());
    assert!(world.setup.fatal.lock().expect("not poisoned").is_empty());
}

pub async fn a_repeat_gets_its_receipt_for_ever(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let create = group("room", &[2], JoinRule::Invitation, false);
    let room = world.done(1, create.clone()).await;
    let said = send(room.conversation, "once");
    let first = world.done(1, said.clone()).await;
    let again = |receipt: Receipt| Receipt {
        duplicate: true,
        ..receipt
    };
    let edited = edit(room.conversation, first.seq, "twice");
    let edit_receipt = world.done(1, edited.clone()).await;
    for stage in [
        "at once",
        "after a restart",
        "after folding",
        "after folding and a restart",
        "a fold later",
    ] {
        assert_eq!(world.done(1, said.clone()).await, again(first), "{stage}");
        assert_eq!(world.done(1, create.clone()).await, again(room), "{stage}");
        assert_eq!(
            world.done(1, edited.clone()).await,
            again(edit_receipt),
            "{stage}"
        );
        let other = with_words(&said, "another");
        assert_eq!(world.refused(1, other).await, Code::IdReused, "{stage}");
        match stage {
            "at once" | "after folding" => world = world.reopen().await,
            "after a restart" | "after folding and a restart" => {
                many(&world, 2, room.conversation, FOLD_ROWS + 600).await;
            }
            _ => {}
        }
    }
    let standing = world.store.standing(room.conversation).await.expect("readable");
    assert_eq!(
        standing.last_seq,
        3 + 2 * (FOLD_ROWS as u64 + 600),
        "no repeat took a seq"
    );
    let first_page = world.page(room.conversation, Span::After(0), 3).await;
    assert_eq!(first_page.events.len(), 3);
}

pub async fn another_body_under_the_same_id_is_refused(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let command = send_to(2, "hello");
    let receipt = world.done(1, command.clone()).await;
    assert_eq!(
        world.refused(1, with_words(&command, "hullo")).await,
        Code::IdReused
    );
    // In one batch with its first time, too.
    let command = send(receipt.conversation, "one");
    let held = world.hold().await;
    let one = world.submit(actor(1), command.clone()).await.expect("queued");
    let same = world.submit(actor(1), command.clone()).await.expect("queued");
    let other = world
        .submit(actor(1), with_words(&command, "two"))
        .await
        .expect("queued");
    drop(held);
    let one = one.await.expect("an answer").expect("a receipt");
    let same = same.await.expect("an answer").expect("a receipt");
    assert_eq!(
        same,
        Receipt {
            duplicate: true,
            ..one
        }
    );
    assert_eq!(
        other.await.expect("an answer").expect_err("refused").code,
        Code::IdReused
    );
    assert_eq!(world.log(receipt.conversation).await.expect("readable").len(), 2);
}

pub async fn an_id_belongs_to_its_device(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let command = send_to(2, "hello");
    let mut phone = actor(1);
    phone.device = 77;
    let one = world.ask(actor(1), command.clone()).await.expect("a receipt");
    let other = world.ask(phone, command.clone()).await.expect("a receipt");
    assert_eq!((one.seq, other.seq, other.duplicate), (1, 2, false));
    assert!(world.ask(phone, command).await.expect("a receipt").duplicate);
}

pub async fn a_retry_of_something_erased_says_so(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let said = send_to(2, "regretted");
    let first = world.done(1, said.clone()).await;
    let changed = edit(first.conversation, first.seq, "regretted more");
    let second = world.done(1, changed.clone()).await;
    world.done(1, recall(first.conversation, first.seq)).await;
    for _ in 0..2 {
        let erased = Receipt {
            duplicate: true,
            erased: true,
            ..first
        };
        assert_eq!(world.done(1, said.clone()).await, erased);
        assert_eq!(
            world.done(1, with_words(&said, "anything")).await,
            erased,
            "bodies are not compared any more"
        );
        assert_eq!(
            world.done(1, changed.clone()).await,
            Receipt {
                duplicate: true,
                erased: true,
                ..second
            }
        );
        let log = world.log(first.conversation).await.expect("readable");
        assert!(matches!(
            log[0].1.what,
            What::Message {
                body: None,
                erased: true,
                ..
            }
        ));
        assert!(matches!(
            log[1].1.what,
            What::Edited {
                body: None,
                erased: true,
                ..
            }
        ));
        assert_eq!(log[2].1.what, What::Recalled { target: 1 });
        world = world.reopen().await;
    }
}

pub async fn two_first_sends_open_one_conversation(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let held = world.hold().await;
    let one = world.submit(actor(1), send_to(2, "you?")).await.expect("queued");
    let other = world.submit(actor(2), send_to(1, "you!")).await.expect("queued");
    drop(held);
    let one = one.await.expect("an answer").expect("a receipt");
    let other = other.await.expect("an answer").expect("a receipt");
    assert_eq!(one.conversation, other.conversation);
    assert_eq!((one.seq, other.seq), (1, 2));
    let roster = world.roster(one.conversation).await;
    assert_eq!(roster.members().len(), 2);
    let found = world
        .store
        .direct(actor(2).user, actor(1).user)
        .await
        .expect("readable");
    assert_eq!(found, Some(one.conversation));
    // To oneself: notes.
    let notes = world.done(3, send_to(3, "milk")).await;
    assert_eq!(
        world.done(3, send_to(3, "bread")).await.conversation,
        notes.conversation
    );
    assert_eq!(world.roster(notes.conversation).await.members().len(), 1);
}

pub async fn a_direct_conversation_needs_two_people_who_exist(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(world.refused(1, send_to(9_999, "anyone?")).await, Code::NotFound);
    assert_eq!(
        world
            .refused(1, group("room", &[2, 9_999], JoinRule::Open, false))
            .await,
        Code::NotFound
    );
    assert_eq!(
        world.refused(1, group("room", &[1], JoinRule::Open, false)).await,
        Code::BadRequest
    );
    assert_eq!(
        world
            .refused(1, group("room", &[2, 2], JoinRule::Open, false))
            .await,
        Code::BadRequest
    );
    assert_eq!(
        world.refused(1, send(ConversationId(5), "x")).await,
        Code::NotFound
    );
    assert_eq!(world.store.head_pos(), 0, "nothing was stored");
    assert!(
        world
            .store
            .conversations_of(actor(1).user)
            .await
            .expect("readable")
            .is_empty()
    );
}

pub async fn time_is_shown_and_marked(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.done(1, send_to(2, "now")).await;
    world.clock.set(5, false);
    let second = world.done(1, send(first.conversation, "whenever")).await;
    let log = world.log(first.conversation).await.expect("readable");
    assert_eq!((first.ts, log[0].1.unsynchronised), (1_700_000_000_000, false));
    assert_eq!((second.ts, log[1].1.unsynchronised), (5, true));
    let opaque = Command::Send(kinglet::proto::command::Send {
        client_id: client_id(),
        conversation: Some(first.conversation),
        to: None,
        body: Some(Body::Opaque { data: "aGk=".into() }),
        reply_to: Some(1),
        forward_of: None,
        thread: None,
        also_send: false,
    });
    world.done(2, opaque).await;
    let log = world.log(first.conversation).await.expect("readable");
    let opaque = What::message(Some(Body::Opaque { data: "aGk=".into() }), Some(1));
    assert_eq!(log[2].1.what, opaque);
}
