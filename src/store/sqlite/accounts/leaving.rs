//! Leaving the server: what one owns is handed on, what one handed out is void, every session ends, and what one said
//! stays. What must not live here: erasing anything.
//!
//! Invariant: all of it is one transaction, the events of the conversations included; and no conversation with others in
//! it is left to somebody who has left.

use rusqlite::{Connection, params};

use super::devices::revoke_all;
use super::users::{is_gone, tell_profile};
use super::{
    By, Outcome, Registers, Store, audit, from_sql, invitations, office, reset, sql_refusal, to_sql,
};
use crate::core::change::Change;
use crate::core::permit::{self, Actor};
use crate::core::roster::Roster;
use crate::proto::command::Subject;
use crate::proto::people::{AuditWhat, Candidate, OwnedConversation};
use crate::proto::{ClientId, Code, Command, ConversationId, Refusal, Role, UserId};
use crate::store::sqlite::rosters;

/// Those who could take a conversation over, as far as they are named.
const CANDIDATES: usize = 10;

/// The request to leave.
#[derive(Clone, Debug)]
pub struct Departure {
    pub client: ClientId,
    pub successor: Option<UserId>,
    /// The stored password that was verified, where the person goes by themselves.
    pub verified: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departed {
    Done,
    /// Nothing was changed: these would be left without an owner.
    Needs(Vec<OwnedConversation>),
}

impl Store {
    /// Deactivates a user: by themselves, or by whoever may administer them. Doing it again changes nothing.
    pub async fn deactivate(&self, by: By, user: UserId, departure: Departure) -> Outcome<Departed> {
        self.write(move |registers| deactivate(registers, by, user, &departure))
            .await
    }
}

pub(super) fn deactivate(
    registers: &mut Registers<'_>,
    by: By,
    user: UserId,
    departure: &Departure,
) -> Outcome<Departed> {
    let connection = registers.connection;
    let rank = match &departure.verified {
        Some(verified) => verified_self(connection, user, verified)?,
        None => office::authority(connection, by, user)?,
    };
    if is_gone(connection, user)? {
        return Ok(Departed::Done);
    }
    office::may_cease(connection, user, rank.role)?;
    let mut needs = Vec::new();
    for conversation in owned(connection, user)? {
        let roster = rosters::load(connection, conversation.0)
            .map_err(sql_refusal)?
            .ok_or(Code::NotFound)?;
        let candidates = candidates(connection, &roster, user)?;
        if candidates.is_empty() {
            continue;
        }
        match departure.successor {
            Some(next) if candidates.iter().any(|one| one.user == next) => {
                hand_on(registers, by, &roster, user, next, departure.client)?;
            }
            _ => needs.push(shown(&roster, candidates)),
        }
    }
    if !needs.is_empty() {
        registers.appends.clear();
        return Ok(Departed::Needs(needs));
    }
    let change = registers.next_change();
    connection
        .execute(
            "UPDATE user SET disabled = 2, change = ?2 WHERE id = ?1",
            params![to_sql(user.0), to_sql(change)],
        )
        .map_err(sql_refusal)?;
    invitations::revoke_all_of(connection, user)?;
    reset::end_made_by(connection, user)?;
    reset::end_for(connection, user)?;
    tell_profile(registers, user)?;
    revoke_all(registers, user, None)?;
    audit::note(registers, by, Some(user), &AuditWhat::Deactivated {})?;
    Ok(Departed::Done)
}

/// The rank of somebody who goes by themselves, if the password that was checked is still theirs.
fn verified_self(connection: &Connection, user: UserId, verified: &str) -> Outcome<office::Rank> {
    let same: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM user WHERE id = ?1 AND password = ?2 AND disabled = 0)",
            params![to_sql(user.0), verified],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if !same {
        return Err(Code::WrongCredentials.into());
    }
    office::rank(connection, user)?.ok_or_else(|| Code::NotFound.into())
}

fn owned(connection: &Connection, user: UserId) -> Outcome<Vec<ConversationId>> {
    connection
        .prepare_cached("SELECT conversation FROM member WHERE user = ?1 AND role = ?2 ORDER BY conversation")
        .and_then(|mut find| {
            find.query_map(params![to_sql(user.0), Role::Owner as i64], |row| {
                from_sql(row, 0).map(ConversationId)
            })?
            .collect()
        })
        .map_err(sql_refusal)
}

/// The others who are here and have not left the server, without bots: admins first, then by how long they are there.
fn candidates(connection: &Connection, roster: &Roster, leaving: UserId) -> Outcome<Vec<Candidate>> {
    let mut usable = connection
        .prepare_cached("SELECT 1 FROM user WHERE id = ?1 AND disabled = 0 AND bot = 0")
        .map_err(sql_refusal)?;
    let mut others: Vec<_> = roster.members().filter(|other| other.user != leaving).collect();
    others.sort_by_key(|other| (std::cmp::Reverse(other.role as u8), other.from));
    let mut found = Vec::new();
    for other in others {
        if usable.exists([to_sql(other.user.0)]).map_err(sql_refusal)? {
            let (user, role) = (other.user, other.role);
            found.push(Candidate { user, role });
        }
    }
    Ok(found)
}

fn shown(roster: &Roster, mut candidates: Vec<Candidate>) -> OwnedConversation {
    candidates.truncate(CANDIDATES);
    OwnedConversation {
        conversation: roster.conversation,
        kind: roster.kind,
        title: roster.title.to_string(),
        candidates,
    }
}

/// A `transfer` by the one who leaves, in the log of the conversation, in this very transaction.
fn hand_on(
    registers: &mut Registers<'_>,
    by: By,
    roster: &Roster,
    from: UserId,
    to: UserId,
    request: ClientId,
) -> Outcome<()> {
    let transfer = Command::Transfer(Subject {
        client_id: client_for(request, roster.conversation),
        conversation: roster.conversation,
        user: to,
    });
    let change = Change::try_from_command(transfer).map_err(|_| Refusal::from(Code::Internal))?;
    let (_, device) = by.numbers();
    let actor = Actor::person(from, device);
    let permit =
        permit::authorise(change, actor, Some(roster), registers.now).map_err(|refused| refused.refusal)?;
    registers.appends.push(permit);
    Ok(())
}

/// A client id for what one request does in one conversation.
fn client_for(request: ClientId, conversation: ConversationId) -> ClientId {
    let mut hash = blake3::Hasher::new();
    hash.update(request.0.as_bytes());
    hash.update(&conversation.0.to_le_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    ClientId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
