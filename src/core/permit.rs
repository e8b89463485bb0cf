//! The only door: who may do what. A `Permit` is a value that only `authorise` can make, and only a `Permit` can be
//! appended. What must not live here: storage, sockets, a clock (time comes in).

pub mod blobs;
pub mod bots;
pub mod links;
pub mod moderation;
pub mod server;
mod shape;

use self::bots::Scopes;
use self::shape::shape;
use super::change::{Change, Place};
use super::mentions;
use super::roster::{MuteUntil, Roster};
use crate::clock::Now;
use crate::limits;
use crate::proto::board::Nickname;
use crate::proto::command::{Mute, Send};
use crate::proto::{Code, Command, ConversationKind, JoinRule, Refusal, Role, Seq, Timestamp, UserId, What};

/// The number the store gives a device; with the client id it identifies a command for ever.
pub type DeviceNo = u64;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    pub user: UserId,
    pub device: DeviceNo,
    pub scopes: Scopes,
}

impl Actor {
    #[must_use]
    pub fn person(user: UserId, device: DeviceNo) -> Actor {
        let scopes = Scopes::PERSON;
        Actor { user, device, scopes }
    }
}

/// Leave to append one event: who, what, where.
#[derive(Clone, Debug, PartialEq)]
pub struct Permit {
    actor: Actor,
    change: Change,
}

/// A change that the rules refuse, and why.
#[derive(Debug)]
pub struct Refused {
    pub change: Change,
    pub refusal: Refusal,
}

/// What the log says about the message that a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    pub is_message: bool,
    pub by: UserId,
    pub erased: bool,
    pub ts: Timestamp,
    /// It stands in a thread itself.
    pub in_thread: bool,
}

/// Settings that the rules read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds a sender has to recall: 0 never, `u64::MAX` for ever.
    pub recall_seconds: u64,
    /// Seconds a sender has to edit: `u64::MAX` for ever.
    pub edit_seconds: u64,
}

type Allowed = Result<(), Refusal>;

/// Decides on a change. `roster` is the conversation's, or nothing where there is none (yet).
///
/// # Errors
/// The refusal, with the change given back.
pub fn authorise(
    change: Change,
    actor: Actor,
    roster: Option<&Roster>,
    now: Now,
) -> Result<Permit, Box<Refused>> {
    match shape(&change).and_then(|()| allowed(&change, actor, roster, now)) {
        Ok(()) => Ok(Permit { actor, change }),
        Err(refusal) => Err(Box::new(Refused { change, refusal })),
    }
}

impl Permit {
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Asked again inside the transaction, since the conversation may have changed in between.
    pub fn renew(&self, roster: Option<&Roster>, now: Now) -> Allowed {
        allowed(&self.change, self.actor, roster, now)
    }

    /// The part that needs the target's row: asked inside the transaction.
    pub fn on_target(
        &self,
        roster: &Roster,
        facts: Option<TargetFacts>,
        settings: &Settings,
        now: Now,
    ) -> Allowed {
        let user = self.actor.user;
        let Some(facts) = facts.filter(|facts| facts.is_message) else {
            return Err(Code::NotFound.into());
        };
        let target = self
            .change
            .target()
            .expect("asked only for changes with a target");
        if !super::audience::may_see(roster, user, target) {
            return Err(Code::NotFound.into());
        }
        match self.change.command() {
            Command::Send(_) => Ok(()),
            Command::Unpin(_) => Ok(()),
            _ if facts.erased => Err(Code::Erased.into()),
            Command::Edit(_) if facts.by != user => Err(Code::Forbidden.into()),
            Command::Edit(_) => in_time(facts, settings.edit_seconds, now),
            Command::Recall(_) => {
                self.on_others_words(facts)?;
                let admin = roster.kind != ConversationKind::Direct && role(roster, user)? >= Role::Admin;
                if admin {
                    return Ok(());
                }
                if facts.by != user {
                    return Err(Code::Forbidden.into());
                }
                in_time(facts, settings.recall_seconds, now)
            }
            _ => Ok(()),
        }
    }

    /// The part that needs the pins: whether the message is one, and how many there are.
    pub fn on_pins(&self, is_pinned: bool, many: usize) -> Allowed {
        match self.change.command() {
            Command::Pin(_) if is_pinned => Err(Code::NoChange.into()),
            Command::Pin(_) if many >= limits::PINS => Err(Code::LimitReached.into()),
            Command::Unpin(_) if !is_pinned => Err(Code::NoChange.into()),
            _ => Ok(()),
        }
    }

    /// The part that needs the nickname so far.
    pub fn on_nickname(&self, before: Option<&str>) -> Allowed {
        match self.change.command() {
            Command::Nickname(nickname) if nickname.name.as_deref() == before => Err(Code::NoChange.into()),
            _ => Ok(()),
        }
    }

    /// The part that needs the row of the message whose thread this belongs to.
    pub fn on_thread(&self, roster: &Roster, root: Seq, facts: Option<TargetFacts>) -> Allowed {
        let facts = facts.filter(|facts| facts.is_message).ok_or(Code::NotFound)?;
        if !super::audience::may_see(roster, self.actor.user, root) {
            return Err(Code::NotFound.into());
        }
        if facts.in_thread {
            let sentence = "A thread hangs on a message that is in none; name that one.";
            return Err(Refusal::because(Code::BadRequest, sentence));
        }
        Ok(())
    }

    /// The part that needs what is said again, and the people of the conversation where it stands.
    pub fn on_source(&self, roster: &Roster, seq: Seq, facts: Option<TargetFacts>) -> Allowed {
        may_read(roster, self.actor.user)?;
        let facts = facts.filter(|facts| facts.is_message).ok_or(Code::NotFound)?;
        if !super::audience::may_see(roster, self.actor.user, seq) {
            return Err(Code::NotFound.into());
        }
        if facts.erased {
            Err(Code::Erased.into())
        } else {
            Ok(())
        }
    }

    /// The event this leaves in the log.
    #[must_use]
    pub fn event(&self, now: Now) -> What {
        match self.change.command().clone() {
            Command::Send(send) => What::Message {
                body: send.body,
                reply_to: send.reply_to,
                erased: false,
                mentions: Vec::new(),
                mention_all: false,
                forwarded: None,
                thread: send.thread,
                thread_count: None,
                also_send: send.also_send,
            },
            Command::Edit(edit) => What::Edited {
                target: edit.target,
                body: Some(edit.body),
                erased: false,
            },
            Command::Recall(recall) => What::Recalled {
                target: recall.target,
            },
            Command::React(react) => What::Reaction {
                target: react.target,
                emoji: react.emoji,
                removed: react.remove,
            },
            Command::Create(create) => What::Created {
                conversation_kind: create.kind,
                title: create.title,
                members: create.members,
                join: create.join,
                history: create.history,
                bots: Vec::new(),
            },
            Command::Update(update) => What::Updated {
                title: update.title,
                join: update.join,
                history: update.history,
                mute_all: update.mute_all,
                all_mentions: update.all_mentions,
                members_pin: update.members_pin,
                read_lists: update.read_lists,
                retention_days: update.retention_days,
            },
            Command::Leave(_) => What::Left {},
            Command::Dissolve(_) => What::Dissolved {},
            Command::Invite(invite) => Permit::joined(invite.users),
            Command::Approve(approve) if approve.accept => Permit::joined(vec![approve.user]),
            Command::Approve(approve) => What::JoinDeclined { user: approve.user },
            Command::Kick(subject) => What::Removed { user: subject.user },
            Command::Ban(ban) if ban.lift => What::Unbanned { user: ban.user },
            Command::Ban(ban) => What::Banned { user: ban.user },
            Command::Role(set) => What::Role {
                user: set.user,
                role: set.role,
            },
            Command::Mute(Mute {
                user,
                seconds: Some(0),
                ..
            }) => What::Unmuted { user },
            Command::Mute(Mute { user, seconds, .. }) => What::Muted {
                user,
                until: seconds.map(|seconds| now.ms.saturating_add(seconds * 1_000)),
            },
            Command::Transfer(subject) => What::Transferred { user: subject.user },
            Command::Pin(pin) => What::Pinned { target: pin.target },
            Command::Unpin(pin) => What::Unpinned { target: pin.target },
            Command::Announce(announce) => What::Announced {
                text: announce.text,
                erased: false,
            },
            Command::Nickname(nickname) => What::Nickname {
                user: nickname.user.unwrap_or(self.actor.user),
                name: nickname.name,
                erased: false,
            },
            // Whether joining means asking is the roster's to say: see `joining`.
            Command::Join(_) => Permit::joined(vec![self.actor.user]),
            _ => unreachable!("a change is never a question"),
        }
    }

    /// Which of them are bots, the rows say.
    fn joined(users: Vec<UserId>) -> What {
        let bots = Vec::new();
        What::Joined { users, bots }
    }

    /// The event of a join under the conversation's rule; a message with whom it mentions here; any other change's own.
    #[must_use]
    pub fn event_in(&self, roster: &Roster, now: Now) -> What {
        if let Command::Send(_) = self.change.command() {
            let mut event = self.event(now);
            if let What::Message {
                body: Some(body),
                mentions,
                mention_all,
                ..
            } = &mut event
            {
                let said = mentions::of(body);
                *mention_all = said.all;
                let others = said.users.into_iter().filter(|user| *user != self.actor.user);
                *mentions = others.filter(|user| roster.member(*user).is_some()).collect();
            }
            return event;
        }
        let asks = matches!(self.change.command(), Command::Join(_)) && roster.join == JoinRule::Approval;
        if asks {
            What::JoinRequested {}
        } else {
            self.event(now)
        }
    }
}

/// Whether a user may ask for pages, lists and notices of a conversation; else it answers as if it did not exist.
pub fn may_read(roster: &Roster, user: UserId) -> Allowed {
    if roster.member(user).is_some() {
        Ok(())
    } else {
        Err(Code::NotFound.into())
    }
}

/// Whether a user may look at one event of a conversation.
pub fn may_look_at(roster: &Roster, user: UserId, seq: Seq) -> Allowed {
    may_read(roster, user)?;
    if super::audience::may_see(roster, user, seq) {
        Ok(())
    } else {
        Err(Code::NotFound.into())
    }
}

/// Whether a user may ask who has read what.
pub fn may_see_readers(roster: &Roster, user: UserId) -> Allowed {
    may_read(roster, user)?;
    if roster.read_lists {
        return Ok(());
    }
    let sentence = "This conversation does not tell who has read what.";
    Err(Refusal::because(Code::Forbidden, sentence))
}

/// Whether a user may see who asks to join.
pub fn may_see_requests(roster: &Roster, user: UserId) -> Allowed {
    match role(roster, user)? {
        _ if roster.kind == ConversationKind::Direct => Err(Code::WrongKind.into()),
        Role::Member => Err(Code::Forbidden.into()),
        Role::Admin | Role::Owner => Ok(()),
    }
}

/// Whether a mute holds now. While the clock is not right, a mute keeps its state.
#[must_use]
pub fn is_muted(mute: MuteUntil, now: Now) -> bool {
    mute.until.is_none_or(|until| !now.synchronised || now.ms < until)
}

/// Whether what the sender may do for so many seconds may still be done. A clock that is not right must not take a right
/// away.
fn in_time(facts: TargetFacts, seconds: u64, now: Now) -> Allowed {
    let age = now.ms.saturating_sub(facts.ts) / 1_000;
    let late = seconds == 0 || (now.synchronised && age > seconds);
    if late { Err(Code::TooLate.into()) } else { Ok(()) }
}

fn role(roster: &Roster, user: UserId) -> Result<Role, Refusal> {
    roster
        .member(user)
        .map(|member| member.role)
        .ok_or_else(|| Code::NotFound.into())
}

/// The rules, given the conversation.
fn allowed(change: &Change, actor: Actor, roster: Option<&Roster>, now: Now) -> Allowed {
    let (command, user) = (change.command(), actor.user);
    bots::may_command(actor.scopes, command)?;
    let roster = match (change.place(), roster) {
        (Place::New, _) | (Place::Direct(_), None) => return Ok(()),
        (_, Some(roster)) if !roster.dissolved => roster,
        _ => return Err(Code::NotFound.into()),
    };
    if let Command::Join(_) = command {
        return joining(roster, user);
    }
    let own = role(roster, user)?;
    match command {
        Command::Send(send) => posting(roster, user, own, now).and_then(|()| addressing(roster, own, send)),
        Command::Edit(_) | Command::React(_) => silence(roster, user, own, now),
        Command::Recall(_) => Ok(()),
        Command::Nickname(nickname) => naming(roster, user, own, nickname),
        Command::Pin(_) | Command::Unpin(_) if roster.kind == ConversationKind::Direct => Ok(()),
        _ if roster.kind == ConversationKind::Direct => Err(Code::WrongKind.into()),
        Command::Leave(_) if own == Role::Owner => Err(Code::OwnerMustStay.into()),
        Command::Leave(_) => Ok(()),
        Command::Dissolve(_) | Command::Transfer(_) | Command::Role(_) if own != Role::Owner => {
            Err(Code::Forbidden.into())
        }
        Command::Dissolve(_) => Ok(()),
        Command::Pin(_) | Command::Unpin(_) if own >= Role::Admin || roster.members_pin => {
            silence(roster, user, own, now)
        }
        _ if own < Role::Admin => Err(Code::Forbidden.into()),
        Command::Announce(announce) if announce.text.as_deref() == roster.announcement.as_deref() => {
            Err(Code::NoChange.into())
        }
        Command::Announce(_) => Ok(()),
        Command::Update(update) => updating(roster, update),
        Command::Invite(invite) => inviting(roster, &invite.users),
        Command::Approve(approve) if !roster.requests.contains(&approve.user) => Err(Code::NoChange.into()),
        Command::Approve(approve) if approve.accept => inviting(roster, &[approve.user]),
        Command::Approve(_) => Ok(()),
        _ => on_member(roster, user, own, command),
    }
}

fn joining(roster: &Roster, user: UserId) -> Allowed {
    if roster.member(user).is_some() {
        return Err(Code::AlreadyMember.into());
    }
    // An invitation-only conversation answers a stranger as if it did not exist, also the banned one.
    if roster.kind == ConversationKind::Direct || roster.join == JoinRule::Invitation {
        return Err(Code::NotFound.into());
    }
    if roster.banned.contains(&user) {
        return Err(Code::Banned.into());
    }
    if roster.join == JoinRule::Open {
        return room(roster, 1);
    }
    if roster.requests.contains(&user) {
        return Err(Code::NoChange.into());
    }
    if roster.requests.len() >= limits::REQUESTS {
        Err(Code::LimitReached.into())
    } else {
        Ok(())
    }
}

fn room(roster: &Roster, more: usize) -> Allowed {
    let most = match roster.kind {
        ConversationKind::Channel => limits::CHANNEL_MEMBERS,
        _ => limits::GROUP_MEMBERS,
    };
    if roster.members().len() + more > most {
        Err(Code::LimitReached.into())
    } else {
        Ok(())
    }
}

fn silence(roster: &Roster, user: UserId, own: Role, now: Now) -> Allowed {
    let muted = roster.mute(user).is_some_and(|mute| is_muted(mute, now));
    if muted || (roster.mute_all && own < Role::Admin) {
        Err(Code::Muted.into())
    } else {
        Ok(())
    }
}

fn posting(roster: &Roster, user: UserId, own: Role, now: Now) -> Allowed {
    if roster.kind == ConversationKind::Channel && own < Role::Admin {
        return Err(Code::Forbidden.into());
    }
    silence(roster, user, own, now)
}

/// One's own name is one's own; owner and admins may take away that of someone below them.
fn naming(roster: &Roster, user: UserId, own: Role, nickname: &Nickname) -> Allowed {
    let Some(whose) = nickname.user.filter(|whose| *whose != user) else {
        return Ok(());
    };
    if roster.kind == ConversationKind::Direct || own < Role::Admin || nickname.name.is_some() {
        return Err(Code::Forbidden.into());
    }
    match roster.member(whose) {
        None => Err(Code::NotMember.into()),
        Some(member) if member.role >= own => Err(Code::Forbidden.into()),
        Some(_) => Ok(()),
    }
}

/// Who may speak to everyone at once.
fn addressing(roster: &Roster, own: Role, send: &Send) -> Allowed {
    if own >= Role::Admin || roster.lets_mention_all() {
        return Ok(());
    }
    if send.body.as_ref().is_some_and(|body| mentions::of(body).all) {
        let sentence = "Only owner and admins may mention everyone here.";
        return Err(Refusal::because(Code::Forbidden, sentence));
    }
    Ok(())
}

fn updating(roster: &Roster, update: &crate::proto::command::Update) -> Allowed {
    let same = update
        .title
        .as_deref()
        .is_none_or(|title| *title == *roster.title)
        && update.join.is_none_or(|join| join == roster.join)
        && update.history.is_none_or(|history| history == roster.history)
        && update.mute_all.is_none_or(|mute_all| mute_all == roster.mute_all)
        && update
            .all_mentions
            .is_none_or(|all| all == roster.lets_mention_all())
        && update.members_pin.is_none_or(|pin| pin == roster.members_pin)
        && update.read_lists.is_none_or(|lists| lists == roster.read_lists)
        && update
            .retention_days
            .is_none_or(|days| days == roster.retention_days);
    if same { Err(Code::NoChange.into()) } else { Ok(()) }
}

fn inviting(roster: &Roster, users: &[UserId]) -> Allowed {
    if users.iter().any(|user| roster.member(*user).is_some()) {
        return Err(Code::AlreadyMember.into());
    }
    if users.iter().any(|user| roster.banned.contains(user)) {
        return Err(Refusal::because(
            Code::Banned,
            "One of these users is banned here; lift the ban first.",
        ));
    }
    let mut unique = users.to_vec();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() != users.len() {
        return Err(Refusal::because(Code::BadRequest, "Name each user once."));
    }
    room(roster, users.len())
}

/// Kick, ban, role, mute, transfer: what an admin or the owner does to somebody.
fn on_member(roster: &Roster, actor: UserId, own: Role, command: &Command) -> Allowed {
    let (Command::Kick(crate::proto::command::Subject { user, .. })
    | Command::Transfer(crate::proto::command::Subject { user, .. })
    | Command::Ban(crate::proto::command::Ban { user, .. })
    | Command::Role(crate::proto::command::SetRole { user, .. })
    | Command::Mute(Mute { user, .. })) = command
    else {
        return Err(Code::Forbidden.into());
    };
    let theirs = roster.member(*user).map(|member| member.role);
    if *user == actor {
        return Err(Refusal::because(
            Code::Forbidden,
            "One cannot do this to oneself.",
        ));
    }
    if theirs.is_some_and(|theirs| theirs >= own) {
        return Err(Code::Forbidden.into());
    }
    match (command, theirs) {
        (Command::Ban(ban), _) if ban.lift => {
            if roster.banned.contains(user) {
                Ok(())
            } else {
                Err(Code::NoChange.into())
            }
        }
        (Command::Ban(_), _) if roster.banned.contains(user) => Err(Code::NoChange.into()),
        (Command::Ban(_), _) if roster.banned.len() >= limits::BANS => Err(Code::LimitReached.into()),
        (Command::Ban(_), _) => Ok(()),
        (_, None) => Err(Code::NotMember.into()),
        (Command::Role(set), Some(theirs)) if set.role == theirs => Err(Code::NoChange.into()),
        (Command::Mute(mute), _) if mute.seconds == Some(0) && roster.mute(*user).is_none() => {
            Err(Code::NoChange.into())
        }
        _ => Ok(()),
    }
}

/// Whether a seq can be a read marker: it must exist and be visible.
pub fn may_mark(roster: &Roster, user: UserId, seq: Seq, last: Seq) -> Allowed {
    may_read(roster, user)?;
    if seq == 0 || seq > last {
        return Err(Refusal::because(
            Code::BadRequest,
            "There is no event of that seq yet.",
        ));
    }
    Ok(())
}
