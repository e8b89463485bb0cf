//! Two people, one of whom writes to the other at a steady pace until told to stop: how a server feels to everybody else
//! while something heavy goes on. What must not live here: what goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::http::Place;
use crate::latency::{Sorted, Times};
use crate::line::Line;
use crate::seed;
use crate::wire::Incoming;

/// The times of one phase.
pub struct Felt {
    pub ack: Sorted,
    pub deliver: Sorted,
    /// The slowest acks, slowest first: when in the phase each was sent, and how long it took.
    pub slowest: Vec<(Duration, Duration)>,
}

/// How many of the slowest are kept.
const SLOWEST: usize = 6;

/// What was noted in one phase.
#[derive(Default)]
struct Noted {
    ack: Times,
    deliver: Times,
    acks: Vec<(Duration, Duration)>,
}

/// A pair at work.
pub struct Pair {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(Noted, Two)>>,
}

/// The connections of a pair at rest.
pub struct Two {
    writer: Line,
    reader: Line,
    to: String,
    start: Instant,
}

impl Two {
    pub async fn connect(place: Place, writer: usize, reader: usize) -> Result<Two> {
        Ok(Two {
            writer: Line::open(place, None, writer, None).await?,
            reader: Line::open(place, None, reader, None).await?,
            to: seed::user(reader),
            start: Instant::now(),
        })
    }

    /// Writes so many messages a second from now on.
    pub fn write(self, per_second: u32) -> Pair {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.work(per_second, stopped));
        Pair { stop, task }
    }

    async fn work(mut self, per_second: u32, mut stopped: oneshot::Receiver<()>) -> Result<(Noted, Two)> {
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        // A tick that comes late must not be left out: its message was meant for then.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let begun = self.start.elapsed();
        let mut noted = Noted::default();
        let (mut sent, mut acked, mut delivered) = (0_u64, 0_u64, 0_u64);
        let mut stopping = false;
        while !stopping || acked < sent || delivered < sent {
            tokio::select! {
                _ = &mut stopped, if !stopping => stopping = true,
                meant = ticks.tick(), if !stopping => {
                    sent += 1;
                    self.send(meant.into_std()).await?;
                }
                text = self.writer.hear() => {
                    let said: Incoming<'_> = serde_json::from_slice(text?)?;
                    if let Some(error) = said.error {
                        bail!("a message of the pair was refused: {}", error.code);
                    }
                    if let Some(meant) = said.re {
                        acked += 1;
                        let took = since(self.start, meant);
                        noted.ack.note(took);
                        noted.acks.push((Duration::from_nanos(meant).saturating_sub(begun), took));
                    }
                }
                text = self.reader.hear() => {
                    let said: Incoming<'_> = serde_json::from_slice(text?)?;
                    let text = said.body.and_then(|body| body.text);
                    if let Some(meant) = text.and_then(|text| text.trim_end().parse().ok()) {
                        delivered += 1;
                        noted.deliver.note(since(self.start, meant));
                    }
                }
            }
        }
        Ok((noted, self))
    }

    async fn send(&mut self, meant: Instant) -> Result<()> {
        let id = meant.saturating_duration_since(self.start).as_nanos();
        let text = format!(
            r#"{{"id":{id},"type":"send","client_id":"{}","to":"{}","body":{{"kind":"text","text":"{id:<100}"}}}}"#,
            Uuid::now_v7(),
            self.to
        );
        self.writer.say(&text).await
    }
}

fn since(start: Instant, meant: u64) -> Duration {
    start.elapsed().saturating_sub(Duration::from_nanos(meant))
}

impl Pair {
    /// Lets what is on its way arrive, and gives the times.
    pub async fn rest(self) -> Result<(Felt, Two)> {
        // A pair that failed already says why below.
        let _ = self.stop.send(());
        let (mut noted, two) = self.task.await??;
        noted
            .acks
            .sort_unstable_by_key(|(_, took)| std::cmp::Reverse(*took));
        noted.acks.truncate(SLOWEST);
        let felt = Felt {
            ack: noted.ack.take(),
            deliver: noted.deliver.take(),
            slowest: noted.acks,
        };
        Ok((felt, two))
    }
}
