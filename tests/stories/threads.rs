//! Threads: written, counted, followed, read, listed. What must not live here: replies outside of threads.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::live::{Live, seqs, text_body};
use crate::mentions::row;

async fn write(live: &mut Live, conversation: &str, root: u64, words: &str) -> u64 {
    let send =
        json!({ "type": "send", "conversation": conversation, "thread": root, "body": text_body(words) });
    live.act(send).await["seq"].as_u64().expect("a seq")
}

async fn unread(live: &mut Live, conversation: &str) -> u64 {
    row(live, conversation).await["unread"]
        .as_u64()
        .expect("a number")
}

/// (thread, replies, following, unread) of each thread of a list.
async fn list(live: &mut Live, conversation: Option<&str>) -> Vec<(u64, u64, bool, u64)> {
    let mut ask = json!({ "type": "threads" });
    if let Some(conversation) = conversation {
        ask["conversation"] = json!(conversation);
    }
    let answer = live.get(ask).await;
    assert_eq!(answer.get("next"), None, "{answer}");
    let all = answer["threads"].as_array().expect("a list").iter();
    let number = |thread: &Value, key: &str| thread[key].as_u64().expect("a number");
    all.map(|thread| {
        let following = thread["following"] == true;
        (
            number(thread, "thread"),
            number(thread, "replies"),
            following,
            number(thread, "unread"),
        )
    })
    .collect()
}

#[tokio::test]
async fn a_thread_counts_for_itself_and_for_those_who_follow_it() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    at_anna.say(&group, "root").await;
    let before = at_cyd.welcome["resume"].as_str().expect("a token").to_owned();
    assert_eq!(write(&mut at_ben, &group, 2, "first").await, 3);
    write(&mut at_ben, &group, 2, "second").await;
    for kind in ["created", "message"] {
        at_cyd.event_of(&group, kind).await;
    }
    let told = at_cyd.event_of(&group, "message").await;
    assert_eq!(
        (&told["thread"], &told["thread_count"], &told["count"]),
        (&json!(2), &json!(1), &json!(1)),
        "{told}"
    );
    assert_eq!(at_cyd.event_of(&group, "message").await["thread_count"], 2);
    assert_eq!(unread(&mut at_cyd, &group).await, 1, "only the root counts");

    // Ben wrote, anna began it; cyd does neither.
    assert_eq!(list(&mut at_anna, None).await, [(2, 2, true, 2)]);
    assert_eq!(list(&mut at_ben, None).await, [(2, 2, true, 0)]);
    assert_eq!(list(&mut at_cyd, None).await, []);
    assert_eq!(list(&mut at_cyd, Some(&group)).await, [(2, 2, false, 0)]);

    // What counts in the conversation, too.
    let mention = format!("<@{}>", cyd.user);
    write(&mut at_anna, &group, 2, &mention).await;
    let also = json!({ "type": "send", "conversation": group, "thread": 2, "also_send": true, "body": text_body("all") });
    at_anna.act(also).await;
    let own = row(&mut at_cyd, &group).await;
    assert_eq!((&own["unread"], &own["unread_mentions"]), (&json!(3), &json!(1)));
    assert_eq!(list(&mut at_ben, None).await, [(2, 4, true, 2)]);

    // The page of history says so, and one who was away gets the same events.
    let page = at_cyd
        .get(json!({ "type": "history", "conversation": group }))
        .await;
    let summary = json!([{ "thread": 2, "replies": 4, "last_seq": 6 }]);
    assert_eq!(page["threads"], summary, "{page}");
    let mut phone = cyd.other_device().await.resume(&before).await;
    let missed = phone.settle().await;
    assert_eq!(&missed[..], page["events"].as_array().expect("events"));
    assert_eq!(missed[5]["also_send"], true);
}

#[tokio::test]
async fn a_thread_is_followed_and_read_on_two_devices_and_outlives_a_crash() {
    let mut server = Server::start().await;
    let [anna, ben, cyd, zoe] = server.people(["anna", "ben", "cyd", "zoe"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let mut phone = cyd.other_device().await.live().await;
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    at_anna.say(&group, "root").await;
    let follow = |on: bool| json!({ "type": "follow", "conversation": group, "thread": 2, "on": on });
    assert_eq!(
        at_cyd.refused(follow(true)).await,
        "not_found",
        "there is no thread yet"
    );
    let first = write(&mut at_ben, &group, 2, "first").await;
    at_cyd.get(follow(true)).await;
    let notice = phone.notice("thread").await;
    assert_eq!(
        (&notice["thread"], &notice["following"], &notice["seq"]),
        (&json!(2), &json!(true), &json!(first))
    );
    at_cyd.get(follow(true)).await;
    let second = write(&mut at_ben, &group, 2, "second").await;
    write(&mut at_ben, &group, 2, "third").await;
    assert_eq!(list(&mut phone, None).await, [(2, 3, true, 2)]);
    let mark = |seq: u64| json!({ "type": "mark_read", "conversation": group, "seq": seq, "thread": 2 });
    at_cyd.get(mark(second)).await;
    let notice = phone.notice("thread").await;
    assert_eq!(
        (&notice["following"], &notice["seq"]),
        (&json!(true), &json!(second))
    );
    at_cyd.get(mark(first)).await;
    assert_eq!(
        list(&mut phone, None).await,
        [(2, 3, true, 1)],
        "it never goes back"
    );
    assert_eq!(
        unread(&mut phone, &group).await,
        1,
        "the conversation's own marker stays"
    );
    // Notices of one conversation come in order, so those of the thread would have come before this one.
    at_cyd
        .get(json!({ "type": "typing", "conversation": group, "on": true }))
        .await;
    at_ben.notice("typing").await;
    let heard = at_ben.kept();
    assert!(
        heard.iter().all(|frame| frame["type"] != "thread"),
        "another's reading is told: {heard:?}"
    );

    at_anna.say(&group, "so that the marker rides on a commit").await;
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let mut at_cyd = cyd.live().await;
    assert_eq!(list(&mut at_cyd, None).await, [(2, 3, true, 1)]);
    server.kill9();
    server.restart().await;
    let (mut at_cyd, mut at_ben) = (cyd.live().await, ben.live().await);
    assert_eq!(write(&mut at_ben, &group, 2, "fourth").await, 7);
    assert_eq!(list(&mut at_cyd, None).await, [(2, 4, true, 2)]);
    at_cyd.get(follow(false)).await;
    assert_eq!(list(&mut at_cyd, None).await, []);
    at_cyd.get(mark(7)).await;
    assert_eq!(list(&mut at_cyd, Some(&group)).await, [(2, 4, false, 0)]);
    let mut at_zoe = zoe.live().await;
    for ask in [
        follow(true),
        mark(3),
        json!({ "type": "threads", "conversation": group }),
    ] {
        assert_eq!(at_zoe.refused(ask).await, "not_found");
    }
    let (code, said, _) = {
        assert_eq!(server.stop().await, Some(0));
        server.run(&["doctor"]).await
    };
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_threads_pages_are_its_own_and_only_what_one_may_see() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[], json!({})).await;
    at_anna.say(&group, "root").await;
    for words in ["one", "two"] {
        write(&mut at_anna, &group, 2, words).await;
        at_anna.say(&group, "beside it").await;
    }
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [ben.user] }))
        .await;
    let three = write(&mut at_anna, &group, 2, "three").await;
    at_anna
        .act(json!({ "type": "edit", "conversation": group, "target": 5, "body": text_body("two!") }))
        .await;
    let ask = |more: Value| {
        let mut ask = json!({ "type": "thread", "conversation": group, "thread": 2 });
        for (key, value) in more.as_object().expect("fields") {
            ask[key] = value.clone();
        }
        ask
    };
    let got = |page: &Value| {
        (
            seqs(page["events"].as_array().expect("events")),
            page["more"] == true,
        )
    };
    let page = at_anna.get(ask(json!({}))).await;
    assert_eq!(
        (got(&page), &page["replies"]),
        ((vec![3, 5, 8], false), &json!(3))
    );
    assert_eq!(page["edits"][0]["body"], text_body("two!"), "{page}");
    assert_eq!(
        got(&at_anna.get(ask(json!({ "limit": 2 }))).await),
        (vec![5, 8], true)
    );
    assert_eq!(
        got(&at_anna.get(ask(json!({ "before": 5 }))).await),
        (vec![3], false)
    );
    assert_eq!(
        got(&at_anna.get(ask(json!({ "after": 0, "limit": 1 }))).await),
        (vec![3], true)
    );
    assert_eq!(
        at_anna.refused(ask(json!({ "after": 1, "before": 5 }))).await,
        "bad_request"
    );
    assert_eq!(
        at_anna.refused(ask(json!({ "thread": 4 }))).await,
        "not_found",
        "nothing hangs there"
    );
    let mut at_ben = ben.live().await;
    assert_eq!(
        got(&at_ben.get(ask(json!({}))).await),
        (vec![8], false),
        "ben came later"
    );
    assert_eq!(zoe.live().await.refused(ask(json!({}))).await, "not_found");

    let send = |root: Value| json!({ "type": "send", "conversation": group, "thread": root, "body": text_body("no") });
    assert_eq!(
        at_anna.refused(send(json!(three))).await,
        "bad_request",
        "no thread in a thread"
    );
    for root in [7, 99] {
        assert_eq!(at_anna.refused(send(json!(root))).await, "not_found");
    }
    assert_eq!(
        at_ben.refused(send(json!(2))).await,
        "not_found",
        "a root that ben cannot see"
    );
    let alone = json!({ "type": "send", "conversation": group, "also_send": true, "body": text_body("no") });
    assert_eq!(at_anna.refused(alone).await, "bad_request");

    // A recalled message of a thread keeps its place in it; a recalled root keeps its thread.
    for target in [3, 2] {
        at_anna
            .act(json!({ "type": "recall", "conversation": group, "target": target }))
            .await;
    }
    let page = at_anna.get(ask(json!({}))).await;
    assert_eq!(
        (&page["events"][0]["erased"], &page["events"][0]["thread"]),
        (&json!(true), &json!(2))
    );
    write(&mut at_anna, &group, 2, "still").await;

    // The list goes on page by page, newest first.
    for words in ["a", "b"] {
        let root = at_anna.say(&group, words).await["seq"].as_u64().expect("a seq");
        write(&mut at_anna, &group, root, "in it").await;
    }
    let (mut roots, mut before) = (Vec::new(), Value::Null);
    loop {
        let mut ask = json!({ "type": "threads", "limit": 1 });
        if before != Value::Null {
            ask["before"] = before;
        }
        let page = at_anna.get(ask).await;
        let threads = page["threads"].as_array().expect("a list").clone();
        roots.extend(threads.iter().map(|thread| thread["thread"].clone()));
        before = page["next"].clone();
        if before == Value::Null {
            break;
        }
    }
    assert_eq!(roots, [json!(15), json!(13), json!(2)]);
    let wrong = json!({ "type": "threads", "before": "yesterday" });
    assert_eq!(at_anna.refused(wrong).await, "bad_request");
}

/// A device that was away, and one that comes anew, know what another one follows.
#[tokio::test]
async fn what_one_follows_is_told_to_a_device_that_was_away() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let (mut desk, mut at_phone, mut at_ben) = (anna.live().await, phone.live().await, ben.live().await);
    let group = at_ben.group(&[&anna], json!({})).await;
    for root in 2..=4 {
        assert_eq!(at_ben.say(&group, "root").await["seq"], root);
    }
    for root in 2..=4 {
        write(&mut at_ben, &group, root, "in it").await;
    }
    let follow = |thread: u64, on: bool| json!({ "type": "follow", "conversation": group, "thread": thread, "on": on });
    let told = |thread: u64, following: bool| json!({ "conversation": group, "thread": thread, "following": following });
    desk.get(follow(4, true)).await;
    assert_eq!(at_phone.notice("thread").await["following"], true);
    let before = at_phone.get(json!({ "type": "sync" })).await;
    assert_eq!(
        before.get("threads"),
        None,
        "the first time it asks for threads: {before}"
    );
    let resume = before["resume"].clone();
    at_phone.close().await;
    for (thread, on) in [(2, true), (3, true), (4, false), (3, false), (3, false)] {
        desk.get(follow(thread, on)).await;
    }
    server.kill9();
    server.restart().await;
    let mut at_phone = phone.resume(resume.as_str().expect("a token")).await;
    assert_eq!(at_phone.welcome["catch_up"], "streaming");
    // A page at a time, up to the end.
    let (mut found, mut after) = (Vec::new(), resume);
    loop {
        let page = at_phone
            .get(json!({ "type": "sync", "after": after, "limit": 1 }))
            .await;
        found.extend(page["threads"].as_array().cloned().unwrap_or_default());
        after = page["resume"].clone();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(found, [told(2, true), told(4, false), told(3, false)]);
    let again = at_phone.get(json!({ "type": "sync", "after": after })).await;
    assert_eq!(again.get("threads"), None, "told twice: {again}");
    // Nobody else is told, and of a conversation that one has left nothing is.
    let (mut desk, mut at_ben) = (anna.live().await, ben.live().await);
    desk.get(follow(4, true)).await;
    let of_ben = at_ben.get(json!({ "type": "sync", "after": after })).await;
    assert_eq!(of_ben.get("threads"), None, "{of_ben}");
    desk.act(json!({ "type": "leave", "conversation": group })).await;
    let left = at_phone.get(json!({ "type": "sync", "after": after })).await;
    assert_eq!(
        (left.get("threads"), &left["gone"]),
        (None, &json!([group])),
        "{left}"
    );
}
