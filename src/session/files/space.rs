//! The last room on the disk: files are refused first, then messages, and what makes room can be written to the end. A file
//! of nothing, the ballast, is given up when the disk is full all the same, and made again when there is room.
//! What must not live here: what a change needs; that is `core`'s to say.

use super::{Files, Outcome};
use crate::limits;
use crate::store::Writable;
use crate::store::blobs::Vault;

/// What is to be done about the ballast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ballast {
    Keep,
    GiveUp,
    Make,
}

/// Whether messages are to be refused, and what becomes of the ballast.
fn decide(free: u64, last: u64, is_full: bool, was_tight: bool) -> (bool, Ballast) {
    let ballast = limits::DISK_BALLAST;
    // Once refused, messages wait until there is a little more than what they were refused for.
    let wanted = if was_tight {
        last.saturating_add(ballast)
    } else {
        last
    };
    let tight = free < wanted;
    let act = if is_full || free < ballast / 2 {
        Ballast::GiveUp
    } else if free >= last.saturating_add(2 * ballast) {
        Ballast::Make
    } else {
        Ballast::Keep
    };
    (tight, act)
}

impl Files {
    /// Looks at the disk, and does what its room asks for. Called every few seconds.
    pub async fn look_at_disk(&self) -> Outcome<()> {
        let vault = self.vault.clone();
        let (free, _) = self.at_disk(move || vault.disk()).await?;
        let is_full = self.store.writable() == Writable::Full;
        let was_tight = self.store.is_tight();
        let (tight, act) = decide(free, self.limits.last_bytes, is_full, was_tight);
        if tight != was_tight {
            let mib = free >> 20;
            if tight {
                log::error!(
                    "the disk has {mib} MiB left: messages are refused until there is room; make room"
                );
            } else {
                log::warn!("the disk has {mib} MiB left: messages are taken again");
            }
            self.store.set_tight(tight);
        }
        let vault: Vault = self.vault.clone();
        match act {
            Ballast::Keep => Ok(()),
            Ballast::GiveUp => self.at_disk(move || vault.give_up_ballast()).await,
            Ballast::Make => {
                self.at_disk(move || vault.make_ballast(limits::DISK_BALLAST))
                    .await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn messages_are_refused_before_the_end_and_taken_again_with_room() {
        let last = 32 * MIB;
        assert_eq!(decide(1_000 * MIB, last, false, false), (false, Ballast::Make));
        assert_eq!(decide(32 * MIB, last, false, false), (false, Ballast::Keep));
        assert_eq!(decide(32 * MIB - 1, last, false, false), (true, Ballast::Keep));
        assert_eq!(
            decide(33 * MIB, last, false, true),
            (true, Ballast::Keep),
            "not back and forth"
        );
        assert!(!decide(40 * MIB, last, false, true).0);
        assert_eq!(decide(3 * MIB, last, false, true), (true, Ballast::GiveUp));
        assert_eq!(
            decide(1_000 * MIB, last, true, false).1,
            Ballast::GiveUp,
            "a quota, not the disk"
        );
    }
}
