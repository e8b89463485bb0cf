//! Claim, invite, join, sign in: the doors of the house. What must not live here: what one does inside.

use serde_json::json;

use crate::harness::{PASSWORD, Person, Server, id, new_device};

fn claim(code: &str, name: &str) -> serde_json::Value {
    json!({ "code": code, "name": name, "password": PASSWORD, "device": new_device() })
}

#[tokio::test]
async fn the_first_claims_then_invites_and_the_invited_join_and_sign_in() {
    let mut server = Server::start().await;
    let health = server.world.get("/health", None).await.json(200);
    assert_eq!(
        (&health["status"], &health["claimed"]),
        (&json!("ready"), &json!(false))
    );
    let owner = server.owner().await;
    let health = server.world.get("/health", None).await.json(200);
    assert_eq!(health["claimed"], true);
    let profile = owner.get("/api/v1/profile").await.json(200);
    assert_eq!(
        (&profile["name"], &profile["role"]),
        (&json!("olga"), &json!("owner"))
    );

    let ask = json!({ "client_id": id(), "uses": 1 });
    let invitation = owner.post("/api/v1/invitations", &ask).await.json(200);
    let again = owner.post("/api/v1/invitations", &ask).await.json(200);
    assert_eq!(
        (&again["id"], &again["code"]),
        (&invitation["id"], &invitation["code"]),
        "a retry makes no second one"
    );
    let code = invitation["code"].as_str().expect("a code").to_owned();
    let link = invitation["link"].as_str().expect("a link");
    assert!(
        link.starts_with(&format!("http://{}/", server.world.address())),
        "{link}"
    );
    let check = json!({ "code": code });
    let offer = server
        .world
        .post("/api/v1/invitations/check", None, &check)
        .await
        .json(200);
    assert_eq!(
        (&offer["valid"], &offer["by_name"]),
        (&json!(true), &json!("olga"))
    );

    let join = json!({ "code": code, "name": "Anna", "password": PASSWORD, "device": new_device() });
    let anna = server.world.post("/api/v1/join", None, &join).await.json(200);
    assert_eq!((&anna["name"], &anna["role"]), (&json!("anna"), &json!("member")));
    let again = server.world.post("/api/v1/join", None, &join).await.json(200);
    assert_eq!(again["user"], anna["user"], "the same request again signs in");
    let other = json!({ "code": code, "name": "mallory", "password": PASSWORD, "device": new_device() });
    let reply = server.world.post("/api/v1/join", None, &other).await;
    assert_eq!(
        (reply.status, reply.refused().as_str()),
        (404, "invitation_invalid"),
        "it is used up"
    );

    let anna = Person::from(&server.world, &again);
    assert!(owner.get("/api/v1/users").await.text.contains("\"anna\""));
    assert_eq!(
        anna.post("/api/v1/invitations", &json!({ "client_id": id() }))
            .await
            .refused(),
        "forbidden"
    );
    let phone = anna.other_device().await;
    assert_eq!((&phone.user, phone.device != anna.device), (&anna.user, true));
    let devices = anna.get("/api/v1/devices").await.json(200);
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(2), "{devices}");
    phone.live().await.close().await;
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_answer_the_same() {
    let mut server = Server::start().await;
    server.owner().await;
    let sign_in =
        |name: &str, password: &str| json!({ "name": name, "password": password, "device": new_device() });
    let mut answers = Vec::new();
    for (name, password) in [
        ("olga", "not this one at all"),
        ("nobody", PASSWORD),
        ("no body\u{0}", PASSWORD),
    ] {
        let reply = server
            .world
            .post("/api/v1/sign-in", None, &sign_in(name, password))
            .await;
        answers.push((reply.status, reply.text.clone()));
        assert_eq!(reply.refused(), "wrong_credentials");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 401);
}

#[tokio::test]
async fn a_server_is_claimed_once() {
    let mut server = Server::start().await;
    let code = server.claim_code().await;
    server.owner().await;
    let reply = server
        .world
        .post("/api/v1/claim", None, &claim(&code, "second"))
        .await;
    assert_eq!((reply.status, reply.refused().as_str()), (403, "claim_closed"));
    server.kill9();
    server.restart().await;
    let reply = server
        .world
        .post("/api/v1/claim", None, &claim(&code, "second"))
        .await;
    assert_eq!(reply.refused(), "claim_closed");
    assert!(
        !server.output.text().contains("claim code is"),
        "a claimed server prints no code"
    );
}

#[tokio::test]
async fn five_wrong_codes_close_the_claim_until_the_next_start() {
    let mut server = Server::start().await;
    let right = server.claim_code().await;
    let wrong = if right == "00000-00001" {
        "00000-00002"
    } else {
        "00000-00001"
    };
    for _ in 0..4 {
        assert_eq!(
            server
                .world
                .post("/api/v1/claim", None, &claim(wrong, "eve"))
                .await
                .refused(),
            "claim_wrong"
        );
    }
    for code in [wrong, &right] {
        assert_eq!(
            server
                .world
                .post("/api/v1/claim", None, &claim(code, "eve"))
                .await
                .refused(),
            "claim_closed"
        );
    }
    server.kill9();
    server.restart().await;
    assert_eq!(
        server.claim_code().await,
        right,
        "it was read with the machine off"
    );
    assert_eq!(server.owner().await.name, "olga");
}
