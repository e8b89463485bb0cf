//! The log, the hub and the accounts, opened and tied together: what `serve` puts faces on, and what a command line uses
//! directly while no server runs. What must not live here: listeners.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::config::Config;
use super::failure::{Failure, Outcome};
use super::systemd::Notifier;
use super::tie::Tie;
use super::{logging, settings, surroundings};
use crate::clock::Clock;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::session::accounts::Accounts;
use crate::session::files::Files;
use crate::session::push::Push;
use crate::session::{Pulse, Services};
use crate::store::blobs::Vault;
use crate::store::sqlite::lock;
use crate::store::{Options, Store};
use crate::workers::backup::swap;

/// How long the process's last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Makes the data directory, for this user only, or says why this user must not work in it.
pub fn data_dir(path: &Path) -> Outcome<()> {
    if !path.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        return made.map_err(|error| {
            Failure::config(format!(
                "cannot make the data directory {}: {error}. Make it and give it to this user, or set data_dir",
                path.display()
            ))
        });
    }
    own_data_dir(path)?;
    let mode = fs::metadata(path)
        .map(|found| found.mode() & 0o777)
        .unwrap_or(0o700);
    if mode & 0o077 != 0 && fs::set_permissions(path, fs::Permissions::from_mode(0o700)).is_err() {
        log::warn!("other users may look into the data directory: run `chmod 700` on it");
    }
    Ok(())
}

/// A file made by another user, root above all, would keep the server from its own data.
pub fn own_data_dir(path: &Path) -> Outcome<()> {
    let found = fs::metadata(path).map_err(|error| {
        Failure::config(format!(
            "cannot look at the data directory {}: {error}",
            path.display()
        ))
    })?;
    if !found.is_dir() {
        return Err(Failure::config(format!(
            "data_dir {} is not a directory; name another",
            path.display()
        )));
    }
    match surroundings::own_user() {
        Some(own) if own != found.uid() => Err(Failure::config(format!(
            "the data directory {} belongs to user {}, and this is user {own}: run this as that user \
             (`sudo -u '#{}' kinglet ...`), or give it to this one with chown",
            path.display(),
            found.uid(),
            found.uid()
        ))),
        _ => Ok(()),
    }
}

/// Ends the process because going on would risk what was acknowledged; the next start recovers.
pub fn die(reason: &str, notifier: &Notifier) -> ! {
    log::error!("stopping at once: {reason}; the next start recovers the log");
    super::starts::failed(super::cli::EXIT_FAILED, reason);
    // Nobody is left to hear of a failure here.
    let _ = notifier.stopping(reason);
    logging::flush(LAST_WORDS);
    std::process::exit(i32::from(super::cli::EXIT_FAILED));
}

/// The opened log with its hub, before anyone comes in.
pub struct Log {
    pub hub: Arc<Hub>,
    pub store: Store,
}

/// Takes the data directory's lock and opens the log in it. Touches the disk.
pub fn open_log(config: &Config, limits: &Limits, notifier: &Notifier) -> Outcome<Log> {
    complete_restore(&config.data_dir)?;
    // A server that runs keeps what its own next start needs: whoever asks beside it gets no lock.
    if let Ok(_held) = lock(&config.data_dir)
        && let Err(error) = Vault::at(&config.data_dir).give_up_spare()
    {
        log::warn!("cannot free the room that was held back for a start: {error}");
    }
    let hub = Hub::new(0);
    let tie = Tie::new(Arc::clone(&hub), limits.tail_bytes).map_err(|error| {
        Failure::failed(format!(
            "cannot start a thread: {error}. Raise TasksMax or `ulimit -u`"
        ))
    })?;
    let last = notifier.clone();
    let options = Options {
        directory: config.data_dir.clone(),
        vfs: None,
        settings: settings::messages(config),
        roster_members: limits.roster_members,
        fatal: Arc::new(move |reason| die(reason, &last)),
    };
    let store = Store::open(options, Arc::new(Clock::system()), Box::new(tie))?;
    // Nobody can append before this: the store is not handed out yet.
    hub.begin_at(store.head_pos());
    hub.heed(Arc::clone(store.discretion()));
    Ok(Log { hub, store })
}

/// Completes a restore that a power cut broke off, before anything is read.
fn complete_restore(data_dir: &Path) -> Outcome<()> {
    if swap::is_begun(data_dir) {
        let _held = lock(data_dir)?;
        swap::resume(data_dir)?;
    }
    Ok(())
}

/// Opens the accounts of a log. The text is the claim code of a server that nobody owns yet.
pub async fn services(
    log: &Log,
    config: &Config,
    limits: Limits,
    address: &Address,
    push: Push,
) -> Outcome<(Arc<Services>, Option<String>)> {
    let (accounts, claim) =
        Accounts::open(log.store.clone(), settings::accounts(config, address, limits.tls)).await?;
    let files = Files::open(log.store.clone(), &config.data_dir, limits.files).map_err(|error| {
        Failure::failed(format!(
            "cannot use the folder of files {}: {error}. Give it to this user, or make room on the disk",
            config.data_dir.join("blobs").display()
        ))
    })?;
    let services = Services {
        files: Arc::new(files),
        store: log.store.clone(),
        hub: Arc::clone(&log.hub),
        accounts: Arc::new(accounts),
        limits,
        pulse: Pulse::new(),
        quotas: crate::session::Quotas::new(limits.pace),
        push,
        exports: crate::session::export::Exports::default(),
    };
    Ok((Arc::new(services), claim))
}
