//! Files of signed-in people: how they come in (`receive`), how they go out (`give`), which a conversation has, and how
//! what nobody needs goes (`removal`). What must not live here: HTTP, SQL, and who may see a file, which `core` says.
//!
//! Invariants: nothing waits for a disk on a thread that serves others; what waits is bounded; a file is never under its last
//! name without its row for longer than `keeper` is held, but for a crash, after which `clear_strays` takes it away.

pub mod give;
mod places;
pub mod receive;
mod removal;
mod space;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::places::Places;
use self::receive::Turn;
use super::answer::{bound, readable};
use super::pulse::now_ms;
use super::{Services, Who};
use crate::core::{audience, permit};
use crate::limits::{self, FileLimits};
use crate::proto::files::{FilePage, FilesQuery, NewUpload, Storage, UploadInfo};
use crate::proto::{Code, ConversationId, Refusal, Seq, UploadId};
use crate::store::Store;
use crate::store::blobs::Vault;
use crate::store::sqlite::blobs::{FilesAsk, Quota};

type Outcome<T> = Result<T, Refusal>;

/// All files of this server.
pub struct Files {
    store: Store,
    vault: Vault,
    limits: FileLimits,
    quota: Quota,
    uploads: Arc<Places>,
    downloads: Arc<Places>,
    /// Threads that wait for the disk.
    disk: Arc<Semaphore>,
    /// One picture at a time: see `limits::PICTURE_BYTES`.
    picture: Arc<Semaphore>,
    /// Held from a file's last name to its row, and from a row's end to its file's.
    keeper: tokio::sync::Mutex<()>,
    turns: Mutex<HashMap<UploadId, Arc<Turn>>>,
    hashes: Mutex<HashMap<UploadId, blake3::Hasher>>,
}

/// Room on the disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// What is free, and the whole disk; nothing where it cannot be asked.
    pub disk: Option<(u64, u64)>,
    /// What all files take, and what they may take.
    pub files: u64,
    pub files_limit: u64,
}

impl Files {
    /// Opens the folder of files in the data directory. Touches the disk.
    pub fn open(store: Store, data_dir: &Path, limits: FileLimits) -> io::Result<Files> {
        let vault = Vault::open(data_dir)?;
        let (_, disk_bytes) = vault.disk()?;
        let share = disk_bytes / 100 * limits::FILES_PERCENT;
        Ok(Files {
            store,
            vault,
            limits,
            quota: Quota {
                user_bytes: limits.user_bytes,
                total_bytes: limits.total_bytes.unwrap_or(share),
            },
            uploads: Places::new(limits::UPLOADS_AT_ONCE, limits::UPLOADS_AT_ONCE_PER_USER),
            downloads: Places::new(limits::DOWNLOADS_AT_ONCE, limits::DOWNLOADS_AT_ONCE_PER_USER),
            disk: Arc::new(Semaphore::new(limits::FILE_THREADS)),
            picture: Arc::new(Semaphore::new(1)),
            keeper: tokio::sync::Mutex::default(),
            turns: Mutex::default(),
            hashes: Mutex::default(),
        })
    }

    /// Runs what blocks on a thread that may; few at a time.
    async fn at_disk<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let place = Arc::clone(&self.disk).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            // The place is taken until the work ends, also when nobody waits for it any more.
            let _place = place;
            work()
        });
        match done.await {
            Ok(done) => done.map_err(|error| disk_refusal(&error)),
            Err(_) => Err(Code::Internal.into()),
        }
    }

    /// How much room there is, for those who watch over the server.
    pub async fn room(&self) -> Outcome<Room> {
        let vault = self.vault.clone();
        let disk = self.at_disk(move || vault.disk()).await.ok();
        Ok(Room {
            disk,
            files: self.store.room_taken_by_all().await?,
            files_limit: self.quota.total_bytes,
        })
    }

    /// Whether the disk has room for so many bytes more and keeps its reserve.
    async fn room_on_disk(&self, bytes: u64) -> Outcome<()> {
        let vault = self.vault.clone();
        let (free, _) = self.at_disk(move || vault.disk()).await?;
        if free >= self.limits.reserve_bytes.saturating_add(bytes) {
            return Ok(());
        }
        let sentence = "The server's disk is almost full; it takes no files now.";
        Err(Refusal::because(Code::StorageFull, sentence))
    }
}

/// What a client is told of a disk's error; the operator finds the rest in the log.
fn disk_refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::StorageFull.into(),
        _ => {
            log::error!("a stored file could not be read or written: {error}; look at the disk");
            Code::Internal.into()
        }
    }
}

/// Begins an upload, or finds the one that the same command began.
pub async fn begin(services: &Services, who: &Who, new: NewUpload) -> Outcome<UploadInfo> {
    services.quotas.take_file(who.user, now_ms())?;
    let files = &services.files;
    if new.size == 0 {
        return Err(Refusal::because(
            Code::BadRequest,
            "A file has at least one byte.",
        ));
    }
    if new.size > files.limits.file_bytes {
        let sentence = format!(
            "A file may have at most {} MiB.",
            files.limits.file_bytes / (1024 * 1024)
        );
        return Err(Refusal::because(Code::TooLarge, sentence));
    }
    files.room_on_disk(new.size).await?;
    let upload = services.store.begin_upload(who.actor(), new, files.quota).await?;
    Ok(upload.info())
}

/// Where an upload stands.
pub async fn stands(services: &Services, who: &Who, id: UploadId) -> Outcome<UploadInfo> {
    services.quotas.take_read(who.user, now_ms())?;
    let upload = services.store.upload(who.user, id).await?.ok_or(Code::NotFound)?;
    Ok(upload.info())
}

/// Gives an upload up.
pub async fn cancel(services: &Services, who: &Who, id: UploadId) -> Outcome<()> {
    services.quotas.take_file(who.user, now_ms())?;
    if !services.store.cancel_upload(who.user, id).await? {
        return Err(Code::NotFound.into());
    }
    let files = &services.files;
    files.hashes.lock().remove(&id);
    let vault = files.vault.clone();
    files.at_disk(move || vault.remove_partial(id)).await
}

/// How much the asker may store, and how much of it is taken.
pub async fn storage(services: &Services, who: &Who) -> Outcome<Storage> {
    services.quotas.take_read(who.user, now_ms())?;
    Ok(Storage {
        file_bytes: services.files.limits.file_bytes,
        user_bytes: services.files.quota.user_bytes,
        used_bytes: services.store.room_taken(who.user).await?,
    })
}

/// The files of a conversation, newest first.
pub async fn list(
    services: &Services,
    who: &Who,
    conversation: ConversationId,
    ask: FilesQuery,
) -> Outcome<FilePage> {
    services.quotas.take_read(who.user, now_ms())?;
    let limit = bound(ask.limit, 50, limits::PAGE_EVENTS)?;
    let roster = readable(services, who, conversation).await?;
    let visible = audience::visible(&roster, who.user).ranges().to_vec();
    let ask = FilesAsk {
        conversation,
        before: ask.before.unwrap_or(Seq::MAX),
        kind: ask.kind,
        limit,
    };
    let (mut events, more) = services.store.files(ask, visible).await?;
    // The asker may have been removed while the store was read.
    let roster = readable(services, who, conversation).await?;
    events.retain(|event| permit::blobs::may_open(&roster, who.user, event.seq));
    Ok(FilePage { events, more })
}
