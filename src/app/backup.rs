//! Backups put together: from the settings to what makes them, to what admins are shown, and `kinglet backup`. What must not
//! live here: making one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::UnixStream;

use super::cli::{Backup, Cli, EXIT_UNAVAILABLE};
use super::config::{BACKUP_USB, Config};
use super::failure::{Failure, Outcome};
use super::{heart, listen, print, process, remote, serve, surroundings};
use crate::clock::Clock;
use crate::gateway::http::backups as face;
use crate::gateway::http::console::{self, BackUpTo};
use crate::proto::ClientId;
use crate::proto::backup::{BackupMade, ServerBackups};
use crate::store::Store;
use crate::store::sqlite::image::Image;
use crate::store::sqlite::lock;
use crate::workers::backup::make::{Job, make};
use crate::workers::backup::schedule::TimeOfDay;
use crate::workers::backup::swap;
use crate::workers::backup::wrong::Wrong;
use crate::workers::backup::{BOARD, BackupSettings, Backups, Target};

/// How often a running server is asked whether it is done.
const LOOK: Duration = Duration::from_millis(200);

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Failure {
        Failure::failed(wrong.to_string())
    }
}

/// Backups as the settings want them, or where those say nothing, as an owner has chosen.
pub async fn open(config: &Config, store: &Store) -> Outcome<Arc<Backups>> {
    let chosen = store.backup_choice().await?;
    Ok(Backups::open(settings(config), chosen, Arc::clone(store.clock())))
}

fn settings(config: &Config) -> BackupSettings {
    let asked = &config.backup;
    BackupSettings {
        data_dir: config.data_dir.clone(),
        settings: config.source.clone(),
        to: target(&asked.to),
        at: TimeOfDay::parse(&asked.at).expect("the settings were checked"),
        keep: asked.keep,
        part_bytes: part_bytes(config),
        board: config.board.root.join(BOARD.trim_start_matches('/')),
        root: config.board.root.clone(),
        ahead: surroundings::local_time(),
    }
}

fn part_bytes(config: &Config) -> u64 {
    u64::from(config.backup.part_mib) << 20
}

fn target(to: &str) -> Option<Target> {
    match to {
        "" => None,
        BACKUP_USB => Some(Target::Usb),
        folder => Some(Target::Folder(PathBuf::from(folder))),
    }
}

/// What the routes ask.
pub fn face(backups: &Arc<Backups>) -> face::Backups {
    let (told, begun) = (Arc::clone(backups), Arc::clone(backups));
    let (tried, chosen) = (Arc::clone(backups), Arc::clone(backups));
    face::Backups {
        state: Box::new(move || told.state()),
        start: Box::new(move |id, to| begun.start(id, to.map(Target::Folder))),
        try_out: Box::new(move |place| tried.try_out(place)),
        choose: Box::new(move |place| chosen.choose(place)),
        changing: tokio::sync::Mutex::default(),
    }
}

/// The server has started well: what a restore has put aside is not needed any more.
pub fn after_the_start(data_dir: &Path) {
    let Some(before) = swap::before(data_dir) else {
        return;
    };
    let data_dir = data_dir.to_owned();
    tokio::task::spawn_blocking(move || match swap::forget(&data_dir) {
        Ok(()) => log::info!(
            "the data of before the restore, {}, are removed",
            before.display()
        ),
        Err(wrong) => log::warn!("the data of before the restore are not removed: {wrong}"),
    });
}

/// `kinglet backup`: by the server that runs, else on the data themselves.
pub fn backup(cli: &Cli, asked: &Backup) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    if !config.data_dir.exists() {
        let text = format!(
            "there is no data directory {}: start the server first, or name its configuration with --config",
            config.data_dir.display()
        );
        return Err(Failure::new(EXIT_UNAVAILABLE, text));
    }
    process::keep_files_private();
    let to = asked.to.as_deref().map(absolute).transpose()?;
    let made = serve::runtime()?.block_on(async {
        match UnixStream::connect(config.data_dir.join(listen::CONTROL)).await {
            Ok(stream) => by_server(&config.data_dir, stream, to).await,
            Err(_) => by_hand(&config, to),
        }
    })?;
    print(cli, &made, told)
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Failure::failed(format!("cannot use {}: {error}", path.display())))
}

/// Each look is a connection of its own: none lasts as long as a backup may.
async fn by_server(data_dir: &Path, stream: UnixStream, to: Option<PathBuf>) -> Outcome<BackupMade> {
    let ask = BackUpTo {
        to,
        client_id: ClientId(uuid::Uuid::now_v7()),
    };
    let mut state: ServerBackups = remote::ask(stream, console::BACKUP, Some(&ask)).await?;
    let mut looks = tokio::time::interval(LOOK);
    while state.running.is_some() {
        looks.tick().await;
        let stream = UnixStream::connect(data_dir.join(listen::CONTROL)).await;
        let stream = stream.map_err(remote::broken)?;
        state = remote::ask::<(), _>(stream, console::BACKUP, None).await?;
    }
    match (state.wrong, state.last) {
        (None, Some(made)) => Ok(made),
        (Some(wrong), _) => Err(Failure::failed(format!("{} {}", wrong.message, wrong.next))),
        (None, None) => Err(Failure::failed("the server made no backup; look into its log")),
    }
}

/// No server runs: this is the only one to touch the data.
fn by_hand(config: &Config, to: Option<PathBuf>) -> Outcome<BackupMade> {
    heart::own_data_dir(&config.data_dir)?;
    let _held = lock(&config.data_dir)?;
    let usual = settings(config).place(Image::take(&config.data_dir)?.facts()?.chosen);
    let folder = match (to, usual) {
        (Some(folder), _) | (None, Some(Target::Folder(folder))) => folder,
        (None, Some(Target::Usb)) => {
            let text = "a stick is mounted for the running server only: start it, or mount the stick and name its folder with --to";
            return Err(Failure::failed(text));
        }
        (None, None) => {
            let text = "nobody has said where to: name a folder with --to, set backup.to, or choose a place under Administration, Backups";
            return Err(Failure::config(text));
        }
    };
    let made = make(&Job {
        data_dir: &config.data_dir,
        folder: &folder,
        keep: config.backup.keep,
        part_bytes: part_bytes(config),
        settings: config.source.as_deref(),
        clock: &Clock::system(),
        progress: Arc::new(AtomicU64::new(0)),
        total: Arc::new(AtomicU64::new(0)),
    })?;
    Ok(made.made)
}

fn told(made: &BackupMade) -> String {
    let lost = match made.lost_files {
        0 => String::new(),
        some => {
            format!("{some} stored files were missing or damaged already; `kinglet doctor` names them.\n")
        }
    };
    let parts = match made.parts {
        1 => String::new(),
        some => format!(" in {some} parts"),
    };
    format!(
        "{} in {} is good: {} bytes{parts}, checked before and read back after.\n{lost}\
         Only the recovery key of the emergency sheet opens it: kinglet restore {}\n",
        made.name,
        made.path,
        made.bytes,
        Path::new(&made.path)
            .join(&made.name)
            .with_extension("json")
            .display()
    )
}
