//! The life of groups and channels: every change is an event on both sides, and each rule holds. What must not live here:
//! messages' own changes.

use serde_json::{Value, json};

use crate::harness::{Person, Server};
use crate::live::{Live, seqs, text_body};

fn about(kind: &str, conversation: &str, user: &Person) -> Value {
    json!({ "type": kind, "conversation": conversation, "user": user.user })
}

/// The next event on each of these sockets, which must be the same.
async fn same(lives: &mut [&mut Live], conversation: &str, kind: &str) -> Value {
    let mut first = None;
    for live in lives {
        let event = live.event_of(conversation, kind).await;
        assert_eq!(
            *first.get_or_insert_with(|| event.clone()),
            event,
            "both sides get the same"
        );
    }
    first.expect("there is a socket")
}

#[tokio::test]
async fn a_group_is_founded_joined_and_changed_in_everyones_sight() {
    let mut server = Server::start().await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let group = at_anna
        .group(&[&ben], json!({ "title": "Lunch", "join": "approval" }))
        .await;
    let created = same(&mut [&mut at_anna, &mut at_ben], &group, "created").await;
    assert_eq!(
        (&created["title"], &created["members"]),
        (&json!("Lunch"), &json!([ben.user]))
    );

    let plain = |kind: &str| json!({ "type": kind, "conversation": group });
    at_cyd.act(plain("join")).await;
    let asked = same(&mut [&mut at_anna, &mut at_ben], &group, "join_requested").await;
    assert_eq!(asked["by"], json!(cyd.user));
    assert_eq!(at_cyd.refused(plain("join")).await, "no_change");
    assert_eq!(
        at_cyd.refused(plain("members")).await,
        "not_found",
        "asking is not being in"
    );
    let members = at_anna.get(plain("members")).await;
    assert_eq!(members["requests"], json!([cyd.user]));
    assert!(
        at_ben.get(plain("members")).await.get("requests").is_none(),
        "requests are for owner and admins"
    );

    let decide = |accept: bool| json!({ "type": "approve", "conversation": group, "user": cyd.user, "accept": accept });
    assert_eq!(at_ben.refused(decide(true)).await, "forbidden");
    at_anna.act(decide(false)).await;
    same(&mut [&mut at_anna, &mut at_ben], &group, "join_declined").await;
    at_cyd.act(plain("join")).await;
    same(&mut [&mut at_anna, &mut at_ben], &group, "join_requested").await;
    at_anna.act(decide(true)).await;
    let joined = same(&mut [&mut at_anna, &mut at_ben, &mut at_cyd], &group, "joined").await;
    assert_eq!(joined["users"], json!([cyd.user]));

    at_anna
        .act(json!({ "type": "update", "conversation": group, "title": "Dinner", "join": "open" }))
        .await;
    let updated = same(&mut [&mut at_anna, &mut at_ben, &mut at_cyd], &group, "updated").await;
    assert_eq!(
        (&updated["title"], &updated["join"], updated.get("history")),
        (&json!("Dinner"), &json!("open"), None)
    );
    let mut at_dan = dan.live().await;
    let found = at_dan.get(json!({ "type": "discover" })).await;
    assert_eq!(found["conversations"][0]["title"], "Dinner");
    at_dan.act(plain("join")).await;
    same(
        &mut [&mut at_anna, &mut at_ben, &mut at_cyd, &mut at_dan],
        &group,
        "joined",
    )
    .await;
    assert_eq!(at_dan.refused(plain("join")).await, "already_member");

    at_dan.act(plain("leave")).await;
    same(
        &mut [&mut at_anna, &mut at_ben, &mut at_cyd, &mut at_dan],
        &group,
        "left",
    )
    .await;
    at_anna.say(&group, "dan is gone").await;
    assert_eq!(
        at_dan.settle().await,
        Vec::<Value>::new(),
        "nothing after one left"
    );
    assert_eq!(at_dan.refused(plain("history")).await, "not_found");
    at_anna
        .act(json!({ "type": "update", "conversation": group, "join": "invitation" }))
        .await;
    assert_eq!(
        at_dan.refused(plain("join")).await,
        "not_found",
        "as if it did not exist"
    );
}

#[tokio::test]
async fn roles_ownership_and_the_end_of_a_group() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let plain = |kind: &str| json!({ "type": kind, "conversation": group });
    same(&mut [&mut at_anna, &mut at_ben, &mut at_cyd], &group, "created").await;
    let role = |user: &Person, role: &str| json!({ "type": "role", "conversation": group, "user": user.user, "role": role });
    assert_eq!(at_ben.refused(role(&cyd, "admin")).await, "forbidden");
    at_anna.act(role(&ben, "admin")).await;
    let event = same(&mut [&mut at_anna, &mut at_ben, &mut at_cyd], &group, "role").await;
    assert_eq!(
        (&event["user"], &event["role"]),
        (&json!(ben.user), &json!("admin"))
    );
    assert_eq!(at_anna.refused(role(&ben, "admin")).await, "no_change");
    assert_eq!(
        at_ben.refused(about("kick", &group, &anna)).await,
        "forbidden",
        "an admin is below the owner"
    );
    assert_eq!(at_anna.refused(plain("leave")).await, "owner_must_stay");
    assert_eq!(at_ben.refused(plain("dissolve")).await, "forbidden");
    at_anna.act(about("transfer", &group, &ben)).await;
    same(
        &mut [&mut at_anna, &mut at_ben, &mut at_cyd],
        &group,
        "transferred",
    )
    .await;
    let members = at_cyd.get(plain("members")).await;
    let roles = members["members"].as_array().expect("members").iter();
    let roles: Vec<(String, String)> = roles
        .map(|member| (member["name"].to_string(), member["role"].to_string()))
        .collect();
    assert!(
        roles.contains(&("\"anna\"".into(), "\"admin\"".into())),
        "{roles:?}"
    );
    assert!(
        roles.contains(&("\"ben\"".into(), "\"owner\"".into())),
        "{roles:?}"
    );
    at_anna.act(plain("leave")).await;
    same(&mut [&mut at_anna, &mut at_ben, &mut at_cyd], &group, "left").await;
    at_ben.act(plain("dissolve")).await;
    same(&mut [&mut at_ben, &mut at_cyd], &group, "dissolved").await;
    for live in [&mut at_anna, &mut at_ben, &mut at_cyd] {
        assert_eq!(live.refused(plain("history")).await, "not_found");
        let send = json!({ "type": "send", "conversation": group, "body": text_body("too late") });
        assert_eq!(live.refused(send).await, "not_found");
        assert_eq!(live.settle().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn one_who_is_kicked_or_banned_sees_that_and_nothing_after() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna
        .group(&[&ben], json!({ "join": "open", "history": false }))
        .await;
    let plain = |kind: &str| json!({ "type": kind, "conversation": group });
    same(&mut [&mut at_anna, &mut at_ben], &group, "created").await;
    at_anna.act(about("kick", &group, &ben)).await;
    at_anna.say(&group, "ben is gone").await;
    let removed = at_ben.event_of(&group, "removed").await;
    assert_eq!(
        (&removed["user"], &removed["by"]),
        (&json!(ben.user), &json!(anna.user))
    );
    assert_eq!(
        at_ben.settle().await,
        Vec::<Value>::new(),
        "nothing after the removal"
    );
    assert_eq!(at_ben.refused(plain("history")).await, "not_found");
    assert_eq!(at_anna.refused(about("kick", &group, &ben)).await, "not_member");

    at_ben.act(plain("join")).await;
    at_ben.event_of(&group, "joined").await;
    let page = at_ben
        .get(json!({ "type": "history", "conversation": group, "after": 0 }))
        .await;
    assert_eq!(
        seqs(page["events"].as_array().expect("events")),
        [1, 2, 4],
        "what lies between is not shown"
    );

    let ban = |lift: bool| json!({ "type": "ban", "conversation": group, "user": ben.user, "lift": lift });
    at_anna.act(ban(false)).await;
    at_ben.event_of(&group, "banned").await;
    assert_eq!(at_ben.refused(plain("join")).await, "banned");
    assert_eq!(at_anna.get(plain("members")).await["banned"], json!([ben.user]));
    let invite = json!({ "type": "invite", "conversation": group, "users": [ben.user] });
    assert_eq!(at_anna.refused(invite.clone()).await, "banned");
    at_anna.act(ban(true)).await;
    assert_eq!(
        at_ben.settle().await,
        Vec::<Value>::new(),
        "one who is out does not see the ban lifted"
    );
    at_anna.act(invite).await;
    at_ben.event_of(&group, "joined").await;
    let kinds: Vec<Value> = at_anna
        .settle()
        .await
        .iter()
        .map(|event| event["kind"].clone())
        .collect();
    assert_eq!(
        kinds,
        ["removed", "message", "joined", "banned", "unbanned", "joined"]
    );
}

#[tokio::test]
async fn mutes_silence_one_or_all_and_end() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let send = || json!({ "type": "send", "conversation": group, "body": text_body("may I?") });
    let mute = |seconds: Option<u64>| {
        let mut mute = about("mute", &group, &ben);
        if let Some(seconds) = seconds {
            mute["seconds"] = json!(seconds);
        }
        mute
    };
    same(&mut [&mut at_anna, &mut at_ben], &group, "created").await;
    let ack = at_anna.act(mute(Some(3600))).await;
    let muted = same(&mut [&mut at_anna, &mut at_ben], &group, "muted").await;
    assert_eq!(
        muted["until"].as_u64(),
        ack["ts"].as_u64().map(|ts| ts + 3_600_000)
    );
    assert_eq!(at_ben.refused(send()).await, "muted");
    at_anna.act(mute(Some(0))).await;
    same(&mut [&mut at_anna, &mut at_ben], &group, "unmuted").await;
    at_ben.act(send()).await;
    assert_eq!(at_anna.refused(mute(Some(0))).await, "no_change");
    at_anna.act(mute(None)).await;
    assert_eq!(at_ben.refused(send()).await, "muted");
    at_anna.act(mute(Some(0))).await;

    // A mute of a second ends by itself, but never by a clock that is not known to be right.
    at_anna.act(mute(Some(1))).await;
    let synchronised = at_ben.welcome["synchronised"] == true;
    at_ben.listen_for(std::time::Duration::from_millis(1_500)).await;
    let mut at_ben = ben.live().await;
    let mut ask = send();
    ask["client_id"] = json!(crate::harness::id());
    let answer = at_ben.ask(ask).await;
    assert_eq!(answer["type"] == "ack", synchronised, "{answer}");
    if !synchronised {
        at_anna.act(mute(Some(0))).await;
    }

    let all = |on: bool| json!({ "type": "update", "conversation": group, "mute_all": on });
    at_anna.act(all(true)).await;
    assert_eq!(at_ben.refused(send()).await, "muted");
    at_anna.act(send()).await;
    at_anna.act(all(false)).await;
    at_ben.act(send()).await;
}

#[tokio::test]
async fn in_a_channel_members_read_and_admins_post() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let channel = at_anna
        .group(&[&ben], json!({ "kind": "channel", "title": "News" }))
        .await;
    same(&mut [&mut at_anna, &mut at_ben], &channel, "created").await;
    let send = || json!({ "type": "send", "conversation": channel, "body": text_body("news") });
    assert_eq!(at_ben.refused(send()).await, "forbidden");
    at_anna.act(send()).await;
    same(&mut [&mut at_anna, &mut at_ben], &channel, "message").await;
    at_ben
        .act(json!({ "type": "react", "conversation": channel, "target": 2, "emoji": "🎉" }))
        .await;
    at_anna
        .act(json!({ "type": "role", "conversation": channel, "user": ben.user, "role": "admin" }))
        .await;
    at_ben.act(send()).await;
    let direct = at_anna.tell(&ben.user, "just us").await;
    let leave = json!({ "type": "leave", "conversation": direct["conversation"] });
    assert_eq!(at_anna.refused(leave).await, "wrong_kind");
}

#[tokio::test]
async fn newcomers_see_what_was_before_only_if_the_group_says_so() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let mut at_anna = anna.live().await;
    for (history, newcomer, seen) in [(false, &ben, vec![3]), (true, &cyd, vec![1, 2, 3])] {
        let group = at_anna.group(&[], json!({ "history": history })).await;
        at_anna.say(&group, "before").await;
        at_anna
            .act(json!({ "type": "invite", "conversation": group, "users": [newcomer.user] }))
            .await;
        let mut live = newcomer.live().await;
        let page = live
            .get(json!({ "type": "history", "conversation": group }))
            .await;
        assert_eq!(seqs(page["events"].as_array().expect("events")), seen);
        at_anna.say(&group, "after").await;
        assert_eq!(live.event_of(&group, "message").await["seq"], 4);
        let target = json!({ "type": "react", "conversation": group, "target": 2, "emoji": "👍" });
        let answer = live.ask({
            let mut target = target;
            target["client_id"] = json!(crate::harness::id());
            target
        });
        assert_eq!(
            answer.await["type"] == "ack",
            history,
            "what is not shown cannot be reacted to"
        );
    }
}
