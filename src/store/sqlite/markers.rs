//! Read markers and last-seen times: registers where the largest wins, coalesced in memory and written with a later
//! commit. What must not live here: who may move them.

use std::collections::HashMap;

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
    markers: HashMap<(u64, UserId), Marker>,
    seen: HashMap<DeviceNo, Timestamp>,
    /// How far threads are read, which is kept by those who follow them.
    threads: HashMap<ThreadKey, Marker>,
    /// What an open transaction has written. It counts until the commit, or nobody would see it in between.
    flushed_markers: HashMap<(u64, UserId), Marker>,
    flushed_seen: HashMap<DeviceNo, Timestamp>,
    flushed_threads: HashMap<ThreadKey, Marker>,
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
        let mut waiting = self.waiting.lock();
        let marker = waiting.markers.entry((conversation, user)).or_default();
        *marker = (*marker).max(Marker { seq, count });
    }

    pub fn seen(&self, device: DeviceNo, ts: Timestamp) {
        let mut waiting = self.waiting.lock();
        let known = waiting.seen.entry(device).or_default();
        *known = (*known).max(ts);
    }

    /// What waits of an erased user is not written.
    pub fn forget(&self, user: UserId) {
        self.waiting.lock().markers.retain(|(_, whose), _| *whose != user);
    }

    /// How many changes wait to be written.
    pub fn len(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.markers.len() + waiting.seen.len() + waiting.threads.len()
    }

    pub fn raise_thread(&self, user: UserId, (conversation, root): (u64, Seq), (seq, count): (Seq, u64)) {
        let mut waiting = self.waiting.lock();
        let marker = waiting.threads.entry((user, conversation, root)).or_default();
        *marker = (*marker).max(Marker { seq, count });
    }

    /// Who does not follow a thread has read nothing in it.
    pub fn forget_thread(&self, user: UserId, (conversation, root): (u64, Seq)) {
        self.waiting.lock().threads.remove(&(user, conversation, root));
    }

    /// How far a user has read threads, as far as it waits to be written. Taken before the tables are read: what leaves
    /// memory meanwhile is there by then.
    pub fn threads_of(&self, user: UserId) -> InThreads {
        let waiting = self.waiting.lock();
        let own = waiting.threads.iter().filter(|((of, ..), _)| *of == user);
        InThreads(
            own.map(|((_, id, root), marker)| ((*id, *root), *marker))
                .collect(),
        )
    }

    /// A device's last-seen time that is not written yet.
    pub fn last_seen(&self, device: DeviceNo) -> Option<Timestamp> {
        self.waiting.lock().seen.get(&device).copied()
    }

    /// One user's marker, written or waiting.
    pub fn get(&self, connection: &Connection, user: UserId, conversation: u64) -> rusqlite::Result<Marker> {
        // In this order: what leaves memory meanwhile is in the table by then.
        let waiting = self
            .waiting
            .lock()
            .markers
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
            .iter()
            .filter(|((id, _), _)| *id == conversation)
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

    /// Writes out what waits; part of a larger transaction. What waits is kept until `written`: a commit that fails leaves
    /// it, and writing the same maximum twice does no harm.
    pub fn flush(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (markers, seen, threads) = {
            let mut waiting = self.waiting.lock();
            waiting.flushed_markers = waiting.markers.clone();
            waiting.flushed_seen = waiting.seen.clone();
            waiting.flushed_threads = waiting.threads.clone();
            (
                waiting.flushed_markers.clone(),
                waiting.flushed_seen.clone(),
                waiting.flushed_threads.clone(),
            )
        };
        let mut put = connection.prepare_cached(
            "INSERT INTO marker (user, conversation, seq, count) SELECT ?1, ?2, ?3, ?4
             WHERE NOT EXISTS (SELECT 1 FROM erasure WHERE erasure.user = ?1)
             ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), count = max(count, excluded.count)",
        )?;
        let mut touch = connection.prepare_cached(
            "UPDATE device SET last_seen = max(last_seen, ?2) WHERE no = ?1
                 AND user NOT IN (SELECT user FROM erasure)",
        )?;
        let mut all: Vec<_> = markers.iter().collect();
        all.sort_unstable();
        for ((conversation, user), marker) in all {
            put.execute([
                int(user.0),
                int(*conversation),
                int(marker.seq),
                int(marker.count),
            ])?;
        }
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
        Ok(())
    }

    /// The transaction of the last `flush` did not come to its commit: everything still waits.
    pub fn not_written(&self) {
        let mut waiting = self.waiting.lock();
        waiting.flushed_markers.clear();
        waiting.flushed_seen.clear();
        waiting.flushed_threads.clear();
    }

    /// The transaction of the last `flush`, if there was one, is on disk: what it wrote need not wait any more.
    pub fn written(&self) {
        let mut waiting = self.waiting.lock();
        for (key, written) in std::mem::take(&mut waiting.flushed_markers) {
            if waiting.markers.get(&key).is_some_and(|now| *now <= written) {
                waiting.markers.remove(&key);
            }
        }
        for (device, written) in std::mem::take(&mut waiting.flushed_seen) {
            if waiting.seen.get(&device).is_some_and(|now| *now <= written) {
                waiting.seen.remove(&device);
            }
        }
        for (key, written) in std::mem::take(&mut waiting.flushed_threads) {
            if waiting.threads.get(&key).is_some_and(|now| *now <= written) {
                waiting.threads.remove(&key);
            }
        }
    }
}
