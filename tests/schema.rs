//! The files of `docs/schema/`: generated from the types, and true of every example of `docs/PROTOCOL.md`.
//! `KINGLET_UPDATE_GOLDEN=1` rewrites them. What must not live here: the examples, and what the page says of them.

#[path = "protocol/document.rs"]
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use document::{Shape, examples, is_updating, page, page_path, rewrite, shapes};
use jsonschema::Validator;
use serde_json::{Value, json};

fn pretty(schema: &Value) -> String {
    let text = serde_json::to_string_pretty(schema).expect("a schema encodes");
    format!("{text}\n")
}

fn folder() -> PathBuf {
    page_path().with_file_name("schema")
}

/// Where a shape's schema file lies.
fn file_of(shape: &Shape) -> PathBuf {
    folder().join(format!("{}.json", shape.name.replace(':', "/")))
}

fn files_in(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is in the tree") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn the_files_are_the_types() {
    let shapes = shapes();
    if is_updating() {
        for shape in &shapes {
            let path = file_of(shape);
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be made");
            rewrite(&path, &pretty(&(shape.schema)()));
        }
    }
    for shape in &shapes {
        let path = file_of(shape);
        let there = fs::read_to_string(&path).unwrap_or_default();
        let stale = there != pretty(&(shape.schema)());
        assert!(
            !stale,
            "{} is stale: KINGLET_UPDATE_GOLDEN=1 cargo test --test schema",
            path.display()
        );
    }
    let mut files = BTreeSet::new();
    files_in(&folder(), &mut files);
    let known: BTreeSet<PathBuf> = shapes.iter().map(file_of).collect();
    assert_eq!(
        files, known,
        "a schema file without its type, or a type without its file"
    );
}

fn validator(shape: &Shape) -> Validator {
    // From the file, not from the types: the file is what a client author has.
    let text = fs::read_to_string(file_of(shape)).expect("compared by another test");
    let schema: Value = serde_json::from_str(&text).expect("a schema file is JSON");
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema of ours is a schema")
}

#[test]
fn every_example_of_the_page_is_valid() {
    let validators: BTreeMap<&str, Validator> = shapes()
        .iter()
        .map(|shape| (shape.name, validator(shape)))
        .collect();
    let (page, mut complaints) = (page(), Vec::new());
    for example in examples(&page) {
        let validator = &validators[example.shape.as_str()];
        let errors = validator.iter_errors(&example.value);
        complaints.extend(errors.map(|error| format!("PROTOCOL.md:{}: {error}", example.line)));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// An example of the page with one thing changed: the shape, the place, what stands there then (nothing: it is taken away).
fn spoilt(of: &Value, pointer: &str, with: Option<Value>) -> Value {
    let mut value = of.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
    let parent = value
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("the place is in an object");
    match with {
        Some(with) => drop(parent.insert(key.to_owned(), with)),
        None => drop(parent.remove(key).expect("there is something to take away")),
    }
    value
}

#[test]
fn bad_documents_are_refused_by_schema_and_reader_alike() {
    let (page, shapes) = (page(), shapes());
    let examples = examples(&page);
    let cases = [
        ("request", "send", "/client_id", None),
        ("request", "send", "/client_id", Some(json!("not-a-uuid"))),
        ("request", "send", "/body/kind", Some(json!("html"))),
        ("request", "send", "/body", Some(json!("Hello"))),
        ("request", "send", "/to", Some(json!("c5f9k2m8xqa"))),
        ("request", "mark_read", "/seq", Some(json!(-1))),
        ("request", "mark_read", "/seq", Some(json!("2"))),
        (
            "request",
            "mark_read",
            "/conversation",
            Some(json!("c5f9k2m8xqi")),
        ),
        ("request", "create", "/kind", Some(json!("club"))),
        ("request", "role", "/role", Some(json!("king"))),
        ("request", "typing", "/on", None),
        ("request", "sync", "/type", Some(json!("dance"))),
        ("request", "sync", "/id", None),
        ("request", "sync", "/id", Some(json!(1.5))),
        ("reply", "ack", "/seq", None),
        ("reply", "welcome", "/catch_up", Some(json!("perhaps"))),
        ("reply", "welcome", "/limits/in_flight", None),
        ("event", "event", "/seq", None),
        ("event", "event", "/by", Some(json!("ada"))),
        ("event", "event", "/kind", Some(json!("vanished"))),
        ("event", "event", "/type", Some(json!("evnt"))),
        ("notice", "position", "/resume", None),
        ("notice", "typing", "/user", Some(json!(null))),
    ];
    for (shape, kind, pointer, with) in cases {
        let good = examples
            .iter()
            .find(|example| {
                example.shape == shape
                    && example.value["type"] == kind
                    && example.value.pointer(pointer).is_some()
            })
            .unwrap_or_else(|| panic!("the page has no {shape} {kind} with {pointer}"));
        let shape = shapes
            .iter()
            .find(|known| known.name == shape)
            .expect("a shape of ours");
        let bad = spoilt(&good.value, pointer, with);
        assert!(!validator(shape).is_valid(&bad), "the schema passes {bad}");
        assert_ne!((shape.again)(&bad).as_ref(), Ok(&bad), "the reader passes {bad}");
    }
}

#[test]
fn schemas_let_unknown_fields_pass() {
    let (page, shapes) = (page(), shapes());
    for shape in &shapes {
        let validator = validator(shape);
        let example = examples(&page)
            .into_iter()
            .find(|example| example.shape == shape.name)
            .expect("every shape has one");
        let newer = spoilt(&example.value, "/of_a_later_version", Some(json!({"x": [1]})));
        assert!(
            validator.is_valid(&newer),
            "{}: a later version's field is refused",
            shape.name
        );
    }
}
