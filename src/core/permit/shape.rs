//! What can be refused of a change whatever the conversation: lengths, numbers, what goes together. What must not live here:
//! who may.

use super::{Allowed, blobs};
use crate::core::change::Change;
use crate::core::{mentions, names};
use crate::limits;
use crate::proto::command::{Mute, Update};
use crate::proto::{Body, Code, Command, ConversationKind, Refusal, Role};

/// What can be said of a change without knowing the conversation.
pub(super) fn shape(change: &Change) -> Allowed {
    let body = |body: &Body| match body {
        body if body.is_empty() => Err(Refusal::because(Code::BadRequest, "A body must not be empty.")),
        body if body.media().is_none() && body.len() > limits::BODY_BYTES => Err(Code::TooLarge.into()),
        Body::Opaque { data } if data_encoding::BASE64.decode(data.as_bytes()).is_err() => Err(
            Refusal::because(Code::BadRequest, "`data` must be base64 with padding."),
        ),
        body => blobs::shape(body),
    };
    match change.command() {
        Command::Send(send) => {
            if send.conversation.is_some() == send.to.is_some() {
                let sentence = "A `send` names either `conversation` or `to`.";
                return Err(Refusal::because(Code::BadRequest, sentence));
            }
            if send.also_send && send.thread.is_none() {
                let sentence = "`also_send` goes with `thread`.";
                return Err(Refusal::because(Code::BadRequest, sentence));
            }
            match (&send.body, send.forward_of) {
                (Some(said), None) => body(said).and_then(|()| few_mentions(said)),
                (None, Some(_)) => Ok(()),
                _ => {
                    let sentence = "A `send` has either a `body` or `forward_of`.";
                    Err(Refusal::because(Code::BadRequest, sentence))
                }
            }
        }
        Command::Edit(edit) => body(&edit.body),
        Command::React(react) => {
            let fits = (1..=limits::EMOJI_BYTES).contains(&react.emoji.len())
                && !react.emoji.chars().any(|c| c.is_control() || c.is_whitespace());
            if fits {
                Ok(())
            } else {
                Err(Refusal::because(
                    Code::BadRequest,
                    "An emoji has 1 to 32 bytes, and no blanks.",
                ))
            }
        }
        Command::Create(create) => {
            if create.kind == ConversationKind::Direct {
                let sentence = "A direct conversation opens with its first message.";
                return Err(Refusal::because(Code::WrongKind, sentence));
            }
            title(&create.title)?;
            few(create.members.len(), 0)
        }
        Command::Update(update) => settings(update),
        Command::Invite(invite) => few(invite.users.len(), 1),
        Command::Announce(announce) => announce.text.as_deref().map_or(Ok(()), announcement),
        Command::Nickname(nickname) => nickname.name.as_deref().map_or(Ok(()), own_name),
        Command::Role(set) if set.role == Role::Owner => Err(Refusal::because(
            Code::BadRequest,
            "The owner changes by `transfer`.",
        )),
        Command::Mute(Mute {
            seconds: Some(seconds),
            ..
        }) if *seconds > 10 * 365 * 86_400 => Err(Refusal::because(
            Code::BadRequest,
            "`seconds` is at most ten years; leave it out for ever.",
        )),
        _ => Ok(()),
    }
}

fn settings(update: &Update) -> Allowed {
    let nothing = update.title.is_none()
        && update.join.is_none()
        && update.history.is_none()
        && update.mute_all.is_none()
        && update.all_mentions.is_none()
        && update.members_pin.is_none()
        && update.read_lists.is_none()
        && update.retention_days.is_none();
    if nothing {
        return Err(Refusal::because(
            Code::BadRequest,
            "An `update` changes at least one setting.",
        ));
    }
    if update
        .retention_days
        .is_some_and(|days| days > limits::RETENTION_DAYS)
    {
        return Err(Refusal::because(
            Code::BadRequest,
            "`retention_days` is at most a hundred years; 0 for as long as the server keeps it.",
        ));
    }
    update.title.as_deref().map_or(Ok(()), title)
}

fn title(text: &str) -> Allowed {
    match names::title(text) {
        Ok(clean) if clean == text => Ok(()),
        Ok(_) => Err(Refusal::because(
            Code::BadRequest,
            "A title has no blanks at its ends.",
        )),
        Err(error) => Err(Refusal::because(Code::BadRequest, error.to_string())),
    }
}

fn announcement(text: &str) -> Allowed {
    if (1..=limits::ANNOUNCEMENT_BYTES).contains(&text.len()) {
        return Ok(());
    }
    let sentence = format!("An announcement has 1 to {} bytes.", limits::ANNOUNCEMENT_BYTES);
    Err(Refusal::because(Code::BadRequest, sentence))
}

fn own_name(text: &str) -> Allowed {
    match names::display_name(text) {
        Ok(clean) if clean == text => Ok(()),
        Ok(_) => Err(Refusal::because(
            Code::BadRequest,
            "A nickname has no blanks at its ends.",
        )),
        Err(error) => Err(Refusal::because(Code::BadRequest, error.to_string())),
    }
}

fn few_mentions(body: &Body) -> Allowed {
    if mentions::of(body).too_many {
        let sentence = format!("A message mentions at most {} users.", limits::MENTIONS);
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    Ok(())
}

fn few(count: usize, least: usize) -> Allowed {
    if (least..=limits::USERS_PER_COMMAND).contains(&count) {
        return Ok(());
    }
    let sentence = format!("Name {least} to {} users.", limits::USERS_PER_COMMAND);
    Err(Refusal::because(Code::BadRequest, sentence))
}
