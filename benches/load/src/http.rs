//! One HTTP request at a time, each on a connection of its own. What must not live here: routes.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{tls, wire};

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
    let stream = wire::connect(place.address, None).await?;
    let answer = if place.tls {
        exchange(tls::connect(stream, place.address).await?, &request).await
    } else {
        exchange(stream, &request).await
    };
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
