//! The people of the matrix: made once for each cast, so that several casts can be asked at a time.
//! What must not live here: what they are in a conversation (`scene`), or what they may.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{PASSWORD, Person, Server, World, id, new_device};
use crate::live::Live;

/// Names of casts. No two look alike to the server, and neither do the names made of them.
const CASTS: [&str; 6] = ["ash", "birch", "cedar", "elder", "hazel", "maple"];
/// Everybody with an account, and their role on the server. Whoever is no persona plays a part beside them: `u` is a plain
/// member to whom things are done, `b` somebody who is an admin where a row asks for it, `x` an outsider.
const PEOPLE: [(&str, &str); 13] = [
    ("stranger", "member"),
    ("ex-member", "member"),
    ("new-off", "member"),
    ("new-on", "member"),
    ("member", "member"),
    ("admin", "member"),
    ("owner", "member"),
    ("s-admin", "admin"),
    ("s-owner", "owner"),
    ("revoked", "member"),
    ("u", "member"),
    ("b", "member"),
    ("x", "member"),
];
/// Passwords that are worked on at a time; more would be refused as `busy` on a slow machine.
const JOINING: usize = 2;

/// A claimed server, and what it takes to let people in.
pub struct Stage {
    pub world: Arc<World>,
    pub host: Person,
    codes: BTreeMap<&'static str, String>,
    door: Semaphore,
    guests: Cell<usize>,
}

impl Stage {
    pub async fn new(server: &mut Server) -> Rc<Stage> {
        let host = server.owner().await;
        let mut codes = BTreeMap::new();
        for role in ["member", "admin", "owner"] {
            let ask = json!({ "client_id": id(), "role": role, "uses": 1000 });
            let invitation = host.post("/api/v1/invitations", &ask).await.json(200);
            codes.insert(role, text(&invitation, "code"));
        }
        Rc::new(Stage {
            world: Arc::clone(&server.world),
            host,
            codes,
            door: Semaphore::new(JOINING),
            guests: Cell::new(0),
        })
    }

    /// The code by which one comes in as a plain member of the server.
    pub fn code(&self) -> &str {
        &self.codes["member"]
    }

    /// A user name that nobody has, nor one that looks like it.
    pub fn fresh_name(&self) -> String {
        let number = self.guests.replace(self.guests.get() + 1);
        let letters: String = format!("{number:05o}")
            .bytes()
            .map(|digit| char::from(b'a' + digit - b'0'))
            .collect();
        format!("guest-{letters}")
    }

    /// A new account with a role on the server.
    pub async fn join(&self, name: &str, role: &str) -> Person {
        let _turn = self.door.acquire().await.expect("it is never closed");
        let ask = json!({
            "code": self.codes[role], "name": name, "password": PASSWORD, "device": new_device()
        });
        let reply = self.world.post("/api/v1/join", None, &ask).await;
        Person::from(&self.world, &reply.json(200))
    }

    pub async fn guest(&self, role: &str) -> Person {
        self.join(&self.fresh_name(), role).await
    }

    /// A new bot with every scope.
    pub async fn bot(&self, name: &str) -> Person {
        let ask = json!({ "client_id": id(), "name": name, "scopes": ["read", "write", "manage"] });
        let made = self.host.post("/api/v1/admin/bots", &ask).await.json(200);
        let mut bot = Person::bot(&self.world, &made);
        let aside = json!({
            "id": 1, "type": "create", "client_id": id(), "kind": "group", "title": "aside", "members": [bot.user]
        });
        let aside = self.host.post("/api/v1/commands", &aside).await.json(200);
        bot.aside = Some(text(&aside, "conversation"));
        bot
    }
}

/// One set of people.
pub struct Cast {
    pub stage: Rc<Stage>,
    people: BTreeMap<&'static str, Person>,
    lives: BTreeMap<String, Live>,
    /// The direct conversation of the owner and `u`, and the seq of its message.
    pub direct: (String, u64),
    /// What stands for the conversation in the cells of those who are kept out at the door.
    pub outside: Cell<BTreeMap<String, String>>,
}

/// The role on the server that a persona has.
pub fn server_role(persona: &str) -> &'static str {
    let found = PEOPLE.iter().find(|(name, _)| *name == persona);
    found.map_or("member", |(_, role)| *role)
}

impl Cast {
    /// Lets the people of several casts in.
    pub async fn several(stage: &Rc<Stage>, count: usize) -> Vec<Cast> {
        let making = CASTS.into_iter().take(count);
        join_all(making.map(|name| Cast::new(Rc::clone(stage), name))).await
    }

    async fn new(stage: Rc<Stage>, cast: &str) -> Cast {
        let mut people = BTreeMap::new();
        for (name, role) in PEOPLE {
            people.insert(name, stage.join(&format!("{cast}-{name}"), role).await);
        }
        let gone = people["revoked"].post("/api/v1/sign-out", &json!({})).await;
        assert_eq!(gone.status, 204, "{}", gone.text);
        let nobody = Person {
            name: "nobody".into(),
            user: people["x"].user.clone(),
            device: people["x"].device.clone(),
            token: String::new(),
            aside: None,
            world: Arc::clone(&stage.world),
        };
        people.insert("nobody", nobody);
        people.insert("bot", stage.bot(&format!("{cast}-bot")).await);
        // A bot may look up whom it meets: of the others `u` is always one.
        let meeting = json!({
            "id": 1, "type": "create", "client_id": id(), "kind": "group", "title": "where they meet",
            "members": [people["bot"].user]
        });
        people["u"].post("/api/v1/commands", &meeting).await.json(200);
        let ask = json!({
            "id": 1, "type": "send", "client_id": id(), "to": people["owner"].user,
            "body": { "kind": "text", "text": "between the two of us" }
        });
        let ack = people["u"].post("/api/v1/commands", &ask).await.json(200);
        let direct = (text(&ack, "conversation"), ack["seq"].as_u64().expect("a seq"));
        Cast {
            stage,
            people,
            lives: BTreeMap::new(),
            direct,
            outside: Cell::default(),
        }
    }

    /// Somebody of the cast by their name.
    pub fn person(&self, name: &str) -> &Person {
        self.people
            .get(name)
            .unwrap_or_else(|| panic!("there is no `{name}` in a cast"))
    }

    /// Names and user ids of all who have an account.
    pub fn users(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.people
            .iter()
            .map(|(name, person)| (*name, person.user.as_str()))
    }

    /// The persona's live socket, out of the cast's hands.
    pub async fn take_live(&mut self, persona: &str) -> Live {
        match self.lives.remove(persona) {
            Some(live) => live,
            None => self.person(persona).live().await,
        }
    }

    pub fn put_live(&mut self, persona: &str, live: Live) {
        self.lives.insert(persona.to_owned(), live);
    }

    /// Reads what has come for all of the cast, as a client does all the time: with it the server's pings are answered, and who is silent
    /// for a minute is gone. On a slow machine it takes longer until it is a persona's turn again.
    pub async fn listen(&mut self) {
        for live in self.lives.values_mut() {
            live.listen_for(Duration::ZERO).await;
            live.kept();
        }
    }

    /// The persona's live socket, which stays open from cell to cell.
    pub async fn live(&mut self, persona: &str) -> &mut Live {
        if !self.lives.contains_key(persona) {
            let live = self.person(persona).live().await;
            self.lives.insert(persona.to_owned(), live);
        }
        self.lives.get_mut(persona).expect("it was just put there")
    }
}

pub fn text(value: &Value, key: &str) -> String {
    let text = value[key].as_str();
    text.unwrap_or_else(|| panic!("{key} in {value}")).to_owned()
}
