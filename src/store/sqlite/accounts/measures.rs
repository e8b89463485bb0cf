//! Warnings, mutes and bans: taken, lifted, run out, listed. What must not live here: who may (see
//! `core::permit::server`), and that a muted one cannot post (see `core::permit::moderation`).
//!
//! Invariants: a banned user has no session: a ban ends them all in its own transaction, and every way to a new one goes
//! through `admit`. A wrong clock ends nothing: what was made under one begins to run with the first right one.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::devices::revoke_all;
use super::{
    By, Outcome, Registers, Store, audit, from_sql, is_constraint, news, office, reset, sql_refusal, to_sql,
};
use crate::clock::Now;
use crate::core::permit::moderation::{Restraint, Restraints, holds};
use crate::core::permit::server;
use crate::core::roster::MuteUntil;
use crate::limits;
use crate::proto::moderation::{MeasureInfo, MeasureKind, MeasureList};
use crate::proto::people::{AuditWhat, NewsWhat};
use crate::proto::{ClientId, Code, Refusal, Timestamp, UserId};
use crate::store::AccountEffect;

/// What is to be done about somebody.
#[derive(Clone, Debug)]
pub struct NewMeasure {
    pub client: ClientId,
    pub kind: MeasureKind,
    pub reason: String,
    pub seconds: Option<u64>,
}

/// How a mute or a ban ended, as its column.
const HELD: i64 = 0;
const LIFTED: i64 = 1;
const REPLACED: i64 = 2;
const RAN_OUT: i64 = 3;

impl Store {
    /// Warns, mutes or bans. The same request of the same device gives the same answer.
    pub async fn restrain(&self, by: By, user: UserId, new: NewMeasure) -> Outcome<MeasureInfo> {
        self.write(move |registers| restrain(registers, by, user, &new))
            .await
    }

    /// Ends a mute or a ban before its time. Where there is none, nothing changes.
    pub async fn lift(&self, by: By, user: UserId, kind: MeasureKind) -> Outcome<()> {
        self.write(move |registers| lift(registers, by, user, kind)).await
    }

    /// What was done about one user, or what holds now of all, newest first, as far as `by` may administer these.
    pub async fn measures(
        &self,
        by: By,
        of: Option<UserId>,
        before: Option<u64>,
        limit: usize,
    ) -> Outcome<MeasureList> {
        let now = self.clock().now();
        self.read(move |connection| listed(connection, by, of, (before, limit), now))
            .await
    }

    /// Lets run what waited for a right clock, and puts away what ran out.
    pub async fn tend_measures(&self) -> Outcome<()> {
        let now = self.clock().now();
        if now.synchronised && self.read(move |connection| is_due(connection, now)).await? {
            self.write(tend).await?;
        }
        Ok(())
    }

    /// Who is muted on the whole server.
    #[must_use]
    pub fn restraints(&self) -> &Restraints {
        &self.shared.restraints
    }
}

const fn number(kind: MeasureKind) -> i64 {
    match kind {
        MeasureKind::Warning => 0,
        MeasureKind::Mute => 1,
        MeasureKind::Ban => 2,
    }
}

/// A number that no release wrote is read as the gravest: whoever cannot read it must not make it less.
const fn kind_from(number: i64) -> MeasureKind {
    match number {
        0 => MeasureKind::Warning,
        1 => MeasureKind::Mute,
        _ => MeasureKind::Ban,
    }
}

const COLUMNS: &str = "measure.no, measure.user, measure.kind, measure.reason, measure.by, measure.ts,
    measure.unsynchronised, measure.created, measure.expires, measure.ended";

fn read_info(row: &Row<'_>, now: Now) -> rusqlite::Result<MeasureInfo> {
    let kind: i64 = row.get(2)?;
    let created = from_sql(row, 7)?;
    let expires = row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned);
    let is_held = kind > 0 && row.get::<_, i64>(9)? == HELD;
    Ok(MeasureInfo {
        no: from_sql(row, 0)?,
        user: UserId(from_sql(row, 1)?),
        measure: kind_from(kind),
        reason: row.get(3)?,
        by: Some(UserId(from_sql(row, 4)?)).filter(|user| user.0 != 0),
        ts: from_sql(row, 5)?,
        unsynchronised: row.get(6)?,
        until: expires.map(|expires| {
            if created == 0 {
                now.ms.saturating_add(expires)
            } else {
                expires
            }
        }),
        holds: is_held && holds(dated(created, expires), now),
    })
}

/// When it ends, if that is known yet.
fn dated(created: u64, expires: Option<Timestamp>) -> Option<Timestamp> {
    expires.filter(|_| created != 0)
}

/// Who is muted, from the rows.
pub(in crate::store::sqlite) fn restraints(connection: &Connection) -> rusqlite::Result<Restraints> {
    let restraints = Restraints::default();
    let mut find = connection.prepare(
        "SELECT user, created, expires FROM measure WHERE kind > 0 AND ended = 0 AND kind = 1 ORDER BY user",
    )?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let expires = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
        let until = dated(from_sql(row, 1)?, expires);
        let user = UserId(from_sql(row, 0)?);
        restraints.apply(Restraint::Muted(MuteUntil { user, until }));
    }
    Ok(restraints)
}

pub(super) fn restrain(
    registers: &mut Registers<'_>,
    by: By,
    user: UserId,
    new: &NewMeasure,
) -> Outcome<MeasureInfo> {
    tend(registers)?;
    let (connection, now) = (registers.connection, registers.now);
    let rank = may_restrain(connection, by, user)?;
    if let Some(earlier) = earlier_request(connection, by, user, new, now)? {
        return Ok(earlier);
    }
    match new.kind {
        MeasureKind::Warning => {}
        MeasureKind::Mute => {
            end(connection, user, new.kind, REPLACED)?;
            room_for_mute(connection)?;
        }
        MeasureKind::Ban => {
            office::may_cease(connection, user, rank.role)?;
            end(connection, user, new.kind, REPLACED)?;
        }
    }
    let no = insert(registers, by, user, new)?;
    forget_old(connection, user)?;
    let made = one(connection, no, now)?;
    follow(registers, &made)?;
    let told = (new.reason.clone(), made.until, by.user());
    news::tell(registers, user, &news_of(new.kind, told))?;
    let act = AuditWhat::Restrained {
        measure: new.kind,
        reason: new.reason.clone(),
        seconds: new.seconds,
    };
    audit::note(registers, by, Some(user), &act)?;
    Ok(made)
}

fn may_restrain(connection: &Connection, by: By, user: UserId) -> Outcome<office::Rank> {
    let rank = office::authority(connection, by, user)?;
    let oneself = by.user() == Some(user);
    server::may_restrain(office::office(connection, by)?, oneself, rank.role)?;
    Ok(rank)
}

fn news_of(kind: MeasureKind, told: (String, Option<Timestamp>, Option<UserId>)) -> NewsWhat {
    let (reason, until, by) = told;
    match kind {
        MeasureKind::Warning => NewsWhat::Warned { reason, by },
        MeasureKind::Mute => NewsWhat::Muted { reason, until, by },
        MeasureKind::Ban => NewsWhat::Banned { reason, until, by },
    }
}

/// What a measure brings about beside its row.
fn follow(registers: &mut Registers<'_>, made: &MeasureInfo) -> Outcome<()> {
    match made.measure {
        MeasureKind::Warning => Ok(()),
        MeasureKind::Mute => {
            let until = made.until.filter(|_| registers.now.synchronised);
            let mute = MuteUntil {
                user: made.user,
                until,
            };
            registers
                .effects
                .push(AccountEffect::Restrained(Restraint::Muted(mute)));
            Ok(())
        }
        MeasureKind::Ban => {
            // What they handed out by their office must not work for them while they are away.
            reset::end_made_by(registers.connection, made.user)?;
            revoke_all(registers, made.user, None).map(drop)
        }
    }
}

fn insert(registers: &Registers<'_>, by: By, user: UserId, new: &NewMeasure) -> Outcome<u64> {
    let now = registers.now;
    let lasts_ms = new.seconds.map(|seconds| seconds.saturating_mul(1_000));
    let (created, expires) = if now.synchronised {
        (now.ms, lasts_ms.map(|lasts| now.ms.saturating_add(lasts)))
    } else {
        (0, lasts_ms)
    };
    let (maker, device) = by.numbers();
    registers
        .connection
        .execute(
            "INSERT INTO measure (user, kind, reason, by, device, client, ts, unsynchronised, created, expires, ended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)",
            params![
                to_sql(user.0),
                number(new.kind),
                new.reason,
                to_sql(maker),
                to_sql(device),
                new.client.0.as_bytes(),
                to_sql(now.ms),
                !now.synchronised,
                to_sql(created),
                expires.map(to_sql),
            ],
        )
        .map_err(|error| {
            if is_constraint(&error) {
                Code::IdReused.into()
            } else {
                sql_refusal(error)
            }
        })?;
    Ok(registers.connection.last_insert_rowid().cast_unsigned())
}

fn earlier_request(
    connection: &Connection,
    by: By,
    user: UserId,
    new: &NewMeasure,
    now: Now,
) -> Outcome<Option<MeasureInfo>> {
    let (_, device) = by.numbers();
    let sql = format!("SELECT {COLUMNS} FROM measure WHERE device = ?1 AND client = ?2");
    let found = connection
        .query_row(&sql, params![to_sql(device), new.client.0.as_bytes()], |row| {
            let (created, expires): (i64, Option<i64>) = (row.get(7)?, row.get(8)?);
            Ok((read_info(row, now)?, expires.map(|expires| expires - created)))
        })
        .optional()
        .map_err(sql_refusal)?;
    let Some((info, lasts_ms)) = found else {
        return Ok(None);
    };
    let asked_ms = new.seconds.map(|seconds| to_sql(seconds.saturating_mul(1_000)));
    let is_same =
        info.user == user && info.measure == new.kind && info.reason == new.reason && lasts_ms == asked_ms;
    if is_same {
        Ok(Some(info))
    } else {
        Err(Code::IdReused.into())
    }
}

fn one(connection: &Connection, no: u64, now: Now) -> Outcome<MeasureInfo> {
    let sql = format!("SELECT {COLUMNS} FROM measure WHERE no = ?1");
    connection
        .query_row(&sql, [to_sql(no)], |row| read_info(row, now))
        .map_err(sql_refusal)
}

/// Ends what holds of one kind; says whether there was something.
fn end(connection: &Connection, user: UserId, kind: MeasureKind, how: i64) -> Outcome<bool> {
    connection
        .execute(
            "UPDATE measure SET ended = ?3 WHERE kind > 0 AND ended = 0 AND user = ?1 AND kind = ?2",
            params![to_sql(user.0), number(kind), how],
        )
        .map(|ended| ended > 0)
        .map_err(sql_refusal)
}

fn room_for_mute(connection: &Connection) -> Outcome<()> {
    let many: i64 = connection
        .query_row(
            "SELECT count(*) FROM measure WHERE kind > 0 AND ended = 0 AND kind = 1",
            [],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if usize::try_from(many).unwrap_or(usize::MAX) >= limits::MUTES {
        let message = "As many users are muted as may be at once; lift some of these first.";
        return Err(Refusal::because(Code::LimitReached, message));
    }
    Ok(())
}

/// Keeps the newest of what is over, and all that holds.
fn forget_old(connection: &Connection, user: UserId) -> Outcome<()> {
    let most = i64::try_from(limits::MEASURES_PER_USER).expect("a small bound");
    connection
        .execute(
            "DELETE FROM measure WHERE user = ?1 AND (kind = 0 OR ended <> 0) AND no <=
                (SELECT no FROM measure WHERE user = ?1 AND (kind = 0 OR ended <> 0)
                 ORDER BY no DESC LIMIT 1 OFFSET ?2)",
            params![to_sql(user.0), most],
        )
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn lift(registers: &mut Registers<'_>, by: By, user: UserId, kind: MeasureKind) -> Outcome<()> {
    tend(registers)?;
    may_restrain(registers.connection, by, user)?;
    if !end(registers.connection, user, kind, LIFTED)? {
        return Ok(());
    }
    if kind == MeasureKind::Mute {
        registers
            .effects
            .push(AccountEffect::Restrained(Restraint::Lifted(user)));
    }
    let told = NewsWhat::Lifted {
        measure: kind,
        by: by.user(),
    };
    news::tell(registers, user, &told)?;
    audit::note(
        registers,
        by,
        Some(user),
        &AuditWhat::MeasureLifted { measure: kind },
    )
}

fn is_due(connection: &Connection, now: Now) -> Outcome<bool> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM measure WHERE kind > 0 AND ended = 0 AND (created = 0 OR expires <= ?1))",
            [to_sql(now.ms)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)
}

/// Under a right clock: dates what was made under a wrong one, and ends what ran out.
pub(super) fn tend(registers: &mut Registers<'_>) -> Outcome<()> {
    let (connection, now) = (registers.connection, registers.now);
    if !now.synchronised || !is_due(connection, now)? {
        return Ok(());
    }
    let changed = |sql: &str, number: i64| -> Outcome<Vec<(UserId, Option<Timestamp>)>> {
        connection
            .prepare_cached(sql)
            .and_then(|mut change| {
                let rows = change.query_map(params![to_sql(now.ms), number], |row| {
                    let until = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
                    let is_mute = row.get::<_, i64>(1)? == 1;
                    Ok(Some((UserId(from_sql(row, 0)?), until)).filter(|_| is_mute))
                })?;
                rows.filter_map(Result::transpose).collect()
            })
            .map_err(sql_refusal)
    };
    let dated = changed(
        "UPDATE measure SET created = ?1, expires = expires + ?1, ended = ?2
         WHERE kind > 0 AND ended = 0 AND created = 0 RETURNING user, kind, expires",
        HELD,
    )?;
    let ended = changed(
        "UPDATE measure SET ended = ?2 WHERE kind > 0 AND ended = 0 AND expires <= ?1
         RETURNING user, kind, expires",
        RAN_OUT,
    )?;
    let dated = dated
        .into_iter()
        .map(|(user, until)| Restraint::Muted(MuteUntil { user, until }));
    let ended = ended.into_iter().map(|(user, _)| Restraint::Lifted(user));
    registers
        .effects
        .extend(dated.chain(ended).map(AccountEffect::Restrained));
    Ok(())
}

/// Whether a user may have a session. A ban that ran out ends here at the latest, so that its row says who is let in.
pub(super) fn admit(registers: &mut Registers<'_>, user: UserId) -> Outcome<()> {
    let (connection, now) = (registers.connection, registers.now);
    let held = connection
        .prepare_cached(
            "SELECT reason, created, expires FROM measure WHERE kind > 0 AND ended = 0 AND user = ?1 AND kind = 2",
        )
        .and_then(|mut find| {
            find.query_row([to_sql(user.0)], |row| {
                let expires = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
                Ok((row.get::<_, String>(0)?, dated(from_sql(row, 1)?, expires)))
            })
            .optional()
        })
        .map_err(sql_refusal)?;
    match held {
        None => Ok(()),
        Some((reason, until)) if holds(until, now) => Err(banned(&reason, until, now)),
        Some(_) => end(connection, user, MeasureKind::Ban, RAN_OUT).map(drop),
    }
}

fn banned(reason: &str, until: Option<Timestamp>, now: Now) -> Refusal {
    let left = until.filter(|_| now.synchronised);
    Refusal {
        retry_after_ms: left.map(|until| until.saturating_sub(now.ms)),
        ..Refusal::because(Code::Banned, format!("You are banned from this server: {reason}"))
    }
}

fn listed(
    connection: &Connection,
    by: By,
    of: Option<UserId>,
    (before, limit): (Option<u64>, usize),
    now: Now,
) -> Outcome<MeasureList> {
    let office = office::office(connection, by)?;
    server::may_oversee(office)?;
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM measure JOIN user ON user.id = measure.user AND user.role <= ?1
         WHERE (measure.user = ?2 OR (?2 IS NULL AND measure.kind > 0 AND measure.ended = 0
                AND (?3 = 0 OR measure.created = 0 OR measure.expires IS NULL OR measure.expires > ?4)))
           AND measure.no < ?5 ORDER BY measure.no DESC LIMIT ?6"
    );
    let mut measures: Vec<MeasureInfo> = connection
        .prepare_cached(&sql)
        .and_then(|mut find| {
            let arguments = params![
                office::highest_role(office),
                of.map(|user| to_sql(user.0)),
                now.synchronised,
                to_sql(now.ms),
                before.map_or(i64::MAX, to_sql),
                most
            ];
            find.query_map(arguments, |row| read_info(row, now))?.collect()
        })
        .map_err(sql_refusal)?;
    let more = measures.len() > limit;
    measures.truncate(limit);
    Ok(MeasureList { measures, more })
}
