//! Personal settings: what each may hold, and who may keep it. What must not live here: where they are kept, and what
//! follows from them (see `notify`, `discretion`).

use super::names;
use super::notify;
use crate::limits;
use crate::proto::setting::{Draft, Notify, Quiet, Setting, Status};
use crate::proto::{Code, Refusal, Timestamp, UserId};

type Allowed = Result<(), Refusal>;

/// What the log and the accounts say about that which a setting is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether one is a member of the conversation.
    pub member: bool,
    /// Whether there is an event of that seq that one may see.
    pub sees: bool,
    /// Whether there is such a user.
    pub user: bool,
    /// The file, if one has uploaded it oneself.
    pub picture: Option<Picture>,
}

/// What is known of a file that is to be somebody's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub size: u64,
    /// Whether the server has made a small picture of it, so that it is one.
    pub shows: bool,
}

/// Whether a file can stand for a person or a conversation.
///
/// # Errors
/// `not_found`, `too_large`, `bad_request`.
pub fn may_stand(picture: Option<Picture>) -> Allowed {
    let Some(picture) = picture else {
        let sentence = "There is no file by that id that you have uploaded.";
        return Err(Refusal::because(Code::NotFound, sentence));
    };
    if picture.size > limits::AVATAR_BYTES {
        let sentence = format!("An avatar has at most {} bytes.", limits::AVATAR_BYTES);
        return Err(Refusal::because(Code::TooLarge, sentence));
    }
    if !picture.shows {
        return Err(bad(
            "An avatar is a picture of which the server could make a small one.",
        ));
    }
    Ok(())
}

/// Whether a user may keep a setting. What is cleared may always go.
///
/// # Errors
/// `bad_request` or `too_large` for a value that does not fit, `not_found` for what one may not see.
pub fn may_set(setting: &Setting, me: UserId, facts: Facts) -> Allowed {
    fits(setting)?;
    if setting.stored().is_none() {
        return Ok(());
    }
    let known = |known: bool| {
        if known { Ok(()) } else { Err(Code::NotFound.into()) }
    };
    match setting {
        Setting::Saved { .. } | Setting::Hidden { .. } => known(facts.member && facts.sees),
        Setting::Blocked { user, .. } if *user == me => Err(bad("One cannot block oneself.")),
        Setting::Blocked { .. } => known(facts.user),
        Setting::Avatar { .. } => may_stand(facts.picture),
        _ if setting.conversation().is_some() => known(facts.member),
        _ => Ok(()),
    }
}

fn bad(sentence: &str) -> Refusal {
    Refusal::because(Code::BadRequest, sentence)
}

/// What can be said of a setting without knowing anything else.
fn fits(setting: &Setting) -> Allowed {
    match setting {
        Setting::Notify { value, .. } => value
            .iter()
            .try_for_each(|Notify { until, .. }| some_time(*until)),
        Setting::Quiet { value } => value.iter().try_for_each(quiet),
        Setting::Draft { value, .. } => value.iter().try_for_each(draft),
        Setting::Status { value } => value.iter().try_for_each(status),
        _ => Ok(()),
    }
}

/// Numbers on the wire stay below 2^53.
fn some_time(until: Option<Timestamp>) -> Allowed {
    match until {
        Some(until) if until >= 1 << 53 => Err(bad("`until` is in milliseconds, below 2^53.")),
        _ => Ok(()),
    }
}

fn draft(draft: &Draft) -> Allowed {
    if draft.text.len() > limits::DRAFT_BYTES {
        let sentence = format!("A draft has at most {} bytes.", limits::DRAFT_BYTES);
        return Err(Refusal::because(Code::TooLarge, sentence));
    }
    if draft.reply_to.is_some_and(|seq| seq == 0 || seq >= 1 << 53) {
        return Err(bad("`reply_to` is the seq of a message."));
    }
    Ok(())
}

fn quiet(quiet: &Quiet) -> Allowed {
    if !(1..=limits::QUIET_STRETCHES).contains(&quiet.hours.len()) {
        let sentence = format!("Name 1 to {} stretches of hours.", limits::QUIET_STRETCHES);
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    for hours in &quiet.hours {
        let mut days = hours.days.clone();
        days.sort_unstable_by_key(|day| *day as u8);
        days.dedup();
        if days.is_empty() || days.len() != hours.days.len() {
            return Err(bad("Name 1 to 7 days, each once."));
        }
        if hours.from >= notify::MINUTES || hours.to >= notify::MINUTES {
            return Err(bad("`from` and `to` are minutes after midnight, 0 to 1,439."));
        }
    }
    if notify::zone(&quiet.zone).is_none() {
        return Err(bad(
            "`zone` is the IANA name of a time zone, such as `Europe/Berlin`.",
        ));
    }
    Ok(())
}

fn status(status: &Status) -> Allowed {
    some_time(status.until)?;
    if status.text.len() > limits::STATUS_BYTES {
        let sentence = format!("A status has at most {} bytes.", limits::STATUS_BYTES);
        return Err(Refusal::because(Code::BadRequest, sentence));
    }
    // Free text of one line, as a display name is.
    if !status.text.is_empty() && names::title(&status.text).ok().as_deref() != Some(status.text.as_str()) {
        return Err(bad(
            "A status is one line, without controls and without blanks at its ends or two in a row.",
        ));
    }
    let odd = |emoji: &str| {
        !(1..=limits::EMOJI_BYTES).contains(&emoji.len())
            || emoji.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if status.emoji.as_deref().is_some_and(odd) {
        return Err(bad("An emoji has 1 to 32 bytes, and no blanks."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ConversationId;
    use crate::proto::setting::{QuietHours, Weekday};

    const ME: UserId = UserId(1);
    const ALL: Facts = Facts {
        member: true,
        sees: true,
        user: true,
        picture: None,
    };

    fn code(setting: &Setting, facts: Facts) -> Option<Code> {
        may_set(setting, ME, facts).err().map(|refusal| refusal.code)
    }

    #[test]
    fn what_one_may_not_see_cannot_be_kept_but_always_cleared() {
        let conversation = ConversationId(5);
        let about = |value: bool| {
            [
                Setting::Saved {
                    conversation,
                    seq: 3,
                    value,
                },
                Setting::Hidden {
                    conversation,
                    seq: 3,
                    value,
                },
                Setting::Pinned { conversation, value },
                Setting::Archived { conversation, value },
                Setting::Unread { conversation, value },
                Setting::Blocked {
                    user: UserId(2),
                    value,
                },
            ]
        };
        for setting in about(true) {
            assert_eq!(code(&setting, ALL), None, "{setting:?}");
            assert_eq!(
                code(&setting, Facts::default()),
                Some(Code::NotFound),
                "{setting:?}"
            );
        }
        for setting in about(false) {
            assert_eq!(code(&setting, Facts::default()), None, "{setting:?}");
        }
        let unseen = Facts { sees: false, ..ALL };
        assert_eq!(code(&about(true)[0], unseen), Some(Code::NotFound));
        assert_eq!(code(&about(true)[2], unseen), None, "it is about no single event");
        let myself = Setting::Blocked {
            user: ME,
            value: true,
        };
        assert_eq!(code(&myself, ALL), Some(Code::BadRequest));
    }

    #[test]
    fn values_have_their_bounds() {
        let hours = |days: &[Weekday], from, to| QuietHours {
            days: days.to_vec(),
            from,
            to,
        };
        let quiet = |zone: &str, hours: Vec<QuietHours>| Setting::Quiet {
            value: Some(Quiet {
                zone: zone.into(),
                hours,
            }),
        };
        let night = hours(&[Weekday::Mon], 1_320, 420);
        let (berlin, most) = ("Europe/Berlin", limits::QUIET_STRETCHES);
        assert_eq!(code(&quiet(berlin, vec![night.clone(); most]), ALL), None);
        for bad in [
            quiet(berlin, Vec::new()),
            quiet(berlin, vec![night.clone(); most + 1]),
            quiet("Europe/Atlantis", vec![night.clone()]),
            quiet("", vec![night]),
            quiet(berlin, vec![hours(&[], 1, 2)]),
            quiet(berlin, vec![hours(&[Weekday::Mon, Weekday::Mon], 1, 2)]),
            quiet(berlin, vec![hours(&[Weekday::Mon], 1_440, 2)]),
            quiet(berlin, vec![hours(&[Weekday::Mon], 1, 1_440)]),
        ] {
            assert_eq!(code(&bad, ALL), Some(Code::BadRequest), "{bad:?}");
        }
        let status = |text: String, emoji: Option<&str>| Setting::Status {
            value: Some(Status {
                text,
                emoji: emoji.map(str::to_owned),
                until: None,
            }),
        };
        let most = limits::STATUS_BYTES;
        assert_eq!(code(&status("x".repeat(most), Some("🌴")), ALL), None);
        for bad in [
            status("x".repeat(most + 1), None),
            status("two\nlines".into(), None),
            status(" x".into(), None),
            status(String::new(), Some("")),
            status(String::new(), Some("a b")),
        ] {
            assert_eq!(code(&bad, ALL), Some(Code::BadRequest), "{bad:?}");
        }
        let draft = |bytes: usize| Setting::Draft {
            conversation: ConversationId(5),
            value: Some(Draft {
                text: "x".repeat(bytes),
                reply_to: None,
            }),
        };
        assert_eq!(code(&draft(limits::DRAFT_BYTES), ALL), None);
        assert_eq!(code(&draft(limits::DRAFT_BYTES + 1), ALL), Some(Code::TooLarge));
    }

    #[test]
    fn a_picture_is_ones_own_small_enough_and_one() {
        let code = |size, shows| {
            let refused = may_stand(Some(Picture { size, shows }));
            refused.err().map(|refusal| refusal.code)
        };
        assert_eq!(code(limits::AVATAR_BYTES, true), None);
        assert_eq!(code(limits::AVATAR_BYTES + 1, true), Some(Code::TooLarge));
        assert_eq!(code(1, false), Some(Code::BadRequest));
        assert_eq!(
            may_stand(None).err().map(|refusal| refusal.code),
            Some(Code::NotFound)
        );
    }
}
