//! How long the server waits for whom, in real time and all at once: a minute and a half in all. What must not live here:
//! limits that need no waiting, and the ten seconds of a sign-in (`limits`).

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Person, Server, heavy};
use crate::raw::{CONTINUATION, FIN, PING, PONG, RawSocket, TEXT, frame, status};
use crate::resume::flood;

/// Nothing here takes longer.
const LONGEST: Duration = Duration::from_secs(110);

/// What is wrong with the time that something took, if anything. Each has its own complaint, so that one does not hide the
/// others.
fn complain(
    what: &str,
    since: Instant,
    seconds: std::ops::Range<u64>,
    found: Result<(), String>,
) -> Option<String> {
    let took = since.elapsed();
    if let Err(found) = found {
        return Some(format!("{what}, after {took:?}: {found}"));
    }
    let is_right = (seconds.start..seconds.end).contains(&took.as_secs());
    (!is_right).then(|| format!("{what} took {took:?} and not {seconds:?} seconds"))
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?} instead of {wanted:?}"))
    }
}

/// Reads until the other end has said its last word, and sends a byte every few seconds meanwhile.
async fn dribble(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let until = Instant::now() + LONGEST;
    while Instant::now() < until {
        let read = tokio::time::timeout(Duration::from_secs(4), stream.read_buf(&mut heard)).await;
        match read {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => {}
            // It may have been closed just now; reading tells.
            Err(_) => drop(stream.write_all(b" ").await),
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// A body that comes byte by byte, on a route for strangers and on one for those who have signed in.
async fn slow_body(person: &Person, path: &str) -> Option<String> {
    let since = Instant::now();
    let world = &person.world;
    let mut stream = TcpStream::connect(world.address())
        .await
        .expect("the server listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        world.address(),
        person.token
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let answer = dribble(&mut stream).await;
    let found = expect(
        (status(&answer), answer.contains("did not arrive in time")),
        (408, true),
    );
    complain(path, since, 29..40, found)
}

async fn poll(person: &Person) -> Option<String> {
    let resume = person.get("/api/v1/sync").await.json(200)["resume"].clone();
    let since = Instant::now();
    let world = &person.world;
    let mut stream = TcpStream::connect(world.address())
        .await
        .expect("the server listens");
    let ask = format!(
        "GET /api/v1/sync?after={}&wait=25 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        resume.as_str().expect("a token"),
        world.address(),
        person.token
    );
    stream.write_all(ask.as_bytes()).await.expect("written");
    let mut answer = String::new();
    let read = tokio::time::timeout(LONGEST, stream.read_to_string(&mut answer)).await;
    read.expect("an end").expect("an answer");
    let found = expect((status(&answer), answer.contains(r#""events":[]"#)), (200, true));
    complain("a poll", since, 24..33, found)
}

/// Hears pings and does not answer them.
async fn silent(person: &Person) -> Option<String> {
    let mut socket = RawSocket::signed_in(&person.world, &person.token).await;
    let since = Instant::now();
    let mut pings = 0;
    let close = loop {
        match socket.frame_within(LONGEST.saturating_sub(since.elapsed())).await {
            Some((PING, _)) => pings += 1,
            Some((crate::raw::CLOSE, payload)) => break payload,
            Some(_) => {}
            None => break Vec::new(),
        }
    };
    let found = expect((pings > 0, close.as_slice()), (true, &b"\x11\x38silent"[..]));
    complain("silence", since, 59..100, found)
}

/// Answers every ping between the fragments of a message that has no end.
async fn never_done(person: &Person) -> Option<String> {
    let mut socket = RawSocket::signed_in(&person.world, &person.token).await;
    let since = Instant::now();
    socket.put(&frame(TEXT, b"{", true)).await;
    let close = loop {
        match socket.frame_within(Duration::from_secs(5)).await {
            Some((PING, payload)) => socket.put(&frame(FIN | PONG, &payload, true)).await,
            Some((crate::raw::CLOSE, payload)) => break payload,
            Some(_) => {}
            None if socket.is_over() || since.elapsed() > LONGEST => break Vec::new(),
            None => socket.put(&frame(CONTINUATION, b" ", true)).await,
        }
    };
    complain(
        "an endless message",
        since,
        30..70,
        expect(close.as_slice(), b"\x11\x38silent"),
    )
}

/// Does the same, and ends its message now and then; it is still there when all others are gone.
async fn lively(person: &Person) -> Option<String> {
    let mut socket = RawSocket::signed_in(&person.world, &person.token).await;
    let since = Instant::now();
    let mut answers = 0;
    while since.elapsed() < Duration::from_secs(92) {
        socket.put(&frame(TEXT, br#"{"id":1,"type":"#, true)).await;
        let wait = Instant::now();
        while wait.elapsed() < Duration::from_secs(10) {
            match socket
                .frame_within(Duration::from_secs(10).saturating_sub(wait.elapsed()))
                .await
            {
                Some((PING, payload)) => socket.put(&frame(FIN | PONG, &payload, true)).await,
                Some((crate::raw::CLOSE, payload)) => {
                    return Some(format!("a lively one was closed: {payload:?}"));
                }
                Some(_) => {}
                None if socket.is_over() => return Some("a lively one was cut".into()),
                None => {}
            }
        }
        socket
            .put(&frame(FIN | CONTINUATION, br#""conversations"}"#, true))
            .await;
        while let Some((opcode, payload)) = socket.frame_within(Duration::from_secs(20)).await {
            if opcode == TEXT && String::from_utf8_lossy(&payload).contains(r#""re":1"#) {
                answers += 1;
                break;
            }
        }
    }
    complain("lively", since, 92..115, expect(answers >= 6, true))
}

/// Takes nothing of what it is owed.
async fn stuck(person: &Person, friend: &Person) -> Option<String> {
    let mut live = person.narrow().await;
    let group = friend.live().await.group(&[person], json!({})).await;
    live.settle().await;
    flood(std::slice::from_ref(friend), &group, 40, &"b".repeat(30_000)).await;
    let since = Instant::now();
    let is_cut = live.is_cut_within(LONGEST).await;
    complain("a blocked write", since, 55..100, expect(is_cut, true))
}

#[tokio::test]
async fn everybody_is_waited_for_as_long_as_the_limits_say() {
    let _alone = heavy().await;
    let mut server = Server::start().await;
    let [anna, ben, cyd, dan] = server.people(["anna", "ben", "cyd", "dan"]).await;
    let complaints: [Option<String>; 7] = tokio::join!(
        slow_body(&anna, "/api/v1/sign-in"),
        slow_body(&anna, "/api/v1/commands"),
        poll(&anna),
        silent(&anna),
        never_done(&ben),
        lively(&cyd),
        stuck(&dan, &ben),
    )
    .into();
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
