//! The way back from a backup: a new card on which phones carry on, what stays erased, and what is refused and leaves everything
//! as it was. What must not live here: making backups (`backup`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::backup::{back_up, noise, notes, on_a_small_disk, recovery_key, stick};
use crate::erasing::is_in_a_file;
use crate::harness::{Person, Server};

fn key_file(server: &Server, key: &str) -> String {
    let path = server.dir.path().join("key.txt");
    std::fs::write(&path, format!("# from the sheet\n{key}\n")).expect("written");
    path.to_string_lossy().into_owned()
}

/// `kinglet restore` with a key; gives the exit code, what it says in JSON, and its errors.
pub async fn restore(server: &Server, file: &Path, key: &str, more: &[&str]) -> (i32, Value, String) {
    let key = key_file(server, key);
    let file = file.to_str().expect("a path in UTF-8");
    let mut line = vec!["restore", "--json", file, "--key-file", &key];
    line.extend(more);
    let (code, out, errors) = server.run(&line).await;
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), errors)
}

/// Restores into a folder of its own, and has the doctor look at it.
pub async fn is_good(server: &Server, file: &Path, key: &str) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let data = elsewhere.path().join("data").to_string_lossy().into_owned();
    let key = key_file(server, key);
    let file = file.to_string_lossy().into_owned();
    for line in [&["restore", &*file, "--key-file", &*key][..], &["doctor"]] {
        let mut command = server.command(line);
        command.env("KINGLET_DATA_DIR", &data);
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await;
        let output = output.expect("no panic");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Takes the card out: what was on it is somewhere else.
fn new_card(server: &Server) -> PathBuf {
    let old = server.dir.path().join("old card");
    std::fs::rename(server.data(), &old).expect("the server is stopped");
    old
}

#[tokio::test]
async fn on_a_new_card_phones_carry_on_without_trusting_again() {
    let (mut server, _) = crate::tls::trusted().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let owner = server.owner().await;
    let key = recovery_key(&owner).await;
    let address = owner.get("/api/v1/server").await.json(200)["address"].clone();
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let mut said: Vec<String> = (0..30).map(|n| format!("word {n}")).collect();
    let mut talk = String::new();
    for text in &said {
        talk = at_anna.tell(&ben.user, text).await["conversation"]
            .as_str()
            .expect("a name")
            .to_owned();
        at_ben.event().await;
    }
    let blob = anna.upload(crate::files::PNG).await;
    at_anna.send_file(&talk, "image", &blob).await;
    at_ben.event().await;
    let to = stick(&server, "stick");
    back_up(&server, &to).await;
    at_anna.say(&talk, "after the backup").await;
    at_ben.event().await;
    let epoch = at_anna.welcome["epoch"].clone();
    let token = at_anna.get(json!({ "type": "sync" })).await["resume"].clone();
    let token = token.as_str().expect("a token").to_owned();
    drop((at_anna, at_ben));
    assert_eq!(server.stop().await, Some(0));
    let old = new_card(&server);

    let note = notes(&to).remove(0);
    let (code, told, errors) = restore(&server, &note, &key, &[]).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(
        (&told["users"], &told["files"], &told["lost_files"]),
        (&json!(3), &json!(1), &json!(0))
    );
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a machine has one");
    assert_eq!(told["host_name"], name.trim(), "for a new card to take over");
    server.restart().await;
    let ca = |data: &Path| std::fs::read(data.join("tls/ca.pem")).expect("a file");
    assert_eq!(ca(&server.data()), ca(&old), "the same authority");
    let page = owner
        .get("/api/v1/audit?act=restored&operator=true")
        .await
        .json(200);
    let made = std::fs::read_to_string(&note).expect("the backup's note");
    let made: Value = serde_json::from_str(&made).expect("it is JSON");
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["entries"][0]["made"], made["made"]);
    let mut back = anna.resume(&token).await;
    assert_eq!(back.welcome["catch_up"], "resync", "the state is an older one");
    assert_ne!(back.welcome["epoch"], epoch);
    let page = back
        .get(json!({ "type": "history", "conversation": talk, "after": 0 }))
        .await;
    let events = page["events"].as_array().expect("a page");
    let found: Vec<String> = events
        .iter()
        .filter_map(|event| event["body"]["text"].as_str())
        .map(str::to_owned)
        .collect();
    said.sort();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(
        sorted, said,
        "everything that was acknowledged before it, and nothing after"
    );
    let name = blob["blob"].as_str().expect("an id");
    assert_eq!(ben.fetch(name).await.bytes, anna.fetch(name).await.bytes);
    assert!(ben.fetch(name).await.bytes.starts_with(b"\x89PNG"));
    assert_eq!(owner.get("/api/v1/server").await.json(200)["address"], address);
    assert_eq!(back.say(&talk, "and on").await["seq"], 32);
    assert_eq!(
        ben.live()
            .await
            .get(json!({ "type": "history", "conversation": talk, "after": 31 }))
            .await["events"][0]["body"]["text"],
        "and on"
    );
    drop(back);
    assert_eq!(server.stop().await, Some(0));
    let (code, out, errors) = server.run(&["doctor", "--json"]).await;
    assert_eq!(code, 0, "{out}{errors}");
}

/// A talk with two messages of which one is recalled after the backup, and somebody who is erased after it.
async fn erased_since(server: &mut Server, to: &Path) -> (Person, String, String) {
    let [anna, gone] = server.people(["anna", "quincecanary"]).await;
    let owner = server.owner().await;
    let key = recovery_key(&owner).await;
    let mut live = anna.live().await;
    let talk = live.tell(&owner.user, "stays").await["conversation"]
        .as_str()
        .expect("a name")
        .to_owned();
    live.say(&talk, "marmaladecanary").await;
    gone.live().await.tell(&anna.user, "plumcanary").await;
    back_up(server, to).await;
    live.act(json!({ "type": "recall", "conversation": talk, "target": 2 }))
        .await;
    let ask = json!({ "confirm": "quincecanary" });
    let erased = owner
        .post(&format!("/api/v1/users/{}/erase", gone.user), &ask)
        .await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    drop(live);
    (anna, talk, key)
}

async fn is_erased(server: &mut Server, anna: &Person, talk: &str, told: &Value) {
    assert_eq!(told["erasures_known"], true);
    assert_eq!(
        (&told["erased_again"], &told["people_erased_again"]),
        (&json!(1), &json!(1))
    );
    let is_anywhere = |server: &Server| {
        let canaries = ["marmaladecanary", "plumcanary", "quincecanary"];
        canaries
            .into_iter()
            .find(|canary| is_in_a_file(&server.data(), canary))
    };
    if told["before"].is_null() {
        assert_eq!(is_anywhere(server), None, "already before the first start");
    }
    server.restart().await;
    let mut live = anna.live().await;
    let page = live
        .get(json!({ "type": "history", "conversation": talk, "after": 0 }))
        .await;
    assert_eq!(page["events"][0]["body"]["text"], "stays");
    assert_eq!(
        (&page["events"][1]["erased"], &page["events"][1]["body"]),
        (&json!(true), &Value::Null)
    );
    let before = server.data().join("before-restore");
    let gone = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        while before.exists() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, gone)
        .await
        .expect("after a good start it goes");
    assert_eq!(is_anywhere(server), None);
}

#[tokio::test]
async fn what_was_erased_after_the_backup_is_erased_again_by_the_list_beside_it() {
    let mut server = Server::start().await;
    let to = stick(&server, "stick");
    let (anna, talk, key) = erased_since(&mut server, &to).await;
    back_up(&server, &to).await;
    assert_eq!(server.stop().await, Some(0));
    new_card(&server);
    let (code, told, errors) = restore(&server, &notes(&to)[0], &key, &[]).await;
    assert_eq!(code, 0, "{errors}");
    is_erased(&mut server, &anna, &talk, &told).await;
}

#[tokio::test]
async fn and_by_the_data_that_are_replaced() {
    let mut server = Server::start().await;
    let to = stick(&server, "stick");
    let (anna, talk, key) = erased_since(&mut server, &to).await;
    assert_eq!(server.stop().await, Some(0));
    let (code, _, errors) = restore(&server, &notes(&to)[0], &key, &[]).await;
    assert!(
        code == 1 && errors.contains("--replace"),
        "there are data already: {errors}"
    );
    let (code, told, errors) = restore(&server, &notes(&to)[0], &key, &["--replace"]).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(told["before"], json!(server.data().join("before-restore")));
    is_erased(&mut server, &anna, &talk, &told).await;
}

/// A server that is stopped, with a backup of several parts.
async fn several_parts() -> (Server, PathBuf, String) {
    let mut server = Server::with(&[("KINGLET_BACKUP_PART_MIB", "1")]).await;
    let anna = server.person("anna").await;
    let key = recovery_key(&server.owner().await).await;
    let blob = anna.upload(&noise(2 << 20)).await;
    let mut live = anna.live().await;
    let talk = live.tell(&anna.user, "a note").await["conversation"].clone();
    live.send_file(talk.as_str().expect("a name"), "file", &blob)
        .await;
    drop(live);
    let to = stick(&server, "stick");
    let made = back_up(&server, &to).await;
    assert!(made["parts"].as_u64() >= Some(3), "{made}");
    assert_eq!(server.stop().await, Some(0));
    (server, to, key)
}

fn part(to: &Path, number: usize) -> PathBuf {
    let ending = format!(".age.{number:03}");
    let names = crate::backup::names(to);
    to.join(
        names
            .iter()
            .find(|name| name.ends_with(&ending))
            .expect("that part"),
    )
}

/// Refused with these words, and the data directory is empty afterwards as it was before.
async fn refused(server: &Server, file: &Path, key: &str, words: &str) {
    let (code, _, errors) = restore(server, file, key, &[]).await;
    assert!(code == 1 && errors.contains(words), "{words}: {errors}");
    let left: Vec<String> = crate::backup::names(&server.data());
    assert!(left.iter().all(|name| name == "lock"), "{words}: {left:?}");
}

#[tokio::test]
async fn what_is_not_whole_is_refused_and_nothing_is_touched() {
    let (server, to, key) = several_parts().await;
    new_card(&server);
    let note = notes(&to).remove(0);
    let other = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
    refused(&server, &note, other, "encrypted to another key").await;
    refused(&server, &note, &key.replace("1", "Q"), "not a recovery key").await;
    let slip = format!(
        "{}{}",
        &key[..40],
        key[40..].replacen(&key[40..41], if &key[40..41] == "Q" { "P" } else { "Q" }, 1)
    );
    refused(&server, &note, &slip, "has a slip in it").await;

    let second = part(&to, 2);
    let bytes = std::fs::read(&second).expect("a part");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    std::fs::write(&second, &flipped).expect("written");
    refused(&server, &note, &key, "is not as it was written").await;
    // Without the note beside them it is the seal that tells.
    let aside = server.dir.path().join("note");
    std::fs::rename(&note, &aside).expect("moved");
    refused(&server, &part(&to, 1), &key, "does not open from here on").await;
    std::fs::write(&second, &bytes[..bytes.len() - 100]).expect("written");
    refused(&server, &part(&to, 1), &key, "does not open from here on").await;
    std::fs::rename(&aside, &note).expect("moved back");
    refused(&server, &note, &key, "bytes instead of").await;
    std::fs::remove_file(&second).expect("removed");
    refused(&server, &note, &key, "part of the backup is missing").await;
    std::fs::rename(&note, &aside).expect("moved");
    refused(&server, &part(&to, 1), &key, "cannot be read to its end").await;
    std::fs::rename(&aside, &note).expect("moved back");
    std::fs::write(&second, &bytes).expect("written");
    is_good(&server, &note, &key).await;
    is_good(&server, &part(&to, 1), &key).await;
    let (code, _, errors) = restore(&server, &to.join("none.json"), &key, &[]).await;
    assert!(code == 1 && errors.contains("find"), "{errors}");
}

#[tokio::test]
async fn a_card_without_room_is_told_and_left_empty() {
    let (server, to, key) = several_parts().await;
    new_card(&server);
    std::fs::create_dir(server.data()).expect("a new one");
    let (note, data) = (notes(&to).remove(0), server.data());
    let key = key_file(&server, &key);
    let line = ["restore", note.to_str().expect("UTF-8"), "--key-file", &*key];
    let (code, errors) = on_a_small_disk(&server, &data, "4m", &line).await;
    assert!(code == 1 && errors.contains("restore needs about"), "{errors}");
    let (code, errors) = on_a_small_disk(&server, &data, "60m", &line).await;
    assert_eq!(code, 0, "{errors}");
}

#[tokio::test]
async fn a_database_of_a_newer_form_is_refused() {
    let (server, to, key) = several_parts().await;
    let database = rusqlite::Connection::open(server.data().join("kinglet.db")).expect("it opens");
    database
        .pragma_update(None, "user_version", 9_999)
        .expect("it can be set");
    drop(database);
    let newer = stick(&server, "newer");
    back_up(&server, &newer).await;
    new_card(&server);
    refused(&server, &notes(&newer)[0], &key, "newer form (9999)").await;
    is_good(&server, &notes(&to)[0], &key).await;
}
