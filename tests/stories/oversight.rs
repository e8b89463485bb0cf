//! What admins look into: the journal, asked for what they look for, and the devices of other people. What must not live
//! here: the acts that the journal is about (`people`, `moderation`).

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Person, Server, id};
use crate::people::{WITHIN, of_role};

fn acts(page: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = page["entries"].as_array().expect("a list").iter();
    entries
        .map(|entry| (text(&entry["act"]), text(&entry["whom"])))
        .collect()
}

async fn journal(by: &Person, query: &str) -> Value {
    by.get(&format!("/api/v1/audit?{query}")).await.json(200)
}

#[tokio::test]
async fn the_journal_is_asked_for_who_did_what_to_whom_and_when() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [ben, cyd] = server.people(["ben", "cyd"]).await;
    for (who, whom, act) in [
        (&admin, &ben, "disable"),
        (&admin, &ben, "enable"),
        (&owner, &cyd, "disable"),
        (&admin, &cyd, "enable"),
    ] {
        let path = format!("/api/v1/users/{}/{act}", whom.user);
        who.post(&path, &json!({})).await.json(200);
    }
    assert_eq!(server.run(&["user", "disable", "ben"]).await.0, 0);
    let did = |act: &str, whom: &Person| (act.to_owned(), whom.user.clone());

    let by_admin = journal(&owner, &format!("by={}", admin.user)).await;
    assert_eq!(
        acts(&by_admin),
        [did("enabled", &cyd), did("enabled", &ben), did("disabled", &ben)]
    );
    let by_nobody = journal(&owner, "operator=true").await;
    assert_eq!(acts(&by_nobody), [did("disabled", &ben)]);
    let of_kind = journal(&admin, "act=disabled").await;
    assert_eq!(
        acts(&of_kind),
        [
            did("disabled", &ben),
            did("disabled", &cyd),
            did("disabled", &ben)
        ]
    );
    let about = journal(&admin, &format!("whom={}&act=enabled", ben.user)).await;
    assert_eq!(acts(&about), [did("enabled", &ben)]);
    assert_eq!(acts(&journal(&owner, "act=danced").await), []);

    let all = journal(&owner, "").await;
    assert_eq!((&all["more"], all.get("last")), (&json!(false), None));
    let times: Vec<u64> = all["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["ts"].as_u64())
        .collect();
    let (newest, oldest) = (times[0], times[times.len() - 1]);
    let from = |query: String| {
        let owner = &owner;
        async move { acts(&journal(owner, &query).await).len() }
    };
    assert_eq!(
        from(format!("from={oldest}&to={}", newest + 1)).await,
        times.len()
    );
    assert_eq!(from(format!("from={}", newest + 1)).await, 0);
    assert_eq!(from(format!("to={oldest}")).await, 0);

    let first = journal(&owner, "act=disabled&limit=2").await;
    assert_eq!((acts(&first).len(), &first["more"]), (2, &json!(true)));
    let second = journal(&owner, &format!("act=disabled&limit=2&before={}", first["last"])).await;
    assert_eq!(
        (acts(&second), &second["more"]),
        (vec![did("disabled", &ben)], &json!(false))
    );
    for bad in ["by=x", "whom=u1", "from=-1", "to=x", "operator=2", "limit=201"] {
        let path = format!("/api/v1/audit?{bad}");
        assert_eq!(owner.get(&path).await.refused(), "bad_request", "{bad}");
    }
    let path = format!("/api/v1/audit?by={}", ben.user);
    assert_eq!(cyd.get(&path).await.refused(), "signed_out");
    let back = format!("/api/v1/users/{}/enable", ben.user);
    owner.post(&back, &json!({})).await.json(200);
}

#[tokio::test]
async fn an_admin_sees_another_persons_devices_and_ends_one() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [ben, cyd] = server.people(["ben", "cyd"]).await;
    let phone = ben.other_device().await;
    let mut at_phone = phone.live().await;
    let path = format!("/api/v1/users/{}/devices", ben.user);
    let end = format!("{path}/end");
    let listed = admin.get(&path).await.json(200)["devices"].clone();
    let ids: Vec<&Value> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids.len(), 2, "{listed}");
    assert!(ids.contains(&&json!(ben.device)) && ids.contains(&&json!(phone.device)));
    assert!(
        listed[0]["last_seen"].is_u64()
            && listed[0]["signed_in"] == true
            && listed[0].get("current").is_none()
    );

    let ask = json!({ "device": phone.device });
    for stranger in [&cyd, &ben] {
        assert_eq!(stranger.get(&path).await.refused(), "forbidden");
        assert_eq!(stranger.post(&end, &ask).await.refused(), "forbidden");
    }
    for above in [&owner, &admin] {
        let path = format!("/api/v1/users/{}/devices", above.user);
        assert_eq!(admin.get(&path).await.refused(), "forbidden", "only an owner may");
        let ask = json!({ "device": above.device });
        assert_eq!(
            admin.post(&format!("{path}/end"), &ask).await.refused(),
            "forbidden"
        );
    }
    for wrong in [json!({ "device": cyd.device }), json!({ "device": id() })] {
        assert_eq!(admin.post(&end, &wrong).await.refused(), "not_found");
    }
    assert_eq!(
        admin.post(&end, &json!({ "device": "x" })).await.refused(),
        "bad_request"
    );

    assert_eq!(admin.post(&end, &ask).await.status, 204);
    let since = Instant::now();
    assert_eq!(at_phone.end().await, Some(4401));
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    assert_eq!(phone.get("/api/v1/profile").await.refused(), "signed_out");
    ben.get("/api/v1/profile").await.json(200);
    assert_eq!(admin.post(&end, &ask).await.status, 204, "the same again");
    let entries = journal(&owner, "act=device_ended").await["entries"].clone();
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "noted once: {entries}");
    assert_eq!(
        (&entries[0]["by"], &entries[0]["whom"], &entries[0]["ended"]),
        (&json!(admin.user), &json!(ben.user), &json!(phone.device))
    );
    let listed = admin.get(&path).await.json(200)["devices"].clone();
    assert_eq!(
        (&listed[0]["signed_in"], &listed[1]["signed_in"]),
        (&json!(true), &json!(false))
    );

    let mut at_ben = ben.live().await;
    crate::personal::keep(&mut at_ben, json!({ "key": "unseen", "value": true })).await;
    let listed = owner.get(&path).await.json(200)["devices"].clone();
    assert!(
        listed[0].get("last_seen").is_none(),
        "who is unseen is so to admins, too: {listed}"
    );
}
