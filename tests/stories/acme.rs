//! A certificate for a domain of one's own: ordered from a real authority, kept, renewed, and not lost when the authority
//! refuses. What must not live here: when one is due (`workers::acme`), and the authority itself (`authority`).

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::authority::{Authority, meets};
use crate::harness::Server;
use crate::tls::{free_port, trusting};

const DOMAIN: &str = "chat.example.org";
const WEB: &str = "http/1.1";

/// The box's own authority, which whoever comes by address is shown.
fn own(server: &Server) -> CertificateDer<'static> {
    let pem = std::fs::read(server.data().join("tls").join("ca.pem")).expect("a file");
    CertificateDer::from_pem_slice(&pem).expect("PEM")
}

fn trust_own(server: &Server) {
    let config = trusting(own(server));
    *server.world.tls.lock().expect("nobody panicked") = Some(Arc::new(config));
}

/// A server that was here before, and now listens at this port and orders from this authority.
async fn ordering(authority: &Authority, port: u16, more: &[(&str, &str)]) -> Server {
    let mut server = Server::start().await;
    assert_eq!(server.stop().await, Some(0));
    server.env.extend(authority.settings(DOMAIN));
    server
        .env
        .push(("KINGLET_LISTEN_ADDRESS".into(), format!("127.0.0.1:{port}")));
    for (name, value) in more {
        server.env.push(((*name).to_owned(), (*value).to_owned()));
    }
    server
}

/// A certificate of years ago, as a box has it that was in a drawer.
fn put_old(file: &Path) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![DOMAIN.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2024, 4, 1);
    let old = params.self_signed(&key).expect("signed");
    let mut dir = std::fs::DirBuilder::new();
    dir.mode(0o700)
        .create(file.parent().expect("it has one"))
        .expect("made");
    std::fs::write(file, format!("{}{}", key.serialize_pem(), old.pem())).expect("written");
}

async fn certificate(server: &mut Server) -> Value {
    let owner = server.owner().await;
    owner.get("/api/v1/admin/health").await.json(200)["certificate"].clone()
}

#[tokio::test]
async fn a_certificate_is_ordered_over_tls_kept_and_shown_to_whoever_comes_by_the_domain() {
    let port = free_port().await;
    let mut authority = Authority::asking_at(port).await;
    let mut server = ordering(&authority, port, &[]).await;
    let file = server.data().join("tls").join("domain.pem");
    put_old(&file);
    server.restart().await;
    trust_own(&server);
    server
        .says("a new certificate for chat.example.org is in use")
        .await;
    let (at, root) = (server.world.address(), authority.root());
    let shown = meets(at, DOMAIN, &root, WEB)
        .await
        .expect("the authority made it");
    assert!(
        meets(at, "kinglet.local", &root, WEB).await.is_err(),
        "other names"
    );
    meets(at, "127.0.0.1", &own(&server), WEB)
        .await
        .expect("and no name get the box's own");
    for file in ["domain.pem", "acme-account.json", "acme-state.json"] {
        let found = std::fs::metadata(server.data().join("tls").join(file)).expect("it is kept");
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let told = certificate(&mut server).await;
    assert_eq!(
        (&told["source"], &told["names"]),
        (&json!("acme"), &json!([DOMAIN]))
    );
    assert_eq!((&told["failures"], &told["public"]), (&json!(0), &json!(false)));
    assert_eq!(server.metric("kinglet_certificate_orders_total").await, 1.0);
    let ends = server.metric("kinglet_certificate_end_seconds").await;
    assert_eq!(told["ends"].as_f64(), Some(ends * 1000.0));
    // Nobody has asked whether the name leads here.
    assert!(meets(at, DOMAIN, &root, "acme-tls/1").await.is_err());

    // A restart asks nobody for anything.
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    server.signal("HUP");
    assert_eq!(
        meets(server.world.address(), DOMAIN, &root, WEB).await.as_ref(),
        Ok(&shown)
    );
    server.owner().await.live().await.settle().await;
    assert_eq!(server.metric("kinglet_certificate_orders_total").await, 0.0);

    // A name more, and nobody to order from.
    assert_eq!(server.stop().await, Some(0));
    authority.close();
    server
        .env
        .push(("KINGLET_ACME_NAMES".into(), "www.example.org".into()));
    server.restart().await;
    server
        .says("no new certificate for chat.example.org, www.example.org")
        .await;
    assert_eq!(
        meets(server.world.address(), DOMAIN, &root, WEB).await.as_ref(),
        Ok(&shown)
    );
    let told = certificate(&mut server).await;
    assert_eq!(told["failures"], json!(1));
    assert!(
        told["error"]
            .as_str()
            .is_some_and(|error| error.contains("reached")),
        "{told}"
    );
    let (code, out, _) = server.run(&["check"]).await;
    assert!(
        code == 0 && out.contains("note: the last order for a certificate failed"),
        "{out}"
    );
}

#[tokio::test]
async fn what_the_authority_does_not_believe_is_told_and_tried_again_when_somebody_asks() {
    let (port, elsewhere) = (free_port().await, free_port().await);
    let authority = Authority::asking_at(elsewhere).await;
    let mut server = ordering(&authority, port, &[]).await;
    server.restart().await;
    trust_own(&server);
    let said = server.says("no new certificate for chat.example.org").await;
    // Where the authority's word for it comes from, the proof or the order after it, depends on when one looks.
    assert!(
        said.contains("the authority could not check a name") || said.contains("the proof failed"),
        "{said}"
    );
    assert!(said.contains("in 5 minutes"), "{said}");
    meets(server.world.address(), "127.0.0.1", &own(&server), WEB)
        .await
        .expect("it serves all the same");
    server.signal("HUP");
    server.says("in 10 minutes").await;
    assert_eq!(certificate(&mut server).await["failures"], json!(2));
    // Its own certificate names no domain of the internet's that it has none for.
    let told = certificate(&mut server).await;
    assert_eq!(told["source"], "own");
    assert!(
        !told["names"].as_array().expect("names").contains(&json!(DOMAIN)),
        "{told}"
    );
}

/// The operator's program, which writes down how it was called.
fn hook(server: &Server, records: u16) -> PathBuf {
    let (draft, path) = (server.dir.path().join("draft"), server.dir.path().join("hook"));
    let text = format!(
        "#!/bin/sh\necho \"$@\" >>\"$0.log\"\ncase $1 in add) act=set-txt ;; remove) act=clear-txt ;; esac\n\
         exec curl -sf -d \"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\" http://127.0.0.1:{records}/$act\n"
    );
    std::fs::write(&draft, text).expect("written");
    // By another process: a file that this one has open for writing cannot be run.
    let installed = Command::new("install")
        .args(["-m", "755"])
        .arg(&draft)
        .arg(&path)
        .status();
    assert!(installed.expect("coreutils are there").success());
    path
}

#[tokio::test]
async fn a_certificate_is_ordered_with_a_record_that_the_hook_makes_and_takes_away() {
    let (port, elsewhere) = (free_port().await, free_port().await);
    let authority = Authority::asking_at(elsewhere).await;
    let more = [
        ("KINGLET_ACME_CHALLENGE", "dns"),
        ("KINGLET_ACME_NAMES", "www.example.org"),
    ];
    let mut server = ordering(&authority, port, &more).await;
    let hook = hook(&server, authority.records);
    server
        .env
        .push(("KINGLET_ACME_HOOK".into(), hook.display().to_string()));
    server.restart().await;
    trust_own(&server);
    server
        .says("a new certificate for chat.example.org, www.example.org is in use")
        .await;
    let root = authority.root();
    let at = server.world.address();
    let first = meets(at, DOMAIN, &root, WEB)
        .await
        .expect("the authority made it");
    assert_eq!(
        meets(at, "www.example.org", &root, WEB).await.as_ref(),
        Ok(&first)
    );
    let log = std::fs::read_to_string(hook.with_extension("log")).expect("it was called");
    let calls: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(calls.len(), 4, "{log}");
    let (mut added, mut removed): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call[0] == "add");
    for calls in [&mut added, &mut removed] {
        for call in calls.iter_mut() {
            call.remove(0);
        }
        calls.sort();
    }
    assert_eq!(added, removed, "each record was taken away");
    assert_eq!(added[0][0], "_acme-challenge.chat.example.org");
    assert_eq!(added[0][1].len(), 43, "a SHA-256 in base64url");

    // One that fails is told of, and nothing is lost.
    assert_eq!(server.stop().await, Some(0));
    std::fs::remove_file(server.data().join("tls").join("domain.pem")).expect("it was there");
    server.env.push(("KINGLET_ACME_HOOK".into(), "/bin/false".into()));
    server.restart().await;
    let said = server.says("no new certificate for").await;
    assert!(
        said.contains("/bin/false add ended with exit status: 1"),
        "{said}"
    );
}
