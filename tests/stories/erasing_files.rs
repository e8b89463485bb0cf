//! What becomes of a file when what carried it is erased: it is off the disk while the server runs, and after a crash. What must
//! not live here: the words (`erasing`), and what else an erased person leaves (`forgotten`).

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::erasing::{bytes_are_in_a_file, erasures_are_done, is_in_a_file, stopped_and_examined};
use crate::files::carrying;
use crate::harness::{PATIENCE, Person, Server, heavy};
use crate::raw::slowly;

/// A picture whose thumbnail is nobody else's.
pub fn picture(seed: u8) -> Vec<u8> {
    let mut noise = vec![0; 640 * 480 * 3];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut noise);
    let picture = RgbImage::from_raw(640, 480, noise).expect("as many bytes as pixels");
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Png).expect("it encodes");
    out.into_inner()
}

/// What the server made of a picture: its thumbnail, and the few bytes that stand for it.
pub async fn small_pictures(who: &Person, blob: &Value) -> [Vec<u8>; 2] {
    let name = blob["blob"].as_str().expect("an id");
    let thumbnail = who.fetch(&format!("{name}/thumbnail")).await;
    assert_eq!(thumbnail.status, 200, "{}", thumbnail.text);
    let hash = blob["thumbhash"].as_str().expect("a hash");
    let hash = data_encoding::BASE64.decode(hash.as_bytes()).expect("base64");
    assert!(hash.len() > 15, "too short to be recognised");
    [thumbnail.bytes.to_vec(), hash]
}

fn name_of(blob: &Value) -> &str {
    blob["blob"].as_str().expect("an id")
}

fn path_of(data: &Path, blob: &Value) -> PathBuf {
    let (folder, rest) = name_of(blob).split_at(2);
    data.join("blobs").join(folder).join(rest)
}

async fn used(who: &Person) -> u64 {
    let storage = who.get("/api/v1/uploads").await.json(200);
    storage["used_bytes"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_recalled_file_and_its_thumbnail_are_off_the_disk_and_what_others_need_is_not() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let secret = anna.upload("zq9xfile ".repeat(900).as_bytes()).await;
    let shot = anna.upload(&picture(1)).await;
    let small = small_pictures(&anna, &shot).await;
    let before = used(&anna).await;
    let (twice, unsent) = (
        anna.upload(b"sent twice").await,
        anna.upload(b"sent by one").await,
    );
    assert_eq!(name_of(&ben.upload(b"sent by one").await), name_of(&unsent));
    let mut seqs = Vec::new();
    for (blob, kind) in [
        (&secret, "file"),
        (&shot, "image"),
        (&twice, "file"),
        (&unsent, "file"),
    ] {
        let mut body = carrying(kind, blob);
        body["caption"] = json!("zq9xcaption");
        body["name"] = json!("zq9xname.bin");
        let send = json!({ "type": "send", "conversation": group, "body": body });
        seqs.push(at_anna.act(send).await["seq"].clone());
    }
    at_anna.send_file(&group, "file", &twice).await;
    let data = server.data();
    assert!(is_in_a_file(&data, "zq9x"), "the search finds nothing");
    for bytes in &small {
        assert!(
            bytes_are_in_a_file(&data, bytes),
            "the search finds no small picture"
        );
    }
    for seq in &seqs {
        at_anna
            .act(json!({ "type": "recall", "conversation": group, "target": seq }))
            .await;
    }
    erasures_are_done(&server).await;
    for again in [false, true] {
        if again {
            server.kill9();
            server.restart().await;
        }
        assert!(
            !is_in_a_file(&data, "zq9x"),
            "the file or its name is still there"
        );
        for bytes in &small {
            assert!(
                !bytes_are_in_a_file(&data, bytes),
                "a small picture is still there"
            );
        }
        for blob in [&twice, &unsent] {
            assert!(path_of(&data, blob).exists(), "somebody needs it");
        }
    }
    assert_eq!(ben.fetch(name_of(&twice)).await.bytes, &b"sent twice"[..]);
    assert_eq!(
        ben.fetch(name_of(&unsent)).await.bytes,
        &b"sent by one"[..],
        "he may still send it"
    );
    assert!(used(&anna).await < before, "the room is not given back");
    let (code, said, _) = stopped_and_examined(&mut server).await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_crash_between_the_erasure_and_the_file_is_made_good_at_the_start() {
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let mut last = Value::Null;
    for words in ["first", "zq9xsecond"] {
        last = anna.upload(words.as_bytes()).await;
        let seq = at_anna.send_file(&group, "file", &last).await["seq"].clone();
        at_anna
            .act(json!({ "type": "recall", "conversation": group, "target": seq }))
            .await;
        if words == "first" {
            erasures_are_done(&server).await;
        }
    }
    // Files were removed a moment ago: the second has to wait for its turn, and the crash comes first.
    server.kill9();
    let path = path_of(&server.data(), &last);
    assert!(path.exists(), "nothing is left to make good");
    server.restart().await;
    let deadline = Instant::now() + PATIENCE;
    while path.exists() {
        assert!(Instant::now() < deadline, "the file stays for ever");
    }
    assert!(!is_in_a_file(&server.data(), "zq9x"));
    // The same bytes may come again, and then they stay.
    let again = anna.upload(b"zq9xsecond").await;
    assert_eq!(name_of(&again), name_of(&last));
    at_anna = anna.live().await;
    at_anna.send_file(&group, "file", &again).await;
    server.kill9();
    server.restart().await;
    assert_eq!(ben.fetch(name_of(&again)).await.bytes, &b"zq9xsecond"[..]);
}

#[tokio::test]
async fn a_download_under_way_ends_cleanly_when_its_file_is_erased() {
    let _alone = heavy().await;
    let mut server = Server::start().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let size = 40 << 20;
    let blob = anna.upload(&vec![7; size]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&ben], json!({})).await;
    let seq = at_anna.send_file(&group, "file", &blob).await["seq"].clone();
    let address = format!("/api/v1/blobs/{}", name_of(&blob));
    let mut stream = slowly(&ben, &address).await;
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.expect("it begins");
    assert!(first.starts_with(b"HTTP/1.1 200"));
    at_anna
        .act(json!({ "type": "recall", "conversation": group, "target": seq }))
        .await;
    erasures_are_done(&server).await;
    assert!(!path_of(&server.data(), &blob).exists(), "a reader holds it");
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // Cut, one way or the other: it must not look whole.
    let _ = reading.expect("the answer ends");
    assert!(rest.len() < size - (8 << 20), "it went on: {} bytes", rest.len());
    assert_eq!(ben.fetch(name_of(&blob)).await.refused(), "not_found");
    assert!(
        !server.output.text().contains("missing"),
        "an erasure looks like a loss"
    );
}
