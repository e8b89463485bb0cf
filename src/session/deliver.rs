//! Delivery: a reader's position walking the log. First load, live, late and slow are this one walk: near the end through
//! the hub's tails, further back through pages of the store. What must not live here: a queue, a socket.

use std::sync::Arc;

use crate::core::audience;
use crate::core::roster::Roster;
use crate::hub::{Bell, Hint, Hub, Packed, Pos, Walk};
use crate::limits;
use crate::meters::{METERS, add};
use crate::proto::{ConversationId, Refusal, codec};
use crate::store::{Span, Store};

/// Pages of the store that one round of delivery may need before the reader is told that it is behind.
const PAGES: u32 = limits::STREAM_POSITIONS as u32 / limits::PAGE_EVENTS as u32;

/// All that an idle reader keeps: how far it was told, of events and of notices.
#[derive(Debug)]
pub struct Deliver {
    pub position: Pos,
    noticed: u64,
    early: Early,
    round: Option<Box<Round>>,
}

/// Hints that were taken while the marks stood where they stand: what they are about may lie beyond, since the hint comes
/// before the mark. They count once more when the mark has moved.
#[derive(Debug)]
struct Early {
    events: Packed,
    notices: Packed,
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
            early: Early {
                events: Hint::Nothing.into(),
                notices: Hint::Nothing.into(),
            },
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
                let mut told = false;
                hub.told_everyone(bell, (self.noticed, round.stamp), &mut |bytes| {
                    told |= !take(bytes)
                });
                (self.position, self.noticed) = (round.target.max(self.position), round.stamp);
                self.round = None;
                if told {
                    return Filled::Full;
                }
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
        let rest = match self.look(target, stamp, bell.take_hint()) {
            Hint::Nothing => {
                (self.position, self.noticed) = (self.position.max(target), stamp);
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

    /// Where to look up to these marks: what the bell says now, and what it said too early.
    fn look(&mut self, target: Pos, stamp: u64, hint: Hint) -> Hint {
        let mut all = hint;
        if target > self.position {
            all = all.and(std::mem::replace(&mut self.early.events, hint.into()).into());
        } else {
            self.early.events = Hint::from(self.early.events).and(hint).into();
        }
        if stamp > self.noticed {
            all = all.and(std::mem::replace(&mut self.early.notices, hint.into()).into());
        } else {
            self.early.notices = Hint::from(self.early.notices).and(hint).into();
        }
        all
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
        let hidden = hub.hidden(conversation, bell.user());
        let mut last = after;
        let mut reached = !page.more;
        for (pos, event) in &page.events {
            if *pos > round.target {
                reached = true;
                break;
            }
            last = *pos;
            if audience::may_see(&roster, bell.user(), event.seq) && audience::is_shown(event, &hidden) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Published, Publisher};
    use crate::proto::{Body, ClientId, Event, UserId, What};

    const ROOM: ConversationId = ConversationId(9);
    const READER: UserId = UserId(2);

    fn event(seq: u64) -> Event {
        Event {
            conversation: ROOM,
            seq,
            count: seq,
            ts: 0,
            unsynchronised: false,
            by: UserId(1),
            client_id: ClientId(uuid::Uuid::from_u128(u128::from(seq))),
            what: What::message(Some(Body::Text { text: "hi".into() }), None),
        }
    }

    /// The ringer tells where to look, then raises the mark. A reader that looks in between finds nothing to deliver yet:
    /// it must look there again.
    #[test]
    fn a_hint_taken_before_its_mark_is_not_lost() {
        let hub = Hub::new(0);
        let bell = Arc::new(Bell::new(READER, 7, 4));
        hub.attach(&bell).expect("there is room");
        hub.open(READER, &[ROOM]);
        hub.fill(Arc::new(Roster::direct(ROOM, UserId(1), READER)), 0);
        let mut publisher = Publisher::new(Arc::clone(&hub), 1 << 20);
        let mut deliver = Deliver::from(0, hub.stamp());
        for seq in 1..=3 {
            publisher.publish(&[Published {
                pos: seq,
                event: &event(seq),
                roster: None,
                tombstones: &[],
            }]);
            let mut taken = 0;
            let mut take = |_: &[u8]| {
                taken += 1;
                true
            };
            bell.hint(ROOM);
            assert!(matches!(deliver.fill(&hub, &bell, &mut take), Filled::Idle));
            assert!(matches!(deliver.fill(&hub, &bell, &mut take), Filled::Idle));
            hub.begin_at(seq);
            assert!(matches!(deliver.fill(&hub, &bell, &mut take), Filled::Idle));
            assert_eq!((taken, deliver.position), (1, seq), "event {seq}");
        }
    }
}
