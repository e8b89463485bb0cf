//! Files as people have them: sent, forwarded, fetched, listed, recalled; and those who may not. What must not live here: how
//! bytes come in (`uploads`).

use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use kinglet::limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PATIENCE, Person, Server, id};
use crate::http::{Reply, read};
use crate::live::Live;

/// One pixel.
pub const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, b'I', b'D', b'A', b'T', 0x08, 0xd7, 0x63,
    0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae,
    0x42, 0x60, 0x82,
];

pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl Person {
    /// Any request with a body of bytes.
    pub async fn bytes(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", self.world.address().to_string())
            .header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.world
            .note(&self.name, ">", &format!("{:?} {} bytes", request, body.len()));
        let body = http_body_util::Full::new(Bytes::copy_from_slice(body));
        let reply = tokio::time::timeout(PATIENCE, async {
            let stream = self
                .world
                .connect(&["http/1.1"])
                .await
                .expect("the server listens");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            let driving = tokio::spawn(connection);
            let reply = sender.send_request(request.body(body).expect("a request")).await;
            let reply = read(reply.expect("an answer")).await;
            driving.abort();
            reply
        });
        let reply = reply.await.expect("an answer in time");
        let said: String = reply.text.chars().take(200).collect();
        self.world
            .note(&self.name, "<", &format!("{} {said}", reply.status));
        reply
    }

    /// Begins an upload and gives its address.
    pub async fn begin(&self, size: usize) -> String {
        let ask = json!({ "client_id": id(), "size": size });
        let begun = self.post("/api/v1/uploads", &ask).await.json(200);
        format!("/api/v1/uploads/{}", begun["upload"].as_str().expect("an id"))
    }

    /// Brings a file and gives its receipt.
    pub async fn upload(&self, bytes: &[u8]) -> Value {
        let address = self.begin(bytes.len()).await;
        let whole = self.bytes("PUT", &address, &[], bytes).await.json(200);
        whole["blob"].clone()
    }

    pub async fn fetch(&self, blob: &str) -> Reply {
        self.get(&format!("/api/v1/blobs/{blob}")).await
    }
}

/// A file's body for a `send`.
pub fn carrying(kind: &str, blob: &Value) -> Value {
    json!({ "kind": kind, "blob": blob["blob"], "name": "a name.bin" })
}

impl Live {
    pub async fn send_file(&mut self, conversation: &str, kind: &str, blob: &Value) -> Value {
        let body = carrying(kind, blob);
        self.act(json!({ "type": "send", "conversation": conversation, "body": body }))
            .await
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers[name].to_str().expect("text")
}

#[tokio::test]
async fn a_picture_is_sent_and_seen_as_the_server_knows_it() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let blob = anna.upload(PNG).await;
    assert_eq!(blob["media_type"], "image/png");
    assert_eq!((&blob["width"], &blob["height"]), (&json!(1), &json!(1)));
    let (mut from, mut to) = (anna.live().await, ben.live().await);
    let lies = json!({
        "kind": "image", "blob": blob["blob"], "name": "ein Bild.png", "size": 5, "media_type": "text/html", "width": 900,
        "duration_ms": 3, "thumbhash": "bGllcw==", "caption": "look!",
    });
    let ask = json!({ "type": "send", "client_id": id(), "to": ben.user, "body": lies });
    let ack = from.get(ask.clone()).await;
    let room = ack["conversation"].as_str().expect("a name").to_owned();
    let event = to.event_of(&room, "message").await;
    let told = &event["body"];
    assert_eq!(told["size"], blob["size"]);
    assert_eq!(told["media_type"], "image/png");
    assert_eq!((&told["width"], &told["height"]), (&json!(1), &json!(1)));
    assert_eq!(told["thumbhash"], blob["thumbhash"]);
    assert_eq!(told.get("duration_ms"), None);
    assert_eq!(told["caption"], "look!");
    let again = from.get(ask).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&ack["seq"], &json!(true)));

    let id = blob["blob"].as_str().expect("an id");
    for reader in [&anna, &ben, &ben.other_device().await] {
        let got = reader.fetch(id).await;
        assert_eq!((got.status, &got.bytes[..]), (200, PNG));
        assert_eq!(header(&got, "content-type"), "image/png");
        assert_eq!(header(&got, "etag"), format!("\"{id}\""));
        assert_eq!(header(&got, "x-content-type-options"), "nosniff");
        assert_eq!(
            header(&got, "content-security-policy"),
            "default-src 'none'; sandbox"
        );
        assert_eq!(
            header(&got, "cache-control"),
            "private, max-age=31536000, immutable"
        );
        assert_eq!(header(&got, "content-disposition"), "inline");
    }
    // Who comes back later finds the same in the history.
    drop(to);
    let page = ben
        .live()
        .await
        .get(json!({ "type": "history", "conversation": room }))
        .await;
    assert_eq!(page["events"][0]["body"], *told);
    // And so after a crash.
    server.kill9();
    server.restart().await;
    assert_eq!(ben.fetch(id).await.bytes, PNG);
    let (code, said, _) = {
        server.stop().await;
        server.run(&["doctor"]).await
    };
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_file_is_had_only_by_those_who_see_a_message_that_carries_it() {
    let mut server = Server::start().await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let blob = anna.upload(b"only for some").await;
    let name = blob["blob"].as_str().expect("an id").to_owned();
    assert_eq!(
        anna.fetch(&name).await.status,
        200,
        "one's own, before it is sent"
    );
    assert_eq!(ben.fetch(&name).await.refused(), "not_found");
    let mut live = anna.live().await;
    let room = live.group(&[&ben], json!({})).await;
    live.send_file(&room, "file", &blob).await;
    assert_eq!(ben.fetch(&name).await.bytes, "only for some");
    assert_eq!(cyd.fetch(&name).await.refused(), "not_found", "a stranger");
    // One who comes later does not see what was said before, and so not what it carried.
    live.act(json!({ "type": "invite", "conversation": room, "users": [cyd.user] }))
        .await;
    assert_eq!(cyd.fetch(&name).await.refused(), "not_found", "a newcomer");
    let refused = cyd
        .live()
        .await
        .refused(json!({ "type": "send", "conversation": room, "body": carrying("file", &blob) }))
        .await;
    assert_eq!(refused, "not_found", "who cannot see it cannot send it on");
    // Who sees it may send it on, without bringing it again.
    let mut other = ben.live().await;
    let body = carrying("file", &blob);
    other
        .get(json!({ "type": "send", "client_id": id(), "to": dan.user, "body": body }))
        .await;
    assert_eq!(dan.fetch(&name).await.status, 200);
    live.act(json!({ "type": "kick", "conversation": room, "user": ben.user }))
        .await;
    assert_eq!(
        ben.fetch(&name).await.status,
        200,
        "removed there, and still in the conversation with dan"
    );
}

#[tokio::test]
async fn who_left_has_the_files_no_more() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let blob = anna.upload(b"for members").await;
    let name = blob["blob"].as_str().expect("an id").to_owned();
    let mut live = anna.live().await;
    let room = live.group(&[&ben], json!({})).await;
    live.send_file(&room, "file", &blob).await;
    assert_eq!(ben.fetch(&name).await.status, 200);
    live.act(json!({ "type": "kick", "conversation": room, "user": ben.user }))
        .await;
    assert_eq!(ben.fetch(&name).await.refused(), "not_found");
    let files = format!("/api/v1/conversations/{room}/files");
    assert_eq!(ben.get(&files).await.refused(), "not_found");
    assert_eq!(
        anna.get(&files).await.json(200)["events"]
            .as_array()
            .expect("a list")
            .len(),
        1
    );
    ben.post("/api/v1/sign-out", &json!({})).await;
    assert_eq!(ben.fetch(&name).await.refused(), "signed_out");
    assert_eq!(
        anna.world
            .get(&format!("/api/v1/blobs/{name}"), None)
            .await
            .refused(),
        "not_signed_in"
    );
}

#[tokio::test]
async fn a_recalled_message_takes_its_file_along() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (one, two) = (
        anna.upload(b"first draft").await,
        anna.upload(b"second draft").await,
    );
    let mut live = anna.live().await;
    let room = live.group(&[&ben], json!({})).await;
    let sent = live.send_file(&room, "file", &one).await;
    let edit = json!({ "type": "edit", "conversation": room, "target": sent["seq"], "body": carrying("file", &two) });
    live.act(edit).await;
    for blob in [&one, &two] {
        assert_eq!(ben.fetch(blob["blob"].as_str().expect("an id")).await.status, 200);
    }
    live.act(json!({ "type": "recall", "conversation": room, "target": sent["seq"] }))
        .await;
    for blob in [&one, &two] {
        let name = blob["blob"].as_str().expect("an id");
        assert_eq!(ben.fetch(name).await.refused(), "not_found");
        assert_eq!(anna.fetch(name).await.refused(), "not_found");
    }
    let files = ben
        .get(&format!("/api/v1/conversations/{room}/files"))
        .await
        .json(200);
    assert_eq!(files["events"], json!([]));
}

#[tokio::test]
async fn a_kind_must_be_what_the_bytes_are() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut live = anna.live().await;
    let room = live.group(&[&ben], json!({})).await;
    let html = anna.upload(b"<!DOCTYPE html><script>alert(1)</script>").await;
    let svg = anna
        .upload(b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>")
        .await;
    let both = anna.upload(&[PNG, b"<script>alert(1)</script>"].concat()).await;
    for (blob, kind) in [
        (&html, "image"),
        (&svg, "image"),
        (&html, "voice"),
        (&both, "video"),
    ] {
        let ask = json!({ "type": "send", "conversation": room, "body": carrying(kind, blob) });
        assert_eq!(live.refused(ask).await, "bad_request", "{blob} as {kind}");
    }
    for blob in [&html, &svg] {
        live.send_file(&room, "file", blob).await;
        let path = format!(
            "/api/v1/blobs/{}?name=evil%22%0d%0a.svg",
            blob["blob"].as_str().expect("an id")
        );
        let got = ben.get(&path).await;
        assert_eq!(header(&got, "content-type"), "application/octet-stream");
        assert_eq!(
            header(&got, "content-disposition"),
            "attachment; filename=\"evil___.svg\"; filename*=UTF-8''evil%22__.svg"
        );
    }
    live.send_file(&room, "image", &both).await;
    let got = ben.fetch(both["blob"].as_str().expect("an id")).await;
    assert_eq!(
        header(&got, "content-type"),
        "image/png",
        "a picture, whatever follows it"
    );
    let unnamed = json!({ "kind": "file", "blob": html["blob"], "name": "../../etc/passwd" });
    let refused = live.refused(json!({ "type": "send", "conversation": room, "body": unnamed }));
    assert_eq!(refused.await, "bad_request");
    let nothing = json!({ "kind": "file", "blob": "0".repeat(64), "name": "a" });
    let refused = live.refused(json!({ "type": "send", "conversation": room, "body": nothing }));
    assert_eq!(refused.await, "not_found");
}

#[tokio::test]
async fn a_part_of_a_file_can_be_had() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let blob = anna.upload(&bytes).await;
    let name = blob["blob"].as_str().expect("an id");
    let path = format!("/api/v1/blobs/{name}");
    let tag = format!("\"{name}\"");
    let whole = anna.bytes("GET", &path, &[], b"").await;
    assert_eq!((whole.status, whole.bytes.len()), (200, bytes.len()));
    assert!(whole.bytes == bytes, "the bytes are others");
    let part = anna
        .bytes("GET", &path, &[("Range", "bytes=65000-131999")], b"")
        .await;
    assert_eq!((part.status, part.bytes.len()), (206, 67_000));
    assert!(part.bytes == bytes[65_000..132_000], "the bytes are others");
    assert_eq!(header(&part, "content-range"), "bytes 65000-131999/800000");
    let last = anna
        .bytes("GET", &path, &[("Range", "bytes=-4"), ("If-Range", &tag)], b"")
        .await;
    assert_eq!(last.bytes, bytes[799_996..]);
    let stale = [("Range", "bytes=0-3"), ("If-Range", "\"another\"")];
    assert_eq!(anna.bytes("GET", &path, &stale, b"").await.status, 200);
    let beyond = anna.bytes("GET", &path, &[("Range", "bytes=800000-")], b"").await;
    assert_eq!(
        (beyond.status, header(&beyond, "content-range")),
        (416, "bytes */800000")
    );
    let known = anna.bytes("GET", &path, &[("If-None-Match", &tag)], b"").await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    let head = anna.bytes("HEAD", &path, &[("Range", "bytes=0-9")], b"").await;
    assert_eq!((head.status, head.bytes.len()), (206, 0));
    assert_eq!(header(&head, "content-length"), "10");
    for wrong in ["PUT", "POST", "DELETE", "PATCH"] {
        assert_eq!(anna.bytes(wrong, &path, &[], b"").await.status, 405, "{wrong}");
    }
    for none in [
        "/api/v1/blobs/..%2f..%2fkinglet.db",
        "/api/v1/blobs/%2e%2e",
        &format!("/api/v1/blobs/{}", name.to_uppercase()),
        &format!("{path}/../../../kinglet.db"),
        &format!("{path}0"),
        "/api/v1/uploads/..%2fpartial",
    ] {
        assert_eq!(
            anna.bytes("GET", none, &[], b"").await.refused(),
            "not_found",
            "{none}"
        );
    }
}

#[tokio::test]
async fn a_conversations_files_are_listed_newest_first() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let mut live = anna.live().await;
    let room = live.group(&[&ben], json!({})).await;
    let picture = anna.upload(PNG).await;
    let mut seqs = Vec::new();
    for turn in 0..5u8 {
        let plain = anna.upload(&[turn; 9]).await;
        let (kind, blob) = if turn % 2 == 0 {
            ("file", &plain)
        } else {
            ("image", &picture)
        };
        seqs.push(live.send_file(&room, kind, blob).await["seq"].clone());
        live.say(&room, "between").await;
    }
    live.act(json!({ "type": "recall", "conversation": room, "target": seqs[2] }))
        .await;
    let list = async |who: &Person, query: &str| {
        let path = format!("/api/v1/conversations/{room}/files{query}");
        let page = who.get(&path).await.json(200);
        let events = page["events"].as_array().expect("a list");
        let seqs: Vec<Value> = events.iter().map(|event| event["seq"].clone()).collect();
        (seqs, page["more"] == true)
    };
    let of = |turns: &[usize]| turns.iter().map(|turn| seqs[*turn].clone()).collect::<Vec<_>>();
    assert_eq!(list(&ben, "").await, (of(&[4, 3, 1, 0]), false));
    assert_eq!(list(&ben, "?kind=image").await, (of(&[3, 1]), false));
    assert_eq!(list(&ben, "?limit=2").await, (of(&[4, 3]), true));
    let before = format!("?limit=2&before={}", seqs[3]);
    assert_eq!(list(&ben, &before).await, (of(&[1, 0]), false));
    for wrong in ["?limit=0", "?limit=101", "?kind=song", "?before=x"] {
        let path = format!("/api/v1/conversations/{room}/files{wrong}");
        assert_eq!(ben.get(&path).await.refused(), "bad_request", "{wrong}");
    }
    live.act(json!({ "type": "invite", "conversation": room, "users": [cyd.user] }))
        .await;
    let own = anna.upload(b"after the newcomer").await;
    let last = live.send_file(&room, "file", &own).await["seq"].clone();
    assert_eq!(
        list(&cyd, "").await,
        (vec![last], false),
        "only what came after they did"
    );
}

#[tokio::test]
async fn who_does_not_take_what_they_ask_for_has_so_many_places_and_no_more() {
    let _one_at_a_time = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let blob = anna.upload(&vec![7; 8 << 20]).await;
    let mut live = anna.live().await;
    let body = carrying("file", &blob);
    live.get(json!({ "type": "send", "client_id": id(), "to": ben.user, "body": body }))
        .await;
    let path = format!("/api/v1/blobs/{}", blob["blob"].as_str().expect("an id"));
    let mut held = Vec::new();
    for _ in 0..limits::DOWNLOADS_AT_ONCE_PER_USER {
        let mut stream = anna.world.connect(&[]).await.expect("the server listens");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            anna.world.address(),
            anna.token
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        // The first byte of the answer shows that it has its place.
        assert_eq!(stream.read_u8().await.expect("an answer"), b'H');
        held.push(stream);
    }
    let refused = anna.bytes("GET", &path, &[], b"").await;
    assert_eq!((refused.status, &*refused.refused()), (503, "busy"));
    assert_eq!(
        ben.bytes("HEAD", &path, &[], b"").await.status,
        200,
        "another's places are their own"
    );
    drop(held);
    let free = async { while anna.bytes("HEAD", &path, &[], b"").await.status != 200 {} };
    tokio::time::timeout(PATIENCE, free)
        .await
        .expect("the places come back");
}

#[tokio::test]
async fn a_message_with_a_file_reaches_who_was_away() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let away = ben.live().await;
    let token = away.welcome["resume"].as_str().expect("a token").to_owned();
    drop(away);
    let blob = anna.upload(PNG).await;
    let body = carrying("image", &blob);
    let mut live = anna.live().await;
    live.get(json!({ "type": "send", "client_id": id(), "to": ben.user, "body": body }))
        .await;
    for device in [&ben, &ben.other_device().await] {
        let mut back = device.resume(&token).await;
        let event = back.event().await;
        assert_eq!(event["body"]["blob"], blob["blob"]);
        assert_eq!(event["body"]["media_type"], "image/png");
    }
}
