//! Rosters in tables and in memory: loaded on use, shared by all who need them, dropped when nobody does.
//! What must not live here: what a roster means (see `core::roster`).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{put_number, take_number};
use super::{ById, Hasher, int};
use crate::core::roster::{Interval, Member, MuteUntil, Roster};
use crate::proto::{ConversationId, ConversationKind, JoinRule, Role, UserId};
use crate::store::Pos;

/// Rosters in use. The writer publishes a changed one right after its commit; a reader that loads one meanwhile never
/// overwrites it, because what is being loaded cannot be dropped.
pub struct RosterCache {
    inner: Mutex<Inner>,
    limit: usize,
}

/// Some 50 KB. Those of whom there is no room here are asked of the table.
const PAIRS: usize = 1_024;

#[derive(Default)]
struct Inner {
    rosters: ById<Arc<Roster>>,
    /// Direct ones among them, `PAIRS` at most, by their two people, lower user first.
    pairs: HashMap<(UserId, UserId), u64, Hasher>,
    loading: ById<u32>,
    weight: usize,
}

impl RosterCache {
    pub fn new(limit: usize) -> RosterCache {
        RosterCache {
            inner: Mutex::default(),
            limit,
        }
    }

    pub fn get(&self, conversation: u64) -> Option<Arc<Roster>> {
        self.inner.lock().rosters.get(&conversation).cloned()
    }

    /// The id of the direct conversation of two people, lower user first, if its roster is here.
    pub fn direct(&self, pair: (UserId, UserId)) -> Option<u64> {
        self.inner.lock().pairs.get(&pair).copied()
    }

    /// Announces that a roster is about to be read from the tables; must be followed by `loaded`.
    pub fn begin_load(&self, conversation: u64) {
        *self.inner.lock().loading.entry(conversation).or_insert(0) += 1;
    }

    /// Ends a load. Gives the roster to use, or nothing when there is no room for it (or nothing was found).
    pub fn loaded(&self, conversation: u64, roster: Option<Roster>) -> Result<Option<Arc<Roster>>, NoRoom> {
        let mut inner = self.inner.lock();
        if let Some(count) = inner.loading.get_mut(&conversation) {
            *count -= 1;
            if *count == 0 {
                inner.loading.remove(&conversation);
            }
        }
        if let Some(known) = inner.rosters.get(&conversation) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(roster) = roster else { return Ok(None) };
        let roster = Arc::new(roster);
        inner.put(conversation, &roster);
        if inner.weight > self.limit {
            inner.shed(self.limit);
            if inner.weight > self.limit {
                inner.take(conversation);
                return Err(NoRoom);
            }
        }
        Ok(Some(roster))
    }

    /// Puts the newest roster in place, unless nobody has an older one and there is no room. Only the writer calls this,
    /// after the commit.
    pub fn publish(&self, roster: &Arc<Roster>) {
        let mut inner = self.inner.lock();
        let conversation = roster.conversation.0;
        let known = inner.rosters.contains_key(&conversation) || inner.loading.contains_key(&conversation);
        inner.take(conversation);
        if inner.weight + roster.weight() > self.limit {
            inner.shed(self.limit);
        }
        if known || inner.weight + roster.weight() <= self.limit {
            inner.put(conversation, roster);
        }
    }

    /// Memberships held, for metrics.
    pub fn weight(&self) -> usize {
        self.inner.lock().weight
    }
}

/// All rosters in use together would exceed their limit.
#[derive(Debug)]
pub struct NoRoom;

impl Inner {
    fn put(&mut self, conversation: u64, roster: &Arc<Roster>) {
        self.take(conversation);
        self.weight += roster.weight();
        if self.pairs.len() < PAIRS {
            self.pairs
                .extend(pair_of(roster).map(|pair| (pair, conversation)));
        }
        self.rosters.insert(conversation, Arc::clone(roster));
    }

    fn take(&mut self, conversation: u64) {
        if let Some(old) = self.rosters.remove(&conversation) {
            self.weight -= old.weight();
            if let Some(pair) = pair_of(&old) {
                self.pairs.remove(&pair);
            }
        }
    }

    /// Drops rosters that nobody else holds, until a tenth is free.
    fn shed(&mut self, limit: usize) {
        let goal = limit - limit / 10;
        let mut weight = self.weight;
        let (loading, pairs) = (&self.loading, &mut self.pairs);
        self.rosters.retain(|conversation, roster| {
            let keep = weight <= goal || Arc::strong_count(roster) > 1 || loading.contains_key(conversation);
            if !keep {
                weight -= roster.weight();
                if let Some(pair) = pair_of(roster) {
                    pairs.remove(&pair);
                }
            }
            keep
        });
        self.weight = weight;
    }
}

/// The two of a direct conversation, lower user first. Where one is alone the roster does not say whether there were two.
fn pair_of(roster: &Roster) -> Option<(UserId, UserId)> {
    let mut members = roster.members().map(|member| member.user);
    match (roster.kind, members.next(), members.next()) {
        (ConversationKind::Direct, Some(one), Some(other)) => Some((one.min(other), one.max(other))),
        _ => None,
    }
}

pub fn kind_number(kind: ConversationKind) -> i64 {
    match kind {
        ConversationKind::Direct => 0,
        ConversationKind::Group => 1,
        ConversationKind::Channel => 2,
    }
}

pub fn kind_of(number: i64) -> ConversationKind {
    match number {
        0 => ConversationKind::Direct,
        1 => ConversationKind::Group,
        _ => ConversationKind::Channel,
    }
}

pub fn join_number(rule: JoinRule) -> i64 {
    match rule {
        JoinRule::Open => 0,
        JoinRule::Approval => 1,
        JoinRule::Invitation => 2,
    }
}

pub fn join_of(number: i64) -> JoinRule {
    match number {
        0 => JoinRule::Open,
        1 => JoinRule::Approval,
        _ => JoinRule::Invitation,
    }
}

fn role_of(number: i64) -> Role {
    match number {
        0 => Role::Member,
        1 => Role::Admin,
        _ => Role::Owner,
    }
}

/// The lists of a roster that are short and belong together, as numbers: each list its length, then its items.
fn pack_annex(roster: &Roster) -> Vec<u8> {
    let mut out = Vec::new();
    let intervals = |out: &mut Vec<u8>, list: &[Interval]| {
        put_number(out, list.len() as u64);
        for item in list {
            [item.user.0, item.from, item.to]
                .into_iter()
                .for_each(|number| put_number(out, number));
        }
    };
    intervals(&mut out, &roster.earlier);
    intervals(&mut out, &roster.departed);
    put_number(&mut out, roster.muted.len() as u64);
    for mute in &roster.muted {
        put_number(&mut out, mute.user.0);
        put_number(&mut out, mute.until.map_or(0, |until| until + 1));
    }
    for list in [&roster.banned, &roster.requests] {
        put_number(&mut out, list.len() as u64);
        list.iter().for_each(|user| put_number(&mut out, user.0));
    }
    out
}

fn unpack_annex(roster: &mut Roster, mut bytes: &[u8]) -> Option<()> {
    let bytes = &mut bytes;
    for list in [&mut roster.earlier, &mut roster.departed] {
        for _ in 0..take_number(bytes)? {
            let (user, from, to) = (take_number(bytes)?, take_number(bytes)?, take_number(bytes)?);
            list.push(Interval {
                user: UserId(user),
                from,
                to,
            });
        }
    }
    for _ in 0..take_number(bytes)? {
        let (user, until) = (UserId(take_number(bytes)?), take_number(bytes)?);
        roster.muted.push(MuteUntil {
            user,
            until: until.checked_sub(1),
        });
    }
    for list in [&mut roster.banned, &mut roster.requests] {
        for _ in 0..take_number(bytes)? {
            list.push(UserId(take_number(bytes)?));
        }
    }
    Some(())
}

/// Reads a roster from the tables.
pub fn load(connection: &Connection, conversation: u64) -> rusqlite::Result<Option<Roster>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, title, join_rule, history, mute_all, dissolved, annex,
         all_mentions, members_pin, read_lists, announcement, retention_days FROM conversation WHERE id = ?1",
    )?;
    let found = statement
        .query_row([int(conversation)], |row| {
            let mut roster = Roster::new(ConversationId(conversation), kind_of(row.get(0)?));
            roster.title = row.get::<_, String>(1)?.into();
            roster.join = join_of(row.get(2)?);
            (roster.history, roster.mute_all, roster.dissolved) = (row.get(3)?, row.get(4)?, row.get(5)?);
            roster.retention_days = row.get(11)?;
            let annex: Vec<u8> = row.get(6)?;
            (roster.all_mentions, roster.members_pin, roster.read_lists) =
                (row.get(7)?, row.get(8)?, row.get(9)?);
            roster.announcement = row.get::<_, Option<String>>(10)?.map(Into::into);
            if unpack_annex(&mut roster, &annex).is_none() {
                return Err(rusqlite::Error::InvalidQuery);
            }
            Ok(roster)
        })
        .optional()?;
    let Some(mut roster) = found else { return Ok(None) };
    let mut members = connection
        .prepare_cached("SELECT user, role, from_seq FROM member WHERE conversation = ?1 ORDER BY user")?;
    let rows = members.query_map([int(conversation)], |row| {
        let user = UserId(row.get::<_, i64>(0)?.cast_unsigned());
        Ok(Member::new(
            user,
            role_of(row.get(1)?),
            row.get::<_, i64>(2)?.cast_unsigned(),
        ))
    })?;
    for member in rows {
        roster.put(member?);
    }
    roster.shrink();
    Ok(Some(roster))
}

/// Founds a conversation's row; its members follow with `save`.
pub fn insert(
    connection: &Connection,
    roster: &Roster,
    pair: Option<(UserId, UserId)>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO conversation (id, kind, title, join_rule, history, mute_all, dissolved, annex, one, other, hash)
             VALUES (?1, ?2, '', 2, 0, 0, 0, ?3, ?4, ?5, zeroblob(32))",
        )?
        .execute(params![
            int(roster.conversation.0),
            kind_number(roster.kind),
            pack_annex(&Roster::new(roster.conversation, roster.kind)),
            pair.map(|pair| int(pair.0.0)),
            pair.map(|pair| int(pair.1.0)),
        ])?;
    Ok(())
}

/// Writes what differs between two states of a roster, and who is gone as of the event at `pos`.
pub fn save(connection: &Connection, old: &Roster, new: &Roster, pos: Pos) -> rusqlite::Result<()> {
    let conversation = int(new.conversation.0);
    connection
        .prepare_cached(
            "UPDATE conversation SET kind = ?2, title = ?3, join_rule = ?4, history = ?5, mute_all = ?6,
             dissolved = ?7, annex = ?8, all_mentions = ?9, members_pin = ?10, read_lists = ?11,
             announcement = ?12, retention_days = ?13 WHERE id = ?1",
        )?
        .execute(params![
            conversation,
            kind_number(new.kind),
            &*new.title,
            join_number(new.join),
            new.history,
            new.mute_all,
            new.dissolved,
            pack_annex(new),
            new.all_mentions,
            new.members_pin,
            new.read_lists,
            new.announcement.as_deref(),
            new.retention_days,
        ])?;
    let mut put = connection.prepare_cached(
        "INSERT INTO member (conversation, user, role, from_seq) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET role = excluded.role, from_seq = excluded.from_seq",
    )?;
    let mut back = connection.prepare_cached("DELETE FROM gone WHERE user = ?1 AND conversation = ?2")?;
    for member in new.members() {
        let before = old.member(member.user);
        if before != Some(member) {
            let role = member.role as i64;
            put.execute(params![conversation, int(member.user.0), role, int(member.from)])?;
        }
        if before.is_none() {
            back.execute([int(member.user.0), conversation])?;
        }
    }
    let mut drop = connection.prepare_cached("DELETE FROM member WHERE conversation = ?1 AND user = ?2")?;
    let mut gone = connection.prepare_cached(
        "INSERT INTO gone (user, conversation, pos) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET pos = excluded.pos",
    )?;
    for member in old.members().filter(|member| new.member(member.user).is_none()) {
        drop.execute([conversation, int(member.user.0)])?;
        gone.execute([int(member.user.0), conversation, int(pos)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(id: u64, one: u64, other: u64) -> Roster {
        Roster::direct(ConversationId(id), UserId(one), UserId(other))
    }

    #[test]
    fn a_direct_conversation_is_found_by_its_two_as_long_as_its_roster_is_kept() {
        let cache = RosterCache::new(20);
        let load = |roster: Roster| {
            cache.begin_load(roster.conversation.0);
            cache
                .loaded(roster.conversation.0, Some(roster))
                .expect("there is room")
        };
        load(pair(7, 5, 3));
        load(pair(8, 4, 4));
        load(Roster::new(ConversationId(9), ConversationKind::Group));
        let (three, five) = (UserId(3), UserId(5));
        assert_eq!(cache.direct((three, five)), Some(7));
        assert_eq!(cache.direct((five, three)), None);
        // Who is alone in a roster may have been two.
        assert_eq!(cache.direct((UserId(4), UserId(4))), None);
        let mut left = Roster::new(ConversationId(7), ConversationKind::Direct);
        left.put(Member::new(three, Role::Member, 1));
        cache.publish(&Arc::new(left));
        assert_eq!(cache.direct((three, five)), None);
        cache.publish(&Arc::new(pair(7, 5, 3)));
        assert_eq!(cache.direct((three, five)), Some(7));
        // Nobody holds it, and others need the room.
        for id in 10..30 {
            load(pair(id, id, id + 100));
        }
        let known = |id: u64| cache.direct((UserId(id), UserId(id + 100)));
        assert!((10..30).all(|id| known(id) == cache.get(id).map(|_| id)));
        assert!((10..30).any(|id| cache.get(id).is_none()), "some had to go");
        assert_eq!(cache.direct((three, five)), cache.get(7).map(|_| 7));
    }

    #[test]
    fn pairs_have_a_bound_of_their_own_and_make_room_when_their_rosters_go() {
        let cache = RosterCache::new(10_000);
        let load = |id: u64| {
            cache.begin_load(id);
            cache
                .loaded(id, Some(pair(id, id, id + 10_000)))
                .expect("there is room");
        };
        let known = |ids: std::ops::Range<u64>| {
            ids.filter(|id| cache.direct((UserId(*id), UserId(id + 10_000))) == Some(*id))
                .count()
        };
        (1..2_001).for_each(load);
        assert_eq!(known(1..2_001), PAIRS);
        cache.inner.lock().shed(10);
        (5_001..5_101).for_each(load);
        assert_eq!(known(5_001..5_101), 100);
    }
}
