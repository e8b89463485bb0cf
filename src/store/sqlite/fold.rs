//! Folding: the memory's indexes go into tables, a few thousand rows at once. What must not live here: when.

use rusqlite::{Connection, params};

use super::find::tells_time;
use super::int;
use super::recent::{ClientKey, Recent};
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
    fold_clients(connection, recent)?;
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('folded', ?1) ON CONFLICT DO UPDATE SET value = ?1",
        )?
        .execute([recent.head.to_le_bytes()])?;
    Ok(())
}

/// Ids that tell their time go to the end of their table, all into the same few pages; the others to their devices'.
fn fold_clients(connection: &Connection, recent: &Recent) -> rusqlite::Result<()> {
    let (mut timely, mut others): (Vec<(&ClientKey, _)>, Vec<_>) =
        recent.clients.iter().partition(|((_, id), _)| tells_time(id));
    timely.sort_unstable_by_key(|((device, id), _)| (id, device));
    others.sort_unstable();
    for (table, clients) in [
        (
            "INSERT INTO timely_client (device, client, pos) VALUES (?1, ?2, ?3)",
            timely,
        ),
        (
            "INSERT INTO client (device, client, pos) VALUES (?1, ?2, ?3)",
            others,
        ),
    ] {
        let mut insert = connection.prepare_cached(table)?;
        for ((device, id), pos) in clients {
            insert.execute(params![int(*device), id, int(*pos)])?;
        }
    }
    Ok(())
}
