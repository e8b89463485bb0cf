//! Publishing: what a commit brought goes into rosters and tails, in commit order, on the writer's thread.
//! What must not live here: waking (see `ringer`), for that takes time per reader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::live::Live;
use super::{Hub, Maps, Pos, push};
use crate::core::roster::Roster;
use crate::proto::{ConversationId, Event, codec};

/// The one that publishes. It owns the order in which tails shrink: the oldest event of all goes first.
pub struct Publisher {
    hub: Arc<Hub>,
    order: VecDeque<(ConversationId, u32)>,
    bytes: usize,
    limit: usize,
}

/// What an entry costs beside its bytes.
const ENTRY: usize = 96;

/// One committed event as the hub takes it.
pub struct Published<'a> {
    pub pos: Pos,
    pub event: &'a Event,
    pub roster: Option<&'a Arc<Roster>>,
    pub tombstones: &'a [Event],
}

impl Publisher {
    #[must_use]
    pub fn new(hub: Arc<Hub>, tail_bytes: usize) -> Publisher {
        Publisher {
            hub,
            order: VecDeque::new(),
            bytes: 0,
            limit: tail_bytes,
        }
    }

    /// Takes in a whole commit at once: a conversation that is opened meanwhile is opened before it or after it.
    pub fn publish(&mut self, events: &[Published<'_>]) {
        let Some(last) = events.last() else { return };
        let hub = Arc::clone(&self.hub);
        if events.iter().any(|event| event.roster.is_some()) {
            let mut maps = hub.maps.write();
            for event in events {
                if let Some(roster) = event.roster {
                    enlist(&mut maps, event.pos, roster);
                }
                self.add(&maps, event);
            }
            maps.published.store(last.pos, Ordering::Release);
        } else {
            // The mark is raised under the same lock that `open` needs for itself.
            let maps = hub.maps.read();
            events.iter().for_each(|event| self.add(&maps, event));
            maps.published.store(last.pos, Ordering::Release);
        }
        self.shrink();
    }

    fn add(&mut self, maps: &Maps, published: &Published<'_>) {
        let event = published.event;
        let Some(live) = maps.conversations.get(event.conversation) else {
            return;
        };
        for tombstone in published.tombstones {
            live.replace(tombstone.seq, &codec::encode_event(tombstone));
        }
        let bytes: Bytes = codec::encode_event(event);
        let size = bytes.len() + ENTRY;
        live.push(event.seq, published.pos, bytes);
        self.bytes += size;
        self.order.push_back((
            event.conversation,
            u32::try_from(size).expect("an event is smaller than a frame"),
        ));
    }

    /// Drops the oldest events until the tails are within their bytes.
    fn shrink(&mut self) {
        while self.bytes > self.limit {
            let Some((conversation, size)) = self.order.pop_front() else {
                return;
            };
            self.bytes -= size as usize;
            if let Some(live) = self.hub.live(conversation) {
                live.pop();
            }
        }
    }
}

/// Makes a changed roster known, and the conversation open for those of its members who are connected.
fn enlist(maps: &mut Maps, pos: Pos, roster: &Arc<Roster>) {
    let id = roster.conversation;
    let Maps {
        users, conversations, ..
    } = maps;
    // The shorter of the two lists is walked.
    let connected = roster
        .members()
        .filter(|member| users.contains_key(&member.user))
        .map(|member| member.user);
    let connected: Vec<_> = connected.collect();
    for user in connected {
        let Some(online) = users.get_mut(&user) else {
            continue;
        };
        let slot = conversations.open(id, || Live::empty(pos - 1));
        if !online.conversations.contains(&slot) {
            push(&mut online.conversations, [slot]);
            conversations.at(slot).1.hold();
        }
    }
    if let Some(live) = conversations.get(id) {
        live.set_roster(Arc::clone(roster));
    }
}
