//! What is known about boards, and what is assumed. What must not live here: formulas, and what the server costs.

use clap::ValueEnum;

/// Memory that the operating system and everything beside Kinglet keep. Assumed: Raspberry Pi OS Lite at rest takes about half
/// of it.
pub const SYSTEM_MIB: usize = 200;
/// A card of application performance class 1 promises at least so many random writes of 4 KiB a second (SD Association).
pub const CARD_PAGES_PER_SECOND: f64 = 500.0;
/// Assumed for a card that nobody measured: a synced write is two of those writes, the file's and its journal's, and waits
/// for erasing now and then.
pub const CARD_SYNC_MS: f64 = 10.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Board {
    #[value(name = "pi-zero-2w")]
    PiZero2W,
    #[value(name = "pi-3b")]
    Pi3B,
    #[value(name = "pi-4b")]
    Pi4B,
    #[value(name = "pi-5")]
    Pi5,
}

/// A machine as far as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub name: String,
    pub cores: usize,
    pub mhz: f64,
    /// Instructions a cycle, of programs like this one: many branches, data all over memory. Assumed for every board;
    /// `perf stat` on the board tells.
    pub ipc: f64,
    pub memory_mib: usize,
}

impl Board {
    /// Cores and clock are the maker's figures. Memory is the smallest that the board is sold with.
    #[must_use]
    pub fn machine(self) -> Machine {
        let (name, mhz, ipc, memory_mib) = match self {
            // Cortex-A53: two instructions a cycle at most, in order, so every miss is waited for.
            Board::PiZero2W => ("Raspberry Pi Zero 2 W", 1_000.0, 0.5, 512),
            Board::Pi3B => ("Raspberry Pi 3 B", 1_200.0, 0.5, 1_024),
            // Cortex-A72: three a cycle at most, out of order.
            Board::Pi4B => ("Raspberry Pi 4 B", 1_500.0, 0.8, 1_024),
            // Cortex-A76: four a cycle at most, out of order, larger caches.
            Board::Pi5 => ("Raspberry Pi 5", 2_400.0, 1.2, 2_048),
        };
        Machine {
            name: name.to_owned(),
            cores: 4,
            mhz,
            ipc,
            memory_mib,
        }
    }

    /// The board that calls itself so in `/proc/device-tree/model`.
    #[must_use]
    pub fn named(model: &str) -> Option<Board> {
        let known = [
            ("Raspberry Pi Zero 2", Board::PiZero2W),
            ("Raspberry Pi 3", Board::Pi3B),
            ("Raspberry Pi 4", Board::Pi4B),
            ("Raspberry Pi 5", Board::Pi5),
        ];
        let found = known.into_iter().find(|(name, _)| model.starts_with(name));
        found.map(|(_, board)| board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_known_by_their_own_words() {
        assert_eq!(
            Board::named("Raspberry Pi 4 Model B Rev 1.4\0"),
            Some(Board::Pi4B)
        );
        assert_eq!(
            Board::named("Raspberry Pi Zero 2 W Rev 1.0"),
            Some(Board::PiZero2W)
        );
        assert_eq!(Board::named("Raspberry Pi Compute Module 4"), None);
    }
}
