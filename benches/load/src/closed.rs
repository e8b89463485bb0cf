//! Messages into conversations, so many in flight at once, or at a fixed rate. What must not live here: what is made of the
//! figures.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::http::Place;
use crate::latency::{Sorted, Times};
use crate::seed;
use crate::wire::{Incoming, Live};

/// When a run of messages ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Time(Duration),
    Count(u64),
}

/// One sender: a connection, and the conversation it writes to.
struct Sender {
    live: Arc<Live>,
    user: String,
    peer: String,
    conversation: OnceLock<String>,
    last_id: AtomicU64,
}

type Line = dyn Fn(u64) -> String + Send + Sync;

/// All senders, taken in turn, so that each stays below its rate limit.
pub struct Ring {
    senders: Vec<Sender>,
    next: AtomicUsize,
    start: Instant,
    payload: usize,
    /// What the messages say, by number; without it a number and blanks.
    lines: OnceLock<Box<Line>>,
    /// Messages that may still be sent.
    left: AtomicI64,
    in_flight: AtomicUsize,
    /// Whether an ack lets the next message go.
    closed_loop: AtomicBool,
    measuring: AtomicBool,
    acked: AtomicU64,
    delivered: AtomicU64,
    throttled: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
    ack: Times,
    deliver: Times,
    quiet: Notify,
}

/// What a run came to.
pub struct Tally {
    pub acked: u64,
    pub delivered: u64,
    pub throttled: u64,
    pub elapsed: Duration,
    pub ack: Sorted,
    pub deliver: Sorted,
}

impl Tally {
    pub fn per_second(&self) -> f64 {
        self.acked as f64 / self.elapsed.as_secs_f64()
    }
}

impl Ring {
    /// Connects users 0 and 1, 2 and 3, and so on, with each of their devices, and opens their direct conversations.
    pub async fn connect(place: Place, pairs: usize, devices: usize, payload: usize) -> Result<Arc<Ring>> {
        let mut senders = Vec::new();
        let mut readers = Vec::new();
        for device in 0..devices {
            for user in 0..2 * pairs {
                let (live, frames, _) = Live::open(place.address, None, &seed::token(user, device), None)
                    .await
                    .with_context(|| format!("connecting user {user}, device {device}"))?;
                senders.push(Sender {
                    live: Arc::clone(&live),
                    user: seed::user(user),
                    peer: seed::user(user ^ 1),
                    conversation: OnceLock::new(),
                    last_id: AtomicU64::new(0),
                });
                readers.push((live, frames));
            }
        }
        let ring = Arc::new(Ring {
            senders,
            next: AtomicUsize::new(0),
            start: Instant::now(),
            payload,
            lines: OnceLock::new(),
            left: AtomicI64::new(0),
            in_flight: AtomicUsize::new(0),
            closed_loop: AtomicBool::new(true),
            measuring: AtomicBool::new(false),
            acked: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            refused: Mutex::default(),
            ack: Times::default(),
            deliver: Times::default(),
            quiet: Notify::new(),
        });
        for (at, (live, frames)) in readers.into_iter().enumerate() {
            let ring = Arc::clone(&ring);
            tokio::spawn(async move {
                let ended = live.read(frames, |text| ring.heard(at, text)).await;
                ring.refuse(&format!("a connection ended: {ended:?}"));
            });
        }
        // One message each opens the conversation; from then on it is named.
        ring.run(8, Until::Count(ring.senders.len() as u64))
            .await
            .context("opening the conversations")?;
        Ok(ring)
    }

    /// From now on messages say this, which needs no escape in JSON; deliveries are not timed then.
    pub fn say(&self, line: impl Fn(u64) -> String + Send + Sync + 'static) {
        let _ = self.lines.set(Box::new(line));
    }

    pub fn connections(&self) -> usize {
        self.senders.len()
    }

    fn refuse(&self, code: &str) {
        *self
            .refused
            .lock()
            .expect("nobody panics with it")
            .entry(code.to_owned())
            .or_default() += 1;
        self.quiet.notify_one();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("a run is shorter than centuries")
    }

    /// Sends one message from the next sender, as meant for this moment: times are measured from there.
    fn send(&self, meant: u64) {
        let sender = &self.senders[self.next.fetch_add(1, SeqCst) % self.senders.len()];
        // The request's id is the moment it was meant for; two of one sender are a nanosecond apart.
        let before = sender.last_id.fetch_max(meant, SeqCst);
        let id = if before < meant {
            meant
        } else {
            sender.last_id.fetch_add(1, SeqCst) + 1
        };
        let place = match sender.conversation.get() {
            Some(conversation) => format!(r#""conversation":"{conversation}""#),
            None => format!(r#""to":"{}""#, sender.peer),
        };
        let said = match self.lines.get() {
            Some(line) => line(id),
            None => format!("{id:<width$}", width = self.payload),
        };
        let text = format!(
            r#"{{"id":{id},"type":"send","client_id":"{}",{place},"body":{{"kind":"text","text":"{said}"}}}}"#,
            Uuid::now_v7()
        );
        if let Err(error) = sender.live.send(&text) {
            self.refuse(&format!("writing: {error}"));
        }
    }

    /// Lets one more message go, or this place in flight end.
    fn again(&self) {
        if self.closed_loop.load(SeqCst) && self.left.fetch_sub(1, SeqCst) > 0 {
            self.send(self.now());
        } else if self.in_flight.fetch_sub(1, SeqCst) == 1 {
            self.quiet.notify_one();
        }
    }

    fn heard(self: &Arc<Self>, at: usize, text: &[u8]) {
        let incoming: Incoming<'_> = match serde_json::from_slice(text) {
            Ok(incoming) => incoming,
            Err(error) => return self.refuse(&format!("unreadable: {error}")),
        };
        let measuring = self.measuring.load(SeqCst);
        let since = |meant: u64| Duration::from_nanos(self.now().saturating_sub(meant));
        if let Some(error) = incoming.error {
            if error.code != "rate_limited" && error.code != "busy" {
                return self.refuse(&error.code);
            }
            self.throttled.fetch_add(1, SeqCst);
            let (ring, wait) = (
                Arc::clone(self),
                Duration::from_millis(error.retry_after_ms.unwrap_or(50)),
            );
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                ring.left.fetch_add(1, SeqCst);
                ring.again();
            });
        } else if let Some(meant) = incoming.re {
            if let Some(conversation) = incoming.conversation {
                self.senders[at]
                    .conversation
                    .get_or_init(|| conversation.into_owned());
            }
            if measuring {
                self.acked.fetch_add(1, SeqCst);
                self.ack.note(since(meant));
            }
            self.again();
        } else if measuring && incoming.what.as_deref() == Some("event") {
            let by_another = incoming.by.as_deref() != Some(&self.senders[at].user);
            let text = incoming.body.and_then(|body| body.text);
            if let Some(meant) = text
                .as_deref()
                .and_then(|text| text.trim_end().parse().ok())
                .filter(|_| by_another)
            {
                self.delivered.fetch_add(1, SeqCst);
                self.deliver.note(since(meant));
            }
        }
    }

    fn begin(&self) {
        for count in [&self.acked, &self.delivered, &self.throttled] {
            count.store(0, SeqCst);
        }
        self.ack.take();
        self.deliver.take();
        self.measuring.store(true, SeqCst);
    }

    fn end(&self, begun: Instant) -> Result<Tally> {
        let elapsed = begun.elapsed();
        self.measuring.store(false, SeqCst);
        let refused = self.refused.lock().expect("nobody panics with it");
        ensure!(
            refused.is_empty(),
            "refused or broken, which spoils the figures: {refused:?}"
        );
        Ok(Tally {
            acked: self.acked.load(SeqCst),
            delivered: self.delivered.load(SeqCst),
            throttled: self.throttled.load(SeqCst),
            elapsed,
            ack: self.ack.take(),
            deliver: self.deliver.take(),
        })
    }

    async fn settle(&self) -> Result<()> {
        let all_answered = async {
            while self.in_flight.load(SeqCst) > 0 {
                if !self.refused.lock().expect("nobody panics with it").is_empty() {
                    break;
                }
                self.quiet.notified().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), all_answered)
            .await
            .is_err()
        {
            bail!(
                "{} messages were not answered within 20 s",
                self.in_flight.load(SeqCst)
            );
        }
        Ok(())
    }

    /// A closed loop: `in_flight` messages at any time, all senders together.
    pub async fn run(&self, in_flight: usize, until: Until) -> Result<Tally> {
        self.closed_loop.store(true, SeqCst);
        let count = match until {
            Until::Time(_) => i64::MAX / 2,
            Until::Count(count) => i64::try_from(count)?,
        };
        self.left.store(count, SeqCst);
        self.begin();
        let begun = Instant::now();
        self.in_flight.store(in_flight, SeqCst);
        for _ in 0..in_flight {
            self.again();
        }
        let tally = match until {
            Until::Time(time) => {
                tokio::time::sleep(time).await;
                let tally = self.end(begun);
                self.left.store(0, SeqCst);
                tally
            }
            Until::Count(count) => {
                let mut seen = u64::MAX;
                // As long as something is answered it goes on.
                while self.in_flight.load(SeqCst) > 0 && seen != self.acked.load(SeqCst) {
                    seen = self.acked.load(SeqCst);
                    let quiet = async {
                        while self.in_flight.load(SeqCst) > 0 {
                            self.quiet.notified().await;
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_secs(10), quiet).await;
                }
                let tally = self.end(begun)?;
                ensure!(
                    tally.acked == count,
                    "{} of {count} messages were acked",
                    tally.acked
                );
                Ok(tally)
            }
        };
        self.settle().await?;
        tally
    }

    /// A fixed rate, whatever the answers do. The first `warm_up` is not measured. Also gives how late messages left.
    pub async fn pace(
        self: &Arc<Self>,
        rate: u64,
        warm_up: Duration,
        time: Duration,
    ) -> Result<(Tally, Sorted)> {
        self.closed_loop.store(false, SeqCst);
        let total = rate * (warm_up + time).as_secs();
        self.in_flight.store(usize::try_from(total)?, SeqCst);
        let ring = Arc::clone(self);
        // A thread of its own: the runtime's timer counts whole milliseconds.
        let pacer = std::thread::spawn(move || {
            let (late, first) = (Times::default(), ring.now());
            for number in 0..total {
                let meant = first + number * 1_000_000_000 / rate;
                while let Some(wait) = meant.checked_sub(ring.now()).filter(|wait| *wait > 0) {
                    std::thread::park_timeout(Duration::from_nanos(wait));
                }
                late.note(Duration::from_nanos(ring.now() - meant));
                ring.send(meant);
            }
            late.take()
        });
        tokio::time::sleep(warm_up).await;
        self.begin();
        let begun = Instant::now();
        tokio::time::sleep(time).await;
        let tally = self.end(begun);
        self.settle().await?;
        let late = pacer.join().ok().context("the pacer ended")?;
        Ok((tally?, late))
    }
}
