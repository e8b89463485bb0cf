//! How the server is: for `/health` and whoever watches it; and a message to the log and back, for whoever has to know that it
//! works. What must not live here: numbers, which are metrics.

use super::{Services, Who, answer, submit};
use crate::clock::monotonic;
use crate::core::permit::bots::Scopes;
use crate::proto::account::{Health, NewRound, Round};
use crate::proto::command::{History, Send, Target};
use crate::proto::{Answer, Body, Code, Command, Refusal, UserId, What};
use crate::store::Writable;

/// The operator, who is nobody's account: what they say is seen by nobody, since nobody signs in as them.
const OPERATOR: Who = Who {
    user: UserId(0),
    device: 0,
    scopes: Scopes::PERSON,
};

impl Services {
    /// Ready means that messages are taken.
    #[must_use]
    pub fn health(&self) -> Health {
        let status = match self.store.writable() {
            Writable::Yes if !self.store.is_tight() => "ready",
            Writable::Yes | Writable::Full => "full",
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

    /// Has the operator say something to themselves, as people do, and reads it from the log again. It is taken back after
    /// that: its text goes, and an empty place stays in a conversation that nobody else is in.
    ///
    /// # Errors
    /// Whatever would keep a person from sending or reading; and `internal` where something else came back.
    pub async fn there_and_back(&self, asked: &NewRound) -> Result<Round, Refusal> {
        let begun = monotonic();
        let text = asked.client_id.0.to_string();
        let said = Send {
            client_id: asked.client_id,
            conversation: None,
            to: Some(OPERATOR.user),
            body: Some(Body::Text { text: text.clone() }),
            reply_to: None,
            forward_of: None,
            thread: None,
            also_send: false,
        };
        let Answer::Ack(ack) = submit::run(self, &OPERATOR, Command::Send(said)).await? else {
            return Err(Code::Internal.into());
        };
        let place = History {
            conversation: ack.conversation,
            after: Some(ack.seq.saturating_sub(1)),
            before: None,
            limit: Some(1),
        };
        let page = answer::history_page(self, &OPERATOR, &place).await?;
        let came = page.events.iter().any(|event| {
            let is_same =
                matches!(&event.what, What::Message { body: Some(Body::Text { text: read }), .. } if *read == text);
            event.seq == ack.seq && is_same
        });
        if !came {
            log::error!(
                "a message of the operator's was acknowledged, and something else was read in its place"
            );
            return Err(Code::Internal.into());
        }
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let back = Target {
            client_id: asked.recall_id,
            conversation: ack.conversation,
            target: ack.seq,
        };
        // Where nobody may take back what they said it stays: it says nothing.
        let _ = submit::run(self, &OPERATOR, Command::Recall(back)).await;
        Ok(Round { seq: ack.seq, micros })
    }
}
