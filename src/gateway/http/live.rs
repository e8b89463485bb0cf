//! The doors to what is live: the WebSocket's handshake, and the fallback over plain requests.
//! What must not live here: frames (see `ws`) or sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tower_http::compression::CompressionLayer;

use super::Face;
use super::auth::{ApiId, ApiQuery, ApiReader, ApiSession, bearer, json_body, text};
use super::problem::{self, Problem};
use crate::gateway::served::Served;
use crate::gateway::{frame, ws};
use crate::limits;
use crate::proto::account::{PageOf, PollQuery};
use crate::proto::command::History;
use crate::proto::{Code, ConversationId, Refusal, SUBPROTOCOL};
use crate::session::poll;

/// Routes under the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    let events = get(events).layer(CompressionLayer::new());
    Router::new()
        .route("/commands", post(command))
        .route("/sync", get(sync))
        .route("/conversations/{id}/events", events)
}

/// The WebSocket's route.
pub fn socket() -> Router<Arc<Face>> {
    Router::new().route("/ws", any(upgrade))
}

fn json(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// One command of the protocol, for clients that cannot hold a WebSocket: the same frame, the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/commands",
    tag = "live",
    request_body = ref("#/components/schemas/Request"),
    responses(
        (status = 200, body = ref("#/components/schemas/Reply")),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
pub(super) async fn command(
    State(face): State<Arc<Face>>,
    caller: ApiSession,
    request: Request,
) -> Result<Response, Problem> {
    let body = json_body(request, face.services.limits.frame).await?;
    let replied = poll::command(&face.services, &caller.0.into(), text(&body)?).await;
    let mut response = json(replied.status, replied.frame);
    problem::say_when(&mut response, replied.retry_after_ms);
    Ok(response)
}

/// Events after a resume token, waited for up to 25 seconds.
#[utoipa::path(
    get,
    path = "/api/v1/sync",
    tag = "live",
    params(
        ("after" = Option<String>, Query, description = "The newest resume token; left out on a first load."),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for something new, 0 to 25; 0 when left out."),
    ),
    responses(
        (status = 200, body = ref("#/components/schemas/PollPage")),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
pub(super) async fn sync(
    State(face): State<Arc<Face>>,
    caller: ApiReader,
    ApiQuery(query): ApiQuery<PollQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = Duration::from_secs(query.wait.unwrap_or(0));
    if wait > limits::POLL_WAIT {
        let sentence = format!("`wait` is 0 to {} seconds.", limits::POLL_WAIT.as_secs());
        return Err(Refusal::because(Code::BadRequest, sentence).into());
    }
    let token = bearer(&headers).ok_or(Code::NotSignedIn)?.to_owned();
    let services = Arc::clone(&face.services);
    // Not at the door, since it takes the hub's locks; dropped with this request it ends.
    let mut polling = JoinSet::new();
    polling.spawn_on(
        async move {
            let who = (caller.0.into(), token.as_str());
            poll::sync(&services, who, query.after.as_deref(), wait).await
        },
        &face.live,
    );
    let polled = polling.join_next().await.ok_or(Code::Internal)?;
    let polled = polled.map_err(|_| Code::Internal)??;
    Ok(json(
        200,
        serde_json::to_vec(&polled).map_err(|_| Code::Internal)?,
    ))
}

/// A page of a conversation's events, compressed where the client accepts gzip.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/events",
    tag = "live",
    params(
        ("id" = String, Path, description = "The conversation."),
        ("after" = Option<u64>, Query, description = "Events with a larger seq, ascending."),
        ("before" = Option<u64>, Query, description = "Events with a smaller seq; the page is still ascending."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
    ),
    responses(
        (status = 200, body = ref("#/components/schemas/HistoryPage")),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
pub(super) async fn events(
    State(face): State<Arc<Face>>,
    caller: ApiReader,
    ApiId(conversation): ApiId<ConversationId>,
    ApiQuery(query): ApiQuery<PageOf>,
) -> Result<Response, Problem> {
    let PageOf { after, before, limit } = query;
    let ask = History {
        conversation,
        after,
        before,
        limit,
    };
    Ok(json(
        200,
        poll::history(&face.services, &caller.0.into(), ask).await?,
    ))
}

fn has_word(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// The handshake of RFC 6455, section 4.2: everything it must say, then 101 and the socket's own task.
async fn upgrade(State(face): State<Arc<Face>>, mut request: Request) -> Result<Response, Problem> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has_word(headers, header::CONNECTION, "upgrade")
        && has_word(headers, header::UPGRADE, "websocket");
    if !asks || !has_word(headers, header::SEC_WEBSOCKET_VERSION, "13") {
        let sentence = "This address speaks WebSocket (RFC 6455, version 13, over HTTP/1.1) only.";
        return Err(Problem::with_status(
            StatusCode::UPGRADE_REQUIRED,
            Refusal::because(Code::BadRequest, sentence),
        ));
    }
    if !has_word(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        let sentence = "Offer the subprotocol `kinglet.v1` in `Sec-WebSocket-Protocol`.";
        return Err(Refusal::because(Code::BadRequest, sentence).into());
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok());
    let Some(accept) = key.and_then(frame::accept_key) else {
        return Err(
            Refusal::because(Code::BadRequest, "`Sec-WebSocket-Key` is missing or malformed.").into(),
        );
    };
    let token = bearer(headers).map(str::to_owned);
    let upgrading = hyper::upgrade::on(&mut request);
    let (services, live) = (Arc::clone(&face.services), face.live.clone());
    tokio::spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<Served>>() else {
            return;
        };
        let arrived = ws::Arrived {
            conn: parts.io.into_inner().into_conn(),
            early: parts.read_buf.to_vec(),
            token,
        };
        ws::open(arrived, services, &live).await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    let accept = HeaderValue::from_str(&accept).map_err(|_| Code::Internal)?;
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}
