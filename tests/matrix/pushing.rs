//! Who is told of what by push, while nobody is connected: each persona has subscribed with a push service that is really there.
//! What must not live here: what people have chosen (see the stories of `push_wishes`), and how it is sent.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::cast::{Cast, Stage};
use crate::cells;
use crate::push_service::{PushService, Receiver};
use crate::scene::{Scene, act};
use crate::table::{PERSONAS, Row, load};

/// Tries the whole table, and fails with every cell that is not as it says.
pub async fn try_table(name: &str) {
    let rows = load(name).unwrap_or_else(|complaints| panic!("\n{}", complaints.join("\n")));
    let mut service = PushService::start().await;
    let mut server = service.server().await;
    let stage = Stage::new(&mut server).await;
    let cast = Cast::several(&Rc::clone(&stage), 1).await.remove(0);
    let mut failures = Vec::new();
    for row in &rows {
        for (persona, word) in PERSONAS.iter().zip(&row.words).filter(|(_, word)| *word != "-") {
            let got = told(&mut service, &cast, row, (persona, word == "told")).await;
            let got = got.unwrap_or_else(|why| why);
            if got != *word {
                failures.push(format!(
                    "{}: `{}`, {persona}: expected `{word}`, got `{got}`",
                    row.place, row.name
                ));
            }
        }
    }
    if !failures.is_empty() {
        // The list is the report; the server's frames would only hide it.
        server.kill9();
        panic!("\n{}", failures.join("\n"));
    }
}

/// `told`, `not`, or the code with which the last step was refused. Who is expected to be told is waited for.
async fn told(
    service: &mut PushService,
    cast: &Cast,
    row: &Row,
    (persona, expected): (&str, bool),
) -> Result<String, String> {
    let mut scene = Scene::new(cast, row, persona).await;
    cells::before(cast, &mut scene, row).await?;
    // From here on: what was said before is nobody's business, and a second message would wait for its turn.
    let me = scene.me.clone();
    let receiver = Receiver::at(service, &format!("/{}", me.user));
    me.subscribe(&receiver).await;
    let said = cells::step_by(cast, &scene, &row.by, &row.request).await;
    if said.word != "ok" {
        return Ok(said.word);
    }
    let answer: Value = serde_json::from_str(&said.text).unwrap_or_default();
    // A conversation of its own shows that all that came before was looked at.
    let x = cast.person("x");
    let found = json!({ "type": "create", "kind": "group", "title": "a witness", "members": [me.user] });
    let witness = act(x, found).await["conversation"].clone();
    let body = json!({ "kind": "text", "text": "a witness" });
    act(
        x,
        json!({ "type": "send", "conversation": witness, "body": body }),
    )
    .await;
    let (mut is_told, mut is_seen) = (false, false);
    while !is_seen || (expected && !is_told) {
        let parcel = service.parcel().await;
        if parcel.path != format!("/{}", me.user) || !receiver.can_open(&parcel) {
            continue;
        }
        let told = receiver.open(&parcel);
        is_told |= told["conversation"] == answer["conversation"] && told["seq"] == answer["seq"];
        is_seen |= told["conversation"] == witness;
    }
    let ended = me.delete("/api/v1/push/subscription").await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    Ok(if is_told { "told" } else { "not" }.into())
}
