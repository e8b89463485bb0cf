//! Registers: accounts, devices, invitations. Written by the one writer, with a change number that sync reports.
//! What must not live here: the log, and any SQL of a particular register (see `accounts`).

use rusqlite::Connection;

use super::{Store, answer};
use crate::clock::{Clock, Now};
use crate::core::permit::Permit;
use crate::proto::{Code, Refusal, UserId};
use crate::store::{AccountEffect, Writable};

/// What a register's change has at hand inside the writer's transaction.
pub struct Registers<'a> {
    pub connection: &'a Connection,
    pub now: Now,
    pub clock: &'a Clock,
    /// What connected sessions must hear of it once it is on disk.
    pub effects: &'a mut Vec<AccountEffect>,
    /// What this change does in conversations: appended after it, in the same savepoint. A refusal there undoes both.
    pub appends: &'a mut Vec<Permit>,
    /// Whether it lets files go that are to be removed.
    pub files: &'a mut bool,
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
        let (answer, asked) = answer::ask();
        let job: RegisterJob = Box::new(move |registers| {
            let before = *registers.change;
            let outcome = change(registers);
            if outcome.is_err() {
                // The rows are undone, and a number without a row would be given out again after a restart.
                *registers.change = before;
            }
            let refused = outcome.as_ref().err().map(|refusal| refusal.code);
            // The asker may have hung up; the change stays.
            let finish: Finish = Box::new(move |committed| answer.give(committed.and(outcome)));
            (refused, finish)
        });
        self.submit_register(job)?;
        asked.given().await.unwrap_or_else(|| Err(self.why_unanswered()))
    }

    /// Why the writer let a change fall.
    fn why_unanswered(&self) -> Refusal {
        match self.writable() {
            Writable::Yes => Code::ShuttingDown.into(),
            Writable::Full => Code::StorageFull.into(),
            Writable::ReadOnly(_) => Code::ReadOnly.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::core::change::Change;
    use crate::core::permit::{Actor, Settings, authorise};
    use crate::core::roster::Roster;
    use crate::proto::command::Plain;
    use crate::proto::{Body, ClientId, Command, ConversationId, Seq, UserId};
    use crate::store::sqlite::doctor;
    use crate::store::sqlite::open::DATABASE;
    use crate::store::{Commit, Committed, Span, sqlite};

    struct Deaf;

    impl Committed for Deaf {
        fn committed(&mut self, _: Commit) {}
    }

    fn open(directory: &Path) -> Store {
        let options = sqlite::Options {
            directory: directory.to_owned(),
            vfs: None,
            settings: Settings {
                recall_seconds: 0,
                edit_seconds: 0,
            },
            roster_members: 1_000,
            fatal: Arc::new(|why| panic!("the store gave up: {why}")),
        };
        Store::open(options, Arc::new(Clock::manual(1, 1)), Box::new(Deaf)).expect("the store opens")
    }

    fn client(n: u8) -> ClientId {
        ClientId(uuid::Uuid::from_bytes([n; 16]))
    }

    fn permit(command: Command, roster: Option<&Roster>) -> Permit {
        let change = Change::try_from_command(command).expect("a change");
        let actor = Actor::person(UserId(1), 1);
        let now = Clock::manual(1, 1).now();
        authorise(change, actor, roster, now).expect("the rules allow it")
    }

    fn note_to_self(n: u8) -> Permit {
        let body = Body::Text {
            text: "a note".into(),
        };
        let send = serde_json::json!({
            "type": "send", "client_id": client(n), "to": UserId(1), "body": body,
        });
        permit(serde_json::from_value(send).expect("a command"), None)
    }

    /// The permit of a change in a conversation that the writer does not find.
    fn nowhere(n: u8) -> Permit {
        let conversation = ConversationId(77);
        let mut roster = Roster::direct(conversation, UserId(1), UserId(1));
        roster.kind = crate::proto::ConversationKind::Group;
        let client_id = client(n);
        let leave = Command::Leave(Plain {
            client_id,
            conversation,
        });
        permit(leave, Some(&roster))
    }

    async fn write(store: &Store, permits: Vec<Permit>) -> Result<(), Refusal> {
        store
            .write(move |registers| {
                registers.next_change();
                registers
                    .connection
                    .execute("INSERT INTO meta (key, value) VALUES ('mark', x'01')", [])
                    .expect("there is no mark yet");
                registers.effects.push(AccountEffect::News(UserId(1)));
                *registers.appends = permits;
                Ok(())
            })
            .await
    }

    async fn with_a_user(directory: &Path) -> Store {
        let store = open(directory);
        store
            .write(|registers| {
                let sql =
                    "INSERT INTO user (id, name, skeleton, display_name, password, role, created, change)
                           VALUES (1, 'a', 'a', 'a', '', 2, 1, 1)";
                registers.connection.execute(sql, []).expect("the first user");
                Ok(())
            })
            .await
            .expect("written");
        store
    }

    #[tokio::test]
    async fn a_refused_append_undoes_the_change_and_the_appends_before_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = with_a_user(directory.path()).await;
        let before = store.head();
        let refused = write(&store, vec![note_to_self(1), nowhere(2)]).await;
        assert_eq!(refused.map_err(|refusal| refusal.code), Err(Code::NotFound));
        assert_eq!(store.head(), before, "neither a row nor a change number is left");
        let done = write(&store, vec![note_to_self(1), note_to_self(3)]).await;
        done.expect("the mark and the client ids are free: nothing of the refused one is left");
        let after = store.head();
        assert_eq!((after.log, after.accounts), (before.log + 2, before.accounts + 1));
        let found = store.conversations_of(UserId(1)).await.expect("a list");
        let standing = store.standing(found[0]).await.expect("it stands");
        assert_eq!(
            (found.len(), standing.last_seq),
            (1, 2),
            "one conversation, without a gap"
        );
        store.close().await;
    }

    #[tokio::test]
    async fn a_refused_append_leaves_what_the_same_batch_did_before_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = with_a_user(directory.path()).await;
        let before = store.head();
        let (begun, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = std::sync::mpsc::sync_channel(1);
        // While this one holds the writer, the others queue up; then they are one batch.
        let holding = store.write(move |_| {
            begun.send(()).expect("the test waits for it");
            may_go_on.recv().expect("the test lets it go on");
            Ok(())
        });
        let append = |permits| {
            store.write(move |registers: &mut Registers<'_>| {
                *registers.appends = permits;
                Ok(())
            })
        };
        let batch = async {
            has_begun.await.expect("the writer is held");
            tokio::join!(
                append(vec![note_to_self(1)]),
                append(vec![note_to_self(2), nowhere(3)]),
                append(vec![note_to_self(2), note_to_self(4)]),
                async { go_on.send(()).expect("the writer waits for it") },
            )
        };
        let (held, (first, refused, last, ())) = tokio::join!(holding, batch);
        held.expect("it changed nothing");
        first.expect("a note");
        assert_eq!(refused.map_err(|refusal| refusal.code), Err(Code::NotFound));
        last.expect("the refused one left its client id free");
        assert_eq!(store.head().log, before.log + 3);
        let found = store.conversations_of(UserId(1)).await.expect("a list");
        let page = store.page(found[0], Span::After(0), vec![(1, Seq::MAX)], 9);
        let events = page.await.expect("a page").events;
        let seqs: Vec<Seq> = events.iter().map(|(_, event)| event.seq).collect();
        assert_eq!((found.len(), seqs), (1, vec![1, 2, 3]));
        store.close().await;
        // A copy, since this process may still hold the original.
        let copy = tempfile::tempdir().expect("a temporary directory");
        std::fs::copy(directory.path().join(DATABASE), copy.path().join(DATABASE)).expect("it is one file");
        let report = doctor::examine(copy.path()).expect("the database can be read");
        assert_eq!(report.events, 3);
        assert_eq!(report.damage, Vec::<String>::new(), "no chain is broken");
    }
}
