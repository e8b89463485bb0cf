//! An off-the-shelf client at the far end, in both directions, in memory.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;

/// Both directions of a connection, in memory; reading an empty one would block.
#[derive(Default)]
struct Wire {
    to_client: VecDeque<u8>,
    to_server: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.to_client.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.to_client.read(out)
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_server.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn tungstenite_is_understood() {
    let mut client = WebSocket::from_raw_socket(Wire::default(), Role::Client, None);
    let long = "世".repeat(20_000);
    let part = |bytes: &'static [u8], opcode, last| {
        Message::Frame(Frame::message(bytes, OpCode::Data(opcode), last))
    };
    let messages = [
        Message::text("hello"),
        Message::text(long.clone()),
        Message::binary(vec![1; 126]),
        part(b"\xE4\xB8", Data::Text, false),
        Message::Ping(b"ping"[..].into()),
        part(b"\x96!", Data::Continue, true),
        Message::Pong(b"pong"[..].into()),
        Message::Close(Some(CloseFrame {
            code: 1001.into(),
            reason: "away".into(),
        })),
    ];
    for message in messages {
        client.send(message).expect("memory takes every message");
    }
    let expected = vec![
        Said::Text("hello".into()),
        Said::Text(long),
        Said::Binary(vec![1; 126]),
        Said::Ping(b"ping".into()),
        Said::Text("世!".into()),
        Said::Pong(b"pong".into()),
        Said::Close(Some(1001), "away".into()),
    ];
    let stream = &client.get_ref().to_server;
    assert_eq!(at_once(stream), (expected.clone(), None));
    assert_eq!(feed_all(stream.chunks(1460), &LIMITS), (expected, None));
}

#[test]
fn tungstenite_understands() {
    let mut out = Vec::new();
    let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
    for size in sizes {
        push_text(&mut out, &vec![b't'; size]);
        push_binary(&mut out, &vec![b'b'; size]);
    }
    push_ping(&mut out, b"ping");
    push_pong(&mut out, &[5; 200]);
    push_close(&mut out, 1009, &"é".repeat(100));
    let wire = Wire {
        to_client: out.into(),
        ..Wire::default()
    };
    let mut client = WebSocket::from_raw_socket(wire, Role::Client, None);
    let mut next = || client.read().expect("the frame is understood");
    for size in sizes {
        assert_eq!(next(), Message::text("t".repeat(size)));
        assert_eq!(next(), Message::binary(vec![b'b'; size]));
    }
    assert_eq!(next(), Message::Ping(b"ping"[..].into()));
    assert_eq!(next(), Message::Pong(vec![5; 125].into()));
    assert_eq!(
        next(),
        Message::Close(Some(CloseFrame {
            code: 1009.into(),
            reason: "é".repeat(61).into()
        }))
    );
    // Its answers to the ping and to the close are the last that the server reads.
    assert!(matches!(
        client.read(),
        Err(Error::ConnectionClosed | Error::Io(_))
    ));
    let (heard, violation) = at_once(&client.get_ref().to_server);
    assert_eq!(violation, None);
    assert!(
        matches!(heard.last(), Some(Said::Close(Some(1009), _))),
        "{heard:?}"
    );
    let mut empty = Vec::new();
    push_close_answer(&mut empty, None);
    push_close_answer(&mut empty, Some(4000));
    assert_eq!(empty, b"\x88\x00\x88\x02\x0F\xA0");
}
