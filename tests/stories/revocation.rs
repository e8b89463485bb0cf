//! Sessions that end, and members that are removed: at once, also while the server is blocked writing to them.
//! What must not live here: the rules of who may remove whom.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use crate::harness::{PASSWORD, Person, Server, id};
use crate::live::{Came, Live, text_body};
use crate::raw::slowly;
use crate::resume::flood;

/// What is promised from the answer of the revoking request to the closed socket.
const WITHIN: Duration = Duration::from_secs(1);

enum Act {
    KickDevice,
    ChangePassword,
    DisableUser,
    SignOutEverywhere,
    SignOut,
}

/// Ends the sessions of `victim`, asked from another device or by the owner.
async fn revoke(act: &Act, owner: &Person, victim: &Person, other: &Person) {
    let reply = match act {
        Act::KickDevice => other.delete(&format!("/api/v1/devices/{}", victim.device)).await,
        Act::ChangePassword => {
            let ask = json!({ "current": PASSWORD, "new": "eight loud magpies" });
            other.post("/api/v1/password", &ask).await
        }
        Act::DisableUser => {
            owner
                .post(&format!("/api/v1/users/{}/disable", victim.user), &json!({}))
                .await
        }
        Act::SignOutEverywhere => {
            other
                .post("/api/v1/sign-out-everywhere", &json!({ "keep_this": true }))
                .await
        }
        Act::SignOut => victim.post("/api/v1/sign-out", &json!({})).await,
    };
    assert!([200, 204].contains(&reply.status), "{}", reply.text);
}

const ACTS: [(&str, Act); 5] = [
    ("anna", Act::KickDevice),
    ("ben", Act::ChangePassword),
    ("cyd", Act::DisableUser),
    ("dan", Act::SignOutEverywhere),
    ("eve", Act::SignOut),
];

#[tokio::test]
async fn a_revoked_session_is_closed_within_a_second() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    for (name, act) in &ACTS {
        let victim = server.person(name).await;
        let other = victim.other_device().await;
        let mut live = victim.live().await;
        let mut kept = other.live().await;
        revoke(act, &owner, &victim, &other).await;
        let since = Instant::now();
        assert_eq!(live.end().await, Some(4401), "{name}");
        assert!(since.elapsed() < WITHIN, "{name}: {:?}", since.elapsed());
        let mut again = victim.knock(Default::default()).await;
        let answer = again.ask(json!({ "type": "hello", "token": victim.token })).await;
        assert_eq!(answer["error"]["code"], "signed_out", "{name}");
        assert_eq!(again.end().await, Some(4401), "{name}");
        assert_eq!(
            victim.get("/api/v1/profile").await.refused(),
            "signed_out",
            "{name}"
        );
        if matches!(act, Act::DisableUser) {
            assert_eq!(
                kept.end().await,
                Some(4401),
                "all sessions of a disabled user end"
            );
        } else {
            kept.settle().await;
        }
    }
}

/// A socket that does not read, with far more under way than the buffers between hold.
async fn blocked(owner: &Person, victim: &Person, conversation: &str) -> Live {
    let mut live = victim.narrow().await;
    live.settle().await;
    flood(std::slice::from_ref(owner), conversation, 40, &"b".repeat(30_000)).await;
    live
}

#[tokio::test]
async fn a_revoked_session_is_closed_within_a_second_while_a_write_to_it_is_blocked() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let owner = server.owner().await;
    for (name, act) in &ACTS {
        let victim = server.person(name).await;
        let other = victim.other_device().await;
        let group = owner.live().await.group(&[&victim], json!({})).await;
        let mut live = blocked(&owner, &victim, &group).await;
        revoke(act, &owner, &victim, &other).await;
        let since = Instant::now();
        assert!(
            live.is_cut_within(WITHIN).await,
            "{name}: still open after {:?}",
            since.elapsed()
        );
        // What the kernel had taken before may still be read; then it ends.
        while let Came::Frame(frame) = live.came().await {
            assert_ne!(
                frame["seq"], 41,
                "{name}: the blocked reader got everything, so it was not blocked"
            );
        }
    }
}

#[tokio::test]
async fn delivery_checks_the_audience() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let victim = server.person("anna").await;
    let mut at_owner = owner.live().await;
    let group = at_owner.group(&[&victim], json!({ "history": true })).await;
    let mut live = blocked(&owner, &victim, &group).await;
    let kick = json!({ "type": "kick", "conversation": group, "user": victim.user });
    let removed = at_owner.act(kick).await["seq"].as_u64().expect("a seq");
    for _ in 0..5 {
        at_owner.say(&group, "what the removed must not see").await;
    }
    let mut seen: Vec<u64> = Vec::new();
    let events = live.settle().await;
    for event in events
        .iter()
        .filter(|event| event["conversation"] == group.as_str())
    {
        assert!(
            !event.to_string().contains("must not see"),
            "shown to one who was removed before: {event}"
        );
        seen.push(event["seq"].as_u64().expect("a seq"));
    }
    assert_eq!(
        seen.last(),
        Some(&removed),
        "the removal itself is shown, as the last"
    );
    let before = &seen[..seen.len() - 1];
    let first = before.first().copied().unwrap_or(2);
    assert!(
        before.iter().copied().eq(first..first + before.len() as u64),
        "a prefix: {seen:?}"
    );
    assert!(
        before.len() < 40,
        "the reader was not blocked when it was removed"
    );
    assert_eq!(
        live.refused(json!({ "type": "history", "conversation": group }))
            .await,
        "not_found"
    );
}

/// TLS takes a record before the socket does, so the server waits for the flush instead of the write.
#[tokio::test]
async fn a_revoked_session_is_closed_within_a_second_while_a_flush_to_it_is_blocked() {
    let (mut server, _) = crate::tls::trusted().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let live = ben.narrow().await;
    for _ in 0..60 {
        at_anna.say(&group, &"f".repeat(7_000)).await;
    }
    let other = ben.other_device().await;
    revoke(&Act::KickDevice, &anna, &ben, &other).await;
    assert!(live.is_cut_within(WITHIN).await, "still open after a second");
}

/// The head of a request is let in, its body comes after the token has ended.
#[tokio::test]
async fn a_request_whose_body_comes_after_the_revocation_does_nothing() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let other = anna.other_device().await;
    let body =
        json!({ "id": 1, "type": "send", "client_id": id(), "to": ben.user, "body": text_body("late") });
    let invitation = json!({ "client_id": id() });
    for (path, body) in [("commands", body), ("profile", invitation)] {
        let victim = anna.other_device().await;
        let body = body.to_string();
        let method = if path == "profile" { "PATCH" } else { "POST" };
        let head = format!(
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            server.world.address(),
            victim.token,
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(server.world.address())
            .await
            .expect("the server listens");
        stream.write_all(head.as_bytes()).await.expect("written");
        stream.write_all(&body.as_bytes()[..1]).await.expect("written");
        // Whatever else the server answers meanwhile, it has read the head by then.
        for _ in 0..3 {
            other.live().await.settle().await;
        }
        revoke(&Act::KickDevice, &ben, &victim, &other).await;
        stream.write_all(&body.as_bytes()[1..]).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.contains("signed_out"), "{path}: {answer}");
    }
}

/// Asks for a path on a socket that takes little at a time, reads the beginning of the answer, and then no more.
async fn half_read(who: &Person, path: &str) -> tokio::net::TcpStream {
    let mut stream = slowly(who, path).await;
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.expect("an answer begins");
    assert!(first.starts_with(b"HTTP/1.1 200"));
    stream
}

/// Whether the kernel says in time that the other end is gone, and how much of an answer was there by then.
async fn is_cut(mut stream: tokio::net::TcpStream) -> (bool, usize) {
    let cut = tokio::time::timeout(WITHIN, stream.ready(Interest::ERROR)).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(WITHIN, stream.read_to_end(&mut rest)).await;
    (cut.is_ok(), rest.len())
}

#[tokio::test]
async fn a_download_and_an_archive_end_within_a_second_of_their_session() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let size = 8 << 20;
    for (name, act) in &ACTS {
        let victim = server.person(name).await;
        let other = victim.other_device().await;
        let blob = victim.upload(&vec![7; size]).await;
        let mut live = other.live().await;
        for _ in 0..40 {
            live.tell(&owner.user, &"long ".repeat(6_000)).await;
        }
        live.close().await;
        let path = format!("/api/v1/blobs/{}", blob["blob"].as_str().expect("an id"));
        let file = half_read(&victim, &path).await;
        let archive = half_read(&victim, "/api/v1/me/export").await;
        revoke(act, &owner, &victim, &other).await;
        let (file, archive) = tokio::join!(is_cut(file), is_cut(archive));
        assert!(file.0 && file.1 < size / 4, "{name}: the file: {file:?}");
        assert!(
            archive.0 && archive.1 < size / 4,
            "{name}: the archive: {archive:?}"
        );
    }
}
