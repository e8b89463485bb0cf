//! What is erased is in no file any more, while the server runs and after it. What must not live here: who may erase what
//! (`changes`).

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::harness::{PATIENCE, Server};
use crate::live::text_body;

/// Whether any file under the data directory has these words.
pub fn is_in_a_file(directory: &Path, canary: &str) -> bool {
    bytes_are_in_a_file(directory, canary.as_bytes())
}

/// Whether any file under the data directory has these bytes.
pub fn bytes_are_in_a_file(directory: &Path, canary: &[u8]) -> bool {
    // A folder may go meanwhile, too.
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return bytes_are_in_a_file(&path, canary);
        }
        // Sockets are no files, and what was removed meanwhile is gone.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(canary.len()).any(|window| window == canary)
    })
}

/// Waits until what was erased has left the write-ahead log.
pub async fn erasures_are_done(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while server.metric("kinglet_erasures_pending").await > 0.0 {
        assert!(
            Instant::now() < deadline,
            "erased words stay in the write-ahead log"
        );
    }
}

#[tokio::test]
async fn what_was_recalled_is_in_no_file_while_the_server_runs_and_after_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let mut seqs = Vec::new();
    // Short ones fill pages whose rows grow when they are erased; long ones have pages of their own.
    let long = "zq9xlong ".repeat(2_000);
    for number in 0..200 {
        let text = if number % 50 == 0 {
            long.clone()
        } else {
            format!("zq9x{number}")
        };
        seqs.push(at_anna.say(&group, &text).await["seq"].clone());
    }
    for seq in seqs.iter().step_by(10) {
        let edit =
            json!({ "type": "edit", "conversation": group, "target": seq, "body": text_body("zq9x edited") });
        at_anna.act(edit).await;
    }
    assert!(is_in_a_file(&server.data(), "zq9x"), "the search finds nothing");
    for seq in &seqs {
        at_anna
            .act(json!({ "type": "recall", "conversation": group, "target": seq }))
            .await;
    }
    erasures_are_done(&server).await;
    assert!(
        !is_in_a_file(&server.data(), "zq9x"),
        "the words are still in a file"
    );
    assert_eq!(server.metric("kinglet_erasures_pending").await, 0.0);
    server.kill9();
    assert!(!is_in_a_file(&server.data(), "zq9x"), "the words came back");
    server.restart().await;
    assert!(
        !is_in_a_file(&server.data(), "zq9x"),
        "the words came back at the start"
    );
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
}

/// Stops the server and has the whole log examined.
pub async fn stopped_and_examined(server: &mut Server) -> (i32, String, String) {
    assert_eq!(server.stop().await, Some(0));
    server.run(&["doctor"]).await
}

#[tokio::test]
async fn a_crash_before_the_log_is_emptied_is_made_good_at_the_start() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    for text in ["first", "zq9xsecond"] {
        let seq = at_anna.say(&group, text).await["seq"].clone();
        let recall = json!({ "type": "recall", "conversation": group, "target": seq });
        at_anna.act(recall).await;
        if text == "first" {
            erasures_are_done(&server).await;
        }
    }
    // The log was emptied a moment ago: the second erasure has to wait for its turn, and the crash comes first.
    assert!(server.metric("kinglet_erasures_pending").await > 0.0);
    server.kill9();
    assert!(
        is_in_a_file(&server.data(), "zq9x"),
        "nothing is left to make good"
    );
    server.restart().await;
    assert!(
        !is_in_a_file(&server.data(), "zq9x"),
        "the start serves erased words"
    );
}

#[tokio::test]
async fn how_long_a_conversation_keeps_is_told_to_all_and_the_shorter_time_holds() {
    let mut server = Server::with(&[("KINGLET_RETENTION_DAYS", "30")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let was_at = at_ben.welcome["resume"].as_str().expect("a token").to_owned();
    let group = at_anna.group(&[&ben], json!({})).await;
    let set = |days: u32| json!({ "type": "update", "conversation": group, "retention_days": days });
    assert_eq!(at_ben.refused(set(7)).await, "forbidden");
    assert_eq!(at_anna.refused(set(36_501)).await, "bad_request");
    let direct = at_anna.tell(&ben.user, "hello").await["conversation"].clone();
    let own = json!({ "type": "update", "conversation": direct, "retention_days": 7 });
    assert_eq!(at_anna.refused(own).await, "wrong_kind");
    for (own, holds) in [(90, 30), (7, 7), (0, 30)] {
        at_anna.act(set(own)).await;
        for live in [&mut at_anna, &mut at_ben] {
            let listed = live.get(json!({ "type": "conversations" })).await;
            for info in listed["conversations"].as_array().expect("a list") {
                let expected = if info["conversation"] == group.as_str() {
                    holds
                } else {
                    30
                };
                assert_eq!(info["retention_days"], expected, "{info}");
            }
        }
    }
    assert_eq!(at_anna.refused(set(0)).await, "no_change");
    // The other device was away, and is told each change.
    drop(at_ben);
    let events = ben.resume(&was_at).await.settle().await;
    let told: Vec<_> = events.iter().filter(|event| event["kind"] == "updated").collect();
    assert_eq!(told.len(), 3, "{events:?}");
}

#[tokio::test]
async fn what_a_time_would_erase_is_counted_beside_the_server_and_nothing_is_changed() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    at_anna.tell(&ben.user, "old one").await;
    at_anna.tell(&ben.user, "old two").await;
    drop(at_anna);
    assert_eq!(server.stop().await, Some(0));
    // The hash chain does not know the time: only so can a test grow old.
    let log = rusqlite::Connection::open(server.data().join("kinglet.db")).expect("it is closed");
    log.execute("UPDATE log SET ts = 0, kind = kind & ~64", [])
        .expect("two rows");
    drop(log);
    server.restart().await;
    anna.live().await.tell(&ben.user, "a new one").await;
    for (days, events) in [("1", 2), ("0", 0)] {
        let (code, said, complaint) = server.run(&["retention", "--json", "--days", days]).await;
        assert_eq!(code, 0, "{complaint}");
        let figures: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(
            (&figures["events"], &figures["bytes"]),
            (&json!(events), &json!(events * 7)),
            "{said}"
        );
    }
    let (_, said, _) = server.run(&["retention"]).await;
    assert!(said.contains("for ever"), "{said}");
    assert!(is_in_a_file(&server.data(), "old one"), "it was erased");
}

#[tokio::test]
async fn a_reader_in_the_way_is_waited_for_and_holds_nobody_up() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let seq = at_anna.say(&group, "zq9xsecret").await["seq"].clone();
    // An operator's `sqlite3` in the middle of something.
    let reader = rusqlite::Connection::open(server.data().join("kinglet.db")).expect("it may be read");
    reader.execute_batch("BEGIN").expect("a transaction");
    let rows: i64 = reader
        .query_row("SELECT count(*) FROM log", [], |row| row.get(0))
        .expect("a reading");
    assert!(rows > 0);
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": seq }))
        .await;
    let deadline = Instant::now() + PATIENCE;
    while server.metric("kinglet_wal_emptied_total").await < 1.0 {
        assert!(Instant::now() < deadline, "it is not even tried");
    }
    assert!(server.metric("kinglet_erasures_pending").await > 0.0);
    assert!(
        is_in_a_file(&server.data(), "zq9x"),
        "the reader is not in the way"
    );
    at_anna.say(&group, "and life goes on").await;
    drop(reader);
    erasures_are_done(&server).await;
    assert!(
        !is_in_a_file(&server.data(), "zq9x"),
        "the words are still in a file"
    );
}
