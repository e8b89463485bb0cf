//! Finding rows: by conversation and seq, by device and client id, by place. What must not live here: writing.

use rusqlite::{Connection, OptionalExtension, params};

use super::int;
use super::recent::{ClientKey, Recent};
use super::rows::{COLUMNS, Hash, Row, unpack_positions};
use crate::proto::Seq;
use crate::store::{Pos, Standing};

/// A folded stretch of one conversation.
pub struct Segment {
    pub first: Seq,
    pub last: Seq,
    pub positions: Vec<Pos>,
}

pub fn row_at(connection: &Connection, pos: Pos) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM log WHERE pos = ?1"))?
        .query_row([int(pos)], Row::read)
        .optional()
}

/// The segment that holds `seq`, or the nearest one below it.
pub fn segment_at(connection: &Connection, conversation: u64, seq: Seq) -> rusqlite::Result<Option<Segment>> {
    connection
        .prepare_cached(
            "SELECT first, last, positions FROM segment WHERE conversation = ?1 AND first <= ?2
             ORDER BY first DESC LIMIT 1",
        )?
        .query_row([int(conversation), int(seq)], |row| {
            Ok(Segment {
                first: row.get::<_, i64>(0)?.cast_unsigned(),
                last: row.get::<_, i64>(1)?.cast_unsigned(),
                positions: unpack_positions(row.get_ref(2)?.as_blob()?),
            })
        })
        .optional()
}

/// The place of one folded event.
pub fn folded_pos(connection: &Connection, conversation: u64, seq: Seq) -> rusqlite::Result<Option<Pos>> {
    let Some(segment) = segment_at(connection, conversation, seq)? else {
        return Ok(None);
    };
    let at = usize::try_from(seq.saturating_sub(segment.first)).unwrap_or(usize::MAX);
    Ok(segment
        .positions
        .get(at)
        .copied()
        .filter(|_| (segment.first..=segment.last).contains(&seq)))
}

/// The places of the seqs `from..=to` (which exist), folded or recent. `recent` is what the memory had before the
/// connection's read began, so that what was folded in between is found in the tables.
pub fn positions(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: u64,
    from: Seq,
    to: Seq,
) -> rusqlite::Result<Vec<(Seq, Pos)>> {
    let mut found = Vec::new();
    let mut seq = from;
    while seq <= to {
        if seq >= recent.first {
            let at = usize::try_from(seq - recent.first).expect("a slice is small");
            let Some(pos) = recent.positions.get(at) else {
                break;
            };
            found.push((seq, *pos));
            seq += 1;
            continue;
        }
        let Some(segment) = segment_at(connection, conversation, seq)? else {
            break;
        };
        if seq > segment.last {
            break;
        }
        let skip = usize::try_from(seq - segment.first).expect("a segment is small");
        for pos in segment.positions.iter().skip(skip) {
            if seq > to || seq >= recent.first {
                break;
            }
            found.push((seq, *pos));
            seq += 1;
        }
    }
    Ok(found)
}

/// The part of a conversation's recent places that a page can need.
pub struct RecentSlice {
    pub first: Seq,
    pub positions: Vec<Pos>,
    pub standing: Option<Standing>,
}

impl RecentSlice {
    pub fn of(recent: &Recent, conversation: u64) -> RecentSlice {
        match recent.conversations.get(&conversation) {
            Some(stretch) => RecentSlice {
                first: stretch.first,
                positions: stretch.positions.clone(),
                standing: Some(stretch.standing()),
            },
            None => RecentSlice {
                first: Seq::MAX,
                positions: Vec::new(),
                standing: None,
            },
        }
    }
}

/// Where a conversation stood when it was last folded, and its hash.
pub fn folded_state(
    connection: &Connection,
    conversation: u64,
) -> rusqlite::Result<Option<(Standing, Hash)>> {
    connection
        .prepare_cached("SELECT last_seq, last_count, last_pos, hash FROM conversation WHERE id = ?1")?
        .query_row([int(conversation)], |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let standing = Standing {
                last_seq: number(0)?,
                last_count: number(1)?,
                last_pos: number(2)?,
            };
            Ok((standing, row.get(3)?))
        })
        .optional()
}

/// Where a conversation stands.
pub fn standing(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: u64,
) -> rusqlite::Result<Standing> {
    match recent.standing {
        Some(standing) => Ok(standing),
        None => {
            Ok(folded_state(connection, conversation)?.map_or(Standing::default(), |(standing, _)| standing))
        }
    }
}

/// Whether a client id begins with the time it was made: a UUID of version 7 (RFC 9562, 5.7). It says in which table the
/// id is kept, so it must never change.
pub fn tells_time(client: &[u8; 16]) -> bool {
    client[6] >> 4 == 7
}

/// The place of an earlier command of the same device and id that is folded already.
pub fn folded_client(connection: &Connection, key: ClientKey) -> rusqlite::Result<Option<Pos>> {
    let table = if tells_time(&key.1) {
        "SELECT pos FROM timely_client WHERE client = ?2 AND device = ?1"
    } else {
        "SELECT pos FROM client WHERE device = ?1 AND client = ?2"
    };
    connection
        .prepare_cached(table)?
        .query_row(params![int(key.0), key.1], |row| {
            row.get::<_, i64>(0).map(i64::cast_unsigned)
        })
        .optional()
}

/// The first seq of a conversation whose place lies after `pos`; `last + 1` when there is none. Places grow with seqs, so
/// halving finds it without another index.
pub fn first_after_pos(
    connection: &Connection,
    recent: &RecentSlice,
    conversation: u64,
    pos: Pos,
    last: Seq,
) -> rusqlite::Result<Seq> {
    if recent.positions.first().is_some_and(|first| *first <= pos) {
        return Ok(recent.first + recent.positions.partition_point(|place| *place <= pos) as u64);
    }
    let (mut low, mut high) = (1, last.min(recent.first.saturating_sub(1)) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(segment) = segment_at(connection, conversation, middle)? else {
            break;
        };
        let before = segment.positions.partition_point(|place| *place <= pos) as u64;
        if before == 0 {
            high = segment.first;
        } else if before < segment.positions.len() as u64 {
            return Ok(segment.first + before);
        } else {
            low = segment.last + 1;
        }
    }
    Ok(low)
}
