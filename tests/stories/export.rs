//! One's own data in one archive: read back with an ordinary tool, it is what the API shows, and nothing else. What must not
//! live here: what the API shows.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Person, Server, heavy};
use crate::live::Live;

/// An archive, unpacked by `tar`.
pub struct Unpacked {
    folder: tempfile::TempDir,
}

impl Unpacked {
    pub async fn of(person: &Person) -> Unpacked {
        let reply = person.get("/api/v1/me/export").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/x-tar");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let archive = folder.path().join("export.tar");
        std::fs::write(&archive, &reply.bytes).expect("there is room");
        let done = Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(folder.path())
            .status();
        assert!(done.expect("tar is installed").success(), "no archive");
        std::fs::remove_file(archive).expect("it was there");
        Unpacked { folder }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("kinglet-export")
    }

    pub fn json(&self, path: &str) -> Value {
        let text = std::fs::read_to_string(self.root().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}; there are {:?}", self.files()));
        serde_json::from_str(&text).expect("JSON")
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.root(), &mut found);
        found.sort();
        found
    }

    fn conversations(&self) -> usize {
        std::fs::read_dir(self.root().join("conversations")).map_or(0, Iterator::count)
    }

    fn events(&self, conversation: &str) -> Vec<Value> {
        let folder = self.root().join("conversations").join(conversation);
        let mut pages: Vec<PathBuf> = Vec::new();
        walk(&folder, &mut pages);
        pages.sort();
        let pages = pages
            .iter()
            .filter(|path| path.to_string_lossy().contains("events-"));
        pages
            .flat_map(|path| {
                let text = std::fs::read_to_string(path).expect("a page");
                let page: Value = serde_json::from_str(&text).expect("JSON");
                page["events"].as_array().expect("events").clone()
            })
            .collect()
    }

    pub fn text(&self) -> String {
        let files = self.files();
        files
            .iter()
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned())
            .collect()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What the API shows of a conversation.
async fn shown(live: &mut Live, conversation: &str) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), json!(0));
    loop {
        let page = live
            .get(json!({ "type": "history", "conversation": conversation, "after": after, "limit": 100 }))
            .await;
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        if page["more"] == false {
            return events;
        }
        after = events.last().expect("a page before more")["seq"].clone();
    }
}

#[tokio::test]
async fn an_archive_is_what_the_api_shows_and_nothing_of_others() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({ "join": "open" })).await;
    for number in 0..230 {
        at_anna.say(&group, &format!("said before cyd {number}")).await;
    }
    let mut at_cyd = cyd.live().await;
    at_cyd.act(json!({ "type": "join", "conversation": group })).await;
    for number in 0..130 {
        at_ben.say(&group, &format!("said to cyd {number}")).await;
    }
    let seq = at_cyd.say(&group, "cyd's own").await["seq"].clone();
    at_cyd
        .act(json!({ "type": "react", "conversation": group, "target": seq, "emoji": "👍" }))
        .await;
    at_cyd
        .get(json!({ "type": "mark_read", "conversation": group, "seq": seq }))
        .await;
    let direct = at_ben.tell(&cyd.user, "just us").await["conversation"].clone();
    let direct = direct.as_str().expect("an id").to_owned();
    at_anna.tell(&ben.user, "not for cyd").await;
    let old = at_anna.group(&[&cyd], json!({})).await;
    at_anna.say(&old, "cyd was there").await;
    at_cyd.act(json!({ "type": "leave", "conversation": old })).await;

    let archive = Unpacked::of(&cyd).await;
    let format = archive.json("format.json");
    assert_eq!(
        (&format["format"], &format["version"]),
        (&json!("kinglet-export"), &json!(1))
    );
    assert_eq!(format["user"], cyd.user.as_str());
    assert_eq!(
        archive.json("profile.json"),
        cyd.get("/api/v1/profile").await.json(200)
    );
    assert_eq!(archive.json("invitations.json")["invitations"], json!([]));
    let devices = archive.json("devices.json");
    assert_eq!(devices["devices"][0]["id"], cyd.device.as_str());
    for conversation in [&group, &direct] {
        assert_eq!(
            archive.events(conversation),
            shown(&mut at_cyd, conversation).await
        );
    }
    let listed = at_cyd.get(json!({ "type": "conversations" })).await;
    let listed = listed["conversations"].as_array().expect("a list").clone();
    for info in listed {
        let id = info["conversation"].as_str().expect("an id");
        let kept = archive.json(&format!("conversations/{id}/conversation.json"));
        assert_eq!(kept["conversation"], info);
        let members = at_cyd.get(json!({ "type": "members", "conversation": id })).await;
        assert_eq!(kept["members"], members["members"]);
    }
    let text = archive.text();
    assert!(text.contains("cyd's own") && text.contains("just us"));
    for foreign in [
        "said before cyd",
        "not for cyd",
        "cyd was there",
        "test bench laptop",
    ] {
        assert!(!text.contains(foreign), "{foreign} is not cyd's to see");
    }
    assert_eq!(
        archive.conversations(),
        2,
        "the group that cyd left is none of cyd's any more"
    );
    let files = archive.files().len() as u64;
    assert_eq!(archive.json("complete.json")["files"], files - 1);
}

#[tokio::test]
async fn an_archive_is_for_who_is_signed_in() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let nobody = server.world.get("/api/v1/me/export", None).await;
    assert_eq!(nobody.refused(), "not_signed_in");
    anna.post("/api/v1/sign-out", &json!({})).await;
    assert_eq!(anna.get("/api/v1/me/export").await.refused(), "signed_out");
}

#[tokio::test]
async fn one_archive_in_five_minutes() {
    let mut server = Server::with(&[("KINGLET_LIMITS_PACE", "1")]).await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    Unpacked::of(&anna).await;
    let again = anna.get("/api/v1/me/export").await;
    assert_eq!(again.refused(), "rate_limited");
    assert!(again.headers.contains_key("retry-after"));
    Unpacked::of(&ben).await;
}

#[tokio::test]
async fn a_session_that_ends_ends_its_archive() {
    let _alone = heavy().await;
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let other = anna.other_device().await;
    let mut live = anna.live().await;
    let (count, words) = (100, "long ".repeat(6_000));
    for _ in 0..count {
        live.tell(&ben.user, &words).await;
    }
    // A client that takes little at a time.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let address = server.world.address();
    socket.connect(&address.into()).expect("the server listens");
    socket.set_nonblocking(true).expect("a socket can");
    let mut stream = TcpStream::from_std(socket.into()).expect("a socket");
    let request = format!(
        "GET /api/v1/me/export HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        anna.token
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the server reads");
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.expect("the archive begins");
    assert!(first.starts_with(b"HTTP/1.1 200"));
    other
        .post("/api/v1/sign-out-everywhere", &json!({ "keep_this": true }))
        .await
        .json(200);
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // Cut, one way or the other.
    let _ = reading.expect("the answer ends");
    assert!(
        rest.len() < count * words.len() / 2,
        "it went on: {} bytes",
        rest.len()
    );
    let end = rest.windows(13).any(|window| window == b"complete.json");
    assert!(!end, "it calls itself whole");
}
