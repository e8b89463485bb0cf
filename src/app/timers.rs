//! What happens by the clock and by signal while the server runs. What must not live here: what these acts do.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::certificates::{self, Keeper};
use super::surroundings;
use super::systemd::{self, Notifier};
use crate::gateway::pools;
use crate::meters::{METERS, get};
use crate::session::Services;
use crate::workers::sweeper;

const PULSE: Duration = Duration::from_secs(1);
const TIDY: Duration = Duration::from_secs(60);
const STATUS: Duration = Duration::from_secs(60);
const DISK: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// What the timers act upon.
pub struct Timers {
    pub services: Arc<Services>,
    /// Where there is a certificate.
    pub keeper: Option<Keeper>,
    pub notifier: Notifier,
    pub stop: watch::Receiver<bool>,
}

impl Timers {
    /// Starts them all; each ends when the server stops.
    pub fn start(self, reload: Signal) {
        let Timers {
            services,
            keeper,
            notifier,
            stop,
        } = self;
        let pulse = Arc::clone(&services);
        let account = surroundings::memory_account();
        tokio::spawn(every(PULSE, stop.clone(), move || {
            pulse.pulse.turn();
            let stat = account
                .as_ref()
                .and_then(|file| std::fs::read_to_string(file).ok());
            if let Some(bytes) = stat.as_deref().and_then(pools::socket_bytes) {
                pools::SOCKETS.set(bytes);
            }
        }));
        let told = (notifier.clone(), Arc::clone(&services));
        tokio::spawn(every(STATUS, stop.clone(), move || {
            // The next minute tells it again.
            let _ = told.0.status(&status(&told.1));
        }));
        tokio::spawn(tidy(Arc::clone(&services), stop.clone()));
        tokio::spawn(watch_disk(Arc::clone(&services), stop.clone()));
        tokio::spawn(sweep(Arc::clone(&services), stop.clone()));
        let (removing, stopping) = (Arc::clone(&services), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = removing.files.keep_removing() => {}
                () = stopped(stopping) => {}
            }
        });
        tokio::spawn(sweeper::run(
            services.store.clone(),
            services.limits.retention_days,
            stop.clone(),
        ));
        if let Some(interval) = systemd::watchdog_interval() {
            let probed = Arc::clone(&services);
            let probe = move || {
                let services = Arc::clone(&probed);
                async move { services.store.probe().await }
            };
            tokio::spawn(systemd::watchdog(
                notifier.clone(),
                interval,
                probe,
                stopped(stop.clone()),
            ));
        }
        tokio::spawn(certificates::look_after(keeper, services, notifier, reload, stop));
    }
}

/// One line for `systemctl status`.
pub fn status(services: &Services) -> String {
    let (users, _) = services.hub.usage();
    format!(
        "{}; {} connections, {users} users online",
        services.health().status.replace('_', " "),
        get(&METERS.connections_open)
    )
}

/// The signal, or why it cannot be had.
pub fn on(kind: SignalKind) -> std::io::Result<Signal> {
    signal(kind)
}

pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn every(period: Duration, stop: watch::Receiver<bool>, mut act: impl FnMut()) {
    let mut ticks = interval(period);
    // A board that slept must not be flooded with the seconds it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut end = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => act(),
        }
    }
}

async fn tidy(services: Arc<Services>, stop: watch::Receiver<bool>) {
    let mut ticks = interval(TIDY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut end = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => services.store.tidy().await,
        }
        // What went wrong is in the log, and the next minute tries again.
        let _ = services.accounts.tend().await;
    }
}

/// Looks at the room on the disk, so that messages are refused before it ends.
async fn watch_disk(services: Arc<Services>, stop: watch::Receiver<bool>) {
    let mut ticks = interval(DISK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => {}
        }
        // What went wrong is in the log, and the next look comes soon.
        let _ = services.files.look_at_disk().await;
    }
}

/// Takes away files that nobody needs: at the start what a crash has left, then each hour what has rested for a day.
async fn sweep(services: Arc<Services>, stop: watch::Receiver<bool>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = std::pin::pin!(stopped(stop));
    let mut is_first = true;
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => {}
        }
        let swept = async {
            if is_first {
                services.files.clear_strays().await?;
            }
            services.files.sweep().await
        };
        if let Err(refusal) = swept.await {
            log::warn!("files that nobody needs were not taken away ({refusal}); the next hour tries again");
        }
        is_first = false;
    }
}
