//! One's own profile and password. What must not live here: other people's.

use super::{Accounts, Caller, Outcome, display_name_or, password, password_refusal};
use crate::proto::Code;
use crate::proto::account::{ChangePassword, ChangeProfile, Profile};

impl Accounts {
    pub async fn profile(&self, caller: &Caller) -> Outcome<Profile> {
        self.store.profile(caller.user).await
    }

    /// Changes the display name; an empty one is the user name again.
    pub async fn change_profile(&self, caller: &Caller, request: &ChangeProfile) -> Outcome<Profile> {
        let profile = self.store.profile(caller.user).await?;
        let display_name = display_name_or(&request.display_name, &profile.name)?;
        self.store.change_display_name(caller.user, display_name).await
    }

    /// Changes the password and ends every session but the caller's.
    ///
    /// # Errors
    /// `wrong_credentials` for a wrong current password, `rate_limited` after many, `password_weak`, `busy`.
    pub async fn change_password(&self, caller: &Caller, request: ChangePassword) -> Outcome<()> {
        // A stolen session must not be a way to guess the password.
        let attempt = self.doors.at_account(&caller.user.to_string())?;
        let outcome = self.change_password_now(caller, request).await;
        self.doors.settle(&attempt, &outcome);
        outcome
    }

    async fn change_password_now(&self, caller: &Caller, request: ChangePassword) -> Outcome<()> {
        let name = self.store.profile(caller.user).await?.name;
        password::check_new(&request.new, &name).map_err(password_refusal)?;
        let stored = self.store.password_of(caller.user).await?;
        if !self.verify(request.current, Some(stored.clone())).await? {
            return Err(Code::WrongCredentials.into());
        }
        let new = self.passwords.hash(request.new).await.map_err(password_refusal)?;
        self.store
            .set_password(caller.user, stored, new, Some(caller.device_no))
            .await
    }
}
