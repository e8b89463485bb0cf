//! What a person keeps for themselves and finds on all of their devices: settings, each with a typed key. What must not
//! live here: what a value may hold and who may keep it (see `core::settings`), or how it is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::{BlobId, ConversationId, Seq, Timestamp, UserId};

/// A personal setting, told apart by `key`. Without a `value` it is cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "key", rename_all = "snake_case")]
pub enum Setting {
    /// What one is notified of: in one conversation, or without `conversation` wherever nothing else is set.
    Notify {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<ConversationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Notify>,
    },
    /// Hours of the week in which one is not notified.
    Quiet {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Quiet>,
    },
    /// What one has begun to write.
    Draft {
        conversation: ConversationId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Draft>,
    },
    /// A message to find again.
    Saved {
        conversation: ConversationId,
        seq: Seq,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// A message deleted for oneself alone.
    Hidden {
        conversation: ConversationId,
        seq: Seq,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Shown before the others in one's list.
    Pinned {
        conversation: ConversationId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Put away from one's list.
    Archived {
        conversation: ConversationId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Marked as unread, whatever the read marker says.
    Unread {
        conversation: ConversationId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Somebody one does not want to hear from.
    Blocked {
        user: UserId,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Others see neither that one is online nor when one was; and one does not see it of them.
    Unseen {
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// Others do not see what one has read; and one does not see it of them.
    ReadsUnseen {
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        value: bool,
    },
    /// What others see beside one's name.
    Status {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Status>,
    },
    /// One's picture: an uploaded file.
    Avatar {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<BlobId>,
    },
}

/// What one is notified of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notify {
    pub level: NotifyLevel,
    /// Until then; afterwards as if this were not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyLevel {
    All,
    /// What names one; in a direct conversation everything does.
    Mentions,
    None,
}

/// Hours without notifications, by the clock on the wall of one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quiet {
    /// The IANA name of the time zone: `Europe/Berlin`.
    pub zone: String,
    /// 1 to 14 stretches.
    pub hours: Vec<QuietHours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuietHours {
    /// The days on which the stretch begins, 1 to 7, each once.
    pub days: Vec<Weekday>,
    /// Minutes after midnight, 0 to 1,439.
    pub from: u16,
    /// The same for the end, not quiet any more; at or before `from` it is on the next day.
    pub to: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// At most 4,096 bytes.
    pub text: String,
    /// The message that is being answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
}

/// What somebody says of themselves, for all to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// One line of at most 100 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// At most 32 bytes, without blanks and controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// Shown until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A setting as it stands since an account change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Of two states of one setting the larger number is the newer.
    pub change: u64,
    #[serde(flatten)]
    pub setting: Setting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingPage {
    /// Those that are set, the longest unchanged first.
    pub settings: Vec<Kept>,
    pub more: bool,
}

/// The answer to `set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetDone {
    /// The change that the setting stands since; 0 when there was nothing to clear.
    pub change: u64,
}

/// A saved message as it is today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedMessage {
    pub change: u64,
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPage {
    /// Those that the asker may still see, saved first first.
    pub saved: Vec<SavedMessage>,
    pub more: bool,
    /// What to go on `after`; messages that are not shown count, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// The keys as they are stored: the numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Key {
    Notify = 1,
    Quiet = 2,
    Draft = 3,
    Saved = 4,
    Hidden = 5,
    Pinned = 6,
    Archived = 7,
    Unread = 8,
    Blocked = 9,
    Unseen = 10,
    Status = 11,
    Avatar = 12,
    ReadsUnseen = 13,
}

/// Which setting of a person: its key, and what it is about (0 where it is about nothing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub key: Key,
    pub subject: u64,
    pub seq: Seq,
}

impl Key {
    const ALL: [Key; 13] = [
        Key::Notify,
        Key::Quiet,
        Key::Draft,
        Key::Saved,
        Key::Hidden,
        Key::Pinned,
        Key::Archived,
        Key::Unread,
        Key::Blocked,
        Key::Unseen,
        Key::Status,
        Key::Avatar,
        Key::ReadsUnseen,
    ];

    /// The key of a stored number; nothing for one that a later release has written.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Key> {
        Key::ALL.into_iter().find(|key| *key as i64 == number)
    }
}

impl Setting {
    #[must_use]
    pub fn place(&self) -> Place {
        let at = |key, subject: u64, seq| Place { key, subject, seq };
        match self {
            Setting::Notify { conversation, .. } => at(Key::Notify, conversation.map_or(0, |id| id.0), 0),
            Setting::Quiet { .. } => at(Key::Quiet, 0, 0),
            Setting::Draft { conversation, .. } => at(Key::Draft, conversation.0, 0),
            Setting::Saved {
                conversation, seq, ..
            } => at(Key::Saved, conversation.0, *seq),
            Setting::Hidden {
                conversation, seq, ..
            } => at(Key::Hidden, conversation.0, *seq),
            Setting::Pinned { conversation, .. } => at(Key::Pinned, conversation.0, 0),
            Setting::Archived { conversation, .. } => at(Key::Archived, conversation.0, 0),
            Setting::Unread { conversation, .. } => at(Key::Unread, conversation.0, 0),
            Setting::Blocked { user, .. } => at(Key::Blocked, user.0, 0),
            Setting::Unseen { .. } => at(Key::Unseen, 0, 0),
            Setting::Status { .. } => at(Key::Status, 0, 0),
            Setting::Avatar { .. } => at(Key::Avatar, 0, 0),
            Setting::ReadsUnseen { .. } => at(Key::ReadsUnseen, 0, 0),
        }
    }

    /// The conversation it is about.
    #[must_use]
    pub fn conversation(&self) -> Option<ConversationId> {
        match self {
            Setting::Notify { conversation, .. } => *conversation,
            Setting::Draft { conversation, .. }
            | Setting::Saved { conversation, .. }
            | Setting::Hidden { conversation, .. }
            | Setting::Pinned { conversation, .. }
            | Setting::Archived { conversation, .. }
            | Setting::Unread { conversation, .. } => Some(*conversation),
            Setting::Quiet { .. }
            | Setting::Blocked { .. }
            | Setting::Unseen { .. }
            | Setting::ReadsUnseen { .. }
            | Setting::Status { .. }
            | Setting::Avatar { .. } => None,
        }
    }

    /// The value as it is stored; nothing for a setting that is cleared, as an empty draft and an empty status are.
    #[must_use]
    pub fn stored(&self) -> Option<String> {
        fn json<T: Serialize>(value: &T) -> String {
            serde_json::to_string(value).expect("wire types have text keys and no fallible parts")
        }
        match self {
            Setting::Notify { value, .. } => value.as_ref().map(json),
            Setting::Quiet { value } => value.as_ref().map(json),
            Setting::Draft { value, .. } => value
                .as_ref()
                .filter(|draft| !draft.text.is_empty() || draft.reply_to.is_some())
                .map(json),
            Setting::Status { value } => value
                .as_ref()
                .filter(|status| !status.text.is_empty() || status.emoji.is_some())
                .map(json),
            Setting::Avatar { value } => value.as_ref().map(json),
            Setting::Saved { value, .. }
            | Setting::Hidden { value, .. }
            | Setting::Pinned { value, .. }
            | Setting::Archived { value, .. }
            | Setting::Unread { value, .. }
            | Setting::Blocked { value, .. }
            | Setting::Unseen { value }
            | Setting::ReadsUnseen { value } => value.then(|| json(value)),
        }
    }

    /// A stored setting; nothing when the value is of a form that this release does not know.
    #[must_use]
    pub fn read(place: Place, value: Option<&str>) -> Option<Setting> {
        fn of<'a, T: Deserialize<'a>>(value: Option<&'a str>) -> Option<Option<T>> {
            value.map(serde_json::from_str).transpose().ok()
        }
        let conversation = ConversationId(place.subject);
        let (seq, is_set) = (place.seq, value.is_some());
        Some(match place.key {
            Key::Notify => Setting::Notify {
                conversation: Some(conversation).filter(|id| id.0 != 0),
                value: of(value)?,
            },
            Key::Quiet => Setting::Quiet { value: of(value)? },
            Key::Draft => Setting::Draft {
                conversation,
                value: of(value)?,
            },
            Key::Status => Setting::Status { value: of(value)? },
            Key::Avatar => Setting::Avatar { value: of(value)? },
            Key::Saved => Setting::Saved {
                conversation,
                seq,
                value: is_set,
            },
            Key::Hidden => Setting::Hidden {
                conversation,
                seq,
                value: is_set,
            },
            Key::Pinned => Setting::Pinned {
                conversation,
                value: is_set,
            },
            Key::Archived => Setting::Archived {
                conversation,
                value: is_set,
            },
            Key::Unread => Setting::Unread {
                conversation,
                value: is_set,
            },
            Key::Blocked => Setting::Blocked {
                user: UserId(place.subject),
                value: is_set,
            },
            Key::Unseen => Setting::Unseen { value: is_set },
            Key::ReadsUnseen => Setting::ReadsUnseen { value: is_set },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_from_where_it_is_stored() {
        let (conversation, user) = (ConversationId(7), UserId(9));
        let draft = Draft {
            text: "hm".into(),
            reply_to: Some(3),
        };
        let notify = Notify {
            level: NotifyLevel::None,
            until: Some(5),
        };
        let quiet = Quiet {
            zone: "Asia/Tokyo".into(),
            hours: vec![QuietHours {
                days: vec![Weekday::Sun],
                from: 1,
                to: 0,
            }],
        };
        let status = Status {
            text: String::new(),
            emoji: Some("🌴".into()),
            until: None,
        };
        let all = [
            Setting::Notify {
                conversation: None,
                value: Some(notify.clone()),
            },
            Setting::Notify {
                conversation: Some(conversation),
                value: Some(notify),
            },
            Setting::Quiet { value: Some(quiet) },
            Setting::Draft {
                conversation,
                value: Some(draft),
            },
            Setting::Saved {
                conversation,
                seq: 4,
                value: true,
            },
            Setting::Hidden {
                conversation,
                seq: 4,
                value: true,
            },
            Setting::Pinned {
                conversation,
                value: true,
            },
            Setting::Archived {
                conversation,
                value: true,
            },
            Setting::Unread {
                conversation,
                value: true,
            },
            Setting::Blocked { user, value: true },
            Setting::Unseen { value: true },
            Setting::ReadsUnseen { value: true },
            Setting::Status { value: Some(status) },
        ];
        for setting in all {
            let (place, stored) = (setting.place(), setting.stored().expect("it is set"));
            assert_eq!(Key::from_number(place.key as i64), Some(place.key));
            assert_eq!(Setting::read(place, Some(&stored)), Some(setting.clone()));
            let cleared = Setting::read(place, None).expect("a cleared one has no value to misread");
            assert_eq!((cleared.place(), cleared.stored()), (place, None));
            let text = serde_json::to_string(&setting).expect("it encodes");
            assert_eq!(serde_json::from_str::<Setting>(&text).expect("it reads"), setting);
        }
        let odd = Place {
            key: Key::Quiet,
            subject: 0,
            seq: 0,
        };
        assert_eq!(Setting::read(odd, Some("{}")), None);
        assert_eq!(Key::from_number(99), None);
    }
}
