//! Times, all of them kept, and their percentiles. What must not live here: what they are times of.

use std::sync::Mutex;
use std::time::Duration;

/// Tenths of microseconds; kept whole, since a few million of them are few megabytes.
#[derive(Default)]
pub struct Times(Mutex<Vec<u32>>);

impl Times {
    pub fn note(&self, time: Duration) {
        let tenths = u32::try_from(time.as_nanos() / 100).unwrap_or(u32::MAX);
        self.0.lock().expect("nobody panics with it").push(tenths);
    }

    /// Takes what was noted, sorted.
    pub fn take(&self) -> Sorted {
        let mut times = std::mem::take(&mut *self.0.lock().expect("nobody panics with it"));
        times.sort_unstable();
        Sorted(times)
    }
}

pub struct Sorted(Vec<u32>);

impl Sorted {
    pub fn from_seconds(seconds: &[f64]) -> Sorted {
        let mut times: Vec<u32> = seconds.iter().map(|seconds| (seconds * 1e7) as u32).collect();
        times.sort_unstable();
        Sorted(times)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn mean_ms(&self) -> Option<f64> {
        let sum: u64 = self.0.iter().map(|tenths| u64::from(*tenths)).sum();
        (!self.0.is_empty()).then(|| sum as f64 / self.0.len() as f64 / 1e4)
    }

    /// The percentile in milliseconds: the smallest time that so many percent do not exceed.
    pub fn ms(&self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1))
            .map(|tenths| f64::from(*tenths) / 1e4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_noted() {
        let times = Times::default();
        for ms in (1..=100).rev() {
            times.note(Duration::from_millis(ms));
        }
        let sorted = times.take();
        let at = |percent| sorted.ms(percent).expect("there are some");
        assert_eq!((at(50.0), at(99.0), at(100.0)), (50.0, 99.0, 100.0));
        assert_eq!(sorted.mean_ms(), Some(50.5));
        assert_eq!((times.take().ms(50.0), times.take().mean_ms()), (None, None));
    }
}
