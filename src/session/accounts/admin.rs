//! The people of this server: listed for everyone, administered by admins. What must not live here: who may administer
//! whom; the store decides that from the rows, in the same transaction as the change.

use super::{Accounts, Caller, Outcome, check_client_id, password_refusal, rows};
use crate::core::permit::server::{self, Office};
use crate::limits;
use crate::proto::account::{ListAfter, PasswordReset, UserList, UserProfile, UserStatus};
use crate::proto::answer::UserInfo;
use crate::proto::backup::PlaceBackups;
use crate::proto::machine::{AskBoard, BoardVerb};
use crate::proto::people::{AuditPage, AuditQuery, AuditWhat, SetServerRole, UserDevice, UserDevices};
use crate::proto::{Code, DeviceId, UserId};
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
            Administrator::Caller(caller) => By::User(caller.user, caller.device_no),
            Administrator::Operator => By::Operator,
        }
    }
}

impl Administrator<'_> {
    fn office(self) -> Office {
        match self {
            Administrator::Caller(caller) => Office::Holder(caller.role),
            Administrator::Operator => Office::Operator,
        }
    }
}

/// Whether a caller may see what admins see.
///
/// # Errors
/// `forbidden`.
pub fn may_oversee(caller: &Caller) -> Outcome<()> {
    server::may_oversee(Administrator::Caller(caller).office())
}

/// Whether a caller may have kinglet-board do this.
///
/// # Errors
/// `forbidden`.
pub fn may_ask_board(caller: &Caller, verb: BoardVerb) -> Outcome<()> {
    server::may_ask_board(Administrator::Caller(caller).office(), verb)
}

/// Whether a caller may say where backups go.
///
/// # Errors
/// `forbidden`.
pub fn may_place_backups(caller: &Caller) -> Outcome<()> {
    server::may_place_backups(Administrator::Caller(caller).office())
}

impl Accounts {
    /// Users by name. `after` is the last name of the page before. Those who have left are for admins.
    ///
    /// # Errors
    /// `bad_request` for a limit out of range, `forbidden`.
    pub async fn users(&self, by: Administrator<'_>, page: ListAfter) -> Outcome<UserList> {
        let limit = rows(page.limit, limits::LIST_ROWS)?;
        if page.deactivated {
            server::may_oversee(by.office())?;
        }
        self.store
            .users(page.find, page.after, limit, page.deactivated)
            .await
    }

    /// One user, with when they were last here, where the caller may see that.
    pub async fn user(&self, caller: &Caller, user: UserId) -> Outcome<UserProfile> {
        self.may_look_up(caller, user).await?;
        let info = self.info(user).await?;
        let mut last_seen = None;
        let discretion = self.store.discretion();
        if discretion.may_see_presence(user, caller.user) && !discretion.are_apart(user, caller.user) {
            last_seen = self.store.last_seen(caller.user, user).await?;
        }
        Ok(UserProfile { info, last_seen })
    }

    pub(super) async fn info(&self, user: UserId) -> Outcome<UserInfo> {
        let found = self.store.user_infos(vec![user]).await?.pop();
        found.ok_or_else(|| Code::NotFound.into())
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
        self.status(user).await
    }

    pub(super) async fn status(&self, user: UserId) -> Outcome<UserStatus> {
        let info = self.info(user).await?;
        Ok(UserStatus {
            user,
            disabled: info.disabled,
            deactivated: info.deactivated,
        })
    }

    /// Makes somebody an admin, an owner or a member.
    ///
    /// # Errors
    /// `forbidden` for all but owners, `last_owner`, `not_found`.
    pub async fn set_role(
        &self,
        by: Administrator<'_>,
        user: UserId,
        request: &SetServerRole,
    ) -> Outcome<UserInfo> {
        self.store.set_role(by.by(), user, request.role).await?;
        self.info(user).await
    }

    /// What admins did, newest first, as far as it fits what is asked for.
    ///
    /// # Errors
    /// `forbidden` for members; `bad_request` for a limit out of range.
    pub async fn audit(&self, caller: &Caller, asked: AuditQuery) -> Outcome<AuditPage> {
        let limit = rows(asked.limit, limits::LIST_ROWS)?;
        let by = Administrator::Caller(caller).by();
        self.store.audit(by, asked, limit).await
    }

    /// Has the journal know of an act that changes nothing else in the store.
    ///
    /// # Errors
    /// `forbidden`, or whatever keeps the store from taking it.
    pub async fn note_act(&self, caller: &Caller, what: AuditWhat) -> Outcome<()> {
        let by = Administrator::Caller(caller).by();
        self.store.note_act(by, what).await
    }

    /// Lets a caller ask kinglet-board: for what is grave only with their password.
    ///
    /// # Errors
    /// `forbidden`, `wrong_credentials`, `rate_limited` after many, `bad_request` for a client id that is none.
    pub async fn let_ask_board(&self, caller: &Caller, asked: &AskBoard) -> Outcome<()> {
        check_client_id(asked.client_id)?;
        let verb = asked.act.verb();
        may_ask_board(caller, verb)?;
        if verb.is_grave() {
            let password = asked.password.clone().unwrap_or_default();
            self.proven(caller.user, password).await?;
        }
        Ok(())
    }

    /// Lets an owner say where backups go, with their password.
    ///
    /// # Errors
    /// `forbidden`, `wrong_credentials`, `rate_limited` after many.
    pub async fn let_place_backups(&self, caller: &Caller, asked: &PlaceBackups) -> Outcome<()> {
        may_place_backups(caller)?;
        let password = asked.password.clone().unwrap_or_default();
        self.proven(caller.user, password).await.map(drop)
    }

    /// Notes where backups go from now on, and has the journal know.
    ///
    /// # Errors
    /// `forbidden`; `changed_meanwhile` where `instead_of` is not what was chosen.
    pub async fn place_backups(&self, caller: &Caller, asked: &PlaceBackups) -> Outcome<()> {
        let by = Administrator::Caller(caller).by();
        self.store.place_backups(by, asked.instead_of, asked.place).await
    }

    /// Another person's devices; when they were last here only where that is shown.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn devices_of(&self, caller: &Caller, user: UserId) -> Outcome<UserDevices> {
        let by = Administrator::Caller(caller).by();
        let devices = self.store.devices_of(by, user).await?.into_iter();
        let shows = self.store.discretion().may_see_presence(user, caller.user);
        let told = devices.map(|device| UserDevice {
            id: device.id,
            name: device.name,
            signed_in: device.signed_in,
            created: device.created,
            last_seen: shows.then_some(device.last_seen),
        });
        Ok(UserDevices {
            devices: told.collect(),
        })
    }

    /// Ends the session of one of another person's devices.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn end_device(&self, by: Administrator<'_>, user: UserId, device: DeviceId) -> Outcome<()> {
        self.store.end_device(by.by(), user, device).await
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
