//! A server that cannot start: what people and programs see at its address, when it tries again, and how it comes back.
//! What must not live here: which errors there are (`app/starts.rs`), and the page's words.

use std::fs;
use std::path::Path;

use hyper::Request;
use serde_json::json;

use crate::harness::{PASSWORD, Server};
use crate::http::Reply;
use crate::manager::Manager;
use crate::tls::trusted;

const SERVE: [&str; 4] = ["serve", "--safe-mode", "--retry-after", "1"];
const POLICY: &str = "default-src 'none'; style-src 'sha256-";

async fn page(manager: &Manager, path: &str) -> Reply {
    let request = Request::get(path.to_owned()).header("accept", "text/html,*/*;q=0.8");
    manager
        .server
        .world
        .send(request.body(String::new()).expect("a request"))
        .await
}

/// Instead of the database something else.
fn break_the_database(data: &Path) {
    fs::rename(data.join("kinglet.db"), data.join("aside")).expect("the server does not run");
    fs::write(data.join("kinglet.db"), "no database at all ".repeat(1_000)).expect("the directory is ours");
}

fn repair_the_database(data: &Path) {
    fs::rename(data.join("aside"), data.join("kinglet.db")).expect("it was put aside");
}

#[tokio::test]
async fn after_five_failed_starts_a_page_says_why_and_a_repaired_server_comes_back() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    anna.live().await.tell(&ben.user, "before").await;
    let data = server.data();
    let manager = Manager::of(server, ["https", "http"]).await;
    let world = &manager.server.world;

    break_the_database(&data);
    for failed in 1..=5 {
        let (code, said) = manager.start(&SERVE).ended().await;
        assert_eq!(code, Some(4), "start {failed}: {said}");
    }
    let (run, state) = manager.start_well(&SERVE).await;
    assert!(state.contains("STATUS=safe mode: 5 starts"), "{state}");
    let shown = page(&manager, "/").await;
    assert_eq!(shown.status, 503);
    let header = |name: &str| shown.headers[name].to_str().expect("text").to_owned();
    assert!(header("content-type").starts_with("text/html"));
    assert!(header("content-security-policy").starts_with(POLICY));
    assert!(!header("content-security-policy").contains("unsafe"));
    assert_eq!(header("cache-control"), "no-store");
    assert!(header("retry-after").parse::<u64>().expect("seconds") >= 1);
    for words in [
        "5 starts in a row",
        "database is damaged",
        "连续 5 次",
        "数据库已损坏",
        "lang=\"zh-CN\"",
    ] {
        assert!(shown.text.contains(words), "{words} is missing: {}", shown.text);
    }
    let directory = manager.server.dir.path().to_string_lossy().into_owned();
    for secret in [
        directory.as_str(),
        "not a database",
        "SQLite",
        PASSWORD,
        &anna.token,
        "anna",
        "<script",
    ] {
        assert!(!shown.text.contains(secret), "the page tells {secret}");
    }
    let asked = world.get("/api/v1/profile", Some(&anna.token)).await;
    assert_eq!((asked.status, asked.refused()), (503, "safe_mode".to_owned()));
    assert_eq!(
        asked.json(503)["error"]["retry_after_ms"]
            .as_u64()
            .map(|ms| ms <= 30_000),
        Some(true)
    );
    for path in ["/health", "/ws"] {
        assert_eq!(world.get(path, None).await.refused(), "safe_mode", "{path}");
    }
    let posted = world
        .post("/api/v1/sign-in", None, &json!({ "name": "anna" }))
        .await;
    assert_eq!(posted.refused(), "safe_mode");

    // Once the time is over it makes room for a try by itself; that fails, and the page is back.
    let (code, said) = run.ended().await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(manager.start(&SERVE).ended().await.0, Some(4), "the try");
    let (run, _) = manager.start_well(&SERVE).await;
    assert!(page(&manager, "/c/c1/2").await.text.contains("6 starts in a row"));

    repair_the_database(&data);
    let (code, said) = run.stopped().await;
    assert_eq!(
        code,
        Some(0),
        "`systemctl restart` need not wait for the time to be over: {said}"
    );
    let (run, state) = manager.start_well(&SERVE).await;
    assert!(!state.contains("safe mode"), "{state}");
    assert!(
        !data.join("starts.json").exists(),
        "what failed before is forgotten"
    );
    let told = anna.live().await.tell(&ben.user, "after").await;
    assert_eq!(told["seq"], 2, "what was acknowledged before is there");
    assert_eq!(run.stopped().await.0, Some(0));
}

#[tokio::test]
async fn a_start_that_is_killed_counts_and_one_that_gets_ready_does_not() {
    let manager = Manager::of(Server::start().await, ["https", "http"]).await;
    let data = manager.server.data();
    let counted = || {
        let text = fs::read_to_string(data.join("starts.json")).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text)
            .map_or(0, |record| record["failed"].as_u64().unwrap_or(0))
    };
    for _ in 0..7 {
        let (run, state) = manager.start_well(&SERVE).await;
        assert!(!state.contains("safe mode"), "{state}");
        run.signal("KILL");
        run.ended().await;
        assert_eq!(counted(), 0, "it was up");
    }
    // Stopped in the middle of a start: it waits for the lock of the log, which the test holds.
    let held = fs::File::open(data.join("lock")).expect("the server made it");
    held.lock().expect("nobody else has it");
    let (code, said) = manager.start(&SERVE).ended().await;
    assert_eq!(code, Some(5), "{said}");
    assert_eq!(counted(), 1);
}

/// As a disk does it that can be read and not written: each start gets ready, and dies at the first message.
#[tokio::test]
async fn a_server_that_is_up_for_a_moment_and_dies_again_and_again_shows_the_page() {
    let mut manager = Manager::of(Server::start().await, ["https", "http"]).await;
    let memory = manager.server.dir.path().join("run");
    let disk = manager.server.data();
    for (name, place) in [("STATE_DIRECTORY", &disk), ("RUNTIME_DIRECTORY", &memory)] {
        let place = place.to_string_lossy().into_owned();
        manager.server.env.push((name.to_owned(), place));
    }
    let counted = |place: &std::path::Path| place.join("starts.json").exists();
    for _ in 0..5 {
        let (run, state) = manager.start_well(&SERVE).await;
        assert!(!state.contains("safe mode"), "{state}");
        assert!(
            counted(&memory) && !counted(&disk),
            "a cut of the power counts for nothing"
        );
        run.signal("KILL");
        run.ended().await;
    }
    let (run, state) = manager.start_well(&SERVE).await;
    assert!(state.contains("safe mode"), "{state}");
    assert_eq!(run.stopped().await.0, Some(0));
    // Once it lasts, or somebody stops it, all that is forgotten.
    let (run, state) = manager.start_well(&SERVE).await;
    assert!(!state.contains("safe mode") && counted(&memory), "{state}");
    assert_eq!(run.stopped().await.0, Some(0));
    assert!(!counted(&memory));
}

#[tokio::test]
async fn wrong_settings_are_told_over_tls_and_plainly_and_without_any_settings_at_all() {
    let (server, _) = trusted().await;
    let mut manager = Manager::of(server, ["https", "http"]).await;
    let state = manager.server.dir.path().join("state");
    let settings = [
        ("STATE_DIRECTORY", state.to_string_lossy().into_owned()),
        ("KINGLET_LIMITS_MESSAGE_BYTES", "17".to_owned()),
    ];
    for (name, value) in settings {
        manager.server.env.push((name.to_owned(), value));
    }
    for _ in 0..5 {
        assert_eq!(manager.start(&SERVE).ended().await.0, Some(3));
    }
    assert!(state.join("starts.json").exists(), "counted where systemd says");
    let (run, _) = manager.start_well(&SERVE).await;
    // By the certificate that this client trusts already.
    let shown = page(&manager, "/").await;
    assert!(shown.text.contains("A setting is wrong") && !shown.text.contains("message_bytes"));
    let plain = std::mem::take(&mut *manager.server.world.tls.lock().expect("nobody panicked"));
    manager.server.world.move_to(manager.address(1));
    assert!(page(&manager, "/").await.text.contains("A setting is wrong"));
    assert_eq!(run.stopped().await.0, Some(0));

    fs::write(
        manager.server.dir.path().join("kinglet.toml"),
        "this = is [no TOML",
    )
    .expect("our own directory");
    assert_eq!(manager.start(&SERVE).ended().await.0, Some(3), "the try");
    let (run, _) = manager.start_well(&SERVE).await;
    assert!(page(&manager, "/").await.text.contains("6 starts in a row"));
    assert_eq!(run.stopped().await.0, Some(0));
    fs::remove_file(manager.server.dir.path().join("kinglet.toml")).expect("it was there");

    // A certificate that cannot be used must not keep the page away, and the page must not keep its key.
    fs::write(manager.server.data().join("tls").join("authority.pem"), "none").expect("our own directory");
    assert_eq!(manager.start(&SERVE).ended().await.0, Some(3), "the try");
    let (run, _) = manager.start_well(&SERVE).await;
    assert!(
        run.output.text().contains("a certificate of its own"),
        "{}",
        run.output.text()
    );
    *manager.server.world.tls.lock().expect("nobody panicked") = plain;
    manager.server.world.move_to(manager.address(0));
    let strange = manager.server.world.connect(&["http/1.1"]).await;
    let error = strange
        .err()
        .expect("who trusts the server's own does not trust this one");
    assert!(
        error.to_string().contains("UnknownIssuer"),
        "it shakes hands: {error}"
    );
    assert_eq!(run.stopped().await.0, Some(0));
}

#[tokio::test]
async fn the_page_can_be_looked_at_by_hand() {
    let manager = Manager::of(Server::start().await, ["https", "http"]).await;
    let (run, _) = manager.start_well(&["safe-mode"]).await;
    let shown = page(&manager, "/").await;
    assert_eq!(shown.status, 503);
    assert!(shown.text.contains("asked for by hand"), "{}", shown.text);
    assert_eq!(run.stopped().await.0, Some(0));
    let (run, _) = manager.start_well(&["safe-mode", "--retry-after", "1"]).await;
    assert_eq!(run.ended().await.0, Some(0), "it ends by itself");
}
