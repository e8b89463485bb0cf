//! The box's own certificate authority: made once, kept in one file that never leaves the box but in an encrypted
//! backup, permitted to vouch for web servers alone, by nothing but this box's names and private addresses. What must not live here:
//! serving handshakes (mod.rs), reading the system clock (it is handed in).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::{Facts, Identity, read_bounded, secret_dir, tighten, write_secret};
use super::names::{Permitted, SanSet};

/// Key and certificate in one file, so that no power cut can leave one without the other.
pub const AUTHORITY_FILE: &str = "authority.pem";
const LEAF_FILE: &str = "leaf.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3652);
/// Browsers refuse more than 398 days. The backdated day counts.
const LEAF_LIFE: Duration = DAY.saturating_mul(397);

/// 2026-10-01: no copy of this program is older. A release is told the time of its sources (SOURCE_DATE_EPOCH).
const OLDEST_BUILD: u64 = 1_790_812_800;

/// The earliest moment that can be now: the build's time. A box without a clock battery wakes up in 1970.
pub const CLOCK_FLOOR: Duration = Duration::from_secs(build_epoch());

const fn build_epoch() -> u64 {
    let Some(text) = option_env!("SOURCE_DATE_EPOCH") else {
        return OLDEST_BUILD;
    };
    let digits = text.as_bytes();
    let mut value = 0u64;
    let mut i = 0;
    while i < digits.len() {
        assert!(
            digits[i].is_ascii_digit() && i < 11,
            "SOURCE_DATE_EPOCH must be seconds since 1970"
        );
        value = value * 10 + (digits[i] - b'0') as u64;
        i += 1;
    }
    if value > OLDEST_BUILD { value } else { OLDEST_BUILD }
}

/// The authority's own key and certificate. Neither `Clone` nor `Debug`: the key stays where it is.
pub(super) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    permitted: Permitted,
    facts: Facts,
}

impl Authority {
    /// Loads the authority of `dir`, or makes it when there is none. A damaged file is an error and stays as it is:
    /// a new authority would silently undo the trust of every device.
    pub(super) fn open(dir: &Path, wanted: &SanSet, now: SystemTime) -> Result<Authority> {
        secret_dir(dir)?;
        let path = dir.join(AUTHORITY_FILE);
        if !path
            .try_exists()
            .with_context(|| format!("looking for {}", path.display()))?
        {
            make(dir, wanted, now).context("making the box's own certificate authority")?;
        }
        tighten(&path, 0o600)?;
        Authority::load(dir, &read_bounded(&path)?).with_context(|| {
            let path = path.display();
            format!("loading the box's own authority; restore {path} from a backup, or move it away and let every device trust a new one")
        })
    }

    fn load(dir: &Path, pem: &[u8]) -> Result<Authority> {
        let der = CertificateDer::from_pem_slice(pem)
            .map_err(|cause| anyhow!("reading its certificate: {cause}"))?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|cause| anyhow!("reading its key: {cause}"))?;
        let key =
            KeyPair::from_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).context("reading its key")?;
        let facts = Facts::read(&der)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|cause| anyhow!("parsing: {cause}"))?;
        ensure!(
            parsed.public_key().subject_public_key.data.as_ref() == key.public_key_raw(),
            "its key and its certificate do not belong together"
        );
        let permitted = Permitted::of(&parsed);
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Authority {
            dir: dir.to_path_buf(),
            issuer,
            der,
            permitted,
            facts,
        })
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What of `wanted` it may sign, and what it may not.
    pub(super) fn split(&self, wanted: &SanSet) -> (SanSet, Vec<String>) {
        self.permitted.split(wanted)
    }

    /// The leaf of the last run, if it is whole and ours. It is made from nothing but this authority, so a damaged one
    /// is no loss; but a kept one spares every browser that bypassed a warning for it.
    pub(super) fn stored_leaf(&self, provider: &CryptoProvider) -> Option<Identity> {
        let pem = read_bounded(&self.dir.join(LEAF_FILE)).ok()?;
        let identity = Identity::from_pem(&pem, &pem, provider).ok()?;
        let (_, leaf) = x509_parser::parse_x509_certificate(identity.key.cert.first()?).ok()?;
        let (_, authority) = x509_parser::parse_x509_certificate(&self.der).ok()?;
        leaf.verify_signature(Some(authority.public_key())).ok()?;
        Some(identity)
    }

    /// Whether a new leaf is due, and why.
    pub(super) fn due(&self, leaf: &Facts, names: &SanSet, now: SystemTime) -> Option<&'static str> {
        if leaf.sans != *names {
            return Some("the names or addresses changed");
        }
        // Before the floor the clock is not set: what it says is no reason to drop a leaf made when it was.
        if now < floor() {
            return None;
        }
        if now < leaf.not_before {
            return Some("the clock went back to before the certificate began");
        }
        let life = leaf.not_after.duration_since(leaf.not_before).unwrap_or_default();
        let aged = now > leaf.not_before + life.mul_f64(2.0 / 3.0);
        // A leaf that ends with its authority cannot get younger by being made again.
        (aged && leaf.not_after < self.facts.not_after).then_some("two thirds of its life are over")
    }

    /// Signs a new leaf for `names` and stores it. A leaf that cannot be stored is served all the same: it only costs
    /// another one at the next start.
    pub(super) fn issue(
        &self,
        names: &SanSet,
        now: SystemTime,
        last: Option<&Facts>,
        provider: &CryptoProvider,
    ) -> Result<Identity> {
        let begin = issue_base(now, last) - DAY;
        let end = self.facts.not_after.min(begin + LEAF_LIFE);
        ensure!(
            begin < end,
            "the box's own authority has expired; check the clock, else move {} away, restart, and let every device trust the new one",
            self.dir.join(AUTHORITY_FILE).display()
        );
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making the leaf's key")?;
        let mut params = CertificateParams::default();
        validity(&mut params, begin, end)?;
        params.subject_alt_names = names.to_rcgen()?;
        params.distinguished_name = common_name(shown_name(names));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer).context("signing the leaf")?;
        let pem = format!("{}{}", key.serialize_pem(), leaf.pem());
        if let Err(cause) = write_secret(&self.dir, LEAF_FILE, pem.as_bytes()) {
            log::warn!("TLS: the new certificate is in use but could not be stored: {cause:#}");
        }
        Identity::from_pem(pem.as_bytes(), pem.as_bytes(), provider).context("reading back the new leaf")
    }
}

fn make(dir: &Path, wanted: &SanSet, now: SystemTime) -> Result<()> {
    let mut random = [0u8; 3];
    getrandom::fill(&mut random).map_err(|cause| anyhow!("asking the system for randomness: {cause}"))?;
    let name = format!("Kinglet {} CA", data_encoding::HEXLOWER.encode(&random));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making its key")?;
    let mut params = CertificateParams::default();
    // From the floor, not from now: a clock that was ahead on the first day must not make an authority that begins in
    // the future, since devices hold a copy and it is never replaced on its own.
    validity(
        &mut params,
        floor() - DAY,
        believable(now).max(floor()) + AUTHORITY_LIFE,
    )?;
    params.distinguished_name = common_name(&name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Names alone would let it vouch for who writes a mail or who comes to a server.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(Permitted::for_new(wanted));
    let certificate = params.self_signed(&key).context("signing its certificate")?;
    write_secret(
        dir,
        AUTHORITY_FILE,
        format!("{}{}", key.serialize_pem(), certificate.pem()).as_bytes(),
    )
}

fn floor() -> SystemTime {
    UNIX_EPOCH + CLOCK_FLOOR
}

/// A clock gone wild must not reach dates that a certificate cannot hold.
fn believable(now: SystemTime) -> SystemTime {
    now.min(floor() + 100 * AUTHORITY_LIFE)
}

/// The moment to issue at. While the clock is not set, the latest moment known to have passed.
fn issue_base(now: SystemTime, last: Option<&Facts>) -> SystemTime {
    if now >= floor() {
        return believable(now);
    }
    last.map_or(floor(), |last| floor().max(last.not_before + DAY))
}

/// A subject is for people; clients look at the alternative names only. 64 characters is X.509's own bound.
fn shown_name(names: &SanSet) -> &str {
    let local = names
        .dns
        .iter()
        .find(|name| name.ends_with(".local") && name.len() <= 64);
    local.map_or("Kinglet", String::as_str)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// `rcgen` takes dates in a type of another crate; adding to the epoch leads there without naming it.
fn validity(params: &mut CertificateParams, begin: SystemTime, end: SystemTime) -> Result<()> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since = |at: SystemTime| {
        at.duration_since(UNIX_EPOCH)
            .context("dating a certificate before 1970")
    };
    params.not_before = epoch + Duration::from_secs(since(begin)?.as_secs());
    params.not_after = epoch + Duration::from_secs(since(end)?.as_secs());
    Ok(())
}
