//! Delivery: a reader's position walking the log. First load, live, late and slow are this one walk: near the end through
//! the hub's tails, further back through pages of the store. What must not live here: a queue, a socket.

use std::sync::Arc;

use crate::core::audience;
use crate::core::roster::Roster;
use crate::hub::{Bell, Hint, Hub, Pos, Walk};
use crate::limits;
use crate::meters::{METERS, add};
use crate::proto::{ConversationId, Refusal, codec};
use crate::store::{Span, Store};

/// Pages of the store that one round of delivery may need before the reader is told that it is behind.
const PAGES: u32 = 20;

/// All that an idle reader keeps: how far it was told, of events and of notices.
#[derive(Debug)]
pub struct Deliver {
    pub position: Pos,
    noticed: u64,
    round: Option<Box<Round>>,
}

/// A delivery under way. It exists only while there is something to deliver.
#[derive(Debug)]
struct Round {
    target: Pos,
    stamp: u64,
    current: Option<(ConversationId, Pos)>,
    rest: Vec<ConversationId>,
    pages: u32,
}

/// How a filling ended.
#[derive(Debug)]
pub enum Filled {
    /// Nothing more to deliver now.
    Idle,
    /// The taker has enough; go on when it has room.
    Full,
    /// A page of the store comes next: `read_page`.
    Page {
        conversation: ConversationId,
        after: Pos,
        roster: Arc<Roster>,
    },
    /// The reader is too far behind to be walked there: it is told, and stands at the end now. It was here:
    Behind(Pos),
}

/// Takes a frame's payload; says whether there is room for another.
pub type Take<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

impl Deliver {
    #[must_use]
    pub fn from(position: Pos, noticed: u64) -> Deliver {
        Deliver {
            position,
            noticed,
            round: None,
        }
    }

    /// Whether a round is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.round.is_some()
    }

    /// Hands over what is due until the taker is full or nothing is left.
    pub fn fill(&mut self, hub: &Hub, bell: &Bell, take: Take<'_>) -> Filled {
        loop {
            if self.round.is_none() && !self.begin(hub, bell) {
                return Filled::Idle;
            }
            let Some(round) = &mut self.round else {
                return Filled::Idle;
            };
            let Some((conversation, after)) = round.current else {
                (self.position, self.noticed) = (round.target.max(self.position), round.stamp);
                self.round = None;
                continue;
            };
            let mut counted = |bytes: &[u8]| {
                count(bytes.len());
                take(bytes)
            };
            match hub.walk(conversation, bell.user(), (after, round.target), &mut counted) {
                Walk::Enough(pos) => {
                    round.current = Some((conversation, pos));
                    return Filled::Full;
                }
                Walk::Older(roster) if round.pages < PAGES => {
                    return Filled::Page {
                        conversation,
                        after,
                        roster,
                    };
                }
                Walk::Older(_) => {
                    let behind = self.position;
                    (self.position, self.noticed) = (round.target, round.stamp);
                    self.round = None;
                    return Filled::Behind(behind);
                }
                Walk::Done => {
                    let mut told = false;
                    hub.notices(conversation, bell, (self.noticed, round.stamp), &mut |bytes| {
                        told |= !take(bytes);
                    });
                    round.current = round.rest.pop().map(|next| (next, self.position));
                    if told {
                        return Filled::Full;
                    }
                }
            }
        }
    }

    /// Starts a round if the bell says that there is something. The mark is read before the hint: see `Bell::take_hint`.
    fn begin(&mut self, hub: &Hub, bell: &Bell) -> bool {
        let (target, stamp) = (hub.rung(), hub.stamp());
        let rest = match bell.take_hint() {
            Hint::Nothing => {
                self.position = self.position.max(target);
                return false;
            }
            Hint::One(conversation) => {
                let current = Some((conversation, self.position));
                self.round = Some(Box::new(Round {
                    target,
                    stamp,
                    current,
                    rest: Vec::new(),
                    pages: 0,
                }));
                return true;
            }
            Hint::Many => hub.moved(bell.user(), self.position, self.noticed),
        };
        let mut round = Round {
            target,
            stamp,
            current: None,
            rest,
            pages: 0,
        };
        round.current = round.rest.pop().map(|next| (next, self.position));
        self.round = Some(Box::new(round));
        true
    }

    /// Reads the page that `fill` asked for and hands it over: the audience is asked again with the people of this moment,
    /// since they may have changed while the store was read.
    pub async fn read_page(
        &mut self,
        store: &Store,
        hub: &Hub,
        bell: &Bell,
        (conversation, after, roster): (ConversationId, Pos, Arc<Roster>),
        take: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<(), Refusal> {
        let visible = audience::visible(&roster, bell.user()).ranges().to_vec();
        let page = store
            .page(conversation, Span::AfterPos(after), visible, limits::PAGE_EVENTS)
            .await?;
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        round.pages += 1;
        let roster = hub.roster(conversation).unwrap_or(roster);
        let mut last = after;
        let mut reached = !page.more;
        for (pos, event) in &page.events {
            if *pos > round.target {
                reached = true;
                break;
            }
            last = *pos;
            if audience::may_see(&roster, bell.user(), event.seq) {
                let bytes = codec::encode_event(event);
                count(bytes.len());
                take(&bytes);
            }
        }
        // Past the page's end the tail may already serve; an exhausted page has nothing left up to the target.
        let next = if reached { round.target } else { last };
        round.current = Some((conversation, next));
        Ok(())
    }
}

fn count(bytes: usize) {
    add(&METERS.deliveries, 1);
    add(&METERS.delivery_bytes, bytes as u64);
}
