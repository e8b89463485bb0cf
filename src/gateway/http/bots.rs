//! Routes by which admins make bots and replace their tokens. What must not live here: anything but reading the request
//! and asking `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};

use super::Face;
use super::auth::{Answer, ApiAbout, ApiCaller, ApiJson, At};
use crate::proto::bots::{BotList, BotToken, NewBot, NewBotToken};

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/admin/bots", get(bots).post(make_bot))
        .route("/admin/bots/{id}/token", post(renew_bot_token))
}

/// The bots of this server. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/bots",
    tag = "bots",
    responses((status = 200, body = ref("#/components/schemas/BotList")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn bots(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<BotList> {
    Ok(ApiJson(face.accounts.bots(&caller).await?))
}

/// Make a bot. Its token is told once. For admins.
#[utoipa::path(
    post,
    path = "/api/v1/admin/bots",
    tag = "bots",
    request_body = ref("#/components/schemas/NewBot"),
    responses((status = 200, body = ref("#/components/schemas/BotToken")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn make_bot(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<NewBot>,
) -> Answer<BotToken> {
    Ok(ApiJson(face.accounts.make_bot(&caller, body).await?))
}

/// Make a new token for a bot; the one before ends within a second. For admins.
#[utoipa::path(
    post,
    path = "/api/v1/admin/bots/{id}/token",
    tag = "bots",
    request_body = ref("#/components/schemas/NewBotToken"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/BotToken")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn renew_bot_token(
    about: ApiAbout,
    ApiJson(body): ApiJson<NewBotToken>,
) -> Answer<BotToken> {
    let ApiAbout { face, caller, user } = about;
    Ok(ApiJson(face.accounts.renew_bot_token(&caller, user, body).await?))
}
