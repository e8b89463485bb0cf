//! Who may do what and who sees what, all of it: every persona before every command, route, kind of event and way of
//! reading, through the real door. The expectations are the tables in `tests/matrix/*.txt`, written by hand from
//! `docs/PROTOCOL.md`; what has no row fails. `cargo test --test matrix` says how many cells there are.
//! What must not live here: expectations, which are in the tables; stories.

#[allow(dead_code)] // the stories use the rest
#[path = "stories/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "stories/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "stories/live.rs"]
mod live;
#[allow(dead_code)]
#[path = "stories/push_service.rs"]
mod push_service;

#[path = "matrix/ask.rs"]
mod ask;
#[path = "matrix/cast.rs"]
mod cast;
#[path = "matrix/cells.rs"]
mod cells;
#[path = "matrix/complete.rs"]
mod complete;
#[path = "matrix/hearing.rs"]
mod hearing;
#[path = "matrix/picture.rs"]
mod picture;
#[path = "matrix/pushing.rs"]
mod pushing;
#[path = "matrix/reading.rs"]
mod reading;
#[path = "matrix/scene.rs"]
mod scene;
#[path = "matrix/table.rs"]
mod table;

use cells::{Door, try_table};

/// What a table lacks, or has too much of.
type Check = fn(&[table::Row]) -> Vec<String>;

#[test]
fn every_command_route_and_kind_of_event_has_its_row() {
    let mut complaints = Vec::new();
    let checks: [(&str, Check); 5] = [
        ("commands", complete::commands),
        ("http", complete::routes),
        ("events", complete::events),
        ("reading", |_| Vec::new()),
        ("push", |_| Vec::new()),
    ];
    for (name, check) in checks {
        match table::load(name) {
            Ok(rows) => {
                complaints.extend(check(&rows));
                // Who has no token that is good has no socket to hear on, and cannot subscribe.
                if !["events", "push"].contains(&name) {
                    complaints.extend(complete::nobody_is_left_out(&rows));
                }
            }
            Err(wrong) => complaints.extend(wrong),
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn commands_are_granted_and_refused_as_the_table_says() {
    try_table("commands", &[Door::Http, Door::Socket], 6).await;
}

#[tokio::test]
async fn routes_answer_each_persona_as_the_table_says() {
    try_table("http", &[Door::Line], 4).await;
}

#[tokio::test]
async fn events_and_notices_are_heard_by_whom_the_table_says() {
    try_table("events", &[Door::Hearing], 4).await;
}

#[tokio::test]
async fn messages_are_pushed_to_whom_the_table_says() {
    pushing::try_table("push").await;
}

#[tokio::test]
async fn a_conversation_shows_each_persona_what_the_table_says() {
    try_table("reading", &[Door::Reading], 1).await;
}
