//! One request by one persona through one door, and the word for what came of it.
//! What must not live here: which word it should be.

use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::cast::Cast;
use crate::harness::{Person, id};
use crate::live::{Came, Live, Manner};
use crate::picture;

/// What a request came to: `ok` or the code of its refusal, and all that was said.
pub struct Said {
    pub word: String,
    pub text: String,
}

impl Said {
    fn of(answer: &Value) -> Said {
        let code = answer["error"]["code"].as_str();
        Said {
            word: code.unwrap_or("ok").to_owned(),
            text: answer.to_string(),
        }
    }
}

/// The JSON of a filled template.
pub fn json_of(filled: &str) -> Value {
    serde_json::from_str(filled).unwrap_or_else(|error| panic!("{error} in {filled}"))
}

/// Where the next page begins, if there is one.
fn next_page(asked: &Value, answer: &Value) -> Option<(&'static str, Value)> {
    if answer["more"] != true {
        return None;
    }
    let last = |list: &str, key: &str| answer[list].as_array()?.last()?.get(key).cloned();
    match asked["type"].as_str()? {
        "history" if asked.get("after").is_some() => Some(("after", last("events", "seq")?)),
        "history" => Some(("before", answer["events"][0]["seq"].clone())),
        "sync" => Some(("after", answer["resume"].clone())),
        "conversations" | "discover" => Some(("after", last("conversations", "conversation")?)),
        "members" => Some(("after", last("members", "user")?)),
        "readers" => Some(("after", last("readers", "user")?)),
        // After a time a page of a search ends, with nothing found yet, too.
        "search" => Some(("cursor", answer["cursor"].clone())),
        _ => None,
    }
}

/// One command by plain requests, with all its pages; gives the answers.
pub async fn pages(me: &Person, mut command: Value) -> Vec<Value> {
    command["id"] = json!(1);
    if command.get("client_id").is_none() {
        command["client_id"] = json!(id());
    }
    let mut all = Vec::new();
    loop {
        let answer = json_of(
            &send(me, "POST", "/api/v1/commands", Some(command.to_string()))
                .await
                .text,
        );
        let next = next_page(&command, &answer);
        all.push(answer);
        match next {
            Some((key, place)) => command[key] = place,
            None => return all,
        }
    }
}

fn summed(answers: &[Value]) -> Said {
    let mut said = Said::of(answers.last().expect("there is an answer to each request"));
    said.text = answers
        .iter()
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    said
}

/// One command as the fallback takes it.
pub async fn by_http(me: &Person, command: Value) -> Said {
    summed(&pages(me, command).await)
}

/// One command on a live socket. Who has no token that is good shows what they have as the first frame.
pub async fn by_socket(cast: &mut Cast, persona: &str, mut command: Value) -> Said {
    match persona {
        "nobody" => {
            command["client_id"] = json!(id());
            first_frame(cast.person(persona), command).await
        }
        "revoked" => {
            let token = cast.person(persona).token.clone();
            first_frame(cast.person(persona), json!({ "type": "hello", "token": token })).await
        }
        _ => {
            let live = cast.live(persona).await;
            if command.get("client_id").is_none() {
                command["client_id"] = json!(id());
            }
            let mut all = Vec::new();
            loop {
                let answer = live.ask(command.clone()).await;
                let next = next_page(&command, &answer);
                all.push(answer);
                match next {
                    Some((key, place)) => command[key] = place,
                    None => break,
                }
            }
            live.kept();
            summed(&all)
        }
    }
}

async fn first_frame(who: &Person, frame: Value) -> Said {
    let mut live: Live = who.knock(Manner::default()).await;
    let said = Said::of(&live.ask(frame).await);
    if said.word == "ok" {
        return said;
    }
    match live.came().await {
        Came::End(Some(4401)) => said,
        other => panic!("a refused first frame ends the connection with 4401: {other:?}"),
    }
}

/// Rows run side by side, and a server makes a few archives at a time: who comes when they are under way is told to come back.
static ARCHIVES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A row's line of HTTP: `METHOD address`, maybe `[Name: value]`, maybe a JSON body, `N bytes` or `a-picture` with a seed. `WS` opens
/// a live socket.
pub async fn by_line(me: &Person, line: &str) -> Said {
    let (method, rest) = line.split_once(' ').expect("a method and an address");
    let (path, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if method == "WS" {
        let mut hello = json!({ "type": "hello" });
        if !me.token.is_empty() {
            hello["token"] = json!(me.token);
        }
        return first_frame(me, hello).await;
    }
    let (mut headers, mut rest) = (Vec::new(), rest.trim());
    while let Some((header, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        headers.push(header.split_once(": ").expect("a header is `Name: value`"));
        rest = after.trim();
    }
    let body = match (rest.strip_suffix(" bytes"), rest.strip_prefix(picture::WORD)) {
        (Some(count), _) => Some(vec![b'x'; count.parse().expect("a number of bytes")]),
        (None, Some(seed)) => Some(picture::of(seed)),
        (None, None) => Some(rest.as_bytes().to_vec()).filter(|body| !body.is_empty()),
    };
    let _turn = match path {
        "/api/v1/me/export" => Some(ARCHIVES.lock().await),
        _ => None,
    };
    send_with(me, (method, path), &headers, body).await
}

async fn send(me: &Person, method: &str, path: &str, body: Option<String>) -> Said {
    send_with(me, (method, path), &[], body.map(String::into_bytes)).await
}

async fn send_with(
    me: &Person,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Said {
    let mut request = Request::builder().method(method).uri(path);
    if !me.token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {}", me.token));
    }
    if body.is_some()
        && !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.unwrap_or_default()).expect("a request");
    let reply = me.world.send(request).await;
    let word = if (200..300).contains(&reply.status) {
        "ok".to_owned()
    } else {
        reply.refused()
    };
    Said {
        word,
        text: reply.text,
    }
}
