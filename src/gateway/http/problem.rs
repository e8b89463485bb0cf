//! Refusals as HTTP answers. What must not live here: when to refuse.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::meters::METERS;
use crate::proto::answer::ErrorReply;
use crate::proto::{Code, Refusal};

/// A refusal on its way out: `{"error": {...}}`.
#[derive(Debug)]
pub struct Problem {
    refusal: Refusal,
    status: u16,
}

impl Problem {
    /// A refusal whose HTTP status says more than its code does.
    #[must_use]
    pub fn with_status(status: StatusCode, refusal: Refusal) -> Problem {
        Problem {
            refusal,
            status: status.as_u16(),
        }
    }
}

impl<T: Into<Refusal>> From<T> for Problem {
    fn from(refusal: T) -> Problem {
        let refusal = refusal.into();
        Problem {
            status: refusal.code.status(),
            refusal,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        METERS.refusal(self.refusal.code as usize);
        let wait = self.refusal.retry_after_ms;
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&ErrorReply {
            re: None,
            error: self.refusal,
        });
        let body = body.expect("a refusal is made of strings and numbers");
        let mut response = (status, body).into_response();
        say_when(&mut response, wait);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Says in a header, too, when to come back: whole seconds, rounded up, since too early would only be refused again.
pub fn say_when(response: &mut Response, retry_after_ms: Option<u64>) {
    if let Some(ms) = retry_after_ms {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, ms.div_ceil(1_000).into());
    }
}

/// Whatever has no route.
pub async fn not_found() -> Problem {
    let message = "There is nothing at this address.";
    Refusal {
        next: "Check the path against the API's description.".into(),
        ..Refusal::because(Code::NotFound, message)
    }
    .into()
}

/// A route that does not take the method; axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    let message = "This address does not take that method.";
    let refusal = Refusal {
        next: "Use a method that `Allow` names.".into(),
        ..Refusal::because(Code::BadRequest, message)
    };
    Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, refusal)
}
