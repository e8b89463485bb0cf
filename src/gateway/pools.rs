//! What all sockets hold together: frames that arrived in part, bytes a slow reader has not taken, the kernel's buffers.
//! A pool that is empty stops what would take from it; it never grows. What must not live here: whose bytes they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;

/// A pool of bytes.
pub struct Pool {
    used: AtomicUsize,
    limit: usize,
}

/// Frames that arrived in part.
pub static PARTIAL: Pool = Pool::new(limits::POOL_PARTIAL);
/// Bytes that a slow reader has not taken yet.
pub static OUTGOING: Pool = Pool::new(limits::POOL_OUTGOING);
/// The kernel's socket buffers, as it charges them to our control group. Where it has no such group it sets no limit that
/// they could exceed, and this stays at nothing.
pub static SOCKETS: Pool = Pool::new(limits::POOL_SOCKET);

impl Pool {
    const fn new(limit: usize) -> Pool {
        Pool {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn has_room(&self) -> bool {
        self.used() < self.limit
    }

    /// Whether so little is left that nobody new should come in.
    #[must_use]
    pub fn is_nearly_empty(&self) -> bool {
        self.used() >= self.limit - self.limit / 10
    }

    /// Notes a measured use.
    pub fn set(&self, used: usize) {
        self.used.store(used, Ordering::Relaxed);
    }

    /// Changes one holder's share.
    pub fn change(&self, from: usize, to: usize) {
        self.used.fetch_add(to, Ordering::Relaxed);
        self.used.fetch_sub(from, Ordering::Relaxed);
    }

    /// Takes a share, if there is room for it.
    #[must_use]
    pub fn take(&'static self, bytes: usize) -> Option<Share> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let share = Share { pool: self, bytes };
        (before + bytes <= self.limit).then_some(share)
    }
}

/// A share of a pool; dropping it gives it back.
pub struct Share {
    pool: &'static Pool,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Whether any pool is so empty that new connections are turned away.
#[must_use]
pub fn are_nearly_empty() -> bool {
    [&PARTIAL, &OUTGOING, &SOCKETS]
        .into_iter()
        .any(Pool::is_nearly_empty)
}

/// Bytes of socket buffers that the kernel charges to a control group: the `sock` line of its `memory.stat`.
#[must_use]
pub fn socket_bytes(memory_stat: &str) -> Option<usize> {
    memory_stat
        .lines()
        .find_map(|line| line.strip_prefix("sock ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_and_an_empty_pool_gives_none() {
        static POOL: Pool = Pool::new(100);
        let share = POOL.take(95).expect("there is room");
        assert!(POOL.is_nearly_empty() && POOL.has_room());
        assert!(POOL.take(6).is_none());
        assert_eq!(POOL.used(), 95, "a refused share is not kept");
        drop(share);
        assert_eq!(POOL.used(), 0);
    }

    #[test]
    fn the_kernels_count_is_read() {
        let text = "anon 1000\nfile 5\nkernel 7\nsock 40960\nshmem 0\n";
        assert_eq!(socket_bytes(text), Some(40_960));
        assert_eq!(socket_bytes("sockets: used 128\n"), None);
    }
}
