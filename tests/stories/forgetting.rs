//! People who are erased: their account, their words, and what the others see of it. What must not live here: the erasing of
//! one message (`changes`, `erasing`).

use std::time::Instant;

use serde_json::{Value, json};

use crate::erasing::{erasures_are_done, is_in_a_file, stopped_and_examined};
use crate::harness::{PASSWORD, PATIENCE, Person, Server, new_device};
use crate::live::{Came, Live, text_body};

pub const CANARY: &str = "vq8canary";

/// A user whose names, device, words and invitation all have the canary in them.
pub async fn canary(server: &mut Server) -> Person {
    let owner = server.owner().await;
    let invitation = owner
        .post(
            "/api/v1/invitations",
            &json!({ "client_id": crate::harness::id() }),
        )
        .await
        .json(200);
    let mut device = new_device();
    device["name"] = json!(format!("{CANARY} phone"));
    let ask = json!({
        "code": invitation["code"], "name": CANARY, "display_name": format!("{CANARY} the bird"),
        "password": PASSWORD, "device": device,
    });
    let reply = server.world.post("/api/v1/join", None, &ask).await;
    Person::from(&server.world, &reply.json(200))
}

pub async fn erase(person: &Person) -> Value {
    let ask = json!({ "password": PASSWORD, "confirm": person.name });
    person.post("/api/v1/me/erase", &ask).await.json(200)
}

/// Waits until nothing is left of a person; asked with the token that asked for the erasure.
pub async fn is_erased(person: &Person) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let erasure = person.get("/api/v1/me/erasure").await.json(200);
        if erasure["state"] == "done" {
            return erasure;
        }
        assert!(Instant::now() < deadline, "the erasure does not end: {erasure}");
    }
}

/// Says many things, with edits and reactions, so that erasing them takes several steps.
async fn talk(live: &mut Live, group: &str, count: usize) {
    for number in 0..count {
        let seq = live.say(group, &format!("{CANARY} {number}")).await["seq"].clone();
        if number % 10 == 0 {
            let edit = json!({
                "type": "edit", "conversation": group, "target": seq, "body": text_body(&format!("{CANARY} anew")),
            });
            live.act(edit).await;
            live.act(json!({ "type": "react", "conversation": group, "target": seq, "emoji": CANARY }))
                .await;
        }
    }
}

pub async fn history(live: &mut Live, group: &str) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let page = live
            .get(json!({ "type": "history", "conversation": group, "after": after, "limit": 100 }))
            .await;
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        after = events
            .last()
            .map_or(0, |event| event["seq"].as_u64().expect("a seq"));
        if page["more"] == false {
            return events;
        }
    }
}

#[tokio::test]
async fn an_erased_person_is_in_no_file_and_the_others_see_tombstones_at_home_and_when_they_come_back() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let bird = canary(&mut server).await;
    let (mut at_anna, mut at_bird) = (anna.live().await, bird.live().await);
    let group = at_anna.group(&[&ben, &bird], json!({})).await;
    at_anna.say(&group, "this stays").await;
    let early = ben.live().await.welcome["resume"]
        .as_str()
        .expect("a token")
        .to_owned();
    talk(&mut at_bird, &group, 300).await;
    let direct = at_bird.tell(&ben.user, CANARY).await["conversation"].clone();
    // Ben's phone has seen it all and goes offline; Anna stays.
    let phone = ben.live().await;
    let was_at = phone.welcome["resume"].as_str().expect("a token").to_owned();
    drop(phone);
    at_anna.settle().await;
    assert!(is_in_a_file(&server.data(), CANARY), "the search finds nothing");

    let begun = erase(&bird).await;
    assert_eq!(begun["user"], bird.user.as_str());
    assert_eq!(at_bird.end().await, Some(4401), "their connection is cut");
    assert_eq!(bird.get("/api/v1/profile").await.refused(), "signed_out");
    let told = at_anna.told_of(|of| of["erased"] == true).await;
    assert_eq!(
        (&told["user"], &told["display_name"]),
        (&json!(bird.user), &json!("Erased user"))
    );
    // Live: an event for each step, the last of them for all.
    let done = is_erased(&bird).await;
    assert_eq!(
        (&done["erased"], &done["conversations_left"]),
        (&json!(361), &json!(0))
    );
    let told: Vec<Value> = at_anna
        .settle()
        .await
        .into_iter()
        .filter(|event| event["kind"] == "erased" && event["conversation"] == group.as_str())
        .collect();
    assert!(told.len() >= 2, "one step for all: {told:?}");
    assert!(
        told.iter()
            .all(|event| event["user"] == bird.user.as_str() && event["by"] == bird.user.as_str())
    );
    // Back from offline: the events, and in the pages nothing but tombstones.
    let mut phone = ben.resume(&was_at).await;
    let events = phone.settle().await;
    assert!(
        events
            .iter()
            .any(|event| event["kind"] == "erased" && event["conversation"] == direct)
    );
    for live in [&mut at_anna, &mut phone] {
        let events = history(live, &group).await;
        let text = json!(events).to_string();
        assert!(!text.contains(CANARY), "the words are still told");
        assert!(text.contains("this stays"), "somebody else's words are gone");
        let erased = events.iter().filter(|event| event["erased"] == true).count();
        assert_eq!(erased, 330, "300 messages and 30 edits");
    }
    // Who comes from before it all is told tombstones, from the tails in memory.
    let events = ben.resume(&early).await.settle().await;
    assert!(events.iter().any(|event| event["erased"] == true));
    assert!(
        !json!(events).to_string().contains(CANARY),
        "the words are still in memory"
    );
    let members = at_anna
        .get(json!({ "type": "members", "conversation": group }))
        .await
        .to_string();
    assert!(
        members.contains(&bird.user) && !members.contains(CANARY),
        "{members}"
    );

    erasures_are_done(&server).await;
    assert!(
        !is_in_a_file(&server.data(), CANARY),
        "something of them is still in a file"
    );
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
    server.restart().await;
    assert!(!is_in_a_file(&server.data(), CANARY), "it came back");
}

#[tokio::test]
async fn a_name_is_not_given_out_again_and_the_account_stays_shut() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let ben = server.person("ben").await;
    let first = erase(&ben).await;
    assert_eq!(
        erase(&ben).await["asked"],
        first["asked"],
        "a retry is told the same"
    );
    let again = json!({ "name": "ben", "password": PASSWORD, "device": new_device() });
    let reply = server.world.post("/api/v1/sign-in", None, &again).await;
    assert_eq!(reply.refused(), "wrong_credentials");
    for name in ["ben", "Ben"] {
        let invitation = owner
            .post(
                "/api/v1/invitations",
                &json!({ "client_id": crate::harness::id() }),
            )
            .await
            .json(200);
        let ask =
            json!({ "code": invitation["code"], "name": name, "password": PASSWORD, "device": new_device() });
        let reply = server.world.post("/api/v1/join", None, &ask).await;
        assert_eq!(reply.refused(), "name_taken");
    }
    for act in ["enable", "reset-password", "disable"] {
        let path = format!("/api/v1/users/{}/{act}", ben.user);
        assert_eq!(
            owner.post(&path, &json!({})).await.refused(),
            "not_found",
            "{act}"
        );
    }
    let info = owner.get(&format!("/api/v1/users/{}", ben.user)).await.json(200);
    assert_eq!((&info["erased"], &info["disabled"]), (&json!(true), &json!(true)));
    let mut live = owner.live().await;
    let send = json!({ "type": "send", "to": ben.user, "body": text_body("hello?") });
    assert_eq!(live.refused(send).await, "not_found");
}

#[tokio::test]
async fn erasing_is_refused_without_password_and_name_to_the_last_owner_and_to_who_leads_others() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let ask = |password: &str, confirm: &str| json!({ "password": password, "confirm": confirm });
    let refused = async |who: &Person, body: Value| who.post("/api/v1/me/erase", &body).await.refused();
    assert_eq!(refused(&anna, ask("wrong", "anna")).await, "wrong_credentials");
    assert_eq!(refused(&anna, ask(PASSWORD, "ben")).await, "bad_request");
    assert_eq!(
        refused(&anna, json!({ "password": PASSWORD })).await,
        "bad_request"
    );
    assert_eq!(refused(&owner, ask(PASSWORD, "olga")).await, "last_owner");
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    assert_eq!(refused(&anna, ask(PASSWORD, "anna")).await, "owner_must_stay");
    at_anna
        .act(json!({ "type": "transfer", "conversation": group, "user": ben.user }))
        .await;
    let stranger = server.world.get("/api/v1/me/erasure", Some(&anna.token)).await;
    assert_eq!(stranger.refused(), "signed_out", "nothing was asked yet");
    erase(&anna).await;
    is_erased(&anna).await;
}

#[tokio::test]
async fn an_admin_erases_members_and_only_the_owner_erases_admins() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let invitation = owner
        .post(
            "/api/v1/invitations",
            &json!({ "client_id": crate::harness::id(), "role": "admin" }),
        )
        .await
        .json(200);
    let ask =
        json!({ "code": invitation["code"], "name": "adam", "password": PASSWORD, "device": new_device() });
    let adam = Person::from(
        &server.world,
        &server.world.post("/api/v1/join", None, &ask).await.json(200),
    );
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let path = |whom: &Person| format!("/api/v1/users/{}/erase", whom.user);
    let by_name = |whom: &Person| json!({ "confirm": whom.name });
    assert_eq!(
        anna.post(&path(&ben), &by_name(&ben)).await.refused(),
        "forbidden"
    );
    assert_eq!(
        adam.post(&path(&owner), &by_name(&owner)).await.refused(),
        "forbidden"
    );
    assert_eq!(
        adam.post(&path(&adam), &by_name(&adam)).await.refused(),
        "forbidden"
    );
    assert_eq!(
        adam.post(&path(&ben), &by_name(&anna)).await.refused(),
        "bad_request"
    );
    adam.post(&path(&ben), &by_name(&ben)).await.json(200);
    adam.post(&path(&ben), &by_name(&ben)).await.json(200);
    assert_eq!(ben.get("/api/v1/profile").await.refused(), "signed_out");
    let progress = format!("/api/v1/users/{}/erasure", ben.user);
    assert_eq!(anna.get(&progress).await.refused(), "forbidden");
    assert_eq!(owner.get(&progress).await.json(200)["user"], ben.user.as_str());
    let none = format!("/api/v1/users/{}/erasure", anna.user);
    assert_eq!(owner.get(&none).await.refused(), "not_found");
    owner.post(&path(&adam), &by_name(&adam)).await.json(200);
}

#[tokio::test]
async fn what_is_sent_while_one_is_erased_is_not_taken_or_is_erased_too() {
    let mut server = Server::start().await;
    let ben = server.person("ben").await;
    let bird = canary(&mut server).await;
    let other = bird.other_device().await;
    let mut at_bird = bird.live().await;
    let talk = at_bird.tell(&ben.user, "first").await["conversation"].clone();
    let talk = talk.as_str().expect("an id").to_owned();
    for _ in 0..50 {
        let send = json!({
            "type": "send", "conversation": talk, "client_id": crate::harness::id(), "body": text_body(CANARY),
        });
        at_bird.post(send).await;
    }
    erase(&other).await;
    // Whatever was taken and whatever was not: the connection ends.
    while let Came::Frame(_) = at_bird.came().await {}
    is_erased(&other).await;
    erasures_are_done(&server).await;
    assert!(!is_in_a_file(&server.data(), CANARY), "something slipped through");
}

#[tokio::test]
async fn killed_in_the_middle_the_erasure_goes_on_at_the_next_start() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let bird = canary(&mut server).await;
    let (mut at_anna, mut at_bird) = (anna.live().await, bird.live().await);
    let mut groups = Vec::new();
    for _ in 0..3 {
        let group = at_anna.group(&[&ben, &bird], json!({})).await;
        talk(&mut at_bird, &group, 260).await;
        groups.push(group);
    }
    let mut kills = 0;
    erase(&bird).await;
    // Killed as soon as there is progress, again and again, until a start finds nothing left to do.
    let done = loop {
        let erasure = bird.get("/api/v1/me/erasure").await.json(200);
        if erasure["state"] == "done" {
            break erasure;
        }
        if erasure["erased"].as_u64() > Some(kills * 256) {
            kills += 1;
            server.kill9();
            server.restart().await;
        }
    };
    assert!(kills > 0, "it was never interrupted");
    assert_eq!(done["erased"], 3 * (260 + 26 + 26), "each event once");
    let mut at_anna = anna.live().await;
    for group in &groups {
        let text = json!(history(&mut at_anna, group).await).to_string();
        assert!(!text.contains(CANARY), "words were left out");
    }
    erasures_are_done(&server).await;
    assert!(
        !is_in_a_file(&server.data(), CANARY),
        "something of them is still in a file"
    );
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
}
