//! The only door: who may do what. A `Permit` is a value that only `authorise` can make, and only a `Permit` can be
//! appended. What must not live here: storage, sockets, a clock (time comes in).

pub mod blobs;
pub mod links;
pub mod moderation;
pub mod server;

use super::change::{Change, Place};
use super::names;
use super::roster::{MuteUntil, Roster};
use crate::clock::Now;
use crate::limits;
use crate::proto::command::{Mute, Send};
use crate::proto::{
    Body, Code, Command, ConversationKind, JoinRule, Refusal, Role, Seq, Timestamp, UserId, What,
};

/// The number the store gives a device; with the client id it identifies a command for ever.
pub type DeviceNo = u64;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    pub user: UserId,
    pub device: DeviceNo,
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
}

/// Settings that the rules read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds a sender has to recall: 0 never, `u64::MAX` for ever.
    pub recall_seconds: u64,
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
    match shape(&change).and_then(|()| allowed(&change, actor.user, roster, now)) {
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
        allowed(&self.change, self.actor.user, roster, now)
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
            _ if facts.erased => Err(Code::Erased.into()),
            Command::Edit(_) if facts.by != user => Err(Code::Forbidden.into()),
            Command::Recall(_) => {
                let admin = roster.kind != ConversationKind::Direct && role(roster, user)? >= Role::Admin;
                if admin {
                    return Ok(());
                }
                if facts.by != user {
                    return Err(Code::Forbidden.into());
                }
                // A clock that is not right must not take a right away.
                let age = now.ms.saturating_sub(facts.ts) / 1_000;
                let allowed = settings.recall_seconds;
                let late = allowed == 0 || (now.synchronised && age > allowed);
                if late { Err(Code::TooLate.into()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// The event this leaves in the log.
    #[must_use]
    pub fn event(&self, now: Now) -> What {
        match self.change.command().clone() {
            Command::Send(Send { body, reply_to, .. }) => What::Message {
                body: Some(body),
                reply_to,
                erased: false,
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
            },
            Command::Update(update) => What::Updated {
                title: update.title,
                join: update.join,
                history: update.history,
                mute_all: update.mute_all,
            },
            Command::Leave(_) => What::Left {},
            Command::Dissolve(_) => What::Dissolved {},
            Command::Invite(invite) => What::Joined { users: invite.users },
            Command::Approve(approve) if approve.accept => What::Joined {
                users: vec![approve.user],
            },
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
            // Whether joining means asking is the roster's to say: see `joining`.
            Command::Join(_) => What::Joined {
                users: vec![self.actor.user],
            },
            _ => unreachable!("a change is never a question"),
        }
    }

    /// The event of a join under the conversation's rule; any other change's own event.
    #[must_use]
    pub fn event_in(&self, roster: &Roster, now: Now) -> What {
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

/// Whether a mute holds now. While the clock is not right, a mute keeps its state.
#[must_use]
pub fn is_muted(mute: MuteUntil, now: Now) -> bool {
    mute.until.is_none_or(|until| !now.synchronised || now.ms < until)
}

/// What can be said of a change without knowing the conversation.
fn shape(change: &Change) -> Allowed {
    let body = |body: &Body| match body {
        body if body.is_empty() => Err(Refusal::because(Code::BadRequest, "A body must not be empty.")),
        body if body.media().is_none() && body.len() > limits::BODY_BYTES => Err(Code::TooLarge.into()),
        Body::Opaque { data } if data_encoding::BASE64.decode(data.as_bytes()).is_err() => Err(
            Refusal::because(Code::BadRequest, "`data` must be base64 with padding."),
        ),
        body => body.media().map_or(Ok(()), blobs::shape),
    };
    match change.command() {
        Command::Send(send) => {
            if send.conversation.is_some() == send.to.is_some() {
                let sentence = "A `send` names either `conversation` or `to`.";
                return Err(Refusal::because(Code::BadRequest, sentence));
            }
            body(&send.body)
        }
        Command::Edit(edit) => body(&edit.body),
        Command::React(react) => {
            let fits = (1..=limits::EMOJI_BYTES).contains(&react.emoji.len())
                && !react.emoji.chars().any(|c| c.is_control() || c.is_whitespace());
            if fits {
                Ok(())
            } else {
                Err(Refusal::because(
                    Code::BadRequest,
                    "An emoji has 1 to 32 bytes, and no blanks.",
                ))
            }
        }
        Command::Create(create) => {
            if create.kind == ConversationKind::Direct {
                let sentence = "A direct conversation opens with its first message.";
                return Err(Refusal::because(Code::WrongKind, sentence));
            }
            title(&create.title)?;
            few(create.members.len(), 0)
        }
        Command::Update(update) => {
            let nothing = update.title.is_none()
                && update.join.is_none()
                && update.history.is_none()
                && update.mute_all.is_none();
            if nothing {
                return Err(Refusal::because(
                    Code::BadRequest,
                    "An `update` changes at least one setting.",
                ));
            }
            update.title.as_deref().map_or(Ok(()), title)
        }
        Command::Invite(invite) => few(invite.users.len(), 1),
        Command::Role(set) if set.role == Role::Owner => Err(Refusal::because(
            Code::BadRequest,
            "The owner changes by `transfer`.",
        )),
        Command::Mute(Mute {
            seconds: Some(seconds),
            ..
        }) if *seconds > 10 * 365 * 86_400 => Err(Refusal::because(
            Code::BadRequest,
            "`seconds` is at most ten years; leave it out for ever.",
        )),
        _ => Ok(()),
    }
}

fn title(text: &str) -> Allowed {
    match names::title(text) {
        Ok(clean) if clean == text => Ok(()),
        Ok(_) => Err(Refusal::because(
            Code::BadRequest,
            "A title has no blanks at its ends.",
        )),
        Err(error) => Err(Refusal::because(Code::BadRequest, error.to_string())),
    }
}

fn few(count: usize, least: usize) -> Allowed {
    if (least..=limits::USERS_PER_COMMAND).contains(&count) {
        return Ok(());
    }
    let sentence = format!("Name {least} to {} users.", limits::USERS_PER_COMMAND);
    Err(Refusal::because(Code::BadRequest, sentence))
}

fn role(roster: &Roster, user: UserId) -> Result<Role, Refusal> {
    roster
        .member(user)
        .map(|member| member.role)
        .ok_or_else(|| Code::NotFound.into())
}

/// The rules, given the conversation.
fn allowed(change: &Change, user: UserId, roster: Option<&Roster>, now: Now) -> Allowed {
    let command = change.command();
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
        Command::Send(_) => posting(roster, user, own, now),
        Command::Edit(_) | Command::React(_) => silence(roster, user, own, now),
        Command::Recall(_) => Ok(()),
        _ if roster.kind == ConversationKind::Direct => Err(Code::WrongKind.into()),
        Command::Leave(_) if own == Role::Owner => Err(Code::OwnerMustStay.into()),
        Command::Leave(_) => Ok(()),
        Command::Dissolve(_) | Command::Transfer(_) | Command::Role(_) if own != Role::Owner => {
            Err(Code::Forbidden.into())
        }
        Command::Dissolve(_) => Ok(()),
        _ if own < Role::Admin => Err(Code::Forbidden.into()),
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

fn updating(roster: &Roster, update: &crate::proto::command::Update) -> Allowed {
    let same = update
        .title
        .as_deref()
        .is_none_or(|title| *title == *roster.title)
        && update.join.is_none_or(|join| join == roster.join)
        && update.history.is_none_or(|history| history == roster.history)
        && update.mute_all.is_none_or(|mute_all| mute_all == roster.mute_all);
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
