//! Pages of history from the middle of much: does a page's time grow with what is stored? What must not live here: filling.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::args::Args;
use crate::closed::{Ring, Until};
use crate::dice::Dice;
use crate::http::Kept;
use crate::latency::{Sorted, Times};
use crate::line::Line;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "stored",
    "conversations",
    "pages",
    "payload",
    "seed",
    "directory",
    "json",
];

/// Events of a page: the most that one may ask for.
const PAGE: usize = 100;

/// The ways to ask for a page.
const WAYS: [Way; 4] = [
    Way::Live("after"),
    Way::Live("before"),
    Way::Http { gzip: false },
    Way::Http { gzip: true },
];

#[derive(Clone, Copy)]
enum Way {
    /// By WebSocket, in this direction.
    Live(&'static str),
    /// By HTTP, in either direction, on one connection that is kept.
    Http { gzip: bool },
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Live("after") => "ws after",
            Way::Live(_) => "ws before",
            Way::Http { gzip: false } => "http",
            Way::Http { gzip: true } => "http gzip",
        }
    }
}

/// Somebody with a conversation to look back in.
struct Reader {
    line: Line,
    user: usize,
    conversation: String,
    last: u64,
}

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let conversations = args.get("conversations", 100)?;
    let (devices, payload) = (2, args.get("payload", 100)?);
    let people = Seed {
        users: 2 * conversations,
        devices,
        groups: Vec::new(),
    };
    seed::plant(&setup, &people).await?;
    let server = setup.start().await?;
    let ring = Ring::connect(setup.place, conversations, devices, payload).await?;
    let mut stored = ring.connections();
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let pages = args.get("pages", 2_000)?;
    let mut dice = Dice::new(args.get("seed", 1)?);
    for goal in args.list("stored", &[10_000, 100_000, 1_000_000])? {
        let missing = goal.checked_sub(stored).filter(|missing| *missing > 0);
        let missing =
            missing.with_context(|| format!("{stored} messages are stored before {goal} is asked for"))?;
        let filled = ring
            .run(512.min(ring.connections()), Until::Count(missing as u64))
            .await?;
        stored = goal;
        let size = std::fs::metadata(setup.database())?.len();
        notes.push(format!(
            "{stored} stored in {conversations} direct conversations (filled at {:.0}/s): the database is {:.0} MB",
            filled.per_second(),
            size as f64 / 1e6
        ));
        let mut readers = readers(&setup, conversations).await?;
        for way in WAYS {
            rows.push(measure(&setup, &server, &mut readers, (way, stored, pages), &mut dice).await?);
        }
    }
    notes.push(format!(
        "{pages} pages of {PAGE} for each row, one at a time, each at a random place of a random conversation; \
         times end when the page's last byte is there"
    ));
    notes.push("a body is a number and blanks, so gzip does better here than with words".to_owned());
    report::print(args.switch("json"), "Pages of history", &notes, &rows);
    server.stop().await
}

/// One of each pair, with where the conversation ends now.
async fn readers(setup: &Setup, conversations: usize) -> Result<Vec<Reader>> {
    let mut readers = Vec::new();
    for pair in 0..conversations {
        let user = 2 * pair;
        let mut line = Line::open(setup.place, None, user, None).await?;
        let listed = line.ask(r#""type":"conversations""#, |_| ()).await?;
        let only = &listed["conversations"][0];
        readers.push(Reader {
            line,
            user,
            conversation: only["conversation"]
                .as_str()
                .context("a conversation")?
                .to_owned(),
            last: only["last_seq"].as_u64().context("its end")?,
        });
    }
    Ok(readers)
}

async fn measure(
    setup: &Setup,
    server: &Server,
    readers: &mut [Reader],
    (way, stored, pages): (Way, usize, usize),
    dice: &mut Dice,
) -> Result<Row> {
    let mut kept = Kept::open(setup.place).await?;
    // The caches are as warm as a while of use makes them.
    let mut bytes = 0;
    for _ in 0..pages / 10 {
        page(way, readers, &mut kept, dice).await?;
    }
    let (cpu, own) = (server.cpu()?, server::cpu_of("self")?);
    let times = Times::default();
    for _ in 0..pages {
        let (came, time) = page(way, readers, &mut kept, dice).await?;
        bytes += came;
        times.note(time);
    }
    let (cpu, own) = (server.cpu()? - cpu, server::cpu_of("self")? - own);
    let each = |time: Duration| figure(Some(time.as_secs_f64() * 1e6 / pages as f64), 0);
    let times: Sorted = times.take();
    Ok(vec![
        ("stored", json!(stored)),
        ("way", json!(way.name())),
        ("page p50 ms", figure(times.ms(50.0), 2)),
        ("page p99 ms", figure(times.ms(99.0), 2)),
        ("page max ms", figure(times.ms(100.0), 2)),
        ("bytes/page", figure(Some(bytes as f64 / pages as f64), 0)),
        ("server cpu us/page", each(cpu)),
        ("client cpu us/page", each(own)),
    ])
}

/// Asks for one page, which is a full one wherever it lies; gives its bytes, and the time until the last of them was there.
async fn page(way: Way, readers: &mut [Reader], kept: &mut Kept, dice: &mut Dice) -> Result<(u64, Duration)> {
    let at = dice.below(readers.len() as u64) as usize;
    let reader = &mut readers[at];
    let from = dice.below(reader.last.saturating_sub(PAGE as u64).max(1));
    let begun = Instant::now();
    match way {
        Way::Live(direction) => {
            let seq = if direction == "after" {
                from
            } else {
                from + PAGE as u64 + 1
            };
            let (conversation, before) = (&reader.conversation, reader.line.bytes);
            let ask = format!(
                r#""type":"history","conversation":"{conversation}","{direction}":{seq},"limit":{PAGE}"#
            );
            let answer: Value = reader.line.ask(&ask, |_| ()).await?;
            let events = answer["events"].as_array().context("a page's events")?;
            ensure!(
                events.len() == PAGE && events[0]["seq"] == from + 1,
                "the page after {from} has {} events",
                events.len()
            );
            Ok((reader.line.bytes - before, reader.line.heard - begun))
        }
        Way::Http { gzip } => {
            let path = format!(
                "/api/v1/conversations/{}/events?after={from}&limit={PAGE}",
                reader.conversation
            );
            let (status, body) = kept.get(&path, &seed::token(reader.user, 0), gzip).await?;
            ensure!(status == 200, "GET {path} answered {status}");
            Ok((body as u64, begun.elapsed()))
        }
    }
}
