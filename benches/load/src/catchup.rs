//! A day goes by while many people are offline; then all come back and fetch what they missed. What must not live here: how
//! a message is sent (`line`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::args::Args;
use crate::http::Place;
use crate::latency::Times;
use crate::line::{Line, local};
use crate::report::{self, Row, figure};
use crate::seed::{self, Seed};
use crate::server::{self, Setup};

pub const OPTIONS: &[&str] = &[
    "server-bin",
    "people",
    "groups",
    "each",
    "messages",
    "payload",
    "tls",
    "directory",
    "json",
];

/// Connections of one local address.
const PER_ADDRESS: usize = 1_000;
/// Messages of one writer that wait for their acks.
const IN_FLIGHT: usize = 16;
/// Of ten messages so many go to a group; the others are direct.
const TO_GROUPS: usize = 8;

/// A day: who is away, and what is written meanwhile. Each group has a writer of its own, who also writes to people.
struct Day {
    place: Place,
    people: usize,
    groups: Vec<Vec<usize>>,
    /// Messages into each group, and to each person.
    per_group: usize,
    per_person: usize,
    payload: usize,
}

pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let setup = Setup::new(&args.server()?, scratch.path(), args.switch("tls"))?;
    let day = day(args, setup.place)?;
    let writers = day.groups.len();
    let groups = day.groups.iter().enumerate();
    // The writer comes first: the group is the writer's.
    let groups = groups.map(|(at, members)| {
        [day.people + at]
            .into_iter()
            .chain(members.iter().copied())
            .collect()
    });
    let people = Seed {
        users: day.people + writers,
        devices: 1,
        groups: groups.collect(),
    };
    seed::plant(&setup, &people).await?;
    let server = setup.start().await?;
    let day = Arc::new(day);
    let tokens = leave(&day).await?;
    let begun = Instant::now();
    write(&day).await?;
    let written = begun.elapsed();
    let (cpu, own, begun) = (server.cpu()?, server::cpu_of("self")?, Instant::now());
    let back = come_back(&day, tokens).await?;
    let elapsed = begun.elapsed();
    let (cpu, own) = (server.cpu()? - cpu, server::cpu_of("self")? - own);
    let memory = server.memory()?;
    server.stop().await?;
    let row = row(&day, &back, (elapsed, cpu, own), memory.pss);
    let notes = [
        format!(
            "{} people offline while {} messages of {} bytes came: {} in each of {writers} groups of {}, {} direct ones to each \
             person, by {writers} writers in {:.0} s",
            day.people,
            day.per_group * writers + day.per_person * day.people,
            day.payload,
            day.per_group,
            day.groups.first().map_or(0, Vec::len),
            day.per_person,
            written.as_secs_f64()
        ),
        "all come back at the same moment: hello with the resume token, sync, then history pages of 100 until each has \
         everything; what each got is counted, per conversation and without a gap"
            .to_owned(),
    ];
    report::print(args.switch("json"), "Catching up on a day", &notes, &[row]);
    Ok(())
}

fn day(args: &Args, place: Place) -> Result<Day> {
    let (people, groups) = (args.get("people", 1_000)?, args.get("groups", 100)?);
    let (each, messages): (usize, usize) = (args.get("each", 10)?, args.get("messages", 20_000)?);
    let groups = seed::mixed_groups(people, each, (people * each).div_ceil(groups));
    let to_groups = messages * TO_GROUPS / 10;
    Ok(Day {
        place,
        people,
        per_group: to_groups / groups.len().max(1),
        per_person: (messages - to_groups) / people,
        groups,
        payload: args.get("payload", 100)?,
    })
}

fn row(day: &Day, back: &Totals, (elapsed, cpu, own): (Duration, Duration, Duration), pss: u64) -> Row {
    let each = |time: Duration| figure(Some(time.as_secs_f64() * 1e3 / day.people as f64), 2);
    let times = back.times.take();
    vec![
        ("people", json!(day.people)),
        ("events", json!(back.events)),
        ("seconds", figure(Some(elapsed.as_secs_f64()), 2)),
        ("person p50 ms", figure(times.ms(50.0), 0)),
        ("person p99 ms", figure(times.ms(99.0), 0)),
        ("pages", json!(back.pages)),
        ("MB", figure(Some(back.bytes as f64 / 1e6), 1)),
        (
            "KB/person",
            figure(Some(back.bytes as f64 / 1e3 / day.people as f64), 1),
        ),
        ("server cpu ms/person", each(cpu)),
        ("client cpu ms/person", each(own)),
        ("server pss MB", figure(Some(pss as f64 / 1e6), 0)),
    ]
}

/// Everybody signs in once, learns where the log stands, and goes.
async fn leave(day: &Day) -> Result<Vec<String>> {
    let mut tokens = Vec::new();
    for user in 0..day.people {
        let line = Line::open(day.place, Some(local(user, PER_ADDRESS)), user, None).await?;
        tokens.push(line.resume);
    }
    Ok(tokens)
}

/// All writers write, each a few messages ahead of its acks.
async fn write(day: &Arc<Day>) -> Result<()> {
    let mut running = JoinSet::new();
    for writer in 0..day.groups.len() {
        let day = Arc::clone(day);
        running.spawn(async move { one_writes(&day, writer).await });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

async fn one_writes(day: &Day, writer: usize) -> Result<()> {
    let mut line = Line::open(day.place, None, day.people + writer, None).await?;
    let group = format!(r#""conversation":"{}""#, seed::group(writer));
    let mut places: Vec<String> = vec![group; day.per_group];
    for person in (writer..day.people).step_by(day.groups.len()) {
        let to = format!(r#""to":"{}""#, seed::user(person));
        places.extend(std::iter::repeat_n(to, day.per_person));
    }
    let (mut sent, mut acked) = (0, 0);
    while acked < places.len() {
        while sent < places.len() && sent - acked < IN_FLIGHT {
            let text = format!(
                r#"{{"id":{sent},"type":"send","client_id":"{}",{},"body":{{"kind":"text","text":"{sent:<width$}"}}}}"#,
                Uuid::now_v7(),
                places[sent],
                width = day.payload
            );
            line.say(&text).await?;
            sent += 1;
        }
        let said: Value = serde_json::from_slice(line.hear().await?)?;
        ensure!(said["error"].is_null(), "a message was refused: {said}");
        acked += usize::from(said["re"].is_u64());
    }
    Ok(())
}

/// What coming back came to, everybody together.
#[derive(Default)]
struct Totals {
    events: u64,
    pages: u64,
    bytes: u64,
    times: Times,
}

async fn come_back(day: &Arc<Day>, tokens: Vec<String>) -> Result<Totals> {
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for (user, token) in tokens.into_iter().enumerate() {
        let day = Arc::clone(day);
        running.spawn(async move {
            let caught_up = catch_up(&day, user, &token).await;
            caught_up
                .with_context(|| format!("person {user}"))
                .map(|got| (got, begun.elapsed()))
        });
    }
    let mut totals = Totals::default();
    while let Some(done) = running.join_next().await {
        let (got, took) = done??;
        totals.events += got.events;
        totals.pages += got.pages;
        totals.bytes += got.bytes;
        totals.times.note(took);
    }
    Ok(totals)
}

/// As the protocol tells a client to: sync from the token, then pages of each conversation that moved.
async fn catch_up(day: &Day, user: usize, token: &str) -> Result<Totals> {
    let mut line = Line::open(day.place, Some(local(user, PER_ADDRESS)), user, Some(token)).await?;
    ensure!(
        line.catch_up == "sync",
        "the token was answered with {}; so few messages would be streamed, ask for more --messages",
        line.catch_up
    );
    let mut got = Totals::default();
    let mut after = token.to_owned();
    loop {
        let page = line
            .ask(&format!(r#""type":"sync","after":"{after}""#), |_| ())
            .await?;
        got.pages += 1;
        for changed in page["conversations"]
            .as_array()
            .context("a sync's conversations")?
        {
            let conversation = changed["conversation"].as_str().context("a conversation's id")?;
            let last = changed["last_seq"].as_u64().context("its end")?;
            fetch(&mut line, conversation, last, &mut got).await?;
        }
        if page["more"] != true {
            break;
        }
        after = page["resume"].as_str().context("a token")?.to_owned();
    }
    let own = day
        .groups
        .iter()
        .filter(|members| members.contains(&user))
        .count();
    let missed = (own * day.per_group + day.per_person) as u64;
    ensure!(
        got.events == missed,
        "{} events came, {missed} were missed",
        got.events
    );
    got.bytes = line.bytes;
    Ok(got)
}

/// Pages of one conversation, of which nothing was there before.
async fn fetch(line: &mut Line, conversation: &str, last: u64, got: &mut Totals) -> Result<()> {
    let mut have = 0;
    while have < last {
        let ask = format!(r#""type":"history","conversation":"{conversation}","after":{have},"limit":100"#);
        let page = line.ask(&ask, |_| ()).await?;
        let events = page["events"].as_array().context("a page's events")?;
        got.pages += 1;
        for event in events {
            have += 1;
            ensure!(
                event["seq"] == have,
                "{conversation} goes on with {} instead of {have}",
                event["seq"]
            );
        }
        got.events += events.len() as u64;
        ensure!(
            !events.is_empty(),
            "{conversation} ends at {have} instead of {last}"
        );
    }
    Ok(())
}
