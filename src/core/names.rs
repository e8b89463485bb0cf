//! User names, display names and titles: which are allowed, and which user names look alike.
//!
//! Pure text rules. What must not live here: who owns a name, where names are kept, and any message text (bodies are
//! the sender's own business; only what others see as a *name* is held to these rules).
//!
//! Invariant: nothing in this file keeps or prints a refused text; an error says what is wrong, never what was typed.

use std::fmt;

use precis_profiles::precis_core::profile::{PrecisFastInvocation, Rules};
use precis_profiles::precis_core::{DerivedPropertyValue, Error as PrecisError, FreeformClass, StringClass};
use precis_profiles::{OpaqueString, UsernameCaseMapped};
use thiserror::Error;
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection};

use crate::limits;

/// The longest user name, in characters, after mapping.
pub const USER_NAME_CHARACTERS: usize = 32;
/// The longest user name, in bytes of UTF-8, after mapping (21 Chinese characters fit).
pub const USER_NAME_BYTES: usize = 64;
/// The longest display name, in what a reader would count as characters.
pub const DISPLAY_NAME_GRAPHEMES: usize = 64;
/// The longest display name, in bytes of UTF-8.
pub const DISPLAY_NAME_BYTES: usize = 128;
/// The longest conversation title, in bytes of UTF-8.
pub const TITLE_BYTES: usize = limits::TITLE_BYTES;
/// Text this many times over its limit is refused unread: mapping can shorten a text, but never that much.
const UNREAD_FACTOR: usize = 4;

const ZERO_WIDTH_JOINER: char = '\u{200d}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// Why a name or a title was refused. `code()` is stable; the sentence may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("the name is empty or shows nothing; use at least one visible character")]
    Empty,
    #[error("the name is too long; use at most {characters} characters and {bytes} bytes")]
    TooLong { characters: usize, bytes: usize },
    #[error("a user name cannot contain spaces; use '.', '-' or '_' between words")]
    Whitespace,
    #[error(
        "the name contains an invisible, control or text-direction character; type it again by hand instead of pasting"
    )]
    Invisible,
    #[error("the name contains a character that is not allowed; use letters, digits, '.', '-' or '_'")]
    Character,
    #[error("the name has no letter or digit; add one")]
    OnlyPunctuation,
    #[error("the name mixes alphabets that look alike; write it in one alphabet")]
    MixedScripts,
    #[error(
        "the name mixes right-to-left and left-to-right text so that its order is unclear; use one direction"
    )]
    Direction,
}

impl NameError {
    /// The machine-readable name of this refusal; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "name_empty",
            Self::TooLong { .. } => "name_too_long",
            Self::Whitespace => "name_whitespace",
            Self::Invisible => "name_invisible",
            Self::Character => "name_character",
            Self::OnlyPunctuation => "name_only_punctuation",
            Self::MixedScripts => "name_mixed_scripts",
            Self::Direction => "name_direction",
        }
    }
}

/// A user name in its one stored form: PRECIS `UsernameCaseMapped` (RFC 8265), so `Ada`, `ADA` and `ada` are one name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Box<str>);

impl UserName {
    /// Maps and checks a typed user name. Parsing the result again gives the result.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(raw: &str) -> Result<Self, NameError> {
        let too_long = NameError::TooLong {
            characters: USER_NAME_CHARACTERS,
            bytes: USER_NAME_BYTES,
        };
        if raw.len() > USER_NAME_BYTES * UNREAD_FACTOR {
            return Err(too_long);
        }
        if raw.chars().all(char::is_whitespace) {
            return Err(NameError::Empty);
        }
        // Hidden characters come first: U+0085 and U+2028 are both space and control, and the paste is the real cause.
        if raw.chars().any(is_hidden) {
            return Err(NameError::Invisible);
        }
        if raw.chars().any(char::is_whitespace) {
            return Err(NameError::Whitespace);
        }
        // NFC first: PRECIS refuses the loose jamo of decomposed Korean before it would compose them.
        let composed = OpaqueString::new()
            .normalization_rule(raw)
            .map_err(|error| refused_by_precis(&error))?;
        let name = UsernameCaseMapped::enforce(composed).map_err(|error| refused_by_precis(&error))?;
        // A mapping that is not at rest would let one person's stored name parse into another's.
        if UsernameCaseMapped::enforce(name.as_ref()).ok().as_deref() != Some(name.as_ref()) {
            return Err(NameError::Character);
        }
        if name.len() > USER_NAME_BYTES || name.chars().count() > USER_NAME_CHARACTERS {
            return Err(too_long);
        }
        // `@`, `:` and `/` separate names from what stands around them in addresses and links. UTS 39 allows `:`.
        if name
            .chars()
            .any(|c| matches!(c, '@' | ':' | '/') || !c.identifier_allowed())
        {
            return Err(NameError::Character);
        }
        if name.starts_with(extends_the_last) {
            return Err(NameError::Character);
        }
        if !name.chars().any(char::is_alphanumeric) {
            return Err(NameError::OnlyPunctuation);
        }
        if !name.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
            return Err(NameError::MixedScripts);
        }
        Ok(Self(name.into()))
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this name looks like: two names with one skeleton cannot be told apart by eye (UTS 39, section 4), so the
    /// store keeps skeletons under a UNIQUE index. Digits and letters are folded as far as UTS 39 does (`1` and `l`),
    /// no further. The tables come with `unicode-security`: after an update of it, stored skeletons are recomputed.
    #[must_use]
    pub fn skeleton(&self) -> String {
        skeleton_of(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A derived Debug would carry names into logs by the back door.
        f.write_str("UserName(…)")
    }
}

/// A person's or device's shown name: trimmed, runs of spaces made one, NFC, visible, of bounded length.
///
/// This is RFC 8266 (Nickname) but for NFC instead of NFKC, so that Chinese punctuation stays as typed, and for the
/// characters that [`freeform`] adds.
///
/// # Errors
/// The first rule that the text breaks.
pub fn display_name(raw: &str) -> Result<String, NameError> {
    shown_text(raw, DISPLAY_NAME_GRAPHEMES, DISPLAY_NAME_BYTES)
}

/// A conversation's title: the rules of [`display_name`], limited in bytes only.
///
/// # Errors
/// The first rule that the text breaks.
pub fn title(raw: &str) -> Result<String, NameError> {
    shown_text(raw, TITLE_BYTES, TITLE_BYTES)
}

fn shown_text(raw: &str, graphemes: usize, bytes: usize) -> Result<String, NameError> {
    let too_long = NameError::TooLong {
        characters: graphemes,
        bytes,
    };
    if raw.len() > bytes * UNREAD_FACTOR {
        return Err(too_long);
    }
    if raw.chars().all(shows_nothing) {
        return Err(NameError::Empty);
    }
    // Before the spaces are made one: a line break is refused, not smoothed over.
    if raw.chars().any(is_hidden) {
        return Err(NameError::Invisible);
    }
    let mut spaced = String::with_capacity(raw.len());
    for word in raw.split_whitespace() {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push_str(word);
    }
    let text = freeform(&spaced)?;
    // A mark at the start would sit on whatever the screen shows before the name.
    if text.starts_with(extends_the_last) {
        return Err(NameError::Character);
    }
    if text.len() > bytes || grapheme_count(&text) > graphemes {
        return Err(too_long);
    }
    Ok(text)
}

/// Free text in one form: PRECIS `OpaqueString` (RFC 8265, section 4.2), that is every space a plain one, NFC, and no
/// control, invisible or private character. Passwords use it as it is. It differs from the crate's own `enforce` in
/// three points, all for keyboards in use: NFC comes first, so that Korean in NFD passes; the joiner and the style
/// selector pass inside emoji; letters and emoji newer than the PRECIS registry (Unicode 6.3) pass, for there are
/// people with such characters in their names.
///
/// # Errors
/// `Empty`, `Invisible` or `Character`. Length is the caller's business, before and after.
pub fn freeform(raw: &str) -> Result<String, NameError> {
    if raw.is_empty() {
        return Err(NameError::Empty);
    }
    if raw.chars().any(is_hidden) {
        return Err(NameError::Invisible);
    }
    let profile = OpaqueString::new();
    let text = profile
        .additional_mapping_rule(raw)
        .and_then(|spaced| profile.normalization_rule(spaced))
        .map_err(|error| refused_by_precis(&error))?;
    // PRECIS judges the pieces between what it does not know. A joiner of Indic scripts or Persian stays inside its
    // piece, where the neighbours that justify it are.
    let class = FreeformClass::default();
    let mut start = 0;
    let mut before = None;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let newer = (c.is_alphanumeric() || is_pictograph(c))
            && class.get_value_from_char(c) == DerivedPropertyValue::Unassigned;
        if newer || joins_emoji(before, c, text[end..].chars().next()) {
            class
                .allows(&text[start..at])
                .map_err(|error| refused_by_precis(&error))?;
            start = end;
        }
        before = Some(c);
    }
    class
        .allows(&text[start..])
        .map_err(|error| refused_by_precis(&error))?;
    Ok(text.into_owned())
}

fn joins_emoji(before: Option<char>, c: char, after: Option<char>) -> bool {
    match c {
        ZERO_WIDTH_JOINER => {
            before.is_some_and(|b| is_pictograph(b) || b == EMOJI_STYLE) && after.is_some_and(is_pictograph)
        }
        EMOJI_STYLE => before.is_some_and(|b| {
            is_pictograph(b) || (matches!(b, '0'..='9' | '#' | '*') && after == Some(KEYCAP))
        }),
        _ => false,
    }
}

/// The blocks that emoji come from. Wider than the emoji property on purpose: an arrow with a style selector is harmless.
const fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Characters that change how a text is read, or that distinguish two texts, without being seen: controls, line and
/// paragraph separators, direction marks, embeddings, overrides and isolates, zero-width and filler characters, and the
/// tag characters (which can carry a whole hidden sentence).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Spaces, the empty braille cell, and marks that need something to stand on.
const fn shows_nothing(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}' || extends_the_last(c)
}

/// How many characters a reader would count, never less. Only one- and two-byte code points can reach the limit of 64
/// within 128 bytes, so only their combining marks (and the emoji parts) have to be known here; any other mark counts
/// as a character of its own.
fn grapheme_count(text: &str) -> usize {
    text.chars().filter(|c| !extends_the_last(*c)).count()
}

const fn extends_the_last(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'
        | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}' | '\u{711}'
        | '\u{730}'..='\u{74a}' | '\u{7a6}'..='\u{7b0}' | '\u{7eb}'..='\u{7f3}' | '\u{7fd}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{200c}' | ZERO_WIDTH_JOINER | '\u{20d0}'..='\u{20ff}' | EMOJI_STYLE
        | '\u{1f3fb}'..='\u{1f3ff}')
}

fn refused_by_precis(error: &PrecisError) -> NameError {
    match error {
        PrecisError::BadCodepoint(info) => match char::from_u32(info.cp) {
            Some('\u{200c}' | ZERO_WIDTH_JOINER | EMOJI_STYLE) => NameError::Invisible,
            Some(c) if is_hidden(c) => NameError::Invisible,
            _ => NameError::Character,
        },
        // After the emptiness check above, `Invalid` is left for the bidi rule of RFC 5893; a joiner without its
        // context arrives as `Unexpected`.
        PrecisError::Invalid => NameError::Direction,
        PrecisError::Unexpected(_) => NameError::Invisible,
    }
}

fn skeleton_of(text: &str) -> String {
    unicode_security::skeleton(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(raw: &str) -> Result<String, NameError> {
        UserName::parse(raw).map(|name| name.as_str().to_owned())
    }

    fn code(raw: &str) -> &'static str {
        UserName::parse(raw).map_or_else(NameError::code, |_| "accepted")
    }

    fn shown_code(raw: &str) -> &'static str {
        display_name(raw).map_or_else(NameError::code, |_| "accepted")
    }

    #[test]
    fn everyday_names_are_accepted_in_one_form() {
        for (raw, kept) in [
            ("Ada", "ada"),
            ("x", "x"),
            ("ada.lovelace-1815_", "ada.lovelace-1815_"),
            ("张伟", "张伟"),
            ("张伟2", "张伟2"),
            ("Zhang伟", "zhang伟"),
            ("Ａｄａ", "ada"),
            ("Иван", "иван"),
            ("Σωκράτης", "σωκράτης"),
            ("さくらサクラ桜", "さくらサクラ桜"),
            ("김철수", "김철수"),
            ("שלום", "שלום"),
            ("محمد", "محمد"),
        ] {
            assert_eq!(user(raw).as_deref(), Ok(kept), "{raw}");
        }
    }

    #[test]
    fn user_names_have_both_limits() {
        assert_eq!(code(&"a".repeat(USER_NAME_CHARACTERS)), "accepted");
        assert_eq!(code(&"a".repeat(USER_NAME_CHARACTERS + 1)), "name_too_long");
        assert_eq!(code(&"张".repeat(21)), "accepted");
        assert_eq!(code(&"张".repeat(22)), "name_too_long");
        assert_eq!(
            code(&"ada\n".repeat(1_000_000)),
            "name_too_long",
            "refused unread"
        );
        assert_eq!(code(&"e\u{301}".repeat(USER_NAME_CHARACTERS)), "accepted");
    }

    #[test]
    fn bad_user_names_are_refused_by_the_right_rule() {
        for (raw, expected) in [
            ("", "name_empty"),
            ("   ", "name_empty"),
            ("\u{3000}\u{a0}", "name_empty"),
            (" ada", "name_whitespace"),
            ("ada lovelace", "name_whitespace"),
            ("ada\u{a0}l", "name_whitespace"),
            ("ada\n", "name_invisible"),
            ("a\0da", "name_invisible"),
            ("ad\u{202e}a", "name_invisible"),
            ("ad\u{2066}a", "name_invisible"),
            ("ad\u{200b}a", "name_invisible"),
            ("ad\u{feff}a", "name_invisible"),
            ("ad\u{ad}a", "name_invisible"),
            ("ad\u{200d}a", "name_invisible"),
            ("ad\u{200c}a", "name_invisible"),
            ("ada\u{e0061}\u{e007f}", "name_invisible"),
            ("ada\u{3164}", "name_invisible"),
            ("ada\u{fe0f}", "name_invisible"),
            ("ada@home", "name_character"),
            ("ada:home", "name_character"),
            ("ada/home", "name_character"),
            ("ada!", "name_character"),
            ("ada\u{1f600}", "name_character"),
            ("\u{1f468}\u{200d}\u{1f469}", "name_character"),
            ("½ada", "name_character"),
            ("\u{301}ada", "name_character"),
            ("𝐚𝐝𝐚", "name_character"),
            ("...", "name_only_punctuation"),
            ("-_-", "name_only_punctuation"),
            ("аdmin", "name_mixed_scripts"),
            ("pаypаl", "name_mixed_scripts"),
            ("αda", "name_mixed_scripts"),
            ("עada", "name_direction"),
        ] {
            assert_eq!(code(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn twins_in_nfc_and_nfd_are_one_name() {
        assert_eq!(user("Jos\u{e9}"), user("Jose\u{301}"));
        assert_eq!(display_name("Jos\u{e9}"), display_name("Jose\u{301}"));
        for korean in ["각", "\u{1100}\u{1161}\u{11a8}"] {
            assert_eq!(user(korean).as_deref(), Ok("각"));
            assert_eq!(display_name(korean).as_deref(), Ok("각"));
        }
    }

    #[test]
    fn look_alikes_share_a_skeleton_and_others_do_not() {
        let skeleton = |raw| UserName::parse(raw).expect("an allowed name").skeleton();
        // The mixed twin is refused at the door already; its skeleton would still betray it.
        assert_eq!(skeleton_of("аdmin"), skeleton("admin"));
        // Wholly Cyrillic twins are single-script, so only the skeleton stops them.
        assert_eq!(skeleton("сосо"), skeleton("coco"));
        assert_eq!(skeleton("bi11"), skeleton("bill"));
        assert_eq!(skeleton("rnary"), skeleton("mary"));
        assert_ne!(skeleton("bob0"), skeleton("bobo"), "no further than UTS 39");
        assert_ne!(skeleton("张伟"), skeleton("张炜"));
        assert_ne!(skeleton("anna"), skeleton("hanna"));
    }

    #[test]
    fn display_names_are_tidied_and_kept_as_typed() {
        for (raw, kept) in [
            ("  Ada   Lovelace ", "Ada Lovelace"),
            ("Ada\u{a0}\u{3000}L", "Ada L"),
            ("张伟（工程部）", "张伟（工程部）"),
            ("Ada 👩\u{200d}💻", "Ada 👩\u{200d}💻"),
            ("👩🏽\u{200d}❤\u{fe0f}\u{200d}👨🏽", "👩🏽\u{200d}❤\u{fe0f}\u{200d}👨🏽"),
            ("1\u{fe0f}\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("क्\u{200d}ष", "क्\u{200d}ष"),
            ("🥰🤖", "🥰🤖"),
            ("李𬱖", "李𬱖"),
            ("...", "..."),
            ("O'Brien & Sons / R@D: 1", "O'Brien & Sons / R@D: 1"),
        ] {
            assert_eq!(display_name(raw).as_deref(), Ok(kept), "{raw:?}");
            assert_eq!(title(raw).as_deref(), Ok(kept), "{raw:?}");
        }
    }

    #[test]
    fn bad_display_names_are_refused_by_the_right_rule() {
        for (raw, expected) in [
            ("", "name_empty"),
            (" \u{3000}\t", "name_empty"),
            ("\u{2800}\u{2800}", "name_empty"),
            ("\u{301}\u{301}", "name_empty"),
            ("\u{200d}", "name_empty"),
            ("Ada\nLovelace", "name_invisible"),
            ("Ada\u{202e}ecalevoL", "name_invisible"),
            ("Ada\u{2067}", "name_invisible"),
            ("Ada\u{200f}", "name_invisible"),
            ("Ada\u{200b}", "name_invisible"),
            ("A\u{200d}da", "name_invisible"),
            ("Ada\u{fe0f}", "name_invisible"),
            ("👩\u{200d}", "name_invisible"),
            ("🏴\u{e0067}\u{e007f}", "name_invisible"),
            ("Ada\u{e000}", "name_character"),
            ("\u{301}Ada", "name_character"),
        ] {
            assert_eq!(shown_code(raw), expected, "{raw:?}");
            assert_eq!(
                title(raw).map_or_else(NameError::code, |_| "accepted"),
                expected,
                "{raw:?}"
            );
        }
    }

    #[test]
    fn display_names_and_titles_have_their_limits() {
        assert_eq!(shown_code(&"a".repeat(64)), "accepted");
        assert_eq!(shown_code(&"a".repeat(65)), "name_too_long");
        assert_eq!(shown_code(&"x\u{323}\u{301}".repeat(25)), "accepted");
        assert_eq!(
            shown_code(&"q\u{301}".repeat(42)),
            "accepted",
            "84 code points, 42 characters"
        );
        assert_eq!(shown_code(&"张".repeat(42)), "accepted");
        assert_eq!(shown_code(&"张".repeat(43)), "name_too_long");
        assert_eq!(shown_code(&" ".repeat(10_000)), "name_too_long", "refused unread");
        assert!(title(&"a".repeat(TITLE_BYTES)).is_ok());
        assert_eq!(
            title(&"a".repeat(TITLE_BYTES + 1)).map_err(NameError::code),
            Err("name_too_long")
        );
    }

    #[test]
    fn a_user_name_does_not_print_itself() {
        let name = UserName::parse("canary").expect("an allowed name");
        assert!(!format!("{name:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_at_rest(raw in "\\PC{1,40}") {
            if let Ok(name) = UserName::parse(&raw) {
                prop_assert_eq!(UserName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().len() <= USER_NAME_BYTES);
            }
            if let Ok(shown) = display_name(&raw) {
                prop_assert_eq!(display_name(&shown), Ok(shown.clone()));
                prop_assert!(!shown.chars().any(is_hidden) && shown.len() <= DISPLAY_NAME_BYTES);
            }
        }
    }
}
