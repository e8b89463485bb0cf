//! Searches in much talk: the time of a first page, and of all pages to an end. What must not live here: the talk.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::args::Args;
use crate::closed::{Ring, Until};
use crate::dice::Dice;
use crate::latency::Times;
use crate::line::Line;
use crate::metrics::Picture;
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Server, Setup};
use crate::words::Vocabulary;

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "stored",
    "conversations",
    "queries",
    "seed",
    "directory",
    "json",
];

/// What is asked for: its name, whether in Chinese, about which rank, of how many characters.
const QUESTIONS: [(&str, bool, usize, std::ops::Range<usize>); 7] = [
    ("letters, a frequent word", false, 300, 4..20),
    ("letters, a word", false, 3_000, 4..20),
    ("letters, a rare word", false, 13_000, 4..20),
    ("Chinese, two frequent", true, 400, 2..3),
    ("Chinese, two", true, 4_000, 2..3),
    ("Chinese, two rare", true, 20_000, 2..3),
    ("Chinese, one", true, 100, 1..2),
];

struct Talk {
    letters: Vocabulary,
    chinese: Vocabulary,
}

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), false)?;
    let (conversations, devices) = (args.get("conversations", 10)?, 2);
    let mut dice = Dice::new(args.get("seed", 1)?);
    let talk = std::sync::Arc::new(Talk {
        letters: Vocabulary::letters(&mut dice),
        chinese: Vocabulary::characters(&mut dice),
    });
    let people = Seed {
        users: 2 * conversations,
        devices,
        groups: Vec::new(),
    };
    seed::plant(&setup, &people).await?;
    let server = setup.start().await?;
    let ring = Ring::connect(setup.place, conversations, devices, 100).await?;
    let (said, lines) = (std::sync::Arc::clone(&talk), Mutex::new(Dice::new(7)));
    ring.say(move |number| {
        let mut dice = lines.lock().expect("nobody panics with it");
        let language = if number.is_multiple_of(2) {
            &said.letters
        } else {
            &said.chinese
        };
        language.line(&mut dice)
    });
    let mut stored = ring.connections();
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let queries = args.get("queries", 300)?;
    for goal in args.list("stored", &[100_000, 1_000_000])? {
        let missing = goal.checked_sub(stored).filter(|missing| *missing > 0);
        let missing =
            missing.with_context(|| format!("{stored} messages are stored before {goal} is asked for"))?;
        let filled = ring
            .run(64.min(ring.connections()), Until::Count(missing as u64))
            .await?;
        stored = goal;
        let (behind, waited) = until_indexed(&setup).await?;
        let size = std::fs::metadata(setup.database())?.len();
        notes.push(format!(
            "{stored} messages, half letters and half Chinese, in {conversations} direct conversations \
             (filled at {:.0}/s; {behind:.0} were not indexed then, and were {:.1} s later): the database is {:.0} MB",
            filled.per_second(),
            waited.as_secs_f64(),
            size as f64 / 1e6
        ));
        for question in QUESTIONS {
            rows.push(measure(&setup, &server, &talk, (question, stored, queries), &mut dice).await?);
        }
    }
    notes.push(format!(
        "{queries} searches for each row, one at a time, by one who has one of the {conversations} conversations; \
         a page is 20; `to its end` goes on until 20 are found or nothing is left"
    ));
    report::print(args.switch("json"), "Searches", &notes, &rows);
    server.stop().await
}

/// Waits until the index has what was said; gives how much it lacked at first, and how long that took.
async fn until_indexed(setup: &Setup) -> Result<(f64, Duration)> {
    let begun = Instant::now();
    let behind = Picture::take(setup.place)
        .await?
        .value("kinglet_index_rows_waiting");
    while begun.elapsed() < Duration::from_secs(600) {
        let now = Picture::take(setup.place).await?;
        if now.value("kinglet_index_rows_waiting") < 256.0 {
            return Ok((behind, begun.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the index is not made after ten minutes")
}

type Question = (&'static str, bool, usize, std::ops::Range<usize>);

async fn measure(
    setup: &Setup,
    server: &Server,
    talk: &Talk,
    (question, stored, queries): (Question, usize, usize),
    dice: &mut Dice,
) -> Result<Row> {
    let mut line = Line::open(setup.place, None, 0, None).await?;
    let (name, is_chinese, rank, characters) = question;
    let vocabulary = if is_chinese { &talk.chinese } else { &talk.letters };
    let (first, whole) = (Times::default(), Times::default());
    let (mut found, mut pages) = (0, 0);
    let cpu = server.cpu()?;
    for _ in 0..queries {
        let query = vocabulary.about(rank, characters.clone(), dice);
        let (begun, mut cursor, mut own) = (Instant::now(), String::new(), 0);
        loop {
            let ask = format!(r#""type":"search","query":"{query}","limit":20{cursor}"#);
            let page: Value = line.ask(&ask, |_| ()).await?;
            if cursor.is_empty() {
                first.note(line.heard - begun);
            }
            own += page["found"].as_array().context("what is found")?.len();
            pages += 1;
            match page["cursor"].as_str() {
                Some(next) if own < 20 => cursor = format!(r#","cursor":"{next}""#),
                _ => break,
            }
        }
        whole.note(line.heard - begun);
        found += own;
    }
    let cpu = server.cpu()? - cpu;
    let each = |all: usize| figure(Some(all as f64 / queries as f64), 1);
    let (first, whole) = (first.take(), whole.take());
    Ok(vec![
        ("stored", json!(stored)),
        ("question", json!(name)),
        ("first page p50 ms", figure(first.ms(50.0), 2)),
        ("p99 ms", figure(first.ms(99.0), 2)),
        ("max ms", figure(first.ms(100.0), 2)),
        ("to its end p50 ms", figure(whole.ms(50.0), 2)),
        ("p99 ms.", figure(whole.ms(99.0), 2)),
        ("pages", each(pages)),
        ("found", each(found)),
        (
            "server cpu us/search",
            figure(Some(cpu.as_secs_f64() * 1e6 / queries as f64), 0),
        ),
    ])
}
