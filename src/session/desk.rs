//! A session's desk: where the writer puts answers. What must not live here: events; those are fetched, not sent.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::hub::Bell;
use crate::proto::Refusal;
use crate::store::{Receipt, Waiter};

/// What came back for the request that the session knows as `slot`.
pub type Outcome = (u32, Result<Receipt, Refusal>);

/// Shared with the writer. Holds at most as many answers as a session may have in flight.
pub struct Desk {
    pub bell: Arc<Bell>,
    answers: Mutex<Vec<Outcome>>,
}

impl Desk {
    #[must_use]
    pub fn new(bell: Arc<Bell>) -> Desk {
        Desk {
            bell,
            answers: Mutex::new(Vec::new()),
        }
    }

    /// Takes all answers; an idle desk keeps no room for them.
    #[must_use]
    pub fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.answers.lock())
    }
}

impl Waiter for Desk {
    fn answer(&self, slot: u32, outcome: Result<Receipt, Refusal>) {
        self.answers.lock().push((slot, outcome));
    }

    fn wake(&self) {
        self.bell.poke();
    }
}

/// One who waits for a single answer: the HTTP fallback.
pub struct Single {
    answer: Mutex<Option<oneshot::Sender<Result<Receipt, Refusal>>>>,
}

impl Single {
    #[must_use]
    pub fn new() -> (Arc<Single>, oneshot::Receiver<Result<Receipt, Refusal>>) {
        let (answer, receive) = oneshot::channel();
        (
            Arc::new(Single {
                answer: Mutex::new(Some(answer)),
            }),
            receive,
        )
    }
}

impl Waiter for Single {
    fn answer(&self, _: u32, outcome: Result<Receipt, Refusal>) {
        if let Some(answer) = self.answer.lock().take() {
            // The asker may have hung up; the change stays, and a retry finds it.
            let _ = answer.send(outcome);
        }
    }

    fn wake(&self) {}
}
