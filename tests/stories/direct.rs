//! Two people talk: the first message opens the conversation, acknowledgements outlive a crash, retries never double.
//! What must not live here: groups.

use serde_json::json;

use crate::harness::{Server, id};
use crate::live::{seqs, text_body};

#[tokio::test]
async fn a_message_to_a_user_opens_the_conversation_and_both_get_the_events() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let ack = at_anna.tell(&ben.user, "hello ben").await;
    assert_eq!((&ack["seq"], ack.get("duplicate")), (&json!(1), None));
    let talk = ack["conversation"].as_str().expect("the ack names it").to_owned();
    for live in [&mut at_anna, &mut at_ben] {
        let event = live.event_of(&talk, "message").await;
        assert_eq!(
            (&event["seq"], &event["count"], &event["by"]),
            (&json!(1), &json!(1), &json!(anna.user))
        );
        assert_eq!(event["body"], text_body("hello ben"));
        assert_eq!(event["ts"], ack["ts"]);
    }
    let back = at_ben.tell(&anna.user, "hello anna").await;
    assert_eq!(
        (&back["conversation"], &back["seq"]),
        (&json!(talk), &json!(2)),
        "one conversation per pair"
    );
    at_ben.say(&talk, "how are you?").await;
    for live in [&mut at_anna, &mut at_ben] {
        assert_eq!(live.event_of(&talk, "message").await["seq"], 2);
        assert_eq!(live.event_of(&talk, "message").await["seq"], 3);
    }
    let listed = at_anna.get(json!({ "type": "conversations" })).await;
    let info = &listed["conversations"][0];
    assert_eq!(
        (&info["kind"], &info["peer"]),
        (&json!("direct"), &json!(ben.user))
    );
    let stranger = server.person("zoe").await;
    let code = stranger
        .live()
        .await
        .refused(json!({ "type": "history", "conversation": talk }))
        .await;
    assert_eq!(code, "not_found");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash_and_a_retry_does_not_double_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let send = json!({ "type": "send", "client_id": id(), "to": ben.user, "body": text_body("once") });
    let ack = live.act(send.clone()).await;
    let is_repeat = |answer: &serde_json::Value| {
        assert_eq!(answer["duplicate"], true, "{answer}");
        for key in ["conversation", "seq", "ts"] {
            assert_eq!(answer[key], ack[key], "{answer}");
        }
    };
    is_repeat(&live.act(send.clone()).await);
    let group = live.group(&[&ben], json!({})).await;
    let update = json!({ "type": "update", "client_id": id(), "conversation": group, "title": "renamed" });
    let renamed = live.act(update.clone()).await;

    server.kill9();
    server.restart().await;
    let (mut live, mut at_ben) = (anna.live().await, ben.live().await);
    let page = at_ben
        .get(json!({ "type": "history", "conversation": ack["conversation"] }))
        .await;
    let events = page["events"].as_array().expect("events");
    assert_eq!((seqs(events), &events[0]["body"]), (vec![1], &text_body("once")));
    is_repeat(&live.act(send.clone()).await);
    // The rules would call it `no_change` now; a repeat gets its old answer all the same.
    let again = live.act(update).await;
    assert_eq!(
        (&again["seq"], &again["duplicate"]),
        (&renamed["seq"], &json!(true))
    );

    let mut other = send.clone();
    other["body"] = text_body("something else");
    assert_eq!(live.refused(other).await, "id_reused");
    let phone = anna.other_device().await;
    let ack = phone.live().await.act(send).await;
    assert_eq!(
        (&ack["seq"], ack.get("duplicate")),
        (&json!(2), None),
        "another device has ids of its own"
    );
}

#[tokio::test]
async fn two_first_messages_at_once_make_one_conversation() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let (one, other) = tokio::join!(
        at_anna.tell(&ben.user, "me first"),
        at_ben.tell(&anna.user, "no, me")
    );
    assert_eq!(one["conversation"], other["conversation"]);
    let mut given = [one["seq"].as_u64(), other["seq"].as_u64()];
    given.sort_unstable();
    assert_eq!(given, [Some(1), Some(2)]);
    for live in [&mut at_anna, &mut at_ben] {
        assert_eq!(
            (
                live.event().await["seq"].as_u64(),
                live.event().await["seq"].as_u64()
            ),
            (Some(1), Some(2))
        );
    }
}

#[tokio::test]
async fn one_may_write_to_oneself_and_send_opaque_bytes_and_answer_a_message() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let note = live.tell(&anna.user, "do not forget").await;
    assert_eq!(live.event().await["conversation"], note["conversation"]);
    let opaque = json!({ "kind": "opaque", "data": "AAECAwQ=" });
    let ack = live
        .act(json!({ "type": "send", "to": ben.user, "body": opaque }))
        .await;
    let talk = ack["conversation"].as_str().expect("a name").to_owned();
    assert_eq!(live.event_of(&talk, "message").await["body"], opaque);
    let answer =
        json!({ "type": "send", "conversation": talk, "body": text_body("see above"), "reply_to": 1 });
    live.act(answer.clone()).await;
    assert_eq!(live.event_of(&talk, "message").await["reply_to"], 1);
    let mut nowhere = answer;
    nowhere["reply_to"] = json!(99);
    nowhere["client_id"] = json!(id());
    assert_eq!(live.refused(nowhere).await, "not_found");
    let both = json!({ "type": "send", "to": ben.user, "conversation": talk, "body": text_body("where?") });
    assert_eq!(live.refused(both).await, "bad_request");
    let nobody = json!({ "type": "send", "to": "u0000000000", "body": text_body("anyone?") });
    assert_eq!(live.refused(nobody).await, "not_found");
}
