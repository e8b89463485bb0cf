//! Keeping one's distance: blocks, and not being seen; and what people say of themselves. What must not live here: settings
//! as such (see `personal`).

use serde_json::{Value, json};

use crate::harness::{Server, id};
use crate::live::text_body;
use crate::personal::{keep, noticed};

#[tokio::test]
async fn who_is_blocked_cannot_write_and_is_not_told_why() {
    let mut server = Server::start().await;
    let [anna, ben, dan] = server.people(["anna", "ben", "dan"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let first = json!({ "type": "send", "client_id": id(), "to": ben.user, "body": text_body("hi") });
    let talk = at_anna.act(first.clone()).await["conversation"].clone();
    let group = at_ben.group(&[&anna], json!({})).await;
    let block = |value: bool| json!({ "key": "blocked", "user": anna.user, "value": value });
    keep(&mut at_ben, block(true)).await;
    let send = |place: &str, to: &Value| json!({ "type": "send", "client_id": id(), place: to, "body": text_body("hello?") });
    let edit = json!({ "type": "edit", "client_id": id(), "conversation": talk, "target": 1, "body": text_body("hey") });
    let react =
        json!({ "type": "react", "client_id": id(), "conversation": talk, "target": 1, "emoji": "👍" });

    // The answer is that of somebody who is gone.
    let disable = server.owner().await;
    let path = format!("/api/v1/users/{}/disable", dan.user);
    disable.post(&path, &json!({})).await.json(200);
    let gone = at_anna.ask(send("to", &json!(dan.user))).await["error"].clone();
    for restarted in [false, true] {
        if restarted {
            server.kill9();
            server.restart().await;
            (at_anna, at_ben) = (anna.live().await, ben.live().await);
        }
        for request in [
            send("to", &json!(ben.user)),
            send("conversation", &talk),
            edit.clone(),
            react.clone(),
        ] {
            assert_eq!(at_anna.ask(request).await["error"], gone);
        }
        let repeat = at_anna.act(first.clone()).await;
        assert_eq!(
            repeat["duplicate"], true,
            "a repeat gets its answer for ever: {repeat}"
        );
        assert_eq!(at_ben.refused(send("conversation", &talk)).await, "forbidden");
        assert_eq!(at_ben.refused(send("to", &json!(anna.user))).await, "forbidden");
        at_anna.say(&group, "here we both are").await;
        at_ben.say(&group, "yes").await;
    }
    let recall = json!({ "type": "recall", "conversation": talk, "target": 1 });
    at_anna.act(recall).await;
    keep(&mut at_ben, block(false)).await;
    at_anna.act(send("conversation", &talk)).await;
    at_ben.act(send("to", &json!(anna.user))).await;
}

#[tokio::test]
async fn a_block_ends_notices_in_the_direct_conversation_both_ways() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = ben.other_device().await;
    let (mut at_anna, mut at_ben, mut at_phone) = (anna.live().await, ben.live().await, phone.live().await);
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"].clone();
    let presence = json!({ "type": "presence", "on": true });
    let online = |answer: &Value| answer["online"].as_array().cloned().unwrap_or_default();
    assert_eq!(online(&at_anna.get(presence.clone()).await), [json!(ben.user)]);
    keep(
        &mut at_ben,
        json!({ "key": "blocked", "user": anna.user, "value": true }),
    )
    .await;
    assert_eq!(online(&at_anna.get(presence.clone()).await), Vec::<Value>::new());
    assert_eq!(online(&at_ben.get(presence).await), Vec::<Value>::new());

    let typing = json!({ "type": "typing", "conversation": talk, "on": true });
    at_ben.get(typing.clone()).await;
    at_ben
        .get(json!({ "type": "mark_read", "conversation": talk, "seq": 1 }))
        .await;
    assert_eq!(
        at_phone.notice("read").await["user"],
        json!(ben.user),
        "one's own devices hear it"
    );
    at_anna.get(typing).await;
    for (live, kinds) in [
        (&mut at_anna, ["typing", "read"]),
        (&mut at_ben, ["typing", "presence"]),
    ] {
        let user = live.who.user.clone();
        for kind in kinds {
            let heard = noticed(live, kind).await;
            assert!(
                heard.iter().all(|notice| notice["user"] == json!(user)),
                "{heard:?}"
            );
        }
    }
    let readers = json!({ "type": "readers", "conversation": talk, "seq": 1 });
    let read = at_anna.get(readers).await["readers"].clone();
    assert_eq!(read, json!([{ "user": anna.user, "seq": 1 }]));
    at_phone.close().await;
    at_ben.close().await;
    assert_eq!(noticed(&mut at_anna, "presence").await, Vec::<Value>::new());
    let mut back = ben.live().await;
    keep(&mut back, json!({ "key": "blocked", "user": anna.user })).await;
    back.close().await;
    for online in [false, true] {
        let next = if online { Some(ben.live().await) } else { None };
        let told = at_anna.notice("presence").await;
        assert_eq!(
            (&told["user"], &told["online"]),
            (&json!(ben.user), &json!(online))
        );
        drop(next);
    }
}

#[tokio::test]
async fn who_is_not_seen_does_not_see() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "hi").await;
    let presence = json!({ "type": "presence", "on": true });
    at_anna.get(presence.clone()).await;
    let of = |user: &str| format!("/api/v1/users/{user}");
    let seen = anna.get(&of(&ben.user)).await.json(200);
    assert!(seen["last_seen"].is_u64(), "{seen}");
    let stranger = zoe.get(&of(&ben.user)).await.json(200);
    assert_eq!(stranger.get("last_seen"), None, "they share no conversation");

    keep(&mut at_ben, json!({ "key": "unseen", "value": true })).await;
    let gone = at_anna.notice("presence").await;
    assert_eq!(
        (&gone["user"], &gone["online"]),
        (&json!(ben.user), &json!(false))
    );
    for (by, other) in [(&anna, &ben), (&ben, &anna)] {
        let info = by.get(&of(&other.user)).await.json(200);
        assert_eq!(info.get("last_seen"), None, "{info}");
    }
    assert_eq!(at_anna.get(presence.clone()).await["online"], json!([]));
    assert_eq!(at_ben.get(presence.clone()).await["online"], json!([]));
    at_ben.close().await;
    let mut at_ben = ben.live().await;
    at_ben.get(presence.clone()).await;
    assert_eq!(
        noticed(&mut at_anna, "presence").await,
        Vec::<Value>::new(),
        "nothing is told"
    );
    let desk = anna.other_device().await.live().await;
    at_anna.close().await;
    desk.close().await;
    let mut at_anna = anna.live().await;
    assert_eq!(
        noticed(&mut at_ben, "presence").await,
        Vec::<Value>::new(),
        "nothing is heard"
    );
    at_anna.get(presence).await;

    keep(&mut at_ben, json!({ "key": "unseen" })).await;
    let back = at_anna.notice("presence").await;
    assert_eq!((&back["user"], &back["online"]), (&json!(ben.user), &json!(true)));
    assert!(anna.get(&of(&ben.user)).await.json(200)["last_seen"].is_u64());
}

#[tokio::test]
async fn a_status_is_told_to_all_and_found_with_its_user() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "hi").await;
    let before = at_anna.get(json!({ "type": "sync" })).await["resume"].clone();
    let status = json!({ "text": "On holiday", "emoji": "🌴", "until": 1_900_000_000_000_u64 });
    keep(&mut at_ben, json!({ "key": "status", "value": status })).await;
    let told = at_anna.told_of(|of| of["status"] == status).await;
    assert_eq!(told["user"], ben.user.as_str());
    let synced = at_anna.get(json!({ "type": "sync", "after": before })).await;
    assert_eq!(synced["users"][0]["status"], status, "{synced}");
    assert_eq!(synced.get("settings"), None, "it is ben's: {synced}");
    let path = format!("/api/v1/users/{}", ben.user);
    assert_eq!(zoe.get(&path).await.json(200)["status"], status);
    keep(&mut at_ben, json!({ "key": "status", "value": { "text": "" } })).await;
    let told = at_anna.told_of(|of| of["user"] == ben.user.as_str()).await;
    assert_eq!(told.get("status"), None);
}

#[tokio::test]
async fn people_are_found_by_how_their_names_begin() {
    let mut server = Server::start().await;
    let [anna, _, bea, _] = server.people(["anna", "ben", "bea", "zoe"]).await;
    let ask = json!({ "display_name": "Anna-Bea of the Hill" }).to_string();
    let method = hyper::Method::PATCH;
    let reply = server
        .world
        .request(method, "/api/v1/profile", Some(&bea.token), Some(ask))
        .await;
    reply.json(200);
    let mut live = anna.live().await;
    let names = |page: &Value| -> Vec<String> {
        let users = page["users"].as_array().expect("users").clone();
        users
            .iter()
            .map(|user| user["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    for (find, found) in [
        ("b", vec!["bea", "ben"]),
        ("B", vec!["bea", "ben"]),
        ("ANN", vec!["anna", "bea"]),
        ("anna-bea of", vec!["bea"]),
        ("nna", vec![]),
        ("%", vec![]),
        ("", vec!["anna", "bea", "ben", "olga", "zoe"]),
    ] {
        let page = live.get(json!({ "type": "users", "find": find })).await;
        assert_eq!(names(&page), found, "{find}");
    }
    let page = live
        .get(json!({ "type": "users", "find": "b", "limit": 1 }))
        .await;
    assert_eq!(
        (names(&page), &page["more"]),
        (vec!["bea".to_owned()], &json!(true))
    );
    let page = live
        .get(json!({ "type": "users", "find": "b", "limit": 1, "after": "bea" }))
        .await;
    assert_eq!(
        (names(&page), &page["more"]),
        (vec!["ben".to_owned()], &json!(false))
    );
    let page = anna.get("/api/v1/users?find=AnNa&limit=5").await.json(200);
    assert_eq!(names(&page), ["anna", "bea"]);
    for bad in [
        json!({ "limit": 201 }),
        json!({ "find": "x".repeat(129) }),
        json!({ "find": 7 }),
    ] {
        let mut ask = bad;
        ask["type"] = json!("users");
        assert_eq!(live.refused(ask).await, "bad_request");
    }
}

/// Whom a page of readers names, and how many it says they are.
fn read_by(page: &Value) -> (Vec<String>, u64) {
    let all = page["readers"].as_array().expect("a list").iter();
    let mut users: Vec<String> = all
        .map(|reader| reader["user"].as_str().expect("an id").to_owned())
        .collect();
    users.sort();
    (users, page["count"].as_u64().expect("a number"))
}

#[tokio::test]
async fn who_does_not_show_what_they_read_does_not_see_it_of_others() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let phone = ben.other_device().await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let (mut at_cyd, mut at_phone) = (cyd.live().await, phone.live().await);
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"].clone();
    let seq = at_anna.say(&group, "Who reads this?").await["seq"]
        .as_u64()
        .expect("a seq");
    keep(&mut at_ben, json!({ "key": "reads_unseen", "value": true })).await;
    assert_eq!(
        at_phone.notice("setting").await["key"],
        "reads_unseen",
        "it follows to one's devices"
    );

    let mark = |place: &Value, seq: u64| json!({ "type": "mark_read", "conversation": place, "seq": seq });
    at_ben.get(mark(&json!(group), seq)).await;
    at_ben.get(mark(&talk, 1)).await;
    at_cyd.get(mark(&json!(group), seq)).await;
    at_anna.get(mark(&talk, 1)).await;
    for _ in 0..2 {
        assert_eq!(
            at_phone.notice("read").await["user"],
            json!(ben.user),
            "one's own devices hear it"
        );
    }
    let from =
        |heard: &[Value]| -> Vec<Value> { heard.iter().map(|notice| notice["user"].clone()).collect() };
    let heard = noticed(&mut at_anna, "read").await;
    assert!(
        from(&heard).contains(&json!(cyd.user)) && !from(&heard).contains(&json!(ben.user)),
        "{heard:?}"
    );
    let heard = noticed(&mut at_ben, "read").await;
    assert!(
        from(&heard).iter().all(|user| *user == json!(ben.user)),
        "{heard:?}"
    );

    let ask = |unread: bool, seq: u64| json!({ "type": "readers", "conversation": group, "seq": seq, "unread": unread, "limit": 1 });
    let wide =
        |unread: bool| json!({ "type": "readers", "conversation": group, "seq": seq, "unread": unread });
    let direct = json!({ "type": "readers", "conversation": talk, "seq": 1 });
    for restarted in [false, true] {
        if restarted {
            at_anna.say(&group, "so that the markers ride on a commit").await;
            assert_eq!(server.stop().await, Some(0));
            server.restart().await;
            (at_anna, at_ben, at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
        }
        let mut both = vec![anna.user.clone(), cyd.user.clone()];
        both.sort();
        assert_eq!(read_by(&at_anna.get(wide(false)).await), (both, 2));
        assert_eq!(at_anna.get(ask(false, seq)).await["count"], 2, "on all pages");
        assert_eq!(read_by(&at_cyd.get(ask(true, seq + 1)).await).0.len(), 1);
        assert_eq!(
            read_by(&at_anna.get(wide(true)).await),
            (vec![], 0),
            "nor is it told that he has not"
        );
        assert_eq!(
            read_by(&at_ben.get(wide(false)).await),
            (vec![ben.user.clone()], 1)
        );
        assert_eq!(read_by(&at_ben.get(wide(true)).await), (vec![], 0));
        assert_eq!(
            read_by(&at_anna.get(direct.clone()).await),
            (vec![anna.user.clone()], 1)
        );
    }
    keep(&mut at_ben, json!({ "key": "reads_unseen" })).await;
    assert_eq!(read_by(&at_anna.get(wide(false)).await).1, 3);
    at_ben.get(mark(&json!(group), seq + 1)).await;
    assert_eq!(at_anna.notice("read").await["user"], json!(ben.user));
}
