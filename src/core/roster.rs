//! A conversation's people and settings, folded from its events. What must not live here: who may do what.

use super::members::Members;
use crate::limits;
use crate::proto::{ConversationId, ConversationKind, JoinRule, Role, Seq, Timestamp, UserId, What};

/// A member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub role: Role,
    /// The first seq of the present membership that is shown.
    pub from: Seq,
}

impl Member {
    #[must_use]
    pub fn new(user: UserId, role: Role, from: Seq) -> Member {
        Member { user, role, from }
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:?}@{}", self.user, self.role, self.from)
    }
}

/// A membership that ended: what lies in it is shown again once the user is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub user: UserId,
    pub from: Seq,
    pub to: Seq,
}

/// A mute: until a shown time, or until someone ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuteUntil {
    pub user: UserId,
    pub until: Option<Timestamp>,
}

/// What a conversation's events add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    pub conversation: ConversationId,
    pub kind: ConversationKind,
    pub title: Box<str>,
    pub join: JoinRule,
    pub history: bool,
    pub mute_all: bool,
    /// Whether plain members may mention everyone; as the kind has it where nobody has said.
    pub all_mentions: Option<bool>,
    pub members_pin: bool,
    pub read_lists: bool,
    pub announcement: Option<Box<str>>,
    /// 0: as long as the server keeps it.
    pub retention_days: u32,
    pub dissolved: bool,
    members: Members,
    /// Memberships before the present one, or before the one in `departed`.
    pub earlier: Vec<Interval>,
    pub muted: Vec<MuteUntil>,
    pub banned: Vec<UserId>,
    pub requests: Vec<UserId>,
    /// The newest departures, oldest first: each still sees the event that removed them.
    pub departed: Vec<Interval>,
}

impl Roster {
    #[must_use]
    pub fn new(conversation: ConversationId, kind: ConversationKind) -> Roster {
        Roster {
            conversation,
            kind,
            title: "".into(),
            join: JoinRule::Invitation,
            history: false,
            mute_all: false,
            all_mentions: None,
            members_pin: false,
            read_lists: true,
            announcement: None,
            retention_days: 0,
            dissolved: false,
            members: Members::default(),
            earlier: Vec::new(),
            muted: Vec::new(),
            banned: Vec::new(),
            requests: Vec::new(),
            departed: Vec::new(),
        }
    }

    /// The roster of a direct conversation, which no event founds.
    #[must_use]
    pub fn direct(conversation: ConversationId, one: UserId, other: UserId) -> Roster {
        let mut roster = Roster::new(conversation, ConversationKind::Direct);
        roster.put(Member::new(one, Role::Member, 1));
        roster.put(Member::new(other, Role::Member, 1));
        roster
    }

    #[must_use]
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        self.members.iter()
    }

    #[must_use]
    pub fn member(&self, user: UserId) -> Option<Member> {
        self.members.get(user)
    }

    #[must_use]
    pub fn owner(&self) -> Option<UserId> {
        self.members
            .iter()
            .find(|member| member.role == Role::Owner)
            .map(|member| member.user)
    }

    /// The other one of a direct conversation; oneself when writing to oneself.
    #[must_use]
    pub fn peer(&self, user: UserId) -> Option<UserId> {
        if self.kind != ConversationKind::Direct {
            return None;
        }
        self.members
            .iter()
            .map(|member| member.user)
            .find(|other| *other != user)
            .or(Some(user))
    }

    #[must_use]
    pub fn mute(&self, user: UserId) -> Option<MuteUntil> {
        self.muted.iter().copied().find(|mute| mute.user == user)
    }

    /// Whether plain members may mention everyone here.
    #[must_use]
    pub fn lets_mention_all(&self) -> bool {
        self.all_mentions
            .unwrap_or(self.kind != ConversationKind::Channel)
    }

    /// How much room the roster takes of the budget, in memberships.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.members.len()
            + self.earlier.len()
            + self.muted.len()
            + self.banned.len()
            + self.requests.len()
            + self.departed.len()
            // A membership is counted with 24 bytes.
            + self.announcement.as_ref().map_or(0, |text| text.len().div_ceil(24))
            + 4
    }

    /// Inserts or replaces a member. For the fold and for loading.
    pub fn put(&mut self, member: Member) {
        self.members.put(member);
    }

    /// Gives back the room that growing has left.
    pub fn shrink(&mut self) {
        self.members.shrink();
    }

    /// Whether an event of this kind changes a roster at all.
    #[must_use]
    pub fn is_changed_by(what: &What) -> bool {
        !matches!(
            what,
            What::Message { .. }
                | What::Edited { .. }
                | What::Recalled { .. }
                | What::Reaction { .. }
                | What::Pinned { .. }
                | What::Unpinned { .. }
                | What::Nickname { .. }
                | What::Erased { .. }
        )
    }

    /// Takes in one event. Snapshot and events give what a fresh load gives.
    pub fn fold(&mut self, seq: Seq, by: UserId, what: &What) {
        match what {
            What::Message { .. }
            | What::Edited { .. }
            | What::Recalled { .. }
            | What::Reaction { .. }
            | What::Pinned { .. }
            | What::Unpinned { .. }
            | What::Nickname { .. }
            | What::Erased { .. } => {}
            What::Announced { text, .. } => self.announcement = text.as_deref().map(Into::into),
            What::Created {
                conversation_kind,
                title,
                members,
                join,
                history,
                bots: _,
            } => {
                self.kind = *conversation_kind;
                self.title = title.as_str().into();
                (self.join, self.history) = (*join, *history);
                for user in members {
                    self.put(Member::new(*user, Role::Member, seq));
                }
                self.put(Member::new(by, Role::Owner, seq));
            }
            What::Updated {
                title,
                join,
                history,
                mute_all,
                all_mentions,
                members_pin,
                read_lists,
                retention_days,
            } => {
                if let Some(title) = title {
                    self.title = title.as_str().into();
                }
                self.join = join.unwrap_or(self.join);
                self.history = history.unwrap_or(self.history);
                self.mute_all = mute_all.unwrap_or(self.mute_all);
                self.all_mentions = all_mentions.or(self.all_mentions);
                self.members_pin = members_pin.unwrap_or(self.members_pin);
                self.read_lists = read_lists.unwrap_or(self.read_lists);
                self.retention_days = retention_days.unwrap_or(self.retention_days);
            }
            What::Joined { users, .. } => users.iter().for_each(|user| self.enter(*user, seq)),
            What::JoinRequested {} => self.requests.push(by),
            What::JoinDeclined { user } => self.requests.retain(|asked| asked != user),
            What::Left {} => self.depart(by, seq),
            What::Removed { user } => self.depart(*user, seq),
            What::Banned { user } => {
                self.depart(*user, seq);
                self.requests.retain(|asked| asked != user);
                self.banned.push(*user);
            }
            What::Unbanned { user } => self.banned.retain(|known| known != user),
            What::Role { user, role } => self.set_role(*user, *role),
            What::Muted { user, until } => {
                self.muted.retain(|mute| mute.user != *user);
                self.muted.push(MuteUntil {
                    user: *user,
                    until: *until,
                });
            }
            What::Unmuted { user } => self.muted.retain(|mute| mute.user != *user),
            What::Transferred { user } => {
                self.set_role(by, Role::Admin);
                self.set_role(*user, Role::Owner);
            }
            What::Dissolved {} => {
                self.dissolved = true;
                // All at once: one by one each would move those behind, and a channel has thousands.
                let gone = self.members.iter().map(|member| Interval {
                    user: member.user,
                    from: member.from,
                    to: seq,
                });
                self.departed.extend(gone);
                self.members = Members::default();
                self.muted.clear();
                self.requests.clear();
            }
        }
    }

    fn enter(&mut self, user: UserId, seq: Seq) {
        self.requests.retain(|asked| *asked != user);
        if self.member(user).is_some() {
            return;
        }
        if let Some(at) = self.departed.iter().position(|gone| gone.user == user) {
            self.earlier.push(self.departed.remove(at));
            self.forget_returns(user);
        }
        let from = if self.history { 1 } else { seq };
        self.put(Member::new(user, Role::Member, from));
    }

    /// Keeps the memory of those who come and go bounded: the oldest time is forgotten first.
    fn forget_returns(&mut self, user: UserId) {
        let own = self.earlier.iter().filter(|past| past.user == user).count();
        let oldest = if own > limits::RETURNS_PER_USER {
            self.earlier.iter().position(|past| past.user == user)
        } else {
            (self.earlier.len() > limits::RETURNS).then_some(0)
        };
        if let Some(oldest) = oldest {
            self.earlier.remove(oldest);
        }
    }

    fn depart(&mut self, user: UserId, seq: Seq) {
        let Some(member) = self.members.remove(user) else {
            return;
        };
        self.muted.retain(|mute| mute.user != user);
        self.departed.push(Interval {
            user,
            from: member.from,
            to: seq,
        });
        // Who comes back after so many others have left starts anew; a dissolved conversation has no newcomers.
        if self.departed.len() > limits::DEPARTURES && !self.dissolved {
            let forgotten = self.departed.remove(0).user;
            self.earlier.retain(|past| past.user != forgotten);
        }
    }

    fn set_role(&mut self, user: UserId, role: Role) {
        if let Some(member) = self.member(user) {
            self.put(Member { role, ..member });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(user: UserId) -> What {
        What::Joined {
            users: vec![user],
            bots: Vec::new(),
        }
    }

    #[test]
    fn one_who_comes_and_goes_costs_a_bounded_memory_and_others_nothing() {
        let mut roster = Roster::new(ConversationId(1), ConversationKind::Group);
        roster.put(Member::new(UserId(1), Role::Owner, 1));
        let (restless, other) = (UserId(2), UserId(3));
        roster.fold(2, other, &joined(other));
        roster.fold(3, other, &What::Left {});
        roster.fold(4, other, &joined(other));
        for round in 0..5_000 {
            roster.fold(5 + 2 * round, restless, &joined(restless));
            roster.fold(6 + 2 * round, restless, &What::Left {});
        }
        let of = |user| {
            roster
                .earlier
                .iter()
                .filter(move |past| past.user == user)
                .count()
        };
        assert_eq!(of(restless), limits::RETURNS_PER_USER);
        assert_eq!(of(other), 1);
    }

    #[test]
    fn all_members_of_a_dissolved_channel_depart_at_once() {
        let mut roster = Roster::new(ConversationId(1), ConversationKind::Channel);
        for user in 1..=3 {
            roster.put(Member::new(UserId(user), Role::Member, user));
        }
        roster.fold(9, UserId(1), &What::Dissolved {});
        let gone = |user| Interval {
            user: UserId(user),
            from: user,
            to: 9,
        };
        assert_eq!(roster.departed, [gone(1), gone(2), gone(3)]);
        assert!(roster.members().len() == 0 && roster.dissolved);
    }
}
