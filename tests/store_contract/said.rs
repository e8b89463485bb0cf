//! Mentions, threads and versions as the store keeps them. What must not live here: what clients are told of them (see
//! `stories`).

use kinglet::limits::{FOLLOWS_TOLD, MENTIONS_COUNTED, THREADS_FOLLOWED};
use kinglet::proto::{Code, Command, ConversationId, Seq, UserId};

use crate::store_kit::words::*;
use crate::store_kit::{Factory, Setup, World, actor};

fn in_thread(conversation: ConversationId, root: Seq, words: &str) -> Command {
    let Command::Send(mut send) = send(conversation, words) else {
        unreachable!("a send is a send");
    };
    send.thread = Some(root);
    Command::Send(send)
}

/// Hands many commands of one user in and waits for all of them.
async fn all(world: &World<'_>, who: u64, commands: impl Iterator<Item = Command>) {
    let mut coming = Vec::new();
    for command in commands {
        coming.push(world.submit(actor(who), command).await.expect("queued"));
    }
    for answer in coming {
        answer.await.expect("an answer").expect("a receipt");
    }
}

pub async fn unread_mentions_are_counted_up_to_a_limit(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    let words = format!("<@{}>", UserId(2));
    all(
        &world,
        1,
        (1..MENTIONS_COUNTED).map(|_| send(room, words.clone())),
    )
    .await;
    let unread = async |read: Seq| {
        let found = world.store.unread_mentions(UserId(2), vec![(room, read)]).await;
        found.expect("readable").get(&room).copied()
    };
    let most = MENTIONS_COUNTED as u64;
    assert_eq!(unread(0).await, Some(most - 1));
    world.done(1, send(room, "<@all>")).await;
    assert_eq!(unread(0).await, Some(most));
    world.done(1, send(room, words)).await;
    assert_eq!(unread(0).await, Some(most), "it stays there");
    assert_eq!(unread(most + 1).await, Some(1));
    assert_eq!(unread(most + 2).await, None);
}

pub async fn a_user_follows_a_limited_number_of_threads(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "root")).await.conversation;
    let most = THREADS_FOLLOWED as u64;
    all(&world, 1, (1..=most).map(|_| send(room, "root"))).await;
    all(&world, 2, (1..=most).map(|root| in_thread(room, root, "in it"))).await;
    let roots = async || {
        let threads = world
            .store
            .threads(UserId(2), None, (u64::MAX, THREADS_FOLLOWED * 2))
            .await;
        let threads = threads.expect("readable");
        threads.iter().map(|thread| thread.root).collect::<Vec<_>>()
    };
    assert_eq!(roots().await, (1..=most).rev().collect::<Vec<_>>());
    world.done(2, in_thread(room, most + 1, "one more")).await;
    assert_eq!(roots().await, (2..=most + 1).rev().collect::<Vec<_>>());
    world.done(2, in_thread(room, 2, "once more")).await;
    let roots = roots().await;
    assert_eq!(
        (roots.len(), roots[0]),
        (THREADS_FOLLOWED, 2),
        "one that is followed is no new one"
    );
}

pub async fn changes_of_what_is_followed_are_forgotten_in_time(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "root")).await.conversation;
    let most = FOLLOWS_TOLD as u64;
    all(&world, 1, (1..=most).map(|_| send(room, "root"))).await;
    all(
        &world,
        2,
        (1..=most + 1).map(|root| in_thread(room, root, "in it")),
    )
    .await;
    let change = async |root: Seq, on: bool| {
        let thread = world.store.thread(UserId(1), room, root).await.expect("readable");
        let done = world
            .store
            .follow(UserId(1), thread.expect("it is there"), on)
            .await;
        done.expect("written");
    };
    let since = async |after: u64| {
        let found = world
            .store
            .follows_since(UserId(1), after, FOLLOWS_TOLD * 2)
            .await;
        let found = found.expect("readable");
        found
            .iter()
            .map(|(_, one)| (one.thread, one.following))
            .collect::<Vec<_>>()
    };
    let floor = async || {
        let missed = world.store.settings_since(UserId(1), 1, 1).await;
        missed.expect("readable").floor
    };
    change(1, false).await;
    let first = world.store.head().accounts;
    for root in 2..=most {
        change(root, false).await;
    }
    assert_eq!(since(first).await.len(), FOLLOWS_TOLD - 1);
    assert_eq!(floor().await, 0);
    change(1, true).await;
    assert_eq!(since(1).await.last(), Some(&(1, true)), "as it stands now, once");
    assert_eq!((since(1).await.len(), floor().await), (FOLLOWS_TOLD, 0));
    change(most + 1, false).await;
    assert_eq!(
        (since(1).await.len(), since(1).await[0]),
        (FOLLOWS_TOLD, (3, false))
    );
    assert_eq!(floor().await, first + 1, "that of the one that was forgotten");
}

pub async fn a_thread_that_does_not_count_survives_a_crash(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "root")).await.conversation;
    world.done(1, send(room, "counts")).await;
    world.done(2, in_thread(room, 1, "does not")).await;
    world
        .done(1, in_thread(room, 1, &format!("<@{}> does", UserId(2))))
        .await;
    let gone = world.done(2, in_thread(room, 1, "goes")).await.seq;
    world.done(2, recall(room, gone)).await;
    let counts =
        |log: &[(u64, kinglet::proto::Event)]| log.iter().map(|(_, event)| event.count).collect::<Vec<_>>();
    let before = world.log(room).await.expect("readable");
    assert_eq!(counts(&before), [1, 2, 2, 3, 3, 3]);
    let marker = world.store.list(UserId(2), vec![room]).await.expect("readable")[0].marker;
    assert_eq!(marker, (0, 0), "what does not count moves no marker");
    let world = world.reopen().await;
    assert_eq!(world.log(room).await.expect("readable"), before);
    assert!(matches!(world.store.writable(), kinglet::store::Writable::Yes));
}

/// The clock moves on from the first message; an edit is refused once its time is over, unless the clock is in doubt.
pub async fn an_edit_has_its_time(factory: &dyn Factory) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let setup = Setup {
        edit_seconds: 60,
        ..Setup::at(directory.path())
    };
    let world = World::with(factory, directory, setup).await;
    let room = world.done(1, send_to(2, "helo")).await.conversation;
    world.clock.set(1_700_000_060_999, true);
    world.done(1, edit(room, 1, "hello")).await;
    world.clock.set(1_700_000_090_000, false);
    world.done(1, edit(room, 1, "hello!")).await;
    world.clock.set(1_700_000_091_000, true);
    assert_eq!(world.refused(1, edit(room, 1, "hallo")).await, Code::TooLate);
    world.done(1, recall(room, 1)).await;
}
