//! A file going out: from the disk to whoever may have it, a piece at a time, no faster than it is taken. What must not live
//! here: HTTP's words for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::Outcome;
use super::places::Place;
use crate::limits;
use crate::proto::files::BlobInfo;
use crate::proto::{BlobId, Code, Refusal};
use crate::session::pulse::now_ms;
use crate::session::{Services, Who};
use crate::store::blobs::sniff;

/// The media type of all thumbnails.
const THUMBNAIL: &str = "image/jpeg";

/// Which of a file's two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    Thumbnail,
}

/// A file that the asker may have, open.
pub struct Given {
    pub info: BlobInfo,
    /// What it is, if a browser may show it by itself.
    pub shown_as: Option<String>,
    /// Bytes of this form.
    pub size: u64,
    file: Arc<File>,
    id: BlobId,
    /// An archive's files need none: archives are few, and take one file at a time.
    place: Option<Place>,
}

/// Opens a file for a user who may have it.
pub async fn open(services: &Services, who: &Who, id: BlobId, form: Form) -> Outcome<Given> {
    services.quotas.take_read(who.user, now_ms())?;
    allowed(services, who, id).await?;
    let place = services.files.downloads.take(who.user)?;
    find(services, who, (id, form), Some(place)).await
}

/// Opens a file for an archive; nothing if it is not there any more, or not the asker's to have.
pub async fn for_export(services: &Services, who: &Who, id: BlobId) -> Outcome<Option<Given>> {
    let found = async {
        allowed(services, who, id).await?;
        find(services, who, (id, Form::Whole), None).await
    };
    match found.await {
        Err(refusal) if refusal.code == Code::NotFound => Ok(None),
        found => found.map(Some),
    }
}

async fn allowed(services: &Services, who: &Who, id: BlobId) -> Outcome<()> {
    if services.store.may_open(who.user, id).await? {
        Ok(())
    } else {
        Err(Code::NotFound.into())
    }
}

async fn find(
    services: &Services,
    who: &Who,
    (id, form): (BlobId, Form),
    place: Option<Place>,
) -> Outcome<Given> {
    let row = services.store.blob(id).await?.ok_or(Code::NotFound)?;
    if form == Form::Thumbnail && !row.has_thumbnail {
        return Err(Refusal::because(
            Code::NotFound,
            "There is no small picture of this file.",
        ));
    }
    let files = &services.files;
    let path = match form {
        Form::Whole => files.vault.path(id),
        Form::Thumbnail => files.vault.thumbnail_path(id),
    };
    let opened = files.at_disk(move || match File::open(path) {
        Ok(file) => file.metadata().map(|about| Some((file, about.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    });
    let Some((file, size)) = opened.await? else {
        return Err(missing(services, who, id).await);
    };
    if form == Form::Whole && size != row.size {
        log::error!(
            "the stored file {id} has {size} bytes instead of {}; run `kinglet doctor`",
            row.size
        );
        return Err(Code::Internal.into());
    }
    let media_type = match form {
        Form::Whole => row.media_type.clone(),
        Form::Thumbnail => THUMBNAIL.into(),
    };
    Ok(Given {
        info: row.info(),
        shown_as: Some(media_type).filter(|media_type| sniff::is_harmless(media_type)),
        size,
        file: Arc::new(file),
        id,
        place,
    })
}

/// Why a file is not on the disk: it was erased since it was asked for, or it is lost.
async fn missing(services: &Services, who: &Who, id: BlobId) -> Refusal {
    match services.store.may_open(who.user, id).await {
        Ok(false) => Code::NotFound.into(),
        Ok(true) => {
            log::error!("the stored file {id} is missing; run `kinglet doctor`");
            Code::Internal.into()
        }
        Err(refusal) => refusal,
    }
}

impl Given {
    /// So many bytes from a place on.
    pub async fn piece(&self, services: &Services, at: u64, length: u64) -> Outcome<Bytes> {
        let file = Arc::clone(&self.file);
        let reading = services.files.at_disk(move || {
            let mut piece = vec![0; usize::try_from(length).expect("a piece is small")];
            file.read_exact_at(&mut piece, at)?;
            Ok(Bytes::from(piece))
        });
        reading.await
    }

    /// The bytes `from..to`. `keep` is held until the last was taken or the taker is gone. Who takes nothing for too long, or
    /// may not have it any more, is cut off: then `cut` is called with it.
    pub fn pieces<K: Send + 'static>(
        self,
        services: Arc<Services>,
        (who, token): (Who, String),
        (from, to): (u64, u64),
        keep: K,
        cut: impl FnOnce(K) + Send + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let _place = &self.place;
            let giving = Giving {
                services: &services,
                given: &self,
                who,
                token,
            };
            let ended = giving.all(from, to, &sender).await;
            if ended.is_none() {
                // The announced length was not reached: the connection must not look sound.
                let _ = sender.try_send(Err(io::ErrorKind::ConnectionAborted.into()));
                cut(keep);
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }
}

struct Giving<'a> {
    services: &'a Services,
    given: &'a Given,
    who: Who,
    token: String,
}

impl Giving<'_> {
    async fn all(&self, from: u64, to: u64, sender: &mpsc::Sender<io::Result<Bytes>>) -> Option<()> {
        let (mut at, mut asked) = (from, from);
        while at < to {
            if at - asked >= limits::UPLOAD_SYNC {
                self.still().await.ok()?;
                asked = at;
            }
            let length = (to - at).min(limits::FILE_PIECE as u64);
            let piece = self.given.piece(self.services, at, length).await.ok()?;
            self.send(piece, sender).await?;
            at += length;
        }
        Some(())
    }

    /// Hands a piece on. While its taker takes their time, it is asked again and again whether they still may.
    async fn send(&self, piece: Bytes, sender: &mpsc::Sender<io::Result<Bytes>>) -> Option<()> {
        let mut sending = std::pin::pin!(tokio::time::timeout(limits::WRITE_TIME, sender.send(Ok(piece))));
        loop {
            match tokio::time::timeout(limits::REVOKE_WITHIN / 2, &mut sending).await {
                Ok(sent) => return sent.ok()?.ok(),
                Err(_) => self.still().await.ok()?,
            }
        }
    }

    /// The token may end, and the conversation be left, while a long file goes out.
    async fn still(&self) -> Outcome<()> {
        self.services.accounts.authenticate(&self.token).await?;
        allowed(self.services, &self.who, self.given.id).await
    }
}
