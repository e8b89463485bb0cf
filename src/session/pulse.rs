//! One timer for all sessions: each is rung once in a while, so that it can ping, end a silent or stuck connection, and
//! look for wakes that were lost. What must not live here: a timer per session.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::hub::Bell;
use crate::limits;

/// A wheel with a slot for each second of a ping interval.
pub struct Pulse {
    wheel: Mutex<Wheel>,
    turned: AtomicU32,
}

struct Wheel {
    slots: Vec<Vec<Weak<Bell>>>,
    next_slot: usize,
}

impl Pulse {
    #[must_use]
    pub fn new() -> Arc<Pulse> {
        let slots = usize::try_from(limits::PING_EVERY.as_secs()).expect("a short interval");
        let slots = (0..slots).map(|_| Vec::new()).collect();
        Arc::new(Pulse {
            wheel: Mutex::new(Wheel { slots, next_slot: 0 }),
            turned: AtomicU32::new(0),
        })
    }

    /// Puts a session into the emptiest of a few slots, so that pulses spread evenly.
    pub fn join(&self, bell: &Arc<Bell>) {
        let mut wheel = self.wheel.lock();
        let count = wheel.slots.len();
        wheel.next_slot = (wheel.next_slot + 7) % count;
        let slot = wheel.next_slot;
        wheel.slots[slot].push(Arc::downgrade(bell));
    }

    /// One second has gone by: rings the slot whose turn it is. Those that are gone are dropped on the way.
    pub fn turn(&self) {
        let mut wheel = self.wheel.lock();
        let turned = self.turned.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let at = turned as usize % wheel.slots.len();
        wheel.slots[at].retain(|bell| {
            bell.upgrade().is_some_and(|bell| {
                bell.pulse();
                true
            })
        });
    }

    /// Seconds since the start: what sessions compare for silence.
    #[must_use]
    pub fn seconds(&self) -> u32 {
        self.turned.load(Ordering::Acquire)
    }
}

/// Milliseconds of monotonic time since the first call: what token buckets count in.
#[must_use]
pub fn now_ms() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let elapsed = crate::clock::monotonic().duration_since(*START.get_or_init(crate::clock::monotonic));
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
