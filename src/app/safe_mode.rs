//! Safe mode: the ports of a server that does not start, with a page on them that says why. It touches neither the log nor
//! what else is in the data directory but the certificate. What must not live here: the page, and when it is time for it
//! (`starts`).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

use super::cli::{Cli, SafeMode};
use super::config::{Config, Transport};
use super::failure::{Failure, Outcome};
use super::starts::{self, Record};
use super::systemd::{self, Notifier};
use super::{listen, logging, process, serve, timers};
use crate::clock;
use crate::gateway::accept::{self, Context, Gate};
use crate::gateway::http::safe_mode::{self, Trouble};
use crate::gateway::pace::Pace;
use crate::gateway::tls::Tls;
use crate::limits::{CONNECTIONS_UNSIGNED, Limits};

const LAST_WORDS: Duration = Duration::from_secs(2);

/// Shows the page because somebody asked for it.
pub fn by_hand(cli: &Cli, asked: &SafeMode) -> Outcome<()> {
    let record = starts::read(&starts::places(cli));
    let wait = asked
        .retry_after
        .map(|seconds| Duration::from_secs(seconds.into()));
    run(cli, &record, wait)
}

/// Shows the page until a signal or the time for another try ends it; the service manager starts the server then.
pub fn run(cli: &Cli, record: &Record, wait: Option<Duration>) -> Outcome<()> {
    // What cannot be read may be the very reason for being here.
    let config = Config::load(cli.config.as_deref(), std::env::vars_os()).unwrap_or_else(|_| bare());
    process::keep_files_private();
    // A page without a log is better than neither.
    let _ = logging::install(config.log.level.into());
    let _ = process::raise_descriptors();
    let notifier = Notifier::from_env().unwrap_or_default();
    let said = if record.text.is_empty() {
        "no word"
    } else {
        &record.text
    };
    log::error!(
        "safe mode: {} starts in a row have failed, the last one with: {said}",
        record.failed
    );
    let outcome = serve::runtime()?.block_on(show(&config, record, wait, &notifier));
    logging::flush(LAST_WORDS);
    outcome
}

/// The defaults, in the directory that systemd names.
fn bare() -> Config {
    let mut config = Config::default();
    if let Some(directory) = starts::first_of("STATE_DIRECTORY") {
        config.data_dir = directory;
    }
    config
}

async fn show(config: &Config, record: &Record, wait: Option<Duration>, notifier: &Notifier) -> Outcome<()> {
    let catch = |kind| {
        timers::on(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let doors = doors(config)?;
    let tls = if doors.iter().any(|door| door.transport != Transport::Plain) {
        Some(Arc::new(certificate(config, &doors)?))
    } else {
        None
    };
    let trouble = Arc::new(Trouble {
        cause: record.cause(),
        failed: record.failed,
        next_try: wait.map(|wait| clock::monotonic() + wait),
    });
    let context = Arc::new(Context {
        gate: Gate::new(&Limits {
            // Nobody signs in here.
            connections: CONNECTIONS_UNSIGNED,
            ..Limits::default()
        }),
        pace: Arc::new(Pace::new(super::serve::processors())),
        router: safe_mode::router(trouble),
    });
    let (stop, stopped) = watch::channel(false);
    for door in doors {
        let with = tls.clone().filter(|_| door.transport != Transport::Plain);
        log::info!("safe mode: the page is at {}", door.address);
        let listener = listen::into_tokio(door.listener)?;
        tokio::spawn(accept::accept(
            listener,
            with,
            Arc::clone(&context),
            stopped.clone(),
        ));
    }
    // It is what this start was for; else systemd would end it after a while.
    let status = format!(
        "safe mode: {} starts in a row have failed; see the journal",
        record.failed
    );
    serve::tell(notifier.ready(&status));
    if let Some(interval) = systemd::watchdog_interval() {
        let until = timers::stopped(stopped.clone());
        tokio::spawn(systemd::watchdog(
            notifier.clone(),
            interval,
            || std::future::ready(true),
            until,
        ));
    }
    tokio::select! {
        _ = terminate.recv() => log::info!("safe mode ends"),
        _ = interrupt.recv() => log::info!("safe mode ends"),
        () = over(wait) => log::info!("safe mode ends, so that the server is tried again"),
    }
    serve::tell(notifier.stopping("trying again"));
    // Whoever is gone has stopped already.
    let _ = stop.send(true);
    Ok(())
}

async fn over(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

struct Door {
    listener: TcpListener,
    address: SocketAddr,
    transport: Transport,
}

/// The same ports as the server's: systemd's, else the settings', else the usual one. A setting that is wrong is passed over,
/// but never so that a port speaks plainly that should not.
fn doors(config: &Config) -> Outcome<Vec<Door>> {
    let mut doors = Vec::new();
    for (name, listener) in listen::inherited()? {
        let address = listener.local_addr().map_err(|error| {
            Failure::failed(format!("cannot learn a listening socket's address: {error}"))
        })?;
        let transport = if name == listen::HTTP_NAME {
            Transport::Plain
        } else {
            config.transport(address).unwrap_or(Transport::Local)
        };
        doors.push(Door {
            listener,
            address,
            transport,
        });
    }
    if !doors.is_empty() {
        return Ok(doors);
    }
    let usual = || Config::default().address().expect("the default is an address");
    let address = config.own_address().unwrap_or_else(|_| usual());
    let transport = config.transport(address).unwrap_or(Transport::Local);
    let http = config
        .http_address()
        .ok()
        .flatten()
        .filter(|_| transport != Transport::Plain);
    doors.push(Door {
        listener: listen::bind("listen.address", address)?,
        address,
        transport,
    });
    if let Some(address) = http {
        doors.push(Door {
            listener: listen::bind("listen.http_address", address)?,
            address,
            transport: Transport::Plain,
        });
    }
    Ok(doors)
}

/// The server's own certificate, so that browsers which trust it see no warning; else one that is thrown away, since there is
/// nothing here to keep from anybody.
fn certificate(config: &Config, doors: &[Door]) -> Outcome<Tls> {
    let speaking = doors.iter().map(|door| &door.transport);
    let transport = speaking
        .clone()
        .find(|it| **it != Transport::Plain)
        .unwrap_or(&Transport::Local);
    listen::certificate(config, transport, &config.data_dir.join("tls")).or_else(|failure| {
        log::warn!("safe mode: {failure}; the page comes with a certificate of its own");
        let directory = passing_directory();
        let made = listen::certificate(config, &Transport::Local, &directory);
        // The key is in memory; what cannot be removed goes with the directory it is in.
        let _ = fs::remove_dir_all(&directory);
        made
    })
}

fn passing_directory() -> PathBuf {
    let above = starts::first_of("RUNTIME_DIRECTORY").unwrap_or_else(std::env::temp_dir);
    Path::new(&above).join(format!("kinglet-safe-mode-{}", std::process::id()))
}
