//! Personal settings: they follow a person to all devices and are nobody else's. What must not live here: what follows
//! from them for other people (see `discretion`), and their number (see `store_contract`).

use serde_json::{Value, json};

use crate::harness::{Person, Server, id};
use crate::live::{Live, text_body};

/// What came up to now and is no event: the marker goes through the log behind it.
pub async fn noticed(live: &mut Live, kind: &str) -> Vec<Value> {
    let user = live.who.user.clone();
    let marker = live.tell(&user, "marker").await;
    let own = marker["conversation"].as_str().expect("an id").to_owned();
    live.event_of(&own, "message").await;
    live.get(json!({ "type": "conversations", "limit": 1 })).await;
    let mut kept = live.kept();
    kept.retain(|frame| frame["type"] == kind && frame.get("re").is_none());
    kept
}

fn set(setting: Value) -> Value {
    let mut set = setting;
    set["type"] = json!("set");
    set
}

/// Keeps a setting that must be taken; gives its change.
pub async fn keep(live: &mut Live, setting: Value) -> u64 {
    let done = live.get(set(setting)).await;
    assert_eq!(done["type"], "set", "{done}");
    done["change"].as_u64().expect("a number")
}

async fn all(live: &mut Live) -> Vec<Value> {
    let page = live.get(json!({ "type": "settings" })).await;
    assert_eq!(page["more"], false, "{page}");
    page["settings"].as_array().expect("settings").clone()
}

/// A kept setting without its number.
fn bare(kept: &Value) -> Value {
    let mut bare = kept.clone();
    let object = bare.as_object_mut().expect("an object");
    object.remove("change");
    object.remove("type");
    bare
}

fn bares(kept: &[Value]) -> Vec<Value> {
    kept.iter().map(bare).collect()
}

async fn talk(live: &mut Live, with: &Person) -> String {
    let ack = live.tell(&with.user, "first").await;
    ack["conversation"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn settings_follow_to_all_devices_and_to_nobody_else() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let (mut desk, mut at_phone, mut at_ben) = (anna.live().await, phone.live().await, ben.live().await);
    let talk = talk(&mut desk, &ben).await;
    let draft = json!({ "key": "draft", "conversation": talk, "value": { "text": "Dear B", "reply_to": 1 } });
    let change = keep(&mut desk, draft.clone()).await;
    for live in [&mut desk, &mut at_phone] {
        let told = live.notice("setting").await;
        assert_eq!((bare(&told), &told["change"]), (draft.clone(), &json!(change)));
    }
    assert_eq!(noticed(&mut at_ben, "setting").await, Vec::<Value>::new());
    assert_eq!(all(&mut at_ben).await, Vec::<Value>::new());
    let of_ben = at_ben.get(json!({ "type": "sync" })).await;
    assert_eq!(of_ben.get("settings"), None, "{of_ben}");

    // The phone is away meanwhile.
    let before = at_phone.get(json!({ "type": "sync" })).await["resume"].clone();
    at_phone.close().await;
    let missed = [
        json!({ "key": "pinned", "conversation": talk, "value": true }),
        json!({ "key": "saved", "conversation": talk, "seq": 1, "value": true }),
        json!({ "key": "draft", "conversation": talk }),
        json!({ "key": "notify", "value": { "level": "mentions" } }),
        json!({ "key": "notify", "conversation": talk, "value": { "level": "none", "until": 1_900_000_000_000_u64 } }),
    ];
    for setting in &missed {
        keep(&mut desk, setting.clone()).await;
    }
    let mut at_phone = phone.resume(before.as_str().expect("a token")).await;
    assert_eq!(at_phone.welcome["catch_up"], "streaming");
    let synced = at_phone.get(json!({ "type": "sync", "after": before })).await;
    assert_eq!(bares(synced["settings"].as_array().expect("settings")), missed);
    let again = at_phone
        .get(json!({ "type": "sync", "after": synced["resume"] }))
        .await;
    assert_eq!(again.get("settings"), None, "told twice: {again}");

    // A new device is told what is set, not what was.
    let (first, set) = (
        at_phone.get(json!({ "type": "sync" })).await,
        all(&mut at_phone).await,
    );
    let known: Vec<Value> = missed
        .iter()
        .filter(|one| one.get("value").is_some())
        .cloned()
        .collect();
    assert_eq!(bares(first["settings"].as_array().expect("settings")), known);
    assert_eq!(bares(&set), known);
}

/// What the connection of a device has not been told of yet is told in its order, however fast it came.
#[tokio::test]
async fn a_burst_is_told_to_its_end_and_pages_go_on() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = anna.other_device().await;
    let (mut desk, mut at_phone) = (anna.live().await, phone.narrow().await);
    let talk = talk(&mut desk, &ben).await;
    let count = 250;
    for seq in 2..=count {
        desk.say(&talk, &seq.to_string()).await;
    }
    // The phone takes nothing meanwhile: what it is owed is more than one page when it reads on.
    for _ in 0..14 {
        desk.say(&talk, &"x".repeat(30_000)).await;
    }
    let mut waiting = Vec::new();
    for seq in 1..=count {
        let saved = json!({ "key": "saved", "conversation": talk, "seq": seq, "value": true });
        waiting.push(desk.post(set(saved)).await);
        if waiting.len() == 20 {
            for request in waiting.drain(..) {
                desk.answer(request).await;
            }
        }
    }
    for request in waiting {
        assert_eq!(desk.answer(request).await["type"], "set");
    }
    let mut last = 0;
    let mut told = Vec::new();
    while told.len() < count {
        let notice = at_phone.notice("setting").await;
        let change = notice["change"].as_u64().expect("a number");
        if change > last {
            told.push(notice["seq"].as_u64().expect("a seq"));
            last = change;
        }
    }
    assert_eq!(told, (1..=count as u64).collect::<Vec<_>>());
    for kind in ["settings", "saved"] {
        let (mut after, mut seqs) = (0, Vec::new());
        loop {
            let page = at_phone
                .get(json!({ "type": kind, "after": after, "limit": 99 }))
                .await;
            let rows = page[kind].as_array().expect("rows");
            seqs.extend(rows.iter().map(|row| {
                let seq = if kind == "saved" {
                    &row["event"]["seq"]
                } else {
                    &row["seq"]
                };
                seq.as_u64().expect("a seq")
            }));
            after = rows.last().expect("a row")["change"].as_u64().expect("a number");
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(seqs, (1..=count as u64).collect::<Vec<_>>(), "{kind}");
    }
    let (mut after, mut synced) = (Value::Null, Vec::new());
    loop {
        let page = at_phone
            .get(json!({ "type": "sync", "after": after, "limit": 40 }))
            .await;
        let rows = page["settings"].as_array().cloned().unwrap_or_default();
        synced.extend(rows.iter().map(|row| row["seq"].as_u64().expect("a seq")));
        after = page["resume"].clone();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(synced, (1..=count as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_setting_stays_after_a_crash_and_a_repeat_changes_nothing() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let talk = talk(&mut live, &ben).await;
    let draft = |text: &str| json!({ "key": "draft", "conversation": talk, "value": { "text": text } });
    let first = keep(&mut live, draft("one")).await;
    assert_eq!(keep(&mut live, draft("one")).await, first);
    let second = keep(&mut live, draft("two")).await;
    assert!(second > first);
    let token = live.get(json!({ "type": "sync" })).await["resume"].clone();
    server.kill9();
    server.restart().await;
    let mut live = anna.resume(token.as_str().expect("a token")).await;
    assert_eq!(live.welcome["catch_up"], "streaming");
    assert_eq!(bares(&all(&mut live).await), [draft("two")]);
    let third = keep(&mut live, draft("")).await;
    assert!(third > second, "a number was given out again");
    let synced = live.get(json!({ "type": "sync", "after": token })).await;
    assert_eq!(
        bares(synced["settings"].as_array().expect("settings")),
        [json!({ "key": "draft", "conversation": talk })],
        "an empty draft is cleared"
    );
    assert_eq!(
        keep(&mut live, json!({ "key": "quiet" })).await,
        0,
        "nothing was there"
    );
}

#[tokio::test]
async fn what_is_no_setting_is_refused() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let mut live = anna.live().await;
    let own = talk(&mut live, &ben).await;
    let foreign = talk(&mut zoe.live().await, &ben).await;
    let quiet = |zone: &str, from: u64| json!({ "key": "quiet", "value": { "zone": zone, "hours": [{ "days": ["fri"], "from": from, "to": 420 }] } });
    let draft = |text: String| json!({ "key": "draft", "conversation": own, "value": { "text": text } });
    let refused = [
        (json!({}), "bad_request"),
        (json!({ "key": "colour", "value": "red" }), "bad_request"),
        (json!({ "key": 7 }), "bad_request"),
        (json!({ "key": "pinned", "value": true }), "bad_request"),
        (
            json!({ "key": "pinned", "conversation": own, "value": "yes" }),
            "bad_request",
        ),
        (
            json!({ "key": "notify", "value": { "level": "some" } }),
            "bad_request",
        ),
        (
            json!({ "key": "notify", "value": { "level": "all", "until": 1_u64 << 53 } }),
            "bad_request",
        ),
        (
            json!({ "key": "saved", "conversation": own, "seq": -1, "value": true }),
            "bad_request",
        ),
        (
            json!({ "key": "blocked", "user": anna.user, "value": true }),
            "bad_request",
        ),
        (
            json!({ "key": "status", "value": { "text": "x".repeat(101) } }),
            "bad_request",
        ),
        (
            json!({ "key": "status", "value": { "text": "two\nlines" } }),
            "bad_request",
        ),
        (quiet("Europe/Atlantis", 1_320), "bad_request"),
        (quiet("Europe/Berlin", 1_440), "bad_request"),
        (draft("x".repeat(4_097)), "too_large"),
        (
            json!({ "key": "saved", "conversation": own, "seq": 2, "value": true }),
            "not_found",
        ),
        (
            json!({ "key": "hidden", "conversation": own, "seq": 0, "value": true }),
            "not_found",
        ),
        (
            json!({ "key": "saved", "conversation": foreign, "seq": 1, "value": true }),
            "not_found",
        ),
        (
            json!({ "key": "pinned", "conversation": foreign, "value": true }),
            "not_found",
        ),
        (
            json!({ "key": "unread", "conversation": "c0000000001", "value": true }),
            "not_found",
        ),
        (
            json!({ "key": "blocked", "user": "u0000000001", "value": true }),
            "not_found",
        ),
    ];
    for (setting, code) in refused {
        let said = setting.to_string();
        assert_eq!(live.refused(set(setting)).await, code, "{said}");
    }
    for list in ["settings", "saved"] {
        assert_eq!(
            live.refused(json!({ "type": list, "limit": 0 })).await,
            "bad_request"
        );
        assert_eq!(
            live.refused(json!({ "type": list, "after": 1_u64 << 53 })).await,
            "bad_request"
        );
    }
    assert_eq!(all(&mut live).await, Vec::<Value>::new());
    keep(&mut live, quiet("Europe/Berlin", 1_320)).await;
    keep(&mut live, draft("x".repeat(4_096))).await;
    // Over HTTP the same words.
    let ask = json!({ "id": 1, "type": "set", "key": "pinned", "conversation": own, "value": true });
    let reply = anna.post("/api/v1/commands", &ask).await.json(200);
    assert_eq!((&reply["re"], &reply["type"]), (&json!(1), &json!("set")));
    assert_eq!(all(&mut live).await.len(), 3);
}

#[tokio::test]
async fn drafts_have_their_bytes_together() {
    let mut server = Server::start().await;
    let [anna] = server.people(["anna"]).await;
    let mut live = anna.live().await;
    let (most, one) = (kinglet::limits::DRAFTS_BYTES, kinglet::limits::DRAFT_BYTES);
    let mut rooms = Vec::new();
    for _ in 0..=most / one {
        rooms.push(live.group(&[], json!({})).await);
    }
    let draft = |room: &str, bytes: usize| json!({ "key": "draft", "conversation": room, "value": { "text": "x".repeat(bytes) } });
    // The form around a text counts, too.
    for room in &rooms[1..most / one] {
        keep(&mut live, draft(room, one)).await;
    }
    assert_eq!(live.refused(set(draft(&rooms[0], one))).await, "limit_reached");
    keep(&mut live, draft(&rooms[0], one / 4)).await;
    assert_eq!(live.refused(set(draft(&rooms[0], one))).await, "limit_reached");
    keep(&mut live, json!({ "key": "draft", "conversation": rooms[1] })).await;
    keep(&mut live, draft(&rooms[0], one)).await;
}

#[tokio::test]
async fn a_hidden_message_is_gone_for_oneself_alone() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let talk = talk(&mut at_anna, &ben).await;
    for text in ["two", "three"] {
        at_anna.say(&talk, text).await;
    }
    at_anna
        .act(json!({ "type": "edit", "conversation": talk, "target": 2, "body": text_body("secret two") }))
        .await;
    let hide = |value: bool| json!({ "key": "hidden", "conversation": talk, "seq": 2, "value": value });
    let saved = |seq: u64| json!({ "key": "saved", "conversation": talk, "seq": seq, "value": true });
    for seq in [1, 2, 3] {
        keep(&mut at_anna, saved(seq)).await;
    }
    keep(&mut at_anna, hide(true)).await;
    let seqs = |page: &Value, kind: &str| -> Vec<u64> {
        let events = page[kind].as_array().cloned().unwrap_or_default();
        let seq = |row: &Value| row["seq"].as_u64().or(row["event"]["seq"].as_u64());
        events.iter().map(|row| seq(row).expect("a seq")).collect()
    };
    let history = json!({ "type": "history", "conversation": talk });
    let page = at_anna.get(history.clone()).await;
    assert_eq!(seqs(&page, "events"), [1, 3], "{page}");
    assert!(!page.to_string().contains("two"), "{page}");
    assert_eq!(page["last_seq"], 4, "what is hidden is no end");
    let first = json!({ "type": "history", "conversation": talk, "after": 0, "limit": 2 });
    let page = at_anna.get(first).await;
    assert_eq!(seqs(&page, "events"), [1, 3]);
    assert_eq!(seqs(&page, "annotations"), Vec::<u64>::new(), "{page}");
    let address = format!("/api/v1/conversations/{talk}/events");
    assert_eq!(seqs(&anna.get(&address).await.json(200), "events"), [1, 3]);
    let page = at_anna.get(json!({ "type": "saved" })).await;
    assert_eq!(seqs(&page, "saved"), [1, 3], "{page}");
    assert_eq!(seqs(&at_ben.get(history.clone()).await, "events"), [1, 2, 3, 4]);
    let search = json!({ "type": "search", "query": "secret" });
    assert_eq!(
        seqs(&at_anna.get(search.clone()).await, "found"),
        Vec::<u64>::new()
    );
    assert_eq!(seqs(&at_ben.get(search.clone()).await, "found"), [2]);
    keep(&mut at_anna, hide(false)).await;
    assert_eq!(seqs(&at_anna.get(search).await, "found"), [2]);
    assert_eq!(seqs(&at_anna.get(history).await, "events"), [1, 2, 3, 4]);
}

#[tokio::test]
async fn saved_messages_are_shown_as_long_as_one_may_see_them() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_ben.group(&[&anna], json!({})).await;
    let talk = talk(&mut at_ben, &anna).await;
    at_ben.say(&group, "in the group").await;
    for (conversation, seq) in [(&group, 2), (&talk, 1)] {
        let saved = json!({ "key": "saved", "conversation": conversation, "seq": seq, "value": true });
        keep(&mut at_anna, saved).await;
    }
    let texts = |page: &Value| -> Vec<Value> {
        let saved = page["saved"].as_array().expect("saved").clone();
        saved
            .iter()
            .map(|row| row["event"]["body"]["text"].clone())
            .collect()
    };
    let ask = json!({ "type": "saved" });
    assert_eq!(
        texts(&at_anna.get(ask.clone()).await),
        [json!("in the group"), json!("first")]
    );
    at_ben
        .act(json!({ "type": "recall", "client_id": id(), "conversation": talk, "target": 1 }))
        .await;
    at_ben
        .act(json!({ "type": "kick", "conversation": group, "user": anna.user }))
        .await;
    let page = at_anna.get(ask).await;
    assert_eq!(page["saved"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["saved"][0]["event"]["erased"], true, "{page}");
    let unsave = json!({ "key": "saved", "conversation": group, "seq": 2 });
    assert!(
        keep(&mut at_anna, unsave).await > 0,
        "what one may not see can be cleared"
    );
}
