//! One change inside the writer's transaction: known already? still allowed? which seq? then the row.
//! What must not live here: the transaction itself (see `writer`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};

use super::blobs::uses;
use super::chance::Chance;
use super::find;
use super::recent::ClientKey;
use super::rows::{self, Row};
use super::staged::{Staged, State};
use super::{ById, Shared, accounts, int, rosters, search};
use crate::clock::Now;
use crate::core::change::Place;
use crate::core::permit::blobs::{self, BlobFacts};
use crate::core::permit::bots::may_own;
use crate::core::permit::{Permit, TargetFacts};
use crate::core::roster::Roster;
use crate::limits;
use crate::planted::Bug;
use crate::proto::{Code, Command, ConversationId, ConversationKind, Event, Refusal, Seq, UserId, What};
use crate::store::{AccountEffect, Appended, Pos, Receipt, Standing};

/// A refusal concerns one command; an SQL error concerns the whole batch.
pub enum Failure {
    Refused(Refusal),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sql(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Failure {
        Failure::Refused(code.into())
    }
}

/// What an append works with.
pub struct Work<'a> {
    pub connection: &'a Connection,
    pub shared: &'a Shared,
    pub states: &'a mut ById<State>,
    pub chance: &'a mut Chance,
    pub staged: &'a mut Staged,
    pub head: &'a mut Pos,
    pub now: Now,
    /// Whose sessions ended a moment ago: what they sent before their connections were cut is not taken.
    pub ended: Ended<'a>,
}

/// People of whose sessions some have ended, and when.
pub type Gone = Vec<(UserId, Instant)>;

/// The same, together with what this very batch has done to accounts so far.
#[derive(Clone, Copy)]
pub struct Ended<'a> {
    pub before: &'a Gone,
    pub now: &'a [AccountEffect],
}

impl Ended<'_> {
    /// Nobody's: for what an account's change itself does in conversations.
    pub const NOBODY: Ended<'static> = Ended {
        before: &Vec::new(),
        now: &[],
    };

    /// Whether one of a user's sessions may be over. Nearly always there is nobody to compare with.
    fn concerns(self, user: UserId) -> bool {
        let is_theirs = |effect: &AccountEffect| matches!(effect, AccountEffect::Revoked { user: whose, .. } if *whose == user);
        self.before.iter().any(|(whose, _)| *whose == user) || self.now.iter().any(is_theirs)
    }
}

impl Work<'_> {
    pub fn append(&mut self, permit: &Permit) -> Result<Receipt, Failure> {
        let change = permit.change();
        let actor = permit.actor();
        let key = (actor.device, *change.client_id().0.as_bytes());
        if let Some(pos) = self.known(key)? {
            return self.repeat(pos, change.digest());
        }
        // After the look for a repeat: what was acknowledged once is acknowledged again.
        if self.shared.tight.load(Ordering::Relaxed) && change.grows() {
            return Err(Code::StorageFull.into());
        }
        if self.ended.concerns(actor.user)
            && !accounts::is_signed_in(self.connection, actor.user, actor.device)?
        {
            return Err(Code::SignedOut.into());
        }
        let (roster, pair) = self.roster_for(permit)?;
        permit.renew(roster.as_deref(), self.now)?;
        permit.on_discretion(roster.as_deref(), &self.shared.discretion)?;
        permit.on_restraint(&self.shared.restraints, self.now)?;
        let bots = self.check_people(permit)?;
        let founded = roster.is_none();
        let roster = match roster {
            Some(roster) => roster,
            None => Arc::new(self.found(permit, pair)?),
        };
        if let Some(target) = change.target() {
            let facts = facts(self.row_of(roster.conversation.0, target)?.as_ref());
            permit.on_target(&roster, facts, &self.shared.settings, self.now)?;
        }
        self.check_board(permit, roster.conversation.0)?;
        let mut what = permit.event_in(&roster, self.now);
        what.tell_bots(bots);
        if change.thread().is_some() || change.source().is_some() {
            self.complete(permit, &roster, &mut what)?;
        }
        if let Some(facts) = self.file_for(permit)? {
            blobs::tell_facts(&mut what, &facts);
        }
        if founded {
            rosters::insert(self.connection, &roster, pair)?;
        }
        self.write(permit, what, &roster, key, pair.filter(|_| founded))
    }

    /// What is known of the file that a message is to carry, if it is to carry one and its sender may send it.
    fn file_for(&self, permit: &Permit) -> Result<Option<BlobFacts>, Failure> {
        let Some(id) = permit.change().blob() else {
            return Ok(None);
        };
        let people = |conversation| self.roster(conversation).map_err(Failure::from);
        let facts = uses::facts(self.connection, permit.actor().user, id, &people)?;
        permit.on_blob(facts.as_ref())?;
        Ok(facts)
    }

    fn write(
        &mut self,
        permit: &Permit,
        what: What,
        roster: &Arc<Roster>,
        key: ClientKey,
        pair: Option<(UserId, UserId)>,
    ) -> Result<Receipt, Failure> {
        let conversation = roster.conversation.0;
        let state = self.state(conversation)?;
        let row = self.row(permit, conversation, key, &what, &state);
        let hash = row.link(&state.hash);
        self.insert(&row)?;
        if let Some(body) = what.body().filter(|body| body.media().is_some()) {
            let place = (conversation, row.seq);
            uses::carry(self.connection, place, permit.actor().user, body)?;
        }
        let mut tombstones = Vec::new();
        if let (true, Some(target)) = (what_annotates(&what), row.target) {
            self.connection
                .prepare_cached("INSERT INTO annotation (conversation, target, seq) VALUES (?1, ?2, ?3)")?
                .execute([int(conversation), int(target), int(row.seq)])?;
            match what {
                What::Recalled { target } => tombstones = self.erase(conversation, target)?,
                What::Edited { .. } => {
                    if let Some(message) = self.row_of(conversation, target)? {
                        search::edited(self.connection, &message, &row)?;
                    }
                    self.note_edit(conversation, &what, row.seq)?;
                }
                _ => {}
            }
        }
        self.note_said(&row, &what)?;
        let changed = if Roster::is_changed_by(&what) || pair.is_some() {
            Some(self.change_roster(roster, &row, &what, pair)?)
        } else {
            None
        };
        if what.counts() {
            self.staged
                .markers
                .push((permit.actor().user, conversation, row.seq, row.count));
            if self.shared.push.concerns(roster, permit.actor().user) {
                self.staged.push.push((conversation, row.seq));
            }
        }
        // What was said before one came counts as read.
        if let (None, Some(new)) = (pair, &changed) {
            let newcomers = new
                .members()
                .filter(|member| roster.member(member.user).is_none());
            let arrivals = newcomers.map(|member| (member.user, conversation, row.seq, row.count));
            self.staged.markers.extend(arrivals);
        }
        *self.head = row.pos;
        self.states.insert(conversation, State::behind(&row, hash));
        self.staged.clients.insert(key, row.pos);
        self.staged.places.insert((conversation, row.seq), row.pos);
        let (seq, ts) = (row.seq, row.ts);
        let event = Event { what, ..bare(&row) };
        self.staged.appended.push(Appended {
            pos: row.pos,
            event,
            roster: changed,
            tombstones,
        });
        self.staged.rows.push((row, hash));
        Ok(Receipt {
            conversation: roster.conversation,
            seq,
            ts,
            duplicate: false,
            erased: false,
        })
    }

    fn row(&mut self, permit: &Permit, conversation: u64, key: ClientKey, what: &What, state: &State) -> Row {
        let (kind, target, body) = rows::pack(what);
        let salt = self.chance.salt(&self.shared.clock).to_vec();
        Row {
            pos: *self.head + 1,
            conversation,
            seq: state.standing.last_seq + 1,
            count: state.standing.last_count + u64::from(what.counts()),
            kind,
            unsynchronised: !self.now.synchronised,
            sender: permit.actor().user.0,
            device: key.0,
            client: key.1,
            ts: self.now.ms,
            target,
            digest: Some(permit.change().digest()),
            salt,
            body,
        }
    }

    pub fn insert(&self, row: &Row) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO log (pos, conversation, seq, count, kind, sender, device, client, ts, target, digest,
                 salt, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                int(row.pos),
                int(row.conversation),
                int(row.seq),
                int(row.count),
                row.kind_column(),
                int(row.sender),
                int(row.device),
                row.client,
                int(row.ts),
                row.target.map(int),
                row.digest,
                row.salt,
                row.body,
            ])?;
        Ok(())
    }

    /// The place of the same device's earlier command with the same id.
    fn known(&self, key: ClientKey) -> rusqlite::Result<Option<Pos>> {
        if let Some(pos) = self.staged.clients.get(&key) {
            return Ok(Some(*pos));
        }
        if let Some(pos) = self.shared.recent.read().clients.get(&key) {
            return Ok(Some(*pos));
        }
        if Bug::ForgetfulDeduplication.is_planted() {
            return Ok(None);
        }
        find::folded_client(self.connection, key)
    }

    fn repeat(&self, pos: Pos, digest: [u8; 8]) -> Result<Receipt, Failure> {
        let row = find::row_at(self.connection, pos)?.ok_or(Code::Internal)?;
        Ok(receipt_of_repeat(&row, digest)?)
    }

    /// The conversation's roster as this batch has it; for a direct conversation also its pair, lower user first.
    #[allow(clippy::type_complexity)] // a roster and a pair, both optional
    fn roster_for(
        &self,
        permit: &Permit,
    ) -> Result<(Option<Arc<Roster>>, Option<(UserId, UserId)>), Failure> {
        match permit.change().place() {
            Place::New => Ok((None, None)),
            Place::Conversation(id) => Ok((Some(self.roster(id.0)?.ok_or(Code::NotFound)?), None)),
            Place::Direct(peer) => {
                let me = permit.actor().user;
                let pair = (me.min(peer), me.max(peer));
                if let Some(id) = self.shared.rosters.direct(pair) {
                    return Ok((self.roster(id)?, Some(pair)));
                }
                let found = self
                    .connection
                    .prepare_cached("SELECT id FROM conversation WHERE one = ?1 AND other = ?2")?
                    .query_row([int(pair.0.0), int(pair.1.0)], |row| row.get::<_, i64>(0))
                    .optional()?;
                match found {
                    Some(id) => Ok((self.roster(id.cast_unsigned())?, Some(pair))),
                    None => Ok((None, Some(pair))),
                }
            }
        }
    }

    pub fn roster(&self, conversation: u64) -> rusqlite::Result<Option<Arc<Roster>>> {
        if let Some(roster) = self.staged.rosters.get(&conversation) {
            return Ok(Some(Arc::clone(roster)));
        }
        if let Some(roster) = self.shared.rosters.get(conversation) {
            return Ok(Some(roster));
        }
        self.shared.rosters.begin_load(conversation);
        let roster = rosters::load(self.connection, conversation);
        let (roster, error) = match roster {
            Ok(roster) => (roster, None),
            Err(error) => (None, Some(error)),
        };
        // Without room in the cache the writer still goes on: it just keeps nothing.
        let kept = self
            .shared
            .rosters
            .loaded(conversation, roster.clone())
            .unwrap_or(None);
        match error {
            Some(error) => Err(error),
            None => Ok(kept.or_else(|| roster.map(Arc::new))),
        }
    }

    /// A conversation that is not there yet.
    fn found(&self, permit: &Permit, pair: Option<(UserId, UserId)>) -> Result<Roster, Failure> {
        let id = loop {
            let mut bytes = [0; 8];
            self.shared.clock.random(&mut bytes);
            let id = ConversationId::from_random(bytes);
            if id.0 != 0 && find::folded_state(self.connection, id.0)?.is_none() {
                break id;
            }
        };
        match (permit.change().command(), pair) {
            (Command::Create(create), _) => Ok(Roster::new(id, create.kind)),
            (_, Some(pair)) => Ok(Roster::direct(id, pair.0, pair.1)),
            _ => Err(Code::BadRequest.into()),
        }
    }

    /// The people a change names must be there, and nobody may be in more conversations than the limit. Gives those of
    /// them that are bots.
    fn check_people(&self, permit: &Permit) -> Result<Vec<UserId>, Failure> {
        let me = permit.actor().user;
        let named: Vec<UserId> = match permit.change().command() {
            // Who writes to themselves is there; the operator is nobody's account, and writes to nobody else.
            Command::Send(send) => send.to.into_iter().filter(|to| *to != me).collect(),
            Command::Create(create) => {
                if create.members.contains(&me) {
                    let sentence = "Do not name yourself: you become the owner.";
                    return Err(Refusal::because(Code::BadRequest, sentence).into());
                }
                let mut unique = create.members.clone();
                unique.sort_unstable();
                unique.dedup();
                if unique.len() != create.members.len() {
                    return Err(Refusal::because(Code::BadRequest, "Name each user once.").into());
                }
                create.members.iter().copied().chain([me]).collect()
            }
            Command::Invite(invite) => invite.users.clone(),
            Command::Approve(approve) if approve.accept => vec![approve.user],
            Command::Join(_) => vec![me],
            Command::Ban(ban) if !ban.lift => vec![ban.user],
            Command::Transfer(to) => {
                let is_bot = "SELECT bot FROM user WHERE id = ?1";
                let mut is_bot = self.connection.prepare_cached(is_bot)?;
                let is_bot = is_bot.query_row([int(to.user.0)], |row| row.get(0)).optional()?;
                may_own(is_bot.unwrap_or(false))?;
                return Ok(Vec::new());
            }
            _ => return Ok(Vec::new()),
        };
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let mut bots = Vec::new();
        let counted = !matches!(permit.change().command(), Command::Send(_) | Command::Ban(_));
        let mut exists = self
            .connection
            .prepare_cached("SELECT disabled, bot FROM user WHERE id = ?1")?;
        let mut count = self
            .connection
            .prepare_cached("SELECT count(*) FROM member WHERE user = ?1")?;
        for user in named {
            let found: Option<(bool, bool)> = exists
                .query_row([int(user.0)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((false, is_bot)) = found else {
                return Err(
                    Refusal::because(Code::NotFound, "There is no such user, or not any more.").into(),
                );
            };
            if is_bot {
                bots.push(user);
            }
            let many: i64 = if counted {
                count.query_row([int(user.0)], |row| row.get(0))?
            } else {
                0
            };
            if many >= i64::try_from(limits::CONVERSATIONS_PER_USER).expect("a small bound") {
                return Err(Code::LimitReached.into());
            }
        }
        Ok(bots)
    }

    pub fn state(&mut self, conversation: u64) -> rusqlite::Result<State> {
        if let Some(state) = self.states.get(&conversation) {
            return Ok(*state);
        }
        let recent = self.shared.recent.read();
        if let Some(stretch) = recent.conversations.get(&conversation) {
            return Ok(State {
                standing: stretch.standing(),
                hash: stretch.hash,
            });
        }
        drop(recent);
        let folded = find::folded_state(self.connection, conversation)?;
        Ok(folded.map_or(
            State {
                standing: Standing::default(),
                hash: [0; 32],
            },
            |(standing, hash)| State { standing, hash },
        ))
    }

    /// The row of one event, wherever its place is kept.
    pub fn row_of(&self, conversation: u64, seq: Seq) -> rusqlite::Result<Option<Row>> {
        let staged = self.staged.places.get(&(conversation, seq)).copied();
        let recent = || {
            let recent = self.shared.recent.read();
            recent
                .conversations
                .get(&conversation)
                .and_then(|stretch| stretch.position(seq))
        };
        let pos = match staged.or_else(recent) {
            Some(pos) => Some(pos),
            None => find::folded_pos(self.connection, conversation, seq)?,
        };
        pos.map_or(Ok(None), |pos| find::row_at(self.connection, pos))
    }

    fn change_roster(
        &mut self,
        old: &Arc<Roster>,
        row: &Row,
        what: &What,
        pair: Option<(UserId, UserId)>,
    ) -> Result<Arc<Roster>, Failure> {
        let mut new = Roster::clone(old);
        new.fold(row.seq, UserId(row.sender), what);
        let before = match pair {
            Some(_) => &Roster::new(old.conversation, ConversationKind::Direct),
            None => old.as_ref(),
        };
        rosters::save(self.connection, before, &new, row.pos)?;
        accounts::void_lost(self.connection, before, &new)?;
        let new = Arc::new(new);
        self.staged.rosters.insert(new.conversation.0, Arc::clone(&new));
        Ok(new)
    }
}

/// The answer to a repeated command, from the row that its first time left.
pub fn receipt_of_repeat(row: &Row, digest: [u8; 8]) -> Result<Receipt, Refusal> {
    match row.digest {
        Some(known) if known != digest => Err(Code::IdReused.into()),
        known => Ok(Receipt {
            conversation: ConversationId(row.conversation),
            seq: row.seq,
            ts: row.ts,
            duplicate: true,
            erased: known.is_none(),
        }),
    }
}

/// What the rules ask of a row.
pub fn facts(row: Option<&Row>) -> Option<TargetFacts> {
    row.map(|row| TargetFacts {
        is_message: row.is_message(),
        by: UserId(row.sender),
        erased: row.is_erased(),
        ts: row.ts,
        in_thread: row.is_in_thread(),
    })
}

fn what_annotates(what: &What) -> bool {
    matches!(
        what,
        What::Edited { .. } | What::Recalled { .. } | What::Reaction { .. }
    )
}

/// The event around a row's words; the words come from the change itself, which is at hand.
fn bare(row: &Row) -> Event {
    Event {
        conversation: ConversationId(row.conversation),
        seq: row.seq,
        count: row.count,
        ts: row.ts,
        unsynchronised: row.unsynchronised,
        by: UserId(row.sender),
        client_id: crate::proto::ClientId(uuid::Uuid::from_bytes(row.client)),
        what: What::Dissolved {},
    }
}
