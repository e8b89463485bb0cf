//! Searching as people do it: in their languages, on two devices, before and after the index has it; and what one may
//! not read is not found. What must not live here: the index itself (see `store_contract`).

use kinglet::limits::INDEX_ROWS;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server, id};
use crate::live::{Live, text_body};

/// Everything that is found, page by page.
async fn all(live: &mut Live, ask: Value) -> Vec<Value> {
    let (mut ask, mut found) = (ask, Vec::new());
    ask["type"] = json!("search");
    loop {
        let page = live.get(ask.clone()).await;
        assert_eq!(page["type"], "search", "{page}");
        found.extend(page["found"].as_array().expect("a list").clone());
        if page["more"] == false {
            assert!(page.get("cursor").is_none(), "{page}");
            return found;
        }
        assert_ne!(ask["cursor"], page["cursor"], "it goes on");
        ask["cursor"] = page["cursor"].clone();
    }
}

/// The seqs of what is found with a query alone.
async fn seqs(live: &mut Live, query: &str) -> Vec<u64> {
    let found = all(live, json!({ "query": query })).await;
    found
        .iter()
        .map(|one| one["seq"].as_u64().expect("a seq"))
        .collect()
}

/// The marked parts of a snippet, cut out as a client of UTF-16 does it.
fn marked(found: &Value) -> Vec<String> {
    let units: Vec<u16> = found["snippet"]
        .as_str()
        .expect("a text")
        .encode_utf16()
        .collect();
    let marks = found["matches"].as_array().expect("a list").iter().map(|mark| {
        let at = |which: usize| usize::try_from(mark[which].as_u64().expect("a number")).expect("small");
        String::from_utf16(&units[at(0)..at(1)]).expect("whole characters")
    });
    marks.collect()
}

/// Fills a conversation of the owner's own until the index has all that was said before.
async fn until_indexed(server: &mut Server) {
    let owner = server.owner().await;
    let mut live = owner.live().await;
    let mut asked = Vec::new();
    for _ in 0..INDEX_ROWS {
        let note = json!({ "type": "send", "client_id": id(), "to": owner.user, "body": text_body("…") });
        asked.push(live.post(note).await);
        if asked.len() == 16 {
            for ask in asked.drain(..) {
                live.answer(ask).await;
            }
        }
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while server.metric("kinglet_index_rows_waiting").await >= INDEX_ROWS as f64 {
        assert!(tokio::time::Instant::now() < deadline, "the index is not made");
    }
    live.close().await;
}

#[tokio::test]
async fn words_are_found_in_every_language_on_every_device() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_zoe) = (anna.live().await, zoe.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let lines = [
        "我在北京大学读书",
        "京大 学长去了北京，大学",
        "東京タワーで会いましょう",
        "서울에서 만나요",
        "The Deadline is on TUESDAY 🎉🎉",
        "Straße & cafe\u{301} — c++ \"quoted\"",
    ];
    for line in lines {
        at_anna.say(&group, line).await;
    }
    let secret = at_zoe.tell(&zoe.user, "北京大学 deadline").await["conversation"].clone();
    for made in [false, true] {
        if made {
            until_indexed(&mut server).await;
        }
        let mut phone = ben.other_device().await.live().await;
        for (query, expected) in [
            ("北京", &[3, 2][..]),
            ("北京大学", &[2]),
            ("大学 北京", &[3, 2]),
            ("京", &[4, 3, 2]),
            ("タワー", &[4]),
            ("ﾀﾜｰ", &[4]),
            ("서울", &[5]),
            ("deadline", &[6]),
            ("line tues", &[6]),
            ("🎉", &[6]),
            ("STRASSE CAFÉ", &[7]),
            ("c++", &[7]),
            ("\"quoted\"", &[7]),
            ("nowhere", &[]),
        ] {
            assert_eq!(
                seqs(&mut phone, query).await,
                expected,
                "{query}, indexed: {made}"
            );
        }
        let found = all(&mut phone, json!({ "query": "strasse café" })).await;
        assert_eq!(marked(&found[0]), ["Straße", "cafe\u{301}"]);
        let mut expected = json!({
            "conversation": group, "seq": 7, "ts": found[0]["ts"], "by": anna.user, "kind": "text",
            "snippet": lines[5], "matches": found[0]["matches"],
        });
        if let Some(doubtful) = found[0].get("unsynchronised") {
            expected["unsynchronised"] = doubtful.clone();
        }
        assert_eq!(found[0], expected);
        // Over HTTP as well, and whoever is not in the group finds only their own.
        let ask = json!({ "id": 1, "type": "search", "query": "北京大学" });
        let reply = zoe.post("/api/v1/commands", &ask).await.json(200);
        let own: Vec<&Value> = reply["found"].as_array().expect("a list").iter().collect();
        assert_eq!((own.len(), &own[0]["conversation"]), (1, &secret));
        assert_eq!(server.stop().await, Some(0));
        server.restart().await;
    }
    assert_eq!(
        seqs(&mut ben.live().await, "deadline").await,
        [6],
        "after a restart"
    );
}

#[tokio::test]
async fn what_one_may_not_read_is_not_found() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let mut at_anna = anna.live().await;
    let closed = at_anna.group(&[&ben], json!({})).await;
    let open = at_anna.group(&[&ben], json!({ "history": true })).await;
    for room in [&closed, &open] {
        at_anna.say(room, "early bird").await;
        at_anna.say(room, "a note").await;
        at_anna
            .act(json!({ "type": "invite", "conversation": room, "users": [cyd.user] }))
            .await;
        at_anna.say(room, "late bird").await;
        // What the newcomer did not see does not become theirs by an edit.
        at_anna
            .act(json!({ "type": "edit", "conversation": room, "target": 3, "body": text_body("a bird, too") }))
            .await;
    }
    at_anna
        .act(json!({ "type": "kick", "conversation": closed, "user": ben.user }))
        .await;
    let talk = at_anna.tell(&ben.user, "bird for two").await["conversation"].clone();
    for made in [false, true] {
        if made {
            until_indexed(&mut server).await;
        }
        let (mut at_ben, mut at_cyd) = (ben.live().await, cyd.live().await);
        let of = |found: &[Value]| -> Vec<(Value, Value)> {
            let of = found
                .iter()
                .map(|one| (one["conversation"].clone(), one["seq"].clone()));
            of.collect()
        };
        let places = |list: &[(&str, u64)]| -> Vec<(Value, Value)> {
            list.iter().map(|(room, seq)| (json!(room), json!(seq))).collect()
        };
        let bird = || json!({ "query": "bird" });
        let in_talk = talk.as_str().expect("an id");
        let at = at_ben.who.name.clone();
        assert_eq!(
            of(&all(&mut at_ben, bird()).await),
            places(&[(in_talk, 1), (&open, 5), (&open, 3), (&open, 2)]),
            "{at}, who was removed from one, indexed: {made}"
        );
        assert_eq!(
            of(&all(&mut at_cyd, bird()).await),
            places(&[(&open, 5), (&open, 3), (&open, 2), (&closed, 5)]),
            "a newcomer, indexed: {made}"
        );
        assert_eq!(all(&mut at_anna, bird()).await.len(), 7);
        for live in [&mut at_ben, &mut at_cyd] {
            let room = if live.who.name == "ben" { &closed } else { in_talk };
            let ask = json!({ "type": "search", "query": "bird", "conversation": room });
            assert_eq!(live.refused(ask).await, "not_found");
        }
    }
    // Back again, one sees the old time, but what was changed meanwhile is not told from either side.
    at_anna
        .act(json!({ "type": "edit", "conversation": closed, "target": 2, "body": text_body("early worm") }))
        .await;
    at_anna
        .act(json!({ "type": "invite", "conversation": closed, "users": [ben.user] }))
        .await;
    let mut at_ben = ben.live().await;
    let inside = |query: &str| json!({ "query": query, "conversation": closed });
    assert_eq!(all(&mut at_ben, inside("worm")).await, [] as [Value; 0]);
    assert_eq!(all(&mut at_ben, inside("bird")).await.len(), 2);
    assert_eq!(all(&mut at_anna, inside("worm")).await.len(), 1);
}

#[tokio::test]
async fn edits_replace_what_is_found_and_recalls_end_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let talk = at_anna.tell(&ben.user, "the first draft").await["conversation"].clone();
    at_anna.tell(&ben.user, "another draft").await;
    let edit = |target: u64, text: &str| json!({ "type": "edit", "conversation": talk, "target": target, "body": text_body(text) });
    at_anna.act(edit(1, "the second version")).await;
    for made in [false, true] {
        if made {
            until_indexed(&mut server).await;
        }
        assert_eq!(seqs(&mut at_ben, "draft").await, [2]);
        let found = all(&mut at_ben, json!({ "query": "version" })).await;
        assert_eq!((&found[0]["seq"], &found[0]["edit"]), (&json!(1), &json!(3)));
    }
    at_anna.act(edit(1, "third edition")).await;
    at_anna.act(edit(2, "an opaque one next")).await;
    assert!(seqs(&mut at_ben, "version").await.is_empty());
    assert_eq!(seqs(&mut at_ben, "edition").await, [1]);
    let mut blind = edit(2, "");
    blind["body"] = json!({ "kind": "opaque", "data": "AAEC" });
    at_anna.act(blind).await;
    assert!(seqs(&mut at_ben, "opaque").await.is_empty());
    at_anna.act(edit(2, "plain once more")).await;
    assert_eq!(seqs(&mut at_ben, "plain").await, [2]);
    for target in [1, 2] {
        at_anna
            .act(json!({ "type": "recall", "conversation": talk, "target": target }))
            .await;
    }
    for query in ["edition", "version", "draft", "plain", "the"] {
        assert!(seqs(&mut at_ben, query).await.is_empty(), "{query}");
    }
    server.kill9();
    server.restart().await;
    assert!(
        seqs(&mut ben.live().await, "edition").await.is_empty(),
        "after a crash"
    );
}

#[tokio::test]
async fn every_filter_narrows_and_pages_fit_together() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let mut times = Vec::new();
    for round in 0..6 {
        let ack = at_anna.say(&group, &format!("apple {round}")).await;
        times.push(ack["ts"].as_u64().expect("a time"));
        at_ben.tell(&anna.user, &format!("apple pie {round}")).await;
    }
    for made in [false, true] {
        if made {
            until_indexed(&mut server).await;
        }
        let count = async |live: &mut Live, filter: Value| {
            let mut ask = json!({ "query": "apple" });
            for (key, value) in filter.as_object().expect("fields") {
                ask[key] = value.clone();
            }
            all(live, ask).await.len()
        };
        assert_eq!(count(&mut at_ben, json!({})).await, 12);
        assert_eq!(count(&mut at_ben, json!({ "by": anna.user })).await, 6);
        assert_eq!(count(&mut at_ben, json!({ "by": "u0000000001" })).await, 0);
        assert_eq!(count(&mut at_ben, json!({ "conversation": group })).await, 6);
        assert_eq!(
            count(&mut at_ben, json!({ "conversation": group, "by": ben.user })).await,
            0
        );
        assert_eq!(count(&mut at_ben, json!({ "kind": "text" })).await, 12);
        assert_eq!(count(&mut at_ben, json!({ "after": times[0] })).await, 12);
        assert_eq!(count(&mut at_ben, json!({ "after": times[5] + 60_000 })).await, 0);
        assert_eq!(count(&mut at_ben, json!({ "before": times[0] })).await, 0);
        let both = json!({ "conversation": group, "after": times[2], "before": times[4] });
        let between = times
            .iter()
            .filter(|time| (times[2]..times[4]).contains(*time))
            .count();
        assert_eq!(count(&mut at_ben, both).await, between);

        let whole = all(&mut at_ben, json!({ "query": "apple" })).await;
        for limit in [1, 5, 11, 12, 13] {
            let paged = all(&mut at_ben, json!({ "query": "apple", "limit": limit })).await;
            assert_eq!(paged, whole, "pages of {limit}");
        }
        // A page that was asked for before something came goes on as if it had not.
        let ask = |cursor: Option<&Value>| json!({ "type": "search", "query": "apple 5", "limit": 1, "cursor": cursor });
        let first = at_ben.get(ask(None)).await;
        at_anna.say(&group, "pear 5").await;
        let second = at_ben.get(ask(Some(&first["cursor"]))).await;
        assert_eq!(first["more"], true);
        assert_ne!(first["found"], second["found"]);
    }
}

#[tokio::test]
async fn bad_searches_are_refused_with_a_sentence() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    live.tell(&ben.user, "hello hello").await;
    live.tell(&ben.user, "hello again").await;
    let first = live
        .get(json!({ "type": "search", "query": "hello", "limit": 1 }))
        .await;
    let cursor = first["cursor"].as_str().expect("there is more").to_owned();
    let mut broken = cursor.clone();
    broken.replace_range(5..6, if &cursor[5..6] == "A" { "B" } else { "A" });
    let resume = live.welcome["resume"].clone();
    for (ask, word) in [
        (json!({}), "`query`"),
        (json!({ "query": 5 }), "`query`"),
        (json!({ "query": "" }), "character"),
        (json!({ "query": " \u{200d}\n\u{0} " }), "character"),
        (json!({ "query": "x".repeat(257) }), "256"),
        (json!({ "query": "x", "limit": 0 }), "`limit`"),
        (json!({ "query": "x", "limit": 51 }), "`limit`"),
        (json!({ "query": "x", "kind": "opaque" }), "`kind`"),
        (json!({ "query": "x", "after": -1 }), "`after`"),
        (json!({ "query": "x", "by": "anna" }), "`by`"),
        (json!({ "query": "x", "cursor": "" }), "`cursor`"),
        (json!({ "query": "x", "cursor": broken }), "`cursor`"),
        (json!({ "query": "x", "cursor": resume }), "`cursor`"),
    ] {
        let mut ask = ask;
        ask["type"] = json!("search");
        let answer = live.ask(ask.clone()).await;
        assert_eq!(answer["error"]["code"], "bad_request", "{ask}: {answer}");
        let said = answer["error"]["message"].as_str().expect("a sentence");
        assert!(said.contains(word), "{ask}: {said}");
    }
    let ask = json!({ "type": "search", "query": "x", "conversation": "c0000000001" });
    assert_eq!(live.refused(ask).await, "not_found");
    let whole = json!({ "type": "search", "query": "hello", "before": u64::MAX >> 11, "after": 0 });
    assert_eq!(live.get(whole).await["found"].as_array().map(Vec::len), Some(2));
    let nobody = server
        .world
        .post(
            "/api/v1/commands",
            None,
            &json!({ "id": 1, "type": "search", "query": "x" }),
        )
        .await;
    assert_eq!(nobody.status, 401);
}
