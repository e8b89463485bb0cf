//! Invitations that lead into a conversation: listed, used, void once their maker lost the right. What must not live here:
//! how an invitation is made and dated (`invitations`), and who may (`core::permit::links`).
//!
//! Invariant: whoever comes in by one is let in by its maker, by an `invite` of theirs in the same transaction, which is
//! asked for its permission like any other.

use rusqlite::{Connection, OptionalExtension, params};

use super::invitations::{COLUMNS, InvitationFacts, date_the_undated, open_invitation, read_facts, use_once};
use super::{Outcome, Registers, SecretHash, Store, office, sql_refusal, to_sql};
use crate::clock::Now;
use crate::core::change::Change;
use crate::core::permit::{self, Actor, links};
use crate::core::roster::Roster;
use crate::limits;
use crate::proto::account::{InvitedInto, ServerRole};
use crate::proto::command::Invite;
use crate::proto::{ClientId, Code, Command, ConversationId, Refusal, UserId};
use crate::store::sqlite::{int, rosters};

impl Store {
    /// The open links into a conversation, newest first, for those who may hand one out.
    pub async fn invitation_links(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Outcome<Vec<InvitationFacts>> {
        let now = self.clock().now();
        self.read(move |connection| {
            may_link(connection, conversation, user)?;
            listed(connection, conversation, now)
        })
        .await
    }

    /// Whether a user may see and revoke the links into a conversation.
    pub async fn may_link(&self, user: UserId, conversation: ConversationId) -> Outcome<()> {
        self.read(move |connection| may_link(connection, conversation, user))
            .await
    }

    /// Where an open invitation leads, if it leads into a conversation.
    pub async fn leads_into(
        &self,
        facts: InvitationFacts,
        members_may: bool,
    ) -> Outcome<Option<InvitedInto>> {
        self.read(move |connection| leads_into(connection, &facts, members_may))
            .await
    }

    /// Whether somebody may make an account by an open invitation.
    pub async fn may_let_in(&self, facts: InvitationFacts, members_may: bool) -> Outcome<()> {
        self.read(move |connection| may_let_in(connection, &facts, members_may))
            .await
    }

    /// Makes somebody who has an account a member by a link. For who is one already nothing changes.
    pub async fn accept(&self, code: SecretHash, user: UserId, request: ClientId) -> Outcome<ConversationId> {
        self.write(move |registers| accept(registers, &code, user, request))
            .await
    }
}

pub(super) fn may_link(connection: &Connection, conversation: ConversationId, user: UserId) -> Outcome<()> {
    let roster = rosters::load(connection, conversation.0).map_err(sql_refusal)?;
    links::may_link(roster.as_ref(), user)
}

/// A person's open links are bounded, since everybody may found groups.
pub(super) fn room(connection: &Connection, user: UserId, now: Now) -> Outcome<()> {
    let open: i64 = connection
        .query_row(
            "SELECT count(*) FROM invitation WHERE conversation IS NOT NULL AND by = ?1 AND revoked = 0 AND used < uses
             AND (?2 = 0 OR created = 0 OR expires > ?3)",
            params![to_sql(user.0), now.synchronised, to_sql(now.ms)],
            |row| row.get(0),
        )
        .map_err(sql_refusal)?;
    if usize::try_from(open).unwrap_or(usize::MAX) >= limits::LINKS_PER_USER {
        let message = "You have too many open links into conversations; revoke some first.";
        return Err(Refusal::because(Code::LimitReached, message));
    }
    Ok(())
}

fn listed(connection: &Connection, conversation: ConversationId, now: Now) -> Outcome<Vec<InvitationFacts>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM invitation
         WHERE conversation = ?1 AND revoked = 0 AND used < uses AND (?2 = 0 OR created = 0 OR expires > ?3)
         ORDER BY created DESC, id LIMIT ?4"
    );
    let most = i64::try_from(limits::INVITATIONS).expect("the limit is small");
    connection
        .prepare_cached(&sql)
        .and_then(|mut find| {
            let arguments = params![to_sql(conversation.0), now.synchronised, to_sql(now.ms), most];
            find.query_map(arguments, |row| read_facts(row, now))?.collect()
        })
        .map_err(sql_refusal)
}

fn leads_into(
    connection: &Connection,
    facts: &InvitationFacts,
    members_may: bool,
) -> Outcome<Option<InvitedInto>> {
    let Some(conversation) = facts.conversation else {
        return Ok(None);
    };
    let roster = rosters::load(connection, conversation.0)
        .map_err(sql_refusal)?
        .ok_or(Code::InvitationInvalid)?;
    Ok(Some(InvitedInto {
        kind: roster.kind,
        title: roster.title.to_string(),
        accounts: may_let_in(connection, facts, members_may).is_ok(),
    }))
}

/// Whether somebody may make an account by an invitation: by a link only where its maker may invite to the server.
pub(super) fn may_let_in(connection: &Connection, facts: &InvitationFacts, members_may: bool) -> Outcome<()> {
    if facts.conversation.is_none() {
        return Ok(());
    }
    let maker = office::rank(connection, facts.by)?.map_or(ServerRole::Member, |rank| rank.role);
    links::may_let_in(maker, members_may)
}

fn accept(
    registers: &mut Registers<'_>,
    code: &SecretHash,
    user: UserId,
    request: ClientId,
) -> Outcome<ConversationId> {
    date_the_undated(registers)?;
    let connection = registers.connection;
    if let Some(conversation) = leads_to(connection, code)? {
        // Also the answer to a repeat, whose first time may have used the link up.
        let roster = rosters::load(connection, conversation.0).map_err(sql_refusal)?;
        if roster.is_some_and(|roster| !roster.dissolved && roster.member(user).is_some()) {
            return Ok(conversation);
        }
    }
    let facts = open_invitation(connection, code, registers.now)?;
    let Some(conversation) = facts.conversation else {
        let sentence = "This invitation makes an account, and you have one.";
        return Err(Refusal::because(Code::BadRequest, sentence));
    };
    use_once(connection, &facts)?;
    let_in(registers, &facts, user, request)?;
    Ok(conversation)
}

fn leads_to(connection: &Connection, code: &SecretHash) -> Outcome<Option<ConversationId>> {
    let found: Option<Option<i64>> = connection
        .query_row(
            "SELECT conversation FROM invitation WHERE code = ?1",
            params![code],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql_refusal)?;
    Ok(found.flatten().map(|id| ConversationId(id.cast_unsigned())))
}

/// The maker's `invite`, in the log of the conversation, in this very transaction.
pub(super) fn let_in(
    registers: &mut Registers<'_>,
    facts: &InvitationFacts,
    user: UserId,
    request: ClientId,
) -> Outcome<()> {
    let Some(conversation) = facts.conversation else {
        return Ok(());
    };
    let roster = rosters::load(registers.connection, conversation.0).map_err(sql_refusal)?;
    let invite = Command::Invite(Invite {
        client_id: client_for(request, facts, user),
        conversation,
        users: vec![user],
    });
    let change = Change::try_from_command(invite).map_err(|_| Refusal::from(Code::Internal))?;
    let actor = Actor::person(facts.by, facts.device);
    let permit = permit::authorise(change, actor, roster.as_ref(), registers.now)
        .map_err(|refused| told(refused.refusal))?;
    registers.appends.push(permit);
    Ok(())
}

/// What keeps the maker from letting somebody in, as that one is told it.
fn told(refusal: Refusal) -> Refusal {
    match refusal.code {
        Code::Banned => Code::Banned.into(),
        Code::LimitReached => refusal,
        _ => Code::InvitationInvalid.into(),
    }
}

/// A client id for what one request does by one link.
fn client_for(request: ClientId, facts: &InvitationFacts, user: UserId) -> ClientId {
    let mut hash = blake3::Hasher::new();
    hash.update(request.0.as_bytes());
    hash.update(&facts.id.0.to_le_bytes());
    hash.update(&user.0.to_le_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    ClientId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Voids the links of those who lost the right to them, in the transaction of the event that took it.
pub(in crate::store::sqlite) fn void_lost(
    connection: &Connection,
    before: &Roster,
    after: &Roster,
) -> rusqlite::Result<()> {
    for user in links::who_lost(before, after) {
        connection
            .prepare_cached("UPDATE invitation SET revoked = 1 WHERE conversation = ?1 AND by = ?2")?
            .execute([int(after.conversation.0), int(user.0)])?;
    }
    Ok(())
}
