//! Routes of moderation: reports of messages, and warnings, mutes and bans. What must not live here: anything but reading
//! the request and asking `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::Face;
use super::auth::{Answer, ApiAbout, ApiCaller, ApiId, ApiJson, ApiQuery, At, Done};
use crate::proto::account::PageOf;
use crate::proto::moderation::{
    MeasureInfo, MeasureKind, MeasureList, MeasuresOf, NewReport, ReportInfo, ReportList, ReportView,
    Reported, ReportsOf, ResolveReport, Restrain, Warn,
};

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/reports", get(reports).post(report))
        .route("/reports/{no}", get(report_view))
        .route("/reports/{no}/resolve", post(resolve_report))
        .route("/users/{id}/warn", post(warn))
        .route("/users/{id}/mute", post(mute))
        .route("/users/{id}/unmute", post(unmute))
        .route("/users/{id}/ban", post(ban))
        .route("/users/{id}/unban", post(unban))
        .route("/measures", get(measures))
}

/// Report a message that one sees to those who run the server.
#[utoipa::path(
    post,
    path = "/api/v1/reports",
    tag = "moderation",
    request_body = ref("#/components/schemas/NewReport"),
    responses((status = 200, body = ref("#/components/schemas/Reported")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn report(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<NewReport>,
) -> Answer<Reported> {
    Ok(ApiJson(face.accounts.report(&caller, body).await?))
}

/// The queue of reports, oldest first, or those that are resolved, newest first. For admins: those about members; an owner
/// sees all.
#[utoipa::path(
    get,
    path = "/api/v1/reports",
    tag = "moderation",
    params(
        ("state" = Option<String>, Query, description = "`open` (when left out) or `resolved`"),
        ("after" = Option<u64>, Query, description = "Of the open ones: the last number of the page before"),
        ("before" = Option<u64>, Query, description = "Of the resolved ones: the last number of the page before"),
        ("limit" = Option<u32>, Query, description = "At most 200"),
    ),
    responses((status = 200, body = ref("#/components/schemas/ReportList")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn reports(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(of): ApiQuery<ReportsOf>,
    ApiQuery(page): ApiQuery<PageOf>,
) -> Answer<ReportList> {
    Ok(ApiJson(face.accounts.reports(&caller, of.state, &page).await?))
}

/// A report, with the message and up to two messages on each side. For admins (about members) and owners.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{no}",
    tag = "moderation",
    params(("no" = u64, Path)),
    responses((status = 200, body = ref("#/components/schemas/ReportView")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn report_view(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiId(no): ApiId<u64>,
) -> Answer<ReportView> {
    Ok(ApiJson(face.accounts.report_view(&caller, no).await?))
}

/// Say what was made of a report. For admins (about members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/reports/{no}/resolve",
    tag = "moderation",
    request_body = ref("#/components/schemas/ResolveReport"),
    params(("no" = u64, Path)),
    responses((status = 200, body = ref("#/components/schemas/ReportInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn resolve_report(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiId(no): ApiId<u64>,
    ApiJson(body): ApiJson<ResolveReport>,
) -> Answer<ReportInfo> {
    Ok(ApiJson(face.accounts.resolve_report(&caller, no, body).await?))
}

/// Warn somebody. For admins (members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/warn",
    tag = "moderation",
    request_body = ref("#/components/schemas/Warn"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/MeasureInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn warn(about: ApiAbout, ApiJson(body): ApiJson<Warn>) -> Answer<MeasureInfo> {
    let warned = about.face.accounts.warn(about.by(), about.user, body);
    Ok(ApiJson(warned.await?))
}

/// Keep somebody from posting anywhere. For admins (members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/mute",
    tag = "moderation",
    request_body = ref("#/components/schemas/Restrain"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/MeasureInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn mute(about: ApiAbout, ApiJson(body): ApiJson<Restrain>) -> Answer<MeasureInfo> {
    restrain(&about, MeasureKind::Mute, body).await
}

/// Let somebody post again. For admins (members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/unmute",
    tag = "moderation",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn unmute(about: ApiAbout) -> Done {
    lift(&about, MeasureKind::Mute).await
}

/// Keep somebody from signing in; their sessions end within a second. For admins (members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/ban",
    tag = "moderation",
    request_body = ref("#/components/schemas/Restrain"),
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/MeasureInfo")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn ban(about: ApiAbout, ApiJson(body): ApiJson<Restrain>) -> Answer<MeasureInfo> {
    restrain(&about, MeasureKind::Ban, body).await
}

/// Let somebody sign in again. For admins (members) and owners.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/unban",
    tag = "moderation",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn unban(about: ApiAbout) -> Done {
    lift(&about, MeasureKind::Ban).await
}

async fn restrain(about: &ApiAbout, kind: MeasureKind, body: Restrain) -> Answer<MeasureInfo> {
    let made = about.face.accounts.restrain(about.by(), about.user, kind, body);
    Ok(ApiJson(made.await?))
}

async fn lift(about: &ApiAbout, kind: MeasureKind) -> Done {
    about.face.accounts.lift(about.by(), about.user, kind).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was done about one user, or the mutes and bans that hold now, newest first. For admins (about members) and owners.
#[utoipa::path(
    get,
    path = "/api/v1/measures",
    tag = "moderation",
    params(
        ("user" = Option<String>, Query, description = "All that was done about this user; without it what holds now"),
        ("before" = Option<u64>, Query, description = "The last number of the page before"),
        ("limit" = Option<u32>, Query, description = "At most 200"),
    ),
    responses((status = 200, body = ref("#/components/schemas/MeasureList")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn measures(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(of): ApiQuery<MeasuresOf>,
    ApiQuery(page): ApiQuery<PageOf>,
) -> Answer<MeasureList> {
    Ok(ApiJson(face.accounts.measures(&caller, of.user, &page).await?))
}
