//! Markers, unread numbers, who has read, who writes, who is there. What must not live here: what is said.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::live::Live;

/// (read_seq, unread) of a conversation.
async fn unread(live: &mut Live, conversation: &str) -> (u64, u64) {
    let listed = live.get(json!({ "type": "conversations" })).await;
    let all = listed["conversations"].as_array().expect("a list");
    let own = all
        .iter()
        .find(|info| info["conversation"] == conversation)
        .expect("it is listed");
    (
        own["read_seq"].as_u64().expect("a number"),
        own["unread"].as_u64().expect("a number"),
    )
}

#[tokio::test]
async fn markers_count_messages_only_grow_and_are_told() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let mut phone = ben.other_device().await.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    for text in ["one", "two", "three"] {
        at_anna.say(&group, text).await;
    }
    at_anna
        .act(json!({ "type": "react", "conversation": group, "target": 2, "emoji": "👍" }))
        .await;
    assert_eq!(
        unread(&mut at_ben, &group).await.1,
        3,
        "a reaction does not count"
    );
    assert_eq!(unread(&mut at_anna, &group).await.1, 0, "one's own are read");

    let mark = |seq: u64| json!({ "type": "mark_read", "conversation": group, "seq": seq });
    at_ben.get(mark(3)).await;
    assert_eq!(unread(&mut at_ben, &group).await, (3, 1));
    for live in [&mut at_anna, &mut phone] {
        let read = live.notice("read").await;
        assert_eq!((&read["user"], &read["seq"]), (&json!(ben.user), &json!(3)));
    }
    at_ben.get(mark(2)).await;
    assert_eq!(
        unread(&mut phone, &group).await,
        (3, 1),
        "a marker never goes back"
    );
    assert_eq!(at_ben.refused(mark(99)).await, "bad_request");

    let readers = |seq: u64| json!({ "type": "readers", "conversation": group, "seq": seq });
    let who = |page: &Value| {
        let all = page["readers"].as_array().expect("a list").iter();
        let mut all: Vec<String> = all.map(|reader| reader["user"].to_string()).collect();
        all.sort();
        all
    };
    let mut both = vec![json!(anna.user).to_string(), json!(ben.user).to_string()];
    both.sort();
    assert_eq!(who(&at_anna.get(readers(3)).await), both);
    assert_eq!(
        who(&at_anna.get(readers(4)).await),
        [json!(anna.user).to_string()]
    );

    at_ben.get(mark(4)).await;
    at_anna.say(&group, "so that the marker rides on a commit").await;
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    assert_eq!(
        unread(&mut ben.live().await, &group).await,
        (4, 1),
        "a marker outlives a restart"
    );
}

#[tokio::test]
async fn typing_and_presence_are_told_to_those_who_share_a_conversation() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let mut at_anna = anna.live().await;
    let talk = at_anna.tell(&ben.user, "hi").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    let here = at_anna.get(json!({ "type": "presence", "on": true })).await;
    assert_eq!(here["online"], json!([]));
    let mut at_ben = ben.live().await;
    let mut at_zoe = zoe.live().await;
    let came = at_anna.notice("presence").await;
    assert_eq!((&came["user"], &came["online"]), (&json!(ben.user), &json!(true)));
    assert_eq!(
        at_anna.get(json!({ "type": "presence", "on": true })).await["online"],
        json!([ben.user])
    );
    let typing = |on: bool| json!({ "type": "typing", "conversation": talk, "on": on });
    at_ben.get(typing(true)).await;
    let told = at_anna.notice("typing").await;
    assert_eq!(
        (&told["user"], &told["on"], &told["conversation"]),
        (&json!(ben.user), &json!(true), &json!(talk))
    );
    at_ben.get(typing(false)).await;
    assert_eq!(at_anna.notice("typing").await["on"], false);
    assert_eq!(at_zoe.refused(typing(true)).await, "not_found");
    let heard = at_ben.settle_all().await;
    assert!(
        heard.iter().all(|frame| frame["type"] != "typing"),
        "one does not hear oneself type"
    );
    at_ben.close().await;
    let left = at_anna.notice("presence").await;
    assert_eq!(
        (&left["user"], &left["online"]),
        (&json!(ben.user), &json!(false))
    );
    at_anna.get(json!({ "type": "presence", "on": false })).await;
    let strange = at_zoe.settle_all().await.into_iter().find(|frame| {
        ["typing", "presence", "read"]
            .iter()
            .any(|it| frame["type"] == *it)
    });
    assert_eq!(strange, None, "a stranger hears none of it");
}

#[tokio::test]
async fn a_changed_profile_is_told_and_synced() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "hi").await;
    at_ben.event().await;
    let before = at_ben.welcome["resume"].clone();
    let ask = json!({ "display_name": "Anna of the Hill" }).to_string();
    let reply = server
        .world
        .request(
            hyper::Method::PATCH,
            "/api/v1/profile",
            Some(&anna.token),
            Some(ask),
        )
        .await;
    assert_eq!(reply.json(200)["display_name"], "Anna of the Hill");
    let told = at_ben
        .told_of(|of| of["display_name"] == "Anna of the Hill")
        .await;
    assert_eq!(told["user"], anna.user.as_str());
    let synced = at_ben.get(json!({ "type": "sync", "after": before })).await;
    let users = synced["users"].as_array().expect("users");
    assert!(
        users
            .iter()
            .any(|user| user["display_name"] == "Anna of the Hill"),
        "{synced}"
    );
}
