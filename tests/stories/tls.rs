//! TLS with the box's own authority, as a client that has installed its certificate sees it. What must not live here:
//! what certificates contain (`tests/tls.rs`).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Server;
use crate::raw::status;

/// A port that was free a moment ago.
pub async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A client that trusts this authority alone.
pub fn trusting(authority: CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A server with TLS, and this client trusts it; gives the plain-http address, too.
pub async fn trusted() -> (Server, String) {
    let plain = format!("127.0.0.1:{}", free_port().await);
    let server = Server::with(&[
        ("KINGLET_TLS_MODE", "local"),
        ("KINGLET_LISTEN_HTTP_ADDRESS", &plain),
    ])
    .await;
    let pem = std::fs::read(server.data().join("tls").join("ca.pem"))
        .expect("the authority's certificate is a file");
    let config = trusting(CertificateDer::from_pem_slice(&pem).expect("PEM"));
    *server.world.tls.lock().expect("nobody panicked") = Some(Arc::new(config));
    (server, plain)
}

async fn plain_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the plain address listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn people_talk_over_tls_and_http_2_and_a_reload_does_not_disturb_them() {
    let (mut server, _) = trusted().await;
    let [anna, ben] = server.people(["anna", "ben"]).await;
    let (mut at_anna, mut at_ben) = (anna.live().await, ben.live().await);
    at_anna.tell(&ben.user, "over wss").await;
    assert_eq!(at_ben.event().await["body"]["text"], "over wss");

    let get = |path: &str| {
        let request =
            hyper::Request::get(path.to_owned()).header("authorization", format!("Bearer {}", anna.token));
        request.body(String::new()).expect("a request")
    };
    let reply = server.world.send_h2(get("/api/v1/profile")).await;
    assert_eq!((reply.status, reply.version), (200, hyper::Version::HTTP_2));
    assert_eq!(reply.json(200)["name"], "anna");
    let upgrade = server.world.send_h2(get("/ws")).await;
    assert_eq!(
        upgrade.status, 426,
        "the WebSocket stays on HTTP/1.1: {}",
        upgrade.text
    );
    assert_eq!(upgrade.refused(), "bad_request");

    let leaf = std::fs::read(server.data().join("tls").join("ca.pem")).expect("a file");
    server.signal("HUP");
    for round in 0..3 {
        at_anna.tell(&ben.user, "after the reload").await;
        at_ben.event().await;
        let fresh = server.world.send(get("/api/v1/profile")).await;
        assert_eq!(fresh.status, 200, "{round}");
    }
    assert_eq!(
        std::fs::read(server.data().join("tls").join("ca.pem")).expect("a file"),
        leaf,
        "the same authority"
    );
    assert_eq!(server.stop().await, Some(0));
    assert_eq!(at_anna.end().await, Some(1012));
    server.restart().await;
    anna.live().await.settle().await;
}

#[tokio::test]
async fn a_reader_over_tls_that_is_blocked_is_cut_within_a_second_too() {
    let _alone = crate::harness::heavy().await;
    let (mut server, _) = trusted().await;
    let owner = server.owner().await;
    let victim = server.person("anna").await;
    let other = victim.other_device().await;
    let group = owner.live().await.group(&[&victim], json!({})).await;
    let live = victim.narrow().await;
    crate::resume::flood(std::slice::from_ref(&owner), &group, 40, &"b".repeat(30_000)).await;
    assert_eq!(
        other
            .delete(&format!("/api/v1/devices/{}", victim.device))
            .await
            .status,
        204
    );
    assert!(
        live.is_cut_within(std::time::Duration::from_secs(1)).await,
        "still open"
    );
}

#[tokio::test]
async fn the_plain_address_shows_the_trust_page_and_nothing_else() {
    let (server, plain) = trusted().await;
    let page = plain_get(&plain, "/").await;
    assert_eq!(status(&page), 200, "{page}");
    assert!(
        page.contains("kinglet-ca.crt") && page.contains("text/html") && !page.contains("<script"),
        "{page}"
    );
    let certificate = plain_get(&plain, "/trust/kinglet-ca.crt").await;
    assert!(
        status(&certificate) == 200 && certificate.contains("application/x-x509-ca-cert"),
        "{certificate}"
    );
    let pem = plain_get(&plain, "/trust/kinglet-ca.pem").await;
    let file = std::fs::read_to_string(server.data().join("tls").join("ca.pem")).expect("a file");
    assert!(
        pem.ends_with(&file),
        "the page gives the certificate that the directory has"
    );
    let compared = std::fs::read_to_string(server.data().join("tls").join("ca.txt")).expect("a file");
    for (line, name) in compared.lines().zip(["words: ", "SHA-256: "]) {
        let said = line.strip_prefix(name).expect("what is compared");
        assert!(page.contains(said), "the page says the same as the box: {said}");
    }
    assert_eq!(compared.lines().count(), 2);
    for path in ["/api/v1/profile", "/ws", "/health", "/metrics", "/api/v1/sign-in"] {
        let answer = plain_get(&plain, path).await;
        assert_eq!(status(&answer), 404, "{path}: {answer}");
    }
    assert!(!page.to_lowercase().contains("strict-transport-security"));
}

#[tokio::test]
async fn plain_words_on_the_tls_port_get_no_answer_and_a_stranger_to_the_authority_no_connection() {
    let (mut server, _) = trusted().await;
    let anna = server.person("anna").await;
    let answer =
        crate::raw::exchange(&server.world, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let stranger = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let trusting = server
        .world
        .tls
        .lock()
        .expect("nobody panicked")
        .replace(Arc::new(stranger));
    assert!(
        server.world.connect(&["http/1.1"]).await.is_err(),
        "an unknown authority is no authority"
    );
    *server.world.tls.lock().expect("nobody panicked") = trusting;
    anna.live().await.settle().await;
}
