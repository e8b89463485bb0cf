//! Who may send, see and name a stored file. What must not live here: the bytes, or how it is found who carries them.

use super::{Allowed, Permit};
use crate::core::audience;
use crate::core::roster::Roster;
use crate::limits;
use crate::proto::files::MediaKind;
use crate::proto::{Body, Code, Refusal, Seq, UserId, What};

/// What the store knows of a file that a message is to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobFacts {
    pub size: u64,
    pub media_type: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub thumbhash: Option<String>,
    /// The asker uploaded it and has not sent it yet.
    pub is_own: bool,
    /// An event that the asker may see carries it.
    pub is_seen: bool,
}

impl Permit {
    /// The part that needs the file's row: asked inside the transaction.
    pub fn on_blob(&self, facts: Option<&BlobFacts>) -> Allowed {
        let Some(body) = self.change.body() else {
            return Ok(());
        };
        let Some(facts) = facts.filter(|facts| facts.is_own || facts.is_seen) else {
            return Err(Refusal::because(
                Code::NotFound,
                "There is no file by that id that you may send.",
            ));
        };
        let starts = |word: &str| facts.media_type.starts_with(word);
        // Browsers record speech into containers that could hold a film as well.
        let may_sound = || starts("audio/") || matches!(&*facts.media_type, "video/webm" | "video/mp4");
        let fits = match body {
            Body::Image(_) => starts("image/"),
            Body::Audio(_) | Body::Voice(_) => may_sound(),
            Body::Video(_) => starts("video/"),
            Body::File(_) | Body::Text { .. } | Body::Opaque { .. } => true,
        };
        if fits {
            return Ok(());
        }
        let sentence = format!(
            "The file is `{}` and cannot be sent as this kind; send it as `file`.",
            facts.media_type
        );
        Err(Refusal::because(Code::BadRequest, sentence))
    }
}

/// Whether an event lets a user have the file that it carries: they see it as they see the event, now.
#[must_use]
pub fn may_open(roster: &Roster, user: UserId, carrier: Seq) -> bool {
    super::may_read(roster, user).is_ok() && audience::may_see(roster, user, carrier)
}

/// Whether a user may have the picture that stands for another: whoever may see the profile, and that is everyone here.
#[must_use]
pub fn may_open_avatar(_asker: UserId) -> bool {
    true
}

/// Puts into an event what the store knows of its file, over whatever the sender said.
pub fn tell_facts(what: &mut What, facts: &BlobFacts) {
    let (What::Message { body: Some(body), .. } | What::Edited { body: Some(body), .. }) = what else {
        return;
    };
    let kind = MediaKind::of(body);
    let is_picture = kind == Some(MediaKind::Image);
    let Some(media) = body.media_mut() else { return };
    media.size = facts.size;
    media.media_type.clone_from(&facts.media_type);
    // The server looks into no film: its first picture is the sender's.
    if facts.thumbhash.is_some() || kind != Some(MediaKind::Video) {
        media.thumbhash.clone_from(&facts.thumbhash);
    }
    if is_picture || facts.width.is_some() {
        (media.width, media.height) = (facts.width, facts.height);
    }
    if is_picture {
        media.duration_ms = None;
    }
}

/// What can be said of a message's file without looking for it.
pub(super) fn shape(body: &Body) -> Allowed {
    let Some(media) = body.media() else {
        return Ok(());
    };
    file_name(&media.name)?;
    if media.caption.len() > limits::BODY_BYTES {
        return Err(Code::TooLarge.into());
    }
    match (&media.thumbhash, MediaKind::of(body)) {
        (Some(hash), Some(MediaKind::Video)) => first_picture(hash),
        _ => Ok(()),
    }
}

/// What can be a ThumbHash: 5 to 25 bytes in base64.
fn first_picture(hash: &str) -> Allowed {
    let bytes = data_encoding::BASE64.decode(hash.as_bytes());
    let fits = bytes.is_ok_and(|bytes| (5..=limits::THUMBHASH_BYTES).contains(&bytes.len()));
    if fits {
        return Ok(());
    }
    Err(Refusal::because(
        Code::BadRequest,
        "The `thumbhash` of a video is a ThumbHash in base64, of 5 to 25 bytes.",
    ))
}

/// A name that no system takes for a path, and that no reader takes for another name.
pub fn file_name(name: &str) -> Allowed {
    let hides =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let fits = (1..=limits::FILE_NAME_BYTES).contains(&name.len())
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\') || hides(c))
        && name.trim() == name
        && !matches!(name, "." | "..");
    if fits {
        return Ok(());
    }
    let sentence = format!(
        "A file's name has 1 to {} bytes, no slashes, no controls and no blanks at its ends.",
        limits::FILE_NAME_BYTES
    );
    Err(Refusal::because(Code::BadRequest, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Media;

    #[test]
    fn names_that_are_paths_or_disguises_are_refused() {
        for good in ["a", "Bericht 2026.pdf", "照片.jpg", ".profile", "a..b"] {
            assert!(file_name(good).is_ok(), "{good}");
        }
        let long = "n".repeat(limits::FILE_NAME_BYTES + 1);
        assert!(file_name(&long[1..]).is_ok());
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "..\\x",
            "a\nb",
            "a\0",
            " a",
            "a ",
            "exe.\u{202e}gpj",
            &long,
        ] {
            assert!(file_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_first_picture_of_a_film_is_the_senders() {
        let film = |hash: &str| {
            Body::Video(Box::new(Media {
                blob: crate::proto::BlobId([1; 32]),
                name: "ferry.mp4".into(),
                size: 0,
                media_type: String::new(),
                width: Some(1280),
                height: Some(720),
                duration_ms: Some(9_000),
                thumbhash: Some(hash.into()),
                caption: String::new(),
            }))
        };
        let good = "1QcSHQRnh493V4dIh4eXh1h4kJUI";
        let of = |bytes: usize| data_encoding::BASE64.encode(&vec![7; bytes]);
        assert!(shape(&film(good)).is_ok() && shape(&film(&of(limits::THUMBHASH_BYTES))).is_ok());
        for bad in [
            "",
            "1Qc=",
            "1QcSHQRnh49",
            "1QcSHQRnh4====",
            "1QcSHQRnh4<b",
            &of(limits::THUMBHASH_BYTES + 1),
        ] {
            assert!(shape(&film(bad)).is_err(), "{bad:?}");
        }
        let facts = BlobFacts {
            size: 70,
            media_type: "video/mp4".into(),
            width: None,
            height: None,
            thumbhash: None,
            is_own: true,
            is_seen: false,
        };
        let mut what = What::message(Some(film(good)), None);
        tell_facts(&mut what, &facts);
        let What::Message { body: Some(body), .. } = what else {
            panic!("it stays a message");
        };
        assert_eq!(
            body.media().and_then(|media| media.thumbhash.as_deref()),
            Some(good)
        );
    }

    #[test]
    fn the_server_has_the_last_word_on_what_a_file_is() {
        let media = Media {
            blob: crate::proto::BlobId([1; 32]),
            name: "a.png".into(),
            size: 1,
            media_type: "text/html".into(),
            width: Some(9),
            height: None,
            duration_ms: Some(5),
            thumbhash: Some("x".into()),
            caption: "look".into(),
        };
        let facts = BlobFacts {
            size: 70,
            media_type: "image/png".into(),
            width: Some(2),
            height: Some(3),
            thumbhash: None,
            is_own: true,
            is_seen: false,
        };
        let mut what = What::message(Some(Body::Image(Box::new(media))), None);
        tell_facts(&mut what, &facts);
        let What::Message { body: Some(body), .. } = what else {
            panic!("it stays a message");
        };
        let told = body.media().expect("it stays a file");
        assert_eq!((told.size, &*told.media_type), (70, "image/png"));
        assert_eq!(
            (told.width, told.height, told.duration_ms),
            (Some(2), Some(3), None)
        );
        assert_eq!((told.thumbhash.as_deref(), &*told.caption), (None, "look"));
    }
}
