//! What sessions cost that only rest. What must not live here: messages.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::args::Args;
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::wire::Frames;
use crate::{tls, wire};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "sessions",
    "devices",
    "conversations",
    "members",
    "rest-seconds",
    "planted",
    "tls",
    "directory",
    "json",
];
pub const PLANT_OPTIONS: &[&str] = &["server-bin", "users", "conversations", "members", "directory"];
pub const CLIENT_OPTIONS: &[&str] = &["address", "from", "count", "devices", "tls"];

/// Sessions of one client process, so that its descriptors suffice.
pub const PER_PROCESS: usize = 12_000;
/// Connections of one local address, far below the ports it has.
pub const PER_ADDRESS: usize = 1_000;
/// Handshakes at once.
pub const AT_ONCE: usize = 64;

pub async fn run(args: &Args) -> Result<()> {
    let mut rows = Vec::new();
    for sessions in args.list("sessions", &[1_000, 5_000, 10_000])? {
        rows.push(measure(args, sessions).await?);
    }
    let notes = [
        format!(
            "each user in {} conversations of {}; a session is signed in and has sent nothing since; pss: \
             /proc/PID/smaps_rollup; bytes per session: what pss grew by, in all; tcp: what the kernel's TCP memory of \
             the whole machine grew by, both ends; slab: the same of the kernel's own objects, of which sockets and files \
             are the most; machine: what less of the whole machine's memory is available, clients and both ends included",
            args.get("conversations", 20)?,
            args.get("members", 100)?
        ),
        format!(
            "after the rest: {} s, a round of pings included",
            args.get("rest-seconds", 35)?
        ),
    ];
    let title = if args.switch("tls") {
        "Idle sessions over TLS"
    } else {
        "Idle sessions, plain"
    };
    report::print(args.switch("json"), title, &notes, &rows);
    Ok(())
}

/// A new server's data with so many users in conversations, for an `idle` elsewhere.
pub async fn plant(args: &Args) -> Result<()> {
    let directory = args.get("directory", PathBuf::new())?;
    ensure!(
        directory.is_dir(),
        "--directory names the folder that the data is written to"
    );
    let mut setup = Setup::new(&args.server()?, &directory, false)?;
    write_users(args, &mut setup, args.get("users", 1_000)?, 1).await
}

async fn write_users(args: &Args, setup: &mut Setup, users: usize, devices: usize) -> Result<()> {
    let groups = seed::mixed_groups(users, args.get("conversations", 20)?, args.get("members", 100)?);
    seed::plant(
        setup,
        &Seed {
            users,
            devices,
            groups,
        },
    )
    .await
}

/// Limits that do not stop so many sessions: a few connections more for our own questions, and rosters for all.
fn make_room(args: &Args, setup: &mut Setup, sessions: usize, users: usize) -> Result<()> {
    let memberships = users * args.get("conversations", 20)?;
    let connections = (sessions + 1_000).max(15_000);
    // Twice what the budget counts for them; it is a bound, not a reservation.
    let roster_mib = (memberships * 48).div_ceil(1 << 20).max(32);
    for (name, value) in [
        ("KINGLET_LIMITS_CONNECTIONS", connections),
        ("KINGLET_LIMITS_CONNECTIONS_PER_ADDRESS", connections),
        ("KINGLET_LIMITS_ROSTER_MIB", roster_mib),
    ] {
        setup.settings.push((name.to_owned(), value.to_string()));
    }
    Ok(())
}

/// Memory of the server, of the clients and of the whole machine at one moment.
struct Moment {
    server: server::Memory,
    clients: u64,
    tcp: u64,
    machine: server::Machine,
}

impl Moment {
    fn now(server: &Server, clients: Option<&Clients>) -> Result<Moment> {
        Ok(Moment {
            server: server.memory()?,
            clients: clients.map_or(Ok(0), Clients::memory)?,
            tcp: server::tcp_memory()?,
            machine: server::machine()?,
        })
    }
}

async fn measure(args: &Args, sessions: usize) -> Result<Row> {
    let devices = args.get("devices", 1)?;
    let users = sessions.div_ceil(devices);
    let planted = args.get("planted", PathBuf::new())?;
    let scratch = server::scratch(args)?;
    let is_planted = !planted.as_os_str().is_empty();
    let directory = if is_planted { &planted } else { scratch.path() };
    let mut setup = Setup::new(&args.server()?, directory, args.switch("tls"))?;
    make_room(args, &mut setup, sessions, users)?;
    if !is_planted {
        write_users(args, &mut setup, users, devices).await?;
    }
    let server = setup.start().await?;
    // The first answers of a process make it grow once.
    Picture::take(setup.place).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rest = Moment::now(&server, None)?;
    let clients = Clients::start(&setup, sessions, devices)?;
    expect(&setup, sessions, "are there").await?;
    let connected = Moment::now(&server, Some(&clients))?;
    let cpu = server.cpu()?;
    let time = Duration::from_secs(args.get("rest-seconds", 35)?);
    tokio::time::sleep(time).await;
    let (rested, cpu) = (Moment::now(&server, Some(&clients))?, server.cpu()? - cpu);
    expect(&setup, sessions, "outlived the rest").await?;
    let page = Picture::take(setup.place).await?;
    // A hundred thousand farewells would take minutes and are not what is measured.
    drop(clients);
    server.kill()?;
    let mut row = vec![("sessions", json!(sessions)), ("users", json!(users))];
    row.extend(figures(sessions, &rest, &connected, &rested));
    row.push((
        "cpu % at rest",
        figure(Some(cpu.as_secs_f64() / time.as_secs_f64() * 100.0), 2),
    ));
    row.push(("conversations", json!(page.value("kinglet_conversations_open"))));
    Ok(row)
}

async fn expect(setup: &Setup, sessions: usize, what: &str) -> Result<()> {
    let present = Picture::take(setup.place).await?.value("kinglet_sessions");
    ensure!(
        present as usize == sessions,
        "{present} sessions {what}, of {sessions}"
    );
    Ok(())
}

fn figures(sessions: usize, rest: &Moment, connected: &Moment, rested: &Moment) -> Row {
    let mb = |bytes: u64| figure(Some(bytes as f64 / 1e6), 1);
    let each = |more: u64, less: u64| figure(Some(more.saturating_sub(less) as f64 / sessions as f64), 0);
    vec![
        ("rss at rest MB", mb(rest.server.rss)),
        ("pss at rest MB", mb(rest.server.pss)),
        ("pss connected MB", mb(connected.server.pss)),
        ("pss after rest MB", mb(rested.server.pss)),
        ("rss after rest MB", mb(rested.server.rss)),
        ("B/session connected", each(connected.server.pss, rest.server.pss)),
        ("B/session after rest", each(rested.server.pss, rest.server.pss)),
        ("tcp B/session", each(rested.tcp, rest.tcp)),
        ("slab B/session", each(rested.machine.slab, rest.machine.slab)),
        ("client pss B/session", each(rested.clients, 0)),
        (
            "machine B/session",
            each(rest.machine.available, rested.machine.available),
        ),
        ("machine free MB", mb(rested.machine.available)),
    ]
}

/// The processes that hold the other ends.
#[derive(Default)]
pub struct Clients(Vec<Child>);

impl Clients {
    fn start(setup: &Setup, sessions: usize, devices: usize) -> Result<Clients> {
        let mut clients = Clients::default();
        let mut from = 0;
        while from < sessions {
            let count = PER_PROCESS.min(sessions - from);
            let mut command = Command::new(std::env::current_exe()?);
            command
                .arg("idle-client")
                .args(["--address", &setup.place.address.to_string()]);
            command.args(["--from", &from.to_string(), "--count", &count.to_string()]);
            command.args(["--devices", &devices.to_string()]);
            if setup.place.tls {
                command.arg("--tls");
            }
            clients.add(command)?;
            from += count;
        }
        Ok(clients)
    }

    /// Starts one more and waits until it says that it is ready.
    pub fn add(&mut self, mut command: Command) -> Result<()> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        self.0.push(child);
        let child = self.0.last_mut().context("just pushed")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line.trim() == "ready", "a client process failed; see above");
        Ok(())
    }

    /// What all of them hold, in bytes.
    fn memory(&self) -> Result<u64> {
        let each = self.0.iter().map(|child| server::memory_of(child.id()));
        each.map(|memory| memory.map(|memory| memory.pss)).sum()
    }

    pub fn end(mut self) -> Result<()> {
        for child in &mut self.0 {
            drop(child.stdin.take());
            ensure!(child.wait()?.success(), "a client process failed; see above");
        }
        Ok(())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Those that ended already are what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The body of a client process: connects, says `ready`, answers pings until its standard input ends.
pub async fn client(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let (from, count, devices) = (
        args.get("from", 0)?,
        args.get("count", 0)?,
        args.get("devices", 1)?,
    );
    let secure = args.switch("tls");
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let (ended, mut ends) = mpsc::channel::<anyhow::Error>(16);
    for number in from..from + count {
        let pass = Arc::clone(&room).acquire_owned().await?;
        let ended = ended.clone();
        tokio::spawn(async move {
            let stayed = stay(address, number, devices, secure, pass).await;
            let error = stayed
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("the server closed session {number}"));
            // Only the first few matter.
            let _ = ended.try_send(error.context(format!("session {number}")));
        });
    }
    until_told(&room, &mut ends).await
}

/// Says that it is ready once all have handed their passes back, and stays until standard input ends or a session does.
pub async fn until_told(room: &Semaphore, ends: &mut mpsc::Receiver<anyhow::Error>) -> Result<()> {
    // One that failed has handed its pass back too, so failures are looked at first.
    tokio::select! {
        biased;
        Some(error) = ends.recv() => return Err(error),
        _ = room.acquire_many(AT_ONCE as u32) => {}
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    let mut input = tokio::io::BufReader::new(stdin()?);
    let mut bytes = [0; 16];
    tokio::select! {
        _ = input.read(&mut bytes) => Ok(()),
        Some(error) = ends.recv() => Err(error),
    }
}

/// Standard input as a pipe that the runtime can wait for.
pub fn stdin() -> Result<tokio::net::unix::pipe::Receiver> {
    let file = std::fs::File::open("/dev/stdin").context("opening standard input")?;
    Ok(tokio::net::unix::pipe::Receiver::from_file(file)?)
}

/// What a sign-in needs is given back before the long rest: a hundred thousand clients shall fit beside the server.
async fn stay(
    server: SocketAddr,
    number: usize,
    devices: usize,
    secure: bool,
    pass: tokio::sync::OwnedSemaphorePermit,
) -> Result<()> {
    let stream = Box::pin(dial(server, number)).await?;
    let token = seed::token(number / devices, number % devices);
    if secure {
        let stream = Box::pin(tls::connect(stream, server)).await?;
        return Box::pin(rest(stream, server, token, pass)).await;
    }
    let (stream, frames) = Box::pin(sign_in(stream, server, token)).await?;
    drop(pass);
    rest_plain(stream, frames).await
}

/// Spread over local addresses, each of which has only so many ports.
async fn dial(server: SocketAddr, number: usize) -> Result<TcpStream> {
    let local = Ipv4Addr::new(127, 0, 1, (1 + number / PER_ADDRESS % 250) as u8);
    wire::connect(server, Some(IpAddr::V4(local))).await
}

async fn sign_in(mut stream: TcpStream, server: SocketAddr, token: String) -> Result<(TcpStream, Frames)> {
    let (_, mut frames) = wire::open(&mut stream, server, &token, None).await?;
    frames.shrink();
    Ok((stream, frames))
}

/// A plain connection holds no buffer while it waits.
async fn rest_plain(stream: TcpStream, mut frames: Frames) -> Result<()> {
    loop {
        stream.readable().await?;
        if !hear(&stream, &mut frames)? {
            return Ok(());
        }
    }
}

/// Takes what is there and answers pings; `false` when the server is gone.
fn hear(stream: &TcpStream, frames: &mut Frames) -> Result<bool> {
    let mut bytes = [0; 1024];
    match stream.try_read(&mut bytes) {
        Ok(0) => return Ok(false),
        Ok(count) => frames.push(&bytes[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    while let Some((opcode, range)) = frames.take()? {
        match opcode {
            wire::PING => {
                let pong = wire::frame(wire::PONG, frames.payload(range));
                // The socket has nothing else to send, so there is room.
                let sent = stream.try_write(&pong)?;
                ensure!(
                    sent == pong.len(),
                    "a pong of {sent} bytes instead of {}",
                    pong.len()
                );
            }
            wire::CLOSE => return Ok(false),
            _ => {}
        }
    }
    frames.shrink();
    Ok(true)
}

async fn rest<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    server: SocketAddr,
    token: String,
    pass: tokio::sync::OwnedSemaphorePermit,
) -> Result<()> {
    let (_, mut frames) = Box::pin(wire::open(&mut stream, server, &token, None)).await?;
    drop(pass);
    loop {
        while let Some((opcode, range)) = frames.take()? {
            match opcode {
                wire::PING => {
                    let pong = wire::frame(wire::PONG, frames.payload(range));
                    stream.write_all(&pong).await?;
                    stream.flush().await?;
                }
                wire::CLOSE => return Ok(()),
                _ => {}
            }
        }
        frames.shrink();
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        frames.push(&bytes[..count]);
    }
}
