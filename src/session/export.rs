//! Everything that is kept of one person, as a tar archive of JSON files, and of the files that
//! they uploaded, made page by page while it is read. What must not
//! live here: HTTP; anything that the person could not see by asking (it asks as they would).
//!
//! A room that keeps something of a person adds its section to `SECTIONS`, its files to `docs/EXPORT.md`, and its statement to
//! the store's `accounts::erase`.

mod files;
mod kept;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;

use super::accounts::Caller;
use super::answer::{answer, history_page};
use super::{Services, Who};
use crate::clock::monotonic;
use crate::limits;
use crate::proto::answer::{ConversationInfo, MemberInfo};
use crate::proto::command::{Conversations, History, Members};
use crate::proto::privacy::{ExportConversation, ExportEnd, ExportEvents, ExportFormat};
use crate::proto::{Answer, Code, Command, ConversationId, Refusal};

/// What the archive's files begin with.
const FOLDER: &str = "kinglet-export";
const VERSION: u32 = 1;
/// Archives are made of whole blocks, and end with two empty ones (POSIX pax and ustar alike).
const BLOCK: usize = 512;

type Outcome<T> = Result<T, Refusal>;
type Step<'a> = Pin<Box<dyn Future<Output = Outcome<()>> + Send + 'a>>;
type Section = for<'a> fn(&'a Export) -> Step<'a>;

/// What an archive holds, in this order.
const SECTIONS: &[Section] = &[
    |export| Box::pin(export.format()),
    |export| Box::pin(export.profile()),
    |export| Box::pin(export.devices()),
    |export| Box::pin(export.sign_ins()),
    |export| Box::pin(export.push()),
    |export| Box::pin(export.invitations()),
    |export| Box::pin(export.news()),
    |export| Box::pin(export.settings()),
    |export| Box::pin(export.saved()),
    |export| Box::pin(export.threads()),
    |export| Box::pin(export.conversations()),
    |export| Box::pin(export.uploaded()),
];

/// A piece of the archive, or why it ends too early.
pub type Piece = Result<Vec<u8>, Refusal>;

/// Who exports now, and when each began.
#[derive(Default)]
pub struct Exports {
    begun: Mutex<Vec<Begun>>,
}

struct Begun {
    user: crate::proto::UserId,
    when: Instant,
    running: bool,
}

impl Exports {
    /// Lets somebody begin, unless they do so already or did a moment ago, or too many others do.
    fn begin(&self, user: crate::proto::UserId, pace: u32, now: Instant) -> Outcome<()> {
        let every = limits::EXPORT_EVERY / pace.max(1);
        let mut begun = self.begun.lock();
        begun.retain(|one| one.running || now.duration_since(one.when) < every);
        if let Some(own) = begun.iter().find(|one| one.user == user) {
            let left = every
                .saturating_sub(now.duration_since(own.when))
                .max(Duration::from_secs(1));
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            return Err(Refusal::later(Code::RateLimited, left));
        }
        let running = begun.iter().filter(|one| one.running).count();
        if running >= limits::EXPORTS_AT_ONCE {
            return Err(Refusal::later(Code::Busy, 5_000));
        }
        begun.push(Begun {
            user,
            when: now,
            running: true,
        });
        Ok(())
    }

    fn end(&self, user: crate::proto::UserId) {
        let mut begun = self.begun.lock();
        begun
            .iter_mut()
            .filter(|one| one.user == user)
            .for_each(|one| one.running = false);
    }
}

/// One archive on its way.
pub struct Export {
    services: Arc<Services>,
    caller: Caller,
    who: Who,
    token: String,
    out: mpsc::Sender<Piece>,
    files: AtomicU64,
}

impl Drop for Export {
    fn drop(&mut self) {
        self.services.exports.end(self.caller.user);
    }
}

/// Begins an archive of all that is kept of the caller. It is made while `run` runs, as fast as the pieces are taken.
///
/// # Errors
/// `rate_limited` while one's last one runs or is young, `busy` while others' do.
pub fn begin(
    services: &Arc<Services>,
    caller: Caller,
    token: String,
) -> Outcome<(Export, mpsc::Receiver<Piece>)> {
    services
        .exports
        .begin(caller.user, services.limits.pace, monotonic())?;
    let (out, pieces) = mpsc::channel(1);
    let export = Export {
        services: Arc::clone(services),
        who: caller.into(),
        caller,
        token,
        out,
        files: AtomicU64::new(0),
    };
    Ok((export, pieces))
}

impl Export {
    /// Makes the archive. What goes wrong ends it without its end, so that nobody takes it for whole; `cut` is called where the
    /// session has ended.
    pub async fn run(self, cut: impl FnOnce()) {
        let outcome = tokio::select! {
            outcome = self.sections() => outcome,
            refusal = self.signed_out() => Err(refusal),
        };
        if let Err(refusal) = outcome {
            if refusal.code == Code::SignedOut {
                cut();
            }
            // Who took the pieces may be gone.
            let _ = tokio::time::timeout(limits::WRITE_TIME, self.out.send(Err(refusal))).await;
        }
    }

    async fn sections(&self) -> Outcome<()> {
        for section in SECTIONS {
            section(self).await?;
        }
        let files = self.files.load(Ordering::Relaxed);
        self.file("complete.json", &ExportEnd { files }).await?;
        self.give(vec![0; 2 * BLOCK]).await
    }

    async fn format(&self) -> Outcome<()> {
        let format = ExportFormat {
            format: FOLDER.into(),
            version: VERSION,
            user: self.caller.user,
            made: self.services.accounts.now().ms,
        };
        self.file("format.json", &format).await
    }

    async fn profile(&self) -> Outcome<()> {
        let profile = self.services.accounts.profile(&self.caller).await?;
        self.file("profile.json", &profile).await
    }

    async fn devices(&self) -> Outcome<()> {
        let devices = self.services.accounts.devices(&self.caller).await?;
        self.file("devices.json", &devices).await
    }

    async fn invitations(&self) -> Outcome<()> {
        let mut list = self.services.accounts.invitations(&self.caller).await?;
        list.invitations.retain(|one| one.by == self.caller.user);
        self.file("invitations.json", &list).await
    }

    async fn conversations(&self) -> Outcome<()> {
        let mut after = None;
        loop {
            let ask = Command::Conversations(Conversations { after, limit: None });
            let Answer::Conversations(page) = self.ask(ask).await? else {
                return Err(Code::Internal.into());
            };
            after = page.conversations.last().map(|info| info.conversation);
            for info in page.conversations {
                match self.conversation(info).await {
                    // One who is removed meanwhile has no more to see there.
                    Err(refusal) if refusal.code == Code::NotFound => {}
                    outcome => outcome?,
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn conversation(&self, info: ConversationInfo) -> Outcome<()> {
        let id = info.conversation;
        let members = self.members(id).await?;
        let folder = format!("conversations/{id}");
        let about = ExportConversation {
            conversation: info,
            members,
        };
        self.file(&format!("{folder}/conversation.json"), &about).await?;
        let (mut after, mut number) = (0, 0_u32);
        loop {
            self.still_in().await?;
            let ask = History {
                conversation: id,
                after: Some(after),
                before: None,
                limit: u32::try_from(limits::PAGE_EVENTS).ok(),
            };
            let page = history_page(&self.services, &self.who, &ask).await?;
            let Some(last) = page.events.last() else {
                return Ok(());
            };
            (after, number) = (last.seq, number + 1);
            let events = ExportEvents {
                conversation: id,
                events: page.events,
            };
            self.file(&format!("{folder}/events-{number:06}.json"), &events)
                .await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn members(&self, conversation: ConversationId) -> Outcome<Vec<MemberInfo>> {
        let mut members: Vec<MemberInfo> = Vec::new();
        loop {
            let ask = Command::Members(Members {
                conversation,
                after: members.last().map(|member| member.user),
                limit: u32::try_from(limits::LIST_ROWS).ok(),
            });
            let Answer::Members(page) = self.ask(ask).await? else {
                return Err(Code::Internal.into());
            };
            members.extend(page.members);
            if !page.more {
                return Ok(members);
            }
        }
    }

    async fn ask(&self, question: Command) -> Outcome<Answer> {
        self.still_in().await?;
        answer(&self.services, &self.who, question).await
    }

    /// Comes back when the session has ended: also one whose client takes nothing gets nothing more.
    async fn signed_out(&self) -> Refusal {
        let mut looks = tokio::time::interval(limits::REVOKE_WITHIN / 2);
        loop {
            looks.tick().await;
            if let Err(refusal) = self.still_in().await
                && refusal.code == Code::SignedOut
            {
                return refusal;
            }
        }
    }

    /// The session may end while the archive is made.
    async fn still_in(&self) -> Outcome<()> {
        self.services.accounts.authenticate(&self.token).await.map(drop)
    }

    async fn file(&self, path: &str, content: &impl Serialize) -> Outcome<()> {
        let mut piece = vec![0; BLOCK];
        serde_json::to_writer(&mut piece, content).expect("answers are made of what JSON can say");
        let header = self.header(&format!("{FOLDER}/{path}"), (piece.len() - BLOCK) as u64);
        piece[..BLOCK].copy_from_slice(&header);
        piece.resize(piece.len().next_multiple_of(BLOCK), 0);
        self.files.fetch_add(1, Ordering::Relaxed);
        self.give(piece).await
    }

    /// What stands before a file's bytes.
    fn header(&self, path: &str, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).expect("our paths are short and plain");
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.services.accounts.now().ms / 1_000);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    /// Hands a piece on once the one before was taken; who takes nothing for long is given up.
    async fn give(&self, piece: Vec<u8>) -> Outcome<()> {
        match tokio::time::timeout(limits::WRITE_TIME, self.out.send(Ok(piece))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Code::ShuttingDown.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::UserId;

    #[test]
    fn one_has_one_archive_at_a_time_and_all_together_a_few() {
        let exports = Exports::default();
        let now = monotonic();
        let code = |user, now| {
            exports
                .begin(UserId(user), 1, now)
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(code(1, now), Ok(()));
        assert_eq!(code(1, now), Err(Code::RateLimited), "one's own runs");
        for user in 2..=limits::EXPORTS_AT_ONCE as u64 {
            assert_eq!(code(user, now), Ok(()));
        }
        assert_eq!(code(90, now), Err(Code::Busy), "others' run");
        exports.end(UserId(1));
        assert_eq!(code(1, now), Err(Code::RateLimited), "one's own is young");
        assert_eq!(code(90, now), Ok(()));
        exports.end(UserId(90));
        assert_eq!(code(1, now + limits::EXPORT_EVERY), Ok(()));
        assert!(
            exports.begun.lock().len() <= limits::EXPORTS_AT_ONCE + 1,
            "what is over is forgotten"
        );
    }
}
