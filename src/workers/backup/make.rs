//! Making one backup: look, check, make room, write, read back and open, note, take away what is too old. What must not live here: when,
//! and who is told.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::age::{Encryptor, Recipient};
use super::archive::{self, Content, Head};
use super::called;
use super::journal;
use super::parts::{PartsReader, PartsWriter};
use super::place::{self, Note, Place, sync_folder};
use super::wrong::{Outcome, Wrong};
use crate::clock::{Clock, monotonic};
use crate::limits;
use crate::proto::backup::{BackupMade, BackupTrouble};
use crate::store::Pos;
use crate::store::sqlite::image::{Image, ImageFacts};

/// Beside pages and files: heads of entries, keys, settings.
const BESIDE: u64 = 4 * 1024 * 1024;
/// What an entry of the archive costs, at most.
const PER_FILE: u64 = 1_536;

/// What is to be backed up, where to, and who watches.
pub struct Job<'a> {
    pub data_dir: &'a Path,
    pub folder: &'a Path,
    pub keep: u32,
    pub part_bytes: u64,
    /// The settings' file, if they came from one.
    pub settings: Option<&'a Path>,
    pub clock: &'a Clock,
    pub progress: Arc<AtomicU64>,
    /// What it will come to; 0 until that is known.
    pub total: Arc<AtomicU64>,
}

/// A good one, and those that are there with it, newest first.
pub struct Made {
    pub made: BackupMade,
    pub kept: Vec<BackupMade>,
}

/// Makes one. Whatever goes wrong, those that were there before stay, but for what had to make room; the newest never goes.
pub fn make(job: &Job<'_>) -> Outcome<Made> {
    let begun = monotonic();
    is_folder(job.folder)?;
    let image = Image::take(job.data_dir)?;
    let facts = image.facts()?;
    let (secret, recipient) = sealed_to(&facts)?;
    let place = Place::of(job.folder, &secret);
    let report = image.verify()?;
    if let Some(first) = report.damage.first() {
        return Err(Wrong::new(
            BackupTrouble::Damaged,
            format!("The log is damaged, so it is not backed up: {first}."),
            "Stop the server and run `kinglet doctor`. The older backups are as they were.",
        ));
    }
    place.clear()?;
    let needed = facts.bytes + facts.file_bytes + facts.files * PER_FILE + BESIDE;
    // Beside the data it must leave what people need to go on writing.
    let left = if is_same_disk(job.folder, job.data_dir) {
        limits::DISK_RESERVE
    } else {
        0
    };
    make_room(&place, needed + left)?;
    job.total.store(needed, Ordering::Relaxed);
    let now = job.clock.now();
    let number = place.last_number()? + 1;
    let head = Head {
        format: archive::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: facts.schema,
        made: now.ms,
        unsynchronised: !now.synchronised,
        bytes: needed,
        host_name: called::host(),
        time_zone: called::zone(),
    };
    let content = Content {
        image: &image,
        facts: &facts,
        events: report.events,
        data_dir: job.data_dir,
        settings: job.settings,
        head,
    };
    let mut note = Note {
        format: place::FORMAT,
        number,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: facts.schema,
        made: now.ms,
        unsynchronised: !now.synchronised,
        took_ms: 0,
        head: facts.head,
        epoch: facts.epoch,
        lost_files: 0,
        recipient: recipient.0,
        parts: Vec::new(),
    };
    write(job, &place, recipient.1, &content, &mut note)?;
    note.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    place.put(&note)?;
    let kept = place.prune(job.keep)?;
    journal::bring_up(&place, &image, &facts, oldest(&kept, &facts))?;
    Ok(Made {
        made: note.told(&place),
        kept: kept.iter().map(|note| note.told(&place)).collect(),
    })
}

/// Brings the list of erasures beside the backups up to this moment.
pub fn bring_up_erasures(data_dir: &Path, folder: &Path) -> Outcome<()> {
    is_folder(folder)?;
    let image = Image::take(data_dir)?;
    let facts = image.facts()?;
    let Some(secret) = &facts.secret else {
        return Ok(());
    };
    let place = Place::of(folder, secret);
    let kept = place.list()?;
    if kept.is_empty() {
        return Ok(());
    }
    journal::bring_up(&place, &image, &facts, oldest(&kept, &facts))
}

/// Whether two paths are on the same disk; unknown counts as not.
pub fn is_same_disk(one: &Path, other: &Path) -> bool {
    let disk = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    matches!((disk(one), disk(other)), (Some(one), Some(other)) if one == other)
}

fn is_folder(folder: &Path) -> Outcome<()> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Wrong::failed(
            format!("{} is no folder.", folder.display()),
            "Set backup.to to a folder.",
        )),
        Err(error) => Err(Wrong::io("find the folder", folder, &error)),
    }
}

/// Where the log ended in the oldest of them; 0 where one is of another time.
fn oldest(kept: &[Note], facts: &ImageFacts) -> Pos {
    if kept.iter().any(|note| note.epoch != facts.epoch) {
        return 0;
    }
    kept.iter().map(|note| note.head).min().unwrap_or(0)
}

fn sealed_to(facts: &ImageFacts) -> Outcome<([u8; 32], (String, Recipient))> {
    let no_key = || {
        Wrong::new(
            BackupTrouble::NoKey,
            "There is no recovery key that a backup could be encrypted to.",
            "Have an owner make it: it is on the emergency sheet of the first run, and in the server's settings.",
        )
    };
    let (recipient, _) = facts.recipient.clone().ok_or_else(no_key)?;
    let secret = facts.secret.ok_or_else(no_key)?;
    let parsed = Recipient::parse(&recipient)?;
    Ok((secret, (recipient, parsed)))
}

/// Older ones go, oldest first, until there is room; the newest stays whatever happens.
fn make_room(place: &Place, needed: u64) -> Outcome<()> {
    let mut kept = place.list()?;
    loop {
        let room = place.room()?;
        if room >= needed {
            return Ok(());
        }
        let oldest = if kept.len() > 1 { kept.pop() } else { None };
        let Some(oldest) = oldest else {
            let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
            return Err(Wrong::new(
                BackupTrouble::Full,
                format!(
                    "A backup needs about {} MiB, and {} has {} MiB free.",
                    mib(needed),
                    place.folder.display(),
                    room / (1024 * 1024)
                ),
                "Take a larger stick, or make room on this one. The newest backup on it stays.",
            ));
        };
        log::warn!("backup: {} makes room for a new one", place.stem(oldest.number));
        place.remove(&oldest)?;
    }
}

fn write(
    job: &Job<'_>,
    place: &Place,
    recipient: Recipient,
    content: &Content<'_>,
    note: &mut Note,
) -> Outcome<()> {
    let io = |error: std::io::Error| Wrong::io("write to", &place.folder, &error);
    let stem = place.stem(note.number);
    let parts = PartsWriter::new(&place.folder, &stem, job.part_bytes, Arc::clone(&job.progress));
    let chance = |out: &mut [u8]| job.clock.random(out);
    let sealed = Encryptor::begin(recipient, parts, &chance).map_err(io)?;
    let (sealed, written) = archive::write(content, sealed)?;
    let (parts, proof) = sealed.finish().map_err(io)?;
    let opens = |read: &mut PartsReader| proof.holds(read).map_err(std::io::Error::other);
    note.parts = parts.finish(opens).map_err(io)?;
    note.lost_files = written.lost;
    sync_folder(&place.folder).map_err(io)
}
