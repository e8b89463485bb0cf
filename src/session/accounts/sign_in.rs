//! The usual door: name and password. What must not live here: tokens' form, and argon2 itself.
//!
//! Invariant: an unknown name, a disabled user and a wrong password get one answer, after the same work: one read, one
//! argon2.

use std::net::IpAddr;

use super::{Accounts, Outcome, checked, password, password_refusal, signed_in};
use crate::core::names::UserName;
use crate::proto::Code;
use crate::proto::account::{NewDevice, SignIn, SignedIn};
use crate::proto::history::SignInHow;
use crate::store::sqlite::accounts::{Credentials, SignInWith};

impl Accounts {
    /// Signs a device in.
    ///
    /// # Errors
    /// `wrong_credentials`; `rate_limited` for the address, or for the account if it does not know the device;
    /// `device_taken`, `limit_reached` and `busy`.
    pub async fn sign_in(&self, request: SignIn, from: IpAddr) -> Outcome<SignedIn> {
        let device = checked(request.device)?;
        let attempt = self.doors.from(from)?;
        let outcome = self
            .sign_in_at(&request.name, request.password, device, from)
            .await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn sign_in_at(
        &self,
        name: &str,
        password: String,
        device: NewDevice,
        from: IpAddr,
    ) -> Outcome<SignedIn> {
        let Ok(name) = UserName::parse(name) else {
            // Nobody can have such a name, but the answer takes its time all the same.
            let _ = self.verify(password, None).await?;
            return Err(Code::WrongCredentials.into());
        };
        let found = self.store.credentials(name.as_str().into(), device.id).await?;
        // Whoever guesses at an account must not lock its owner out of a device that has been there before.
        if found.as_ref().is_some_and(|found| found.knows_device) {
            return self.enter(found, password, device, from).await;
        }
        let attempt = self.doors.at_account(name.as_str())?;
        let outcome = self.enter(found, password, device, from).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    /// The same request as before, after its answer was lost: the device is known and the password right. `None` when
    /// the device is not known by that user. A wrong password means that somebody else has the name.
    pub(super) async fn enter_again(
        &self,
        name: &str,
        password: String,
        device: NewDevice,
        from: IpAddr,
    ) -> Outcome<Option<SignedIn>> {
        let Ok(name) = UserName::parse(name) else {
            return Ok(None);
        };
        let found = self.store.credentials(name.as_str().into(), device.id).await?;
        if !found.as_ref().is_some_and(|found| found.knows_device) {
            return Ok(None);
        }
        self.enter(found, password, device, from).await.map(Some)
    }

    async fn enter(
        &self,
        found: Option<Credentials>,
        password: String,
        device: NewDevice,
        from: IpAddr,
    ) -> Outcome<SignedIn> {
        let stored = found.as_ref().map(|found| found.password.clone());
        let outdated = stored.as_deref().is_some_and(password::needs_rehash);
        let again = outdated.then(|| password.clone());
        let right = self.verify(password, stored).await?;
        if let Some(found) = found.as_ref().filter(|_| !right) {
            self.refusals.add(found.user);
        }
        let Some(found) = found.filter(|found| right && !found.disabled) else {
            return Err(Code::WrongCredentials.into());
        };
        let rehashed = match again {
            Some(password) => Some(self.passwords.hash(password).await.map_err(password_refusal)?),
            None => None,
        };
        let (token, device_id) = (self.fresh_token(), device.id);
        let with = SignInWith {
            user: found.user,
            verified: found.password,
            rehashed,
            device,
            token: *token.hash().as_bytes(),
        };
        let by = self.entrance(SignInHow::Password, from, Some(with.user));
        let entered = self.store.sign_in(with, by).await?;
        Ok(signed_in(entered, device_id, &token))
    }

    pub(super) async fn verify(&self, password: String, stored: Option<String>) -> Outcome<bool> {
        self.passwords
            .verify(password, stored)
            .await
            .map_err(password_refusal)
    }
}
