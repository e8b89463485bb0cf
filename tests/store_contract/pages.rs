//! Reading: pages, annotations, what changed, markers, lists. What must not live here: who may read.

use std::sync::Arc;

use kinglet::limits::{FOLD_ROWS, PAGE_BYTES};
use kinglet::proto::{Code, ConversationId, Event, JoinRule, Seq, UserId};
use kinglet::store::{Page, Pos, Span};

use crate::sends::many;
use crate::store_kit::words::*;
use crate::store_kit::{ALL, Dice, Factory, World, locked};

/// Two conversations whose rows lie between each other's, long enough for two folds and a stretch in memory.
async fn long_rooms<'a>(factory: &'a dyn Factory) -> (World<'a>, ConversationId, Vec<(Pos, Event)>) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Open, true))
        .await
        .conversation;
    let other = world
        .done(2, group("other", &[1], JoinRule::Open, true))
        .await
        .conversation;
    for _ in 0..2 * FOLD_ROWS / 700 {
        many(&world, 1, room, 70 + 3).await;
        many(&world, 2, other, 500).await;
        many(&world, 3, room, 200).await;
    }
    many(&world, 1, room, 25).await;
    let told = locked(&world.ears.heard).events.clone();
    let told: Vec<(Pos, Event)> = told
        .into_iter()
        .filter(|(_, event)| event.conversation == room)
        .collect();
    let last = told.last().expect("events were told").1.seq;
    assert_eq!(
        told.iter().map(|(_, event)| event.seq).collect::<Vec<_>>(),
        (1..=last).collect::<Vec<_>>()
    );
    (world, room, told)
}

/// What a page must hold, from what was told.
fn expected(
    told: &[(Pos, Event)],
    span: Span,
    visible: &[(Seq, Seq)],
    limit: usize,
) -> (Vec<(Pos, Event)>, bool) {
    let seen = |seq: Seq| visible.iter().any(|(from, to)| (*from..=*to).contains(&seq));
    let wanted = |(pos, event): &&(Pos, Event)| {
        seen(event.seq)
            && match span {
                Span::After(seq) => event.seq > seq,
                Span::Before(seq) => event.seq < seq,
                Span::AfterPos(after) => *pos > after,
            }
    };
    let all: Vec<(Pos, Event)> = told.iter().filter(wanted).cloned().collect();
    let more = all.len() > limit;
    let from = if matches!(span, Span::Before(_)) {
        all.len().saturating_sub(limit)
    } else {
        0
    };
    (all.into_iter().skip(from).take(limit).collect(), more)
}

pub async fn pages_are_what_was_told(factory: &dyn Factory) {
    let (mut world, room, told) = long_rooms(factory).await;
    let head = world.store.head_pos();
    for round in 0..2 {
        let mut dice = Dice(round);
        for _ in 0..250 {
            let limit = usize::try_from(1 + dice.below(120)).expect("small");
            let seq = dice.below(told.len() as u64 + 3);
            let span = match dice.below(3) {
                0 => Span::After(seq),
                1 => Span::Before(seq),
                _ => Span::AfterPos(dice.below(head + 3)),
            };
            let page = world.page(room, span, limit).await;
            assert_eq!(
                (page.events, page.more),
                expected(&told, span, &[ALL], limit),
                "{span:?} {limit}"
            );
        }
        world = world.reopen().await;
    }
    let newest = world.page(room, Span::Before(Seq::MAX), 2).await;
    assert_eq!(newest.events, told[told.len() - 2..]);
}

pub async fn ranges_with_holes_hide_the_rest(factory: &dyn Factory) {
    let (world, room, told) = long_rooms(factory).await;
    let head = world.store.head_pos();
    let mut dice = Dice(9);
    for _ in 0..250 {
        let mut edges: Vec<Seq> = (0..4).map(|_| 1 + dice.below(told.len() as u64)).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut visible: Vec<(Seq, Seq)> = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        if dice.below(2) == 0 {
            visible.retain(|(_, to)| *to < told.len() as u64 - 60);
            visible.push((told.len() as u64 - 50, Seq::MAX));
        }
        let limit = usize::try_from(1 + dice.below(90)).expect("small");
        let seq = dice.below(told.len() as u64 + 3);
        let span = match dice.below(3) {
            0 => Span::After(seq),
            1 => Span::Before(seq),
            _ => Span::AfterPos(dice.below(head + 3)),
        };
        let page = world
            .store
            .page(room, span, visible.clone(), limit)
            .await
            .expect("a page");
        let (events, more) = expected(&told, span, &visible, limit);
        assert_eq!(
            (page.events, page.more),
            (events, more),
            "{span:?} {visible:?} {limit}"
        );
    }
    let nothing = world
        .store
        .page(room, Span::After(0), Vec::new(), 10)
        .await
        .expect("a page");
    assert!(nothing.events.is_empty() && !nothing.more);
}

pub async fn a_page_has_a_weight(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "small")).await.conversation;
    for _ in 0..24 {
        world.done(1, send(room, "x".repeat(30_000))).await;
    }
    let weight = |page: &Page| {
        page.events
            .iter()
            .map(|(_, event)| format!("{event:?}").len())
            .sum::<usize>()
    };
    let forwards = world.page(room, Span::After(0), 100).await;
    let backwards = world.page(room, Span::Before(26), 100).await;
    for page in [&forwards, &backwards] {
        assert!(
            page.more && (5..=9).contains(&page.events.len()),
            "{} events",
            page.events.len()
        );
        assert!(weight(page) <= PAGE_BYTES + 10_000);
    }
    assert_eq!(forwards.events[0].1.seq, 1);
    assert_eq!(backwards.events.last().expect("not empty").1.seq, 25);
    assert_eq!(
        world.log(room).await.expect("readable").len(),
        25,
        "page by page everything comes"
    );
}

pub async fn a_page_far_away_is_empty(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    for span in [
        Span::After(1),
        Span::After(Seq::MAX),
        Span::AfterPos(Pos::MAX),
        Span::Before(0),
        Span::Before(1),
    ] {
        let page = world.page(room, span, 10).await;
        assert!(page.events.is_empty() && !page.more, "{span:?}");
    }
    let nowhere = world.page(ConversationId(3), Span::After(0), 10).await;
    assert!(nowhere.events.is_empty() && !nowhere.more);
    assert_eq!(
        world.store.standing(ConversationId(3)).await.expect("readable"),
        Default::default()
    );
    assert!(
        world
            .store
            .roster(ConversationId(3))
            .await
            .expect("readable")
            .is_none()
    );
}

pub async fn annotations_follow_their_targets(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Open, false))
        .await
        .conversation;
    let one = world.done(1, send(room, "one")).await.seq;
    let two = world.done(1, send(room, "two")).await.seq;
    let edited = world.done(1, edit(room, one, "One")).await.seq;
    let liked = world.done(2, react(room, two, "👍", false)).await.seq;
    let loved = world.done(2, react(room, one, "❤", false)).await.seq;
    world.done(2, reply(room, one, "a reply is no annotation")).await;
    let gone = world.done(1, recall(room, two)).await.seq;
    for round in 0..2 {
        let seqs = async |targets: &[Seq], after: Seq, visible: (Seq, Seq)| -> Vec<Seq> {
            let found = world
                .store
                .annotations(room, targets.to_vec(), after, vec![visible])
                .await
                .expect("readable");
            found.iter().map(|event| event.seq).collect()
        };
        assert_eq!(seqs(&[one, two], two, ALL).await, [edited, liked, loved, gone]);
        assert_eq!(seqs(&[one], 0, ALL).await, [edited, loved]);
        assert_eq!(seqs(&[one, two], edited, ALL).await, [liked, loved, gone]);
        assert_eq!(seqs(&[one, two], 0, (liked, loved)).await, [liked, loved]);
        assert!(seqs(&[edited, 99], 0, ALL).await.is_empty());
        if round == 0 {
            many(&world, 1, room, FOLD_ROWS + 10).await;
            world = world.reopen().await;
        }
    }
}

pub async fn what_changed_since(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let one = world
        .done(1, group("one", &[2], JoinRule::Open, false))
        .await
        .conversation;
    let two = world
        .done(1, group("two", &[2], JoinRule::Open, false))
        .await
        .conversation;
    let middle = world.store.head_pos();
    world.done(1, send(two, "x")).await;
    world.done(1, send(one, "x")).await;
    for _ in 0..2 {
        let changed = world.store.changed(UserId(2), 0).await.expect("readable");
        assert_eq!(changed.conversations, [(two, middle + 1), (one, middle + 2)]);
        let changed = world
            .store
            .changed(UserId(2), middle + 1)
            .await
            .expect("readable");
        assert_eq!(
            (changed.conversations, changed.gone),
            (vec![(one, middle + 2)], vec![])
        );
        assert!(
            world
                .store
                .changed(UserId(2), middle + 2)
                .await
                .expect("readable")
                .conversations
                .is_empty()
        );
        world = world.reopen().await;
    }
    world.done(2, leave(one)).await;
    many(&world, 1, two, FOLD_ROWS + 10).await;
    let changed = world
        .store
        .changed(UserId(2), middle + 2)
        .await
        .expect("readable");
    assert_eq!(
        (changed.conversations, changed.gone),
        (vec![(two, world.store.head_pos())], vec![(one, middle + 3)])
    );
    let none = world
        .store
        .changed(UserId(2), middle + 3)
        .await
        .expect("readable")
        .gone;
    assert!(none.is_empty());
    world.done(2, join(one)).await;
    assert!(
        world
            .store
            .changed(UserId(2), 0)
            .await
            .expect("readable")
            .gone
            .is_empty()
    );
}

pub async fn markers_rise_and_are_counted(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2, 3], JoinRule::Open, false))
        .await
        .conversation;
    for _ in 0..5 {
        world.done(1, send(room, "x")).await;
    }
    world.done(2, react(room, 4, "👍", false)).await;
    let unread = async |world: &World<'_>, user: u64| {
        let listed = world
            .store
            .list(UserId(user), vec![room])
            .await
            .expect("readable");
        (
            listed[0].marker.0,
            listed[0].standing.last_count - listed[0].marker.1,
        )
    };
    assert_eq!(
        unread(&world, 2).await,
        (1, 5),
        "what was before one came is read"
    );
    assert_eq!(unread(&world, 1).await, (6, 0), "one's own messages are read");
    assert!(
        world
            .store
            .mark_read(UserId(2), room, 3)
            .await
            .expect("there is a seq 3")
    );
    assert!(
        !world
            .store
            .mark_read(UserId(2), room, 2)
            .await
            .expect("there is a seq 2"),
        "it never goes back"
    );
    assert_eq!(unread(&world, 2).await, (3, 3));
    assert!(
        world
            .store
            .mark_read(UserId(2), room, 7)
            .await
            .expect("a reaction can be read, too")
    );
    assert_eq!(unread(&world, 2).await, (7, 0));
    for missing in [0, 8, Seq::MAX] {
        let refusal = world
            .store
            .mark_read(UserId(3), room, missing)
            .await
            .expect_err("no such event");
        assert_eq!(refusal.code, Code::BadRequest);
    }
    world
        .store
        .mark_read(UserId(3), room, 5)
        .await
        .expect("there is a seq 5");
    for round in 0..3 {
        let roster = world.roster(room).await;
        let readers = async |seq: Seq, after: Option<u64>, limit: usize| {
            let after = after.map(UserId);
            let (mut readers, _) = world
                .store
                .readers(Arc::clone(&roster), (seq, false), after, limit, |_| true)
                .await
                .expect("readable");
            let more = readers.len() > limit;
            readers.truncate(limit);
            (
                readers
                    .iter()
                    .map(|reader| (reader.user.0, reader.seq))
                    .collect::<Vec<_>>(),
                more,
            )
        };
        assert_eq!(
            readers(5, None, 10).await,
            (vec![(1, 6), (2, 7), (3, 5)], false),
            "round {round}"
        );
        assert_eq!(readers(6, None, 1).await, (vec![(1, 6)], true));
        assert_eq!(readers(6, Some(1), 1).await, (vec![(2, 7)], false));
        assert_eq!(readers(8, None, 10).await, (vec![], false));
        match round {
            0 => world.store.tidy().await,
            _ => world = world.reopen().await,
        }
    }
    many(&world, 1, room, FOLD_ROWS + 10).await;
    assert!(
        world
            .store
            .mark_read(UserId(2), room, 100)
            .await
            .expect("a folded seq")
    );
    assert_eq!(unread(&world, 2).await.0, 100);
}

/// A marker is on its way to the table at times; nobody may see it lower meanwhile.
pub async fn a_marker_never_goes_back(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Open, false))
        .await
        .conversation;
    many(&world, 1, room, 300).await;
    let store = world.store.clone();
    let tidier = tokio::spawn(async move {
        for _ in 0..300 {
            store.tidy().await;
        }
    });
    let mut seq = 0;
    while !tidier.is_finished() {
        if seq < 300 {
            seq += 1;
            world
                .store
                .mark_read(UserId(2), room, seq)
                .await
                .expect("there is such a seq");
        }
        for _ in 0..3 {
            let listed = world.store.list(UserId(2), vec![room]).await.expect("readable");
            assert_eq!(listed[0].marker.0, seq);
        }
    }
    tidier.await.expect("it ends");
}

pub async fn lists_survive_a_restart(factory: &dyn Factory) {
    let mut world = World::new(factory).await;
    let mut rooms = Vec::new();
    for n in 0..7 {
        rooms.push(
            world
                .done(1, group(&format!("room {n}"), &[2], JoinRule::Open, false))
                .await
                .conversation,
        );
    }
    rooms.sort_unstable();
    for _ in 0..2 {
        assert_eq!(
            world.store.conversations_of(UserId(2)).await.expect("readable"),
            rooms
        );
        let listed = world
            .store
            .list(UserId(2), rooms.clone())
            .await
            .expect("readable");
        assert_eq!(
            listed
                .iter()
                .map(|one| one.roster.conversation)
                .collect::<Vec<_>>(),
            rooms
        );
        let found = world.store.discover(Some(rooms[2]), 3).await.expect("readable");
        assert_eq!(
            found.iter().map(|one| one.conversation).collect::<Vec<_>>(),
            rooms[3..6]
        );
        world = world.reopen().await;
    }
    world.done(1, dissolve(rooms[0])).await;
    assert_eq!(world.store.discover(None, 50).await.expect("readable").len(), 6);
}
