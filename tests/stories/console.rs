//! What the operator's own command line says of people, and where it leads those it invites. What must not live here: what the
//! verbs do while no server runs or the data are locked (`operations`), and which address a link names (`address`).

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Server, new_device};
use crate::people::of_role;

async fn invited(server: &Server, group: &str) -> Value {
    let (code, out, errors) = server.run(&["invite", "--json", "--group", group]).await;
    assert_eq!(code, 0, "{errors}");
    serde_json::from_str(&out).expect("JSON")
}

async fn joined(server: &Server, by: &Value, name: &str) -> Person {
    let ask = json!({ "code": by["code"], "name": name, "password": PASSWORD, "device": new_device() });
    let signed_in = server.world.post("/api/v1/join", None, &ask).await.json(200);
    Person::from(&server.world, &signed_in)
}

async fn groups_of(person: &Person) -> Vec<String> {
    let mut live = person.live().await;
    let list = live.get(json!({ "type": "conversations" })).await;
    let all = list["conversations"].as_array().expect("a list");
    all.iter()
        .map(|one| one["conversation"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test]
async fn the_command_line_leads_into_a_group_whether_the_server_runs_or_not() {
    let mut server = Server::start().await;
    let owner = server.owner().await;
    let anna = server.person("anna").await;
    let lunch = owner.live().await.group(&[], json!({ "title": "Lunch" })).await;
    let hers = anna.live().await.group(&[], json!({ "title": "Hers" })).await;
    let bob = joined(&server, &invited(&server, &lunch).await, "bob").await;
    assert_eq!(groups_of(&bob).await, std::slice::from_ref(&lunch));
    // The first owner leads nobody into what is not theirs, and no admin is made on the way.
    for (asked, says) in [
        (&["invite", "--group", &hers][..], hers.as_str()),
        (&["invite", "--group", "c0000000000"], "c0000000000"),
        (&["invite", "--role", "admin", "--group", &lunch], "makes members"),
    ] {
        let (code, out, errors) = server.run(asked).await;
        assert_ne!(code, 0, "{out}");
        assert!(errors.contains(says), "{errors}");
    }
    assert_eq!(server.stop().await, Some(0));
    let offline = invited(&server, &format!("http://kinglet.local/c/{lunch}")).await;
    server.restart().await;
    let cyd = joined(&server, &offline, "cyd").await;
    assert_eq!(groups_of(&cyd).await, [lunch]);
}

#[tokio::test]
async fn the_list_says_who_is_what_and_an_invitation_says_where_it_leads() {
    let mut server = Server::start().await;
    server.owner().await;
    of_role(&mut server, "anna", "admin").await;
    server.person("bob").await;
    let (code, out, _) = server.run(&["user", "list"]).await;
    assert_eq!(code, 0);
    for (name, role) in [("anna", "admin"), ("bob", "member")] {
        let line = out
            .lines()
            .find(|line| line.contains(name))
            .expect("a line for each");
        assert!(line.contains(role), "{line}");
    }
    assert_eq!(out.matches(" owner ").count(), 1, "{out}");
    // This server listens where only its own machine gets.
    let (code, out, _) = server.run(&["invite"]).await;
    assert_eq!(code, 0);
    for word in ["into no group", "--group", "opens only on this machine"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    server.stop().await;
    server.env.push((
        "KINGLET_LISTEN_CANONICAL_URL".to_owned(),
        "http://chat.lan".to_owned(),
    ));
    let (code, out, _) = server.run(&["invite"]).await;
    assert_eq!(code, 0);
    assert!(!out.contains("opens only on this machine"), "{out}");
}
