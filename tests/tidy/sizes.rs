//! Small rooms: how long a file and a function may be, and that a file says what it is. What must not live here: rules
//! about what the code does.

use crate::source::{Source, Token, is_word, past_closing};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 90;

pub fn introduction(source: &Source<'_>) -> Vec<String> {
    let said = source
        .text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//!"))
        .is_some_and(|s| !s.trim().is_empty());
    if said {
        return Vec::new();
    }
    vec![format!(
        "{}:1: open the file with `//!`: what lives here, and what must not",
        source.path
    )]
}

pub fn file_length(source: &Source<'_>) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines, at most {FILE_LINES}; split it by what it knows, not by number",
        source.path
    )]
}

pub fn function_length(source: &Source<'_>) -> Vec<String> {
    let tokens = &source.production;
    let mut found = Vec::new();
    for at in 0..tokens.len().saturating_sub(1) {
        if tokens[at].text != "fn" || !is_word(tokens[at + 1].text) {
            continue;
        }
        let Some(last) = last_line(tokens, at) else {
            continue;
        };
        let lines = last - tokens[at].line + 1;
        if lines > FUNCTION_LINES {
            let (line, name) = (tokens[at].line, tokens[at + 1].text);
            found.push(format!(
                "{}:{line}: fn {name} has {lines} lines, at most {FUNCTION_LINES}",
                source.path
            ));
        }
    }
    found
}

/// The line of the brace that ends the function's body; nothing for a signature without one.
fn last_line(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match tokens.get(at)?.text {
            ";" => return None,
            "{" => return tokens.get(past_closing(tokens, at) - 1).map(|t| t.line),
            "(" | "[" => at = past_closing(tokens, at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::{clean, refused as caught};

    #[test]
    fn a_file_without_an_introduction_is_refused() {
        caught(introduction, "src/hub/mod.rs", "// Wakes.\nfn f() {}");
        caught(introduction, "src/hub/mod.rs", "//!\nfn f() {}");
        caught(introduction, "src/hub/mod.rs", "\n//! Wakes.");
        clean(introduction, "src/hub/mod.rs", "//! Wakes. Knows no disk.\n");
    }

    #[test]
    fn a_long_file_is_refused() {
        caught(file_length, "src/hub/mod.rs", &"\n".repeat(FILE_LINES + 1));
        clean(file_length, "src/hub/mod.rs", &"\n".repeat(FILE_LINES));
    }

    #[test]
    fn a_long_function_is_refused() {
        let body = |lines: usize| format!("fn f(a: [u8; 3]) -> u8 {{{}}}", "\n'}';".repeat(lines - 1));
        caught(function_length, "src/hub/mod.rs", &body(FUNCTION_LINES + 1));
        clean(function_length, "src/hub/mod.rs", &body(FUNCTION_LINES));
        clean(
            function_length,
            "src/hub/mod.rs",
            &format!("trait T {{ fn g(); }}{}", "\n".repeat(200)),
        );
        clean(
            function_length,
            "src/hub/mod.rs",
            &format!("#[cfg(test)] mod tests {{ {} }}", body(200)),
        );
    }
}
