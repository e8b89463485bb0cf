//! The way back for who forgot their password: an admin makes a link, once, for one person. What must not live here: how
//! the code looks (`code`) or is stored.
//!
//! Invariant: to a stranger every code that does not work answers alike, and no name is told without a code that works.

use std::net::IpAddr;

use super::code::ResetCode;
use super::{
    Accounts, Administrator, Outcome, check_client_id, checked, password, password_refusal, signed_in,
};
use crate::limits;
use crate::proto::account::SignedIn;
use crate::proto::history::SignInHow;
use crate::proto::people::{NewResetLink, ResetCheck, ResetLink, UseReset};
use crate::proto::{Code, Refusal, UserId};
use crate::store::sqlite::accounts::{By, ResetRow};

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// How long a link lasts if its maker does not say.
const USUAL_HOURS: u32 = 24;

impl Accounts {
    /// Makes a link that sets a user's password; the same request again gives the same link. An older link ends.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `bad_request` outside the bounds, `id_reused`, `link_invalid` once it was used.
    pub async fn make_reset_link(
        &self,
        by: Administrator<'_>,
        user: UserId,
        new: &NewResetLink,
    ) -> Outcome<ResetLink> {
        check_client_id(new.client_id)?;
        let hours = new.hours.unwrap_or(USUAL_HOURS);
        if !(1..=limits::RESET_LINK_HOURS).contains(&hours) {
            let message = format!("A reset link lasts 1 to {} hours.", limits::RESET_LINK_HOURS);
            return Err(Refusal::because(Code::BadRequest, message));
        }
        let device = match by.by() {
            By::User(_, device) => device,
            By::Operator => 0,
        };
        let code = ResetCode::derive(&self.links, device, new.client_id.0.as_bytes());
        let row = ResetRow {
            client: new.client_id,
            code: code.hash(),
            lasts_ms: u64::from(hours) * HOUR_MS,
        };
        let address = self.address().await?;
        let facts = self.store.make_reset_link(by.by(), user, row).await?;
        Ok(ResetLink {
            user,
            code: code.shown(),
            // Behind the `#`, so that no proxy's log and no referrer ever has it.
            link: format!("{address}/reset#{}", code.text()),
            expires: facts.expires,
        })
    }

    /// Whose password a code sets, for the page on which one sets it.
    ///
    /// # Errors
    /// `link_invalid` for every code that sets none now.
    pub async fn check_reset_link(&self, code: &str, from: IpAddr) -> Outcome<ResetCheck> {
        let attempt = self.doors.from(from)?;
        let outcome = self.check_reset_code(code).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn check_reset_code(&self, code: &str) -> Outcome<ResetCheck> {
        let facts = self.store.open_reset_link(hash_of(code)?).await?;
        let profile = self.store.profile(facts.user).await?;
        Ok(ResetCheck {
            name: profile.name,
            display_name: profile.display_name,
            expires: facts.expires,
        })
    }

    /// Sets the password and signs this device in; every other session of the user ends. The same request again, after
    /// its answer was lost, signs in.
    ///
    /// # Errors
    /// `link_invalid`, `password_weak` (the link stays good), `device_taken`, `rate_limited`, `busy`.
    pub async fn use_reset_link(&self, request: UseReset, from: IpAddr) -> Outcome<SignedIn> {
        let attempt = self.doors.from(from)?;
        let outcome = self.reset_by_link(request, from).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn reset_by_link(&self, request: UseReset, from: IpAddr) -> Outcome<SignedIn> {
        let device = checked(request.device)?;
        let code = hash_of(&request.code)?;
        let facts = match self.store.open_reset_link(code).await {
            Ok(facts) => facts,
            Err(refusal) if refusal.code == Code::LinkInvalid => {
                let before = self.store.reset_link_used_by(code, device.id).await?;
                let Some(before) = before else { return Err(refusal) };
                let again = self
                    .enter_again(&before.name, request.password, device, from)
                    .await;
                // A wrong password here is a code that was used: it opens nothing any more.
                return again.ok().flatten().ok_or(refusal);
            }
            Err(refusal) => return Err(refusal),
        };
        let name = self.store.profile(facts.user).await?.name;
        password::check_new(&request.password, &name).map_err(password_refusal)?;
        let hash = self
            .passwords
            .hash(request.password)
            .await
            .map_err(password_refusal)?;
        let (token, device_id) = (self.fresh_token(), device.id);
        let by = self.entrance(SignInHow::ResetLink, from, Some(facts.user));
        let entered = self
            .store
            .use_reset_link(code, hash, device, *token.hash().as_bytes(), by)
            .await?;
        Ok(signed_in(entered, device_id, &token))
    }
}

fn hash_of(code: &str) -> Outcome<[u8; 32]> {
    let code = ResetCode::parse(code).map_err(|_| Code::LinkInvalid)?;
    Ok(code.hash())
}
