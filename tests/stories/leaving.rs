//! Leaving the server, by oneself and by an admin's act. What must not live here: leaving a conversation (`groups`).

use std::time::Instant;

use serde_json::json;

use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::people::{NEW_PASSWORD, WITHIN, audit, did, news, of_role, reset_link, use_of};

#[tokio::test]
async fn who_leaves_hands_on_what_they_own_and_is_gone_within_a_second() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let phone = anna.other_device().await;
    let (mut live, mut at_phone) = (anna.live().await, phone.live().await);
    let mut at_ben = ben.live().await;
    let lunch = live.group(&[&ben, &cyd], json!({ "title": "Lunch" })).await;
    let alone = live.group(&[], json!({ "title": "Alone" })).await;
    live.say(&lunch, "I say this").await;
    at_ben.event_of(&lunch, "created").await;

    let leave = |successor: Option<&str>, password: &str| json!({ "client_id": id(), "password": password, "successor": successor });
    assert_eq!(
        anna.post("/api/v1/leave", &leave(None, "not this one"))
            .await
            .refused(),
        "wrong_credentials"
    );
    for successor in [None, Some(owner.user.as_str()), Some(anna.user.as_str())] {
        let needed = anna
            .post("/api/v1/leave", &leave(successor, PASSWORD))
            .await
            .json(409);
        assert_eq!(needed["error"]["code"], "successor_needed");
        assert_eq!(needed["owned"].as_array().map(Vec::len), Some(1), "{needed}");
        assert_eq!(
            (&needed["owned"][0]["conversation"], &needed["owned"][0]["title"]),
            (&json!(lunch), &json!("Lunch"))
        );
        let candidates = needed["owned"][0]["candidates"].as_array().expect("a list");
        assert_eq!(candidates.len(), 2, "{needed}");
    }
    live.settle().await;

    let done = anna
        .post("/api/v1/leave", &leave(Some(&ben.user), PASSWORD))
        .await
        .json(200);
    let since = Instant::now();
    assert_eq!(
        done,
        json!({ "user": anna.user, "disabled": true, "deactivated": true })
    );
    assert_eq!((live.end().await, at_phone.end().await), (Some(4401), Some(4401)));
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    at_ben.event_of(&lunch, "message").await;
    let handed = at_ben.event_of(&lunch, "transferred").await;
    assert_eq!(
        (&handed["by"], &handed["user"]),
        (&json!(anna.user), &json!(ben.user))
    );
    at_ben
        .act(json!({ "type": "update", "conversation": lunch, "title": "Supper" }))
        .await;
    let page = at_ben
        .get(json!({ "type": "history", "conversation": lunch }))
        .await;
    assert!(page.to_string().contains("I say this"), "what was said stays");

    let profile = ben.get(&format!("/api/v1/users/{}", anna.user)).await.json(200);
    assert_eq!(
        (&profile["name"], &profile["deactivated"]),
        (&json!("anna"), &json!(true))
    );
    assert!(!ben.get("/api/v1/users").await.text.contains("\"anna\""));
    assert_eq!(
        ben.get("/api/v1/users?deactivated=true").await.refused(),
        "forbidden"
    );
    let gone = owner.get("/api/v1/users?deactivated=true").await.json(200);
    assert_eq!(gone["users"].as_array().map(Vec::len), Some(1), "{gone}");
    let again = json!({ "name": "anna", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/sign-in", None, &again).await.refused(),
        "wrong_credentials"
    );
    let invitation = owner
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await
        .json(200);
    let join =
        json!({ "code": invitation["code"], "name": "anna", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/join", None, &join).await.refused(),
        "name_taken",
        "a name is never given out again"
    );

    // What survives a restart, and the way back.
    server.kill9();
    server.restart().await;
    let path = format!("/api/v1/users/{}/enable", anna.user);
    assert_eq!(
        owner.post(&path, &json!({})).await.json(200),
        json!({ "user": anna.user, "disabled": false })
    );
    let back = server.world.post("/api/v1/sign-in", None, &again).await.json(200);
    let back = Person::from(&server.world, &back);
    assert_eq!(news(&back).await, ["reactivated"]);
    let mut at_back = back.live().await;
    let list = at_back.get(json!({ "type": "conversations" })).await;
    let role = |conversation: &str| {
        let all = list["conversations"].as_array().expect("a list").iter();
        let found = all.into_iter().find(|one| one["conversation"] == conversation);
        found.expect("still a member")["role"].clone()
    };
    assert_eq!((role(&lunch), role(&alone)), (json!("admin"), json!("owner")));
}

#[tokio::test]
async fn an_admins_act_voids_what_the_user_handed_out_and_the_last_owner_stays() {
    let mut server = Server::with(&[("KINGLET_ACCOUNTS_WHO_MAY_INVITE", "members")]).await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let lunch = anna.live().await.group(&[&ben], json!({})).await;
    let invitation = anna
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await
        .json(200);
    let link = reset_link(&admin, &anna).await.json(200);
    let path = |whom: &Person| format!("/api/v1/users/{}/deactivate", whom.user);
    let ask = |successor: Option<&Person>| json!({ "client_id": id(), "successor": successor.map(|person| person.user.clone()) });
    for (by, whom) in [(&ben, &anna), (&ben, &ben), (&admin, &owner), (&admin, &admin)] {
        let reply = by.post(&path(whom), &ask(None)).await;
        assert_eq!(reply.refused(), "forbidden", "{} {}", by.name, whom.name);
    }
    assert_eq!(
        owner.post(&path(&owner), &ask(None)).await.refused(),
        "last_owner"
    );
    let leave = json!({ "client_id": id(), "password": PASSWORD });
    assert_eq!(owner.post("/api/v1/leave", &leave).await.refused(), "last_owner");
    let needed = admin.post(&path(&anna), &ask(None)).await.json(409);
    assert_eq!(needed["owned"][0]["conversation"], json!(lunch));
    let request = ask(Some(&ben));
    for _ in 0..2 {
        admin.post(&path(&anna), &request).await.json(200);
    }
    let enable = format!("/api/v1/users/{}/enable", anna.user);
    owner.post(&enable, &json!({})).await.json(200);
    let join =
        json!({ "code": invitation["code"], "name": "eve", "password": PASSWORD, "device": new_device() });
    assert_eq!(
        server.world.post("/api/v1/join", None, &join).await.refused(),
        "invitation_invalid"
    );
    let used = server
        .world
        .post("/api/v1/reset", None, &use_of(&link["code"], NEW_PASSWORD))
        .await;
    assert_eq!(used.refused(), "link_invalid");
    let seen = audit(&admin).await;
    assert_eq!(
        seen[..3],
        [
            did("enabled", &owner, &anna),
            did("deactivated", &admin, &anna),
            did("reset_link_made", &admin, &anna)
        ],
        "each act once: {seen:?}"
    );
}
