//! The operator's verbs, over a Unix socket in the data directory: whoever may open it may run commands as the server's
//! user anyway. What must not live here: anything that a network could reach, or the rules of these verbs.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};

use super::Face;
use super::auth::{Answer, ApiJson, ApiQuery, At};
use super::problem;
use super::web;
use crate::limits;
use crate::proto::ClientId;
use crate::proto::account::{
    Health, InvitationInfo, ListAfter, NewInvitation, NewRound, PasswordReset, Round, UserList, UserStatus,
};
use crate::proto::backup::ServerBackups;
use crate::proto::people::{NewResetLink, ResetLink};
use crate::session::accounts::Administrator;

/// Connections at once; one command line needs one.
const AT_ONCE: usize = 8;

/// The paths, as the command line asks for them.
pub const INVITE: &str = "/console/invite";
pub const USERS: &str = "/console/users";
pub const DISABLE: &str = "/console/disable";
pub const ENABLE: &str = "/console/enable";
pub const RESET_PASSWORD: &str = "/console/reset-password";
pub const RESET_LINK: &str = "/console/reset-link";
pub const HEALTH: &str = "/console/health";
pub const ROUND: &str = "/console/round";
pub const BACKUP: &str = "/console/backup";

/// A user as the operator names them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    pub name: String,
}

/// A user for whom the operator wants a reset link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamedLink {
    pub name: String,
    pub client_id: ClientId,
}

/// A backup that the operator wants, somewhere else than usually if they say so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackUpTo {
    pub to: Option<PathBuf>,
    pub client_id: ClientId,
}

/// The routes of the control socket.
pub fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route(INVITE, post(invite))
        .route(USERS, get(users))
        .route(DISABLE, post(disable))
        .route(ENABLE, post(enable))
        .route(RESET_PASSWORD, post(reset_password))
        .route(RESET_LINK, post(reset_link))
        .route(ROUND, post(round))
        .route(HEALTH, get(state))
        .route(BACKUP, get(backups).post(back_up))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(face)
}

/// Serves the control socket until `stop` says so.
pub async fn serve(listener: UnixListener, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // Without a place the connection is dropped at once; the command line says that it was cut off.
        let (Ok((stream, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned()) else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(limits::SIGN_IN_TIME);
            let serving = server.serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(limits::HTTP_TIME, serving).await;
            drop(place);
        });
    }
}

async fn invite(State(face): At, ApiJson(new): ApiJson<NewInvitation>) -> Answer<InvitationInfo> {
    Ok(ApiJson(face.accounts.invite_as_operator(new).await?))
}

async fn users(State(face): At, ApiQuery(page): ApiQuery<ListAfter>) -> Answer<UserList> {
    Ok(ApiJson(face.accounts.users(Administrator::Operator, page).await?))
}

async fn disable(State(face): At, ApiJson(whom): ApiJson<Named>) -> Answer<UserStatus> {
    let user = face.accounts.user_by_name(&whom.name).await?.user;
    Ok(ApiJson(
        face.accounts.disable(Administrator::Operator, user).await?,
    ))
}

async fn enable(State(face): At, ApiJson(whom): ApiJson<Named>) -> Answer<UserStatus> {
    let user = face.accounts.user_by_name(&whom.name).await?.user;
    Ok(ApiJson(
        face.accounts.enable(Administrator::Operator, user).await?,
    ))
}

async fn reset_password(State(face): At, ApiJson(whom): ApiJson<Named>) -> Answer<PasswordReset> {
    let user = face.accounts.user_by_name(&whom.name).await?.user;
    Ok(ApiJson(
        face.accounts
            .reset_password(Administrator::Operator, user)
            .await?,
    ))
}

async fn reset_link(State(face): At, ApiJson(asked): ApiJson<NamedLink>) -> Answer<ResetLink> {
    let user = face.accounts.user_by_name(&asked.name).await?.user;
    let new = NewResetLink {
        client_id: asked.client_id,
        hours: None,
    };
    Ok(ApiJson(
        face.accounts
            .make_reset_link(Administrator::Operator, user, &new)
            .await?,
    ))
}

/// The same as `/health`, and an answer also where the server is not well.
async fn state(State(face): At) -> Answer<Health> {
    Ok(ApiJson(face.services.health()))
}

async fn round(State(face): At, ApiJson(asked): ApiJson<NewRound>) -> Answer<Round> {
    Ok(ApiJson(face.services.there_and_back(&asked).await?))
}

async fn backups(State(face): At) -> Answer<ServerBackups> {
    Ok(ApiJson((face.backups.state)()))
}

async fn back_up(State(face): At, ApiJson(asked): ApiJson<BackUpTo>) -> Answer<ServerBackups> {
    (face.backups.start)(Some(asked.client_id), asked.to)?;
    Ok(ApiJson((face.backups.state)()))
}

async fn health(State(face): At) -> Response {
    web::told(face.services.health())
}

async fn metrics(State(face): At) -> Response {
    web::measured(&face)
}
