//! Links into a group: made, used by strangers and by people of the server, void once their maker lost the right. What must
//! not live here: invitations to the server alone (`accounts`), and joining without one (`groups`).

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::http::Reply;
use crate::people::audit;

async fn link(by: &Person, group: &str, uses: u32) -> Reply {
    let ask = json!({ "client_id": id(), "conversation": group, "uses": uses });
    by.post("/api/v1/invitations", &ask).await
}

async fn accept(who: &Person, code: &Value) -> Reply {
    let ask = json!({ "client_id": id(), "code": code });
    who.post("/api/v1/invitations/accept", &ask).await
}

async fn join(server: &Server, code: &Value, name: &str) -> Reply {
    let ask = json!({ "code": code, "name": name, "password": PASSWORD, "device": new_device() });
    server.world.post("/api/v1/join", None, &ask).await
}

async fn check(server: &Server, code: &Value) -> Reply {
    let ask = json!({ "code": code });
    server.world.post("/api/v1/invitations/check", None, &ask).await
}

/// How many open links the group has, as one of its admins sees it.
async fn open(by: &Person, group: &str) -> usize {
    let list = by
        .get(&format!("/api/v1/invitations?conversation={group}"))
        .await
        .json(200);
    list["invitations"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_link_makes_an_account_and_a_member_at_once() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let anna = server.person("anna").await;
    let mut at_owner = owner.live().await;
    let (mut at_anna, mut at_phone) = (anna.live().await, anna.other_device().await.live().await);
    let group = at_owner.group(&[&anna], json!({ "title": "Lunch" })).await;
    for live in [&mut at_anna, &mut at_phone] {
        live.event_of(&group, "created").await;
    }
    let ask = json!({ "client_id": id(), "conversation": group, "uses": 1 });
    let made = owner.post("/api/v1/invitations", &ask).await.json(200);
    let again = owner.post("/api/v1/invitations", &ask).await.json(200);
    assert_eq!(
        (&again["id"], &again["link"]),
        (&made["id"], &made["link"]),
        "a retry"
    );
    let other = json!({ "client_id": ask["client_id"], "uses": 1 });
    assert_eq!(
        owner.post("/api/v1/invitations", &other).await.refused(),
        "id_reused"
    );
    let text = made["link"].as_str().expect("a link");
    assert!(
        text.starts_with(&format!("http://{}/join#", server.world.address())),
        "{text}"
    );
    let shown = check(&server, &made["code"]).await.json(200);
    assert_eq!(
        shown["into"],
        json!({ "kind": "group", "title": "Lunch", "accounts": true })
    );

    let eve = Person::from(
        &server.world,
        &join(&server, &made["code"], "eve").await.json(200),
    );
    for live in [&mut at_anna, &mut at_phone] {
        let joined = live.event_of(&group, "joined").await;
        assert_eq!(
            (&joined["by"], &joined["users"]),
            (&json!(owner.user), &json!([eve.user]))
        );
    }
    let mut at_eve = eve.live().await;
    at_eve.say(&group, "Hello!").await;
    at_phone.event_of(&group, "message").await;
    for code in [
        check(&server, &made["code"]).await,
        join(&server, &made["code"], "eva").await,
    ] {
        assert_eq!(code.refused(), "invitation_invalid", "it was good for one");
    }
    assert_eq!(audit(&owner).await[0].0, "invitation_made");
}

#[tokio::test]
async fn a_groups_own_admins_let_in_who_has_an_account_and_no_one_else() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({ "title": "Lunch" })).await;
    let direct = at_anna.tell(&ben.user, "hi").await["conversation"].clone();
    let direct = direct.as_str().expect("an id");
    for (by, into, code) in [
        (&ben, group.as_str(), "forbidden"),
        (&cyd, &group, "not_found"),
        (&owner, &group, "not_found"),
        (&anna, direct, "wrong_kind"),
    ] {
        assert_eq!(link(by, into, 1).await.refused(), code, "{} {into}", by.name);
        let list = format!("/api/v1/invitations?conversation={into}");
        assert_eq!(by.get(&list).await.refused(), code, "{} {into}", by.name);
    }
    let ranked = json!({ "client_id": id(), "conversation": group, "role": "admin" });
    assert_eq!(
        anna.post("/api/v1/invitations", &ranked).await.refused(),
        "forbidden"
    );

    let made = link(&anna, &group, 1).await.json(200);
    assert!(
        !owner.get("/api/v1/invitations").await.text.contains(&group),
        "it is the group's own"
    );
    assert_eq!(
        check(&server, &made["code"]).await.json(200)["into"]["accounts"],
        false
    );
    assert_eq!(join(&server, &made["code"], "eve").await.refused(), "forbidden");
    let ask = json!({ "client_id": id(), "code": made["code"] });
    let phone = cyd.other_device().await;
    let (mut at_cyd, mut at_phone) = (cyd.live().await, phone.live().await);
    let done = phone.post("/api/v1/invitations/accept", &ask).await.json(200);
    assert_eq!(done, json!({ "conversation": group }));
    for live in [&mut at_cyd, &mut at_phone] {
        live.event_of(&group, "joined").await;
    }
    assert_eq!(
        phone.post("/api/v1/invitations/accept", &ask).await.json(200),
        done,
        "a retry"
    );
    at_cyd
        .act(json!({ "type": "leave", "conversation": group }))
        .await;
    assert_eq!(
        accept(&dan, &made["code"]).await.refused(),
        "invitation_invalid",
        "used up"
    );
    let to_server = owner
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await
        .json(200);
    assert_eq!(accept(&dan, &to_server["code"]).await.refused(), "bad_request");
    assert_eq!(
        accept(&dan, &json!("0000-0000-0000-0000")).await.refused(),
        "invitation_invalid"
    );

    // Who is banned in the group stays out, and uses nothing up; who left comes back.
    let made = link(&anna, &group, 1).await.json(200);
    at_anna
        .act(json!({ "type": "ban", "conversation": group, "user": dan.user }))
        .await;
    assert_eq!(accept(&dan, &made["code"]).await.refused(), "banned");
    accept(&cyd, &made["code"]).await.json(200);
    at_cyd.event_of(&group, "left").await;
    at_cyd.event_of(&group, "joined").await;
}

#[tokio::test]
async fn a_link_ends_with_the_right_of_its_maker_and_does_not_come_back() {
    let mut server = Server::start().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({ "title": "Lunch" })).await;
    let role = |role: &str| json!({ "type": "role", "conversation": group, "user": ben.user, "role": role });
    at_anna.act(role("admin")).await;
    let made = link(&ben, &group, 9).await.json(200);
    assert_eq!(open(&anna, &group).await, 1, "admins see each other's");
    at_anna.act(role("member")).await;
    assert_eq!(accept(&cyd, &made["code"]).await.refused(), "invitation_invalid");
    assert_eq!(open(&anna, &group).await, 0);
    at_anna.act(role("admin")).await;
    assert_eq!(
        accept(&cyd, &made["code"]).await.refused(),
        "invitation_invalid",
        "void for good"
    );

    // An admin of the group revokes what another made; a stranger does not find it.
    let made = link(&ben, &group, 9).await.json(200);
    let path = format!("/api/v1/invitations/{}", made["id"].as_str().expect("an id"));
    assert_eq!(cyd.delete(&path).await.refused(), "not_found");
    assert_eq!(anna.delete(&path).await.status, 204);
    assert_eq!(accept(&cyd, &made["code"]).await.refused(), "invitation_invalid");

    // So many at once, and all void when there is nothing left to lead to.
    for _ in 0..limits::LINKS_PER_USER {
        link(&anna, &group, 2).await.json(200);
    }
    assert_eq!(link(&anna, &group, 2).await.refused(), "limit_reached");
    let last = link(&ben, &group, 2).await.json(200);
    at_anna
        .act(json!({ "type": "dissolve", "conversation": group }))
        .await;
    assert_eq!(accept(&cyd, &last["code"]).await.refused(), "invitation_invalid");
    let next = at_anna.group(&[], json!({ "title": "Supper" })).await;
    link(&anna, &next, 2).await.json(200);
}
