//! One HTTP request at a time, on a connection of its own or on one that is kept. What must not live here: routes.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::line::{self, Duplex};

/// Where a server listens, and how.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub address: SocketAddr,
    pub tls: bool,
}

/// Asks, and gives the status and the body.
pub async fn ask(
    place: Place,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<(u16, String)> {
    ask_from(place, None, (method, path, token), body).await
}

/// The same, from a given local address.
pub async fn ask_from(
    place: Place,
    from: Option<IpAddr>,
    (method, path, token): (&str, &str, &str),
    body: Option<&Value>,
) -> Result<(u16, String)> {
    let body = body.map_or(String::new(), ToString::to_string);
    let bearer = if token.is_empty() {
        String::new()
    } else {
        format!("Authorization: Bearer {token}\r\n")
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{bearer}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        place.address,
        body.len()
    );
    let answer = exchange(line::dial(place, from).await?, &request).await;
    read(&answer?).with_context(|| format!("{method} {path}"))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &str) -> Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // A peer that leaves without a TLS farewell has still answered.
    if let Err(error) = stream.read_to_end(&mut answer).await {
        ensure!(!answer.is_empty(), error);
    }
    Ok(answer)
}

fn read(answer: &[u8]) -> Result<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .with_context(|| format!("no answer but {text:?}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("a status")?;
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)?
    } else {
        body.into()
    };
    Ok((status, body))
}

fn unchunk(mut rest: &str) -> Result<String> {
    let mut out = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n").context("a chunk's length")?;
        let length = usize::from_str_radix(length.trim(), 16)?;
        if length == 0 {
            return Ok(out);
        }
        out.push_str(after.get(..length).context("a whole chunk")?);
        rest = after.get(length + 2..).context("a chunk's end")?;
    }
}

/// A connection that is kept between requests; only sizes are of interest here.
pub struct Kept {
    stream: Box<dyn Duplex>,
    host: SocketAddr,
    bytes: Vec<u8>,
}

impl Kept {
    pub async fn open(place: Place) -> Result<Kept> {
        Ok(Kept {
            stream: line::dial(place, None).await?,
            host: place.address,
            bytes: Vec::new(),
        })
    }

    /// Asks, and gives the status and the body's bytes as they came.
    pub async fn get(&mut self, path: &str, token: &str, gzip: bool) -> Result<(u16, usize)> {
        let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let host = self.host;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{accept}Authorization: Bearer {token}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let head = self.until(b"\r\n\r\n").await?.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("a status in {head:?}"))?;
        ensure!(
            gzip == head.contains("content-encoding: gzip"),
            "asked for gzip: {gzip}, but {head:?} came"
        );
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        if let Some(length) = length {
            let length = length.trim().parse()?;
            self.skip(length).await?;
            return Ok((status, length));
        }
        let mut body = 0;
        loop {
            let length = usize::from_str_radix(self.until(b"\r\n").await?.trim(), 16)?;
            self.skip(length + 2).await?;
            body += length;
            if length == 0 {
                return Ok((status, body));
            }
        }
    }

    /// Takes everything up to an end, and the end.
    async fn until(&mut self, end: &[u8]) -> Result<String> {
        loop {
            if let Some(at) = self.bytes.windows(end.len()).position(|bytes| bytes == end) {
                let taken: Vec<u8> = self.bytes.drain(..at + end.len()).collect();
                return Ok(String::from_utf8(taken)?);
            }
            self.more().await?;
        }
    }

    async fn skip(&mut self, count: usize) -> Result<()> {
        while self.bytes.len() < count {
            self.more().await?;
        }
        self.bytes.drain(..count);
        Ok(())
    }

    async fn more(&mut self) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).await?;
        ensure!(count > 0, "the server closed a connection that was to be kept");
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

/// Posts, and gives the answer's JSON; anything but success is an error.
pub async fn post(place: Place, path: &str, token: &str, body: &Value) -> Result<Value> {
    let (status, text) = ask(place, "POST", path, token, Some(body)).await?;
    ensure!(
        (200..300).contains(&status),
        "POST {path} answered {status}: {text}"
    );
    serde_json::from_str(&text).with_context(|| format!("POST {path} answered {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(read(answer).expect("it is good"), (200, "abcd".to_owned()));
    }
}
