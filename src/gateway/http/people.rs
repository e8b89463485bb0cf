//! Routes about the people of this server: the way back to a password, leaving, roles, news of one's account, and the
//! journal of admins. What must not live here: anything but reading the request and asking `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::Face;
use super::auth::{Answer, ApiAbout, ApiCaller, ApiJson, ApiPeer, ApiQuery, ApiSession, At, Done};
use super::problem::Problem;
use crate::proto::account::{PageOf, SignedIn};
use crate::proto::answer::UserInfo;
use crate::proto::history::SignInList;
use crate::proto::people::{
    AuditPage, AuditQuery, CheckReset, Deactivate, EndDevice, LeaveServer, NewResetLink, NewsPage,
    ResetCheck, ResetLink, SetServerRole, SuccessorNeeded, UseReset, UserDevices,
};
use crate::proto::{Code, Refusal};
use crate::session::accounts::Left;

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/users/{id}/reset-link", post(make_reset_link))
        .route("/reset/check", post(check_reset_link))
        .route("/reset", post(use_reset_link))
        .route("/users/{id}/deactivate", post(deactivate))
        .route("/leave", post(leave))
        .route("/users/{id}/role", post(set_role))
        .route("/users/{id}/devices", get(devices_of))
        .route("/users/{id}/devices/end", post(end_device))
        .route("/news", get(news))
        .route("/sign-ins", get(sign_ins))
        .route("/audit", get(audit))
}

/// Make a link that sets a user's password, told once. For admins; only an owner makes one for an admin or an owner.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/reset-link",
    tag = "people",
    request_body = ref("#/components/schemas/NewResetLink"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/ResetLink")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn make_reset_link(about: ApiAbout, ApiJson(body): ApiJson<NewResetLink>) -> Answer<ResetLink> {
    let made = about.face.accounts.make_reset_link(about.by(), about.user, &body);
    Ok(ApiJson(made.await?))
}

/// Whose password a code sets, before setting it.
#[utoipa::path(
    post,
    path = "/api/v1/reset/check",
    tag = "people",
    request_body = ref("#/components/schemas/CheckReset"),
    responses((status = 200, body = ref("#/components/schemas/ResetCheck")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn check_reset_link(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<CheckReset>,
) -> Answer<ResetCheck> {
    Ok(ApiJson(
        face.accounts.check_reset_link(&body.code, peer.ip).await?,
    ))
}

/// Set a password by a code and sign in; all other sessions of the user end. The same request again signs in.
#[utoipa::path(
    post,
    path = "/api/v1/reset",
    tag = "people",
    request_body = ref("#/components/schemas/UseReset"),
    responses((status = 200, body = ref("#/components/schemas/SignedIn")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn use_reset_link(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<UseReset>,
) -> Answer<SignedIn> {
    Ok(ApiJson(face.accounts.use_reset_link(body, peer.ip).await?))
}

/// Deactivate a user: their sessions end, their messages stay. For admins; only an owner may do so to an admin or an owner.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/deactivate",
    tag = "people",
    request_body = ref("#/components/schemas/Deactivate"),
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ref("#/components/schemas/UserStatus")),
        (status = 409, body = ref("#/components/schemas/SuccessorNeeded")),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
async fn deactivate(about: ApiAbout, ApiJson(body): ApiJson<Deactivate>) -> Result<Response, Problem> {
    let left = about.face.accounts.deactivate(about.by(), about.user, &body);
    Ok(told(left.await?))
}

/// Leave the server, with one's password.
#[utoipa::path(
    post,
    path = "/api/v1/leave",
    tag = "people",
    request_body = ref("#/components/schemas/LeaveServer"),
    responses(
        (status = 200, body = ref("#/components/schemas/UserStatus")),
        (status = 409, body = ref("#/components/schemas/SuccessorNeeded")),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
async fn leave(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<LeaveServer>,
) -> Result<Response, Problem> {
    Ok(told(face.accounts.leave(&caller, body).await?))
}

fn told(left: Left) -> Response {
    match left {
        Left::Done(status) => ApiJson(status).into_response(),
        Left::Needs(owned) => {
            let error = Refusal::from(Code::SuccessorNeeded).into();
            let needed = ApiJson(SuccessorNeeded { error, owned });
            (StatusCode::CONFLICT, needed).into_response()
        }
    }
}

/// Make somebody an admin, an owner or a member of the server. For owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/role",
    tag = "people",
    request_body = ref("#/components/schemas/SetServerRole"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/UserInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn set_role(about: ApiAbout, ApiJson(body): ApiJson<SetServerRole>) -> Answer<UserInfo> {
    let set = about.face.accounts.set_role(about.by(), about.user, &body);
    Ok(ApiJson(set.await?))
}

/// What the caller must hear about their account.
#[utoipa::path(
    get,
    path = "/api/v1/news",
    tag = "people",
    params(
        ("after" = Option<u64>, Query, description = "The last number that the client holds"),
        ("limit" = Option<u32>, Query, description = "At most 100"),
    ),
    responses((status = 200, body = ref("#/components/schemas/NewsPage")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn news(
    State(face): At,
    ApiSession(caller): ApiSession,
    ApiQuery(page): ApiQuery<PageOf>,
) -> Answer<NewsPage> {
    Ok(ApiJson(face.accounts.news(&caller, &page).await?))
}

/// The caller's own sign-ins, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/sign-ins",
    tag = "people",
    responses((status = 200, body = ref("#/components/schemas/SignInList")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn sign_ins(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<SignInList> {
    Ok(ApiJson(face.accounts.sign_ins(&caller).await?))
}

/// A person's devices, the signed-in ones first. For admins; only an owner sees those of an admin or an owner.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/devices",
    tag = "people",
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/UserDevices")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn devices_of(about: ApiAbout) -> Answer<UserDevices> {
    let listed = about.face.accounts.devices_of(&about.caller, about.user);
    Ok(ApiJson(listed.await?))
}

/// End the session of one of a person's devices. For admins; only an owner ends one of an admin or an owner.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/devices/end",
    tag = "people",
    request_body = ref("#/components/schemas/EndDevice"),
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn end_device(about: ApiAbout, ApiJson(body): ApiJson<EndDevice>) -> Done {
    let ended = about
        .face
        .accounts
        .end_device(about.by(), about.user, body.device);
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What admins did, newest first, as far as it fits what is named. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "people",
    params(
        ("before" = Option<u64>, Query, description = "`last` of the page before"),
        ("limit" = Option<u32>, Query, description = "At most 200"),
        ("by" = Option<String>, Query, description = "Who did it: a user id"),
        ("operator" = Option<bool>, Query, description = "Only what the operator's command line did"),
        ("whom" = Option<String>, Query, description = "To whom: a user id"),
        ("act" = Option<String>, Query, description = "What was done"),
        ("from" = Option<u64>, Query, description = "Not before this time"),
        ("to" = Option<u64>, Query, description = "Before this time"),
    ),
    responses((status = 200, body = ref("#/components/schemas/AuditPage")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn audit(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(asked): ApiQuery<AuditQuery>,
) -> Answer<AuditPage> {
    Ok(ApiJson(face.accounts.audit(&caller, asked).await?))
}
