//! Plain requests, each on a connection of its own, by a real HTTP client. What must not live here: stories; malformed
//! requests (`raw`).

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{PATIENCE, Person, World};

/// A connection, plain or TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
pub type Stream = Box<dyn Io>;

pub struct Reply {
    pub status: u16,
    pub version: Version,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Bytes,
}

impl Reply {
    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of a refusal.
    #[track_caller]
    pub fn refused(&self) -> String {
        let body: Value =
            serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text));
        let error = &body["error"];
        assert!(
            error["message"].is_string() && error["next"].is_string(),
            "not a whole refusal: {}",
            self.text
        );
        error["code"]
            .as_str()
            .unwrap_or_else(|| panic!("not a refusal: {}", self.text))
            .to_owned()
    }
}

impl World {
    /// A new connection, over TLS if the server speaks it; `alpn` is what the client offers then.
    pub async fn connect(&self, alpn: &[&str]) -> std::io::Result<Stream> {
        let stream = TcpStream::connect(self.address()).await?;
        stream.set_nodelay(true)?;
        let Some(config) = self.client_tls() else {
            return Ok(Box::new(stream));
        };
        let mut config = rustls::ClientConfig::clone(&config);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::from(self.address().ip());
        Ok(Box::new(
            TlsConnector::from(Arc::new(config)).connect(name, stream).await?,
        ))
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Reply {
        self.request(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Reply {
        self.request(Method::POST, path, token, Some(body.to_string()))
            .await
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<String>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.send(request.body(body.unwrap_or_default()).expect("a request"))
            .await
    }

    /// Any request over HTTP/1.1; `Host` is put in where it is missing.
    pub async fn send(&self, request: Request<impl Into<Bytes>>) -> Reply {
        let mut request = request.map(Into::into);
        let body = String::from_utf8_lossy(request.body());
        self.note(
            "http",
            ">",
            &format!("{} {} {body}", request.method(), request.uri()),
        );
        if !request.headers().contains_key(HOST) {
            let host = self
                .address()
                .to_string()
                .parse()
                .expect("an address is a header");
            request.headers_mut().insert(HOST, host);
        }
        let reply = tokio::time::timeout(PATIENCE, async {
            let stream = self.connect(&["http/1.1"]).await.expect("the server listens");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            let driving = tokio::spawn(connection);
            let reply = sender.send_request(request.map(Full::new)).await;
            let reply = read(reply.expect("an answer")).await;
            driving.abort();
            reply
        });
        let reply = reply.await.expect("an answer in time");
        self.note("http", "<", &format!("{} {}", reply.status, reply.text));
        reply
    }

    /// The same over HTTP/2.
    pub async fn send_h2(&self, mut request: Request<String>) -> Reply {
        let authority = format!("https://{}{}", self.address(), request.uri().path());
        *request.uri_mut() = authority.parse().expect("an address");
        let reply = tokio::time::timeout(PATIENCE, async {
            let stream = self.connect(&["h2"]).await.expect("the server listens");
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
            let driving = tokio::spawn(connection);
            let reply = sender
                .send_request(request.map(|body| Full::new(Bytes::from(body))))
                .await;
            let reply = read(reply.expect("an answer")).await;
            driving.abort();
            reply
        });
        reply.await.expect("an answer in time")
    }
}

pub async fn read(reply: hyper::Response<hyper::body::Incoming>) -> Reply {
    let (parts, body) = reply.into_parts();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    Reply {
        status: parts.status.as_u16(),
        version: parts.version,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    }
}

impl Person {
    pub async fn get(&self, path: &str) -> Reply {
        self.world.get(path, Some(&self.token)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.world.post(path, Some(&self.token), body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.world
            .request(Method::DELETE, path, Some(&self.token), None)
            .await
    }
}
