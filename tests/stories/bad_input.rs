//! WebSocket frames as they must not be: each has its close code or its refusal, and nobody else notices. What must not
//! live here: bad HTTP; limits of well-formed frames.

use serde_json::{Value, json};

use crate::harness::{Person, Server, id};
use crate::live::{Live, text_body};
use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RawSocket, TEXT, frame};

/// Two who talk on while others misbehave.
struct Bystanders {
    one: Live,
    other: Live,
}

impl Bystanders {
    async fn of(server: &mut Server) -> Bystanders {
        let [one, other] = server.people(["anna", "ben"]).await;
        Bystanders {
            one: one.live().await,
            other: other.live().await,
        }
    }

    async fn still_talk(&mut self) {
        let to = self.other.who.user.clone();
        let ack = self.one.tell(&to, "still here").await;
        loop {
            let event = self.other.event().await;
            if event["seq"] == ack["seq"] {
                return;
            }
        }
    }
}

#[tokio::test]
async fn broken_frames_close_with_their_code_and_nobody_else_notices() {
    let mut server = Server::start().await;
    let mut bystanders = Bystanders::of(&mut server).await;
    let mallory = server.person("mallory").await;
    let masked = |first: u8, payload: &[u8]| frame(first, payload, true);
    let huge = {
        let mut bytes = vec![FIN | TEXT, 0xff];
        bytes.extend(u64::MAX.to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    };
    let not_minimal = [vec![FIN | TEXT, 0x80 | 126, 0, 5, 0, 0, 0, 0], b"hello".to_vec()].concat();
    let many = [masked(TEXT, b"x"), masked(CONTINUATION, b"").repeat(2_000)].concat();
    let growing = [
        masked(TEXT, &[b'x'; 60_000]),
        masked(CONTINUATION, &[b'x'; 60_000]),
    ]
    .concat();
    let bad_start = masked(FIN | CONTINUATION, b"x");
    let cases: [(&str, Vec<u8>, &[u16]); 16] = [
        ("unmasked", frame(FIN | TEXT, b"{}", false), &[1002]),
        ("a reserved bit", masked(FIN | 0x40 | TEXT, b"{}"), &[1002]),
        ("an unknown opcode", masked(FIN | 3, b"{}"), &[1002]),
        ("a length beyond all bounds", huge, &[1009, 1002]),
        ("a length not in its shortest form", not_minimal, &[1002, 1007]),
        ("too long", masked(FIN | TEXT, &vec![b'x'; 70_000]), &[1009]),
        ("too long in fragments", growing, &[1009]),
        ("too many fragments", many, &[1008]),
        ("a continuation of nothing", bad_start, &[1002]),
        (
            "a message inside a message",
            [masked(TEXT, b"x"), masked(FIN | TEXT, b"y")].concat(),
            &[1002],
        ),
        ("not UTF-8", masked(FIN | TEXT, b"{\"id\":\"\xff\xfe\"}"), &[1007]),
        ("UTF-8 cut off", masked(FIN | TEXT, b"\xe2\x82"), &[1007]),
        ("binary", masked(FIN | BINARY, b"{}"), &[1003]),
        ("a ping too long", masked(FIN | PING, &[b'p'; 126]), &[1002]),
        ("a ping in fragments", masked(PING, b"p"), &[1002]),
        ("a close with one byte", masked(FIN | CLOSE, b"x"), &[1002]),
    ];
    for (what, bytes, codes) in cases {
        let mut socket = RawSocket::signed_in(&server.world, &mallory.token).await;
        socket.put(&bytes).await;
        let (code, texts) = socket.end().await;
        assert!(
            code.is_some_and(|code| codes.contains(&code)),
            "{what}: {code:?} {texts:?}"
        );
        let mut early = RawSocket::open(&server.world).await;
        early.put(&bytes).await;
        let (code, texts) = early.end().await;
        assert!(code.is_some(), "{what} before sign-in: {code:?} {texts:?}");
        bystanders.still_talk().await;
    }
    assert_eq!(server.metric("kinglet_panics_total").await, 0.0);
}

#[tokio::test]
async fn what_is_allowed_between_frames_works() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut socket = RawSocket::signed_in(&server.world, &anna.token).await;
    let text = br#"{"id":5,"type":"conversations"}"#;
    let mut bytes = frame(TEXT, &text[..5], true);
    bytes.extend(frame(FIN | PING, b"in between", true));
    for byte in &text[5..] {
        bytes.extend(frame(CONTINUATION, &[*byte], true));
    }
    bytes.extend(frame(FIN | CONTINUATION, b"", true));
    bytes.extend(frame(FIN | PONG, b"unasked", true));
    // Byte by byte, as slow as a network can cut.
    for byte in bytes {
        socket.put(&[byte]).await;
    }
    let mut first = socket.frame().await;
    // That one has come is told of oneself, too, and may still be on its way.
    while first
        .as_ref()
        .is_some_and(|(opcode, text)| *opcode == TEXT && text.starts_with(br#"{"type":"user""#))
    {
        first = socket.frame().await;
    }
    assert_eq!(first, Some((PONG, b"in between".to_vec())));
    let (opcode, payload) = socket.frame().await.expect("an answer");
    assert_eq!(opcode, TEXT);
    assert!(String::from_utf8_lossy(&payload).starts_with(r#"{"re":5,"type":"conversations""#));
    socket
        .put(&frame(FIN | CLOSE, &1000u16.to_be_bytes(), true))
        .await;
    assert_eq!(socket.end().await.0, Some(1000));
}

#[tokio::test]
async fn a_flood_of_control_frames_is_answered_or_waits_and_takes_no_memory() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let mut bystanders = Bystanders::of(&mut server).await;
    let mallory = server.person("mallory").await;
    let mut socket = RawSocket::signed_in(&server.world, &mallory.token).await;
    let before = server.resident();
    let pings = frame(FIN | PING, &[b'p'; 125], true).repeat(1_000);
    // 13 MB of pings, whose pongs nobody reads: the server stops reading.
    let flooding = async {
        for _ in 0..100 {
            if tokio::time::timeout(std::time::Duration::from_millis(300), socket.put(&pings))
                .await
                .is_err()
            {
                break;
            }
        }
    };
    flooding.await;
    bystanders.still_talk().await;
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 6 * 1024 * 1024, "{grown} bytes");
    let mut pongs = 0;
    while pongs < 500 {
        pongs += usize::from(socket.frame().await.expect("a pong").0 == PONG);
    }
}

/// Sends a text and gives the refusal's code.
async fn answer(live: &mut Live, text: &str) -> (Value, String) {
    live.text(text.to_owned()).await;
    let frame = live.any_answer().await;
    let code = frame["error"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("{text:.100} gave {frame}"))
        .to_owned();
    (frame["re"].clone(), code)
}

/// Words of libraries, which their next release may change.
const NOT_OURS: [&str; 9] = [
    "invalid type",
    "invalid value",
    "invalid digit",
    "invalid length",
    "expected",
    "unknown variant",
    "untagged",
    "deserialize",
    "at line",
];

fn speaks_plainly(error: &Value, asked: &str, words: &str) {
    let message = error["message"].as_str().expect("a sentence");
    assert_eq!(error["code"], "bad_request", "{asked}: {message}");
    assert!(message.contains(words), "{asked}: {message}");
    let foreign = NOT_OURS.iter().find(|foreign| message.contains(**foreign));
    assert!(foreign.is_none(), "{asked}: {message}");
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_is_refused_in_our_own_words_with_the_fields_name() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let id = r#""client_id":"01993c5e-8a10-7000-8f3b-2d1c0a9e7701""#;
    let talk = r#""conversation":"c0000000001""#;
    let of = |kind: &str, rest: String| format!(r#"{{"id":1,"type":"{kind}",{rest}}}"#);
    let requests = [
        (of("sync", r#""limit":"5""#.into()), "`limit`"),
        (of("sync", r#""limit":-1"#.into()), "`limit`"),
        (of("history", format!(r#"{talk},"after":1.5"#)), "`after`"),
        (of("typing", format!(r#"{talk},"on":"yes""#)), "`on`"),
        (of("typing", talk.into()), "`on` is missing"),
        (
            of("typing", r#""conversation":7,"on":true"#.into()),
            "`conversation`",
        ),
        (
            of("typing", r#""conversation":"c1","on":true"#.into()),
            "ten characters",
        ),
        (
            of("create", format!(r#"{id},"kind":"crowd","title":"x""#)),
            "`kind`",
        ),
        (of("kick", r#""client_id":"x""#.into()), "`client_id`"),
        (
            of("invite", format!(r#"{id},{talk},"users":["u"]"#)),
            "`users[0]`",
        ),
        (of("send", format!(r#"{id},{talk},"body":"x""#)), "`body`"),
        (r#"{"id":{},"type":"sync"}"#.into(), "below 2^53"),
        (r#"{"id":1,"type":7}"#.into(), "`type`"),
        (r#"{"id":1}"#.into(), "`type` is missing"),
        (r#"{"id":1,"id":1,"type":"sync"}"#.into(), "`id` is there twice"),
        (r#"{"id":1,"type":"sync","#.into(), "ends too early"),
        (r#"{"id":1,"type":"sync" 5}"#.into(), "column 23"),
        ("[]".into(), "not a JSON object"),
    ];
    for (request, words) in requests {
        live.text(request.clone()).await;
        let frame = live.any_answer().await;
        let (post, body) = (hyper::Method::POST, Some(request.clone()));
        let reply = server
            .world
            .request(post, "/api/v1/commands", Some(&anna.token), body)
            .await;
        speaks_plainly(&frame["error"], &request, words);
        speaks_plainly(&reply.json(400)["error"], &request, words);
    }
}

#[tokio::test]
async fn so_are_bodies_and_queries_and_what_is_out_of_range_is_refused() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let whole = r#"{"name":"anna","password":"x","device":{"id":"0197f3a2-5c10-7b3e-9d42-6a1f0c8e4b71"}}"#;
    for (body, words) in [
        (whole.replace("\"x\"", "5"), "`password`"),
        (whole.replace("0197f3a2", "x"), "`device.id`"),
        (whole.replace("\"id\"", "\"di\""), "`device.id` is missing"),
        ("{\"name\":".into(), "ends too early"),
    ] {
        let (post, sent) = (hyper::Method::POST, Some(body.clone()));
        let reply = server.world.request(post, "/api/v1/sign-in", None, sent).await;
        speaks_plainly(&reply.json(400)["error"], &body, words);
    }
    for (path, words) in [
        ("sync?wait=soon", "`wait`"),
        ("sync?wait=26", "`wait` is 0 to 25 seconds"),
        ("sync?wait=1&wait=2", "`wait` is there twice"),
        ("users?limit=-1", "`limit`"),
        ("users?limit=0", "`limit` is 1 to 200"),
        ("users?limit=201", "`limit` is 1 to 200"),
        ("conversations/c0000000001/events?after=x", "`after`"),
    ] {
        let reply = anna.get(&format!("/api/v1/{path}")).await;
        speaks_plainly(&reply.json(400)["error"], path, words);
    }
    assert_eq!(anna.get("/api/v1/users?limit=200").await.status, 200);
}

#[tokio::test]
async fn texts_that_are_no_request_are_refused_and_the_connection_stays() {
    let mut server = Server::start().await;
    let mut bystanders = Bystanders::of(&mut server).await;
    let mallory = server.person("mallory").await;
    let mut live = mallory.live().await;
    let deep = |levels: usize| {
        format!(
            r#"{{"id":1,"type":"dance","x":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let conversation = r#""conversation":"c0000000001""#;
    let bad = [
        String::new(),
        " ".into(),
        "{".into(),
        "[]".into(),
        "null".into(),
        "7".into(),
        "\"text\"".into(),
        "{}".into(),
        "{} {}".into(),
        "\u{feff}{}".into(),
        r#"{"type":"sync"}"#.into(),
        r#"{"id":null,"type":"sync"}"#.into(),
        r#"{"id":-1,"type":"sync"}"#.into(),
        r#"{"id":1.5,"type":"sync"}"#.into(),
        r#"{"id":9007199254740992,"type":"sync"}"#.into(),
        r#"{"id":1e400,"type":"sync"}"#.into(),
        format!(r#"{{"id":"{}","type":"sync"}}"#, "i".repeat(65)),
        r#"{"id":1,"id":2,"type":"sync"}"#.into(),
        r#"{"id":1,"type":"sync","type":"presence"}"#.into(),
        format!(r#"{{"id":1,"type":"mark_read",{conversation},"seq":1,"seq":2}}"#),
        format!(r#"{{"id":1,"type":"mark_read",{conversation},"seq":18446744073709551616}}"#),
        format!(r#"{{"id":1,"type":"mark_read",{conversation},"seq":{}}}"#, "9".repeat(4_000)),
        format!(r#"{{"id":1,"type":"mark_read",{conversation},"seq":"1"}}"#),
        r#"{"id":1,"type":"sync","limit":-1}"#.into(),
        r#"{"id":1,"type":"history","conversation":"nonsense"}"#.into(),
        r#"{"id":1,"type":"history","conversation":{"a":1}}"#.into(),
        r#"{"id":1,"type":"send","client_id":"not a uuid","to":"u0000000001","body":{"kind":"text","text":"x"}}"#.into(),
        r#"{"id":1,"type":"sync","after":"\ud800"}"#.into(),
        deep(127),
        deep(30_000),
        "[".repeat(60_000),
        r#"{"id":1,"type":"sync""#.into(),
    ];
    for text in bad {
        let (_, code) = answer(&mut live, &text).await;
        assert_eq!(code, "bad_request", "{text:.100}");
    }
    assert_eq!(
        answer(&mut live, &deep(126)).await.1,
        "unknown_type",
        "as deep as may be"
    );
    let (re, code) = answer(&mut live, r#"{"id":"mine","type":"dance"}"#).await;
    assert_eq!((re, code.as_str()), (json!("mine"), "unknown_type"));
    let (re, code) = answer(&mut live, r#"{"id":8,"type":"hello","token":"x"}"#).await;
    assert_eq!((re, code.as_str()), (json!(8), "bad_request"));
    let unknown = json!({ "type": "conversations", "new_field": [{ "a": null }] });
    live.get(unknown).await;
    live.settle().await;
    bystanders.still_talk().await;
}

#[tokio::test]
async fn bodies_that_are_not_what_they_say_are_refused() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let bodies = [
        json!({ "kind": "text" }),
        json!({ "kind": "picture", "text": "x" }),
        json!({ "kind": "opaque", "data": "not base64!" }),
        json!({ "kind": "opaque", "data": "AAECAwQ" }),
        json!({ "kind": "text", "text": 7 }),
        json!("x"),
        json!(null),
    ];
    for body in bodies {
        let send = json!({ "type": "send", "to": anna.user, "body": body });
        assert_eq!(live.refused(send).await, "bad_request", "{body}");
    }
    for emoji in ["", " ", "a b", "\n", "0123456789012345678901234567890123"] {
        let react = json!({ "type": "react", "conversation": "c0000000001", "target": 1, "emoji": emoji });
        let code = live.refused(react).await;
        assert!(
            ["bad_request", "not_found"].contains(&code.as_str()),
            "{emoji:?}: {code}"
        );
    }
    // Zero bytes, right-to-left marks and the last plane are text like any other.
    let strange = "\u{0}\u{202e}\u{10ffff}\u{fffd}\"\\\r\n";
    live.tell(&anna.user, strange).await;
    assert_eq!(live.event().await["body"]["text"], strange);
}

#[tokio::test]
async fn a_dead_token_or_none_is_shown_out() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let never = format!("kt_{}", "A".repeat(43));
    let cases = [
        (json!({ "type": "hello", "token": never }), "signed_out"),
        (json!({ "type": "hello", "token": "nonsense" }), "signed_out"),
        (json!({ "type": "hello", "token": "" }), "signed_out"),
        (json!({ "type": "hello" }), "not_signed_in"),
        (json!({ "type": "conversations" }), "not_signed_in"),
        (
            json!({ "type": "send", "client_id": id(), "to": anna.user, "body": text_body("x") }),
            "not_signed_in",
        ),
    ];
    for (first, code) in cases {
        let mut live = anna.knock(Default::default()).await;
        let answer = live.ask(first.clone()).await;
        assert_eq!(
            (answer["error"]["code"].as_str(), &answer["re"]),
            (Some(code), &json!(1)),
            "{first}"
        );
        assert_eq!(live.end().await, Some(4401), "{first}");
    }
    let manner = crate::live::Manner {
        header: true,
        ..Default::default()
    };
    anna.open(manner).await.settle().await;
    let nobody = Person {
        token: never,
        ..anna.clone()
    };
    let answer = nobody.knock(manner).await.ask(json!({ "type": "hello" })).await;
    assert_eq!(answer["error"]["code"], "signed_out");
}

#[tokio::test]
async fn what_one_may_not_see_answers_like_what_does_not_exist() {
    let mut server = Server::start().await;
    let [anna, mallory, mallet] = server.people(["anna", "mallory", "mallet"]).await;
    let mut at_anna = anna.live().await;
    let hidden = at_anna.group(&[], json!({})).await;
    at_anna.say(&hidden, "secret").await;
    let direct = at_anna.tell(&anna.user, "secret").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    let nothing = "c0000000001";
    let user = json!(anna.user);
    let commands = [
        json!({ "type": "send", "body": text_body("x") }),
        json!({ "type": "send", "body": text_body("x"), "reply_to": 2 }),
        json!({ "type": "edit", "target": 2, "body": text_body("x") }),
        json!({ "type": "recall", "target": 2 }),
        json!({ "type": "react", "target": 2, "emoji": "👍" }),
        json!({ "type": "mark_read", "seq": 1 }),
        json!({ "type": "typing", "on": true }),
        json!({ "type": "update", "title": "mine" }),
        json!({ "type": "leave" }),
        json!({ "type": "dissolve" }),
        json!({ "type": "invite", "users": [user] }),
        json!({ "type": "join" }),
        json!({ "type": "approve", "user": user, "accept": true }),
        json!({ "type": "kick", "user": user }),
        json!({ "type": "ban", "user": user }),
        json!({ "type": "role", "user": user, "role": "admin" }),
        json!({ "type": "mute", "user": user }),
        json!({ "type": "transfer", "user": user }),
        json!({ "type": "history" }),
        json!({ "type": "members" }),
        json!({ "type": "readers", "seq": 1 }),
    ];
    // Both ways, in memory (anna is there) and from the store (she is not).
    for round in 0..2 {
        let mut live = [&mallory, &mallet][round].live().await;
        for command in &commands {
            let mut answers = Vec::new();
            for conversation in [nothing, &hidden, &direct] {
                let mut ask = command.clone();
                ask["conversation"] = json!(conversation);
                ask["client_id"] = json!(id());
                let mut answer = live.ask(ask).await;
                answer["re"] = json!(0);
                answers.push(answer.to_string());
            }
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "{round} {command}: {answers:?}"
            );
            assert!(answers[0].contains("not_found"), "{command}: {}", answers[0]);
        }
        if round == 0 {
            at_anna.settle().await;
            at_anna.close().await;
            at_anna = server.owner().await.live().await;
        }
    }
    for conversation in [nothing, &hidden] {
        let reply = mallory
            .get(&format!("/api/v1/conversations/{conversation}/events"))
            .await;
        assert_eq!((reply.status, reply.refused().as_str()), (404, "not_found"));
    }
}
