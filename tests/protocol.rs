//! `docs/PROTOCOL.md` says what the code does: every example is read and written by the real types, everything that can be
//! said has an example, and the tables are the code's own. `KINGLET_UPDATE_GOLDEN=1` rewrites the tables.
//! What must not live here: schema files (see `schema.rs`), and what the server does with what it reads.

#[path = "protocol/document.rs"]
mod document;
#[path = "protocol/roles.rs"]
mod roles;
#[path = "protocol/rows.rs"]
mod rows;
#[path = "protocol/tables.rs"]
mod tables;

use std::collections::BTreeSet;
use std::fs;

use document::{Example, Shape, examples, is_updating, page, page_path, rewrite, shapes};
use kinglet::limits;
use kinglet::proto::answer::WelcomeLimits;
use kinglet::proto::{Code, Refusal, SUBPROTOCOL, codec, command, event};
use serde_json::Value;

/// What is wrong with an example, if anything.
fn complaint(example: &Example, shapes: &[Shape]) -> Option<String> {
    let at = format!("PROTOCOL.md:{}", example.line);
    let Some(shape) = shapes.iter().find(|shape| shape.name == example.shape) else {
        return Some(format!(
            "{at}: a JSON block must say what it is; `{}` is no shape",
            example.shape
        ));
    };
    match (shape.again)(&example.value) {
        Err(error) => Some(format!("{at}: {error}")),
        Ok(again) if again != example.value => Some(format!(
            "{at}: reads, but is written as\n  {again}\nnot\n  {}",
            example.value
        )),
        Ok(_) => None,
    }
}

#[test]
fn every_example_is_read_and_written_as_it_stands() {
    let (page, shapes) = (page(), shapes());
    let complaints: Vec<String> = examples(&page)
        .iter()
        .filter_map(|example| complaint(example, &shapes))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_wrong_example_is_noticed() {
    let shapes = shapes();
    let wrong = [
        ("request", r#"{"id":1,"type":"sync","limt":5}"#),
        ("request", r#"{"id":1,"type":"dance"}"#),
        (
            "request",
            r#"{"id":1,"type":"mark_read","conversation":"u1ada7x3q9k","seq":1}"#,
        ),
        (
            "reply",
            r#"{"re":1,"type":"ack","conversation":"c5f9k2m8xqa","seq":1}"#,
        ),
        (
            "event",
            r#"{"type":"evnt","conversation":"c5f9k2m8xqa","seq":1,"count":0,"ts":1,"by":"u1ada7x3q9k","client_id":"01993c5e-8a10-7000-8f3b-2d1c0a9e7701","kind":"left"}"#,
        ),
        ("notice", r#"{"type":"position"}"#),
        (
            "error",
            r#"{"error":{"code":"no_such_code","message":"x","next":"y"}}"#,
        ),
        ("http:SignIn", r#"{"name":"ada"}"#),
        ("http:Nothing", "{}"),
        ("", "{}"),
    ];
    for (shape, text) in wrong {
        let page = format!("text\n\n```json {shape}\n{text}\n```\n");
        let found = examples(&page);
        assert_eq!((found.len(), found[0].line), (1, 4), "{text}");
        let said = complaint(&found[0], &shapes).unwrap_or_else(|| panic!("passes as {shape}: {text}"));
        assert!(said.starts_with("PROTOCOL.md:4: "), "{said}");
    }
}

/// The words of a field in the examples of a shape.
fn said(examples: &[Example], shape: &str, pointer: &str) -> BTreeSet<String> {
    let of_shape = examples.iter().filter(|example| example.shape == shape);
    of_shape
        .filter_map(|example| example.value.pointer(pointer)?.as_str().map(str::to_owned))
        .collect()
}

fn assert_all(what: &str, known: impl IntoIterator<Item = impl Into<String>>, said: &BTreeSet<String>) {
    let missing: Vec<String> = known
        .into_iter()
        .map(Into::into)
        .filter(|word| !said.contains(word))
        .collect();
    assert!(
        missing.is_empty(),
        "{what} without an example in PROTOCOL.md: {missing:?}"
    );
}

/// The values of `type` that a schema with alternatives knows.
fn types_of(schema: &Value) -> Vec<String> {
    let alternatives = schema["oneOf"].as_array().expect("told apart by `type`");
    let types = alternatives
        .iter()
        .map(|one| one["properties"]["type"]["const"].as_str().expect("a constant"));
    types.map(str::to_owned).collect()
}

#[test]
fn everything_that_can_be_said_has_an_example() {
    let (page, shapes) = (page(), shapes());
    let examples = examples(&page);
    let schema = |name: &str| {
        let shape = shapes
            .iter()
            .find(|shape| shape.name == name)
            .expect("a shape of ours");
        (shape.schema)()
    };
    assert_all(
        "a command",
        command::TYPES.iter().copied(),
        &said(&examples, "request", "/type"),
    );
    assert_all(
        "a kind of event",
        event::KINDS.iter().copied(),
        &said(&examples, "event", "/kind"),
    );
    assert_all(
        "an answer",
        types_of(&schema("reply")),
        &said(&examples, "reply", "/type"),
    );
    assert_all(
        "a notice",
        types_of(&schema("notice")),
        &said(&examples, "notice", "/type"),
    );
    assert_all(
        "a refusal",
        Code::ALL.iter().map(|code| code.text()),
        &said(&examples, "error", "/error/code"),
    );
    let used: BTreeSet<String> = examples.iter().map(|example| example.shape.clone()).collect();
    assert_all("a shape", shapes.iter().map(|shape| shape.name), &used);
    assert_eq!(
        types_of(&schema("request")),
        command::TYPES,
        "the types and the list of them"
    );
}

#[test]
fn every_word_has_its_place_in_the_text() {
    let page = page();
    let missing = |wanted: Vec<String>| {
        wanted
            .into_iter()
            .filter(|text| !page.contains(text))
            .collect::<Vec<_>>()
    };
    let headings = command::TYPES
        .iter()
        .filter(|kind| **kind != "hello")
        .map(|kind| format!("\n#### `{kind}`\n"));
    let kinds = event::KINDS.iter().map(|kind| format!("\n| `{kind}` | "));
    let missing = missing(headings.chain(kinds).collect());
    assert!(missing.is_empty(), "PROTOCOL.md lacks {missing:?}");
}

/// Collects the names of all fields of a schema, wherever they stand.
fn fields_of(schema: &Value, fields: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(Value::Object(properties)) = parts.get("properties") {
                fields.extend(properties.keys().cloned());
            }
            parts.values().for_each(|part| fields_of(part, fields));
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields_of(part, fields)),
        _ => {}
    }
}

fn keys_of(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(parts) => {
            keys.extend(parts.keys().cloned());
            parts.values().for_each(|part| keys_of(part, keys));
        }
        Value::Array(parts) => parts.iter().for_each(|part| keys_of(part, keys)),
        _ => {}
    }
}

#[test]
fn every_field_is_in_an_example() {
    let (page, mut all) = (page(), Vec::new());
    let examples = examples(&page);
    for shape in &shapes() {
        let (mut fields, mut keys) = (BTreeSet::new(), BTreeSet::new());
        fields_of(&(shape.schema)(), &mut fields);
        // Pages carry events, lists carry what has an example of its own.
        let family = if shape.name.starts_with("http:") {
            "http:"
        } else {
            shape.name
        };
        let own = examples
            .iter()
            .filter(|example| example.shape.starts_with(family) || example.shape == "event");
        own.for_each(|example| keys_of(&example.value, &mut keys));
        all.extend(
            fields
                .difference(&keys)
                .map(|field| format!("{} {field}", shape.name)),
        );
    }
    assert!(
        all.is_empty(),
        "fields that no example in PROTOCOL.md shows: {all:?}"
    );
}

#[test]
fn refusals_in_examples_give_the_codes_own_advice() {
    for example in examples(&page())
        .iter()
        .filter(|example| example.shape == "error")
    {
        let refusal = &example.value["error"];
        let known = Code::ALL
            .iter()
            .find(|code| refusal["code"] == code.text())
            .expect("checked by another test");
        assert_eq!(
            refusal["next"],
            Refusal::new(*known).next,
            "PROTOCOL.md:{}",
            example.line
        );
    }
}

#[test]
fn the_numbers_in_the_text_are_the_limits() {
    let page = page();
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let welcome = WelcomeLimits {
        frame_bytes: limits::FRAME_DEFAULT,
        body_bytes: limits::BODY_BYTES,
        in_flight: limits::IN_FLIGHT,
        page_events: limits::PAGE_EVENTS,
        ping_ms: u64::try_from(limits::PING_EVERY.as_millis()).expect("a small number"),
    };
    let welcome = serde_json::to_value(welcome).expect("limits encode");
    for example in examples(&page)
        .iter()
        .filter(|example| example.value["type"] == "welcome")
    {
        assert_eq!(example.value["limits"], welcome, "PROTOCOL.md:{}", example.line);
    }
    let number = tables::number;
    let sentences = [
        format!(
            "within {} seconds and {}",
            limits::SIGN_IN_TIME.as_secs(),
            kib(limits::FRAME_BEFORE_SIGN_IN)
        ),
        format!(
            "connection every {} seconds and sends",
            limits::PING_EVERY.as_secs()
        ),
        format!(
            "After {} seconds without any frame",
            limits::PING_EVERY.as_secs() * 2
        ),
        format!("no progress for {} seconds", limits::WRITE_TIME.as_secs()),
        format!("in more than {} fragments", number(limits::FRAGMENTS as usize)),
        format!("nesting beyond {}", limits::JSON_DEPTH),
        format!("1 to {} bytes as it stands in JSON", number(limits::BODY_BYTES)),
        format!("**titles** at most {} bytes", limits::TITLE_BYTES),
        format!("(1 to {} bytes, no blanks", limits::EMOJI_BYTES),
        format!("conversations of up to {} members", limits::NOTICE_MEMBERS),
        format!("at most {}, each once", limits::USERS_PER_COMMAND),
        format!("1 to {} events; 50 when left out", limits::PAGE_EVENTS),
        format!("ends early at {} of bodies", kib(limits::PAGE_BYTES)),
        format!("at most the first {}:", limits::PAGE_ANNOTATIONS),
        format!("(1 to {}; 100 when left out)", limits::LIST_ROWS),
        format!("after {} others have left", number(limits::DEPARTURES)),
        format!("(at most {}; 0 when left out)", limits::POLL_WAIT.as_secs()),
        format!(
            "JSON bodies (`Content-Type: application/json`) of at most {}",
            kib(limits::HTTP_BODY)
        ),
        format!("and {} where no token", kib(limits::BYTES_BEFORE_SIGN_IN)),
        format!("fragments included, has {}", kib(limits::BYTES_BEFORE_SIGN_IN)),
        format!(
            "A request must arrive within {} seconds",
            limits::HTTP_TIME.as_secs()
        ),
        format!(
            "`uses` is 1 to {} (1 when",
            number(limits::INVITATION_USES as usize)
        ),
        format!("`days` 1 to {} (the", limits::INVITATION_DAYS),
        format!("({} devices signed in,", limits::DEVICES_PER_USER),
        format!("`Sec-WebSocket-Protocol: {SUBPROTOCOL}`"),
    ];
    let flowing = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<&String> = sentences
        .iter()
        .filter(|sentence| !flowing.contains(*sentence))
        .collect();
    assert!(missing.is_empty(), "PROTOCOL.md no longer says {missing:#?}");
}

#[test]
fn the_quick_start_types_real_frames() {
    let page = page();
    let frames: Vec<&str> = page
        .lines()
        .take_while(|line| *line != "## Words and forms")
        .filter(|line| line.starts_with("{\"id\""))
        .collect();
    assert_eq!(frames.len(), 2);
    for frame in frames {
        codec::decode(frame).unwrap_or_else(|bad| panic!("{frame}: {}", bad.refusal));
    }
}

/// The page with a region replaced.
fn with_region(page: &str, name: &str, content: &str) -> String {
    let begin = format!("<!-- golden: {name} -->\n");
    let (head, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("PROTOCOL.md lacks {begin}"));
    let (_, tail) = rest
        .split_once("<!-- end golden -->")
        .expect("a region has an end");
    format!("{head}{begin}{content}<!-- end golden -->{tail}")
}

#[test]
fn the_tables_are_the_codes_own() {
    let before = page();
    let regions = [
        ("roles", roles::roles()),
        ("refusals", tables::refusals()),
        ("refusal-examples", tables::refusal_examples()),
        ("limits", tables::limits()),
    ];
    if is_updating() {
        let after = regions
            .iter()
            .fold(before, |page, (name, content)| with_region(&page, name, content));
        rewrite(&page_path(), &after);
        return;
    }
    for (name, content) in &regions {
        let stale = with_region(&before, name, content) != before;
        assert!(
            !stale,
            "the table `{name}` of PROTOCOL.md is stale: KINGLET_UPDATE_GOLDEN=1 cargo test --test protocol\n{content}"
        );
    }
}

/// A heading's anchor, as the usual renderers make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim_start_matches('#')
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

#[test]
fn every_link_inside_the_page_leads_somewhere() {
    let page = page();
    let anchors: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    let links = page
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link);
    let broken: Vec<&str> = links.filter(|link| !anchors.contains(*link)).collect();
    assert!(broken.is_empty(), "PROTOCOL.md links to {broken:?}");
}

#[test]
fn every_route_of_the_accounts_is_listed() {
    let page = page();
    let routes = fs::read_to_string(page_path().with_file_name("openapi.json")).expect("it is in the tree");
    let routes: Value = serde_json::from_str(&routes).expect("it is JSON");
    let mut missing = Vec::new();
    for (path, methods) in routes["paths"].as_object().expect("it has paths") {
        let Some(path) = path.strip_prefix("/api/v1/") else {
            continue;
        };
        let methods = methods.as_object().expect("a path has methods").iter();
        let accounts = methods.filter(|(_, operation)| operation["tags"][0] != "live");
        let rows = accounts.map(|(method, _)| format!("\n| `{} {path}", method.to_uppercase()));
        missing.extend(
            rows.filter(|row| !page.contains(&format!("{row}`")) && !page.contains(&format!("{row}?"))),
        );
    }
    assert!(missing.is_empty(), "PROTOCOL.md lacks {missing:?}");
}
