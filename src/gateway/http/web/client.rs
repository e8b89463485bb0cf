//! The client that this server brings along: its files, embedded and compressed when the server was built, and the headers
//! a browser needs to keep them and to distrust everything else. What must not live here: how it is built (`build.rs`, `web/`).
//!
//! The build script has the list of files in its hands, so it writes a table of `include_bytes!`; nothing is looked
//! for, hashed or compressed at run time, and unread pages of it cost no memory.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::Face;
use super::super::problem;

/// A file as the build left it.
struct ClientFile {
    path: &'static str,
    media: &'static str,
    /// Of the uncompressed bytes, with its quotes.
    tag: &'static str,
    /// Whether the name changes with the bytes, so that it may be kept for ever.
    hashed: bool,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

/// Sorted by path.
static FILES: &[ClientFile] = &include!(concat!(env!("OUT_DIR"), "/client.rs"));
const INDEX: &str = "/index.html";
/// The client's own addresses: it finds out itself what to show there. Anything else that is no file is not found.
const PAGES: [&str; 8] = [
    "/",
    "/join",
    "/reset",
    "/sign-in",
    "/pair",
    "/sheet",
    "/share",
    "/c/{conversation}",
];
/// The same for one's own things and for administration: a list, its pages, one of a page's rows.
const DESKS: [&str; 5] = [
    "/me",
    "/me/{page}",
    "/admin",
    "/admin/{page}",
    "/admin/{page}/{row}",
];
/// The link to a message of a conversation.
const MESSAGE: &str = "/c/{conversation}/{message}";
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASKED_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The pages and the files. Each file has its own route: what is not there is not found, as anywhere else.
pub fn routes() -> Router<Arc<Face>> {
    let pages = PAGES
        .into_iter()
        .chain(DESKS)
        .chain([MESSAGE])
        .map(|path| (path, get(page)));
    let files = FILES.iter().filter(|file| file.path != INDEX);
    let files = files.map(|file| (file.path, get(asset)));
    pages
        .chain(files)
        .fold(Router::new(), |router, (path, method)| router.route(path, method))
}

async fn page(request: Request) -> Response {
    match file(INDEX) {
        Some(index) => served(index, request.headers()),
        None => problem::not_found().await.into_response(),
    }
}

async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    match file(uri.path()) {
        Some(file) => served(file, &headers),
        None => problem::not_found().await.into_response(),
    }
}

fn file(path: &str) -> Option<&'static ClientFile> {
    let at = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    FILES.get(at)
}

fn served(file: &'static ClientFile, asked: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    let kept = if file.hashed { KEPT } else { ASKED_AGAIN };
    headers.insert(header::CACHE_CONTROL, kept);
    headers.insert(header::ETAG, HeaderValue::from_static(file.tag));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    guard(&mut headers, asked);
    if knows_it(asked, file.tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media));
    let (bytes, encoding) = packed(file, asked);
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    (headers, bytes).into_response()
}

/// The smallest form that the browser takes.
fn packed(file: &'static ClientFile, asked: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    match (file.br, file.gz) {
        (Some(bytes), _) if takes(asked, "br") => (bytes, Some("br")),
        (_, Some(bytes)) if takes(asked, "gzip") => (bytes, Some("gzip")),
        _ => (file.plain, None),
    }
}

/// RFC 9110, 12.5.3, as far as browsers and proxies use it: a name, perhaps with a weight; a weight of 0 is a no.
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut named = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    named.any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named && !parts.any(|weight| weight.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

fn knows_it(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.any(|one| one.trim().trim_start_matches("W/") == tag)
}

/// No script but our own, no script address made of text but the service worker's, no markup made of text, no frame around it, nothing from elsewhere.
fn guard(headers: &mut HeaderMap, asked: &HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(asked));
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn policy(asked: &HeaderMap) -> HeaderValue {
    // To Safari before 16 'self' does not include the socket, so it is named, if the name holds nothing but a name.
    let host = asked.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    let host = host.filter(|host| host.bytes().all(plain)).unwrap_or_default();
    let sockets = if host.is_empty() {
        String::new()
    } else {
        format!(" ws://{host} wss://{host}")
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
         font-src 'self'; connect-src 'self'{sockets}; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types kinglet-worker"
    );
    HeaderValue::from_str(&policy).expect("a host of plain characters makes a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn an_encoding_is_taken_when_it_is_named_and_not_refused() {
        for yes in ["br", "gzip, br", "gzip;q=0.5,  BR ;q=0.8", "br;q=0.001"] {
            assert!(takes(&asked(header::ACCEPT_ENCODING, yes), "br"), "{yes}");
        }
        for no in ["", "gzip", "br;q=0", "gzip, br; q=0.0", "brotli"] {
            assert!(!takes(&asked(header::ACCEPT_ENCODING, no), "br"), "{no}");
        }
    }

    #[test]
    fn a_host_that_is_no_name_does_not_get_into_the_policy() {
        let policy = |host| {
            policy(&asked(header::HOST, host))
                .to_str()
                .expect("text")
                .to_owned()
        };
        assert!(
            policy("kinglet.local:8443")
                .contains("connect-src 'self' ws://kinglet.local:8443 wss://kinglet.local:8443;")
        );
        assert!(policy("[::1]:8080").contains("wss://[::1]:8080;"));
        assert!(policy("localhost:1; script-src *").contains("connect-src 'self';"));
    }

    /// A worker that is kept by a cache cannot be replaced, and one at another place does not see the pages.
    #[test]
    fn the_service_worker_and_the_manifest_are_asked_for_again_and_lie_at_the_root() {
        for (path, media) in [
            ("/sw.js", "text/javascript; charset=utf-8"),
            ("/manifest.webmanifest", "application/manifest+json"),
            ("/apple-touch-icon.png", "image/png"),
        ] {
            let answer = served(file(path).expect("it is built"), &HeaderMap::new());
            let headers = answer.headers();
            assert_eq!(headers[header::CONTENT_TYPE], media, "{path}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache", "{path}");
        }
        let policy = policy(&HeaderMap::new());
        let policy = policy.to_str().expect("text");
        for part in [
            "worker-src 'self';",
            "manifest-src 'self';",
            "trusted-types kinglet-worker",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_has_the_page_and_what_it_names() {
        assert!(FILES.is_sorted_by_key(|file| file.path));
        let index = std::str::from_utf8(file(INDEX).expect("there is a page").plain).expect("it is text");
        let named: Vec<&str> = index
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert!(named.len() >= 2, "a script and a style sheet: {index}");
        for path in named {
            let file = file(path).expect("what the page names is there");
            assert!(file.hashed && file.br.is_some() && file.gz.is_some(), "{path}");
        }
    }
}
