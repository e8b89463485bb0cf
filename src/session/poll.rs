//! The fallback for those who cannot hold a WebSocket: the same commands, and the same walk with a wait at its end.
//! What must not live here: another way of delivering.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::deliver::{Deliver, Filled};
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

/// Runs one request frame and gives the reply frame; a refusal comes with its HTTP status.
pub async fn command(services: &Services, who: &Who, text: &str) -> (u16, Vec<u8>) {
    let (re, outcome) = match codec::decode(text) {
        Ok(Request {
            id,
            command: Command::Hello(_) | Command::Presence(_),
        }) => {
            let refusal = Refusal::because(Code::BadRequest, "This command needs a live socket.");
            (Some(id), Err(refusal))
        }
        Ok(Request { id, command }) => (Some(id), super::submit::run(services, who, command).await),
        Err(bad) => (bad.re, Err(bad.refusal)),
    };
    match (re, outcome) {
        (Some(re), Ok(answer)) => (200, codec::encode_reply(re, answer)),
        (re, Err(refusal)) => {
            crate::meters::METERS.refusal(refusal.code as usize);
            (refusal.code.status(), codec::encode_refusal(re, refusal))
        }
        (None, Ok(_)) => (500, codec::encode_refusal(None, Code::Internal.into())),
    }
}

/// A page of history for HTTP.
pub async fn history(services: &Services, who: &Who, ask: History) -> Result<Vec<u8>, Refusal> {
    let page = super::answer::history_page(services, who, &ask).await?;
    serde_json::to_vec(&page).map_err(|_| Code::Internal.into())
}

/// Waits up to `wait` for events after a token.
pub async fn sync(
    services: &Services,
    who: &Who,
    after: Option<&str>,
    wait: Duration,
) -> Result<Polled, Refusal> {
    let bell = Arc::new(Bell::new(
        who.user,
        who.device,
        services.limits.connections_per_user,
    ));
    services.hub.attach(&bell).map_err(|_| Code::TooManyConnections)?;
    let attached = Attached { services, bell };
    super::live::open_conversations(services, who.user).await?;
    let head = services.store.head();
    let rung = services.hub.rung().min(head.log);
    let from = match Position::start(after, head) {
        Start::Walk(from) => Position {
            log: from.log.min(rung),
            ..from
        },
        Start::List => return Ok(nothing(CatchUp::Sync, Position { log: rung, ..head })),
        Start::Resync => return Ok(nothing(CatchUp::Resync, Position { log: rung, ..head })),
    };
    let mut deliver = Deliver::from(from.log, services.hub.stamp());
    attached.bell.hint_many();
    let mut events = Vec::new();
    let deadline = tokio::time::Instant::from_std(monotonic() + wait.min(limits::POLL_WAIT));
    loop {
        if let Some(end) = gather(&attached, &mut deliver, &mut events).await? {
            return Ok(nothing(
                end,
                Position {
                    log: deliver.position,
                    ..from
                },
            ));
        }
        if !events.is_empty() {
            break;
        }
        let rung = poll_fn(|context| attached.bell.poll_rung(context));
        if tokio::time::timeout_at(deadline, rung).await.is_err() {
            break;
        }
        if attached.bell.is_over() {
            return Err(Code::SignedOut.into());
        }
        let _ = attached.bell.take();
    }
    let resume = Position {
        log: deliver.position,
        ..from
    }
    .to_token();
    Ok(Polled {
        events,
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

/// Gathers what is due now: to the end of the round, since a poll's token must not fall inside one.
async fn gather(
    attached: &Attached<'_>,
    deliver: &mut Deliver,
    events: &mut Vec<Box<RawValue>>,
) -> Result<Option<CatchUp>, Refusal> {
    let Attached { services, bell } = attached;
    loop {
        let mut take = |bytes: &[u8]| {
            // Notices are not for polls; events are told by their beginning.
            if bytes.starts_with(br#"{"type":"event""#)
                && let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(raw) = RawValue::from_string(text.to_owned())
            {
                events.push(raw);
            }
            true
        };
        match deliver.fill(&services.hub, bell, &mut take) {
            Filled::Idle => return Ok(None),
            Filled::Full => {}
            Filled::Behind(_) => return Ok(Some(CatchUp::Sync)),
            Filled::Page {
                conversation,
                after,
                roster,
            } => {
                let page = (conversation, after, roster);
                deliver
                    .read_page(&services.store, &services.hub, bell, page, &mut take)
                    .await?;
            }
        }
    }
}
