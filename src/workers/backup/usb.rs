//! A USB stick, mounted and unmounted by `kinglet-board`, which is root: one line there, one line back. What must not live here:
//! what is written to the stick.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::asking::{self, PATIENCE, Refused};
use super::wrong::{Outcome, Wrong};
use crate::proto::backup::BackupTrouble;

/// Where the board listens.
pub const BOARD: &str = "/run/kinglet-board.sock";

#[derive(Deserialize)]
struct Said {
    ok: bool,
    path: Option<PathBuf>,
    error: Option<Refused>,
}

/// A mounted stick; it is unmounted when this is dropped, so that it can be pulled at any other time.
pub struct Stick {
    board: PathBuf,
    pub path: PathBuf,
}

impl Stick {
    /// `root`: what the board's paths are below of.
    pub fn mount(board: &Path, root: &Path) -> Outcome<Stick> {
        let mut said = ask(board, "usb_mount")?;
        if said.error.as_ref().is_some_and(|error| error.code == "busy") {
            // Left mounted by a run that was killed.
            let _ = ask(board, "usb_unmount")?;
            said = ask(board, "usb_mount")?;
        }
        match (said.ok, said.path, said.error) {
            (true, Some(path), _) => Ok(Stick {
                board: board.to_owned(),
                path: below(root, &path),
            }),
            (_, _, Some(error)) => Err(no_stick(&error)),
            _ => Err(strange()),
        }
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        match ask(&self.board, "usb_unmount") {
            Ok(said) if said.ok => {}
            _ => log::warn!(
                "backup: the stick could not be unmounted; do not pull it before the machine is off"
            ),
        }
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn no_stick(error: &Refused) -> Wrong {
    let next = match error.code.as_str() {
        "several" => "Leave only the stick for backups in the machine.",
        _ => "Put a USB stick with exFAT, FAT or ext4 into the machine; the next try finds it.",
    };
    Wrong::new(BackupTrouble::NoStick, error.sentence(), next)
}

fn strange() -> Wrong {
    Wrong::failed(
        "kinglet-board gave an answer that this server does not understand.",
        "Install the same version of both packages.",
    )
}

fn ask(board: &Path, verb: &str) -> Outcome<Said> {
    let line = asking::ask(board, verb, PATIENCE).map_err(|error| {
        Wrong::new(
            BackupTrouble::NoStick,
            format!(
                "kinglet-board, which mounts the stick, cannot be asked at {}: {error}.",
                board.display()
            ),
            "Install kinglet-board, or mount the stick yourself and set backup.to to its folder.",
        )
    })?;
    serde_json::from_str(&line).map_err(|_| strange())
}

#[cfg(test)]
mod tests {
    use super::super::super::asking::fake;
    use super::*;

    /// A board that answers so, one connection each; gives what it was asked.
    fn board(
        folder: &Path,
        answers: &'static [&'static str],
    ) -> (PathBuf, std::thread::JoinHandle<Vec<String>>) {
        fake::board(folder, answers, str::to_owned)
    }

    #[test]
    fn a_stick_is_mounted_for_as_long_as_it_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let answers = &[
            "{\"ok\":true,\"path\":\"/media/x\",\"device\":\"sda1\"}\n",
            "{\"ok\":true}\n",
        ];
        let (path, asked) = board(folder.path(), answers);
        let stick = Stick::mount(&path, Path::new("/")).expect("it is mounted");
        assert_eq!(stick.path, Path::new("/media/x"));
        drop(stick);
        let asked = asked.join().expect("no panic");
        assert_eq!(asked, ["{\"verb\":\"usb_mount\"}", "{\"verb\":\"usb_unmount\"}"]);
    }

    #[test]
    fn no_stick_no_board_and_more_than_one_stick_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = Stick::mount(&folder.path().join("none"), Path::new("/"))
            .err()
            .expect("nobody listens");
        assert!(none.message.contains("kinglet-board") && none.code == BackupTrouble::NoStick);
        let answers = &[
            "{\"ok\":false,\"error\":{\"code\":\"several\",\"message\":\"There is more than one.\",\"next\":\"x\",\"choices\":[\"sda1\",\"sdb1\"]}}\n",
            "{\"ok\":false,\"error\":{\"code\":\"not_available\",\"message\":\"There is no USB disk.\",\"next\":\"x\"}}\n",
            "nonsense\n",
        ];
        let (path, asked) = board(folder.path(), answers);
        let several = Stick::mount(&path, Path::new("/")).err().expect("two");
        assert!(
            several.message.contains("sda1, sdb1") && several.next.contains("only"),
            "{several}"
        );
        assert!(
            Stick::mount(&path, Path::new("/"))
                .err()
                .expect("none")
                .next
                .contains("Put a USB stick")
        );
        assert_eq!(
            Stick::mount(&path, Path::new("/")).err().expect("strange").code,
            BackupTrouble::Failed
        );
        asked.join().expect("no panic");
    }
}
