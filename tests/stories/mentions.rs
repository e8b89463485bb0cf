//! Mentions: who is meant, who may mean everyone, what is unread of it. What must not live here: replies and threads.

use serde_json::{Value, json};

use crate::harness::{Person, Server};
use crate::live::{Live, text_body};

/// The list's row of a conversation.
pub async fn row(live: &mut Live, conversation: &str) -> Value {
    let listed = live.get(json!({ "type": "conversations" })).await;
    let all = listed["conversations"].as_array().expect("a list");
    all.iter()
        .find(|info| info["conversation"] == conversation)
        .expect("it is listed")
        .clone()
}

/// (unread, unread_mentions) of a conversation.
async fn unread(live: &mut Live, conversation: &str) -> (u64, u64) {
    let row = row(live, conversation).await;
    (
        row["unread"].as_u64().expect("a number"),
        row["unread_mentions"].as_u64().unwrap_or(0),
    )
}

fn at(person: &Person) -> String {
    format!("<@{}>", person.user)
}

#[tokio::test]
async fn a_mention_is_told_counted_and_cleared_on_all_devices() {
    let mut server = Server::start().await;
    let [anna, ben, cyd, zoe] = server.people(["anna", "ben", "cyd", "zoe"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let mut at_ben = ben.live().await;
    let before = at_ben.welcome["resume"].as_str().expect("a token").to_owned();
    let text = format!(
        "`{}` and {}, not {} nor me, {}",
        at(&ben),
        at(&ben),
        at(&zoe),
        at(&anna)
    );
    at_anna.say(&group, &text).await;
    at_anna.say(&group, "nobody <@here>").await;
    let told = at_ben.event_of(&group, "message").await;
    assert_eq!(told["mentions"], json!([ben.user]), "{told}");
    assert_eq!(told["body"], text_body(&text), "the text is as it was sent");
    let plain = at_ben.event_of(&group, "message").await;
    assert_eq!((plain.get("mentions"), plain.get("mention_all")), (None, None));

    // Read from the log, by one who was away and by one who asks for a page.
    let mut phone = ben.other_device().await.resume(&before).await;
    let missed = phone.event_of(&group, "message").await;
    assert_eq!(missed, told);
    assert_eq!(unread(&mut phone, &group).await, (2, 1));
    let mut at_cyd = cyd.live().await;
    assert_eq!(unread(&mut at_cyd, &group).await, (2, 0), "not meant");
    let synced = phone.get(json!({ "type": "sync" })).await;
    let own = synced["conversations"].as_array().expect("a list").iter();
    let own: Vec<_> = own.filter(|row| row["conversation"] == group).collect();
    assert_eq!(own[0]["unread_mentions"], 1, "{synced}");

    at_ben
        .get(json!({ "type": "mark_read", "conversation": group, "seq": told["seq"] }))
        .await;
    assert_eq!(unread(&mut phone, &group).await, (1, 0), "read is read");
    server.kill9();
    server.restart().await;
    at_anna = anna.live().await;
    at_anna.say(&group, &at(&cyd)).await;
    let again = at_anna
        .get(json!({ "type": "history", "conversation": group }))
        .await;
    assert_eq!(
        again["events"][1]["mentions"],
        json!([ben.user]),
        "after a restart"
    );
    let recalled = json!({ "type": "recall", "conversation": group, "target": 4 });
    let mut at_cyd = cyd.live().await;
    assert_eq!(unread(&mut at_cyd, &group).await, (3, 1));
    at_anna.act(recalled).await;
    assert_eq!(
        unread(&mut at_cyd, &group).await,
        (3, 0),
        "what was recalled means nobody"
    );
}

#[tokio::test]
async fn everyone_is_mentioned_by_those_who_may() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let all =
        |group: &str| json!({ "type": "send", "conversation": group, "body": text_body("<@all> look") });
    at_ben.act(all(&group)).await;
    at_cyd.event_of(&group, "created").await;
    let told = at_cyd.event_of(&group, "message").await;
    assert_eq!(told["mention_all"], true, "{told}");
    assert_eq!(unread(&mut at_cyd, &group).await, (1, 1));
    assert_eq!(unread(&mut at_anna, &group).await, (1, 1));
    assert_eq!(unread(&mut at_ben, &group).await, (0, 0), "one's own is read");
    at_ben.say(&group, &format!("<@all> and {}", at(&cyd))).await;
    assert_eq!(
        unread(&mut at_cyd, &group).await,
        (2, 2),
        "meant twice, counted once"
    );

    assert_eq!(row(&mut at_anna, &group).await["all_mentions"], true);
    let set = |on: bool| json!({ "type": "update", "conversation": group, "all_mentions": on });
    assert_eq!(at_ben.refused(set(false)).await, "forbidden");
    assert_eq!(at_anna.refused(set(true)).await, "no_change");
    at_anna.act(set(false)).await;
    at_cyd.event_of(&group, "message").await;
    assert_eq!(at_cyd.event_of(&group, "updated").await["all_mentions"], false);
    assert_eq!(at_ben.refused(all(&group)).await, "forbidden");
    at_anna.act(all(&group)).await;
    server.kill9();
    server.restart().await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    assert_eq!(
        at_ben.refused(all(&group)).await,
        "forbidden",
        "the setting outlives a crash"
    );
    assert_eq!(row(&mut at_anna, &group).await.get("all_mentions"), None);

    let channel = at_anna.group(&[&ben], json!({ "kind": "channel" })).await;
    assert_eq!(row(&mut at_anna, &channel).await.get("all_mentions"), None);
    at_anna.act(all(&channel)).await;
    let direct = at_anna.tell(&ben.user, "<@all>").await["conversation"].clone();
    assert_eq!(
        unread(&mut at_ben, direct.as_str().expect("a name")).await,
        (1, 1)
    );
    let many: String = (0..51).map(|at| format!("<@u00000000{at:02}>")).collect();
    let many = json!({ "type": "send", "conversation": group, "body": text_body(&many) });
    assert_eq!(at_anna.refused(many).await, "bad_request");
}
