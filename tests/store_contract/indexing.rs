//! The index that SQLite keeps for searches: made for an old log, given up bit by bit, damaged, behind. What must not live
//! here: what any store finds (see `search`).

use std::path::Path;
use std::time::{Duration, Instant};

use kinglet::limits::{INDEX_ROWS, SEARCH_TAIL};
use kinglet::proto::Code;
use rusqlite::Connection;

use crate::search::{all_at_once, any_text, indexed, seqs, talk_until_indexed, wanted};
use crate::store_kit::words::*;
use crate::store_kit::{Dice, Sqlite, World, locked};

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("kinglet.db")).expect("it is there")
}

fn without_index(directory: &Path) {
    let db = database(directory);
    db.execute_batch(
        "INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM meta WHERE key = 'indexed'",
    )
    .expect("the tables are known");
}

/// A log from before there was an index: it is made in steps while the server serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_made_for_a_log_that_had_none() {
    let world = World::new(&Sqlite).await;
    let room = world.done(1, send_to(2, "first words")).await.conversation;
    all_at_once(
        &world,
        1,
        (0..3 * INDEX_ROWS).map(|at| send(room, format!("line {at}"))),
    )
    .await;
    world.done(1, edit(room, 1, "changed words")).await;
    let world = world.reopen_after(without_index).await;
    assert_eq!(seqs(&world, 2, "changed", &[room]).await, [1], "while it is made");
    indexed(&world).await;
    assert_eq!(seqs(&world, 2, "changed", &[room]).await, [1]);
    assert!(seqs(&world, 2, "first", &[room]).await.is_empty());
    assert_eq!(seqs(&world, 2, "line 700", &[room]).await, [702]);
}

/// Whether any file of the store has these bytes.
fn in_files(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(directory).expect("it exists").flatten();
    let having = files.filter(|file| {
        let content = std::fs::read(file.path()).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    });
    having
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Of a recalled message no sign is left in the log, the index or the write-ahead log; an edited one's older words, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_leaves_the_files() {
    // A character of its own each, so that one pair in the index gives it away: the second is not shortened there.
    let (older, newer) = ("龘䶮", "靐㐀");
    let mut world = World::new(&Sqlite).await;
    let room = world
        .done(1, send_to(2, format!("nobody says {older}")))
        .await
        .conversation;
    let mut dice = Dice(5);
    let any = |dice: &mut Dice| (0..9).map(|_| any_text(dice)).collect::<String>();
    all_at_once(&world, 1, (0..300).map(|_| send(room, any(&mut dice)))).await;
    talk_until_indexed(&world).await;
    world.done(1, edit(room, 1, &format!("or {newer}"))).await;
    assert_eq!(seqs(&world, 2, newer, &[room]).await, [1]);
    assert!(
        seqs(&world, 2, older, &[room]).await.is_empty(),
        "the older words are found no more"
    );
    let last = |word: &str| word.chars().last().expect("two").to_string().into_bytes();
    let look = |directory: &Path| [older, newer].map(|word| in_files(directory, &last(word)));
    world = world
        .reopen_after(|directory| assert!(look(directory).iter().all(|files| !files.is_empty())))
        .await;
    world.done(1, recall(room, 1)).await;
    assert!(seqs(&world, 2, newer, &[room]).await.is_empty());
    let world = world
        .reopen_after(|directory| assert_eq!(look(directory), [const { Vec::<String>::new() }; 2]))
        .await;
    assert!(seqs(&world, 2, older, &[room]).await.is_empty());
}

/// The step that brought captions into the index, and those after it.
fn before_captions(directory: &Path) {
    let db = database(directory);
    // As a build from before has left it: its mark says that all is in, and nothing of files is.
    let mark = "SELECT value FROM meta WHERE key = 'indexed'";
    let mark: [u8; 8] = db.query_row(mark, [], |row| row.get(0)).expect("a mark");
    without_index(directory);
    db.execute("INSERT INTO meta (key, value) VALUES ('indexed', ?1)", [mark])
        .expect("the tables are known");
    // A step that is added later is undone here, too.
    db.execute_batch(
        "DROP TABLE blob_gone; DROP INDEX upload_blob; DROP INDEX user_avatar; ALTER TABLE user DROP COLUMN avatar;
         DROP TABLE follow_change; DROP INDEX personal_hidden; ALTER TABLE push_due DROP COLUMN first; ALTER TABLE push_waiting DROP COLUMN first;
         DROP TABLE bot_token; ALTER TABLE user DROP COLUMN bot;
         DROP INDEX personal_reading;
         PRAGMA user_version = 9",
    )
    .expect("the steps are known");
}

/// An index from before captions were in it is made anew, so that nothing is taken out of it that it does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_without_captions_is_made_anew() {
    let mut world = World::new(&Sqlite).await;
    let room = world.done(1, send_to(2, "first words")).await.conversation;
    let blob = crate::retention::brought(&world, 1, 3).await;
    let mut said = Vec::new();
    for caption in ["a heron", "two herons"] {
        let command = crate::retention::said(room, crate::retention::file(blob, caption), None, false);
        said.push(world.done(1, command).await.seq);
    }
    talk_until_indexed(&world).await;
    assert_eq!(seqs(&world, 2, "heron name", &[room]).await, [3, 2]);
    world = world.reopen_after(before_captions).await;
    world.done(1, recall(room, said[0])).await;
    world
        .done(1, crate::retention::edit_file(room, said[1], blob, "a wagtail"))
        .await;
    talk_until_indexed(&world).await;
    assert!(seqs(&world, 2, "heron", &[room]).await.is_empty());
    assert_eq!(seqs(&world, 2, "wagtail", &[room]).await, [3]);
    assert_eq!(seqs(&world, 2, "first", &[room]).await, [1]);
    let world = world
        .reopen_after(|directory| {
            let db = database(directory);
            let sound = db.execute(
                "INSERT INTO search (search, rank) VALUES ('integrity-check', 0)",
                [],
            );
            sound.expect("the index is sound");
            let rows: i64 = db
                .query_row(
                    "SELECT count(*) FROM search WHERE search MATCH '\"he\"'",
                    [],
                    |row| row.get(0),
                )
                .expect("it can be asked");
            assert_eq!(rows, 0, "words of what is gone are in the index");
        })
        .await;
    assert!(locked(&world.setup.fatal).is_empty());
}

/// The index can be made from the log at any time, so its damage stops nobody: whoever finds it, the writer mends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_index_is_made_again() {
    let mut world = World::new(&Sqlite).await;
    let room = world.done(1, send_to(2, "first words")).await.conversation;
    let lines = (0..2 * INDEX_ROWS).map(|at| send(room, format!("line {at}")));
    all_at_once(&world, 1, lines).await;
    world.done(1, send(room, "last words")).await;
    talk_until_indexed(&world).await;
    for (round, target) in [1, 2].into_iter().enumerate() {
        world = world
            .reopen_after(|directory| {
                let spoilt = "UPDATE search_data SET block = x'00000004ffffffff' WHERE id > 10";
                assert!(
                    database(directory)
                        .execute(spoilt, [])
                        .expect("the tables are known")
                        > 0
                );
            })
            .await;
        if round == 0 {
            let found = world.store.search(wanted(2, "first", &[room])).await;
            assert_eq!(found.expect_err("it does not read").code, Code::Busy);
            let deadline = Instant::now() + Duration::from_secs(30);
            while world.store.search(wanted(2, "first", &[room])).await.is_err() {
                assert!(Instant::now() < deadline, "the index is not mended");
            }
        }
        world.done(1, recall(room, target)).await;
        talk_until_indexed(&world).await;
        assert!(seqs(&world, 2, "first", &[room]).await.is_empty());
        assert_eq!(seqs(&world, 2, "line 300", &[room]).await, [302]);
        assert_eq!(seqs(&world, 2, "last", &[room]).await.len(), 1);
    }
    assert!(locked(&world.setup.fatal).is_empty(), "nothing of it was fatal");
}

/// Rows that the index does not have are looked through, so many at a time, whosever they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn far_behind_a_search_is_partial() {
    let world = World::new(&Sqlite).await;
    let room = world.done(1, send_to(2, "needle")).await.conversation;
    let other = world.done(3, send_to(4, "other")).await.conversation;
    for _ in 0..=SEARCH_TAIL / 400 {
        all_at_once(&world, 3, (0..400).map(|_| send(other, "line"))).await;
    }
    indexed(&world).await;
    let page = world
        .store
        .search(wanted(2, "needle", &[room]))
        .await
        .expect("readable");
    assert!(!page.partial && page.next.is_none() && page.hits.len() == 1);
    let held = world.hold().await;
    database(world.directory.path())
        .execute_batch("DELETE FROM meta WHERE key = 'indexed'")
        .expect("a mark is a row");
    let page = world
        .store
        .search(wanted(2, "needle", &[room]))
        .await
        .expect("readable");
    assert!(
        page.partial && page.next.is_some() && page.hits.is_empty(),
        "{SEARCH_TAIL} rows end a page"
    );
    assert_eq!(seqs(&world, 2, "needle", &[room]).await, [1]);
    drop(held);
}
