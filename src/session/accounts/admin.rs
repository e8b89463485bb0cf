//! The people of this server: listed for everyone, administered by admins. What must not live here: who may administer
//! whom; the store decides that from the rows, in the same transaction as the change.

use super::{Accounts, Caller, Outcome, password_refusal};
use crate::limits;
use crate::proto::account::{ListAfter, PasswordReset, UserList, UserStatus};
use crate::proto::answer::UserInfo;
use crate::proto::{Code, Refusal, UserId};
use crate::store::sqlite::accounts::By;

const RESET_CHARACTERS: usize = 12;
/// Five bits each, without the letters that are mistaken for others.
const READABLE: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Who administers.
#[derive(Clone, Copy, Debug)]
pub enum Administrator<'a> {
    Caller(&'a Caller),
    /// Whoever can run commands on the machine.
    Operator,
}

impl Administrator<'_> {
    pub(super) fn by(self) -> By {
        match self {
            Administrator::Caller(caller) => By::User(caller.user),
            Administrator::Operator => By::Operator,
        }
    }
}

impl Accounts {
    /// Users by name. `after` is the last name of the page before.
    ///
    /// # Errors
    /// `bad_request` for a limit out of range.
    pub async fn users(&self, page: ListAfter) -> Outcome<UserList> {
        let limit = page.limit.map_or(Some(limits::LIST_ROWS), |limit| {
            usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=limits::LIST_ROWS).contains(limit))
        });
        let Some(limit) = limit else {
            let message = format!("`limit` is 1 to {}.", limits::LIST_ROWS);
            return Err(Refusal::because(Code::BadRequest, message));
        };
        self.store.users(page.after, limit).await
    }

    pub async fn user(&self, user: UserId) -> Outcome<UserInfo> {
        self.store
            .user_infos(vec![user])
            .await?
            .pop()
            .ok_or_else(|| Code::NotFound.into())
    }

    /// The user of a name, for the operator's command line.
    pub async fn user_by_name(&self, name: &str) -> Outcome<UserInfo> {
        let name = super::user_name(name)?;
        self.store
            .user_by_name(name.as_str().into())
            .await?
            .ok_or_else(|| Code::NotFound.into())
    }

    /// Disables a user and ends every session of theirs.
    pub async fn disable(&self, by: Administrator<'_>, user: UserId) -> Outcome<UserStatus> {
        self.set_disabled(by, user, true).await
    }

    pub async fn enable(&self, by: Administrator<'_>, user: UserId) -> Outcome<UserStatus> {
        self.set_disabled(by, user, false).await
    }

    async fn set_disabled(&self, by: Administrator<'_>, user: UserId, disabled: bool) -> Outcome<UserStatus> {
        self.store.set_disabled(by.by(), user, disabled).await?;
        Ok(UserStatus { user, disabled })
    }

    /// Gives a user a new password, told once, and ends every session of theirs.
    pub async fn reset_password(&self, by: Administrator<'_>, user: UserId) -> Outcome<PasswordReset> {
        self.store.may_administer(by.by(), user).await?;
        let mut chance = [0; RESET_CHARACTERS];
        self.store.clock().random(&mut chance);
        let password: String = chance
            .iter()
            .map(|byte| char::from(READABLE[usize::from(byte & 31)]))
            .collect();
        let hash = self
            .passwords
            .hash(password.clone())
            .await
            .map_err(password_refusal)?;
        self.store.reset_password(by.by(), user, hash).await?;
        Ok(PasswordReset { user, password })
    }
}
