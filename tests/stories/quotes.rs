//! What is quoted, said again, and said before: single events, forwarding, versions. What must not live here: pages in
//! order.

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{Server, id};
use crate::live::{seqs, text_body};

fn texts(events: &Value) -> Vec<&str> {
    let all = events.as_array().expect("events").iter();
    all.map(|event| event["body"]["text"].as_str().unwrap_or("-"))
        .collect()
}

#[tokio::test]
async fn a_quote_is_asked_for_and_is_only_what_one_may_see() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[], json!({})).await;
    at_anna.say(&group, "before ben").await;
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [ben.user] }))
        .await;
    at_anna.say(&group, "helo").await;
    at_anna.say(&group, "other").await;
    let edit =
        |words: &str| json!({ "type": "edit", "conversation": group, "target": 4, "body": text_body(words) });
    at_anna.act(edit("hello")).await;
    at_anna.act(edit("hello, ben")).await;
    let ask = |seqs: Value| json!({ "type": "events", "conversation": group, "seqs": seqs });
    let mut at_ben = ben.live().await;
    let answer = at_ben.get(ask(json!([5, 4, 2, 99, 4, 0]))).await;
    assert_eq!(seqs(answer["events"].as_array().expect("events")), [4, 5]);
    assert_eq!(texts(&answer["edits"]), ["hello, ben"], "the newest: {answer}");
    assert_eq!(answer["more"], false);
    assert_eq!(
        texts(&at_anna.get(ask(json!([2]))).await["events"]),
        ["before ben"]
    );

    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": 4 }))
        .await;
    let answer = at_ben.get(ask(json!([4]))).await;
    assert_eq!(answer["events"][0]["erased"], true, "{answer}");
    assert_eq!(answer.get("edits"), None, "nothing of it is left: {answer}");

    assert_eq!(zoe.live().await.refused(ask(json!([4]))).await, "not_found");
    assert_eq!(at_ben.refused(ask(json!([]))).await, "bad_request");
    let many: Vec<usize> = (1..=limits::EVENTS_ASKED + 1).collect();
    assert_eq!(at_ben.refused(ask(json!(many))).await, "bad_request");
    at_ben.get(ask(json!(many[1..]))).await;
    let large = "x".repeat(limits::BODY_BYTES);
    let mut long = Vec::new();
    for _ in 0..10 {
        long.push(at_anna.say(&group, &large).await["seq"].clone());
    }
    let answer = at_ben.get(ask(json!(long))).await;
    let got = answer["events"].as_array().expect("events").len();
    assert!(answer["more"] == true && (1..10).contains(&got), "{got} events");
    let rest = at_ben.get(ask(json!(long[got..]))).await;
    assert_eq!(rest["events"].as_array().expect("events").len(), 10 - got);
}

#[tokio::test]
async fn the_versions_of_a_message_are_told_until_it_is_recalled() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    at_anna.say(&group, "one").await;
    at_ben
        .act(json!({ "type": "react", "conversation": group, "target": 2, "emoji": "👍" }))
        .await;
    for words in ["two", "three"] {
        at_anna
            .act(json!({ "type": "edit", "conversation": group, "target": 2, "body": text_body(words) }))
            .await;
    }
    let ask = json!({ "type": "edits", "conversation": group, "target": 2 });
    let page = at_ben.get(ask.clone()).await;
    assert_eq!(texts(&page["versions"]), ["one", "two", "three"]);
    assert!(
        page["versions"][1]["ts"].is_u64() && page["more"] == false,
        "{page}"
    );
    let with = |limit: u64, after: Option<u64>| {
        let mut ask = ask.clone();
        ask["limit"] = json!(limit);
        if let Some(after) = after {
            ask["after"] = json!(after);
        }
        ask
    };
    let page = at_ben.get(with(2, None)).await;
    assert_eq!(
        (texts(&page["versions"]), &page["more"]),
        (vec!["one", "two"], &json!(true))
    );
    let page = at_ben.get(with(2, Some(4))).await;
    assert_eq!(
        (texts(&page["versions"]), &page["more"]),
        (vec!["three"], &json!(false))
    );
    assert_eq!(at_ben.refused(with(0, None)).await, "bad_request");
    assert_eq!(zoe.live().await.refused(ask.clone()).await, "not_found");
    let not_a_message = json!({ "type": "edits", "conversation": group, "target": 3 });
    assert_eq!(at_ben.refused(not_a_message).await, "not_found");
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [zoe.user] }))
        .await;
    assert_eq!(
        zoe.live().await.refused(ask.clone()).await,
        "not_found",
        "zoe came later"
    );
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": 2 }))
        .await;
    assert_eq!(at_ben.refused(ask).await, "erased");
}

#[tokio::test]
async fn what_is_forwarded_is_what_was_said_and_nothing_of_where() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben, mut at_cyd) = (anna.live().await, ben.live().await, cyd.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    at_anna.say(&group, "helo <@all>").await;
    at_anna
        .act(json!({ "type": "edit", "conversation": group, "target": 2, "body": text_body("hello <@all>") }))
        .await;
    let forward = |to: &str, conversation: &str, seq: u64| {
        json!({ "type": "send", "client_id": id(), "to": to,
                "forward_of": { "conversation": conversation, "seq": seq } })
    };
    let first = forward(&cyd.user, &group, 2);
    let ack = at_ben.act(first.clone()).await;
    let told = at_cyd.event().await;
    assert_eq!(
        (&told["body"], &told["forwarded"], &told["by"]),
        (
            &text_body("hello <@all>"),
            &json!({ "by": anna.user }),
            &json!(ben.user)
        ),
        "{told}"
    );
    assert_eq!(
        told.get("mention_all"),
        None,
        "a forwarded message mentions nobody"
    );
    assert!(
        !told.to_string().contains(&group),
        "where it was said is told: {told}"
    );
    let again = at_ben.act(first).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&ack["seq"], &json!(true)));

    // Forwarded once more: still anna's words, and an opaque body goes the same way.
    let talk = ack["conversation"].as_str().expect("a name").to_owned();
    at_cyd.act(forward(&cyd.user, &talk, 1)).await;
    assert_eq!(at_cyd.event().await["forwarded"], json!({ "by": anna.user }));
    let opaque = json!({ "kind": "opaque", "data": "AAECAwQ=" });
    at_ben
        .act(json!({ "type": "send", "conversation": talk, "body": opaque }))
        .await;
    at_cyd.event().await;
    at_cyd.act(forward(&ben.user, &talk, 2)).await;
    let told = at_cyd.event().await;
    assert_eq!(
        (&told["body"], &told["forwarded"]["by"]),
        (&opaque, &json!(ben.user))
    );

    // What one may not see, what is gone, what is no message, and words of one's own beside it.
    assert_eq!(at_cyd.refused(forward(&ben.user, &group, 2)).await, "not_found");
    assert_eq!(at_ben.refused(forward(&cyd.user, &group, 3)).await, "not_found");
    assert_eq!(
        at_ben.refused(forward(&cyd.user, "c0000000001", 1)).await,
        "not_found"
    );
    let mut lie = forward(&cyd.user, &group, 2);
    lie["body"] = text_body("never said");
    assert_eq!(at_ben.refused(lie).await, "bad_request");
    assert_eq!(
        at_ben.refused(json!({ "type": "send", "to": cyd.user })).await,
        "bad_request"
    );
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": 2 }))
        .await;
    assert_eq!(at_ben.refused(forward(&cyd.user, &group, 2)).await, "erased");
    at_anna
        .act(json!({ "type": "kick", "conversation": group, "user": ben.user }))
        .await;
    assert_eq!(at_ben.refused(forward(&cyd.user, &group, 1)).await, "not_found");
    server.kill9();
    server.restart().await;
    let history = json!({ "type": "history", "conversation": talk });
    let page = cyd.live().await.get(history).await;
    assert_eq!(page["events"][0]["forwarded"]["by"], json!(anna.user), "{page}");
    assert_eq!(
        page["events"][0]["body"],
        text_body("hello <@all>"),
        "the copy stays"
    );
}
