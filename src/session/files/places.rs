//! Places for those who send or fetch a file at this moment: so many in all, and so many for one user. What must not live
//! here: waiting; who finds no place is told to come back.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::proto::{Code, Refusal, UserId};

pub struct Places {
    total: usize,
    per_user: usize,
    taken: Mutex<HashMap<UserId, usize>>,
}

/// A place; dropping it gives it back.
pub struct Place {
    places: Arc<Places>,
    user: UserId,
}

impl Places {
    pub fn new(total: usize, per_user: usize) -> Arc<Places> {
        Arc::new(Places {
            total,
            per_user,
            taken: Mutex::default(),
        })
    }

    /// # Errors
    /// `busy`.
    pub fn take(self: &Arc<Places>, user: UserId) -> Result<Place, Refusal> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&user).copied().unwrap_or(0);
        if all >= self.total || own >= self.per_user {
            return Err(Refusal::later(Code::Busy, 1_000));
        }
        taken.insert(user, own + 1);
        Ok(Place {
            places: Arc::clone(self),
            user,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_end_for_one_and_for_all_and_come_back() {
        let places = Places::new(3, 2);
        let mut held: Vec<Place> = (0..2).filter_map(|_| places.take(UserId(1)).ok()).collect();
        assert_eq!(held.len(), 2);
        assert!(places.take(UserId(1)).is_err(), "two are one user's share");
        held.extend(places.take(UserId(2)));
        assert!(places.take(UserId(3)).is_err(), "three are all");
        held.remove(0);
        assert!(places.take(UserId(3)).is_ok());
        held.clear();
        assert!(places.taken.lock().is_empty());
    }
}
