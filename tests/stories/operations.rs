//! What the operator sees: signals, exit codes, subcommands, the service manager, metrics, the log. What must not live
//! here: what users see.

use std::os::unix::net::UnixDatagram;

use serde_json::{Value, json};

use crate::harness::{PASSWORD, PATIENCE, Server, id, new_device};
use crate::live::text_body;

fn read_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_says_goodbye_and_exits_well() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "last words").await;
    assert_eq!(server.stop().await, Some(0));
    assert_eq!(at_anna.end().await, Some(1012));
    assert_eq!(at_ben.end().await, Some(1012));
    assert!(
        server.output.text().contains("stopped"),
        "{}",
        server.output.text()
    );
    server.restart().await;
    assert_eq!(anna.live().await.tell(&ben.user, "good morning").await["seq"], 2);
    server.signal("INT");
    assert_eq!(server.exited().await, Some(0), "as Ctrl-C does");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_turned_away() {
    let server = Server::start().await;
    let (code, _, errors) = server.run(&["serve"]).await;
    assert_eq!(code, 5, "{errors}");
    let data = server.data();
    assert!(
        errors.contains(data.to_str().expect("a path in UTF-8")),
        "it names the directory: {errors}"
    );
    assert_eq!(server.world.get("/health", None).await.status, 200);
}

#[tokio::test]
async fn subcommands_answer_in_json_beside_the_server() {
    let mut server = Server::start().await;
    let (code, _, errors) = server.run(&["invite", "--json"]).await;
    assert_eq!(code, 1, "nobody has claimed the server: {errors}");
    assert!(
        errors.contains("claim") && errors.contains("follow what it prints"),
        "{errors}"
    );
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let told = live.tell(&anna.user, "x").await;

    let (code, out, errors) = server.run(&["check", "--json"]).await;
    let checked = read_json(&out);
    assert_eq!(
        (code, &checked["ok"], &checked["running"]),
        (0, &json!(true), &json!(true)),
        "{errors}"
    );
    let (code, out, _) = server.run(&["limits", "--json"]).await;
    let limits = read_json(&out);
    let sum: u64 = limits["memory"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["bytes"].as_u64())
        .sum();
    assert_eq!(
        (code, limits["memory_total_bytes"].as_u64()),
        (0, Some(sum)),
        "the lines add up"
    );
    let (code, out, _) = server.run(&["version", "--json"]).await;
    assert!(code == 0 && read_json(&out).is_object(), "{out}");

    let (code, out, _) = server
        .run(&[
            "invite", "--json", "--uses", "2", "--days", "3", "--role", "admin",
        ])
        .await;
    let invitation = read_json(&out);
    assert_eq!(
        (code, &invitation["uses"], &invitation["role"]),
        (0, &json!(2), &json!("admin"))
    );
    let join =
        json!({ "code": invitation["code"], "name": "ben", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/join", None, &join).await.json(200)["role"],
        "admin"
    );

    let (code, out, _) = server.run(&["user", "list", "--json"]).await;
    let users = read_json(&out);
    let names: Vec<&str> = users["users"]
        .as_array()
        .expect("users")
        .iter()
        .filter_map(|user| user["name"].as_str())
        .collect();
    assert_eq!((code, names), (0, vec!["anna", "ben", "olga"]));
    let (code, out, _) = server.run(&["user", "disable", "anna", "--json"]).await;
    assert_eq!((code, &read_json(&out)["disabled"]), (0, &json!(true)));
    assert_eq!(
        live.end().await,
        Some(4401),
        "the running server cuts their sockets"
    );
    let (code, _, _) = server.run(&["user", "enable", "anna", "--json"]).await;
    assert_eq!(code, 0);
    let (code, out, _) = server.run(&["user", "reset-password", "anna", "--json"]).await;
    let reset = read_json(&out);
    assert_eq!((code, &reset["user"]), (0, &json!(anna.user)));
    let sign_in =
        json!({ "name": "anna", "password": reset["password"], "device": { "id": anna.device, "name": "" } });
    let token = server
        .world
        .post("/api/v1/sign-in", None, &sign_in)
        .await
        .json(200)["token"]
        .clone();
    assert!(token.is_string());
    let (code, _, errors) = server.run(&["user", "disable", "nobody"]).await;
    assert!(code == 1 && !errors.is_empty(), "{errors}");
    let (code, _, errors) = server.run(&["doctor", "--json"]).await;
    assert_eq!(code, 5, "not while the server runs: {errors}");

    assert_eq!(server.stop().await, Some(0));
    let (code, out, errors) = server.run(&["doctor", "--json"]).await;
    let found = read_json(&out);
    assert_eq!(
        (code, &found["sound"], &found["events"]),
        (0, &json!(true), &told["seq"]),
        "{errors}"
    );
    let (code, out, _) = server.run(&["user", "list", "--json"]).await;
    assert_eq!(
        (code, read_json(&out)["users"].as_array().map(Vec::len)),
        (0, Some(3)),
        "also while no server runs"
    );
}

#[tokio::test]
async fn wrong_lines_and_wrong_settings_have_exit_codes_and_say_what_to_do() {
    let mut server = Server::start().await;
    server.kill9();
    assert_eq!(server.run(&["dance"]).await.0, 2);
    assert_eq!(server.run(&["--help"]).await.0, 0);
    let data = server.data();
    std::fs::rename(&data, server.dir.path().join("elsewhere")).expect("the server is gone");
    for command in [&["doctor"][..], &["invite"], &["user", "list"]] {
        let (code, _, errors) = server.run(command).await;
        assert!(
            code == 5 && errors.contains("no data directory"),
            "{command:?}: {errors}"
        );
    }
    assert!(!data.exists(), "looking for it does not make it");
    server
        .env
        .push(("KINGLET_LIMITS_MESSAGE_BYTES".into(), "17".into()));
    for command in ["serve", "check", "limits"] {
        let (code, out, errors) = server.run(&[command]).await;
        assert_eq!(code, 3, "{command}: {out}{errors}");
        assert!(
            format!("{out}{errors}").contains("message_bytes"),
            "{command}: {out}{errors}"
        );
    }
    server.env.clear();
    server.env.push(("KINGLET_NONSENSE".into(), "1".into()));
    assert_eq!(server.run(&["serve"]).await.0, 3);
    server.env.clear();
    server
        .env
        .push(("KINGLET_LISTEN_ADDRESS".into(), "0.0.0.0:0".into()));
    server.env.push(("KINGLET_TLS_MODE".into(), "off".into()));
    let (code, _, errors) = server.run(&["serve"]).await;
    assert!(code == 3 && errors.contains("in the clear"), "{errors}");
}

#[tokio::test]
async fn the_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let mut server = Server::start().await;
    assert_eq!(server.stop().await, Some(0));
    let path = server.dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket in our own directory");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket can");
    server
        .env
        .push(("NOTIFY_SOCKET".into(), path.to_string_lossy().into_owned()));
    server.restart().await;
    let hear = |socket: &UnixDatagram| {
        let mut buffer = [0; 4096];
        let count = socket.recv(&mut buffer).expect("the server says something");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    let mut heard = hear(&socket);
    while !heard.contains("READY=1") {
        heard = hear(&socket);
    }
    server.signal("HUP");
    while !heard.contains("RELOADING=1") {
        heard = hear(&socket);
    }
    while !heard.contains("READY=1") {
        heard = hear(&socket);
    }
    assert_eq!(server.stop().await, Some(0));
    while !heard.contains("STOPPING=1") {
        heard = hear(&socket);
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let mut server = Server::start().await;
    let anna = server.person("anna").await;
    let mut live = anna.live().await;
    let before = (
        server.metric("kinglet_sends_total").await,
        server.metric("kinglet_acks_total").await,
    );
    for _ in 0..5 {
        live.tell(&anna.user, "count me").await;
    }
    live.refused(json!({ "type": "history", "conversation": "c0000000001" }))
        .await;
    // Over HTTP it counts as well, once whichever way it is asked.
    let nowhere = "/api/v1/users/u0000000001";
    assert_eq!(server.world.get(nowhere, Some(&anna.token)).await.status, 404);
    let ask = json!({ "id": 1, "type": "history", "conversation": "c0000000001" });
    let asked = server.world.post("/api/v1/commands", Some(&anna.token), &ask);
    assert_eq!(asked.await.status, 404);
    live.settle().await;
    let after = (
        server.metric("kinglet_sends_total").await,
        server.metric("kinglet_acks_total").await,
    );
    assert_eq!(
        (after.0 - before.0, after.1 - before.1),
        (6.0, 6.0),
        "five and the marker"
    );
    assert!(server.metric("kinglet_ack_seconds_count").await >= 6.0);
    assert!(server.metric("kinglet_commits_total").await >= 6.0);
    assert!(server.metric("kinglet_log_bytes_total").await > 0.0);
    assert_eq!(server.metric("kinglet_sessions").await, 1.0);
    let text = server.world.get("/metrics", None).await.text;
    assert!(
        text.contains("kinglet_refusals_total{code=\"not_found\"} 3\n"),
        "{text}"
    );
    for private in ["anna", &anna.token, &anna.user, "count me"] {
        assert!(!text.contains(private), "{private} is in the metrics");
    }
}

#[tokio::test]
async fn no_word_name_or_token_is_in_the_log() {
    for level in ["info", "debug"] {
        let mut server = Server::with(&[("KINGLET_LOG_LEVEL", level)]).await;
        let code = server.claim_code().await;
        let owner = server.owner().await;
        let canary = server.person("quincecanary").await;
        let mut live = canary.live().await;
        let talk = live.tell(&owner.user, "marmaladecanary").await["conversation"].clone();
        live.act(json!({ "type": "create", "kind": "group", "title": "titlecanary" }))
            .await;
        let edit =
            json!({ "type": "edit", "conversation": talk, "target": 1, "body": text_body("editcanary") });
        live.act(edit).await;
        live.text(r#"{"id":1,"type":"jsoncanary","x":"#.to_owned()).await;
        live.settle().await;
        let wrong = json!({ "name": "namecanary", "password": "passwordcanary", "device": new_device() });
        assert_eq!(
            server.world.post("/api/v1/sign-in", None, &wrong).await.status,
            401
        );
        server
            .world
            .get("/api/v1/profile?secret=querycanary", Some("kt_tokencanary"))
            .await;
        let invitation = owner
            .post("/api/v1/invitations", &json!({ "client_id": id() }))
            .await
            .json(200);
        drop(live);
        assert_eq!(server.stop().await, Some(0));
        let output = server.output.text();
        // The greeting on standard output shows the claim code: that is its purpose. The log is what has a level.
        let log: Vec<&str> = output
            .lines()
            .filter(|line| {
                ["INFO", "WARN", "ERROR", "DEBUG"]
                    .iter()
                    .any(|it| line.contains(it))
            })
            .collect();
        assert!(!log.is_empty(), "there is a log");
        let log = log.join("\n").to_lowercase();
        let mut secrets = vec![
            "canary".to_owned(),
            PASSWORD.into(),
            owner.token,
            canary.token,
            code,
            "olga".into(),
        ];
        secrets.push(invitation["code"].as_str().expect("a code").replace('-', ""));
        for secret in secrets {
            assert!(
                !log.contains(&secret.to_lowercase()),
                "{secret} is in the log at {level}:\n{log}"
            );
        }
    }
}

/// What a new version is tried by: the log takes a message and gives it back, and nobody else sees anything of it.
#[tokio::test]
async fn a_message_goes_to_the_log_and_back_for_the_operator_and_nobody_sees_it() {
    let mut server = Server::start().await;
    let (code, out, errors) = server.run(&["health", "--json"]).await;
    assert_eq!(code, 0, "also before anybody has claimed it: {errors}");
    assert_eq!(read_json(&out)["round"]["seq"], 1);
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "before").await;
    for round in [3, 5] {
        let (code, out, errors) = server.run(&["health", "--json"]).await;
        let told = read_json(&out);
        assert_eq!((code, &told["status"]), (0, &json!("ready")), "{errors}");
        assert_eq!(
            told["round"]["seq"], round,
            "a message and its taking back, each time: {out}"
        );
        assert!(
            told["round"]["micros"].as_u64().is_some_and(|time| time > 0),
            "{out}"
        );
    }
    let after = at_anna.tell(&ben.user, "after").await;
    assert_eq!(after["seq"], 2, "nothing came in between");
    let listed = at_ben.get(json!({ "type": "conversations" })).await;
    assert_eq!(
        listed["conversations"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );

    assert_eq!(server.stop().await, Some(0));
    let (code, _, errors) = server.run(&["health"]).await;
    assert_eq!(code, 5, "no server runs: {errors}");
    let (code, out, errors) = server.run(&["doctor", "--json"]).await;
    assert_eq!((code, &read_json(&out)["sound"]), (0, &json!(true)), "{errors}");
    server.restart().await;
    let (code, out, errors) = server.run(&["health"]).await;
    assert!(code == 0 && out.starts_with("ready: version "), "{out}{errors}");
}
