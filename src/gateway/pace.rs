//! How fast strangers are let in while a crowd comes back: handshakes get a share of the processors and no more, since a
//! commit needs some of what is left at once. What must not live here: who is let in at all (`accept::Gate`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Handshakes get one in so many parts of what the processors can do. What signing in costs behind a handshake comes to
/// about as much again and a half; the rest is for those who talk.
const PARTS: u32 = 7;
/// So much time is made up for at once: a team that comes back does not notice any of this.
const SLACK: Duration = Duration::from_millis(100);
/// What a handshake is taken to cost before one was measured, in nanoseconds of processor time.
const FIRST_GUESS: u64 = 400_000;
/// Of what the last handshake cost, one in so many parts goes into the smoothed figure.
const SMOOTH: u64 = 16;

/// Spaces handshakes by what they cost here.
pub struct Pace {
    processors: u32,
    /// Smoothed, in nanoseconds of processor time.
    cost: AtomicU64,
}

impl Pace {
    #[must_use]
    pub fn new(processors: usize) -> Pace {
        Pace {
            processors: u32::try_from(processors).unwrap_or(u32::MAX).max(1),
            cost: AtomicU64::new(FIRST_GUESS),
        }
    }

    /// When the next one may be let in, if one is let in `now` whose turn was at `turn`.
    #[must_use]
    pub fn after(&self, turn: Instant, now: Instant) -> Instant {
        let cost = Duration::from_nanos(self.cost.load(Ordering::Relaxed));
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        turn.max(earliest) + cost * PARTS / self.processors
    }

    /// Does a handshake and takes in what it cost.
    pub async fn measured<F: Future>(&self, handshake: F) -> F::Output {
        let mut cost = 0;
        let mut handshake = std::pin::pin!(handshake);
        let done = std::future::poll_fn(|context| {
            let before = thread_time();
            let polled: Poll<F::Output> = handshake.as_mut().poll(context);
            cost += thread_time().saturating_sub(before);
            polled
        })
        .await;
        self.take_in(cost);
        done
    }

    /// Two at once may lose one's figure: it is a mean of many.
    fn take_in(&self, cost: u64) {
        let known = self.cost.load(Ordering::Relaxed);
        self.cost
            .store(known - known / SMOOTH + cost / SMOOTH, Ordering::Relaxed);
    }
}

/// How long this thread has run, in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets in all who wait at `start`, as the accept loop does, until `end`.
    fn let_in(pace: &Pace, start: Instant, end: Instant) -> u32 {
        let (mut turn, mut many) = (start, 0);
        let mut now = start;
        loop {
            now = now.max(turn);
            if now >= end {
                return many;
            }
            many += 1;
            turn = pace.after(turn, now);
        }
    }

    #[test]
    fn a_crowd_gets_one_part_in_seven() {
        let pace = Pace::new(4);
        let start = Instant::now() + Duration::from_secs(3_600);
        let many = let_in(&pace, start, start + Duration::from_secs(10));
        let busy = Duration::from_nanos(FIRST_GUESS) * many;
        let share = busy.as_secs_f64() / (10.0 * 4.0);
        assert!((0.139..0.147).contains(&share), "{share}");
    }

    #[test]
    fn a_team_is_let_in_at_once() {
        let pace = Pace::new(2);
        let long_ago = Instant::now();
        let now = long_ago + Duration::from_secs(3_600);
        let mut turn = long_ago;
        for one in 0..70 {
            assert!(turn <= now, "number {one} waits");
            turn = pace.after(turn, now);
        }
        // Silence saves up no more than that.
        for _ in 0..10 {
            turn = pace.after(turn, now);
        }
        assert!(turn > now);
    }

    #[test]
    fn a_slower_machine_lets_in_fewer() {
        let pace = Pace::new(1);
        let now = Instant::now() + Duration::from_secs(3_600);
        let before = pace.after(now, now) - now;
        for _ in 0..200 {
            pace.take_in(4 * FIRST_GUESS);
        }
        let after = pace.after(now, now) - now;
        assert!(
            after > before * 7 / 2 && after <= before * 4,
            "{before:?}, {after:?}"
        );
    }

    #[tokio::test]
    async fn what_a_handshake_computes_is_measured() {
        let pace = Pace::new(1);
        pace.cost.store(0, Ordering::Relaxed);
        let before = thread_time();
        pace.measured(async {
            // Waiting costs nothing, computing does.
            tokio::task::yield_now().await;
            let mut hash = blake3::Hasher::new();
            for _ in 0..1_000 {
                hash.update(&[7; 1024]);
            }
            std::hint::black_box(hash.finalize());
        })
        .await;
        let whole = thread_time() - before;
        let taken = pace.cost.load(Ordering::Relaxed) * SMOOTH;
        assert!(taken > whole / 2 && taken <= whole, "{taken} of {whole}");
    }
}
