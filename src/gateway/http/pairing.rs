//! Routes by which a signed-in device lets another one in. What must not live here: anything but reading the request and
//! asking `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, ApiPeer, ApiQuery, At, Done};
use crate::proto::pairing::{
    AskToPair, AwaitPairing, ConfirmDevice, DeviceCode, DeviceCodeState, Paired, PairingTicket, WaitQuery,
};

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route(
            "/devices/code",
            get(device_code).post(make_device_code).delete(end_device_code),
        )
        .route("/devices/code/confirm", post(confirm_device))
        .route("/pair", post(ask_to_pair))
        .route("/pair/wait", post(await_pairing))
}

/// Make a code by which another device may ask to be let in; it ends an older one.
#[utoipa::path(
    post,
    path = "/api/v1/devices/code",
    tag = "people",
    responses((status = 200, body = ref("#/components/schemas/DeviceCode")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn make_device_code(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<DeviceCode> {
    Ok(ApiJson(face.accounts.make_device_code(&caller).await?))
}

/// How far this device's code has come, waited for up to 25 seconds.
#[utoipa::path(
    get,
    path = "/api/v1/devices/code",
    tag = "people",
    params(("wait" = Option<u64>, Query, description = "Seconds to wait for the next step, 0 to 25; 0 when left out.")),
    responses((status = 200, body = ref("#/components/schemas/DeviceCodeState")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn device_code(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(query): ApiQuery<WaitQuery>,
) -> Answer<DeviceCodeState> {
    Ok(ApiJson(face.accounts.device_code(&caller, query.wait).await?))
}

/// Take this device's code back: whoever asked by it is not let in.
#[utoipa::path(
    delete,
    path = "/api/v1/devices/code",
    tag = "people",
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn end_device_code(State(face): At, ApiCaller(caller): ApiCaller) -> StatusCode {
    face.accounts.end_device_code(&caller);
    StatusCode::NO_CONTENT
}

/// Let the device in that shows this number.
#[utoipa::path(
    post,
    path = "/api/v1/devices/code/confirm",
    tag = "people",
    request_body = ref("#/components/schemas/ConfirmDevice"),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn confirm_device(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<ConfirmDevice>,
) -> Done {
    face.accounts.confirm_device(&caller, &body)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask to be let in, as a new device, by a code.
#[utoipa::path(
    post,
    path = "/api/v1/pair",
    tag = "people",
    request_body = ref("#/components/schemas/AskToPair"),
    responses((status = 200, body = ref("#/components/schemas/PairingTicket")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn ask_to_pair(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<AskToPair>,
) -> Answer<PairingTicket> {
    Ok(ApiJson(face.accounts.ask_to_pair(body, peer.ip)?))
}

/// Wait until the other device has confirmed, up to 25 seconds, and sign in.
#[utoipa::path(
    post,
    path = "/api/v1/pair/wait",
    tag = "people",
    request_body = ref("#/components/schemas/AwaitPairing"),
    responses((status = 200, body = ref("#/components/schemas/Paired")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn await_pairing(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<AwaitPairing>,
) -> Answer<Paired> {
    Ok(ApiJson(face.accounts.await_pairing(&body, peer.ip).await?))
}
