//! Edits, recalls, reactions: what is said later about a message. What must not live here: reading markers.

use serde_json::{Value, json};

use crate::harness::{Server, id};
use crate::live::{seqs, text_body};

fn kinds(events: &Value) -> Vec<&str> {
    events
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect()
}

#[tokio::test]
async fn an_edit_and_reactions_are_events_and_annotate_history() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let talk = at_anna.tell(&ben.user, "helo").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    at_anna.say(&talk, "second").await;
    let edit = json!({ "type": "edit", "conversation": talk, "target": 1, "body": text_body("hello") });
    assert_eq!(
        at_ben.refused(edit.clone()).await,
        "forbidden",
        "not ben's message"
    );
    at_anna.act(edit).await;
    let react = |remove: bool| json!({ "type": "react", "conversation": talk, "target": 1, "emoji": "👍", "remove": remove });
    at_ben.act(react(false)).await;
    at_ben.act(react(true)).await;
    for live in [&mut at_anna, &mut at_ben] {
        live.event_of(&talk, "message").await;
        live.event_of(&talk, "message").await;
        let edited = live.event_of(&talk, "edited").await;
        assert_eq!(
            (&edited["target"], &edited["body"]),
            (&json!(1), &text_body("hello"))
        );
        assert_eq!(edited["count"], 2, "an edit is no message");
        let reaction = live.event_of(&talk, "reaction").await;
        assert_eq!(
            (&reaction["emoji"], reaction.get("removed")),
            (&json!("👍"), None)
        );
        assert_eq!(live.event_of(&talk, "reaction").await["removed"], true);
    }
    let page = at_ben
        .get(json!({ "type": "history", "conversation": talk, "after": 0, "limit": 1 }))
        .await;
    assert_eq!(
        (kinds(&page["events"]), &page["more"]),
        (vec!["message"], &json!(true))
    );
    assert_eq!(kinds(&page["annotations"]), ["edited", "reaction", "reaction"]);
    assert_eq!(page["last_seq"], 5);
    let nothing = json!({ "type": "react", "conversation": talk, "target": 3, "emoji": "👍" });
    assert_eq!(
        at_ben.refused(nothing).await,
        "not_found",
        "an edit is no message to react to"
    );
}

#[tokio::test]
async fn a_recalled_message_leaves_a_tombstone_and_its_text_is_nowhere() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let (secret, edited) = ("xylophone-canary-one", "xylophone-canary-two");
    let group = at_anna.group(&[&ben, &cyd], json!({})).await;
    let send = json!({ "type": "send", "client_id": id(), "conversation": group, "body": text_body(secret) });
    let ack = at_anna.act(send.clone()).await;
    at_anna
        .act(json!({ "type": "edit", "conversation": group, "target": 2, "body": text_body(edited) }))
        .await;
    let before = at_ben.welcome["resume"].as_str().expect("a token").to_owned();
    at_ben.event_of(&group, "created").await;
    assert_eq!(
        at_ben.event_of(&group, "message").await["body"],
        text_body(secret)
    );
    at_ben.event_of(&group, "edited").await;
    let recall = json!({ "type": "recall", "conversation": group, "target": 2 });
    assert_eq!(at_ben.refused(recall.clone()).await, "forbidden");
    at_anna.act(recall.clone()).await;
    assert_eq!(at_ben.event_of(&group, "recalled").await["target"], 2);
    assert_eq!(at_anna.refused(recall).await, "erased");

    let is_clean = |text: &str| {
        assert!(
            !text.contains("xylophone-canary"),
            "the text is still told: {text}"
        )
    };
    // One who comes later, from the tail in memory; one who reads pages; one who starts anew after a crash.
    let mut late = ben.resume(&before).await;
    let events = late.settle().await;
    assert_eq!(seqs(&events), [1, 2, 3, 4]);
    assert_eq!(
        (&events[1]["erased"], &events[2]["erased"]),
        (&json!(true), &json!(true))
    );
    is_clean(&format!("{events:?}"));
    let history = json!({ "type": "history", "conversation": group });
    let page = at_ben.get(history.clone()).await;
    assert_eq!(page["events"][1]["erased"], true);
    is_clean(&page.to_string());
    server.kill9();
    server.restart().await;
    let page = cyd.live().await.get(history).await;
    assert_eq!(
        kinds(&page["events"]),
        ["created", "message", "edited", "recalled"]
    );
    is_clean(&page.to_string());
    let mut at_anna = anna.live().await;
    let again = at_anna.act(send.clone()).await;
    assert_eq!(
        (&again["seq"], &again["erased"]),
        (&ack["seq"], &json!(true)),
        "a retry is told that it was erased"
    );
    assert_eq!(server.stop().await, Some(0));
    for entry in std::fs::read_dir(server.data())
        .expect("the data directory")
        .flatten()
    {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            is_clean(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[tokio::test]
async fn an_admin_recalls_anyones_message_and_the_setting_bounds_the_senders_own_time() {
    let mut server = Server::with(&[("KINGLET_MESSAGES_RECALL_MINUTES", "60")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    at_ben.say(&group, "one").await;
    at_ben.say(&group, "two").await;
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": 2 }))
        .await;
    at_ben
        .act(json!({ "type": "recall", "conversation": group, "target": 3 }))
        .await;
    let edit = json!({ "type": "edit", "conversation": group, "target": 2, "body": text_body("no") });
    assert_eq!(at_ben.refused(edit).await, "erased");
    let react = json!({ "type": "react", "conversation": group, "target": 3, "emoji": "👍" });
    assert_eq!(at_ben.refused(react).await, "erased");
}
