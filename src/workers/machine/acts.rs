//! What admins have kinglet-board do: one act at a time, and each once, whatever is asked again. What must not live here: who may
//! ask, and the journal of it.
//!
//! Invariant: an act is noted on the disk before the board hears of it, so that a repeat is known after a restart of the machine.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::asking::{self, PATIENCE, Refused};
use super::super::backup::{read_json, write_whole};
use crate::limits;
use crate::proto::machine::{BoardAct, BoardDone, BoardVerb};
use crate::proto::{ClientId, Code, Refusal};

/// In the data directory.
const NOTE: &str = "board-asked.json";
const NOTE_BYTES: u64 = 64 * 1024;
const STICK: &str = "Put the update (kinglet_….deb) and its signature (.minisig) onto a USB stick, and that stick alone into the machine.";

/// How long a request waits for another one: threads that wait are few, and one that asks again is no loss.
const MOMENT: Duration = Duration::from_secs(1);

/// One that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    id: ClientId,
    verb: BoardVerb,
    /// Of the whole act. Absent where an earlier build noted it, which compared the verb alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Absent until the board has said so.
    done: Option<BoardDone>,
}

/// What the board answers to what changes something.
#[derive(Deserialize)]
struct Said {
    ok: bool,
    #[serde(flatten)]
    done: BoardDone,
    error: Option<Refused>,
}

/// What came of asking, if it was not done.
enum Wrong {
    /// There is no board.
    Absent,
    /// The board has not done it.
    Refused(Refused),
    /// It may have, and has not said so.
    Untold,
}

type Outcome<T> = Result<T, Wrong>;

pub struct Acts {
    note: PathBuf,
    board: PathBuf,
    /// The newest, oldest first; held while the board is at work.
    asked: Mutex<VecDeque<Asked>>,
}

impl Acts {
    pub fn open(data_dir: &Path, board: PathBuf) -> Acts {
        let note = data_dir.join(NOTE);
        // Without the file nothing was asked.
        let asked = read_json(&note, NOTE_BYTES).unwrap_or_default();
        Acts {
            note,
            board,
            asked: Mutex::new(asked),
        }
    }

    /// What came of a request that was made before.
    ///
    /// # Errors
    /// `busy` while the board is at work; `id_reused`; `board_failed` where nobody knows what came of it.
    pub fn known(&self, id: ClientId, act: &BoardAct) -> Result<Option<BoardDone>, Refusal> {
        let asked = self.idle()?;
        known(&asked, id, act)
    }

    /// Has the board do it, and waits until it has.
    ///
    /// # Errors
    /// As of `known`, and what the board refuses: then the same may be asked for again.
    pub fn ask(&self, id: ClientId, act: &BoardAct) -> Result<BoardDone, Refusal> {
        let mut asked = self.idle()?;
        let verb = act.verb();
        if let Some(done) = known(&asked, id, act)? {
            return Ok(done);
        }
        if asked.len() >= limits::BOARD_ASKED {
            asked.pop_front();
        }
        asked.push_back(Asked {
            id,
            verb,
            digest: Some(digest(act)),
            done: None,
        });
        self.save(&asked)?;
        let outcome = self.perform(act);
        match &outcome {
            Ok(done) => {
                if let Some(last) = asked.back_mut() {
                    last.done = Some(done.clone());
                }
            }
            Err(Wrong::Absent | Wrong::Refused(_)) => {
                asked.pop_back();
            }
            Err(Wrong::Untold) => {}
        }
        // What cannot be noted is untold after the next start; this answer is true all the same.
        let _ = self.save(&asked);
        outcome.map_err(|wrong| match wrong {
            Wrong::Absent => absent(),
            Wrong::Refused(error) => refused(&error, verb),
            Wrong::Untold => untold(),
        })
    }

    fn idle(&self) -> Result<MutexGuard<'_, VecDeque<Asked>>, Refusal> {
        let asked = self.asked.try_lock_for(MOMENT);
        asked.ok_or_else(|| Refusal::because(Code::Busy, "The machine is at work on another request."))
    }

    fn save(&self, asked: &VecDeque<Asked>) -> Result<(), Refusal> {
        let written = serde_json::to_vec(asked)
            .map_err(io::Error::from)
            .and_then(|bytes| write_whole(&self.note, &bytes));
        written.map_err(|error| {
            log::error!(
                "the board: cannot write {}: {error}. Look at the disk, then try again",
                self.note.display()
            );
            Code::Internal.into()
        })
    }

    fn perform(&self, act: &BoardAct) -> Outcome<BoardDone> {
        match act {
            BoardAct::Update {} => self.update(),
            // The words are the board's own.
            act => self.say(&serde_json::to_value(act).unwrap_or_default()),
        }
    }

    /// What is installed is a copy, made before the answer: the stick can be pulled then.
    fn update(&self) -> Outcome<BoardDone> {
        let is_ours = match self.say(&json!({ "verb": "usb_mount" })) {
            Ok(_) => true,
            // One that is mounted already is for a backup, and stays.
            Err(Wrong::Refused(error)) if error.code == "busy" => false,
            Err(wrong) => return Err(wrong),
        };
        let outcome = self.say(&json!({ "verb": "update", "from": "usb" }));
        if is_ours && self.say(&json!({ "verb": "usb_unmount" })).is_err() {
            log::warn!(
                "the board: the stick could not be unmounted; do not pull it before the machine is off"
            );
        }
        outcome
    }

    fn say(&self, request: &Value) -> Outcome<BoardDone> {
        let board = UnixStream::connect(&self.board).map_err(|_| Wrong::Absent)?;
        let line = asking::tell(board, &request.to_string(), PATIENCE).map_err(|_| Wrong::Untold)?;
        let said: Said = serde_json::from_str(&line).map_err(|_| Wrong::Untold)?;
        match (said.ok, said.error) {
            (true, _) => Ok(said.done),
            (false, Some(error)) => Err(Wrong::Refused(error)),
            (false, None) => Err(Wrong::Untold),
        }
    }
}

fn known(asked: &VecDeque<Asked>, id: ClientId, act: &BoardAct) -> Result<Option<BoardDone>, Refusal> {
    let Some(known) = asked.iter().find(|known| known.id == id) else {
        return Ok(None);
    };
    let is_other = known.digest.as_ref().is_some_and(|noted| *noted != digest(act));
    if known.verb != act.verb() || is_other {
        return Err(Code::IdReused.into());
    }
    known.done.clone().map(Some).ok_or_else(untold)
}

/// What is asked for, its arguments included, in letters that nothing can be read from.
fn digest(act: &BoardAct) -> String {
    let words = serde_json::to_vec(act).expect("an act is made of what JSON can say");
    blake3::hash(&words).to_hex().to_string()
}

fn refused(error: &Refused, verb: BoardVerb) -> Refusal {
    let code = match error.code.as_str() {
        "bad_argument" | "bad_request" | "too_large" => Code::BadRequest,
        "busy" => Code::Busy,
        _ => Code::BoardFailed,
    };
    let next = match error.code.as_str() {
        "not_available" | "several" if verb == BoardVerb::Update => STICK,
        _ => error.next.as_str(),
    };
    Refusal {
        next: next.into(),
        ..Refusal::because(code, error.sentence())
    }
}

/// Where there is no board.
fn absent() -> Refusal {
    Refusal {
        next: "Install kinglet-board, or do it in a shell of the machine.".into(),
        ..Refusal::because(
            Code::BoardFailed,
            "kinglet-board, which does this, does not answer on this machine.",
        )
    }
}

fn untold() -> Refusal {
    Refusal {
        next: "Look how the machine is, and ask anew if it has to be.".into(),
        ..Refusal::because(
            Code::BoardFailed,
            "kinglet-board was asked for this, and has not said what came of it.",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::thread::JoinHandle;

    use super::super::super::asking::fake;
    use super::*;

    const DONE: &str = "{\"ok\":true}\n";
    const BUSY: &str =
        "{\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"It is at work.\",\"next\":\"x\"}}\n";

    fn id(number: u128) -> ClientId {
        ClientId(uuid::Uuid::from_u128(number + 1))
    }

    /// A board that answers so, one connection each; gives what it was asked, and what was noted by then.
    fn board(folder: &Path, answers: &'static [&'static str]) -> (Acts, JoinHandle<Vec<(String, String)>>) {
        let note = folder.join(NOTE);
        let (path, asked) = fake::board(folder, answers, move |line| {
            let noted = std::fs::read_to_string(&note).unwrap_or_default();
            (line.to_owned(), noted)
        });
        (Acts::open(folder, path), asked)
    }

    #[test]
    fn an_act_is_noted_before_the_board_hears_of_it_and_done_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, asked) = board(folder.path(), &[DONE]);
        let reboot = BoardAct::Reboot {};
        let done = acts.ask(id(1), &reboot).expect("it is done");
        assert_eq!(acts.ask(id(1), &reboot).expect("it is known"), done);
        let asked = asked.join().expect("no panic");
        assert_eq!(asked[0].0, r#"{"verb":"reboot"}"#);
        assert!(asked[0].1.contains(&id(1).0.to_string()), "{}", asked[0].1);
        // Nobody listens any more, and the server has ended in between.
        let acts = Acts::open(folder.path(), folder.path().join("none"));
        assert_eq!(acts.known(id(1), &reboot).expect("known"), Some(done));
        assert_eq!(acts.known(id(2), &reboot).expect("new"), None);
        let other = acts
            .known(id(1), &BoardAct::PowerOff {})
            .expect_err("another verb");
        assert_eq!(other.code, Code::IdReused);
    }

    #[test]
    fn the_same_id_with_other_arguments_is_refused_and_what_an_earlier_build_noted_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, asked) = board(folder.path(), &[DONE]);
        let name = |name: &str| BoardAct::HostName { name: name.into() };
        let done = acts.ask(id(1), &name("box")).expect("it is done");
        let acts = Acts::open(folder.path(), folder.path().join("none"));
        assert_eq!(acts.ask(id(1), &name("box")).expect("it is known"), done);
        for refused in [
            acts.ask(id(1), &name("attic")).map(Some),
            acts.known(id(1), &name("attic")),
        ] {
            assert_eq!(refused.expect_err("another name").code, Code::IdReused);
        }
        asked.join().expect("asked once");
        let before = serde_json::json!([{ "id": id(1), "verb": "host_name", "done": {} }]);
        std::fs::write(folder.path().join(NOTE), before.to_string()).expect("written");
        let acts = Acts::open(folder.path(), folder.path().join("none"));
        assert_eq!(acts.known(id(1), &name("box")).expect("known"), Some(done));
    }

    #[test]
    fn what_the_board_has_not_told_is_not_asked_again_and_what_it_refused_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, asked) = board(folder.path(), &["", BUSY, DONE]);
        let act = BoardAct::SshOff {};
        for _ in 0..2 {
            let untold = acts.ask(id(1), &act).expect_err("it broke off");
            assert!(untold.message.contains("has not said"), "{untold}");
        }
        assert_eq!(acts.ask(id(2), &act).expect_err("busy").code, Code::Busy);
        acts.ask(id(2), &act).expect("the same again, and it is done");
        asked.join().expect("asked three times, and no more");
    }

    #[test]
    fn a_stick_is_mounted_for_an_update_and_left_where_it_was_mounted_already() {
        const NONE: &str = "{\"ok\":false,\"error\":{\"code\":\"not_available\",\"message\":\"No package.\",\"next\":\"x\"}}\n";
        const VERSION: &str = "{\"ok\":true,\"version\":\"0.2.0\",\"unit\":\"kinglet-update.service\"}\n";
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, asked) = board(folder.path(), &[DONE, NONE, DONE, BUSY, VERSION]);
        let refused = acts.ask(id(1), &BoardAct::Update {}).expect_err("none");
        assert_eq!((refused.code, refused.next.as_str()), (Code::BoardFailed, STICK));
        let done = acts.ask(id(2), &BoardAct::Update {}).expect("it is installed");
        assert_eq!(done.version.as_deref(), Some("0.2.0"));
        let asked: Vec<String> = asked
            .join()
            .expect("no panic")
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        let (mount, update) = (r#"{"verb":"usb_mount"}"#, r#"{"from":"usb","verb":"update"}"#);
        assert_eq!(asked, [mount, update, r#"{"verb":"usb_unmount"}"#, mount, update]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, asked) = board(folder.path(), &[DONE; limits::BOARD_ASKED + 1]);
        let act = BoardAct::SshOff {};
        acts.ask(id(0), &act).expect("it is done");
        for number in 0..limits::BOARD_ASKED {
            assert!(acts.known(id(0), &act).expect("known").is_some());
            acts.ask(id(number as u128 + 1), &act).expect("it is done");
        }
        assert_eq!(acts.known(id(0), &act).expect("forgotten"), None);
        asked.join().expect("no panic");
    }
}
