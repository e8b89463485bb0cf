//! The second door: invitations, and joining by one. What must not live here: how a code looks (`code`) or is stored.
//!
//! Invariant: a code is shown only to someone who could have made it, or made it. Otherwise an admin could read an
//! owner's invitation off the list and become owner by it.

use std::net::IpAddr;

use super::code::InvitationCode;
use super::{
    Accounts, Administrator, Caller, Outcome, WhoMayInvite, check_client_id, checked, signed_in, user_name,
};
use crate::limits;
use crate::proto::account::{
    AcceptInvitation, Accepted, InvitationCheck, InvitationInfo, InvitationList, JoinServer, NewInvitation,
    ServerRole, SignedIn,
};
use crate::proto::history::SignInHow;
use crate::proto::{Code, ConversationId, InvitationId, Refusal};
use crate::store::sqlite::accounts::{InvitationFacts, InvitationRow, Inviter};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl Accounts {
    /// Makes an invitation; the same request again gives the same one.
    ///
    /// # Errors
    /// `forbidden`, `bad_request` outside the bounds, `id_reused`, `limit_reached`.
    pub async fn invite(&self, caller: &Caller, new: NewInvitation) -> Outcome<InvitationInfo> {
        let by_rank =
            caller.role >= ServerRole::Admin || self.settings.who_may_invite == WhoMayInvite::Members;
        // A link is made by who may invite there; the store asks for that where it is written.
        if !(by_rank || new.conversation.is_some()) || !covers(caller.role, new.role) {
            return Err(Code::Forbidden.into());
        }
        let inviter = Inviter {
            user: caller.user,
            device: caller.device_no,
            client: new.client_id,
        };
        self.invite_as(inviter, &new).await
    }

    /// Makes an invitation on the operator's behalf, in the name of an owner.
    pub async fn invite_as_operator(&self, new: NewInvitation) -> Outcome<InvitationInfo> {
        let owner = self.store.first_owner().await?.ok_or_else(|| Refusal {
            next: "Start it, and follow what it prints; then invite.".into(),
            ..Refusal::because(Code::ClaimClosed, "Nobody has claimed this server yet.")
        })?;
        self.invite_as(
            Inviter {
                user: owner,
                device: 0,
                client: new.client_id,
            },
            &new,
        )
        .await
    }

    async fn invite_as(&self, inviter: Inviter, new: &NewInvitation) -> Outcome<InvitationInfo> {
        check_client_id(inviter.client)?;
        if new.conversation.is_some() && new.role != ServerRole::Member {
            let sentence = "An invitation into a conversation makes members of the server.";
            return Err(Refusal::because(Code::BadRequest, sentence));
        }
        let uses = new.uses.unwrap_or(1);
        let days = new.days.unwrap_or(self.settings.invitation_days);
        if !(1..=limits::INVITATION_USES).contains(&uses) || !(1..=limits::INVITATION_DAYS).contains(&days) {
            let message = format!(
                "An invitation has 1 to {} uses and lasts 1 to {} days.",
                limits::INVITATION_USES,
                limits::INVITATION_DAYS
            );
            return Err(Refusal::because(Code::BadRequest, message));
        }
        let mut bytes = [0; 8];
        self.store.clock().random(&mut bytes);
        let id = InvitationId::from_random(bytes);
        let row = InvitationRow {
            id,
            code: self.code_of(id).hash(),
            role: new.role,
            uses,
            lasts_ms: u64::from(days) * DAY_MS,
            conversation: new.conversation,
        };
        let address = self.address().await?;
        self.store
            .invite(inviter, row)
            .await
            .map(|facts| self.shown(facts, &address))
    }

    /// The open invitations that the caller may see: owners all, admins those for members and their own, others
    /// their own.
    pub async fn invitations(&self, caller: &Caller) -> Outcome<InvitationList> {
        let by = (caller.role < ServerRole::Admin).then_some(caller.user);
        let mut found = self.store.invitations(by).await?;
        found.retain(|facts| may_see(caller, facts));
        let address = self.address().await?;
        Ok(InvitationList {
            invitations: found
                .into_iter()
                .map(|facts| self.shown(facts, &address))
                .collect(),
        })
    }

    /// The open links into a conversation.
    ///
    /// # Errors
    /// As for `invite` there: `not_found`, `forbidden`, `wrong_kind`.
    pub async fn links(&self, caller: &Caller, conversation: ConversationId) -> Outcome<InvitationList> {
        let found = self.store.invitation_links(caller.user, conversation).await?;
        let address = self.address().await?;
        let invitations = found.into_iter().map(|facts| self.shown(facts, &address));
        Ok(InvitationList {
            invitations: invitations.collect(),
        })
    }

    /// Makes the caller a member of the conversation that a link leads into.
    ///
    /// # Errors
    /// `invitation_invalid`, `banned`, `limit_reached`, `bad_request` where it leads into none, `rate_limited`.
    pub async fn accept(&self, caller: &Caller, ask: &AcceptInvitation, from: IpAddr) -> Outcome<Accepted> {
        check_client_id(ask.client_id)?;
        let attempt = self.doors.from(from)?;
        let accept = async {
            let code = hash_of(&ask.code)?;
            self.store.accept(code, caller.user, ask.client_id).await
        };
        let outcome = accept.await;
        self.doors.settle(&attempt, &outcome);
        outcome.map(|conversation| Accepted { conversation })
    }

    fn members_may_invite(&self) -> bool {
        self.settings.who_may_invite == WhoMayInvite::Members
    }

    /// Nobody can join by it any more.
    ///
    /// # Errors
    /// `not_found` as well for one that the caller may not see.
    pub async fn revoke_invitation(&self, caller: &Caller, id: InvitationId) -> Outcome<()> {
        let facts = self.store.invitation(id).await?;
        match facts.conversation {
            _ if facts.by == caller.user => {}
            Some(into) => {
                let may = self.store.may_link(caller.user, into).await;
                may.map_err(|_| Code::NotFound)?;
            }
            None if may_see(caller, &facts) => {}
            None => return Err(Code::NotFound.into()),
        }
        self.store
            .revoke_invitation(Administrator::Caller(caller).by(), id)
            .await
    }

    /// What an invitation offers, for the page on which one joins.
    ///
    /// # Errors
    /// `invitation_invalid` for every code by which nobody can join now.
    pub async fn check_invitation(&self, code: &str, from: IpAddr) -> Outcome<InvitationCheck> {
        let attempt = self.doors.from(from)?;
        let outcome = self.check_code(code).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn check_code(&self, code: &str) -> Outcome<InvitationCheck> {
        let facts = self.store.open_invitation(hash_of(code)?).await?;
        let by = self.store.profile(facts.by).await?;
        let into = self.store.leads_into(facts, self.members_may_invite()).await?;
        Ok(InvitationCheck {
            into,
            valid: true,
            by_name: by.name,
            by_display_name: by.display_name,
            role: facts.role,
            expires: facts.expires,
        })
    }

    /// Makes a user by an invitation and signs it in. The same request again, after its answer was lost, signs in.
    ///
    /// # Errors
    /// `invitation_invalid`, `name_taken`, the rules of names and passwords, `device_taken`, `rate_limited`, `busy`.
    pub async fn join(&self, request: JoinServer, from: IpAddr) -> Outcome<SignedIn> {
        let attempt = self.doors.from(from)?;
        let outcome = self.join_by(request, from).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn join_by(&self, request: JoinServer, from: IpAddr) -> Outcome<SignedIn> {
        let device = checked(request.device)?;
        let name = user_name(&request.name)?;
        let code = hash_of(&request.code)?;
        match self
            .enter_again(&request.name, request.password.clone(), device.clone(), from)
            .await
        {
            Ok(Some(again)) => return Ok(again),
            Ok(None) => {}
            Err(refusal) if refusal.code == Code::WrongCredentials => return Err(Code::NameTaken.into()),
            Err(refusal) => return Err(refusal),
        }
        // Before the argon2: it is for those who hold an invitation.
        let facts = self.store.open_invitation(code).await?;
        self.store.may_let_in(facts, self.members_may_invite()).await?;
        let user = self
            .new_user(&name, &request.display_name, request.password)
            .await?;
        let (token, device_id) = (self.fresh_token(), device.id);
        let by = self.entrance(SignInHow::Invitation, from, None);
        let entered = self
            .store
            .join(
                code,
                user,
                (device, *token.hash().as_bytes()),
                self.members_may_invite(),
                by,
            )
            .await?;
        Ok(signed_in(entered, device_id, &token))
    }

    fn code_of(&self, id: InvitationId) -> InvitationCode {
        InvitationCode::derive(&self.secret, id.0)
    }

    fn shown(&self, facts: InvitationFacts, address: &str) -> InvitationInfo {
        let code = self.code_of(facts.id);
        // Behind the `#`, so that no proxy's log and no referrer ever has it.
        let link = format!("{address}/join#{}", code.text());
        InvitationInfo {
            id: facts.id,
            code: code.shown(),
            link,
            role: facts.role,
            uses: facts.uses,
            used: facts.used,
            expires: facts.expires,
            by: facts.by,
            revoked: facts.revoked,
            conversation: facts.conversation,
        }
    }
}

/// Whether someone of one role may hand out another: only an owner gives more than membership.
fn covers(own: ServerRole, given: ServerRole) -> bool {
    given == ServerRole::Member || own == ServerRole::Owner
}

fn may_see(caller: &Caller, facts: &InvitationFacts) -> bool {
    facts.by == caller.user || (caller.role >= ServerRole::Admin && covers(caller.role, facts.role))
}

fn hash_of(code: &str) -> Outcome<[u8; 32]> {
    let code = InvitationCode::parse(code).map_err(|_| Code::InvitationInvalid)?;
    Ok(code.hash())
}
