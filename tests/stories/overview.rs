//! The server as a whole, as its admins see it: figures that follow what happens, settings as they hold. What must not live
//! here: who else is refused, which the matrix tries.

use serde_json::{Value, json};

use crate::harness::Server;

fn number(value: &Value, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("{pointer} is a number: {value}"))
}

#[tokio::test]
async fn figures_follow_what_happens() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let before = owner.get("/api/v1/admin/health").await.json(200);
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    for n in 0..3 {
        live.tell(&ben.user, &format!("word {n}")).await;
    }
    let after = owner.get("/api/v1/admin/health").await.json(200);
    assert_eq!(after["status"], "ready");
    let grown = |pointer: &str| number(&after, pointer) - number(&before, pointer);
    assert!(grown("/acks") >= 3 && grown("/events") >= 3, "{before} {after}");
    assert!(
        grown("/uptime_ms") > 0 && grown("/commit/sum") > 0,
        "{before} {after}"
    );
    assert_eq!(number(&after, "/users_online"), 1);
    let counts = after["ack"]["counts"].as_array().expect("a list");
    assert_eq!(
        counts.len(),
        after["ack"]["bounds"].as_array().expect("a list").len() + 1
    );
    let lines = after["memory"]["lines"].as_array().expect("a list");
    let sum: u64 = lines.iter().map(|line| number(line, "/bytes")).sum();
    assert_eq!(sum, number(&after, "/memory/budget"), "the lines add up");
    assert!(number(&after, "/disk/database") > 0 && number(&after, "/disk/free") > 0);
    let pools = after["pools"].as_array().expect("a list");
    let connections = pools.iter().find(|pool| pool["name"] == "connections");
    assert!(
        number(connections.expect("a pool"), "/used") >= 1,
        "somebody is connected: {after}"
    );
}

#[tokio::test]
async fn settings_are_those_that_the_server_was_started_with() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let told = owner.get("/api/v1/admin/settings").await.json(200);
    let settings = told["settings"].as_array().expect("a list");
    let one = |key: &str| {
        let found = settings.iter().find(|one| one["key"] == key);
        found.unwrap_or_else(|| panic!("{key} is told: {told}"))
    };
    let data = server.data().display().to_string();
    assert_eq!(one("data_dir")["value"], json!(format!("{data:?}")));
    assert_eq!(one("data_dir")["usual"], "\"data\"");
    assert_eq!(one("retention.days")["value"], "0");
    assert!(
        one("limits.connections")["about"]
            .as_str()
            .is_some_and(|about| about.contains("connections"))
    );
}
