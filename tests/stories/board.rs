//! What a conversation shows beside its messages: pins, the announcement, nicknames, who has not read, who asks to join,
//! links. What must not live here: the messages.

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::Server;
use crate::live::{Live, text_body};
use crate::mentions::row;

fn about(kind: &str, conversation: &str, target: u64) -> Value {
    json!({ "type": kind, "conversation": conversation, "target": target })
}

/// The pinned seqs, newest pin first.
async fn pins(live: &mut Live, conversation: &str) -> Vec<u64> {
    let page = live
        .get(json!({ "type": "pins", "conversation": conversation, "limit": 100 }))
        .await;
    let all = page["pins"].as_array().expect("pins").iter();
    let pins: Vec<u64> = all.map(|pin| pin["target"].as_u64().expect("a seq")).collect();
    assert_eq!(
        page["events"].as_array().expect("events").len(),
        pins.len(),
        "{page}"
    );
    pins
}

#[tokio::test]
async fn pins_are_put_up_and_taken_down_by_those_who_may() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let before = at_ben.welcome["resume"].as_str().expect("a token").to_owned();
    let group = at_anna.group(&[&ben], json!({})).await;
    for words in ["one", "two"] {
        at_anna.say(&group, words).await;
    }
    assert_eq!(at_ben.refused(about("pin", &group, 2)).await, "forbidden");
    at_anna.act(about("pin", &group, 2)).await;
    at_anna.act(about("pin", &group, 3)).await;
    assert_eq!(at_anna.refused(about("pin", &group, 2)).await, "no_change");
    assert_eq!(
        at_anna.refused(about("pin", &group, 4)).await,
        "not_found",
        "no message"
    );
    assert_eq!(at_anna.refused(about("unpin", &group, 1)).await, "not_found");
    assert_eq!(pins(&mut at_ben, &group).await, [3, 2]);
    at_anna
        .act(json!({ "type": "update", "conversation": group, "members_pin": true }))
        .await;
    at_ben.act(about("unpin", &group, 3)).await;
    assert_eq!(at_ben.refused(about("unpin", &group, 3)).await, "no_change");
    at_ben.act(about("pin", &group, 3)).await;
    at_anna.act(about("recall", &group, 2)).await;
    assert_eq!(
        pins(&mut at_anna, &group).await,
        [3],
        "what is erased is not pinned"
    );
    assert_eq!(at_ben.refused(about("pin", &group, 2)).await, "erased");
    assert_eq!(
        zoe.live()
            .await
            .refused(json!({ "type": "pins", "conversation": group }))
            .await,
        "not_found"
    );

    // The other device was away, and the server went down.
    server.kill9();
    server.restart().await;
    let mut phone = ben.other_device().await.resume(&before).await;
    let missed = phone.settle().await;
    let kinds: Vec<&str> = missed.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(
        kinds[3..],
        ["pinned", "pinned", "updated", "unpinned", "pinned", "recalled"]
    );
    assert_eq!(missed[3]["target"], 2);
    assert_eq!(pins(&mut phone, &group).await, [3]);
    assert_eq!(row(&mut phone, &group).await["members_pin"], true);
    let mut at_anna = anna.live().await;
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [zoe.user] }))
        .await;
    let pinned = pins(&mut zoe.live().await, &group).await;
    assert!(pinned.is_empty(), "zoe came later: {pinned:?}");
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    phone.act(about("pin", &talk, 1)).await;
    at_anna.act(about("unpin", &talk, 1)).await;
}

#[tokio::test]
async fn pins_are_limited_and_paged() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[], json!({})).await;
    let most = limits::PINS as u64;
    for _ in 0..=most {
        at_anna.say(&group, "x").await;
    }
    for target in 2..2 + most {
        at_anna.act(about("pin", &group, target)).await;
    }
    assert_eq!(
        at_anna.refused(about("pin", &group, 2 + most)).await,
        "limit_reached"
    );
    assert_eq!(
        pins(&mut at_anna, &group).await,
        (2..2 + most).rev().collect::<Vec<_>>()
    );
    let (mut seen, mut before) = (Vec::new(), Value::Null);
    loop {
        let mut ask = json!({ "type": "pins", "conversation": group, "limit": 30 });
        if before != Value::Null {
            ask["before"] = before;
        }
        let page = at_anna.get(ask).await;
        seen.extend(
            page["pins"]
                .as_array()
                .expect("pins")
                .iter()
                .map(|pin| pin["target"].as_u64()),
        );
        before = page["next"].clone();
        if before == Value::Null {
            break;
        }
    }
    assert_eq!(seen, (2..2 + most).rev().map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_announcement_stands_over_the_conversation() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let announce = |text: Option<&str>| match text {
        Some(text) => json!({ "type": "announce", "conversation": group, "text": text }),
        None => json!({ "type": "announce", "conversation": group }),
    };
    assert_eq!(at_ben.refused(announce(Some("mine"))).await, "forbidden");
    assert_eq!(at_anna.refused(announce(None)).await, "no_change");
    at_anna.act(announce(Some("Closed on **Friday**"))).await;
    assert_eq!(
        at_anna.refused(announce(Some("Closed on **Friday**"))).await,
        "no_change"
    );
    at_ben.event_of(&group, "created").await;
    assert_eq!(
        at_ben.event_of(&group, "announced").await["text"],
        "Closed on **Friday**"
    );
    for text in [String::new(), "x".repeat(limits::ANNOUNCEMENT_BYTES + 1)] {
        assert_eq!(at_anna.refused(announce(Some(&text))).await, "bad_request");
    }
    server.kill9();
    server.restart().await;
    let mut at_anna = anna.live().await;
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [zoe.user] }))
        .await;
    let mut at_zoe = zoe.live().await;
    assert_eq!(
        row(&mut at_zoe, &group).await["announcement"],
        "Closed on **Friday**",
        "newcomers see it"
    );
    at_anna
        .act(announce(Some(&"x".repeat(limits::ANNOUNCEMENT_BYTES))))
        .await;
    at_anna.act(announce(None)).await;
    assert_eq!(row(&mut at_zoe, &group).await.get("announcement"), None);
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"].clone();
    let there = json!({ "type": "announce", "conversation": talk, "text": "x" });
    assert_eq!(at_anna.refused(there).await, "wrong_kind");
}

#[tokio::test]
async fn a_nickname_is_ones_own_and_can_be_taken_away() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let named = |name: &str| json!({ "type": "nickname", "conversation": group, "name": name });
    let taken = |user: &str| json!({ "type": "nickname", "conversation": group, "user": user });
    at_ben.act(named("Benjamin")).await;
    assert_eq!(at_ben.refused(named("Benjamin")).await, "no_change");
    at_anna.event_of(&group, "created").await;
    let told = at_anna.event_of(&group, "nickname").await;
    assert_eq!(
        (&told["user"], &told["name"]),
        (&json!(ben.user), &json!("Benjamin"))
    );
    for bad in ["", " x", "x\ny", &"x".repeat(200)] {
        assert_eq!(at_ben.refused(named(bad)).await, "bad_request", "{bad:?}");
    }
    let nickname = async |live: &mut Live| {
        let page = live
            .get(json!({ "type": "members", "conversation": group }))
            .await;
        let all = page["members"].as_array().expect("members");
        let named = all.iter().filter(|member| member.get("nickname").is_some());
        assert!(named.count() < 2, "{page}");
        let own = all
            .iter()
            .find(|member| member["user"] == ben.user)
            .expect("a member");
        own["nickname"].as_str().map(str::to_owned)
    };
    server.kill9();
    server.restart().await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    assert_eq!(nickname(&mut at_cyd).await.as_deref(), Some("Benjamin"));
    assert_eq!(at_cyd.refused(taken(&ben.user)).await, "forbidden");
    assert_eq!(at_ben.refused(taken(&anna.user)).await, "forbidden");
    let given = json!({ "type": "nickname", "conversation": group, "user": ben.user, "name": "Benny" });
    assert_eq!(
        at_anna.refused(given).await,
        "forbidden",
        "nobody is given a name"
    );
    assert_eq!(at_anna.refused(taken("u0000000001")).await, "not_member");
    at_anna.act(taken(&ben.user)).await;
    assert_eq!(at_anna.refused(taken(&ben.user)).await, "no_change");
    assert_eq!(nickname(&mut at_ben).await, None);
}

#[tokio::test]
async fn who_has_not_read_is_told_unless_the_group_keeps_it() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let mut phone = ben.other_device().await.live().await;
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let seq = at_anna.say(&group, "read this").await["seq"].clone();
    let readers = |unread: bool, limit: u64| json!({ "type": "readers", "conversation": group, "seq": seq, "unread": unread, "limit": limit });
    let who = |page: &Value| {
        let all = page["readers"].as_array().expect("a list").iter();
        all.map(|reader| reader["user"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    let mut both = vec![ben.user.clone(), cyd.user.clone()];
    both.sort();
    let page = at_anna.get(readers(true, 9)).await;
    assert_eq!(
        (who(&page), &page["count"], &page["more"]),
        (both.clone(), &json!(2), &json!(false))
    );
    let page = at_anna.get(readers(true, 1)).await;
    assert_eq!(
        (who(&page), &page["count"], &page["more"]),
        (both[..1].to_vec(), &json!(2), &json!(true))
    );
    let mut rest = readers(true, 1);
    rest["after"] = json!(both[0]);
    let page = at_anna.get(rest).await;
    assert_eq!((who(&page), &page["more"]), (both[1..].to_vec(), &json!(false)));
    at_ben
        .get(json!({ "type": "mark_read", "conversation": group, "seq": seq }))
        .await;
    let page = at_anna.get(readers(true, 9)).await;
    assert_eq!(
        (who(&page).len(), &page["readers"][0]["user"]),
        (1, &json!(cyd.user))
    );
    assert_eq!(at_anna.get(readers(false, 9)).await["count"], 2);
    at_anna.notice("read").await;
    phone.notice("read").await;

    at_anna
        .act(json!({ "type": "update", "conversation": group, "read_lists": false }))
        .await;
    let later = at_anna.say(&group, "and this").await["seq"].clone();
    for unread in [false, true] {
        assert_eq!(at_anna.refused(readers(unread, 9)).await, "forbidden");
    }
    at_ben
        .get(json!({ "type": "mark_read", "conversation": group, "seq": later }))
        .await;
    assert_eq!(
        phone.notice("read").await["seq"],
        later,
        "one's own devices hear of it"
    );
    // Notices of one conversation come in order, so that of the marker would have come before this one.
    let typing = json!({ "type": "typing", "conversation": group, "on": true });
    at_ben.get(typing).await;
    at_anna.notice("typing").await;
    let heard = at_anna.kept();
    assert!(heard.iter().all(|frame| frame["type"] != "read"), "{heard:?}");
    assert_eq!(row(&mut at_anna, &group).await["read_lists"], false);
}

#[tokio::test]
async fn requests_to_join_are_listed_for_those_who_decide() {
    let mut server = Server::start().await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({ "join": "approval" })).await;
    let ask = json!({ "type": "requests", "conversation": group });
    assert_eq!(at_anna.get(ask.clone()).await["requests"], json!([]));
    let mut after = anna.other_device().await.live().await;
    let token = after.welcome["resume"].clone();
    for asking in [&dan, &cyd] {
        let join = json!({ "type": "join", "conversation": group });
        asking.live().await.act(join).await;
        let asked = at_anna.event_where(&group, "join_requested").await;
        assert_eq!(asked["by"], json!(asking.user));
    }
    let listed = at_anna.get(ask.clone()).await;
    let names: Vec<&str> = listed["requests"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| user["name"].as_str())
        .collect();
    assert_eq!(names, ["dan", "cyd"], "the oldest first");
    let synced = after.get(json!({ "type": "sync", "after": token })).await;
    assert_eq!(synced["conversations"][0]["requests"], 2, "{synced}");
    assert_eq!(row(&mut at_ben, &group).await.get("requests"), None);
    assert_eq!(at_ben.refused(ask.clone()).await, "forbidden");
    assert_eq!(cyd.live().await.refused(ask.clone()).await, "not_found");
    at_anna
        .act(json!({ "type": "approve", "conversation": group, "user": dan.user, "accept": true }))
        .await;
    server.kill9();
    server.restart().await;
    let mut at_anna = anna.live().await;
    assert_eq!(row(&mut at_anna, &group).await["requests"], 1);
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"].clone();
    let direct = json!({ "type": "requests", "conversation": talk });
    assert_eq!(at_anna.refused(direct).await, "wrong_kind");
}

#[tokio::test]
async fn messages_with_links_are_listed_as_long_as_they_have_one() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    for words in [
        "see https://a.example/x",
        "none: at all",
        "[b](HTTP://b.example)",
        "plain",
        "https://c.example",
    ] {
        at_anna.say(&group, words).await;
    }
    let mut at_ben = ben.live().await;
    let links = async |live: &mut Live, more: Value| {
        let mut ask = json!({ "type": "links", "conversation": group });
        for (key, value) in more.as_object().expect("fields") {
            ask[key] = value.clone();
        }
        let page = live.get(ask).await;
        (
            crate::live::seqs(page["events"].as_array().expect("events")),
            page["next"].as_u64(),
        )
    };
    assert_eq!(links(&mut at_ben, json!({})).await, (vec![2, 4, 6], None));
    assert_eq!(
        links(&mut at_ben, json!({ "limit": 2 })).await,
        (vec![4, 6], Some(4))
    );
    assert_eq!(
        links(&mut at_ben, json!({ "limit": 2, "before": 4 })).await,
        (vec![2], None)
    );
    let edit = |target: u64, words: &str| json!({ "type": "edit", "conversation": group, "target": target, "body": text_body(words) });
    at_anna.act(edit(4, "no link any more")).await;
    at_anna.act(edit(5, "now http://d.example")).await;
    at_anna.act(about("recall", &group, 6)).await;
    assert_eq!(links(&mut at_ben, json!({})).await, (vec![2, 5], None));
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [zoe.user] }))
        .await;
    let mut at_zoe = zoe.live().await;
    assert_eq!(
        links(&mut at_zoe, json!({})).await,
        (vec![], None),
        "zoe came later"
    );
    server.kill9();
    server.restart().await;
    assert_eq!(links(&mut ben.live().await, json!({})).await, (vec![2, 5], None));
    at_anna = anna.live().await;
    at_anna
        .act(json!({ "type": "kick", "conversation": group, "user": ben.user }))
        .await;
    let ask = json!({ "type": "links", "conversation": group });
    assert_eq!(ben.live().await.refused(ask).await, "not_found");
}
