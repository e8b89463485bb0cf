//! Routes that show admins the server as a whole: its figures, its settings. What must not live here: how a figure is
//! found, and who may see it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, At};
use crate::proto::overview::ServerHealth;
pub use crate::proto::overview::ServerSettings;
use crate::session::files::Room;
use crate::session::overview;

/// What there is to show.
pub struct Overview {
    pub health: Box<dyn Fn(Room) -> ServerHealth + Send + Sync>,
    pub settings: ServerSettings,
}

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/admin/health", get(server_health))
        .route("/admin/settings", get(server_settings))
}

/// How the server does, in figures. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/health",
    tag = "operator",
    responses((status = 200, body = ref("#/components/schemas/ServerHealth")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn server_health(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<ServerHealth> {
    let room = overview::room(&face.services, &caller).await?;
    Ok(ApiJson((face.overview.health)(room)))
}

/// The settings that the server was started with, and what they mean. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/settings",
    tag = "operator",
    responses((status = 200, body = ref("#/components/schemas/ServerSettings")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn server_settings(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<ServerSettings> {
    overview::settings(&face.services, &caller)?;
    Ok(ApiJson(face.overview.settings.clone()))
}
