//! How the server is: for `/health` and whoever watches it. What must not live here: numbers, which are metrics.

use super::Services;
use crate::proto::account::Health;
use crate::store::Writable;

impl Services {
    /// Ready means that the log can be written.
    #[must_use]
    pub fn health(&self) -> Health {
        let status = match self.store.writable() {
            Writable::Yes => "ready",
            Writable::Full => "full",
            Writable::ReadOnly(_) => "read_only",
        };
        Health {
            status: status.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            claimed: self.accounts.is_claimed(),
            synchronised: self.store.clock().now().synchronised,
            team: self.accounts.team(),
            first_run: self.accounts.first_run(),
        }
    }
}
