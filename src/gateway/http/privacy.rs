//! Routes about what is kept of a person: exporting and erasing it. What must not live here: anything but reading the request and asking
//! `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::Face;
use super::auth::{self, ApiCaller, ApiId, ApiJson};
use super::problem::Problem;
use crate::gateway::accept::Underway;
use crate::proto::privacy::{EraseMe, EraseUser, Erasure};
use crate::proto::{Code, Refusal, UserId};
use crate::session::accounts::Administrator;
use crate::session::export;

type At = State<Arc<Face>>;
type Answer<T> = Result<ApiJson<T>, Problem>;

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/me/erase", post(erase_me))
        .route("/me/erasure", get(my_erasure))
        .route("/me/export", get(my_export))
        .route("/users/{id}/erase", post(erase))
        .route("/users/{id}/erasure", get(erasure))
}

/// Erase oneself, for ever: the account now, all one wrote from now on. Asked again with the same token, it tells how far
/// that is.
#[utoipa::path(
    post,
    path = "/api/v1/me/erase",
    tag = "privacy",
    request_body = EraseMe,
    responses((status = 200, body = Erasure), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn erase_me(
    State(face): At,
    caller: Result<ApiCaller, Problem>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<EraseMe>,
) -> Answer<Erasure> {
    let token = auth::bearer(&headers).ok_or(Code::NotSignedIn)?;
    match caller {
        Ok(ApiCaller(caller)) => Ok(ApiJson(face.accounts.erase_me(&caller, token, body).await?)),
        // The answer to the first time was lost: that session is over.
        Err(problem) => match face.accounts.erasure_by_token(token).await {
            Ok(known) => Ok(ApiJson(known)),
            Err(_) => Err(problem),
        },
    }
}

/// How far the erasure of oneself is. For the token that asked for it, which is good for nothing else any more.
#[utoipa::path(
    get,
    path = "/api/v1/me/erasure",
    tag = "privacy",
    responses((status = 200, body = Erasure), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn my_erasure(State(face): At, headers: HeaderMap) -> Answer<Erasure> {
    let token = auth::bearer(&headers).ok_or(Code::NotSignedIn)?;
    Ok(ApiJson(face.accounts.erasure_by_token(token).await?))
}

/// Erase somebody, for ever. For admins; only an owner may erase an admin or an owner. Asked again, it tells how far that is.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/erase",
    tag = "privacy",
    request_body = EraseUser,
    params(("id" = String, Path)),
    responses((status = 200, body = Erasure), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn erase(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiId(id): ApiId<UserId>,
    ApiJson(body): ApiJson<EraseUser>,
) -> Answer<Erasure> {
    let by = Administrator::Caller(&caller);
    Ok(ApiJson(face.accounts.erase(by, id, &body).await?))
}

/// All that is kept of oneself, as a tar archive of JSON files (docs/EXPORT.md). It is made while it is read.
#[utoipa::path(
    get,
    path = "/api/v1/me/export",
    tag = "privacy",
    responses(
        (status = 200, content_type = "application/x-tar", body = Vec<u8>),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
async fn my_export(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let token = auth::bearer(&headers).unwrap_or_default().to_owned();
    let (export, pieces) = export::begin(&face.services, caller, token)?;
    // The connection rests only once the archive is made.
    let underway = request.extensions().get::<Underway>().cloned();
    let busy = underway.as_ref().map(Underway::busy);
    face.live.spawn(async move {
        export.run(|| underway.iter().for_each(Underway::cut)).await;
        drop(busy);
    });
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece.map_err(std::io::Error::other), pieces))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"kinglet-export.tar\"",
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// How far the erasure of somebody is. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/erasure",
    tag = "privacy",
    params(("id" = String, Path)),
    responses((status = 200, body = Erasure), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn erasure(State(face): At, ApiCaller(caller): ApiCaller, ApiId(id): ApiId<UserId>) -> Answer<Erasure> {
    let found = face.accounts.erasure(Administrator::Caller(&caller), id).await?;
    let none = || Refusal::because(Code::NotFound, "Nobody asked to erase that user.");
    Ok(ApiJson(found.ok_or_else(none)?))
}
