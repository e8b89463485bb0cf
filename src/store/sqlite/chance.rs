//! The salts of rows to come, asked of the system many at a time: a call for each costs as much as the row's hash.
//! What must not live here: chance that keeps anybody out, such as tokens.

use zeroize::Zeroize;

use super::rows::SALT;
use crate::clock::Clock;

/// Salts asked for at once.
const SALTS: usize = 64;

/// Salts that no row has yet. One that was given is wiped here: later nothing but its row may tell what was erased.
#[derive(Default)]
pub struct Chance {
    salts: Vec<[u8; SALT]>,
}

impl Chance {
    /// A salt that was never given before.
    pub fn salt(&mut self, clock: &Clock) -> [u8; SALT] {
        if self.salts.is_empty() {
            let mut bytes = [0; SALTS * SALT];
            clock.random(&mut bytes);
            self.salts.extend(bytes.as_chunks().0);
            bytes.zeroize();
        }
        let slot = self
            .salts
            .last_mut()
            .expect("there are some, or some were just made");
        let salt = *slot;
        slot.zeroize();
        self.salts.pop();
        salt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_salt_is_given_twice_and_none_is_left_behind() {
        let clock = Clock::system();
        let mut chance = Chance::default();
        let mut all: Vec<[u8; SALT]> = (0..3 * SALTS + 1).map(|_| chance.salt(&clock)).collect();
        assert_eq!(chance.salts.len(), SALTS - 1);
        assert!(all.iter().all(|salt| *salt != [0; SALT]));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3 * SALTS + 1);
    }
}
