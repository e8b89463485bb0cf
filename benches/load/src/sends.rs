//! Acked messages per second in a closed loop. What must not live here: the loop.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::args::Args;
use crate::closed::{Ring, Until};
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::trace;

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "pairs",
    "in-flight",
    "seconds",
    "trace-seconds",
    "payload",
    "directory",
    "json",
];

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let pairs = args.get("pairs", 200)?;
    let time = Duration::from_secs(args.get("seconds", 10)?);
    let traced = Duration::from_secs(args.get("trace-seconds", 3)?);
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
    let mut rows = Vec::new();
    for in_flight in args.list("in-flight", &[1, 8, 64, 256])? {
        rows.push(measure(&setup, &server, &ring, in_flight, (time, traced), scratch.path()).await?);
    }
    let notes = [
        format!("{} connections in {pairs} direct conversations; every message is also delivered to its peer", ring.connections()),
        "median rows: from the server's histogram, evenly inside a bucket; fdatasync: of the write-ahead log, in a run of \
         its own under strace"
            .to_owned(),
    ];
    report::print(
        args.switch("json"),
        "Acked messages in a closed loop",
        &notes,
        &rows,
    );
    server.stop().await
}

async fn measure(
    setup: &Setup,
    server: &Server,
    ring: &Ring,
    in_flight: usize,
    (time, traced): (Duration, Duration),
    scratch: &std::path::Path,
) -> Result<Row> {
    ring.run(in_flight, Until::Time(Duration::from_secs(1))).await?;
    let (before, cpu, own) = (
        Picture::take(setup.place).await?,
        server.cpu()?,
        server::cpu_of("self")?,
    );
    let tally = ring.run(in_flight, Until::Time(time)).await?;
    let (cpu, own) = (server.cpu()? - cpu, server::cpu_of("self")? - own);
    let after = Picture::take(setup.place).await?;
    let syncs = if traced.is_zero() {
        None
    } else {
        let watched = trace::syncs(server.pid(), traced, scratch);
        let load = ring.run(in_flight, Until::Time(traced + Duration::from_millis(500)));
        let (watched, load) = tokio::join!(watched, load);
        load?;
        Some(watched?)
    };
    let each = |time: Duration| Some(time.as_secs_f64() * 1e6 / tally.acked as f64);
    let sync = |percent| figure(syncs.as_ref().and_then(|times| times.ms(percent)), 2);
    Ok(vec![
        ("in flight", json!(in_flight)),
        ("acked/s", figure(Some(tally.per_second()), 0)),
        ("ack p50 ms", figure(tally.ack.ms(50.0), 2)),
        ("ack p99 ms", figure(tally.ack.ms(99.0), 2)),
        (
            "rows/commit median",
            figure(after.percentile(&before, "kinglet_commit_rows", 50.0), 1),
        ),
        ("mean", figure(after.mean(&before, "kinglet_commit_rows"), 1)),
        (
            "commit ms mean",
            figure(after.mean(&before, "kinglet_commit_seconds").map(|s| s * 1e3), 2),
        ),
        ("fdatasync p50 ms", sync(50.0)),
        ("p99 ms", sync(99.0)),
        ("server cpu us/msg", figure(each(cpu), 1)),
        ("client cpu us/msg", figure(each(own), 1)),
        ("delivered", json!(tally.delivered)),
        ("throttled", json!(tally.throttled)),
    ])
}
