//! Reads Rust just well enough for the rules: tokens with their lines, what is test and what is not, and every path
//! written out in full. What must not live here: a rule.

/// A word, a sign or a literal. Comments and the inside of literals never become tokens, so no rule trips over prose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// One file, split into what ships and what only tests it.
pub struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub production: Vec<Token<'a>>,
    pub tests: Vec<Token<'a>>,
}

impl<'a> Source<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let tokens = tokens(text);
        let whole_file = path.starts_with("tests/")
            || path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || inner_cfg_test(&tokens);
        if whole_file {
            return Self::only_tests(path, text);
        }
        let (production, tests) = split_tests(&tokens);
        Self {
            path,
            text,
            production,
            tests,
        }
    }

    /// A file that some other file declares as `#[cfg(test)] mod name;`.
    pub fn only_tests(path: &'a str, text: &'a str) -> Self {
        Self {
            path,
            text,
            production: Vec::new(),
            tests: tokens(text),
        }
    }

    pub fn in_src(&self) -> bool {
        self.path.starts_with("src/")
    }

    /// Paths (without `.rs`) of the modules this file declares under `#[cfg(test)]` and keeps in files of their own.
    pub fn test_modules(&self) -> Vec<String> {
        let home = match self.path.strip_suffix("/mod.rs") {
            Some(folder) => folder.to_owned(),
            None if matches!(self.path, "src/lib.rs" | "src/main.rs") => "src".to_owned(),
            None => self.path.trim_end_matches(".rs").to_owned(),
        };
        self.tests
            .windows(3)
            .filter(|w| w[0].text == "mod" && w[2].text == ";")
            .map(|w| format!("{home}/{}", w[1].text))
            .collect()
    }
}

pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What stands for any string, character or number.
const LITERAL: &str = "\"";

pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let (kind, end) = next(text, at);
        match kind {
            Kind::Nothing => {}
            Kind::Literal => found.push(Token { text: LITERAL, line }),
            Kind::Text => found.push(Token {
                text: text[at..end].trim_start_matches("r#"),
                line,
            }),
        }
        line += bytes[at..end].iter().filter(|b| **b == b'\n').count();
        at = end;
    }
    found
}

enum Kind {
    Nothing,
    Literal,
    Text,
}

fn next(text: &str, at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let first = rest.chars().next().expect("the caller stops at the end");
    if rest.starts_with("//") {
        return (Kind::Nothing, at + rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Nothing, at + block_comment(rest));
    }
    if let Some(length) = string(rest) {
        return (Kind::Literal, at + length);
    }
    if first == '\'' {
        return quote(rest, at);
    }
    if first.is_ascii_digit() {
        return (Kind::Literal, at + number(rest));
    }
    if first.is_alphabetic() || first == '_' {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        let length = rest[raw..]
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len() - raw);
        return (Kind::Text, at + raw + length);
    }
    if first.is_whitespace() {
        return (Kind::Nothing, at + first.len_utf8());
    }
    let double = ["::", "!=", "->", "=>"].iter().any(|sign| rest.starts_with(sign));
    (Kind::Text, at + if double { 2 } else { first.len_utf8() })
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    let bytes = rest.as_bytes();
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string literal with its prefix and guards, if one starts here.
fn string(rest: &str) -> Option<usize> {
    let (prefix, guards) = ["br", "cr", "b", "c", "r", ""].iter().find_map(|prefix| {
        let after = rest.strip_prefix(prefix)?;
        let opening = after.trim_start_matches('#');
        let guards = after.len() - opening.len();
        (opening.starts_with('"') && (guards == 0 || prefix.ends_with('r'))).then_some((prefix, guards))
    })?;
    let body = prefix.len() + guards + 1;
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(guards));
        return Some(
            rest[body..]
                .find(&close)
                .map_or(rest.len(), |found| body + found + close.len()),
        );
    }
    Some(body + until_quote(&rest[body..], '"'))
}

fn until_quote(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// A character literal, or a lifetime, which is not worth a token.
fn quote(rest: &str, at: usize) -> (Kind, usize) {
    let mut inside = rest[1..].chars();
    let (first, second) = (inside.next(), inside.next());
    if first == Some('\\') || second == Some('\'') {
        return (Kind::Literal, at + 1 + until_quote(&rest[1..], '\''));
    }
    let length = rest[1..]
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len() - 1);
    (Kind::Nothing, at + 1 + length)
}

fn number(rest: &str) -> usize {
    let word = |from: usize| {
        rest[from..]
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(rest.len(), |n| from + n)
    };
    let whole = word(0);
    let fraction = rest[whole..]
        .strip_prefix('.')
        .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
    if fraction { word(whole + 1) } else { whole }
}

/// The index just past the bracket that closes the one at `open`.
pub fn past_closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

fn inner_cfg_test(tokens: &[Token<'_>]) -> bool {
    let wanted = ["#", "!", "[", "cfg", "(", "test", ")", "]"];
    tokens
        .windows(wanted.len())
        .any(|w| w.iter().map(|t| t.text).eq(wanted))
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`, `#[tokio::test(…)]`.
fn marks_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|t| t.text).collect();
    match words.as_slice() {
        ["#", "[", "cfg", inside @ ..] => inside.contains(&"test") && !inside.contains(&"not"),
        ["#", "[", "test", "]"] => true,
        ["#", "[", _, "::", "test", ..] => true,
        _ => false,
    }
}

fn split_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<Token<'a>>) {
    let (mut production, mut tests) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text != "#" || tokens.get(at + 1).is_none_or(|t| t.text != "[") {
            production.push(tokens[at]);
            at += 1;
            continue;
        }
        let end = past_closing(tokens, at + 1);
        if marks_test(&tokens[at..end]) {
            let item = past_item(tokens, end);
            tests.extend_from_slice(&tokens[at..item]);
            at = item;
        } else {
            production.extend_from_slice(&tokens[at..end]);
            at = end;
        }
    }
    (production, tests)
}

/// The index just past the item, statement, field or variant that starts at `from`.
fn past_item(tokens: &[Token<'_>], from: usize) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text);
    let mut at = from;
    while text(at) == "#" && text(at + 1) == "[" {
        at = past_closing(tokens, at + 1);
    }
    let mut head = at;
    if text(head) == "pub" {
        head = if text(head + 1) == "(" {
            past_closing(tokens, head + 1)
        } else {
            head + 1
        };
    }
    const STARTERS: [&str; 16] = [
        "fn",
        "mod",
        "use",
        "impl",
        "struct",
        "enum",
        "union",
        "trait",
        "type",
        "const",
        "static",
        "async",
        "unsafe",
        "extern",
        "let",
        "macro_rules",
    ];
    let in_list = !STARTERS.contains(&text(head));
    while at < tokens.len() {
        match text(at) {
            ";" => return at + 1,
            "," if in_list => return at + 1,
            "{" => return past_closing(tokens, at),
            "(" | "[" => at = past_closing(tokens, at),
            "}" | ")" | "]" => return at,
            _ => at += 1,
        }
    }
    at
}

/// A path with its groups multiplied out: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
#[derive(Debug, PartialEq, Eq)]
pub struct Path<'a> {
    pub parts: Vec<&'a str>,
    pub line: usize,
}

impl Path<'_> {
    pub fn has(&self, run: &[&str]) -> bool {
        self.parts.windows(run.len()).any(|w| w == run)
    }

    pub fn names(&self, word: &str) -> bool {
        self.parts.contains(&word)
    }
}

pub fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |back: usize| at.checked_sub(back).map_or("", |i| tokens[i].text);
        let continues = before(1) == "::" && (is_word(before(2)) || before(2) == ">");
        if !is_word(tokens[at].text) || continues || before(1) == "." {
            at += 1;
            continue;
        }
        at = tree(tokens, at, Vec::new(), &mut found);
    }
    found
}

fn tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    mut parts: Vec<&'a str>,
    found: &mut Vec<Path<'a>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text);
    let line = tokens[at].line;
    loop {
        parts.push(tokens[at].text);
        at += 1;
        if text(at) != "::" {
            break;
        }
        match text(at + 1) {
            "{" => return group(tokens, at + 2, &parts, found),
            "*" => {
                parts.push("*");
                at += 2;
                break;
            }
            word if is_word(word) => at += 1,
            _ => break,
        }
    }
    found.push(Path { parts, line });
    at
}

fn group<'a>(tokens: &[Token<'a>], mut at: usize, parts: &[&'a str], found: &mut Vec<Path<'a>>) -> usize {
    while at < tokens.len() && tokens[at].text != "}" {
        at = match tokens[at].text {
            "as" => at + 2,
            "*" => {
                let parts = parts.iter().copied().chain(["*"]).collect();
                found.push(Path {
                    parts,
                    line: tokens[at].line,
                });
                at + 1
            }
            word if is_word(word) => tree(tokens, at, parts.to_vec(), found),
            _ => at + 1,
        };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn prose_and_literals_are_not_code() {
        let text = r####"a // unsafe
            /* dbg! /* nested */ still */ b("unwrap \" {", 'x', '\'', b'{', r#"todo!"#, br"x", 1.5e3, 'life: loop {})"####;
        let expected = vec![
            "a", "b", "(", LITERAL, ",", LITERAL, ",", LITERAL, ",", "b", LITERAL, ",", LITERAL, ",",
            LITERAL, ",", LITERAL, ",", ":", "loop", "{", "}", ")",
        ];
        assert_eq!(words(text), expected);
    }

    #[test]
    fn a_token_knows_its_line() {
        let found = tokens("a\n\"x\ny\"\n/* \n */ b");
        assert_eq!(found.last(), Some(&Token { text: "b", line: 5 }));
    }

    #[test]
    fn groups_are_written_out() {
        let found =
            tokens("use crate::{store::{self, Log as L}, hub::*}; let x = crate::core::f::<u8>(y.crate_);");
        let all: Vec<String> = paths(&found).iter().map(|p| p.parts.join("::")).collect();
        for wanted in [
            "crate::store::self",
            "crate::store::Log",
            "crate::hub::*",
            "crate::core::f",
            "u8",
        ] {
            assert!(
                all.iter().any(|p| p == wanted),
                "{wanted} is missing from {all:?}"
            );
        }
    }

    #[test]
    fn test_code_is_told_from_what_ships() {
        let text = "fn a() {} #[cfg(test)] mod tests { fn b() {} } #[cfg(not(test))] fn c() {}
            struct S { #[cfg(test)] d: Vec<u8>, e: u8 } #[tokio::test] async fn f() {} #[cfg(test)] mod g; fn h() {}";
        let source = Source::new("src/x/mod.rs", text);
        let production: Vec<&str> = source.production.iter().map(|t| t.text).collect();
        for word in ["a", "c", "e", "h"] {
            assert!(production.contains(&word), "{word} ships: {production:?}");
        }
        for word in ["b", "d", "f", "g"] {
            assert!(!production.contains(&word), "{word} is a test: {production:?}");
        }
        assert_eq!(source.test_modules(), ["src/x/g"]);
    }
}
