//! The network is lost and comes back: resume tokens, sync pages, falling behind. What must not live here: memory (`slow`).

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Person, Server, heavy, id};
use crate::live::{Came, Live, seqs, text_body};

/// Sends of one user at once: what the token bucket allows.
const BURST: usize = 200;

/// Posts many messages by several people in turn: each has a bucket of their own.
pub async fn flood(senders: &[Person], conversation: &str, count: usize, text: &str) {
    let mut left = count;
    let mut turn = 0;
    let mut running = tokio::task::JoinSet::new();
    while left > 0 {
        let now = left.min(BURST);
        left -= now;
        let commands: Vec<String> = (0..now).map(|_| id()).collect();
        let sender = senders[turn % senders.len()].clone();
        turn += 1;
        running.spawn(deliver(
            sender,
            conversation.to_owned(),
            text.to_owned(),
            commands,
        ));
        if running.len() >= 4 {
            running.join_next().await.expect("one runs").expect("no panic");
        }
    }
    while let Some(done) = running.join_next().await {
        done.expect("no panic");
    }
}

/// An outbox, as the protocol describes it: whatever has no ack when the connection is lost is sent again on the next one.
async fn deliver(sender: Person, conversation: String, text: String, mut outbox: Vec<String>) {
    // One who writes without end and reads nothing is stopped by its own events.
    let window = (256 * 1024 / text.len()).clamp(1, BURST);
    while !outbox.is_empty() {
        let mut live = sender.live().await;
        let mut waiting: HashMap<u64, String> = HashMap::new();
        let mut left = outbox.clone().into_iter();
        loop {
            if waiting.len() < window
                && let Some(command) = left.next()
            {
                let body = text_body(&text);
                let send = json!({ "type": "send", "client_id": command, "conversation": conversation, "body": body });
                waiting.insert(live.post(send).await, command);
                continue;
            }
            if waiting.is_empty() {
                outbox.clear();
                break;
            }
            match live.came_within(PATIENCE).await {
                Some(Came::Frame(frame)) => {
                    assert!(frame.get("error").is_none(), "{frame}");
                    let done = frame["re"].as_u64().and_then(|re| waiting.remove(&re));
                    outbox.retain(|command| Some(command) != done.as_ref());
                }
                Some(Came::End(None)) => break,
                other => panic!("{} messages were not acknowledged, then {other:?}", outbox.len()),
            }
        }
    }
}

fn token(welcome: &Value) -> &str {
    welcome["resume"].as_str().expect("a token")
}

#[tokio::test]
async fn after_a_lost_connection_exactly_what_was_missed_comes_in_order() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, at_ben) = (anna.live().await, ben.live().await);
    let before = token(&at_ben.welcome).to_owned();
    drop(at_ben);
    let talk = at_anna.tell(&ben.user, "1").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    let group = at_anna.group(&[&ben], json!({})).await;
    for round in 2..=30 {
        at_anna.say(&talk, &round.to_string()).await;
        at_anna.say(&group, &round.to_string()).await;
    }
    let mut at_ben = ben.resume(&before).await;
    assert_eq!(at_ben.welcome["catch_up"], "streaming");
    let missed = at_ben.settle().await;
    let of = |conversation: &str| -> Vec<u64> {
        let own: Vec<Value> = missed
            .iter()
            .filter(|event| event["conversation"] == conversation)
            .cloned()
            .collect();
        seqs(&own)
    };
    assert_eq!(of(&talk), (1..=30).collect::<Vec<_>>());
    assert_eq!(of(&group), (1..=30).collect::<Vec<_>>());
    assert_eq!(missed.len(), 60, "nothing twice, nothing else");
    drop(at_ben);

    // The same from the store alone, after a crash.
    server.kill9();
    server.restart().await;
    let mut at_ben = ben.resume(&before).await;
    assert_eq!(at_ben.welcome["catch_up"], "streaming");
    let again = at_ben.settle().await;
    let of_talk: Vec<Value> = again
        .iter()
        .filter(|event| event["conversation"] == talk)
        .cloned()
        .collect();
    assert_eq!(seqs(&of_talk), (1..=30).collect::<Vec<_>>());
    let here = token(&at_ben.welcome).to_owned();
    let mut current = ben.resume(&here).await;
    drop(at_ben);
    let mut at_anna = anna.live().await;
    at_anna.say(&talk, "now").await;
    let news: Vec<Value> = current.settle().await;
    assert!(news.iter().any(|event| event["seq"] == 31), "{news:?}");
}

#[tokio::test]
async fn a_token_of_another_state_is_answered_with_resync() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    live.tell(&ben.user, "hi").await;
    let own = token(&live.welcome).to_owned();
    let mut other = Server::start().await;
    let foreign = token(&other.owner().await.live().await.welcome).to_owned();
    let mut broken = own.clone();
    broken.replace_range(10..11, if &own[10..11] == "A" { "B" } else { "A" });
    let long = "A".repeat(1000);
    for bad in [foreign.as_str(), &broken, "", "x", &long] {
        let mut resumed = anna.resume(bad).await;
        assert_eq!(resumed.welcome["catch_up"], "resync", "{bad}");
        assert_eq!(
            resumed.refused(json!({ "type": "sync", "after": bad })).await,
            "resync",
            "{bad}"
        );
        let synced = resumed.get(json!({ "type": "sync" })).await;
        assert_eq!(
            synced["conversations"].as_array().map(Vec::len),
            Some(1),
            "{synced}"
        );
        live.say(
            synced["conversations"][0]["conversation"]
                .as_str()
                .expect("an id"),
            "still here",
        )
        .await;
        resumed.event().await;
    }
}

#[tokio::test]
async fn sync_tells_in_pages_what_changed() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let mut groups = Vec::new();
    for _ in 0..7 {
        groups.push(at_anna.group(&[&ben], json!({})).await);
    }
    let mut at_ben = ben.live().await;
    assert_eq!(
        at_ben.welcome["catch_up"], "sync",
        "a first load has nothing to resume"
    );
    let (first, resume) = pages(&mut at_ben, None).await;
    assert_eq!(first, groups, "oldest change first");
    assert_eq!(pages(&mut at_ben, Some(&resume)).await.0, Vec::<String>::new());
    at_anna.say(&groups[4], "news").await;
    at_anna.say(&groups[2], "news").await;
    at_anna
        .act(json!({ "type": "kick", "conversation": groups[6], "user": ben.user }))
        .await;
    let page = at_ben.get(json!({ "type": "sync", "after": resume })).await;
    assert_eq!(page["gone"], json!([groups[6]]));
    let (changed, _) = pages(&mut at_ben, Some(&resume)).await;
    assert_eq!(changed, [groups[4].clone(), groups[2].clone()]);
    let info = &page["conversations"][0];
    assert_eq!((&info["last_seq"], &info["unread"]), (&json!(2), &json!(1)));
}

/// All conversations that `sync` lists after a token, three at a time, and the last token.
async fn pages(live: &mut Live, after: Option<&str>) -> (Vec<String>, String) {
    let (mut all, mut after) = (Vec::new(), after.map(str::to_owned));
    loop {
        let mut ask = json!({ "type": "sync", "limit": 3 });
        if let Some(after) = &after {
            ask["after"] = json!(after);
        }
        let page = live.get(ask).await;
        let listed = page["conversations"].as_array().expect("a list").iter();
        all.extend(
            listed
                .filter_map(|info| info["conversation"].as_str())
                .map(str::to_owned),
        );
        after = Some(token(&page).to_owned());
        if page["more"] == false {
            return (all, after.expect("a page has a token"));
        }
    }
}

#[tokio::test]
async fn a_slow_reader_far_behind_is_told_so_and_a_late_one_is_told_to_sync() {
    let _alone = heavy().await;
    let mut server = Server::with(&[("KINGLET_LIMITS_TAIL_MIB", "1")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let mut crowd = Vec::new();
    for at in 0..26 {
        crowd.push(server.person(&format!("sender{at}")).await);
    }
    let members: Vec<&Person> = crowd.iter().chain([&ben]).collect();
    let group = at_anna.group(&members, json!({})).await;
    let mut slow = ben.narrow().await;
    slow.settle().await;
    let past = token(&slow.welcome).to_owned();
    // The reader does not read while 5,200 events flow: 1 MiB of them stays in memory, the rest is 3,000 and more away.
    flood(&crowd, &group, 5_200, &"slowly does it ".repeat(40)).await;
    let mut told = Vec::new();
    let behind = loop {
        match slow.came().await {
            Came::Frame(frame) if frame["type"] == "event" => told.push(frame),
            Came::Frame(frame) if frame["type"] == "behind" => break frame,
            Came::Frame(frame) => assert_eq!(frame["type"], "user", "{frame}"),
            Came::End(code) => panic!("the reader was cut off: {code:?}"),
        }
    };
    let prefix = seqs(&told);
    let first = prefix[0];
    assert_eq!(
        prefix,
        (first..first + told.len() as u64).collect::<Vec<_>>(),
        "a prefix, in order, once"
    );
    assert!(told.len() < 5_200, "{} were told", told.len());
    let synced = slow
        .get(json!({ "type": "sync", "after": behind["resume"] }))
        .await;
    let info = &synced["conversations"][0];
    assert_eq!(
        (&info["conversation"], &info["last_seq"]),
        (&json!(group), &json!(5_201))
    );
    let mut have = *prefix.last().expect("something was told");
    while have < 5_201 {
        let page = slow
            .get(json!({ "type": "history", "conversation": group, "after": have, "limit": 100 }))
            .await;
        let got = seqs(page["events"].as_array().expect("events"));
        assert_eq!(got.first(), Some(&(have + 1)));
        have = *got.last().expect("a page has events");
    }
    slow.settle().await;
    at_anna.say(&group, "and on").await;
    assert_eq!(slow.event().await["seq"], 5_202, "it goes on live");

    let mut late = ben.resume(&past).await;
    assert_eq!(late.welcome["catch_up"], "sync");
    assert_eq!(
        late.settle().await,
        Vec::<Value>::new(),
        "nothing is streamed to one who must sync"
    );
    let synced = late.get(json!({ "type": "sync", "after": past })).await;
    assert_eq!(synced["conversations"][0]["last_seq"], 5_202);
}

#[tokio::test]
async fn one_who_was_removed_meanwhile_is_told_so_when_the_walk_goes_on() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let live = ben.live().await;
    let here = token(&live.welcome).to_owned();
    live.close().await;
    at_anna
        .act(json!({ "type": "kick", "conversation": group, "user": ben.user }))
        .await;
    at_anna.say(&group, "not for ben").await;
    let mut again = ben.resume(&here).await;
    assert_eq!(again.welcome["catch_up"], "streaming");
    let told = again.event_of(&group, "removed").await;
    assert_eq!(told["user"], json!(ben.user));
    assert!(again.settle().await.is_empty(), "nothing after it");
    let polled = ben.get(&format!("/api/v1/sync?after={here}")).await.json(200);
    assert!(polled["events"].as_array().expect("events").contains(&told));
}
