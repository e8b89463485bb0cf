//! TLS for the box's listeners: one `ServerConfig` for the life of the process, whose certificate can be swapped while
//! it runs. What must not live here: sockets, timers and signals (the app calls `reload`), and the clock (handed in).

mod authority;
mod certificate;
mod domain;
mod names;
pub mod profile;
mod served;
mod status;
mod stream;
pub mod trust;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedCipherSuite};

use authority::Authority;
use certificate::{Facts, Identity, is_public, read_bounded};
use served::{Current, Served};

pub use authority::{AUTHORITY_FILE, CLOCK_FLOOR};
pub use domain::{DOMAIN_FILE, Shelf};
pub use names::{Names, is_public_tree};
pub use status::{AuthorityStatus, SourceKind, TlsStatus};
pub use stream::TlsStream;

/// What an authority speaks that asks whether a name leads here (RFC 8737, section 6.2).
pub const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    pub source: Source,
    /// Also serve the certificate that was ordered for the box's own domain; only beside `Source::Local`.
    pub domain: bool,
    /// Whom browsers trust.
    pub public: Arc<RootCertStore>,
}

impl TlsConfig {
    /// From there, and browsers trust whom they do.
    #[must_use]
    pub fn of(source: Source) -> TlsConfig {
        TlsConfig {
            source,
            domain: false,
            public: Arc::new(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// PEM files that somebody else renews. The key has no pass phrase; the certificate file holds the whole chain.
    Files { cert: PathBuf, key: PathBuf },
    /// The box's own authority, kept in `dir`, signs a leaf for `names`.
    Local { dir: PathBuf, names: Names },
}

/// What `Tls::reload` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    Unchanged,
    /// The own authority signed a new leaf.
    NewLeaf,
    /// The files had changed and are in use now.
    NewFiles,
}

enum Keeper {
    Files {
        cert: PathBuf,
        key: PathBuf,
        seen: [u8; 32],
    },
    Local {
        authority: Box<Authority>,
        leaf: Facts,
    },
}

/// TLS as it runs. Share it in an `Arc`.
pub struct Tls {
    server: Arc<ServerConfig>,
    served: Arc<Served>,
    provider: Arc<CryptoProvider>,
    /// Held across file access by `open` and `reload` alone; handshakes and `status` never wait for it.
    keeper: Mutex<Keeper>,
    /// Apart from `keeper`, so that telling new names never waits for the disk.
    names: Mutex<Option<Names>>,
    ca_der: Option<Vec<u8>>,
    /// Where the certificate for the domain is kept, if there is to be one.
    domain: Option<PathBuf>,
    public: Arc<RootCertStore>,
}

impl Tls {
    /// Reads or makes the certificate. Touches the disk: call it from start-up or a blocking thread.
    ///
    /// `now` may be wrong, and `UNIX_EPOCH` is the way to say "I do not know": then a kept leaf stays, and a new one
    /// begins at the latest moment known to have passed.
    pub fn open(config: TlsConfig, now: SystemTime) -> Result<Tls> {
        let (provider, ignore_client_order) = provider(aes_in_hardware());
        let provider = Arc::new(provider);
        let public = config.public;
        let (keeper, current, names, dir) = match config.source {
            Source::Files { cert, key } => {
                let (identity, seen) = load_files(&cert, &key, &provider)?;
                let current = of_files(&identity, &public, &provider);
                (Keeper::Files { cert, key, seen }, current, None, None)
            }
            Source::Local { dir, names } => {
                let (keeper, current) = open_local(&dir, &names, now, &provider)?;
                (keeper, current, Some(names), Some(dir))
            }
        };
        let domain = dir.filter(|_| config.domain);
        let named = domain.as_deref().and_then(|dir| domain::stored(dir, &provider));
        let named = named.map(|identity| of_domain(&identity, &public, &provider));
        let ca_der = match &keeper {
            Keeper::Local { authority, .. } => Some(authority.der().to_vec()),
            Keeper::Files { .. } => None,
        };
        let served = Arc::new(Served::new(current, named));
        let mut server = server_config(&provider, ignore_client_order, served.clone())?;
        if domain.is_some() {
            server.alpn_protocols.push(ACME_PROTOCOL.to_vec());
        }
        Ok(Tls {
            server: Arc::new(server),
            served,
            provider,
            keeper: Mutex::new(keeper),
            names: Mutex::new(names),
            ca_der,
            domain,
            public,
        })
    }

    /// Tells the names and addresses the box has now; the next `reload` acts on them. Nothing to do with files.
    pub fn set_names(&self, names: Names) {
        if let Some(known) = self.names.lock().as_mut() {
            *known = names;
        }
    }

    /// Looks whether the certificate in use is still the right one. For a timer and for SIGHUP; touches the disk, so
    /// call it on a blocking thread. After an error the old certificate goes on being served.
    pub fn reload(&self, now: SystemTime) -> Result<Reloaded> {
        let names = self.names.lock().clone();
        let mut keeper = self.keeper.lock();
        let (current, outcome) = match &mut *keeper {
            Keeper::Files { cert, key, seen } => {
                let bytes = read_files(cert, key)?;
                if bytes.digest() == *seen {
                    return Ok(Reloaded::Unchanged);
                }
                let identity = bytes.identity(cert, key, &self.provider)?;
                *seen = bytes.digest();
                let current = of_files(&identity, &self.public, &self.provider);
                (current, Reloaded::NewFiles)
            }
            Keeper::Local { authority, leaf } => {
                let wanted = names.expect("a local source always has names").wanted()?;
                let (inside, left_out) = authority.split(&wanted);
                let Some(reason) = authority.due(leaf, &inside, now) else {
                    self.note_left_out(left_out);
                    return Ok(Reloaded::Unchanged);
                };
                let identity = authority.issue(&inside, now, Some(leaf), &self.provider)?;
                log::info!("TLS: new certificate, since {reason}");
                *leaf = identity.facts.clone();
                (of_local(&identity, left_out, authority), Reloaded::NewLeaf)
            }
        };
        *self.served.current.write() = current;
        Ok(outcome)
    }

    /// The one configuration for every listener; it follows reloads by itself.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Shakes hands on a fresh connection.
    ///
    /// # Errors
    /// What the other end did wrong.
    pub async fn accept(&self, tcp: tokio::net::TcpStream) -> std::io::Result<Box<TlsStream>> {
        TlsStream::accept(self.server.clone(), tcp).await
    }

    pub fn status(&self) -> Arc<TlsStatus> {
        self.served.current.read().status.clone()
    }

    /// The certificate for the box's own domain, which whoever comes by it gets; none before the first was ordered.
    pub fn domain(&self) -> Option<Arc<TlsStatus>> {
        let named = self.served.named.read();
        named.as_ref().map(|named| named.status.clone())
    }

    /// What whoever comes by this host gets.
    pub fn status_for(&self, host: &str) -> Arc<TlsStatus> {
        let domain = self.domain().filter(|status| status.covers(host));
        domain.unwrap_or_else(|| self.status())
    }

    /// Whether a browser that comes by this host may be sent to https, and told to come by nothing else.
    pub fn is_public_for(&self, host: &str) -> bool {
        self.status_for(host).is_public_for(host)
    }

    /// Whether it can ever be true that browsers trust the certificate without being told to.
    pub fn may_be_public(&self) -> bool {
        self.domain.is_some() || self.status().source == SourceKind::Files
    }

    /// Takes a new certificate for the box's own domain, keeps it and serves it. Touches the disk. After an error the one
    /// before goes on being served.
    pub fn install(&self, key: &str, chain: &str, names: &[String]) -> Result<()> {
        let dir = self
            .domain
            .as_deref()
            .context("no certificate for a domain was asked for")?;
        let identity = domain::take(dir, key, chain, names, &self.provider)?;
        *self.served.named.write() = Some(of_domain(&identity, &self.public, &self.provider));
        Ok(())
    }

    /// Answers an authority that asks whether a name leads here (TLS-ALPN-01), until `withdraw`.
    pub fn answer(&self, name: &str, digest: &[u8]) -> Result<()> {
        self.served
            .answer(name, domain::answer(name, digest, &self.provider)?);
        Ok(())
    }

    /// Answers no authority any more.
    pub fn withdraw(&self) {
        self.served.withdraw();
    }

    /// The own authority's certificate as DER, whose SHA-256 as a file is the fingerprint. None with certificate files.
    pub fn ca_der(&self) -> Option<&[u8]> {
        self.ca_der.as_deref()
    }

    /// The same as PEM, for tools that want text.
    pub fn ca_pem(&self) -> Option<String> {
        self.ca_der().map(trust::to_pem)
    }

    fn note_left_out(&self, left_out: Vec<String>) {
        let mut current = self.served.current.write();
        if current.status.left_out != left_out {
            current.status = Arc::new(TlsStatus {
                left_out,
                ..(*current.status).clone()
            });
        }
    }
}

fn open_local(
    dir: &Path,
    names: &Names,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<(Keeper, Current)> {
    let wanted = names.wanted()?;
    let authority = Authority::open(dir, &wanted, now)?;
    let (inside, left_out) = authority.split(&wanted);
    let stored = authority.stored_leaf(provider);
    let last = stored.as_ref().map(|stored| &stored.facts);
    let identity = match last.map(|last| authority.due(last, &inside, now)) {
        Some(None) => stored.expect("`due` was asked about it"),
        _ => match authority.issue(&inside, now, last, provider) {
            Ok(identity) => identity,
            // A clock far ahead says that the authority is over. A leaf in hand is better than a box out of reach.
            Err(cause) => match stored {
                Some(stored) => {
                    log::warn!("TLS: serving the certificate of the last run: {cause:#}");
                    stored
                }
                None => return Err(cause),
            },
        },
    };
    let current = of_local(&identity, left_out, &authority);
    Ok((
        Keeper::Local {
            authority: Box::new(authority),
            leaf: identity.facts,
        },
        current,
    ))
}

fn of_local(identity: &Identity, left_out: Vec<String>, authority: &Authority) -> Current {
    let facts = authority.facts();
    let authority = AuthorityStatus {
        name: facts.subject.clone(),
        not_after: facts.not_after,
        fingerprint: facts.fingerprint.clone(),
        words: trust::six_words(authority.der()),
    };
    let status = TlsStatus {
        left_out,
        proof: proof(&authority.fingerprint),
        authority: Some(authority),
        ..told(identity, SourceKind::Local)
    };
    current(identity, status)
}

fn of_files(identity: &Identity, public: &RootCertStore, provider: &CryptoProvider) -> Current {
    let status = TlsStatus {
        public: is_public(identity, public, provider),
        ..told(identity, SourceKind::Files)
    };
    current(identity, status)
}

fn of_domain(identity: &Identity, public: &RootCertStore, provider: &CryptoProvider) -> Current {
    let status = TlsStatus {
        public: is_public(identity, public, provider),
        ..told(identity, SourceKind::Acme)
    };
    current(identity, status)
}

fn told(identity: &Identity, source: SourceKind) -> TlsStatus {
    let facts = &identity.facts;
    // Who signed it is what a device was told to trust.
    let above = identity.key.cert.last().expect("a chain has a certificate");
    TlsStatus {
        source,
        not_before: facts.not_before,
        not_after: facts.not_after,
        names: facts.sans.listed(),
        fingerprint: facts.fingerprint.clone(),
        left_out: Vec::new(),
        authority: None,
        public: false,
        proof: proof(&trust::fingerprint(above)),
    }
}

/// The first 64 bits of a fingerprint, as a cookie takes them.
fn proof(fingerprint: &str) -> String {
    let digits = fingerprint.chars().filter(char::is_ascii_hexdigit);
    digits.take(16).collect()
}

fn current(identity: &Identity, status: TlsStatus) -> Current {
    Current {
        key: identity.key.clone(),
        status: Arc::new(status),
    }
}

struct PemFiles {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl PemFiles {
    /// Contents, not times: a copy may keep its time, and this box's clock may have been wrong.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&(self.cert.len() as u64).to_le_bytes())
            .update(&self.cert)
            .update(&self.key);
        *hasher.finalize().as_bytes()
    }

    fn identity(&self, cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<Identity> {
        let identity = Identity::from_pem(&self.cert, &self.key, provider);
        identity.with_context(|| {
            format!(
                "loading the TLS certificate {} with the key {}; put a matching PEM pair there",
                cert.display(),
                key.display()
            )
        })
    }
}

fn read_files(cert: &Path, key: &Path) -> Result<PemFiles> {
    let next = "check the path and that the server's user may read it";
    let read =
        |path| read_bounded(path).with_context(|| format!("loading the TLS certificate and key; {next}"));
    Ok(PemFiles {
        cert: read(cert)?,
        key: read(key)?,
    })
}

fn load_files(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<(Identity, [u8; 32])> {
    let bytes = read_files(cert, key)?;
    Ok((bytes.identity(cert, key, provider)?, bytes.digest()))
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    ignore_client_order: bool,
    served: Arc<Served>,
) -> Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .context("choosing TLS 1.2 and 1.3")?
        .with_no_client_auth()
        .with_cert_resolver(served);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = ignore_client_order;
    // Resumption costs the server nothing per client: the ticket holds the state, sealed by a key that rotates.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer =
        rustls::crypto::ring::Ticketer::new().context("making the key that seals session tickets")?;
    config.send_tls13_tickets = 1;
    // No 0-RTT: early data can be replayed by whoever recorded it.
    config.max_early_data_size = 0;
    Ok(config)
}

/// ring, with ChaCha20 first where AES is software: on such a board it is several times faster, and constant-time.
fn provider(aes_in_hardware: bool) -> (CryptoProvider, bool) {
    let mut provider = rustls::crypto::ring::default_provider();
    if !aes_in_hardware {
        provider.cipher_suites.sort_by_key(|suite| !is_chacha(suite));
    }
    // A client with AES in hardware asks for AES; it is the box that is short of cycles.
    (provider, !aes_in_hardware)
}

fn is_chacha(suite: &SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// A Raspberry Pi 4 has no AES instructions, a Pi 5 has.
fn aes_in_hardware() -> bool {
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    // 32-bit ARM and the rest: ring has no AES in hardware to use there.
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_aes_instructions_chacha_comes_first_whatever_the_client_prefers() {
        let (with, ignore) = provider(true);
        assert!(!ignore && !is_chacha(&with.cipher_suites[0]));
        let (without, ignore) = provider(false);
        assert!(ignore);
        let split = without
            .cipher_suites
            .iter()
            .take_while(|suite| is_chacha(suite))
            .count();
        assert_eq!(split, 3);
        assert!(!without.cipher_suites[split..].iter().any(is_chacha));
    }
}
