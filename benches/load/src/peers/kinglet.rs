//! Kinglet among the compared systems. What must not live here: its command line or its tables.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use memchr::memmem;
use uuid::Uuid;

use super::system::{Ground, Heard, Later, Role, Scale, System, Voice};
use super::talk::Talk;
use super::text;
use crate::http::Place;
use crate::seed::{self, Seed};
use crate::server::Setup;
use crate::wire::{self, TEXT};

pub struct Kinglet {
    binary: PathBuf,
}

impl Kinglet {
    pub fn new(binary: PathBuf) -> Kinglet {
        Kinglet { binary }
    }

    fn setup(&self, ground: &Ground) -> Result<Setup> {
        let mut setup = Setup::new(&self.binary, &ground.directory, ground.tls)?;
        setup.place = Place {
            address: ground.address,
            tls: ground.tls,
        };
        Ok(setup)
    }
}

impl System for Kinglet {
    fn name(&self) -> &'static str {
        "Kinglet"
    }

    fn settings(&self) -> String {
        "as shipped, but limits.connections 15000, limits.pace 1000 (its rate limits out of the way); every ack follows a \
         synced commit"
            .to_owned()
    }

    fn plant<'a>(&'a self, ground: &'a Ground, scale: &'a Scale) -> Later<'a, ()> {
        Box::pin(async move {
            let seed = Seed {
                users: scale.users,
                devices: 1,
                groups: scale.groups.clone(),
            };
            seed::plant(&self.setup(ground)?, &seed).await
        })
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        self.setup(ground)?.command()
    }

    fn door(&self) -> Option<(&'static str, &'static str)> {
        Some(("/ws", "kinglet.v1"))
    }

    fn voice(&self, role: Role) -> Box<dyn Voice> {
        Box::new(Speaker {
            token: seed::token(role.user, 0),
            peer: format!("\"to\":\"{}\"", seed::user(role.peer)),
            own: format!("\"by\":\"{}\"", seed::user(role.user)),
            group: role
                .group
                .map(|group| format!("\"conversation\":\"{}\"", seed::group(group))),
        })
    }

    fn acks(&self) -> bool {
        true
    }

    fn binary(&self) -> Option<PathBuf> {
        Some(self.binary.clone())
    }
}

struct Speaker {
    token: String,
    /// Where direct messages go: the person, and once it is known, the conversation.
    peer: String,
    own: String,
    group: Option<String>,
}

fn send(stamp: u64, place: &str, out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(300);
    let id = Uuid::now_v7();
    text.extend_from_slice(
        format!(
            "{{\"id\":{stamp},\"type\":\"send\",\"client_id\":\"{id}\",{place},\"body\":{{\"kind\":\"text\",\"text\":\""
        )
        .as_bytes(),
    );
    text::write(stamp, &mut text);
    text.extend_from_slice(b"\"}}");
    out.extend_from_slice(&wire::frame(TEXT, &text));
}

impl Voice for Speaker {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()> {
        Box::pin(async move {
            let hello = format!(r#"{{"id":0,"type":"hello","token":"{}"}}"#, self.token);
            talk.say(TEXT, hello.as_bytes()).await?;
            talk.until("\"type\":\"welcome\"").await?;
            Ok(())
        })
    }

    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>) {
        send(stamp, &self.peer, out);
    }

    fn post(&mut self, stamp: u64, out: &mut Vec<u8>) {
        send(stamp, self.group.as_deref().unwrap_or_default(), out);
    }

    fn hear(&mut self, payload: &[u8], _: &mut Vec<u8>) -> Heard {
        if let Some(answer) = payload.strip_prefix(b"{\"re\":") {
            let id = answer
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0u64, |sum, digit| sum.wrapping_mul(10) + u64::from(digit - b'0'));
            if memmem::find(answer, b"\"type\":\"ack\"").is_none() {
                return Heard::Refused(String::from_utf8_lossy(payload).into_owned());
            }
            if self.peer.starts_with("\"to\"")
                && let Some(at) = memmem::find(answer, b"\"conversation\":\"")
                && let Some(named) = answer.get(at..at + 28)
            {
                self.peer = String::from_utf8_lossy(named).into_owned();
            }
            return Heard::Ack(id);
        }
        match text::stamp(payload) {
            // To a group everybody counts, as with the others; of a direct message only the peer does.
            Some(stamp) if self.group.is_some() || memmem::find(payload, self.own.as_bytes()).is_none() => {
                Heard::Delivery(stamp)
            }
            _ => Heard::Else,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_deliveries_and_refusals_are_told_apart() {
        let system = Kinglet::new(PathBuf::new());
        let role = Role {
            user: 0,
            peer: 1,
            group: None,
        };
        let mut voice = system.voice(role);
        let mut hear = |text: &str| voice.hear(text.as_bytes(), &mut Vec::new());
        let ack = r#"{"re":4,"type":"ack","conversation":"c5f9k2m8xqa","seq":1,"ts":1764000001250}"#;
        assert_eq!(hear(ack), Heard::Ack(4));
        let event = |by: usize| {
            let mut text = Vec::new();
            text::write(77, &mut text);
            format!(
                r#"{{"type":"event","conversation":"c5f9k2m8xqa","by":"{}","body":{{"text":"{}"}}}}"#,
                seed::user(by),
                String::from_utf8_lossy(&text)
            )
        };
        assert_eq!(hear(&event(1)), Heard::Delivery(77));
        assert_eq!(hear(&event(0)), Heard::Else);
        let refusal = r#"{"re":4,"error":{"code":"busy"}}"#;
        assert_eq!(hear(refusal), Heard::Refused(refusal.to_owned()));
        let mut out = Vec::new();
        voice.direct(9, &mut out);
        let named = memmem::find(&out, b",\"conversation\":\"c5f9k2m8xqa\",");
        assert!(named.is_some(), "{}", String::from_utf8_lossy(&out));
    }
}
