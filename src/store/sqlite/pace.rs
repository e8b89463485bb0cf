//! When a commit may begin: at once for who writes alone; where several write, a little later, so that more of them share
//! it (docs/decisions/0007-commits-keep-a-pace.md). What must not live here: the commit.

use std::time::{Duration, Instant};

use crate::core::permit::DeviceNo;
use crate::limits;

/// Who wrote in a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writers {
    Nobody,
    One(DeviceNo),
    Several,
}

impl Writers {
    fn and(self, device: DeviceNo) -> Writers {
        match self {
            Writers::Nobody => Writers::One(device),
            Writers::One(one) if one == device => self,
            _ => Writers::Several,
        }
    }
}

/// What the writer remembers of the batch before.
pub struct Pace {
    begun: Option<Instant>,
    by: Writers,
}

impl Pace {
    pub fn new() -> Pace {
        Pace {
            begun: None,
            by: Writers::Nobody,
        }
    }

    /// How long a batch waits for company that is at hand now, given the devices whose changes are in it. A job that is no
    /// change of the log (`None`) is never kept waiting, nor is what stands beside it.
    pub fn wait(
        &mut self,
        devices: impl ExactSizeIterator<Item = Option<DeviceNo>>,
        now: Instant,
    ) -> Option<Duration> {
        let last = std::mem::replace(self, Pace::new());
        self.begun = Some(now);
        let is_full = devices.len() >= limits::COMPANY;
        let mut both = last.by;
        for device in devices {
            let device = device?;
            self.by = self.by.and(device);
            both = both.and(device);
        }
        if both != Writers::Several || is_full {
            return None;
        }
        let wait = limits::COMMIT_PACE.checked_sub(now - last.begun?)?;
        self.begun = Some(now + wait);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const STEP: Duration = Duration::from_micros(300);

    fn some(devices: &[DeviceNo]) -> impl ExactSizeIterator<Item = Option<DeviceNo>> {
        devices.iter().copied().map(Some)
    }

    #[test]
    fn who_writes_alone_never_waits() {
        let (mut pace, start) = (Pace::new(), monotonic());
        for turn in 0..4 {
            assert_eq!(pace.wait(some(&[7, 7]), start + STEP * turn), None);
        }
    }

    #[test]
    fn two_who_write_begin_their_commits_at_a_pace() {
        let (mut pace, start) = (Pace::new(), monotonic());
        assert_eq!(pace.wait(some(&[7]), start), None);
        let left = limits::COMMIT_PACE - STEP;
        assert_eq!(pace.wait(some(&[8]), start + STEP), Some(left));
        // Counted from when that one began, which was at the pace.
        let next = start + limits::COMMIT_PACE + STEP;
        assert_eq!(pace.wait(some(&[8, 7]), next), Some(left));
        assert_eq!(
            pace.wait(some(&[9]), next + limits::COMMIT_PACE * 2),
            None,
            "after a rest there is nothing to wait for"
        );
    }

    #[test]
    fn one_who_is_alone_again_waits_once_more() {
        let (mut pace, start) = (Pace::new(), monotonic());
        assert_eq!(
            pace.wait(some(&[7, 8]), start),
            None,
            "there was no commit before"
        );
        assert!(pace.wait(some(&[7]), start + STEP).is_some());
        assert_eq!(pace.wait(some(&[7]), start + limits::COMMIT_PACE + STEP), None);
    }

    #[test]
    fn neither_a_crowd_nor_another_job_is_kept_waiting() {
        let (mut pace, start) = (Pace::new(), monotonic());
        let crowd: Vec<DeviceNo> = (1..=limits::COMPANY as u64).collect();
        assert_eq!(pace.wait(some(&crowd), start), None);
        assert_eq!(pace.wait(some(&crowd), start + STEP), None);
        assert_eq!(pace.wait([Some(7), None].into_iter(), start + STEP * 2), None);
    }
}
