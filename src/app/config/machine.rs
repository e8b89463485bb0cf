//! The settings of the board's health, and what is wrong with them. What must not live here: looking at the board.

#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)] // this is the text of a TOML file, too

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Problem, problem};

const CARD_TBW_MAX: u32 = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Board {
    /// Terabytes that may be written to the disk with the data in its life, as its maker states them (TBW). With 0 an SD card is
    /// assumed to take its own size a hundred times, and of other disks nothing is reckoned. For the estimate alone.
    pub card_tbw: u32,
    /// Where the kernel's files (/sys, /proc) and kinglet-board's socket are looked for, if not below "/": in a container that is
    /// shown its host's.
    pub root: PathBuf,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            card_tbw: 0,
            root: PathBuf::from("/"),
        }
    }
}

impl Board {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.card_tbw > CARD_TBW_MAX {
            problems.push(problem(
                "board.card_tbw",
                format!("{} is out of bounds", self.card_tbw),
                format!("Choose a number from 0 to {CARD_TBW_MAX}"),
            ));
        }
        if !Path::new(&self.root).is_absolute() {
            problems.push(problem(
                "board.root",
                format!("{:?} is no folder's full path", self.root.display().to_string()),
                "Write it from / on: \"/\", or \"/host\"",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_said() {
        let wrong = |board: Board| {
            let mut problems = Vec::new();
            board.check(&mut problems);
            problems
                .into_iter()
                .map(|problem| problem.key)
                .collect::<Vec<_>>()
        };
        assert!(wrong(Board::default()).is_empty());
        let root = PathBuf::from("host");
        let card_tbw = CARD_TBW_MAX + 1;
        assert_eq!(wrong(Board { card_tbw, root }), ["board.card_tbw", "board.root"]);
    }
}
