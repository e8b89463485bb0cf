//! Bots: made by an admin, brought in by people, held to their scopes, given new tokens, removed. What must not live here:
//! who may what in general, which is the matrix's.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, id, new_device};
use crate::live::{Came, Live, Manner, text_body};
use crate::people::{WITHIN, audit, did, of_role};

const BOTS: &str = "/api/v1/admin/bots";

fn wanted(name: &str, scopes: &[&str]) -> Value {
    json!({ "client_id": id(), "name": name, "scopes": scopes })
}

async fn made(by: &Person, name: &str, scopes: &[&str]) -> Person {
    let made = by.post(BOTS, &wanted(name, scopes)).await.json(200);
    Person::bot(&by.world, &made)
}

async fn renewed(by: &Person, bot: &Person, ask: &Value) -> crate::http::Reply {
    by.post(&format!("{BOTS}/{}/token", bot.user), ask).await
}

/// A command over plain requests: `ok`, or the code of the refusal.
async fn command(who: &Person, mut ask: Value) -> String {
    ask["id"] = json!(1);
    ask["client_id"] = json!(id());
    let reply = who.post("/api/v1/commands", &ask).await;
    if reply.status == 200 {
        "ok".into()
    } else {
        reply.refused()
    }
}

fn at(conversation: &str, mut ask: Value) -> Value {
    ask["conversation"] = json!(conversation);
    ask
}

fn mention(bot: &Person) -> Value {
    text_body(&format!("<@{}> how is the weather?", bot.user))
}

#[tokio::test]
async fn a_bot_is_made_invited_and_answers_who_mentions_it() {
    let mut server = Server::start().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    assert_eq!(
        anna.post(BOTS, &wanted("weather", &["read"])).await.refused(),
        "forbidden"
    );
    assert_eq!(
        admin.post(BOTS, &wanted("weather", &[])).await.refused(),
        "bad_request"
    );
    let ask = json!({ "client_id": id(), "name": "weather", "display_name": "Weather" });
    let told = admin.post(BOTS, &ask).await.json(200);
    assert_eq!(told["scopes"], json!(["read", "write"]), "as it is usual");
    assert_eq!(
        (&told["bot"]["bot"], &told["bot"]["display_name"]),
        (&json!(true), &json!("Weather"))
    );
    assert_eq!(
        admin.post(BOTS, &ask).await.json(200),
        told,
        "a retry gives the same"
    );
    let other = json!({ "client_id": ask["client_id"], "name": "thunder" });
    assert_eq!(admin.post(BOTS, &other).await.refused(), "id_reused");
    assert_eq!(
        admin.post(BOTS, &wanted("weather", &["read"])).await.refused(),
        "name_taken"
    );
    let bot = Person::bot(&server.world, &told);

    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    let group = at_anna.group(&[&ben], json!({})).await;
    assert_eq!(
        at_ben
            .refused(at(&group, json!({ "type": "invite", "users": [bot.user] })))
            .await,
        "forbidden"
    );
    let mut at_bot = bot.live().await;
    at_anna
        .act(at(&group, json!({ "type": "invite", "users": [bot.user] })))
        .await;
    for live in [&mut at_ben, &mut at_bot] {
        let joined = live.event_where(&group, "joined").await;
        assert_eq!(
            (&joined["users"], &joined["bots"]),
            (&json!([bot.user]), &json!([bot.user]))
        );
    }
    let members = at_ben.get(at(&group, json!({ "type": "members" }))).await;
    let bots: Vec<&Value> = members["members"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["bot"] == true)
        .collect();
    assert_eq!((bots.len(), &bots[0]["user"]), (1, &json!(bot.user)));
    let found = ben.get("/api/v1/users?find=weather").await.json(200);
    assert_eq!(found["users"][0]["bot"], true);

    at_ben
        .act(at(&group, json!({ "type": "send", "body": mention(&bot) })))
        .await;
    let asked = at_bot.event_where(&group, "message").await;
    assert_eq!(asked["mentions"], json!([bot.user]));
    let answer = json!({ "type": "send", "reply_to": asked["seq"], "body": text_body("It is sunny.") });
    at_bot.act(at(&group, answer)).await;
    let heard = loop {
        let heard = at_ben.event_where(&group, "message").await;
        if heard["by"] == bot.user.as_str() {
            break heard;
        }
    };
    assert_eq!(
        (&heard["body"]["text"], &heard["reply_to"]),
        (&json!("It is sunny."), &asked["seq"])
    );

    // A group may be founded with a bot in it; a bot is nobody's successor, and owns nothing.
    let second = at_ben.group(&[&bot, &anna], json!({})).await;
    let founded = at_anna.event_of(&second, "created").await;
    assert_eq!(founded["bots"], json!([bot.user]));
    assert_eq!(
        at_ben
            .refused(at(&second, json!({ "type": "transfer", "user": bot.user })))
            .await,
        "forbidden"
    );
    let leave = json!({ "client_id": id(), "password": PASSWORD });
    let needed = ben.post("/api/v1/leave", &leave).await.json(409);
    let candidates = &needed["owned"][0]["candidates"];
    assert_eq!(
        candidates,
        &json!([{ "user": anna.user, "role": "member" }]),
        "{needed}"
    );
}

#[tokio::test]
async fn a_bot_is_held_to_its_scopes_on_a_socket_and_by_plain_requests() {
    let mut server = Server::start().await;
    let admin = server.owner().await;
    let anna = server.person("anna").await;
    let reader = made(&admin, "reader", &["read"]).await;
    let writer = made(&admin, "writer", &["write"]).await;
    let manager = made(&admin, "manager", &["read", "write", "manage"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&reader, &writer, &manager], json!({})).await;
    let seq = at_anna.say(&group, "a word of anna's").await["seq"].clone();
    for bot in [&reader, &writer, &manager] {
        let role = json!({ "type": "role", "user": bot.user, "role": "admin" });
        at_anna.act(at(&group, role)).await;
    }
    let send = || at(&group, json!({ "type": "send", "body": text_body("hello") }));
    let history = || at(&group, json!({ "type": "history" }));
    let title = |text: &str| at(&group, json!({ "type": "update", "title": text }));
    let recall = || at(&group, json!({ "type": "recall", "target": seq }));

    let mut at_reader = reader.live().await;
    at_reader.get(history()).await;
    at_reader
        .get(at(&group, json!({ "type": "mark_read", "seq": seq })))
        .await;
    for refused in [
        send(),
        title("x"),
        recall(),
        at(&group, json!({ "type": "typing", "on": true })),
    ] {
        assert_eq!(at_reader.refused(refused.clone()).await, "forbidden", "{refused}");
        assert_eq!(command(&reader, refused.clone()).await, "forbidden", "{refused}");
    }
    let begin = json!({ "client_id": id(), "size": 3 });
    assert_eq!(
        reader.post("/api/v1/uploads", &begin).await.refused(),
        "forbidden"
    );

    // Without `read` there is no socket and no poll, but there are commands.
    let mut door = writer.knock(Manner::default()).await;
    let hello = door.ask(json!({ "type": "hello", "token": writer.token })).await;
    assert_eq!(hello["error"]["code"], "forbidden");
    assert!(matches!(door.came().await, Came::End(Some(4401))));
    assert_eq!(writer.get("/api/v1/sync").await.refused(), "forbidden");
    let events = format!("/api/v1/conversations/{group}/events");
    assert_eq!(writer.get(&events).await.refused(), "forbidden");
    assert_eq!(reader.get(&events).await.status, 200);
    assert_eq!(command(&writer, send()).await, "ok");
    assert_eq!(command(&writer, history()).await, "forbidden");
    assert_eq!(
        command(&writer, recall()).await,
        "forbidden",
        "another's words are not its own"
    );
    assert_eq!(writer.post("/api/v1/uploads", &begin).await.status, 200);

    assert_eq!(command(&manager, title("managed")).await, "ok");
    assert_eq!(command(&manager, recall()).await, "ok");
    let role = json!({ "type": "role", "user": manager.user, "role": "member" });
    at_anna.act(at(&group, role)).await;
    assert_eq!(
        command(&manager, title("not any more")).await,
        "forbidden",
        "a scope is no role"
    );

    // What is a person's, no scope gives.
    for refused in [
        json!({ "type": "send", "to": anna.user, "body": text_body("hello") }),
        json!({ "type": "create", "kind": "group", "title": "mine", "members": [] }),
        json!({ "type": "users" }),
        json!({ "type": "search", "query": "word" }),
    ] {
        assert_eq!(command(&manager, refused.clone()).await, "forbidden", "{refused}");
    }
    assert_eq!(manager.get("/api/v1/me/export").await.refused(), "forbidden");
    let written = at_anna.tell(&manager.user, "just the two of us").await;
    let direct = written["conversation"].as_str().expect("a name");
    let answer = at(direct, json!({ "type": "send", "body": text_body("yes?") }));
    assert_eq!(command(&manager, answer).await, "ok");
}

/// Whose profile was changed: those who came a moment ago may be told of meanwhile.
async fn whose_profile(live: &mut Live) -> String {
    let notice = live.told_of(|of| of["display_name"] == "Changed").await;
    notice["user"].as_str().expect("a user").to_owned()
}

#[tokio::test]
async fn a_bot_is_told_only_of_those_it_meets() {
    let mut server = Server::start().await;
    let admin = server.owner().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let bot = made(&admin, "weather", &["read"]).await;
    let mut at_anna = anna.live().await;
    at_anna.group(&[&bot], json!({})).await;
    let known = async |live: &mut Live| {
        let page = live.get(json!({ "type": "sync" })).await;
        let users = page["users"].as_array().cloned().unwrap_or_default();
        let mut users: Vec<String> = users
            .iter()
            .map(|user| user["name"].as_str().expect("a name").to_owned())
            .collect();
        users.sort();
        users
    };
    assert_eq!(known(&mut bot.live().await).await, ["anna", "weather"]);
    assert_eq!(known(&mut at_anna).await, ["anna", "ben", "olga", "weather"]);
    let look = async |whom: &Person| bot.get(&format!("/api/v1/users/{}", whom.user)).await.status;
    assert_eq!(
        [look(&anna).await, look(&bot).await, look(&ben).await],
        [200, 200, 404]
    );
    assert_eq!(bot.get("/api/v1/users").await.refused(), "forbidden");

    // Who is connected hears of every changed profile; a bot only of theirs.
    let mut at_bot = bot.live().await;
    for person in [&ben, &anna] {
        let ask = json!({ "display_name": "Changed" }).to_string();
        let (method, token) = (hyper::Method::PATCH, Some(&*person.token));
        let changed = server
            .world
            .request(method, "/api/v1/profile", token, Some(ask))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(whose_profile(&mut at_anna).await, person.user);
    }
    assert_eq!(whose_profile(&mut at_bot).await, anna.user, "not of ben");
}

#[tokio::test]
async fn a_new_token_ends_the_old_one_and_what_was_sent_is_known_again() {
    let mut server = Server::start().await;
    let admin = of_role(&mut server, "adam", "admin").await;
    let anna = server.person("anna").await;
    let bot = made(&admin, "weather", &["read", "write"]).await;
    let mut at_anna = anna.live().await;
    let group = at_anna.group(&[&bot], json!({})).await;
    let mut at_bot = bot.live().await;
    let send = at(
        &group,
        json!({ "type": "send", "client_id": id(), "body": text_body("once") }),
    );
    let first = at_bot.get(send.clone()).await;

    let ask = json!({ "client_id": id() });
    assert_eq!(renewed(&anna, &bot, &ask).await.refused(), "forbidden");
    assert_eq!(renewed(&admin, &anna, &ask).await.refused(), "not_found");
    let told = renewed(&admin, &bot, &ask).await.json(200);
    let since = Instant::now();
    assert_eq!(at_bot.end().await, Some(4401));
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    assert_eq!(bot.get("/api/v1/profile").await.refused(), "signed_out");
    let fresh = Person::bot(&server.world, &told);
    assert_eq!((&fresh.device, fresh.token == bot.token), (&bot.device, false));
    let mut at_bot = fresh.live().await;
    assert_eq!(
        renewed(&admin, &bot, &ask).await.json(200),
        told,
        "a retry gives the same"
    );
    let again = at_bot.get(send).await;
    assert_eq!(
        (&again["seq"], &again["duplicate"]),
        (&first["seq"], &json!(true))
    );

    // Fewer scopes; the request before is over then.
    let fewer = json!({ "client_id": id(), "scopes": ["read"] });
    let reader = Person::bot(&server.world, &renewed(&admin, &bot, &fewer).await.json(200));
    assert_eq!(at_bot.end().await, Some(4401));
    assert_eq!(renewed(&admin, &bot, &ask).await.refused(), "link_invalid");
    assert_eq!(
        command(
            &reader,
            at(&group, json!({ "type": "send", "body": text_body("no") }))
        )
        .await,
        "forbidden"
    );
    let list = admin.get(BOTS).await.json(200);
    let listed = &list["bots"][0];
    assert_eq!(
        (&listed["scopes"], &listed["signed_in"]),
        (&json!(["read"]), &json!(true))
    );

    // After a restart the tokens of requests are others: a repeat of the newest replaces it, and the bot is there still.
    server.kill9();
    server.restart().await;
    assert_eq!(reader.get("/api/v1/profile").await.json(200)["name"], "weather");
    let other = Person::bot(&server.world, &renewed(&admin, &bot, &fewer).await.json(200));
    assert_eq!(reader.get("/api/v1/profile").await.refused(), "signed_out");
    other.live().await.close().await;
    let acts = audit(&admin).await;
    assert_eq!(
        acts[..3],
        [
            did("bot_token_made", &admin, &bot),
            did("bot_token_made", &admin, &bot),
            did("bot_made", &admin, &bot)
        ]
    );
}

#[tokio::test]
async fn a_bot_has_no_password_no_office_and_goes_like_a_person() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let anna = server.person("anna").await;
    let bot = made(&owner, "weather", &["read", "write"]).await;
    let path = |what: &str| format!("/api/v1/users/{}/{what}", bot.user);
    for password in ["bot", "", PASSWORD] {
        let ask = json!({ "name": "weather", "password": password, "device": new_device() });
        let refused = server.world.post("/api/v1/sign-in", None, &ask).await;
        assert_eq!(
            (refused.status, refused.refused().as_str()),
            (401, "wrong_credentials")
        );
    }
    assert_eq!(
        owner.post(&path("reset-password"), &json!({})).await.refused(),
        "forbidden"
    );
    assert_eq!(
        owner
            .post(&path("reset-link"), &json!({ "client_id": id() }))
            .await
            .refused(),
        "forbidden"
    );
    assert_eq!(
        owner
            .post(&path("role"), &json!({ "role": "admin" }))
            .await
            .refused(),
        "forbidden"
    );

    let (mut at_anna, mut at_bot) = (anna.live().await, bot.live().await);
    let group = at_anna.group(&[&bot], json!({})).await;
    owner.post(&path("disable"), &json!({})).await.json(200);
    assert_eq!(at_bot.end().await, Some(4401));
    let ask = json!({ "client_id": id() });
    assert_eq!(
        renewed(&owner, &bot, &ask).await.refused(),
        "forbidden",
        "it would not be let in"
    );
    owner.post(&path("enable"), &json!({})).await.json(200);
    assert_eq!(
        bot.get("/api/v1/profile").await.refused(),
        "signed_out",
        "its token ended for good"
    );
    let bot = Person::bot(&server.world, &renewed(&owner, &bot, &ask).await.json(200));
    let mut at_bot = bot.live().await;
    at_bot.say(&group, "back").await;
    at_anna.event_where(&group, "message").await;

    owner
        .post(&path("deactivate"), &json!({ "client_id": id() }))
        .await
        .json(200);
    let since = Instant::now();
    assert_eq!(at_bot.end().await, Some(4401));
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    assert_eq!(
        renewed(&owner, &bot, &json!({ "client_id": id() }))
            .await
            .refused(),
        "not_found"
    );
    assert_eq!(owner.get(BOTS).await.json(200)["bots"], json!([]));
    let members = at_anna.get(at(&group, json!({ "type": "members" }))).await;
    assert_eq!(
        members["members"].as_array().map(Vec::len),
        Some(2),
        "its messages and its place stay"
    );
    let erased = owner.post(&path("erase"), &json!({ "confirm": "weather" })).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(
        owner.get(&format!("/api/v1/users/{}", bot.user)).await.json(200)["erased"],
        true
    );
}

#[tokio::test]
async fn a_bot_lives_without_a_socket_too() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let anna = server.person("anna").await;
    let bot = made(&owner, "weather", &["read", "write"]).await;
    let mut at_anna = anna.live().await;
    let start = bot.get("/api/v1/sync").await.json(200)["resume"].clone();
    let group = at_anna.group(&[&bot], json!({})).await;
    at_anna
        .act(at(&group, json!({ "type": "send", "body": mention(&bot) })))
        .await;
    let page = bot.poll(start.as_str().expect("a token"), 20).await;
    let events = page["events"].as_array().expect("a list");
    let asked = events
        .iter()
        .find(|event| event["mentions"] == json!([bot.user]))
        .expect("the mention came");
    let answer = json!({ "type": "send", "reply_to": asked["seq"], "body": text_body("It is sunny.") });
    assert_eq!(command(&bot, at(&group, answer)).await, "ok");
    let heard = loop {
        let heard = at_anna.event_where(&group, "message").await;
        if heard["by"] == bot.user.as_str() {
            break heard;
        }
    };
    assert_eq!(heard["body"]["text"], "It is sunny.");
    assert_eq!(bot.post("/api/v1/sign-out", &json!({})).await.status, 204);
    assert_eq!(bot.get("/api/v1/sync").await.refused(), "signed_out");
}
