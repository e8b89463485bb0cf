//! Ordered certificates put together: from the settings to what orders, and from that to the certificate that is served. What
//! must not live here: what it does.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::certificates::seconds;
use super::config::{AcmeChallenge, Config, read_authorities};
use super::failure::{Failure, Outcome};
use crate::gateway::tls::{CLOCK_FLOOR, Shelf, Tls};
use crate::meters::{METERS, set};
use crate::workers::acme::{self as worker, Acme, AcmeSettings, Challenge, Held, Place};

/// The certificate's place, as the worker sees it.
struct Served {
    tls: Arc<Tls>,
    shelf: Shelf,
}

fn told(error: anyhow::Error) -> String {
    format!("{error:#}")
}

impl Place for Served {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn held(&self) -> Option<Held> {
        let status = self.tls.domain()?;
        Some(Held {
            not_before: status.not_before,
            not_after: status.not_after,
            names: status.names.clone(),
        })
    }

    fn install(&self, key: &str, chain: &str, names: &[String]) -> Result<(), String> {
        self.tls.install(key, chain, names).map_err(told)?;
        if let Some(status) = self.tls.domain() {
            // The canonical name is in it, so it is what people are shown.
            set(&METERS.certificate_ends, seconds(status.not_after));
        }
        Ok(())
    }

    fn answer(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        self.tls.answer(name, digest).map_err(told)
    }

    fn withdraw(&self) {
        self.tls.withdraw();
    }

    fn keep(&self, name: &str, contents: &[u8]) -> Result<(), String> {
        self.shelf.keep(name, contents).map_err(told)
    }

    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        self.shelf.read(name).map_err(told)
    }
}

/// The shelf of what was ordered.
pub fn shelf(config: &Config) -> Shelf {
    Shelf::new(config.data_dir.join("tls"))
}

/// Opens what orders certificates, and starts it, if the operator wants it.
pub fn open(
    config: &Config,
    tls: Option<&Arc<Tls>>,
    stop: &watch::Receiver<bool>,
) -> Outcome<Option<Arc<Acme>>> {
    let Some(tls) = tls.filter(|_| config.acme.enabled) else {
        return Ok(None);
    };
    let asked = &config.acme;
    let authorities = read_authorities(&asked.ca)
        .map_err(|error| Failure::config(format!("acme.ca: cannot read {}: {error}", asked.ca.display())))?;
    let settings = AcmeSettings {
        directory: asked.directory.clone(),
        contact: asked.contact.clone(),
        names: config.ordered_names(),
        challenge: match asked.challenge {
            AcmeChallenge::TlsAlpn => Challenge::TlsAlpn,
            AcmeChallenge::Dns => Challenge::Dns {
                hook: asked.hook.clone(),
            },
        },
        authorities,
        floor: SystemTime::UNIX_EPOCH + CLOCK_FLOOR,
    };
    let place = Served {
        tls: Arc::clone(tls),
        shelf: shelf(config),
    };
    let acme = Acme::open(settings, Arc::new(place));
    let acme = acme.map_err(|error| Failure::config(format!("certificates cannot be ordered: {error}")))?;
    tokio::spawn(worker::run(Arc::clone(&acme), stop.clone()));
    Ok(Some(acme))
}
