//! Searching: what is found is what was said and may be seen, whether the index has it yet or not, and stays bounded.
//! What must not live here: SQLite's index (see `indexing`), the frames of it (see `stories`), and the form of words (`core::text` tests itself).

use std::collections::HashMap;
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use kinglet::core::audience::may_see;
use kinglet::core::text;
use kinglet::limits::{
    INDEX_ROWS, SEARCH_BYTES, SEARCH_CONVERSATIONS, SEARCH_HITS, SEARCH_LOOKED, SEARCHES_WAITING,
};
use kinglet::proto::{Body, Code, Command, ConversationId, JoinRule, Seq, UserId, What};
use kinglet::store::Pos;
use kinglet::store::sqlite::{Hit, Wanted};

use crate::store_kit::words::*;
use crate::store_kit::{Dice, Factory, World, actor};

const SEEDS: u64 = 3;
const SYLLABLES: [&str; 10] = ["北京", "大", "学", "京大", "an", "na", "B", "ß", "👍", " "];

pub fn wanted(user: u64, query: &str, conversations: &[ConversationId]) -> Wanted {
    Wanted {
        user: UserId(user),
        words: text::words(query),
        conversations: conversations.to_vec(),
        by: None,
        kind: None,
        after: None,
        before: None,
        place: i64::MAX as Pos,
        limit: SEARCH_HITS,
    }
}

/// All that is found, page by page, and how many pages it took.
pub async fn found(world: &World<'_>, wanted: Wanted) -> (Vec<Hit>, usize) {
    let (mut hits, mut wanted) = (Vec::new(), wanted);
    for pages in 1..10_000 {
        let page = world.store.search(wanted.clone()).await.expect("readable");
        assert!(page.hits.len() <= wanted.limit);
        hits.extend(page.hits);
        match page.next {
            Some(next) => {
                assert!(next < wanted.place, "a search goes on and on");
                wanted.place = next;
            }
            None => {
                assert!(hits.is_sorted_by(|one, next| one.pos > next.pos), "newest first");
                return (hits, pages);
            }
        }
    }
    panic!("a search has no end");
}

pub async fn seqs(world: &World<'_>, user: u64, query: &str, rooms: &[ConversationId]) -> Vec<Seq> {
    let (hits, _) = found(world, wanted(user, query, rooms)).await;
    hits.iter().map(|hit| hit.seq).collect()
}

/// Waits until the writer has nothing to index.
pub async fn indexed(world: &World<'_>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.store.head_pos() - world.factory.indexed(&world.setup) >= INDEX_ROWS {
        assert!(Instant::now() < deadline, "the index is not made");
        tokio::task::yield_now().await;
    }
}

pub async fn all_at_once(world: &World<'_>, who: u64, commands: impl IntoIterator<Item = Command>) {
    let mut coming = Vec::new();
    for command in commands {
        coming.push(world.submit(actor(who), command).await.expect("queued"));
    }
    for answer in coming {
        answer.await.expect("an answer").expect("it is done");
    }
}

/// Says what nobody looks for, until everything said before is in the index.
pub async fn talk_until_indexed(world: &World<'_>) {
    let lines = (0..INDEX_ROWS).map(|_| send_to(30, "…"));
    all_at_once(world, 29, lines).await;
    indexed(world).await;
}

/// The texts that a user may see now, by a plain reading of the log.
async fn said(world: &World<'_>, user: u64, room: ConversationId) -> Vec<(Seq, String)> {
    let roster = world.roster(room).await;
    let mut newest: HashMap<Seq, (Seq, Option<String>)> = HashMap::new();
    for (_, event) in world.log(room).await.expect("readable") {
        let words = |body: Option<Body>| match body {
            Some(Body::Text { text }) => Some(text),
            _ => None,
        };
        match event.what {
            What::Message { body, .. } => newest.insert(event.seq, (event.seq, words(body))),
            What::Edited { target, body, .. } => newest.insert(target, (event.seq, words(body))),
            _ => None,
        };
    }
    let seen = newest.into_iter().filter_map(|(seq, (by, text))| {
        let may = may_see(&roster, UserId(user), seq) && may_see(&roster, UserId(user), by);
        text.filter(|_| may).map(|text| (seq, text))
    });
    let mut seen: Vec<_> = seen.collect();
    seen.sort_unstable_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    seen
}

pub fn any_text(dice: &mut Dice) -> String {
    let many = 1 + dice.below(6);
    let text: String = (0..many).map(|_| *dice.of(&SYLLABLES).expect("some")).collect();
    format!("{text}.")
}

/// Random talk with edits, recalls, and people who come and go; every question is answered as a plain reading would.
pub async fn what_is_found_is_what_is_said(factory: &dyn Factory) {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut world = World::new(factory).await;
        let room = world
            .done(1, group("room", &[2, 3], JoinRule::Open, seed == 1))
            .await
            .conversation;
        for round in 0..4 {
            for _ in 0..60 {
                let last = world.store.standing(room).await.expect("readable").last_seq;
                let target = 1 + dice.below(last);
                let command = match dice.below(12) {
                    0..=5 => send(room, any_text(&mut dice)),
                    6 | 7 => edit(room, target, &any_text(&mut dice)),
                    8 => recall(room, target),
                    9 => invite(room, &[3]),
                    10 => kick(room, 3),
                    _ => react(room, target, "👍", false),
                };
                // What the rules refuse here is refused.
                let _ = world.ask(actor(1), command).await;
            }
            match round {
                0 => {}
                1 => talk_until_indexed(&world).await,
                _ => world = world.reopen().await,
            }
            for user in [2, 3] {
                let texts = said(&world, user, room).await;
                for query in [
                    "北京",
                    "京大",
                    "北京大学",
                    "学",
                    "AN",
                    "anna",
                    "ss",
                    "nab",
                    "👍👍",
                    "大 b",
                    ".",
                ] {
                    let words = text::words(query);
                    let has = texts
                        .iter()
                        .filter(|(_, text)| text::has_all(&text::fold(text), &words));
                    let expected: Vec<Seq> = has.map(|(seq, _)| *seq).collect();
                    let got = seqs(&world, user, query, &[room]).await;
                    assert_eq!(
                        got, expected,
                        "seed {seed}, round {round}: {query} by user {user}"
                    );
                }
            }
        }
    }
}

/// 北京大学 is not 京大 … 北京, and nothing in a query is syntax of an index.
pub async fn the_text_decides_not_its_pairs(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "京大 大学 北京")).await.conversation;
    world.done(1, send(room, "我在北京大学读书")).await;
    world
        .done(1, send(room, r#"NEAR("c++" OR *) AND NOT c:\x-y^2 {a b}:'"#))
        .await;
    for made in [false, true] {
        if made {
            talk_until_indexed(&world).await;
        }
        assert_eq!(seqs(&world, 1, "北京大学", &[room]).await, [2]);
        assert_eq!(seqs(&world, 2, "大学 北京", &[room]).await, [2, 1]);
        for query in [
            r#""c++""#, "NOT c:\\", "or *)", "x-y^2", "{a b}:'", "near(\"", "**", "\"\"\"", "a:",
        ] {
            let expected: &[Seq] = if ["**", "\"\"\"", "a:"].contains(&query) {
                &[]
            } else {
                &[3]
            };
            assert_eq!(seqs(&world, 1, query, &[room]).await, expected, "{query}");
        }
    }
}

pub async fn long_texts_are_found_to_their_end(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let long = format!("{}龘的 zebra", "長い話".repeat(3_000));
    let room = world.done(1, send_to(2, &long)).await.conversation;
    let opaque = Body::Opaque {
        data: "emVicmE=".into(),
    };
    let mut blind = send(room, "");
    if let Command::Send(send) = &mut blind {
        send.body = Some(opaque);
    }
    world.done(1, blind).await;
    for made in [false, true] {
        if made {
            talk_until_indexed(&world).await;
        }
        for query in ["龘的", "ZEBRA", "話長", "的 zebra"] {
            let (hits, _) = found(&world, wanted(2, query, &[room])).await;
            assert_eq!(hits.len(), 1, "{query}");
            assert!(hits[0].snippet.text.chars().count() < 200 && !hits[0].snippet.marks.is_empty());
        }
        assert!(
            seqs(&world, 2, "emVicmE", &[room]).await.is_empty(),
            "nobody reads an opaque body"
        );
    }
}

/// Beyond a number of conversations the index is not asked for them; others' rows are passed over all the same.
pub async fn of_many_conversations_only_ones_own_are_searched(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut rooms = Vec::new();
    for at in 0..SEARCH_CONVERSATIONS as u64 + 5 {
        let owner = 1 + at % 2;
        let room = world
            .done(owner, group("room", &[], JoinRule::Open, false))
            .await
            .conversation;
        world.done(owner, send(room, "the same words")).await;
        rooms.push(room);
    }
    for made in [false, true] {
        if made {
            talk_until_indexed(&world).await;
        }
        // A list that claims too much finds nothing more: the audience is asked for each message.
        let (hits, _) = found(&world, wanted(1, "same", &rooms)).await;
        assert!(hits.iter().all(|hit| hit.by == UserId(1)));
        assert_eq!(hits.len(), rooms.len().div_ceil(2));
        let mut by = wanted(2, "words", &rooms);
        by.by = Some(UserId(1));
        assert!(found(&world, by).await.0.is_empty());
        let few: Vec<_> = rooms.iter().copied().take(4).collect();
        assert_eq!(found(&world, wanted(2, "words", &few)).await.0.len(), 2);
    }
}

/// Each bound ends a page, and the next one goes on where it ended.
pub async fn one_search_looks_at_so_much(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "needle 龘")).await.conversation;
    let many = SEARCH_LOOKED + 10;
    let straw = (0..many).map(|_| send(room, "nee eed dle"));
    all_at_once(&world, 1, straw).await;
    indexed(&world).await;
    // All pairs of the word stand in each row, the word in one; and one sign has no pair, so all rows are looked at.
    for query in ["needle", "龘"] {
        let first = world
            .store
            .search(wanted(2, query, &[room]))
            .await
            .expect("readable");
        assert!(
            first.hits.is_empty() && first.next.is_some(),
            "{SEARCH_LOOKED} rows end a page: {query}"
        );
        assert_eq!(seqs(&world, 2, query, &[room]).await, [1], "{query}");
    }
    let long = "x".repeat(32_000);
    let lines = (0..SEARCH_BYTES / long.len() + 2).map(|_| send(room, long.clone()));
    all_at_once(&world, 1, lines).await;
    let page = world
        .store
        .search(wanted(2, "xy", &[room]))
        .await
        .expect("readable");
    assert!(page.next.is_some(), "{SEARCH_BYTES} bytes end a page");
    assert!(seqs(&world, 2, "xy", &[room]).await.is_empty());
}

pub async fn waiting_searches_are_limited(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let room = world.done(1, send_to(2, "one")).await.conversation;
    let mut context = Context::from_waker(Waker::noop());
    let (mut asked, mut busy) = (Vec::new(), 0);
    for _ in 0..SEARCHES_WAITING + 20 {
        let mut search = Box::pin(world.store.search(wanted(1, "one", &[room])));
        match search.as_mut().poll(&mut context) {
            Poll::Ready(Err(refusal)) => {
                assert_eq!(refusal.code, Code::Busy);
                busy += 1;
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => asked.push(search),
        }
    }
    assert!(busy >= 10 && asked.len() >= SEARCHES_WAITING, "{busy} were busy");
    for search in asked {
        assert_eq!(search.await.expect("its turn comes").hits.len(), 1);
    }
}
