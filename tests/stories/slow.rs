//! A reader that does not read: the server keeps its place, not its messages; others do not notice; later it gets all.
//! What must not live here: cutting it off (`revocation`).

use serde_json::{Value, json};

use crate::harness::Server;
use crate::live::{Came, seqs};
use crate::resume::flood;

const BODY: usize = 32 * 1024;
const MESSAGES: usize = 160;
const SLOW: usize = 12;

#[tokio::test]
async fn readers_that_stop_reading_cost_a_place_each_and_get_everything_in_the_end() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::with(&[("KINGLET_LIMITS_TAIL_MIB", "1")]).await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben, &cyd, &dan], json!({})).await;
    let text = "s".repeat(BODY);
    // Once without slow readers, so that what is measured is theirs: caches are warm and pools have their size.
    flood(std::slice::from_ref(&anna), &group, MESSAGES, &text).await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(ben.narrow().await);
    }
    let mut quick = cyd.live().await;
    let before = server.resident();
    let (_, seen) = tokio::join!(
        flood(std::slice::from_ref(&dan), &group, MESSAGES, &text),
        async {
            let mut seen = Vec::new();
            while seen.len() < MESSAGES {
                seen.push(quick.event().await);
            }
            seen
        }
    );
    let expected: Vec<u64> = (MESSAGES as u64 + 2..=2 * MESSAGES as u64 + 1).collect();
    assert_eq!(seqs(&seen), expected, "others are served as if nothing were");
    let grown = server.resident().saturating_sub(before);
    let queued = SLOW * MESSAGES * BODY;
    assert!(
        grown < 12 * 1024 * 1024,
        "{grown} bytes more for readers that are owed {queued}"
    );
    for live in &mut slow {
        let mut got: Vec<Value> = Vec::new();
        while got.len() < MESSAGES {
            match live.came().await {
                Came::Frame(frame) if frame["type"] == "event" => got.push(frame),
                Came::Frame(frame) => assert!(frame["type"] == "position", "after {:?}: {frame}", seqs(&got)),
                Came::End(code) => panic!("a slow reader was cut off: {code:?}"),
            }
        }
        assert_eq!(seqs(&got), expected);
        assert!(got.iter().all(|event| event["body"]["text"] == text.as_str()));
    }
}
