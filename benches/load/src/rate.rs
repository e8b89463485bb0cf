//! Latency at a fixed rate. What must not live here: the pacing.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::args::Args;
use crate::closed::Ring;
use crate::report::{self, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Setup};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "pairs",
    "rate",
    "seconds",
    "payload",
    "directory",
    "json",
];

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let (pairs, rate) = (args.get("pairs", 50)?, args.get("rate", 500)?);
    let time = Duration::from_secs(args.get("seconds", 20)?);
    seed::plant(
        &setup,
        &Seed {
            users: 2 * pairs,
            devices: 1,
            groups: Vec::new(),
        },
    )
    .await?;
    let server = setup.start().await?;
    let ring = Ring::connect(setup.place, pairs, 1, args.get("payload", 100)?).await?;
    let cpu = server.cpu()?;
    let warm_up = Duration::from_secs(2);
    let (tally, late) = ring.pace(rate, warm_up, time).await?;
    let cpu = (server.cpu()? - cpu).as_secs_f64() / (warm_up + time).as_secs_f64();
    let row = vec![
        ("asked/s", json!(rate)),
        ("acked/s", figure(Some(tally.per_second()), 1)),
        ("ack p50 ms", figure(tally.ack.ms(50.0), 2)),
        ("ack p99 ms", figure(tally.ack.ms(99.0), 2)),
        ("ack max ms", figure(tally.ack.ms(100.0), 2)),
        ("deliver p50 ms", figure(tally.deliver.ms(50.0), 2)),
        ("deliver p99 ms", figure(tally.deliver.ms(99.0), 2)),
        ("sent late p99 ms", figure(late.ms(99.0), 2)),
        ("server cpu %", figure(Some(cpu * 100.0), 1)),
        ("throttled", json!(tally.throttled)),
    ];
    let notes = [format!(
        "{} connections in {pairs} direct conversations; times count from the moment each message was meant to leave",
        ring.connections()
    )];
    report::print(args.switch("json"), "Latency at a fixed rate", &notes, &[row]);
    server.stop().await
}
