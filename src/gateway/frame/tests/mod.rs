//! Tests of the frames: here what they share; a room each for rules, cuts, memory and interop. No production code.

mod cuts;
mod interop;
mod memory;
mod rules;

use super::*;

const LIMITS: Limits = Limits {
    max_message: 65_536,
    max_fragments: 64,
};
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const FIN: u8 = 0x80;
const CONT: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Incoming<'_>> for Said {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Said::Text(text.into()),
            Incoming::Binary(bytes) => Said::Binary(bytes.into()),
            Incoming::Ping(bytes) => Said::Ping(bytes.into()),
            Incoming::Pong(bytes) => Said::Pong(bytes.into()),
            Incoming::Close { code, reason } => Said::Close(code, reason.into()),
        }
    }
}

type Heard = (Vec<Said>, Option<Violation>);

/// A client frame with the shortest length, masked byte by byte: the plain form that the fast loop must equal.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = [0; 10];
    let size = head_with(first, payload.len(), &mut head);
    head[1] |= 0x80;
    let masked = payload
        .iter()
        .zip(MASK.iter().cycle())
        .map(|(byte, key)| byte ^ key);
    head[..size].iter().copied().chain(MASK).chain(masked).collect()
}

fn head_with(first: u8, len: usize, out: &mut [u8; 10]) -> usize {
    let size = head(Opcode::Text, len, out);
    out[0] = first;
    size
}

fn feed_all<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Heard {
    let (mut reader, mut heard) = (Reader::new(), Vec::new());
    for chunk in chunks {
        let mut scratch = chunk.to_vec();
        let fed = reader.feed(&mut scratch, limits, &mut |incoming| {
            heard.push(incoming.into());
            Flow::Continue
        });
        match fed {
            Ok(used) => assert_eq!(used, chunk.len(), "without a stop everything is used"),
            Err(violation) => {
                assert_eq!(
                    (reader.held(), reader.is_ended()),
                    (0, true),
                    "nothing is kept after {violation}"
                );
                return (heard, Some(violation));
            }
        }
    }
    (heard, None)
}

fn at_once(stream: &[u8]) -> Heard {
    feed_all([stream], &LIMITS)
}

fn by_byte(stream: &[u8]) -> Heard {
    feed_all(stream.chunks(1), &LIMITS)
}

/// The violation of `stream`, the same however it is cut, after `before` messages.
fn refused(stream: &[u8], before: usize) -> Violation {
    let heard = at_once(stream);
    assert_eq!(heard, by_byte(stream), "cut differently: {stream:02x?}");
    assert_eq!(heard.0.len(), before, "{heard:?}");
    heard
        .1
        .unwrap_or_else(|| panic!("accepted: {stream:02x?} as {:?}", heard.0))
}

fn mixed() -> Vec<u8> {
    [
        frame(FIN | TEXT, "héllo, 世界 🦀".as_bytes()),
        frame(FIN | TEXT, b""),
        frame(TEXT, "spl\u{1F980}it".as_bytes().split_at(5).0),
        frame(FIN | PING, b"are you there"),
        frame(CONT, b""),
        frame(FIN | PONG, &[0xFF; 125]),
        frame(FIN | CONT, "spl\u{1F980}it".as_bytes().split_at(5).1),
        frame(FIN | PING, b""),
        frame(FIN | BINARY, &[7; 126]),
        frame(BINARY, &[1; 9]),
        frame(FIN | CONT, &[2; 300]),
        frame(FIN | CLOSE, b"\x03\xE8bye"),
    ]
    .concat()
}

fn mixed_said() -> Vec<Said> {
    vec![
        Said::Text("héllo, 世界 🦀".into()),
        Said::Text(String::new()),
        Said::Ping(b"are you there".into()),
        Said::Pong([0xFF; 125].into()),
        Said::Text("spl\u{1F980}it".into()),
        Said::Ping(vec![]),
        Said::Binary([7; 126].into()),
        Said::Binary([[1; 9].as_slice(), &[2; 300]].concat()),
        Said::Close(Some(1000), "bye".into()),
    ]
}
