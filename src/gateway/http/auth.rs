//! Extractors: who asks, from where, and what the body, the query and the path say. What must not live here: what they
//! may. Every failure is a `Problem`.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Face;
use super::problem::Problem;
use crate::gateway::Peer;
use crate::gateway::accept::Stranger;
use crate::limits;
use crate::proto::{Code, Refusal, UserId, complaint};
use crate::session::accounts::{Accounts, Administrator, Caller, Errand, may_run};

/// What every handler has at hand.
pub type At = State<Arc<Face>>;
/// What is told, as JSON, or what went wrong.
pub type Answer<T> = Result<ApiJson<T>, Problem>;
/// Done, with nothing to tell: 204.
pub type Done = Result<StatusCode, Problem>;

/// The signed-in caller, by `Authorization: Bearer kt_...` and nothing else; one who is a person. Bots come in only where
/// a handler names one of the other three.
pub struct ApiCaller(pub Caller);

/// A caller who may do what their own session is about.
pub struct ApiSession(pub Caller);

/// A caller who may read what conversations show them.
pub struct ApiReader(pub Caller);

/// A caller who may bring something into one.
pub struct ApiWriter(pub Caller);

/// The token a request was let in with. A body may take its time to arrive, and the token may end meanwhile.
#[derive(Clone)]
pub struct LetIn {
    accounts: Arc<Accounts>,
    token: String,
}

impl LetIn {
    /// Asks once more, for what comes after the body.
    pub async fn still(extensions: &Extensions) -> Result<(), Problem> {
        let Some(LetIn { accounts, token }) = extensions.get::<LetIn>() else {
            return Ok(());
        };
        accounts.authenticate(token).await?;
        Ok(())
    }
}

/// A JSON body, in and out.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

/// The query string.
pub struct ApiQuery<T>(pub T);

/// An id in the path. What is no id of that kind is simply not there.
pub struct ApiId<T>(pub T);

/// Who asks something about which user, by the `{id}` of the path.
pub struct ApiAbout {
    pub face: Arc<Face>,
    pub caller: Caller,
    pub user: UserId,
}

impl ApiAbout {
    pub fn by(&self) -> Administrator<'_> {
        Administrator::Caller(&self.caller)
    }
}

/// The other end of the connection.
pub struct ApiPeer(pub Peer);

macro_rules! callers {
    ($($name:ident: $errand:ident),*) => {$(
        impl FromRequestParts<Arc<Face>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Problem> {
                caller(parts, face, Errand::$errand).await.map($name)
            }
        }
    )*};
}
callers!(ApiCaller: Person, ApiSession: Own, ApiReader: Read, ApiWriter: Write);

/// Who asks, if they may do that kind of thing.
async fn caller(parts: &mut Parts, face: &Arc<Face>, errand: Errand) -> Result<Caller, Problem> {
    let token = bearer(&parts.headers).ok_or_else(|| Refusal {
        next: "Sign in, then send the token as `Authorization: Bearer kt_...`.".into(),
        ..Refusal::because(Code::NotSignedIn, "This request needs a token.")
    })?;
    let caller = face.accounts.authenticate(token).await?;
    let let_in = LetIn {
        accounts: Arc::clone(&face.accounts),
        token: token.to_owned(),
    };
    parts.extensions.insert(let_in);
    if let Some(stranger) = parts.extensions.get::<Arc<Stranger>>() {
        stranger.sign_in();
    }
    may_run(&caller, errand)?;
    Ok(caller)
}

impl FromRequestParts<Arc<Face>> for ApiAbout {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Problem> {
        let ApiCaller(caller) = ApiCaller::from_request_parts(parts, face).await?;
        let ApiId(user) = ApiId::from_request_parts(parts, face).await?;
        let face = Arc::clone(face);
        Ok(ApiAbout { face, caller, user })
    }
}

/// The one bearer token of a request. Two headers are none: who put the second there is anyone's guess.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S: Sync> FromRequestParts<S> for ApiPeer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(peer) = parts.extensions.get::<Peer>() else {
            log::error!(
                "answering a request: the accept loop did not say who asks; this is a bug, report it"
            );
            return Err(Code::Internal.into());
        };
        Ok(ApiPeer(*peer))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(value) = Query::try_from_uri(&parts.uri).map_err(|error| bad(of_query(&error)))?;
        Ok(ApiQuery(value))
    }
}

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for ApiId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Code::NotFound)?;
        text.parse().map(ApiId).map_err(|_| Code::NotFound.into())
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let most = most_bytes(request.extensions());
        let body = json_body(request, most).await?;
        let text = text(&body)?;
        complaint::read(text).map(ApiJson).map_err(bad)
    }
}

/// The bytes of a JSON body: declared as such, at most so many, in time, and from someone who is still let in.
pub async fn json_body(request: Request, most: usize) -> Result<Bytes, Problem> {
    // A browser sends JSON to a foreign server only after asking (CORS), and is told no: no form can post here.
    if !is_json(request.headers()) {
        let message = "The body must be JSON, with `Content-Type: application/json`.";
        let refusal = Refusal::because(Code::BadRequest, message);
        return Err(Problem::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, refusal));
    }
    if declared_length(request.headers()).is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let (parts, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, most);
    let body = tokio::time::timeout(limits::HTTP_TIME, reading)
        .await
        .map_err(|_| too_slow())?
        .map_err(|error| {
            let is_too_large = error
                .source()
                .is_some_and(|source| source.is::<LengthLimitError>());
            if is_too_large {
                too_large(most)
            } else {
                bad("The body broke off.")
            }
        })?;
    LetIn::still(&parts.extensions).await?;
    Ok(body)
}

impl<T: Serialize> IntoResponse for ApiJson<T> {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).expect("answers are made of what JSON can say");
        (
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body,
        )
            .into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body as text.
pub fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|_| bad("The body is not UTF-8."))
}

fn bad(sentence: impl Into<String>) -> Problem {
    Refusal::because(Code::BadRequest, sentence).into()
}

/// Which parameter is wrong is known to an error inside the error.
fn of_query(error: &QueryRejection) -> String {
    type Inner = serde_path_to_error::Error<serde::de::value::Error>;
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(known) = inner.downcast_ref::<Inner>() {
            return complaint::of_field("parameter", &known.path().to_string(), &known.inner().to_string());
        }
        cause = inner.source();
    }
    "The query is not of the form that the protocol describes.".into()
}

/// What a body may hold: less where no token was shown, since strangers are many.
fn most_bytes(extensions: &Extensions) -> usize {
    if extensions.get::<LetIn>().is_some() {
        limits::HTTP_BODY
    } else {
        limits::BYTES_BEFORE_SIGN_IN
    }
}

fn too_large(most: usize) -> Problem {
    let message = format!("The body is larger than {most} bytes.");
    Refusal::because(Code::TooLarge, message).into()
}

fn too_slow() -> Problem {
    let refusal = Refusal {
        next: "Send the same request again.".into(),
        ..Refusal::because(Code::SlowSignIn, "The body did not arrive in time.")
    };
    refusal.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_or_none() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer kt_x"]).as_deref(), Some("kt_x"));
        assert_eq!(read(&["bearer  kt_x "]).as_deref(), Some("kt_x"));
        for none in [
            &[][..],
            &["kt_x"],
            &["Basic kt_x"],
            &["Bearer"],
            &["Bearer kt_x", "Bearer kt_y"],
        ] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}
