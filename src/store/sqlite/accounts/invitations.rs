//! Invitations: made, listed, revoked, used. What must not live here: the code itself (only its hash is stored) and who
//! may invite.
//!
//! Invariant: a wrong clock ends no invitation. Expiry is looked at only while the clock is synchronised; an invitation
//! made while it is not has `created` 0 and in `expires` its duration, until the first change under a right clock dates
//! it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::devices::put_device;
use super::history::{self, Entrance};
use super::users::{insert_user, profile};
use super::{
    By, Entered, NewUser, Outcome, Registers, SecretHash, Store, audit, from_sql, is_constraint, links,
    read_role, role_number, sql_refusal, to_sql,
};
use crate::clock::Now;
use crate::core::permit::DeviceNo;
use crate::limits;
use crate::proto::account::{NewDevice, ServerRole};
use crate::proto::people::AuditWhat;
use crate::proto::{ClientId, Code, ConversationId, InvitationId, Refusal, Timestamp, UserId};

/// Who invites, and by which request.
#[derive(Clone, Copy, Debug)]
pub struct Inviter {
    pub user: UserId,
    /// 0 for the operator's own command line.
    pub device: DeviceNo,
    pub client: ClientId,
}

/// An invitation to be made.
#[derive(Clone, Copy, Debug)]
pub struct InvitationRow {
    pub id: InvitationId,
    pub code: SecretHash,
    pub role: ServerRole,
    pub uses: u32,
    /// For how long, in milliseconds.
    pub lasts_ms: u64,
    /// Where it leads, beside the server.
    pub conversation: Option<ConversationId>,
}

/// A stored invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvitationFacts {
    pub id: InvitationId,
    pub by: UserId,
    pub role: ServerRole,
    pub uses: u32,
    pub used: u32,
    pub expires: Timestamp,
    pub revoked: bool,
    pub conversation: Option<ConversationId>,
    /// The maker's device; 0 for the operator.
    pub device: DeviceNo,
}

impl Store {
    /// Makes an invitation. The same request of the same device gives the same invitation again.
    pub async fn invite(&self, inviter: Inviter, row: InvitationRow) -> Outcome<InvitationFacts> {
        self.write(move |registers| invite(registers, &inviter, &row))
            .await
    }

    /// All invitations not yet over, newest first, or those of one user.
    pub async fn invitations(&self, by: Option<UserId>) -> Outcome<Vec<InvitationFacts>> {
        let now = self.clock().now();
        self.read(move |connection| invitations(connection, by, now))
            .await
    }

    pub async fn invitation(&self, id: InvitationId) -> Outcome<InvitationFacts> {
        let now = self.clock().now();
        self.read(move |connection| invitation(connection, id, now)).await
    }

    /// Nobody can join by it any more. Doing it again changes nothing.
    pub async fn revoke_invitation(&self, by: By, id: InvitationId) -> Outcome<()> {
        self.write(move |registers| revoke(registers, by, id)).await
    }

    /// The invitation behind a code, if somebody could join by it now.
    pub async fn open_invitation(&self, code: SecretHash) -> Outcome<InvitationFacts> {
        let now = self.clock().now();
        self.read(move |connection| open_invitation(connection, &code, now))
            .await
    }

    /// Makes a user by an invitation and signs it in. `members_may` says whether members may invite to the server.
    pub async fn join(
        &self,
        code: SecretHash,
        user: NewUser,
        device: (NewDevice, SecretHash),
        members_may: bool,
        by: Entrance,
    ) -> Outcome<Entered> {
        self.write(move |registers| {
            let (device, token) = device;
            let facts = open_invitation(registers.connection, &code, registers.now)?;
            links::may_let_in(registers.connection, &facts, members_may)?;
            let entered = join(registers, &code, &user, &device, &token)?;
            history::note(registers, &entered, &by).map(|()| entered)
        })
        .await
    }
}

pub(super) const COLUMNS: &str =
    "invitation.id, invitation.by, invitation.role, invitation.uses, invitation.used,
    invitation.created, invitation.expires, invitation.revoked, invitation.conversation, invitation.device";

pub(super) fn read_facts(row: &Row<'_>, now: Now) -> rusqlite::Result<InvitationFacts> {
    let (created, expires) = (from_sql(row, 5)?, from_sql(row, 6)?);
    Ok(InvitationFacts {
        id: InvitationId(from_sql(row, 0)?),
        by: UserId(from_sql(row, 1)?),
        role: read_role(row, 2)?,
        uses: row.get(3)?,
        used: row.get(4)?,
        expires: if created == 0 {
            now.ms.saturating_add(expires)
        } else {
            expires
        },
        revoked: row.get(7)?,
        conversation: row
            .get::<_, Option<i64>>(8)?
            .map(|id| ConversationId(id.cast_unsigned())),
        device: from_sql(row, 9)?,
    })
}

/// Gives a date to invitations made while the clock was wrong, once it is right.
pub(super) fn date_the_undated(registers: &Registers<'_>) -> Outcome<()> {
    if registers.now.synchronised {
        registers
            .connection
            .execute(
                "UPDATE invitation SET created = ?1, expires = expires + ?1 WHERE created = 0",
                [to_sql(registers.now.ms)],
            )
            .map_err(sql_refusal)?;
    }
    Ok(())
}

pub(super) fn invite(
    registers: &mut Registers<'_>,
    inviter: &Inviter,
    row: &InvitationRow,
) -> Outcome<InvitationFacts> {
    date_the_undated(registers)?;
    let (connection, now) = (registers.connection, registers.now);
    if let Some(earlier) = earlier_request(connection, inviter, row, now)? {
        return Ok(earlier);
    }
    if let Some(conversation) = row.conversation {
        links::may_link(connection, conversation, inviter.user)?;
        links::room(connection, inviter.user, now)?;
    }
    let open: i64 = connection
        .query_row(
            "SELECT count(*) FROM invitation WHERE conversation IS NULL AND revoked = 0 AND used < uses
             AND (?1 = 0 OR created = 0 OR expires > ?2)",
            params![now.synchronised, to_sql(now.ms)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if row.conversation.is_none() && usize::try_from(open).unwrap_or(usize::MAX) >= limits::INVITATIONS {
        let message = "There are too many open invitations; revoke some first.";
        return Err(Refusal::because(Code::LimitReached, message));
    }
    let (created, expires) = if now.synchronised {
        (now.ms, now.ms.saturating_add(row.lasts_ms))
    } else {
        (0, row.lasts_ms)
    };
    connection
        .execute(
            "INSERT INTO invitation (id, code, device, client, by, role, uses, created, expires, conversation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                to_sql(row.id.0),
                row.code,
                to_sql(inviter.device),
                inviter.client.0.as_bytes(),
                to_sql(inviter.user.0),
                role_number(row.role),
                row.uses,
                to_sql(created),
                to_sql(expires),
                row.conversation.map(|conversation| to_sql(conversation.0)),
            ],
        )
        // The request is new, so it is the random id that is taken: the same request again draws another.
        .map_err(|error| {
            if is_constraint(&error) {
                Code::Busy.into()
            } else {
                sql_refusal(error)
            }
        })?;
    let by = if inviter.device == 0 {
        By::Operator
    } else {
        By::User(inviter.user, inviter.device)
    };
    let made = AuditWhat::InvitationMade {
        invitation: row.id,
        role: row.role,
    };
    audit::note(registers, by, None, &made)?;
    invitation(connection, row.id, now)
}

fn earlier_request(
    connection: &Connection,
    inviter: &Inviter,
    row: &InvitationRow,
    now: Now,
) -> Outcome<Option<InvitationFacts>> {
    let sql = format!("SELECT {COLUMNS} FROM invitation WHERE device = ?1 AND client = ?2");
    let found = connection
        .query_row(
            &sql,
            params![to_sql(inviter.device), inviter.client.0.as_bytes()],
            |found| {
                let (created, expires) = (from_sql(found, 5)?, from_sql(found, 6)?);
                Ok((read_facts(found, now)?, expires.saturating_sub(created)))
            },
        )
        .optional()
        .map_err(sql_refusal)?;
    let Some((facts, lasts_ms)) = found else {
        return Ok(None);
    };
    let is_same = facts.by == inviter.user
        && facts.role == row.role
        && facts.uses == row.uses
        && facts.conversation == row.conversation
        && lasts_ms == row.lasts_ms;
    if is_same {
        Ok(Some(facts))
    } else {
        Err(Code::IdReused.into())
    }
}

fn invitation(connection: &Connection, id: InvitationId, now: Now) -> Outcome<InvitationFacts> {
    let sql = format!("SELECT {COLUMNS} FROM invitation WHERE id = ?1");
    connection
        .query_row(&sql, [to_sql(id.0)], |row| read_facts(row, now))
        .optional()
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::NotFound.into())
}

pub(super) fn invitations(
    connection: &Connection,
    by: Option<UserId>,
    now: Now,
) -> Outcome<Vec<InvitationFacts>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM invitation
         WHERE conversation IS NULL AND (?1 IS NULL OR by = ?1) AND revoked = 0 AND used < uses AND (?2 = 0 OR created = 0 OR expires > ?3)
         ORDER BY created DESC, id LIMIT ?4"
    );
    let limit = i64::try_from(limits::INVITATIONS).expect("the limit is small");
    connection
        .prepare_cached(&sql)
        .and_then(|mut find| {
            let by = by.map(|user| to_sql(user.0));
            find.query_map(params![by, now.synchronised, to_sql(now.ms), limit], |row| {
                read_facts(row, now)
            })?
            .collect()
        })
        .map_err(sql_refusal)
}

pub(super) fn revoke(registers: &mut Registers<'_>, by: By, id: InvitationId) -> Outcome<()> {
    date_the_undated(registers)?;
    if invitation(registers.connection, id, registers.now)?.revoked {
        return Ok(());
    }
    registers
        .connection
        .execute("UPDATE invitation SET revoked = 1 WHERE id = ?1", [to_sql(id.0)])
        .map_err(sql_refusal)?;
    audit::note(
        registers,
        by,
        None,
        &AuditWhat::InvitationRevoked { invitation: id },
    )
}

/// Voids what a user handed out: they have left.
pub(super) fn revoke_all_of(connection: &Connection, user: UserId) -> Outcome<()> {
    connection
        .execute(
            "UPDATE invitation SET revoked = 1 WHERE by = ?1",
            [to_sql(user.0)],
        )
        .map_err(sql_refusal)
        .map(drop)
}

/// Voids a user's invitations to more than membership: they are no longer an owner.
pub(super) fn revoke_ranked_of(connection: &Connection, user: UserId) -> Outcome<()> {
    connection
        .execute(
            "UPDATE invitation SET revoked = 1 WHERE by = ?1 AND role > ?2",
            params![to_sql(user.0), role_number(ServerRole::Member)],
        )
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn open_invitation(
    connection: &Connection,
    code: &SecretHash,
    now: Now,
) -> Outcome<InvitationFacts> {
    // An invitation by someone disabled or banned since is void: it must not be their way back in.
    let sql = format!(
        "SELECT {COLUMNS}, invitation.created = 0
         FROM invitation JOIN user ON user.id = invitation.by AND user.disabled = 0
         WHERE invitation.code = ?1 AND NOT EXISTS (SELECT 1 FROM measure WHERE measure.user = invitation.by
               AND measure.kind > 0 AND measure.ended = 0 AND measure.kind = 2)"
    );
    let found = connection
        .query_row(&sql, params![code], |row| {
            Ok((read_facts(row, now)?, row.get::<_, bool>(10)?))
        })
        .optional()
        .map_err(sql_refusal)?;
    let (facts, undated) = found.ok_or(Code::InvitationInvalid)?;
    let is_over = now.synchronised && !undated && facts.expires <= now.ms;
    if facts.revoked || facts.used >= facts.uses || is_over {
        return Err(Code::InvitationInvalid.into());
    }
    if let Some(conversation) = facts.conversation {
        links::may_link(connection, conversation, facts.by).map_err(|_| Code::InvitationInvalid)?;
    }
    Ok(facts)
}

pub(super) fn use_once(connection: &Connection, facts: &InvitationFacts) -> Outcome<()> {
    connection
        .execute(
            "UPDATE invitation SET used = used + 1 WHERE id = ?1",
            [to_sql(facts.id.0)],
        )
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn join(
    registers: &mut Registers<'_>,
    code: &SecretHash,
    user: &NewUser,
    device: &NewDevice,
    token: &SecretHash,
) -> Outcome<Entered> {
    date_the_undated(registers)?;
    let facts = open_invitation(registers.connection, code, registers.now)?;
    use_once(registers.connection, &facts)?;
    let user = insert_user(registers, user, facts.role)?;
    let device_no = put_device(registers, user, device, token)?;
    links::let_in(registers, &facts, user, ClientId(device.id.0))?;
    Ok(Entered {
        profile: profile(registers.connection, user)?,
        device_no,
    })
}
