//! People of the server: the way back to a password, roles, one's own sign-ins, and the journal of admins, each seen from two
//! devices. What must not live here: leaving (`leaving`), how a device signs in by another one (`pairing`), conversations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id, new_device};

pub const WITHIN: Duration = Duration::from_secs(1);
pub const NEW_PASSWORD: &str = "nine small wrens sing";

/// A user of a role.
pub async fn of_role(server: &mut Server, name: &str, role: &str) -> Person {
    let owner = server.owner().await;
    let person = server.person(name).await;
    let path = format!("/api/v1/users/{}/role", person.user);
    owner.post(&path, &json!({ "role": role })).await.json(200);
    person
}

pub async fn reset_link(by: &Person, whom: &Person) -> crate::http::Reply {
    let path = format!("/api/v1/users/{}/reset-link", whom.user);
    by.post(&path, &json!({ "client_id": id() })).await
}

pub fn use_of(code: &Value, password: &str) -> Value {
    json!({ "code": code, "password": password, "device": new_device() })
}

/// The kinds of a person's news, ascending.
pub async fn news(person: &Person) -> Vec<String> {
    let page = person.get("/api/v1/news").await.json(200);
    let kinds = page["news"].as_array().expect("a list").iter();
    kinds
        .map(|one| one["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

/// The journal as (act, by, whom), newest first.
pub async fn audit(by: &Person) -> Vec<(String, String, String)> {
    let page = by.get("/api/v1/audit").await.json(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = page["entries"].as_array().expect("a list").iter();
    entries
        .map(|entry| (text(&entry["act"]), text(&entry["by"]), text(&entry["whom"])))
        .collect()
}

pub fn did(act: &str, by: &Person, whom: &Person) -> (String, String, String) {
    (act.to_owned(), by.user.clone(), whom.user.clone())
}

#[tokio::test]
async fn a_reset_link_sets_a_password_once_and_ends_all_other_sessions() {
    let mut server = Server::start().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let anna = server.person("anna").await;
    let phone = anna.other_device().await;
    let mut live = phone.live().await;
    let mut at_admin = admin.live().await;
    let path = format!("/api/v1/users/{}/reset-link", anna.user);
    let ask = json!({ "client_id": id(), "hours": 2 });
    let made = admin.post(&path, &ask).await.json(200);
    let again = admin.post(&path, &ask).await.json(200);
    assert_eq!(made["link"], again["link"], "a retry gives the same link");
    let other = json!({ "client_id": ask["client_id"], "hours": 3 });
    assert_eq!(admin.post(&path, &other).await.refused(), "id_reused");
    let link = made["link"].as_str().expect("a link");
    assert!(
        link.starts_with(&format!("http://{}/reset#", server.world.address())),
        "{link}"
    );
    live.notice("news").await;
    assert_eq!(news(&anna).await, ["reset_link_made"]);

    let check = json!({ "code": link });
    let shown = server
        .world
        .post("/api/v1/reset/check", None, &check)
        .await
        .json(200);
    assert_eq!(shown["name"], "anna");
    let left = shown["expires"].as_u64().expect("a time") - made["expires"].as_u64().expect("a time");
    assert!(
        left < 60_000,
        "two hours, from the making on or (by a wrong clock) from now on"
    );
    let weak = server
        .world
        .post("/api/v1/reset", None, &use_of(&made["code"], "anna"))
        .await;
    assert_eq!(weak.refused(), "password_weak");
    let ask = use_of(&made["code"], NEW_PASSWORD);
    let fresh = server.world.post("/api/v1/reset", None, &ask).await.json(200);
    let since = Instant::now();
    assert_eq!(live.end().await, Some(4401));
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    assert_eq!(anna.get("/api/v1/profile").await.refused(), "signed_out");
    let again = server.world.post("/api/v1/reset", None, &ask).await.json(200);
    assert_eq!(again["user"], fresh["user"], "a lost answer is asked for again");
    let anna = Person::from(&server.world, &again);
    assert_eq!(news(&anna).await, ["reset_link_made", "password_reset"]);
    at_admin.notice("news").await;
    assert_eq!(news(&admin).await, ["server_role", "reset_link_used"]);

    let twice = server
        .world
        .post("/api/v1/reset", None, &use_of(&made["code"], "yet another one"))
        .await;
    assert_eq!((twice.status, twice.refused().as_str()), (404, "link_invalid"));
    let old = json!({ "name": "anna", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/sign-in", None, &old).await.refused(),
        "wrong_credentials"
    );
    let new = json!({ "name": "anna", "password": NEW_PASSWORD, "device": new_device() });
    server.world.post("/api/v1/sign-in", None, &new).await.json(200);
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_codes_and_no_admin_takes_an_owner_over() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    for (by, whom) in [(&admin, &owner), (&admin, &admin), (&ben, &anna), (&ben, &ben)] {
        assert_eq!(
            reset_link(by, whom).await.refused(),
            "forbidden",
            "{} {}",
            by.name,
            whom.name
        );
    }
    let nobody = "/api/v1/users/u0000000000/reset-link";
    for (by, code) in [(&ben, "forbidden"), (&admin, "not_found")] {
        assert_eq!(
            by.post(nobody, &json!({ "client_id": id() })).await.refused(),
            code
        );
    }
    for hours in [0, 169] {
        let ask = json!({ "client_id": id(), "hours": hours });
        let path = format!("/api/v1/users/{}/reset-link", anna.user);
        assert_eq!(admin.post(&path, &ask).await.refused(), "bad_request");
    }
    let first = reset_link(&admin, &anna).await.json(200);
    let second = reset_link(&owner, &anna).await.json(200);
    let mut answers = Vec::new();
    for code in [
        &first["code"],
        &json!("ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-Z"),
        &json!("?"),
        &json!(""),
    ] {
        for (path, ask) in [
            ("/api/v1/reset", use_of(code, NEW_PASSWORD)),
            ("/api/v1/reset/check", json!({ "code": code })),
        ] {
            answers.push(server.world.post(path, None, &ask).await.text);
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(
        answers[0].contains("link_invalid"),
        "a newer link ends the older: {}",
        answers[0]
    );
    let check = json!({ "code": second["code"] });
    server
        .world
        .post("/api/v1/reset/check", None, &check)
        .await
        .json(200);

    // Whoever loses the office loses the links made by it, and one who is locked out is not let in by one.
    let by_admin = reset_link(&admin, &ben).await.json(200);
    let path = format!("/api/v1/users/{}/role", admin.user);
    owner.post(&path, &json!({ "role": "member" })).await.json(200);
    let path = format!("/api/v1/users/{}/disable", anna.user);
    owner.post(&path, &json!({})).await.json(200);
    for link in [by_admin, second] {
        let ask = use_of(&link["code"], NEW_PASSWORD);
        assert_eq!(
            server.world.post("/api/v1/reset", None, &ask).await.refused(),
            "link_invalid"
        );
    }
    assert_eq!(reset_link(&owner, &anna).await.refused(), "forbidden");
}

#[tokio::test]
async fn the_operator_lets_the_last_owner_back_in() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    for running in [true, false] {
        if !running {
            assert_eq!(server.stop().await, Some(0));
        }
        let (exit, out, err) = server.run(&["user", "reset-link", "olga", "--json"]).await;
        assert_eq!(exit, 0, "{err}");
        let made: Value = serde_json::from_str(&out).expect("JSON");
        if !running {
            server.restart().await;
        }
        let ask = use_of(&made["code"], &format!("{NEW_PASSWORD} {running}"));
        let back = server.world.post("/api/v1/reset", None, &ask).await.json(200);
        assert_eq!(
            (&back["user"], &back["role"]),
            (&json!(owner.user), &json!("owner"))
        );
    }
    let (exit, _, err) = server.run(&["user", "reset-link", "nobody"]).await;
    assert_eq!(exit, 1);
    assert!(err.contains("there is no user \"nobody\""), "{err}");
}

#[tokio::test]
async fn only_an_owner_hands_out_roles_and_one_owner_stays() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut phone = anna.other_device().await.live().await;
    let set = async |by: &Person, whom: &str, role: &str| {
        let path = format!("/api/v1/users/{whom}/role");
        by.post(&path, &json!({ "role": role })).await
    };
    assert_eq!(set(&ben, &anna.user, "admin").await.refused(), "forbidden");
    assert_eq!(set(&owner, &owner.user, "member").await.refused(), "last_owner");
    assert_eq!(set(&owner, "u0000000000", "admin").await.refused(), "not_found");
    assert_eq!(set(&owner, &anna.user, "king").await.refused(), "bad_request");
    let made = set(&owner, &anna.user, "admin").await.json(200);
    assert_eq!(
        (&made["user"], &made["role"]),
        (&json!(anna.user), &json!("admin"))
    );
    phone.notice("news").await;
    set(&owner, &anna.user, "admin").await.json(200);
    assert_eq!(
        news(&anna).await,
        ["server_role"],
        "the same again changes nothing"
    );
    assert_eq!(set(&anna, &ben.user, "admin").await.refused(), "forbidden");
    let open = owner
        .post(
            "/api/v1/invitations",
            &json!({ "client_id": id(), "role": "owner" }),
        )
        .await
        .json(200);
    set(&owner, &anna.user, "owner").await.json(200);
    set(&anna, &owner.user, "admin").await.json(200);
    assert_eq!(owner.get("/api/v1/profile").await.json(200)["role"], "admin");
    let join = json!({ "code": open["code"], "name": "eve", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/join", None, &join).await.refused(),
        "invitation_invalid",
        "an invitation to a role that its maker may no longer give is void"
    );
    assert_eq!(set(&anna, &anna.user, "member").await.refused(), "last_owner");
}

#[tokio::test]
async fn the_journal_of_admins_keeps_every_act_and_no_route_takes_one_away() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let ben = server.person("ben").await;
    assert_eq!(ben.get("/api/v1/audit").await.refused(), "forbidden");
    assert_eq!(
        server.world.get("/api/v1/audit", None).await.refused(),
        "not_signed_in"
    );
    for limit in ["0", "201", "x"] {
        let path = format!("/api/v1/audit?limit={limit}");
        assert_eq!(owner.get(&path).await.refused(), "bad_request", "{limit}");
    }
    for act in ["disable", "enable", "reset-password"] {
        let path = format!("/api/v1/users/{}/{act}", ben.user);
        admin.post(&path, &json!({})).await.json(200);
    }
    let invitation = admin
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await
        .json(200);
    let path = format!(
        "/api/v1/invitations/{}",
        invitation["id"].as_str().expect("an id")
    );
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(server.run(&["user", "disable", "ben"]).await.0, 0);
    let path = format!("/api/v1/users/{}/deactivate", admin.user);
    owner.post(&path, &json!({ "client_id": id() })).await.json(200);

    let all = owner.get("/api/v1/audit").await.json(200);
    let entries = all["entries"].as_array().expect("a list").clone();
    let acts: Vec<&str> = entries.iter().filter_map(|entry| entry["act"].as_str()).collect();
    let expected = [
        "deactivated",
        "disabled",
        "invitation_revoked",
        "invitation_made",
        "password_reset",
        "enabled",
        "disabled",
    ];
    assert_eq!(acts[..7], expected);
    assert_eq!(
        entries[1].get("by"),
        None,
        "the operator's own line: {}",
        entries[1]
    );
    assert_eq!(
        (
            &entries[4]["by"],
            &entries[4]["device"],
            &entries[4]["device_name"]
        ),
        (&json!(admin.user), &json!(admin.device), &json!("test bench"))
    );
    assert_eq!(entries[4]["whom"], json!(ben.user));
    let second = owner
        .get(&format!("/api/v1/audit?limit=2&before={}", entries[0]["no"]))
        .await
        .json(200);
    assert_eq!(
        (&second["entries"], &second["more"]),
        (&json!(entries[1..3]), &json!(true))
    );

    for path in [
        "/api/v1/audit".to_owned(),
        format!("/api/v1/audit/{}", entries[0]["no"]),
    ] {
        for method in [
            hyper::Method::DELETE,
            hyper::Method::PATCH,
            hyper::Method::POST,
            hyper::Method::PUT,
        ] {
            let reply = server
                .world
                .request(method, &path, Some(&owner.token), Some("{}".into()))
                .await;
            assert!([404, 405].contains(&reply.status), "{path}: {}", reply.text);
        }
    }
    assert_eq!(server.stop().await, Some(0));
    let file = std::fs::read_dir(server.data())
        .expect("the data directory")
        .flatten()
        .find(|file| file.path().extension().is_some_and(|end| end == "db"))
        .expect("a database");
    let database = rusqlite::Connection::open(file.path()).expect("it opens");
    for statement in ["DELETE FROM audit", "UPDATE audit SET by = 0"] {
        let error = database.execute(statement, []).expect_err(statement).to_string();
        assert!(error.contains("only added to"), "{error}");
    }
    drop(database);
    server.restart().await;
    assert_eq!(
        owner.get("/api/v1/audit").await.json(200)["entries"],
        json!(entries)
    );
}

#[tokio::test]
async fn people_see_their_own_sign_ins_and_how_many_were_refused() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let anna = server.person("anna").await;
    let wrong = json!({ "name": "anna", "password": "not this one", "device": new_device() });
    for _ in 0..3 {
        let reply = server.world.post("/api/v1/sign-in", None, &wrong).await;
        assert_eq!(reply.refused(), "wrong_credentials");
    }
    let list = anna.get("/api/v1/sign-ins").await.json(200);
    assert_eq!(
        (&list["refused_since"], list["sign_ins"].as_array().map(Vec::len)),
        (&json!(3), Some(1))
    );
    let phone = anna.other_device().await;
    let list = phone.get("/api/v1/sign-ins").await.json(200);
    assert_eq!(list["refused_since"], 0);
    let told = |at: usize| {
        let entry = &list["sign_ins"][at];
        let parts = ["how", "refused", "device", "current", "address", "device_name"];
        parts.map(|part| entry[part].clone())
    };
    let address = json!("127.0.0.0/24");
    let name = json!("test bench");
    assert_eq!(
        told(0),
        [
            json!("password"),
            json!(3),
            json!(phone.device),
            json!(true),
            address.clone(),
            name.clone()
        ]
    );
    assert_eq!(
        told(1),
        [
            json!("invitation"),
            json!(0),
            json!(anna.device),
            json!(false),
            address,
            name
        ]
    );
    let link = reset_link(&owner, &anna).await.json(200);
    let ask = use_of(&link["code"], NEW_PASSWORD);
    let back = server.world.post("/api/v1/reset", None, &ask).await.json(200);
    let back = Person::from(&server.world, &back);
    let list = back.get("/api/v1/sign-ins").await.json(200);
    assert_eq!(
        (
            &list["sign_ins"][0]["how"],
            list["sign_ins"].as_array().map(Vec::len)
        ),
        (&json!("reset_link"), Some(3))
    );
    let own = owner.get("/api/v1/sign-ins").await.json(200);
    assert_eq!(
        (
            &own["sign_ins"][0]["how"],
            own["sign_ins"].as_array().map(Vec::len)
        ),
        (&json!("claim"), Some(1))
    );
    assert_eq!(
        server.world.get("/api/v1/sign-ins", None).await.refused(),
        "not_signed_in"
    );
}
