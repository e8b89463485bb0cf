//! What all who are connected hear, whatever they share: that a profile changed. It is kept once for all, the newest for each
//! person. What must not live here: what only a conversation hears (see `live`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Bell, Hub};
use crate::core::permit::bots;
use crate::limits;
use crate::proto::{Notice, UserId, codec};

/// The newest of these notices.
#[derive(Default)]
pub struct Everyone {
    /// The newest one's number; whoever has seen it looks no further.
    last: AtomicU64,
    notices: Mutex<VecDeque<Told>>,
}

struct Told {
    stamp: u64,
    about: UserId,
    bytes: Bytes,
}

impl Everyone {
    fn put(&self, stamp: u64, about: UserId, bytes: Bytes) {
        let mut notices = self.notices.lock();
        notices.retain(|told| told.about != about);
        if notices.len() >= limits::NOTICES_TO_ALL {
            notices.pop_front();
        }
        notices.push_back(Told { stamp, about, bytes });
        self.last.store(stamp, Ordering::Release);
    }
}

impl Hub {
    /// Tells all who are connected of a changed profile. It takes time for each of them: not for the writer's thread.
    pub fn tell_everyone(&self, about: UserId, notice: &Notice) {
        let bytes = codec::encode_notice(notice);
        let maps = self.maps.read();
        let bells = || {
            let bells = maps.users.values().flat_map(|online| &online.bells);
            bells.filter(|bell| !bell.is_quiet())
        };
        let _one_at_a_time = self.telling.lock();
        let stamp = self.stamp() + 1;
        self.everyone.put(stamp, about, bytes);
        bells().for_each(|bell| bell.hint_many());
        self.stamp.store(stamp, Ordering::Release);
        bells().for_each(|bell| bell.poke());
    }

    /// Hands over what all hear after `noticed`, up to `stamp`; to a bot only what is about those it meets.
    pub fn told_everyone(&self, bell: &Bell, (noticed, stamp): (u64, u64), take: &mut dyn FnMut(&[u8])) {
        if self.everyone.last.load(Ordering::Acquire) <= noticed {
            return;
        }
        if bell.scopes().is_bot() {
            return self.told_bot(bell, (noticed, stamp), take);
        }
        let notices = self.everyone.notices.lock();
        let due = notices
            .iter()
            .filter(|told| told.stamp > noticed && told.stamp <= stamp);
        due.for_each(|told| take(&told.bytes));
    }

    /// The people are looked for once the notices are let go: whoever tells a notice holds the people first.
    fn told_bot(&self, bell: &Bell, (noticed, stamp): (u64, u64), take: &mut dyn FnMut(&[u8])) {
        let due: Vec<(UserId, Bytes)> = {
            let notices = self.everyone.notices.lock();
            let due = notices
                .iter()
                .filter(|told| told.stamp > noticed && told.stamp <= stamp);
            due.map(|told| (told.about, told.bytes.clone())).collect()
        };
        let (own, scopes, maps) = (bell.user(), bell.scopes(), self.maps.read());
        for (about, bytes) in due {
            let mut rosters = maps.lives_of(own).filter_map(|(_, live)| live.roster());
            let share = rosters.any(|roster| roster.member(own).is_some() && roster.member(about).is_some());
            if bots::may_look_up(scopes, own, about, share).is_ok() {
                take(&bytes);
            }
        }
    }
}
