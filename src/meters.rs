//! Counters that every floor may raise and only app reads. What must not live here: rendering.
//!
//! All of them are relaxed: a reading is a moment's picture, and nothing is decided from it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The process's meters.
pub static METERS: Meters = Meters::new();

/// One slot for each refusal code; the code's small number is the index.
pub const REFUSALS: usize = 64;
/// One slot for each bounded pool.
pub const POOLS: usize = 16;

/// Upper ends in microseconds, 0.5 ms to 10 s.
pub static SECONDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// Upper ends in rows of one commit.
pub static ROWS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// What the server counts. A plain field is a counter unless its comment says gauge.
pub struct Meters {
    /// Gauge: connections open now, signed in or not.
    pub connections_open: AtomicU64,
    pub connections_total: AtomicU64,
    pub connections_refused: AtomicU64,
    /// Gauge: sessions signed in now.
    pub sessions_signed_in: AtomicU64,
    /// State-changing commands taken from clients.
    pub sends: AtomicU64,
    pub acks: AtomicU64,
    /// From the command's arrival to its ack's leaving, in microseconds.
    pub ack_latency: Histogram<14>,
    pub commits: AtomicU64,
    /// Rows of one commit.
    pub commit_rows: Histogram<10>,
    /// The whole commit, its sync included, in microseconds.
    pub commit_seconds: Histogram<14>,
    pub log_bytes_written: AtomicU64,
    /// Gauge: size of the write-ahead log.
    pub wal_bytes: AtomicU64,
    pub checkpoints: AtomicU64,
    /// One checkpoint, in microseconds.
    pub checkpoint_seconds: Histogram<14>,
    /// Gauge: rows that the search index does not have yet.
    pub index_rows_waiting: AtomicU64,
    /// One step of making the search index, its sync included, in microseconds.
    pub index_step: Histogram<14>,
    /// Commits that erased words, and those of them whose words have left the write-ahead log.
    pub erasures: AtomicU64,
    pub erasures_done: AtomicU64,
    /// Times the write-ahead log was emptied after an erasure, and times that could not be done.
    pub wal_emptied: AtomicU64,
    pub wal_not_emptied: AtomicU64,
    pub pages_read: AtomicU64,
    pub deliveries: AtomicU64,
    pub delivery_bytes: AtomicU64,
    pub refusals: [AtomicU64; REFUSALS],
    /// Gauges: what is taken from each pool.
    pub pools: [AtomicU64; POOLS],
    pub panics: AtomicU64,
    pub typing_dropped: AtomicU64,
    pub presence_dropped: AtomicU64,
    pub logs_dropped: AtomicU64,
    /// Push messages by what became of them: taken by the service, put off, refused or given up, without room to wait.
    pub push_taken: AtomicU64,
    pub push_put_off: AtomicU64,
    pub push_refused: AtomicU64,
    pub push_dropped: AtomicU64,
    /// Subscriptions that a push service said are gone.
    pub push_gone: AtomicU64,
    /// Certificates that an authority made, and orders that came to nothing.
    pub certificates_ordered: AtomicU64,
    pub certificates_refused: AtomicU64,
    /// Gauge: when the certificate ends that people are shown, in seconds since 1970; 0 without TLS.
    pub certificate_ends: AtomicU64,
    /// Gauges: when the newest good backup was made (milliseconds since 1970), its bytes, and whether there should be a newer one.
    pub backup_made: AtomicU64,
    pub backup_bytes: AtomicU64,
    pub backup_wrong: AtomicU64,
    pub backup_failures: AtomicU64,
}

impl Meters {
    pub const fn new() -> Self {
        Self {
            connections_open: AtomicU64::new(0),
            connections_total: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            sessions_signed_in: AtomicU64::new(0),
            sends: AtomicU64::new(0),
            acks: AtomicU64::new(0),
            ack_latency: Histogram::new(&SECONDS),
            commits: AtomicU64::new(0),
            commit_rows: Histogram::new(&ROWS),
            commit_seconds: Histogram::new(&SECONDS),
            log_bytes_written: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            checkpoint_seconds: Histogram::new(&SECONDS),
            index_rows_waiting: AtomicU64::new(0),
            index_step: Histogram::new(&SECONDS),
            erasures: AtomicU64::new(0),
            erasures_done: AtomicU64::new(0),
            wal_emptied: AtomicU64::new(0),
            wal_not_emptied: AtomicU64::new(0),
            pages_read: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            delivery_bytes: AtomicU64::new(0),
            refusals: [const { AtomicU64::new(0) }; REFUSALS],
            pools: [const { AtomicU64::new(0) }; POOLS],
            panics: AtomicU64::new(0),
            typing_dropped: AtomicU64::new(0),
            presence_dropped: AtomicU64::new(0),
            logs_dropped: AtomicU64::new(0),
            push_taken: AtomicU64::new(0),
            push_put_off: AtomicU64::new(0),
            push_refused: AtomicU64::new(0),
            push_dropped: AtomicU64::new(0),
            push_gone: AtomicU64::new(0),
            certificates_ordered: AtomicU64::new(0),
            certificates_refused: AtomicU64::new(0),
            certificate_ends: AtomicU64::new(0),
            backup_made: AtomicU64::new(0),
            backup_bytes: AtomicU64::new(0),
            backup_wrong: AtomicU64::new(0),
            backup_failures: AtomicU64::new(0),
        }
    }

    /// Counts one refusal. A code beyond the table lands in the last slot: a meter never panics.
    pub fn refusal(&self, index: usize) {
        add(&self.refusals[index.min(REFUSALS - 1)], 1);
    }

    /// Sets what is taken from a pool; an index beyond the table lands in the last slot.
    pub fn pool(&self, index: usize, used: u64) {
        set(&self.pools[index.min(POOLS - 1)], used);
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

pub fn add(meter: &AtomicU64, amount: u64) {
    meter.fetch_add(amount, Relaxed);
}

/// Takes `amount` from a gauge. One lowering too many leaves it at zero instead of at 2^64.
pub fn lower(gauge: &AtomicU64, amount: u64) {
    // The update always gives a value, so it cannot fail.
    let _ = gauge.fetch_update(Relaxed, Relaxed, |value| Some(value.saturating_sub(amount)));
}

pub fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Relaxed);
}

pub fn get(meter: &AtomicU64) -> u64 {
    meter.load(Relaxed)
}

/// Counts per bucket, with fixed bounds, so that an observation is two additions and no lock.
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    over: AtomicU64,
    sum: AtomicU64,
}

/// A histogram's picture: `counts` holds one more than `bounds`, the last for what is over every bound; not cumulative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramPicture {
    pub bounds: &'static [u64],
    pub counts: Vec<u64>,
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// `bounds` are upper ends, each in its bucket, and must rise.
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        let mut index = 1;
        while index < N {
            assert!(
                bounds[index - 1] < bounds[index],
                "the bounds of a histogram rise"
            );
            index += 1;
        }
        Self {
            bounds,
            counts: [const { AtomicU64::new(0) }; N],
            over: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    pub fn observe(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        add(self.counts.get(index).unwrap_or(&self.over), 1);
        add(&self.sum, value);
    }

    /// Observes a time in microseconds, the unit of [`SECONDS`].
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn picture(&self) -> HistogramPicture {
        let counts = self.counts.iter().chain([&self.over]).map(get).collect();
        HistogramPicture {
            bounds: self.bounds,
            counts,
            sum: get(&self.sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_bucket_whose_upper_end_holds_it() {
        let histogram = Histogram::new(&ROWS);
        for value in [0, 1, 2, 3, 4, 512, 513, 10_000] {
            histogram.observe(value);
        }
        let picture = histogram.picture();
        assert_eq!(picture.counts, [2, 1, 2, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(picture.sum, 1 + 2 + 3 + 4 + 512 + 513 + 10_000);
        assert_eq!(picture.bounds, ROWS);
    }

    #[test]
    fn time_is_counted_in_microseconds() {
        let histogram = Histogram::new(&SECONDS);
        histogram.observe_time(Duration::from_micros(500));
        histogram.observe_time(Duration::from_micros(501));
        histogram.observe_time(Duration::from_secs(11));
        let picture = histogram.picture();
        assert_eq!(
            (picture.counts[0], picture.counts[1], picture.counts[14]),
            (1, 1, 1)
        );
        assert_eq!(picture.sum, 11_001_001);
    }

    #[test]
    fn an_index_beyond_the_table_is_counted_and_a_gauge_stops_at_zero() {
        let meters = Meters::new();
        meters.refusal(3);
        meters.refusal(REFUSALS + 100);
        assert_eq!(
            (get(&meters.refusals[3]), get(&meters.refusals[REFUSALS - 1])),
            (1, 1)
        );
        meters.pool(POOLS, 7);
        assert_eq!(get(&meters.pools[POOLS - 1]), 7);
        add(&meters.connections_open, 1);
        lower(&meters.connections_open, 2);
        assert_eq!(get(&meters.connections_open), 0);
    }
}
