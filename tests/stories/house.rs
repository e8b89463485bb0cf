//! What the server is called and known by, and the recovery key: laid down at the first run, changed by those who may, written
//! into the journal. What must not live here: the operator's setting of the address (`address`).

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::http::Reply;
use crate::people::of_role;

const HERE: &str = "/api/v1/server";
const KEY: &str = "/api/v1/server/recovery-key";

async fn claimed(server: &Server, more: Value) -> Reply {
    let mut ask = json!({
        "code": server.claim_code().await, "name": "olga", "password": PASSWORD, "device": new_device(),
    });
    ask.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    server.world.post("/api/v1/claim", None, &ask).await
}

async fn changed(who: &Person, change: Value) -> Reply {
    let body = Some(change.to_string());
    who.world
        .request(Method::PATCH, HERE, Some(&who.token), body)
        .await
}

async fn health(server: &Server) -> Value {
    server.world.get("/health", None).await.json(200)
}

async fn link(by: &Person) -> String {
    let made = by
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await;
    made.json(200)["link"].as_str().expect("a link").to_owned()
}

/// The acts in the journal that are about the server itself, oldest first.
async fn acts(who: &Person) -> Vec<Value> {
    let page = who.get("/api/v1/audit").await.json(200);
    let entries = page["entries"].as_array().expect("a list");
    let about = |entry: &&Value| {
        ["team_named", "address_changed", "recovery_key_made"]
            .contains(&entry["act"].as_str().unwrap_or_default())
    };
    let mut acts: Vec<Value> = entries.iter().filter(about).cloned().collect();
    acts.reverse();
    acts
}

#[tokio::test]
async fn the_claim_names_the_team_and_the_address_and_both_outlive_a_restart() {
    let mut server = Server::with(&[("KINGLET_LISTEN_HOSTS", "chat.lan")]).await;
    let before = health(&server).await;
    let guess = format!("http://{}", server.world.address());
    assert_eq!(
        (&before["first_run"], &before["team"]),
        (&json!({ "address": guess }), &Value::Null)
    );
    // None of these uses the code up.
    for (more, refused) in [
        (json!({ "team": " " }), "name_invalid"),
        (json!({ "team": "a".repeat(129) }), "name_invalid"),
        (json!({ "address": "chat.lan" }), "bad_request"),
        (json!({ "address": "http://chat.lan/here" }), "bad_request"),
        (json!({ "address": "http://elsewhere.lan" }), "bad_request"),
        (json!({ "address": "http://203.0.113.9" }), "bad_request"),
    ] {
        assert_eq!(claimed(&server, more.clone()).await.refused(), refused, "{more}");
    }
    let wish = json!({ "team": "Harbour  team", "address": "http://Chat.lan:8080/" });
    let olga = Person::from(&server.world, &claimed(&server, wish).await.json(200));
    assert_eq!(
        health(&server).await["team"],
        "Harbour team",
        "who is not signed in is told"
    );
    assert_eq!(health(&server).await["first_run"], Value::Null);
    assert!(link(&olga).await.starts_with("http://chat.lan:8080/join#"));
    server.kill9();
    server.restart().await;
    assert_eq!(health(&server).await["team"], "Harbour team");
    assert!(link(&olga).await.starts_with("http://chat.lan:8080/join#"));
    let seen = olga.get(HERE).await.json(200);
    assert_eq!(
        seen,
        json!({ "team": "Harbour team", "address": "http://chat.lan:8080" })
    );
}

#[tokio::test]
async fn admins_rename_the_team_and_move_the_address_and_the_journal_has_it() {
    let mut server = Server::with(&[("KINGLET_LISTEN_HOSTS", "chat.lan")]).await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna] = server.people(["anna"]).await;
    for refused in [
        anna.get(HERE).await.refused(),
        changed(&anna, json!({ "team": "Mine" })).await.refused(),
    ] {
        assert_eq!(refused, "forbidden");
    }
    let old = admin.get(HERE).await.json(200)["address"].clone();
    changed(&admin, json!({ "team": "Harbour" })).await.json(200);
    // The same again is no act.
    changed(&admin, json!({ "team": "Harbour" })).await.json(200);
    assert_eq!(health(&server).await["team"], "Harbour");
    let to = |from: &Value| json!({ "address": "http://chat.lan", "instead_of": from });
    assert_eq!(
        changed(&admin, json!({ "address": "http://chat.lan" }))
            .await
            .refused(),
        "bad_request"
    );
    assert_eq!(
        changed(&admin, to(&json!("http://other.lan"))).await.refused(),
        "changed_meanwhile"
    );
    assert!(link(&admin).await.starts_with(old.as_str().expect("an address")));
    for _ in 0..2 {
        let moved = changed(&admin, to(&old)).await.json(200);
        assert_eq!(moved["address"], "http://chat.lan");
    }
    assert!(link(&admin).await.starts_with("http://chat.lan/join#"));
    let acts = acts(&admin).await;
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_eq!(
        (&acts[0]["team"], &acts[0]["by"]),
        (&json!("Harbour"), &json!(admin.user))
    );
    assert_eq!(
        (&acts[1]["from"], &acts[1]["to"]),
        (&old, &json!("http://chat.lan"))
    );
}

#[tokio::test]
async fn where_the_setting_decides_nobody_else_does() {
    let setting = [
        ("KINGLET_LISTEN_CANONICAL_URL", "http://chat.lan"),
        ("KINGLET_LISTEN_HOSTS", "x.lan"),
    ];
    let server = Server::with(&setting).await;
    let first_run = json!({ "address": "http://chat.lan", "address_is_set": true });
    assert_eq!(health(&server).await["first_run"], first_run);
    let other = claimed(&server, json!({ "address": "http://x.lan" })).await;
    assert_eq!(other.refused(), "forbidden");
    let same = claimed(&server, json!({ "address": "http://chat.lan" })).await;
    let olga = Person::from(&server.world, &same.json(200));
    let move_it = json!({ "address": "http://x.lan", "instead_of": "http://chat.lan" });
    assert_eq!(changed(&olga, move_it).await.refused(), "forbidden");
    assert_eq!(olga.get(HERE).await.json(200)["address_is_set"], true);
}

/// Whether any file of a folder has these bytes.
fn is_on_disk(folder: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| entry.expect("it can be read").path())
        .any(|path| {
            if path.is_dir() {
                return is_on_disk(&path, text);
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
}

#[tokio::test]
async fn the_recovery_key_is_told_once_and_is_nowhere_on_the_server() {
    let mut server = Server::start().await;
    let (olga, admin) = (server.owner().await, of_role(&mut server, "adam", "admin").await);
    let ask = json!({ "client_id": id() });
    assert_eq!(admin.post(KEY, &ask).await.refused(), "forbidden");
    let made = olga.post(KEY, &ask).await.json(200);
    let (key, recipient) = (text(&made["key"]), text(&made["recipient"]));
    assert!(
        key.starts_with("AGE-SECRET-KEY-1") && key.len() == 74,
        "{}",
        key.len()
    );
    assert!(recipient.starts_with("age1") && recipient.len() == 62);
    assert_eq!(
        olga.post(KEY, &ask).await.json(200),
        made,
        "the answer may have been lost"
    );
    assert_eq!(
        olga.post(KEY, &json!({ "client_id": id() })).await.refused(),
        "changed_meanwhile",
        "another one takes its place only where that is said"
    );
    let seen = admin.get(HERE).await.json(200);
    assert_eq!(
        (
            &seen["recovery"]["recipient"],
            &seen["recovery"]["kept"],
            &seen["recovery"]["by"]
        ),
        (&made["recipient"], &json!(false), &json!(olga.user))
    );
    let kept = |recipient: &str| json!({ "recovery_kept": recipient });
    assert_eq!(
        changed(&olga, kept("age1other")).await.refused(),
        "changed_meanwhile"
    );
    assert_eq!(changed(&admin, kept(&recipient)).await.refused(), "forbidden");
    assert_eq!(
        changed(&olga, kept(&recipient)).await.json(200)["recovery"]["kept"],
        true
    );
    assert_eq!(
        olga.post(KEY, &ask).await.refused(),
        "link_invalid",
        "it is not told again"
    );

    let replace = json!({ "client_id": id(), "replaces": recipient });
    let second = olga.post(KEY, &replace).await.json(200);
    assert_ne!(second["recipient"], made["recipient"]);
    assert_eq!(olga.get(HERE).await.json(200)["recovery"]["kept"], false);
    let acts = acts(&olga).await;
    assert_eq!(
        acts.iter().map(|act| &act["recipient"]).collect::<Vec<_>>(),
        [&made["recipient"], &second["recipient"]]
    );
    assert_eq!(server.stop().await, Some(0));
    let said = server.output.text();
    assert!(is_on_disk(&server.data(), &text(&second["recipient"])));
    for secret in [&key, &text(&second["key"])] {
        assert!(!is_on_disk(&server.data(), secret) && !said.contains(secret.as_str()));
    }
    server.restart().await;
    assert_eq!(
        olga.post(KEY, &replace).await.refused(),
        "changed_meanwhile",
        "no start knows the keys of the one before"
    );
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
