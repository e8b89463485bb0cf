//! Routes about files: uploads in as many requests as they take, downloads with ranges, a conversation's files.
//! What must not live here: who may have a file, and where it lies; the session floor is asked.
//!
//! Uploads use the field names of the IETF's resumable uploads (draft-ietf-httpbis-resumable-upload): `Upload-Offset` and
//! `Upload-Complete`. A download is served so that nothing in it can run: see `served`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use super::Face;
use super::auth::{ApiId, ApiJson, ApiQuery, ApiReader, ApiWriter, bearer};
use super::problem::Problem;
use crate::gateway::accept::Underway;
use crate::proto::files::{BlobQuery, FilePage, FilesQuery, NewUpload, Storage, UploadInfo};
use crate::proto::{BlobId, Code, ConversationId, Refusal, UploadId};
use crate::session::Who;
use crate::session::files;
use crate::session::files::give::{self, Form, Given};
use crate::session::files::receive::{Arrival, receive};

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
/// A file never changes, and only whoever asked may keep it.
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// Whatever a file holds runs nothing and loads nothing.
const HARMLESS: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
/// A name in `Content-Disposition` is cut at so many characters.
const NAME_CHARS: usize = 120;

type At = State<Arc<Face>>;
type Answer<T> = Result<ApiJson<T>, Problem>;

/// The routes, relative to the API's prefix.
pub fn routes() -> Router<Arc<Face>> {
    Router::new()
        .route("/uploads", post(begin).get(storage))
        .route("/uploads/{id}", put(send).patch(send).get(stands).delete(cancel))
        .route("/blobs/{id}", get(blob))
        .route("/blobs/{id}/thumbnail", get(thumbnail))
        .route("/conversations/{id}/files", get(list))
}

/// Begin an upload. The same command again finds it.
#[utoipa::path(
    post,
    path = "/api/v1/uploads",
    tag = "files",
    request_body = NewUpload,
    responses((status = 200, body = UploadInfo), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn begin(
    State(face): At,
    ApiWriter(caller): ApiWriter,
    ApiJson(new): ApiJson<NewUpload>,
) -> Answer<UploadInfo> {
    Ok(ApiJson(files::begin(&face.services, &caller.into(), new).await?))
}

/// How much one may store, and how much of it is taken.
#[utoipa::path(
    get,
    path = "/api/v1/uploads",
    tag = "files",
    responses((status = 200, body = Storage), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn storage(State(face): At, ApiWriter(caller): ApiWriter) -> Answer<Storage> {
    Ok(ApiJson(files::storage(&face.services, &caller.into()).await?))
}

/// Where an upload stands; `HEAD` says it in the fields alone.
#[utoipa::path(
    get,
    path = "/api/v1/uploads/{id}",
    tag = "files",
    params(("id" = String, Path)),
    responses((status = 200, body = UploadInfo), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn stands(
    State(face): At,
    ApiWriter(caller): ApiWriter,
    ApiId(id): ApiId<UploadId>,
) -> Result<Response, Problem> {
    Ok(told(files::stands(&face.services, &caller.into(), id).await?))
}

/// Send bytes, from `Upload-Offset` on. `PATCH` does the same.
#[utoipa::path(
    put,
    path = "/api/v1/uploads/{id}",
    tag = "files",
    params(
        ("id" = String, Path),
        ("Upload-Offset" = Option<u64>, Header, description = "Where these bytes begin; 0 when left out."),
    ),
    request_body(content_type = "application/octet-stream", description = "The bytes."),
    responses((status = 200, body = UploadInfo), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn send(
    State(face): At,
    ApiWriter(caller): ApiWriter,
    ApiId(id): ApiId<UploadId>,
    request: Request,
) -> Result<Response, Problem> {
    let offset = offset_of(request.headers())?;
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let sentence = "The bytes must come as they are, without a `Content-Encoding`.";
        return Err(Refusal::because(Code::BadRequest, sentence).into());
    }
    let who = (caller.into(), token_of(request.headers())?);
    let body = request.into_body().into_data_stream();
    match receive(&face.services, who, (id, offset), body).await? {
        Arrival::Part(info) | Arrival::Whole(info) => Ok(told(info)),
        Arrival::Elsewhere(at) => {
            let sentence = format!("The upload stands at byte {at}, not {offset}.");
            let refusal = Refusal::because(Code::WrongOffset, sentence);
            let mut response = Problem::from(refusal).into_response();
            response.headers_mut().insert(UPLOAD_OFFSET, at.into());
            Ok(response)
        }
    }
}

/// Give an upload up.
#[utoipa::path(
    delete,
    path = "/api/v1/uploads/{id}",
    tag = "files",
    params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn cancel(
    State(face): At,
    ApiWriter(caller): ApiWriter,
    ApiId(id): ApiId<UploadId>,
) -> Result<StatusCode, Problem> {
    files::cancel(&face.services, &caller.into(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The files of a conversation, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/files",
    tag = "files",
    params(
        ("id" = String, Path, description = "The conversation."),
        ("before" = Option<u64>, Query, description = "Only files before this seq."),
        ("kind" = Option<String>, Query, description = "`image`, `audio`, `voice`, `video` or `file`."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
    ),
    responses((status = 200, body = FilePage), (status = "default", body = ref("#/components/schemas/ErrorReply"))),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(face): At,
    ApiReader(caller): ApiReader,
    ApiId(conversation): ApiId<ConversationId>,
    ApiQuery(query): ApiQuery<FilesQuery>,
) -> Answer<FilePage> {
    let who = caller.into();
    Ok(ApiJson(
        files::list(&face.services, &who, conversation, query).await?,
    ))
}

/// A stored file, or one range of it.
#[utoipa::path(
    get,
    path = "/api/v1/blobs/{id}",
    tag = "files",
    params(
        ("id" = String, Path),
        ("name" = Option<String>, Query, description = "The name to save it under."),
    ),
    responses(
        (status = 200, content_type = "application/octet-stream"),
        (status = 206, content_type = "application/octet-stream"),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
pub(super) async fn blob(
    face: At,
    caller: ApiReader,
    id: ApiId<BlobId>,
    ApiQuery(query): ApiQuery<BlobQuery>,
    request: Request,
) -> Result<Response, Problem> {
    give(face, caller, id, (Form::Whole, query.name.as_deref()), request).await
}

/// A small picture of a stored picture, as a JPEG.
#[utoipa::path(
    get,
    path = "/api/v1/blobs/{id}/thumbnail",
    tag = "files",
    params(("id" = String, Path)),
    responses(
        (status = 200, content_type = "image/jpeg"),
        (status = "default", body = ref("#/components/schemas/ErrorReply")),
    ),
    security(("token" = [])),
)]
pub(super) async fn thumbnail(
    face: At,
    caller: ApiReader,
    id: ApiId<BlobId>,
    request: Request,
) -> Result<Response, Problem> {
    give(face, caller, id, (Form::Thumbnail, None), request).await
}

fn told(info: UploadInfo) -> Response {
    let (offset, whole) = (info.offset, info.blob.is_some());
    let mut response = ApiJson(info).into_response();
    let complete = HeaderValue::from_static(if whole { "?1" } else { "?0" });
    response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
    response.headers_mut().insert(UPLOAD_COMPLETE, complete);
    response
}

fn token_of(headers: &HeaderMap) -> Result<String, Problem> {
    Ok(bearer(headers).ok_or(Code::NotSignedIn)?.to_owned())
}

fn offset_of(headers: &HeaderMap) -> Result<u64, Problem> {
    let mut all = headers.get_all(&UPLOAD_OFFSET).iter();
    let offset = match (all.next(), all.next()) {
        (None, _) => Some(0),
        (Some(only), None) => only.to_str().ok().and_then(number),
        _ => None,
    };
    offset.ok_or_else(|| {
        Refusal::because(Code::BadRequest, "`Upload-Offset` is one whole number of bytes.").into()
    })
}

/// Digits and nothing else: `parse` alone would let a sign in.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

async fn give(
    State(face): At,
    ApiReader(caller): ApiReader,
    ApiId(id): ApiId<BlobId>,
    (form, name): (Form, Option<&str>),
    request: Request,
) -> Result<Response, Problem> {
    let who: Who = caller.into();
    let given = give::open(&face.services, &who, id, form).await?;
    let headers = request.headers();
    let tag = match form {
        Form::Whole => format!("\"{id}\""),
        Form::Thumbnail => format!("\"{id}-small\""),
    };
    let mut response = Response::new(Body::empty());
    served(response.headers_mut(), &given, &tag, name);
    if is_known(headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let size = given.size;
    let (from, to) = match asked_range(headers, &tag, size) {
        Asked::All => (0, size),
        Asked::Part(from, to) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let said = format!("bytes {from}-{}/{size}", to - 1);
            response.headers_mut().insert(header::CONTENT_RANGE, text(&said));
            (from, to)
        }
        Asked::Nothing => {
            let refusal = Refusal::because(Code::BadRequest, format!("The file has only {size} bytes."));
            let problem = Problem::with_status(StatusCode::RANGE_NOT_SATISFIABLE, refusal);
            let mut response = problem.into_response();
            response
                .headers_mut()
                .insert(header::CONTENT_RANGE, text(&format!("bytes */{size}")));
            return Ok(response);
        }
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, (to - from).into());
    if request.method() != Method::HEAD {
        let underway = request.extensions().get::<Underway>();
        let keep = underway.map(|underway| (underway.clone(), underway.busy()));
        let who = (who, token_of(headers)?);
        let cut = |keep: Option<(Underway, _)>| keep.iter().for_each(|(underway, _)| underway.cut());
        let pieces = given.pieces(Arc::clone(&face.services), who, (from, to), keep, cut);
        *response.body_mut() = Body::from_stream(pieces);
    }
    Ok(response)
}

/// What goes with every answer about a file. What a browser may show is told from the bytes; all else is something to save,
/// of no type that anything would run.
fn served(headers: &mut HeaderMap, given: &Given, tag: &str, name: Option<&str>) {
    let shown = given.shown_as.as_deref();
    let way = if shown.is_some() { "inline" } else { "attachment" };
    let said = disposition(way, name);
    headers.insert(
        header::CONTENT_TYPE,
        text(shown.unwrap_or("application/octet-stream")),
    );
    headers.insert(header::CONTENT_DISPOSITION, text(&said));
    headers.insert(header::ETAG, text(tag));
    headers.insert(header::CACHE_CONTROL, KEPT);
    headers.insert(header::CONTENT_SECURITY_POLICY, HARMLESS);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("made of visible ASCII by us")
}

/// `Content-Disposition` with a name as RFC 6266 and RFC 8187 write it: a plain form for the old, the true one for the rest.
fn disposition(way: &str, name: Option<&str>) -> String {
    let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
        return way.to_owned();
    };
    let clean = |c: char| {
        if c.is_control() || matches!(c, '/' | '\\') {
            '_'
        } else {
            c
        }
    };
    let name: String = name.chars().map(clean).take(NAME_CHARS).collect();
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii() && !matches!(c, '"' | '%') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut full = String::new();
    for byte in name.bytes() {
        // `attr-char` of RFC 8187, 3.2.1.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            full.push(char::from(byte));
        } else {
            full.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{way}; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

/// Whether the asker has this very file already (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let all = headers.get_all(header::IF_NONE_MATCH).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}

/// What part of a file is asked for: bytes `from..to`.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(u64, u64),
    Nothing,
}

/// One range of bytes (RFC 9110, 14). What is no such thing, or several, is answered with the whole file.
fn asked_range(headers: &HeaderMap, tag: &str, size: u64) -> Asked {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(Ok(range)), None) = (ranges.next().map(HeaderValue::to_str), ranges.next()) else {
        return Asked::All;
    };
    if headers.get(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Asked::All;
    }
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Asked::All;
    };
    match (number(first.trim()), number(last.trim())) {
        (Some(first), Some(last)) if first > last => Asked::All,
        (Some(first), _) if first >= size && (last.trim().is_empty() || number(last.trim()).is_some()) => {
            Asked::Nothing
        }
        (Some(first), Some(last)) => Asked::Part(first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.trim().is_empty() => Asked::Part(first, size),
        (None, Some(0)) if first.trim().is_empty() => Asked::Nothing,
        (None, Some(count)) if first.trim().is_empty() => Asked::Part(size.saturating_sub(count), size),
        _ => Asked::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().expect("a header"));
        asked_range(&headers, "\"x\"", 100)
    }

    #[test]
    fn ranges_are_read_as_the_rfc_writes_them() {
        assert_eq!(asked("bytes=0-0"), Asked::Part(0, 1));
        assert_eq!(asked("bytes=10-"), Asked::Part(10, 100));
        assert_eq!(asked("bytes=-10"), Asked::Part(90, 100));
        assert_eq!(asked("bytes=-1000"), Asked::Part(0, 100));
        assert_eq!(asked("bytes=99-100000"), Asked::Part(99, 100));
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(asked(beyond), Asked::Nothing, "{beyond}");
        }
        for other in [
            "bytes=0-1,5-6",
            "bytes=5-2",
            "bytes=-",
            "bytes=+1-2",
            "bytes=a-b",
            "lines=0-1",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(asked(other), Asked::All, "{other}");
        }
    }

    #[test]
    fn names_cannot_leave_their_header() {
        assert_eq!(disposition("inline", None), "inline");
        assert_eq!(
            disposition("attachment", Some("a\"b\r\nSet-Cookie: x/../é.txt")),
            "attachment; filename=\"a_b__Set-Cookie: x_.._e\u{301}.txt\"; filename*=UTF-8''a%22b__Set-Cookie%3A%20x_.._%C3%A9.txt"
                .replace("e\u{301}", "_")
        );
        let long = disposition("attachment", Some(&"ü".repeat(5_000)));
        assert!(long.len() < 1_200 && HeaderValue::from_str(&long).is_ok());
    }
}
