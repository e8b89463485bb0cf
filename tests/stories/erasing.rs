//! What is erased is in no file any more, while the server runs and after it. What must not live here: who may erase what
//! (`changes`).

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::harness::{PATIENCE, Server};
use crate::live::text_body;

/// Whether any file under the data directory has these bytes.
pub fn is_in_a_file(directory: &Path, canary: &str) -> bool {
    let entries = std::fs::read_dir(directory).expect("the data directory");
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in_a_file(&path, canary);
        }
        // Sockets are no files, and what was removed meanwhile is gone.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes())
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
