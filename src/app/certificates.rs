//! Looks after the certificate while the server runs: a new address is in it within seconds, files are read again, and what
//! it cannot name is said where people are sent there. What must not live here: how certificates are made (`gateway::tls`).

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::config::Config;
use super::settings;
use super::systemd::Notifier;
use super::timers::{status, stopped};
use crate::clock;
use crate::gateway::tls::{self, Names, Reloaded, SourceKind, Tls, TlsStatus};
use crate::meters::{METERS, set};
use crate::proto::overview::CertificateFigures;
use crate::session::Services;
use crate::workers::acme::Acme;

/// How often addresses and the clock are looked at. What changed must be the same at two looks: a line that comes and goes
/// would make a certificate each time.
const LOOK: Duration = Duration::from_secs(5);
/// How often files are read again.
const FILES: Duration = Duration::from_secs(60 * 60);

/// Looks, and does at once whatever SIGHUP asks for.
pub async fn look_after(
    mut keeper: Option<Keeper>,
    services: Arc<Services>,
    notifier: Notifier,
    mut asked: Signal,
    stop: watch::Receiver<bool>,
) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut end = std::pin::pin!(stopped(stop));
    loop {
        let by_signal = tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => false,
            Some(()) = asked.recv() => true,
        };
        if by_signal {
            // systemd waits for both, and times out by itself.
            let _ = notifier.reloading();
        }
        if let Some(mut looking) = keeper.take() {
            if by_signal && let Some(acme) = &looking.shown.acme {
                acme.try_now();
            }
            let looked = tokio::task::spawn_blocking(move || {
                looking.look(by_signal, SystemTime::now());
                looking
            });
            match looked.await {
                Ok(looked) => keeper = Some(looked),
                Err(_) => log::error!("TLS: looking after the certificate failed; the one in use stays"),
            }
        }
        if by_signal {
            let _ = notifier.ready(&status(&services));
        }
    }
}

/// The certificate that people are shown where they are sent.
#[derive(Clone)]
pub struct Shown {
    pub tls: Arc<Tls>,
    /// What orders certificates, if any is to be ordered.
    pub acme: Option<Arc<Acme>>,
    /// Where people are sent.
    pub reached: String,
}

impl Shown {
    fn status(&self) -> Arc<TlsStatus> {
        let host = settings::host_of(&self.reached).unwrap_or_default();
        self.tls.status_for(host.trim_matches(['[', ']']))
    }

    /// For admins.
    pub fn figures(&self) -> CertificateFigures {
        let status = self.status();
        let state = self.acme.as_ref().map(|acme| acme.state()).unwrap_or_default();
        CertificateFigures {
            source: source(status.source).to_owned(),
            names: status.names.clone(),
            ends: seconds(status.not_after).saturating_mul(1_000),
            public: status.public,
            failures: state.failures,
            error: state.error,
        }
    }
}

fn source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Files => "files",
        SourceKind::Local => "own",
        SourceKind::Acme => "acme",
    }
}

/// Since 1970.
pub fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Who looks after the one certificate.
pub struct Keeper {
    config: Arc<Config>,
    shown: Shown,
    /// The names at the last look.
    seen: Names,
    read: Instant,
    /// The last words about names and about a failure: nothing is said twice in a row.
    worry: Option<String>,
    failure: Option<String>,
}

impl Keeper {
    /// Says what there is to worry about, and begins.
    #[must_use]
    pub fn new(config: Arc<Config>, shown: Shown) -> Keeper {
        let mut keeper = Keeper {
            seen: settings::certificate_names(&config),
            config,
            shown,
            read: clock::monotonic(),
            worry: None,
            failure: None,
        };
        keeper.worry();
        keeper
    }

    fn look(&mut self, by_signal: bool, now: SystemTime) {
        if self.shown.tls.status().source == SourceKind::Files {
            if !by_signal && self.read.elapsed() < FILES {
                return;
            }
            self.read = clock::monotonic();
        } else {
            let names = settings::certificate_names(&self.config);
            if by_signal || names == self.seen {
                self.shown.tls.set_names(names.clone());
            }
            self.seen = names;
        }
        let failure = match self.shown.tls.reload(now) {
            Ok(Reloaded::Unchanged) => None,
            Ok(_) => {
                log::info!("TLS: a new certificate is in use");
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(failure) = failure.as_ref().filter(|_| self.failure != failure) {
            log::error!("TLS: the old certificate stays in use: {failure}");
        }
        self.failure = failure;
        self.worry();
    }

    /// Also what the metrics tell, once it is known what is served.
    fn worry(&mut self) {
        set(&METERS.certificate_ends, seconds(self.shown.status().not_after));
        let worry = worry(&self.config, &self.shown.reached, &self.shown.tls.status());
        if let Some(worry) = worry.as_ref().filter(|_| self.worry != worry) {
            log::warn!("TLS: {worry}");
        }
        self.worry = worry;
    }
}

/// What to do about names that the operator asked for, or that people are sent to, and that the own authority may not vouch
/// for. That it cannot name every address the machine happens to have is nobody's worry.
fn worry(config: &Config, reached: &str, status: &TlsStatus) -> Option<String> {
    let told = [config.listen.canonical_url.as_str(), reached];
    let told = told.into_iter().filter_map(settings::host_of);
    let asked: Vec<String> = config
        .tls
        .names
        .iter()
        .map(String::as_str)
        .chain(told)
        .map(plain)
        .collect();
    let missing: Vec<&str> = status
        .left_out
        .iter()
        .map(String::as_str)
        .filter(|name| asked.iter().any(|asked| asked == name))
        .collect();
    (!missing.is_empty()).then(|| cannot_name(&missing, &status.names, &config.data_dir))
}

/// A host as certificates spell it.
fn plain(host: &str) -> String {
    let host = host.trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn cannot_name(missing: &[&str], named: &[String], data_dir: &Path) -> String {
    let mut text = format!(
        "the certificate cannot name {}, so browsers warn whoever comes that way. Nothing is to be done if people come by \
         one of {}",
        missing.join(", "),
        named.join(", ")
    );
    let (addresses, names): (Vec<&str>, Vec<&str>) =
        missing.iter().partition(|name| name.parse::<IpAddr>().is_ok());
    let (trees, names): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| tls::is_public_tree(name));
    if !trees.is_empty() {
        text.push_str(&format!(
            ". Else, for {}, by which a whole part of the internet is or may be called: use the name that ends in .local, or call \
             the machine by a name with a digit or a hyphen in it",
            trees.join(", ")
        ));
    }
    if !names.is_empty() {
        text.push_str(&format!(
            ". Else, for {}, which this server's authority did not know when it was made: stop the server, move {} away, \
             start it, and let every device install the new certificate",
            names.join(", "),
            data_dir.join("tls").display()
        ));
    }
    if !addresses.is_empty() {
        text.push_str(&format!(
            ". Else, for {}, which is on the public internet: give the server a name and a certificate from a public \
             authority, and set listen.canonical_url to that name",
            addresses.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(left_out: &[&str]) -> TlsStatus {
        TlsStatus {
            source: SourceKind::Local,
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH,
            names: vec!["kinglet.local".into()],
            fingerprint: String::new(),
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
            authority: None,
            public: false,
            proof: String::new(),
        }
    }

    #[test]
    fn what_the_certificate_cannot_name_has_a_next_step_of_its_own() {
        let said = |missing: &[&str]| cannot_name(missing, &["kinglet.local".into()], Path::new("/data"));
        let name = said(&["chat.example.org"]);
        assert!(
            name.contains("move /data/tls away") && !name.contains("public"),
            "{name}"
        );
        let address = said(&["203.0.113.9"]);
        assert!(
            address.contains("public authority") && !address.contains("away"),
            "{address}"
        );
        let tree = said(&["de"]);
        assert!(
            tree.contains("a digit or a hyphen") && !tree.contains("away"),
            "{tree}"
        );
        let both = said(&["chat.example.org", "2001:db8::1"]);
        assert!(
            both.contains("for chat.example.org,") && both.contains("for 2001:db8::1,"),
            "{both}"
        );
    }

    #[test]
    fn only_what_people_are_sent_to_is_a_worry() {
        let mut config = Config::default();
        let left_out = status(&["vm", "late.example", "203.0.113.9", "2001:db8::9"]);
        assert_eq!(worry(&config, "https://kinglet.local:8443", &left_out), None);
        let reached = worry(&config, "https://[2001:db8::9]:8443", &left_out).expect("people are sent there");
        assert!(
            reached.contains("2001:db8::9") && !reached.contains("203.0.113.9"),
            "{reached}"
        );
        config.tls.names = vec!["Late.Example.".into()];
        config.listen.canonical_url = "https://VM".into();
        let asked = worry(&config, "https://kinglet.local", &left_out).expect("it was asked for");
        assert!(asked.contains("name vm, late.example,"), "{asked}");
    }
}
