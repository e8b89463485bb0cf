//! Moderation of the server: reports and what they show, warnings, mutes and bans, each seen from two devices. What must
//! not live here: what a group's own admins do (`groups`), blocks (`discretion`), and expiry, which needs a clock of its own
//! (`store::sqlite::accounts`).

use std::time::Instant;

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::http::Reply;
use crate::live::text_body;
use crate::people::{WITHIN, audit, did, news, of_role, reset_link, use_of};

async fn report(by: &Person, conversation: &str, seq: &Value, reason: &str) -> Reply {
    let ask = json!({ "client_id": id(), "conversation": conversation, "seq": seq, "reason": reason });
    by.post("/api/v1/reports", &ask).await
}

/// Does something about somebody: `warn`, `mute`, `ban`.
async fn act(by: &Person, whom: &Person, what: &str, reason: &str) -> Reply {
    let path = format!("/api/v1/users/{}/{what}", whom.user);
    by.post(&path, &json!({ "client_id": id(), "reason": reason }))
        .await
}

async fn sign_in(whom: &Person) -> Reply {
    let ask = json!({ "name": whom.name, "password": PASSWORD, "device": new_device() });
    whom.world.post("/api/v1/sign-in", None, &ask).await
}

/// The words of some events, ascending.
fn words(events: &Value) -> Vec<&str> {
    let events = events.as_array().expect("a list").iter();
    events
        .map(|event| event["body"]["text"].as_str().unwrap_or("-"))
        .collect()
}

async fn queue(by: &Person, query: &str) -> Vec<u64> {
    let list = by.get(&format!("/api/v1/reports{query}")).await.json(200);
    let reports = list["reports"].as_array().expect("a list").iter();
    reports
        .map(|one| one["report"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn a_report_shows_two_messages_on_each_side_and_no_more() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben, dan] = server.people(["anna", "ben", "dan"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let mut at_admin = admin.other_device().await.live().await;
    let group = at_anna.group(&[&ben], json!({ "title": "Secret plans" })).await;
    let mut said = Vec::new();
    for n in 1..=7 {
        said.push(at_ben.say(&group, &format!("word {n}")).await["seq"].clone());
        at_anna
            .act(json!({ "type": "react", "conversation": group, "target": said[n - 1], "emoji": "👀" }))
            .await;
    }
    at_ben
        .act(json!({ "type": "edit", "conversation": group, "target": said[3], "body": text_body("word 4, sharper") }))
        .await;
    at_anna
        .act(json!({ "type": "invite", "conversation": group, "users": [dan.user] }))
        .await;
    said.push(at_ben.say(&group, "word 8").await["seq"].clone());

    let ask = json!({ "client_id": id(), "conversation": group, "seq": said[3], "reason": "This hurts." });
    let made = anna.post("/api/v1/reports", &ask).await.json(200);
    assert_eq!(
        anna.post("/api/v1/reports", &ask).await.json(200),
        made,
        "a retry"
    );
    at_admin.notice("news").await;
    let first = made["report"].as_u64().expect("a number");
    assert_eq!(queue(&admin, "").await, [first]);
    let view = admin.get(&format!("/api/v1/reports/{first}")).await;
    let seen = view.json(200);
    assert_eq!(
        words(&seen["events"]),
        ["word 2", "word 3", "word 4", "word 5", "word 6"]
    );
    assert_eq!(words(&seen["edits"]), ["word 4, sharper"]);
    assert!(
        !view.text.contains("Secret plans") && !view.text.contains("👀"),
        "{}",
        view.text
    );
    assert_eq!(
        (
            &seen["report"]["by"],
            &seen["report"]["author"],
            &seen["report"]["reason"]
        ),
        (&json!(anna.user), &json!(ben.user), &json!("This hurts."))
    );
    let history = format!("/api/v1/conversations/{group}/events");
    assert_eq!(
        admin.get(&history).await.refused(),
        "not_found",
        "the rest stays theirs"
    );

    // Who came later shows nothing from before their time.
    let later = report(&dan, &group, &said[7], "").await.json(200)["report"].clone();
    let seen = admin.get(&format!("/api/v1/reports/{later}")).await.json(200);
    assert_eq!(words(&seen["events"]), ["word 8"]);
    assert_eq!(report(&dan, &group, &said[3], "").await.refused(), "not_found");

    // What is erased in the log is erased in the report.
    at_ben
        .act(json!({ "type": "recall", "conversation": group, "target": said[3] }))
        .await;
    let view = admin.get(&format!("/api/v1/reports/{first}")).await;
    assert_eq!(
        words(&view.json(200)["events"]),
        ["word 2", "word 3", "-", "word 5", "word 6"]
    );
    assert!(!view.text.contains("word 4"), "{}", view.text);
    assert_eq!(report(&dan, &group, &said[3], "").await.refused(), "not_found");
    assert_eq!(report(&anna, &group, &said[3], "").await.refused(), "erased");
    assert_eq!(
        news(&owner).await,
        ["reports_waiting"],
        "one for a queue that was empty"
    );
    assert_eq!(news(&admin).await, ["server_role", "reports_waiting"]);
}

#[tokio::test]
async fn reports_are_decided_on_by_who_may_administer_their_author() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben, cyd] = server.people(["anna", "ben", "cyd"]).await;
    let phone = anna.other_device().await;
    let (mut at_admin, mut at_ben, mut at_phone) = (admin.live().await, ben.live().await, phone.live().await);
    let by_admin = at_admin.tell(&anna.user, "I decide here").await;
    let by_ben = at_ben.tell(&anna.user, "rude words").await;
    let place = |ack: &Value| {
        (
            ack["conversation"].as_str().expect("an id").to_owned(),
            ack["seq"].clone(),
        )
    };
    let ((at_adam, one), (rude, two)) = (place(&by_admin), place(&by_ben));
    let about_admin = report(&anna, &at_adam, &one, "").await.json(200)["report"].clone();
    let about_ben = report(&phone, &rude, &two, "").await.json(200)["report"].clone();
    assert_eq!(
        report(&anna, &rude, &two, "").await.refused(),
        "no_change",
        "it waits already"
    );
    assert_eq!(
        report(&ben, &rude, &two, "").await.refused(),
        "bad_request",
        "their own"
    );
    assert_eq!(report(&cyd, &rude, &two, "").await.refused(), "not_found");
    for seq in [json!(0), json!(999), json!(9_007_199_254_740_991_u64)] {
        assert_eq!(report(&anna, &rude, &seq, "").await.refused(), "not_found");
    }
    for reason in ["r".repeat(limits::REASON_BYTES + 1), "bell \u{7}".into()] {
        assert_eq!(report(&cyd, &rude, &two, &reason).await.refused(), "bad_request");
    }

    let number = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(queue(&admin, "").await, [number(&about_ben)]);
    assert_eq!(
        queue(&owner, "").await,
        [number(&about_admin), number(&about_ben)]
    );
    assert_eq!(queue(&owner, "?limit=1").await, [number(&about_admin)]);
    assert_eq!(
        queue(&owner, &format!("?after={about_admin}")).await,
        [number(&about_ben)]
    );
    let hidden = format!("/api/v1/reports/{about_admin}");
    let (path, resolve) = (
        format!("/api/v1/reports/{about_ben}"),
        format!("/api/v1/reports/{about_ben}/resolve"),
    );
    let note = json!({ "note": "warned" });
    assert_eq!(
        admin.get(&hidden).await.refused(),
        "not_found",
        "nobody learns who reported them"
    );
    assert_eq!(
        admin.post(&format!("{hidden}/resolve"), &note).await.refused(),
        "not_found"
    );
    for member in [&anna, &ben] {
        for path in ["/api/v1/reports", path.as_str(), "/api/v1/measures"] {
            assert_eq!(member.get(path).await.refused(), "forbidden");
        }
        assert_eq!(member.post(&resolve, &note).await.refused(), "forbidden");
    }
    assert_eq!(admin.get("/api/v1/reports/12345").await.refused(), "not_found");

    let done = admin.post(&resolve, &note).await.json(200);
    assert_eq!(
        (&done["resolved"]["by"], &done["resolved"]["note"]),
        (&json!(admin.user), &json!("warned"))
    );
    at_phone.notice("news").await;
    assert_eq!(news(&anna).await, ["report_resolved"]);
    assert_eq!(admin.post(&resolve, &note).await.json(200), done, "a retry");
    assert_eq!(
        admin.post(&resolve, &json!({ "note": "no" })).await.refused(),
        "no_change"
    );
    assert_eq!(queue(&admin, "").await, [] as [u64; 0]);
    assert_eq!(queue(&admin, "?state=resolved").await, [number(&about_ben)]);
    assert_eq!(audit(&owner).await[0], did("report_resolved", &admin, &ben));
    report(&anna, &rude, &two, "again").await.json(200);
}

#[tokio::test]
async fn who_is_muted_posts_nowhere_until_it_is_lifted() {
    let mut server = Server::start().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let phone = ben.other_device().await;
    let (mut at_anna, mut at_ben, mut at_phone) = (anna.live().await, ben.live().await, phone.live().await);
    let group = at_ben.group(&[&anna], json!({ "title": "Lunch" })).await;
    let send =
        json!({ "type": "send", "client_id": id(), "conversation": group, "body": text_body("before") });
    let before = at_ben.act(send.clone()).await;
    at_anna.event_of(&group, "created").await;

    let ask = json!({ "client_id": id(), "reason": "Calm down.", "seconds": 3600 });
    let path = format!("/api/v1/users/{}/mute", ben.user);
    let made = admin.post(&path, &ask).await.json(200);
    assert_eq!((&made["measure"], &made["holds"]), (&json!("mute"), &json!(true)));
    let again = admin.post(&path, &ask).await.json(200);
    assert_eq!(made["no"], again["no"], "a retry");
    at_ben.notice("news").await;
    at_phone.notice("news").await;
    for seconds in [0, limits::MEASURE_SECONDS + 1] {
        let ask = json!({ "client_id": id(), "reason": "Calm down.", "seconds": seconds });
        assert_eq!(admin.post(&path, &ask).await.refused(), "bad_request");
    }
    assert_eq!(act(&admin, &ben, "mute", " ").await.refused(), "bad_request");

    let target = &before["seq"];
    for live in [&mut at_ben, &mut at_phone] {
        for command in [
            json!({ "type": "send", "conversation": group, "body": text_body("again") }),
            json!({ "type": "send", "to": anna.user, "body": text_body("in private") }),
            json!({ "type": "edit", "conversation": group, "target": target, "body": text_body("after") }),
            json!({ "type": "react", "conversation": group, "target": target, "emoji": "👍" }),
            json!({ "type": "create", "kind": "group", "title": "loud", "members": [] }),
            json!({ "type": "update", "conversation": group, "title": "loud" }),
        ] {
            assert_eq!(live.refused(command.clone()).await, "muted", "{command}");
        }
    }
    let over_http = json!({ "id": 1, "type": "send", "client_id": id(), "to": anna.user, "body": text_body("by the other door") });
    assert_eq!(ben.post("/api/v1/commands", &over_http).await.refused(), "muted");
    assert_eq!(
        at_ben.act(send).await["duplicate"],
        true,
        "what was acknowledged is acknowledged again"
    );
    at_ben
        .get(json!({ "type": "history", "conversation": group }))
        .await;
    at_ben
        .act(json!({ "type": "recall", "conversation": group, "target": target }))
        .await;
    assert_eq!(news(&ben).await, ["muted"]);
    let page = ben.get("/api/v1/news").await.json(200);
    assert_eq!(
        (&page["news"][0]["reason"], &page["news"][0]["by"]),
        (&json!("Calm down."), &json!(admin.user))
    );
    assert!(page["news"][0]["until"].is_u64(), "{page}");

    server.kill9();
    server.restart().await;
    let mut at_ben = ben.live().await;
    let again = json!({ "type": "send", "conversation": group, "body": text_body("after a restart") });
    assert_eq!(at_ben.refused(again.clone()).await, "muted");
    let holding = admin.get("/api/v1/measures").await.json(200);
    assert_eq!(holding["measures"].as_array().map(Vec::len), Some(1), "{holding}");
    for _ in 0..2 {
        let path = format!("/api/v1/users/{}/unmute", ben.user);
        assert_eq!(admin.post(&path, &json!({})).await.status, 204);
    }
    at_ben.act(again).await;
    assert_eq!(news(&ben).await, ["muted", "lifted"]);
    assert_eq!(
        audit(&admin).await[..2],
        [
            did("measure_lifted", &admin, &ben),
            did("restrained", &admin, &ben)
        ]
    );
    let all = admin
        .get(&format!("/api/v1/measures?user={}", ben.user))
        .await
        .json(200);
    assert_eq!(all["measures"][0]["holds"], false, "{all}");
}

#[tokio::test]
async fn who_is_banned_is_cut_within_a_second_and_told_why() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let ben = server.person("ben").await;
    let phone = ben.other_device().await;
    let (mut at_ben, mut at_phone) = (ben.live().await, phone.live().await);
    let link = reset_link(&admin, &ben).await.json(200);
    at_ben.notice("news").await;

    act(&admin, &ben, "ban", "Enough is enough.").await.json(200);
    let since = Instant::now();
    assert_eq!(
        (at_ben.end().await, at_phone.end().await),
        (Some(4401), Some(4401))
    );
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    assert_eq!(ben.get("/api/v1/profile").await.refused(), "signed_out");
    let refused = sign_in(&ben).await;
    assert_eq!((refused.status, refused.refused().as_str()), (403, "banned"));
    assert!(refused.text.contains("Enough is enough."), "{}", refused.text);
    let wrong = json!({ "name": "ben", "password": "not this one", "device": new_device() });
    let wrong = server.world.post("/api/v1/sign-in", None, &wrong).await;
    assert_eq!(
        wrong.refused(),
        "wrong_credentials",
        "strangers learn nothing of it"
    );
    let by_link = server
        .world
        .post("/api/v1/reset", None, &use_of(&link["code"], "quite another one"))
        .await;
    assert_eq!(by_link.refused(), "banned", "no door is open");

    let path = format!("/api/v1/users/{}/unban", ben.user);
    assert_eq!(admin.post(&path, &json!({})).await.status, 204);
    let ben = Person::from(&server.world, &sign_in(&ben).await.json(200));
    assert_eq!(news(&ben).await, ["reset_link_made", "banned", "lifted"]);
    assert_eq!(audit(&owner).await[0], did("measure_lifted", &admin, &ben));

    // Nobody does it upwards, sideways or to themselves.
    let second = of_role(&mut server, "abel", "admin").await;
    for what in ["warn", "mute", "ban"] {
        for (by, whom) in [
            (&ben, &admin),
            (&ben, &ben),
            (&admin, &second),
            (&admin, &owner),
            (&owner, &owner),
        ] {
            assert_eq!(
                act(by, whom, what, "no").await.refused(),
                "forbidden",
                "{} {what} {}",
                by.name,
                whom.name
            );
        }
    }
    for lift in ["unmute", "unban"] {
        let path = format!("/api/v1/users/{}/{lift}", second.user);
        assert_eq!(admin.post(&path, &json!({})).await.refused(), "forbidden");
    }
    // What an admin handed out is void while they are banned.
    let invited = admin
        .post("/api/v1/invitations", &json!({ "client_id": id() }))
        .await
        .json(200);
    act(&owner, &admin, "ban", "A break.").await.json(200);
    let check = json!({ "code": invited["code"] });
    let check = server.world.post("/api/v1/invitations/check", None, &check).await;
    assert_eq!(check.refused(), "invitation_invalid");
}

#[tokio::test]
async fn a_warning_is_read_on_every_device_and_changes_nothing() {
    let mut server = Server::start().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_ben, mut at_phone) = (ben.live().await, ben.other_device().await.live().await);
    let ask = json!({ "client_id": id(), "reason": "Mind your words." });
    let path = format!("/api/v1/users/{}/warn", ben.user);
    let made = admin.post(&path, &ask).await.json(200);
    assert_eq!(
        made,
        admin.post(&path, &ask).await.json(200),
        "a retry warns once"
    );
    at_ben.notice("news").await;
    at_phone.notice("news").await;
    let page = ben.get("/api/v1/news").await.json(200);
    assert_eq!(page["news"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(
        (&page["news"][0]["kind"], &page["news"][0]["reason"]),
        (&json!("warned"), &json!("Mind your words."))
    );
    at_phone.tell(&anna.user, "Sorry.").await;
    let used = json!({ "client_id": ask["client_id"], "reason": "Something else." });
    assert_eq!(admin.post(&path, &used).await.refused(), "id_reused");
}
