//! What sessions cost that only rest. What must not live here: messages.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

use crate::args::Args;
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::{tls, wire};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "sessions",
    "devices",
    "conversations",
    "members",
    "rest-seconds",
    "tls",
    "directory",
    "json",
];
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
             the whole machine grew by, both ends",
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

async fn measure(args: &Args, sessions: usize) -> Result<Row> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), args.switch("tls"))?;
    let devices = args.get("devices", 1)?;
    let users = sessions.div_ceil(devices);
    let groups = seed::mixed_groups(users, args.get("conversations", 20)?, args.get("members", 100)?);
    seed::plant(
        &setup,
        &Seed {
            users,
            devices,
            groups,
        },
    )
    .await?;
    let server = setup.start().await?;
    // The first answers of a process make it grow once.
    Picture::take(setup.place).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (rest, tcp_rest) = (server.memory()?, server::tcp_memory()?);
    let clients = Clients::start(&setup, sessions, devices)?;
    let present = Picture::take(setup.place).await?.value("kinglet_sessions");
    ensure!(
        present as usize == sessions,
        "{present} sessions are there instead of {sessions}"
    );
    let (connected, tcp) = (server.memory()?, server::tcp_memory()?);
    let cpu = server.cpu()?;
    let time = Duration::from_secs(args.get("rest-seconds", 35)?);
    tokio::time::sleep(time).await;
    let (rested, cpu) = (server.memory()?, server.cpu()? - cpu);
    let present = Picture::take(setup.place).await?.value("kinglet_sessions");
    ensure!(
        present as usize == sessions,
        "{present} sessions outlived the rest, of {sessions}"
    );
    clients.end()?;
    stop(server).await?;
    let mb = |bytes: u64| figure(Some(bytes as f64 / 1e6), 1);
    let each = |bytes: u64| figure(Some(bytes as f64 / sessions as f64), 0);
    Ok(vec![
        ("sessions", json!(sessions)),
        ("users", json!(users)),
        ("rss at rest MB", mb(rest.rss)),
        ("pss at rest MB", mb(rest.pss)),
        ("pss connected MB", mb(connected.pss)),
        ("pss after rest MB", mb(rested.pss)),
        ("rss after rest MB", mb(rested.rss)),
        (
            "B/session connected",
            each(connected.pss.saturating_sub(rest.pss)),
        ),
        ("B/session after rest", each(rested.pss.saturating_sub(rest.pss))),
        ("tcp B/session", each(tcp.saturating_sub(tcp_rest))),
        (
            "cpu % at rest",
            figure(Some(cpu.as_secs_f64() / time.as_secs_f64() * 100.0), 2),
        ),
    ])
}

async fn stop(server: Server) -> Result<()> {
    server.stop().await
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
            // Spread over local addresses, each of which has only so many ports.
            let local = Ipv4Addr::new(127, 0, 1, (1 + number / PER_ADDRESS % 250) as u8);
            let token = seed::token(number / devices, number % devices);
            let stayed = stay(address, IpAddr::V4(local), &token, secure, pass).await;
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

async fn stay(
    server: SocketAddr,
    from: IpAddr,
    token: &str,
    secure: bool,
    pass: tokio::sync::OwnedSemaphorePermit,
) -> Result<()> {
    let stream = wire::connect(server, Some(from)).await?;
    if secure {
        rest(tls::connect(stream, server).await?, server, token, pass).await
    } else {
        rest(stream, server, token, pass).await
    }
}

async fn rest<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    server: SocketAddr,
    token: &str,
    pass: tokio::sync::OwnedSemaphorePermit,
) -> Result<()> {
    let (_, mut frames) = wire::open(&mut stream, server, token, None).await?;
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
