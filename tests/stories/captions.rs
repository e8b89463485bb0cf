//! What is said of a file: its caption and its name are found, and a caption mentions people. What must not live here: how a
//! search pages (`search`), and mentions in texts (`mentions`).

use serde_json::{Value, json};

use crate::files::PNG;
use crate::harness::Server;
use crate::live::Live;
use crate::mentions::row;

async fn found(live: &mut Live, ask: Value) -> Vec<(u64, String)> {
    let mut search = json!({ "type": "search" });
    for (key, value) in ask.as_object().expect("an object") {
        search[key] = value.clone();
    }
    let page = live.get(search).await;
    let found = page["found"].as_array().expect("a list").iter();
    found
        .map(|one| {
            let kind = one["kind"].as_str().expect("a kind").to_owned();
            (one["seq"].as_u64().expect("a seq"), kind)
        })
        .collect()
}

#[tokio::test]
async fn a_file_is_found_by_its_caption_and_its_name_until_they_change_or_go() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben, mut at_zoe) = (anna.live().await, ben.live().await, zoe.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let blob = anna.upload(PNG).await;
    let body = |caption: &str| json!({ "kind": "image", "blob": blob["blob"], "name": "Hafen 2026.png", "caption": caption });
    let send = json!({ "type": "send", "conversation": group, "body": body("At noon, by the water") });
    let seq = at_anna.act(send).await["seq"].as_u64().expect("a seq");
    at_anna.say(&group, "the water rises").await;
    let image = vec![(seq, "image".to_owned())];
    for device in [&mut at_ben, &mut ben.other_device().await.live().await] {
        assert_eq!(found(device, json!({ "query": "noon" })).await, image);
        assert_eq!(found(device, json!({ "query": "hafen" })).await, image);
        assert_eq!(found(device, json!({ "query": "water 2026" })).await, image);
        assert_eq!(
            found(device, json!({ "query": "water", "kind": "image" })).await,
            image
        );
        let texts = found(device, json!({ "query": "water", "kind": "text" })).await;
        assert_eq!(texts, [(seq + 1, "text".to_owned())]);
    }
    assert_eq!(found(&mut at_zoe, json!({ "query": "hafen" })).await, []);
    let edit =
        json!({ "type": "edit", "conversation": group, "target": seq, "body": body("In the evening") });
    at_anna.act(edit).await;
    assert_eq!(found(&mut at_ben, json!({ "query": "noon" })).await, []);
    assert_eq!(found(&mut at_ben, json!({ "query": "evening" })).await, image);
    let recall = json!({ "type": "recall", "conversation": group, "target": seq });
    at_anna.act(recall).await;
    for query in ["evening", "hafen"] {
        assert_eq!(found(&mut at_ben, json!({ "query": query })).await, [], "{query}");
    }
}

#[tokio::test]
async fn a_caption_mentions_and_a_name_does_not() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben, &cyd], json!({ "join": "open" })).await;
    let mut at_ben = ben.live().await;
    let blob = anna.upload(b"a file").await;
    let name = format!("<@{}>", cyd.user);
    let caption = format!("for <@{}>", ben.user);
    let body = json!({ "kind": "file", "blob": blob["blob"], "name": name, "caption": caption });
    at_anna
        .act(json!({ "type": "send", "conversation": group, "body": body }))
        .await;
    let told = at_ben.event_of(&group, "message").await;
    assert_eq!(
        (&told["mentions"], &told["body"]["caption"]),
        (&json!([ben.user]), &json!(caption))
    );
    let mut phone = ben.other_device().await.live().await;
    for live in [&mut at_ben, &mut phone] {
        assert_eq!(row(live, &group).await["unread_mentions"], 1);
    }
    assert_eq!(
        row(&mut cyd.live().await, &group).await.get("unread_mentions"),
        None
    );
    // Everyone at once, where members may not.
    at_anna
        .act(json!({ "type": "update", "conversation": group, "all_mentions": false }))
        .await;
    let own = ben.upload(b"another file").await;
    let body = json!({ "kind": "file", "blob": own["blob"], "name": "a", "caption": "<@all>" });
    let send = json!({ "type": "send", "conversation": group, "body": body });
    assert_eq!(at_ben.refused(send).await, "forbidden");
}
