//! Whether a text has a link. What must not live here: what is done with one.

use crate::proto::Body;

/// Looks at each colon: a text without one costs one pass over its bytes.
#[must_use]
pub fn has_link(body: &Body) -> bool {
    let Body::Text { text } = body else { return false };
    let mut from = 0;
    while let Some(at) = text[from..].find(':') {
        let (before, after) = (&text.as_bytes()[..from + at], &text.as_bytes()[from + at + 1..]);
        let ends = |scheme: &[u8]| {
            let at = before.len().checked_sub(scheme.len());
            at.is_some_and(|at| before[at..].eq_ignore_ascii_case(scheme))
        };
        let goes_on = after.strip_prefix(b"//").and_then(<[u8]>::first);
        if goes_on.is_some_and(|byte| !byte.is_ascii_whitespace()) && (ends(b"http") || ends(b"https")) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_the_web_is_a_link() {
        let has = |text: &str| has_link(&Body::Text { text: text.into() });
        for link in [
            "http://a",
            "see: (HTTPS://b.c/d)",
            "[x](https://a)",
            "ü:https://ü",
        ] {
            assert!(has(link), "{link}");
        }
        for none in [
            "",
            "http",
            "http:",
            "http:/a",
            "http://",
            "http:// a",
            "ftp://a",
            "javascript://a",
            "://a",
            "tp://",
        ] {
            assert!(!has(none), "{none}");
        }
        let data = "http://a".into();
        assert!(!has_link(&Body::Opaque { data }));
    }
}
