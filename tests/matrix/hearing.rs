//! Who hears an event or a notice: on a live socket, and by a poll, which must agree.
//! What must not live here: pages of history (`reading`).

use serde_json::{Value, json};

use crate::ask::{Said, json_of};
use crate::cast::Cast;
use crate::cells;
use crate::scene::{Scene, resume};
use crate::table::Row;

/// How often an erasure is asked for: it works by itself, and each answer takes its time.
const ASKING: usize = 2_000;

/// The kind a row is about: the first word of its name; of a notice, the second.
pub fn kind_of(row: &Row) -> (&str, bool) {
    let mut words = row.name.split([' ', ',']);
    match words.next().unwrap_or_default() {
        "notice" => (words.next().unwrap_or_default(), true),
        kind => (kind, false),
    }
}

/// `hears`, `not`, or the code with which the last step was refused.
pub async fn hear(cast: &mut Cast, row: &Row, persona: &str) -> Result<String, String> {
    let (kind, is_notice) = kind_of(row);
    // Who was there before hears all; who has a new account, or asks for presence, has a socket of their own.
    let is_own = row.has("@fresh") || kind == "presence";
    let standing = if is_own {
        None
    } else {
        Some(cast.take_live(persona).await)
    };
    let mut scene = Scene::new(cast, row, persona).await;
    cells::before(cast, &mut scene, row).await?;
    let mut live = match standing {
        Some(live) => live,
        None => scene.me.live().await,
    };
    if kind == "presence" {
        live.get(json!({ "type": "presence", "on": true })).await;
    }
    live.settle_all().await;
    let from = resume(&scene.me).await;
    let said = cells::step_by(cast, &scene, &row.by, &row.request).await;
    if kind == "erased" && said.word == "ok" {
        all_erased(cast, &said).await?;
    }
    let frames = live.settle_all().await;
    if is_own {
        live.close().await;
    } else {
        cast.put_live(persona, live);
    }
    let answer: Value = serde_json::from_str(&said.text).unwrap_or_default();
    let asked: Value = serde_json::from_str(&scene.fill(&row.request)).unwrap_or_default();
    let named = [&answer, &asked]
        .into_iter()
        .find_map(|said| said["conversation"].as_str());
    let place = named.or(scene.get("c")).unwrap_or_default();
    if is_notice && said.word == "ok" {
        return Ok(if frames.iter().any(|frame| tells(frame, kind, place)) {
            "hears"
        } else {
            "not"
        }
        .into());
    }
    let heard = of_here(&frames, place);
    let polled = scene
        .me
        .get(&format!("/api/v1/sync?after={from}"))
        .await
        .json(200);
    let polled = of_here(polled["events"].as_array().expect("a poll has events"), place);
    if heard != polled {
        return Err(format!("{heard:?} on the socket, but {polled:?} by a poll"));
    }
    // Who asks for an erasure is told of no seq: it has one in each conversation.
    let seq = match kind {
        "erased" => heard.first().map(|(_, seq)| seq.clone()).unwrap_or_default(),
        _ => answer["seq"].clone(),
    };
    let expected = vec![(kind.to_owned(), seq)];
    match heard.len() {
        0 if said.word == "ok" => Ok("not".into()),
        0 => Ok(said.word),
        _ if heard == expected => Ok("hears".into()),
        _ => Err(format!("{heard:?} instead of {expected:?}")),
    }
}

/// Asks how far an erasure is until nothing is left of it.
async fn all_erased(cast: &Cast, said: &Said) -> Result<(), String> {
    let mut state: Value = json_of(&said.text);
    let path = format!(
        "/api/v1/users/{}/erasure",
        state["user"].as_str().unwrap_or_default()
    );
    for _ in 0..ASKING {
        if state["state"] == "done" {
            return Ok(());
        }
        state = cast.person("s-owner").get(&path).await.json(200);
    }
    Err(format!("not erased yet, after {ASKING} times of asking: {state}"))
}

/// A notice of this type, about this conversation where it is about one.
fn tells(frame: &Value, kind: &str, place: &str) -> bool {
    let about = frame["conversation"].as_str();
    frame["type"] == kind && frame.get("re").is_none() && about.is_none_or(|about| about == place)
}

/// Kinds and seqs of one conversation's events.
fn of_here(frames: &[Value], place: &str) -> Vec<(String, Value)> {
    let here = frames
        .iter()
        .filter(|frame| frame["type"] == "event" && frame["conversation"] == place);
    here.map(|event| {
        (
            event["kind"].as_str().unwrap_or_default().to_owned(),
            event["seq"].clone(),
        )
    })
    .collect()
}
