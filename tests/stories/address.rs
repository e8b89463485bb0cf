//! The one address people are told: fixed when the server is first used, and changed by nothing but the operator's setting.
//! What must not live here: invitations themselves (`accounts`).

use serde_json::{Value, json};

use crate::harness::{Person, Server, id};

const SETTING: &str = "KINGLET_LISTEN_CANONICAL_URL";
const LISTEN: &str = "KINGLET_LISTEN_ADDRESS";

fn set(server: &mut Server, name: &str, value: Option<&str>) {
    server.env.retain(|(known, _)| known != name);
    server
        .env
        .extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

/// The address in the link of a new invitation, by HTTP or by the command line.
fn address_in(invitation: &Value) -> String {
    let link = invitation["link"].as_str().expect("a link");
    link.split_once("/join#").expect("the way to join").0.to_owned()
}

async fn invited(by: &Person) -> String {
    let asked = json!({ "client_id": id() });
    address_in(&by.post("/api/v1/invitations", &asked).await.json(200))
}

async fn invited_by_operator(server: &Server) -> (String, String) {
    let (code, out, errors) = server.run(&["invite", "--json"]).await;
    assert_eq!(code, 0, "{errors}");
    (address_in(&serde_json::from_str(&out).expect("JSON")), errors)
}

async fn checked(server: &Server) -> Value {
    let (code, out, errors) = server.run(&["check", "--json"]).await;
    assert_eq!(code, 0, "{out}{errors}");
    serde_json::from_str(&out).expect("JSON")
}

fn here(server: &Server) -> String {
    format!("http://{}", server.world.address())
}

fn notes(checked: &Value) -> String {
    checked["notes"].to_string()
}

#[tokio::test]
async fn the_claim_fixes_the_address_and_a_later_listening_address_does_not_change_it() {
    let mut server = Server::start().await;
    let unused = here(&server);
    assert_eq!(checked(&server).await["address"]["origin"], "guess");
    assert_eq!(server.stop().await, Some(0));
    set(&mut server, LISTEN, Some("127.0.0.2:0"));
    server.restart().await;
    let first = here(&server);
    assert_ne!(first, unused);
    let olga = server.owner().await;
    let running = checked(&server).await;
    assert_eq!(
        (&running["address"]["origin"], &running["address"]["url"]),
        (&json!("stored"), &json!(first)),
        "what was guessed before anybody came is forgotten, and the claim fixes"
    );
    assert_eq!(invited(&olga).await, first);
    assert_eq!(invited_by_operator(&server).await.0, first);

    // Whether it ended well or not, and over whatever it listens, people know it by that address.
    server.kill9();
    assert_eq!(checked(&server).await["address"]["url"], first);
    set(&mut server, LISTEN, Some("127.0.0.3:0"));
    server.restart().await;
    assert_eq!(invited(&olga).await, first);
    let listed = olga.get("/api/v1/invitations").await.json(200);
    let links = listed["invitations"].as_array().expect("a list");
    assert!(
        links.len() == 3 && links.iter().all(|link| address_in(link) == first),
        "{listed}"
    );
    server.says(&format!("Invitations say {first}")).await;
    assert!(server.says("set listen.canonical_url").await.contains(&first));
    assert_eq!(server.stop().await, Some(0));
    assert_eq!(invited_by_operator(&server).await.0, first);
    let stopped = checked(&server).await;
    assert_eq!(stopped["address"]["url"], first);
    assert!(notes(&stopped).contains("127.0.0.3"), "{stopped}");
}

#[tokio::test]
async fn a_setting_changes_the_address_aloud_and_outlives_itself() {
    let mut server = Server::start().await;
    let (first, olga) = (here(&server), server.owner().await);
    assert_eq!(server.stop().await, Some(0));
    set(&mut server, SETTING, Some("https://chat.example/"));
    let before = checked(&server).await;
    assert_eq!(
        (&before["address"]["url"], &before["address"]["stored"]),
        (&json!("https://chat.example"), &json!(first))
    );
    assert!(notes(&before).contains("lose their cache"), "{before}");
    server.restart().await;
    assert!(server.says("lose their cache").await.contains(&first));
    assert_eq!(invited(&olga).await, "https://chat.example");
    assert_eq!(server.stop().await, Some(0));

    set(&mut server, SETTING, None);
    server.restart().await;
    assert_eq!(invited(&olga).await, "https://chat.example");
    assert_eq!(server.stop().await, Some(0));

    // The command line takes the setting as a start would, and says the same.
    set(&mut server, SETTING, Some("https://other.example"));
    let (address, errors) = invited_by_operator(&server).await;
    assert_eq!(address, "https://other.example");
    assert!(errors.contains("lose their cache"), "{errors}");
    let (address, errors) = invited_by_operator(&server).await;
    assert_eq!((address.as_str(), errors.as_str()), ("https://other.example", ""));
    let after = checked(&server).await;
    assert_eq!(
        (&after["address"]["origin"], &after["notes"]),
        (&json!("setting"), &json!([]))
    );
}

#[tokio::test]
async fn a_setting_at_the_first_start_is_the_address_from_the_beginning() {
    let mut server = Server::with(&[(SETTING, "https://chat.example")]).await;
    assert_eq!(server.stop().await, Some(0));
    let said = server.output.text();
    assert!(!said.contains("lose their cache"), "nobody knew another: {said}");
    set(&mut server, SETTING, None);
    server.restart().await;
    let olga = server.owner().await;
    assert_eq!(invited(&olga).await, "https://chat.example");
}
