//! Routes about backups: how they stand, and one now. What must not live here: how a backup is made, and when.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, At};
use crate::proto::backup::{BackUpNow, ServerBackups};
use crate::proto::{ClientId, Refusal};
use crate::session::accounts::Caller;
use crate::session::overview;

/// Begins a backup: for whom, and where to if not to the usual place.
pub type Start = Box<dyn Fn(Option<ClientId>, Option<PathBuf>) -> Result<(), Refusal> + Send + Sync>;

/// What there is to ask.
pub struct Backups {
    pub state: Box<dyn Fn() -> ServerBackups + Send + Sync>,
    pub start: Start,
}

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new().route("/admin/backups", get(backups).post(back_up_now))
}

/// How backups stand: where they go, what there is, what is wrong. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/backups",
    tag = "operator",
    responses((status = 200, body = ref("#/components/schemas/ServerBackups")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn backups(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<ServerBackups> {
    overview::settings(&face.services, &caller)?;
    told(&face, &caller).await
}

/// Make a backup now, or join the one that is being made. For admins.
#[utoipa::path(
    post,
    path = "/api/v1/admin/backups",
    tag = "operator",
    request_body = ref("#/components/schemas/BackUpNow"),
    responses((status = 200, body = ref("#/components/schemas/ServerBackups")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn back_up_now(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<BackUpNow>,
) -> Answer<ServerBackups> {
    overview::settings(&face.services, &caller)?;
    (face.backups.start)(Some(body.client_id), None)?;
    told(&face, &caller).await
}

async fn told(face: &Face, caller: &Caller) -> Answer<ServerBackups> {
    let recovery = face.accounts.server(caller).await?.recovery;
    let mut state = (face.backups.state)();
    state.key_kept = recovery.is_some_and(|recovery| recovery.kept);
    Ok(ApiJson(state))
}
