//! Registers: accounts, devices, invitations. Written by the one writer, with a change number that sync reports.
//! What must not live here: the log, and any SQL of a particular register (see `accounts`).

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Store;
use crate::clock::{Clock, Now};
use crate::proto::{Code, Refusal, UserId};
use crate::store::{AccountEffect, Writable};

/// What a register's change has at hand inside the writer's transaction.
pub struct Registers<'a> {
    pub connection: &'a Connection,
    pub now: Now,
    pub clock: &'a Clock,
    /// What connected sessions must hear of it once it is on disk.
    pub effects: &'a mut Vec<AccountEffect>,
    /// People whom this erases.
    pub gone: &'a mut Vec<UserId>,
    pub(super) change: &'a mut u64,
}

impl Registers<'_> {
    /// The next account change number; sync tells by it what is new.
    pub fn next_change(&mut self) -> u64 {
        *self.change += 1;
        *self.change
    }
}

/// Says how it went, once that is on disk.
pub(super) type Finish = Box<dyn FnOnce(Result<(), Refusal>) + Send>;
/// A change of registers on its way to the writer.
/// Gives why it was refused, if it was.
pub(super) type RegisterJob = Box<dyn FnOnce(&mut Registers<'_>) -> (Option<Code>, Finish) + Send>;

impl Store {
    /// Runs a change inside the writer's next transaction and answers once it is synced. A refusal undoes just this change.
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Registers<'_>) -> Result<T, Refusal> + Send + 'static,
    {
        let (answer, receive) = oneshot::channel::<Result<T, Refusal>>();
        let job: RegisterJob = Box::new(move |registers| {
            let before = *registers.change;
            let outcome = change(registers);
            if outcome.is_err() {
                // The rows are undone, and a number without a row would be given out again after a restart.
                *registers.change = before;
            }
            let refused = outcome.as_ref().err().map(|refusal| refusal.code);
            let finish: Finish = Box::new(move |committed| {
                // The asker may have hung up; the change stays.
                let _ = answer.send(committed.and(outcome));
            });
            (refused, finish)
        });
        self.submit_register(job)?;
        receive.await.unwrap_or_else(|_| match self.writable() {
            Writable::Yes => Err(Code::ShuttingDown.into()),
            Writable::Full => Err(Code::StorageFull.into()),
            Writable::ReadOnly(_) => Err(Code::ReadOnly.into()),
        })
    }
}
