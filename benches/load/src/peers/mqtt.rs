//! MQTT 3.1.1, as little of it as a load needs, one packet in each WebSocket frame. What must not live here: a broker's
//! settings.

use anyhow::{Result, bail, ensure};

use super::system::{Heard, Later, Role, Voice};
use super::talk::Talk;
use super::text;
use crate::wire;

pub const BINARY: u8 = 2;
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: [u8; 2] = [0xc0, 0];
/// At least once.
const QOS_1: u8 = 0x02;
/// Seconds; the client pings twice as often.
const KEEP_ALIVE: u16 = 60;
/// Packet ids in use at a time, more than any sender has in flight.
const WINDOW: usize = 1024;

fn string(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("topics and names are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Fixed header and rest of a packet.
fn packet(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len() + 5);
    out.push(kind);
    let mut length = rest.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The kind with its flags, and what follows the fixed header; the frame holds one whole packet.
fn open(frame: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, mut rest) = frame.split_first()?;
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
        if shift > 21 {
            return None;
        }
    }
    (rest.len() == length).then_some((*kind, rest))
}

fn connect(client: &str) -> Vec<u8> {
    let mut rest = Vec::new();
    string("MQTT", &mut rest);
    // Version 3.1.1; the session stays when the connection goes.
    rest.extend_from_slice(&[4, 0]);
    rest.extend_from_slice(&KEEP_ALIVE.to_be_bytes());
    string(client, &mut rest);
    packet(CONNECT, &rest)
}

fn subscribe(topics: &[String]) -> Vec<u8> {
    let mut rest = 1u16.to_be_bytes().to_vec();
    for topic in topics {
        string(topic, &mut rest);
        rest.push(1);
    }
    packet(SUBSCRIBE, &rest)
}

/// A signed-in MQTT client.
pub struct Speaker {
    client: String,
    topics: Vec<String>,
    peer: String,
    group: String,
    next: u16,
    /// The stamp of each packet id that was not acknowledged yet.
    sent: Vec<u64>,
}

impl Speaker {
    pub fn new(role: Role) -> Speaker {
        let group = role.group.map(|group| format!("group/{group}"));
        let mut topics = vec![format!("user/{}", role.user)];
        topics.extend(group.clone());
        Speaker {
            client: format!("load{}", role.user),
            topics,
            peer: format!("user/{}", role.peer),
            group: group.unwrap_or_default(),
            next: 0,
            sent: Vec::new(),
        }
    }

    async fn sign_in(&self, talk: &mut Talk) -> Result<()> {
        talk.say(BINARY, &connect(&self.client)).await?;
        let heard = talk.hear().await?;
        ensure!(
            matches!(open(&heard), Some((CONNACK, [_, 0]))),
            "no connection: {heard:?}"
        );
        talk.say(BINARY, &subscribe(&self.topics)).await?;
        let heard = talk.hear().await?;
        match open(&heard) {
            Some((SUBACK, [_, _, granted @ ..])) if granted.iter().all(|qos| *qos == 1) => Ok(()),
            _ => bail!("no subscription: {heard:?}"),
        }
    }

    fn publish(&mut self, to_group: bool, stamp: u64, out: &mut Vec<u8>) {
        if self.sent.is_empty() {
            self.sent = vec![0; WINDOW];
        }
        let slot = usize::from(self.next) % WINDOW;
        self.next = self.next.wrapping_add(1);
        self.sent[slot] = stamp;
        let id = slot as u16 + 1;
        let mut rest = Vec::with_capacity(text::SIZE + 32);
        string(if to_group { &self.group } else { &self.peer }, &mut rest);
        rest.extend_from_slice(&id.to_be_bytes());
        text::write(stamp, &mut rest);
        out.extend_from_slice(&wire::frame(BINARY, &packet(PUBLISH | QOS_1, &rest)));
    }
}

impl Voice for Speaker {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()> {
        Box::pin(Speaker::sign_in(self, talk))
    }

    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>) {
        self.publish(false, stamp, out);
    }

    fn post(&mut self, stamp: u64, out: &mut Vec<u8>) {
        self.publish(true, stamp, out);
    }

    fn hear(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Heard {
        match open(payload) {
            Some((PUBACK, [high, low])) => {
                let id = u16::from_be_bytes([*high, *low]);
                let sent = usize::from(id)
                    .checked_sub(1)
                    .and_then(|slot| self.sent.get(slot));
                sent.map_or_else(
                    || Heard::Refused(format!("an ack of {id}")),
                    |stamp| Heard::Ack(*stamp),
                )
            }
            Some((kind, rest)) if kind & 0xf0 == PUBLISH => {
                let topic = rest
                    .get(..2)
                    .map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
                // Only behind the packet's id, which may look like the mark of a text.
                let behind = rest.get(4 + topic..).and_then(text::stamp);
                match (rest.get(2 + topic..4 + topic), behind) {
                    (Some(id), Some(stamp)) if kind & 0x06 == QOS_1 => {
                        reply.extend_from_slice(&wire::frame(BINARY, &[PUBACK, 2, id[0], id[1]]));
                        Heard::Delivery(stamp)
                    }
                    _ => Heard::Refused(format!("a message that is none: {rest:?}")),
                }
            }
            Some(_) => Heard::Else,
            None => Heard::Refused(format!("not one whole packet: {payload:?}")),
        }
    }

    fn pulse(&self) -> Option<Vec<u8>> {
        Some(wire::frame(BINARY, &PINGREQ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let rest = vec![7; length];
            let mut bytes = packet(PUBLISH, &rest);
            assert_eq!(open(&bytes), Some((PUBLISH, &rest[..])), "{length}");
            bytes.push(0);
            assert_eq!(open(&bytes), None, "a byte too many after {length}");
        }
        assert_eq!(open(&[PUBLISH, 0xff, 0xff, 0xff, 0xff, 1]), None);
        // The example of the specification, section 2.2.3.
        assert_eq!(packet(PUBLISH, &[0; 321])[1..3], [0xc1, 0x02]);
    }

    #[test]
    fn a_message_is_acknowledged_on_both_sides() {
        let role = |user, peer| Role {
            user,
            peer,
            group: None,
        };
        let (mut from, mut to) = (Speaker::new(role(1, 2)), Speaker::new(role(2, 1)));
        let mut out = Vec::new();
        from.direct(41, &mut out);
        out.clear();
        from.direct(42, &mut out);
        // Two bytes of head and four of mask before the packet.
        let (mut reply, mut none) = (Vec::new(), Vec::new());
        assert_eq!(to.hear(&out[6..], &mut reply), Heard::Delivery(42));
        assert_eq!(from.hear(&reply[6..], &mut none), Heard::Ack(42));
        assert!(none.is_empty());
        assert!(matches!(
            from.hear(&[PUBACK, 2, 9, 9], &mut none),
            Heard::Refused(_)
        ));
    }

    #[test]
    fn an_id_that_looks_like_the_mark_of_a_text_is_none() {
        let mut rest = b"\x00\x07group/0#T".to_vec();
        text::write(43, &mut rest);
        let role = Role {
            user: 2,
            peer: 1,
            group: None,
        };
        let heard = Speaker::new(role).hear(&packet(PUBLISH | QOS_1, &rest), &mut Vec::new());
        assert_eq!(heard, Heard::Delivery(43));
    }
}
