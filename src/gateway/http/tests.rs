//! The routes through the router, without a socket. What must not live here: what the accounts decide.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::gateway::Peer;
use crate::limits;
use crate::session::accounts::tests::{HERE, Hall};

struct Door {
    router: Router,
    hall: Hall,
}

impl Door {
    async fn open() -> Door {
        let hall = Hall::open().await;
        let router = router(Arc::new(Face {
            live: tokio::runtime::Handle::current(),
            accounts: Arc::clone(&hall.accounts),
            services: hall.services(),
            hosts: hosts::Hosts::new([], []),
            metrics: Box::new(String::new),
            overview: overview::Overview {
                health: Box::new(|_| unreachable!("no test here asks for figures")),
                settings: overview::ServerSettings {
                    source: None,
                    settings: Vec::new(),
                },
            },
            backups: backups::Backups {
                state: Box::new(|| unreachable!("no test here asks for backups")),
                start: Box::new(|_, _| unreachable!("no test here asks for backups")),
                try_out: Box::new(|_| unreachable!("no test here asks for backups")),
                choose: Box::new(|_| unreachable!("no test here asks for backups")),
                changing: tokio::sync::Mutex::default(),
            },
            machine: machine::Machine {
                plug_test: Box::new(|| unreachable!("no test here pulls a plug")),
                begin: Box::new(|_| unreachable!("no test here pulls a plug")),
                end: Box::new(|_, _| unreachable!("no test here pulls a plug")),
                board: Box::new(|| unreachable!("no test here asks the board")),
                known: Box::new(|_, _| unreachable!("no test here asks the board")),
                act: Box::new(|_, _| unreachable!("no test here asks the board")),
            },
        }));
        Door { router, hall }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let mut request = request;
        request.extensions_mut().insert(Peer { ip: HERE });
        request
            .headers_mut()
            .insert("host", axum::http::HeaderValue::from_static("localhost"));
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("a router always answers");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20)
            .await
            .expect("the answer is small");
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).expect("every answer is JSON")
        };
        (parts.status, parts.headers, value)
    }

    async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(value) => {
                request = request.header("content-type", "application/json; charset=utf-8");
                Body::from(value.to_string())
            }
            None => Body::empty(),
        };
        let (status, _, value) = self.send(request.body(body).expect("a request")).await;
        (status.as_u16(), value)
    }

    async fn owner(&self) -> String {
        let body = json!({
            "code": self.hall.code, "name": "ada", "password": "a quiet secret",
            "device": { "id": "018f6b1e-0000-7000-8000-000000000001", "name": "desk" },
        });
        let (status, answer) = self.call("POST", "/claim", None, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }
}

fn code(answer: &Value) -> &str {
    assert!(
        answer["error"]["message"].is_string() && answer["error"]["next"].is_string(),
        "{answer}"
    );
    answer["error"]["code"]
        .as_str()
        .expect("every refusal has a code")
}

#[tokio::test]
async fn the_story_of_two_people() {
    let door = Door::open().await;
    let ada = door.owner().await;
    let ada = Some(ada.as_str());
    let body = json!({ "client_id": "018f6b1e-0000-7000-8000-00000000000a" });
    let (status, invitation) = door.call("POST", "/invitations", ada, Some(body)).await;
    assert_eq!(status, 200, "{invitation}");
    let check = json!({ "code": invitation["code"] });
    let (_, check) = door.call("POST", "/invitations/check", None, Some(check)).await;
    assert_eq!(
        (&check["valid"], &check["by_name"], &check["role"]),
        (&json!(true), &json!("ada"), &json!("member"))
    );

    let device = "018f6b1e-0000-7000-8000-000000000002";
    let body = json!({
        "code": invitation["code"], "name": "bob", "password": "b quiet secret", "device": { "id": device },
    });
    let (status, bob) = door.call("POST", "/join", None, Some(body)).await;
    assert_eq!(status, 200, "{bob}");
    let token = bob["token"].as_str().expect("a token").to_owned();
    let bobs = Some(token.as_str());
    let (_, users) = door.call("GET", "/users?limit=1", bobs, None).await;
    assert_eq!(
        (&users["users"][0]["name"], &users["more"]),
        (&json!("ada"), &json!(true))
    );

    let (status, _) = door
        .call(
            "PATCH",
            &format!("/devices/{device}"),
            bobs,
            Some(json!({ "name": "phone" })),
        )
        .await;
    assert_eq!(status, 204);
    let (_, devices) = door.call("GET", "/devices", bobs, None).await;
    assert_eq!(
        (&devices["devices"][0]["name"], &devices["devices"][0]["current"]),
        (&json!("phone"), &json!(true))
    );
    let (_, profile) = door
        .call("PATCH", "/profile", bobs, Some(json!({ "display_name": "Bob" })))
        .await;
    assert_eq!(profile["display_name"], "Bob");

    let id = bob["user"].as_str().expect("an id");
    let (status, answer) = door
        .call("POST", &format!("/users/{id}/disable"), bobs, None)
        .await;
    assert_eq!((status, code(&answer)), (403, "forbidden"));
    let (status, answer) = door
        .call("POST", &format!("/users/{id}/reset-password"), ada, None)
        .await;
    assert_eq!(status, 200);
    let (status, refused) = door.call("GET", "/profile", bobs, None).await;
    assert_eq!((status, code(&refused)), (401, "signed_out"));
    let body = json!({ "name": "bob", "password": answer["password"], "device": { "id": device } });
    let (status, _) = door.call("POST", "/sign-in", None, Some(body)).await;
    assert_eq!(status, 200);
    let (status, answer) = door
        .call("POST", &format!("/users/{id}/disable"), ada, None)
        .await;
    assert_eq!((status, &answer["disabled"]), (200, &json!(true)));
    let (status, _) = door.call("POST", "/sign-out", ada, None).await;
    assert_eq!(status, 204);
    assert_eq!(door.call("GET", "/users", ada, None).await.0, 401);
}

#[tokio::test]
async fn bad_requests_are_refused_in_one_form() {
    let door = Door::open().await;
    let ada = door.owner().await;
    let token = Some(ada.as_str());
    for (method, path, token, body, status, expected) in [
        ("GET", "/nothing", None, None, 404, "not_found"),
        ("GET", "/claim", None, None, 405, "bad_request"),
        ("PUT", "/devices/x", token, None, 405, "bad_request"),
        ("POST", "/sign-in", None, None, 415, "bad_request"),
        (
            "POST",
            "/sign-in",
            None,
            Some(json!({ "name": 1 })),
            400,
            "bad_request",
        ),
        ("POST", "/sign-in", None, Some(json!({})), 400, "bad_request"),
        ("GET", "/profile", None, None, 401, "not_signed_in"),
        ("GET", "/profile?token=kt_x", None, None, 401, "not_signed_in"),
        ("GET", "/profile", Some("kt_x"), None, 401, "signed_out"),
        ("GET", "/users/c0000000000", token, None, 404, "not_found"),
        ("GET", "/users/u0000000000", token, None, 404, "not_found"),
        ("GET", "/users/%ff", token, None, 404, "not_found"),
        ("GET", "/users?limit=many", token, None, 400, "bad_request"),
        ("DELETE", "/devices/none", token, None, 404, "not_found"),
        (
            "DELETE",
            "/invitations/i0000000000",
            token,
            None,
            404,
            "not_found",
        ),
    ] {
        let (got, answer) = door.call(method, path, token, body).await;
        assert_eq!((got, code(&answer)), (status, expected), "{method} {path}");
    }
    let in_query = Request::get(format!("/api/v1/profile?access_token={ada}"))
        .body(Body::empty())
        .expect("a request");
    assert_eq!(
        door.send(in_query).await.0,
        StatusCode::UNAUTHORIZED,
        "a token in an address is none"
    );
    let outside = Request::get("/nothing").body(Body::empty()).expect("a request");
    let (status, _, answer) = door.send(outside).await;
    assert_eq!((status.as_u16(), code(&answer)), (404, "not_found"));
}

#[tokio::test]
async fn a_form_of_another_site_cannot_post() {
    let door = Door::open().await;
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
        "text/json",
        "",
    ] {
        let request = Request::post("/api/v1/sign-in")
            .header("content-type", kind)
            .body(Body::from("{}"));
        let (status, _, answer) = door.send(request.expect("a request")).await;
        assert_eq!((status.as_u16(), code(&answer)), (415, "bad_request"), "{kind}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_declared_or_not() {
    let door = Door::open().await;
    let post = || Request::post("/api/v1/sign-in").header("content-type", "application/json");
    let large = vec![b' '; limits::BYTES_BEFORE_SIGN_IN + 1];
    let declared = post()
        .header("content-length", large.len())
        .body(Body::empty())
        .expect("a request");
    let undeclared = post().body(Body::from(large)).expect("a request");
    for request in [declared, undeclared] {
        let (status, _, answer) = door.send(request).await;
        assert_eq!((status.as_u16(), code(&answer)), (413, "too_large"));
    }
    let fits = post()
        .body(Body::from(vec![b' '; limits::BYTES_BEFORE_SIGN_IN]))
        .expect("a request");
    assert_eq!(door.send(fits).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn headers_say_what_a_client_needs() {
    let door = Door::open().await;
    let post = |body: Value| {
        let request = Request::post("/api/v1/invitations/check").header("content-type", "application/json");
        request.body(Body::from(body.to_string())).expect("a request")
    };
    let (status, headers, _) = door.send(post(json!({ "code": "x" }))).await;
    assert_eq!(
        (
            status.as_u16(),
            &headers["content-type"],
            &headers["cache-control"]
        ),
        (
            404,
            &"application/json".parse().expect("a value"),
            &"no-store".parse().expect("a value")
        )
    );
    let mut last = (status, headers);
    for _ in 0..limits::BUCKET_SIGN_IN.burst {
        let (status, headers, _) = door.send(post(json!({ "code": "x" }))).await;
        last = (status, headers);
    }
    assert_eq!(
        (last.0.as_u16(), &last.1["retry-after"]),
        (429, &"1".parse().expect("a value"))
    );
    let wrong = Request::put("/api/v1/profile")
        .body(Body::empty())
        .expect("a request");
    let (_, headers, _) = door.send(wrong).await;
    assert_eq!(headers["allow"], "GET,HEAD,PATCH");
    let unsigned = Request::get("/api/v1/profile")
        .body(Body::empty())
        .expect("a request");
    assert_eq!(door.send(unsigned).await.1["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn every_described_operation_has_its_route() {
    let door = Door::open().await;
    let document: Value = serde_json::from_str(&openapi::document()).expect("the description is JSON");
    let mut count = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            let path = path.replace("{id}", "x");
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(&path);
            let (status, _, _) = door.send(request.body(Body::empty()).expect("a request")).await;
            // Without a token and a body: who asks, or in which form, is refused; not that there is nothing.
            let expected = if path == "/health" {
                status.as_u16() == 200
            } else {
                matches!(status.as_u16(), 401 | 415)
            };
            assert!(expected, "{method} {path}: {status}");
            count += 1;
        }
    }
    assert_eq!(count, 86);
}
