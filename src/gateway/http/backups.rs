//! Routes about backups: how they stand, one now, and where they go. What must not live here: how a backup is made, and when.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, At};
use crate::proto::backup::{BackUpNow, BackupChoice, PlaceBackups, ServerBackups};
use crate::proto::{ClientId, Code, Refusal};
use crate::session::accounts::{Caller, may_place_backups};
use crate::session::overview;

/// Begins a backup: for whom, and where to if not to the usual place.
pub type Start = Box<dyn Fn(Option<ClientId>, Option<PathBuf>) -> Result<(), Refusal> + Send + Sync>;

/// What there is to ask.
pub struct Backups {
    pub state: Box<dyn Fn() -> ServerBackups + Send + Sync>,
    pub start: Start,
    /// Whether a place could be written to; it may wait for a stick.
    pub try_out: Box<dyn Fn(BackupChoice) -> Result<(), Refusal> + Send + Sync>,
    /// What was kept holds from now on.
    pub choose: Box<dyn Fn(BackupChoice) + Send + Sync>,
    /// Held over a choice, so that the last one that was kept is the one that holds.
    pub changing: tokio::sync::Mutex<()>,
}

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new().route(
        "/admin/backups",
        get(backups).post(back_up_now).patch(place_backups),
    )
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

/// Say where backups go from now on. For owners, with their password, where the server's configuration does not decide.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/backups",
    tag = "operator",
    request_body = ref("#/components/schemas/PlaceBackups"),
    responses((status = 200, body = ref("#/components/schemas/ServerBackups")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn place_backups(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<PlaceBackups>,
) -> Answer<ServerBackups> {
    overview::settings(&face.services, &caller)?;
    face.accounts.let_place_backups(&caller, &body).await?;
    // Whoever goes away in between must not leave a choice that is kept and does not hold.
    let own = Arc::clone(&face);
    let placing = tokio::spawn(async move { place(own, caller, body).await });
    placing.await.map_err(|_| Code::Internal)??;
    told(&face, &caller).await
}

async fn place(face: Arc<Face>, caller: Caller, body: PlaceBackups) -> Result<(), Refusal> {
    // Whoever comes second is told that it changed meanwhile, if it did.
    let _changing = face.backups.changing.lock().await;
    let (tried, chosen, to) = (Arc::clone(&face), Arc::clone(&face), body.place);
    let trying = tokio::task::spawn_blocking(move || (tried.backups.try_out)(to));
    trying.await.map_err(|_| Code::Internal)??;
    face.accounts.place_backups(&caller, &body).await?;
    let choosing = tokio::task::spawn_blocking(move || (chosen.backups.choose)(to));
    Ok(choosing.await.map_err(|_| Code::Internal)?)
}

async fn told(face: &Face, caller: &Caller) -> Answer<ServerBackups> {
    let recovery = face.accounts.server(caller).await?.recovery;
    let mut state = (face.backups.state)();
    if !state.place_is_set && may_place_backups(caller).is_ok() {
        state.may = BackupChoice::ALL.to_vec();
    }
    state.key_kept = recovery.is_some_and(|recovery| recovery.kept);
    Ok(ApiJson(state))
}
