//! Words as they are compared: one form for all ways to write the same, its pairs of characters, where words stand in a
//! text, and the piece of it that is shown. What must not live here: an index, or who may read.
//!
//! The form is NFKC (UAX 15) with case folded by way of the upper case, blanks in a row as one, and without what is not
//! seen (controls, joiners, variation selectors). There is no list of words and no language: a pair of neighbouring
//! characters is what an index knows, in Chinese as in English, and the text itself decides.

use std::ops::Range;

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Characters of a snippet, and of them those before the first match.
const SNIPPET: usize = 160;
const SNIPPET_BEFORE: usize = 40;
/// Matches that a snippet marks.
const MARKED: usize = 16;

/// A text in the form in which it is compared.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // ASCII is in its form but for case and blanks; its last character may be one with what follows.
        let ascii = rest.bytes().take_while(u8::is_ascii).count();
        let plain = ascii.saturating_sub(usize::from(ascii < rest.len()));
        for byte in rest[..plain].bytes() {
            put_ascii(byte, &mut out);
        }
        rest = &rest[plain..];
        let next = rest.bytes().skip(1).position(|byte| byte.is_ascii());
        let (part, after) = rest.split_at(next.map_or(rest.len(), |at| at + 1));
        clusters(part, |_, cluster| fold_cluster(cluster, &mut out));
        rest = after;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

/// The words of a query in their form, each once.
#[must_use]
pub fn words(query: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in fold(query).split(' ').filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// Two neighbouring characters of a word.
pub type Pair = (char, char);

/// The pairs of a text that is in its form, each once, in their own order.
#[must_use]
pub fn pairs(folded: &str) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::with_capacity(folded.len());
    let mut before = ' ';
    for c in folded.chars() {
        if before != ' ' && c != ' ' {
            pairs.push((before, c));
        }
        before = c;
    }
    // Ordered as one number: half the work of two.
    pairs
        .sort_unstable_by_key(|(one, other)| u64::from(u32::from(*one)) << 32 | u64::from(u32::from(*other)));
    pairs.dedup();
    pairs
}

/// Whether all words stand in a text that is in its form.
#[must_use]
pub fn has_all(folded: &str, words: &[String]) -> bool {
    words.iter().all(|word| folded.contains(word.as_str()))
}

/// Where the words stand in a text as it was written: byte ranges, ascending, none touching another.
#[must_use]
pub fn spots(text: &str, words: &[String]) -> Vec<Range<usize>> {
    let (mut out, mut origin) = (String::with_capacity(text.len()), Vec::new());
    clusters(text, |at, cluster| {
        origin.push((out.len(), at, at + cluster.len()));
        fold_cluster(cluster, &mut out);
    });
    // The cluster that a byte of the form came from: of several that begin there all but the last left nothing.
    let from = |byte: usize| origin[origin.partition_point(|(begin, ..)| *begin <= byte) - 1];
    let mut spots: Vec<Range<usize>> = Vec::new();
    for word in words {
        let found = out.match_indices(word.as_str());
        spots.extend(found.map(|(at, word)| from(at).1..from(at + word.len() - 1).2));
    }
    spots.sort_unstable_by_key(|spot| (spot.start, spot.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for spot in spots {
        match apart.last_mut() {
            Some(last) if spot.start <= last.end => last.end = last.end.max(spot.end),
            _ => apart.push(spot),
        }
    }
    apart
}

/// A piece of a text, and what is marked in it: [from, to) in UTF-16 code units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    pub text: String,
    pub marks: Vec<[u32; 2]>,
}

/// The piece around the first spot.
#[must_use]
pub fn snippet(text: &str, spots: &[Range<usize>]) -> Snippet {
    let first = spots.first().map_or(0, |spot| spot.start);
    let before = text[..first].char_indices().rev().nth(SNIPPET_BEFORE - 1);
    let mut start = before.map_or(0, |(at, _)| at);
    // A piece does not begin inside of what is seen as one sign.
    let cut = |rest: &str| rest.chars().next().is_some_and(|c| !begins(c) || is_unseen(c));
    while start > 0 && start < first && cut(&text[start..]) {
        start += text[start..].chars().next().map_or(1, char::len_utf8);
    }
    let end = text[start..]
        .char_indices()
        .nth(SNIPPET)
        .map_or(text.len(), |(at, _)| start + at);
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    let units = |text: &str| text.encode_utf16().count();
    let lead = units(&shown);
    let unit = |at: usize| u32::try_from(lead + units(&text[start..at])).expect("a snippet is short");
    let marks = spots
        .iter()
        .filter(|spot| spot.start >= start && spot.start < end)
        .take(MARKED)
        .map(|spot| [unit(spot.start), unit(spot.end.min(end))]);
    let marks = marks.collect();
    shown.push_str(&text[start..end]);
    if end < text.len() {
        shown.push('…');
    }
    Snippet { text: shown, marks }
}

/// Gives the parts of a text that can be brought into their form each by itself, with their places.
fn clusters<'a>(text: &'a str, mut take: impl FnMut(usize, &'a str)) {
    let mut begun = 0;
    for (at, c) in text.char_indices().skip(1) {
        if begins(c) {
            take(begun, &text[begun..at]);
            begun = at;
        }
    }
    if begun < text.len() {
        take(begun, &text[begun..]);
    }
}

/// Whether nothing that stands before a character can become one with it.
fn begins(c: char) -> bool {
    if c.is_ascii() || ('\u{4e00}'..='\u{9fff}').contains(&c) {
        return true;
    }
    let mut first = None;
    decompose_compatible(c, |part| first = first.or(Some(part)));
    let first = first.unwrap_or(c);
    let may_join = !matches!(is_nfkc_quick(std::iter::once(first)), IsNormalized::Yes);
    canonical_combining_class(first) == 0 && !may_join
}

fn fold_cluster(cluster: &str, out: &mut String) {
    if let [byte] = cluster.as_bytes() {
        put_ascii(*byte, out);
        return;
    }
    for c in cluster.nfkc() {
        // By way of the upper case: `ß` and `ss`, `ς` and `σ` are one.
        c.to_uppercase()
            .flat_map(char::to_lowercase)
            .for_each(|c| put(c, out));
    }
}

fn put_ascii(byte: u8, out: &mut String) {
    match byte {
        b'\t'..=b'\r' | b' ' if out.is_empty() || out.ends_with(' ') => {}
        b'\t'..=b'\r' | b' ' => out.push(' '),
        byte if byte.is_ascii_control() => {}
        byte => out.push(char::from(byte.to_ascii_lowercase())),
    }
}

fn put(c: char, out: &mut String) {
    if c.is_whitespace() {
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    } else if !is_unseen(c) {
        out.push(c);
    }
}

/// What takes no room of its own: controls, joiners, marks of direction, variation selectors, tags.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, query: &str) -> Vec<String> {
        let snippet = snippet(text, &spots(text, &words(query)));
        let units: Vec<u16> = snippet.text.encode_utf16().collect();
        let marks = snippet.marks.iter().map(|[from, to]| {
            String::from_utf16(&units[*from as usize..*to as usize]).expect("marks cut no character")
        });
        marks.collect()
    }

    #[test]
    fn one_form_for_all_ways_to_write_the_same() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("cafe\u{301}", "café"),
            ("ＡＢＣ　１２", "abc 12"),
            ("ｶﾞｷﾞ", "ガギ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("ﬁne", "FINE"),
            ("❤\u{fe0f}", "❤"),
            ("👩\u{200d}💻", "👩💻"),
            (" a \t\n b\u{0} ", "a b"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} and {other:?}");
        }
        assert_ne!(fold("cafe"), fold("café"), "an accent makes another letter");
        assert_eq!(words(" Zoo  zoo 北京 "), ["zoo", "北京"]);
        assert!(words(" \u{200d}\u{fe0f}\n").is_empty());
    }

    #[test]
    fn the_quick_way_is_the_same_way() {
        let parts = [
            "a", "Z", " ", "\u{b}", "\u{1f}", "e", "\u{301}", "北", "ß", "ｶ", "ﾞ", "\u{200d}", "\u{a0}", "İ",
            "-",
        ];
        for number in 0..parts.len().pow(4) {
            let pick = |place: u32| parts[number / parts.len().pow(place) % parts.len()];
            let text = [pick(0), pick(1), pick(2), pick(3)].concat();
            let mut slow = String::new();
            clusters(&text, |_, cluster| {
                for c in cluster.nfkc() {
                    c.to_uppercase()
                        .flat_map(char::to_lowercase)
                        .for_each(|c| put(c, &mut slow));
                }
            });
            assert_eq!(fold(&text), slow.trim_end_matches(' '), "{text:?}");
        }
    }

    #[test]
    fn pairs_are_neighbours_in_one_word_and_each_comes_once() {
        assert_eq!(
            pairs(&fold("北京大学")),
            [('京', '大'), ('北', '京'), ('大', '学')]
        );
        assert_eq!(pairs(&fold("aa aaa b")), [('a', 'a')]);
        assert_eq!(pairs(&fold("京大 北京")), [('京', '大'), ('北', '京')]);
        assert_eq!(pairs(&fold("👍🏽 😀😀")), [('👍', '🏽'), ('😀', '😀')]);
        assert!(pairs("x").is_empty() && pairs("").is_empty());
    }

    #[test]
    fn the_text_decides_not_its_pairs() {
        let university = words("北京大学");
        let text = fold("京大 学长去了北京，大学");
        assert!(has_all(&fold("我在北京大学"), &university));
        assert!(!has_all(&text, &university));
        assert!(has_all(&text, &words("北京 大学")), "two words may stand apart");
        assert!(has_all(&fold("Deadlines"), &words("DEADLINE")));
    }

    #[test]
    fn marks_are_on_what_was_written() {
        assert_eq!(shown("Die Straße in STRASSEN", "strasse"), ["Straße", "STRASSE"]);
        assert_eq!(shown("😀😀 cafe\u{301}! 👍🏽", "CAFÉ"), ["cafe\u{301}"]);
        assert_eq!(shown("a👩\u{200d}💻b", "👩💻"), ["👩\u{200d}💻"]);
        assert_eq!(
            shown("ab abc", "ab abc bc"),
            ["ab", "abc"],
            "one inside the other"
        );
        assert_eq!(shown("a  \n b", "a b"), ["a", "b"]);
        assert_eq!(shown("ｶﾞ", "ガ"), ["ｶﾞ"]);
        assert!(shown("nothing", "else").is_empty());
    }

    #[test]
    fn a_snippet_is_short_and_cuts_no_sign() {
        let long = format!("{}needle{}", "👩\u{200d}💻".repeat(2_000), "尾".repeat(5_000));
        let piece = snippet(&long, &spots(&long, &words("Needle")));
        assert_eq!(piece.text.chars().count(), 2 + SNIPPET);
        assert!(
            piece.text.starts_with("…💻") || piece.text.starts_with("…👩"),
            "{}",
            piece.text
        );
        assert!(piece.text.ends_with("尾…"));
        assert_eq!(shown(&long, "needle"), ["needle"]);
        assert_eq!(shown(&"na".repeat(9_000), "n").len(), MARKED);
        let marks = "e\u{301}".to_owned() + &"\u{301}".repeat(9_000) + "x";
        assert!(snippet(&marks, &spots(&marks, &words("x"))).text.len() < 1_000);
    }
}
