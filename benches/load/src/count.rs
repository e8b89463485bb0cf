//! What a message costs in processor work: instructions where somebody counts them, else time of user and kernel. Two runs
//! are compared, one of twice as many messages, so that what comes once falls away. What must not live here: the counting.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::args::Args;
use crate::closed::{Ring, Until};
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::wire::{Incoming, Live};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "instructions",
    "messages",
    "in-flight",
    "pairs",
    "group",
    "group-messages",
    "payload",
    "directory",
    "json",
];

/// The server folds its indexes once in so many rows. That is work, too: as many messages, or a multiple, have their share.
const FOLD_ROWS: u64 = 4_096;
/// No delivery for so long means that one is missing.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let (pairs, size) = (args.get("pairs", 50)?, args.get("group", 1_000)?);
    ensure!(size > 2, "a group of {size} has nobody to deliver to");
    let seed = Seed {
        users: 2 * pairs + size,
        devices: 1,
        groups: vec![(2 * pairs..2 * pairs + size).collect()],
    };
    seed::plant(&setup, &seed).await?;
    let server = setup.start().await?;
    let meter = Meter {
        counters: args.get("instructions", PathBuf::new())?,
        server: &server,
        setup: &setup,
    };
    let ring = Ring::connect(setup.place, pairs, 1, args.get("payload", 100)?).await?;
    let messages = args.get("messages", FOLD_ROWS)?;
    let mut rows = Vec::new();
    let mut alone = BTreeMap::new();
    for in_flight in args.list("in-flight", &[1, 10, 64])? {
        let cost = direct(&meter, &ring, in_flight, messages).await?;
        rows.push(cost.row(&format!("direct, {in_flight} in flight"), 1, None));
        alone.insert(in_flight, cost);
    }
    let group = Group::connect(&setup, 2 * pairs, size, args.get("payload", 100)?).await?;
    let messages = args.get("group-messages", 20)?;
    for at_once in [1_usize, 10] {
        let cost = group.measure(&meter, messages, at_once as u64).await?;
        rows.push(cost.row(
            &format!("group of {size}, {at_once} at once"),
            size - 1,
            alone.get(&at_once),
        ));
    }
    let notes = [
        "a direct message is delivered to one peer; one in a group to all but its sender".to_owned(),
        "a delivery: what a message in the group costs more than a direct one with as many in flight, divided by the further deliveries"
            .to_owned(),
        "time in steps of 10 ms, meant for a server that runs natively and many messages".to_owned(),
    ];
    report::print(args.switch("json"), "Processor work", &notes, &rows);
    server.stop().await
}

/// Reads what the server has done so far.
struct Meter<'a> {
    /// A file of counters, 64 bits each, that somebody adds to; empty when nobody counts.
    counters: PathBuf,
    server: &'a Server,
    setup: &'a Setup,
}

#[derive(Clone)]
struct Reading {
    instructions: Option<u64>,
    user: Duration,
    system: Duration,
    page: Picture,
}

impl Meter<'_> {
    async fn read(&self) -> Result<Reading> {
        let page = Picture::take(self.setup.place).await?;
        let (user, system) = server::cpu_split(&self.server.pid().to_string())?;
        let instructions = if self.counters.as_os_str().is_empty() {
            None
        } else {
            let bytes = std::fs::read(&self.counters)
                .with_context(|| format!("reading the counters in {}", self.counters.display()))?;
            Some(sum(&bytes))
        };
        Ok(Reading {
            instructions,
            user,
            system,
            page,
        })
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let numbers = bytes.as_chunks::<8>().0.iter();
    numbers.map(|number| u64::from_le_bytes(*number)).sum()
}

/// Of one message.
struct Cost {
    messages: u64,
    instructions: Option<f64>,
    user_us: f64,
    system_us: f64,
    rows: Option<f64>,
}

impl Cost {
    /// From readings before a run, between, and after a run of twice as many messages.
    fn between(messages: u64, [before, middle, after]: &[Reading; 3]) -> Cost {
        let each = |reading: &dyn Fn(&Reading) -> f64| {
            let (first, second) = (
                reading(middle) - reading(before),
                reading(after) - reading(middle),
            );
            (second - first) / messages as f64
        };
        Cost {
            messages,
            instructions: before
                .instructions
                .map(|_| each(&|reading| reading.instructions.unwrap_or(0) as f64)),
            user_us: each(&|reading| reading.user.as_secs_f64() * 1e6),
            system_us: each(&|reading| reading.system.as_secs_f64() * 1e6),
            rows: after.page.mean(&before.page, "kinglet_commit_rows"),
        }
    }

    fn row(&self, what: &str, deliveries: usize, lone: Option<&Cost>) -> Row {
        let delivery = |each: &dyn Fn(&Cost) -> Option<f64>| {
            lone.and_then(|lone| Some((each(self)? - each(lone)?) / (deliveries - 1) as f64))
        };
        vec![
            ("what", json!(what)),
            ("messages", json!(3 * self.messages)),
            ("deliveries each", json!(deliveries)),
            ("rows/commit", figure(self.rows, 1)),
            ("instructions/message", figure(self.instructions, 0)),
            ("user us/message", figure(Some(self.user_us), 1)),
            ("system us/message", figure(Some(self.system_us), 1)),
            (
                "instructions/delivery",
                figure(delivery(&|cost| cost.instructions), 0),
            ),
            (
                "user us/delivery",
                figure(delivery(&|cost| Some(cost.user_us)), 2),
            ),
            (
                "system us/delivery",
                figure(delivery(&|cost| Some(cost.system_us)), 2),
            ),
        ]
    }
}

async fn direct(meter: &Meter<'_>, ring: &Ring, in_flight: usize, messages: u64) -> Result<Cost> {
    ring.run(in_flight, Until::Count(messages / 8 + 1)).await?;
    let before = meter.read().await?;
    ring.run(in_flight, Until::Count(messages)).await?;
    let middle = meter.read().await?;
    ring.run(in_flight, Until::Count(2 * messages)).await?;
    let after = meter.read().await?;
    Ok(Cost::between(messages, &[before, middle, after]))
}

/// One group, all of whose members are connected; the first one writes.
struct Group {
    conversation: String,
    writer: Arc<Live>,
    payload: usize,
    others: u64,
    delivered: Arc<AtomicU64>,
    wanted: Arc<AtomicU64>,
    all_there: Arc<Notify>,
}

impl Group {
    async fn connect(setup: &Setup, first: usize, size: usize, payload: usize) -> Result<Group> {
        let (delivered, wanted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let all_there = Arc::new(Notify::new());
        let mut writer = None;
        for user in first..first + size {
            let (live, frames, _) = Live::open(setup.place.address, None, &seed::token(user, 0), None)
                .await
                .with_context(|| format!("connecting member {user}"))?;
            let is_writer = writer.is_none();
            writer.get_or_insert_with(|| Arc::clone(&live));
            let (delivered, wanted, bell) = (
                Arc::clone(&delivered),
                Arc::clone(&wanted),
                Arc::clone(&all_there),
            );
            tokio::spawn(async move {
                let heard = |text: &[u8]| {
                    let incoming: Option<Incoming<'_>> = serde_json::from_slice(text).ok();
                    let event = incoming.is_some_and(|it| it.what.as_deref() == Some("event"));
                    if event && !is_writer && delivered.fetch_add(1, SeqCst) + 1 == wanted.load(SeqCst) {
                        bell.notify_one();
                    }
                };
                // A connection that ends is noticed by the deliveries that are missing.
                let _ = live.read(frames, heard).await;
            });
        }
        Ok(Group {
            conversation: seed::group(0),
            writer: writer.context("a group has members")?,
            payload,
            others: (size - 1) as u64,
            delivered,
            wanted,
            all_there,
        })
    }

    async fn measure(&self, meter: &Meter<'_>, messages: u64, at_once: u64) -> Result<Cost> {
        self.run(messages, at_once).await?;
        let before = meter.read().await?;
        self.run(messages, at_once).await?;
        let middle = meter.read().await?;
        self.run(2 * messages, at_once).await?;
        let after = meter.read().await?;
        Ok(Cost::between(messages, &[before, middle, after]))
    }

    /// Sends so many at once and waits until everybody has them, again and again.
    async fn run(&self, messages: u64, at_once: u64) -> Result<()> {
        let mut sent = 0;
        while sent < messages {
            let now = at_once.min(messages - sent);
            let wanted = self.wanted.load(SeqCst) + now * self.others;
            self.wanted.store(wanted, SeqCst);
            for id in 1..=now {
                let text = format!(
                    r#"{{"id":{id},"type":"send","client_id":"{}","conversation":"{}","body":{{"kind":"text","text":"{id:<width$}"}}}}"#,
                    Uuid::now_v7(),
                    self.conversation,
                    width = self.payload
                );
                self.writer.send(&text)?;
            }
            tokio::time::timeout(PATIENCE, self.all_there.notified())
                .await
                .ok()
                .with_context(|| {
                    let delivered = self.delivered.load(SeqCst);
                    format!(
                        "{delivered} of {wanted} deliveries arrived within {} s",
                        PATIENCE.as_secs()
                    )
                })?;
            sent += now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_once_falls_away() {
        let reading = |instructions: u64| Reading {
            instructions: Some(instructions),
            user: Duration::from_micros(instructions),
            system: Duration::ZERO,
            page: Picture::default(),
        };
        // 70 at the start of each run, and 5 for each message.
        let cost = Cost::between(10, &[reading(1_000), reading(1_120), reading(1_290)]);
        assert_eq!((cost.instructions, cost.user_us), (Some(5.0), 5.0));
        let group = Cost::between(10, &[reading(0), reading(700), reading(2_050)]);
        let row = group.row("x", 13, Some(&cost));
        let delivery = row.iter().find(|(name, _)| *name == "instructions/delivery");
        assert_eq!(delivery.expect("a column").1, json!(5.0));
    }

    #[test]
    fn counters_are_added_up() {
        let bytes: Vec<u8> = [1_u64, 0, 1 << 40]
            .iter()
            .flat_map(|it| it.to_le_bytes())
            .collect();
        assert_eq!(sum(&bytes), 1 + (1 << 40));
    }
}
