//! Routes about accounts: the doors, one's own devices and profile, the people of this server.
//! What must not live here: anything but reading the request and asking `session::accounts`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, patch, post};

use super::Face;
use super::auth::{
    Answer, ApiAbout, ApiCaller, ApiId, ApiJson, ApiPeer, ApiQuery, ApiReader, ApiSession, At, Done,
};
use crate::proto::account::{
    AcceptInvitation, Accepted, ChangePassword, ChangeProfile, CheckInvitation, Claim, DeviceList,
    InvitationCheck, InvitationInfo, InvitationList, InvitationsOf, JoinServer, ListAfter, NewInvitation,
    PasswordReset, Profile, RenameDevice, SessionsEnded, SignIn, SignOutEverywhere, SignedIn, UserList,
    UserProfile, UserStatus,
};
use crate::proto::{DeviceId, InvitationId, UserId};
use crate::session::accounts::Administrator;

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/claim", post(claim))
        .route("/join", post(join))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/sign-out-everywhere", post(sign_out_everywhere))
        .route("/invitations", get(invitations).post(invite))
        .route("/invitations/{id}", delete(revoke_invitation))
        .route("/invitations/check", post(check_invitation))
        .route("/invitations/accept", post(accept_invitation))
        .route("/devices", get(devices))
        .route("/devices/{id}", patch(rename_device).delete(kick_device))
        .route("/profile", get(profile).patch(change_profile))
        .route("/password", post(change_password))
        .route("/users", get(users))
        .route("/users/{id}", get(user))
        .route("/users/{id}/disable", post(disable))
        .route("/users/{id}/enable", post(enable))
        .route("/users/{id}/reset-password", post(reset_password))
}

/// Claim the server: its first user, an owner. From the same machine or network only.
#[utoipa::path(
    post,
    path = "/api/v1/claim",
    tag = "accounts",
    request_body = Claim,
    responses((status = 200, body = SignedIn), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn claim(State(face): At, ApiPeer(peer): ApiPeer, ApiJson(body): ApiJson<Claim>) -> Answer<SignedIn> {
    face.hosts.may_be_told(body.address.as_deref())?;
    Ok(ApiJson(face.accounts.claim(body, peer.ip).await?))
}

/// Join by an invitation. The same request again, after its answer was lost, signs in.
#[utoipa::path(
    post,
    path = "/api/v1/join",
    tag = "accounts",
    request_body = JoinServer,
    responses((status = 200, body = SignedIn), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn join(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<JoinServer>,
) -> Answer<SignedIn> {
    Ok(ApiJson(face.accounts.join(body, peer.ip).await?))
}

/// Sign a device in. A wrong name and a wrong password get the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/sign-in",
    tag = "accounts",
    request_body = SignIn,
    responses((status = 200, body = SignedIn), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn sign_in(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<SignIn>,
) -> Answer<SignedIn> {
    Ok(ApiJson(face.accounts.sign_in(body, peer.ip).await?))
}

/// End this session; its live connections are cut.
#[utoipa::path(
    post,
    path = "/api/v1/sign-out",
    tag = "accounts",
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn sign_out(State(face): At, ApiSession(caller): ApiSession) -> Done {
    face.accounts.sign_out(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all sessions of the caller, or all but this one.
#[utoipa::path(
    post,
    path = "/api/v1/sign-out-everywhere",
    tag = "accounts",
    request_body = SignOutEverywhere,
    responses((status = 200, body = SessionsEnded), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn sign_out_everywhere(
    State(face): At,
    ApiSession(caller): ApiSession,
    ApiJson(body): ApiJson<SignOutEverywhere>,
) -> Answer<SessionsEnded> {
    Ok(ApiJson(face.accounts.sign_out_everywhere(&caller, &body).await?))
}

/// The open invitations that the caller may see; or the links into a conversation, for its owner and admins.
#[utoipa::path(
    get,
    path = "/api/v1/invitations",
    tag = "accounts",
    params(("conversation" = Option<String>, Query, description = "The links into this conversation instead")),
    responses((status = 200, body = InvitationList), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn invitations(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(of): ApiQuery<InvitationsOf>,
) -> Answer<InvitationList> {
    let list = match of.conversation {
        Some(conversation) => face.accounts.links(&caller, conversation).await?,
        None => face.accounts.invitations(&caller).await?,
    };
    Ok(ApiJson(list))
}

/// Come into a conversation by a link, with the account that one has.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/accept",
    tag = "accounts",
    request_body = AcceptInvitation,
    responses((status = 200, body = Accepted), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn accept_invitation(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<AcceptInvitation>,
) -> Answer<Accepted> {
    Ok(ApiJson(face.accounts.accept(&caller, &body, peer.ip).await?))
}

/// Make an invitation. The same `client_id` again gives the same one.
#[utoipa::path(
    post,
    path = "/api/v1/invitations",
    tag = "accounts",
    request_body = NewInvitation,
    responses((status = 200, body = InvitationInfo), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn invite(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<NewInvitation>,
) -> Answer<InvitationInfo> {
    Ok(ApiJson(face.accounts.invite(&caller, body).await?))
}

/// Revoke an invitation.
#[utoipa::path(
    delete,
    path = "/api/v1/invitations/{id}",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn revoke_invitation(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiId(id): ApiId<InvitationId>,
) -> Done {
    face.accounts.revoke_invitation(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an invitation offers, before joining.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/check",
    tag = "accounts",
    request_body = CheckInvitation,
    responses((status = 200, body = InvitationCheck), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
)]
async fn check_invitation(
    State(face): At,
    ApiPeer(peer): ApiPeer,
    ApiJson(body): ApiJson<CheckInvitation>,
) -> Answer<InvitationCheck> {
    Ok(ApiJson(
        face.accounts.check_invitation(&body.code, peer.ip).await?,
    ))
}

/// The caller's devices, the signed-in ones first.
#[utoipa::path(
    get,
    path = "/api/v1/devices",
    tag = "accounts",
    responses((status = 200, body = DeviceList), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn devices(State(face): At, ApiSession(caller): ApiSession) -> Answer<DeviceList> {
    Ok(ApiJson(face.accounts.devices(&caller).await?))
}

/// Rename one of the caller's devices.
#[utoipa::path(
    patch,
    path = "/api/v1/devices/{id}",
    tag = "accounts",
    request_body = RenameDevice,
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn rename_device(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiId(id): ApiId<uuid::Uuid>,
    ApiJson(body): ApiJson<RenameDevice>,
) -> Done {
    face.accounts.rename_device(&caller, DeviceId(id), &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End the session of one of the caller's devices.
#[utoipa::path(
    delete,
    path = "/api/v1/devices/{id}",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn kick_device(State(face): At, ApiSession(caller): ApiSession, ApiId(id): ApiId<uuid::Uuid>) -> Done {
    face.accounts.kick_device(&caller, DeviceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's own profile.
#[utoipa::path(
    get,
    path = "/api/v1/profile",
    tag = "accounts",
    responses((status = 200, body = Profile), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn profile(State(face): At, ApiSession(caller): ApiSession) -> Answer<Profile> {
    Ok(ApiJson(face.accounts.profile(&caller).await?))
}

/// Change the caller's display name.
#[utoipa::path(
    patch,
    path = "/api/v1/profile",
    tag = "accounts",
    request_body = ChangeProfile,
    responses((status = 200, body = Profile), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn change_profile(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<ChangeProfile>,
) -> Answer<Profile> {
    Ok(ApiJson(face.accounts.change_profile(&caller, &body).await?))
}

/// Change the caller's password; all other sessions end.
#[utoipa::path(
    post,
    path = "/api/v1/password",
    tag = "accounts",
    request_body = ChangePassword,
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn change_password(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiJson(body): ApiJson<ChangePassword>,
) -> Done {
    face.accounts.change_password(&caller, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The people of this server, by name.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "accounts",
    params(
        ("find" = Option<String>, Query, description = "What the user name or the display name begins with"),
        ("after" = Option<String>, Query, description = "The last name of the page before"),
        ("limit" = Option<u32>, Query, description = "At most 200"),
        ("deactivated" = Option<bool>, Query, description = "Those who have left instead; for admins"),
    ),
    responses((status = 200, body = UserList), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn users(
    State(face): At,
    ApiCaller(caller): ApiCaller,
    ApiQuery(page): ApiQuery<ListAfter>,
) -> Answer<UserList> {
    let by = Administrator::Caller(&caller);
    Ok(ApiJson(face.accounts.users(by, page).await?))
}

/// One user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/UserProfile")), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn user(
    State(face): At,
    ApiReader(caller): ApiReader,
    ApiId(id): ApiId<UserId>,
) -> Answer<UserProfile> {
    Ok(ApiJson(face.accounts.user(&caller, id).await?))
}

/// Disable a user: all their sessions end. For admins; only an owner may change an admin or an owner.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/disable",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, body = UserStatus), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn disable(about: ApiAbout) -> Answer<UserStatus> {
    Ok(ApiJson(
        about.face.accounts.disable(about.by(), about.user).await?,
    ))
}

/// Enable a user again.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/enable",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, body = UserStatus), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn enable(about: ApiAbout) -> Answer<UserStatus> {
    Ok(ApiJson(about.face.accounts.enable(about.by(), about.user).await?))
}

/// Give a user a new password, told once; all their sessions end.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/reset-password",
    tag = "accounts",
    params(("id" = String, Path)),
    responses((status = 200, body = PasswordReset), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
async fn reset_password(about: ApiAbout) -> Answer<PasswordReset> {
    let reset = about.face.accounts.reset_password(about.by(), about.user);
    Ok(ApiJson(reset.await?))
}
