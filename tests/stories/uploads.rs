//! Bytes coming in: in one request or many, broken off, wrong, too many; and a server that is killed meanwhile.
//! What must not live here: what is done with a file that is there (`files`).

use std::path::Path;

use kinglet::limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::files::hash;
use crate::harness::{PATIENCE, Person, Server, id};
use crate::http::Reply;

fn offset(reply: &Reply) -> u64 {
    let text = reply.headers["upload-offset"].to_str().expect("text");
    text.parse().expect("a number")
}

/// So many bytes that no two places look alike.
fn bytes(count: usize) -> Vec<u8> {
    let mut out = vec![0; count];
    blake3::Hasher::new()
        .update(b"bytes")
        .finalize_xof()
        .fill(&mut out);
    out
}

/// Sends only some of the bytes that the request announces; then the connection stays open, and is given back.
async fn half(who: &Person, address: &str, from: usize, all: &[u8], sent: usize) -> crate::http::Stream {
    let mut stream = who.world.connect(&[]).await.expect("the server listens");
    let head = format!(
        "PUT {address} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nUpload-Offset: {from}\r\nContent-Length: {}\r\n\r\n",
        who.world.address(),
        who.token,
        all.len() - from
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(&all[from..from + sent]).await.expect("written");
    stream.flush().await.expect("written");
    stream
}

/// Waits until the upload stands at least here, as the server itself says.
async fn stands_at(who: &Person, address: &str, least: u64) -> u64 {
    let waiting = async {
        loop {
            let head = who.bytes("HEAD", address, &[], b"").await;
            assert_eq!((head.status, head.bytes.len()), (200, 0));
            assert_eq!(head.headers["upload-complete"], "?0");
            if offset(&head) >= least {
                return offset(&head);
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it comes there in time")
}

/// Waits until the first pieces of so many uploads are on the disk: whoever sends them has a place.
async fn under_way(server: &Server, wanted: usize) {
    let partial = server.data().join("blobs/partial");
    let begun = || {
        let files = std::fs::read_dir(&partial).into_iter().flatten().flatten();
        let sizes = files.filter_map(|file| file.metadata().ok());
        sizes
            .filter(|file| file.len() >= limits::FILE_PIECE as u64)
            .count()
    };
    let waiting = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        while begun() < wanted {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("they begin in time");
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let all = bytes(12_000_000);
    let ask = json!({ "client_id": id(), "size": all.len(), "blake3": hash(&all) });
    let begun = anna.post("/api/v1/uploads", &ask).await.json(200);
    assert_eq!(
        anna.post("/api/v1/uploads", &ask).await.json(200),
        begun,
        "the same again"
    );
    let mut other = ask.clone();
    other["size"] = json!(5);
    assert_eq!(anna.post("/api/v1/uploads", &other).await.refused(), "id_reused");
    let address = format!("/api/v1/uploads/{}", begun["upload"].as_str().expect("an id"));

    let stream = half(&anna, &address, 0, &all, 1_000_000).await;
    drop(stream);
    let at = stands_at(&anna, &address, 1_000_000).await;
    assert_eq!(at, 1_000_000, "what arrived is kept to the last byte");
    // A connection that hangs gives way to the next. That it is in its turn shows by what it has synced.
    let _hangs = half(&anna, &address, 1_000_000, &all, 9_000_000).await;
    let synced = 1_000_000 + limits::UPLOAD_SYNC;
    stands_at(&anna, &address, synced).await;
    let wrong = anna
        .bytes("PUT", &address, &[("Upload-Offset", "7")], &all[7..])
        .await;
    assert_eq!(wrong.refused(), "wrong_offset");
    let mut at = usize::try_from(offset(&wrong)).expect("a small number");
    for bad in ["-1", "+5", "x", "", "1, 2"] {
        let refused = anna.bytes("PUT", &address, &[("Upload-Offset", bad)], b"").await;
        assert_eq!(refused.refused(), "bad_request", "{bad}");
    }
    // Which of two requests came later is the network's to say: a client goes on where it is told to.
    let rest = loop {
        let reply = anna
            .bytes(
                "PATCH",
                &address,
                &[("Upload-Offset", &at.to_string())],
                &all[at..],
            )
            .await;
        if reply.status == 200 {
            break reply;
        }
        assert_eq!(reply.refused(), "wrong_offset");
        at = usize::try_from(offset(&reply)).expect("a small number");
        assert!((synced..=10_000_000).contains(&(at as u64)));
    };
    assert_eq!(rest.headers["upload-complete"], "?1");
    let whole = rest.json(200);
    assert_eq!(whole["blob"]["blob"], hash(&all));
    let got = anna.fetch(&hash(&all)).await;
    assert!(got.bytes == all, "the bytes are others");
    // The answer may have been lost: it is given again, whatever is sent.
    assert_eq!(anna.bytes("PUT", &address, &[], &all).await.json(200), whole);
    assert_eq!(anna.get(&address).await.json(200), whole);
    assert_eq!(anna.post("/api/v1/uploads", &ask).await.json(200), whole);
}

#[tokio::test]
async fn another_user_has_nothing_to_do_with_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let address = anna.begin(10).await;
    assert_eq!(ben.get(&address).await.refused(), "not_found");
    assert_eq!(
        ben.bytes("PUT", &address, &[], &bytes(10)).await.refused(),
        "not_found"
    );
    assert_eq!(ben.delete(&address).await.refused(), "not_found");
    assert_eq!(anna.world.get(&address, None).await.refused(), "not_signed_in");
    let whole = anna.bytes("PUT", &address, &[], &bytes(10)).await;
    assert_eq!(whole.json(200)["offset"], 10);
    assert_eq!(anna.delete(&address).await.refused(), "not_found", "it is done");
    assert_eq!(anna.bytes("POST", &address, &[], b"").await.status, 405);
}

#[tokio::test]
async fn wrong_bytes_and_too_many_are_refused() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let all = bytes(100_000);
    let ask = json!({ "client_id": id(), "size": all.len(), "blake3": hash(b"something else") });
    let begun = anna.post("/api/v1/uploads", &ask).await.json(200);
    let address = format!("/api/v1/uploads/{}", begun["upload"].as_str().expect("an id"));
    assert_eq!(
        anna.bytes("PUT", &address, &[], &all).await.refused(),
        "wrong_checksum"
    );
    assert_eq!(anna.get(&address).await.refused(), "not_found", "it is dropped");
    assert_eq!(anna.fetch(&hash(&all)).await.refused(), "not_found");
    assert_eq!(files_under(&server.data()), 0);
    let address = anna.begin(50_000).await;
    assert_eq!(
        anna.bytes("PUT", &address, &[], &all).await.refused(),
        "too_large"
    );
    let encoded = anna
        .bytes("PUT", &address, &[("Content-Encoding", "gzip")], b"x")
        .await;
    assert_eq!(encoded.refused(), "bad_request");
    for (ask, code) in [
        (json!({ "client_id": id(), "size": 0 }), "bad_request"),
        (json!({ "client_id": id(), "size": -1 }), "bad_request"),
        (
            json!({ "client_id": id(), "size": limits::FILE_BYTES + 1 }),
            "too_large",
        ),
        (
            json!({ "client_id": id(), "size": 5, "blake3": "ab" }),
            "bad_request",
        ),
    ] {
        assert_eq!(anna.post("/api/v1/uploads", &ask).await.refused(), code, "{ask}");
    }
    assert_eq!(
        anna.post(
            "/api/v1/uploads",
            &json!({ "client_id": id(), "size": limits::FILE_BYTES })
        )
        .await
        .status,
        200
    );
}

/// Files in the folder of files, those under way included.
fn files_under(data: &Path) -> usize {
    let mut count = 0;
    let mut folders = vec![data.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("ballast") && !path.ends_with("spare") {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test]
async fn room_is_limited_and_given_back() {
    let mut server = Server::with(&[
        ("KINGLET_FILES_FILE_MIB", "1"),
        ("KINGLET_FILES_USER_MIB", "2"),
        ("KINGLET_FILES_TOTAL_MIB", "3"),
    ])
    .await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mib = 1 << 20;
    let used = async |who: &Person| who.get("/api/v1/uploads").await.json(200)["used_bytes"].clone();
    anna.upload(&bytes(mib)).await;
    let half = anna.begin(mib).await;
    let ask = json!({ "client_id": id(), "size": 1 });
    assert_eq!(
        anna.post("/api/v1/uploads", &ask).await.refused(),
        "limit_reached"
    );
    assert_eq!(used(&anna).await, 2 * mib);
    ben.begin(mib).await;
    let refused = ben
        .post("/api/v1/uploads", &json!({ "client_id": id(), "size": 1 }))
        .await;
    assert_eq!(refused.refused(), "storage_full", "all together");
    assert_eq!(refused.status, 507);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(anna.delete(&half).await.status, 204);
    assert_eq!(used(&anna).await, mib);
    assert_eq!(
        anna.post("/api/v1/uploads", &ask).await.json(200)["offset"],
        0,
        "the same command fits now"
    );
    // The same bytes again take no more room, whoever brings them.
    let again = ben.begin(1_000).await;
    ben.bytes("PUT", &again, &[], &bytes(1_000)).await.json(200);
    let before = used(&ben).await;
    let again = ben.begin(1_000).await;
    ben.bytes("PUT", &again, &[], &bytes(1_000)).await.json(200);
    assert_eq!(used(&ben).await, before);
}

#[tokio::test]
async fn a_disk_below_its_reserve_takes_no_files_and_goes_on_with_messages() {
    let mut server = Server::with(&[("KINGLET_FILES_RESERVE_MIB", "4000000000")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let refused = anna
        .post("/api/v1/uploads", &json!({ "client_id": id(), "size": 1 }))
        .await;
    assert_eq!((refused.status, &*refused.refused()), (507, "storage_full"));
    anna.live().await.tell(&ben.user, "still here").await;
}

#[tokio::test]
async fn uploads_under_way_are_limited() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut open = Vec::new();
    for _ in 0..limits::UPLOADS_OPEN {
        open.push(anna.begin(100_000).await);
    }
    let ask = json!({ "client_id": id(), "size": 1 });
    assert_eq!(
        anna.post("/api/v1/uploads", &ask).await.refused(),
        "limit_reached"
    );
    // So many of one user send at the same moment.
    let all = bytes(100_000);
    let mut busy = Vec::new();
    for address in &open[..limits::UPLOADS_AT_ONCE_PER_USER] {
        busy.push(half(&anna, address, 0, &all, 70_000).await);
    }
    // Whoever asks takes a place as well, so nobody asks before each of these has its own.
    under_way(&server, busy.len()).await;
    let next = &open[limits::UPLOADS_AT_ONCE_PER_USER];
    let waiting = async {
        loop {
            let reply = anna.bytes("PUT", next, &[("Upload-Offset", "5")], b"").await;
            if reply.refused() == "busy" {
                assert!(reply.headers.contains_key("retry-after"));
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the places are taken in time");
    drop(busy);
    let free = async { while anna.bytes("PUT", next, &[], &all).await.status != 200 {} };
    tokio::time::timeout(PATIENCE, free)
        .await
        .expect("the places come back");
}

#[tokio::test]
async fn a_revoked_token_brings_nothing_to_its_end() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let other = anna.other_device().await;
    let all = bytes(200_000);
    let address = anna.begin(all.len()).await;
    let mut stream = half(&anna, &address, 0, &all, 150_000).await;
    other.delete(&format!("/api/v1/devices/{}", anna.device)).await;
    stream.write_all(&all[150_000..]).await.expect("written");
    let mut answer = vec![0; 4_096];
    let count = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
    let count = count.expect("an answer in time").expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains("signed_out"),
        "{answer}"
    );
    // The user's other device goes on with the same upload.
    let at = other.get(&address).await.json(200)["offset"].clone();
    assert_eq!(at, 200_000);
    let whole = other
        .bytes("PUT", &address, &[("Upload-Offset", "200000")], b"")
        .await;
    assert_eq!(whole.json(200)["blob"]["blob"], hash(&all));
}

/// A server that is told to stop still answers what it was asked before.
#[tokio::test]
async fn a_request_under_way_is_answered_by_a_server_that_stops() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let all = bytes(200_000);
    let address = anna.begin(all.len()).await;
    let mut stream = half(&anna, &address, 0, &all, 150_000).await;
    under_way(&server, 1).await;
    server.signal("TERM");
    let refusing = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        while anna.world.connect(&[]).await.is_ok() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, refusing)
        .await
        .expect("nobody new is let in");
    stream.write_all(&all[150_000..]).await.expect("written");
    let mut answer = String::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    reading.expect("an answer in time").expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(&hash(&all)),
        "{answer}"
    );
    assert_eq!(server.exited().await, Some(0));
}

/// The server is killed at many moments of an upload. What it acknowledged is there afterwards, and what it shows is whole.
#[tokio::test]
async fn kill_9_at_any_moment_of_an_upload_leaves_no_wrong_bytes() {
    let _one_at_a_time = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let all = bytes(usize::try_from(limits::UPLOAD_SYNC * 2 + 123_457).expect("a small number"));
    let ask = json!({ "client_id": id(), "size": all.len() });
    let begun = anna.post("/api/v1/uploads", &ask).await.json(200);
    let address = format!("/api/v1/uploads/{}", begun["upload"].as_str().expect("an id"));
    let mut acknowledged = 0;
    for round in 0..6_usize {
        let sent = (all.len() - acknowledged) * (round + 1) / 7;
        let stream = half(&anna, &address, acknowledged, &all, sent).await;
        if round % 2 == 0 {
            // Once a synced part was told, it must not be lost.
            let synced = (acknowledged as u64 + sent as u64).saturating_sub(limits::UPLOAD_SYNC);
            acknowledged = usize::try_from(stands_at(&anna, &address, synced).await).expect("small");
        }
        server.kill9();
        drop(stream);
        server.restart().await;
        let stands = anna.get(&address).await.json(200);
        let now = stands["offset"].as_u64().expect("a number");
        let now = usize::try_from(now).expect("a small number");
        assert!(
            now >= acknowledged && now < all.len(),
            "{now} after {acknowledged} were told"
        );
        assert_eq!(stands.get("blob"), None);
        assert_eq!(anna.fetch(&hash(&all)).await.refused(), "not_found");
        acknowledged = now;
    }
    // The last bytes, and killed as soon as they are out: whole and right, or still to be sent.
    let stream = half(&anna, &address, acknowledged, &all, all.len() - acknowledged).await;
    server.kill9();
    drop(stream);
    server.restart().await;
    let stands = anna.get(&address).await.json(200);
    if stands.get("blob").is_none() {
        let from = stands["offset"].as_u64().expect("a number");
        let rest = &all[usize::try_from(from).expect("small")..];
        let done = anna
            .bytes("PUT", &address, &[("Upload-Offset", &from.to_string())], rest)
            .await;
        assert_eq!(done.json(200)["blob"]["blob"], hash(&all));
    }
    let got = anna.fetch(&hash(&all)).await;
    assert!(got.bytes == all, "the bytes are others");
    assert_eq!(server.stop().await, Some(0));
    let (code, said, _) = server.run(&["doctor"]).await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn what_a_crash_left_lying_is_cleared_and_what_is_missing_is_told() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let blob = anna.upload(&bytes(5_000)).await;
    let mut live = anna.live().await;
    let body = crate::files::carrying("file", &blob);
    live.get(json!({ "type": "send", "client_id": id(), "to": ben.user, "body": body }))
        .await;
    let open = anna.begin(100).await;
    anna.bytes("PUT", &open, &[], &bytes(50)).await.json(200);
    assert_eq!(server.stop().await, Some(0));
    let blobs = server.data().join("blobs");
    std::fs::create_dir_all(blobs.join("ab")).expect("made");
    std::fs::write(blobs.join("ab").join("0".repeat(62)), b"no row").expect("written");
    std::fs::write(blobs.join("partial").join("f0000000000"), b"no row").expect("written");
    assert_eq!(files_under(&server.data()), 4);
    server.restart().await;
    let cleared = async {
        while files_under(&server.data()) != 2 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, cleared)
        .await
        .expect("cleared in time");
    let name = blob["blob"].as_str().expect("an id").to_owned();
    assert_eq!(ben.fetch(&name).await.status, 200);
    assert_eq!(
        anna.get(&open).await.json(200)["offset"],
        50,
        "what is under way stays"
    );
    assert_eq!(server.stop().await, Some(0));
    std::fs::write(blobs.join(&name[..2]).join(&name[2..]), b"damaged").expect("written");
    let (code, said, _) = server.run(&["doctor"]).await;
    assert!(code != 0 && said.contains(&name), "{said}");
    server.restart().await;
    assert_eq!(ben.fetch(&name).await.refused(), "internal", "never wrong bytes");
    let kept: Value = ben.live().await.get(json!({ "type": "conversations" })).await;
    assert_eq!(
        kept["conversations"].as_array().map(Vec::len),
        Some(1),
        "the message stays"
    );
}
