//! Damage to the embedded store's files: it is noticed at the next start or by the doctor, and nothing new is taken.
//! What must not live here: what every backend promises.

use std::path::Path;

use kinglet::limits::FOLD_ROWS;
use kinglet::proto::{Code, ConversationId, JoinRule};
use kinglet::store::Writable;
use kinglet::store::sqlite::doctor;
use rusqlite::Connection;

use crate::sends::many;
use crate::store_kit::words::*;
use crate::store_kit::{Sqlite, World};

const MULTI: &str = "the damage tests open one store at a time";

/// A closed store with rows that are folded and rows that are not.
async fn told() -> (World<'static>, ConversationId) {
    let world = World::new(&Sqlite).await;
    let room = world
        .done(1, group("room", &[2], JoinRule::Open, false))
        .await
        .conversation;
    many(&world, 1, room, FOLD_ROWS + 100).await;
    (world, room)
}

fn sql(directory: &Path, statement: &str) {
    let db = Connection::open(directory.join("kinglet.db")).expect(MULTI);
    let changed = db.execute(statement, []).expect("the statement runs");
    assert!(changed > 0, "{statement} changed nothing");
}

fn complaints(directory: &Path) -> Vec<String> {
    doctor::examine(directory).expect("the doctor can look").damage
}

/// Runs `spoil` on the closed files; gives what the doctor says and whether the store still takes something.
async fn after(spoil: impl FnOnce(&Path)) -> (Vec<String>, Writable) {
    let (world, room) = told().await;
    let mut said = Vec::new();
    let world = world
        .reopen_after(|directory| {
            assert_eq!(
                complaints(directory),
                Vec::<String>::new(),
                "whole before it is spoiled"
            );
            spoil(directory);
            said = complaints(directory);
        })
        .await;
    let writable = world.store.writable();
    if let Writable::ReadOnly(_) = &writable {
        assert_eq!(world.refused(1, send(room, "more")).await, Code::ReadOnly);
        assert!(!world.log(room).await.expect("reads go on").is_empty());
        assert!(world.store.probe().await, "read-only is not a hang");
        let again = world.reopen().await;
        assert!(
            matches!(again.store.writable(), Writable::ReadOnly(_)),
            "a restart does not hide it"
        );
    }
    (said, writable)
}

async fn noticed_at_start(spoil: impl FnOnce(&Path)) {
    let (said, writable) = after(spoil).await;
    assert!(matches!(writable, Writable::ReadOnly(_)), "{writable:?}");
    assert!(!said.is_empty(), "the doctor found nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_log_is_whole() {
    let (said, writable) = after(|_| {}).await;
    assert_eq!((said, writable), (Vec::new(), Writable::Yes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_cut_off_at_the_end() {
    noticed_at_start(|directory| {
        sql(
            directory,
            "DELETE FROM log WHERE pos > (SELECT max(pos) - 3 FROM log)",
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_missing_in_between() {
    noticed_at_start(|directory| {
        sql(
            directory,
            "DELETE FROM log WHERE pos = (SELECT max(pos) - 3 FROM log)",
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_altered() {
    noticed_at_start(|directory| {
        sql(
            directory,
            "UPDATE log SET body = x'68' WHERE pos = (SELECT max(pos) - 3 FROM log)",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_altered() {
    noticed_at_start(|directory| {
        sql(
            directory,
            "UPDATE log SET sender = 2 WHERE pos = (SELECT max(pos) FROM log)",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_altered() {
    noticed_at_start(|directory| sql(directory, "UPDATE conversation SET last_count = last_count - 1")).await;
    noticed_at_start(|directory| {
        sql(
            directory,
            "UPDATE log SET count = count - 1 WHERE pos = (SELECT max(pos) - 3 FROM log)",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_database_put_back() {
    let (world, room) = told().await;
    let old = tempfile::tempdir().expect("a temporary directory");
    let keep = old.path().join("kept.db");
    let world = world
        .reopen_after(|directory| copy(&directory.join("kinglet.db"), &keep))
        .await;
    world.done(1, send(room, "after the copy")).await;
    let world = world.reopen_after(|directory| put_back(&keep, directory)).await;
    assert!(matches!(world.store.writable(), Writable::ReadOnly(_)));
    // The operator accepts the loss: a new epoch, and everything goes on.
    let epoch = world.store.head().epoch;
    let clock = std::sync::Arc::new(kinglet::clock::Clock::manual(1, 99));
    let world = world
        .reopen_after(|directory| {
            assert!(!complaints(directory).is_empty());
            doctor::accept_loss(directory, &clock).expect("the loss is accepted");
            assert_eq!(complaints(directory), Vec::<String>::new());
        })
        .await;
    assert_eq!(world.store.writable(), Writable::Yes);
    assert_ne!(world.store.head().epoch, epoch);
    world.done(1, send(room, "and on")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_lost_or_torn_say_nothing() {
    for spoil in [
        |path: &Path| std::fs::remove_file(path).expect("removed"),
        |path: &Path| std::fs::write(path, [7; 300]).expect("overwritten"),
        |path: &Path| {
            let bytes = std::fs::read(path).expect("readable");
            std::fs::write(path, &bytes[..bytes.len() - 70]).expect("cut");
        },
    ] {
        let (said, writable) = after(|directory| spoil(&directory.join("heads"))).await;
        assert_eq!((said, writable), (Vec::new(), Writable::Yes));
    }
}

/// Folded rows are not read at a start; the doctor reads everything.
async fn noticed_by_the_doctor(statement: &'static str) {
    let (said, writable) = after(|directory| sql(directory, statement)).await;
    assert!(!said.is_empty(), "the doctor found nothing after: {statement}");
    assert_eq!(writable, Writable::Yes, "{statement}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_reads_what_is_folded() {
    for statement in [
        // One bit of one letter.
        "UPDATE log SET body = cast(char(unicode(cast(body AS TEXT)) + 1) || substr(cast(body AS TEXT), 2) AS BLOB)
         WHERE pos = 50",
        "UPDATE log SET client = randomblob(16) WHERE pos = 50",
        "UPDATE log SET seq = 9000 WHERE pos = 50",
        "DELETE FROM log WHERE pos = 50",
        "DELETE FROM client WHERE pos = 50",
        "UPDATE segment SET hash = zeroblob(32)",
        "DELETE FROM segment",
        "UPDATE log SET count = count + 1 WHERE pos = 50",
        "UPDATE member SET role = 2 WHERE user = 2",
        "DELETE FROM member WHERE user = 2",
        "UPDATE conversation SET title = 'another'",
    ] {
        noticed_by_the_doctor(statement).await;
    }
}

fn copy(from: &Path, to: &Path) {
    if from.ends_with("kinglet.db") {
        // The only connection takes the write-ahead log with it when it closes.
        let db = Connection::open(from).expect(MULTI);
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .expect("nobody is in the way");
    }
    let _bytes = std::fs::copy(from, to).expect("the database is copied");
}

fn put_back(kept: &Path, directory: &Path) {
    copy(&directory.join("kinglet.db"), &directory.join("lost.db"));
    copy(kept, &directory.join("kinglet.db"));
}
