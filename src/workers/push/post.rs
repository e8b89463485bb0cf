//! One request to a push service, within bounds of time and bytes. What must not live here: where it may go, and what
//! follows from the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::guard::Target;
use crate::limits;

/// What a push service answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After` in seconds; a date there is not read, since our clock may be wrong.
    pub retry_after: Option<Duration>,
}

/// A push message on its way out.
pub struct Parcel {
    pub authorization: String,
    /// Replaces what waits at the service under the same topic (RFC 8030, section 5.4).
    pub topic: Option<String>,
    pub seconds: u64,
    pub body: Vec<u8>,
}

/// Who is trusted to vouch for push services: the public authorities, and those in the operator's file.
///
/// # Errors
/// What is wrong with the file.
pub fn trust(extra: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for certificate in CertificateDer::pem_slice_iter(extra) {
        let certificate = certificate.map_err(|error| format!("it is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in it cannot be trusted: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are those of the provider")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Sends a parcel to the first of the addresses that can be reached. Of the answer only the head is read.
///
/// # Errors
/// Why there was no answer, for people.
pub async fn post(
    tls: &Arc<ClientConfig>,
    target: &Target,
    addresses: &[SocketAddr],
    parcel: Parcel,
) -> Result<Answer, String> {
    let stream = connect(addresses).await?;
    let name =
        ServerName::try_from(target.host.clone()).map_err(|_| "its name cannot be in a certificate")?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS failed: {error}"))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(limits::PUSH_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("HTTP failed: {error}"))?;
    let request = request(target, parcel)?;
    let mut asking = std::pin::pin!(sender.send_request(request));
    // Both ends go together: dropping this future closes the socket.
    let response = tokio::select! {
        biased;
        response = &mut asking => response,
        // It may have ended with the answer; if not, the one who asks is told why.
        _ = connection => asking.await,
    };
    let response = response.map_err(|error| format!("HTTP failed: {error}"))?;
    Ok(answer(&response))
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    let each = limits::PUSH_TIME / 3;
    for address in addresses {
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = format!("it cannot be reached: {error}"),
            Err(_) => last = "it cannot be reached in time".to_owned(),
        }
    }
    Err(last)
}

fn request(target: &Target, parcel: Parcel) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::post(target.path.as_str())
        .header(HOST, &target.authority)
        .header(AUTHORIZATION, parcel.authorization)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_ENCODING, "aes128gcm")
        .header(CONNECTION, "close")
        .header("ttl", parcel.seconds)
        .header("urgency", "high");
    if let Some(topic) = parcel.topic {
        request = request.header("topic", topic);
    }
    request
        .body(Full::new(Bytes::from(parcel.body)))
        .map_err(|error| format!("the request cannot be written: {error}"))
}

fn answer<B>(response: &Response<B>) -> Answer {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Answer {
        status: response.status().as_u16(),
        retry_after: seconds.map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_sense_is_refused_and_none_is_fine() {
        assert!(trust(b"").is_ok());
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(trust(garbage.as_bytes()).is_err());
    }

    #[test]
    fn only_seconds_are_read() {
        let of = |value: &str| {
            let response = Response::builder()
                .status(429)
                .header(RETRY_AFTER, value)
                .body(());
            answer(&response.expect("a response")).retry_after
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(of("-1"), None);
    }
}
