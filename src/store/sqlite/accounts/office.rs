//! What the rows say about who acts and on whom, for the rules in `core::permit::server`; and the roles of the server.
//! What must not live here: the rules themselves.

use rusqlite::{Connection, OptionalExtension, params};

use super::users::tell_profile;
use super::{
    By, Outcome, Registers, Store, audit, erase, invitations, news, read_role, reset, role_number,
    sql_refusal, to_sql,
};
use crate::core::permit::bots;
use crate::core::permit::server::{self, Office};
use crate::proto::account::ServerRole;
use crate::proto::people::{AuditWhat, NewsWhat};
use crate::proto::{Code, Refusal, UserId};

/// A user's role, and whether they are locked out, or banned (until they are let in again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    pub role: ServerRole,
    pub disabled: bool,
    pub banned: bool,
    pub bot: bool,
}

impl Store {
    /// Makes somebody an admin, an owner or a member. Doing it again changes nothing.
    pub async fn set_role(&self, by: By, user: UserId, role: ServerRole) -> Outcome<()> {
        self.write(move |registers| set_role(registers, by, user, role))
            .await
    }
}

pub(super) fn rank(connection: &Connection, user: UserId) -> Outcome<Option<Rank>> {
    connection
        .prepare_cached(
            "SELECT role, disabled, EXISTS (SELECT 1 FROM measure WHERE measure.user = user.id AND measure.kind > 0
                    AND measure.ended = 0 AND measure.kind = 2), bot
             FROM user WHERE id = ?1",
        )
        .and_then(|mut find| {
            find.query_row([to_sql(user.0)], |row| {
                Ok(Rank {
                    role: read_role(row, 0)?,
                    disabled: row.get(1)?,
                    banned: row.get(2)?,
                    bot: row.get(3)?,
                })
            })
            .optional()
        })
        .map_err(sql_refusal)
}

/// The office of whoever acts, at this moment.
pub(super) fn office(connection: &Connection, by: By) -> Outcome<Office> {
    let By::User(user, _) = by else {
        return Ok(Office::Operator);
    };
    let rank = rank(connection, user)?;
    Ok(rank.map_or(Office::Nobody, |rank| {
        Office::of(rank.role, rank.disabled || rank.banned)
    }))
}

/// The highest role of those whom an office may administer, as its column: for lists.
pub(super) fn highest_role(office: Office) -> i64 {
    let roles = [ServerRole::Owner, ServerRole::Admin];
    let highest = roles
        .into_iter()
        .find(|role| server::may_administer(office, *role).is_ok());
    role_number(highest.unwrap_or(ServerRole::Member))
}

/// Whether `by` may administer `target` at this moment; gives the target's rank.
pub(super) fn authority(connection: &Connection, by: By, target: UserId) -> Outcome<Rank> {
    let office = office(connection, by)?;
    // Asked before it is looked whether there is such a user: one without an office learns nothing.
    server::may_oversee(office)?;
    if erase::is_erased(connection, target)? {
        return Err(Refusal::because(Code::NotFound, "That user was erased."));
    }
    let rank = rank(connection, target)?.ok_or(Code::NotFound)?;
    server::may_administer(office, rank.role)?;
    Ok(rank)
}

/// Whether the user may cease to be what they are: an owner must be left.
pub(super) fn may_cease(connection: &Connection, user: UserId, role: ServerRole) -> Outcome<()> {
    let others = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE role = ?1 AND disabled = 0 AND id <> ?2 AND NOT EXISTS
                (SELECT 1 FROM measure WHERE measure.user = user.id AND measure.kind > 0 AND measure.ended = 0
                 AND measure.kind = 2))",
            params![role_number(ServerRole::Owner), to_sql(user.0)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    server::may_cease(role, others)
}

pub(super) fn set_role(registers: &mut Registers<'_>, by: By, user: UserId, role: ServerRole) -> Outcome<()> {
    server::may_appoint(office(registers.connection, by)?)?;
    let before = rank(registers.connection, user)?.ok_or(Code::NotFound)?;
    if before.role == role {
        return Ok(());
    }
    bots::may_hold_office(before.bot)?;
    if role < before.role {
        may_cease(registers.connection, user, before.role)?;
        // What they handed out by their old office would outlast it.
        invitations::revoke_ranked_of(registers.connection, user)?;
        reset::end_made_by(registers.connection, user)?;
    }
    let change = registers.next_change();
    registers
        .connection
        .execute(
            "UPDATE user SET role = ?2, change = ?3 WHERE id = ?1",
            params![to_sql(user.0), role_number(role), to_sql(change)],
        )
        .map_err(sql_refusal)?;
    tell_profile(registers, user)?;
    news::tell(registers, user, &NewsWhat::ServerRole { role, by: by.user() })?;
    audit::note(registers, by, Some(user), &AuditWhat::RoleSet { role })
}
