//! Wakes: who is connected, and the newest events of their conversations, encoded once. What must not live here: disk,
//! sockets, any queue per connection, any event that is not committed.
//!
//! A bell carries no message. It says which conversation moved, or that several did; what to deliver is decided by the
//! reader's position alone, so a ring may be lost, doubled or late.

pub mod bell;
mod everyone;
mod live;
mod lives;
mod publish;
mod ringer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

pub use self::bell::{Bell, Hint, Packed, Rung};
pub use self::live::{Kind, Walk};
pub use self::publish::{Published, Publisher};
pub use self::ringer::{Ringer, Round};

use self::everyone::Everyone;
use self::live::Live;
use self::lives::{Lives, Slot};
use crate::core::discretion::Discretion;
use crate::core::roster::Roster;
use crate::limits;
use crate::proto::{ConversationId, Notice, Seq, UserId, codec};

/// A place in the log; the hub only compares it.
pub type Pos = u64;

/// Everyone who is connected, and what they share.
pub struct Hub {
    maps: RwLock<Maps>,
    /// Every bell for events up to here has been rung.
    rung: AtomicU64,
    /// Counts notices, so that a reader knows which it has seen. Like `rung` it is raised after the hints are in place.
    stamp: AtomicU64,
    /// Sessions that want to hear who comes and goes.
    watchers: AtomicUsize,
    /// Held by the one who tells a notice.
    telling: Mutex<()>,
    everyone: Everyone,
    /// Who keeps apart, and who is not to be seen.
    discretion: OnceLock<Arc<Discretion>>,
}

/// The keys are ids that the server made by chance; nobody else can make them collide.
type Hasher = foldhash::fast::RandomState;

#[derive(Default)]
struct Maps {
    users: HashMap<UserId, Online, Hasher>,
    conversations: Lives,
    /// The last place that is in the tails.
    published: AtomicU64,
}

/// A connected user: a bell per session, and the conversations that are kept in memory for them.
#[derive(Default)]
struct Online {
    bells: Box<[Arc<Bell>]>,
    conversations: Box<[Slot]>,
}

/// Grows a list to just what it holds: most people have one session, and there are many people.
fn push<T>(list: &mut Box<[T]>, more: impl IntoIterator<Item = T>) {
    let mut grown = std::mem::take(list).into_vec();
    let more: Vec<T> = more.into_iter().collect();
    grown.reserve_exact(more.len());
    grown.extend(more);
    *list = grown.into_boxed_slice();
}

impl Maps {
    /// What is behind a user's list: nothing where nobody is connected.
    fn lives_of(&self, user: UserId) -> impl Iterator<Item = (ConversationId, &Arc<Live>)> {
        let online = self.users.get(&user);
        let slots = online.into_iter().flat_map(|online| &online.conversations);
        slots.map(|slot| self.conversations.at(*slot))
    }

    fn ids_of(&self, user: UserId) -> Vec<ConversationId> {
        self.lives_of(user).map(|(id, _)| id).collect()
    }
}

impl Hub {
    #[must_use]
    pub fn new(head: Pos) -> Arc<Hub> {
        let maps = Maps {
            published: AtomicU64::new(head),
            ..Maps::default()
        };
        Arc::new(Hub {
            maps: RwLock::new(maps),
            rung: AtomicU64::new(head),
            stamp: AtomicU64::new(1),
            watchers: AtomicUsize::new(0),
            telling: Mutex::new(()),
            everyone: Everyone::default(),
            discretion: OnceLock::new(),
        })
    }

    /// Whether a user has a session just now.
    #[must_use]
    pub fn is_online(&self, user: UserId) -> bool {
        self.maps.read().users.contains_key(&user)
    }

    /// Where the log stands when the server starts; for before anybody is attached.
    pub fn begin_at(&self, head: Pos) {
        self.maps.read().published.store(head, Ordering::Release);
        self.rung.store(head, Ordering::Release);
    }

    /// Whom to ask about people's distance; for before anybody is attached.
    pub fn heed(&self, discretion: Arc<Discretion>) {
        // Asked once, at the start.
        let _ = self.discretion.set(discretion);
    }

    /// Whether a session wants to hear a notice that `from` caused, and may.
    fn hears(&self, kind: Kind, roster: &Roster, from: UserId, bell: &Bell) -> bool {
        kind.is_for(bell, from)
            && self.discretion.get().is_none_or(|discretion| match kind {
                Kind::Thread | Kind::OwnRead => true,
                Kind::Typing => discretion.may_hear(roster, from, bell.user()),
                Kind::Read => {
                    discretion.may_hear(roster, from, bell.user())
                        && discretion.may_see_reads(from, bell.user())
                }
                Kind::Presence => {
                    discretion.may_hear(roster, from, bell.user())
                        && discretion.may_see_presence(from, bell.user())
                }
                // Who goes out of sight is told to have gone.
                Kind::Farewell => !discretion.is_unseen(bell.user()),
            })
    }

    /// Registers a session. The conversations follow with `open`; what is published meanwhile is kept for them.
    /// Says whether it is the user's first that others are told of.
    pub fn attach(&self, bell: &Arc<Bell>) -> Result<bool, TooMany> {
        let mut maps = self.maps.write();
        let online = maps.users.entry(bell.user()).or_default();
        if online.bells.len() >= bell.per_user() {
            return Err(TooMany);
        }
        let is_first = !bell.is_quiet() && online.bells.iter().all(|other| other.is_quiet());
        push(&mut online.bells, [Arc::clone(bell)]);
        Ok(is_first)
    }

    /// Takes a session out; the last one of a user takes the user's conversations with it.
    pub fn detach(&self, bell: &Arc<Bell>) {
        self.set_presence(bell, false);
        let is_last;
        let left = {
            let mut maps = self.maps.write();
            let Some(online) = maps.users.get_mut(&bell.user()) else {
                return;
            };
            let bells = std::mem::take(&mut online.bells).into_iter();
            online.bells = bells.filter(|other| !Arc::ptr_eq(other, bell)).collect();
            is_last = !bell.is_quiet() && online.bells.iter().all(|other| other.is_quiet());
            if online.bells.is_empty() {
                let online = maps.users.remove(&bell.user()).expect("it was there a line ago");
                let mut left = Vec::new();
                for slot in online.conversations {
                    let (id, live) = maps.conversations.at(slot);
                    if live.release() {
                        maps.conversations.close(slot);
                    } else {
                        left.push(id);
                    }
                }
                left
            } else {
                maps.ids_of(bell.user())
            }
        };
        if !is_last || self.watchers.load(Ordering::Acquire) == 0 {
            return;
        }
        let notice = Notice::Presence {
            user: bell.user(),
            online: false,
        };
        self.tell(&left, bell.user(), Kind::Presence, &notice);
    }

    /// Keeps these conversations in memory for a connected user. Gives those whose people are not known yet: the caller
    /// reads their rosters afterwards and hands them to `fill`.
    pub fn open(&self, user: UserId, conversations: &[ConversationId]) -> Vec<ConversationId> {
        let mut maps = self.maps.write();
        let Maps {
            users,
            conversations: lives,
            published,
        } = &mut *maps;
        let Some(online) = users.get_mut(&user) else {
            return Vec::new();
        };
        let mut unknown = Vec::new();
        let mut opened = Vec::new();
        for id in conversations {
            let slot = lives.open(*id, || Live::empty(published.load(Ordering::Acquire)));
            let (_, live) = lives.at(slot);
            if !online.conversations.contains(&slot) && !opened.contains(&slot) {
                opened.push(slot);
                live.hold();
            }
            if live.roster().is_none() {
                unknown.push(*id);
            }
        }
        push(&mut online.conversations, opened);
        unknown
    }

    /// A roster read after `open`; if a commit has brought a newer one meanwhile, that stays.
    pub fn fill(&self, roster: Arc<Roster>, last: Pos) {
        if let Some(live) = self.live(roster.conversation) {
            live.fill(roster, last);
        }
    }

    fn live(&self, conversation: ConversationId) -> Option<Arc<Live>> {
        self.maps.read().conversations.get(conversation).cloned()
    }

    /// The people of a conversation that is in memory.
    #[must_use]
    pub fn roster(&self, conversation: ConversationId) -> Option<Arc<Roster>> {
        self.live(conversation)?.roster()
    }

    /// How far a reader may go: all bells for it have been rung.
    #[must_use]
    pub fn rung(&self) -> Pos {
        self.rung.load(Ordering::Acquire)
    }

    /// The newest notice's number.
    #[must_use]
    pub fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Acquire)
    }

    /// The user's conversations in which something lies after `after`, or that had a notice after `noticed`.
    #[must_use]
    pub fn moved(&self, user: UserId, after: Pos, noticed: u64) -> Vec<ConversationId> {
        let maps = self.maps.read();
        maps.lives_of(user)
            .filter(|(_, live)| live.last() > after || live.last_notice() > noticed)
            .map(|(id, _)| id)
            .collect()
    }

    /// Walks a conversation's tail from after `after` up to `target`, handing over each event that the user may see.
    pub fn walk(
        &self,
        conversation: ConversationId,
        user: UserId,
        span: (Pos, Pos),
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Walk {
        let hidden = self.hidden(conversation, user);
        self.live(conversation)
            .map_or(Walk::Done, |live| live.walk((user, &hidden), span, take))
    }

    /// What a user has deleted of a conversation for themselves: nearly always nothing.
    #[must_use]
    pub fn hidden(&self, conversation: ConversationId, user: UserId) -> Vec<Seq> {
        let discretion = self.discretion.get();
        discretion.map_or_else(Vec::new, |discretion| discretion.hidden().of(user, conversation))
    }

    /// Hands over a conversation's notices after `noticed`, up to `stamp`.
    pub fn notices(
        &self,
        conversation: ConversationId,
        bell: &Bell,
        span: (u64, u64),
        take: &mut dyn FnMut(&[u8]),
    ) {
        if let Some(live) = self.live(conversation) {
            let hears = |kind, roster: &Roster, from| self.hears(kind, roster, from, bell);
            live.notices(bell.user(), span, &hears, take);
        }
    }

    /// Puts a notice into conversations and rings their members' bells, the sender's other sessions included.
    pub fn tell(&self, conversations: &[ConversationId], from: UserId, kind: Kind, notice: &Notice) {
        let bytes = codec::encode_notice(notice);
        let maps = self.maps.read();
        for id in conversations {
            let Some(live) = maps.conversations.get(*id) else {
                continue;
            };
            let Some(roster) = live.roster() else { continue };
            // Who has left is no longer anybody's business there, though the conversation stays open for the session.
            if roster.members().len() > limits::NOTICE_MEMBERS || roster.member(from).is_none() {
                continue;
            }
            let online = roster.members().filter_map(|member| maps.users.get(&member.user));
            let listening = online
                .flat_map(|online| &online.bells)
                .filter(|bell| self.hears(kind, &roster, from, bell));
            let mut listening = listening.peekable();
            // What nobody listens to is not kept: notices are for those who are here.
            if listening.peek().is_none() {
                continue;
            }
            let _one_at_a_time = self.telling.lock();
            let stamp = self.stamp() + 1;
            live.put_notice(stamp, from, kind, bytes.clone());
            let listening: Vec<_> = listening.inspect(|bell| bell.hint(*id)).collect();
            self.stamp.store(stamp, Ordering::Release);
            listening.into_iter().for_each(|bell| bell.poke());
        }
    }

    /// Subscribes a session to presence, or ends that.
    pub fn set_presence(&self, bell: &Bell, on: bool) {
        match (bell.set_presence(on), on) {
            (false, true) => self.watchers.fetch_add(1, Ordering::AcqRel),
            (true, false) => self.watchers.fetch_sub(1, Ordering::AcqRel),
            _ => return,
        };
    }

    /// Tells in a user's conversations that they came or went.
    pub fn tell_presence(&self, user: UserId, online: bool) {
        self.tell_all(user, Kind::Presence, &Notice::Presence { user, online });
    }

    /// Somebody wants to be seen no more, or again: to the others they go or come, as far as they are here at all.
    pub fn change_sight(&self, user: UserId, unseen: bool) {
        let is_here = {
            let maps = self.maps.read();
            let online = maps.users.get(&user);
            online.is_some_and(|online| online.bells.iter().any(|bell| !bell.is_quiet()))
        };
        let kind = if unseen { Kind::Farewell } else { Kind::Presence };
        if is_here {
            let online = !unseen;
            self.tell_all(user, kind, &Notice::Presence { user, online });
        }
    }

    /// A setting of the user's own changed: their sessions look.
    pub fn ring_own(&self, user: UserId, change: u64) {
        let maps = self.maps.read();
        let online = maps.users.get(&user).into_iter();
        online
            .flat_map(|online| &online.bells)
            .filter(|bell| !bell.is_quiet())
            .for_each(|bell| bell.ring_own(change));
    }

    /// The same in all of a user's conversations, to those who asked to hear who comes and goes.
    fn tell_all(&self, user: UserId, kind: Kind, notice: &Notice) {
        if self.watchers.load(Ordering::Acquire) == 0 {
            return;
        }
        let conversations = {
            let maps = self.maps.read();
            maps.ids_of(user)
        };
        self.tell(&conversations, user, kind, notice);
    }

    /// Who of the people in a user's conversations is connected.
    #[must_use]
    pub fn online_peers(&self, user: UserId) -> Vec<UserId> {
        let maps = self.maps.read();
        let rosters = maps.lives_of(user).filter_map(|(_, live)| live.roster());
        let sees = |roster: &Roster, peer: UserId| {
            self.discretion.get().is_none_or(|discretion| {
                discretion.may_hear(roster, peer, user) && discretion.may_see_presence(peer, user)
            })
        };
        let mut peers: Vec<UserId> = Vec::new();
        for roster in rosters.filter(|roster| roster.member(user).is_some()) {
            if roster.members().len() <= limits::NOTICE_MEMBERS {
                let members = roster.members().map(|member| member.user);
                peers.extend(
                    members.filter(|peer| {
                        *peer != user && maps.users.contains_key(peer) && sees(&roster, *peer)
                    }),
                );
            }
        }
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Ends sessions: one device's, or all of a user's but one.
    pub fn revoke(&self, user: UserId, device: Option<u64>, except: Option<u64>) {
        let maps = self.maps.read();
        let Some(online) = maps.users.get(&user) else {
            return;
        };
        for bell in &online.bells {
            let meant = device.is_none_or(|device| device == bell.device()) && except != Some(bell.device());
            if meant {
                bell.revoke();
            }
        }
    }

    /// Says to a user's sessions that there is something new about their account.
    pub fn tell_news(&self, user: UserId) {
        let maps = self.maps.read();
        if let Some(online) = maps.users.get(&user) {
            online.bells.iter().for_each(|bell| bell.tell_news());
        }
    }

    /// Ends all sessions: the server stops.
    pub fn stop_all(&self) {
        let maps = self.maps.read();
        maps.users
            .values()
            .flat_map(|online| &online.bells)
            .for_each(|bell| bell.stop());
    }

    /// (users connected, conversations in memory), for metrics.
    #[must_use]
    pub fn usage(&self) -> (usize, usize) {
        let maps = self.maps.read();
        (maps.users.len(), maps.conversations.len())
    }
}

/// The user has as many sessions as one may have.
#[derive(Debug)]
pub struct TooMany;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_comes_and_goes_unheard_and_hides_no_session() {
        let (hub, room) = (Hub::new(0), ConversationId(5));
        let (peer, one) = (UserId(1), UserId(2));
        let listener = Arc::new(Bell::new(peer, 1, 4));
        hub.set_presence(&listener, true);
        hub.attach(&listener).expect("there is room");
        hub.open(peer, &[room]);
        hub.fill(Arc::new(Roster::direct(room, peer, one)), 0);
        let poll = Arc::new(Bell::new(one, 2, 4).quiet());
        let session = Arc::new(Bell::new(one, 3, 4));
        assert!(!hub.attach(&poll).expect("there is room"), "a poll was told");
        hub.open(one, &[room]);
        hub.detach(&poll);
        assert_eq!(listener.take_hint(), Hint::Nothing, "a poll's end was told");
        hub.attach(&poll).expect("there is room");
        assert!(
            hub.attach(&session).expect("there is room"),
            "a session was not told"
        );
        hub.open(one, &[room]);
        hub.detach(&session);
        assert_eq!(
            listener.take_hint(),
            Hint::One(room),
            "a session's end was not told"
        );
    }

    #[test]
    fn a_walk_at_its_target_is_over_also_where_the_tail_begins_later() {
        let (hub, room, reader) = (Hub::new(0), ConversationId(5), UserId(1));
        hub.attach(&Arc::new(Bell::new(reader, 1, 4)))
            .expect("there is room");
        hub.open(reader, &[room]);
        hub.fill(Arc::new(Roster::direct(room, reader, UserId(2))), 0);
        let mut publisher = Publisher::new(Arc::clone(&hub), 1);
        for pos in 1..=3 {
            let event = crate::proto::Event {
                conversation: room,
                seq: pos,
                count: pos,
                ts: 1,
                unsynchronised: false,
                by: reader,
                client_id: crate::proto::ClientId(uuid::Uuid::from_u128(u128::from(pos))),
                what: crate::proto::What::Left {},
            };
            publisher.publish(&[Published {
                pos,
                event: &event,
                roster: None,
                tombstones: &[],
            }]);
        }
        let walk = |after, target| hub.walk(room, reader, (after, target), &mut |_| true);
        assert!(matches!(walk(1, 2), Walk::Older(_)), "the tail keeps nothing");
        assert!(
            matches!(walk(2, 2), Walk::Done),
            "there is nothing between here and there"
        );
    }
}
