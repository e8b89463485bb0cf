//! Leaving the server, by oneself or by an admin's act. What must not live here: who takes over what; the store decides
//! that from the rows, in the transaction that does it.

use super::{Accounts, Administrator, Caller, Outcome, check_client_id};
use crate::proto::account::UserStatus;
use crate::proto::people::{Deactivate, LeaveServer, OwnedConversation};
use crate::proto::{Code, UserId};
use crate::store::sqlite::accounts::{Departed, Departure};

/// What came of it.
pub enum Left {
    Done(UserStatus),
    /// Nothing was changed: these need an owner first.
    Needs(Vec<OwnedConversation>),
}

impl Accounts {
    /// Deactivates a user: their sessions end, what they handed out is void, what they said stays.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `last_owner`.
    pub async fn deactivate(
        &self,
        by: Administrator<'_>,
        user: UserId,
        request: &Deactivate,
    ) -> Outcome<Left> {
        check_client_id(request.client_id)?;
        let departure = Departure {
            client: request.client_id,
            successor: request.successor,
            verified: None,
        };
        self.depart(by, user, departure).await
    }

    /// The same, of the caller's own will, with their password.
    ///
    /// # Errors
    /// `wrong_credentials`, `rate_limited` after many, `last_owner`, `busy`.
    pub async fn leave(&self, caller: &Caller, request: LeaveServer) -> Outcome<Left> {
        check_client_id(request.client_id)?;
        // A stolen session must not be a way to guess the password.
        let attempt = self.doors.at_account(&caller.user.to_string())?;
        let outcome = self.leave_now(caller, request).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn leave_now(&self, caller: &Caller, request: LeaveServer) -> Outcome<Left> {
        let stored = self.store.password_of(caller.user).await?;
        if !self.verify(request.password, Some(stored.clone())).await? {
            return Err(Code::WrongCredentials.into());
        }
        let departure = Departure {
            client: request.client_id,
            successor: request.successor,
            verified: Some(stored),
        };
        self.depart(Administrator::Caller(caller), caller.user, departure)
            .await
    }

    async fn depart(&self, by: Administrator<'_>, user: UserId, departure: Departure) -> Outcome<Left> {
        match self.store.deactivate(by.by(), user, departure).await? {
            Departed::Done => self.status(user).await.map(Left::Done),
            Departed::Needs(owned) => Ok(Left::Needs(owned)),
        }
    }
}
