//! That each command, route, kind of event and notice has its row, and no row names what does not exist.
//! What must not live here: what a row says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kinglet::proto::command::TYPES;
use serde_json::Value;

use crate::hearing::kind_of;
use crate::table::{PERSONAS, Row};

/// Served without standing in the API's description.
const UNDESCRIBED: [(&str, &str); 4] = [("GET", "/"), ("GET", "/metrics"), ("GET", "/ws"), ("WS", "/ws")];
/// Notices that tell a connection of itself, whatever is said anywhere.
const OF_ITSELF: [&str; 2] = ["position", "behind"];
/// The operator's own door, which the network must not reach.
const CONSOLE: &str = "/console/";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn json_file(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).expect("the generated file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// What is missing, and what is named and does not exist.
fn compare(what: &str, exist: &BTreeSet<String>, named: &BTreeMap<String, String>) -> Vec<String> {
    let missing = exist.iter().filter(|name| !named.contains_key(*name));
    let missing = missing.map(|name| format!("{what} `{name}` has no row: who may, and who sees it?"));
    let unknown = named.iter().filter(|(name, _)| !exist.contains(*name));
    let unknown = unknown.map(|(name, place)| format!("{place}: there is no {what} `{name}`"));
    missing.chain(unknown).collect()
}

fn places<'a>(rows: &'a [Row], name: impl Fn(&'a Row) -> String) -> BTreeMap<String, String> {
    rows.iter().map(|row| (name(row), row.place.clone())).collect()
}

/// Every command of the protocol.
pub fn commands(rows: &[Row]) -> Vec<String> {
    let exist = TYPES.iter().map(|name| (*name).to_owned()).collect();
    let kind = |row: &Row| {
        let after = row.request.split("\"type\":\"").nth(1).unwrap_or_default();
        after.split('"').next().unwrap_or_default().to_owned()
    };
    compare("command", &exist, &places(rows, kind))
}

/// The constants of a schema's alternatives: `message`, `edited`, ...
fn kinds(file: &str, key: &str) -> BTreeSet<String> {
    let schema = json_file(file);
    let alternatives = schema["oneOf"].as_array().expect("the schema lists alternatives");
    let names = alternatives
        .iter()
        .filter_map(|one| one["properties"][key]["const"].as_str());
    names.map(str::to_owned).collect()
}

/// Every kind of event and every notice. Of each kind somebody must hear.
pub fn events(rows: &[Row]) -> Vec<String> {
    let of = |notices: bool| {
        let rows = rows.iter().filter(move |row| kind_of(row).1 == notices);
        rows.map(|row| (kind_of(row).0.to_owned(), row.place.clone()))
            .collect()
    };
    let mut notices = kinds("docs/schema/notice.json", "type");
    notices.retain(|name| !OF_ITSELF.contains(&name.as_str()));
    let mut complaints = compare(
        "kind of event",
        &kinds("docs/schema/event.json", "kind"),
        &of(false),
    );
    complaints.extend(compare("notice", &notices, &of(true)));
    for name in rows.iter().map(|row| kind_of(row).0).collect::<BTreeSet<_>>() {
        let mut own = rows.iter().filter(|row| kind_of(row).0 == name);
        if !own.any(|row| row.words.iter().any(|word| word == "hears")) {
            complaints.push(format!("nobody hears `{name}`: then its rows show nothing"));
        }
    }
    complaints
}

/// Every route: those of the API's description by method and address, the others by what the source routes.
pub fn routes(rows: &[Row]) -> Vec<String> {
    let described = described(&json_file("docs/openapi.json"));
    let mut complaints = against(&described, rows);
    let sources = sources();
    let routed: BTreeSet<String> = sources
        .iter()
        .flat_map(|text| literals(text, ".route(\""))
        .collect();
    assert!(
        routed.len() > 10,
        "the routes are not where they were: {routed:?}"
    );
    for path in routed {
        let known = |prefix: &str| {
            let path = format!("{prefix}{path}");
            described.iter().any(|(_, other)| *other == path)
        };
        if !known("") && !known("/api/v1") {
            complaints.push(format!(
                "the source routes `{path}`, which neither docs/openapi.json nor UNDESCRIBED knows"
            ));
        }
    }
    let console: BTreeSet<String> = sources
        .iter()
        .flat_map(|text| literals(text, "=\"/console/"))
        .collect();
    for path in console {
        let path = format!("{CONSOLE}{path}");
        if !rows.iter().any(|row| row.has("@absent") && line(row).1 == path) {
            complaints.push(format!(
                "`{path}` has no row @absent: the network must not reach it"
            ));
        }
    }
    complaints
}

fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("the description has paths");
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().expect("a path has operations").keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let undescribed = UNDESCRIBED.map(|(method, path)| (method.to_owned(), path.to_owned()));
    operations.chain(undescribed).collect()
}

fn against(described: &BTreeSet<(String, String)>, rows: &[Row]) -> Vec<String> {
    let mut named = BTreeMap::new();
    let mut complaints = Vec::new();
    for row in rows {
        let (method, path) = line(row);
        let fits = |other: &&(String, String)| other.0 == method && matches(&other.1, &path);
        // A route that is written out goes before one with a parameter.
        let found = described
            .iter()
            .filter(fits)
            .min_by_key(|(_, path)| path.matches('{').count());
        match (found, row.has("@absent")) {
            (Some((method, path)), true) => {
                complaints.push(format!("{}: @absent, but there is {method} {path}", row.place));
            }
            (None, true) => {}
            (Some((method, path)), false) => {
                named.insert(format!("{method} {path}"), row.place.clone());
            }
            (None, false) => {
                named.insert(format!("{method} {path}"), row.place.clone());
            }
        }
    }
    let exist = described
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    complaints.extend(compare("route", &exist, &named));
    complaints
}

/// Method and address of a row, without its query.
fn line(row: &Row) -> (String, String) {
    let mut words = row.request.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let address = words.next().unwrap_or_default();
    (method, address.split('?').next().unwrap_or_default().to_owned())
}

/// `/users/{id}` is `/users/{victim}` and `/users/u0000000000`.
fn matches(route: &str, path: &str) -> bool {
    let (route, path): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len()
        && route
            .iter()
            .zip(path)
            .all(|(part, own)| *part == own || (part.starts_with('{') && !own.is_empty()))
}

/// The source of the HTTP face.
fn sources() -> Vec<String> {
    fn walk(folder: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("the source is there").path();
            if path.is_dir() {
                walk(&path, texts);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                // Without blanks, since a long call is broken into lines.
                let text = std::fs::read_to_string(&path).expect("it is text");
                texts.push(text.split_whitespace().collect());
            }
        }
    }
    let mut texts = Vec::new();
    walk(&root().join("src/gateway/http"), &mut texts);
    texts
}

/// The rests of string literals that begin like this.
fn literals(text: &str, begin: &str) -> Vec<String> {
    let found = text.split(begin).skip(1).filter_map(|rest| rest.split_once('"'));
    found.map(|(literal, _)| literal.to_owned()).collect()
}

/// A row that asks of nobody at all, or of everybody the same, hides a column: each table has somebody who is refused.
pub fn nobody_is_left_out(rows: &[Row]) -> Vec<String> {
    let column = |at: usize| rows.iter().any(|row| row.words[at] != "-");
    let empty = PERSONAS.iter().enumerate().filter(|(at, _)| !column(*at));
    empty
        .map(|(_, name)| format!("no row asks anything of `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{load, parse};

    fn table(lines: &[(&str, &str)]) -> Vec<Row> {
        let head = format!("personas | {} |\n", PERSONAS.join(" "));
        let words = ["hears"; PERSONAS.len()].join(" ");
        let rows = lines
            .iter()
            .map(|(name, asked)| format!("{name} | {words} | {asked}\n"));
        parse("t", &(head + &rows.collect::<String>())).expect("these are rows")
    }

    #[test]
    fn a_command_without_a_row_is_told_and_so_is_a_row_without_a_command() {
        let mut rows = load("commands").expect("the table is well-formed");
        rows.retain(|row| !row.request.contains("\"transfer\""));
        assert!(commands(&rows)[0].contains("`transfer` has no row"));
        let rows = table(&[("x", r#"{"type":"teleport"}"#)]);
        assert!(
            commands(&rows)
                .iter()
                .any(|why| why.contains("no command `teleport`"))
        );
    }

    #[test]
    fn a_kind_without_a_row_is_told_and_so_is_a_row_without_a_kind() {
        let mut rows = load("events").expect("the table is well-formed");
        rows.retain(|row| !row.name.starts_with("transferred") && !row.name.starts_with("notice read"));
        let complaints = events(&rows);
        assert!(
            complaints[0].contains("`transferred` has no row") && complaints[1].contains("notice `read`")
        );
        assert!(
            events(&table(&[("sung", "{}")]))
                .iter()
                .any(|why| why.contains("`sung`"))
        );
    }

    #[test]
    fn a_route_without_a_row_is_told_and_so_is_a_row_without_a_route() {
        let mut rows = load("http").expect("the table is well-formed");
        assert_eq!(routes(&rows), Vec::<String>::new());
        rows.retain(|row| !row.request.starts_with("DELETE /api/v1/devices/{"));
        assert!(routes(&rows)[0].contains("`DELETE /api/v1/devices/{id}` has no row"));
        rows.retain(|row| !row.request.contains("/console/invite"));
        assert!(routes(&rows).iter().any(|why| why.contains("/console/invite")));
        let rows = table(&[("x", "GET /api/v1/secrets"), ("y @absent", "GET /health")]);
        let complaints = routes(&rows);
        assert!(
            complaints
                .iter()
                .any(|why| why.contains("no route `GET /api/v1/secrets`"))
        );
        assert!(
            complaints
                .iter()
                .any(|why| why.contains("@absent, but there is GET /health"))
        );
    }
}
