//! Erasing oneself, or somebody. What must not live here: what is erased, and who may; the store decides both where it is
//! written.

use super::token::Token;
use super::{Accounts, Administrator, Caller, Outcome};
use crate::proto::privacy::{EraseMe, EraseUser, Erasure};
use crate::proto::{Code, Refusal, UserId};
use crate::store::sqlite::accounts::{By, EraseBy};

impl Accounts {
    /// Erases the caller: the account now, what they wrote from now on. `token` is the one that they came with.
    ///
    /// # Errors
    /// `bad_request` for a confirmation that is not their name, `wrong_credentials`, `rate_limited` after many,
    /// `last_owner`, `owner_must_stay` while they own a group with others in it.
    pub async fn erase_me(&self, caller: &Caller, token: &str, request: EraseMe) -> Outcome<Erasure> {
        confirmed(&request.confirm, &self.store.profile(caller.user).await?.name)?;
        let token = Token::parse(token).map_err(|_| Code::SignedOut)?;
        let by = EraseBy::Oneself {
            verified: self.proven(caller.user, request.password).await?,
            token: *token.hash().as_bytes(),
        };
        self.store.erase_user(by, caller.user).await
    }

    /// One's own password once more, and what is stored of it. A stolen session must not be a way to guess it.
    pub(super) async fn proven(&self, user: UserId, password: String) -> Outcome<String> {
        let attempt = self.doors.at_account(&user.to_string())?;
        let verified = self.verified(user, password).await;
        self.doors.settle(&attempt, &verified);
        verified
    }

    async fn verified(&self, user: UserId, password: String) -> Outcome<String> {
        let stored = self.store.password_of(user).await?;
        if self.verify(password, Some(stored.clone())).await? {
            Ok(stored)
        } else {
            Err(Code::WrongCredentials.into())
        }
    }

    /// The erasure that the session of this token asked for: the session is over, and its token is good for this alone.
    pub async fn erasure_by_token(&self, token: &str) -> Outcome<Erasure> {
        let token = Token::parse(token).map_err(|_| Code::SignedOut)?;
        let found = self.store.erasure_by_token(*token.hash().as_bytes()).await?;
        found.ok_or_else(|| Code::SignedOut.into())
    }

    /// Erases somebody else.
    ///
    /// # Errors
    /// As of `erase_me`, and `forbidden` for who may not administer them.
    pub async fn erase(&self, by: Administrator<'_>, user: UserId, request: &EraseUser) -> Outcome<Erasure> {
        if let Administrator::Caller(caller) = by
            && caller.user == user
        {
            return Err(Refusal {
                next: "Use `POST /api/v1/me/erase`, which asks for your password.".into(),
                ..Refusal::because(Code::Forbidden, "This is for others.")
            });
        }
        if let Some(known) = self.erasure(by, user).await? {
            return Ok(known);
        }
        self.store.may_administer(by.by(), user).await?;
        confirmed(&request.confirm, &self.info(user).await?.name)?;
        self.store.erase_user(EraseBy::Other(by.by()), user).await
    }

    /// How far the erasure of somebody is, for admins.
    pub async fn erasure(&self, by: Administrator<'_>, user: UserId) -> Outcome<Option<Erasure>> {
        if let By::User(admin, _) = by.by() {
            self.store.is_admin(admin).await?;
        }
        self.store.erasure(user).await
    }
}

fn confirmed(typed: &str, name: &str) -> Outcome<()> {
    if typed.trim() == name {
        return Ok(());
    }
    Err(Refusal {
        next: "Put the user name into `confirm`, exactly as it is.".into(),
        ..Refusal::because(Code::BadRequest, "The name typed to confirm is another one.")
    })
}
