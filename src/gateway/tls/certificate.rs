//! One certificate with its key, read and checked; its fingerprint; and secrets written to disk so that a power cut
//! leaves the old file or the new one. What must not live here: deciding which certificate to use.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::names::SanSet;

/// A chain of a dozen RSA certificates is 30 KB. More than this is the wrong file.
const MAX_PEM_BYTES: u64 = 256 * 1024;

/// What people ask of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) subject: String,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    pub(super) sans: SanSet,
    pub(super) fingerprint: String,
}

impl Facts {
    pub(super) fn read(der: &[u8]) -> Result<Facts> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der)
            .map_err(|cause| anyhow!("not an X.509 certificate: {cause}"))?;
        let subject = certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok());
        Ok(Facts {
            subject: subject.unwrap_or_default().to_string(),
            not_before: at(certificate.validity().not_before.timestamp())?,
            not_after: at(certificate.validity().not_after.timestamp())?,
            sans: SanSet::of(&certificate),
            fingerprint: super::trust::fingerprint(der),
        })
    }
}

fn at(timestamp: i64) -> Result<SystemTime> {
    let seconds = Duration::from_secs(u64::try_from(timestamp).unwrap_or(0));
    UNIX_EPOCH
        .checked_add(seconds)
        .context("a date beyond what this system can represent")
}

/// A key and its chain, ready for handshakes.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: Facts,
}

impl Identity {
    /// `chain` and `key` are PEM text; they may be one and the same. The key must belong to the first certificate.
    pub(super) fn from_pem(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Identity> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|cause| anyhow!("reading the certificate as PEM: {cause}"))?;
        let leaf = chain
            .first()
            .context("no `BEGIN CERTIFICATE` in the certificate file")?;
        let facts = Facts::read(leaf)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| {
            anyhow!("reading the private key as PEM: {cause} (it must not have a pass phrase)")
        })?;
        let key =
            CertifiedKey::from_der(chain, key, provider).context("pairing the certificate with its key")?;
        Ok(Identity {
            key: Arc::new(key),
            facts,
        })
    }
}

/// Whether browsers trust it without being told to: asked of the moment it began, so that this box's clock has no say.
pub(super) fn is_public(identity: &Identity, roots: &RootCertStore, provider: &CryptoProvider) -> bool {
    let [leaf, above @ ..] = identity.key.cert.as_slice() else {
        return false;
    };
    let Ok(began) = identity.facts.not_before.duration_since(UNIX_EPOCH) else {
        return false;
    };
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else {
        return false;
    };
    let algorithms = provider.signature_verification_algorithms.all;
    let moment = UnixTime::since_unix_epoch(began);
    verify_server_cert_signed_by_trust_anchor(&leaf, roots, above, moment, algorithms).is_ok()
}

/// A whole file, if it has a size that makes sense.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(MAX_PEM_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        bytes.len() as u64 <= MAX_PEM_BYTES,
        "reading {}: larger than {MAX_PEM_BYTES} bytes, so not a certificate or key; check the path",
        path.display()
    );
    Ok(bytes)
}

/// A directory only its owner may look into.
pub(super) fn secret_dir(dir: &Path) -> Result<()> {
    let next = "give the server's user a data directory it owns";
    if !dir.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.with_context(|| format!("making {}; {next}", dir.display()))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    tighten(dir, 0o700).with_context(|| format!("closing {} to others; {next}", dir.display()))
}

/// Takes away what others may do with `path`, if anything; says so, since a copy may have been made meanwhile.
pub(super) fn tighten(path: &Path, mode: u32) -> Result<()> {
    let found = fs::metadata(path)
        .with_context(|| format!("looking at {}", path.display()))?
        .permissions()
        .mode();
    if found & 0o077 != 0 {
        log::warn!(
            "TLS: {} was open to other users of this machine; closed it",
            path.display()
        );
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Temporary file, fsync, rename, fsync of the directory: after a power cut there is the old file or the new one.
pub(super) fn write_secret(dir: &Path, name: &str, contents: &[u8]) -> Result<()> {
    let target = dir.join(name);
    let temporary = dir.join(format!("{name}.tmp"));
    let write = || -> std::io::Result<()> {
        // A leftover of a power cut would keep its own mode and length.
        match fs::remove_file(&temporary) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    };
    write().with_context(|| {
        format!(
            "writing {}; check free space and the directory's owner",
            target.display()
        )
    })?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.with_context(|| format!("syncing {}; check the disk", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_replaces_a_leftover_and_is_closed_to_others() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let dir = dir.path().join("deep").join("tls");
        secret_dir(&dir).expect("made");
        fs::write(dir.join("a.pem.tmp"), b"half of a longer old file").expect("a leftover");
        fs::set_permissions(dir.join("a.pem.tmp"), Permissions::from_mode(0o644)).expect("open to all");
        write_secret(&dir, "a.pem", b"new").expect("written");
        assert_eq!(fs::read(dir.join("a.pem")).expect("there"), b"new");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&dir.join("a.pem")), 0o600);
        assert_eq!(mode(&dir), 0o700);
        assert!(!dir.join("a.pem.tmp").exists());

        fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("opened by hand");
        secret_dir(&dir).expect("closed again");
        assert_eq!(mode(&dir), 0o700);
    }

    #[test]
    fn an_endless_file_is_not_read_to_the_end() {
        let cause = read_bounded(Path::new("/dev/zero")).expect_err("refused");
        assert!(format!("{cause:#}").contains("check the path"), "{cause:#}");
    }
}
