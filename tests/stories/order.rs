//! Many write at once and readers come and go: every reader sees a prefix of one order, without a gap, once.
//! What must not live here: slow readers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Person, Server, id};
use crate::live::{Came, Live, text_body};

const SENDERS: usize = 20;
const MESSAGES: usize = 100;
const READERS: usize = 10;
const PULLERS: usize = 20;
const LAST: u64 = 1 + (SENDERS * MESSAGES) as u64;

/// A sender: pipelines, so that commits hold many of them. Gives what each ack said.
async fn send_all(person: Person, group: String, sender: usize) -> Vec<(String, u64)> {
    let mut live = person.live().await;
    let mut asked = Vec::new();
    for message in 0..MESSAGES {
        let text = format!("{sender}:{message}");
        let send =
            json!({ "type": "send", "client_id": id(), "conversation": group, "body": text_body(&text) });
        asked.push((live.post(send).await, text));
    }
    let mut acks = Vec::new();
    while acks.len() < MESSAGES {
        let Came::Frame(frame) = live.came().await else {
            panic!("a sender was cut off")
        };
        if frame["type"] == "ack" {
            let at = asked
                .iter()
                .position(|(id, _)| frame["re"] == *id)
                .expect("it was asked");
            acks.push((asked[at].1.clone(), frame["seq"].as_u64().expect("a seq")));
        }
    }
    acks
}

/// A reader that loses its connection again and again. Keeps its token as the protocol says: one it may store is one
/// behind which it holds everything.
async fn read_all(person: Person, group: String, start: String, chance: u64) -> Vec<(u64, String)> {
    let mut chance = chance;
    let mut have: BTreeMap<u64, String> = BTreeMap::new();
    let mut live: Live = person.resume(&start).await;
    let mut until_lost = 50;
    while have.len() < LAST as usize {
        let event = live.event().await;
        if event["conversation"] != json!(group) {
            continue;
        }
        take(&mut have, &event);
        until_lost -= 1;
        if until_lost == 0 {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            until_lost = 100 + (chance >> 33) % 900;
            drop(live);
            live = person.resume(&start).await;
            // The token is the old one, so everything comes again, from the beginning, in order.
            let again = &mut BTreeMap::new();
            while again.len() < have.len() {
                take(again, &live.event().await);
            }
            assert!(
                again.iter().eq(have.iter()),
                "what came again is what came before"
            );
        }
    }
    have.into_iter().collect()
}

/// A reader that only asks for pages, as the protocol says: what it holds after a page is up to the page's last event, and at
/// the end up to `last_seq`.
async fn pull_all(person: Person, group: String) -> Vec<(u64, String)> {
    let mut live = person.live().await;
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    let mut have = 0;
    while have < LAST {
        let page = live
            .get(json!({ "type": "history", "conversation": group, "after": have, "limit": 50 }))
            .await;
        for event in page["events"].as_array().expect("a list") {
            take(&mut seen, event);
        }
        let is_end = page["more"] != json!(true);
        have = if is_end {
            page["last_seq"].as_u64().expect("a seq")
        } else {
            seen.len() as u64
        };
        assert_eq!(have, seen.len() as u64, "what a page covers is in it");
    }
    seen.into_iter().collect()
}

/// Takes an event, which must be the very next one.
fn take(have: &mut BTreeMap<u64, String>, event: &Value) {
    let seq = event["seq"].as_u64().expect("a seq");
    assert_eq!(
        seq,
        have.len() as u64 + 1,
        "a gap, a repeat, or out of order: {event}"
    );
    let text = event["body"]["text"].as_str().unwrap_or("created").to_owned();
    have.insert(seq, text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_sees_one_order_without_a_gap_and_once() {
    let mut server = Server::start().await;
    let names = [
        "anna", "ben", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon",
    ];
    let people = server.people(names).await;
    let start = people[0].live().await.welcome["resume"]
        .as_str()
        .expect("a token")
        .to_owned();
    let others: Vec<&Person> = people[1..].iter().collect();
    let group = people[0].live().await.group(&others, json!({})).await;
    // Somebody is always there, so the newest events stay in memory, and nobody who comes back is told `behind`.
    let anchor = people[0].live().await;
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..READERS {
        readers.spawn(read_all(
            people[reader % 4].clone(),
            group.clone(),
            start.clone(),
            reader as u64,
        ));
    }
    for person in people.iter().cycle().take(PULLERS) {
        readers.spawn(pull_all(person.clone(), group.clone()));
    }
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_all(
            people[sender % people.len()].clone(),
            group.clone(),
            sender,
        ));
    }
    let mut acked = BTreeMap::new();
    for acks in senders.join_all().await {
        for (text, seq) in &acks {
            assert_eq!(
                acked.insert(*seq, text.clone()),
                None,
                "seq {seq} was given twice"
            );
        }
        let mut sorted = acks.clone();
        sorted.sort_by_key(|(_, seq)| *seq);
        let order: Vec<usize> = sorted
            .iter()
            .filter_map(|(text, _)| text.split(':').nth(1)?.parse().ok())
            .collect();
        assert_eq!(
            order,
            (0..MESSAGES).collect::<Vec<_>>(),
            "a connection's messages keep their order"
        );
    }
    assert!(
        acked.keys().copied().eq(2..=LAST),
        "dense: every number from 2 to {LAST}"
    );
    let seen = readers.join_all().await;
    anchor.close().await;
    for reader in &seen {
        assert!(
            reader
                .iter()
                .skip(1)
                .map(|(seq, text)| (seq, text))
                .eq(acked.iter()),
            "what was read is what was acked"
        );
    }
}
