//! What a server that cannot start answers instead: a page for people, a refusal for programs. Everybody who reaches the
//! machine may see it, so it is made of our own words and two numbers: no path, no name, nothing that an error said.
//! What must not live here: why the server does not start, and when it tries again; both are handed in.

mod words;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub use words::Cause;

use super::problem::{Problem, say_when};
use crate::clock;
use crate::proto::{Code, Refusal};
use words::{CHINESE, ENGLISH, Words};

/// Addresses of programs. Whatever else is asked for by a browser gets the page.
const FOR_PROGRAMS: [&str; 4] = ["/api/", "/ws", "/health", "/metrics"];
/// The page looks again so often, and clients are told to.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What is wrong.
pub struct Trouble {
    pub cause: Cause,
    /// Starts in a row.
    pub failed: u32,
    pub next_try: Option<Instant>,
}

/// The same answer at every address.
pub fn router(trouble: Arc<Trouble>) -> Router {
    Router::new().fallback(answer).with_state(trouble)
}

async fn answer(State(trouble): State<Arc<Trouble>>, request: Request) -> Response {
    let left = trouble
        .next_try
        .map(|next| next.saturating_duration_since(clock::monotonic()));
    let after = left.map_or(LOOK_AGAIN, |left| left.clamp(Duration::from_secs(1), LOOK_AGAIN));
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let mut response = if wants_a_page(request.method(), request.uri().path(), request.headers()) {
        let mut page = (StatusCode::SERVICE_UNAVAILABLE, page(&trouble, left)).into_response();
        say_when(&mut page, Some(after_ms));
        page
    } else {
        Problem::from(Refusal::later(Code::SafeMode, after_ms)).into_response()
    };
    let fixed = HeaderValue::from_static;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::CACHE_CONTROL, fixed("no-store")),
    ];
    response.headers_mut().extend(headers);
    if response.headers()[header::CONTENT_TYPE] != "application/json" {
        let policy = HeaderValue::from_str(&policy()).expect("a policy is plain text");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    }
    response
}

fn wants_a_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) || FOR_PROGRAMS.iter().any(|it| path.starts_with(it)) {
        return false;
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    path == "/" || accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Nothing is loaded, run, framed or posted; the style is the page's own.
fn policy() -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
    let style = data_encoding::BASE64.encode(digest.as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn page(trouble: &Trouble, left: Option<Duration>) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{}\">\n<title>Kinglet · safe mode · 安全模式</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n\
         <nav><a href=\"#en\">English</a> · <a href=\"#zh\" lang=\"zh-CN\">简体中文</a></nav>\n<main>\n",
        LOOK_AGAIN.as_secs()
    );
    for words in [&ENGLISH, &CHINESE] {
        section(&mut page, words, trouble, left);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(page: &mut String, words: &Words, trouble: &Trouble, left: Option<Duration>) {
    let (happened, act) = (words.cause)(trouble.cause);
    let next = match left {
        Some(left) => words
            .next_try
            .replace('#', &left.as_secs().div_ceil(60).max(1).to_string()),
        None => words.no_try.to_owned(),
    };
    let failed = words.failed.replace('#', &trouble.failed.to_string());
    write!(
        page,
        "<section lang=\"{}\" id=\"{}\">\n<h1>{}</h1>\n<p>{}</p>\n<h2>{}</h2>\n<p class=\"what\">{happened}</p>\n\
         <p>{failed} {next}</p>\n<h2>{}</h2>\n<ol>\n<li>{act}</li>\n",
        words.lang, words.id, words.title, words.everybody, words.happened, words.act
    )
    .expect("writing to a String cannot fail");
    for step in words.always {
        writeln!(page, "<li>{step}</li>").expect("writing to a String cannot fail");
    }
    page.push_str("</ol>\n</section>\n");
}

const STYLE: &str = ":root{color-scheme:light dark;background:#fff;color:#1b1f1d}a{color:#1f6b57}\
@media(prefers-color-scheme:dark){:root{background:#141716;color:#e8ecea}a{color:#6fc7ab}}\
body{font:1em/1.5 system-ui,sans-serif;max-width:40em;margin:0 auto;padding:1em}\
code{font-family:monospace;overflow-wrap:anywhere}.what{font-size:1.2em;font-weight:bold}li{margin:.4em 0}\
section+section{border-top:1px solid;margin-top:2em}";

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(cause: Cause) -> Trouble {
        Trouble {
            cause,
            failed: 7,
            next_try: None,
        }
    }

    #[test]
    fn every_cause_has_a_page_in_both_languages_without_script() {
        let mut seen = std::collections::BTreeSet::new();
        for cause in Cause::ALL {
            let page = page(&trouble(cause), Some(Duration::from_secs(61)));
            for (words, counted, minutes) in [
                (&ENGLISH, "7 starts in a row", "2 minutes"),
                (&CHINESE, "连续 7 次", "2 分钟"),
            ] {
                let (happened, act) = (words.cause)(cause);
                for part in [happened, act, counted, minutes, words.title] {
                    assert!(page.contains(part), "{cause:?}: {part} is missing");
                }
                assert!(seen.insert(happened), "{cause:?} says what another says");
            }
            let tags = page.split('<').filter_map(|part| part.split('>').next());
            for tag in tags {
                for banned in ["script", " on", "style=", "src=", "http:", "https:", "form"] {
                    assert!(!tag.contains(banned), "{cause:?}: <{tag}>");
                }
            }
            assert!(page.len() < 16 * 1024, "{} bytes", page.len());
        }
        assert!(page(&trouble(Cause::Other), None).contains(ENGLISH.no_try));
    }

    #[test]
    fn browsers_get_the_page_and_programs_the_refusal() {
        let wants = |method: Method, path: &str, accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_a_page(&method, path, &headers)
        };
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert!(wants(Method::GET, "/", "*/*") && wants(Method::HEAD, "/", ""));
        assert!(wants(Method::GET, "/c/c123/4", browser) && wants(Method::GET, "/trust", browser));
        for path in ["/api/v1/server", "/ws", "/health", "/metrics"] {
            assert!(!wants(Method::GET, path, browser), "{path}");
        }
        assert!(!wants(Method::POST, "/", browser) && !wants(Method::GET, "/assets/x.js", "*/*"));
    }
}
