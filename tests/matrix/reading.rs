//! What of one and the same conversation comes back to whom: by pages, by a poll, live from the beginning, live again.
//! What must not live here: single events at their delivery (`hearing`).
//!
//! The marks of the conversation, in the order of their seqs: `old`, a message that the ex-member was there for; `exit`,
//! their leaving; `between`, a message after that; `in`, the coming of the newcomer without history; `new`, a message
//! after both newcomers came.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ask::{self, json_of};
use crate::cast::Cast;
use crate::cells;
use crate::scene::Scene;
use crate::table::{MARKS, Row};

/// The marks that come back, or the code of a refusal.
pub async fn read(cast: &mut Cast, row: &Row, persona: &str) -> Result<String, String> {
    let names: BTreeSet<&str> = MARKS.into_iter().chain(["c", "start"]).collect();
    let is_live = row.request == "live";
    if is_live {
        cast.live(persona).await.settle().await;
    }
    let mut scene = Scene::with(cast, row, persona, &names).await;
    cells::before(cast, &mut scene, row).await?;
    let c = scene.get("c").unwrap_or_default().to_owned();
    let filled = scene.fill(&row.request);
    let events = match row.request.as_str() {
        "live" => cast.live(persona).await.settle().await,
        "resume" => {
            let mut live = scene.me.resume(scene.get("start").unwrap_or_default()).await;
            let events = live.settle().await;
            live.close().await;
            events
        }
        _ => {
            let answers = if filled.starts_with('{') {
                ask::pages(&scene.me, json_of(&filled)).await
            } else {
                vec![json_of(&ask::by_line(&scene.me, &filled).await.text)]
            };
            if let Some(code) = answers.iter().find_map(|answer| answer["error"]["code"].as_str()) {
                return Ok(code.to_owned());
            }
            answers.iter().flat_map(events_of).collect()
        }
    };
    let seqs = events.iter().filter(|event| event["conversation"] == c.as_str());
    Ok(marks(
        &scene,
        &seqs.map(|event| event["seq"].to_string()).collect(),
    ))
}

fn events_of(answer: &Value) -> Vec<Value> {
    let lists = ["events", "annotations", "found", "versions"]
        .into_iter()
        .filter_map(|list| answer[list].as_array());
    lists.flatten().cloned().collect()
}

fn marks(scene: &Scene, seqs: &BTreeSet<String>) -> String {
    let found: Vec<&str> = MARKS
        .into_iter()
        .filter(|mark| scene.get(mark).is_some_and(|seq| seqs.contains(seq)))
        .collect();
    match found.len() {
        0 => "none".into(),
        count if count == MARKS.len() => "all".into(),
        _ => found.join("+"),
    }
}
