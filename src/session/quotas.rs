//! How fast a user may ask, over all devices and faces together. What must not live here: a clock, or what is refused
//! for other reasons.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::core::quota::Tokens;
use crate::limits::{self, Bucket};
use crate::proto::{Code, Command, Refusal, UserId};

const SHARDS: usize = 16;
/// Users of a shard beyond which those with full buckets are forgotten: a full bucket says nothing.
const KEPT: usize = 256;

type Buckets = [Tokens; 6];

/// The token buckets of users who asked in the last seconds.
pub struct Quotas {
    pace: u32,
    shards: [Mutex<HashMap<UserId, Buckets>>; SHARDS],
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas::new(1)
    }
}

impl Quotas {
    /// `pace` multiplies every bucket: 1 is the pace that `limits` names.
    #[must_use]
    pub fn new(pace: u32) -> Quotas {
        Quotas {
            pace: pace.clamp(1, limits::PACE_MAX),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

/// Which bucket a command takes from.
fn bucket(command: &Command) -> (usize, &'static Bucket) {
    match command {
        Command::Send(_) | Command::Edit(_) | Command::Recall(_) | Command::React(_) => {
            (0, &limits::BUCKET_SEND)
        }
        Command::MarkRead(_) | Command::Typing(_) | Command::Presence(_) => (1, &limits::BUCKET_NOTICE),
        Command::History(_)
        | Command::Conversations(_)
        | Command::Discover(_)
        | Command::Members(_)
        | Command::Readers(_)
        | Command::Sync(_)
        | Command::Settings(_)
        | Command::Saved(_)
        | Command::Users(_)
        | Command::Events(_)
        | Command::Edits(_)
        | Command::Thread(_)
        | Command::Threads(_)
        | Command::Pins(_)
        | Command::Requests(_)
        | Command::Links(_)
        | Command::Hello(_) => (2, &limits::BUCKET_READ),
        Command::Set(_) => (4, &limits::BUCKET_SETTING),
        Command::Search(_) => (5, &limits::BUCKET_SEARCH),
        _ => (3, &limits::BUCKET_CHANGE),
    }
}

impl Quotas {
    /// Takes a token for a command.
    ///
    /// # Errors
    /// `rate_limited`, with the milliseconds until there is one.
    pub fn take(&self, user: UserId, command: &Command, now_ms: u64) -> Result<(), Refusal> {
        let (at, bucket) = bucket(command);
        self.take_from(user, (at, bucket), now_ms)
    }

    /// Takes a token for a read that is no command: a long poll.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn take_read(&self, user: UserId, now_ms: u64) -> Result<(), Refusal> {
        self.take_from(user, (2, &limits::BUCKET_READ), now_ms)
    }

    /// Takes a token for beginning or dropping an upload.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn take_file(&self, user: UserId, now_ms: u64) -> Result<(), Refusal> {
        self.take_from(user, (0, &limits::BUCKET_SEND), now_ms)
    }

    /// Takes a token for a change that is no command of the log.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn take_change(&self, user: UserId, now_ms: u64) -> Result<(), Refusal> {
        self.take_from(user, (3, &limits::BUCKET_CHANGE), now_ms)
    }

    fn take_from(&self, user: UserId, (at, bucket): (usize, &Bucket), now_ms: u64) -> Result<(), Refusal> {
        let bucket = &Bucket {
            burst: bucket.burst * self.pace,
            per_second: bucket.per_second * self.pace,
        };
        let shard = usize::try_from(user.0 % SHARDS as u64).expect("a small number");
        let mut users = self.shards[shard].lock();
        if users.len() >= KEPT && !users.contains_key(&user) {
            users.retain(|_, buckets| buckets.iter().any(|tokens| !tokens.is_full(now_ms)));
        }
        let buckets = users.entry(user).or_insert([Tokens::full(); 6]);
        buckets[at]
            .take(bucket, now_ms)
            .map_err(|wait| Refusal::later(Code::RateLimited, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_a_users_own_and_full_ones_are_forgotten() {
        let quotas = Quotas::default();
        let burst = limits::BUCKET_READ.burst;
        for _ in 0..burst {
            assert!(quotas.take_read(UserId(0), 1_000).is_ok());
        }
        let refused = quotas
            .take_read(UserId(0), 1_000)
            .expect_err("the burst is used up");
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (Code::RateLimited, Some(20))
        );
        assert!(quotas.take_read(UserId(16), 1_000).is_ok());
        for user in 0..10_000 {
            assert!(
                quotas
                    .take_read(UserId(user * 16 + 32), 100_000 + user * 1_000)
                    .is_ok()
            );
        }
        assert!(quotas.shards[0].lock().len() <= KEPT);
    }
}
