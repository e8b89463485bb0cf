//! The settings of backups, and what is wrong with them. What must not live here: making one.

#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)] // this is the text of a TOML file, too

use std::ops::RangeInclusive;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Problem, problem};
use crate::limits;
use crate::workers::backup::schedule::TimeOfDay;

/// What `to` is for a stick that kinglet-board mounts.
pub const USB: &str = "usb";
const PART_MIB: RangeInclusive<u32> = 1..=1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// The folder that a backup is written to each day, encrypted to the recovery key of the emergency sheet: a mounted disk,
    /// "/media/backup", or "usb" for a stick in the machine, which kinglet-board mounts for that time and unmounts. Empty means
    /// where an owner has chosen under Administration, Backups, and none until then; what is set here decides, and nobody
    /// chooses. Under systemd the unit must let the server write there (ReadWritePaths=), but for "usb".
    pub to: String,
    /// The time of day, where the server is. A day that was missed is made up for at the next start.
    pub at: String,
    /// How many are kept; then the oldest goes. The last good one is never removed.
    pub keep: u32,
    /// The largest file, in MiB; a larger backup is several files. FAT holds none of 4096 or more.
    pub part_mib: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            to: String::new(),
            at: "03:30".to_owned(),
            keep: 7,
            part_mib: u32::try_from(limits::BACKUP_PART >> 20).expect("a part is a few thousand MiB"),
        }
    }
}

impl Backup {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if !self.to.is_empty() && self.to != USB && !Path::new(&self.to).is_absolute() {
            problems.push(problem(
                "backup.to",
                format!("{:?} is no folder's full path", self.to),
                "Write it from / on, for example \"/media/backup\", or \"usb\" for a stick",
            ));
        }
        if TimeOfDay::parse(&self.at).is_none() {
            problems.push(problem(
                "backup.at",
                format!("{:?} is no time of day", self.at),
                "Write hours and minutes, for example \"03:30\"",
            ));
        }
        let numbers = [
            ("backup.keep", self.keep, 1..=limits::BACKUPS_KEPT),
            ("backup.part_mib", self.part_mib, PART_MIB),
        ];
        for (key, value, range) in numbers {
            if !range.contains(&value) {
                let what = format!("{value} is not between {} and {}", range.start(), range.end());
                problems.push(problem(key, what, "Choose a number in that range"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_said() {
        let wrong = |change: fn(&mut Backup)| {
            let mut backup = Backup::default();
            change(&mut backup);
            let mut problems = Vec::new();
            backup.check(&mut problems);
            problems
                .into_iter()
                .map(|problem| problem.key)
                .collect::<Vec<_>>()
        };
        assert!(wrong(|_| {}).is_empty());
        assert!(wrong(|backup| backup.to = "usb".into()).is_empty());
        assert!(wrong(|backup| backup.to = "/media/x".into()).is_empty());
        assert_eq!(wrong(|backup| backup.to = "media/x".into()), ["backup.to"]);
        assert_eq!(wrong(|backup| backup.at = "25:00".into()), ["backup.at"]);
        assert_eq!(wrong(|backup| backup.keep = 0), ["backup.keep"]);
        assert_eq!(
            wrong(|backup| backup.keep = limits::BACKUPS_KEPT + 1),
            ["backup.keep"]
        );
        assert_eq!(wrong(|backup| backup.part_mib = 0), ["backup.part_mib"]);
    }
}
