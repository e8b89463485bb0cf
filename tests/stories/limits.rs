//! Each limit is reached and its overflow is refused by its own word, while others are served. What must not live here:
//! malformed input.

use std::time::{Duration, Instant};

use kinglet::limits;
use kinglet::proto::UserId;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Server, heavy, id};
use crate::live::{Live, text_body};
use crate::raw::{FIN, PONG, RawSocket, TEXT, exchange, frame, status};

/// A JSON text of this many bytes that is a request of no known type.
pub fn padded(bytes: usize) -> String {
    let head = r#"{"id":1,"type":"dance","pad":""#;
    format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
}

#[tokio::test]
async fn a_frame_before_sign_in_has_four_kibibytes() {
    let server = Server::start().await;
    let mut fits = RawSocket::open(&server.world).await;
    fits.put(&frame(
        FIN | TEXT,
        padded(limits::FRAME_BEFORE_SIGN_IN).as_bytes(),
        true,
    ))
    .await;
    let (code, texts) = fits.end().await;
    assert_eq!(code, Some(4401));
    assert!(
        texts[0].contains("unknown_type") || texts[0].contains("not_signed_in"),
        "{texts:?}"
    );
    let mut over = RawSocket::open(&server.world).await;
    over.put(&frame(
        FIN | TEXT,
        padded(limits::FRAME_BEFORE_SIGN_IN + 1).as_bytes(),
        true,
    ))
    .await;
    assert_eq!(over.end().await.0, Some(1009));
}

#[tokio::test]
async fn a_frame_after_sign_in_has_the_limit_that_welcome_states() {
    let mut server = Server::with(&[("KINGLET_LIMITS_MESSAGE_BYTES", "40000")]).await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    assert_eq!(live.welcome["limits"]["frame_bytes"], 40_000);
    live.text(padded(40_000)).await;
    let answer = live.any_answer().await;
    assert_eq!(answer["error"]["code"], "unknown_type");
    live.text(padded(40_001)).await;
    assert_eq!(live.end().await, Some(1009));
}

#[tokio::test]
async fn a_body_has_its_limit() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    live.tell(&anna.user, &"b".repeat(limits::BODY_BYTES)).await;
    for (body, code) in [
        ("b".repeat(limits::BODY_BYTES + 1), "too_large"),
        (String::new(), "bad_request"),
    ] {
        let send = json!({ "type": "send", "to": anna.user, "body": text_body(&body) });
        assert_eq!(live.refused(send).await, code);
    }
    let long = json!({ "type": "create", "kind": "group", "title": "t".repeat(limits::TITLE_BYTES + 1) });
    assert_eq!(live.refused(long).await, "bad_request");
    let target =
        json!({ "type": "react", "conversation": "c0000000001", "target": 1, "emoji": "x".repeat(33) });
    assert!(["bad_request", "not_found"].contains(&live.refused(target).await.as_str()));
}

#[tokio::test]
async fn who_does_not_sign_in_within_ten_seconds_is_shown_out() {
    let server = Server::start().await;
    let since = Instant::now();
    let mut silent = RawSocket::open(&server.world).await;
    let mut busy = RawSocket::open(&server.world).await;
    let mut asks_nothing = TcpStream::connect(server.world.address())
        .await
        .expect("the server listens");
    let pings = async {
        // Traffic is no sign-in. Each pong is waited for, and the pause is the waiting for something that never comes.
        for _ in 0..3 {
            busy.put(&frame(FIN | crate::raw::PING, b"here", true)).await;
            assert_eq!(busy.frame().await.map(|(opcode, _)| opcode), Some(PONG));
            let _ = tokio::time::timeout(Duration::from_secs(2), busy.stream.readable()).await;
        }
        busy.end().await
    };
    let hang_up = async {
        let mut buffer = [0; 1024];
        while tokio::io::AsyncReadExt::read(&mut asks_nothing, &mut buffer)
            .await
            .is_ok_and(|count| count > 0)
        {}
    };
    let (silent, busy, ()) = tokio::join!(silent.end(), pings, hang_up);
    for (code, texts) in [silent, busy] {
        assert_eq!(code, Some(4408));
        assert!(texts[0].contains("slow_sign_in"), "{texts:?}");
    }
    let took = since.elapsed();
    assert!(
        took >= Duration::from_secs(9) && took < Duration::from_secs(15),
        "{took:?}"
    );
}

/// Whether a new connection is served, or refused and how.
pub async fn knocks(server: &Server) -> Result<(), (u16, String)> {
    let ask = format!(
        "GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.world.address()
    );
    let answer = exchange(&server.world, ask.as_bytes()).await;
    match status(&answer) {
        200 => Ok(()),
        status => Err((status, answer)),
    }
}

/// Waits until a connection gets in again: a seat is given back a moment after its connection ended.
pub async fn knocks_until_served(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while knocks(server).await.is_err() {
        assert!(Instant::now() < deadline, "no seat was given back");
    }
}

#[tokio::test]
async fn connections_have_a_limit_in_total() {
    let mut server = Server::with(&[
        ("KINGLET_LIMITS_CONNECTIONS", "12"),
        ("KINGLET_LIMITS_CONNECTIONS_PER_USER", "12"),
        ("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "12"),
    ])
    .await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let mut strangers = Vec::new();
    let refused = loop {
        match knocks(&server).await {
            Ok(()) => strangers.push(
                TcpStream::connect(server.world.address())
                    .await
                    .expect("the server listens"),
            ),
            Err(refused) => break refused,
        }
        assert!(strangers.len() < 12, "nobody is turned away");
    };
    assert_eq!(refused.0, 503);
    assert!(
        refused.1.contains("too_many_connections") && refused.1.contains("retry-after: 5"),
        "{}",
        refused.1
    );
    live.settle().await;
    strangers.clear();
    knocks_until_served(&server).await;
}

#[tokio::test]
async fn connections_have_a_limit_per_address() {
    let mut server = Server::with(&[("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "6")]).await;
    let anna = server.person("anna").await;
    let mut sockets = Vec::new();
    knocks_until_served(&server).await;
    while knocks(&server).await.is_ok() {
        sockets.push(anna.live().await);
        assert!(sockets.len() <= 6, "nobody is turned away");
    }
    let (status, answer) = knocks(&server).await.expect_err("the address is full");
    assert_eq!(status, 503);
    assert!(answer.contains("too_many_connections"), "{answer}");
    // Another address of this machine is another house.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind(([127, 0, 0, 2], 0).into())
        .expect("loopback is a whole network");
    let mut other = socket
        .connect(server.world.address())
        .await
        .expect("the server listens");
    let ask = format!(
        "GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.world.address()
    );
    tokio::io::AsyncWriteExt::write_all(&mut other, ask.as_bytes())
        .await
        .expect("written");
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut other, &mut answer)
        .await
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    sockets.pop().expect("one is open").close().await;
    knocks_until_served(&server).await;
}

#[tokio::test]
async fn connections_have_a_limit_per_user() {
    let mut server = Server::with(&[("KINGLET_LIMITS_CONNECTIONS_PER_USER", "3")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(anna.live().await);
    }
    let mut fourth = anna.other_device().await.knock(Default::default()).await;
    let answer = fourth.ask(json!({ "type": "hello", "token": anna.token })).await;
    assert_eq!(answer["error"]["code"], "too_many_connections");
    assert!(answer["error"]["retry_after_ms"].as_u64() > Some(0));
    assert_eq!(fourth.end().await, Some(1013));
    ben.live().await.settle().await;
    sockets[0].settle().await;
}

#[tokio::test]
async fn strangers_have_a_limit_of_their_own() {
    let strangers = limits::CONNECTIONS_UNSIGNED;
    let mut server = Server::with(&[("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", "5000")]).await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let mut open = Vec::new();
    for _ in 0..strangers {
        open.push(
            TcpStream::connect(server.world.address())
                .await
                .expect("the server listens"),
        );
    }
    let (status, answer) = knocks(&server).await.expect_err("no more strangers");
    assert_eq!(status, 503);
    assert!(answer.contains("too_many_connections"), "{answer}");
    live.settle().await;
    open.clear();
    knocks_until_served(&server).await;
}

/// Sends many at once and gives the answers by request, in order.
async fn pipeline(live: &mut Live, requests: Vec<Value>) -> Vec<Value> {
    let mut ids = Vec::new();
    for request in requests {
        ids.push(live.post(request).await);
    }
    let mut answers = Vec::new();
    for id in ids {
        answers.push(live.answer(id).await);
    }
    answers
}

#[tokio::test]
async fn who_asks_too_fast_is_told_when_to_ask_again() {
    let mut server = Server::with(&[("KINGLET_LIMITS_PACE", "1")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let talk = live.tell(&ben.user, "first").await["conversation"].clone();
    let send =
        || json!({ "type": "send", "client_id": id(), "conversation": talk, "body": text_body("more") });
    let answers = pipeline(&mut live, (0..500).map(|_| send()).collect()).await;
    let acked = answers.iter().filter(|answer| answer["type"] == "ack").count();
    let refused: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer["error"]["code"] == "rate_limited")
        .collect();
    assert_eq!(acked + refused.len(), 500, "each of 500 at once is answered");
    assert!(acked >= 199 && !refused.is_empty(), "{acked} were taken");
    let wait = refused
        .last()
        .and_then(|last| last["error"]["retry_after_ms"].as_u64())
        .expect("it says when");
    assert!((1..=1_000).contains(&wait), "{wait}");
    live.listen_for(Duration::from_millis(wait + 200)).await;
    live.act(send()).await;

    let typing = json!({ "type": "typing", "conversation": talk, "on": true });
    let change = || json!({ "type": "create", "client_id": id(), "kind": "group", "title": "g" });
    let history = json!({ "type": "history", "conversation": talk, "limit": 1 });
    let setting = json!({ "type": "set", "key": "pinned", "conversation": talk, "value": true });
    let search = json!({ "type": "search", "query": "first" });
    let kinds: [(usize, Vec<Value>); 5] = [
        (limits::BUCKET_SETTING.burst as usize, vec![setting; 90]),
        (limits::BUCKET_SEARCH.burst as usize, vec![search; 200]),
        (limits::BUCKET_NOTICE.burst as usize, vec![typing; 200]),
        (
            limits::BUCKET_CHANGE.burst as usize,
            (0..80).map(|_| change()).collect(),
        ),
        (limits::BUCKET_READ.burst as usize, vec![history; 700]),
    ];
    for (burst, requests) in kinds {
        let (kind, count) = (requests[0]["type"].clone(), requests.len());
        let answers = pipeline(&mut live, requests).await;
        let refused = answers
            .iter()
            .filter(|answer| answer["error"]["code"] == "rate_limited")
            .count();
        assert!(
            refused > 0 && count - refused >= burst - 10,
            "{kind}: {refused} of {count} were refused"
        );
    }
    ben.live().await.settle().await;
}

#[tokio::test]
async fn pages_and_lists_and_users_in_a_command_have_their_limits() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let group = live.group(&[], json!({})).await;
    let page = |limit: usize| json!({ "type": "history", "conversation": group, "limit": limit });
    live.get(page(limits::PAGE_EVENTS)).await;
    assert_eq!(live.refused(page(limits::PAGE_EVENTS + 1)).await, "bad_request");
    let search = |query: String, limit: usize| json!({ "type": "search", "query": query, "limit": limit });
    let longest = "é".repeat(limits::SEARCH_QUERY_BYTES / 2);
    live.get(search(longest.clone(), limits::SEARCH_HITS)).await;
    for (query, limit) in [
        (longest + "e", 1),
        ("e".into(), limits::SEARCH_HITS + 1),
        ("e".into(), 0),
    ] {
        assert_eq!(live.refused(search(query, limit)).await, "bad_request");
    }
    assert_eq!(live.refused(page(0)).await, "bad_request");
    let list =
        |kind: &str, limit: usize| json!({ "type": kind, "conversation": group, "seq": 1, "limit": limit });
    for kind in ["conversations", "discover", "members", "readers", "sync"] {
        live.get(list(kind, limits::LIST_ROWS)).await;
        assert_eq!(
            live.refused(list(kind, limits::LIST_ROWS + 1)).await,
            "bad_request",
            "{kind}"
        );
    }
    let users: Vec<String> = (1..=101).map(|at| format!("u{at:010}")).collect();
    let invite = |users: &[String]| json!({ "type": "invite", "conversation": group, "users": users });
    assert_eq!(live.refused(invite(&users)).await, "bad_request");
    assert_eq!(
        live.refused(invite(&users[..100])).await,
        "not_found",
        "as many as may be named, but nobody's"
    );
    let both = json!({ "type": "history", "conversation": group, "after": 1, "before": 2 });
    assert_eq!(live.refused(both).await, "bad_request");
}

#[tokio::test]
async fn a_group_has_a_limit_of_members() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    assert_eq!(server.stop().await, Some(0));
    // A thousand people would take a thousand password hashes to join by the door.
    let others = limits::GROUP_MEMBERS as u64;
    let database = rusqlite::Connection::open(server.data().join("kinglet.db")).expect("the server is gone");
    let crowd = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {others})
         INSERT INTO user (id, name, skeleton, display_name, password, role, created, change)
         SELECT i, 'extra' || i, 'extra' || i, 'Extra', 'x', 0, 0, 1 FROM n"
    );
    database.execute_batch(&crowd).expect("the table is as it was");
    drop(database);
    server.restart().await;
    let users: Vec<String> = (1..=others).map(|user| UserId(user).to_string()).collect();
    let mut live = anna.live().await;
    let group = live.group(&[], json!({})).await;
    let invite = |users: &[String]| json!({ "type": "invite", "conversation": group, "users": users });
    // The founder is the first of them.
    for some in users[1..].chunks(limits::USERS_PER_COMMAND) {
        live.act(invite(some)).await;
    }
    assert_eq!(live.refused(invite(&users[..1])).await, "limit_reached");
    let listed = live.get(json!({ "type": "conversations" })).await;
    assert_eq!(listed["conversations"][0]["members"], others);
    live.say(&group, "there is room for words").await;
}

#[tokio::test]
async fn a_page_ends_at_its_bytes() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let mut talk = Value::Null;
    for _ in 0..12 {
        talk = live.tell(&anna.user, &"p".repeat(limits::BODY_BYTES)).await["conversation"].clone();
    }
    let page = live
        .get(json!({ "type": "history", "conversation": talk, "after": 0, "limit": 100 }))
        .await;
    let events = page["events"].as_array().map(Vec::len).expect("events");
    assert!(
        (1..12).contains(&events) && page["more"] == true,
        "{events} events of 32 KiB"
    );
    assert!(page.to_string().len() <= limits::PAGE_BYTES + limits::BODY_BYTES + 8 * 1024);
}

#[tokio::test]
async fn who_is_owed_more_than_a_poll_carries_is_told_to_pull() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let start = anna.get("/api/v1/sync").await.json(200)["resume"].clone();
    let start = start.as_str().expect("a token");
    let mut live = anna.live().await;
    let bodies = limits::POLL_BYTES / limits::BODY_BYTES;
    for _ in 0..bodies - 1 {
        live.tell(&anna.user, &"p".repeat(limits::BODY_BYTES)).await;
    }
    let fits = anna.poll(start, 0).await;
    assert_eq!(fits["catch_up"], "streaming");
    assert_eq!(fits["events"].as_array().map(Vec::len), Some(bodies - 1));
    live.tell(&anna.user, &"p".repeat(limits::BODY_BYTES)).await;
    let over = anna.poll(start, 0).await;
    assert_eq!((&over["catch_up"], &over["events"]), (&json!("sync"), &json!([])));
}

#[tokio::test]
async fn a_body_over_http_has_its_limit() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let over = json!({ "display_name": "n".repeat(limits::HTTP_BODY) });
    for path in ["/api/v1/password", "/api/v1/commands", "/api/v1/sign-in"] {
        let reply = anna.post(path, &over).await;
        assert_eq!(
            (reply.status, reply.refused().as_str()),
            (413, "too_large"),
            "{path}"
        );
    }
    let chunked = format!(
        "POST /api/v1/sign-in HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        server.world.address(),
        format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(4)
    );
    let answer = exchange(&server.world, chunked.as_bytes()).await;
    assert!(status(&answer) == 413 && answer.contains("too_large"), "{answer}");
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_by_address() {
    let mut server = Server::start().await;
    server.owner().await;
    let guess = |of: usize| json!({ "name": format!("user{of}"), "password": "a wrong guess", "device": crate::harness::new_device() });
    let guesses: Vec<_> = (0..limits::BUCKET_SIGN_IN.burst as usize * 2)
        .map(guess)
        .collect();
    // All at once: what takes its time is to compare the password, and meanwhile there would be new tokens.
    let replies = guesses
        .iter()
        .map(|ask| server.world.post("/api/v1/sign-in", None, ask));
    let replies = futures_util::future::join_all(replies).await;
    let (refused, compared): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 429);
    assert!(
        compared.len() >= limits::BUCKET_SIGN_IN.burst as usize,
        "{}",
        compared.len()
    );
    assert!(
        compared
            .iter()
            .all(|reply| reply.refused() == "wrong_credentials")
    );
    let reply = refused.first().expect("guessing is slowed down");
    assert_eq!(reply.refused(), "rate_limited");
    assert!(reply.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_full_queue_says_busy_and_a_retry_gets_through() {
    let _alone = heavy().await;
    let mut server = Server::start().await;
    let people = server.people(["anna", "ben", "cyd", "dan"]).await;
    let body = "q".repeat(limits::BODY_BYTES);
    let mut lives = Vec::new();
    for at in 0..12 {
        lives.push(people[at % people.len()].live().await);
    }
    let talk = lives[0]
        .group(&[&people[1], &people[2], &people[3]], json!({}))
        .await;
    // The writer is held up: it waits for the lock of the database, and the queue fills.
    let path = server.data().join("kinglet.db");
    let other = rusqlite::Connection::open(path).expect("the database can be opened");
    other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("no commit is under way");
    let mut asked = Vec::new();
    for live in &mut lives {
        for _ in 0..limits::IN_FLIGHT {
            let send =
                json!({ "type": "send", "client_id": id(), "conversation": talk, "body": text_body(&body) });
            let re = live.post(send.clone()).await;
            asked.push((re, send));
        }
    }
    // No commit is possible, so the first answer is a refusal.
    let deadline = Instant::now() + Duration::from_secs(4);
    let mut at = 0;
    while !lives[at].is_refused_within(Duration::from_millis(20)).await && Instant::now() < deadline {
        at = (at + 1) % lives.len();
    }
    drop(other);
    let mut refused = Vec::new();
    for (at, (re, send)) in asked.iter().enumerate() {
        let answer = lives[at / limits::IN_FLIGHT].answer(*re).await;
        if answer["type"] != "ack" {
            assert_eq!(answer["error"]["code"], "busy", "{answer}");
            assert!(answer["error"]["retry_after_ms"].as_u64() > Some(0));
            refused.push((at / limits::IN_FLIGHT, send.clone()));
        }
    }
    assert!(!refused.is_empty(), "12 MiB fit into a queue of 8");
    let (at, send) = refused.swap_remove(0);
    let ack = lives[at].act(send).await;
    assert_eq!(ack.get("duplicate"), None, "what was refused was not done");
}
