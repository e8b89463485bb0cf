//! The one writer: take one, drain the rest, ONE transaction, then tell. What must not live here: the rules of a single
//! change (see `append`), or anyone's socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::append::{Ended, Failure, Gone, Work};
use super::chance::Chance;
use super::heads::HeadsFile;
use super::pace::Pace;
use super::registers::{Finish, RegisterJob, Registers};
use super::search::Indexing;
use super::staged::{Staged, State};
use super::sweep::Step;
use super::{ById, Shared, fold, sql_refusal};
use crate::clock::{Now, monotonic};
use crate::core::permit::{DeviceNo, Permit};
use crate::limits;
use crate::meters::{METERS, add};
use crate::planted::Bug;
use crate::proto::{Code, Refusal};
use crate::store::{AccountEffect, Append, Commit, Committed, Pos, Receipt, Writable};

/// What the queue carries.
pub enum Job {
    Append(Append),
    Register(RegisterJob),
    /// Erase a stretch of a conversation.
    Sweep(Step),
    /// A round trip that writes nothing: is the writer alive?
    Probe(oneshot::Sender<bool>),
    /// Write the coalesced registers out, sync the heads.
    /// Writes out what waits: all of it when somebody waits for that, else a portion.
    Tidy(Option<oneshot::Sender<()>>),
    Stop(oneshot::Sender<()>),
}

impl Job {
    /// Whose change of the log it is.
    fn device(&self) -> Option<DeviceNo> {
        match self {
            Job::Append(append) => Some(append.permit.actor().device),
            _ => None,
        }
    }
}

pub struct Writer {
    pub connection: Connection,
    pub shared: Arc<Shared>,
    pub sink: Box<dyn Committed>,
    pub queue: mpsc::Receiver<Job>,
    pub states: ById<State>,
    pub chance: Chance,
    pub heads: HeadsFile,
    pub change: u64,
    pub last_flush: Instant,
    pub pace: Pace,
    pub indexing: Indexing,
    pub gone: Gone,
}

/// One batch's answers, held back until the commit is synced.
#[derive(Default)]
struct Outcome {
    answers: Vec<(Append, Result<Receipt, Refusal>)>,
    finishes: Vec<Finish>,
    effects: Vec<AccountEffect>,
    probes: Vec<oneshot::Sender<bool>>,
    tidied: Vec<oneshot::Sender<()>>,
    /// Whether registers that had waited were written out.
    flushed: bool,
}

/// Coalesced registers ride on a commit when this much time has gone by.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

impl Drop for Writer {
    /// Whoever hands something in at this moment must not wait for an answer for ever: a channel whose receiver is merely
    /// dropped may keep what was sent meanwhile.
    fn drop(&mut self) {
        self.queue.close();
        while self.queue.blocking_recv().is_some() {}
    }
}

impl Writer {
    pub fn run(mut self) {
        let mut jobs = Vec::with_capacity(limits::BATCH_COMMANDS);
        while let Some(first) = self.next_job() {
            jobs.push(first);
            self.drain(&mut jobs);
            if let Some(wait) = self.pace.wait(jobs.iter().map(Job::device), monotonic()) {
                // Nobody unparks the writer: whoever comes meanwhile should cost nothing, not even a wake-up.
                let until = monotonic() + wait;
                while let Some(left) = until.checked_duration_since(monotonic()) {
                    std::thread::park_timeout(left);
                }
                self.drain(&mut jobs);
            }
            let stop = self.take_stop(&mut jobs);
            if !jobs.is_empty()
                && let Err(error) = self.batch(&mut jobs)
            {
                (self.shared.fatal)(&error);
                return;
            }
            // All jobs are done; the places they stood in are not part of the next batch.
            jobs.clear();
            if let Some(done) = stop {
                self.shut_down();
                // Who waits for the end may open the store again: the connection and the lock go first.
                drop(self);
                let _ = done.send(());
                return;
            }
        }
    }

    /// What waits already, up to a full batch.
    fn drain(&mut self, jobs: &mut Vec<Job>) {
        while jobs.len() < limits::BATCH_COMMANDS {
            let Ok(next) = self.queue.try_recv() else { break };
            jobs.push(next);
        }
    }

    fn take_stop(&mut self, jobs: &mut Vec<Job>) -> Option<oneshot::Sender<()>> {
        let at = jobs.iter().position(|job| matches!(job, Job::Stop(_)))?;
        // What was queued behind the stop is dropped unanswered, as if the process had ended: the client retries.
        let Some(Job::Stop(done)) = jobs.drain(at..).next() else {
            return None;
        };
        Some(done)
    }

    /// One transaction. `Err` means that the log's state on disk is unknown: nobody is answered, the process must end.
    fn batch(&mut self, jobs: &mut Vec<Job>) -> Result<(), String> {
        let begun = monotonic();
        let damaged = matches!(*self.shared.writable.read(), Writable::ReadOnly(_));
        if damaged {
            return self.refuse_all(jobs, &Code::ReadOnly.into());
        }
        let mut staged = Staged::default();
        let mut outcome = Outcome::default();
        let change_before = self.change;
        if let Err(error) = self.say("BEGIN IMMEDIATE") {
            return self.failed(error, jobs, outcome);
        }
        let folding = self.shared.recent.read().rows() + jobs.len() >= limits::FOLD_ROWS;
        let done = self.work(jobs, folding, &mut staged, &mut outcome);
        if let Err(error) = done {
            self.change = change_before;
            return self.failed(error, jobs, outcome);
        }
        let rows = staged.rows.len();
        let only_looked = rows == 0 && outcome.finishes.is_empty() && !outcome.flushed && !folding;
        let told = if Bug::AckBeforeCommit.is_planted() {
            self.publish(staged, &mut outcome, folding);
            None
        } else {
            Some(staged)
        };
        let end = if only_looked { "ROLLBACK" } else { "COMMIT" };
        if let Err(error) = self.say(end) {
            self.change = change_before;
            return self.failed(error, jobs, outcome);
        }
        self.shared.markers.written();
        if let Some(staged) = &told {
            self.note_erasures(staged);
        }
        self.note_ended(&outcome.effects);
        if !only_looked {
            // Only a write shows that there is room again.
            *self.shared.writable.write() = Writable::Yes;
            self.indexing.go_on();
            add(&METERS.commits, 1);
            METERS.commit_rows.observe(rows as u64);
            METERS.commit_seconds.observe_time(begun.elapsed());
        }
        if let Some(staged) = told {
            self.publish(staged, &mut outcome, folding);
        }
        self.finish(outcome);
        self.after_commit(folding)
    }

    /// Before anybody hears of it: whoever is told that words were erased finds that counted.
    fn note_erasures(&mut self, staged: &Staged) {
        staged.gone.iter().for_each(|user| {
            self.shared.markers.forget(*user);
            self.shared.discretion.forget(*user);
        });
        if staged.files || !staged.gone.is_empty() {
            self.shared.let_go.after_commit();
        }
        if staged.files || staged.erased > 0 || !staged.gone.is_empty() {
            self.shared.checkpointer.after_erasure();
        }
    }

    /// Whose sessions are over: what they handed in before their connections are cut is looked at twice.
    fn note_ended(&mut self, effects: &[AccountEffect]) {
        if self.gone.is_empty() && effects.is_empty() {
            return;
        }
        let now = monotonic();
        // By then every connection of theirs is cut.
        self.gone
            .retain(|(_, when)| now.duration_since(*when) < limits::REVOKE_WITHIN * 60);
        for effect in effects {
            if let AccountEffect::Revoked { user, .. } = effect {
                self.gone.retain(|(known, _)| known != user);
                self.gone.push((*user, now));
            }
        }
    }

    /// A statement that is said at each commit; it is prepared once.
    fn say(&self, statement: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(statement)?.execute([]).map(drop)
    }

    fn work(
        &mut self,
        jobs: &mut [Job],
        folding: bool,
        staged: &mut Staged,
        outcome: &mut Outcome,
    ) -> Result<(), rusqlite::Error> {
        if folding {
            fold::fold(&self.connection, &self.shared.recent.read())?;
        }
        if self.states.len() > limits::WRITER_STATES {
            self.states.clear();
        }
        let now = self.shared.clock.now();
        let mut head = self.shared.recent.read().head;
        // With the rows that are folded goes what their markers could be made of again.
        let mut all = folding;
        let mut flush = folding || self.last_flush.elapsed() > FLUSH_EVERY;
        let mut wrote = false;
        // The jobs stay in place until they are done: a failing batch answers those it has not reached, too.
        for job in jobs {
            let job = std::mem::replace(job, Job::Probe(oneshot::channel().0));
            match job {
                Job::Append(append) => {
                    let mut work = self.at_work(staged, &mut head, now, Some(&outcome.effects));
                    match work.append(&append.permit) {
                        Ok(receipt) => {
                            wrote |= !receipt.duplicate;
                            outcome.answers.push((append, Ok(receipt)));
                        }
                        Err(Failure::Refused(refusal)) => outcome.answers.push((append, Err(refusal))),
                        Err(Failure::Sql(error)) => {
                            outcome.answers.push((append, Err(Code::Internal.into())));
                            return Err(error);
                        }
                    }
                }
                Job::Register(change) => {
                    wrote = true;
                    self.register(change, now, outcome, (staged, &mut head))?;
                }
                Job::Sweep(step) => {
                    wrote = true;
                    let mut work = self.at_work(staged, &mut head, now, None);
                    match work.sweep(&step.stretch) {
                        Ok(()) => outcome.finishes.push(Box::new(|done| step.answer(done))),
                        Err(Failure::Refused(refusal)) => step.answer(Err(refusal)),
                        Err(Failure::Sql(error)) => return Err(error),
                    }
                }
                Job::Probe(answer) => outcome.probes.push(answer),
                Job::Tidy(answer) => {
                    flush = true;
                    wrote = true;
                    all |= answer.is_some();
                    outcome.tidied.extend(answer);
                }
                Job::Stop(_) => {}
            }
        }
        super::push::note(&self.connection, &staged.push)?;
        if flush && wrote {
            outcome.flushed = true;
            let most = if all { usize::MAX } else { limits::FLUSHED_AT_ONCE };
            // Thousands leave at once when a network breaks: the next commits take the rest.
            if self.shared.markers.flush(&self.connection, most)? {
                self.last_flush = monotonic();
            }
        }
        Ok(())
    }

    /// A change of registers in a savepoint of its own, so that a refused one undoes only itself.
    fn register(
        &mut self,
        change: RegisterJob,
        now: Now,
        outcome: &mut Outcome,
        (staged, head): (&mut Staged, &mut Pos),
    ) -> Result<(), rusqlite::Error> {
        self.connection.execute_batch("SAVEPOINT register")?;
        let (effects_before, change_before) = (outcome.effects.len(), self.change);
        let (mut appends, gone_before) = (Vec::new(), staged.gone.len());
        let mut registers = Registers {
            connection: &self.connection,
            now,
            clock: &self.shared.clock,
            effects: &mut outcome.effects,
            appends: &mut appends,
            files: &mut staged.files,
            gone: &mut staged.gone,
            change: &mut self.change,
        };
        let (mut refused, mut finish) = change(&mut registers);
        if refused.is_none() && !appends.is_empty() {
            match self.append_with(&appends, now, (staged, head)) {
                Ok(()) => {}
                Err(Failure::Refused(refusal)) => {
                    self.change = change_before;
                    refused = Some(refusal.code);
                    finish = Box::new(move |committed| finish(committed.and(Err(refusal))));
                }
                Err(Failure::Sql(error)) => {
                    outcome.finishes.push(finish);
                    return Err(error);
                }
            }
        }
        outcome.finishes.push(finish);
        if let Some(code) = refused {
            outcome.effects.truncate(effects_before);
            staged.gone.truncate(gone_before);
            // On a full disk or a failed write SQLite may have rolled the whole transaction back by itself.
            if self.connection.is_autocommit() {
                let full = code == Code::StorageFull;
                let code = if full {
                    rusqlite::ffi::SQLITE_FULL
                } else {
                    rusqlite::ffi::SQLITE_IOERR
                };
                let error = rusqlite::ffi::Error::new(code);
                return Err(rusqlite::Error::SqliteFailure(error, None));
            }
            self.connection.execute_batch("ROLLBACK TO register")?;
        }
        self.connection.execute_batch("RELEASE register")
    }

    /// Appends what a change of registers does in conversations: all of it, or nothing is left of it in memory either.
    fn append_with(
        &mut self,
        permits: &[Permit],
        now: Now,
        (staged, head): (&mut Staged, &mut Pos),
    ) -> Result<(), Failure> {
        let (mark, head_before) = (staged.mark(), *head);
        let mut work = self.at_work(staged, head, now, None);
        let failed = permits.iter().find_map(|permit| work.append(permit).err());
        let Some(failure) = failed else { return Ok(()) };
        staged.undo(&mark, &mut self.states);
        *head = head_before;
        Err(failure)
    }

    /// Whose sessions have ended is asked for what people hand in, given what this batch has done to accounts; not for what
    /// an account's change itself does.
    fn at_work<'a>(
        &'a mut self,
        staged: &'a mut Staged,
        head: &'a mut Pos,
        now: Now,
        effects: Option<&'a [AccountEffect]>,
    ) -> Work<'a> {
        Work {
            connection: &self.connection,
            shared: &self.shared,
            states: &mut self.states,
            chance: &mut self.chance,
            staged,
            head,
            now,
            ended: effects.map_or(Ended::NOBODY, |now| Ended {
                before: &self.gone,
                now,
            }),
        }
    }

    /// Makes a commit visible: the memory index, the rosters, the heads, then everyone who listens, in this order.
    fn publish(&mut self, staged: Staged, outcome: &mut Outcome, folding: bool) {
        let mut bytes = 0;
        {
            let mut recent = self.shared.recent.write();
            if folding {
                let head = recent.head;
                recent.folded_up_to(head);
            }
            for (row, hash) in &staged.rows {
                bytes += row.body.as_ref().map_or(0, Vec::len) as u64;
                recent.add(row, *hash);
            }
        }
        for roster in staged.rosters.values() {
            self.shared.rosters.publish(roster);
        }
        for (user, conversation, seq, count) in staged.markers {
            self.shared.markers.raise(user, conversation, seq, count);
        }
        if !folding {
            for (row, hash) in &staged.rows {
                self.heads.note(row.conversation, row.seq, hash);
            }
        }
        if !staged.push.is_empty() {
            self.shared.push.ring();
        }
        add(&METERS.log_bytes_written, bytes);
        // Before anybody is answered: what is sent after a block's answer meets the block.
        for effect in &outcome.effects {
            match effect {
                AccountEffect::Setting {
                    discreet: Some(discreet),
                    ..
                } => self.shared.discretion.apply(*discreet),
                AccountEffect::Restrained(restraint) => self.shared.restraints.apply(*restraint),
                _ => {}
            }
        }
        self.shared.accounts_change.store(self.change, Ordering::Release);
        let mut commit = Commit {
            appended: staged.appended,
            effects: std::mem::take(&mut outcome.effects),
            ..Commit::default()
        };
        commit.accounts = self.change;
        for (append, result) in outcome.answers.drain(..) {
            self.shared
                .queued_bytes
                .fetch_sub(append.permit.change().weight(), Ordering::Relaxed);
            METERS.ack_latency.observe_time(append.asked.elapsed());
            commit.answers.push((append.waiter, append.slot, result));
        }
        self.sink.committed(commit);
    }

    fn finish(&mut self, outcome: Outcome) {
        outcome.finishes.into_iter().for_each(|finish| finish(Ok(())));
        outcome.probes.into_iter().for_each(answer_probe);
        if !outcome.tidied.is_empty() {
            // Lazily synced: a failure here costs a check, not a message.
            let _ = self.heads.sync();
        }
        for tidied in outcome.tidied {
            // Nobody may wait any more.
            let _ = tidied.send(());
        }
    }

    fn after_commit(&mut self, folded: bool) -> Result<(), String> {
        let heads = if folded {
            let (folded, heads) = {
                let recent = self.shared.recent.read();
                let heads: Vec<_> = recent
                    .conversations
                    .iter()
                    .map(|(id, stretch)| (*id, stretch.last(), stretch.hash))
                    .collect();
                (recent.folded, heads)
            };
            self.heads.restart(self.shared.epoch, folded).and_then(|()| {
                heads
                    .iter()
                    .for_each(|(id, seq, hash)| self.heads.note(*id, *seq, hash));
                self.heads.write()
            })
        } else {
            self.heads.write()
        };
        if let Err(error) = heads {
            log::warn!(
                "the heads file could not be written ({error}); missing messages would not be noticed at the next start"
            );
        }
        let pages = super::checkpoint::wal_pages();
        METERS.wal_bytes.store(u64::from(pages) * 4096, Ordering::Relaxed);
        let long = pages >= limits::WAL_PAGES;
        self.shared.checkpointer.after_commit(&self.connection, long)
    }

    /// A full disk refuses the batch and the server goes on. Anything else ends it: after a failed sync nobody knows what
    /// is on disk, and trying again would hide it.
    fn failed(
        &mut self,
        error: rusqlite::Error,
        jobs: &mut Vec<Job>,
        outcome: Outcome,
    ) -> Result<(), String> {
        let refusal = sql_refusal(&error);
        if refusal.code != Code::StorageFull {
            return Err(format!(
                "the log could not be written: {error}; nothing of the last batch was acknowledged"
            ));
        }
        let _ = self.connection.execute_batch("ROLLBACK");
        self.shared.markers.not_written();
        self.shared.push.reload(&self.connection);
        *self.shared.writable.write() = Writable::Full;
        self.states.clear();
        let mut refused = Commit::default();
        for (append, _) in outcome.answers {
            self.shared
                .queued_bytes
                .fetch_sub(append.permit.change().weight(), Ordering::Relaxed);
            refused
                .answers
                .push((append.waiter, append.slot, Err(refusal.clone())));
        }
        refused.accounts = self.change;
        self.sink.committed(refused);
        outcome
            .finishes
            .into_iter()
            .for_each(|finish| finish(Err(refusal.clone())));
        // A full disk is not a hang.
        outcome.probes.into_iter().for_each(answer_probe);
        self.refuse_all(jobs, &refusal)
    }

    fn refuse_all(&mut self, jobs: &mut Vec<Job>, refusal: &Refusal) -> Result<(), String> {
        let mut refused = Commit {
            accounts: self.change,
            ..Commit::default()
        };
        for job in jobs.drain(..) {
            match job {
                Job::Append(append) => {
                    self.shared
                        .queued_bytes
                        .fetch_sub(append.permit.change().weight(), Ordering::Relaxed);
                    refused
                        .answers
                        .push((append.waiter, append.slot, Err(refusal.clone())));
                }
                Job::Register(change) => drop(change),
                Job::Sweep(step) => step.answer(Err(refusal.clone())),
                Job::Probe(answer) => answer_probe(answer),
                Job::Tidy(answer) => {
                    let _ = answer.map(|answer| answer.send(()));
                }
                Job::Stop(_) => {}
            }
        }
        self.sink.committed(refused);
        Ok(())
    }

    /// Writes out what was coalesced; the next start finds everything folded and checkpointed by itself.
    fn shut_down(&mut self) {
        if matches!(*self.shared.writable.read(), Writable::ReadOnly(_)) {
            return;
        }
        let flushed = self
            .connection
            .execute_batch("BEGIN IMMEDIATE")
            .and_then(|()| self.shared.markers.flush(&self.connection, usize::MAX))
            .and_then(|_| self.connection.execute_batch("COMMIT"));
        self.shared.markers.written();
        if let Err(error) = flushed {
            log::warn!("read markers of the last seconds were not written: {error}");
        }
        if let Err(error) = self.heads.write().and_then(|()| self.heads.sync()) {
            log::warn!("the heads file was not synced: {error}");
        }
        // A stopped server's database is one file, whoever copies it. A reader at work only leaves that to the next start.
        let _ = self.connection.busy_timeout(limits::ERASURE_RETRY);
        let completed = super::checkpoint::complete(&self.connection);
        if let Some(why) = completed.err().as_ref().and_then(super::checkpoint::unsynced) {
            (self.shared.fatal)(&why);
        }
    }
}

fn answer_probe(probe: oneshot::Sender<bool>) {
    // The asker may have given up.
    let _ = probe.send(true);
}
