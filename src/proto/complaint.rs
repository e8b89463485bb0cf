//! What is wrong with something that cannot be read, in words of our own that no library's release changes, and with the
//! field's name where it is known. What must not live here: what may be asked for.

use serde::Deserialize;

/// A path longer than this is the asker's own invention, not a field of ours.
const PATH_BYTES: usize = 64;

/// Reads a `T`, keeping in mind where it is, so that a sentence says what is wrong with a text that is none. What is read
/// seldom is read only so: a second way to read each of a hundred types would be a fortieth of the program.
#[inline(never)]
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| of_json(&error.path().to_string(), error.inner()))?;
    match reader.end() {
        Ok(()) => Ok(value),
        Err(_) => Err("Something stands behind the JSON object's end.".into()),
    }
}

/// The same for what is read often: fast as long as it can be read.
pub fn read_often<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).or_else(|_| read(text))
}

fn of_json(path: &str, cause: &serde_json::Error) -> String {
    if cause.is_data() {
        return of_field("field", path, &cause.to_string());
    }
    if cause.is_eof() {
        return "This is not JSON: it ends too early.".into();
    }
    format!(
        "This is not JSON that can be read: see line {}, column {}.",
        cause.line(),
        cause.column()
    )
}

/// A sentence on one value: `kind` is what it is called where it stands. Of the library's words only names are taken.
#[must_use]
pub fn of_field(kind: &str, path: &str, cause: &str) -> String {
    let path = Some(path).filter(|path| !matches!(*path, "." | "?" | "") && path.len() <= PATH_BYTES);
    let of_parent = |name: &str| match path {
        // The field itself or what it stands in, as the library likes.
        Some(path) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
        Some(path) => path.to_owned(),
        None => name.to_owned(),
    };
    if let Some(name) = named(cause, "missing field `") {
        return format!("The {kind} `{}` is missing.", of_parent(name));
    }
    if let Some(name) = named(cause, "duplicate field `") {
        return format!("The {kind} `{}` is there twice.", of_parent(name));
    }
    match path {
        Some(path) => {
            let form = super::ids::form_in(cause);
            let form = form.map_or_else(String::new, |form| format!(": it is {form}"));
            format!("The {kind} `{path}` has a type or value that it cannot have{form}.")
        }
        None => "This is not a JSON object of the form that the protocol describes.".into(),
    }
}

fn named<'a>(cause: &'a str, before: &str) -> Option<&'a str> {
    let (name, _) = cause.strip_prefix(before)?.split_once('`')?;
    (name.len() <= PATH_BYTES).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::account::SignIn;
    use crate::proto::command::{MarkRead, Send, Sync};

    #[test]
    fn each_mistake_has_its_sentence() {
        let said_of = |text| read::<Sync>(text).expect_err("it is none");
        for (text, said) in [
            (
                r#"{"limit":"5"}"#,
                "The field `limit` has a type or value that it cannot have.",
            ),
            (
                r#"{"limit":-1}"#,
                "The field `limit` has a type or value that it cannot have.",
            ),
            (
                r#"{"limit":1.5}"#,
                "The field `limit` has a type or value that it cannot have.",
            ),
            (r#"{"limit":1,"limit":1}"#, "The field `limit` is there twice."),
            (
                r#"{"limit":1} {}"#,
                "Something stands behind the JSON object's end.",
            ),
            ("{", "This is not JSON: it ends too early."),
            (
                "{\n\"limit\" 5}",
                "This is not JSON that can be read: see line 2, column 9.",
            ),
            (
                "5",
                "This is not a JSON object of the form that the protocol describes.",
            ),
        ] {
            assert_eq!(said_of(text), said, "{text}");
        }
        assert_eq!(
            read::<MarkRead>(r#"{"seq":1}"#).expect_err("it is none"),
            "The field `conversation` is missing."
        );
        let form = "ten characters of 0-9 a-z without i, l, o, u";
        assert_eq!(
            read::<MarkRead>(r#"{"conversation":"x","seq":1}"#).expect_err("it is none"),
            format!(
                "The field `conversation` has a type or value that it cannot have: it is `c` and {form}."
            )
        );
        let nested = r#"{"name":"a","password":"b","device":{"name":"c"}}"#;
        assert_eq!(
            read::<SignIn>(nested).expect_err("it is none"),
            "The field `device.id` is missing."
        );
        let body = r#"{"client_id":"01993c5e-8a10-7000-8f3b-2d1c0a9e7701","body":{"kind":"song"}}"#;
        assert_eq!(
            read::<Send>(body).expect_err("it is none"),
            "The field `body.kind` has a type or value that it cannot have."
        );
    }
}
