//! The least that a kept and acknowledged message can cost: a frame is read, its text put into one SQLite table by one thread,
//! synced with whatever else waits, and then as many bytes as Kinglet's ack and event have go to sender and peer. No accounts,
//! no rights, no order but the table's, no index, no chain. What must not live here: anything a chat needs.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::system::{Ground, Heard, Later, Role, System, Voice};
use super::talk::Talk;
use super::{floor, text};
use crate::args::Args;
use crate::wire::{Frames, TEXT};

pub const SERVER_OPTIONS: &[&str] = &["address", "directory"];

/// An ack begins with it.
const ACK: &[u8] = b"ack ";
/// Messages on their way from the readers to the one writer.
const QUEUE: usize = 1024;
/// User and peer, eight bytes each.
const NAMES: usize = 16;

enum News {
    Socket { user: u64, socket: Arc<TcpStream> },
    Message(Message),
}

struct Message {
    user: u64,
    peer: u64,
    said: Vec<u8>,
}

pub struct KeptFloor;

impl System for KeptFloor {
    fn name(&self) -> &'static str {
        "floor, kept"
    }

    fn settings(&self) -> String {
        "a bare tokio server that puts each text into one SQLite table (WAL, synchronous=FULL, all that wait in one commit), \
         then writes an ack and an event of Kinglet's size, and does nothing else"
            .to_owned()
    }

    fn command(&self, ground: &Ground) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["kept-floor-server", "--address", &ground.address.to_string()]);
        command.arg("--directory").arg(&ground.directory);
        Ok(command)
    }

    fn voice(&self, role: Role) -> Box<dyn Voice> {
        Box::new(Speaker { role })
    }

    fn acks(&self) -> bool {
        true
    }
}

struct Speaker {
    role: Role,
}

/// A frame as a server writes it, unmasked: the floor reads the same way as the clients.
fn frame(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | TEXT);
    out.push(u8::try_from(payload.len()).expect("a short payload"));
    out.extend_from_slice(payload);
}

impl Voice for Speaker {
    fn sign_in<'a>(&'a mut self, talk: &'a mut Talk) -> Later<'a, ()> {
        Box::pin(async move {
            let mut names = [0; NAMES];
            names[..8].copy_from_slice(&(self.role.user as u64).to_le_bytes());
            names[8..].copy_from_slice(&(self.role.peer as u64).to_le_bytes());
            let mut said = Vec::new();
            frame(&names, &mut said);
            tokio::io::AsyncWriteExt::write_all(&mut talk.stream, &said).await?;
            // One byte comes once the writer has the socket.
            let mut one = [0];
            talk.stream
                .read_exact(&mut one)
                .await
                .context("the floor's greeting")?;
            Ok(())
        })
    }

    fn direct(&mut self, stamp: u64, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(text::SIZE);
        text::write(stamp, &mut payload);
        frame(&payload, out);
    }

    fn post(&mut self, stamp: u64, out: &mut Vec<u8>) {
        self.direct(stamp, out);
    }

    fn hear(&mut self, payload: &[u8], _: &mut Vec<u8>) -> Heard {
        match (text::stamp(payload), payload.starts_with(ACK)) {
            (Some(stamp), true) => Heard::Ack(stamp),
            (Some(stamp), false) => Heard::Delivery(stamp),
            (None, _) => Heard::Else,
        }
    }
}

/// The floor's server, until it is ended.
pub async fn serve(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let directory: PathBuf = args.get("directory", std::env::temp_dir())?;
    let table = open(&directory.join("kept.db"))?;
    let listener = TcpListener::bind(address).await?;
    let (tell, news) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        if let Err(error) = write(&table, &news) {
            eprintln!("the kept floor's writer ended: {error:#}");
            std::process::exit(1);
        }
    });
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(read(stream, tell.clone()))),
            // No descriptors left: wait for some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn open(path: &std::path::Path) -> Result<Connection> {
    let table = Connection::open(path).with_context(|| format!("opening {}", path.display()))?;
    table.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE log (pos INTEGER PRIMARY KEY, user INTEGER NOT NULL, peer INTEGER NOT NULL, said BLOB NOT NULL)",
    )?;
    Ok(table)
}

async fn read(stream: TcpStream, tell: SyncSender<News>) -> Result<()> {
    stream.set_nodelay(true)?;
    let socket = Arc::new(stream);
    let (mut frames, mut bytes) = (Frames::default(), vec![0; 4096]);
    let mut names = None;
    loop {
        socket.readable().await?;
        let count = match socket.try_read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        frames.push(&bytes[..count]);
        while let Some((_, range)) = frames.take()? {
            let said = frames.payload(range);
            let Some((user, peer)) = names else {
                let (user, peer) = named(said)?;
                names = Some((user, peer));
                let socket = Arc::clone(&socket);
                tell.send(News::Socket { user, socket })?;
                continue;
            };
            let said = said.to_vec();
            tell.send(News::Message(Message { user, peer, said }))?;
        }
    }
}

fn named(said: &[u8]) -> Result<(u64, u64)> {
    ensure!(said.len() == NAMES, "who comes says first who they are");
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    Ok((number(&said[..8]), number(&said[8..])))
}

/// One commit for all that wait.
fn write(table: &Connection, news: &Receiver<News>) -> Result<()> {
    let mut sockets: HashMap<u64, Arc<TcpStream>> = HashMap::new();
    let mut waiting = Vec::new();
    let mut insert = table.prepare("INSERT INTO log (user, peer, said) VALUES (?1, ?2, ?3)")?;
    let (mut begin, mut commit) = (table.prepare("BEGIN IMMEDIATE")?, table.prepare("COMMIT")?);
    while let Ok(first) = news.recv() {
        for item in std::iter::once(first).chain(news.try_iter().take(QUEUE)) {
            match item {
                News::Socket { user, socket } => {
                    socket.try_write(b"!")?;
                    sockets.insert(user, socket);
                }
                News::Message(message) => waiting.push(message),
            }
        }
        if waiting.is_empty() {
            continue;
        }
        begin.execute([])?;
        for message in &waiting {
            let (user, peer) = (message.user.cast_signed(), message.peer.cast_signed());
            insert.execute((user, peer, &message.said))?;
        }
        commit.execute([])?;
        for message in waiting.drain(..) {
            let mut ack = Vec::with_capacity(2 + ACK.len() + message.said.len());
            frame(&[ACK, &message.said].concat(), &mut ack);
            // A full socket spoils the count, which the clients notice.
            for (user, bytes) in [
                (message.user, &ack[..]),
                (message.peer, &floor::event(&message.said)),
            ] {
                if let Some(socket) = sockets.get(&user) {
                    socket.try_write(bytes)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_told_from_a_delivery() {
        let mut voice = Speaker {
            role: Role {
                user: 0,
                peer: 1,
                group: None,
            },
        };
        let mut said = Vec::new();
        text::write(7, &mut said);
        let none = &mut Vec::new();
        assert_eq!(voice.hear(&[ACK, &said].concat(), none), Heard::Ack(7));
        assert_eq!(voice.hear(&floor::event(&said)[4..], none), Heard::Delivery(7));
        assert_eq!(voice.hear(b"else", none), Heard::Else);
    }
}
