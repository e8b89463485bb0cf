//! Backups as operators and admins have them: by hand, each night, and when something is in the way. What must not live here: the
//! way back (`restore`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Person, Server, id};

pub const ADDRESS: &str = "/api/v1/admin/backups";

/// Has the owner make the recovery key; gives the secret half.
pub async fn recovery_key(owner: &Person) -> String {
    let ask = json!({ "client_id": id() });
    let made = owner.post("/api/v1/server/recovery-key", &ask).await.json(200);
    made["key"].as_str().expect("it is told once").to_owned()
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The notes in a folder, oldest first: each is a backup that counts.
pub fn notes(folder: &Path) -> Vec<PathBuf> {
    let names = names(folder).into_iter().filter(|name| name.ends_with(".json"));
    names.map(|name| folder.join(name)).collect()
}

/// A folder beside the data, as a stick would be.
pub fn stick(server: &Server, name: &str) -> PathBuf {
    let path = server.dir.path().join(name);
    std::fs::create_dir(&path).expect("it is new");
    path
}

/// `kinglet backup --to`; gives what it says of the backup.
pub async fn back_up(server: &Server, to: &Path) -> Value {
    let to = to.to_str().expect("a path in UTF-8");
    let (code, out, errors) = server.run(&["backup", "--json", "--to", to]).await;
    assert_eq!(code, 0, "{errors}");
    serde_json::from_str(&out).expect("it answers in JSON")
}

/// Bytes that nothing makes smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Asks again and again until the answer is as wanted.
pub async fn until(person: &Person, wanted: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            ticks.tick().await;
            let state = person.get(ADDRESS).await.json(200);
            if wanted(&state) {
                return state;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 3, asking)
        .await
        .expect("it comes to that")
}

#[tokio::test]
async fn by_hand_beside_the_server_and_without_it() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let to = stick(&server, "stick");
    let folder = to.to_str().expect("a path in UTF-8");
    let (code, _, errors) = server.run(&["backup"]).await;
    assert!(
        code == 1 && errors.contains("backup.to"),
        "nobody has said where to: {errors}"
    );
    let (code, _, errors) = server.run(&["backup", "--to", folder]).await;
    assert!(
        code == 1 && errors.contains("recovery key"),
        "there is none: {errors}"
    );
    assert!(names(&to).is_empty(), "{:?}", names(&to));
    recovery_key(&owner).await;
    let made = back_up(&server, &to).await;
    let name = made["name"].as_str().expect("a name").to_owned();
    assert_eq!(
        made["bytes"],
        json!(to.join(&name).metadata().expect("the file").len())
    );
    assert_eq!((&made["parts"], &made["lost_files"]), (&json!(1), &json!(0)));
    assert_eq!(server.stop().await, Some(0));
    back_up(&server, &to).await;
    assert_eq!(notes(&to).len(), 2);
    let sealed = std::fs::read(to.join(&name)).expect("the file");
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    for clear in ["olga", "kinglet.db", "SQLite format"] {
        let is_there = sealed.windows(clear.len()).any(|part| part == clear.as_bytes());
        assert!(!is_there, "{clear} can be read");
    }
    let rest = names(server.dir.path());
    assert_eq!(rest, ["data", "stick"], "no copy is left anywhere");
}

#[tokio::test]
async fn by_itself_where_the_settings_say_and_the_newest_are_kept() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let member = server.person("anna").await;
    assert_eq!(member.get(ADDRESS).await.refused(), "forbidden");
    let ask = json!({ "client_id": id() });
    assert_eq!(owner.post(ADDRESS, &ask).await.refused(), "backup_off");
    assert_eq!(owner.get(ADDRESS).await.json(200)["place"], Value::Null);
    recovery_key(&owner).await;
    assert_eq!(server.stop().await, Some(0));
    let to = stick(&server, "stick");
    let folder = to.to_str().expect("a path in UTF-8").to_owned();
    server.env.push(("KINGLET_BACKUP_TO".into(), folder.clone()));
    server.env.push(("KINGLET_BACKUP_KEEP".into(), "2".into()));
    server.restart().await;
    let state = until(&owner, |state| state["last"].is_object()).await;
    assert_eq!(state["place"], json!({ "path": folder, "same_disk": true }));
    assert_eq!((&state["keep"], &state["at"]), (&json!(2), &json!("03:30")));
    assert_eq!(state["wrong"], Value::Null);
    assert_eq!(state["kept"].as_array().map(Vec::len), Some(1));
    assert!(server.metric("kinglet_backup_made_seconds").await > 1.7e9);

    let ask = json!({ "client_id": id() });
    let begun = owner.post(ADDRESS, &ask).await.json(200);
    assert!(
        begun["running"].is_object() || begun["kept"].as_array().map(Vec::len) == Some(2),
        "{begun}"
    );
    let done = until(&owner, |state| state["running"].is_null()).await;
    let second = done["last"]["name"].clone();
    assert_ne!(second, state["last"]["name"]);
    let again = owner.post(ADDRESS, &ask).await.json(200);
    assert_eq!(
        (&again["running"], &again["last"]["name"]),
        (&Value::Null, &second),
        "a retry makes no other"
    );
    assert_eq!(server.run(&["backup"]).await.0, 0);
    let state = owner.get(ADDRESS).await.json(200);
    let kept: Vec<&Value> = state["kept"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(
        kept,
        [&state["last"]["name"], &second],
        "newest first, and no more than two"
    );
    assert_eq!(notes(&to).len(), 2);
    let ask =
        json!({ "recovery_kept": owner.get("/api/v1/server").await.json(200)["recovery"]["recipient"] });
    assert_eq!(state["key_kept"], Value::Null);
    let kept = server.world.request(
        hyper::Method::PATCH,
        "/api/v1/server",
        Some(&owner.token),
        Some(ask.to_string()),
    );
    kept.await.json(200);
    assert_eq!(owner.get(ADDRESS).await.json(200)["key_kept"], true);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_said_everywhere_and_the_others_stay() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    recovery_key(&owner).await;
    assert_eq!(server.stop().await, Some(0));
    let to = stick(&server, "stick");
    server
        .env
        .push(("KINGLET_BACKUP_TO".into(), to.to_string_lossy().into_owned()));
    server.restart().await;
    let good = until(&owner, |state| state["last"].is_object()).await;
    let aside = server.dir.path().join("pulled");
    std::fs::rename(&to, &aside).expect("it is pulled");
    let (code, _, errors) = server.run(&["backup"]).await;
    assert!(code == 1 && errors.contains("find the folder"), "{errors}");
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!(state["wrong"]["code"], "failed");
    let since = state["wrong"]["since"].clone();
    assert!(
        state["wrong"]["next"].is_string() && state["last"] == good["last"],
        "{state}"
    );
    assert_eq!(server.metric("kinglet_backup_wrong").await, 1.0);
    assert_eq!(server.metric("kinglet_backup_failures_total").await, 1.0);
    server.says("Cannot find the folder").await;
    assert_eq!(server.run(&["backup"]).await.0, 1);
    assert_eq!(
        owner.get(ADDRESS).await.json(200)["wrong"]["since"],
        since,
        "it has been so since then"
    );
    std::fs::rename(&aside, &to).expect("it is back");
    assert_eq!(server.run(&["backup"]).await.0, 0);
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!((&state["wrong"], notes(&to).len()), (&Value::Null, 2));
    assert_eq!(server.metric("kinglet_backup_wrong").await, 0.0);
}

#[tokio::test]
async fn people_talk_on_while_one_is_made_and_a_power_cut_leaves_the_one_before() {
    let _alone = crate::harness::heavy().await;
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let owner = server.owner().await;
    let key = recovery_key(&owner).await;
    let to = stick(&server, "stick");
    server
        .env
        .push(("KINGLET_BACKUP_TO".into(), to.to_string_lossy().into_owned()));
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    until(&owner, |state| state["last"].is_object()).await;
    let before = notes(&to);
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let talk = at_anna.tell(&ben.user, "before").await["conversation"].clone();
    at_ben.event().await;
    let blob = anna.upload(&noise(48 << 20)).await;
    at_anna
        .send_file(talk.as_str().expect("a name"), "file", &blob)
        .await;
    at_ben.event().await;

    owner.post(ADDRESS, &json!({ "client_id": id() })).await.json(200);
    let running = until(&owner, |state| state["running"]["total"].is_number()).await;
    let (mut acked, mut bytes) = (0, running["running"]["bytes"].as_u64().unwrap_or(0));
    while acked < 3 {
        at_anna.tell(&ben.user, "meanwhile").await;
        at_ben.event().await;
        let state = owner.get(ADDRESS).await.json(200);
        let now = state["running"]["bytes"]
            .as_u64()
            .expect("it is still being made");
        acked += usize::from(now > bytes);
        bytes = now;
    }
    assert!(
        names(&to).iter().any(|name| name.ends_with(".partial")),
        "{:?}",
        names(&to)
    );
    server.kill9();
    assert_eq!(notes(&to), before, "it does not count");
    let (code, _, errors) = server.run(&["backup"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(
        !names(&to).iter().any(|name| name.ends_with(".partial")),
        "what was left is cleared"
    );
    assert_eq!(notes(&to).len(), 2);
    for note in notes(&to) {
        crate::restore::is_good(&server, &note, &key).await;
    }
}

/// In a name space of mounts of its own, where a small file system lies over a folder.
pub async fn on_a_small_disk(
    server: &Server,
    folder: &Path,
    size: &str,
    arguments: &[&str],
) -> (i32, String) {
    let mut line = vec![
        "-rm",
        "sh",
        "-ec",
        "mount -t tmpfs -o size=\"$1\" none \"$2\"; shift 2; exec \"$@\"",
        "sh",
        size,
    ];
    line.push(folder.to_str().expect("a path in UTF-8"));
    line.push(crate::harness::BINARY);
    line.extend(arguments);
    let mut command = server.started_by("unshare", &line);
    let ran = tokio::task::spawn_blocking(move || command.output().expect("util-linux has it"));
    let output = tokio::time::timeout(PATIENCE * 3, ran)
        .await
        .expect("it ends")
        .expect("no panic");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), errors)
}

#[tokio::test]
async fn a_stick_that_is_too_small_is_said_before_anything_is_written() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    recovery_key(&server.owner().await).await;
    let blob = anna.upload(&noise(6 << 20)).await;
    let mut live = anna.live().await;
    let talk = live.tell(&anna.user, "a note").await["conversation"].clone();
    live.send_file(talk.as_str().expect("a name"), "file", &blob)
        .await;
    drop(live);
    assert_eq!(server.stop().await, Some(0));
    let to = stick(&server, "stick");
    let folder = to.to_str().expect("a path in UTF-8");
    let (code, errors) = on_a_small_disk(&server, &to, "8m", &["backup", "--to", folder]).await;
    assert!(
        code == 1 && errors.contains("needs about") && errors.contains("larger stick"),
        "{errors}"
    );
    let (code, errors) = on_a_small_disk(&server, &to, "40m", &["backup", "--to", folder]).await;
    assert_eq!(code, 0, "{errors}");
}
