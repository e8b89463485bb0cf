//! Read markers and last-seen times: registers where the largest wins, coalesced in memory and written with a later
//! commit. What must not live here: who may move them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use super::int;
use super::talk_reads::Following;
use crate::core::permit::DeviceNo;
use crate::proto::{Seq, Timestamp, UserId};

/// How far a user has read a conversation: the seq, and how many messages there were up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    pub seq: Seq,
    pub count: u64,
}

#[derive(Default)]
pub struct Markers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// In the order of their table, so that what is written together lies together.
    markers: Coalesced<(u64, UserId), Marker>,
    seen: Coalesced<DeviceNo, Timestamp>,
    /// How far threads are read, which is kept by those who follow them.
    threads: Coalesced<ThreadKey, Marker>,
}

/// Registers of one kind.
struct Coalesced<K, V> {
    waiting: BTreeMap<K, V>,
    /// What an open transaction has written. It waits until the commit, or nobody would see it in between.
    flushed: Vec<(K, V)>,
    /// The last one that was written: the next portion begins behind it, so that nobody waits for ever behind those who come
    /// again and again.
    last: Option<K>,
}

impl<K, V> Default for Coalesced<K, V> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            flushed: Vec::new(),
            last: None,
        }
    }
}

impl<K: Ord + Copy, V: Ord + Copy + Default> Coalesced<K, V> {
    fn raise(&mut self, key: K, value: V) {
        let known = self.waiting.entry(key).or_default();
        *known = (*known).max(value);
    }

    /// The next portion to be written.
    fn portion(&mut self, most: usize) -> Vec<(K, V)> {
        let from = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.waiting.range((from, Bound::Unbounded));
        let before = self
            .last
            .map(|last| self.waiting.range(..=last))
            .into_iter()
            .flatten();
        let next = behind.chain(before).take(most);
        self.flushed = next.map(|(key, value)| (*key, *value)).collect();
        self.last = self.flushed.last().map(|(key, _)| *key);
        self.flushed.clone()
    }

    /// The portion is on disk. What rose meanwhile goes on waiting.
    fn written(&mut self) {
        for (key, written) in std::mem::take(&mut self.flushed) {
            if self.waiting.get(&key).is_some_and(|now| *now <= written) {
                self.waiting.remove(&key);
            }
        }
    }
}

/// One user's waiting places in threads, by (conversation, root).
pub struct InThreads(HashMap<(u64, Seq), Marker>);

impl InThreads {
    /// A thread as it was read from the tables, with what waits.
    pub fn with(&self, thread: Following) -> Following {
        let waiting = self.0.get(&(thread.conversation.0, thread.root));
        let waiting = waiting.map_or((0, 0), |marker| (marker.seq, marker.count));
        Following {
            read: thread.read.map(|read| read.max(waiting)),
            ..thread
        }
    }
}

/// (user, conversation, root)
type ThreadKey = (UserId, u64, Seq);

impl Markers {
    pub fn raise(&self, user: UserId, conversation: u64, seq: Seq, count: u64) {
        let marker = Marker { seq, count };
        self.waiting.lock().markers.raise((conversation, user), marker);
    }

    pub fn seen(&self, device: DeviceNo, ts: Timestamp) {
        self.waiting.lock().seen.raise(device, ts);
    }

    /// What waits of an erased user is not written.
    pub fn forget(&self, user: UserId) {
        let mut waiting = self.waiting.lock();
        waiting.markers.waiting.retain(|(_, whose), _| *whose != user);
    }

    /// How many changes wait to be written.
    pub fn len(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.markers.waiting.len() + waiting.seen.waiting.len() + waiting.threads.waiting.len()
    }

    pub fn raise_thread(&self, user: UserId, (conversation, root): (u64, Seq), (seq, count): (Seq, u64)) {
        let marker = Marker { seq, count };
        self.waiting
            .lock()
            .threads
            .raise((user, conversation, root), marker);
    }

    /// Who does not follow a thread has read nothing in it.
    pub fn forget_thread(&self, user: UserId, (conversation, root): (u64, Seq)) {
        self.waiting
            .lock()
            .threads
            .waiting
            .remove(&(user, conversation, root));
    }

    /// How far a user has read threads, as far as it waits to be written. Taken before the tables are read: what leaves
    /// memory meanwhile is there by then.
    pub fn threads_of(&self, user: UserId) -> InThreads {
        let waiting = self.waiting.lock();
        let own = waiting.threads.waiting.iter().filter(|((of, ..), _)| *of == user);
        InThreads(
            own.map(|((_, id, root), marker)| ((*id, *root), *marker))
                .collect(),
        )
    }

    /// A device's last-seen time that is not written yet.
    pub fn last_seen(&self, device: DeviceNo) -> Option<Timestamp> {
        self.waiting.lock().seen.waiting.get(&device).copied()
    }

    /// One user's marker, written or waiting.
    pub fn get(&self, connection: &Connection, user: UserId, conversation: u64) -> rusqlite::Result<Marker> {
        // In this order: what leaves memory meanwhile is in the table by then.
        let waiting = self
            .waiting
            .lock()
            .markers
            .waiting
            .get(&(conversation, user))
            .copied()
            .unwrap_or_default();
        let written = connection
            .prepare_cached("SELECT seq, count FROM marker WHERE conversation = ?1 AND user = ?2")?
            .query_row([int(conversation), int(user.0)], |row| {
                Ok(Marker {
                    seq: row.get::<_, i64>(0)?.cast_unsigned(),
                    count: row.get::<_, i64>(1)?.cast_unsigned(),
                })
            })
            .optional()?
            .unwrap_or_default();
        Ok(written.max(waiting))
    }

    /// All markers of a conversation, written or waiting: one statement, however many members there are.
    pub fn of(
        &self,
        connection: &Connection,
        conversation: u64,
    ) -> rusqlite::Result<HashMap<UserId, Marker>> {
        // In this order, as in `get`.
        let mut markers: HashMap<UserId, Marker> = self
            .waiting
            .lock()
            .markers
            .waiting
            .range((conversation, UserId(0))..=(conversation, UserId(u64::MAX)))
            .map(|((_, user), marker)| (*user, *marker))
            .collect();
        let mut written =
            connection.prepare_cached("SELECT user, seq, count FROM marker WHERE conversation = ?1")?;
        let mut rows = written.query([int(conversation)])?;
        while let Some(row) = rows.next()? {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let marker = markers.entry(UserId(number(0)?)).or_default();
            *marker = (*marker).max(Marker {
                seq: number(1)?,
                count: number(2)?,
            });
        }
        Ok(markers)
    }

    /// Writes out what waits, of each kind at most so many; part of a larger transaction. What waits is kept until `written`: a
    /// commit that fails leaves it, and writing the same maximum twice does no harm. Gives whether that was all.
    pub fn flush(&self, connection: &Connection, most: usize) -> rusqlite::Result<bool> {
        let (markers, seen, threads, all) = {
            let mut waiting = self.waiting.lock();
            let portions = (
                waiting.markers.portion(most),
                waiting.seen.portion(most),
                waiting.threads.portion(most),
            );
            let all = portions.0.len() == waiting.markers.waiting.len()
                && portions.1.len() == waiting.seen.waiting.len()
                && portions.2.len() == waiting.threads.waiting.len();
            (portions.0, portions.1, portions.2, all)
        };
        let mut put = connection.prepare_cached(
            "INSERT INTO marker (user, conversation, seq, count) SELECT ?1, ?2, ?3, ?4
             WHERE NOT EXISTS (SELECT 1 FROM erasure WHERE erasure.user = ?1)
             ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), count = max(count, excluded.count)",
        )?;
        for ((conversation, user), marker) in markers {
            put.execute([user.0, conversation, marker.seq, marker.count].map(int))?;
        }
        let mut touch = connection.prepare_cached(
            "UPDATE device SET last_seen = max(last_seen, ?2) WHERE no = ?1
                 AND user NOT IN (SELECT user FROM erasure)",
        )?;
        for (device, ts) in seen {
            touch.execute(params![int(device), int(ts)])?;
        }
        for ((user, conversation, root), marker) in threads {
            connection
                .prepare_cached(
                    "UPDATE follow SET seq = max(seq, ?4), number = max(number, ?5)
                     WHERE user = ?1 AND conversation = ?2 AND root = ?3",
                )?
                .execute([user.0, conversation, root, marker.seq, marker.count].map(int))?;
        }
        Ok(all)
    }

    /// The transaction of the last `flush` did not come to its commit: everything still waits.
    pub fn not_written(&self) {
        let mut waiting = self.waiting.lock();
        waiting.markers.flushed.clear();
        waiting.seen.flushed.clear();
        waiting.threads.flushed.clear();
    }

    /// The transaction of the last `flush`, if there was one, is on disk: what it wrote need not wait any more.
    pub fn written(&self) {
        let mut waiting = self.waiting.lock();
        waiting.markers.written();
        waiting.seen.written();
        waiting.threads.written();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_begins_behind_the_last_one_and_what_rises_meanwhile_goes_on_waiting() {
        let mut registers = Coalesced::<u64, u64>::default();
        for key in 1..=5 {
            registers.raise(key, 10 * key);
        }
        assert_eq!(registers.portion(2), [(1, 10), (2, 20)]);
        registers.raise(1, 11);
        registers.written();
        // One comes again and again; the others have their turns all the same.
        assert_eq!(registers.portion(2), [(3, 30), (4, 40)]);
        registers.written();
        assert_eq!(registers.portion(2), [(5, 50), (1, 11)]);
        // A commit that failed wrote nothing.
        registers.flushed.clear();
        assert_eq!(registers.waiting.len(), 2);
        assert_eq!(registers.portion(9), [(5, 50), (1, 11)]);
        registers.written();
        assert!(registers.waiting.is_empty());
        assert_eq!(registers.portion(9), []);
    }

    #[test]
    fn one_commit_carries_at_most_a_portion() {
        let connection = Connection::open_in_memory().expect("a database in memory");
        let tables = "CREATE TABLE device (no INTEGER PRIMARY KEY, user INTEGER, last_seen INTEGER);
             CREATE TABLE erasure (user INTEGER); CREATE TABLE follow (user, conversation, root, seq, number);
             CREATE TABLE marker (conversation, user, seq, count, PRIMARY KEY (conversation, user));
             WITH RECURSIVE n(no) AS (SELECT 1 UNION ALL SELECT no + 1 FROM n WHERE no < 600)
             INSERT INTO device SELECT no, no, 0 FROM n";
        connection.execute_batch(tables).expect("tables");
        let markers = Markers::default();
        for device in 1..=600 {
            markers.seen(device, 7);
            markers.raise(UserId(device), 1, 3, 3);
        }
        let most = crate::limits::FLUSHED_AT_ONCE;
        let touched = || {
            let sql =
                "SELECT (SELECT count(*) FROM device WHERE last_seen = 7), (SELECT count(*) FROM marker)";
            let row = connection.query_row(sql, [], |row| Ok([row.get(0)?, row.get::<_, i64>(1)?]));
            row.expect("two counts")
        };
        let mut rounds = 0;
        while !markers.flush(&connection, most).expect("written") {
            markers.written();
            rounds += 1;
            assert_eq!(touched(), [(rounds * most) as i64; 2]);
        }
        markers.written();
        assert_eq!(touched(), [600; 2]);
        assert_eq!((rounds, markers.len()), (600 / most, 0));
    }
}
