//! A file coming in: pieces from the network to the disk, synced before they are acknowledged, in as many requests as it
//! takes; then its last name, its row, its id. What must not live here: HTTP's words for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

use super::places::Place;
use super::{Files, Outcome};
use crate::limits;
use crate::proto::files::UploadInfo;
use crate::proto::{BlobId, Code, Refusal, UploadId};
use crate::session::pulse::now_ms;
use crate::session::{Services, Who};
use crate::store::blobs::{Partial, hash_of, picture, sniff};
use crate::store::sqlite::blobs::{BlobRow, Finished, UploadRow};

/// What became of the bytes of a request.
#[derive(Debug)]
pub enum Arrival {
    /// They are safe; more must follow.
    Part(UploadInfo),
    /// The file is whole.
    Whole(UploadInfo),
    /// They begin at another place than the upload stands; none was taken.
    Elsewhere(u64),
}

/// Whose turn it is to send an upload's bytes: the newest request's, since an older one's connection may be dead.
pub struct Turn {
    newest: watch::Sender<u64>,
    at_work: tokio::sync::Mutex<()>,
}

/// Takes a request's bytes for an upload that stands at `offset`. It goes on to a good end when the asker is gone: what has
/// arrived is kept.
pub async fn receive<S, E>(
    services: &Arc<Services>,
    (who, token): (Who, String),
    (id, offset): (UploadId, u64),
    body: S,
) -> Outcome<Arrival>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: Send + 'static,
{
    services.quotas.take_read(who.user, now_ms())?;
    let place = services.files.uploads.take(who.user)?;
    let services = Arc::clone(services);
    let taken = tokio::spawn(async move {
        let receiving = Receiving {
            services: &services,
            who,
            token,
            id,
            _place: place,
        };
        receiving.take(offset, body).await
    });
    taken.await.unwrap_or_else(|_| Err(Code::Internal.into()))
}

/// One request's work.
struct Receiving<'a> {
    services: &'a Services,
    who: Who,
    token: String,
    id: UploadId,
    _place: Place,
}

/// How the bytes ended.
enum End {
    /// The request's own end, or its connection's.
    Over,
    /// More than the file was to have.
    TooMany,
    /// The token ended meanwhile.
    Refused(Refusal),
}

impl Receiving<'_> {
    fn files(&self) -> &Files {
        &self.services.files
    }

    async fn take<S, E>(&self, offset: u64, body: S) -> Outcome<Arrival>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send + 'static,
    {
        let turn = self.files().turn(self.id);
        let mut own = 0;
        turn.newest.send_modify(|newest| {
            *newest += 1;
            own = *newest;
        });
        let outcome = {
            let waited = tokio::time::timeout(limits::HTTP_TIME, turn.at_work.lock()).await;
            match waited {
                Err(_) => Err(Refusal::later(Code::Busy, 1_000)),
                Ok(_at_work) => self.in_turn(offset, body, (&turn, own)).await,
            }
        };
        if outcome
            .as_ref()
            .is_err_and(|refusal| refusal.code == Code::NotFound)
        {
            self.files().drop_if_over(self.id).await;
        }
        self.files().end_turn(self.id, turn);
        outcome
    }

    async fn upload(&self) -> Outcome<UploadRow> {
        let found = self.services.store.upload(self.who.user, self.id).await?;
        found.ok_or_else(|| Code::NotFound.into())
    }

    async fn in_turn<S, E>(&self, offset: u64, body: S, turn: (&Turn, u64)) -> Outcome<Arrival>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send + 'static,
    {
        let upload = self.upload().await?;
        if upload.blob.is_some() {
            return Ok(Arrival::Whole(upload.info()));
        }
        if offset != upload.arrived {
            return Ok(Arrival::Elsewhere(upload.arrived));
        }
        self.files().room_on_disk(upload.size - upload.arrived).await?;
        let hash = self.files().hashes.lock().remove(&self.id);
        let (vault, id) = (self.files().vault.clone(), self.id);
        let partial = self
            .files()
            .at_disk(move || vault.resume(id, offset, hash))
            .await?;
        if partial.offset != offset {
            self.services
                .store
                .upload_arrived(self.id, partial.offset)
                .await?;
            return Ok(Arrival::Elsewhere(partial.offset));
        }
        let (partial, end) = self.pieces(partial, upload.size, body, turn).await?;
        let partial = self.note(partial).await?;
        match end {
            End::Over if partial.offset == upload.size => {}
            end => {
                let arrived = partial.offset;
                self.files().keep_hash(self.id, partial.into_hash());
                return match end {
                    End::Over => Ok(Arrival::Part(UploadRow { arrived, ..upload }.info())),
                    End::TooMany => {
                        let sentence =
                            format!("More bytes came than the {} that were announced.", upload.size);
                        Err(Refusal::because(Code::TooLarge, sentence))
                    }
                    End::Refused(refusal) => Err(refusal),
                };
            }
        }
        // The token may have ended while the last bytes came.
        self.services.accounts.authenticate(&self.token).await?;
        self.finish(upload, partial.id()).await
    }

    /// Takes pieces until there are no more, or somebody else has the turn.
    async fn pieces<S, E>(
        &self,
        mut partial: Partial,
        size: u64,
        mut body: S,
        (turn, own): (&Turn, u64),
    ) -> Outcome<(Partial, End)>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    {
        let mut newest = turn.newest.subscribe();
        let mut synced = partial.offset;
        loop {
            let gathering = gather(&mut body, size - partial.offset);
            let gathered = tokio::select! {
                gathered = tokio::time::timeout(limits::HTTP_TIME, gathering) => gathered,
                _ = newest.wait_for(|newest| *newest != own) => return Ok((partial, End::Over)),
            };
            // Slower than a piece in this time: the place is for others, and what came before is kept.
            let Ok(Gathered {
                piece,
                over,
                too_many,
            }) = gathered
            else {
                return Ok((partial, End::Over));
            };
            if !piece.is_empty() {
                partial = self
                    .files()
                    .at_disk(move || partial.write(&piece).map(|()| partial))
                    .await?;
            }
            if too_many {
                return Ok((partial, End::TooMany));
            }
            if over {
                return Ok((partial, End::Over));
            }
            if partial.offset - synced >= limits::UPLOAD_SYNC {
                partial = self.note(partial).await?;
                synced = partial.offset;
                if let Err(refusal) = self.services.accounts.authenticate(&self.token).await {
                    return Ok((partial, End::Refused(refusal)));
                }
            }
        }
    }

    /// Syncs what has arrived, then says so in the row.
    async fn note(&self, partial: Partial) -> Outcome<Partial> {
        let partial = self
            .files()
            .at_disk(move || partial.sync().map(|()| partial))
            .await?;
        self.services
            .store
            .upload_arrived(self.id, partial.offset)
            .await?;
        Ok(partial)
    }

    /// All bytes are here and synced.
    async fn finish(&self, upload: UploadRow, sent: BlobId) -> Outcome<Arrival> {
        let (files, id) = (self.files(), self.id);
        if upload.announced.is_some_and(|announced| announced != sent) {
            self.services.store.cancel_upload(self.who.user, id).await?;
            let vault = files.vault.clone();
            files.at_disk(move || vault.remove_partial(id)).await?;
            return Err(Code::WrongChecksum.into());
        }
        let looked = self.look(sent).await?;
        let row = looked.row.clone();
        // From the name to the row nobody may take the file for a stray.
        let _keeper = files.keeper.lock().await;
        let vault = files.vault.clone();
        files
            .at_disk(move || {
                let blob = looked.row.id;
                vault.settle(&looked.path, blob)?;
                if let Some(thumbnail) = &looked.thumbnail {
                    vault.put_thumbnail(blob, thumbnail)?;
                }
                vault.remove_partial(id)
            })
            .await?;
        let stored = row.id;
        let finished = Finished { blob: row };
        let finished = self
            .services
            .store
            .finish_upload(self.who.user, id, finished)
            .await;
        if finished.is_err() {
            // Without its row the file is nobody's; another upload may have brought the same.
            files.remove_strange(vec![stored]).await?;
        }
        let blob = finished?;
        let whole = UploadRow {
            arrived: upload.size,
            blob: Some(blob),
            ..upload
        };
        Ok(Arrival::Whole(whole.info()))
    }

    /// Finds out what the file is; of a picture also what it shows, once it has been cleaned.
    async fn look(&self, sent: BlobId) -> Outcome<Looked> {
        let (files, id) = (self.files(), self.id);
        let path = files.vault.partial_path(id);
        let looking = path.clone();
        let (media_type, size) = files
            .at_disk(move || {
                let file = File::open(looking)?;
                let size = file.metadata()?.len();
                let mut head = Vec::with_capacity(sniff::HEAD);
                file.take(sniff::HEAD as u64).read_to_end(&mut head)?;
                Ok((sniff::media_type(&head), size))
            })
            .await?;
        let plain = Looked::plain(path, sent, media_type, size);
        if !picture::is_known(media_type) {
            return Ok(plain);
        }
        let most = files.limits.picture_bytes;
        let vault = files.vault.clone();
        let place = Arc::clone(&files.picture).acquire_owned().await;
        let before = plain.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut looked = before;
            let (mut clean, beside) = vault.beside(id)?;
            if picture::clean(&looked.path, media_type, &mut clean, most)? {
                looked.row.id = BlobId(*hash_of(File::open(&beside)?)?.finalize().as_bytes());
                looked.row.size = clean.metadata()?.len();
                looked.path = beside;
            }
            looked.see(picture::look(&looked.path.clone(), media_type, most));
            io::Result::Ok(looked)
        });
        match looked.await {
            Ok(looked) => looked.map_err(|error| super::disk_refusal(&error)),
            // A picture that no decoder can stand is a file like any other.
            Err(_) => Ok(plain),
        }
    }
}

/// A whole file, and what was found out about it.
#[derive(Clone)]
struct Looked {
    path: PathBuf,
    row: BlobRow,
    thumbnail: Option<Vec<u8>>,
}

impl Looked {
    fn plain(path: PathBuf, id: BlobId, media_type: &str, size: u64) -> Looked {
        let row = BlobRow {
            id,
            size,
            media_type: media_type.into(),
            width: None,
            height: None,
            thumbhash: None,
            has_thumbnail: false,
        };
        Looked {
            path,
            row,
            thumbnail: None,
        }
    }

    fn see(&mut self, picture: picture::Picture) {
        (self.row.width, self.row.height) = (picture.width, picture.height);
        self.row.thumbhash = picture.thumbhash;
        self.row.has_thumbnail = picture.thumbnail.is_some();
        self.thumbnail = picture.thumbnail;
    }
}

struct Gathered {
    piece: Vec<u8>,
    over: bool,
    too_many: bool,
}

/// One piece from what comes: full, or the last. What is beyond `left` is not kept.
async fn gather<S, E>(body: &mut S, left: u64) -> Gathered
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut gathered = Gathered {
        piece: Vec::with_capacity(limits::FILE_PIECE),
        over: false,
        too_many: false,
    };
    while gathered.piece.len() < limits::FILE_PIECE {
        // A connection that broke ends the request like its own end; what came until then is good.
        let Some(Ok(bytes)) = body.next().await else {
            gathered.over = true;
            break;
        };
        if (gathered.piece.len() + bytes.len()) as u64 > left {
            gathered.too_many = true;
            break;
        }
        gathered.piece.extend_from_slice(&bytes);
    }
    gathered
}

impl Files {
    fn turn(&self, id: UploadId) -> Arc<Turn> {
        let mut turns = self.turns.lock();
        let turn = turns.entry(id).or_insert_with(|| {
            Arc::new(Turn {
                newest: watch::Sender::new(0),
                at_work: tokio::sync::Mutex::default(),
            })
        });
        Arc::clone(turn)
    }

    /// The last who had to do with an upload takes its turn's place away. There are no more of them than of `uploads`.
    fn end_turn(&self, id: UploadId, turn: Arc<Turn>) {
        let mut turns = self.turns.lock();
        drop(turn);
        if turns.get(&id).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&id);
        }
    }

    fn keep_hash(&self, id: UploadId, hash: blake3::Hasher) {
        let mut hashes = self.hashes.lock();
        if hashes.len() >= limits::UPLOAD_HASHES
            && let Some(any) = hashes.keys().next().copied()
        {
            hashes.remove(&any);
        }
        hashes.insert(id, hash);
    }
}
