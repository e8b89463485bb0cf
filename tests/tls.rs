//! TLS through the door it promises to keep: a real rustls client that trusts the box's authority, real files, real
//! restarts. Time is handed in on both sides. What must not live here: tests of the page or of single names.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kinglet::gateway::tls::{
    AUTHORITY_FILE, CLOCK_FLOOR, Names, Reloaded, Source, SourceKind, Tls, TlsConfig, TlsStream, trust,
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, Error, HandshakeKind, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn floor() -> SystemTime {
    UNIX_EPOCH + CLOCK_FLOOR
}

/// A day on which the clock is set.
fn today() -> SystemTime {
    floor() + 100 * DAY
}

fn names(addresses: &[&str]) -> Names {
    let addresses = addresses
        .iter()
        .map(|ip| ip.parse::<IpAddr>().expect("an address"))
        .collect();
    Names {
        extra: vec!["chat.example.org".into()],
        addresses,
        ..Names::new("kinglet")
    }
}

fn local(dir: &Path, addresses: &[&str], now: SystemTime) -> anyhow::Result<Tls> {
    Tls::open(
        TlsConfig::of(Source::Local {
            dir: dir.join("tls"),
            names: names(addresses),
        }),
        now,
    )
}

fn ca(tls: &Tls) -> CertificateDer<'static> {
    CertificateDer::from(tls.ca_der().expect("a local authority").to_vec())
}

#[derive(Debug)]
struct At(SystemTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        self.0
            .duration_since(UNIX_EPOCH)
            .ok()
            .map(UnixTime::since_unix_epoch)
    }
}

fn roots(ca: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("a certificate that can be a root");
    roots
}

fn client(
    ca: CertificateDer<'static>,
    now: SystemTime,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(At(now)))
        .with_protocol_versions(versions)
        .expect("versions that ring has")
        .with_root_certificates(roots(ca))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

struct Met {
    version: ProtocolVersion,
    kind: HandshakeKind,
    alpn: Vec<u8>,
    leaf: Vec<u8>,
}

/// A whole handshake and a byte each way; the error is the client's.
async fn meet(tls: &Tls, client: &Arc<ClientConfig>, name: &str) -> Result<Met, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let near = TcpStream::connect(address).await.expect("it listens");
    let (far, _) = listener.accept().await.expect("somebody came");
    let config = tls.server_config();
    let server = tokio::spawn(async move {
        let mut stream = TlsStream::accept(config, far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.shutdown().await
    });
    let name = ServerName::try_from(name.to_string()).expect("a name or an address");
    let connected = tokio_rustls::TlsConnector::from(client.clone())
        .connect(name, near)
        .await;
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(cause) => {
            drop(server);
            let inner = cause.into_inner().expect("an error of rustls");
            return Err(*inner.downcast::<Error>().expect("an error of rustls"));
        }
    };
    stream.write_u8(7).await.expect("written");
    assert_eq!(stream.read_u8().await.expect("read"), 7);
    // To the end, so that the session ticket has arrived.
    stream.read_to_end(&mut Vec::new()).await.expect("a clean end");
    let session = stream.get_ref().1;
    server.await.expect("no panic").expect("served");
    Ok(Met {
        version: session.protocol_version().expect("agreed"),
        kind: session.handshake_kind().expect("done"),
        alpn: session.alpn_protocol().unwrap_or_default().to_vec(),
        leaf: session
            .peer_certificates()
            .map(|chain| chain[0].to_vec())
            .unwrap_or_default(),
    })
}

async fn leaf(tls: &Tls, now: SystemTime) -> Vec<u8> {
    let client = Arc::new(client(ca(tls), now, rustls::ALL_VERSIONS));
    meet(tls, &client, "kinglet.local")
        .await
        .expect("a handshake")
        .leaf
}

#[tokio::test]
async fn both_versions_work_for_every_name_and_resume_by_one_ticket() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["192.168.1.20", "fd00::20"], today()).expect("opened");
    for (only, version) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = Arc::new(client(ca(&tls), today(), &[only]));
        for name in [
            "kinglet.local",
            "kinglet",
            "chat.example.org",
            "192.168.1.20",
            "fd00::20",
        ] {
            let met = meet(&tls, &config, name)
                .await
                .unwrap_or_else(|cause| panic!("{name}: {cause}"));
            assert_eq!(
                (met.version, met.alpn.as_slice()),
                (version, b"http/1.1".as_slice()),
                "{name}"
            );
            assert_eq!(met.kind, HandshakeKind::Full);
        }
        let again = meet(&tls, &config, "kinglet.local").await.expect("resumed");
        assert_eq!(again.kind, HandshakeKind::Resumed, "{version:?}");
    }
    let server = tls.server_config();
    assert_eq!(server.send_tls13_tickets, 1);
    assert_eq!(server.max_early_data_size, 0);
    assert_eq!(server.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(
        !server.session_storage.can_cache(),
        "no session may be kept in the server's memory"
    );
}

#[tokio::test]
async fn a_name_the_box_does_not_have_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["192.168.1.20"], today()).expect("opened");
    let config = Arc::new(client(ca(&tls), today(), rustls::ALL_VERSIONS));
    for name in ["robin.local", "sub.kinglet.local", "example.org", "192.168.1.21"] {
        let cause = meet(&tls, &config, name)
            .await
            .err()
            .unwrap_or_else(|| panic!("{name} was accepted"));
        assert!(
            matches!(
                cause,
                Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{name}: {cause:?}"
        );
    }
}

/// Someone has the key: still, it vouches for nothing but this box's names and private addresses.
#[test]
fn a_stolen_authority_is_worth_nothing_outside_its_constraints() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &[], today()).expect("opened");
    let pem = fs::read(dir.path().join("tls").join(AUTHORITY_FILE)).expect("the authority");
    let key = PrivateKeyDer::from_pem_slice(&pem).expect("its key");
    let key = KeyPair::try_from(&key).expect("its key");
    let thief = Issuer::from_ca_cert_der(&ca(&tls), key).expect("an issuer");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots(ca(&tls))), provider)
            .build()
            .expect("a verifier");
    let verdict = |name: &str| {
        let params = CertificateParams::new(vec![name.to_string()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &thief).expect("signed");
        let name = ServerName::try_from(name.to_string()).expect("a name");
        let now = At(today()).current_time().expect("after 1970");
        verifier.verify_server_cert(leaf.der(), &[], &name, &[], now)
    };
    for inside in [
        "robin.local",
        "kinglet",
        "sub.chat.example.org",
        "10.0.0.1",
        "172.16.0.1",
        "fe80::1",
        "::1",
    ] {
        verdict(inside).unwrap_or_else(|cause| panic!("{inside}: {cause}"));
    }
    for outside in [
        "bank.example",
        "example.org",
        "8.8.8.8",
        "172.32.0.1",
        "2001:db8::1",
    ] {
        let cause = verdict(outside).expect_err(outside);
        assert!(
            format!("{cause:?}").contains("NameConstraintViolation"),
            "{outside}: {cause:?}"
        );
    }
}

/// What OpenSSL, which most mail programs and servers ask, says to a certificate that this authority signed.
fn openssl(dir: &Path, ca: &str, leaf: &str, more: &[&str]) -> Result<(), String> {
    let (root, file) = (dir.join("root.pem"), dir.join("made.pem"));
    fs::write(&root, ca).expect("written");
    fs::write(&file, leaf).expect("written");
    let at = today().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let ran = Command::new("openssl")
        .args(["verify", "-attime", &at.to_string(), "-CAfile"])
        .arg(&root)
        .args(more)
        .arg(&file)
        .output()
        .expect("openssl is there; on Debian: apt install openssl");
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    ran.status.success().then_some(()).ok_or(said)
}

/// Someone has the key of a box that is called like a part of the internet: no mail, no visitor and no shop is theirs.
#[test]
fn a_stolen_authority_is_worth_nothing_for_mail_for_clients_and_below_a_public_tree() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let source = Source::Local {
        dir: dir.path().join("tls"),
        names: Names::new("chat"),
    };
    let tls = Tls::open(TlsConfig::of(source), today()).expect("opened");
    assert_eq!(tls.status().names, ["chat.local"]);
    assert_eq!(tls.status().left_out, ["chat"], "it is told of");
    let pem = fs::read(dir.path().join("tls").join(AUTHORITY_FILE)).expect("the authority");
    let key = PrivateKeyDer::from_pem_slice(&pem).expect("its key");
    let thief =
        Issuer::from_ca_cert_der(&ca(&tls), KeyPair::try_from(&key).expect("its key")).expect("an issuer");
    let authority = tls.ca_pem().expect("PEM");
    let made = |name: Option<SanType>, purpose: ExtendedKeyUsagePurpose| {
        let mut params = CertificateParams::default();
        params.subject_alt_names.extend(name);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        params.signed_by(&key, &thief).expect("signed").pem()
    };
    let host = |name: &str| Some(SanType::DnsName(name.try_into().expect("a name")));
    let mail = |name: &str| Some(SanType::Rfc822Name(name.try_into().expect("an address")));
    let verdict = |leaf: &str, more: &[&str]| openssl(dir.path(), &authority, leaf, more);

    let inside = made(host("robin.local"), ExtendedKeyUsagePurpose::ServerAuth);
    verdict(&inside, &["-purpose", "sslserver"]).expect("a box of this network");
    let shop = made(host("www.shop.chat"), ExtendedKeyUsagePurpose::ServerAuth);
    let refused = verdict(&shop, &["-purpose", "sslserver"]).expect_err("a shop");
    assert!(refused.contains("permitted subtree violation"), "{refused}");
    // Whatever it is for, and for each purpose without a name that the constraints know.
    let letter = made(
        mail("boss@bank.example"),
        ExtendedKeyUsagePurpose::EmailProtection,
    );
    let refused = verdict(&letter, &[]).expect_err("a mail address");
    assert!(refused.contains("permitted subtree violation"), "{refused}");
    for (purpose, asked) in [
        (ExtendedKeyUsagePurpose::EmailProtection, "smimesign"),
        (ExtendedKeyUsagePurpose::ClientAuth, "sslclient"),
    ] {
        let refused = verdict(&made(None, purpose), &["-purpose", asked]).expect_err(asked);
        assert!(refused.contains("purpose"), "{asked}: {refused}");
    }
}

#[test]
fn a_leaf_lives_at_most_398_days_and_names_only_what_the_authority_may_sign() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["192.168.1.20", "2001:db8::9"], today()).expect("opened");
    let status = tls.status();
    assert_eq!(status.source, SourceKind::Local);
    let life = status
        .not_after
        .duration_since(status.not_before)
        .expect("forwards");
    assert!(life <= 398 * DAY, "{life:?}");
    assert_eq!(status.not_before, today() - DAY);
    assert_eq!(
        status.names,
        ["chat.example.org", "kinglet", "kinglet.local", "192.168.1.20"]
    );
    assert_eq!(
        status.left_out,
        ["2001:db8::9"],
        "a public address would spoil the whole certificate"
    );
    let authority = status.authority.as_ref().expect("an authority");
    assert!(
        authority.name.starts_with("Kinglet ") && authority.name.ends_with(" CA"),
        "{}",
        authority.name
    );
    assert_eq!(authority.fingerprint, trust::fingerprint(&ca(&tls)));
    assert!(authority.not_after >= today() + 3650 * DAY);
    assert_eq!(
        CertificateDer::from_pem_slice(tls.ca_pem().expect("PEM").as_bytes()).expect("PEM"),
        ca(&tls)
    );
}

#[tokio::test]
async fn keys_are_closed_to_others_and_a_restart_keeps_authority_and_leaf() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["10.0.0.5"], today()).expect("opened");
    let (first_ca, first_leaf) = (ca(&tls), leaf(&tls, today()).await);
    let store = dir.path().join("tls");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&store), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&store).expect("listed") {
        assert_eq!(mode(&file.expect("listed").path()), 0o600);
        files += 1;
    }
    assert_eq!(files, 2, "authority and leaf, and no leftover");

    drop(tls);
    let tls = local(dir.path(), &["10.0.0.5"], today() + DAY).expect("opened again");
    assert_eq!(ca(&tls), first_ca);
    assert_eq!(leaf(&tls, today()).await, first_leaf);

    // Changed while it was off: the same authority, loaded from the file, signs for the new address.
    drop(tls);
    let tls = local(dir.path(), &["10.0.0.6"], today() + DAY).expect("opened again");
    assert_eq!(ca(&tls), first_ca);
    let config = Arc::new(client(first_ca, today() + DAY, rustls::ALL_VERSIONS));
    assert_ne!(
        meet(&tls, &config, "10.0.0.6")
            .await
            .expect("the new address")
            .leaf,
        first_leaf
    );
}

#[tokio::test]
async fn a_damaged_authority_is_never_replaced_but_a_damaged_leaf_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = ca(&local(dir.path(), &[], today()).expect("opened"));
    let store = dir.path().join("tls");
    fs::write(store.join("leaf.pem"), b"half a fi").expect("damaged");
    let tls = local(dir.path(), &[], today()).expect("opened");
    assert_eq!(ca(&tls), first);
    leaf(&tls, today()).await;

    // A leaf of another authority, as after a partial restore.
    let other = tempfile::tempdir().expect("a temporary directory");
    drop(local(other.path(), &[], today()).expect("opened"));
    fs::copy(other.path().join("tls/leaf.pem"), store.join("leaf.pem")).expect("mixed up");
    leaf(&local(dir.path(), &[], today()).expect("opened"), today()).await;

    fs::write(store.join(AUTHORITY_FILE), b"half a fi").expect("damaged");
    let cause = local(dir.path(), &[], today()).err().expect("refused");
    assert!(format!("{cause:#}").contains("restore"), "{cause:#}");
    assert_eq!(
        fs::read(store.join(AUTHORITY_FILE)).expect("still there"),
        b"half a fi"
    );
}

#[tokio::test]
async fn a_new_address_gives_a_new_leaf_of_the_same_authority_while_running() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["192.168.1.20"], today()).expect("opened");
    let (first_ca, first_leaf) = (ca(&tls), leaf(&tls, today()).await);
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::Unchanged);

    tls.set_names(names(&["192.168.1.77", "8.8.8.8"]));
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::NewLeaf);
    assert_eq!(ca(&tls), first_ca);
    let config = Arc::new(client(first_ca, today(), rustls::ALL_VERSIONS));
    assert_ne!(
        meet(&tls, &config, "192.168.1.77")
            .await
            .expect("the new address")
            .leaf,
        first_leaf
    );
    assert_eq!(tls.status().left_out, ["8.8.8.8"]);
    assert!(
        meet(&tls, &config, "192.168.1.20").await.is_err(),
        "the old address is somebody else's now"
    );
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::Unchanged);

    // Devices hold a copy of the authority, so its permission cannot grow: a name it does not cover is left out.
    tls.set_names(Names {
        extra: vec!["late.example".into(), "robin.local".into()],
        ..names(&[])
    });
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::NewLeaf);
    assert_eq!(tls.status().left_out, ["late.example"]);
    meet(&tls, &config, "robin.local").await.expect("below .local");

    let serving = leaf(&tls, today()).await;
    tls.set_names(Names {
        extra: vec!["no such name".into()],
        ..names(&[])
    });
    tls.reload(today()).expect_err("a name that cannot be");
    assert_eq!(leaf(&tls, today()).await, serving);
}

#[tokio::test]
async fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &[], today()).expect("opened");
    let first = tls.status();
    let life = first
        .not_after
        .duration_since(first.not_before)
        .expect("forwards");
    let turn = first.not_before + life * 2 / 3;
    assert_eq!(tls.reload(turn - DAY).expect("looked"), Reloaded::Unchanged);
    assert_eq!(tls.reload(turn + DAY).expect("looked"), Reloaded::NewLeaf);
    assert_eq!(tls.status().not_before, turn);
    leaf(&tls, turn + 396 * DAY - DAY).await;
    // The clock had been ahead: back to a leaf that is valid now.
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::NewLeaf);
    leaf(&tls, today()).await;
}

#[tokio::test]
async fn a_clock_at_1970_gives_a_certificate_valid_from_the_floor() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tls = local(dir.path(), &["10.0.0.5"], UNIX_EPOCH).expect("opened");
    let status = tls.status();
    assert_eq!(status.not_before, floor() - DAY);
    assert!(status.not_after <= floor() + 397 * DAY);
    leaf(&tls, floor()).await;

    // The clock is set, much later; then a power cut, and it is 1970 again: the good leaf stays, and a new one would not
    // begin before it.
    let later = floor() + 600 * DAY;
    assert_eq!(tls.reload(later).expect("looked"), Reloaded::NewLeaf);
    let good = leaf(&tls, later).await;
    drop(tls);
    let tls = local(dir.path(), &["10.0.0.5"], UNIX_EPOCH).expect("opened again");
    assert_eq!(leaf(&tls, later).await, good);
    tls.set_names(names(&["10.0.0.6"]));
    assert_eq!(tls.reload(UNIX_EPOCH).expect("looked"), Reloaded::NewLeaf);
    assert_ne!(leaf(&tls, later).await, good);
}

#[tokio::test]
async fn a_clock_far_ahead_neither_panics_nor_spoils_what_there_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let wild = UNIX_EPOCH + 365 * 9000 * DAY;
    let tls = local(dir.path(), &[], wild).expect("opened");
    assert_eq!(tls.reload(today()).expect("the clock was set"), Reloaded::NewLeaf);
    leaf(&tls, today()).await;

    let dir = tempfile::tempdir().expect("a temporary directory");
    let good = ca(&local(dir.path(), &[], today()).expect("opened"));
    let tls =
        local(dir.path(), &[], wild).expect("a box out of reach would be worse than an old certificate");
    tls.reload(wild).expect_err("the authority seems to be over");
    assert_eq!(ca(&tls), good);
    leaf(&tls, today()).await;
}

/// A box that lay in a drawer, and one whose clock was kept on the card and stands weeks back.
#[tokio::test]
async fn after_weeks_and_years_without_power_there_is_a_good_certificate_as_soon_as_the_clock_is_right() {
    for days in [20, 200, 300, 900] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = leaf(&local(dir.path(), &[], today()).expect("opened"), today()).await;
        let now = today() + days * DAY;
        let tls = local(dir.path(), &[], UNIX_EPOCH).expect("opened before the clock was set");
        let outcome = tls.reload(now).expect("looked");
        let is_old = days > 250;
        assert_eq!(outcome == Reloaded::NewLeaf, is_old, "{days}");
        assert_eq!(leaf(&tls, now).await == first, !is_old, "{days}");
        drop(tls);
        let tls = local(dir.path(), &[], now - 40 * DAY).expect("opened with a clock that is behind");
        leaf(&tls, now).await;
    }
}

/// What another certificate manager would leave on the disk.
fn put_pair(dir: &Path, name: &str) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_string()])
        .expect("a name")
        .self_signed(&key)
        .expect("signed");
    fs::write(dir.join("cert.pem"), certificate.pem()).expect("written");
    fs::write(dir.join("key.pem"), key.serialize_pem()).expect("written");
    certificate.der().clone()
}

#[tokio::test]
async fn changed_files_are_taken_and_broken_ones_are_not() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let first = put_pair(dir.path(), "chat.example.org");
    let tls = Tls::open(
        TlsConfig::of(Source::Files {
            cert: cert.clone(),
            key: key.clone(),
        }),
        today(),
    );
    let tls = tls.expect("opened");
    let serves = async |root: &CertificateDer<'static>| {
        let config = Arc::new(client(root.clone(), today(), rustls::ALL_VERSIONS));
        meet(&tls, &config, "chat.example.org").await.is_ok()
    };
    assert!(serves(&first).await);
    assert_eq!(tls.status().source, SourceKind::Files);
    assert_eq!(tls.status().names, ["chat.example.org"]);
    assert!(tls.ca_der().is_none() && tls.ca_pem().is_none());
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::Unchanged);

    let good_cert = fs::read(&cert).expect("read");
    for broken in [
        b"".as_slice(),
        b"half a fi",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        fs::write(&cert, broken).expect("broken");
        tls.reload(today()).expect_err("a broken file");
        assert!(serves(&first).await);
    }
    fs::remove_file(&cert).expect("gone");
    let cause = tls.reload(today()).expect_err("a missing file");
    assert!(format!("{cause:#}").contains("cert.pem"), "{cause:#}");

    // Renewed, but the old certificate is put back beside the new key: they do not belong together.
    let second = put_pair(dir.path(), "chat.example.org");
    let new_cert = fs::read(&cert).expect("read");
    fs::write(&cert, good_cert).expect("mixed up");
    tls.reload(today()).expect_err("a pair that does not match");
    assert!(serves(&first).await);

    fs::write(&cert, new_cert).expect("the renewal is complete");
    assert_eq!(tls.reload(today()).expect("looked"), Reloaded::NewFiles);
    assert!(serves(&second).await && !serves(&first).await);
}
