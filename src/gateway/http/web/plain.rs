//! What plain http shows: the way to trust this server, or the way to https once a browser has said that it came there without
//! a warning, or needs none; and what https says of that. What must not live here: the page's words, and certificates
//! (`gateway::tls`).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Uri;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::super::problem;
use super::{HTML, NOTHING, safe};
use crate::gateway::tls::profile::{PROFILE_PATH, PROFILE_TYPE, profile};
use crate::gateway::tls::trust::{
    CA_DER_PATH, CA_DER_TYPE, CA_PEM_PATH, CA_PEM_TYPE, TrustFacts, foreign_page, to_pem, trust_csp,
    trust_page,
};
use crate::gateway::tls::{Tls, TlsStatus};

/// Where the trust page is found on every listener.
const TRUST_PATH: &str = "/trust";
/// Where a browser says, over TLS, that it came without a warning.
const PROVEN_PATH: &str = "/trust/proven";
/// What it gets for it. No secret: it opens nothing but the way to https.
const PROOF: &str = "kinglet-trust";
/// As long as browsers keep a cookie (RFC 6265bis).
const PROOF_SECONDS: u32 = 400 * 24 * 60 * 60;
/// For so long a browser comes by https alone: a month, so that who goes back to a certificate of the server's own is not
/// locked out for longer.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=2592000");

/// What the plain-http listener has to know.
pub struct PlainHttp {
    pub tls: Arc<Tls>,
    /// What people call the server.
    pub name: String,
    /// The canonical https address, without a slash at its end.
    pub https_url: String,
    /// The port of the TLS listener.
    pub https_port: u16,
}

impl PlainHttp {
    /// Where somebody goes on who came by this host: by the same one, if the certificate names it.
    fn goes_on_at(&self, host: &str) -> String {
        let canonical = self.https_url.split_once("://").map_or("", |(_, rest)| rest);
        let is_canonical = host_of(canonical).eq_ignore_ascii_case(host);
        if is_canonical || !self.tls.status_for(host).covers(host) {
            return self.https_url.clone();
        }
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        match self.https_port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        }
    }

    /// Whether this browser reaches https without a warning: because every browser does, or because it said so.
    fn is_trusted(&self, host: &str, headers: &HeaderMap) -> bool {
        let base = self.tls.status();
        self.tls.is_public_for(host) || base.public || proofs(headers).any(|proof| proof == base.proof)
    }
}

/// The host of `Host`, without brackets and port.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// By which host a request came; HTTP/2 says it in the address.
fn came_by<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(|authority| authority.as_str());
    host_of(host.or(authority).unwrap_or_default())
}

fn proofs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(PROOF)?.strip_prefix('='))
}

/// The plain-http listener. Nothing here takes a password, a token or a command.
pub fn plain_http(facts: Arc<PlainHttp>) -> Router {
    Router::new()
        .fallback(plain)
        .with_state(Arc::clone(&facts))
        .merge(trust(facts))
}

/// The trust page again, for the other listeners: who has come past a warning finds the way to do without. Nothing, where the
/// certificate is not the server's own.
pub fn trust(facts: Arc<PlainHttp>) -> Router {
    if facts.tls.ca_der().is_none() {
        return Router::new();
    }
    Router::new()
        .route(TRUST_PATH, get(page_of_trust))
        .route(CA_DER_PATH, get(ca_der))
        .route(CA_PEM_PATH, get(ca_pem))
        .route(PROFILE_PATH, get(ca_profile))
        .with_state(facts)
}

/// What is added for listeners that speak TLS: they take a browser's word that it came without a warning, and tell it to come by
/// nothing else, if every browser trusts the certificate.
pub fn over_tls(router: Router, facts: Arc<PlainHttp>) -> Router {
    let said = Router::new()
        .route(PROVEN_PATH, post(proven))
        .with_state(Arc::clone(&facts));
    let router = router.merge(said);
    if facts.tls.may_be_public() {
        router.layer(from_fn_with_state(facts, strictly))
    } else {
        router
    }
}

async fn plain(
    State(facts): State<Arc<PlainHttp>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let host = came_by(&headers, &uri);
    if facts.is_trusted(host, &headers) {
        return redirect(&facts.goes_on_at(host), &uri);
    }
    if uri.path() == "/" && (method == Method::GET || method == Method::HEAD) {
        return page_of_trust(State(facts), uri, headers).await;
    }
    problem::not_found().await.into_response()
}

fn redirect(base: &str, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match HeaderValue::from_str(&format!("{base}{path}")) {
        // 307, not 308: a browser would keep a permanent one after the certificate is gone.
        Ok(to) => {
            let headers = [
                (header::LOCATION, to),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn page_of_trust(State(facts): State<Arc<PlainHttp>>, uri: Uri, headers: HeaderMap) -> Response {
    let status = facts.tls.status();
    let https_url = facts.goes_on_at(came_by(&headers, &uri));
    let page = match (&status.authority, facts.tls.ca_der()) {
        (Some(authority), Some(ca_der)) => trust_page(&TrustFacts {
            server_name: &facts.name,
            https_url: &https_url,
            ca_name: &authority.name,
            ca_der,
        }),
        _ => foreign_page(&facts.name, &https_url),
    };
    let mut response = safe(
        ([(header::CONTENT_TYPE, HTML)], page).into_response(),
        &trust_csp(),
    );
    // The same address leads on once the browser has said that it trusts.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page that a browser shows without a warning has said so. A word that somebody else made it say does no harm: it leads to
/// https, where the browser checks for itself.
async fn proven(State(facts): State<Arc<PlainHttp>>) -> Response {
    let status = facts.tls.status();
    let mut cookie = String::new();
    // Not `Secure`: it is for plain http.
    write!(
        cookie,
        "{PROOF}={}; Path=/; Max-Age={PROOF_SECONDS}; HttpOnly; SameSite=Lax",
        status.proof
    )
    .expect("writing to a String cannot fail");
    let cookie = HeaderValue::from_str(&cookie).expect("a proof is made of digits");
    let headers = [
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn strictly(State(facts): State<Arc<PlainHttp>>, request: Request, next: Next) -> Response {
    let is_public = facts.tls.is_public_for(came_by(request.headers(), request.uri()));
    let mut response = next.run(request).await;
    if is_public {
        let name: HeaderName = header::STRICT_TRANSPORT_SECURITY;
        response.headers_mut().insert(name, STRICT);
    }
    response
}

async fn ca_der(State(facts): State<Arc<PlainHttp>>) -> Response {
    let der = facts.tls.ca_der().unwrap_or_default().to_vec();
    safe(
        ([(header::CONTENT_TYPE, CA_DER_TYPE)], der).into_response(),
        NOTHING,
    )
}

async fn ca_pem(State(facts): State<Arc<PlainHttp>>) -> Response {
    let pem = facts.tls.ca_der().map(to_pem).unwrap_or_default();
    safe(
        ([(header::CONTENT_TYPE, CA_PEM_TYPE)], pem).into_response(),
        NOTHING,
    )
}

async fn ca_profile(State(facts): State<Arc<PlainHttp>>) -> Response {
    let status = facts.tls.status();
    let name = |status: &TlsStatus| status.authority.as_ref().map(|authority| authority.name.clone());
    let name = name(&status).unwrap_or_else(|| "Kinglet CA".to_owned());
    let text = profile(&facts.name, &name, facts.tls.ca_der().unwrap_or_default());
    safe(
        ([(header::CONTENT_TYPE, PROFILE_TYPE)], text).into_response(),
        NOTHING,
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use axum::body::Body;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::RootCertStore;
    use tower::ServiceExt;

    use super::*;
    use crate::gateway::tls::{CLOCK_FLOOR, Names, Source, TlsConfig};

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + CLOCK_FLOOR + Duration::from_secs(8_640_000)
    }

    /// An authority as browsers have them, and a certificate of it in files.
    fn pair(dir: &Path, names: &[&str]) -> (Source, RootCertStore) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("signed");
        let issuer = Issuer::from_ca_cert_der(authority.der(), key).expect("an issuer");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(names).expect("names");
        let leaf = leaf.signed_by(&key, &issuer).expect("signed");
        let (cert, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert, leaf.pem()).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        (Source::Files { cert, key: key_file }, roots)
    }

    fn facts(source: Source, public: Option<RootCertStore>) -> Arc<PlainHttp> {
        let mut config = TlsConfig::of(source);
        if let Some(public) = public {
            config.public = Arc::new(public);
        }
        Arc::new(PlainHttp {
            tls: Arc::new(Tls::open(config, now()).expect("opened")),
            name: "kinglet.local".into(),
            https_url: "https://kinglet.local:8443".into(),
            https_port: 9443,
        })
    }

    async fn ask(
        router: &Router,
        method: &str,
        host: &str,
        path: &str,
        cookie: &str,
    ) -> (u16, HeaderMap, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("cookie", cookie)
            .body(Body::empty());
        let response = router
            .clone()
            .oneshot(request.expect("a request"))
            .await
            .expect("an answer");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
        let text = String::from_utf8_lossy(&body).into_owned();
        (parts.status.as_u16(), parts.headers, text)
    }

    fn leads_to(headers: &HeaderMap) -> &str {
        headers[header::LOCATION].to_str().expect("an address")
    }

    #[tokio::test]
    async fn plain_http_leads_on_only_a_browser_that_said_it_trusts_this_very_authority() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let names = Names {
            addresses: vec!["192.168.1.20".parse().expect("an address")],
            ..Names::new("kinglet")
        };
        let local = |dir: &str, names: &Names, root: &Path| Source::Local {
            dir: root.join(dir),
            names: names.clone(),
        };
        let facts = |name| facts(local(name, &names, dir.path()), None);
        let own = facts("own");
        let (plain, tls) = (
            plain_http(Arc::clone(&own)),
            over_tls(Router::new(), Arc::clone(&own)),
        );
        let (status, headers, page) = ask(&plain, "GET", "kinglet.local:8080", "/", "").await;
        assert!(
            status == 200 && page.contains("kinglet-ca.crt"),
            "{status} {page}"
        );
        assert!(
            page.contains("href=\"https://kinglet.local:8443\"")
                && headers[header::CACHE_CONTROL] == "no-store"
        );
        // Whoever came by the address goes on by it, since their device may not know the name.
        let (_, _, page) = ask(&plain, "GET", "192.168.1.20:8080", "/", "").await;
        assert!(page.contains("href=\"https://192.168.1.20:9443\""), "{page}");
        let (_, _, page) = ask(&plain, "GET", "192.168.1.21:8080", "/", "").await;
        assert!(
            page.contains("href=\"https://kinglet.local:8443\""),
            "the certificate does not name it"
        );
        assert_eq!(
            ask(&plain, "POST", "kinglet.local", "/trust/proven", "").await.0,
            404,
            "only over TLS"
        );

        let (status, headers, _) = ask(&tls, "POST", "kinglet.local:8443", "/trust/proven", "").await;
        assert_eq!(status, 204);
        let cookie = headers[header::SET_COOKIE].to_str().expect("text");
        assert!(
            !cookie.contains("Secure") && cookie.contains("HttpOnly"),
            "{cookie}"
        );
        let proof = cookie.split(';').next().expect("the pair");
        for method in ["GET", "HEAD", "POST"] {
            let (status, headers, _) = ask(
                &plain,
                method,
                "kinglet.local:8080",
                "/c/x?y=1",
                &format!("a=b; {proof}"),
            )
            .await;
            assert_eq!(
                (status, leads_to(&headers)),
                (307, "https://kinglet.local:8443/c/x?y=1")
            );
        }
        let (_, headers, _) = ask(&plain, "GET", "192.168.1.20", "/", proof).await;
        assert_eq!(leads_to(&headers), "https://192.168.1.20:9443/");
        let (status, ..) = ask(&plain, "GET", "kinglet.local", "/trust", proof).await;
        assert_eq!(status, 200, "the page stays where it is");
        for wrong in [
            "kinglet-trust=",
            "kinglet-trust=0000000000000000",
            "xkinglet-trust=1",
        ] {
            assert_eq!(
                ask(&plain, "GET", "kinglet.local", "/", wrong).await.0,
                200,
                "{wrong}"
            );
        }
        // An authority that was made anew is trusted by nobody yet.
        let other = plain_http(facts("another"));
        assert_eq!(ask(&other, "GET", "kinglet.local", "/", proof).await.0, 200);
        let (_, headers, _) = ask(&tls, "POST", "kinglet.local", "/trust/proven", "").await;
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[tokio::test]
    async fn a_public_certificate_leads_everybody_on_and_only_it_is_strict() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (source, roots) = pair(dir.path(), &["chat.example.org"]);
        for (public, expected) in [(Some(roots), 307), (None, 200)] {
            let facts = facts(source.clone(), public);
            let (plain, tls) = (
                plain_http(Arc::clone(&facts)),
                over_tls(Router::new(), Arc::clone(&facts)),
            );
            let (status, headers, page) = ask(&plain, "GET", "chat.example.org", "/", "").await;
            assert_eq!(status, expected);
            if status == 307 {
                assert_eq!(leads_to(&headers), "https://chat.example.org:9443/");
            } else {
                assert!(
                    page.contains("https://chat.example.org:9443") && !page.contains("kinglet-ca"),
                    "{page}"
                );
                assert_eq!(ask(&plain, "GET", "chat.example.org", "/trust", "").await.0, 404);
            }
            assert!(
                !headers.contains_key(header::STRICT_TRANSPORT_SECURITY),
                "never over plain http"
            );
            for (host, is_named) in [
                ("chat.example.org", true),
                ("other.example.org", false),
                ("192.168.1.20", false),
            ] {
                let (_, headers, _) = ask(&tls, "GET", host, "/x", "").await;
                let strict = headers.get(header::STRICT_TRANSPORT_SECURITY);
                assert_eq!(strict.is_some(), is_named && expected == 307, "{host}");
            }
        }
    }
}
