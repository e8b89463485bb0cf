//! One connected device, whatever its gateway: sign-in, commands, delivery. What must not live here: sockets, frames,
//! HTTP; nor SQL.

pub mod accounts;
mod answer;
mod board;
mod deliver;
mod desk;
pub mod export;
pub mod files;
mod health;
mod live;
pub mod overview;
pub mod poll;
mod pulse;
pub mod push;
mod quotas;
mod search;
mod settings;
pub mod submit;
mod talk;

use std::sync::Arc;

use crate::hub::Hub;
use crate::limits::Limits;
use crate::proto::UserId;
use crate::store::Store;

pub use self::live::{Beat, PageAsk, Session, Signed, Slow, Writing};
pub use self::pulse::Pulse;
pub use self::quotas::Quotas;
pub use crate::hub::Rung;

/// What every session works with.
pub struct Services {
    pub store: Store,
    pub hub: Arc<Hub>,
    pub accounts: Arc<accounts::Accounts>,
    pub limits: Limits,
    pub pulse: Arc<Pulse>,
    pub quotas: Quotas,
    pub files: Arc<files::Files>,
    pub push: push::Push,
    pub exports: export::Exports,
}

/// Who is signed in, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub user: UserId,
    pub device: crate::core::permit::DeviceNo,
    pub scopes: crate::core::permit::bots::Scopes,
}

impl From<accounts::Caller> for Who {
    fn from(caller: accounts::Caller) -> Who {
        Who {
            user: caller.user,
            device: caller.device_no,
            scopes: caller.scopes,
        }
    }
}
