//! A small WebSocket client for `kinglet.v1`. What must not live here: what is asked.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// What the server says, as far as a load needs it.
#[derive(Deserialize)]
pub struct Incoming<'a> {
    pub re: Option<u64>,
    #[serde(rename = "type", borrow)]
    pub what: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub conversation: Option<Cow<'a, str>>,
    pub seq: Option<u64>,
    #[serde(default)]
    pub duplicate: bool,
    #[serde(borrow)]
    pub by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub client_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub body: Option<Text<'a>>,
    #[serde(borrow)]
    pub error: Option<Refused<'a>>,
}

#[derive(Deserialize)]
pub struct Text<'a> {
    #[serde(borrow)]
    pub text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub struct Refused<'a> {
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    pub retry_after_ms: Option<u64>,
}

/// Bytes as they come, and the frames in them.
#[derive(Default)]
pub struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Frees what an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.start == self.bytes.len() {
            (self.bytes, self.start) = (Vec::new(), 0);
        }
    }

    pub fn take(&mut self) -> Result<Option<(u8, Range<usize>)>> {
        let bytes = &self.bytes[self.start..];
        let [first, second, ..] = bytes else {
            return Ok(None);
        };
        ensure!(
            first & 0x80 != 0,
            "the server sent a fragment, which it never does"
        );
        ensure!(second & 0x80 == 0, "the server masked a frame");
        let (head, length) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(length) => (4, usize::from(u16::from_be_bytes([length[0], length[1]]))),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(length) => {
                    let length = u64::from_be_bytes(length.try_into().context("eight bytes")?);
                    (10, usize::try_from(length)?)
                }
                None => return Ok(None),
            },
            short => (2, usize::from(short)),
        };
        ensure!(length < 16 << 20, "a frame of {length} bytes");
        if bytes.len() < head + length {
            return Ok(None);
        }
        let payload = self.start + head..self.start + head + length;
        let opcode = first & 0x0f;
        self.start = payload.end;
        Ok(Some((opcode, payload)))
    }

    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// A frame as a client must send it. The mask is zero: legal, and it costs the measuring side nothing.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// Connects, from a given local address if one is given.
pub async fn connect(server: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream> {
    let socket = if server.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(from) = from {
        socket
            .bind(SocketAddr::new(from, 0))
            .with_context(|| format!("binding to {from}"))?;
    }
    let stream = socket
        .connect(server)
        .await
        .with_context(|| format!("connecting to {server}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Shakes hands and signs in. Gives the welcome, and what came behind it.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: SocketAddr,
    token: &str,
    resume: Option<&str>,
) -> Result<(serde_json::Value, Frames)> {
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: kinglet.v1\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let end = loop {
        let mut bytes = [0; 2048];
        let count = stream.read(&mut bytes).await?;
        ensure!(
            count > 0,
            "the server closed during the handshake: {}",
            String::from_utf8_lossy(&head)
        );
        head.extend_from_slice(&bytes[..count]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    ensure!(
        head.starts_with(b"HTTP/1.1 101"),
        "no upgrade: {}",
        String::from_utf8_lossy(&head)
    );
    let mut frames = Frames::default();
    frames.push(&head[end..]);
    let resume = resume.map_or(String::new(), |resume| format!(r#","resume":"{resume}""#));
    let hello = format!(r#"{{"id":0,"type":"hello","token":"{token}"{resume}}}"#);
    stream.write_all(&frame(TEXT, hello.as_bytes())).await?;
    loop {
        if let Some((opcode, range)) = frames.take()? {
            let text = frames.payload(range);
            if opcode != TEXT {
                bail!(
                    "no welcome but opcode {opcode}: {}",
                    String::from_utf8_lossy(text)
                );
            }
            let welcome: serde_json::Value = serde_json::from_slice(text)?;
            ensure!(welcome["type"] == "welcome", "no welcome: {welcome}");
            return Ok((welcome, frames));
        }
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await?;
        ensure!(count > 0, "the server closed before the welcome");
        frames.push(&bytes[..count]);
    }
}

/// A signed-in plain connection that many may write to and one task reads.
pub struct Live {
    stream: TcpStream,
    /// What the socket did not take at once.
    backlog: Mutex<Vec<u8>>,
}

impl Live {
    pub async fn open(
        server: SocketAddr,
        from: Option<IpAddr>,
        token: &str,
        resume: Option<&str>,
    ) -> Result<(Arc<Live>, Frames, serde_json::Value)> {
        let mut stream = connect(server, from).await?;
        let (welcome, frames) = open(&mut stream, server, token, resume).await?;
        Ok((
            Arc::new(Live {
                stream,
                backlog: Mutex::default(),
            }),
            frames,
            welcome,
        ))
    }

    /// Writes now what fits; the reading task writes the rest.
    pub fn send(&self, text: &str) -> Result<()> {
        self.write(&frame(TEXT, text.as_bytes()))
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut backlog = self.backlog.lock().expect("nobody panics with it");
        if backlog.is_empty() {
            let count = match self.stream.try_write(bytes) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error.into()),
            };
            backlog.extend_from_slice(&bytes[count..]);
        } else {
            backlog.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&self) -> Result<bool> {
        let mut backlog = self.backlog.lock().expect("nobody panics with it");
        while !backlog.is_empty() {
            match self.stream.try_write(&backlog) {
                Ok(count) => drop(backlog.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Reads until the connection ends, giving each text frame to `on`.
    pub async fn read(&self, mut frames: Frames, mut on: impl FnMut(&[u8])) -> Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            while let Some((opcode, range)) = frames.take()? {
                match opcode {
                    TEXT => on(frames.payload(range)),
                    PING => self.write(&frame(PONG, frames.payload(range)))?,
                    CLOSE => return Ok(()),
                    _ => {}
                }
            }
            let interest = if self.flush()? {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            self.stream.ready(interest).await?;
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => frames.push(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let mut wire = vec![0x81, 2, b'o', b'k', 0x89, 0, 0x81, 126, 1, 0];
        wire.extend_from_slice(&[b'x'; 256]);
        for cut in 0..wire.len() {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for part in [&wire[..cut], &wire[cut..]] {
                frames.push(part);
                while let Some((opcode, range)) = frames.take().expect("they are good") {
                    seen.push((opcode, frames.payload(range).len()));
                }
            }
            assert_eq!(seen, [(TEXT, 2), (PING, 0), (TEXT, 256)], "cut at {cut}");
        }
    }
}
