//! Routes about the machine under the server, for admins: the plug test (how it stands, begin one, what was seen of it), and what
//! kinglet-board is asked to do. What must not live here: what is written, what follows from it, and the board itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};

use super::Face;
use super::auth::{Answer, ApiCaller, ApiJson, At};
use crate::proto::machine::{
    AskBoard, BeginPlugTest, BoardAct, BoardDone, BoardState, EndPlugTest, PlugTest, PlugTestState,
};
use crate::proto::people::AuditWhat;
use crate::proto::{ClientId, Code, Refusal};
use crate::session::accounts::may_ask_board;
use crate::session::overview;

type Begin = Box<dyn Fn(ClientId) -> Result<(), Refusal> + Send + Sync>;
type End = Box<dyn Fn(ClientId, Option<u64>) -> Result<(), Refusal> + Send + Sync>;
type Known = Box<dyn Fn(ClientId, &BoardAct) -> Result<Option<BoardDone>, Refusal> + Send + Sync>;
type Act = Box<dyn Fn(ClientId, &BoardAct) -> Result<BoardDone, Refusal> + Send + Sync>;

/// What there is to ask; all of it may wait for the disk, or for kinglet-board.
pub struct Machine {
    pub plug_test: Box<dyn Fn() -> PlugTest + Send + Sync>,
    pub begin: Begin,
    pub end: End,
    pub board: Box<dyn Fn() -> Result<BoardState, Refusal> + Send + Sync>,
    /// What came of a request that was made before.
    pub known: Known,
    pub act: Act,
}

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/admin/plug-test", get(plug_test).post(begin_plug_test))
        .route("/admin/plug-test/end", post(end_plug_test))
        .route("/admin/board", get(board).post(ask_board))
}

/// How the plug test stands. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/plug-test",
    tag = "operator",
    responses((status = 200, body = ref("#/components/schemas/PlugTest")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn plug_test(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<PlugTest> {
    overview::settings(&face.services, &caller)?;
    told(&face).await
}

/// Begin a plug test: records are written until the plug is pulled. For admins.
#[utoipa::path(
    post,
    path = "/api/v1/admin/plug-test",
    tag = "operator",
    request_body = ref("#/components/schemas/BeginPlugTest"),
    responses((status = 200, body = ref("#/components/schemas/PlugTest")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn begin_plug_test(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<BeginPlugTest>,
) -> Answer<PlugTest> {
    overview::settings(&face.services, &caller)?;
    let before = asked(&face, |machine| Ok((machine.plug_test)())).await?;
    let run = body.client_id;
    if is_known(&before, run) {
        return Ok(ApiJson(before));
    }
    if before.state == PlugTestState::Idle {
        face.accounts
            .note_act(&caller, AuditWhat::PlugTestBegun {})
            .await?;
    }
    asked(&face, move |machine| (machine.begin)(run)).await?;
    told(&face).await
}

/// Say which number was seen last before the plug was pulled; or end a test that is running. For admins.
#[utoipa::path(
    post,
    path = "/api/v1/admin/plug-test/end",
    tag = "operator",
    request_body = ref("#/components/schemas/EndPlugTest"),
    responses((status = 200, body = ref("#/components/schemas/PlugTest")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn end_plug_test(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<EndPlugTest>,
) -> Answer<PlugTest> {
    overview::settings(&face.services, &caller)?;
    let before = asked(&face, |machine| Ok((machine.plug_test)())).await?;
    if before.run == Some(body.run) {
        face.accounts
            .note_act(&caller, AuditWhat::PlugTestEnded {})
            .await?;
    }
    asked(&face, move |machine| (machine.end)(body.run, body.acked)).await?;
    told(&face).await
}

/// What kinglet-board, which is root, can be asked for here. For admins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/board",
    tag = "operator",
    responses((status = 200, body = ref("#/components/schemas/BoardState")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn board(State(face): At, ApiCaller(caller): ApiCaller) -> Answer<BoardState> {
    overview::settings(&face.services, &caller)?;
    let mut state = asked(&face, |machine| (machine.board)()).await?;
    state.may.retain(|verb| may_ask_board(&caller, *verb).is_ok());
    Ok(ApiJson(state))
}

/// Have kinglet-board do something to the machine. For admins; what lets somebody in or erases, for owners with their password.
#[utoipa::path(
    post,
    path = "/api/v1/admin/board",
    tag = "operator",
    request_body = ref("#/components/schemas/AskBoard"),
    responses((status = 200, body = ref("#/components/schemas/BoardDone")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn ask_board(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<AskBoard>,
) -> Answer<BoardDone> {
    overview::settings(&face.services, &caller)?;
    face.accounts.let_ask_board(&caller, &body).await?;
    let (id, verb, act) = (body.client_id, body.act.verb(), body.act);
    let same = act.clone();
    if let Some(done) = asked(&face, move |machine| (machine.known)(id, &same)).await? {
        return Ok(ApiJson(done));
    }
    face.accounts
        .note_act(&caller, AuditWhat::BoardAsked { verb })
        .await?;
    let done = asked(&face, move |machine| (machine.act)(id, &act)).await?;
    Ok(ApiJson(done))
}

fn is_known(test: &PlugTest, run: ClientId) -> bool {
    test.run == Some(run) || (test.run.is_none() && test.last.as_ref().is_some_and(|last| last.run == run))
}

async fn told(face: &Arc<Face>) -> Answer<PlugTest> {
    Ok(ApiJson(asked(face, |machine| Ok((machine.plug_test)())).await?))
}

async fn asked<T: Send + 'static>(
    face: &Arc<Face>,
    ask: impl FnOnce(&Machine) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let face = Arc::clone(face);
    let asking = tokio::task::spawn_blocking(move || ask(&face.machine));
    asking.await.map_err(|_| Code::Internal)?
}
