//! Time and chance, handed in as arguments. What must not live here: any decision taken from them.
#![allow(unsafe_code)] // one call into the kernel: is the wall clock synchronised?

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// systemd-timesyncd makes this file once it has set the clock since the start of the machine.
const KEPT_RIGHT: &str = "/run/systemd/timesync/synchronized";

/// Wall time as people see it. It decides nothing but what is shown, and expiry while it is synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, UTC.
    pub ms: u64,
    /// Whether the kernel says that something keeps the clock right.
    pub synchronised: bool,
}

/// Where time and chance come from: the system's, or a test's own.
pub struct Clock {
    source: Source,
}

enum Source {
    System {
        floor: AtomicU64,
    },
    Manual {
        ms: AtomicU64,
        synchronised: AtomicBool,
        chance: AtomicU64,
    },
}

impl Clock {
    #[must_use]
    pub fn system() -> Clock {
        Clock {
            source: Source::System {
                floor: AtomicU64::new(0),
            },
        }
    }

    /// A clock that stands still until told otherwise, and a chance that repeats from its seed.
    #[must_use]
    pub fn manual(ms: u64, seed: u64) -> Clock {
        Clock {
            source: Source::Manual {
                ms: AtomicU64::new(ms),
                synchronised: AtomicBool::new(true),
                chance: AtomicU64::new(seed),
            },
        }
    }

    pub fn set(&self, new_ms: u64, is_synchronised: bool) {
        if let Source::Manual { ms, synchronised, .. } = &self.source {
            ms.store(new_ms, Ordering::SeqCst);
            synchronised.store(is_synchronised, Ordering::SeqCst);
        }
    }

    /// Shown time: does not decrease within what was synchronised; an unsynchronised reading does not raise the floor.
    #[must_use]
    pub fn now(&self) -> Now {
        match &self.source {
            Source::System { floor } => {
                let read = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO);
                let ms = u64::try_from(read.as_millis()).unwrap_or(u64::MAX);
                let synchronised = kernel_says_synchronised();
                if synchronised {
                    Now {
                        ms: floor.fetch_max(ms, Ordering::Relaxed).max(ms),
                        synchronised,
                    }
                } else {
                    Now {
                        ms: ms.max(floor.load(Ordering::Relaxed)),
                        synchronised,
                    }
                }
            }
            Source::Manual { ms, synchronised, .. } => Now {
                ms: ms.load(Ordering::SeqCst),
                synchronised: synchronised.load(Ordering::SeqCst),
            },
        }
    }

    /// Fills `out` with chance from the operating system (or, in a test, from the seed).
    pub fn random(&self, out: &mut [u8]) {
        match &self.source {
            Source::System { .. } => {
                getrandom::fill(out).expect("the operating system gives random bytes once it has booted");
            }
            Source::Manual { chance, .. } => {
                for byte in out {
                    let mut x = chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
                    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    *byte = (x >> 56) as u8;
                }
            }
        }
    }
}

/// Monotonic time for durations: rates, deadlines, latencies. Never stored, never shown.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// How long the machine has been on, sleep included. It decides nothing.
#[must_use]
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
}

/// Asks the kernel once a second at most; the answer changes rarely and the call is on the hot path.
fn kernel_says_synchronised() -> bool {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    static ANSWER: AtomicBool = AtomicBool::new(false);
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let second = START.get_or_init(Instant::now).elapsed().as_secs() + 1;
    if ASKED.swap(second, Ordering::Relaxed) != second {
        // SAFETY: a zeroed `timex` with modes 0 is a pure query that writes only into the struct we own.
        let state = unsafe {
            let mut query: libc::timex = std::mem::zeroed();
            libc::adjtimex(&raw mut query)
        };
        let is_right = match state {
            // A service that may not touch the clock may not ask the kernel about it either.
            ..0 => Path::new(KEPT_RIGHT).exists(),
            state => state != libc::TIME_ERROR,
        };
        ANSWER.store(is_right, Ordering::Relaxed);
    }
    ANSWER.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_repeats_its_chance() {
        let (a, b) = (Clock::manual(5, 7), Clock::manual(5, 7));
        let (mut x, mut y) = ([0; 16], [0; 16]);
        a.random(&mut x);
        b.random(&mut y);
        assert_eq!(x, y);
        assert_eq!(
            a.now(),
            Now {
                ms: 5,
                synchronised: true
            }
        );
        a.set(3, false);
        assert_eq!(
            a.now(),
            Now {
                ms: 3,
                synchronised: false
            }
        );
    }

    #[test]
    fn system_time_does_not_decrease() {
        let clock = Clock::system();
        let first = clock.now().ms;
        assert!(clock.now().ms >= first && first > 1_600_000_000_000);
    }
}
