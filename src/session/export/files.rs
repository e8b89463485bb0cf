//! The files that a person uploaded, in their archive: what is known of each, then its bytes, a piece at a time. What must not
//! live here: who may have a file; that is asked of the store for each, as for a download.

use std::sync::atomic::Ordering;

use super::{BLOCK, Export, FOLDER, Outcome};
use crate::limits;
use crate::proto::BlobId;
use crate::proto::privacy::ExportFiles;
use crate::session::files::give;

/// Files of one list.
const PAGE: usize = 100;

impl Export {
    pub(super) async fn uploaded(&self) -> Outcome<()> {
        let (mut after, mut number) = (None, 0);
        loop {
            self.still_in().await?;
            let page = self
                .services
                .store
                .uploaded_by(self.caller.user, after, PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.file.blob);
            let mut files = Vec::new();
            for one in page {
                // What one does not see any more is not in the archive either.
                if self
                    .services
                    .store
                    .may_open(self.caller.user, one.file.blob)
                    .await?
                {
                    files.push(one);
                }
            }
            number += 1;
            let list = ExportFiles { files };
            self.file(&format!("files/list-{number:06}.json"), &list).await?;
            for one in &list.files {
                self.bytes(one.file.blob).await?;
            }
        }
    }

    async fn bytes(&self, id: BlobId) -> Outcome<()> {
        self.still_in().await?;
        // Nothing: it was erased since it was listed.
        let Some(given) = give::for_export(&self.services, &self.who, id).await? else {
            return Ok(());
        };
        self.give(self.header(&format!("{FOLDER}/files/{id}"), given.size))
            .await?;
        let mut at = 0;
        while at < given.size {
            let length = (given.size - at).min(limits::FILE_PIECE as u64);
            let mut piece = given.piece(&self.services, at, length).await?.to_vec();
            at += length;
            piece.resize(piece.len().next_multiple_of(BLOCK), 0);
            self.give(piece).await?;
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
