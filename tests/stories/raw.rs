//! Bytes as no proper client sends them: over HTTP, and as WebSocket frames made by hand. What must not live here: stories.

use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Person, World};

/// Sends bytes and reads until the other end closes or says nothing for a while after its first words.
pub async fn exchange(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address())
        .await
        .expect("the server listens");
    // The server may answer and close before it has all: that is what these tests are about.
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await;
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let mut patience = PATIENCE;
    while let Ok(Ok(count)) = tokio::time::timeout(patience, stream.read(&mut buffer)).await {
        if count == 0 {
            break;
        }
        heard.extend_from_slice(&buffer[..count]);
        patience = Duration::from_millis(300);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// The status of an HTTP answer; 0 for none.
pub fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

/// A WebSocket spoken by hand.
pub struct RawSocket {
    pub stream: TcpStream,
    unread: Vec<u8>,
    over: bool,
}

/// The handshake with these further header lines.
pub fn handshake(world: &World, lines: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n",
        world.address()
    )
}

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A frame with its first byte as given, masked or not.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(bit | length as u8),
        length @ 126..=65_535 => {
            bytes.push(bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        let mask = [7, 11, 13, 17];
        bytes.extend(mask);
        bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    } else {
        bytes.extend(payload);
    }
    bytes
}

impl RawSocket {
    pub async fn open(world: &World) -> RawSocket {
        let mut stream = TcpStream::connect(world.address())
            .await
            .expect("the server listens");
        let ask = handshake(world, "Sec-WebSocket-Protocol: kinglet.v1\r\n");
        stream.write_all(ask.as_bytes()).await.expect("written");
        let mut unread = Vec::new();
        let head = b"\r\n\r\n";
        loop {
            if let Some(at) = unread.windows(4).position(|window| window == head) {
                let answer = String::from_utf8_lossy(&unread[..at]).into_owned();
                assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
                unread.drain(..at + 4);
                return RawSocket {
                    stream,
                    unread,
                    over: false,
                };
            }
            let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut unread)).await;
            assert_ne!(
                read.expect("an answer in time").expect("an answer"),
                0,
                "the server hung up"
            );
        }
    }

    /// A socket that has said `hello` and was welcomed.
    pub async fn signed_in(world: &World, token: &str) -> RawSocket {
        let mut socket = RawSocket::open(world).await;
        let hello = format!(r#"{{"id":1,"type":"hello","token":"{token}"}}"#);
        socket.put(&frame(FIN | TEXT, hello.as_bytes(), true)).await;
        let (opcode, payload) = socket.frame().await.expect("a welcome");
        assert_eq!(opcode, TEXT);
        assert!(String::from_utf8_lossy(&payload).contains(r#""type":"welcome""#));
        socket
    }

    /// Sends bytes; the other end may have closed already.
    pub async fn put(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// The next frame: opcode and payload. Nothing at the end.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let frame = self.frame_within(PATIENCE).await;
        assert!(frame.is_some() || self.over, "the server says something");
        frame
    }

    /// The next frame in time. Nothing at the end, and when none came.
    pub async fn frame_within(&mut self, patience: Duration) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            let read = tokio::time::timeout(patience, self.stream.read_buf(&mut self.unread)).await;
            match read.ok()? {
                Ok(0) | Err(_) => {
                    self.over = true;
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    /// Whether the other end was seen to be gone.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.unread.first()?, *self.unread.get(1)?);
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (length, head) = match second {
            126 => (
                usize::from(u16::from_be_bytes(self.unread.get(2..4)?.try_into().ok()?)),
                4,
            ),
            127 => (
                usize::try_from(u64::from_be_bytes(self.unread.get(2..10)?.try_into().ok()?)).ok()?,
                10,
            ),
            length => (usize::from(length), 2),
        };
        let payload = self.unread.get(head..head + length)?.to_vec();
        self.unread.drain(..head + length);
        Some((first & 0x0f, payload))
    }

    /// Reads until the end; gives the close code and the text frames before it.
    pub async fn end(&mut self) -> (Option<u16>, Vec<String>) {
        let mut texts = Vec::new();
        while let Some((opcode, payload)) = self.frame().await {
            match opcode {
                CLOSE => {
                    return (
                        payload
                            .get(..2)
                            .map(|code| u16::from_be_bytes([code[0], code[1]])),
                        texts,
                    );
                }
                TEXT => texts.push(String::from_utf8_lossy(&payload).into_owned()),
                _ => {}
            }
        }
        (None, texts)
    }
}

/// Asks for a path on a socket that takes little at a time.
pub async fn slowly(who: &Person, path: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let address = who.world.address();
    socket.connect(&address.into()).expect("the server listens");
    socket.set_nonblocking(true).expect("a socket can");
    let mut stream = TcpStream::from_std(socket.into()).expect("a socket");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        who.token
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the server reads");
    stream
}
