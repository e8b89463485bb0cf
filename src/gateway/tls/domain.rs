//! The certificate for the box's own domain, as an authority on the internet made it: kept in one file with its key, answers
//! for the authority's question (RFC 8737), and small secrets beside it. What must not live here: asking the authority
//! (`workers::acme`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::{Identity, read_bounded, secret_dir, write_secret};

/// Key and chain in one file, so that no power cut can leave one without the other.
pub const DOMAIN_FILE: &str = "domain.pem";

/// Small secrets of whoever orders certificates, in the directory of the certificates.
#[derive(Debug, Clone)]
pub struct Shelf(PathBuf);

impl Shelf {
    #[must_use]
    pub fn new(dir: PathBuf) -> Shelf {
        Shelf(dir)
    }

    /// What was kept under this name, if anything was.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        let is_there = path.try_exists();
        if !is_there.with_context(|| format!("looking for {}", path.display()))? {
            return Ok(None);
        }
        read_bounded(&path).map(Some)
    }

    /// Keeps it, for nobody but the server's user; after a power cut there is the old one or the new one.
    ///
    /// # Errors
    /// The disk is full, or not ours.
    pub fn keep(&self, name: &str, contents: &[u8]) -> Result<()> {
        secret_dir(&self.0)?;
        write_secret(&self.0, name, contents)
    }
}

/// The certificate of the last order. One that cannot be used is no reason not to start: another can be ordered.
pub(super) fn stored(dir: &Path, provider: &CryptoProvider) -> Option<Identity> {
    let pem = match Shelf(dir.to_owned()).read(DOMAIN_FILE) {
        Ok(pem) => pem?,
        Err(cause) => {
            log::warn!("TLS: the certificate for the domain is not used: {cause:#}");
            return None;
        }
    };
    match Identity::from_pem(&pem, &pem, provider) {
        Ok(identity) => Some(identity),
        Err(cause) => {
            log::warn!("TLS: the certificate for the domain in {DOMAIN_FILE} is not used: {cause:#}");
            None
        }
    }
}

/// Takes what an authority has sent: checked, then on the disk.
pub(super) fn take(
    dir: &Path,
    key: &str,
    chain: &str,
    names: &[String],
    provider: &CryptoProvider,
) -> Result<Identity> {
    let pem = format!("{}\n{}", key.trim_end(), chain);
    let identity = Identity::from_pem(pem.as_bytes(), pem.as_bytes(), provider)
        .context("reading the certificate that the authority sent")?;
    for name in names {
        ensure!(
            identity.facts.sans.dns.contains(name),
            "the certificate that the authority sent does not name {name}"
        );
    }
    Shelf(dir.to_owned()).keep(DOMAIN_FILE, pem.as_bytes())?;
    Ok(identity)
}

/// The certificate that shows an authority that this server answers for a name (RFC 8737, section 3): signed by itself, with
/// the digest of what the authority said.
pub(super) fn answer(name: &str, digest: &[u8], provider: &CryptoProvider) -> Result<Arc<CertifiedKey>> {
    ensure!(
        digest.len() == 32,
        "an answer to an authority is a SHA-256 digest"
    );
    let mut params = CertificateParams::new(vec![name.to_owned()]).context("naming the answer")?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making the answer's key")?;
    let certificate = params.self_signed(&key).context("signing the answer")?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider
        .key_provider
        .load_private_key(key)
        .context("reading back the answer's key")?;
    // Not held against each other: a client that checks would stumble over the mark, which none but an authority knows.
    let key = CertifiedKey::new(vec![certificate.der().clone()], key);
    Ok(Arc::new(key))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::gateway::tls::{CLOCK_FLOOR, Names, Source, Tls, TlsConfig};

    fn opened(dir: &Path) -> Tls {
        let source = Source::Local {
            dir: dir.to_owned(),
            names: Names::new("kinglet"),
        };
        let config = TlsConfig {
            domain: true,
            ..TlsConfig::of(source)
        };
        Tls::open(config, UNIX_EPOCH + CLOCK_FLOOR + Duration::from_secs(86_400)).expect("opened")
    }

    /// Key and certificate for a name, as an authority sends them.
    fn pair(name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("signed");
        (key.serialize_pem(), certificate.pem())
    }

    #[test]
    fn what_does_not_fit_is_not_taken_and_what_was_there_stays() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tls = opened(dir.path());
        let names = ["chat.example.org".to_owned()];
        assert_eq!(tls.domain(), None);
        let (key, chain) = pair("chat.example.org");
        tls.install(&key, &chain, &names).expect("it fits");
        let first = tls.domain().expect("served");
        assert!(first.covers("chat.example.org") && !first.public);
        assert_eq!(tls.status_for("chat.example.org"), first);
        assert_eq!(tls.status_for("kinglet.local"), tls.status());
        let kept = std::fs::read(dir.path().join(DOMAIN_FILE)).expect("kept");

        let (other_key, other_chain) = pair("www.example.org");
        for (key, chain) in [
            (&other_key, &chain),
            (&key, &other_chain),
            (&other_key, &other_chain),
            (&key, &String::new()),
            (&String::new(), &chain),
        ] {
            tls.install(key, chain, &names).expect_err("it does not fit");
            assert_eq!(tls.domain().as_ref(), Some(&first));
            assert_eq!(std::fs::read(dir.path().join(DOMAIN_FILE)).expect("kept"), kept);
        }
        assert_eq!(
            opened(dir.path()).domain().as_ref(),
            Some(&first),
            "after a restart"
        );
        std::fs::write(dir.path().join(DOMAIN_FILE), b"half a fi").expect("damaged");
        assert_eq!(opened(dir.path()).domain(), None, "another can be ordered");
    }

    #[test]
    fn an_answer_is_for_one_name_and_has_what_the_authority_looks_for() {
        let provider = rustls::crypto::ring::default_provider();
        let digest = [7; 32];
        let key = answer("chat.example.org", &digest, &provider).expect("made");
        let (_, certificate) = x509_parser::parse_x509_certificate(&key.cert[0]).expect("a certificate");
        // RFC 8737, section 3: critical, and the digest as an octet string.
        let mark = certificate
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31")
            .expect("the mark");
        assert!(mark.critical);
        assert_eq!(mark.value, [&[4, 32][..], &digest].concat());
        assert!(answer("chat.example.org", &digest[1..], &provider).is_err());
    }
}
