//! How many settings a person may have, and how far back cleared ones are known. What must not live here: what a setting
//! may hold (see `core::settings`).

use kinglet::limits::{BLOCKS, HIDDEN, SETTINGS_CLEARED, SETTINGS_OF_KEY};
use kinglet::proto::setting::Setting;
use kinglet::proto::{Code, ConversationId, Seq, UserId};

use kinglet::store::sqlite::accounts::{By, EraseBy};

use crate::store_kit::words::*;
use crate::store_kit::{Desk, Factory, USERS, World};

fn saved(conversation: ConversationId, seq: Seq, value: bool) -> Setting {
    Setting::Saved {
        conversation,
        seq,
        value,
    }
}

/// Sets as many as there are, some at once, and gives the last change.
async fn keep_all(desk: &Desk, user: u64, settings: Vec<Setting>) -> u64 {
    let mut last = 0;
    let mut settings = settings.into_iter();
    loop {
        let some: Vec<Setting> = settings.by_ref().take(200).collect();
        if some.is_empty() {
            return last;
        }
        let mut asked = tokio::task::JoinSet::new();
        for setting in some {
            let store = desk.store.clone();
            asked.spawn(async move { store.set(UserId(user), setting, true).await });
        }
        while let Some(done) = asked.join_next().await {
            last = last.max(done.expect("no panic").expect("there is room"));
        }
    }
}

pub async fn settings_of_a_key_are_limited(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    let most = SETTINGS_OF_KEY as u64;
    keep_all(&world, 1, (1..=most).map(|seq| saved(room, seq, true)).collect()).await;
    let set = |user: u64, setting| world.store.set(UserId(user), setting, true);
    let refused = set(1, saved(room, most + 1, true)).await.expect_err("no room");
    assert_eq!(refused.code, Code::LimitReached);
    set(1, saved(room, most, true))
        .await
        .expect("it is there already");
    let other_key = Setting::Hidden {
        conversation: room,
        seq: 1,
        value: true,
    };
    set(1, other_key).await.expect("each key has its own room");
    set(2, saved(room, 1, true)).await.expect("each user has");
    set(1, saved(room, 1, false)).await.expect("it may always go");
    set(1, saved(room, most + 1, true))
        .await
        .expect("there is room again");
}

pub async fn cleared_settings_are_forgotten_in_time(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    let most = SETTINGS_CLEARED as u64;
    let early = keep_all(&world, 1, vec![saved(room, 9_999, true)]).await;
    let of = |on: bool, range: std::ops::RangeInclusive<u64>| -> Vec<Setting> {
        range.map(|seq| saved(room, seq, on)).collect()
    };
    for half in [1..=most / 2, most / 2 + 1..=most] {
        keep_all(&world, 1, of(true, half.clone())).await;
        keep_all(&world, 1, of(false, half)).await;
    }
    let missed = async |world: &World<'_>| {
        world
            .store
            .settings_since(UserId(1), early, 10_000)
            .await
            .expect("readable")
    };
    let before = missed(&world).await;
    assert_eq!((before.settings.len(), before.floor), (SETTINGS_CLEARED, 0));
    let oldest = before.settings[0].change;
    keep_all(&world, 1, of(true, most + 1..=most + 1)).await;
    keep_all(&world, 1, of(false, most + 1..=most + 1)).await;
    let world = world.reopen().await;
    let after = missed(&world).await;
    assert_eq!((after.settings.len(), after.floor), (SETTINGS_CLEARED, oldest));
    let listed = world
        .store
        .settings(UserId(1), None, 0, 10)
        .await
        .expect("readable");
    assert_eq!(listed.len(), 1, "what is set stays: {listed:?}");
    let others = world
        .store
        .settings_since(UserId(2), 1, 10)
        .await
        .expect("readable");
    assert_eq!((others.settings.len(), others.floor), (0, 0));
}

pub async fn blocks_are_kept_and_limited_for_all_together(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let block = |user: u64, value: bool| Setting::Blocked {
        user: UserId(user),
        value,
    };
    keep_all(&world, 1, vec![block(2, true), block(3, true)]).await;
    keep_all(&world, 1, vec![block(3, false)]).await;
    let world = world
        .reopen_after(|directory| fill(directory, 9, BLOCKS - 1))
        .await;
    let discretion = world.store.discretion();
    assert!(discretion.blocks(UserId(1), UserId(2)) && !discretion.blocks(UserId(1), UserId(3)));
    let refused = world.store.set(UserId(USERS), block(5, true), false).await;
    assert_eq!(refused.expect_err("no room").code, Code::LimitReached);
    assert!(
        !discretion.blocks(UserId(USERS), UserId(5)),
        "what was refused is not kept"
    );
    keep_all(&world, 1, vec![block(2, false)]).await;
    keep_all(&world, USERS, vec![block(5, true)]).await;
    assert!(!discretion.blocks(UserId(1), UserId(2)) && discretion.blocks(UserId(USERS), UserId(5)));
}

pub async fn what_is_hidden_is_kept_and_limited_for_all_together(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    world.done(1, send(room, "two")).await;
    let hide = |seq: u64, value: bool| Setting::Hidden {
        conversation: room,
        seq,
        value,
    };
    let set = async |world: &World<'_>, setting| {
        let done = world.store.set(UserId(1), setting, true).await;
        done.err().map(|refusal| refusal.code)
    };
    assert_eq!(set(&world, hide(1, true)).await, None);
    let world = world
        .reopen_after(|directory| fill(directory, 5, HIDDEN - 1))
        .await;
    let hidden = world.store.discretion().hidden();
    assert_eq!((hidden.of(UserId(1), room), hidden.count()), (vec![1], HIDDEN));
    assert_eq!(set(&world, hide(2, true)).await, Some(Code::LimitReached));
    assert_eq!(set(&world, hide(1, true)).await, None, "it is so already");
    assert_eq!(set(&world, hide(1, false)).await, None);
    assert_eq!(set(&world, hide(2, true)).await, None);
    assert_eq!(hidden.of(UserId(1), room), [2]);
    let erased = world
        .store
        .erase_user(EraseBy::Other(By::Operator), UserId(1))
        .await;
    erased.expect("they own nothing");
    assert_eq!(
        hidden.count(),
        HIDDEN - 1,
        "nothing is kept of one who was erased"
    );
}

/// Enters settings of users who are not there, which takes no commit each.
fn fill(directory: &std::path::Path, key: i64, count: usize) {
    let db = rusqlite::Connection::open(directory.join("kinglet.db")).expect("the store is closed");
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO personal (user, key, subject, seq, value, change) SELECT 100000 + i, ?2, 1, 0, 'true', 1 FROM n",
        [i64::try_from(count).expect("a small number"), key],
    )
    .expect("they fit");
}
