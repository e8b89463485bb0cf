//! A push service for stories: real TLS and HTTP on loopback, with answers that a story chooses; and the device that
//! subscribed with it, which decrypts by another implementation than the server's. What must not live here: stories.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::harness::{PATIENCE, Person, Server};
use crate::http::Reply;

/// What a service says to the next message.
#[derive(Clone)]
pub struct Scripted {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
}

impl Scripted {
    pub fn status(status: u16) -> Scripted {
        Scripted {
            status,
            headers: Vec::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Scripted {
        self.headers.push((name, value.into()));
        self
    }
}

/// A message as the service got it.
pub struct Parcel {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Parcel {
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name}"));
        value.to_str().expect("it is text")
    }
}

struct Inside {
    answers: Mutex<VecDeque<Scripted>>,
    connections: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// A request takes one of these before it is answered.
    permits: Semaphore,
    parcels: mpsc::Sender<Parcel>,
}

pub struct PushService {
    pub address: SocketAddr,
    parcels: mpsc::Receiver<Parcel>,
    inside: Arc<Inside>,
    directory: TempDir,
}

/// A certificate for loopback, and the authority that signed it, as PEM.
fn certificate() -> (Arc<rustls::ServerConfig>, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("it is its own");
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names)
        .expect("names")
        .signed_by(&key, &issuer)
        .expect("the authority signs");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("they belong together");
    (Arc::new(config), authority.pem())
}

async fn take(inside: Arc<Inside>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let now = inside.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    inside.most_at_once.fetch_max(now, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
    let scripted = inside.answers.lock().expect("nobody panicked").pop_front();
    let scripted = scripted.unwrap_or_else(|| Scripted::status(201));
    assert_eq!(parts.method, Method::POST);
    let parcel = Parcel {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
    };
    inside.parcels.send(parcel).await.expect("the story goes on");
    inside
        .permits
        .acquire()
        .await
        .expect("it is never closed")
        .forget();
    inside.at_once.fetch_sub(1, Ordering::SeqCst);
    let mut answer = Response::builder().status(scripted.status);
    for (name, value) in scripted.headers {
        answer = answer.header(name, value);
    }
    Ok(answer.body(Full::default()).expect("an answer"))
}

impl PushService {
    pub async fn start() -> PushService {
        let (config, authority) = certificate();
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("authority.pem"), authority).expect("the directory is new");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, parcels) = mpsc::channel(256);
        let inside = Arc::new(Inside {
            answers: Mutex::default(),
            connections: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            permits: Semaphore::new(10_000),
            parcels: sender,
        });
        let acceptor = TlsAcceptor::from(config);
        let shared = Arc::clone(&inside);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let serve = service_fn(move |request| take(Arc::clone(&shared), request));
                    // Who asks may hang up.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), serve)
                        .await;
                });
            }
        });
        PushService {
            address,
            parcels,
            inside,
            directory,
        }
    }

    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// A server that may send here, and to nobody else.
    pub async fn server(&self) -> Server {
        let port = self.address.port();
        let hosts = format!("127.0.0.1:{port},localhost:{port}");
        self.server_with(&[("KINGLET_PUSH_HOSTS", &hosts), ("KINGLET_PUSH_PUBLIC", "false")])
            .await
    }

    pub async fn server_with(&self, more: &[(&str, &str)]) -> Server {
        let authority = self.authority();
        let mut env = vec![
            ("KINGLET_PUSH_ENABLED", "true"),
            ("KINGLET_PUSH_SUBJECT", "mailto:admin@kinglet-chat.org"),
            ("KINGLET_PUSH_CA", authority.to_str().expect("it is text")),
        ];
        env.extend_from_slice(more);
        Server::with(&env).await
    }

    /// What the service says to the next messages; to all others it says 201.
    pub fn will_answer(&self, answers: impl IntoIterator<Item = Scripted>) {
        self.inside
            .answers
            .lock()
            .expect("nobody panicked")
            .extend(answers);
    }

    /// No request is answered until it is let go.
    pub fn hold(&self) {
        self.inside.permits.forget_permits(usize::MAX);
    }

    pub fn release(&self) {
        self.inside.permits.add_permits(10_000);
    }

    pub fn connections(&self) -> usize {
        self.inside.connections.load(Ordering::SeqCst)
    }

    pub fn most_at_once(&self) -> usize {
        self.inside.most_at_once.load(Ordering::SeqCst)
    }

    /// The next message that arrives.
    pub async fn parcel(&mut self) -> Parcel {
        let came = tokio::time::timeout(PATIENCE, self.parcels.recv()).await;
        came.expect("a push message arrives").expect("the service runs")
    }

    /// Whether none has arrived that was not looked at.
    pub fn is_quiet(&mut self) -> bool {
        self.parcels.try_recv().is_err()
    }
}

/// A device's side of a subscription.
pub struct Receiver {
    secret: p256::SecretKey,
    auth: [u8; 16],
    pub endpoint: String,
}

impl Receiver {
    pub fn at(service: &PushService, path: &str) -> Receiver {
        Receiver::with(format!("https://{}{path}", service.address))
    }

    pub fn with(endpoint: String) -> Receiver {
        let (mut chance, mut auth) = ([0; 32], [0; 16]);
        getrandom::fill(&mut chance).expect("the system gives chance");
        getrandom::fill(&mut auth).expect("the system gives chance");
        Receiver {
            secret: p256::SecretKey::from_slice(&chance).expect("nearly every number is a key"),
            auth,
            endpoint,
        }
    }

    /// What a browser's `toJSON` gives.
    pub fn subscription(&self) -> Value {
        let point = self.secret.public_key().to_encoded_point(false);
        json!({
            "endpoint": self.endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": BASE64URL_NOPAD.encode(point.as_bytes()),
                "auth": BASE64URL_NOPAD.encode(&self.auth),
            },
        })
    }

    pub fn open(&self, parcel: &Parcel) -> Value {
        let auth = web_push_native::Auth::clone_from_slice(&self.auth);
        let text = web_push_native::decrypt(parcel.body.clone(), &self.secret, &auth)
            .expect("it is for this device");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    pub fn can_open(&self, parcel: &Parcel) -> bool {
        let auth = web_push_native::Auth::clone_from_slice(&self.auth);
        web_push_native::decrypt(parcel.body.clone(), &self.secret, &auth).is_ok()
    }
}

impl Person {
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.world
            .request(Method::PUT, path, Some(&self.token), Some(body.to_string()))
            .await
    }

    /// Subscribes this device.
    pub async fn subscribe(&self, receiver: &Receiver) -> Value {
        self.put("/api/v1/push/subscription", &receiver.subscription())
            .await
            .json(200)
    }
}

/// Holds the `Authorization` of a parcel to RFC 8292 and gives its claims: signed by the key that clients subscribed with.
pub fn claims(parcel: &Parcel, public_key: &str) -> Value {
    let header = parcel.header("authorization");
    let (token, key) = header
        .strip_prefix("vapid t=")
        .and_then(|rest| rest.split_once(", k="))
        .unwrap_or_else(|| panic!("no greeting: {header}"));
    assert_eq!(key, public_key);
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
    let (signed, signature) = token.rsplit_once('.').expect("a JWT has three parts");
    let key = VerifyingKey::from_sec1_bytes(&decode(key)).expect("a point of P-256");
    let signature = Signature::from_slice(&decode(signature)).expect("a signature has 64 bytes");
    key.verify(signed.as_bytes(), &signature)
        .expect("the signature is right");
    let (head, claims) = signed.split_once('.').expect("a JWT has three parts");
    let head: Value = serde_json::from_slice(&decode(head)).expect("it is JSON");
    assert_eq!(head, json!({ "typ": "JWT", "alg": "ES256" }));
    serde_json::from_slice(&decode(claims)).expect("it is JSON")
}
