//! Token buckets. What must not live here: a clock; time comes in as milliseconds of a monotonic one.

use crate::limits::Bucket;

/// What is left of a bucket: eight bytes per bucket and session, no map and no timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// When the bucket was last full, in milliseconds, as if it refilled steadily since.
    full_at: u64,
}

impl Tokens {
    #[must_use]
    pub fn full() -> Tokens {
        Tokens { full_at: 0 }
    }

    /// Whether nothing is missing from it.
    #[must_use]
    pub fn is_full(&self, now_ms: u64) -> bool {
        self.full_at <= now_ms
    }

    /// Takes one token, or says after how many milliseconds there will be one.
    pub fn take(&mut self, bucket: &Bucket, now_ms: u64) -> Result<(), u64> {
        let per_token = 1_000 / u64::from(bucket.per_second);
        let burst = per_token * u64::from(bucket.burst);
        let base = self.full_at.max(now_ms);
        if base + per_token > now_ms + burst {
            return Err(base + per_token - now_ms - burst);
        }
        self.full_at = base + per_token;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_an_honest_wait() {
        let bucket = Bucket {
            burst: 3,
            per_second: 10,
        };
        let mut tokens = Tokens::full();
        for _ in 0..3 {
            assert_eq!(tokens.take(&bucket, 1_000), Ok(()));
        }
        let wait = tokens.take(&bucket, 1_000).expect_err("the burst is used up");
        assert_eq!(wait, 100);
        assert!(tokens.take(&bucket, 1_000 + wait - 1).is_err());
        assert_eq!(tokens.take(&bucket, 1_000 + wait), Ok(()));
    }
}
