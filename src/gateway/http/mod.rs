//! The HTTP face: what is not live. Routes are in rooms of their own, each giving a `routes()`; here they come together.
//! What must not live here: rules. A handler reads a request, asks the session floor and writes its answer.
//!
//! Invariants: whatever goes wrong is told as `{"error": {code, message, next}}`; a token is taken from the
//! `Authorization` header only; nothing under `/api` may be cached, but for what a handler says of a file that never changes.

pub mod accounts;
pub mod auth;
pub mod backups;
pub mod bots;
pub mod console;
pub mod files;
pub mod hosts;
pub mod house;
pub mod live;
pub mod machine;
pub mod moderation;
pub mod openapi;
pub mod overview;
pub mod pairing;
pub mod people;
pub mod privacy;
pub mod problem;
pub mod push;
pub mod safe_mode;
#[cfg(test)]
mod tests;
pub mod web;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;

use self::hosts::Hosts;
use crate::session::Services;
use crate::session::accounts::Accounts;

/// Where all routes but `/`, `/ws`, `/health` and `/metrics` live.
pub const API: &str = "/api/v1";

/// What handlers have at hand.
pub struct Face {
    /// Where signed-in sockets live.
    pub live: tokio::runtime::Handle,
    pub accounts: Arc<Accounts>,
    pub services: Arc<Services>,
    /// The names this server goes by, and the pages that may talk to it.
    pub hosts: Hosts,
    /// Renders the metrics.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// What admins are shown of the server as a whole.
    pub overview: overview::Overview,
    /// What admins ask of backups.
    pub backups: backups::Backups,
    /// What admins ask of the machine under the server.
    pub machine: machine::Machine,
}

/// The routes under [`API`], without that prefix.
pub fn api_routes() -> Router<Arc<Face>> {
    Router::new()
        .merge(accounts::routes())
        .merge(people::routes())
        .merge(pairing::routes())
        .merge(bots::routes())
        .merge(house::routes())
        .merge(overview::routes())
        .merge(backups::routes())
        .merge(machine::routes())
        .merge(moderation::routes())
        .merge(live::routes())
        .merge(files::routes())
        .merge(push::routes())
        .merge(privacy::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(map_response(never_cached))
}

/// The whole face.
pub fn router(face: Arc<Face>) -> Router {
    Router::new()
        .nest(API, api_routes())
        .merge(live::socket())
        .merge(web::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&face),
            hosts::guard,
        ))
        .with_state(face)
}

/// Answers of the API are one person's, and JSON whatever a browser would like to see in them.
async fn never_cached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
