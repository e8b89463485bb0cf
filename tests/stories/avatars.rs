//! Pictures of people: set, told, fetched by all, replaced, cleared, and not lost while they are needed. What must not live here:
//! what an erased person leaves (`forgotten`).

use serde_json::{Value, json};

use crate::erasing::{bytes_are_in_a_file, erasures_are_done, stopped_and_examined};
use crate::erasing_files::{picture, small_pictures};
use crate::harness::{Person, Server};
use crate::live::Live;
use crate::personal::keep;

fn name(blob: &Value) -> String {
    blob["blob"].as_str().expect("an id").to_owned()
}

async fn wear(live: &mut Live, blob: Option<&Value>) {
    let mut setting = json!({ "key": "avatar" });
    if let Some(blob) = blob {
        setting["value"] = blob["blob"].clone();
    }
    keep(live, setting).await;
}

async fn told(live: &mut Live, whom: &Person) -> Option<String> {
    let notice = live.told_of(|of| of["user"] == whom.user.as_str()).await;
    notice["avatar"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_avatar_is_told_to_all_and_to_who_comes_back_and_everyone_may_have_it() {
    let mut server = Server::start().await;
    let [anna, ben, zoe] = server.people(["anna", "ben", "zoe"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "hello").await;
    let away = anna.other_device().await;
    let was_at = away.live().await.welcome["resume"]
        .as_str()
        .expect("a token")
        .to_owned();
    let shot = anna.upload(&picture(11)).await;
    assert_eq!(zoe.fetch(&name(&shot)).await.refused(), "not_found", "not yet");
    wear(&mut at_anna, Some(&shot)).await;
    assert_eq!(told(&mut at_ben, &anna).await, Some(name(&shot)));
    // In the directory, in the profile, in what a device is told that was away, and in one's settings.
    let listed = zoe.get("/api/v1/users").await.json(200);
    let users = listed["users"].as_array().expect("a list");
    let has = |info: &Value| info["user"] == anna.user.as_str() && info["avatar"] == shot["blob"];
    assert!(users.iter().any(has), "{listed}");
    let profile = zoe.get(&format!("/api/v1/users/{}", anna.user)).await.json(200);
    assert_eq!(profile["avatar"], shot["blob"]);
    let mut back = away.resume(&was_at).await;
    let synced = back.get(json!({ "type": "sync" })).await;
    assert!(
        synced["users"].as_array().expect("a list").iter().any(has),
        "{synced}"
    );
    let settings = back.get(json!({ "type": "settings" })).await;
    assert_eq!(settings["settings"][0]["value"], shot["blob"], "{settings}");
    // Zoe has no conversation with Anna.
    let whole = zoe.fetch(&name(&shot)).await;
    assert_eq!(
        (whole.status, &whole.headers["content-type"]),
        (200, &"image/png".parse().expect("a type"))
    );
    assert_eq!(zoe.fetch(&format!("{}/thumbnail", name(&shot))).await.status, 200);
    let nobody = server
        .world
        .get(&format!("/api/v1/blobs/{}", name(&shot)), None)
        .await;
    assert_eq!(nobody.refused(), "not_signed_in");
    // Having it is not having sent it.
    let mut at_zoe = zoe.live().await;
    let body = json!({ "kind": "image", "blob": shot["blob"], "name": "a.png" });
    let send = json!({ "type": "send", "to": ben.user, "body": body });
    assert_eq!(at_zoe.refused(send).await, "not_found");
    let steal = json!({ "type": "set", "key": "avatar", "value": shot["blob"] });
    assert_eq!(at_zoe.refused(steal).await, "not_found", "it is not hers");
}

#[tokio::test]
async fn a_replaced_avatar_goes_and_one_that_a_message_carries_stays() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let (one, two) = (anna.upload(&picture(21)).await, anna.upload(&picture(22)).await);
    let small = small_pictures(&anna, &one).await;
    wear(&mut at_anna, Some(&one)).await;
    wear(&mut at_anna, Some(&one)).await;
    wear(&mut at_anna, Some(&two)).await;
    erasures_are_done(&server).await;
    assert_eq!(ben.fetch(&name(&one)).await.refused(), "not_found");
    for bytes in &small {
        assert!(
            !bytes_are_in_a_file(&server.data(), bytes),
            "a small picture is still there"
        );
    }
    // The same file in a message: either keeps it for the other.
    let again = anna.upload(&picture(22)).await;
    assert_eq!(name(&again), name(&two));
    let seq = at_anna.send_file(&group, "image", &two).await["seq"].clone();
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": seq }))
        .await;
    erasures_are_done(&server).await;
    assert_eq!(ben.fetch(&name(&two)).await.status, 200, "it is her avatar");
    server.kill9();
    server.restart().await;
    assert_eq!(
        ben.fetch(&name(&two)).await.status,
        200,
        "a start takes it for a stray"
    );
    let mut at_anna = anna.live().await;
    anna.upload(&picture(22)).await;
    at_anna.send_file(&group, "image", &two).await;
    wear(&mut at_anna, None).await;
    erasures_are_done(&server).await;
    assert_eq!(ben.fetch(&name(&two)).await.status, 200, "the message carries it");
    let profile = ben.get(&format!("/api/v1/users/{}", anna.user)).await.json(200);
    assert_eq!(profile.get("avatar"), None);
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn only_ones_own_pictures_of_a_size_are_avatars() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let text = anna.upload(b"no picture").await;
    let bens = ben.upload(&picture(31)).await;
    // As large as noise is: more than two megabytes.
    let mut noise = vec![0; 1_000 * 1_000 * 3];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let large = image::RgbImage::from_raw(1_000, 1_000, noise).expect("as many bytes as pixels");
    let mut bytes = std::io::Cursor::new(Vec::new());
    large
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("it encodes");
    let large = anna.upload(&bytes.into_inner()).await;
    let unknown = json!({ "blob": "0".repeat(64) });
    for (blob, code) in [
        (&text, "bad_request"),
        (&bens, "not_found"),
        (&large, "too_large"),
        (&unknown, "not_found"),
    ] {
        let set = json!({ "type": "set", "key": "avatar", "value": blob["blob"] });
        assert_eq!(at_anna.refused(set).await, code, "{blob}");
    }
    let set = json!({ "type": "set", "key": "avatar", "value": "no id" });
    assert_eq!(at_anna.refused(set).await, "bad_request");
    wear(&mut at_anna, None).await;
}
