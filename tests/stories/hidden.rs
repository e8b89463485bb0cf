//! What somebody has deleted for themselves is given to none of their devices any more, by whatever way. What must not live
//! here: pages of history and what is saved (see `personal`).

use serde_json::{Value, json};

use crate::harness::{Person, Server};
use crate::live::{Live, seqs, text_body};
use crate::personal::keep;

/// The seqs of a conversation that are streamed to a device from a token on, and that a poll gives it.
async fn streamed(who: &Person, token: &Value, talk: &str) -> Vec<u64> {
    let token = token.as_str().expect("a token");
    let mut live = who.resume(token).await;
    assert_eq!(live.welcome["catch_up"], "streaming");
    let mut events = live.settle().await;
    events.retain(|event| event["conversation"] == talk);
    live.close().await;
    let polled = who.get(&format!("/api/v1/sync?after={token}")).await.json(200);
    let mut polled = polled["events"].as_array().expect("events").clone();
    polled.retain(|event| event["conversation"] == talk);
    assert_eq!(seqs(&events), seqs(&polled), "the poll differs");
    seqs(&events)
}

async fn asked(live: &mut Live, question: Value) -> Vec<u64> {
    let page = live.get(question).await;
    seqs(page["events"].as_array().expect("events"))
}

#[tokio::test]
async fn what_is_hidden_does_not_come_to_a_device_that_was_away() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let (mut desk, at_phone, mut at_ben) = (anna.live().await, phone.live().await, ben.live().await);
    let token = at_phone.welcome["resume"].clone();
    let of_ben = at_ben.welcome["resume"].clone();
    at_phone.close().await;
    let talk = at_ben.tell(&anna.user, "one").await["conversation"].clone();
    let talk = talk.as_str().expect("an id");
    at_ben.say(talk, "https://two.example.org").await;
    at_ben.say(talk, "three").await;
    let about = |kind: &str, target: u64| json!({ "type": kind, "conversation": talk, "target": target });
    let mut edit = about("edit", 2);
    edit["body"] = text_body("https://second.example.org");
    at_ben.act(edit).await;
    for target in [2, 3] {
        let mut react = about("react", target);
        react["emoji"] = json!("👍");
        at_ben.act(react).await;
    }
    let mut in_thread =
        json!({ "type": "send", "conversation": talk, "thread": 1, "body": text_body("in it") });
    assert_eq!(at_ben.act(in_thread.clone()).await["seq"], 7);
    in_thread["body"] = text_body("in it, too");
    assert_eq!(at_ben.act(in_thread).await["seq"], 8);
    assert_eq!(streamed(&phone, &token, talk).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    let hide =
        |seq: u64, value: bool| json!({ "key": "hidden", "conversation": talk, "seq": seq, "value": value });
    for seq in [2, 7] {
        keep(&mut desk, hide(seq, true)).await;
    }
    // Out of memory, then out of the store.
    for restarted in [false, true] {
        if restarted {
            server.kill9();
            server.restart().await;
            (desk, at_ben) = (anna.live().await, ben.live().await);
        }
        assert_eq!(streamed(&phone, &token, talk).await, [1, 3, 6, 8], "{restarted}");
        assert_eq!(streamed(&ben, &of_ben, talk).await, [1, 2, 3, 4, 5, 6, 7, 8]);
        let at = |kind: &str| json!({ "type": kind, "conversation": talk });
        let mut events = at("events");
        events["seqs"] = json!([1, 2, 3]);
        let mut thread = at("thread");
        thread["thread"] = json!(1);
        for (question, shown, others) in [
            (events, vec![1, 3], vec![1, 2, 3]),
            (thread, vec![8], vec![7, 8]),
            (at("links"), vec![], vec![2]),
        ] {
            assert_eq!(asked(&mut desk, question.clone()).await, shown, "{question}");
            assert_eq!(asked(&mut at_ben, question.clone()).await, others, "{question}");
        }
    }
    keep(&mut desk, hide(2, false)).await;
    assert_eq!(streamed(&phone, &token, talk).await, [1, 2, 3, 4, 5, 6, 8]);
}

/// The answer to the `set` is the line: what is delivered after it is without the message.
#[tokio::test]
async fn what_is_hidden_while_a_device_is_behind_does_not_come_to_it() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let mut desk = anna.live().await;
    let talk = desk.tell(&ben.user, "one").await["conversation"].clone();
    let talk = talk.as_str().expect("an id").to_owned();
    let mut slow = phone.narrow().await;
    slow.settle().await;
    // More than the buffers between hold; then one to hide.
    crate::resume::flood(&[ben.clone()], &talk, 40, &"b".repeat(30_000)).await;
    let last = desk.say(&talk, "not this").await["seq"].clone();
    let hide = json!({ "key": "hidden", "conversation": talk, "seq": last, "value": true });
    keep(&mut desk, hide).await;
    let after = desk.say(&talk, "but this").await["seq"].as_u64().expect("a seq");
    let mut events = slow.settle().await;
    events.retain(|event| event["conversation"] == talk);
    let got = seqs(&events);
    assert_eq!(got.last(), Some(&after));
    assert!(got.iter().all(|seq| json!(seq) != last), "{got:?}");
}
