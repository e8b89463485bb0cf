//! The server as a whole, for admins: who may look, and the room on its disk. What must not live here: what the process
//! knows of itself, which `app` tells.

use super::Services;
use super::accounts::{Caller, may_oversee};
use super::files::Room;
use super::pulse::now_ms;
use crate::proto::Refusal;

/// Lets an admin look, and gives the room on the disk.
///
/// # Errors
/// `forbidden` for members and bots, `rate_limited`.
pub async fn room(services: &Services, caller: &Caller) -> Result<Room, Refusal> {
    settings(services, caller)?;
    services.files.room().await
}

/// Whether the settings may be shown.
///
/// # Errors
/// As of [`room`].
pub fn settings(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    may_oversee(caller)?;
    services.quotas.take_read(caller.user, now_ms())
}
