//! One request to an authority, within bounds of time and bytes. What must not live here: what is asked.

use std::error::Error as StdError;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::limits;
use crate::workers::push::trust;

/// Addresses of one name that are tried.
const TRIED: usize = 4;

/// The way to the authority, over https alone.
#[derive(Clone)]
pub(super) struct Line {
    tls: Arc<ClientConfig>,
    patience: Duration,
}

type Wrong = Box<dyn StdError + Send + Sync>;

impl Line {
    /// `authorities`: PEM certificates that its server is trusted by, besides the public ones.
    pub(super) fn new(authorities: &[u8]) -> Result<Line, String> {
        Ok(Line {
            tls: trust(authorities)?,
            patience: limits::ACME_REQUEST_TIME,
        })
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, Wrong> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(format!("{uri} does not begin with https://").into());
        }
        let authority = uri.authority().ok_or("an address without a host")?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let stream = connect(&host, authority.port_u16().unwrap_or(443), self.patience / 3).await?;
        let name = ServerName::try_from(host.clone())?;
        let stream = TlsConnector::from(self.tls)
            .connect(name, stream)
            .await
            .map_err(|error| format!("TLS to {host} failed: {error}"))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(limits::ACME_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        let request = addressed(request, &uri)?;
        let answered = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, limits::ACME_BODY_BYTES).collect().await?;
            Ok::<_, Wrong>(Response::from_parts(parts, Full::new(body.to_bytes())))
        };
        let mut answered = std::pin::pin!(answered);
        // Both ends go together: dropping this future closes the socket.
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            // It may have ended with the answer; if not, the one who asks is told why.
            _ = connection => answered.await,
        }
    }
}

async fn connect(host: &str, port: u16, patience: Duration) -> Result<TcpStream, Wrong> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| format!("the name {host} cannot be looked up: {error}"))?
        .take(TRIED)
        .collect();
    let mut last: Wrong = format!("{host} has no address").into();
    for address in found {
        let each = tokio::time::timeout(patience, TcpStream::connect(address));
        match each.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = format!("{host} cannot be reached: {error}").into(),
            Err(_) => last = format!("{host} cannot be reached in time").into(),
        }
    }
    Err(last)
}

/// As HTTP/1.1 has it on the wire: the path in the first line, the host in a header.
fn addressed(
    mut request: Request<BodyWrapper<Bytes>>,
    uri: &Uri,
) -> Result<Request<BodyWrapper<Bytes>>, Wrong> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(host)?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

impl HttpClient for Line {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let patience = self.patience;
        let asking = self.clone().ask(request);
        Box::pin(async move {
            match tokio::time::timeout(patience, asking).await {
                Ok(answer) => answer.map(BytesResponse::from).map_err(Error::Other),
                Err(_) => Err(Error::Str("the authority does not answer in time")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// An authority that says this to whoever asks anything; nothing means that it never answers.
    async fn authority(says: Vec<u8>) -> (Line, String) {
        let key = KeyPair::generate().expect("a key");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        let own = own.self_signed(&key).expect("signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}/dir", listener.local_addr().expect("an address"));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("somebody came");
            let mut stream = acceptor.accept(stream).await.expect("a handshake");
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            // Who has read enough hangs up.
            let _ = stream.write_all(&says).await;
            if says.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        (Line::new(own.pem().as_bytes()).expect("a certificate"), url)
    }

    async fn asked(line: &Line, url: &str) -> Result<BytesResponse, Error> {
        let request = Request::builder().uri(url).body(BodyWrapper::default());
        line.request(request.expect("a request")).await
    }

    #[tokio::test]
    async fn an_answer_is_read_and_one_that_is_too_long_is_not() {
        let text = |head: &str, body: &str| {
            format!(
                "HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        let (line, url) = authority(text("", "{}")).await;
        let Ok(answer) = asked(&line, &url).await else {
            panic!("no answer")
        };
        assert_eq!(answer.parts.status, 200);
        let (line, url) = authority(text("", &"x".repeat(limits::ACME_BODY_BYTES + 1))).await;
        assert!(asked(&line, &url).await.is_err(), "the body is too long");
        let head = format!("x: {}\r\n", "x".repeat(limits::ACME_HEAD_BYTES));
        let (line, url) = authority(text(&head, "{}")).await;
        assert!(asked(&line, &url).await.is_err(), "the head is too long");
        assert!(
            asked(&line, "http://127.0.0.1:1/").await.is_err(),
            "not in the clear"
        );
        let stranger = Line::new(b"").expect("the public authorities");
        let (_, url) = authority(text("", "{}")).await;
        assert!(asked(&stranger, &url).await.is_err(), "nobody vouches for it");
    }

    #[tokio::test]
    async fn an_authority_that_never_answers_is_left() {
        let (line, url) = authority(Vec::new()).await;
        let hasty = Line {
            patience: Duration::from_millis(300),
            ..line
        };
        let error = asked(&hasty, &url).await.err().expect("no answer");
        assert!(error.to_string().contains("in time"), "{error}");
    }
}
