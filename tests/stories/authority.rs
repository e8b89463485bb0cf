//! A certificate authority for stories: pebble, which Let's Encrypt makes to test clients with, and its name server, both as
//! Debian packages them (`pebble`), on loopback. What must not live here: stories.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{Output, PATIENCE};
use crate::tls::{free_port, trusting};

pub struct Authority {
    dir: TempDir,
    port: u16,
    management: u16,
    /// Where records are made.
    pub records: u16,
    output: Arc<Output>,
    programs: Vec<Child>,
}

impl Authority {
    /// One that asks every name at this port of this machine.
    pub async fn asking_at(asked: u16) -> Authority {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        let own = own.self_signed(&key).expect("signed");
        let (port, management, records, names) = (
            free_port().await,
            free_port().await,
            free_port().await,
            free_port().await,
        );
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("cert.pem"), own.pem()).expect("written");
        std::fs::write(file("key.pem"), key.serialize_pem()).expect("written");
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("cert.pem"),
            "privateKey": file("key.pem"),
            "httpPort": asked,
            "tlsPort": asked,
        } });
        std::fs::write(file("pebble.json"), config.to_string()).expect("written");
        let mut authority = Authority {
            dir,
            port,
            management,
            records,
            output: Arc::default(),
            programs: Vec::new(),
        };
        let names = format!("127.0.0.1:{names}");
        authority.run(
            Command::new("pebble-challtestsrv")
                .args(["-dns01", &names, "-management", &format!("127.0.0.1:{records}")])
                .args([
                    "-http01",
                    "",
                    "-https01",
                    "",
                    "-tlsalpn01",
                    "",
                    "-defaultIPv6",
                    "",
                ]),
        );
        let config = authority.dir.path().join("pebble.json");
        authority.run(
            Command::new("pebble")
                .args(["-dnsserver", &names, "-strict", "-config"])
                .arg(config)
                .env("PEBBLE_VA_NOSLEEP", "1")
                // Each order proves each name anew; without this every second one does not.
                .env("PEBBLE_AUTHZREUSE", "0"),
        );
        for port in [port, management, records] {
            authority.answers(port).await;
        }
        authority
    }

    fn run(&mut self, command: &mut Command) {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut program =
            started.unwrap_or_else(|error| panic!("{command:?}: {error}; on Debian: apt install pebble"));
        self.output.follow(program.stdout.take().expect("it was piped"));
        self.output.follow(program.stderr.take().expect("it was piped"));
        self.programs.push(program);
    }

    async fn answers(&self, port: u16) {
        let mut tries = tokio::time::interval(std::time::Duration::from_millis(20));
        let listening = async {
            loop {
                tries.tick().await;
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return;
                }
            }
        };
        let listening = tokio::time::timeout(PATIENCE, listening).await;
        listening.unwrap_or_else(|_| panic!("nothing listens at {port}:\n{}", self.output.text()));
    }

    /// The settings of a server that orders its certificate here, for this domain.
    pub fn settings(&self, domain: &str) -> Vec<(String, String)> {
        let ca = self.dir.path().join("cert.pem");
        let all = [
            ("KINGLET_TLS_MODE", "auto".to_owned()),
            ("KINGLET_LISTEN_CANONICAL_URL", format!("https://{domain}")),
            ("KINGLET_ACME_ENABLED", "true".to_owned()),
            ("KINGLET_ACME_TERMS_AGREED", "true".to_owned()),
            (
                "KINGLET_ACME_DIRECTORY",
                format!("https://127.0.0.1:{}/dir", self.port),
            ),
            ("KINGLET_ACME_CA", ca.display().to_string()),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Nobody answers there any more; its files stay.
    pub fn close(&mut self) {
        for mut program in self.programs.drain(..) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }

    /// What browsers would trust if this were a public authority. It is another one at each start.
    pub fn root(&self) -> CertificateDer<'static> {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let got = Command::new("curl")
            .args(["-sk", &url])
            .output()
            .expect("curl is there");
        CertificateDer::from_pem_slice(&got.stdout).expect("a certificate")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.close();
        if std::thread::panicking() {
            eprintln!("---- what the authority said\n{}", self.output.text());
        }
    }
}

/// The certificate that a client gets which trusts this root alone and comes by this name, or why it does not take it.
pub async fn meets(
    server: SocketAddr,
    name: &str,
    root: &CertificateDer<'static>,
    alpn: &str,
) -> Result<Vec<u8>, String> {
    let mut config = trusting(root.clone());
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(server).await.expect("the server listens");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    let chain = stream
        .get_ref()
        .1
        .peer_certificates()
        .expect("the server shows one");
    Ok(chain[0].to_vec())
}
