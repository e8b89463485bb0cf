//! A company's chat: thousands signed in, few messages a second, then ten and a hundred times as many; some to one person,
//! some to a small group. What must not live here: the sockets (`wire`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::args::Args;
use crate::dice::Dice;
use crate::http::Place;
use crate::latency::{Sorted, Times};
use crate::line::local;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::wire::{Incoming, Live};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "people",
    "rate",
    "times",
    "seconds",
    "members",
    "direct",
    "payload",
    "seed",
    "at-once",
    "directory",
    "json",
];

/// Connections of one local address.
const PER_ADDRESS: usize = 1_000;
/// How long what is still on its way may take at the end of a row.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is there and what is being measured.
struct Town {
    people: Vec<Arc<Live>>,
    names: Vec<String>,
    /// The group of each person, by number.
    group_of: Vec<usize>,
    members: usize,
    /// Of a hundred messages so many are direct.
    direct: u64,
    payload: usize,
    start: Instant,
    ack: Times,
    deliver: Times,
    acked: AtomicU64,
    delivered: AtomicU64,
    expected: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
}

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let (people, members) = (args.get("people", 4_000)? & !1, args.get("members", 10)?);
    let groups = seed::mixed_groups(people, 1, members);
    let seeded = Seed {
        users: people,
        devices: 1,
        groups: groups.clone(),
    };
    seed::plant(&setup, &seeded).await?;
    let server = setup.start().await?;
    let (town, signing) = Town::open(args, setup.place, people, &groups).await?;
    let (rate, time) = (
        args.get("rate", 19.09)?,
        Duration::from_secs(args.get("seconds", 20)?),
    );
    let mut dice = Dice::new(args.get("seed", 1)?);
    let mut rows = Vec::new();
    for times in args.list("times", &[1, 10, 100])? {
        rows.push(
            town.measure(&server, (rate * times as f64, time), &mut dice)
                .await?,
        );
    }
    let notes = [
        format!(
            "{people} people signed in, one device each; {} of 100 messages to one person, the others to a group of {members}; \
             {} bytes each",
            town.direct, town.payload
        ),
        format!(
            "sign-in, from connecting to the welcome, {} at once: mean {:.1} ms, p50 {:.1}, p99 {:.1}",
            args.get("at-once", 8)?,
            signing.mean_ms().unwrap_or(0.0),
            signing.ms(50.0).unwrap_or(0.0),
            signing.ms(99.0).unwrap_or(0.0)
        ),
        "times count from the moment a message was meant to leave; cores: CPU seconds a second".to_owned(),
    ];
    report::print(args.switch("json"), "A company's chat", &notes, &rows);
    server.stop().await
}

impl Town {
    /// Signs everybody in. Also gives how long each sign-in took.
    async fn open(
        args: &Args,
        place: Place,
        people: usize,
        groups: &[Vec<usize>],
    ) -> Result<(Arc<Town>, Sorted)> {
        let room = Arc::new(Semaphore::new(args.get("at-once", 8)?));
        let signing = Arc::new(Times::default());
        let mut running = JoinSet::new();
        for user in 0..people {
            let (room, signing) = (Arc::clone(&room), Arc::clone(&signing));
            running.spawn(async move {
                let _pass = room.acquire().await?;
                let begun = Instant::now();
                let from = Some(local(user, PER_ADDRESS));
                let (live, frames, _) = Live::open(place.address, from, &seed::token(user, 0), None)
                    .await
                    .with_context(|| format!("signing user {user} in"))?;
                signing.note(begun.elapsed());
                anyhow::Ok((user, live, frames))
            });
        }
        let mut there = Vec::new();
        while let Some(done) = running.join_next().await {
            there.push(done??);
        }
        there.sort_by_key(|(user, ..)| *user);
        let mut group_of = vec![0; people];
        for (number, members) in groups.iter().enumerate() {
            members.iter().for_each(|user| group_of[*user] = number);
        }
        let town = Arc::new(Town {
            people: there.iter().map(|(_, live, _)| Arc::clone(live)).collect(),
            names: (0..people).map(seed::user).collect(),
            group_of,
            members: groups.first().map_or(0, Vec::len),
            direct: args.get("direct", 50)?,
            payload: args.get("payload", 100)?,
            start: Instant::now(),
            ack: Times::default(),
            deliver: Times::default(),
            acked: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            refused: Mutex::default(),
        });
        for (user, live, frames) in there {
            let town = Arc::clone(&town);
            tokio::spawn(async move {
                let ended = live.read(frames, |text| town.heard(user, text)).await;
                town.refuse(&format!("a connection ended: {ended:?}"));
            });
        }
        Ok((town, signing.take()))
    }

    fn refuse(&self, why: &str) {
        let mut refused = self.refused.lock().expect("nobody panics with it");
        *refused.entry(why.to_owned()).or_default() += 1;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("a run is shorter than centuries")
    }

    fn heard(&self, user: usize, text: &[u8]) {
        let said: Incoming<'_> = match serde_json::from_slice(text) {
            Ok(said) => said,
            Err(error) => return self.refuse(&format!("unreadable: {error}")),
        };
        let since = |meant: u64| Duration::from_nanos(self.now().saturating_sub(meant));
        if let Some(error) = said.error {
            self.refuse(&error.code);
        } else if let Some(meant) = said.re {
            self.ack.note(since(meant));
            self.acked.fetch_add(1, SeqCst);
        } else if said.by.as_deref() != Some(&self.names[user]) {
            let text = said.body.and_then(|body| body.text);
            if let Some(meant) = text.and_then(|text| text.trim_end().parse().ok()) {
                self.deliver.note(since(meant));
                self.delivered.fetch_add(1, SeqCst);
            }
        }
    }

    /// One message by anybody, meant for this moment, which is also its id: no two are meant for the same.
    fn send(&self, meant: u64, dice: &mut Dice) {
        let user = dice.below(self.people.len() as u64) as usize;
        let (place, readers) = if dice.below(100) < self.direct {
            (format!(r#""to":"{}""#, self.names[user ^ 1]), 1)
        } else {
            let group = seed::group(self.group_of[user]);
            (format!(r#""conversation":"{group}""#), self.members as u64 - 1)
        };
        self.expected.fetch_add(readers, SeqCst);
        let text = format!(
            r#"{{"id":{meant},"type":"send","client_id":"{}",{place},"body":{{"kind":"text","text":"{meant:<width$}"}}}}"#,
            Uuid::now_v7(),
            width = self.payload
        );
        if let Err(error) = self.people[user].send(&text) {
            self.refuse(&format!("writing: {error}"));
        }
    }

    /// A row: so many messages a second for a while, and all that they bring.
    async fn measure(
        self: &Arc<Town>,
        server: &Server,
        (rate, time): (f64, Duration),
        dice: &mut Dice,
    ) -> Result<Row> {
        for count in [&self.acked, &self.delivered, &self.expected] {
            count.store(0, SeqCst);
        }
        let (cpu, own, begun) = (server.cpu()?, server::cpu_of("self")?, Instant::now());
        let total = (rate * time.as_secs_f64()) as u64;
        let (town, mut own_dice) = (Arc::clone(self), Dice::new(dice.below(u64::MAX)));
        // A thread of its own: the runtime's timer counts whole milliseconds.
        let pacer = std::thread::spawn(move || {
            let (late, first) = (Times::default(), town.now());
            for number in 0..total {
                let meant = first + (number as f64 * 1e9 / rate) as u64;
                while let Some(wait) = meant.checked_sub(town.now()).filter(|wait| *wait > 0) {
                    std::thread::park_timeout(Duration::from_nanos(wait));
                }
                late.note(Duration::from_nanos(town.now() - meant));
                town.send(meant, &mut own_dice);
            }
            late.take()
        });
        let paced = tokio::task::spawn_blocking(move || pacer.join()).await?;
        let late = paced.ok().context("the pacer ended")?;
        self.settle(total).await?;
        let elapsed = begun.elapsed().as_secs_f64();
        let (cpu, own) = (server.cpu()? - cpu, server::cpu_of("self")? - own);
        let (ack, deliver) = (self.ack.take(), self.deliver.take());
        Ok(vec![
            ("messages/s", figure(Some(rate), 2)),
            ("sent", json!(total)),
            ("ack p50 ms", figure(ack.ms(50.0), 2)),
            ("ack p99 ms", figure(ack.ms(99.0), 2)),
            ("ack mean ms", figure(ack.mean_ms(), 2)),
            ("delivered", json!(deliver.len())),
            ("deliver p50 ms", figure(deliver.ms(50.0), 2)),
            ("deliver p99 ms", figure(deliver.ms(99.0), 2)),
            ("deliver mean ms", figure(deliver.mean_ms(), 2)),
            ("sent late p99 ms", figure(late.ms(99.0), 2)),
            ("server cores", figure(Some(cpu.as_secs_f64() / elapsed), 3)),
            ("client cores", figure(Some(own.as_secs_f64() / elapsed), 3)),
            (
                "server pss MB",
                figure(Some(server.memory()?.pss as f64 / 1e6), 1),
            ),
        ])
    }

    /// Waits until everything was acknowledged and delivered.
    async fn settle(&self, sent: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refused = self.refused.lock().expect("nobody panics with it").clone();
            ensure!(
                refused.is_empty(),
                "refused or broken, which spoils the figures: {refused:?}"
            );
            let counts = [&self.acked, &self.delivered, &self.expected].map(|count| count.load(SeqCst));
            if counts[0] == sent && counts[1] == counts[2] {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "of {sent} sent {} were acked, and {} deliveries came instead of {}",
                counts[0],
                counts[1],
                counts[2]
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
