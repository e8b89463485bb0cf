//! A place for backups that an owner chooses while the server runs: tried out before it counts, and begun with at once. What must
//! not live here: who may choose, and where the choice is kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::wrong::{Outcome, Wrong};
use super::{BackupSettings, Backups, Target, panicked, swap};
use crate::meters::{METERS, set};
use crate::proto::backup::BackupChoice;
use crate::proto::{Code, Refusal};

/// Written, and removed again, to see whether the place takes anything.
const PROBE: &str = "kinglet-probe.partial";

impl BackupSettings {
    /// Where backups go: the configuration decides, and where it does not, what was chosen.
    #[must_use]
    pub fn place(&self, chosen: BackupChoice) -> Option<Target> {
        self.to.clone().or_else(|| self.target(chosen))
    }

    fn target(&self, chosen: BackupChoice) -> Option<Target> {
        match chosen {
            BackupChoice::Off => None,
            BackupChoice::Data => Some(Target::Folder(self.data_dir.join(swap::BACKUPS))),
            BackupChoice::Usb => Some(Target::Usb),
        }
    }
}

impl Backups {
    /// Whether backups could go there: what cannot be written to now is not taken for a place. May wait for a stick.
    ///
    /// # Errors
    /// `forbidden` where the configuration decides; `busy` while a backup is being made; `board_failed` where nothing can be written.
    pub fn try_out(&self, choice: BackupChoice) -> Result<(), Refusal> {
        if self.settings.to.is_some() {
            return Err(Refusal {
                next: "Change backup.to in the server's configuration, or remove it.".into(),
                ..Refusal::because(
                    Code::Forbidden,
                    "The server's configuration decides where backups go.",
                )
            });
        }
        let Some(to) = self.settings.target(choice) else {
            return Ok(());
        };
        {
            let mut present = self.now.lock();
            if present.chosen == choice {
                return Ok(());
            }
            if present.running.is_some() || present.is_taken {
                let sentence = "A backup is being made. Choose another place when it is done.";
                return Err(Refusal::because(Code::Busy, sentence));
            }
            present.is_taken = true;
        }
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.at(&to, probe)));
        let tried = tried.unwrap_or_else(|_| Err(panicked()));
        self.now.lock().is_taken = false;
        tried.map_err(|wrong| Refusal {
            next: wrong.next,
            ..Refusal::because(Code::BoardFailed, wrong.message)
        })
    }

    /// They go there from now on, and the first one is begun. Once the choice is kept.
    pub fn choose(self: &Arc<Self>, choice: BackupChoice) {
        {
            let mut present = self.now.lock();
            if present.chosen == choice {
                return;
            }
            present.chosen = choice;
            present.tried = None;
            present.listed = None;
            present.erasures = None;
            present.known.go_to(self.settings.place(choice).as_ref());
            set(&METERS.backup_wrong, u64::from(present.known.wrong.is_some()));
            self.save(&present.known);
        }
        self.look();
    }

    /// The server's own folder is made where it is not there yet: after a restore it is chosen, and gone.
    pub(super) fn make_own(&self, folder: &Path) -> Outcome<()> {
        if self.settings.target(BackupChoice::Data).as_ref() != Some(&Target::Folder(folder.to_owned())) {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(|error| Wrong::io("make", folder, &error))
    }
}

fn probe(folder: &Path) -> Outcome<()> {
    let path = folder.join(PROBE);
    let written = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(b"kinglet")?;
        file.sync_all()?;
        fs::remove_file(&path)
    };
    written().map_err(|error| Wrong::io("write to", folder, &error))
}
