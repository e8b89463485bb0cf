//! JSON text to commands, answers and events to JSON text. What must not live here: sockets, frames, sizes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, ErrorReply, Notice, Reply};
use super::command::{self, Command, Hello, Request};
use super::complaint;
use super::event::Event;
use super::ids::RequestId;
use super::refusal::{Code, Refusal};
use crate::limits;

/// A request that could not be read, with its id where that much could.
#[derive(Debug)]
pub struct Unreadable {
    pub re: Option<RequestId>,
    pub refusal: Refusal,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with an `id` and a `type`")]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<RequestId>,
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// Reads a request. Two passes over the text, neither of which copies it: which command, then the command.
pub fn decode(text: &str) -> Result<Request, Box<Unreadable>> {
    if is_too_deep(text) {
        let sentence = format!("The request is nested deeper than {} levels.", limits::JSON_DEPTH);
        let refusal = Refusal::because(Code::BadRequest, sentence);
        return Err(Box::new(Unreadable { re: None, refusal }));
    }
    let envelope: Envelope = complaint::read_often(text).map_err(|sentence| unreadable(None, sentence))?;
    let Some(id) = envelope.id.filter(RequestId::is_valid) else {
        let refusal = Refusal::because(
            Code::BadRequest,
            "Every request needs an `id`: a text of at most 64 bytes, or a whole number below 2^53.",
        );
        return Err(Box::new(Unreadable { re: None, refusal }));
    };
    let command = match decode_command(&envelope.kind, text) {
        Some(Ok(command)) => command,
        Some(Err(sentence)) => return Err(unreadable(Some(id), sentence)),
        None => {
            return Err(Box::new(Unreadable {
                re: Some(id),
                refusal: Code::UnknownType.into(),
            }));
        }
    };
    Ok(Request { id, command })
}

/// Whether brackets nest deeper than may be. The parser has a bound of its own, but not for fields that it skips.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > limits::JSON_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn decode_command(kind: &str, text: &str) -> Option<Result<Command, String>> {
    fn read<'a, T: Deserialize<'a>>(text: &'a str, wrap: fn(T) -> Command) -> Result<Command, String> {
        complaint::read(text).map(wrap)
    }
    Some(match kind {
        "hello" => read::<Hello>(text, Command::Hello),
        "send" => complaint::read_often(text).map(Command::Send),
        "edit" => read(text, Command::Edit),
        "recall" => read(text, Command::Recall),
        "react" => read(text, Command::React),
        "mark_read" => complaint::read_often(text).map(Command::MarkRead),
        "typing" => complaint::read_often(text).map(Command::Typing),
        "presence" => read(text, Command::Presence),
        "create" => read(text, Command::Create),
        "update" => read(text, Command::Update),
        "leave" => read(text, Command::Leave),
        "dissolve" => read(text, Command::Dissolve),
        "invite" => read(text, Command::Invite),
        "join" => read(text, Command::Join),
        "approve" => read(text, Command::Approve),
        "kick" => read(text, Command::Kick),
        "ban" => read(text, Command::Ban),
        "role" => read(text, Command::Role),
        "mute" => read(text, Command::Mute),
        "transfer" => read(text, Command::Transfer),
        "history" => read(text, Command::History),
        "conversations" => read(text, Command::Conversations),
        "discover" => read(text, Command::Discover),
        "members" => read(text, Command::Members),
        "readers" => read(text, Command::Readers),
        "sync" => read(text, Command::Sync),
        "set" => read(text, Command::Set),
        "settings" => read(text, Command::Settings),
        "saved" => read(text, Command::Saved),
        "users" => read(text, Command::Users),
        "search" => read(text, |ask| Command::Search(Box::new(ask))),
        "events" => read(text, Command::Events),
        "edits" => read(text, Command::Edits),
        "follow" => read(text, Command::Follow),
        "thread" => read(text, Command::Thread),
        "threads" => read(text, Command::Threads),
        "pin" => read(text, Command::Pin),
        "unpin" => read(text, Command::Unpin),
        "pins" => read(text, Command::Pins),
        "announce" => read(text, Command::Announce),
        "nickname" => read(text, Command::Nickname),
        "requests" => read(text, Command::Requests),
        "links" => read(text, Command::Links),
        _ => return None,
    })
}

fn unreadable(re: Option<RequestId>, sentence: String) -> Box<Unreadable> {
    Box::new(Unreadable {
        re,
        refusal: Refusal::because(Code::BadRequest, sentence),
    })
}

/// Whether a `type` is one this server knows.
#[must_use]
pub fn is_known_type(kind: &str) -> bool {
    command::TYPES.contains(&kind)
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("wire types have text keys and no fallible parts")
}

/// An event as every reader gets it, encoded once.
#[must_use]
pub fn encode_event(event: &Event) -> Bytes {
    Bytes::from(json(event))
}

/// An event as it was encoded.
#[must_use]
pub fn decode_event(bytes: &[u8]) -> Option<Event> {
    serde_json::from_slice(bytes).ok()
}

#[must_use]
pub fn encode_notice(notice: &Notice) -> Bytes {
    Bytes::from(json(notice))
}

#[must_use]
pub fn encode_reply(re: RequestId, answer: Answer) -> Vec<u8> {
    json(&Reply { re, answer })
}

#[must_use]
pub fn encode_refusal(re: Option<RequestId>, refusal: Refusal) -> Vec<u8> {
    json(&ErrorReply { re, error: refusal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Code {
        decode(text).expect_err("must be refused").refusal.code
    }

    #[test]
    fn unknown_fields_are_ignored_and_unknown_types_keep_their_id() {
        let request =
            decode(r#"{"id":1,"type":"mark_read","conversation":"c0000000001","seq":3,"new":[{}]}"#);
        assert_eq!(request.expect("reads").id, RequestId::Number(1));
        let unknown = decode(r#"{"id":"x","type":"dance"}"#).expect_err("unknown");
        assert_eq!(
            (unknown.re, unknown.refusal.code),
            (Some(RequestId::Text("x".into())), Code::UnknownType)
        );
    }

    #[test]
    fn bad_json_is_refused_without_a_panic() {
        let deep = format!(
            r#"{{"id":1,"type":"send","x":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let at_bound = format!(
            r#"{{"id":1,"type":"dance","x":{}{}}}"#,
            "[".repeat(126),
            "]".repeat(126)
        );
        assert_eq!(code(&at_bound), Code::UnknownType);
        let beyond = at_bound.replace("\"x\":[", "\"x\":[[").replace("]}", "]]}");
        assert_eq!(code(&beyond), Code::BadRequest, "also in a field that is skipped");
        let quoted = format!(r#"{{"id":1,"type":"dance","x":"\"{}"}}"#, "[".repeat(500));
        assert_eq!(
            code(&quoted),
            Code::UnknownType,
            "brackets in a text nest nothing"
        );
        for bad in [
            "",
            "{",
            "[]",
            "null",
            "\"x\"",
            r#"{"type":"send"}"#,
            r#"{"id":1}"#,
            r#"{"id":-1,"type":"sync"}"#,
            r#"{"id":9007199254740992,"type":"sync"}"#,
            r#"{"id":1,"type":"sync"} x"#,
            r#"{"id":1,"type":"sync","limit":1e999}"#,
            r#"{"id":1,"type":"mark_read","conversation":"c0000000001","seq":3,"seq":4}"#,
            r#"{"id":1,"type":"mark_read","conversation":"c0000000001","seq":99999999999999999999}"#,
            r#"{"id":1,"id":2,"type":"sync"}"#,
            deep.as_str(),
        ] {
            assert_eq!(code(bad), Code::BadRequest, "{bad:.60}");
        }
    }

    #[test]
    fn every_type_decodes_to_its_own_command() {
        for kind in command::TYPES {
            let refused = decode(&format!(r#"{{"id":1,"type":"{kind}"}}"#)).err();
            assert_ne!(
                refused.map(|bad| bad.refusal.code),
                Some(Code::UnknownType),
                "{kind}"
            );
            assert!(is_known_type(kind));
        }
    }
}
