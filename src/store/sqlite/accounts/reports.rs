//! Reports of messages: made, listed, resolved. What must not live here: the text of a message (it is the log's), and who
//! may report or decide (see `core::permit`).

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{By, Outcome, Registers, Store, audit, from_sql, news, office, sql_refusal, to_sql};
use crate::core::permit::moderation::may_report;
use crate::core::permit::{DeviceNo, server};
use crate::limits;
use crate::proto::account::ServerRole;
use crate::proto::moderation::{ReportInfo, ReportList, ReportState, Resolved};
use crate::proto::people::{AuditWhat, NewsWhat};
use crate::proto::{ClientId, Code, ConversationId, Refusal, Seq, UserId};
use crate::store::sqlite::append::facts;
use crate::store::sqlite::{find, rosters};
use crate::store::{Pos, Span};

/// A report to be made.
#[derive(Clone, Debug)]
pub struct NewReportRow {
    pub by: UserId,
    pub device: DeviceNo,
    pub client: ClientId,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub reason: String,
}

/// A report, and from which seq on its context may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFacts {
    pub info: ReportInfo,
    pub shown_from: Seq,
}

impl Store {
    /// Reports a message, and gives the number of the report. The same request again gives the same one.
    pub async fn report(&self, new: NewReportRow) -> Outcome<u64> {
        let (seq, conversation) = (new.seq, new.conversation);
        let page = self
            .page(
                conversation,
                Span::Before(seq.saturating_add(1)),
                vec![(seq, seq)],
                1,
            )
            .await?;
        let place = page.events.first().map(|(pos, _)| *pos);
        self.write(move |registers| report(registers, &new, place)).await
    }

    /// Reports about those whom `by` may administer.
    pub async fn reports(
        &self,
        by: By,
        state: ReportState,
        from: Option<u64>,
        limit: usize,
    ) -> Outcome<ReportList> {
        self.read(move |connection| listed(connection, by, state, from, limit))
            .await
    }

    /// One report, for those who may decide on it; to others it does not exist.
    pub async fn report_facts(&self, by: By, no: u64) -> Outcome<ReportFacts> {
        self.read(move |connection| reviewed(connection, by, no)).await
    }

    /// Says what was made of a report. The same again changes nothing.
    pub async fn resolve_report(&self, by: By, no: u64, note: String) -> Outcome<ReportInfo> {
        self.write(move |registers| resolve(registers, by, no, &note))
            .await
    }
}

const COLUMNS: &str =
    "report.no, report.conversation, report.seq, report.by, report.author, report.reason, report.ts,
    report.unsynchronised, report.resolved, report.resolved_by, report.resolved_unsynchronised, report.note,
    report.shown_from";

fn read_facts(row: &Row<'_>) -> rusqlite::Result<ReportFacts> {
    let resolved = match row.get::<_, Option<i64>>(8)? {
        None => None,
        Some(ts) => Some(Resolved {
            by: UserId(from_sql(row, 9)?),
            ts: ts.cast_unsigned(),
            unsynchronised: row.get(10)?,
            note: row.get::<_, Option<String>>(11)?.unwrap_or_default(),
        }),
    };
    let info = ReportInfo {
        report: from_sql(row, 0)?,
        conversation: ConversationId(from_sql(row, 1)?),
        seq: from_sql(row, 2)?,
        by: UserId(from_sql(row, 3)?),
        author: UserId(from_sql(row, 4)?),
        reason: row.get(5)?,
        ts: from_sql(row, 6)?,
        unsynchronised: row.get(7)?,
        resolved,
    };
    Ok(ReportFacts {
        info,
        shown_from: from_sql(row, 12)?,
    })
}

/// `place` is where the message was found before; its row says what is true of it now.
pub(super) fn report(registers: &mut Registers<'_>, new: &NewReportRow, place: Option<Pos>) -> Outcome<u64> {
    let (connection, now) = (registers.connection, registers.now);
    if let Some(earlier) = earlier_request(connection, new)? {
        return Ok(earlier);
    }
    let roster = rosters::load(connection, new.conversation.0)
        .map_err(sql_refusal)?
        .ok_or(Code::NotFound)?;
    let row = place
        .map_or(Ok(None), |pos| find::row_at(connection, pos))
        .map_err(sql_refusal)?
        .filter(|row| (row.conversation, row.seq) == (new.conversation.0, new.seq));
    let facts = facts(row.as_ref());
    let from = may_report(&roster, new.by, new.seq, facts)?;
    let author = facts.map(|facts| facts.by).ok_or(Code::NotFound)?;
    room(connection, new)?;
    tell_reviewers(registers, author)?;
    connection
        .execute(
            "INSERT INTO report (conversation, seq, shown_from, author, by, device, client, reason, ts, unsynchronised)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                to_sql(new.conversation.0),
                to_sql(new.seq),
                to_sql(from),
                to_sql(author.0),
                to_sql(new.by.0),
                to_sql(new.device),
                new.client.0.as_bytes(),
                new.reason,
                to_sql(now.ms),
                !now.synchronised,
            ],
        )
        .map_err(sql_refusal)?;
    Ok(connection.last_insert_rowid().cast_unsigned())
}

fn earlier_request(connection: &Connection, new: &NewReportRow) -> Outcome<Option<u64>> {
    let found = connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM report WHERE device = ?1 AND client = ?2"),
            params![to_sql(new.device), new.client.0.as_bytes()],
            read_facts,
        )
        .optional()
        .map_err(sql_refusal)?;
    match found.map(|facts| facts.info) {
        None => Ok(None),
        Some(info) => {
            let is_same =
                (info.conversation, info.seq) == (new.conversation, new.seq) && info.reason == new.reason;
            if is_same {
                Ok(Some(info.report))
            } else {
                Err(Code::IdReused.into())
            }
        }
    }
}

/// Open reports are bounded, each person's too, so that one alone cannot keep the others from reporting.
pub(super) fn room(connection: &Connection, new: &NewReportRow) -> Outcome<()> {
    let (all, own, same): (i64, i64, i64) = connection
        .query_row(
            "SELECT count(*), coalesce(sum(by = ?1), 0), coalesce(sum(by = ?1 AND conversation = ?2 AND seq = ?3), 0)
             FROM report WHERE resolved IS NULL",
            params![to_sql(new.by.0), to_sql(new.conversation.0), to_sql(new.seq)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(sql_refusal)?;
    if same > 0 {
        let message = "You reported this message already; nobody has decided on it yet.";
        return Err(Refusal::because(Code::NoChange, message));
    }
    let is_full = |count: i64, limit: usize| usize::try_from(count).unwrap_or(usize::MAX) >= limit;
    if is_full(all, limits::REPORTS_OPEN) || is_full(own, limits::REPORTS_OPEN_PER_USER) {
        return Err(Refusal {
            next: "Wait until an admin has decided on some of them.".into(),
            ..Refusal::because(Code::LimitReached, "There are too many open reports.")
        });
    }
    Ok(())
}

/// Tells those who may decide on a report that there is one, if there was none before that they may decide on.
fn tell_reviewers(registers: &mut Registers<'_>, author: UserId) -> Outcome<()> {
    let connection = registers.connection;
    let role = author_role(connection, author)?;
    let reviewers: Vec<(UserId, ServerRole)> = connection
        .prepare_cached("SELECT id, role FROM user WHERE role > 0 AND disabled = 0")
        .and_then(|mut find| {
            find.query_map([], |row| {
                Ok((UserId(from_sql(row, 0)?), super::read_role(row, 1)?))
            })?
            .collect()
        })
        .map_err(sql_refusal)?;
    for (reviewer, own) in reviewers {
        let office = server::Office::of(own, false);
        if server::may_administer(office, role).is_err() {
            continue;
        }
        let waiting = connection
            .prepare_cached(
                "SELECT 1 FROM report JOIN user ON user.id = report.author AND user.role <= ?1
                 WHERE report.resolved IS NULL LIMIT 1",
            )
            .and_then(|mut find| find.exists([office::highest_role(office)]))
            .map_err(sql_refusal)?;
        if !waiting {
            news::tell(registers, reviewer, &NewsWhat::ReportsWaiting {})?;
        }
    }
    Ok(())
}

fn author_role(connection: &Connection, author: UserId) -> Outcome<ServerRole> {
    let rank = office::rank(connection, author)?;
    Ok(rank.map_or(ServerRole::Member, |rank| rank.role))
}

fn reviewed(connection: &Connection, by: By, no: u64) -> Outcome<ReportFacts> {
    let office = office::office(connection, by)?;
    server::may_oversee(office)?;
    let facts = connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM report WHERE no = ?1"),
            [to_sql(no)],
            read_facts,
        )
        .optional()
        .map_err(sql_refusal)?
        .ok_or(Code::NotFound)?;
    let role = author_role(connection, facts.info.author)?;
    // An admin must not learn who reported them, nor that somebody did.
    server::may_administer(office, role).map_err(|_| Code::NotFound)?;
    Ok(facts)
}

fn listed(
    connection: &Connection,
    by: By,
    state: ReportState,
    from: Option<u64>,
    limit: usize,
) -> Outcome<ReportList> {
    let office = office::office(connection, by)?;
    server::may_oversee(office)?;
    let (condition, start) = match state {
        ReportState::Open => ("IS NULL AND report.no > ?2 ORDER BY report.no", 0),
        ReportState::Resolved => ("IS NOT NULL AND report.no < ?2 ORDER BY report.no DESC", i64::MAX),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM report JOIN user ON user.id = report.author AND user.role <= ?1
         WHERE report.resolved {condition} LIMIT ?3"
    );
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut reports: Vec<ReportInfo> = connection
        .prepare_cached(&sql)
        .and_then(|mut find| {
            let arguments = params![office::highest_role(office), from.map_or(start, to_sql), most];
            find.query_map(arguments, |row| read_facts(row).map(|facts| facts.info))?
                .collect()
        })
        .map_err(sql_refusal)?;
    let more = reports.len() > limit;
    reports.truncate(limit);
    Ok(ReportList { reports, more })
}

pub(super) fn resolve(registers: &mut Registers<'_>, by: By, no: u64, note: &str) -> Outcome<ReportInfo> {
    let (connection, now) = (registers.connection, registers.now);
    let before = reviewed(connection, by, no)?.info;
    let (who, _) = by.numbers();
    if let Some(resolved) = &before.resolved {
        let is_same = resolved.by.0 == who && resolved.note == note;
        return if is_same {
            Ok(before)
        } else {
            Err(Code::NoChange.into())
        };
    }
    connection
        .execute(
            "UPDATE report SET resolved = ?2, resolved_by = ?3, resolved_unsynchronised = ?4, note = ?5 WHERE no = ?1",
            params![to_sql(no), to_sql(now.ms), to_sql(who), !now.synchronised, note],
        )
        .map_err(sql_refusal)?;
    let most = i64::try_from(limits::REPORTS_KEPT).expect("a small bound");
    connection
        .execute(
            "DELETE FROM report WHERE resolved IS NOT NULL AND no <=
                (SELECT no FROM report WHERE resolved IS NOT NULL ORDER BY no DESC LIMIT 1 OFFSET ?1)",
            [most],
        )
        .map_err(sql_refusal)?;
    news::tell(registers, before.by, &NewsWhat::ReportResolved { report: no })?;
    let act = AuditWhat::ReportResolved {
        report: no,
        note: note.into(),
    };
    audit::note(registers, by, Some(before.author), &act)?;
    let resolved = Some(Resolved {
        by: UserId(who),
        ts: now.ms,
        unsynchronised: !now.synchronised,
        note: note.into(),
    });
    Ok(ReportInfo { resolved, ..before })
}
