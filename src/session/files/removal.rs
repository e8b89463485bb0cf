//! How files leave the disk: at once what was erased, after a day what nobody needs, at a start what a crash has left. What
//! must not live here: which rows go; the store decides that where it is written.

use super::{Files, Outcome};
use crate::limits;
use crate::proto::{BlobId, UploadId};

/// Rows that one sweep asks for come in rounds; so many at most, the rest an hour later.
const ROUNDS: usize = 1_000;

impl Files {
    /// Takes away what nobody has needed for a day: files that no message carries, uploads that were not finished. While the
    /// clock is not known to be right nothing has come to its end.
    pub async fn sweep(&self) -> Outcome<()> {
        self.remove_erased().await?;
        let now = self.store.clock().now();
        if !now.synchronised {
            return Ok(());
        }
        let kept = u64::try_from(limits::BLOB_KEPT.as_millis()).expect("a small number");
        for _ in 0..ROUNDS {
            let _keeper = self.keeper.lock().await;
            let swept = self.store.sweep_blobs(now.ms.saturating_sub(kept)).await?;
            if swept.blobs.is_empty() && swept.uploads.is_empty() {
                return Ok(());
            }
            self.hashes.lock().retain(|id, _| !swept.uploads.contains(id));
            let vault = self.vault.clone();
            self.at_disk(move || {
                swept
                    .uploads
                    .iter()
                    .try_for_each(|id| vault.remove_partial(*id))?;
                swept.blobs.iter().try_for_each(|id| vault.remove(*id))
            })
            .await?;
        }
        Ok(())
    }

    /// Takes away files without a row, which a crash at the wrong moment leaves.
    pub async fn clear_strays(&self) -> Outcome<()> {
        self.clear_partials().await?;
        let vault = self.vault.clone();
        let folders = self.at_disk(move || vault.folders()).await?;
        for folder in folders {
            let _keeper = self.keeper.lock().await;
            let vault = self.vault.clone();
            let there = self.at_disk(move || vault.blobs_in(&folder)).await?;
            self.remove_strange(there).await?;
        }
        Ok(())
    }

    /// Takes the files of erased messages and people off the disk, and what an erased person was uploading. The rows are
    /// gone since the erasure; a power cut in between leaves their hashes, so that the next start finds them.
    pub async fn remove_erased(&self) -> Outcome<()> {
        self.clear_partials().await?;
        loop {
            // From here on nobody brings one of them back.
            let _keeper = self.keeper.lock().await;
            let gone = self.store.gone_blobs().await?;
            if gone.is_empty() {
                return Ok(());
            }
            self.remove_strange(gone.clone()).await?;
            self.store.blobs_removed(gone).await?;
        }
    }

    /// Removes erased files whenever there are some, soon after the erasure; never comes back.
    pub async fn keep_removing(&self) {
        let mut done = 0;
        loop {
            // Read before: what is erased meanwhile has the next round.
            let wanted = self.store.commits_of_files();
            let rest = match self.remove_erased().await {
                Ok(()) => {
                    self.store.files_are_removed(wanted - done);
                    done = wanted;
                    limits::ERASURE_PACE
                }
                Err(refusal) => {
                    log::warn!("erased files are still on the disk ({refusal}); it is tried again");
                    limits::ERASURE_RETRY
                }
            };
            tokio::time::sleep(rest).await;
            if self.store.commits_of_files() == done {
                self.store.files_let_go().await;
            }
        }
    }

    /// Takes away files of uploads that are not under way.
    async fn clear_partials(&self) -> Outcome<()> {
        let vault = self.vault.clone();
        let partials = self.at_disk(move || vault.partials()).await?;
        if partials.is_empty() {
            return Ok(());
        }
        let open = self.store.open_uploads(partials.clone()).await?;
        self.hashes.lock().retain(|id, _| open.contains(id));
        let vault = self.vault.clone();
        self.at_disk(move || {
            let strays = partials.iter().filter(|id| !open.contains(id));
            strays.copied().try_for_each(|id| vault.remove_partial(id))
        })
        .await
    }

    /// Removes an upload's file if the upload is no more: who was sending it may have been erased.
    pub(super) async fn drop_if_over(&self, id: UploadId) {
        let Ok(open) = self.store.open_uploads(vec![id]).await else {
            return;
        };
        if open.is_empty() {
            self.hashes.lock().remove(&id);
            let vault = self.vault.clone();
            // What stays all the same is cleared at the next start.
            let _ = self.at_disk(move || vault.remove_partial(id)).await;
        }
    }

    /// Removes those of the files that have no row. For who holds the `keeper`.
    pub(super) async fn remove_strange(&self, ids: Vec<BlobId>) -> Outcome<()> {
        let strays = self.store.strange_blobs(ids).await?;
        let vault = self.vault.clone();
        self.at_disk(move || strays.iter().try_for_each(|id| vault.remove(*id)))
            .await
    }
}
