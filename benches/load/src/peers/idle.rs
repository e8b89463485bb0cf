//! Signed-in connections that only rest. What must not live here: messages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use super::samples::{Samples, plain, spread};
use super::system::{self, Choice, Role, Scale, Voice};
use super::talk::{self, Talk};
use super::{Plan, SETTLE, Stand};
use crate::args::Args;
use crate::idle::{AT_ONCE, Clients, PER_ADDRESS, PER_PROCESS, until_told};
use crate::{seed, wire};

pub const CLIENT_OPTIONS: &[&str] = &["server-bin", "systems", "address", "from", "count"];

/// Kinglet's users have conversations: so many each, of so many members.
const CONVERSATIONS: usize = 20;
const MEMBERS: usize = 100;
/// Until what signing in left behind is gone.
const BREATH: Duration = Duration::from_secs(8);
/// As often as servers ping.
const PULSE: Duration = Duration::from_secs(30);

pub async fn run(plan: &Plan<'_>) -> Result<()> {
    let sizes: &[usize] = if plan.quick {
        &[1_000]
    } else {
        &[1_000, 5_000, 10_000]
    };
    let mut sizes = plan.args.list("sessions", sizes)?;
    sizes.sort_unstable();
    let rest = plan.args.get("rest-seconds", if plan.quick { 10 } else { 35 })?;
    for tls in [false, true] {
        let choices = plan.fit(|choice| {
            choice.tls == tls && !choice.word.starts_with("floor") && choice.word != "mosquitto-saving"
        });
        if choices.is_empty() {
            continue;
        }
        let mut samples = Samples::default();
        for round in 0..plan.rounds {
            plan.say(&format!(
                "idle{}, round {}",
                if tls { " over TLS" } else { "" },
                round + 1
            ));
            measure(plan, &choices, &sizes, Duration::from_secs(rest), &mut samples).await?;
        }
        let notes = vec![
            format!(
                "sessions are signed in and have sent nothing since; pss of all processes of the server, and what it grew by \
                 per session; the servers of a round stand side by side; measured {} s after a step and {rest} s more, in which \
                 cpu is counted: a round of pings",
                BREATH.as_secs()
            ),
            format!(
                "Kinglet's users are in {CONVERSATIONS} conversations of {MEMBERS} each; XMPP's have empty rosters and are \
                 in no room, MQTT's have one subscription"
            ),
        ];
        let title = if tls {
            "Idle sessions over TLS, systems compared"
        } else {
            "Idle sessions, systems compared"
        };
        let mut rows = samples.rows();
        rows.sort_by_key(|row| row[0].1.as_u64());
        plan.print(title, &choices, notes, &rows);
    }
    Ok(())
}

/// One system of a round, and those who are connected to it.
struct Host<'a> {
    choice: &'a Choice,
    stand: Stand,
    clients: Clients,
    at_rest: u64,
}

/// Conversations only between people of one step, so that at each step all members are connected.
fn groups(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut first = 0;
    for size in sizes {
        let step = seed::mixed_groups(size - first, CONVERSATIONS, MEMBERS);
        groups.extend(
            step.into_iter()
                .map(|group| group.iter().map(|user| user + first).collect()),
        );
        first = *size;
    }
    groups
}

async fn measure(
    plan: &Plan<'_>,
    choices: &[&Choice],
    sizes: &[usize],
    rest: Duration,
    samples: &mut Samples,
) -> Result<()> {
    let scale = Scale {
        users: sizes.last().copied().unwrap_or(0),
        groups: groups(sizes),
    };
    let mut hosts = Vec::new();
    for choice in choices {
        hosts.push(Host {
            choice,
            stand: Stand::start(plan, choice, &scale).await?,
            clients: Clients::default(),
            at_rest: 0,
        });
    }
    tokio::time::sleep(SETTLE).await;
    for host in &mut hosts {
        host.at_rest = host.stand.running.pss()?;
    }
    let mut there = 0;
    for size in sizes {
        for host in &mut hosts {
            plan.say(&format!("{size} sessions: {}", host.choice.label()));
            host.connect(there, *size)?;
        }
        there = *size;
        // What signing in left behind goes first.
        tokio::time::sleep(BREATH).await;
        let before: Vec<Duration> = hosts
            .iter()
            .map(|host| host.stand.running.cpu())
            .collect::<Result<_>>()?;
        tokio::time::sleep(rest).await;
        for (host, before) in hosts.iter().zip(before) {
            let cpu = (host.stand.running.cpu()? - before).as_secs_f64() / rest.as_secs_f64();
            let pss = host.stand.running.pss()?;
            let each = pss.saturating_sub(host.at_rest) as f64 / *size as f64;
            samples.add(
                vec![("sessions", json!(size)), ("system", json!(host.choice.label()))],
                vec![
                    plain("pss at rest MB", 1, Some(host.at_rest as f64 / 1e6)),
                    plain("pss MB", 1, Some(pss as f64 / 1e6)),
                    spread("B/session", "B/session, range", 0, Some(each)),
                    plain("cpu % at rest", 2, Some(cpu * 100.0)),
                ],
            );
        }
    }
    for host in hosts {
        host.clients.end()?;
    }
    Ok(())
}

impl Host<'_> {
    fn connect(&mut self, mut from: usize, to: usize) -> Result<()> {
        while from < to {
            let count = PER_PROCESS.min(to - from);
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["peers-client", "--systems", &self.choice.word]);
            command.args(["--address", &self.stand.ground.address.to_string()]);
            command.args(["--from", &from.to_string(), "--count", &count.to_string()]);
            if let Some(binary) = self.choice.system.binary() {
                command.arg("--server-bin").arg(binary);
            }
            self.clients.add(command)?;
            from += count;
        }
        Ok(())
    }
}

/// The body of a client process: signs in, says `ready`, answers pings until its standard input ends.
pub async fn client(args: &Args) -> Result<()> {
    LocalSet::new().run_until(hold(args)).await
}

async fn hold(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let (from, count): (usize, usize) = (args.get("from", 0)?, args.get("count", 0)?);
    let mut choices = system::choose(args, &args.get("systems", String::new())?)?;
    let choice: &'static Choice = Box::leak(Box::new(choices.pop().context("--systems names one")?));
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let (ended, mut ends) = mpsc::channel::<anyhow::Error>(16);
    for number in from..from + count {
        let pass = tokio::select! {
            pass = Arc::clone(&room).acquire_owned() => pass?,
            Some(error) = ends.recv() => return Err(error),
        };
        let ended = ended.clone();
        tokio::task::spawn_local(async move {
            let error = match stay(choice, address, number, pass).await {
                Err(error) => error,
                Ok(()) => anyhow::anyhow!("the server closed it"),
            };
            // Only the first few matter.
            let _ = ended.try_send(error.context(format!("session {number}")));
        });
    }
    until_told(&room, &mut ends).await
}

async fn stay(choice: &Choice, address: SocketAddr, number: usize, pass: OwnedSemaphorePermit) -> Result<()> {
    // Spread over local addresses, each of which has only so many ports.
    let local = Ipv4Addr::new(127, 0, 1, (1 + number / PER_ADDRESS % 250) as u8);
    let role = Role {
        user: number,
        peer: number ^ 1,
        group: None,
    };
    let (talk, voice) = talk::enter(
        &*choice.system,
        address,
        choice.tls,
        Some(IpAddr::V4(local)),
        role,
    )
    .await?;
    drop(pass);
    rest(talk, &*voice).await
}

/// Reads, answers pings, and sends its own where the protocol leaves that to the client.
async fn rest(mut talk: Talk, voice: &dyn Voice) -> Result<()> {
    let mut next = Instant::now() + PULSE;
    loop {
        while let Some((opcode, range)) = talk.frames.take()? {
            if opcode == wire::PING {
                let payload = talk.frames.payload(range).to_vec();
                talk.say(wire::PONG, &payload).await?;
            } else if opcode == wire::CLOSE {
                return Ok(());
            }
        }
        talk.frames.shrink();
        let mut bytes = [0; 1024];
        tokio::select! {
            count = talk.stream.read(&mut bytes) => match count? {
                0 => return Ok(()),
                count => talk.frames.push(&bytes[..count]),
            },
            () = sleep_until(next), if voice.pulse().is_some() => {
                next += PULSE;
                talk.stream.write_all(&voice.pulse().context("it has one")?).await?;
                talk.stream.flush().await?;
            }
        }
    }
}
