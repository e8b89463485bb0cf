//! Everybody is cut off at once and comes back, and everybody signs in with a password at once; what a pair that goes on
//! writing feels of it. What must not live here: the pair.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::args::Args;
use crate::bare::Bare;
use crate::crowd::{AGAIN, Crowd, HANDSHAKES};
use crate::http::{self, Place};
use crate::latency::Times;
use crate::line::local;
use crate::metrics::Picture;
use crate::pair::{Felt, Two};
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "sessions",
    "conversations",
    "members",
    "processes",
    "rate",
    "seconds",
    "sign-ins",
    "at-once",
    "tls",
    "directory",
    "json",
];

const PASSWORD: &str = "seven quiet herons";
/// Sign-ins from one local address: fewer than one may try at once.
const SIGN_INS_PER_ADDRESS: usize = 10;

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), args.switch("tls"))?;
    let sessions = args.get("sessions", 10_000)?;
    plant(args, &setup, sessions).await?;
    let server = setup.start().await?;
    let processes = args.get("processes", 2)?.max(1);
    let mut crowd = Crowd::start(setup.place, sessions, processes).await?;
    let rate = args.get("rate", 50)?;
    let bench = Bench {
        rate,
        bare: Bare::start(scratch.path(), rate)?,
        setup,
        server,
    };
    let two = Two::connect(bench.setup.place, sessions, sessions + 1).await?;
    bench.present(sessions + 2).await?;
    let rest = Duration::from_secs(args.get("seconds", 10)?);
    let (before, two) = bench.phase("before", two, rested(rest)).await?;
    let (during, two) = bench
        .phase("all come back", two, storm(&mut crowd, sessions))
        .await?;
    bench.present(sessions + 2).await?;
    let (count, at_once) = (args.get("sign-ins", 200)?, args.get("at-once", 32)?);
    let signing = sign_ins(bench.setup.place, count.min(sessions), at_once);
    let (signed, _) = bench.phase("password sign-ins", two, signing).await?;
    crowd.end()?;
    bench.server.stop().await?;
    let notes = [
        format!(
            "{sessions} sessions in {} processes, each in {} conversations of {}; each drops its connection when all do and \
             comes back with its resume token and a full handshake, at most {HANDSHAKES} at once",
            processes,
            args.get("conversations", 20)?,
            args.get("members", 100)?
        ),
        format!(
            "a pair writes {} messages a second meanwhile; mean: of one coming back, from its connect to its welcome \
             (sign-in: to its token), {at_once} sign-ins at once; turned away: tried again after {} ms",
            bench.rate,
            AGAIN.as_millis()
        ),
        "server and generator CPU of a phase include the pair's".to_owned(),
        "bare sync: a thread that writes two pages as often as the pair writes, and syncs them; the floor of an ack".to_owned(),
    ];
    let title = if args.switch("tls") {
        "A storm of reconnects over TLS"
    } else {
        "A storm of reconnects, plain"
    };
    report::print(args.switch("json"), title, &notes, &[before, during, signed]);
    Ok(())
}

/// Users who all have the same password, hashed once by the server itself.
async fn plant(args: &Args, setup: &Setup, sessions: usize) -> Result<()> {
    let server = setup.start().await?;
    let claim = json!({ "code": setup.claim_code().await?, "name": "owner", "password": PASSWORD, "device": device() });
    http::post(setup.place, "/api/v1/claim", "", &claim).await?;
    server.stop().await?;
    let mut groups = seed::mixed_groups(
        sessions,
        args.get("conversations", 20)?,
        args.get("members", 100)?,
    );
    groups.push(vec![sessions, sessions + 1]);
    let people = Seed {
        users: sessions + 2,
        devices: 1,
        groups,
    };
    seed::write(&setup.database(), &people)?;
    seed::share_password(&setup.database(), "owner")
}

fn device() -> Value {
    json!({ "id": Uuid::now_v7().to_string(), "name": "load" })
}

/// What a phase came to, beside what the pair felt.
struct Came {
    count: usize,
    mean_ms: Option<f64>,
    turned_away: u64,
    generator: Duration,
}

async fn rested(time: Duration) -> Result<Came> {
    tokio::time::sleep(time).await;
    Ok(Came {
        count: 0,
        mean_ms: None,
        turned_away: 0,
        generator: Duration::ZERO,
    })
}

async fn storm(crowd: &mut Crowd, sessions: usize) -> Result<Came> {
    let back = crowd.storm().await?;
    Ok(Came {
        count: sessions,
        mean_ms: Some(back.waited.as_secs_f64() * 1e3 / sessions as f64),
        turned_away: back.turned_away,
        generator: back.cpu,
    })
}

struct Bench {
    setup: Setup,
    server: Server,
    rate: u32,
    bare: Bare,
}

impl Bench {
    async fn present(&self, sessions: usize) -> Result<()> {
        let present = Picture::take(self.setup.place).await?.value("kinglet_sessions");
        ensure!(
            present as usize == sessions,
            "{present} sessions are there instead of {sessions}"
        );
        Ok(())
    }

    async fn phase(
        &self,
        name: &str,
        two: Two,
        work: impl Future<Output = Result<Came>>,
    ) -> Result<(Row, Two)> {
        let (cpu, own, begun) = (self.server.cpu()?, server::cpu_of("self")?, Instant::now());
        drop(self.bare.times.take());
        let earlier = Picture::take(self.setup.place).await?;
        let pair = two.write(self.rate);
        let came = work.await?;
        let elapsed = begun.elapsed();
        let (felt, two) = pair.rest().await?;
        let Felt {
            ack,
            deliver,
            slowest,
        } = felt;
        let bare = self.bare.times.take();
        let later = Picture::take(self.setup.place).await?;
        let highest = |name| figure(later.highest(&earlier, name).map(|seconds| seconds * 1e3), 1);
        let slowest: Vec<String> = slowest.iter().map(|(at, took)| slow(*at, *took)).collect();
        let (cpu, own) = (self.server.cpu()? - cpu, server::cpu_of("self")? - own);
        let each = |time: Duration| {
            let count = (came.count > 0).then_some(came.count as f64);
            figure(count.map(|count| time.as_secs_f64() * 1e3 / count), 3)
        };
        let row = vec![
            ("phase", json!(name)),
            ("count", json!(came.count)),
            ("seconds", figure(Some(elapsed.as_secs_f64()), 2)),
            ("mean ms", figure(came.mean_ms, 1)),
            ("turned away", json!(came.turned_away)),
            ("server cpu ms each", each(cpu)),
            ("generator cpu ms each", each(own + came.generator)),
            (
                "server cpu %",
                figure(Some(cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0), 1),
            ),
            ("sends", json!(ack.len())),
            ("ack p50 ms", figure(ack.ms(50.0), 2)),
            ("ack p99 ms", figure(ack.ms(99.0), 2)),
            ("ack max ms", figure(ack.ms(100.0), 2)),
            ("commits below ms", highest("kinglet_commit_seconds")),
            ("checkpoints below ms", highest("kinglet_checkpoint_seconds")),
            ("bare sync p50 ms", figure(bare.ms(50.0), 2)),
            ("bare sync p99 ms", figure(bare.ms(99.0), 2)),
            ("slowest acks", json!(slowest.join(", "))),
            ("deliver p50 ms", figure(deliver.ms(50.0), 2)),
            ("deliver p99 ms", figure(deliver.ms(99.0), 2)),
        ];
        Ok((row, two))
    }
}

/// One of the slowest: how long, and when in the phase.
fn slow(at: Duration, took: Duration) -> String {
    format!("{:.1} ms at {:.2} s", took.as_secs_f64() * 1e3, at.as_secs_f64())
}

/// So many people sign in with their passwords, some at once.
async fn sign_ins(place: Place, count: usize, at_once: usize) -> Result<Came> {
    let (room, times) = (Arc::new(Semaphore::new(at_once)), Arc::new(Times::default()));
    let mut running = JoinSet::new();
    for user in 0..count {
        let pass = Arc::clone(&room).acquire_owned().await?;
        let times = Arc::clone(&times);
        running.spawn(async move {
            let begun = Instant::now();
            let from = local(user, SIGN_INS_PER_ADDRESS);
            let body = json!({ "name": format!("load{user}"), "password": PASSWORD, "device": device() });
            let path = "/api/v1/sign-in";
            let (status, said) = http::ask_from(place, Some(from), ("POST", path, ""), Some(&body)).await?;
            ensure!(status == 200, "POST {path} answered {status}: {said}");
            times.note(begun.elapsed());
            drop(pass);
            Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(Came {
        count,
        mean_ms: times.take().mean_ms(),
        turned_away: 0,
        generator: Duration::ZERO,
    })
}
