//! The house: which room stands on which floor, and that no arrow points up or sideways. What must not live here: rules
//! about anything but imports.

use crate::source::{Path, Source, paths};

/// The rooms of `src/`, lowest first. A new room gets its line here, in the same change.
const FLOORS: [(&str, u8); 14] = [
    ("limits", 1),
    ("clock", 1),
    ("meters", 1),
    ("planted", 1),
    ("proto", 2),
    ("core", 3),
    ("store", 4),
    ("hub", 4),
    ("session", 5),
    ("workers", 5),
    ("gateway", 6),
    ("app", 7),
    ("main", 8),
    ("lib", 8),
];

/// Faces speak to sessions in the protocol's words. Whatever else they want is behind `session`.
const GATEWAY_MAY_USE: [&str; 6] = ["proto", "session", "limits", "clock", "meters", "gateway"];

/// What would make the rules impure. Matched against the start of a path.
const NOT_IN_CORE: [&[&str]; 15] = [
    &["tokio"],
    &["futures_util"],
    &["axum"],
    &["hyper"],
    &["rusqlite"],
    &["serde_json"],
    &["getrandom"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "io"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "*"],
    &["std", "*"],
];

fn floor(room: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, floor)| *floor)
}

fn room_of(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    Some(first.trim_end_matches(".rs"))
}

pub fn arrows(source: &Source<'_>) -> Vec<String> {
    let path = source.path;
    let Some(room) = room_of(path) else {
        return Vec::new();
    };
    let Some(own) = floor(room) else {
        return vec![format!(
            "{path}: `{room}` stands on no floor; give it one in tests/tidy/floors.rs and DESIGN"
        )];
    };
    let mut found = aliases(source);
    let shipped = paths(&source.production);
    found.extend(
        shipped
            .iter()
            .filter_map(|p| Some((p.line, refused(path, room, own, target(path, p)?)?)))
            .map(|(line, why)| format!("{path}:{line}: {why}")),
    );
    // A test may stand its room on real furniture from any lower floor, or from next door, but never reach up.
    let tested = paths(&source.tests);
    found.extend(tested.iter().filter_map(|p| {
        let room = target(path, p)?;
        let why = match floor(room) {
            Some(theirs) if theirs <= own => return None,
            Some(theirs) => {
                format!("even a test on floor {own} may not reach up to `{room}` on floor {theirs}")
            }
            None => unknown(room),
        };
        Some(format!("{path}:{}: {why}", p.line))
    }));
    found
}

fn unknown(room: &str) -> String {
    format!(
        "`crate::{room}` is no room of the house; name the room that holds it, so that its floor can be seen"
    )
}

fn refused(path: &str, room: &str, own: u8, target: &str) -> Option<String> {
    if target == room || matches!(path, "src/lib.rs" | "src/main.rs") {
        return None;
    }
    let Some(theirs) = floor(target) else {
        return Some(unknown(target));
    };
    if room == "gateway" && !GATEWAY_MAY_USE.contains(&target) {
        return Some(format!(
            "gateway may only use {}, not `{target}`; ask session for it",
            GATEWAY_MAY_USE.join(", ")
        ));
    }
    if theirs > own {
        return Some(format!(
            "`{room}` on floor {own} may not reach up to `{target}` on floor {theirs}"
        ));
    }
    (theirs == own).then(|| format!("`{room}` and `{target}` share floor {own} and must not know each other"))
}

/// The room a path leads to, if it leaves through the crate's root.
fn target<'a>(file: &str, path: &Path<'a>) -> Option<&'a str> {
    match path.parts.as_slice() {
        ["crate" | "kinglet", room, ..] => Some(*room),
        parts => {
            let parts = if parts[0] == "self" { &parts[1..] } else { parts };
            let ups = parts.iter().take_while(|p| **p == "super").count();
            let room = *parts.get(ups)?;
            (ups > 0 && ups >= depth(file) && floor(room).is_some()).then_some(room)
        }
    }
}

/// How many `super` lead from a file to the crate's root.
fn depth(file: &str) -> usize {
    let inside = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    inside.split('/').count()
}

/// Another name for the root would hide every arrow that starts from it.
fn aliases(source: &Source<'_>) -> Vec<String> {
    let tokens = || source.production.iter().chain(&source.tests);
    let hidden = |one: &str, two: &str| one == "crate" && matches!(two, "as" | "self");
    tokens()
        .zip(tokens().skip(1))
        .filter(|(one, two)| hidden(one.text, two.text))
        .map(|(one, _)| {
            format!(
                "{}:{}: do not give the crate's root another name; arrows must be seen",
                source.path, one.line
            )
        })
        .collect()
}

pub fn pure_core(source: &Source<'_>) -> Vec<String> {
    if room_of(source.path) != Some("core") {
        return Vec::new();
    }
    let impure = |p: &Path<'_>| {
        NOT_IN_CORE.iter().any(|banned| p.parts.starts_with(banned))
            || p.names("SystemTime")
            || p.names("Instant")
    };
    paths(&source.production)
        .iter()
        .filter(|p| impure(p))
        .map(|p| {
            format!(
                "{}:{}: core is pure, it may not use `{}`; take the value as an argument from a floor above",
                source.path,
                p.line,
                p.parts.join("::")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::{clean, refused as caught};

    #[test]
    fn an_arrow_may_not_point_up() {
        caught(arrows, "src/proto/mod.rs", "use crate::core::Roster;");
        caught(arrows, "src/core/roster.rs", "fn f() { crate::store::open() }");
        caught(
            arrows,
            "src/session/mod.rs",
            "use crate::{limits::MAX, gateway::ws};",
        );
        caught(
            arrows,
            "src/store/sqlite/mod.rs",
            "use super::super::session::Session;",
        );
        caught(arrows, "src/limits.rs", "use super::proto::Id;");
        caught(arrows, "src/gateway/mod.rs", "use kinglet::app::serve;");
        caught(
            arrows,
            "src/core/roster.rs",
            "#[cfg(test)] mod tests { use crate::store::open; }",
        );
        clean(
            arrows,
            "src/session/mod.rs",
            "use crate::{limits::MAX, store::{self, Log}, session::submit};",
        );
        clean(
            arrows,
            "src/store/sqlite/mod.rs",
            "use super::contract::Log; // crate::session is not for us\n",
        );
        clean(
            arrows,
            "src/app/mod.rs",
            "use crate::{gateway, hub, store, session, core, proto, limits};",
        );
        clean(arrows, "src/main.rs", "fn main() { kinglet::app::main() }");
    }

    #[test]
    fn an_arrow_may_not_point_sideways() {
        caught(arrows, "src/store/mod.rs", "use crate::hub::Bell;");
        caught(arrows, "src/hub/tail.rs", "fn f(log: &crate::store::Log) {}");
        caught(arrows, "src/session/mod.rs", "use crate::workers::push;");
        caught(arrows, "src/workers/mod.rs", "use crate::session::Session;");
        caught(arrows, "src/clock.rs", "use crate::meters::TICKS;");
        clean(
            arrows,
            "src/hub/tail.rs",
            "#[cfg(test)] mod tests { use crate::store::memory; }",
        );
    }

    #[test]
    fn the_gateway_sees_nothing_below_sessions() {
        for room in ["store", "hub", "core"] {
            caught(arrows, "src/gateway/ws.rs", &format!("use crate::{room}::Thing;"));
        }
        clean(
            arrows,
            "src/gateway/ws.rs",
            "use crate::{proto::Frame, session, limits, clock, meters, gateway::tls};",
        );
    }

    #[test]
    fn a_room_without_a_floor_is_refused() {
        caught(arrows, "src/helpers/mod.rs", "");
        caught(arrows, "src/session/mod.rs", "use crate::Thing;");
        caught(arrows, "src/session/mod.rs", "use crate::*;");
        caught(arrows, "src/session/mod.rs", "use crate as k;");
        caught(arrows, "src/session/mod.rs", "extern crate self as k;");
    }

    #[test]
    fn core_stays_pure() {
        for bad in [
            "use tokio::sync::Mutex;",
            "use std::{fs, collections::BTreeMap};",
            "fn f(a: std::net::IpAddr) {}",
            "use std::time::{Duration, Instant};",
            "fn f(t: std::time::SystemTime) {}",
            "use rusqlite::Row;",
            "fn f() { serde_json::to_string(&1); }",
        ] {
            caught(pure_core, "src/core/roster.rs", bad);
            clean(pure_core, "src/store/roster.rs", bad);
        }
        clean(
            pure_core,
            "src/core/roster.rs",
            "use std::{collections::BTreeMap, time::Duration};",
        );
    }
}
