//! Links into a conversation: who may hand one out, and when the right to it is lost. What must not live here: codes,
//! expiry, rows.

use super::Allowed;
use crate::core::roster::Roster;
use crate::proto::account::ServerRole;
use crate::proto::{Code, ConversationKind, Refusal, Role, UserId};

/// Whether a user may hand out links into a conversation, and see and revoke those of others: who may `invite` there.
pub fn may_link(roster: Option<&Roster>, user: UserId) -> Allowed {
    let Some(roster) = roster.filter(|roster| !roster.dissolved) else {
        return Err(Code::NotFound.into());
    };
    let own = super::role(roster, user)?;
    if roster.kind == ConversationKind::Direct {
        return Err(Code::WrongKind.into());
    }
    if own < Role::Admin {
        return Err(Code::Forbidden.into());
    }
    Ok(())
}

/// Those whose links are void after a change of people: they could hand them out before, and cannot now.
pub fn who_lost(before: &Roster, after: &Roster) -> impl Iterator<Item = UserId> {
    let could = before.members().filter(|member| member.role >= Role::Admin);
    could
        .map(|member| member.user)
        .filter(|user| may_link(Some(after), *user).is_err())
}

/// Whether a link makes accounts, too: where its maker may invite to the server.
pub fn may_let_in(maker: ServerRole, members_may_invite: bool) -> Allowed {
    if maker >= ServerRole::Admin || members_may_invite {
        return Ok(());
    }
    Err(Refusal {
        next: "Ask an admin of the server for an invitation, then use this one.".into(),
        ..Refusal::because(
            Code::Forbidden,
            "This invitation is for those who have an account here.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ConversationId, JoinRule, What};

    #[test]
    fn who_may_invite_may_link_and_loses_it_with_the_role() {
        let mut before = Roster::new(ConversationId(1), ConversationKind::Group);
        let created = What::Created {
            conversation_kind: ConversationKind::Group,
            title: "g".into(),
            members: vec![UserId(2), UserId(3)],
            join: JoinRule::Invitation,
            history: false,
            bots: Vec::new(),
        };
        before.fold(1, UserId(1), &created);
        let role = |role| What::Role {
            user: UserId(2),
            role,
        };
        before.fold(2, UserId(1), &role(Role::Admin));
        let may = |user| may_link(Some(&before), UserId(user)).map_err(|refusal| refusal.code);
        assert_eq!([may(1), may(2)], [Ok(()), Ok(())]);
        assert_eq!([may(3), may(4)], [Err(Code::Forbidden), Err(Code::NotFound)]);
        for (by, what) in [(1, role(Role::Member)), (2, What::Left {})] {
            let mut after = before.clone();
            after.fold(3, UserId(by), &what);
            let lost: Vec<UserId> = who_lost(&before, &after).collect();
            assert_eq!(lost, [UserId(2)], "{what:?}");
        }
        let mut after = before.clone();
        after.fold(3, UserId(1), &What::Dissolved {});
        assert_eq!(who_lost(&before, &after).count(), 2);
        assert_eq!(who_lost(&before, &before).count(), 0);
    }
}
