//! One event as a row of the log, there and back; and the hash that chains it. What must not live here: queries.

use std::borrow::Cow;

use rusqlite::Row as SqlRow;

use super::extras::Extras;
use crate::core::permit::DeviceNo;
use crate::proto::{Body, ClientId, ConversationId, Event, Seq, UserId, What};
use crate::store::Pos;

pub const COLUMNS: &str =
    "pos, conversation, seq, count, kind, sender, device, client, ts, target, digest, salt, body";

/// A link of a conversation's hash chain.
pub type Hash = [u8; 32];
pub const SALT: usize = 16;
/// See `Row::stub`: no user has this id.
const ANNOUNCED: Seq = 0;

/// A row of the log. An erased one has no body and no digest, and its salt is replaced by the commitment (32 bytes).
#[derive(Clone, Debug)]
pub struct Row {
    pub pos: Pos,
    pub conversation: u64,
    pub seq: Seq,
    pub count: u64,
    pub kind: u8,
    pub unsynchronised: bool,
    pub sender: u64,
    pub device: DeviceNo,
    pub client: [u8; 16],
    pub ts: u64,
    pub target: Option<Seq>,
    pub digest: Option<[u8; 8]>,
    pub salt: Vec<u8>,
    pub body: Option<Vec<u8>>,
}

mod kind {
    pub const TEXT: u8 = 1;
    pub const OPAQUE: u8 = 2;
    pub const EDITED_TEXT: u8 = 3;
    pub const EDITED_OPAQUE: u8 = 4;
    pub const RECALLED: u8 = 5;
    pub const REACTION: u8 = 6;
    pub const REACTION_REMOVED: u8 = 7;
    /// A body that carries a stored file: its words as JSON.
    pub const MEDIA: u8 = 8;
    pub const EDITED_MEDIA: u8 = 9;
    /// Everything that changes the roster: its words as JSON.
    pub const ROSTER: u8 = 16;
    /// Messages with extras in front of their words.
    pub const RICH_TEXT: u8 = 20;
    pub const RICH_OPAQUE: u8 = 21;
    pub const RICH_MEDIA: u8 = 22;
    /// Messages of a thread, whose root is the target; the last three count in the conversation, too.
    pub const THREAD_TEXT: u8 = 23;
    pub const THREAD_OPAQUE: u8 = 24;
    pub const THREAD_MEDIA: u8 = 25;
    pub const ALSO_TEXT: u8 = 26;
    pub const ALSO_OPAQUE: u8 = 27;
    pub const ALSO_MEDIA: u8 = 28;
    pub const UNSYNCHRONISED: u8 = 64;
}

/// An event's kind, target and body as columns.
pub fn pack(what: &What) -> (u8, Option<Seq>, Option<Vec<u8>>) {
    let body_of = |body: &Option<Body>, [text, opaque, media]: [u8; 3]| match body {
        Some(Body::Text { text: words }) => (text, Some(words.clone().into_bytes())),
        Some(Body::Opaque { data }) => (opaque, Some(data.clone().into_bytes())),
        Some(carrier) => {
            let words = serde_json::to_vec(carrier).expect("a body's words encode");
            (media, Some(words))
        }
        None => (text, None),
    };
    match what {
        What::Message {
            body,
            reply_to,
            erased: _,
            mentions,
            mention_all,
            forwarded,
            thread,
            thread_count,
            also_send,
        } => {
            if thread.is_none() && mentions.is_empty() && !mention_all && forwarded.is_none() {
                let (kind, body) = body_of(body, [kind::TEXT, kind::OPAQUE, kind::MEDIA]);
                return (kind, *reply_to, body);
            }
            let extras = Extras {
                mentions: mentions.clone(),
                mention_all: *mention_all,
                forwarded: *forwarded,
                reply_to: reply_to.filter(|_| thread.is_some()),
                thread_count: *thread_count,
                also_send: *also_send,
            };
            let (kind, words) = match (thread, what.counts()) {
                (None, _) => body_of(body, [kind::RICH_TEXT, kind::RICH_OPAQUE, kind::RICH_MEDIA]),
                (Some(_), false) => {
                    body_of(body, [kind::THREAD_TEXT, kind::THREAD_OPAQUE, kind::THREAD_MEDIA])
                }
                (Some(_), true) => body_of(body, [kind::ALSO_TEXT, kind::ALSO_OPAQUE, kind::ALSO_MEDIA]),
            };
            (
                kind,
                thread.or(*reply_to),
                words.map(|words| extras.before(&words)),
            )
        }
        What::Edited { target, body, .. } => {
            let (kind, body) = body_of(body, [kind::EDITED_TEXT, kind::EDITED_OPAQUE, kind::EDITED_MEDIA]);
            (kind, Some(*target), body)
        }
        What::Recalled { target } => (kind::RECALLED, Some(*target), Some(Vec::new())),
        What::Reaction {
            target,
            emoji,
            removed,
        } => {
            let kind = if *removed {
                kind::REACTION_REMOVED
            } else {
                kind::REACTION
            };
            (kind, Some(*target), Some(emoji.clone().into_bytes()))
        }
        other => {
            let words = serde_json::to_vec(other).expect("an event's words encode");
            (kind::ROSTER, None, Some(words))
        }
    }
}

/// Whether a kind column's row may be about other rows' being erased.
pub fn may_erase(column: i64) -> bool {
    let kind = column & !i64::from(kind::UNSYNCHRONISED);
    [kind::RECALLED, kind::ROSTER].map(i64::from).contains(&kind)
}

/// Whether a kind column's row holds what somebody wrote.
pub fn holds_words(column: i64) -> bool {
    matches!(
        plain(column),
        kind::TEXT..=kind::EDITED_OPAQUE
            | kind::REACTION..=kind::EDITED_MEDIA
            | kind::RICH_TEXT..=kind::ALSO_MEDIA
    )
}

/// Whether a kind column's row may hold an announcement or a nickname.
pub fn may_name(column: i64) -> bool {
    plain(column) == kind::ROSTER
}

fn plain(column: i64) -> u8 {
    u8::try_from(column & !i64::from(kind::UNSYNCHRONISED)).unwrap_or(0)
}

pub fn is_unsynchronised(column: i64) -> bool {
    column & i64::from(kind::UNSYNCHRONISED) != 0
}

impl Row {
    pub fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let kind = u8::try_from(number(4)?).unwrap_or(0);
        Ok(Row {
            pos: number(0)?,
            conversation: number(1)?,
            seq: number(2)?,
            count: number(3)?,
            kind: kind & !kind::UNSYNCHRONISED,
            unsynchronised: kind & kind::UNSYNCHRONISED != 0,
            sender: number(5)?,
            device: number(6)?,
            client: row.get::<_, [u8; 16]>(7)?,
            ts: number(8)?,
            target: row.get::<_, Option<i64>>(9)?.map(i64::cast_unsigned),
            digest: row.get(10)?,
            salt: row.get(11)?,
            body: row.get(12)?,
        })
    }

    /// The kind column's value.
    pub fn kind_column(&self) -> i64 {
        i64::from(if self.unsynchronised {
            self.kind | kind::UNSYNCHRONISED
        } else {
            self.kind
        })
    }

    pub fn is_message(&self) -> bool {
        matches!(
            self.kind,
            kind::TEXT | kind::OPAQUE | kind::MEDIA | kind::RICH_TEXT..=kind::ALSO_MEDIA
        )
    }

    /// A message of a thread; its target is the thread's root.
    pub fn is_in_thread(&self) -> bool {
        matches!(self.kind, kind::THREAD_TEXT..=kind::ALSO_MEDIA)
    }

    /// Whether the conversation's count was raised by it.
    pub fn counts(&self) -> bool {
        self.is_message() && !matches!(self.kind, kind::THREAD_TEXT..=kind::THREAD_MEDIA)
    }

    pub fn is_edit(&self) -> bool {
        matches!(
            self.kind,
            kind::EDITED_TEXT | kind::EDITED_OPAQUE | kind::EDITED_MEDIA
        )
    }

    /// Whether its body carries, or carried, a stored file.
    pub fn carries_blob(&self) -> bool {
        matches!(
            self.kind,
            kind::MEDIA | kind::EDITED_MEDIA | kind::RICH_MEDIA | kind::THREAD_MEDIA | kind::ALSO_MEDIA
        )
    }

    /// The plain words that a message or an edit says: a text, or a file's caption and its name; a body that the server does
    /// not read says none.
    pub fn words(&self) -> Option<Cow<'_, str>> {
        let body = self.body.as_deref()?;
        let words = match self.kind {
            kind::TEXT | kind::EDITED_TEXT => body,
            kind::RICH_TEXT | kind::THREAD_TEXT | kind::ALSO_TEXT => Extras::split(body)?.1,
            kind::MEDIA | kind::EDITED_MEDIA => return said_of_file(body),
            kind::RICH_MEDIA | kind::THREAD_MEDIA | kind::ALSO_MEDIA => {
                return said_of_file(Extras::split(body)?.1);
            }
            _ => return None,
        };
        std::str::from_utf8(words).ok().map(Cow::Borrowed)
    }

    pub fn is_reaction(&self) -> bool {
        matches!(self.kind, kind::REACTION | kind::REACTION_REMOVED)
    }

    /// What is left of an announcement (0) or a nickname (whose it is) once it is erased: it stands as the target, which
    /// such events have not.
    pub fn stub(&self) -> Option<Seq> {
        if self.kind != kind::ROSTER {
            return None;
        }
        match self.event().what {
            What::Announced { text: Some(_), .. } => Some(ANNOUNCED),
            What::Nickname {
                user, name: Some(_), ..
            } => Some(user.0),
            _ => None,
        }
    }

    pub fn is_erased(&self) -> bool {
        self.body.is_none()
    }

    /// The event as it is told. A row whose body cannot be read is told as erased, so that one bad row never blocks a page.
    pub fn event(&self) -> Event {
        Event {
            conversation: ConversationId(self.conversation),
            seq: self.seq,
            count: self.count,
            ts: self.ts,
            unsynchronised: self.unsynchronised,
            by: UserId(self.sender),
            client_id: ClientId(uuid::Uuid::from_bytes(self.client)),
            what: self.what(),
        }
    }

    fn what(&self) -> What {
        let words = || {
            self.body
                .as_ref()
                .and_then(|body| String::from_utf8(body.clone()).ok())
        };
        let text = || words().map(|text| Body::Text { text });
        let media = || {
            let body = self.body.as_ref();
            body.and_then(|body| serde_json::from_slice::<Body>(body).ok())
        };
        let opaque = || words().map(|data| Body::Opaque { data });
        let target = self.target.unwrap_or(0);
        let message = |body: Option<Body>| What::message(body, self.target);
        let edited = |body: Option<Body>| {
            let erased = body.is_none();
            What::Edited { target, body, erased }
        };
        match self.kind {
            kind::TEXT => message(text()),
            kind::OPAQUE => message(opaque()),
            kind::MEDIA => message(media()),
            kind::EDITED_MEDIA => edited(media()),
            kind::RICH_TEXT..=kind::ALSO_MEDIA => self.rich(),
            kind::EDITED_TEXT => edited(text()),
            kind::EDITED_OPAQUE => edited(opaque()),
            kind::RECALLED => What::Recalled { target },
            // An erased one is told without its emoji, as one that is not there.
            kind::REACTION => What::Reaction {
                target,
                emoji: words().unwrap_or_default(),
                removed: self.is_erased(),
            },
            kind::REACTION_REMOVED => What::Reaction {
                target,
                emoji: words().unwrap_or_default(),
                removed: true,
            },
            _ => match (&self.body, self.target) {
                (None, Some(ANNOUNCED)) => What::Announced {
                    text: None,
                    erased: true,
                },
                (None, Some(user)) => What::Nickname {
                    user: UserId(user),
                    name: None,
                    erased: true,
                },
                (body, _) => body
                    .as_ref()
                    .and_then(|body| serde_json::from_slice(body).ok())
                    .unwrap_or_else(|| message(None)),
            },
        }
    }

    /// A message with extras.
    fn rich(&self) -> What {
        let parts = self.body.as_deref().and_then(Extras::split);
        let parts = parts.and_then(|(extras, words)| Some((extras, self.rich_body(words)?)));
        let (extras, body) = parts.map_or((Extras::default(), None), |(extras, body)| (extras, Some(body)));
        let thread = self.target.filter(|_| self.is_in_thread());
        What::Message {
            erased: body.is_none(),
            body,
            reply_to: if thread.is_some() {
                extras.reply_to
            } else {
                self.target
            },
            mentions: extras.mentions,
            mention_all: extras.mention_all,
            forwarded: extras.forwarded,
            thread,
            thread_count: extras.thread_count,
            also_send: extras.also_send,
        }
    }

    fn rich_body(&self, words: &[u8]) -> Option<Body> {
        if self.carries_blob() {
            return serde_json::from_slice(words).ok();
        }
        let words = String::from_utf8(words.to_vec()).ok()?;
        Some(match self.kind {
            kind::RICH_TEXT | kind::THREAD_TEXT | kind::ALSO_TEXT => Body::Text { text: words },
            _ => Body::Opaque { data: words },
        })
    }

    /// What the chain holds of the body: BLAKE3 over salt, target and body, so that erasing the two leaves the chain whole.
    pub fn commitment(&self) -> Hash {
        match (&self.body, <[u8; 32]>::try_from(self.salt.as_slice())) {
            (None, Ok(commitment)) => commitment,
            (body, _) => {
                let mut hash = blake3::Hasher::new();
                hash.update(&self.salt);
                hash.update(&self.target.unwrap_or(0).to_le_bytes());
                hash.update(body.as_deref().unwrap_or(&[]));
                *hash.finalize().as_bytes()
            }
        }
    }

    /// The conversation's next link after `previous`.
    pub fn link(&self, previous: &Hash) -> Hash {
        let mut hash = blake3::Hasher::new();
        hash.update(previous);
        hash.update(&self.conversation.to_le_bytes());
        hash.update(&self.seq.to_le_bytes());
        hash.update(&self.sender.to_le_bytes());
        hash.update(&self.client);
        hash.update(&[self.kind]);
        hash.update(&self.commitment());
        *hash.finalize().as_bytes()
    }
}

/// A file's caption, then its name on a line of its own.
fn said_of_file(words: &[u8]) -> Option<Cow<'static, str>> {
    let body = serde_json::from_slice::<Body>(words).ok()?;
    let media = body.media()?;
    Some(Cow::Owned(match media.caption.as_str() {
        "" => media.name.clone(),
        caption => format!("{caption}\n{}", media.name),
    }))
}

/// Numbers as LEB128: positions of a segment as differences, the lists of a roster.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front.
pub fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A segment's positions: the first, then the differences.
pub fn pack_positions(positions: &[Pos]) -> Vec<u8> {
    let mut out = Vec::with_capacity(positions.len() + 8);
    let mut last = 0;
    for pos in positions {
        put_number(&mut out, pos - last);
        last = *pos;
    }
    out
}

pub fn unpack_positions(mut bytes: &[u8]) -> Vec<Pos> {
    let mut out = Vec::new();
    let mut last = 0;
    while let Some(step) = take_number(&mut bytes) {
        // A damaged stretch must be reported, not end the one who reads it.
        last = step.wrapping_add(last);
        out.push(last);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &What) -> Row {
        let (kind, target, body) = pack(what);
        Row {
            pos: 9,
            conversation: 5,
            seq: 3,
            count: 2,
            kind,
            unsynchronised: false,
            sender: 7,
            device: 1,
            client: [4; 16],
            ts: 11,
            target,
            digest: Some([1; 8]),
            salt: vec![6; SALT],
            body,
        }
    }

    #[test]
    fn events_read_back_from_their_columns() {
        let body = || Some(Body::Text { text: "hi".into() });
        for what in [
            What::message(body(), Some(2)),
            What::message(Some(Body::Opaque { data: "aGk=".into() }), None),
            What::Edited {
                target: 1,
                body: body(),
                erased: false,
            },
            What::Edited {
                target: 1,
                body: Some(Body::Video(Box::new(crate::proto::Media {
                    blob: crate::proto::BlobId([7; 32]),
                    name: "a.mp4".into(),
                    size: 1 << 33,
                    media_type: "video/mp4".into(),
                    width: Some(2),
                    height: Some(1),
                    duration_ms: Some(9),
                    thumbhash: None,
                    caption: String::new(),
                }))),
                erased: false,
            },
            What::Recalled { target: 1 },
            What::Reaction {
                target: 1,
                emoji: "👍".into(),
                removed: true,
            },
            What::Joined {
                users: vec![UserId(3), UserId(4)],
                bots: vec![UserId(4)],
            },
            What::Dissolved {},
        ] {
            assert_eq!(row(&what).event().what, what);
        }
    }

    #[test]
    fn erasing_keeps_the_link_and_changing_anything_breaks_it() {
        let whole = row(&What::message(Some(Body::Text { text: "hi".into() }), None));
        let mut erased = whole.clone();
        (erased.salt, erased.body) = (whole.commitment().to_vec(), None);
        assert_eq!(whole.link(&[0; 32]), erased.link(&[0; 32]));
        assert!(matches!(
            erased.event().what,
            What::Message {
                erased: true,
                body: None,
                ..
            }
        ));
        let other = Row {
            body: Some(b"ho".to_vec()),
            ..whole.clone()
        };
        assert_ne!(whole.link(&[0; 32]), other.link(&[0; 32]));
        assert_ne!(whole.link(&[0; 32]), whole.link(&[1; 32]));
    }

    #[test]
    fn positions_pack_small_and_read_back() {
        let positions = [3, 4, 900, 1 << 40, u64::MAX / 2];
        assert_eq!(unpack_positions(&pack_positions(&positions)), positions);
        assert!(pack_positions(&(1000..1064).collect::<Vec<_>>()).len() < 70);
    }
}
