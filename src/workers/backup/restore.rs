//! The way back: a backup is taken apart beside what is there, checked as the doctor checks, given a new epoch, freed of what was
//! erased since, and only then put in its place. What must not live here: asking for the key, and exit codes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::age::Identity;
use super::archive::SETTINGS;
use super::place::Place;
use super::unpack::{Source, Unpacked, unpack};
use super::wrong::{Outcome, Wrong};
use super::{journal, swap};
use crate::clock::Clock;
use crate::core::permit::Settings;
use crate::limits;
use crate::proto::Timestamp;
use crate::proto::people::AuditWhat;
use crate::store::sqlite::accounts::By;
use crate::store::sqlite::image::{Image, ImageFacts, settle};
use crate::store::sqlite::replay::{Erased, Replayed};
use crate::store::sqlite::{doctor, lock};
use crate::store::{Commit, Committed, Options, Store};
use crate::workers::sweeper;

/// What is asked for.
pub struct Asked<'a> {
    /// The note, the file, or its first part.
    pub file: &'a Path,
    pub data_dir: &'a Path,
    pub identity: &'a Identity,
    /// Whether data that are there may be replaced.
    pub replace: bool,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    pub version: String,
    pub made: Timestamp,
    pub unsynchronised: bool,
    /// What the machine was called whose backup it is.
    pub host_name: Option<String>,
    pub time_zone: Option<String>,
    pub users: u64,
    pub conversations: u64,
    pub events: u64,
    pub files: u64,
    /// Files that messages carry and that are not in the backup.
    pub lost_files: u64,
    /// Whether a list of erasures was found, beside the backup or in the data that were replaced.
    pub erasures_known: bool,
    pub replayed: Replayed,
    /// Where the settings of that server are.
    pub settings: Option<PathBuf>,
    /// Where the data of before are, until the first good start.
    pub before: Option<PathBuf>,
}

/// Nobody is connected.
struct Nobody;

impl Committed for Nobody {
    fn committed(&mut self, _: Commit) {}
}

/// Restores. Whatever goes wrong before the end, the data directory is as it was.
pub async fn restore(asked: &Asked<'_>) -> Outcome<Restored> {
    let held = lock(asked.data_dir)?;
    swap::resume(asked.data_dir)?;
    if swap::is_taken(asked.data_dir) && !asked.replace {
        return Err(Wrong::failed(
            format!(
                "There is a server's data in {} already.",
                asked.data_dir.display()
            ),
            "Name an empty data_dir, or add --replace: then they are kept beside until the restored server has started well.",
        ));
    }
    let restored = put_together(asked).await;
    if restored.is_err() {
        swap::discard(asked.data_dir)?;
        return restored;
    }
    swap::begin(asked.data_dir)?;
    drop(held);
    let mut restored = restored?;
    restored.before = swap::before(asked.data_dir);
    restored.settings = Some(asked.data_dir.join(SETTINGS)).filter(|path| path.exists());
    Ok(restored)
}

/// Everything but putting it in place.
async fn put_together(asked: &Asked<'_>) -> Outcome<Restored> {
    let source = Source::find(asked.file)?;
    let staging = swap::staging(asked.data_dir);
    let room = || Place::of(asked.data_dir, &[0; 32]).room();
    let Unpacked { head, manifest } = unpack(&source, asked.identity, &staging, &room)?;
    sync_all(&staging)?;
    let report = doctor::examine(&staging)?;
    if let Some(first) = report.damage.first() {
        return Err(unsound(&format!("its log is damaged: {first}")));
    }
    let facts = facts_of(&staging)?;
    let told = (
        manifest.epoch,
        manifest.head,
        manifest.users,
        manifest.conversations,
        manifest.events,
    );
    if told
        != (
            facts.epoch,
            facts.head,
            facts.users,
            facts.conversations,
            report.events,
        )
    {
        return Err(unsound("its database has not what its manifest says"));
    }
    let lists = lists(asked, &source, &facts);
    let replayed = renew(&staging, &lists, head.made).await?;
    sync_all(&staging)?;
    Ok(Restored {
        version: head.version,
        made: head.made,
        unsynchronised: head.unsynchronised,
        host_name: head.host_name,
        time_zone: head.time_zone,
        users: facts.users,
        conversations: facts.conversations,
        events: report.events,
        files: manifest.files,
        lost_files: report.lost_files.len() as u64,
        erasures_known: !lists.is_empty(),
        replayed,
        settings: None,
        before: None,
    })
}

fn unsound(what: &str) -> Wrong {
    Wrong::failed(
        format!("The backup cannot be used: {what}."),
        "Take another backup; this one is left as it is.",
    )
}

fn facts_of(directory: &Path) -> Outcome<ImageFacts> {
    Ok(Image::take(directory)?.facts()?)
}

/// All of a folder onto the disk, at once.
fn sync_all(folder: &Path) -> Outcome<()> {
    let synced = std::fs::File::open(folder).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
    synced.map_err(|error| Wrong::io("sync", folder, &error))
}

/// What is known to be erased: beside the backup, and in the data that are there, if they are the same server's.
fn lists(asked: &Asked<'_>, source: &Source, facts: &ImageFacts) -> Vec<journal::Journal> {
    let Some(secret) = &facts.secret else {
        return Vec::new();
    };
    let beside = Place::of(&source.folder, secret).erasures_path();
    let mut lists: Vec<journal::Journal> = journal::read(&beside, secret).into_iter().collect();
    if swap::is_taken(asked.data_dir) {
        match of_before(asked.data_dir, secret) {
            Ok(list) => lists.extend(list),
            // They are replaced because something is wrong with them.
            Err(wrong) => log::warn!("what was erased in the data of before cannot be read: {wrong}"),
        }
    }
    lists
}

fn of_before(data_dir: &Path, secret: &[u8; 32]) -> Outcome<Option<journal::Journal>> {
    let image = Image::take(data_dir)?;
    let facts = image.facts()?;
    if facts.secret.as_ref() != Some(secret) {
        return Ok(None);
    }
    journal::of(&image, &facts, 0).map(Some)
}

/// A new epoch, so that every client starts from this state; then what was erased since the backup is erased again. The journal
/// says that there was a restore, before anybody can ask.
async fn renew(staging: &Path, lists: &[journal::Journal], made: Timestamp) -> Outcome<Replayed> {
    let clock = Arc::new(Clock::system());
    doctor::accept_loss(staging, &clock)?;
    let options = Options {
        directory: staging.to_owned(),
        vfs: None,
        settings: Settings {
            recall_seconds: 0,
            edit_seconds: 0,
        },
        roster_members: limits::ROSTER_MEMBERS,
        fatal: Arc::new(|why| log::error!("the restored database cannot be written: {why}")),
    };
    let store = Store::open(options, clock, Box::new(Nobody))?;
    let mut replayed = Replayed::default();
    let erased: Vec<Erased> = lists
        .iter()
        .flat_map(|list| list.erased.iter().cloned())
        .collect();
    let mut people: Vec<_> = lists
        .iter()
        .flat_map(|list| list.people.iter().copied())
        .collect();
    people.sort_unstable();
    people.dedup();
    let done = async {
        replayed = store.replay(&erased, &people).await?;
        sweeper::people(&store).await?;
        store.note_act(By::Operator, AuditWhat::Restored { made }).await
    };
    let done = done.await;
    store.close().await;
    drop(store);
    settle(staging)?;
    done.map_err(|refusal| {
        Wrong::failed(
            format!("What was erased since the backup cannot be erased again, and noted: {refusal}."),
            "Make room on the disk, then restore again.",
        )
    })?;
    let left = staging.join("lock");
    std::fs::remove_file(&left).map_err(|error| Wrong::io("remove", &left, &error))?;
    Ok(replayed)
}
