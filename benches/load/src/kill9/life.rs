//! One life of the server: it starts, is asked what it remembers, is told again what it did not answer, and is killed while
//! people write. What must not live here: what counts as a breach.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::memory::{Place, Reading, Shown};
use super::{Chance, Memory, PATIENCE, PEOPLE, Person};
use crate::server::Setup;
use crate::wire::Live;

/// Messages that one person has in flight.
const IN_FLIGHT: usize = 16;
/// Frames that the sockets may be ahead of the checker.
const AHEAD: usize = 65_536;
/// Messages of one person in one life; the server's rate limit allows that many at once.
const MESSAGES: usize = 150;

/// Who heard it, and the frame; no frame when the connection ended.
type Heard = (usize, Option<Value>);

/// Everybody's connections, and what came over them in the order it came.
struct Room {
    lives: Vec<Arc<Live>>,
    heard: mpsc::Receiver<Heard>,
    readings: Vec<Reading>,
    present: usize,
    next_id: u64,
    /// Requests on their way: who asked, and about which client id.
    asked: HashMap<u64, (usize, String)>,
    /// The place in the order of sending of the last fresh ack, by person and conversation.
    last_acked: HashMap<(usize, String), (usize, u64)>,
    /// Retries of this life; their acks say nothing about order.
    retries: HashSet<String>,
    /// Requests with a known client id and another body.
    forgeries: HashSet<u64>,
}

impl Room {
    async fn enter(setup: &Setup, people: &[Person]) -> Result<Room> {
        let (tell, heard) = mpsc::channel(AHEAD);
        let mut lives = Vec::new();
        for (number, person) in people.iter().enumerate() {
            let (live, frames, _) = Live::open(setup.place.address, None, &person.token, None).await?;
            lives.push(Arc::clone(&live));
            let tell = tell.clone();
            tokio::spawn(async move {
                // A connection that breaks is what this is about.
                let _ = live
                    .read(frames, |text| {
                        let frame =
                            serde_json::from_slice(text).unwrap_or_else(|_| json!({ "unreadable": true }));
                        put(&tell, (number, Some(frame)));
                    })
                    .await;
                put(&tell, (number, None));
            });
        }
        Ok(Room {
            present: lives.len(),
            lives,
            heard,
            readings: (0..people.len()).map(|_| Reading::default()).collect(),
            next_id: 1,
            asked: HashMap::new(),
            last_acked: HashMap::new(),
            retries: HashSet::new(),
            forgeries: HashSet::new(),
        })
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a message that the memory holds, for the first time or again.
    fn send(&mut self, memory: &Memory, people: &[Person], client: &str) {
        let sent = &memory.sent[client];
        let id = self.id();
        self.asked.insert(id, (sent.by, client.to_owned()));
        self.put(memory, people, id, client, &sent.body);
    }

    fn put(&self, memory: &Memory, people: &[Person], id: u64, client: &str, body: &str) {
        let sent = &memory.sent[client];
        let body = json!({ "kind": "text", "text": body });
        let mut request = json!({ "id": id, "type": "send", "client_id": client, "body": body });
        match sent.place {
            Place::Group => request["conversation"] = memory.group.as_str().into(),
            Place::Direct(peer) => request["to"] = people[peer].id.as_str().into(),
        }
        // A connection that is gone tells so to its reader.
        let _ = self.lives[sent.by].send(&request.to_string());
    }

    /// Takes in one frame. Gives the person and client id whose request was answered.
    fn take(
        &mut self,
        memory: &mut Memory,
        person: usize,
        frame: Option<Value>,
    ) -> Result<Option<(usize, String)>> {
        let Some(frame) = frame else {
            self.present -= 1;
            return Ok(None);
        };
        if frame["type"] == "event" {
            memory.seen(person, &mut self.readings[person], shown(&frame)?)?;
            return Ok(None);
        }
        if frame["type"] == "behind" {
            // Legal: it was told to pull pages instead.
            memory.note(&format!("BEHIND {person}"))?;
            memory.outcome.behind += 1;
            self.readings[person] = Reading::default();
            return Ok(None);
        }
        let Some(id) = frame["re"].as_u64() else {
            return Ok(None);
        };
        if self.forgeries.remove(&id) {
            if frame["error"]["code"] != "id_reused" {
                memory.wrong(format!("a used client id with another body was answered {frame}"));
            }
            return Ok(None);
        }
        let Some((by, client)) = self.asked.remove(&id) else {
            return Ok(None);
        };
        if let Some(code) = frame["error"]["code"].as_str() {
            // These were not taken, and may be sent again in the next life.
            if !["busy", "rate_limited", "in_flight"].contains(&code) {
                memory.wrong(format!("{client} was refused: {}", frame["error"]));
            }
            return Ok(Some((by, client)));
        }
        let conversation = frame["conversation"]
            .as_str()
            .with_context(|| format!("an ack: {frame}"))?;
        let seq = frame["seq"]
            .as_u64()
            .with_context(|| format!("an ack: {frame}"))?;
        memory.acked(&client, conversation, seq, frame["duplicate"] == true)?;
        if !self.retries.contains(&client) {
            let at = memory
                .order
                .iter()
                .rposition(|sent| *sent == client)
                .context("it was sent")?;
            let last = self.last_acked.insert((by, conversation.to_owned()), (at, seq));
            if let Some((before, earlier)) =
                last.filter(|(before, earlier)| (at > *before) != (seq > *earlier))
            {
                memory.reordered(format!(
                    "person {by} sent number {before} before or after {at}, which got seqs {earlier} and {seq}"
                ));
            }
        }
        Ok(Some((by, client)))
    }

    async fn next(&mut self) -> Result<Heard> {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv())
            .await
            .context("no answer in 20 s")?;
        heard.context("all connections are gone")
    }
}

fn put(tell: &mpsc::Sender<Heard>, heard: Heard) {
    if let Err(mpsc::error::TrySendError::Full(_)) = tell.try_send(heard) {
        panic!("the checker is {AHEAD} frames behind, and would miss one");
    }
}

/// An event as it stands in a frame or a page.
pub fn shown(event: &Value) -> Result<Shown> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Shown {
        conversation: text(&event["conversation"]),
        seq: event["seq"]
            .as_u64()
            .with_context(|| format!("an event without seq: {event}"))?,
        client: text(&event["client_id"]),
        body: text(&event["body"]["text"]),
    })
}

/// Starts the server, asks, retries, writes, kills.
pub async fn live(setup: &Setup, people: &[Person], memory: &mut Memory, chance: &mut Chance) -> Result<()> {
    let server = setup.start().await?;
    let mut room = Room::enter(setup, people).await?;
    remember(&mut room, memory).await?;
    insist(&mut room, people, memory, chance).await?;
    let deadline = Instant::now() + Duration::from_micros(2_000 + chance.below(60_000) as u64);
    write(&mut room, people, memory, chance, deadline).await?;
    server.kill()?;
    // What the kernel still holds was sent before the death, and counts.
    while room.present > 0 {
        let (person, frame) = room.next().await?;
        room.take(memory, person, frame)?;
    }
    memory.open = memory
        .open
        .iter()
        .filter(|client| memory.sent[*client].acked.is_none())
        .cloned()
        .collect();
    Ok(())
}

/// Starts the server once more, reads everything, and stops it in peace.
pub async fn look_back(setup: &Setup, people: &[Person], memory: &mut Memory) -> Result<()> {
    let server = setup.start().await?;
    let mut room = Room::enter(setup, people).await?;
    remember(&mut room, memory).await?;
    ensure!(setup.is_healthy().await?, "the server takes no messages any more");
    drop(room);
    server.stop().await
}

/// Reads what is new in every conversation, and compares.
async fn remember(room: &mut Room, memory: &mut Memory) -> Result<()> {
    let pairs = memory
        .pairs
        .iter()
        .map(|(pair, conversation)| (pair.0, conversation.clone()));
    let all: Vec<(usize, String)> = std::iter::once((0, memory.group.clone())).chain(pairs).collect();
    for (person, conversation) in all {
        loop {
            let (id, after) = (room.id(), memory.found_up_to(&conversation));
            let ask = json!({ "id": id, "type": "history", "conversation": conversation, "after": after, "limit": 100 });
            room.lives[person].send(&ask.to_string())?;
            let page = loop {
                match room.next().await? {
                    (_, Some(frame)) if frame["re"] == id => break frame,
                    (_, None) => bail!("a connection ended while pages were read"),
                    (who, frame) => drop(room.take(memory, who, frame)?),
                }
            };
            if let Some(wait) = page["error"]["retry_after_ms"].as_u64() {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                continue;
            }
            if page["error"]["code"] == "not_found" {
                // What was acked in it will be found missing.
                memory.note(&format!("GONE {conversation}"))?;
                break;
            }
            let events = page["events"]
                .as_array()
                .with_context(|| format!("a page: {page}"))?;
            for event in events {
                memory.found(shown(event)?);
            }
            // A page that brings nothing on would come for ever.
            if page["more"] != true || memory.found_up_to(&conversation) == after {
                break;
            }
        }
    }
    memory.compare();
    Ok(())
}

/// Sends again what was not answered, and some of what was; also a used client id with another body.
async fn insist(room: &mut Room, people: &[Person], memory: &mut Memory, chance: &mut Chance) -> Result<()> {
    let mut again = memory.open.clone();
    for _ in 0..6 {
        if memory.order.is_empty() {
            break;
        }
        let client = memory.order[chance.below(memory.order.len())].clone();
        if memory.sent[&client].acked.is_some() && !again.contains(&client) {
            again.push(client);
        }
    }
    if let Some(client) = again
        .last()
        .filter(|client| memory.sent[*client].acked.is_some())
        .cloned()
    {
        let id = room.id();
        room.forgeries.insert(id);
        room.put(memory, people, id, &client, "another body");
    }
    for client in again {
        room.retries.insert(client.clone());
        memory.outcome.retried += 1;
        room.send(memory, people, &client);
    }
    // Half of the time the server dies with the retries on their way.
    let patient = chance.below(2) == 0;
    while patient && !(room.asked.is_empty() && room.forgeries.is_empty()) {
        match room.next().await? {
            (_, None) => bail!("a connection ended while the server lived"),
            (person, frame) => drop(room.take(memory, person, frame)?),
        }
    }
    Ok(())
}

/// Everybody writes until the deadline: to the group, and to the person beside them.
async fn write(
    room: &mut Room,
    people: &[Person],
    memory: &mut Memory,
    chance: &mut Chance,
    deadline: Instant,
) -> Result<()> {
    let size = [20, 200, 3_000][chance.below(3)];
    let mut sent = [0; PEOPLE];
    let mut compose = |room: &mut Room, memory: &mut Memory, by: usize| -> Result<()> {
        if sent[by] < MESSAGES {
            sent[by] += 1;
            let place = if chance.below(2) == 0 {
                Place::Group
            } else {
                Place::Direct(by ^ 1)
            };
            let client = memory.compose(by, place, size)?;
            room.send(memory, people, &client);
        }
        Ok(())
    };
    for at in 0..IN_FLIGHT * PEOPLE {
        compose(room, memory, at % PEOPLE)?;
    }
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(deadline) => return Ok(()),
            heard = room.heard.recv() => {
                let (person, frame) = heard.context("all connections are gone")?;
                ensure!(frame.is_some(), "a connection ended while the server lived");
                if let Some((by, _)) = room.take(memory, person, frame)? {
                    compose(room, memory, by)?;
                }
            }
        }
    }
}
