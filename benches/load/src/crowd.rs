//! Many sessions in processes of their own, since one has not the descriptors for all: they rest, are all dropped at once
//! when told to, and come back with their resume tokens. What must not live here: what is measured meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncReadExt;
use tokio::sync::{Barrier, Semaphore, mpsc, watch};

use crate::args::Args;
use crate::http::Place;
use crate::idle;
use crate::line::{Line, local};
use crate::server;

pub const CLIENT_OPTIONS: &[&str] = &["address", "from", "count", "at-once", "tls"];

/// Connections of one local address, far below the ports it has.
const PER_ADDRESS: usize = 1_000;
/// All processes' handshakes together stay below what may wait for its sign-in.
pub const HANDSHAKES: usize = 512;
/// How long one waits that was turned away.
pub const AGAIN: Duration = Duration::from_millis(50);

/// What coming back took, all sessions and all processes together.
#[derive(Default)]
pub struct Back {
    pub waited: Duration,
    pub turned_away: u64,
    pub cpu: Duration,
}

pub struct Crowd(Vec<Part>);

/// One process.
struct Part {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Drop for Part {
    fn drop(&mut self) {
        // One that ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Part {
    /// Waits for the next line, on a thread of its own.
    async fn line(&mut self) -> Result<String> {
        let mut output = self.output.take().context("one waits at a time")?;
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| (output, line))
        });
        let (output, line) = read.await??;
        self.output = Some(output);
        ensure!(!line.is_empty(), "a client process failed; see above");
        Ok(line.trim().to_owned())
    }
}

impl Crowd {
    /// Signs in one session for each of the users `0..sessions`.
    pub async fn start(place: Place, sessions: usize, processes: usize) -> Result<Crowd> {
        let share = sessions.div_ceil(processes).max(1);
        let mut crowd = Crowd(Vec::new());
        for from in (0..sessions).step_by(share) {
            // The crowd is as idle as the scheduler allows: its arithmetic would be done by thousands of machines, and neither
            // on the server's nor on those of the pair.
            let mut command = Command::new("chrt");
            command
                .args(["--idle", "0"])
                .arg(std::env::current_exe()?)
                .arg("crowd-client")
                .args(["--address", &place.address.to_string()])
                .args(["--from", &from.to_string()])
                .args(["--count", &share.min(sessions - from).to_string()])
                .args(["--at-once", &(HANDSHAKES / processes).max(1).to_string()]);
            if place.tls {
                command.arg("--tls");
            }
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
            crowd.0.push(Part { child, input, output });
        }
        for part in &mut crowd.0 {
            let line = part.line().await?;
            ensure!(line == "ready", "a client process said {line:?} instead of ready");
        }
        Ok(crowd)
    }

    /// All go, and come back.
    pub async fn storm(&mut self) -> Result<Back> {
        for part in &mut self.0 {
            let input = part.input.as_mut().context("it is open until the end")?;
            input.write_all(b"go\n")?;
        }
        let mut all = Back::default();
        for part in &mut self.0 {
            let line = part.line().await?;
            let figures: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
            let Some([waited, turned_away, cpu]) = figures.as_deref() else {
                anyhow::bail!("a client process said {line:?} instead of three figures");
            };
            all.waited += Duration::from_micros(*waited);
            all.turned_away += turned_away;
            all.cpu += Duration::from_micros(*cpu);
        }
        Ok(all)
    }

    pub fn end(mut self) -> Result<()> {
        for part in &mut self.0 {
            drop(part.input.take());
            ensure!(part.child.wait()?.success(), "a client process failed; see above");
        }
        Ok(())
    }
}

/// What the sessions of one process share.
struct Shared {
    place: Place,
    room: Semaphore,
    gone: Barrier,
    waited: AtomicU64,
    turned_away: AtomicU64,
    there: mpsc::Sender<Result<()>>,
}

/// The body of a client process: signs in, says `ready`, waits for `go`, drops everything, comes back, says what that took,
/// and stays until its standard input ends.
pub async fn client(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let (from, count): (usize, usize) = (args.get("from", 0)?, args.get("count", 0)?);
    let (there, mut here) = mpsc::channel(64);
    let (go, told) = watch::channel(false);
    let shared = Arc::new(Shared {
        place: Place {
            address,
            tls: args.switch("tls"),
        },
        room: Semaphore::new(args.get("at-once", 64)?),
        gone: Barrier::new(count),
        waited: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
        there,
    });
    for user in from..from + count {
        let (shared, told) = (Arc::clone(&shared), told.clone());
        tokio::spawn(async move {
            let ended = session(user, &shared, told)
                .await
                .with_context(|| format!("session {user}"));
            // Only the first few matter.
            let _ = shared.there.try_send(ended);
        });
    }
    gather(&mut here, count).await?;
    say("ready")?;
    let mut input = idle::stdin()?;
    let mut bytes = [0; 16];
    let heard = input.read(&mut bytes).await?;
    ensure!(bytes[..heard].starts_with(b"go"), "told something else than go");
    let cpu = server::cpu_of("self")?;
    go.send_replace(true);
    gather(&mut here, count).await?;
    let cpu = (server::cpu_of("self")? - cpu).as_micros();
    let (waited, turned_away) = (shared.waited.load(SeqCst), shared.turned_away.load(SeqCst));
    say(&format!("{waited} {turned_away} {cpu}"))?;
    tokio::select! {
        _ = input.read(&mut bytes) => Ok(()),
        Some(ended) = here.recv() => ended,
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Waits until all are there.
async fn gather(here: &mut mpsc::Receiver<Result<()>>, count: usize) -> Result<()> {
    for _ in 0..count {
        here.recv().await.context("the sessions are still there")??;
    }
    Ok(())
}

async fn session(user: usize, shared: &Shared, mut told: watch::Receiver<bool>) -> Result<()> {
    let mut line = shared.open(user, None).await?;
    let resume = line.resume.clone();
    shared.there.send(Ok(())).await?;
    loop {
        tokio::select! {
            go = told.changed() => break go?,
            heard = line.hear() => {
                heard?;
            }
        }
    }
    drop(line);
    shared.gone.wait().await;
    let mut line = loop {
        match shared.open(user, Some(&resume)).await {
            Ok(line) => break line,
            Err(_) => {
                shared.turned_away.fetch_add(1, SeqCst);
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    ensure!(line.catch_up != "resync", "the token was not known any more");
    shared.there.send(Ok(())).await?;
    loop {
        line.hear().await?;
    }
}

impl Shared {
    async fn open(&self, user: usize, resume: Option<&str>) -> Result<Line> {
        let _pass = self.room.acquire().await?;
        let begun = Instant::now();
        let line = Line::open(self.place, Some(local(user, PER_ADDRESS)), user, resume).await?;
        if resume.is_some() {
            let took = u64::try_from(begun.elapsed().as_micros())?;
            self.waited.fetch_add(took, SeqCst);
        }
        Ok(line)
    }
}
