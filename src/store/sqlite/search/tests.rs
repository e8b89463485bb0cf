//! What an entry of the index is, on a real index in memory. What must not live here: the walk, which needs a log.

use super::super::rows::{SALT, pack};
use super::super::schema;
use super::*;
use crate::proto::{Body, What};

fn message(pos: Pos, words: &str) -> Row {
    let body = Some(Body::Text { text: words.into() });
    let (kind, target, body) = pack(&What::message(body, None));
    Row {
        pos,
        conversation: 0xc0,
        seq: pos,
        count: pos,
        kind,
        unsynchronised: false,
        sender: 0xa1,
        device: 1,
        client: [0; 16],
        ts: 0,
        target,
        digest: None,
        salt: vec![0; SALT],
        body,
    }
}

fn matching(connection: &Connection, asked: &str) -> Vec<i64> {
    let mut statement = connection
        .prepare("SELECT rowid FROM search WHERE search MATCH ?1 ORDER BY rowid DESC")
        .expect("the table is there");
    let rows = statement
        .query_map([asked], |row| row.get(0))
        .expect("it is asked");
    rows.collect::<rusqlite::Result<_>>().expect("it answers")
}

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::migrate(&mut connection).expect("the tables");
    connection
}

#[test]
fn an_entry_is_pairs_and_whose_it_is() {
    assert_eq!(
        entry(&message(1, ""), "Ab c 北京"),
        "ab 北京 \u{e100}c0 \u{e101}a1"
    );
    let signs = entry(&message(1, ""), r#"c+"*"#);
    assert!(!signs.contains(['+', '"', '*']), "{signs}");
}

#[test]
fn every_sign_is_a_letter_to_the_index() {
    let database = database();
    let all: String = (1..0x2fff).filter_map(char::from_u32).collect();
    let last = message(2, &all);
    insert(&database, &last, &all).expect("it fits");
    for pair in pairs(&fold(&all)) {
        let mut part = String::new();
        push_pair(&mut part, pair);
        assert_eq!(matching(&database, &format!("\"{part}\"")), [2], "{pair:?}");
    }
    assert_eq!(matching(&database, "\"\u{e100}c0\" AND \"\u{e101}a1\""), [2]);
}

#[test]
fn what_is_taken_out_leaves_no_pair() {
    let database = database();
    for pos in 1..=300 {
        let words = format!("row {pos} of many");
        insert(&database, &message(pos, &words), &words).expect("it fits");
    }
    let words = "row 200 of many";
    delete(&database, &message(200, words), words).expect("it goes");
    let rows = matching(&database, "\"ro\" AND \"\u{e100}c0\"");
    assert!(rows.len() == 299 && !rows.contains(&200));
    for pos in (1..=300).filter(|pos| *pos != 200) {
        let words = format!("row {pos} of many");
        delete(&database, &message(pos, &words), &words).expect("it goes");
    }
    database
        .execute_batch("CREATE VIRTUAL TABLE words USING fts5vocab (search, row)")
        .expect("a view of the index");
    let left: i64 = database
        .query_row("SELECT count(*) FROM words", [], |row| row.get(0))
        .expect("it reads");
    assert_eq!(left, 0);
}

#[test]
fn an_index_can_begin_anew() {
    let database = database();
    insert(&database, &message(1, "abc"), "abc").expect("it fits");
    set_indexed(&database, 7).expect("a mark");
    empty(&database).expect("it begins anew");
    assert_eq!(indexed(&database).expect("it reads"), 0);
    assert!(matching(&database, "\"ab\"").is_empty());
    insert(&database, &message(1, "abc"), "abc").expect("it fits again");
    assert_eq!(matching(&database, "\"ab\""), [1]);
}
