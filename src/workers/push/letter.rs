//! What a push message says. What must not live here: who gets it.

use super::Push;
use crate::limits;
use crate::proto::push::PushMessage;
use crate::proto::{Body, ConversationId, Event, Seq, What};
use crate::store::Span;
use crate::store::sqlite::push::Letter;

impl Push {
    /// The message for a letter, which is about this seq. Names and text are in it only where the device asked for them and the operator lets it.
    pub(super) async fn write(&self, letter: &Letter, seq: Seq) -> PushMessage {
        let conversation = letter.roster.conversation;
        let newest = if letter.subscription.text && self.text {
            self.newest(seq, conversation).await
        } else {
            None
        };
        let (by, name, text) = match newest {
            Some((event, name)) => (Some(event.by), name, text_of(&event)),
            None => (None, None, None),
        };
        let title = by.map(|_| letter.roster.title.to_string());
        PushMessage::Message {
            conversation,
            seq,
            count: letter.unread.max(1),
            by,
            name,
            title: title.filter(|title| !title.is_empty()),
            text,
        }
    }

    /// A message and its sender's name. What cannot be read now is left out: the message itself is in the log.
    async fn newest(&self, seq: Seq, conversation: ConversationId) -> Option<(Event, Option<String>)> {
        let only = vec![(seq, seq)];
        let page = self
            .store
            .page(conversation, Span::After(seq - 1), only, 1)
            .await
            .ok()?;
        let (_, event) = page.events.into_iter().next()?;
        let infos = self.store.user_infos(vec![event.by]).await.ok()?;
        let name = infos.into_iter().next().map(|info| info.display_name);
        Some((event, name))
    }
}

/// The text of a message that is still there.
fn text_of(event: &Event) -> Option<String> {
    match &event.what {
        What::Message {
            body: Some(Body::Text { text }),
            erased: false,
            ..
        } => Some(shortened(text).to_owned()),
        _ => None,
    }
}

/// The beginning of a text, ending with a whole character.
fn shortened(text: &str) -> &str {
    if text.len() <= limits::PUSH_TEXT_BYTES {
        return text;
    }
    let end = (0..=limits::PUSH_TEXT_BYTES)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .expect("zero is a boundary");
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::UserId;
    use crate::workers::push::seal;

    #[test]
    fn a_long_text_is_cut_at_a_whole_character() {
        let most = limits::PUSH_TEXT_BYTES;
        assert_eq!(shortened(&"a".repeat(most)).len(), most);
        assert_eq!(shortened(&"a".repeat(most + 1)).len(), most);
        let cut = shortened(&format!("a{}", "鳥".repeat(most))).to_owned();
        assert!(
            cut.len() <= most && cut.len() > most - 3 && cut.ends_with('鳥'),
            "{}",
            cut.len()
        );
    }

    #[test]
    fn the_longest_message_has_room() {
        // A control character takes six bytes in JSON; names are bounded, but at worst they are all such, too.
        let message = PushMessage::Message {
            conversation: ConversationId(u64::MAX >> 16),
            seq: u64::MAX,
            count: u64::MAX,
            by: Some(UserId(u64::MAX >> 16)),
            name: Some("\"".repeat(256)),
            title: Some("\"".repeat(limits::TITLE_BYTES)),
            text: Some("\"".repeat(limits::PUSH_TEXT_BYTES)),
        };
        let text = serde_json::to_vec(&message).expect("it encodes");
        assert!(text.len() <= seal::ROOM, "{}", text.len());
    }
}
