//! XMPP over WebSocket (RFC 7395), as little of it as a load needs: PLAIN, bind, presence, messages, rooms (XEP-0045). What
//! must not live here: a server's settings.

use data_encoding::BASE64;
use memchr::memmem;

use super::system::{Heard, Later, Role, Voice};
use super::talk::Talk;
use super::text;
use crate::wire::{self, TEXT};

pub const HOST: &str = "localhost";
pub const PASSWORD: &str = "load";
const OPEN: &str = r#"<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>"#;

pub fn user(number: usize) -> String {
    format!("load{number}")
}

/// A signed-in XMPP client.
pub struct Speaker {
    user: String,
    /// The start of a direct message, up to its text.
    direct: String,
    post: String,
    /// The room and our name in it.
    occupant: Option<String>,
}

impl Speaker {
    pub fn new(role: Role, rooms: &str) -> Speaker {
        let head = |to: &str, kind: &str| {
            format!(r#"<message xmlns="jabber:client" to="{to}" type="{kind}" id="m"><body>"#)
        };
        let user = user(role.user);
        let room = role.group.map(|group| format!("group{group}@{rooms}"));
        Speaker {
            direct: head(&format!("load{}@{HOST}/load", role.peer), "chat"),
            post: head(room.as_deref().unwrap_or_default(), "groupchat"),
            occupant: room.map(|room| format!("{room}/{user}")),
            user,
        }
    }

    async fn sign_in(&self, talk: &mut Talk) -> anyhow::Result<()> {
        talk.say(TEXT, OPEN.as_bytes()).await?;
        talk.until("<mechanism>PLAIN</mechanism>").await?;
        let secret = BASE64.encode(format!("\0{}\0{PASSWORD}", self.user).as_bytes());
        let auth =
            format!(r#"<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">{secret}</auth>"#);
        talk.say(TEXT, auth.as_bytes()).await?;
        talk.until("<success").await?;
        talk.say(TEXT, OPEN.as_bytes()).await?;
        talk.until("<bind").await?;
        let bind = r#"<iq xmlns="jabber:client" type="set" id="b"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>load</resource></bind></iq>"#;
        talk.say(TEXT, bind.as_bytes()).await?;
        talk.until("<jid>").await?;
        talk.say(TEXT, br#"<presence xmlns="jabber:client"/>"#).await?;
        talk.until("<presence").await?;
        if let Some(occupant) = &self.occupant {
            let join = format!(
                r#"<presence xmlns="jabber:client" to="{occupant}"><x xmlns="http://jabber.org/protocol/muc"><history maxstanzas="0"/></x></presence>"#
            );
            talk.say(TEXT, join.as_bytes()).await?;
            // The room's subject ends what a new occupant is told.
            talk.until("<subject").await?;
        }
        Ok(())
    }
}

fn message(head: &str, stamp: u64, out: &mut Vec<u8>) {
    let mut stanza = Vec::with_capacity(head.len() + text::SIZE + 20);
    stanza.extend_from_slice(head.as_bytes());
    text::write(stamp, &mut stanza);
    stanza.extend_from_slice(b"</body></message>");
    out.extend_from_slice(&wire::frame(TEXT, &stanza));
}

impl Voice for Speaker {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()> {
        Box::pin(Speaker::sign_in(self, talk))
    }

    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>) {
        message(&self.direct, stamp, out);
    }

    fn post(&mut self, stamp: u64, out: &mut Vec<u8>) {
        message(&self.post, stamp, out);
    }

    fn hear(&mut self, payload: &[u8], _: &mut Vec<u8>) -> Heard {
        let head = &payload[..payload.len().min(300)];
        let is_error = |kind: &[u8]| memmem::find(head, kind).is_some();
        if is_error(b"type='error'")
            || payload.starts_with(b"<stream:error")
            || payload.starts_with(b"<close")
        {
            return Heard::Refused(String::from_utf8_lossy(payload).into_owned());
        }
        text::stamp(payload).map_or(Heard::Else, Heard::Delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_errors_are_told_apart() {
        let role = Role {
            user: 0,
            peer: 1,
            group: Some(2),
        };
        let mut speaker = Speaker::new(role, "rooms.localhost");
        let (mut direct, mut post) = (Vec::new(), Vec::new());
        speaker.direct(5, &mut direct);
        speaker.post(6, &mut post);
        let find = |bytes: &[u8], text: &str| memmem::find(bytes, text.as_bytes()).is_some();
        assert!(find(&direct, "to=\"load1@localhost/load\" type=\"chat\""));
        assert!(find(&post, "to=\"group2@rooms.localhost\" type=\"groupchat\""));
        let mut hear = |stanza: &[u8]| speaker.hear(stanza, &mut Vec::new());
        assert_eq!(hear(&direct), Heard::Delivery(5));
        assert_eq!(hear(b"<presence from='load1@localhost/load'/>"), Heard::Else);
        let error = b"<message type='error' from='load1@localhost/load'><body>x</body></message>";
        assert!(matches!(hear(error), Heard::Refused(_)));
    }
}
