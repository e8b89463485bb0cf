//! How often one may try: buckets for addresses and for accounts. What must not live here: what a try is, and wall time.
//!
//! A try is taken first and given back when it was no failure, so that an office behind one address can all sign in,
//! while guessing is slow. Tables are bounded; when one is full, what is nearest to being forgiven is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;

use crate::clock;
use crate::limits;
use crate::proto::{Code, Refusal};

/// Tries left per key, as the moment (in milliseconds) at which all are back.
struct Tries<K> {
    forgiven_at: Mutex<HashMap<K, u64>>,
    burst: u64,
    every_ms: u64,
    remembered: usize,
}

impl<K: Copy + Eq + Hash> Tries<K> {
    fn new(burst: u32, every_ms: u64) -> Tries<K> {
        Tries {
            forgiven_at: Mutex::new(HashMap::new()),
            burst: u64::from(burst),
            every_ms,
            remembered: limits::TRIES_REMEMBERED,
        }
    }

    /// Takes a try, or says after how many milliseconds there will be one.
    fn take(&self, key: K, now: u64) -> Result<(), u64> {
        let mut table = self.forgiven_at.lock();
        let after = table.get(&key).copied().unwrap_or(0).max(now) + self.every_ms;
        let bound = now + self.burst * self.every_ms;
        if after > bound {
            return Err(after - bound);
        }
        if table.len() >= self.remembered && !table.contains_key(&key) {
            forget(&mut table, now);
        }
        table.insert(key, after);
        Ok(())
    }

    fn give_back(&self, key: K) {
        if let Some(at) = self.forgiven_at.lock().get_mut(&key) {
            *at = at.saturating_sub(self.every_ms);
        }
    }
}

/// Makes room: drops whoever has all tries back, or else the one who will have them first.
fn forget<K: Copy + Eq + Hash>(table: &mut HashMap<K, u64>, now: u64) {
    let before = table.len();
    table.retain(|_, at| *at > now);
    if table.len() == before
        && let Some(nearest) = table.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
    {
        table.remove(&nearest);
    }
}

/// An address as far as tries are counted: an IPv6 /64 is one household, an IPv4 address inside IPv6 is itself.
fn address_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // The high half of an IPv6 address in use is never zero, so the two kinds do not meet.
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

/// The limits on every way to a token.
pub(super) struct Doors {
    started: Instant,
    addresses: Tries<u64>,
    accounts: Tries<u64>,
    seed: RandomState,
}

/// A try that was taken.
pub(super) struct Attempt {
    address: Option<u64>,
    account: Option<u64>,
}

impl Doors {
    pub(super) fn new() -> Doors {
        let bucket = &limits::BUCKET_SIGN_IN;
        Doors {
            started: clock::monotonic(),
            addresses: Tries::new(bucket.burst, 1_000 / u64::from(bucket.per_second)),
            accounts: Tries::new(limits::ACCOUNT_TRIES, limits::ACCOUNT_TRY_EVERY_MS),
            seed: RandomState::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// A try from an address.
    pub(super) fn from(&self, address: IpAddr) -> Result<Attempt, Refusal> {
        let address = address_key(address);
        self.addresses.take(address, self.now()).map_err(limited)?;
        Ok(Attempt {
            address: Some(address),
            account: None,
        })
    }

    /// A try at an account, whether or not it exists: a limit that held only for accounts would tell which do.
    pub(super) fn at_account(&self, name: &str) -> Result<Attempt, Refusal> {
        // Seeded, so that nobody can choose names that share a bucket with somebody else's.
        let account = self.seed.hash_one(name);
        self.accounts.take(account, self.now()).map_err(limited)?;
        Ok(Attempt {
            address: None,
            account: Some(account),
        })
    }

    /// Gives a try back if the outcome was no wrong guess. One whose outcome nobody waited for stays taken.
    pub(super) fn settle<T>(&self, attempt: &Attempt, outcome: &Result<T, Refusal>) {
        const GUESSES: [Code; 5] = [
            Code::WrongCredentials,
            Code::ClaimWrong,
            Code::InvitationInvalid,
            Code::LinkInvalid,
            Code::NameTaken,
        ];
        if outcome
            .as_ref()
            .is_err_and(|refusal| GUESSES.contains(&refusal.code))
        {
            return;
        }
        if let Some(address) = attempt.address {
            self.addresses.give_back(address);
        }
        if let Some(account) = attempt.account {
            self.accounts.give_back(account);
        }
    }
}

fn limited(wait_ms: u64) -> Refusal {
    Refusal::later(Code::RateLimited, wait_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_come_back_and_are_given_back() {
        let tries = Tries::new(3, 100);
        for _ in 0..3 {
            assert_eq!(tries.take(1, 1_000), Ok(()));
        }
        assert_eq!(tries.take(1, 1_000), Err(100));
        assert_eq!(tries.take(2, 1_000), Ok(()), "another key has its own");
        assert_eq!(tries.take(1, 1_100), Ok(()));
        assert_eq!(tries.take(1, 1_100), Err(100));
        tries.give_back(1);
        assert_eq!(tries.take(1, 1_100), Ok(()));
        for _ in 0..50 {
            tries.give_back(1);
        }
        for _ in 0..3 {
            assert_eq!(tries.take(1, 1_100), Ok(()));
        }
        assert!(
            tries.take(1, 1_100).is_err(),
            "what is given back too often is not saved up"
        );
    }

    #[test]
    fn a_full_table_forgets_the_most_forgiven() {
        let tries = Tries {
            remembered: 2,
            ..Tries::new(3, 100)
        };
        for _ in 0..3 {
            tries.take(1, 0).unwrap();
        }
        tries.take(2, 0).unwrap();
        tries.take(3, 0).unwrap();
        assert_eq!(tries.forgiven_at.lock().len(), 2);
        assert!(
            tries.take(1, 0).is_err(),
            "the one that guesses most is remembered"
        );
        tries.take(4, 1_000).unwrap();
        assert_eq!(
            tries.forgiven_at.lock().len(),
            1,
            "who has all tries back needs no place"
        );
    }

    #[test]
    fn an_ipv6_household_is_one_address() {
        let key = |text: &str| address_key(text.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn only_wrong_guesses_cost() {
        let doors = Doors::new();
        let from: IpAddr = "192.0.2.1".parse().expect("an address");
        for _ in 0..limits::BUCKET_SIGN_IN.burst * 2 {
            let attempt = doors.from(from).expect("a success gives its try back");
            doors.settle(&attempt, &Ok(()));
            let attempt = doors.at_account("ada").expect("a success gives its try back");
            doors.settle(&attempt, &Err::<(), _>(Code::Busy.into()));
        }
        let wrong = Err::<(), Refusal>(Code::WrongCredentials.into());
        let mut failed = 0;
        while let Ok(attempt) = doors.at_account("ada") {
            doors.settle(&attempt, &wrong);
            failed += 1;
            assert!(
                failed <= limits::ACCOUNT_TRIES + 1,
                "the account's tries never run out"
            );
        }
        let refusal = doors.at_account("ada").err().expect("they ran out");
        assert_eq!(refusal.code, Code::RateLimited);
        assert!(
            refusal
                .retry_after_ms
                .is_some_and(|wait| wait > 0 && wait <= limits::ACCOUNT_TRY_EVERY_MS)
        );
        doors.at_account("bob").expect("another account is not concerned");
    }
}
