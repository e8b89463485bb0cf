//! The fallback for those who cannot hold a WebSocket: the same commands, and the same walk with a wait at its end.
//! What must not live here: another way of delivering.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::deliver::{Deliver, Filled};
use super::pulse::now_ms;
use super::{Services, Who};
use crate::clock::monotonic;
use crate::core::cursor::{Position, Start};
use crate::hub::Bell;
use crate::limits;
use crate::proto::answer::CatchUp;
use crate::proto::command::{History, Request};
use crate::proto::{Code, Command, Refusal, codec};

/// A long poll's answer: events that were encoded once, as they are.
#[derive(serde::Serialize)]
pub struct Polled {
    pub events: Vec<Box<RawValue>>,
    pub catch_up: CatchUp,
    pub resume: String,
}

/// A poller's bell in the hub, taken out again whatever happens.
struct Attached<'a> {
    services: &'a Services,
    bell: Arc<Bell>,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.services.hub.detach(&self.bell);
    }
}

/// A reply frame as an HTTP answer says it.
pub struct Replied {
    pub status: u16,
    pub retry_after_ms: Option<u64>,
    pub frame: Vec<u8>,
}

/// Runs one request frame and gives the reply frame; a refusal comes with its HTTP status.
pub async fn command(services: &Services, who: &Who, text: &str) -> Replied {
    let (re, outcome) = match codec::decode(text) {
        Ok(Request {
            id,
            command: Command::Hello(_) | Command::Presence(_),
        }) => {
            let refusal = Refusal::because(Code::BadRequest, "This command needs a live socket.");
            (Some(id), Err(refusal))
        }
        Ok(Request { id, command }) => {
            let outcome = match services.quotas.take(who.user, &command, now_ms()) {
                Ok(()) => super::submit::run(services, who, command).await,
                Err(refusal) => Err(refusal),
            };
            (Some(id), outcome)
        }
        Err(bad) => (bad.re, Err(bad.refusal)),
    };
    let refusal = match (re.clone(), outcome) {
        (Some(re), Ok(answer)) => {
            return Replied {
                status: 200,
                retry_after_ms: None,
                frame: codec::encode_reply(re, answer),
            };
        }
        (_, Err(refusal)) => refusal,
        (None, Ok(_)) => Code::Internal.into(),
    };
    crate::meters::METERS.refusal(refusal.code as usize);
    Replied {
        status: refusal.code.status(),
        retry_after_ms: refusal.retry_after_ms,
        frame: codec::encode_refusal(re, refusal),
    }
}

/// A page of history for HTTP.
pub async fn history(services: &Services, who: &Who, ask: History) -> Result<Vec<u8>, Refusal> {
    services.quotas.take_read(who.user, now_ms())?;
    let page = super::answer::history_page(services, who, &ask).await?;
    serde_json::to_vec(&page).map_err(|_| Code::Internal.into())
}

/// Waits up to `wait`, which the face has bounded, for events after a token.
pub async fn sync(
    services: &Services,
    (who, token): (Who, &str),
    after: Option<&str>,
    wait: Duration,
) -> Result<Polled, Refusal> {
    services.quotas.take_read(who.user, now_ms())?;
    let most = services.limits.connections_per_user;
    let bell = Arc::new(Bell::new(who.user, who.device, most).quiet().of(who.scopes));
    services.hub.attach(&bell).map_err(|_| Code::TooManyConnections)?;
    let attached = Attached { services, bell };
    // Looked at once more, as for a live socket: a revocation that came in between has not reached the bell.
    let start = Position::start(after, services.store.head());
    super::live::open_conversations(services, token, who.user, &start).await?;
    let head = services.store.head();
    let rung = services.hub.rung().min(head.log);
    let from = match start {
        Start::Walk(from) => Position {
            log: from.log.min(rung),
            ..from
        },
        Start::List => return Ok(nothing(CatchUp::Sync, Position { log: rung, ..head })),
        Start::Resync => return Ok(nothing(CatchUp::Resync, Position { log: rung, ..head })),
    };
    let mut deliver = Deliver::from(from.log, services.hub.stamp());
    attached.bell.hint_many();
    let mut basket = Basket::default();
    let deadline = tokio::time::Instant::from_std(monotonic() + wait);
    loop {
        match gather(&attached, &mut deliver, &mut basket).await? {
            Gathered::All => {}
            Gathered::Behind => {
                let log = deliver.position;
                return Ok(nothing(CatchUp::Sync, Position { log, ..from }));
            }
            // The reader lists and pulls what lies before this mark; what comes after it is streamed again.
            Gathered::TooMuch => {
                let log = services.hub.rung();
                return Ok(nothing(CatchUp::Sync, Position { log, ..from }));
            }
        }
        if !basket.events.is_empty() {
            break;
        }
        let rung = poll_fn(|context| attached.bell.poll_rung(context));
        if tokio::time::timeout_at(deadline, rung).await.is_err() {
            break;
        }
        let rung = attached.bell.take();
        if rung.revoked {
            return Err(Code::SignedOut.into());
        }
        if rung.stopped {
            return Err(Code::ShuttingDown.into());
        }
    }
    let resume = Position {
        log: deliver.position,
        ..from
    }
    .to_token();
    Ok(Polled {
        events: basket.events,
        catch_up: CatchUp::Streaming,
        resume,
    })
}

fn nothing(catch_up: CatchUp, at: Position) -> Polled {
    Polled {
        events: Vec::new(),
        catch_up,
        resume: at.to_token(),
    }
}

/// How a gathering ended.
enum Gathered {
    All,
    Behind,
    /// More than one answer may hold.
    TooMuch,
}

/// What one answer holds.
#[derive(Default)]
struct Basket {
    events: Vec<Box<RawValue>>,
    bytes: usize,
}

impl Basket {
    fn is_too_full(&self) -> bool {
        self.bytes > limits::POLL_BYTES
    }

    /// Notices are not for polls; events are told by their beginning.
    fn put(&mut self, bytes: &[u8]) -> bool {
        if bytes.starts_with(br#"{"type":"event""#)
            && let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(raw) = RawValue::from_string(text.to_owned())
        {
            self.events.push(raw);
            self.bytes += bytes.len();
        }
        !self.is_too_full()
    }
}

/// Gathers what is due now: to the end of the round, since a poll's token must not fall inside one.
async fn gather(
    attached: &Attached<'_>,
    deliver: &mut Deliver,
    basket: &mut Basket,
) -> Result<Gathered, Refusal> {
    let Attached { services, bell } = attached;
    loop {
        let filled = deliver.fill(&services.hub, bell, &mut |bytes| basket.put(bytes));
        if basket.is_too_full() {
            return Ok(Gathered::TooMuch);
        }
        match filled {
            Filled::Idle => return Ok(Gathered::All),
            Filled::Full => {}
            Filled::Behind(_) => return Ok(Gathered::Behind),
            Filled::Page {
                conversation,
                after,
                roster,
            } => {
                let page = (conversation, after, roster);
                deliver
                    .read_page(&services.store, &services.hub, bell, page, &mut |bytes| {
                        basket.put(bytes)
                    })
                    .await?;
            }
        }
    }
}
