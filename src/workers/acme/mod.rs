//! Certificates from a public authority for the box's own domain (ACME, RFC 8555): ordered when there is none, and again when
//! two thirds of its life are over. Nothing of this runs, and nothing leaves the machine, unless the operator switched it on.
//!
//! - `mod.rs`: when, and what became of it
//! - `due.rs`: whether it is time, and how long to wait after a failure
//! - `order.rs`: one order, from the account to the certificate
//! - `hook.rs`: the operator's program that changes the domain's records
//! - `line.rs`: one request to the authority
//!
//! What must not live here: keys and files of certificates, and handshakes (`gateway::tls`); they are behind [`Place`].

mod due;
mod hook;
mod line;
mod order;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::monotonic;
use crate::meters::{METERS, add};
use line::Line;

pub use due::Held;

/// How often it is looked whether it is time. The clock may jump, so nothing waits for a moment of it.
const LOOK: Duration = Duration::from_secs(30);

/// How the authority finds out that the name leads here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// It asks at port 443 of the name (TLS-ALPN-01, RFC 8737).
    TlsAlpn,
    /// It asks for a record that this program makes (DNS-01).
    Dns { hook: PathBuf },
}

/// What the operator decides.
pub struct AcmeSettings {
    /// The address of the authority's directory.
    pub directory: String,
    /// `mailto:`, or empty.
    pub contact: String,
    pub names: Vec<String>,
    pub challenge: Challenge,
    /// PEM certificates that the authority's own server is trusted by, besides the public ones.
    pub authorities: Vec<u8>,
    /// Before this moment the clock cannot be right.
    pub floor: SystemTime,
}

/// Where certificates are kept and served.
pub trait Place: Send + Sync + 'static {
    fn now(&self) -> SystemTime;
    /// The certificate in use, if one was ordered.
    fn held(&self) -> Option<Held>;
    /// Keeps and serves a new one. Blocks on the disk, as all that follows.
    ///
    /// # Errors
    /// What is wrong with it, or with the disk, for people; so for all of these.
    fn install(&self, key: &str, chain: &str, names: &[String]) -> Result<(), String>;
    /// Answers the authority's question for this name, until `withdraw`.
    fn answer(&self, name: &str, digest: &[u8]) -> Result<(), String>;
    fn withdraw(&self);
    /// Keeps a small secret.
    fn keep(&self, name: &str, contents: &[u8]) -> Result<(), String>;
    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, String>;
}

/// The file of the account's key, and the one of what became of the last attempt.
pub const ACCOUNT_FILE: &str = "acme-account.json";
pub const STATE_FILE: &str = "acme-state.json";

/// What became of the last attempts: kept, so that a restart does not ask an authority again that has just refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// In a row.
    pub failures: u32,
    /// When the last one was, in seconds since 1970 by this machine's clock.
    pub tried: u64,
    /// Why it failed, for the operator.
    pub error: Option<String>,
}

/// What orders certificates.
pub struct Acme {
    settings: AcmeSettings,
    line: Line,
    place: Arc<dyn Place>,
    state: Mutex<State>,
    asked: Notify,
}

impl Acme {
    /// Reads what became of earlier attempts. Blocks on the disk.
    ///
    /// # Errors
    /// What is wrong with the settings or with what was kept, for the operator.
    pub fn open(settings: AcmeSettings, place: Arc<dyn Place>) -> Result<Arc<Acme>, String> {
        let state = place.kept(STATE_FILE)?;
        // One that cannot be read costs an attempt too early.
        let state = state.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Arc::new(Acme {
            line: Line::new(&settings.authorities)?,
            settings,
            place,
            state: Mutex::new(state.unwrap_or_default()),
            asked: Notify::new(),
        }))
    }

    /// Tries at the next moment what is due, without waiting for the time after a failure to be over.
    pub fn try_now(&self) {
        self.asked.notify_one();
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    fn is_due(&self) -> bool {
        let now = self.place.now();
        now >= self.settings.floor && due::is_due(self.place.held().as_ref(), &self.settings.names, now)
    }

    /// One attempt, and what became of it.
    async fn attempt(&self) {
        let names = self.settings.names.join(", ");
        log::info!(
            "a certificate for {names} is ordered from {}",
            self.settings.directory
        );
        let ordered = order::order(self).await;
        let mut state = self.state();
        state.tried = self
            .place
            .now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        match ordered {
            Ok(()) => {
                add(&METERS.certificates_ordered, 1);
                log::info!("TLS: a new certificate for {names} is in use");
                state.failures = 0;
                state.error = None;
            }
            Err(error) => {
                add(&METERS.certificates_refused, 1);
                state.failures = state.failures.saturating_add(1);
                let minutes = due::pause(state.failures).as_secs() / 60;
                log::error!(
                    "no new certificate for {names}: {error}. The one in use stays; the next attempt is in {minutes} minutes, \
                     or with a SIGHUP (systemctl reload kinglet)"
                );
                state.error = Some(error);
            }
        }
        *self.state.lock() = state.clone();
        let text = serde_json::to_vec(&state).expect("numbers and text are JSON");
        let kept = self.on_disk(move |place| place.keep(STATE_FILE, &text));
        if let Err(error) = kept.await {
            log::warn!("what became of the order could not be noted: {error}");
        }
    }

    /// Does what waits for the disk where waiting is no harm.
    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&dyn Place) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let place = Arc::clone(&self.place);
        let done = tokio::task::spawn_blocking(move || act(&*place)).await;
        done.unwrap_or_else(|_| Err("the disk was not written, since the act panicked".to_owned()))
    }
}

/// Orders when it is time, until `stop` says so.
pub async fn run(acme: Arc<Acme>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let working = async {
        let state = acme.state();
        let mut not_before = monotonic() + due::left(&state, acme.place.now());
        loop {
            let was_asked = tokio::select! {
                _ = ticks.tick() => false,
                () = acme.asked.notified() => true,
            };
            if acme.is_due() && (was_asked || monotonic() >= not_before) {
                acme.attempt().await;
                not_before = monotonic() + due::pause(acme.state().failures);
            }
        }
    };
    tokio::select! {
        () = working => {}
        // A sender that is gone has stopped, too.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}
