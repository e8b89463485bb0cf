//! A second device, let in by one that is signed in. What must not live here: signing in with a password.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Person, Server, new_device};
use crate::http::Reply;
use crate::people::news;

async fn make(person: &Person) -> Value {
    person.post("/api/v1/devices/code", &json!({})).await.json(200)
}

async fn ask(server: &Server, code: &Value, device: &Value) -> Reply {
    let ask = json!({ "code": code, "device": device });
    server.world.post("/api/v1/pair", None, &ask).await
}

async fn wait_for(server: &Server, ticket: &Value, seconds: u64) -> Reply {
    let ask = json!({ "ticket": ticket, "wait": seconds });
    server.world.post("/api/v1/pair/wait", None, &ask).await
}

async fn confirm(person: &Person, number: &Value) -> Reply {
    let ask = json!({ "number": number });
    person.post("/api/v1/devices/code/confirm", &ask).await
}

fn named(name: &str) -> Value {
    let mut device = new_device();
    device["name"] = json!(name);
    device
}

#[tokio::test]
async fn a_new_device_comes_in_by_a_code_and_a_number_that_both_show() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let made = make(&anna).await;
    let code = made["code"].as_str().expect("a code");
    assert_eq!(code.len(), 9, "eight characters and a dash: {code}");
    let link = made["link"].as_str().expect("a link");
    assert!(
        link.starts_with(&format!("http://{}/pair#", server.world.address())),
        "{link}"
    );
    assert!(
        made["expires_in_ms"]
            .as_u64()
            .is_some_and(|left| left > 200_000 && left <= 300_000)
    );

    // The first device waits, and hears at once that somebody asks.
    let tablet = named("tablet");
    let since = Instant::now();
    let (state, asked) = tokio::join!(
        anna.get("/api/v1/devices/code?wait=20"),
        ask(&server, &made["link"], &tablet)
    );
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let (state, asked) = (state.json(200), asked.json(200));
    let shown = (&state["state"], &state["device_name"], &state["number"]);
    assert_eq!(shown, (&json!("asked"), &json!("tablet"), &asked["number"]));
    let again = ask(&server, &json!(code.to_lowercase()), &tablet).await.json(200);
    assert_eq!(again["number"], asked["number"], "the same device asks again");
    assert_eq!(
        wait_for(&server, &asked["ticket"], 0).await.refused(),
        "link_invalid"
    );
    assert_eq!(
        wait_for(&server, &again["ticket"], 0).await.json(200),
        json!({}),
        "nobody is let in before the confirmation"
    );
    assert_eq!(
        anna.get("/api/v1/devices").await.json(200)["devices"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );

    // The new device waits, and is in at once.
    let since = Instant::now();
    let (paired, confirmed) = tokio::join!(
        wait_for(&server, &again["ticket"], 20),
        confirm(&anna, &asked["number"])
    );
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(confirmed.status, 204, "{}", confirmed.text);
    let first = paired.json(200)["signed_in"].clone();
    assert_eq!(
        (&first["user"], &first["device"]),
        (&json!(anna.user), &tablet["id"])
    );
    let repeat = wait_for(&server, &again["ticket"], 0).await.json(200)["signed_in"].clone();
    let at_tablet = Person::from(&server.world, &repeat);
    live.notice("news").await;
    assert_eq!(news(&at_tablet).await, ["device_added"], "a repeat is not told");
    assert_eq!(anna.get("/api/v1/devices/code").await.json(200)["state"], "done");
    at_tablet.live().await.settle().await;
    let old = Person::from(&server.world, &first);
    assert_eq!(
        old.get("/api/v1/profile").await.refused(),
        "signed_out",
        "a repeat replaces the token"
    );
}

#[tokio::test]
async fn a_code_lets_one_device_in_and_only_by_the_hand_that_made_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let first = make(&anna).await;
    let made = make(&anna).await;
    let guesses = [first["code"].clone(), json!("ZZZZ-ZZZZ"), json!(""), json!("?")];
    let mut answers = Vec::new();
    for code in &guesses {
        answers.push(ask(&server, code, &new_device()).await.text);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].contains("link_invalid"), "{}", answers[0]);
    let asked = ask(&server, &made["code"], &named("mine")).await.json(200);
    assert_eq!(
        ask(&server, &made["code"], &named("a thief's")).await.refused(),
        "link_invalid"
    );

    // Neither another person nor another device of one's own confirms, and a wrong number ends it.
    for other in [&ben, &phone] {
        assert_eq!(confirm(other, &asked["number"]).await.refused(), "link_invalid");
        assert_eq!(other.get("/api/v1/devices/code").await.refused(), "link_invalid");
        assert_eq!(other.delete("/api/v1/devices/code").await.status, 204);
    }
    assert_eq!(wait_for(&server, &asked["ticket"], 0).await.json(200), json!({}));
    assert_eq!(confirm(&anna, &json!("none")).await.refused(), "link_invalid");
    assert_eq!(confirm(&anna, &asked["number"]).await.refused(), "link_invalid");
    assert_eq!(
        wait_for(&server, &asked["ticket"], 20).await.refused(),
        "link_invalid"
    );

    // Taken back while the new device waits.
    let made = make(&anna).await;
    assert_eq!(
        confirm(&anna, &json!("123")).await.refused(),
        "no_change",
        "nobody has asked yet"
    );
    let asked = ask(&server, &made["code"], &new_device()).await.json(200);
    let (waited, ended) = tokio::join!(
        wait_for(&server, &asked["ticket"], 20),
        anna.delete("/api/v1/devices/code")
    );
    assert_eq!((waited.refused().as_str(), ended.status), ("link_invalid", 204));

    // Who is signed out meanwhile vouches for nobody.
    let made = make(&phone).await;
    let asked = ask(&server, &made["code"], &new_device()).await.json(200);
    assert_eq!(confirm(&phone, &asked["number"]).await.status, 204);
    assert_eq!(phone.post("/api/v1/sign-out", &json!({})).await.status, 204);
    assert_eq!(
        wait_for(&server, &asked["ticket"], 0).await.refused(),
        "link_invalid"
    );
    let ask = json!({ "ticket": asked["ticket"], "wait": 26 });
    let reply = server.world.post("/api/v1/pair/wait", None, &ask).await;
    assert_eq!(reply.refused(), "bad_request");
    let reply = anna.get("/api/v1/devices/code?wait=26").await;
    assert_eq!(reply.refused(), "bad_request");
}

#[tokio::test]
async fn codes_are_limited_in_number() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut made = 0;
    let refused = loop {
        let reply = anna.post("/api/v1/devices/code", &json!({})).await;
        if reply.status != 200 {
            break reply.refused();
        }
        made += 1;
        assert!(made <= kinglet::limits::ACCOUNT_TRIES + 1, "they never run out");
    };
    assert_eq!(
        (made, refused.as_str()),
        (kinglet::limits::ACCOUNT_TRIES, "rate_limited")
    );
}
