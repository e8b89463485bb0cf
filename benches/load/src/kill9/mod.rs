//! The crash checker: people talk, the server dies by SIGKILL at a random moment, starts again, and must remember what it
//! acknowledged: nothing lost, nothing doubled, nothing reordered. It looks only through the door.
//!
//! - `life.rs`: one start of the server until its death: connections, retries, writing
//! - `memory.rs`: what was sent, acked, seen and found, and what contradicts what
//!
//! What must not live here: power cuts (a killed process loses nothing that it gave to the kernel; see `tests/fault_vfs.rs`).

mod life;
pub mod memory;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::Args;
use crate::http::{self, Place};
use crate::report;
use crate::server::{self, Setup};

pub use life::shown;
pub use memory::Memory;

pub const OPTIONS: &[&str] = &["server-bin", "cycles", "seed", "keep", "directory", "json"];

/// People of the story. Each is one connection that writes and reads.
pub const PEOPLE: usize = 6;

/// Chance from a seed, so that a finding can be looked for again. The moment of death still is the machine's.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A number below `end`, by SplitMix64.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (end.max(1) as u64)) as usize
    }
}

/// Somebody who may sign in.
pub struct Person {
    pub id: String,
    pub token: String,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub cycles: usize,
    pub sent: usize,
    pub acked: usize,
    pub stored_unacked: usize,
    pub retried: usize,
    pub events: usize,
    /// Readers that were told to pull pages instead.
    pub behind: usize,
    pub lost: usize,
    pub doubled: usize,
    pub reordered: usize,
    /// Anything else that contradicts the promise.
    pub wrong: usize,
    /// The first findings, in words.
    pub findings: Vec<String>,
}

impl Outcome {
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.wrong == 0
    }
}

/// Runs the story `cycles` times over one data directory in `directory`.
pub async fn check(binary: &Path, directory: &Path, cycles: usize, seed: u64) -> Result<Outcome> {
    let setup = Setup::new(binary, directory, false)?;
    let (people, group) = settle(&setup).await.context("before the first cycle")?;
    let mut chance = Chance::new(seed);
    let mut memory = Memory::new(group, &directory.join("side.log"))?;
    for cycle in 1..=cycles {
        life::live(&setup, &people, &mut memory, &mut chance)
            .await
            .with_context(|| {
                format!(
                    "in cycle {cycle} of seed {seed}; the server said:\n{}",
                    tail(&setup.log())
                )
            })?;
        memory.outcome.cycles = cycle;
        // A server that forgot something has nothing more to prove.
        if !memory.outcome.is_clean() {
            break;
        }
    }
    // Everything once more from the first event on, with what the last life wrote.
    memory.forget_what_was_found();
    life::look_back(&setup, &people, &mut memory)
        .await
        .context("looking back at the end")?;
    memory.tally();
    Ok(memory.outcome)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Claims the server, lets people in and founds their group, all through the door.
async fn settle(setup: &Setup) -> Result<(Vec<Person>, String)> {
    let server = setup.start().await?;
    let settled = found(setup.place, &setup.claim_code().await?, PEOPLE).await?;
    server.kill()?;
    Ok(settled)
}

/// The same with a server that runs already.
pub async fn found(place: Place, code: &str, number_of_people: usize) -> Result<(Vec<Person>, String)> {
    let password = "correct horse battery";
    let device = || json!({ "id": Uuid::now_v7().to_string(), "name": "checker" });
    let person = |answer: &Value| -> Result<Person> {
        let field = |name: &str| {
            answer[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {name}: {answer}"))
        };
        Ok(Person {
            id: field("user")?,
            token: field("token")?,
        })
    };
    let claim = json!({ "code": code, "name": "person0", "password": password, "device": device() });
    let mut people = vec![person(&http::post(place, "/api/v1/claim", "", &claim).await?)?];
    let ask = json!({ "client_id": Uuid::now_v7().to_string(), "uses": number_of_people });
    let invitation = http::post(place, "/api/v1/invitations", &people[0].token, &ask).await?;
    for number in 1..number_of_people {
        let join = json!({
            "code": invitation["code"], "name": format!("person{number}"), "password": password, "device": device()
        });
        people.push(person(&http::post(place, "/api/v1/join", "", &join).await?)?);
    }
    let members: Vec<&str> = people[1..].iter().map(|person| person.id.as_str()).collect();
    let create = json!({
        "id": 1, "type": "create", "client_id": Uuid::now_v7().to_string(), "kind": "group", "title": "all",
        "members": members
    });
    let answer = http::post(place, "/api/v1/commands", &people[0].token, &create).await?;
    let group = answer["conversation"]
        .as_str()
        .with_context(|| format!("no group: {answer}"))?
        .to_owned();
    Ok((people, group))
}

/// The subcommand.
pub async fn run(args: &Args) -> Result<()> {
    let scratch = server::scratch(args)?;
    let cycles = args.get("cycles", 200)?;
    let seed = args.get("seed", u64::from(std::process::id()))?;
    let binary: PathBuf = args.server()?;
    let begun = Instant::now();
    let outcome = check(&binary, scratch.path(), cycles, seed).await?;
    let row = vec![
        ("cycles", json!(outcome.cycles)),
        ("sent", json!(outcome.sent)),
        ("acked", json!(outcome.acked)),
        ("stored unacked", json!(outcome.stored_unacked)),
        ("retried", json!(outcome.retried)),
        ("events seen", json!(outcome.events)),
        ("told behind", json!(outcome.behind)),
        ("lost", json!(outcome.lost)),
        ("doubled", json!(outcome.doubled)),
        ("reordered", json!(outcome.reordered)),
        ("otherwise wrong", json!(outcome.wrong)),
        (
            "ms/cycle",
            json!((begun.elapsed() / outcome.cycles.max(1) as u32).as_millis() as u64),
        ),
    ];
    let mut notes = vec![format!(
        "seed {seed}; {PEOPLE} people in a group and in pairs; SIGKILL at a random moment of each cycle"
    )];
    notes.extend(outcome.findings.iter().cloned());
    report::print(args.switch("json"), "Killed and started again", &notes, &[row]);
    if !outcome.is_clean() {
        if args.switch("keep") {
            eprintln!("kept: {}", scratch.keep().display());
        }
        bail!("the server broke its promise");
    }
    ensure!(outcome.cycles == cycles, "only {} cycles ran", outcome.cycles);
    Ok(())
}

/// How long one answer may take; a machine under load is slow, not wrong.
const PATIENCE: Duration = Duration::from_secs(20);
