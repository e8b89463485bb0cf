//! Those who cannot hold a WebSocket: the same words over plain requests, through the same door. What must not live here:
//! accounts.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Person, Server, id};
use crate::limits::{knocks, knocks_until_served};
use crate::live::{seqs, text_body};

impl Person {
    async fn command(&self, request: Value) -> Value {
        let reply = self.post("/api/v1/commands", &request).await;
        serde_json::from_str(&reply.text).unwrap_or_else(|error| panic!("{error}: {}", reply.text))
    }

    pub async fn poll(&self, after: &str, wait: u64) -> Value {
        self.get(&format!("/api/v1/sync?after={after}&wait={wait}"))
            .await
            .json(200)
    }
}

#[tokio::test]
async fn plain_requests_do_and_deliver_the_same() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let first = ben.get("/api/v1/sync").await.json(200);
    assert_eq!(
        (&first["catch_up"], &first["events"]),
        (&json!("sync"), &json!([]))
    );
    let start = first["resume"].as_str().expect("a token").to_owned();

    let send =
        json!({ "id": 7, "type": "send", "client_id": id(), "to": anna.user, "body": text_body("by post") });
    let ack = ben.command(send.clone()).await;
    assert_eq!(
        (&ack["re"], &ack["type"], &ack["seq"]),
        (&json!(7), &json!("ack"), &json!(1))
    );
    let talk = ack["conversation"].as_str().expect("a name").to_owned();
    let told = at_anna.event_of(&talk, "message").await;
    at_anna.say(&talk, "by socket").await;
    let polled = ben.poll(&start, 0).await;
    let events = polled["events"].as_array().expect("events");
    assert_eq!(
        (seqs(events), &events[0]),
        (vec![1, 2], &told),
        "the very same event over both doors"
    );
    assert_eq!(polled["catch_up"], "streaming");
    let here = polled["resume"].as_str().expect("a token").to_owned();

    // A poll that waits is answered by what happens meanwhile, long before its time is over.
    let since = Instant::now();
    let (waited, _) = tokio::join!(ben.poll(&here, 25), async {
        at_anna.settle().await;
        at_anna.say(&talk, "are you there?").await
    });
    assert_eq!(seqs(waited["events"].as_array().expect("events")), [3]);
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let here = waited["resume"].as_str().expect("a token").to_owned();
    let nothing = ben.poll(&here, 1).await;
    assert_eq!(
        (&nothing["events"], &nothing["catch_up"]),
        (&json!([]), &json!("streaming"))
    );
    assert_eq!(ben.poll("nonsense", 0).await["catch_up"], "resync");

    // One client id, two doors, one message.
    let mut live = ben.live().await;
    let mut again = send.clone();
    again.as_object_mut().expect("an object").remove("id");
    let repeat = live.act(again).await;
    assert_eq!((&repeat["seq"], &repeat["duplicate"]), (&json!(1), &json!(true)));
    let twice = live.tell(&anna.user, "fourth").await;
    assert_eq!(twice["seq"], 4);
    let page = ben
        .get(&format!("/api/v1/conversations/{talk}/events?after=1&limit=2"))
        .await
        .json(200);
    assert_eq!(
        (seqs(page["events"].as_array().expect("events")), &page["more"]),
        (vec![2, 3], &json!(true))
    );
    // A token from one door opens the other.
    let mut resumed = ben.resume(&here).await;
    assert_eq!(seqs(&resumed.settle().await), [4]);
}

#[tokio::test]
async fn plain_requests_are_refused_like_frames() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let reply = anna
        .post("/api/v1/commands", &json!({ "id": 1, "type": "dance" }))
        .await;
    assert_eq!((reply.status, reply.refused().as_str()), (400, "unknown_type"));
    let history = json!({ "id": 2, "type": "history", "conversation": "c0000000001" });
    let reply = anna.post("/api/v1/commands", &history).await;
    assert_eq!((reply.status, reply.refused().as_str()), (404, "not_found"));
    assert_eq!(serde_json::from_str::<Value>(&reply.text).expect("JSON")["re"], 2);
    let hello = json!({ "id": 3, "type": "hello", "token": anna.token });
    assert_eq!(
        anna.post("/api/v1/commands", &hello).await.refused(),
        "bad_request"
    );
    let reply = server.world.post("/api/v1/commands", None, &history).await;
    assert_eq!((reply.status, reply.refused().as_str()), (401, "not_signed_in"));
    let reply = server
        .world
        .post("/api/v1/commands", Some("kt_nonsense"), &history)
        .await;
    assert_eq!((reply.status, reply.refused().as_str()), (401, "signed_out"));
}

#[tokio::test]
async fn a_revoked_device_loses_its_waiting_poll() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let other = anna.other_device().await;
    let start = anna.get("/api/v1/sync").await.json(200)["resume"]
        .as_str()
        .expect("a token")
        .to_owned();
    let path = format!("/api/v1/sync?after={start}&wait=25");
    let (polled, since) = tokio::join!(anna.get(&path), async {
        // The poll is attached once the other device hears that the user is connected; either order ends the same.
        assert_eq!(
            other
                .delete(&format!("/api/v1/devices/{}", anna.device))
                .await
                .status,
            204
        );
        Instant::now()
    });
    assert_eq!(polled.refused(), "signed_out");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_users_bucket_is_one_whichever_door_they_come_by() {
    let mut server = Server::with(&[("KINGLET_LIMITS_PACE", "1")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let create =
        |re: u64| json!({ "id": re, "type": "create", "client_id": id(), "kind": "group", "title": "g" });
    let burst = limits::BUCKET_CHANGE.burst as usize;
    let mut live = anna.live().await;
    let mut asked = Vec::new();
    for _ in 0..burst {
        asked.push(live.post(create(0)).await);
    }
    for re in asked {
        live.answer(re).await;
    }
    // A bucket of its own would let the other door, and the other device, through as often again.
    let other = anna.other_device().await;
    // All at once: a slow machine that asked one by one would be given new tokens meanwhile.
    for person in [&anna, &other] {
        let asks: Vec<_> = (0..burst / 2).map(|_| create(7)).collect();
        let replies = asks.iter().map(|ask| person.post("/api/v1/commands", ask));
        let replies = join_all(replies).await;
        let refused = replies.iter().find(|reply| reply.status != 200);
        let refused = refused.expect("there is one bucket, not one for each door or device");
        assert_eq!(
            (refused.status, refused.refused().as_str()),
            (429, "rate_limited")
        );
        assert_eq!(refused.headers["retry-after"], "1");
    }
    let theirs = ben.post("/api/v1/commands", &create(8)).await;
    assert_eq!(theirs.status, 200, "another user has their own: {}", theirs.text);
    // And the other way round: what plain requests took is gone for the socket.
    let group = ben.live().await.group(&[], json!({})).await;
    let update =
        |_| json!({ "id": 9, "type": "update", "client_id": id(), "conversation": group, "title": id() });
    let updates: Vec<_> = (0..burst).map(update).collect();
    let mut at_ben = ben.live().await;
    let replies = updates.iter().map(|update| ben.post("/api/v1/commands", update));
    join_all(replies).await;
    let mut asked = Vec::new();
    for _ in 0..burst / 2 {
        asked.push(at_ben.post(create(0)).await);
    }
    let mut refused = 0;
    for re in asked {
        refused += usize::from(at_ben.answer(re).await["error"]["code"] == "rate_limited");
    }
    assert!(refused > 0, "the socket has a bucket of its own");
}

#[tokio::test]
async fn a_waiting_poll_is_no_stranger() {
    let mut server = Server::with(&[("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "5000")]).await;
    let people = server.people(["anna", "ben", "cyd", "dan", "eve", "fay"]).await;
    let start = people[0].get("/api/v1/sync").await.json(200)["resume"].clone();
    let path = format!("/api/v1/sync?after={}&wait=25", start.as_str().expect("a token"));
    let polls = join_all(people.iter().map(|person| person.get(&path)));
    let strangers = async {
        let deadline = Instant::now() + PATIENCE;
        while server.metric("kinglet_users_online").await < people.len() as f64 {
            assert!(Instant::now() < deadline, "the polls do not wait");
        }
        let mut open = Vec::new();
        // All but one of the strangers' places, which is for the knocking.
        for _ in 1..limits::CONNECTIONS_UNSIGNED {
            let stranger = tokio::net::TcpStream::connect(server.world.address()).await;
            open.push(stranger.expect("the server listens"));
        }
        knocks(&server)
            .await
            .expect("polls do not count among the strangers");
        let last = tokio::net::TcpStream::connect(server.world.address()).await;
        open.push(last.expect("the server listens"));
        let full = knocks(&server).await.expect_err("no more strangers");
        assert!(
            full.0 == 503 && full.1.contains("too_many_connections"),
            "{}",
            full.1
        );
        drop(open);
        knocks_until_served(&server).await;
    };
    // How the polls end is no matter here; they only have to wait longer than the strangers take.
    tokio::select! {
        _ = polls => panic!("the polls ended first"),
        () = strangers => {}
    }
}

#[tokio::test]
async fn pages_over_http_are_compressed() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let talk = live.tell(&anna.user, &"again and ".repeat(1_000)).await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    let request = hyper::Request::get(format!("/api/v1/conversations/{talk}/events"))
        .header("authorization", format!("Bearer {}", anna.token))
        .header("accept-encoding", "gzip");
    let reply = server
        .world
        .send(request.body(String::new()).expect("a request"))
        .await;
    assert_eq!(
        (reply.status, &reply.headers["content-encoding"]),
        (200, &hyper::header::HeaderValue::from_static("gzip"))
    );
    assert!(reply.bytes.len() < 1_000, "{} bytes", reply.bytes.len());
    assert_eq!(reply.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_waiting_poll_is_told_that_the_server_stops_and_keeps_its_token() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    // Somebody who cannot hold a socket may still say that they write, though nobody is there to hear it.
    let send =
        json!({ "id": 1, "type": "send", "client_id": id(), "to": ben.user, "body": text_body("hello") });
    let talk = anna.command(send).await["conversation"].clone();
    let typing = anna
        .command(json!({ "id": 2, "type": "typing", "conversation": talk, "on": true }))
        .await;
    assert_eq!(typing["type"], "ok", "{typing}");

    let token = anna.get("/api/v1/sync").await.json(200)["resume"].clone();
    // An answer may be there before the bells for its event have been rung: then this poll has it, else there is nothing.
    let token = anna.poll(token.as_str().expect("a token"), 1).await["resume"].clone();
    let address = format!("/api/v1/sync?after={}&wait=20", token.as_str().expect("a token"));
    let waiting = anna.get(&address);
    let stopping = async {
        while server.metric("kinglet_users_online").await < 1.0 {
            tokio::task::yield_now().await;
        }
        server.signal("TERM");
    };
    let (answer, ()) = tokio::join!(waiting, stopping);
    assert_eq!(answer.json(503)["error"]["code"], "shutting_down");
    assert_eq!(server.exited().await, Some(0));
    server.restart().await;
    assert_eq!(anna.get("/api/v1/profile").await.json(200)["user"], anna.user);
}
