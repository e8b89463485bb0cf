//! Which threads somebody chose to follow or not to follow any more, by the change since which that stands: so a device that was
//! away learns of it. Only so many are kept for each user; what is forgotten leaves the floor that cleared settings leave, too.
//! What must not live here: how far threads are read, and who follows one because they wrote in it (see `talk`).

use rusqlite::{Connection, OptionalExtension, params};

use super::personal::raise_floor;
use super::registers::Registers;
use super::talk_reads::{number, small};
use super::{Store, int, sql_refusal};
use crate::limits;
use crate::proto::talk::Followed;
use crate::proto::{ConversationId, Refusal, Seq, UserId};

/// Notes, in the transaction that does it, that a user follows a thread or no longer does.
pub fn note(
    registers: &mut Registers<'_>,
    user: UserId,
    (conversation, root): (u64, Seq),
) -> rusqlite::Result<()> {
    let change = registers.next_change();
    registers
        .connection
        .prepare_cached(
            "INSERT INTO follow_change (user, conversation, root, change) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET change = excluded.change",
        )?
        .execute([user.0, conversation, root, change].map(int))?;
    forget(registers.connection, user)
}

/// Forgets the oldest of a user beyond the limit, and remembers up to which change.
fn forget(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT change FROM follow_change WHERE user = ?1 ORDER BY change DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![int(user.0), small(limits::FOLLOWS_TOLD)], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(last) = last else { return Ok(()) };
    connection
        .prepare_cached("DELETE FROM follow_change WHERE user = ?1 AND change <= ?2")?
        .execute([int(user.0), last])?;
    raise_floor(connection, user, last)
}

impl Store {
    /// Threads that a user chose to follow, or not to, after a change number, as that stands now; the oldest change first.
    /// From the beginning on there is nothing to tell: who has nothing yet asks for the threads.
    pub async fn follows_since(
        &self,
        user: UserId,
        change: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Followed)>, Refusal> {
        if change == 0 {
            return Ok(Vec::new());
        }
        self.read(move |connection| since(connection, user, change, limit).map_err(sql_refusal))
            .await
    }
}

fn since(
    connection: &Connection,
    user: UserId,
    change: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Followed)>> {
    let mut find = connection.prepare_cached(
        "SELECT c.change, c.conversation, c.root, EXISTS (SELECT 1 FROM follow f
             WHERE f.user = c.user AND f.conversation = c.conversation AND f.root = c.root)
         FROM follow_change c JOIN member m ON m.conversation = c.conversation AND m.user = c.user
         WHERE c.user = ?1 AND c.change > ?2 ORDER BY c.change LIMIT ?3",
    )?;
    let rows = find.query_map(params![int(user.0), int(change), small(limit)], |row| {
        let followed = Followed {
            conversation: ConversationId(number(row, 1)?),
            thread: number(row, 2)?,
            following: row.get(3)?,
        };
        Ok((number(row, 0)?, followed))
    })?;
    rows.collect()
}
