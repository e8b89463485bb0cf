//! `kinglet restore`: asks for the key, has the backup put in place, tells what came of it. What must not live here: what is
//! checked.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

use serde::Serialize;
use zeroize::Zeroizing;

use super::cli::{Cli, Restore};
use super::failure::{Failure, Outcome};
use super::{heart, print, process, serve};
use crate::store::sqlite::lock;
use crate::workers::backup::Identity;
use crate::workers::backup::restore::{Asked, Restored, restore as put_back};
use crate::workers::backup::wrong::Wrong;

/// A key is one line; a file with one may have a remark or two.
const KEY_BYTES: u64 = 4 * 1024;

#[derive(Serialize)]
struct Told {
    version: String,
    made: u64,
    host_name: Option<String>,
    time_zone: Option<String>,
    users: u64,
    conversations: u64,
    events: u64,
    files: u64,
    lost_files: u64,
    erasures_known: bool,
    erased_again: u64,
    people_erased_again: usize,
    /// People who were erased and are here again, since something of the server is theirs.
    people_left: Vec<String>,
    settings: Option<PathBuf>,
    before: Option<PathBuf>,
}

/// Restores a backup into the data directory.
pub fn restore(cli: &Cli, asked: &Restore) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    process::keep_files_private();
    heart::data_dir(&config.data_dir)?;
    // Before anybody types a long key.
    drop(lock(&config.data_dir)?);
    let key = key(asked)?;
    let identity = Identity::parse(&key).map_err(Wrong::from)?;
    drop(key);
    let wanted = Asked {
        file: &asked.file,
        data_dir: &config.data_dir,
        identity: &identity,
        replace: asked.replace,
    };
    let restored = serve::runtime()?.block_on(put_back(&wanted))?;
    print(cli, &told(restored), text)
}

/// The key, from its file, or as it is typed: it can be seen, since 74 characters are not typed unseen.
fn key(asked: &Restore) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if let Some(path) = &asked.key_file {
        let read = std::fs::File::open(path).and_then(|file| file.take(KEY_BYTES).read_to_string(&mut text));
        read.map_err(|error| {
            Failure::failed(format!("cannot read the key file {}: {error}", path.display()))
        })?;
    } else {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            // Without standard error one types all the same.
            let _ = write!(
                io::stderr(),
                "The recovery key of the emergency sheet (AGE-SECRET-KEY-1...): "
            );
        }
        let read = stdin.lock().take(KEY_BYTES).read_line(&mut text);
        read.map_err(|error| Failure::failed(format!("cannot read the key from standard input: {error}")))?;
    }
    // age writes remarks in front of a key.
    let bare: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    Ok(Zeroizing::new(bare))
}

fn told(restored: Restored) -> Told {
    Told {
        version: restored.version,
        made: restored.made,
        host_name: restored.host_name,
        time_zone: restored.time_zone,
        users: restored.users,
        conversations: restored.conversations,
        events: restored.events,
        files: restored.files,
        lost_files: restored.lost_files,
        erasures_known: restored.erasures_known,
        erased_again: restored.replayed.messages,
        people_erased_again: restored.replayed.people.len(),
        people_left: restored
            .replayed
            .people_left
            .iter()
            .map(ToString::to_string)
            .collect(),
        settings: restored.settings,
        before: restored.before,
    }
}

fn text(told: &Told) -> String {
    let mut text = format!(
        "The backup is restored: {} users, {} conversations with {} events, {} files. All of it was checked.\n",
        told.users, told.conversations, told.events, told.files
    );
    if told.lost_files > 0 {
        text.push_str(&format!(
            "{} files that messages carry are not in it: they were erased or missing when it was made.\n",
            told.lost_files
        ));
    }
    if !told.erasures_known {
        text.push_str(
            "There is no list of erasures beside it: what was erased after it was made may be here again.\n",
        );
    } else if told.erased_again > 0 || told.people_erased_again > 0 {
        text.push_str(&format!(
            "Erased again, since it was after the backup: {} messages, and {} people.\n",
            told.erased_again, told.people_erased_again
        ));
    }
    for user in &told.people_left {
        text.push_str(&format!(
            "{user} was erased after the backup, and owns something here that others need: transfer that, then erase them again.\n"
        ));
    }
    // kinglet-board reads both lines on a new card (board/src/appliance/restore.rs).
    if let Some(name) = &told.host_name {
        text.push_str(&format!("Name of its machine: {}\n", line(name)));
    }
    if let Some(zone) = &told.time_zone {
        text.push_str(&format!("Time zone of its machine: {}\n", line(zone)));
    }
    if let Some(settings) = &told.settings {
        text.push_str(&format!(
            "The settings of that server are in {}; compare them with yours.\n",
            settings.display()
        ));
    }
    if let Some(before) = &told.before {
        text.push_str(&format!(
            "What was here before is in {} until the server has started well.\n",
            before.display()
        ));
    }
    text.push_str(
        "Start the server. Clients start from this state and keep what they have not sent; passwords and signed-in devices are \
         those of the backup.\n",
    );
    text
}

/// Whatever the machine of before was called, it is one line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
