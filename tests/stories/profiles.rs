//! A changed profile is heard by all who are connected, whoever it is of. What must not live here: who may change what of
//! whom (see `people`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id};
use crate::live::Live;

const WITHIN: Duration = Duration::from_secs(1);

/// What is heard of somebody next, and that it comes in time.
async fn heard(live: &mut Live, of: &Person, since: Instant) -> Value {
    let told = live.told_of(|one| one["user"] == of.user.as_str()).await;
    assert!(
        since.elapsed() < WITHIN,
        "{}: {:?}",
        live.who.name,
        since.elapsed()
    );
    told
}

#[tokio::test]
async fn a_changed_profile_is_heard_by_all_also_while_its_owner_is_away() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    // Ben shares a conversation with Anna, Cyd none; Anna herself is not connected.
    anna.live().await.tell(&ben.user, "hi").await;
    let (mut at_ben, mut at_cyd) = (ben.live().await, cyd.live().await);
    let of = |act: &str| format!("/api/v1/users/{}/{act}", anna.user);
    for (path, body, field, value) in [
        (of("disable"), json!({}), "disabled", json!(true)),
        (of("enable"), json!({}), "disabled", Value::Null),
        (of("role"), json!({ "role": "admin" }), "role", json!("admin")),
    ] {
        let since = Instant::now();
        owner.post(&path, &body).await.json(200);
        for live in [&mut at_ben, &mut at_cyd] {
            assert_eq!(heard(live, &anna, since).await[field], value, "{path}");
        }
    }
    let again = json!({ "name": "anna", "password": PASSWORD, "device": crate::harness::new_device() });
    let reply = server.world.post("/api/v1/sign-in", None, &again).await;
    let anna = Person::from(&server.world, &reply.json(200));
    let since = Instant::now();
    let method = hyper::Method::PATCH;
    let body = json!({ "display_name": "Anna A." }).to_string();
    let changed = anna
        .world
        .request(method, "/api/v1/profile", Some(&anna.token), Some(body));
    changed.await.json(200);
    for live in [&mut at_ben, &mut at_cyd] {
        assert_eq!(heard(live, &anna, since).await["display_name"], "Anna A.");
    }
    // Once, though Ben has two conversations with her by now.
    at_ben.group(&[&anna], json!({})).await;
    let since = Instant::now();
    let leaving = json!({ "client_id": id(), "password": PASSWORD });
    let left = owner.post(&of("deactivate"), &leaving).await;
    assert_eq!(left.status, 200, "{}", left.text);
    for live in [&mut at_ben, &mut at_cyd] {
        assert_eq!(heard(live, &anna, since).await["deactivated"], true);
        let more: Vec<Value> = live.settle_all().await;
        let again = more
            .iter()
            .any(|frame| frame["type"] == "user" && frame["user"] == json!(anna.user));
        assert!(!again, "told twice: {more:?}");
    }
    // Who comes later hears nothing of it; it has asked.
    let mut later = cyd.other_device().await.live().await;
    let all = later.settle_all().await;
    assert!(all.iter().all(|frame| frame["type"] != "user"), "{all:?}");
}
