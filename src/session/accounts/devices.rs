//! One's own devices and sessions. What must not live here: other people's.

use super::{Accounts, Caller, Outcome, device_name};
use crate::proto::DeviceId;
use crate::proto::account::{DeviceList, RenameDevice, SessionsEnded, SignOutEverywhere};

impl Accounts {
    /// Ends the caller's session. Its live sockets are cut by the store's effect, as with all of these.
    pub async fn sign_out(&self, caller: &Caller) -> Outcome<()> {
        self.store.sign_out(caller.user, caller.device_no).await
    }

    /// Ends all of the caller's sessions, or all but this one.
    pub async fn sign_out_everywhere(
        &self,
        caller: &Caller,
        request: &SignOutEverywhere,
    ) -> Outcome<SessionsEnded> {
        let keep = request.keep_this.then_some(caller.device_no);
        let ended = self.store.sign_out_everywhere(caller.user, keep).await?;
        Ok(SessionsEnded {
            ended: u64::try_from(ended).unwrap_or(u64::MAX),
        })
    }

    pub async fn devices(&self, caller: &Caller) -> Outcome<DeviceList> {
        let devices = self.store.devices(caller.user, caller.device_no).await?;
        Ok(DeviceList { devices })
    }

    pub async fn rename_device(
        &self,
        caller: &Caller,
        device: DeviceId,
        request: &RenameDevice,
    ) -> Outcome<()> {
        self.store
            .rename_device(caller.user, device, device_name(&request.name)?)
            .await
    }

    /// Ends the session of one of the caller's devices; its place in the list stays.
    pub async fn kick_device(&self, caller: &Caller, device: DeviceId) -> Outcome<()> {
        self.store.kick_device(caller.user, device).await
    }
}
