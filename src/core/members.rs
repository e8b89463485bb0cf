//! A roster's members in eight bytes each, since rosters are much of what an idle session costs. What must not live here:
//! what a member may do.

use super::roster::Member;
use crate::proto::{ID_MASK, Role, Seq, UserId};

/// Where the role stands in a member's number, behind the 48 bits of the user.
const ROLE: u32 = 48;
/// Where the first seq stands; it has the 14 bits that are left.
const FROM: u32 = 50;
/// The first seq does not fit there: it is in the list of its own.
const ELSEWHERE: u64 = (1 << (64 - FROM)) - 1;

/// The members, sorted by user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// User, role and first seq of each, in the order of `user_of`.
    packed: Vec<u64>,
    /// First seqs that are too large for that, sorted by user.
    late: Vec<(UserId, Seq)>,
}

fn user_of(packed: &u64) -> UserId {
    UserId(packed & ID_MASK)
}

impl Members {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        self.packed.iter().map(|packed| self.unpack(*packed))
    }

    pub fn len(&self) -> usize {
        self.packed.len()
    }

    pub fn get(&self, user: UserId) -> Option<Member> {
        let at = self.packed.binary_search_by_key(&user, user_of).ok()?;
        Some(self.unpack(self.packed[at]))
    }

    /// Inserts or replaces a member.
    pub fn put(&mut self, member: Member) {
        let late = self.late.binary_search_by_key(&member.user, |(user, _)| *user);
        let from = if member.from < ELSEWHERE {
            if let Ok(at) = late {
                self.late.remove(at);
            }
            member.from
        } else {
            match late {
                Ok(at) => self.late[at].1 = member.from,
                Err(at) => self.late.insert(at, (member.user, member.from)),
            }
            ELSEWHERE
        };
        let packed = member.user.0 & ID_MASK | (member.role as u64) << ROLE | from << FROM;
        match self.packed.binary_search_by_key(&member.user, user_of) {
            Ok(at) => self.packed[at] = packed,
            Err(at) => self.packed.insert(at, packed),
        }
    }

    pub fn remove(&mut self, user: UserId) -> Option<Member> {
        let at = self.packed.binary_search_by_key(&user, user_of).ok()?;
        let member = self.unpack(self.packed[at]);
        self.packed.remove(at);
        if let Ok(at) = self.late.binary_search_by_key(&user, |(user, _)| *user) {
            self.late.remove(at);
        }
        Some(member)
    }

    /// Gives back the room that growing has left.
    pub fn shrink(&mut self) {
        self.packed.shrink_to_fit();
        self.late.shrink_to_fit();
    }

    fn unpack(&self, packed: u64) -> Member {
        let user = user_of(&packed);
        let role = match packed >> ROLE & 3 {
            0 => Role::Member,
            1 => Role::Admin,
            _ => Role::Owner,
        };
        let from = match packed >> FROM {
            ELSEWHERE => {
                let at = self.late.binary_search_by_key(&user, |(user, _)| *user);
                self.late[at.expect("whose first seq is elsewhere has it there")].1
            }
            from => from,
        };
        Member { user, role, from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_read_back_wherever_their_first_seq_stands() {
        let mut members = Members::default();
        let users = [9, 1, ID_MASK, 0xffff_ffff, 5];
        for from in [1, ELSEWHERE - 1, ELSEWHERE, 1 << 40] {
            for (at, user) in users.into_iter().enumerate() {
                let role = [Role::Member, Role::Admin, Role::Owner][at % 3];
                let member = Member::new(UserId(user), role, from + at as u64);
                members.put(member);
                assert!(members.get(UserId(user)) == Some(member));
            }
            assert_eq!(members.len(), users.len());
        }
        assert!(members.iter().is_sorted_by_key(|member| member.user));
        for user in users {
            assert!(
                members
                    .remove(UserId(user))
                    .is_some_and(|member| member.from >= 1 << 40)
            );
            assert!(members.get(UserId(user)).is_none());
        }
        assert_eq!(members, Members::default());
    }
}
