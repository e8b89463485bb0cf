//! Which certificate a handshake gets: the box's own, the one for its domain, or the answer to an authority that asks whether
//! the domain leads here. What must not live here: where certificates come from.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ACME_PROTOCOL, TlsStatus};

/// What is served now. Readers are handshakes, so each lock is held for a few comparisons and a pointer copy.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) current: RwLock<Current>,
    /// For who asks for one of its names; everybody else gets the current one.
    pub(super) named: RwLock<Option<Current>>,
    /// Answers for authorities, by name.
    answers: RwLock<Vec<(String, Arc<CertifiedKey>)>>,
}

#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) status: Arc<TlsStatus>,
}

impl Served {
    pub(super) fn new(current: Current, named: Option<Current>) -> Served {
        Served {
            current: RwLock::new(current),
            named: RwLock::new(named),
            answers: RwLock::default(),
        }
    }

    pub(super) fn answer(&self, name: &str, key: Arc<CertifiedKey>) {
        let mut answers = self.answers.write();
        answers.retain(|(known, _)| known != name);
        answers.push((name.to_owned(), key));
    }

    pub(super) fn withdraw(&self) {
        self.answers.write().clear();
    }
}

impl ResolvesServerCert for Served {
    /// But for the domain's there is one certificate: whatever name the client asked for, its own check decides.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        // RFC 8737, section 3: such a handshake offers this protocol alone, and gets the answer or nothing.
        let mut offered = hello.alpn().into_iter().flatten();
        if offered.next() == Some(ACME_PROTOCOL) && offered.next().is_none() {
            let answers = self.answers.read();
            let mut answers = answers.iter();
            return answers
                .find(|(known, _)| name.is_some_and(|name| known.eq_ignore_ascii_case(name)))
                .map(|(_, key)| key.clone());
        }
        if let (Some(name), Some(named)) = (name, &*self.named.read())
            && named.status.covers(name)
        {
            return Some(named.key.clone());
        }
        Some(self.current.read().key.clone())
    }
}
