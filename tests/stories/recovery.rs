//! What comes back: markers after a crash, and a server put back from a copy. What must not live here: damage, which the
//! store's own suite makes.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn a_copy_put_back_begins_a_new_epoch_and_clients_start_from_its_state() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let talk = live.tell(&ben.user, "before the copy").await["conversation"].clone();
    let talk = talk.as_str().expect("a name").to_owned();
    let epoch = live.welcome["epoch"].clone();
    drop(live);
    assert_eq!(server.stop().await, Some(0));
    let copy = std::fs::read(server.data().join("kinglet.db")).expect("the log is there");

    server.restart().await;
    let mut live = anna.live().await;
    assert_eq!(
        live.welcome["epoch"], epoch,
        "an ordinary restart changes nothing"
    );
    live.say(&talk, "after the copy").await;
    let token = live.welcome["resume"].as_str().expect("a token").to_owned();
    drop(live);
    assert_eq!(server.stop().await, Some(0));

    for entry in std::fs::read_dir(server.data()).expect("the data directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::remove_file(path).expect("it can go");
        }
    }
    std::fs::write(server.data().join("kinglet.db"), copy).expect("the copy is put back");
    server.restart().await;
    let back = anna.resume(&token).await;
    assert_ne!(back.welcome["epoch"], epoch);
    assert_eq!(back.welcome["catch_up"], "resync");
}

#[tokio::test]
async fn what_one_sent_stays_read_through_a_crash() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    live.tell(&ben.user, "one").await;
    live.tell(&ben.user, "two").await;
    let group = live.group(&[&ben], json!({})).await;
    server.kill9();
    server.restart().await;
    let listed = anna.live().await.get(json!({ "type": "conversations" })).await;
    for info in listed["conversations"].as_array().expect("a list") {
        assert_eq!(info["unread"], 0, "{info}");
        assert_eq!(info["read_seq"], info["last_seq"], "{info}");
    }
    let listed = ben.live().await.get(json!({ "type": "conversations" })).await;
    for info in listed["conversations"].as_array().expect("a list") {
        let unread = if info["conversation"] == json!(group) {
            0
        } else {
            2
        };
        assert_eq!(info["unread"], unread, "{info}");
    }
}
