//! What may not be called, and where. What must not live here: imports between floors, sizes, prose.

use crate::source::{Path, Source, Token, past_closing, paths};

/// Files that may hold `unsafe`, each with the reason at its top. A new one is a decision, not an edit.
const UNSAFE_FILES: [&str; 5] = [
    "src/store/sqlite/fault_vfs/ffi.rs",
    "src/clock.rs",
    "src/app/systemd.rs",
    "src/app/pages.rs",
    "src/gateway/socket.rs",
];

/// How far above an `unsafe` block its SAFETY comment may begin.
const SAFETY_REACH: usize = 8;

fn talks_to_the_terminal(path: &str) -> bool {
    path == "src/main.rs" || path.starts_with("src/app/")
}

fn reads_the_clock(path: &str) -> bool {
    path == "src/clock.rs" || path.starts_with("src/app/")
}

pub fn banned_calls(source: &Source<'_>) -> Vec<String> {
    if !source.in_src() {
        return Vec::new();
    }
    let report = |line: usize, why: &str| format!("{}:{line}: {why}", source.path);
    let tokens = &source.production;
    let mut found: Vec<String> = Vec::new();
    for path in paths(tokens) {
        found.extend(banned_path(source.path, &path).map(|why| report(path.line, why)));
    }
    for at in 0..tokens.len() {
        // A oneshot channel holds one value: that is its bound.
        let before = &tokens[at.saturating_sub(3)..at];
        if tokens[at].text == "channel" && before.iter().any(|token| token.text == "oneshot") {
            continue;
        }
        found.extend(banned_tokens(source.path, &tokens[at..]).map(|why| report(tokens[at].line, &why)));
    }
    found
}

fn banned_path(file: &str, path: &Path<'_>) -> Option<&'static str> {
    if path.names("unbounded_channel")
        || path.names("unbounded")
        || path.has(&["std", "sync", "mpsc", "channel"])
    {
        return Some("an unbounded channel; use a bounded one whose size is named in limits.rs");
    }
    if path.has(&["Result", "unwrap"]) || path.has(&["Option", "unwrap"]) {
        return Some("unwrap; write expect(\"why it cannot fail\") or return the error");
    }
    if path.has(&["thread", "sleep"]) {
        return Some("a sleeping thread; wait for the event itself, or on a timer that can be told to stop");
    }
    let clock = path.has(&["SystemTime", "now"]) || path.has(&["Instant", "now"]);
    (clock && !reads_the_clock(file)).then_some("reads the clock; take the time as an argument from clock.rs")
}

fn banned_tokens(file: &str, at: &[Token<'_>]) -> Option<String> {
    let text = |n: usize| at.get(n).map_or("", |t| t.text);
    if text(0) == "." && text(1) == "unwrap" && text(2) == "(" {
        return Some("unwrap; write expect(\"why it cannot fail\") or return the error".to_owned());
    }
    if text(0) == "channel" && called_with_nothing(at) {
        return Some("a channel without a bound; give it a size named in limits.rs".to_owned());
    }
    if text(1) != "!" {
        return None;
    }
    match text(0) {
        "println" | "eprintln" | "print" | "eprint" if !talks_to_the_terminal(file) => Some(format!(
            "{}! belongs to main.rs and app/; here use the log",
            text(0)
        )),
        "todo" | "unimplemented" | "dbg" => Some(format!("{}! does not ship", text(0))),
        _ => None,
    }
}

/// `channel()` and `channel::<T>()`. With an argument it is tokio's, and bounded.
fn called_with_nothing(at: &[Token<'_>]) -> bool {
    let text = |n: usize| at.get(n).map_or("", |t| t.text);
    let mut open = 1;
    if text(1) == "::" && text(2) == "<" {
        let mut depth = 0_usize;
        open = 2;
        loop {
            match text(open) {
                "<" => depth += 1,
                ">" => depth -= 1,
                "" => return false,
                _ => {}
            }
            open += 1;
            if depth == 0 {
                break;
            }
        }
    }
    text(open) == "(" && text(open + 1) == ")"
}

pub fn unsafe_files(source: &Source<'_>) -> Vec<String> {
    let path = source.path;
    let tokens: Vec<Token<'_>> = source.production.iter().chain(&source.tests).copied().collect();
    let listed = UNSAFE_FILES.contains(&path);
    let wanted = ["#", "!", "[", "allow", "(", "unsafe_code"];
    let opened = tokens
        .windows(wanted.len())
        .any(|w| w.iter().map(|t| t.text).eq(wanted));
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let line = token.line;
        match token.text {
            "unsafe" | "unsafe_code" if !listed => {
                found.push(format!(
                    "{path}:{line}: `{}` outside the files named in tests/tidy/calls.rs",
                    token.text
                ));
            }
            "unsafe" if !opened => {
                found.push(format!(
                    "{path}:{line}: unsafe without #![allow(unsafe_code)] and its reason at the top"
                ));
            }
            "unsafe"
                if tokens.get(at + 1).is_some_and(|t| t.text == "{") && !explained(source.text, line) =>
            {
                found.push(format!(
                    "{path}:{line}: an unsafe block without a SAFETY: comment above it"
                ));
            }
            _ => {}
        }
    }
    found
}

fn explained(text: &str, line: usize) -> bool {
    let above = line.saturating_sub(SAFETY_REACH + 1);
    text.lines()
        .skip(above)
        .take(line - above)
        .any(|l| l.contains("SAFETY:"))
}

/// A test that is not run, or that waits by the clock, proves nothing.
pub fn honest_tests(source: &Source<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for tokens in [&source.production, &source.tests] {
        for at in 0..tokens.len().saturating_sub(1) {
            if tokens[at].text == "#" && tokens[at + 1].text == "[" {
                let attribute = &tokens[at..past_closing(tokens, at + 1)];
                if attribute.iter().any(|t| t.text == "ignore") {
                    found.push(format!(
                        "{}:{}: an ignored test; fix it or remove it",
                        source.path, tokens[at].line
                    ));
                }
            }
        }
    }
    for at in 0..source.tests.len() {
        let next = source.tests.get(at + 1).map_or("", |t| t.text);
        let name = source.tests[at].text;
        if matches!(name, "sleep" | "sleep_until" | "sleep_ms" | "park_timeout") && next != ":" {
            let line = source.tests[at].line;
            found.push(format!(
                "{}:{line}: a test that sleeps; wait for the event itself, with a deadline",
                source.path
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::{clean, refused as caught};

    #[test]
    fn unbounded_channels_are_refused() {
        caught(
            banned_calls,
            "src/hub/mod.rs",
            "fn f() { let (a, b) = tokio::sync::mpsc::unbounded_channel::<u8>(); }",
        );
        caught(
            banned_calls,
            "src/hub/mod.rs",
            "use tokio::sync::mpsc::{unbounded_channel as open};",
        );
        caught(
            banned_calls,
            "src/hub/mod.rs",
            "use std::sync::mpsc; fn f() { let (a, b) = mpsc::channel(); }",
        );
        caught(
            banned_calls,
            "src/hub/mod.rs",
            "fn f() { let (a, b) = mpsc::channel::<Vec<Vec<u8>>>(); }",
        );
        caught(banned_calls, "src/hub/mod.rs", "use std::sync::mpsc::channel;");
        clean(
            banned_calls,
            "src/hub/mod.rs",
            "fn f() { mpsc::channel::<Vec<u8>>(BELLS); std::sync::mpsc::sync_channel(1); }",
        );
    }

    #[test]
    fn unwrap_is_refused_outside_tests() {
        caught(banned_calls, "src/hub/mod.rs", "fn f() { g()\n .unwrap(); }");
        caught(
            banned_calls,
            "src/hub/mod.rs",
            "fn f() { x.map(Result::unwrap); }",
        );
        clean(
            banned_calls,
            "src/hub/mod.rs",
            "fn f() { g().unwrap_or(1); h().expect(\"a reason, not .unwrap()\"); }",
        );
        clean(
            banned_calls,
            "src/hub/mod.rs",
            "#[cfg(test)] mod tests { #[test] fn f() { g().unwrap(); } }",
        );
    }

    #[test]
    fn printing_is_for_the_top_of_the_house() {
        for bad in ["fn f() { println!(\"x\"); }", "fn f() { eprintln!(\"x\"); }"] {
            caught(banned_calls, "src/session/mod.rs", bad);
            clean(banned_calls, "src/app/cli.rs", bad);
            clean(banned_calls, "src/main.rs", bad);
        }
    }

    #[test]
    fn sleeping_and_reading_clocks_are_refused() {
        caught(
            banned_calls,
            "src/app/mod.rs",
            "fn f() { std::thread::sleep(d); }",
        );
        caught(banned_calls, "src/app/mod.rs", "use std::thread::{self, sleep};");
        for bad in [
            "fn f() { SystemTime::now(); }",
            "fn f() { std::time::Instant::now(); }",
            "fn f() { o.map_or_else(Instant::now, g) }",
        ] {
            caught(banned_calls, "src/store/mod.rs", bad);
            clean(banned_calls, "src/clock.rs", bad);
            clean(banned_calls, "src/app/mod.rs", bad);
        }
    }

    #[test]
    fn unfinished_work_is_refused() {
        for bad in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"x\") }",
            "fn f() { dbg!(1); }",
        ] {
            caught(banned_calls, "src/app/mod.rs", bad);
        }
        clean(
            banned_calls,
            "src/app/mod.rs",
            "fn f(todo: u8, dbg: u8) -> bool { todo != dbg }",
        );
    }

    #[test]
    fn unsafe_stays_in_its_named_files() {
        let open = "#![allow(unsafe_code)]\n";
        let block = "fn f() {\n // SAFETY: the pointer was made one line above.\n unsafe { g() }\n }";
        caught(unsafe_files, "src/hub/mod.rs", &format!("{open}{block}"));
        caught(unsafe_files, "src/hub/mod.rs", "#[allow(unsafe_code)] fn f() {}");
        caught(
            unsafe_files,
            "src/hub/mod.rs",
            &format!("#[cfg(test)] mod tests {{ {block} }}"),
        );
        caught(unsafe_files, "src/clock.rs", block);
        caught(
            unsafe_files,
            "src/clock.rs",
            &format!("{open}fn f() {{ unsafe {{ g() }} }}"),
        );
        clean(unsafe_files, "src/clock.rs", &format!("{open}{block}"));
        clean(
            unsafe_files,
            "src/hub/mod.rs",
            "fn f() { g(\"unsafe\") } // unsafe\n",
        );
    }

    #[test]
    fn ignored_tests_are_refused() {
        caught(honest_tests, "tests/stories.rs", "#[test] #[ignore] fn f() {}");
        caught(
            honest_tests,
            "src/hub/mod.rs",
            "#[cfg(test)] mod tests { #[test] #[ignore = \"slow\"] fn f() {} }",
        );
        caught(
            honest_tests,
            "tests/stories.rs",
            "#[test] #[cfg_attr(unix, ignore)] fn f() {}",
        );
        clean(
            honest_tests,
            "tests/stories.rs",
            "#[test] fn f() { let ignore = 1; }",
        );
    }

    #[test]
    fn sleeping_tests_are_refused() {
        caught(
            honest_tests,
            "tests/stories.rs",
            "async fn f() { tokio::time::sleep(d).await }",
        );
        caught(
            honest_tests,
            "tests/support/mod.rs",
            "use tokio::time::sleep as rest;",
        );
        caught(
            honest_tests,
            "src/hub/mod.rs",
            "#[cfg(test)] mod tests { fn f() { std::thread::sleep(d) } }",
        );
        clean(
            honest_tests,
            "src/hub/mod.rs",
            "async fn f() { tokio::time::sleep(d).await }",
        );
    }
}
