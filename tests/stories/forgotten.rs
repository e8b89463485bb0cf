//! Nothing of an erased person is left: whatever they can leave somewhere has a word in it that is looked for in every file. What
//! must not live here: how an erasure runs (`forgetting`).

use serde_json::{Value, json};

use crate::erasing::{bytes_are_in_a_file, erasures_are_done, is_in_a_file, stopped_and_examined};
use crate::erasing_files::{picture, small_pictures};
use crate::files::carrying;
use crate::forgetting::{CANARY, canary, erase, history, is_erased};
use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::live::{Live, text_body};
use crate::people::reset_link;
use crate::personal::keep;
use crate::push_service::{PushService, Receiver};

/// Everything that one can say in a group.
async fn speak(who: &Person, live: &mut Live, group: &str) {
    let word = |what: &str| format!("{CANARY} {what}");
    let seq = live.say(group, &word("plain")).await["seq"].clone();
    let edit =
        json!({ "type": "edit", "conversation": group, "target": seq, "body": text_body(&word("edit")) });
    live.act(edit).await;
    live.act(json!({ "type": "react", "conversation": group, "target": seq, "emoji": CANARY }))
        .await;
    let named = text_body(&format!("{CANARY} <@all> and <@{}>", who.user));
    live.act(json!({ "type": "send", "conversation": group, "body": named }))
        .await;
    let reply = text_body(&word("thread"));
    live.act(json!({ "type": "send", "conversation": group, "thread": seq, "body": reply }))
        .await;
    live.act(json!({ "type": "pin", "conversation": group, "target": seq }))
        .await;
    live.act(json!({ "type": "announce", "conversation": group, "text": word("first") }))
        .await;
    live.act(json!({ "type": "announce", "conversation": group, "text": word("second") }))
        .await;
    live.act(json!({ "type": "nickname", "conversation": group, "name": word("nick") }))
        .await;
    keep(
        live,
        json!({ "key": "draft", "conversation": group, "value": { "text": word("draft") } }),
    )
    .await;
    keep(
        live,
        json!({ "key": "saved", "conversation": group, "seq": seq, "value": true }),
    )
    .await;
    keep(
        live,
        json!({ "key": "status", "value": { "text": word("status") } }),
    )
    .await;
}

/// A picture and a file that are sent, one with its thread; an upload that is not sent, and one that is under way.
async fn upload(who: &Person, live: &mut Live, group: &str) -> Vec<Vec<u8>> {
    let file = who.upload(format!("{CANARY} in a file").as_bytes()).await;
    let shot = who.upload(&picture(7)).await;
    let small = small_pictures(who, &shot).await;
    for (blob, kind) in [(&file, "file"), (&shot, "image")] {
        let mut body = carrying(kind, blob);
        body["name"] = json!(format!("{CANARY}.bin"));
        body["caption"] = json!(format!("{CANARY} caption"));
        live.act(json!({ "type": "send", "conversation": group, "body": body }))
            .await;
    }
    who.upload(format!("{CANARY} not sent").as_bytes()).await;
    let portrait = who.upload(&picture(8)).await;
    let portrait_small = small_pictures(who, &portrait).await;
    keep(live, json!({ "key": "avatar", "value": portrait["blob"] })).await;
    let open = who.begin(100).await;
    who.bytes("PUT", &open, &[], format!("{CANARY} half").as_bytes())
        .await
        .json(200);
    small.into_iter().chain(portrait_small).collect()
}

/// Rows of a table that name a user in a column.
fn rows(server: &Server, table: &str, column: &str, user: &Value) -> i64 {
    let log = rusqlite::Connection::open(server.data().join("kinglet.db")).expect("it is closed");
    log.query_row(
        &format!("SELECT count(*) FROM {table} WHERE {column} = ?1"),
        [user.as_i64()],
        |row| row.get(0),
    )
    .expect("a number")
}

#[tokio::test]
async fn nothing_that_a_person_left_anywhere_is_in_any_file() {
    let service = PushService::start().await;
    let mut server = service.server().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let owner = server.owner().await;
    let bird = canary(&mut server).await;
    let (mut at_anna, mut at_bird) = (anna.live().await, bird.live().await);
    let group = at_anna.group(&[&ben, &bird], json!({})).await;
    at_anna
        .act(json!({ "type": "role", "conversation": group, "user": bird.user, "role": "admin" }))
        .await;
    speak(&bird, &mut at_bird, &group).await;
    let small = upload(&bird, &mut at_bird, &group).await;
    let annie = json!({ "type": "nickname", "conversation": group, "name": "Annie" });
    at_anna.act(annie).await;
    // What the account keeps: another device with its push subscription, a sign-in, news, a link, a block, a report.
    let mut device = new_device();
    device["name"] = json!(format!("{CANARY} tablet"));
    let sign_in = json!({ "name": CANARY, "password": PASSWORD, "device": device });
    let reply = server.world.post("/api/v1/sign-in", None, &sign_in).await;
    let tablet = Person::from(&server.world, &reply.json(200));
    tablet
        .subscribe(&Receiver::at(&service, &format!("/up/{CANARY}")))
        .await;
    keep(
        &mut at_bird,
        json!({ "key": "blocked", "user": ben.user, "value": true }),
    )
    .await;
    reset_link(&owner, &bird).await.json(200);
    let warn = json!({ "client_id": id(), "reason": format!("{CANARY} was warned") });
    let journal = owner
        .post(&format!("/api/v1/users/{}/warn", bird.user), &warn)
        .await;
    journal.json(200);
    let seq = at_anna.say(&group, "this stays").await["seq"].clone();
    let report = json!({ "client_id": id(), "conversation": group, "seq": seq, "reason": format!("{CANARY} reports") });
    bird.post("/api/v1/reports", &report).await.json(200);
    at_anna
        .say(&group, &format!("of <@{}> only the id stays", bird.user))
        .await;
    assert!(is_in_a_file(&server.data(), CANARY), "the search finds nothing");
    let phone = ben.live().await;
    let was_at = phone.welcome["resume"].as_str().expect("a token").to_owned();
    drop(phone);

    erase(&bird).await;
    is_erased(&bird).await;
    erasures_are_done(&server).await;
    let data = server.data();
    for bytes in &small {
        assert!(
            !bytes_are_in_a_file(&data, bytes),
            "a small picture is still there"
        );
    }
    // Who is at home and who comes back see the same: the places, without the words.
    let mut phone = ben.resume(&was_at).await;
    let told = phone.settle().await;
    assert!(told.iter().any(|event| event["kind"] == "erased"), "{told:?}");
    for live in [&mut at_anna, &mut phone] {
        let events = history(live, &group).await;
        assert_eq!(
            events.len() as u64,
            events.last().expect("some")["seq"].as_u64().expect("a seq"),
            "a gap"
        );
        let text = json!(events).to_string();
        assert!(!text.contains(CANARY), "{text}");
        assert!(text.contains("Annie") && text.contains("only the id stays"));
        let erased = |kind: &str| {
            let of_kind = events.iter().filter(|event| event["kind"] == kind);
            of_kind.filter(|event| event["erased"] == true).count()
        };
        assert_eq!((erased("announced"), erased("nickname")), (2, 1));
        let listed = live.get(json!({ "type": "conversations" })).await;
        assert!(
            !listed.to_string().contains(CANARY) && !listed.to_string().contains("announcement"),
            "{listed}"
        );
        let members = live
            .get(json!({ "type": "members", "conversation": group }))
            .await
            .to_string();
        assert!(
            !members.contains(CANARY) && members.contains("Annie"),
            "{members}"
        );
        assert!(
            members.contains(&bird.user),
            "that they were there stays: {members}"
        );
    }
    let queue = owner.get("/api/v1/reports").await.json(200).to_string();
    assert!(!queue.contains(CANARY), "{queue}");
    // The admins' journal is only added to: what they wrote there of somebody stays, as the page for admins says.
    let journal = owner.get("/api/v1/audit").await.json(200).to_string();
    assert_eq!(journal.matches(CANARY).count(), 1, "{journal}");
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
    let user = json!(data_of(&bird.user));
    for (table, column) in [
        ("personal", "user"),
        ("personal_floor", "user"),
        ("sign_in", "user"),
        ("news", "user"),
        ("reset_link", "user"),
        ("push_subscription", "user"),
        ("follow", "user"),
        ("nickname", "user"),
        ("blob_owner", "user"),
        ("upload", "user"),
        ("blob_room", "whose"),
        ("invitation", "by"),
        ("marker", "user"),
    ] {
        assert_eq!(rows(&server, table, column, &user), 0, "{table}");
    }
    assert_eq!(
        rows(&server, "member", "user", &user),
        1,
        "that they were there stays"
    );
    // But for the journal, nothing.
    let log = rusqlite::Connection::open(data.join("kinglet.db")).expect("it is closed");
    log.execute_batch("PRAGMA secure_delete = ON; DROP TRIGGER audit_is_not_deleted; DELETE FROM audit; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("a journal");
    drop(log);
    assert!(
        !is_in_a_file(&data, CANARY),
        "something of them is still in a file"
    );
}

/// The number behind a user's id.
fn data_of(user: &str) -> u64 {
    let id: kinglet::proto::UserId = user.parse().expect("an id");
    id.0
}
