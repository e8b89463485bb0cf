//! Routes about the server itself: what the team is called, the one address, the recovery key. What must not live here:
//! anything but reading the request and asking `session::accounts`, and which names this machine answers to (`hosts`).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use zeroize::Zeroize;

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, At};
use super::problem::Problem;
use crate::proto::house::{ChangeServer, NewRecoveryKey, ServerInfo};

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/server", get(server).patch(change_server))
        .route("/server/recovery-key", post(make_recovery_key))
}

/// What the server is called and known by. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/server",
    tag = "server",
    responses((status = 200, body = ref("#/components/schemas/ServerInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn server(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<ServerInfo> {
    Ok(ApiJson(face.accounts.server(&caller).await?))
}

/// Change what it is called, or the address that people are told. For admins.
#[utoipa::path(
    patch,
    path = "/api/v1/server",
    tag = "server",
    request_body = ref("#/components/schemas/ChangeServer"),
    responses((status = 200, body = ref("#/components/schemas/ServerInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn change_server(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<ChangeServer>,
) -> Answer<ServerInfo> {
    face.hosts.may_be_told(body.address.as_deref())?;
    Ok(ApiJson(face.accounts.change_server(&caller, body).await?))
}

/// Make the key that backups are encrypted to. It is told once. For owners.
#[utoipa::path(
    post,
    path = "/api/v1/server/recovery-key",
    tag = "server",
    request_body = ref("#/components/schemas/NewRecoveryKey"),
    responses((status = 200, body = ref("#/components/schemas/RecoveryKey")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn make_recovery_key(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<NewRecoveryKey>,
) -> Result<Response, Problem> {
    let mut made = ApiJson(face.accounts.make_recovery_key(&caller, body).await?);
    let answer = serde_json::to_vec(&made.0).expect("answers are made of what JSON can say");
    made.0.key.zeroize();
    Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], answer).into_response())
}
