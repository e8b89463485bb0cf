//! Where backups go, as an owner chooses it from the page: with the real kinglet-board and a stick that is plugged in, pulled, or
//! takes nothing. What must not live here: what a backup is (`backup`), and the way back in general (`restore`).

use std::fs;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::acts::admin;
use crate::backup::{ADDRESS, names, notes, recovery_key, until};
use crate::bench::{BOARD, Bench};
use crate::harness::{BINARY, PASSWORD, PATIENCE, Person, Server, id};
use crate::http::Reply;
use crate::restore::restore;

/// Again while the place is at work, which it is for a moment after a start: the list of erasures is brought up.
async fn asked(who: &Person, method: Method, ask: &Value) -> Reply {
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            let body = Some(ask.to_string());
            let reply = who
                .world
                .request(method.clone(), ADDRESS, Some(&who.token), body)
                .await;
            if reply.status != 503 {
                return reply;
            }
        }
    };
    let patience = tokio::time::timeout(PATIENCE, asking).await;
    patience.expect("it is not at work for ever")
}

async fn placed(who: &Person, place: &str, instead_of: &str, password: &str) -> Reply {
    let ask = json!({ "place": place, "instead_of": instead_of, "password": password });
    asked(who, Method::PATCH, &ask).await
}

/// What the journal of admins has of it, oldest first.
async fn journal(owner: &Person) -> Vec<(Value, Value, Value)> {
    let page = owner.get("/api/v1/audit?act=backups_placed").await.json(200);
    let entries = page["entries"].as_array().expect("a list").iter().rev();
    let told = |entry: &Value| (entry["by"].clone(), entry["from"].clone(), entry["to"].clone());
    entries.map(told).collect()
}

fn is_done(state: &Value) -> bool {
    state["running"].is_null() && state["kept"].as_array().is_some_and(|kept| !kept.is_empty())
}

#[tokio::test]
async fn an_owner_chooses_the_stick_in_the_machine_then_the_card_and_both_outlive_a_restart() {
    let bench = Bench::new();
    bench.plug_in();
    bench.serve();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let admin = admin(&mut server, "ben").await;
    let key = recovery_key(&owner).await;
    let sticks = owner.get(BOARD).await.json(200)["sticks"].clone();
    assert_eq!(sticks, json!([{ "name": "sda1", "bytes": 31_914_983_424u64 }]));
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!(
        (&state["chosen"], &state["may"]),
        (&json!("off"), &json!(["off", "data", "usb"]))
    );
    assert_eq!(admin.get(ADDRESS).await.json(200)["may"], Value::Null);

    // Not without the office, and not without the password.
    assert_eq!(
        placed(&admin, "usb", "off", PASSWORD).await.refused(),
        "forbidden"
    );
    let slip = placed(&owner, "usb", "off", "another one").await;
    assert_eq!(slip.refused(), "wrong_credentials");
    assert_eq!((journal(&owner).await, bench.calls()), (Vec::new(), Vec::new()));

    let state = placed(&owner, "usb", "off", PASSWORD).await.json(200);
    assert_eq!(
        (&state["chosen"], &state["place"]),
        (&json!("usb"), &json!({ "usb": true }))
    );
    // The first one is made at once, and the stick can be pulled after it.
    assert!(state["running"].is_object() || is_done(&state), "{state}");
    let first = until(&owner, is_done).await["last"].clone();
    assert_eq!(notes(&bench.path("stick")).len(), 1);
    let entry = |from: &str, to: &str| (json!(owner.user), json!(from), json!(to));
    assert_eq!(journal(&owner).await, [entry("off", "usb")]);
    // The same again changes nothing, and who looked before the change decides nothing.
    placed(&owner, "usb", "off", PASSWORD).await.json(200);
    let late = placed(&owner, "data", "off", PASSWORD).await;
    assert_eq!(late.refused(), "changed_meanwhile");
    assert_eq!(journal(&owner).await, [entry("off", "usb")]);

    // It is kept, and so is what is known of it; a stick that is missing is said.
    server.kill9();
    server.restart().await;
    bench.pull();
    asked(&owner, Method::POST, &json!({ "client_id": id() }))
        .await
        .json(200);
    let state = until(&owner, |state| state["wrong"].is_object()).await;
    assert_eq!(state["wrong"]["code"], "no_stick");
    assert_eq!((&state["chosen"], &state["last"]), (&json!("usb"), &first));

    // Onto the card itself: what was wrong with the stick is nothing of it.
    let state = placed(&owner, "data", "usb", PASSWORD).await.json(200);
    let own = server.data().join("backups");
    assert_eq!(
        state["place"],
        json!({ "path": own.to_string_lossy(), "same_disk": true })
    );
    assert_eq!(state["wrong"], Value::Null);
    let state = until(&owner, is_done).await;
    assert_eq!(state["last"]["path"], json!(own.to_string_lossy()));
    assert_eq!(journal(&owner).await, [entry("off", "usb"), entry("usb", "data")]);
    // Without the server, too; and what is put back leaves the folder that it came from where it is.
    assert_eq!(server.stop().await, Some(0));
    let (code, _, errors) = server.run(&["backup"]).await;
    assert_eq!(code, 0, "{errors}");
    let before = notes(&own);
    assert_eq!(before.len(), 2);
    let (code, _, errors) = restore(&server, &before[0], &key, &["--replace"]).await;
    assert_eq!(code, 0, "{errors}");
    server.restart().await;
    assert_eq!(owner.get(ADDRESS).await.json(200)["chosen"], "data");
    assert_eq!(notes(&own)[..2], before[..]);

    // And none at all.
    let state = placed(&owner, "off", "data", PASSWORD).await.json(200);
    assert_eq!((&state["place"], &state["next"]), (&Value::Null, &Value::Null));
    let ask = json!({ "client_id": id() });
    assert_eq!(owner.post(ADDRESS, &ask).await.refused(), "backup_off");
}

#[tokio::test]
async fn a_place_that_takes_nothing_is_not_chosen() {
    let bench = Bench::new();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    recovery_key(&owner).await;
    // Nobody there mounts anything.
    let refused = placed(&owner, "usb", "off", PASSWORD).await;
    assert_eq!(refused.refused(), "board_failed");
    assert!(refused.text.contains("kinglet-board"), "{}", refused.text);
    bench.serve();
    let refused = placed(&owner, "usb", "off", PASSWORD).await;
    assert_eq!(refused.refused(), "board_failed");
    assert!(refused.text.contains("Put a USB stick"), "{}", refused.text);
    assert_eq!(owner.get(BOARD).await.json(200)["sticks"], json!([]));
    // There is one, and it takes nothing.
    bench.plug_in();
    fs::remove_dir(bench.path("stick")).expect("it is empty");
    fs::write(bench.path("stick"), "no folder").expect("the root is ours");
    let refused = placed(&owner, "usb", "off", PASSWORD).await;
    assert_eq!(refused.refused(), "board_failed");
    assert!(refused.text.contains("Cannot write to"), "{}", refused.text);
    assert!(
        bench
            .calls()
            .last()
            .is_some_and(|call| call.starts_with("systemd-umount"))
    );
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!((&state["chosen"], &state["place"]), (&json!("off"), &Value::Null));
    assert_eq!(journal(&owner).await, []);
}

#[tokio::test]
async fn where_the_configuration_decides_nobody_else_does() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    placed(&owner, "data", "off", PASSWORD).await.json(200);
    assert!(names(&server.data()).contains(&"backups".to_owned()));
    assert_eq!(server.stop().await, Some(0));
    let to = crate::backup::stick(&server, "stick");
    let folder = to.to_string_lossy().into_owned();
    server.env.push(("KINGLET_BACKUP_TO".into(), folder.clone()));
    server.restart().await;
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!(
        (&state["place"]["path"], &state["place_is_set"]),
        (&json!(folder), &json!(true))
    );
    assert_eq!((&state["chosen"], &state["may"]), (&json!("data"), &Value::Null));
    let refused = placed(&owner, "off", "data", PASSWORD).await;
    assert_eq!(refused.refused(), "forbidden");
    assert!(refused.text.contains("backup.to"), "{}", refused.text);
    // Without the setting it is what was chosen.
    server.env.pop();
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let state = owner.get(ADDRESS).await.json(200);
    assert_eq!(
        state["place"]["path"],
        json!(server.data().join("backups").to_string_lossy())
    );
}

#[tokio::test]
async fn beside_the_data_a_backup_leaves_people_the_room_to_go_on() {
    let mut server = Server::start().await;
    recovery_key(&server.owner().await).await;
    assert_eq!(server.stop().await, Some(0));
    let disk = crate::backup::stick(&server, "card");
    let disk = disk.to_str().expect("a path in UTF-8");
    // In a name space of mounts of its own: a small file system that has the data, too.
    let script = "mount -t tmpfs -o size=\"$1\" none \"$2\"; cp -r \"$3\" \"$2/data\"; mkdir \"$2/backups\"
        export KINGLET_DATA_DIR=\"$2/data\"; exec \"$4\" backup --to \"$2/backups\"";
    for (size, is_good) in [("200m", false), ("400m", true)] {
        let data = server.data();
        let data = data.to_str().expect("a path in UTF-8");
        let line = ["-rm", "sh", "-ec", script, "sh", size, disk, data, BINARY];
        let mut command = server.started_by("unshare", &line);
        let ran = tokio::task::spawn_blocking(move || command.output().expect("util-linux has it"));
        let ran = ran.await.expect("no panic");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.success(), is_good, "{size}: {errors}");
        assert!(is_good || errors.contains("needs about"), "{errors}");
    }
}

/// Full to the last byte, the ballast and what a server lets go of as it stops included: the next start has room held back for it.
#[tokio::test]
async fn a_server_starts_on_a_disk_that_has_no_byte_left() {
    let mut server = Server::start().await;
    let _ = server.owner().await;
    assert_eq!(server.stop().await, Some(0));
    let disk = crate::backup::stick(&server, "full");
    let script = r#"mount -t tmpfs -o size=96m none "$1"; cp -r "$2" "$1/data"; export KINGLET_DATA_DIR="$1/data"
        begins() { "$2" serve >"$1/out.$3" 2>&1 & pid=$!
            until grep -q 'ready at' "$1/out.$3"; do kill -0 $pid || { cat "$1/out.$3" >&2; exit 1; }; sleep 0.1; done; }
        mkdir "$1.said"; ends() { kill $pid; wait $pid; }
        begins "$1.said" "$3" 1; until [ -e "$1/data/blobs/spare" ] && [ -e "$1/data/blobs/ballast" ]; do sleep 0.1; done
        ends; rm "$1/data/blobs/ballast"; cat /dev/zero >"$1/filler" 2>/dev/null || true
        begins "$1.said" "$3" 2; [ ! -e "$1/data/blobs/spare" ]; ends
        rm "$1/filler"; begins "$1.said" "$3" 3; until [ -e "$1/data/blobs/spare" ]; do sleep 0.1; done; ends"#;
    let (disk, data) = (disk.to_string_lossy(), server.data());
    let line = [
        "-rm",
        "sh",
        "-ec",
        script,
        "sh",
        &*disk,
        &data.to_string_lossy(),
        BINARY,
    ];
    let mut command = server.started_by("unshare", &line);
    let ran = tokio::task::spawn_blocking(move || command.output().expect("util-linux has it"));
    let ran = tokio::time::timeout(PATIENCE * 3, ran).await.expect("it ends");
    let ran = ran.expect("no panic");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
