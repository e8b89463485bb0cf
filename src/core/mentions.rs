//! Whom a text or a file's caption mentions: `<@` and a user's id, or `all`, and `>`. What must not live here: who is a member, and what a
//! mention does.

use crate::limits;
use crate::proto::{Body, UserId};

/// What was found in a body, once each, in the order of the text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub users: Vec<UserId>,
    pub all: bool,
    /// More than `limits::MENTIONS` are named.
    pub too_many: bool,
}

/// Characters of a user's id.
const ID: usize = 11;

/// Looks at each `<` and reads no further than an id is long: a text without one costs one pass over its bytes.
#[must_use]
pub fn of(body: &Body) -> Said {
    let mut said = Said::default();
    let Some(mut rest) = body.said() else {
        return said;
    };
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(name) = rest.strip_prefix('@') else {
            continue;
        };
        if name.starts_with("all>") {
            said.all = true;
            continue;
        }
        let id = name.get(..ID).filter(|_| name[ID..].starts_with('>'));
        let Some(user) = id.and_then(|id| id.parse().ok()) else {
            continue;
        };
        if said.users.contains(&user) {
            continue;
        }
        if said.users.len() == limits::MENTIONS {
            said.too_many = true;
            break;
        }
        said.users.push(user);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Vec<u64>, bool) {
        let said = of(&Body::Text { text: text.into() });
        (said.users.iter().map(|user| user.0).collect(), said.all)
    }

    #[test]
    fn mentions_are_found_once_each_and_nothing_else_is_one() {
        let (one, two) = (UserId(1), UserId(2));
        assert_eq!(found("hello"), (vec![], false));
        assert_eq!(
            found(&format!("<@{two}>, <@{one}> and <@{two}>")),
            (vec![2, 1], false)
        );
        assert_eq!(found(&format!("<@all> <<@{one}>")), (vec![1], true));
        for nothing in [
            "<@>",
            "<@all",
            "@all>",
            "<@ALL>",
            "<@u000000000l>",
            "<@c0000000001>",
            "<@u00000000011>",
            "<@u0000000001",
            "<@üüüüüüüüüüü>",
            "<@u000000000ü>",
            "<",
            "<@",
            "< @all>",
        ] {
            assert_eq!(found(nothing), (vec![], false), "{nothing}");
        }
        let captioned = Body::File(Box::new(crate::proto::Media {
            blob: crate::proto::BlobId([1; 32]),
            name: format!("<@{two}>"),
            size: 1,
            media_type: String::new(),
            width: None,
            height: None,
            duration_ms: None,
            thumbhash: None,
            caption: format!("look, <@{one}>"),
        }));
        assert_eq!(
            of(&captioned).users,
            [one],
            "the caption counts, the name does not"
        );
        let opaque = Body::Opaque {
            data: "<@all>".into(),
        };
        assert_eq!(of(&opaque), Said::default());
    }

    #[test]
    fn a_text_mentions_a_limited_number_of_users() {
        let text = |many: usize| {
            let names = (1..=many as u64).map(|user| format!("<@{}>", UserId(user)));
            Body::Text {
                text: names.collect(),
            }
        };
        assert!(!of(&text(limits::MENTIONS)).too_many);
        let said = of(&text(limits::MENTIONS + 1));
        assert!(said.too_many && said.users.len() == limits::MENTIONS);
    }
}
