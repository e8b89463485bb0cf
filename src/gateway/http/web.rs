//! What a browser or a monitor gets without an account: the plain page at `/`, `/health`, `/metrics`. The client that comes
//! along is in `web/client`, what plain http shows in `web/plain`. What must not live here: anything that depends on who asks,
//! but for `/metrics`.

#[cfg(feature = "web")]
mod client;
mod plain;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Face;
use super::auth::{ApiJson, ApiPeer};
use super::problem::{self, Problem};
use crate::proto::account::Health;

pub use plain::{PlainHttp, over_tls, plain_http, trust};

const HTML: &str = "text/html; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Nothing is loaded, run, framed or posted; the page needs none of it.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`, `/health` and `/metrics`.
pub fn routes() -> Router<Arc<Face>> {
    front()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
}

#[cfg(feature = "web")]
fn front() -> Router<Arc<Face>> {
    client::routes()
}

/// A server that brings no client along says how to connect with another.
#[cfg(not(feature = "web"))]
fn front() -> Router<Arc<Face>> {
    Router::new().route("/", get(page))
}

#[cfg(not(feature = "web"))]
async fn page(State(face): State<Arc<Face>>) -> Response {
    let text = front_page(&face.services.health());
    safe(([(header::CONTENT_TYPE, HTML)], text).into_response(), NOTHING)
}

/// Whether messages are taken.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operator",
    responses(
        (status = 200, body = ref("#/components/schemas/Health")),
        (status = 503, body = ref("#/components/schemas/Health")),
    ),
)]
pub(super) async fn health(State(face): State<Arc<Face>>) -> Response {
    told(face.services.health())
}

/// 200 only while messages are taken.
pub(super) fn told(health: Health) -> Response {
    let status = if health.status == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(header::CACHE_CONTROL, "no-store")], ApiJson(health)).into_response()
}

/// For this machine's own monitor: how much a team talks is nobody else's business.
async fn metrics(State(face): State<Arc<Face>>, ApiPeer(peer): ApiPeer) -> Result<Response, Problem> {
    if !peer.ip.is_loopback() {
        return Err(problem::not_found().await);
    }
    Ok(measured(&face))
}

pub(super) fn measured(face: &Face) -> Response {
    (
        [
            (header::CONTENT_TYPE, METRICS),
            (header::CACHE_CONTROL, "no-store"),
        ],
        (face.metrics)(),
    )
        .into_response()
}

fn safe(mut response: Response, policy: &str) -> Response {
    let policy = HeaderValue::from_str(policy).expect("a policy is plain text");
    let fixed = HeaderValue::from_static;
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::CACHE_CONTROL, fixed("no-cache")),
    ];
    response.headers_mut().extend(headers);
    response
}

#[cfg(any(test, not(feature = "web")))]
fn front_page(health: &Health) -> String {
    let next = if health.claimed {
        "<p>To join, you need an invitation from somebody who is here already. Its link brings you to this address; \
         your app takes the code behind the <code>#</code>. Without an app, <code>POST /api/v1/join</code> takes it.</p>"
    } else {
        "<p><strong>Nobody owns this server yet.</strong> It printed a claim code when it started, and the command to \
         claim it with (<code>POST /api/v1/claim</code>). The code works from this machine and its own network only.</p>"
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Kinglet</title>\n</head>\n<body>\n\
         <h1>Kinglet</h1>\n<p>This is a private instant-messaging server. It keeps a team's conversations on this \
         machine and nowhere else.</p>\n{next}\n\
         <h2>How to connect</h2>\n<ol>\n\
         <li>Sign in: <code>POST /api/v1/sign-in</code> gives a token.</li>\n\
         <li>Talk: open a WebSocket at <code>/ws</code> with the subprotocol <code>kinglet.v1</code> and send \
         <code>{{\"id\":\"1\",\"type\":\"hello\",\"token\":\"…\"}}</code>.</li>\n\
         <li>The words are in <code>docs/PROTOCOL.md</code>, which comes with the server.</li>\n</ol>\n\
         <h2>For the operator</h2>\n<p><code>kinglet invite</code> on this machine makes an invitation, \
         <code>kinglet --help</code> tells the rest. This server is {}; version {}.</p>\n</body>\n</html>\n",
        escape(&health.status.replace('_', " ")),
        escape(&health.version)
    )
}

/// Safe in text.
#[cfg(any(test, not(feature = "web")))]
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_page_says_what_comes_next_and_holds_no_script() {
        let health = |claimed, status: &str| Health {
            status: status.into(),
            version: "1.2.3<x>".into(),
            claimed,
            synchronised: true,
            team: None,
            first_run: None,
        };
        let fresh = front_page(&health(false, "ready"));
        assert!(fresh.contains("claim code") && fresh.contains("kinglet.v1") && fresh.contains("\"hello\""));
        assert!(fresh.contains("1.2.3&lt;x&gt;") && !fresh.contains("<script"));
        assert!(front_page(&health(true, "read_only")).contains("read only"));
        assert!(!front_page(&health(true, "ready")).contains("claim code"));
        assert_eq!(told(health(true, "ready")).status(), StatusCode::OK);
        assert_eq!(
            told(health(true, "full")).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
