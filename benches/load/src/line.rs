//! A signed-in connection, plain or TLS, that one task owns: it says something and listens. What must not live here: what
//! is said.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::http::Place;
use crate::wire::{self, Frames};
use crate::{seed, tls};

/// A TCP stream, or TLS over one.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// Connects, and shakes hands where the place speaks TLS.
pub async fn dial(place: Place, from: Option<IpAddr>) -> Result<Box<dyn Duplex>> {
    let stream = wire::connect(place.address, from).await?;
    Ok(if place.tls {
        Box::new(tls::connect(stream, place.address).await?)
    } else {
        Box::new(stream)
    })
}

pub struct Line {
    stream: Box<dyn Duplex>,
    frames: Frames,
    /// The token of the welcome: where to go on after this connection.
    pub resume: String,
    /// `streaming`, `sync` or `resync`.
    pub catch_up: String,
    /// Bytes of frames heard, the welcome's not counted.
    pub bytes: u64,
    /// When the last of them was whole, before anybody read it.
    pub heard: Instant,
    next_id: u64,
}

impl Line {
    /// Connects and signs the first device of a user in.
    pub async fn open(place: Place, from: Option<IpAddr>, user: usize, resume: Option<&str>) -> Result<Line> {
        let line = Line::sign_in(place, from, &seed::token(user, 0), resume).await;
        line.with_context(|| format!("signing user {user} in"))
    }

    /// Connects and signs in with a token.
    pub async fn sign_in(
        place: Place,
        from: Option<IpAddr>,
        token: &str,
        resume: Option<&str>,
    ) -> Result<Line> {
        let mut stream = dial(place, from).await?;
        let (welcome, frames) = wire::open(&mut stream, place.address, token, resume).await?;
        let text = |name: &str| {
            welcome[name]
                .as_str()
                .map(str::to_owned)
                .context("a welcome's text")
        };
        Ok(Line {
            resume: text("resume")?,
            catch_up: text("catch_up")?,
            stream,
            frames,
            bytes: 0,
            heard: Instant::now(),
            next_id: 0,
        })
    }

    pub async fn say(&mut self, text: &str) -> Result<()> {
        self.stream
            .write_all(&wire::frame(wire::TEXT, text.as_bytes()))
            .await?;
        Ok(self.stream.flush().await?)
    }

    /// The next text frame; pings are answered on the way. Nothing is lost when this is given up halfway.
    pub async fn hear(&mut self) -> Result<&[u8]> {
        let range = self.hear_range().await?;
        Ok(self.frames.payload(range))
    }

    async fn hear_range(&mut self) -> Result<Range<usize>> {
        loop {
            while let Some((opcode, range)) = self.frames.take()? {
                match opcode {
                    wire::TEXT => {
                        self.bytes += range.len() as u64;
                        self.heard = Instant::now();
                        return Ok(range);
                    }
                    wire::PING => {
                        let pong = wire::frame(wire::PONG, self.frames.payload(range));
                        self.stream.write_all(&pong).await?;
                        self.stream.flush().await?;
                    }
                    wire::CLOSE => bail!("the server closed the connection"),
                    _ => {}
                }
            }
            self.frames.shrink();
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).await?;
            ensure!(count > 0, "the server closed the connection");
            self.frames.push(&bytes[..count]);
        }
    }

    /// Asks, and gives the answer; events in between go to `on`.
    pub async fn ask(&mut self, members: &str, mut on: impl FnMut(&Value)) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        self.say(&format!(r#"{{"id":{id},{members}}}"#)).await?;
        loop {
            let said: Value = serde_json::from_slice(self.hear().await?)?;
            if said["re"] != id {
                on(&said);
                continue;
            }
            ensure!(
                said["error"].is_null(),
                "{members} was answered with {}",
                said["error"]
            );
            return Ok(said);
        }
    }
}

/// A local address for the n-th of many connections: each address has only so many ports, and so many sign-ins.
pub fn local(number: usize, per_address: usize) -> IpAddr {
    let at = number / per_address.max(1);
    IpAddr::from([127, 0, (1 + at / 250 % 250) as u8, (1 + at % 250) as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_shared_by_no_more_than_may_be() {
        let mut counts = std::collections::HashMap::new();
        for number in 0..20_000 {
            *counts.entry(local(number, 10)).or_insert(0) += 1;
        }
        assert!(counts.keys().all(IpAddr::is_loopback));
        assert!(counts.values().all(|count| *count == 10), "{counts:?}");
    }
}
