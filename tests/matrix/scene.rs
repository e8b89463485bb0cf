//! The conversation of a cell, and the values of its row's placeholders. Only what a row names is made.
//! What must not live here: what is asked in it, or what the answer should be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cast::{Cast, server_role, text};
use crate::harness::{Person, id, new_device};
use crate::table::Row;

/// Placeholders that need the conversation.
const IN_CONVERSATION: [&str; 8] = ["c", "m", "own", "old", "exit", "between", "in", "new"];

/// What stands for what in one cell.
pub struct Scene {
    /// Who asks.
    pub me: Person,
    /// Whether they have a token that is good.
    pub is_let_in: bool,
    values: BTreeMap<String, String>,
}

/// The names in braces of a template. What begins with `{"` is JSON.
pub fn placeholders(template: &str) -> Vec<&str> {
    let after = template.split('{').skip(1);
    after
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '-' || c == '.')
        })
        .collect()
}

/// Runs a command that must be granted; gives its ack.
pub async fn act(who: &Person, mut command: Value) -> Value {
    command["id"] = json!(1);
    if command.get("client_id").is_none() {
        command["client_id"] = json!(id());
    }
    who.post("/api/v1/commands", &command).await.json(200)
}

fn seq(ack: &Value) -> u64 {
    ack["seq"].as_u64().unwrap_or_else(|| panic!("a seq in {ack}"))
}

impl Scene {
    /// Makes what the row names.
    pub async fn new(cast: &Cast, row: &Row, persona: &str) -> Scene {
        let names: BTreeSet<&str> = row.templates().flat_map(placeholders).collect();
        Scene::with(cast, row, persona, &names).await
    }

    /// Makes what is named.
    pub async fn with(cast: &Cast, row: &Row, persona: &str, names: &BTreeSet<&str>) -> Scene {
        let is_let_in = !["nobody", "revoked"].contains(&persona);
        let me = match persona {
            "bot" if row.has("@fresh") => cast.stage.bot(&cast.stage.fresh_name()).await,
            _ if row.has("@fresh") && is_let_in => cast.stage.guest(server_role(persona)).await,
            _ => cast.person(persona).clone(),
        };
        let values = BTreeMap::new();
        let mut scene = Scene {
            me,
            is_let_in,
            values,
        };
        for (name, user) in cast.users() {
            scene.put(name, user);
        }
        scene.put("me", &scene.me.user.clone());
        scene.put("me.name", &scene.me.name.clone());
        scene.put("me.device", &scene.me.device.clone());
        scene.put("u.device", &cast.person("u").device);
        scene.put("d", &cast.direct.0);
        scene.put("dm", &cast.direct.1.to_string());
        if names.contains("start") {
            scene.put("start", &resume(&scene.me).await);
        }
        if IN_CONVERSATION.iter().any(|name| names.contains(name)) || names.contains("b") {
            if is_let_in {
                scene.converse(cast, row, persona, names).await;
            } else {
                scene.stand_outside(cast, row, persona).await;
            }
        }
        for name in names {
            scene.accounts(cast, name).await;
        }
        scene
    }

    /// Who is kept out at the door can disturb nothing: one conversation does for all their cells.
    async fn stand_outside(&mut self, cast: &Cast, row: &Row, persona: &str) {
        let mut known = cast.outside.take();
        if known.is_empty() {
            let names = IN_CONVERSATION
                .into_iter()
                .filter(|name| *name != "own")
                .collect();
            self.converse(cast, row, persona, &names).await;
            let made = IN_CONVERSATION.map(|name| (name, self.get(name)));
            let made = made
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
            known.extend(made);
        }
        self.values.extend(known.clone());
        cast.outside.set(known);
    }

    /// The conversation: its founding, a message before the newcomers came, one after; the persona's own one.
    async fn converse(&mut self, cast: &Cast, row: &Row, persona: &str, names: &BTreeSet<&str>) {
        let (owner, admin, u) = (cast.person("owner"), cast.person("admin"), cast.person("u"));
        let channel = row.has("@channel");
        let kind = if channel { "channel" } else { "group" };
        let members: Vec<&str> = ["admin", "member", "ex-member", "revoked", "u", "bot"]
            .map(|name| cast.person(name).user.as_str())
            .to_vec();
        let found = json!({ "type": "create", "kind": kind, "title": "a cell", "members": members });
        let c = text(&act(owner, found).await, "conversation");
        let at = |mut command: Value| {
            command["conversation"] = json!(c);
            command
        };
        let say = |words: &str| at(json!({ "type": "send", "body": { "kind": "text", "text": words } }));
        for admin in [admin, cast.person("bot")] {
            let role = json!({ "type": "role", "user": admin.user, "role": "admin" });
            act(owner, at(role)).await;
        }
        // In a channel only owner and admins write; the message is somebody else's than the persona's.
        let author = match (channel, persona) {
            (false, _) => u,
            (true, "owner") => admin,
            (true, _) => owner,
        };
        self.put(
            "old",
            &seq(&act(author, say("before the newcomers")).await).to_string(),
        );
        let ex = cast.person("ex-member");
        let mut own = None;
        if names.contains("own") && persona == "ex-member" {
            own = Some(seq(&act(ex, say("my own, of old")).await));
        }
        let exit = act(ex, at(json!({ "type": "leave" }))).await;
        self.put("exit", &seq(&exit).to_string());
        if names.contains("between") {
            let between = act(author, say("between leaving and coming")).await;
            self.put("between", &seq(&between).to_string());
        }
        let enter = |name: &str| at(json!({ "type": "invite", "users": [cast.person(name).user] }));
        self.put("in", &seq(&act(owner, enter("new-off")).await).to_string());
        act(owner, at(json!({ "type": "update", "history": true }))).await;
        act(owner, enter("new-on")).await;
        if names.contains("b") {
            act(owner, enter("b")).await;
            let b = &cast.person("b").user;
            act(owner, at(json!({ "type": "role", "user": b, "role": "admin" }))).await;
        }
        let new = seq(&act(author, say("after the newcomers")).await).to_string();
        self.put("m", &new);
        self.put("new", &new);
        let is_there = ["new-off", "new-on", "member", "admin", "owner", "bot"].contains(&persona);
        if names.contains("own") && is_there {
            own = Some(seq(&act(cast.person(persona), say("my own")).await));
        }
        // Who has none reaches for the one that is there.
        self.put("own", &own.map_or(new, |own| own.to_string()));
        self.put("c", &c);
    }

    /// What rows about accounts name: each cell has its own.
    async fn accounts(&mut self, cast: &Cast, name: &str) {
        let stage = &cast.stage;
        match name {
            "id" => self.put("id", &id()),
            "device" => self.put("device", &text(&new_device(), "id")),
            "name" => self.put("name", &stage.fresh_name()),
            "code" => self.put("code", stage.code()),
            "victim" | "victim.name" | "victim.device" if self.values.contains_key("victim") => {}
            "victim" | "victim.name" | "victim.device" => {
                let victim = stage.guest("member").await;
                self.put("victim", &victim.user);
                self.put("victim.name", &victim.name);
                self.put("victim.device", &victim.device);
            }
            "victim.admin" | "victim.owner" => {
                let role = name.rsplit('.').next().expect("a name has an end");
                let victim = stage.guest(role).await;
                self.put(name, &victim.user);
            }
            "invitation" | "invitation.admin" => {
                let role = if name == "invitation" { "member" } else { "admin" };
                let ask = json!({ "client_id": id(), "role": role });
                let made = stage.host.post("/api/v1/invitations", &ask).await.json(200);
                self.put(name, &text(&made, "id"));
            }
            _ => {}
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Keeps an answer: each of its words and numbers is a placeholder from now on, `{name.key}`.
    pub fn keep(&mut self, name: &str, answer: &Value) {
        match answer {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.keep(&format!("{name}.{key}"), value);
                }
            }
            Value::String(text) => self.put(name, text),
            other => self.put(name, &other.to_string()),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A template with its values in place.
    pub fn fill(&self, template: &str) -> String {
        let mut filled = template.to_owned();
        for name in placeholders(template) {
            let value = match self.get(name) {
                Some(value) => value,
                // No step was taken for them, so no answer is there to be kept.
                None if !self.is_let_in && name.contains('.') => "0",
                None => panic!("there is no placeholder {{{name}}}, in {template}"),
            };
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }
}

/// Where the log is now for somebody; nothing for one who has no token.
pub async fn resume(who: &Person) -> String {
    let reply = who.get("/api/v1/sync").await;
    if reply.status == 200 {
        text(&reply.json(200), "resume")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_json() {
        let template =
            r#"{"type":"edit","conversation":"{c}","target":{own},"body":{"kind":"text","text":"{}"}}"#;
        assert_eq!(placeholders(template), ["c", "own"]);
        assert_eq!(placeholders("GET /users/{victim.admin}"), ["victim.admin"]);
    }
}
