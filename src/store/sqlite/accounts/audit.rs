//! The journal of admins: what they did, written in the transaction of the act. What must not live here: a way to change
//! or take away a row (the table's triggers refuse it as well), and the text of any message.

use rusqlite::{Connection, params};

use super::{By, Outcome, Registers, Store, from_sql, office, sql_refusal, to_sql};
use crate::core::permit::server;
use crate::proto::people::{AuditEntry, AuditPage, AuditWhat};
use crate::proto::{Code, DeviceId, UserId};

impl Store {
    /// The journal before a number, newest first, for those who may see it.
    pub async fn audit(&self, by: By, before: Option<u64>, limit: usize) -> Outcome<AuditPage> {
        self.read(move |connection| {
            server::may_oversee(office::office(connection, by)?)?;
            page(connection, before, limit)
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

pub(super) fn page(connection: &Connection, before: Option<u64>, limit: usize) -> Outcome<AuditPage> {
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut entries: Vec<AuditEntry> = connection
        .prepare_cached(
            "SELECT audit.no, audit.ts, audit.unsynchronised, audit.by, audit.whom, audit.what, device.id, device.name
             FROM audit LEFT JOIN device ON device.no = audit.device
             WHERE audit.no < ?1 ORDER BY audit.no DESC LIMIT ?2",
        )
        .and_then(|mut find| {
            let before = before.map_or(i64::MAX, to_sql);
            let rows = find.query_map(params![before, most], |row| {
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
            })?;
            rows.filter_map(Result::transpose).collect()
        })
        .map_err(sql_refusal)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    Ok(AuditPage { entries, more })
}
