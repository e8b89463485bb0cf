//! Bytes written per acked message at commits of different sizes. What must not live here: what writes them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::args::Args;
use crate::closed::{Ring, Until};
use crate::disk::LoopDisk;
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "stored",
    "conversations",
    "devices",
    "commits",
    "messages",
    "payload",
    "loop",
    "directory",
    "json",
];

const GIB: u64 = 1 << 30;
/// A server that has written nothing for so long rests.
const RESTED: Duration = Duration::from_secs(2);
const REST_TIME: Duration = Duration::from_secs(1800);

/// What is looked at during the measurement.
struct Bench {
    setup: Setup,
    server: Server,
    ring: Arc<Ring>,
    disk: Option<LoopDisk>,
}

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let disk = if args.switch("loop") {
        Some(LoopDisk::mount(scratch.path(), 8 * GIB)?)
    } else {
        None
    };
    let directory: &Path = disk.as_ref().map_or(scratch.path(), |disk| &disk.mount);
    let setup = Setup::new(&args.server()?, directory, false)?;
    let (pairs, devices) = (args.get("conversations", 100)?, args.get("devices", 2)?);
    let (stored, messages) = (args.get("stored", 1_000_000)?, args.get("messages", 40_000)?);
    seed::plant(
        &setup,
        &Seed {
            users: 2 * pairs,
            devices,
            groups: Vec::new(),
        },
    )
    .await?;
    let server = setup.start().await?;
    let ring = Ring::connect(setup.place, pairs, devices, args.get("payload", 100)?).await?;
    let filled = ring
        .run(512.min(ring.connections()), Until::Count(stored))
        .await?;
    let size = std::fs::metadata(setup.database())?.len();
    let bench = Bench {
        setup,
        server,
        ring,
        disk,
    };
    let indexed = bench.rest().await?;
    let mut rows = Vec::new();
    for commit in args.list("commits", &[1, 8, 64])? {
        rows.push(bench.measure(commit, messages).await?);
    }
    let notes = [
        format!(
            "{stored} messages stored before in {pairs} direct conversations at {:.0}/s; the database is {:.0} MB; {} connections",
            filled.per_second(),
            size as f64 / 1e6,
            bench.ring.connections()
        ),
        format!(
            "the index for searches took {:.0} s more for them, and rests before each row begins and before its bytes are read",
            indexed.as_secs_f64()
        ),
        format!(
            "{messages} messages for each row; process: write_bytes of /proc/PID/io; device: sectors of its loop device"
        ),
    ];
    report::print(
        args.switch("json"),
        "Bytes written per acked message",
        &notes,
        &rows,
    );
    let Bench { server, disk, .. } = bench;
    server.stop().await?;
    drop(disk);
    Ok(())
}

impl Bench {
    async fn measure(&self, commit: usize, messages: u64) -> Result<Row> {
        let in_flight = self.in_flight_for(commit).await?;
        self.rest().await?;
        let (before, process, device) = (
            Picture::take(self.setup.place).await?,
            self.server.written()?,
            self.device()?,
        );
        let cpu = self.server.cpu()?;
        let tally = self.ring.run(in_flight, Until::Count(messages)).await?;
        self.rest().await?;
        let cpu = self.server.cpu()? - cpu;
        let (after, process_now, device_now) = (
            Picture::take(self.setup.place).await?,
            self.server.written()?,
            self.device()?,
        );
        let each = |bytes: u64| figure(Some(bytes as f64 / messages as f64), 0);
        Ok(vec![
            ("asked rows/commit", json!(commit)),
            ("in flight", json!(in_flight)),
            (
                "rows/commit median",
                figure(after.percentile(&before, "kinglet_commit_rows", 50.0), 1),
            ),
            ("mean", figure(after.mean(&before, "kinglet_commit_rows"), 1)),
            ("process B/msg", each(process_now.storage - process.storage)),
            ("write calls B/msg", each(process_now.calls - process.calls)),
            (
                "device B/msg",
                device_now
                    .zip(device)
                    .map_or(json!(null), |(now, before)| each(now - before)),
            ),
            (
                "checkpoints",
                json!(after.since(&before, "kinglet_checkpoints_total")),
            ),
            (
                "wal MB after",
                figure(Some(after.value("kinglet_wal_bytes") / 1e6), 1),
            ),
            (
                "server cpu us/msg",
                figure(Some(cpu.as_secs_f64() * 1e6 / messages as f64), 1),
            ),
            ("acked/s", figure(Some(tally.per_second()), 0)),
        ])
    }

    /// Waits until the server writes nothing more: the index is as far as it goes. Gives how long that took.
    async fn rest(&self) -> Result<Duration> {
        let begun = Instant::now();
        let (mut written, mut since) = (self.server.written()?.storage, begun);
        while since.elapsed() < RESTED {
            tokio::time::sleep(RESTED / 10).await;
            let now = self.server.written()?.storage;
            if now != written {
                (written, since) = (now, Instant::now());
            }
            ensure!(begun.elapsed() < REST_TIME, "the server does not come to rest");
        }
        Ok(since.duration_since(begun))
    }

    fn device(&self) -> Result<Option<u64>> {
        self.disk.as_ref().map(LoopDisk::written).transpose()
    }

    /// How many must be in flight for commits of this size: some are always on their way.
    async fn in_flight_for(&self, commit: usize) -> Result<usize> {
        let mut in_flight = commit;
        for _ in 0..8 {
            let before = Picture::take(self.setup.place).await?;
            self.ring
                .run(in_flight, Until::Time(Duration::from_secs(1)))
                .await?;
            let after = Picture::take(self.setup.place).await?;
            let rows = after
                .percentile(&before, "kinglet_commit_rows", 50.0)
                .unwrap_or(1.0)
                .max(1.0);
            let wanted = commit as f64 / rows;
            if commit == 1 || (0.85..=1.2).contains(&wanted) {
                break;
            }
            // Commits and messages on their way depend on each other, so small steps.
            in_flight = (in_flight as f64 * wanted.clamp(0.6, 1.6)).round() as usize;
            in_flight = in_flight.clamp(1, 16 * self.ring.connections());
        }
        Ok(in_flight)
    }
}
