//! Routes about push: the server's key, the subscription of the device that asks, a test. What must not live here: anything
//! but reading the request and asking the session floor.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};

use super::Face;
use super::auth::{ApiCaller, ApiJson};
use super::problem::Problem;
use crate::proto::push::{PushInfo, PushSubscribe, PushSubscription, PushTested};

type At = State<Arc<Face>>;
type Answer<T> = Result<ApiJson<T>, Problem>;

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/push", get(info))
        .route(
            "/push/subscription",
            put(subscribe).get(subscription).delete(unsubscribe),
        )
        .route("/push/test", post(test))
}

/// Whether this server sends push messages, and the key to subscribe with.
#[utoipa::path(
    get,
    path = "/api/v1/push",
    tag = "push",
    responses((status = 200, body = PushInfo), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn info(State(face): At, ApiCaller(_): ApiCaller) -> Answer<PushInfo> {
    Ok(ApiJson(face.services.push_info()))
}

/// Subscribe the device that asks, in place of what it had. The same again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/push/subscription",
    tag = "push",
    request_body = PushSubscribe,
    responses((status = 200, body = PushSubscription), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn subscribe(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<PushSubscribe>,
) -> Answer<PushSubscription> {
    Ok(ApiJson(face.services.subscribe(&caller, body).await?))
}

/// The subscription of the device that asks.
#[utoipa::path(
    get,
    path = "/api/v1/push/subscription",
    tag = "push",
    responses((status = 200, body = PushSubscription), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn subscription(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<PushSubscription> {
    Ok(ApiJson(face.services.subscription(&caller).await?))
}

/// End the subscription of the device that asks.
#[utoipa::path(
    delete,
    path = "/api/v1/push/subscription",
    tag = "push",
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn unsubscribe(
    State(face): At,
    ApiCaller(caller): ApiCaller,
) -> Result<StatusCode, Problem> {
    face.services.unsubscribe(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test to the device that asks, and tell what its push service answered.
#[utoipa::path(
    post,
    path = "/api/v1/push/test",
    tag = "push",
    responses((status = 200, body = PushTested), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn test(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<PushTested> {
    Ok(ApiJson(face.services.test_push(&caller).await?))
}
