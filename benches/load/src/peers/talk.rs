//! A connection while it signs in: question and answer, one frame at a time, plain or over TLS. What must not live here:
//! what is said.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::system::{Role, System, Voice};
use crate::tls;
use crate::wire::{self, Frames};

/// No system needs as long to answer one question.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to come back before that is an error.
const TRIES: usize = 4;

pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// The bare socket, where it is one.
    fn bare(self: Box<Self>) -> Option<TcpStream> {
        None
    }
}

impl Stream for TcpStream {
    fn bare(self: Box<Self>) -> Option<TcpStream> {
        Some(*self)
    }
}

impl Stream for tokio_rustls::client::TlsStream<TcpStream> {}

pub struct Talk {
    pub stream: Box<dyn Stream>,
    pub frames: Frames,
    pub host: SocketAddr,
}

impl Talk {
    pub async fn say(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        self.stream.write_all(&wire::frame(opcode, payload)).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next frame with content.
    pub async fn hear(&mut self) -> Result<Vec<u8>> {
        loop {
            while let Some((opcode, range)) = self.frames.take()? {
                let payload = self.frames.payload(range).to_vec();
                match opcode {
                    wire::PING => self.say(wire::PONG, &payload).await?,
                    wire::PONG => {}
                    wire::CLOSE => bail!("the server closed, with the code {:?}", payload.get(..2)),
                    _ => return Ok(payload),
                }
            }
            let mut bytes = [0; 4096];
            let count = timeout(PATIENCE, self.stream.read(&mut bytes))
                .await
                .context("waiting for an answer")??;
            ensure!(count > 0, "the server closed in the middle of a talk");
            self.frames.push(&bytes[..count]);
        }
    }

    /// Hears frames until one holds these bytes.
    pub async fn until(&mut self, wanted: &str) -> Result<Vec<u8>> {
        let find = memchr::memmem::Finder::new(wanted);
        for _ in 0..100_000 {
            let heard = self
                .hear()
                .await
                .with_context(|| format!("waiting for {wanted:?}"))?;
            if find.find(&heard).is_some() {
                return Ok(heard);
            }
            let text = String::from_utf8_lossy(&heard);
            ensure!(
                !text.contains("<failure") && !text.contains("type='error'"),
                "refused, while waiting for {wanted:?}: {text}"
            );
        }
        bail!("{wanted:?} did not come")
    }

    async fn shake_hands(&mut self, path: &str, protocol: &str) -> Result<()> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n",
            self.host.port()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let mut head = Vec::new();
        let end = loop {
            let mut bytes = [0; 2048];
            let count = timeout(PATIENCE, self.stream.read(&mut bytes))
                .await
                .context("waiting for the upgrade")??;
            let said = String::from_utf8_lossy(&head);
            ensure!(count > 0, "the server closed during the handshake: {said}");
            head.extend_from_slice(&bytes[..count]);
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let said = String::from_utf8_lossy(&head);
        ensure!(head.starts_with(b"HTTP/1.1 101"), "no upgrade: {said}");
        self.frames.push(&head[end..]);
        Ok(())
    }
}

/// Connects and signs in. Under load ejabberd 23.01 closes a WebSocket now and then before it has said anything, and a
/// client would come back.
pub async fn enter(
    system: &dyn System,
    host: SocketAddr,
    secure: bool,
    from: Option<IpAddr>,
    role: Role,
) -> Result<(Talk, Box<dyn Voice>)> {
    for _ in 1..TRIES {
        match try_to_enter(system, host, secure, from, role).await {
            Ok(entered) => return Ok(entered),
            Err(error) => eprintln!("-- once more: {error:#}"),
        }
    }
    try_to_enter(system, host, secure, from, role).await
}

async fn try_to_enter(
    system: &dyn System,
    host: SocketAddr,
    secure: bool,
    from: Option<IpAddr>,
    role: Role,
) -> Result<(Talk, Box<dyn Voice>)> {
    let bare = wire::connect(host, from).await?;
    let stream: Box<dyn Stream> = if secure {
        Box::new(tls::connect(bare, host).await?)
    } else {
        Box::new(bare)
    };
    let mut talk = Talk {
        stream,
        frames: Frames::default(),
        host,
    };
    if let Some((path, protocol)) = system.door() {
        talk.shake_hands(path, protocol).await?;
    }
    let mut voice = system.voice(role);
    voice
        .sign_in(&mut talk)
        .await
        .with_context(|| format!("signing user {} in to {}", role.user, system.name()))?;
    Ok((talk, voice))
}
