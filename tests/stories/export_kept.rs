//! An archive has every section of what is kept of a person, each as it was made before, and nothing of it is somebody else's.
//! What must not live here: conversations, and how an archive breaks off (`export`).

use serde_json::{Value, json};

use crate::erasing_files::picture;
use crate::export::Unpacked;
use crate::files::hash;
use crate::harness::{Person, id};
use crate::live::text_body;
use crate::people::reset_link;
use crate::personal::keep;
use crate::push_service::{PushService, Receiver};

fn bytes_of(archive: &Unpacked, blob: &Value) -> Option<Vec<u8>> {
    let name = blob["blob"].as_str().expect("an id");
    std::fs::read(archive.root().join("files").join(name)).ok()
}

async fn warned(by: &Person, whom: &Person, reason: &str) {
    let ask = json!({ "client_id": id(), "reason": reason });
    let path = format!("/api/v1/users/{}/warn", whom.user);
    by.post(&path, &ask).await.json(200);
}

#[tokio::test]
async fn every_section_is_what_was_done_before_and_nothing_of_others() {
    let service = PushService::start().await;
    let mut server = service.server().await;
    let owner = server.owner().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let tablet = anna.other_device().await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    let root = at_ben.say(&group, "ben's root").await["seq"].clone();
    let reply =
        json!({ "type": "send", "conversation": group, "thread": root, "body": text_body("anna answers") });
    at_anna.act(reply).await;
    let other = at_ben.say(&group, "ben's own thread").await["seq"].clone();
    let reply =
        json!({ "type": "send", "conversation": group, "thread": other, "body": text_body("ben answers") });
    at_ben.act(reply).await;
    // Settings of each kind, and some of Ben's.
    let set = [
        json!({ "key": "draft", "conversation": group, "value": { "text": "anna's draft" } }),
        json!({ "key": "saved", "conversation": group, "seq": root, "value": true }),
        json!({ "key": "blocked", "user": ben.user, "value": true }),
        json!({ "key": "status", "value": { "text": "anna's status" } }),
        json!({ "key": "notify", "conversation": group, "value": { "level": "none" } }),
    ];
    for setting in &set {
        keep(&mut at_anna, setting.clone()).await;
    }
    keep(
        &mut at_ben,
        json!({ "key": "draft", "conversation": group, "value": { "text": "ben's draft" } }),
    )
    .await;
    keep(
        &mut at_ben,
        json!({ "key": "saved", "conversation": group, "seq": other, "value": true }),
    )
    .await;
    // What others did to the account, and what the devices did.
    reset_link(&owner, &anna).await.json(200);
    warned(&owner, &anna, "anna's warning").await;
    warned(&owner, &ben, "ben's warning").await;
    let receiver = Receiver::at(&service, "/up/annas-secret-address");
    tablet.subscribe(&receiver).await;
    ben.subscribe(&Receiver::at(&service, "/up/ben")).await;
    // Files: sent, not sent, recalled, somebody else's, and one whose conversation was left.
    let shot_bytes = picture(3);
    let shot = anna.upload(&shot_bytes).await;
    let long: Vec<u8> = (0..200_001_u32).map(|n| (n % 251) as u8).collect();
    let (sent, idle) = (
        anna.upload(&long).await,
        anna.upload(b"anna has not sent it").await,
    );
    let (recalled, left) = (
        anna.upload(b"recalled").await,
        anna.upload(b"where she was").await,
    );
    let bens = ben.upload(b"ben's file").await;
    at_anna.send_file(&group, "image", &shot).await;
    at_anna.send_file(&group, "file", &sent).await;
    at_ben.send_file(&group, "file", &bens).await;
    let seq = at_anna.send_file(&group, "file", &recalled).await["seq"].clone();
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": seq }))
        .await;
    let old = at_ben.group(&[&anna], json!({})).await;
    at_anna.send_file(&old, "file", &left).await;
    at_anna.act(json!({ "type": "leave", "conversation": old })).await;

    let archive = Unpacked::of(&anna).await;
    let settings = archive.json("settings-000001.json");
    assert_eq!(
        settings,
        at_anna.get(json!({ "type": "settings" })).await.without_type()
    );
    for setting in &set {
        let has = |kept: &Value| {
            setting
                .as_object()
                .expect("an object")
                .iter()
                .all(|(key, value)| kept[key] == *value)
        };
        let kept = settings["settings"].as_array().expect("a list");
        assert!(kept.iter().any(has), "{setting} is not in {settings}");
    }
    assert_eq!(
        archive.json("saved-000001.json")["saved"][0]["event"]["body"]["text"],
        "ben's root"
    );
    let threads = archive.json("threads-000001.json");
    let threads: Vec<&Value> = threads["threads"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|thread| &thread["thread"])
        .collect();
    assert_eq!(threads, [&root]);
    assert_eq!(
        archive.json("news.json"),
        anna.get("/api/v1/news").await.json(200)
    );
    assert!(archive.json("news.json").to_string().contains("anna's warning"));
    let sign_ins = archive.json("sign-ins.json");
    assert_eq!(sign_ins, anna.get("/api/v1/sign-ins").await.json(200));
    assert_eq!(
        sign_ins["sign_ins"].as_array().map(Vec::len),
        Some(2),
        "{sign_ins}"
    );
    let push = archive.json("push.json");
    let subscriptions = push["subscriptions"].as_array().expect("a list");
    assert_eq!(subscriptions.len(), 1, "{push}");
    assert_eq!(
        (&subscriptions[0]["device"], &subscriptions[0]["host"]),
        (&json!(tablet.device), &json!(service.address.to_string()))
    );
    let devices = archive.json("devices.json");
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(2));
    // The bytes are those that the server gives, also of a picture that it cleaned.
    let list = archive.json("files/list-000001.json");
    let mut told: Vec<(&str, bool)> = list["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (file["blob"].as_str().expect("an id"), file["sent"] == true))
        .collect();
    told.sort_unstable();
    let name = |blob: &Value| blob["blob"].as_str().expect("an id").to_owned();
    let (shot_id, sent_id, idle_id) = (name(&shot), name(&sent), name(&idle));
    let mut expected = vec![(&*shot_id, true), (&*sent_id, true), (&*idle_id, false)];
    expected.sort_unstable();
    assert_eq!(told, expected, "{list}");
    assert_eq!(bytes_of(&archive, &sent).as_deref(), Some(&long[..]));
    assert_eq!(
        bytes_of(&archive, &idle).as_deref(),
        Some(&b"anna has not sent it"[..])
    );
    let picture = bytes_of(&archive, &shot).expect("it is there");
    assert_eq!(hash(&picture), shot_id);
    for gone in [&recalled, &left, &bens] {
        assert_eq!(bytes_of(&archive, gone), None);
    }
    let text = archive.text();
    for foreign in [
        "ben's draft",
        "ben's warning",
        "ben's file",
        "annas-secret-address",
    ] {
        assert!(!text.contains(foreign), "{foreign} is in the archive");
    }
    let files = archive.files().len() as u64;
    assert_eq!(archive.json("complete.json")["files"], files - 1);
}

trait WithoutType {
    fn without_type(self) -> Value;
}

impl WithoutType for Value {
    /// An answer of the socket as the archive has it.
    fn without_type(mut self) -> Value {
        let object = self.as_object_mut().expect("an object");
        object.remove("type");
        object.remove("re");
        self
    }
}
