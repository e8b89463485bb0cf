//! The journal of admins: what they did, written in the transaction of the act. What must not live here: a way to change
//! or take away a row (the table's triggers refuse it as well), and the text of any message.

use rusqlite::{Connection, Row, params};

use super::{By, Outcome, Registers, Store, from_sql, office, sql_refusal, to_sql};
use crate::core::permit::server;
use crate::limits;
use crate::proto::people::{AuditEntry, AuditPage, AuditQuery, AuditWhat};
use crate::proto::{Code, DeviceId, UserId};

impl Store {
    /// The journal before a number, newest first, for those who may see it; of what is asked for.
    pub async fn audit(&self, by: By, asked: AuditQuery, limit: usize) -> Outcome<AuditPage> {
        self.read(move |connection| {
            server::may_oversee(office::office(connection, by)?)?;
            page(connection, &asked, limit)
        })
        .await
    }

    /// Notes an act that changes no row, by one who may do it: look after the server as a whole, or ask that of kinglet-board.
    pub async fn note_act(&self, by: By, what: AuditWhat) -> Outcome<()> {
        self.write(move |registers| {
            let office = office::office(registers.connection, by)?;
            match &what {
                AuditWhat::BoardAsked { verb } => server::may_ask_board(office, *verb)?,
                _ => server::may_oversee(office)?,
            }
            note(registers, by, None, &what)
        })
        .await
    }
}

pub(super) fn note(
    registers: &mut Registers<'_>,
    by: By,
    whom: Option<UserId>,
    what: &AuditWhat,
) -> Outcome<()> {
    let words = serde_json::to_string(what).map_err(|_| Code::Internal)?;
    let (user, device) = by.numbers();
    registers
        .connection
        .execute(
            "INSERT INTO audit (ts, unsynchronised, by, device, whom, what) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                to_sql(registers.now.ms),
                !registers.now.synchronised,
                to_sql(user),
                to_sql(device),
                whom.map(|user| to_sql(user.0)),
                words,
            ],
        )
        .map_err(sql_refusal)
        .map(drop)
}

/// Whatever is asked for, only so many entries are looked at: `last` says how far that was.
pub(super) fn page(connection: &Connection, asked: &AuditQuery, limit: usize) -> Outcome<AuditPage> {
    let newest: i64 = connection
        .prepare_cached("SELECT coalesce(max(no), 0) FROM audit")
        .and_then(|mut find| find.query_row([], |row| row.get(0)))
        .map_err(sql_refusal)?;
    let end = asked.before.map_or(i64::MAX, to_sql).min(newest + 1);
    let begin = end.saturating_sub(to_sql(limits::AUDIT_LOOKED)).max(1);
    let mut entries = found(connection, asked, (begin, end), limit)?;
    let last = if entries.len() > limit {
        entries.truncate(limit);
        entries.last().map(|entry| entry.no)
    } else {
        (begin > 1).then_some(begin.cast_unsigned())
    };
    Ok(AuditPage {
        entries,
        more: last.is_some(),
        last,
    })
}

/// The newest that fit, one more than the limit if there are more.
fn found(
    connection: &Connection,
    asked: &AuditQuery,
    (begin, end): (i64, i64),
    limit: usize,
) -> Outcome<Vec<AuditEntry>> {
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let by = asked.by.map(|user| user.0);
    let by = if asked.operator { Some(0) } else { by };
    connection
        .prepare_cached(
            "SELECT audit.no, audit.ts, audit.unsynchronised, audit.by, audit.whom, audit.what, device.id, device.name
             FROM audit LEFT JOIN device ON device.no = audit.device
             WHERE audit.no >= ?1 AND audit.no < ?2 AND (?3 IS NULL OR audit.by = ?3) AND (?4 IS NULL OR audit.whom = ?4)
                AND (?5 IS NULL OR json_extract(audit.what, '$.act') = ?5) AND audit.ts >= ?6 AND audit.ts < ?7
             ORDER BY audit.no DESC LIMIT ?8",
        )
        .and_then(|mut find| {
            let wanted = params![
                begin,
                end,
                by.map(to_sql),
                asked.whom.map(|user| to_sql(user.0)),
                asked.act,
                asked.from.map_or(0, to_sql),
                asked.to.map_or(i64::MAX, to_sql),
                most,
            ];
            let rows = find.query_map(wanted, entry)?;
            rows.filter_map(Result::transpose).collect()
        })
        .map_err(sql_refusal)
}

/// Nothing for an act that a later release has written.
fn entry(row: &Row<'_>) -> rusqlite::Result<Option<AuditEntry>> {
    let words: String = row.get(5)?;
    let Ok(what) = serde_json::from_str(&words) else {
        return Ok(None);
    };
    let whom: Option<i64> = row.get(4)?;
    let device: Option<[u8; 16]> = row.get(6)?;
    Ok(Some(AuditEntry {
        no: from_sql(row, 0)?,
        ts: from_sql(row, 1)?,
        unsynchronised: row.get(2)?,
        by: Some(UserId(from_sql(row, 3)?)).filter(|user| user.0 != 0),
        device: device.map(|bytes| DeviceId(uuid::Uuid::from_bytes(bytes))),
        device_name: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
        whom: whom.map(|user| UserId(user.cast_unsigned())),
        what,
    }))
}
