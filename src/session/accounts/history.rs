//! One's own sign-ins: what is kept of each, and how many were refused. What must not live here: other people's.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::{Accounts, Caller, Outcome};
use crate::limits;
use crate::proto::UserId;
use crate::proto::history::{SignInHow, SignInList};
use crate::store::sqlite::accounts::Entrance;

/// How much of an address is kept with a sign-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptAddress {
    Nothing,
    /// The network: the first 24 bits of IPv4, 48 of IPv6.
    #[default]
    Prefix,
    Whole,
}

impl KeptAddress {
    fn of(self, address: IpAddr) -> String {
        match (self, address.to_canonical()) {
            (KeptAddress::Nothing, _) => String::new(),
            (KeptAddress::Whole, address) => address.to_string(),
            (KeptAddress::Prefix, IpAddr::V4(v4)) => {
                let network = std::net::Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8));
                format!("{network}/24")
            }
            (KeptAddress::Prefix, IpAddr::V6(v6)) => {
                let network = std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80));
                format!("{network}/48")
            }
        }
    }
}

/// Wrong passwords per account since its last sign-in. Bounded; when it is full, those with the fewest are forgotten.
#[derive(Default)]
pub(super) struct Refusals {
    counted: Mutex<HashMap<UserId, u32>>,
}

impl Refusals {
    pub(super) fn add(&self, user: UserId) {
        let mut counted = self.counted.lock();
        if counted.len() >= limits::TRIES_REMEMBERED
            && !counted.contains_key(&user)
            && let Some(least) = counted
                .iter()
                .min_by_key(|(_, count)| **count)
                .map(|(user, _)| *user)
        {
            counted.remove(&least);
        }
        let count = counted.entry(user).or_insert(0);
        *count = count.saturating_add(1);
    }

    fn get(&self, user: UserId) -> u32 {
        self.counted.lock().get(&user).copied().unwrap_or(0)
    }

    fn take(&self, user: UserId) -> u32 {
        self.counted.lock().remove(&user).unwrap_or(0)
    }
}

impl Accounts {
    /// What is noted of a sign-in; the refused tries of a user who is known come with it.
    pub(super) fn entrance(&self, how: SignInHow, from: IpAddr, user: Option<UserId>) -> Entrance {
        Entrance {
            how,
            address: self.settings.sign_in_addresses.of(from),
            refused: user.map_or(0, |user| self.refusals.take(user)),
        }
    }

    /// The caller's own sign-ins.
    pub async fn sign_ins(&self, caller: &Caller) -> Outcome<SignInList> {
        Ok(SignInList {
            sign_ins: self.store.sign_ins(caller.user, caller.device_no).await?,
            refused_since: self.refusals.get(caller.user),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_no_more_is_kept_than_the_operator_wants() {
        let kept = |how: KeptAddress, text: &str| how.of(text.parse().expect("an address"));
        assert_eq!(kept(KeptAddress::Prefix, "192.0.2.77"), "192.0.2.0/24");
        assert_eq!(kept(KeptAddress::Prefix, "::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(kept(KeptAddress::Prefix, "2001:db8:1:2:3::4"), "2001:db8:1::/48");
        assert_eq!(kept(KeptAddress::Whole, "2001:db8:1:2:3::4"), "2001:db8:1:2:3::4");
        assert_eq!(kept(KeptAddress::Nothing, "192.0.2.77"), "");
    }

    #[test]
    fn refusals_are_counted_taken_once_and_bounded() {
        let refusals = Refusals::default();
        refusals.add(UserId(1));
        refusals.add(UserId(1));
        assert_eq!((refusals.get(UserId(1)), refusals.get(UserId(2))), (2, 0));
        assert_eq!((refusals.take(UserId(1)), refusals.take(UserId(1))), (2, 0));
        refusals.add(UserId(1));
        refusals.add(UserId(1));
        for user in 2..limits::TRIES_REMEMBERED as u64 + 10 {
            refusals.add(UserId(user));
        }
        assert_eq!(refusals.counted.lock().len(), limits::TRIES_REMEMBERED);
        assert_eq!(refusals.get(UserId(1)), 2, "who is guessed at most is remembered");
    }
}
