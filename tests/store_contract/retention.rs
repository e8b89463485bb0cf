//! What was kept long enough: erased day by day, in steps, by the server's time or the conversation's, and never by a clock that
//! may be wrong. What must not live here: erasing on somebody's word (`rules`).

use kinglet::limits;
use kinglet::proto::command::{Edit, Send};
use kinglet::proto::files::NewUpload;
use kinglet::proto::{
    BlobId, Body, Code, Command, ConversationId, Event, JoinRule, Media, Seq, UserId, What,
};
use kinglet::store::sqlite::blobs::{BlobRow, Finished, Quota};
use kinglet::workers::sweeper::ages;

use crate::sends::many;
use crate::store_kit::words::{client_id, edit, group, react, send, text, update};
use crate::store_kit::{Factory, World, actor};

const DAY: u64 = 86_400_000;
const START: u64 = 1_700_000_000_000;

/// (has words, has none) of the messages, edits and reactions of a conversation.
async fn words(world: &World<'_>, conversation: ConversationId) -> (usize, usize) {
    let log = world.log(conversation).await.expect("it is readable");
    let has = |event: &Event| match &event.what {
        What::Message { body, .. } | What::Edited { body, .. } => Some(body.is_some()),
        What::Reaction { emoji, .. } => Some(!emoji.is_empty()),
        _ => None,
    };
    let all: Vec<bool> = log.iter().filter_map(|(_, event)| has(event)).collect();
    let kept = all.iter().filter(|has| **has).count();
    (kept, all.len() - kept)
}

async fn told(world: &World<'_>, conversation: ConversationId) -> Vec<u64> {
    let log = world.log(conversation).await.expect("it is readable");
    let erased = log.iter().filter_map(|(_, event)| match event.what {
        What::Erased { user: None, upto } if event.by == UserId(0) => Some(upto),
        _ => None,
    });
    erased.collect()
}

pub async fn what_was_kept_long_enough_is_erased_day_by_day(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Invitation, false))
        .await
        .conversation;
    let retried = send(room, "the first word");
    let first = world.done(1, retried.clone()).await;
    many(&world, 2, room, 600).await;
    world.done(1, react(room, first.seq, "x", false)).await;
    world.clock.set(START + 5 * DAY, true);
    // A late edit goes with its message, however young it is.
    world.done(1, edit(room, first.seq, "a late edit")).await;
    many(&world, 3, room, 10).await;

    assert_eq!(ages(&world.store, 0).await, Ok(true));
    assert_eq!(words(&world, room).await, (613, 0), "no time was set");
    assert_eq!(ages(&world.store, 5).await, Ok(true));
    assert_eq!(words(&world, room).await, (613, 0), "that day is not over");
    world.clock.set(START + 6 * DAY, true);
    assert_eq!(ages(&world.store, 5).await, Ok(true));
    assert_eq!(words(&world, room).await, (10, 603));
    let steps = told(&world, room).await;
    assert_eq!(steps.len(), 602usize.div_ceil(limits::SWEEP_ROWS), "{steps:?}");
    assert_eq!(steps.last(), Some(&603), "all up to the reaction");
    // Once more, and after a restart: there is nothing left to do, and nothing more is said.
    assert_eq!(ages(&world.store, 5).await, Ok(true));
    let world = world.reopen().await;
    assert_eq!(ages(&world.store, 5).await, Ok(true));
    assert_eq!(told(&world, room).await, steps);
    let again = world.done(1, retried).await;
    assert_eq!(
        (again.seq, again.duplicate, again.erased),
        (first.seq, true, true)
    );
    assert_eq!(world.refused(1, edit(room, first.seq, "no")).await, Code::Erased);
    let world = world
        .reopen_after(|directory| {
            let found = kinglet::store::sqlite::doctor::examine(directory).expect("it can be read");
            assert_eq!(found.damage, Vec::<String>::new(), "the chain is broken");
        })
        .await;
    assert_eq!(words(&world, room).await, (10, 603));
}

pub async fn a_conversation_keeps_for_its_own_time_if_that_is_shorter(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut rooms = Vec::new();
    for title in ["short", "long", "none"] {
        let room = world
            .done(1, group(title, &[2, 3], JoinRule::Invitation, false))
            .await
            .conversation;
        many(&world, 2, room, 3).await;
        rooms.push(room);
    }
    let days = |room, days| update(room, |update| update.retention_days = Some(days));
    assert_eq!(world.refused(2, days(rooms[0], 2)).await, Code::Forbidden);
    assert_eq!(
        world.refused(1, days(rooms[0], limits::RETENTION_DAYS + 1)).await,
        Code::BadRequest
    );
    assert_eq!(world.refused(1, days(rooms[0], 0)).await, Code::NoChange);
    world.done(1, days(rooms[0], 2)).await;
    assert_eq!(world.refused(1, days(rooms[0], 2)).await, Code::NoChange);
    world.done(1, days(rooms[1], 50)).await;
    let world = world.reopen().await;
    assert_eq!(world.roster(rooms[0]).await.retention_days, 2);
    for (later, kept) in [(3, [0, 3, 3]), (11, [0, 0, 0])] {
        world.clock.set(START + later * DAY, true);
        assert_eq!(ages(&world.store, 10).await, Ok(true));
        for (room, kept) in rooms.iter().zip(kept) {
            assert_eq!(words(&world, *room).await.0, kept, "after {later} days");
        }
    }
}

pub async fn a_wrong_clock_erases_nothing_and_doubtful_times_follow_the_next_certain_one(
    factory: &dyn Factory,
) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    // A board that woke up in 1970, or far in the future.
    world.clock.set(0, false);
    many(&world, 1, room, 3).await;
    world.clock.set(START + 1_000 * DAY, false);
    many(&world, 1, room, 3).await;
    assert_eq!(
        ages(&world.store, 1).await,
        Ok(false),
        "nobody knows what day it is"
    );
    world.clock.set(START, true);
    many(&world, 1, room, 2).await;
    world.clock.set(0, false);
    many(&world, 1, room, 4).await;
    world.clock.set(START + 10 * DAY, true);
    assert_eq!(ages(&world.store, 1).await, Ok(true));
    assert_eq!(
        words(&world, room).await,
        (4, 8),
        "what comes last may be of today"
    );
    many(&world, 1, room, 1).await;
    world.clock.set(START + 12 * DAY, true);
    assert_eq!(ages(&world.store, 1).await, Ok(true));
    assert_eq!(words(&world, room).await, (0, 13));
}

pub async fn long_words_are_erased_a_few_at_a_time(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Invitation, false))
        .await
        .conversation;
    for _ in 0..40 {
        world.done(1, send(room, "w".repeat(limits::BODY_BYTES))).await;
    }
    world.clock.set(START + 3 * DAY, true);
    assert_eq!(ages(&world.store, 1).await, Ok(true));
    assert_eq!(words(&world, room).await, (0, 40));
    let each = usize::try_from(limits::SWEEP_BYTES).expect("a small bound") / limits::BODY_BYTES;
    assert_eq!(
        told(&world, room).await.len(),
        40 / each,
        "each step overwrites only so much"
    );
}

/// A stored file of a user's; its bytes are no business of the store's.
pub async fn brought(world: &World<'_>, user: u64, hash: u8) -> BlobId {
    let new = NewUpload {
        client_id: client_id(),
        size: 9,
        blake3: None,
    };
    let quota = Quota {
        user_bytes: 1 << 20,
        total_bytes: 1 << 20,
    };
    let upload = world.store.begin_upload(actor(user), new, quota).await;
    let blob = BlobRow {
        id: BlobId([hash; 32]),
        size: 9,
        media_type: "application/octet-stream".into(),
        width: None,
        height: None,
        thumbhash: None,
        has_thumbnail: false,
    };
    let upload = upload.expect("there is room").id;
    let stored = world
        .store
        .finish_upload(UserId(user), upload, Finished { blob })
        .await;
    stored.expect("it is stored").id
}

pub fn file(blob: BlobId, caption: &str) -> Body {
    Body::File(Box::new(Media {
        blob,
        name: "a name".into(),
        size: 0,
        media_type: String::new(),
        width: None,
        height: None,
        duration_ms: None,
        thumbhash: None,
        caption: caption.into(),
    }))
}

pub fn said(room: ConversationId, body: Body, thread: Option<Seq>, also_send: bool) -> Command {
    Command::Send(Send {
        client_id: client_id(),
        conversation: Some(room),
        to: None,
        body: Some(body),
        reply_to: None,
        forward_of: None,
        thread,
        also_send,
    })
}

pub fn edit_file(room: ConversationId, target: Seq, blob: BlobId, caption: &str) -> Command {
    Command::Edit(Edit {
        client_id: client_id(),
        conversation: room,
        target,
        body: file(blob, caption),
    })
}

pub async fn messages_of_every_kind_are_erased_and_their_files_go(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Invitation, true))
        .await
        .conversation;
    let said = |body, thread, also_send| said(room, body, thread, also_send);
    let file = |blob| file(blob, "a caption");
    let (old, kept) = (brought(&world, 1, 1).await, brought(&world, 1, 2).await);
    let root = world.done(1, send(room, "root")).await.seq;
    world.done(1, said(file(old), None, false)).await;
    world.done(1, said(file(kept), None, false)).await;
    world.done(1, said(file(old), Some(root), false)).await;
    world.done(1, said(file(old), Some(root), true)).await;
    world
        .done(1, said(text(format!("for <@{}>", UserId(2))), None, false))
        .await;
    world.done(2, said(text("in a thread"), Some(root), false)).await;
    world.done(2, said(text("and beside it"), Some(root), true)).await;
    world.clock.set(START + 9 * DAY, true);
    world.done(3, said(file(kept), None, false)).await;
    assert_eq!(words(&world, room).await, (9, 0));
    assert_eq!(ages(&world.store, 5).await, Ok(true));
    assert_eq!(words(&world, room).await, (1, 8));
    assert_eq!(world.store.gone_blobs().await, Ok(vec![old]));
    assert_eq!(world.store.blob(old).await, Ok(None));
    assert!(world.store.blob(kept).await.is_ok_and(|row| row.is_some()));
    let world = world.reopen().await;
    assert_eq!(
        world.store.gone_blobs().await,
        Ok(vec![old]),
        "until it is removed"
    );
    assert_eq!(world.store.blobs_removed(vec![old]).await, Ok(()));
    assert_eq!(world.store.gone_blobs().await, Ok(vec![]));
}
