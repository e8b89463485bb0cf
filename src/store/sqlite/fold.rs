//! Folding: the memory's indexes go into tables, a few thousand rows at once. What must not live here: when.

use rusqlite::{Connection, params};

use super::int;
use super::recent::Recent;
use super::rows::pack_positions;

/// Writes everything that `recent` holds into the index tables; part of a larger transaction.
pub fn fold(connection: &Connection, recent: &Recent) -> rusqlite::Result<()> {
    let mut segment = connection.prepare_cached(
        "INSERT INTO segment (conversation, first, last, hash, positions) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut state = connection.prepare_cached(
        "UPDATE conversation SET last_seq = ?2, last_count = ?3, last_pos = ?4, hash = ?5 WHERE id = ?1",
    )?;
    // In key order, so that neighbours share a page while it is in the cache.
    let mut conversations: Vec<_> = recent.conversations.iter().collect();
    conversations.sort_unstable_by_key(|(id, _)| **id);
    for (id, stretch) in conversations {
        let standing = stretch.standing();
        let positions = pack_positions(&stretch.positions);
        segment.execute(params![
            int(*id),
            int(stretch.first),
            int(standing.last_seq),
            stretch.hash,
            positions
        ])?;
        state.execute(params![
            int(*id),
            int(standing.last_seq),
            int(standing.last_count),
            int(standing.last_pos),
            stretch.hash
        ])?;
    }
    let mut client =
        connection.prepare_cached("INSERT INTO client (device, client, pos) VALUES (?1, ?2, ?3)")?;
    let mut clients: Vec<_> = recent.clients.iter().collect();
    clients.sort_unstable_by_key(|(key, _)| **key);
    for ((device, id), pos) in clients {
        client.execute(params![int(*device), id, int(*pos)])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('folded', ?1) ON CONFLICT DO UPDATE SET value = ?1",
        )?
        .execute([recent.head.to_le_bytes()])?;
    Ok(())
}
