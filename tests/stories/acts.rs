//! What an admin has the machine under the server do, from the request to the programs of the system: the real kinglet-board,
//! started for each connection as systemd does it, below a directory of the story's own. What must not live here: the forms of
//! its arguments (`board/src/request.rs`), and what each verb does in full (`board/tests`).

use std::fs;

use serde_json::{Value, json};

use crate::bench::{BOARD, Bench};
use crate::harness::{PASSWORD, Person, Server, id};

/// A key as `ssh-keygen` writes it; nobody has its other half.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH anna@laptop";

pub async fn admin(server: &mut Server, name: &str) -> Person {
    let (owner, admin) = (server.owner().await, server.person(name).await);
    let role = format!("/api/v1/users/{}/role", admin.user);
    owner.post(&role, &json!({ "role": "admin" })).await.json(200);
    admin
}

fn asked(verb: &str, more: Value) -> Value {
    let mut ask = json!({ "client_id": id(), "verb": verb });
    for (key, value) in more.as_object().expect("fields") {
        ask[key] = value.clone();
    }
    ask
}

/// What the journal of admins has of the board, oldest first.
async fn journal(owner: &Person) -> Vec<(String, String)> {
    let page = owner.get("/api/v1/audit?act=board_asked").await.json(200);
    let entries = page["entries"].as_array().expect("a list").iter().rev();
    let text = |value: &Value| value.as_str().expect("a word").to_owned();
    entries
        .map(|entry| (text(&entry["by"]), text(&entry["verb"])))
        .collect()
}

#[tokio::test]
async fn an_admin_restarts_the_machine_once_and_the_journal_has_it() {
    let bench = Bench::new();
    bench.serve();
    let mut server = bench.server().await;
    let (owner, member) = (server.owner().await, server.person("anna").await);
    let admin = admin(&mut server, "ben").await;
    let reboot = asked("reboot", json!({}));
    assert_eq!(member.get(BOARD).await.refused(), "forbidden");
    assert_eq!(member.post(BOARD, &reboot).await.refused(), "forbidden");
    assert_eq!((bench.calls(), journal(&owner).await), (Vec::new(), Vec::new()));

    let done = admin.post(BOARD, &reboot).await.json(200);
    assert_eq!(admin.post(BOARD, &reboot).await.json(200), done);
    // The machine has been off and on in between.
    server.kill9();
    server.restart().await;
    assert_eq!(admin.post(BOARD, &reboot).await.json(200), done);
    let mut other = reboot.clone();
    other["verb"] = json!("power_off");
    assert_eq!(admin.post(BOARD, &other).await.refused(), "id_reused");
    assert_eq!(bench.calls(), ["systemctl --no-block reboot"]);
    let entry = |who: &Person, verb: &str| (who.user.clone(), verb.to_owned());
    assert_eq!(journal(&owner).await, [entry(&admin, "reboot")]);

    // Another request is another time.
    admin.post(BOARD, &asked("power_off", json!({}))).await.json(200);
    assert_eq!(bench.calls(), ["systemctl --no-block poweroff"]);
    assert_eq!(
        journal(&owner).await,
        [entry(&admin, "reboot"), entry(&admin, "power_off")]
    );
}

#[tokio::test]
async fn only_an_owner_lets_somebody_in_and_only_with_their_password() {
    let bench = Bench::new();
    bench.serve();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let admin = admin(&mut server, "ben").await;
    let may = |state: &Value| state["may"].as_array().expect("a list").clone();
    let for_admin = admin.get(BOARD).await.json(200);
    let expected = [
        "reboot",
        "power_off",
        "ssh_off",
        "host_name",
        "time_zone",
        "update",
    ];
    assert_eq!(may(&for_admin), expected);
    assert_eq!(
        (&for_admin["host_name"], &for_admin["ssh"]),
        (&json!("kinglet"), &json!(false))
    );
    assert_eq!(may(&owner.get(BOARD).await.json(200)).len(), 8);

    let open = |key: &str, password: Value| asked("ssh_on", json!({ "key": key, "password": password }));
    assert_eq!(
        admin.post(BOARD, &open(KEY, json!(PASSWORD))).await.refused(),
        "forbidden"
    );
    for password in [Value::Null, json!("another one")] {
        assert_eq!(
            owner.post(BOARD, &open(KEY, password)).await.refused(),
            "wrong_credentials"
        );
    }
    let reset = |password: &str, confirm: &str| {
        asked(
            "factory_reset",
            json!({ "keep_data": true, "confirm": confirm, "password": password }),
        )
    };
    assert_eq!(
        owner
            .post(BOARD, &reset("another one", "reset settings"))
            .await
            .refused(),
        "wrong_credentials"
    );
    assert_eq!((bench.calls(), journal(&owner).await), (Vec::new(), Vec::new()));

    // What the board refuses is told in its words.
    let bad = owner
        .post(BOARD, &open("ssh-ed25519 no-key", json!(PASSWORD)))
        .await;
    assert_eq!((bad.refused().as_str(), bad.status), ("bad_request", 400));
    assert!(bad.text.contains("one line of a .pub file"), "{}", bad.text);
    let slip = owner.post(BOARD, &reset(PASSWORD, "erase everything")).await;
    assert!(slip.text.contains("reset settings"), "{}", slip.text);
    assert_eq!(bench.calls(), [""; 0]);
    // What came to nothing is in the journal, too: it is written before the board is asked.
    let entry = |verb: &str| (owner.user.clone(), verb.to_owned());
    assert_eq!(journal(&owner).await, [entry("ssh_on"), entry("factory_reset")]);

    let done = owner.post(BOARD, &open(KEY, json!(PASSWORD))).await.json(200);
    assert_eq!(done, json!({ "user": "kinglet-admin", "hours": 24 }));
    let keys = fs::read_to_string(bench.path("etc/kinglet-board/authorized_keys")).expect("it is there");
    assert_eq!(keys, format!("{KEY}\n"));
    // As systemd has it while it runs.
    fs::create_dir_all(bench.path("sys/fs/cgroup/system.slice/ssh.service")).expect("the root is ours");
    assert_eq!(owner.get(BOARD).await.json(200)["ssh"], true);
    admin.post(BOARD, &asked("ssh_off", json!({}))).await.json(200);
    assert!(!bench.path("etc/kinglet-board/authorized_keys").exists());
}

#[tokio::test]
async fn a_name_is_given_and_one_that_is_none_is_refused_in_words() {
    let bench = Bench::new();
    bench.serve();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let mut name = asked("host_name", json!({ "name": "The Box" }));
    let bad = owner.post(BOARD, &name).await;
    assert_eq!(bad.refused(), "bad_request");
    assert!(bad.text.contains("lower-case letters"), "{}", bad.text);
    // The same request with another name: nothing was done by the first.
    name["name"] = json!("box");
    let done = owner.post(BOARD, &name).await.json(200);
    assert_eq!(done, json!({ "restart_needed": true }));
    assert_eq!(bench.calls(), ["hostnamectl set-hostname box"]);
    // The same request with another name once it was done: that is another request, and nothing is done.
    let mut attic = name.clone();
    attic["name"] = json!("attic");
    let noted = journal(&owner).await;
    assert_eq!(owner.post(BOARD, &attic).await.refused(), "id_reused");
    assert_eq!((bench.calls(), journal(&owner).await), (Vec::new(), noted));
    assert_eq!(owner.post(BOARD, &name).await.json(200), done);
    // No stick: the board says so, and what to do.
    let none = owner.post(BOARD, &asked("update", json!({}))).await;
    assert_eq!((none.refused().as_str(), none.status), ("board_failed", 409));
    assert!(none.text.contains("USB stick"), "{}", none.text);
    let state = owner.get(BOARD).await.json(200);
    assert!(may_update(&state) && state["updates"] == true, "{state}");
    // One that was gone back from.
    assert_eq!(state["failed_update"], Value::Null);
    let failed = json!({ "version": "0.2.0-1", "why": "it ended 3 times by itself" });
    let known = json!({ "failed": failed }).to_string();
    bench.file("var/lib/kinglet-switch/state.json", &known);
    assert_eq!(owner.get(BOARD).await.json(200)["failed_update"], failed);
    // Nobody is trusted: it is said before anybody looks for a stick.
    fs::remove_file(bench.path("usr/share/kinglet/update.pub")).expect("it was there");
    let state = owner.get(BOARD).await.json(200);
    assert!(!may_update(&state) && state["updates"] == false, "{state}");
}

fn may_update(state: &Value) -> bool {
    let may = state["may"].as_array().expect("a list");
    may.contains(&json!("update"))
}

#[tokio::test]
async fn without_a_board_nothing_can_be_asked_and_it_is_said() {
    let bench = Bench::new();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    assert_eq!(
        owner.get(BOARD).await.json(200),
        json!({ "answers": false, "may": [] })
    );
    let reboot = asked("reboot", json!({}));
    let refused = owner.post(BOARD, &reboot).await;
    assert_eq!(refused.refused(), "board_failed");
    assert!(refused.text.contains("Install kinglet-board"), "{}", refused.text);
    // It was installed: the same request is done now.
    bench.serve();
    owner.post(BOARD, &reboot).await.json(200);
    assert_eq!(bench.calls(), ["systemctl --no-block reboot"]);
}
