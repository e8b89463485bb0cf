//! The least that any fan-out can cost: one task that reads a frame and writes as many bytes as Kinglet's event has to
//! every socket. No accounts, no store, no order. What must not live here: anything a chat needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::system::{Ground, Heard, Later, Role, System, Voice};
use super::talk::Talk;
use super::text;
use crate::args::Args;
use crate::wire::{Frames, TEXT};

pub const SERVER_OPTIONS: &[&str] = &["address"];

/// An event of Kinglet with `text::SIZE` bytes of text, head of the frame included.
const EVENT: usize = 332;
/// Frames on their way from the readers to the one writer.
const QUEUE: usize = 1024;

enum News {
    Socket(OwnedWriteHalf),
    Frame(Arc<[u8]>),
}

pub struct Floor;

impl System for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn settings(&self) -> String {
        format!("a bare tokio server that writes {EVENT} bytes to each socket and does nothing else")
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor-server", "--address", &ground.address.to_string()]);
        Ok(command)
    }

    fn voice(&self, _: Role) -> Box<dyn Voice> {
        Box::new(Speaker)
    }

    fn acks(&self) -> bool {
        false
    }
}

struct Speaker;

impl Voice for Speaker {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()> {
        Box::pin(async move {
            // One byte comes once the server has the socket.
            let mut one = [0];
            talk.stream
                .read_exact(&mut one)
                .await
                .context("the floor's greeting")?;
            Ok(())
        })
    }

    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>) {
        self.post(stamp, out);
    }

    fn post(&mut self, stamp: u64, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(text::SIZE);
        text::write(stamp, &mut payload);
        // Unmasked, as a server's frames are: the floor reads the same way as the clients.
        out.push(0x80 | TEXT);
        out.push(u8::try_from(payload.len()).expect("a short text"));
        out.extend_from_slice(&payload);
    }

    fn hear(&mut self, payload: &[u8], _: &mut Vec<u8>) -> Heard {
        text::stamp(payload).map_or(Heard::Else, Heard::Delivery)
    }
}

/// The frame to all for a frame from one.
pub(super) fn event(said: &[u8]) -> Arc<[u8]> {
    let length = u16::try_from(EVENT - 4).expect("an event is short");
    let mut frame = Vec::with_capacity(EVENT);
    frame.extend_from_slice(&[0x80 | TEXT, 126]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(said);
    frame.resize(EVENT, b'x');
    frame.into()
}

/// The floor's server, until it is ended.
pub async fn serve(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = TcpListener::bind(address).await?;
    let (tell, mut news) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(read(stream, tell.clone()))),
                // No descriptors left: wait for some.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let mut sockets = Vec::new();
    while let Some(item) = news.recv().await {
        match item {
            News::Socket(socket) => {
                if socket.try_write(b"!").is_ok() {
                    sockets.push(socket);
                }
            }
            // A full or closed socket is left out: its reader counts what came.
            News::Frame(frame) => sockets.retain(|socket| match socket.try_write(&frame) {
                Ok(_) => true,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }),
        }
    }
    Ok(())
}

async fn read(stream: TcpStream, tell: mpsc::Sender<News>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, to) = stream.into_split();
    tell.send(News::Socket(to)).await?;
    let (mut frames, mut bytes) = (Frames::default(), vec![0; 4096]);
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        frames.push(&bytes[..count]);
        while let Some((_, range)) = frames.take()? {
            tell.send(News::Frame(event(frames.payload(range)))).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_frame_of_the_right_size() {
        let mut said = Vec::new();
        text::write(3, &mut said);
        let frame = event(&said);
        let mut frames = Frames::default();
        frames.push(&frame);
        let (opcode, range) = frames.take().expect("it is good").expect("it is whole");
        assert_eq!((opcode, frame.len(), range.len()), (TEXT, EVENT, EVENT - 4));
        assert_eq!(text::stamp(frames.payload(range)), Some(3));
    }
}
