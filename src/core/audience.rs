//! Who may see which event, asked when it is delivered. What must not live here: who may do what.

use super::roster::Roster;
use crate::planted::Bug;
use crate::proto::{Event, Seq, UserId, What};

/// What of a conversation a user may see right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible {
    /// Ascending, not overlapping, both ends inside; the last may be open (`Seq::MAX`).
    ranges: Vec<(Seq, Seq)>,
}

impl Visible {
    #[must_use]
    pub fn contains(&self, seq: Seq) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&seq))
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.ranges.is_empty()
    }

    #[must_use]
    pub fn ranges(&self) -> &[(Seq, Seq)] {
        &self.ranges
    }

    /// The same without these seqs, which are ascending: what somebody has hidden from themselves.
    #[must_use]
    pub fn without(mut self, hidden: &[Seq]) -> Visible {
        let mut ranges = Vec::with_capacity(self.ranges.len() + hidden.len());
        for (mut from, to) in self.ranges {
            let range = from..=to;
            for seq in hidden.iter().filter(|seq| range.contains(*seq)) {
                if from < *seq {
                    ranges.push((from, seq - 1));
                }
                from = seq + 1;
            }
            if from <= to {
                ranges.push((from, to));
            }
        }
        self.ranges = ranges;
        self
    }

    /// The newest visible seq of a conversation that ends at `last`.
    #[must_use]
    pub fn newest(&self, last: Seq) -> Seq {
        self.ranges.last().map_or(0, |(_, to)| (*to).min(last))
    }
}

/// Whether `user` may see the event `seq`: a member now, in one of whose membership intervals the seq lies; or the
/// one whom the event removed. This is asked for each delivery, so it allocates nothing.
#[must_use]
pub fn may_see(roster: &Roster, user: UserId, seq: Seq) -> bool {
    if Bug::NoAudienceCheck.is_planted() && roster.members().len() > 0 {
        return true;
    }
    match roster.member(user) {
        Some(member) => {
            seq >= member.from
                || roster
                    .earlier
                    .iter()
                    .any(|past| past.user == user && (past.from..=past.to).contains(&seq))
        }
        None => roster
            .departed
            .iter()
            .any(|gone| gone.user == user && gone.to == seq),
    }
}

/// Whether an event is shown to somebody who has hidden these, ascending: not the hidden itself, nor what was said of it.
#[must_use]
pub fn is_shown(event: &Event, hidden: &[Seq]) -> bool {
    let target = match &event.what {
        What::Edited { target, .. } | What::Reaction { target, .. } => Some(*target),
        _ => None,
    };
    let hides = |seq: Seq| hidden.binary_search(&seq).is_ok();
    !hides(event.seq) && !target.is_some_and(hides)
}

/// All that `user` may see, for pages.
#[must_use]
pub fn visible(roster: &Roster, user: UserId) -> Visible {
    let mut ranges = Vec::new();
    if let Some(member) = roster.member(user) {
        let past = roster
            .earlier
            .iter()
            .filter(|past| past.user == user && past.from < member.from);
        ranges.extend(past.map(|past| (past.from, past.to.min(member.from - 1))));
        ranges.push((member.from, Seq::MAX));
        ranges.sort_unstable();
    } else {
        let gone = roster.departed.iter().filter(|gone| gone.user == user);
        ranges.extend(gone.map(|gone| (gone.to, gone.to)));
    }
    Visible { ranges }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{ConversationId, ConversationKind, JoinRule, What};

    fn group(history: bool) -> Roster {
        let mut roster = Roster::new(ConversationId(1), ConversationKind::Group);
        let created = What::Created {
            conversation_kind: ConversationKind::Group,
            title: "g".into(),
            members: vec![UserId(2)],
            join: JoinRule::Open,
            history,
            bots: Vec::new(),
        };
        roster.fold(1, UserId(1), &created);
        roster
    }

    #[test]
    fn a_newcomer_sees_from_their_joining_on_unless_history_is_shown() {
        let (mut hidden, mut shown) = (group(false), group(true));
        for roster in [&mut hidden, &mut shown] {
            roster.fold(
                5,
                UserId(3),
                &What::Joined {
                    users: vec![UserId(3)],
                    bots: Vec::new(),
                },
            );
        }
        assert!(!may_see(&hidden, UserId(3), 4) && may_see(&hidden, UserId(3), 5));
        assert!(may_see(&shown, UserId(3), 1));
        assert!(!may_see(&shown, UserId(9), 5));
    }

    #[test]
    fn what_is_hidden_leaves_a_gap_in_what_is_visible() {
        let whole = || Visible {
            ranges: vec![(1, 4), (8, Seq::MAX)],
        };
        assert_eq!(whole().without(&[]), whole());
        assert_eq!(
            whole().without(&[1, 3, 6, 8, 10]).ranges(),
            [(2, 2), (4, 4), (9, 9), (11, Seq::MAX)]
        );
        assert_eq!(whole().without(&[1, 2, 3, 4]).ranges(), [(8, Seq::MAX)]);
    }

    #[test]
    fn one_who_was_removed_sees_that_and_nothing_else_until_they_are_back() {
        let mut roster = group(false);
        roster.fold(7, UserId(1), &What::Removed { user: UserId(2) });
        assert!(may_see(&roster, UserId(2), 7));
        assert!(!may_see(&roster, UserId(2), 6) && !may_see(&roster, UserId(2), 8));
        roster.fold(
            9,
            UserId(2),
            &What::Joined {
                users: vec![UserId(2)],
                bots: Vec::new(),
            },
        );
        let seen: Vec<Seq> = (1..=10).filter(|seq| may_see(&roster, UserId(2), *seq)).collect();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 9, 10]);
        let paged: Vec<Seq> = (1..=10)
            .filter(|seq| visible(&roster, UserId(2)).contains(*seq))
            .collect();
        assert_eq!(seen, paged);
    }
}
