//! Two people talk while somebody else stops, restarts or upgrades the server they talk through. They come back by
//! themselves, send again what was not answered, and at the end everything acknowledged must be there, once and in order, and
//! nobody may have missed an event. What must not live here: what is done to the server, and what counts as a breach.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::args::Args;
use crate::http::{self, Place};
use crate::kill9::memory::{Place as Target, Reading};
use crate::kill9::{self, Memory, Person};
use crate::line::Line;
use crate::report;

pub const OPTIONS: &[&str] = &["address", "tls", "claim", "until", "rate", "patience", "json"];

/// Messages of one person that are not answered yet; the server takes twice as many.
const IN_FLIGHT: usize = 16;
/// Between two attempts to come back.
const AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked whether the end was asked for.
const LOOK: Duration = Duration::from_millis(200);
const MESSAGE_BYTES: usize = 100;

/// A connection, or somebody on the way to one.
enum Way {
    Here(Box<Line>),
    Back(JoinHandle<Result<Back>>),
}

/// How somebody came back.
struct Back {
    line: Line,
    refused: usize,
    away: Duration,
}

/// What comes over a person's way.
enum Heard {
    Frame(Value),
    Cut,
    Back(Back),
}

/// A person with the connection that they have just now.
struct Talker {
    person: Person,
    way: Way,
    resume: String,
    reading: Reading,
    /// The newest event they were shown.
    newest: u64,
}

struct Talk {
    place: Place,
    patience: Duration,
    memory: Memory,
    talkers: Vec<Talker>,
    /// Requests on their way: who asked, and about which client id.
    asked: HashMap<u64, (usize, String)>,
    next_id: u64,
    cuts: usize,
    refused: usize,
    longest: Duration,
}

/// The subcommand.
pub async fn run(args: &Args) -> Result<()> {
    let address: SocketAddr = args.get("address", SocketAddr::from(([127, 0, 0, 1], 8080)))?;
    let (claim, until) = (
        args.get("claim", String::new())?,
        args.get("until", PathBuf::new())?,
    );
    ensure!(
        !claim.is_empty() && until.parent().is_some(),
        "--claim CODE and --until FILE are needed: the talk ends once FILE is there"
    );
    let place = Place {
        address,
        tls: args.switch("tls"),
    };
    let patience = Duration::from_secs(args.get("patience", 120)?);
    let mut talk = Talk::begin(place, &claim, patience).await?;
    talk.go_on(args.get("rate", 20_u32)?.max(1), &until).await?;
    talk.end().await?;
    let outcome = &talk.memory.outcome;
    let row = vec![
        ("sent", json!(outcome.sent)),
        ("acked", json!(outcome.acked)),
        ("retried", json!(outcome.retried)),
        ("events seen", json!(outcome.events)),
        ("cut off", json!(talk.cuts)),
        ("refused connections", json!(talk.refused)),
        ("longest away ms", json!(talk.longest.as_millis() as u64)),
        ("lost", json!(outcome.lost)),
        ("doubled", json!(outcome.doubled)),
        ("reordered", json!(outcome.reordered)),
        ("otherwise wrong", json!(outcome.wrong)),
    ];
    let mut notes = vec![format!("two people at {address}, until {}", until.display())];
    notes.extend(outcome.findings.iter().cloned());
    report::print(args.switch("json"), "A talk that goes on", &notes, &[row]);
    ensure!(outcome.is_clean(), "the server broke its promise");
    Ok(())
}

impl Talk {
    async fn begin(place: Place, claim: &str, patience: Duration) -> Result<Talk> {
        let (people, group) = kill9::found(place, claim, 2).await?;
        let mut talkers = Vec::new();
        for person in people {
            let line = Line::sign_in(place, None, &person.token, None).await?;
            talkers.push(Talker {
                resume: line.resume.clone(),
                person,
                way: Way::Here(Box::new(line)),
                reading: Reading::default(),
                newest: 0,
            });
        }
        Ok(Talk {
            place,
            patience,
            memory: Memory::new(group, std::path::Path::new("/dev/null"))?,
            talkers,
            asked: HashMap::new(),
            next_id: 0,
            cuts: 0,
            refused: 0,
            longest: Duration::ZERO,
        })
    }

    /// Both write in turns until the file is there.
    async fn go_on(&mut self, rate: u32, until: &std::path::Path) -> Result<()> {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        let mut turn = 0;
        loop {
            tokio::select! {
                _ = look.tick() => if until.exists() { return Ok(()) },
                _ = pace.tick() => {
                    turn = 1 - turn;
                    self.write(turn).await?;
                }
                (who, heard) = hear(&mut self.talkers) => self.take(who, heard?).await?,
            }
        }
    }

    async fn write(&mut self, who: usize) -> Result<()> {
        let is_here = matches!(self.talkers[who].way, Way::Here(_));
        if !is_here || self.asked.values().filter(|(by, _)| *by == who).count() >= IN_FLIGHT {
            return Ok(());
        }
        let client = self.memory.compose(who, Target::Direct(1 - who), MESSAGE_BYTES)?;
        self.send(who, &client).await;
        Ok(())
    }

    /// Where it fails the connection is cut, and whoever listens to it finds out.
    async fn send(&mut self, who: usize, client: &str) {
        self.next_id += 1;
        self.asked.insert(self.next_id, (who, client.to_owned()));
        let request = json!({
            "id": self.next_id, "type": "send", "client_id": client, "to": self.talkers[1 - who].person.id,
            "body": { "kind": "text", "text": self.memory.sent[client].body }
        });
        if let Way::Here(line) = &mut self.talkers[who].way {
            let _ = line.say(&request.to_string()).await;
        }
    }

    /// Takes in what came.
    async fn take(&mut self, who: usize, heard: Heard) -> Result<()> {
        let frame = match heard {
            Heard::Frame(frame) => frame,
            Heard::Cut => {
                self.cuts += 1;
                let talker = &mut self.talkers[who];
                let (token, resume) = (talker.person.token.clone(), talker.resume.clone());
                // What is left of the old connection ends here.
                talker.way = Way::Back(tokio::spawn(come_back(self.place, token, resume, self.patience)));
                return Ok(());
            }
            Heard::Back(back) => return self.go_on_from(who, back).await,
        };
        if frame["type"] == "event" {
            return self.see(who, &frame);
        }
        if let Some(resume) = frame["resume"].as_str().filter(|_| frame["type"] == "position") {
            self.talkers[who].resume = resume.to_owned();
        }
        if frame["type"] == "behind" {
            self.memory
                .wrong(format!("person {who} was told to pull pages instead"));
        }
        let asked = frame["re"].as_u64().and_then(|id| self.asked.remove(&id));
        let Some((_, client)) = asked else {
            return Ok(());
        };
        if !frame["error"].is_null() {
            self.memory
                .wrong(format!("{client} was refused: {}", frame["error"]));
            return Ok(());
        }
        let conversation = frame["conversation"].as_str().context("an ack's conversation")?;
        let seq = frame["seq"].as_u64().context("an ack's seq")?;
        self.memory
            .acked(&client, conversation, seq, frame["duplicate"] == true)
    }

    /// An event that a resumed connection shows once more is skipped, as any client does; one that is left out is not.
    fn see(&mut self, who: usize, frame: &Value) -> Result<()> {
        let shown = kill9::shown(frame)?;
        let talker = &mut self.talkers[who];
        if shown.conversation == self.memory.group || shown.seq <= talker.newest {
            return Ok(());
        }
        talker.newest = shown.seq;
        self.memory.seen(who, &mut talker.reading, shown)
    }

    /// Somebody is back: what was not answered is sent again.
    async fn go_on_from(&mut self, who: usize, back: Back) -> Result<()> {
        self.refused += back.refused;
        self.longest = self.longest.max(back.away);
        if back.line.catch_up != "streaming" {
            self.memory.wrong(format!(
                "person {who} came back and was told to {}, not shown what they missed",
                back.line.catch_up
            ));
        }
        self.talkers[who].way = Way::Here(Box::new(back.line));
        self.asked.retain(|_, (by, _)| *by != who);
        for client in self.memory.order.clone() {
            let sent = &self.memory.sent[&client];
            if sent.by == who && sent.acked.is_none() {
                self.memory.outcome.retried += 1;
                self.send(who, &client).await;
            }
        }
        Ok(())
    }

    /// Waits for what is on its way, reads everything from the first event on, and compares.
    async fn end(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        loop {
            let acked = self.memory.sent.values().filter_map(|sent| sent.acked.as_ref());
            let last = acked.map(|(_, seq)| *seq).max().unwrap_or(0);
            if self.asked.is_empty() && self.talkers.iter().all(|talker| talker.newest >= last) {
                break;
            }
            let Ok((who, heard)) = tokio::time::timeout_at(deadline, hear(&mut self.talkers)).await else {
                bail!(
                    "{} messages are not answered, and people were shown {:?} of {last} events",
                    self.asked.len(),
                    self.talkers
                        .iter()
                        .map(|talker| talker.newest)
                        .collect::<Vec<_>>()
                );
            };
            self.take(who, heard?).await?;
        }
        self.look_back().await?;
        self.memory.tally();
        let health = http::ask(self.place, "GET", "/health", "", None).await?;
        ensure!(health.0 == 200, "GET /health answers {health:?}");
        Ok(())
    }

    async fn look_back(&mut self) -> Result<()> {
        let conversation = self
            .memory
            .pairs
            .values()
            .next()
            .cloned()
            .context("nothing was acknowledged")?;
        loop {
            let after = self.memory.found_up_to(&conversation);
            let ask =
                format!(r#""type":"history","conversation":"{conversation}","after":{after},"limit":100"#);
            let Way::Here(line) = &mut self.talkers[0].way else {
                bail!("the connection was cut when all was said");
            };
            let page = line.ask(&ask, |_| {}).await?;
            for event in page["events"].as_array().context("a page's events")? {
                self.memory.found(kill9::shown(event)?);
            }
            // A page that brings nothing on would come for ever.
            if page["more"] != true || self.memory.found_up_to(&conversation) == after {
                break;
            }
            sleep(AGAIN).await;
        }
        self.memory.compare();
        Ok(())
    }
}

/// What comes next, of anybody.
async fn hear(talkers: &mut [Talker]) -> (usize, Result<Heard>) {
    let [first, second] = talkers else {
        unreachable!("a talk has two people");
    };
    tokio::select! {
        heard = hear_one(&mut first.way) => (0, heard),
        heard = hear_one(&mut second.way) => (1, heard),
    }
}

async fn hear_one(way: &mut Way) -> Result<Heard> {
    Ok(match way {
        Way::Here(line) => match line.hear().await {
            Ok(text) => Heard::Frame(serde_json::from_slice(text)?),
            Err(_) => Heard::Cut,
        },
        Way::Back(task) => Heard::Back(task.await.context("the task that comes back")??),
    })
}

/// Connects until it works, to go on where it was cut off.
async fn come_back(place: Place, token: String, resume: String, patience: Duration) -> Result<Back> {
    let (begun, mut refused) = (Instant::now(), 0);
    loop {
        let attempt = timeout(patience, Line::sign_in(place, None, &token, Some(&resume)));
        match attempt
            .await
            .context("a connection that was taken was not answered")?
        {
            Ok(line) => {
                let away = begun.elapsed();
                return Ok(Back { line, refused, away });
            }
            Err(error) if begun.elapsed() > patience => return Err(error.context("nobody can come back")),
            Err(error) => refused += usize::from(is_refused(&error)),
        }
        sleep(AGAIN).await;
    }
}

fn is_refused(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == ErrorKind::ConnectionRefused)
    })
}
