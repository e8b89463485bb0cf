//! What the log holds, as it is told. What must not live here: how it is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::Media;
use super::ids::{ClientId, ConversationId, Seq, Timestamp, UserId};
use super::talk::Forwarded;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people.
    Direct,
    /// Everyone may post.
    Group,
    /// Owner and admins post, everyone reads.
    Channel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// How one becomes a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinRule {
    /// Anyone on the server may join.
    Open,
    /// Anyone may ask; owner or admins decide.
    Approval,
    /// Owner or admins add people.
    #[default]
    Invitation,
}

/// A message's content, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    expecting = "a body: an object with a `kind`"
)]
pub enum Body {
    /// Plain text, 1 to 32,768 bytes of UTF-8.
    Text { text: String },
    /// Bytes the server does not read (an encrypted message, a bot's own format): base64, at most 32,768 characters.
    Opaque { data: String },
    /// A picture.
    Image(Box<Media>),
    /// A sound to listen to: music, a recording.
    Audio(Box<Media>),
    /// Somebody speaking, recorded for this conversation.
    Voice(Box<Media>),
    /// A film.
    Video(Box<Media>),
    /// Any file.
    File(Box<Media>),
}

impl Body {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Body::Text { text } => text.len(),
            Body::Opaque { data } => data.len(),
            Body::Image(media)
            | Body::Audio(media)
            | Body::Voice(media)
            | Body::Video(media)
            | Body::File(media) => media.len(),
        }
    }

    /// What a person says in it: a text, or a file's caption.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        match self {
            Body::Text { text } => Some(text),
            _ => self.media().map(|media| media.caption.as_str()),
        }
    }

    /// What is said of the stored file, where the body carries one.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        match self {
            Body::Text { .. } | Body::Opaque { .. } => None,
            Body::Image(media)
            | Body::Audio(media)
            | Body::Voice(media)
            | Body::Video(media)
            | Body::File(media) => Some(media),
        }
    }

    pub fn media_mut(&mut self) -> Option<&mut Media> {
        match self {
            Body::Text { .. } | Body::Opaque { .. } => None,
            Body::Image(media)
            | Body::Audio(media)
            | Body::Voice(media)
            | Body::Video(media)
            | Body::File(media) => Some(media),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One event of a conversation's log: `{"type":"event", ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "event")]
#[schemars(rename = "Event", transform = says_its_type)]
pub struct Event {
    pub conversation: ConversationId,
    pub seq: Seq,
    /// How many messages the conversation had with this event: the difference to the reader's marker is what is unread.
    pub count: u64,
    /// Shown time; see `unsynchronised`.
    pub ts: Timestamp,
    /// Present and true when the server's clock was not known to be right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronised: bool,
    /// Who did it.
    pub by: UserId,
    /// The command's client id, so that the sender's devices know their own.
    pub client_id: ClientId,
    #[serde(flatten)]
    pub what: What,
}

/// `type`, which serde writes by itself and the schema would leave out.
fn says_its_type(schema: &mut schemars::Schema) {
    let object = schema.ensure_object();
    if let Some(properties) = object
        .get_mut("properties")
        .and_then(|properties| properties.as_object_mut())
    {
        let event = schemars::json_schema!({ "type": "string", "const": "event" });
        properties.insert("type".into(), event.to_value());
    }
    if let Some(required) = object
        .get_mut("required")
        .and_then(|required| required.as_array_mut())
    {
        required.insert(0, "type".into());
    }
}

/// What happened, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Somebody posted. The only kind that raises `count`; in a thread only if it was sent to the conversation, too, or
    /// mentions somebody.
    Message {
        /// Absent once erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Body>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<Seq>,
        /// Present and true on a tombstone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        erased: bool,
        /// The other members whom the text mentions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
        /// Present and true when the text mentions everyone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mention_all: bool,
        /// Present when somebody said it first somewhere else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forwarded: Option<Forwarded>,
        /// The message whose thread this belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<Seq>,
        /// How many messages the thread had with this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread_count: Option<u64>,
        /// Present and true on a message of a thread that was sent to the conversation, too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        also_send: bool,
    },
    /// The message's body is now this; of several, that of the largest seq.
    Edited {
        /// The message's seq.
        target: Seq,
        /// Absent once the message was recalled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Body>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        erased: bool,
    },
    /// The body of the message and of its edits is to be erased, in every copy.
    Recalled { target: Seq },
    /// For each (target, by, emoji) the largest seq says whether the reaction is there.
    Reaction {
        target: Seq,
        emoji: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        removed: bool,
    },
    /// `by` founded it and is its owner.
    Created {
        conversation_kind: ConversationKind,
        title: String,
        members: Vec<UserId>,
        join: JoinRule,
        history: bool,
        /// Those of the members that are bots.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bots: Vec<UserId>,
    },
    /// Only the settings that were given.
    Updated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        join: Option<JoinRule>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mute_all: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        all_mentions: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        members_pin: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read_lists: Option<bool>,
        /// Days after which what is said here is erased; 0: as long as the server keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention_days: Option<u32>,
    },
    /// These are members from here on; open requests of theirs are settled.
    Joined {
        users: Vec<UserId>,
        /// Those of them that are bots.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bots: Vec<UserId>,
    },
    /// `by` asks to join.
    JoinRequested {},
    /// Their request is settled; they may ask again.
    JoinDeclined { user: UserId },
    /// `by` is no longer a member.
    Left {},
    /// No longer a member.
    Removed { user: UserId },
    /// No longer a member if they were, and may not come back.
    Banned { user: UserId },
    /// May come back.
    Unbanned { user: UserId },
    /// Their role is now this.
    Role { user: UserId, role: Role },
    /// They may not send, edit or react.
    Muted {
        user: UserId,
        /// Shown time of its end; absent: until someone ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// They may again.
    Unmuted { user: UserId },
    /// `user` is the owner now, and `by` an admin.
    Transferred { user: UserId },
    /// The end: nobody is a member any more.
    Dissolved {},
    /// The message is pinned.
    Pinned { target: Seq },
    /// It no longer is.
    Unpinned { target: Seq },
    /// This text stands over the conversation; absent: none any more.
    Announced {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Present and true once its words were erased.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        erased: bool,
    },
    /// Here they go by this name; absent: by their display name again.
    Nickname {
        user: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Present and true once the name was erased.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        erased: bool,
    },
    /// The words of these events are to be erased, in every copy: messages with their edits, and reactions, up to a seq. Of
    /// one who was erased (`by` is the same), then also announcements and
    /// nicknames of theirs; or of everybody because their time was over (`by` is nobody).
    Erased {
        /// Whose; absent: everybody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        upto: Seq,
    },
}

impl What {
    /// A message that is nothing but its words; without them a tombstone.
    #[must_use]
    pub fn message(body: Option<Body>, reply_to: Option<Seq>) -> What {
        What::Message {
            erased: body.is_none(),
            body,
            reply_to,
            mentions: Vec::new(),
            mention_all: false,
            forwarded: None,
            thread: None,
            thread_count: None,
            also_send: false,
        }
    }

    /// Whether the event raises the count of messages, and so the unread number.
    #[must_use]
    pub fn counts(&self) -> bool {
        match self {
            What::Message {
                thread,
                mentions,
                mention_all,
                also_send,
                ..
            } => thread.is_none() || *also_send || *mention_all || !mentions.is_empty(),
            _ => false,
        }
    }

    /// The content, where the event has one that was not erased.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        match self {
            What::Message { body, .. } | What::Edited { body, .. } => body.as_ref(),
            _ => None,
        }
    }

    /// Notes which of the people that it brings are bots.
    pub fn tell_bots(&mut self, those: Vec<UserId>) {
        if let What::Joined { bots, .. } | What::Created { bots, .. } = self {
            *bots = those;
        }
    }

    /// The `kind` on the wire.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            What::Message { .. } => "message",
            What::Edited { .. } => "edited",
            What::Recalled { .. } => "recalled",
            What::Reaction { .. } => "reaction",
            What::Created { .. } => "created",
            What::Updated { .. } => "updated",
            What::Joined { .. } => "joined",
            What::JoinRequested {} => "join_requested",
            What::JoinDeclined { .. } => "join_declined",
            What::Left {} => "left",
            What::Removed { .. } => "removed",
            What::Banned { .. } => "banned",
            What::Unbanned { .. } => "unbanned",
            What::Role { .. } => "role",
            What::Muted { .. } => "muted",
            What::Unmuted { .. } => "unmuted",
            What::Transferred { .. } => "transferred",
            What::Dissolved {} => "dissolved",
            What::Pinned { .. } => "pinned",
            What::Unpinned { .. } => "unpinned",
            What::Announced { .. } => "announced",
            What::Nickname { .. } => "nickname",
            What::Erased { .. } => "erased",
        }
    }
}

/// Every `kind` an event may have.
pub const KINDS: &[&str] = &[
    "message",
    "edited",
    "recalled",
    "reaction",
    "created",
    "updated",
    "joined",
    "join_requested",
    "join_declined",
    "left",
    "removed",
    "banned",
    "unbanned",
    "role",
    "muted",
    "unmuted",
    "transferred",
    "dissolved",
    "pinned",
    "unpinned",
    "announced",
    "nickname",
    "erased",
];
