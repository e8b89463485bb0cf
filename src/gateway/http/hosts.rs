//! Which names this server goes by, and which pages may talk to it. A page on another site that makes a name point here
//! (DNS rebinding) comes with that name in `Host`; a page of another origin says so in `Origin`.
//! What must not live here: who the asker is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Face;
use super::problem::Problem;
use crate::proto::{Code, Refusal};
use crate::session::accounts::WebAddress;

/// Accepted hosts and origins, all in lower case.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: HashSet<String>,
    origins: HashSet<String>,
}

impl Hosts {
    /// `names` without port; `origins` as `scheme://host[:port]`.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, origins: impl IntoIterator<Item = String>) -> Hosts {
        let names = names
            .into_iter()
            .map(|name| name.to_lowercase())
            .chain(["localhost".to_owned()])
            .collect();
        let origins = origins
            .into_iter()
            .map(|origin| origin.trim_end_matches('/').to_lowercase())
            .collect();
        Hosts { names, origins }
    }

    /// An address as host cannot be rebound, so it is always fine; a name must be one of ours.
    fn knows(&self, authority: &str) -> bool {
        let host = match authority.strip_prefix('[') {
            Some(six) => six.split(']').next().unwrap_or(""),
            None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
        };
        host.parse::<IpAddr>().is_ok() || self.names.contains(&host.to_lowercase())
    }

    /// Whether people may be told an address: over a name that this server does not go by, nobody would be answered. What
    /// else must be true of it is not decided here.
    pub fn may_be_told(&self, address: Option<&str>) -> Result<(), Refusal> {
        let Some(Ok(address)) = address.map(WebAddress::parse) else {
            return Ok(());
        };
        if address.host().parse::<IpAddr>().is_ok() || self.names.contains(address.host()) {
            return Ok(());
        }
        let host = address.host();
        let sentence = format!("This server does not go by the name {host}.");
        Err(Refusal {
            next: format!(
                "If the name leads here, write it into the configuration: under [listen] hosts = [\"{host}\"], beside what \
                 stands in listen.hosts already, and into tls.names where the server itself speaks https. Restart it, then \
                 try again."
            ),
            ..Refusal::because(Code::BadRequest, sentence)
        })
    }

    /// Same origin by `Host`, or one of the listed.
    fn accepts(&self, origin: &str, authority: &str) -> bool {
        let origin = origin.to_lowercase();
        let own = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        own.is_some_and(|own| own == authority.to_lowercase()) || self.origins.contains(&origin)
    }

    /// Checks a request's `Host` and `Origin`.
    pub fn check(&self, headers: &HeaderMap, uri_authority: Option<&str>) -> Result<(), Code> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let authority = match (hosts.next(), hosts.next(), uri_authority) {
            (Some(host), None, _) => host.to_str().map_err(|_| Code::BadHost)?,
            (None, None, Some(authority)) => authority,
            _ => return Err(Code::BadHost),
        };
        if !self.knows(authority) {
            return Err(Code::BadHost);
        }
        // None is fine, several are not: one of them is not the browser's.
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next().map(|origin| origin.to_str()), origins.next()) {
            (None, _) => Ok(()),
            (Some(Ok(origin)), None) if self.accepts(origin, authority) => Ok(()),
            _ => Err(Code::BadOrigin),
        }
    }
}

/// Refuses requests that came by a foreign name or from a foreign page.
pub async fn guard(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    match face.hosts.check(request.headers(), authority.as_deref()) {
        Ok(()) => next.run(request).await,
        Err(code) => Problem::from(code).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: Option<&str>, origin: Option<&str>) -> Result<(), Code> {
        let hosts = Hosts::new(["kinglet.local".to_owned()], ["https://chat.example".to_owned()]);
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().expect("a header"));
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        }
        hosts.check(&headers, None)
    }

    #[test]
    fn own_names_and_addresses_are_known_and_nothing_else() {
        for host in [
            "kinglet.local",
            "KINGLET.local:8443",
            "localhost:8080",
            "192.168.1.5:8080",
            "[::1]:8080",
            "[fe80::1]",
        ] {
            assert_eq!(check(Some(host), None), Ok(()), "{host}");
        }
        for host in ["evil.example", "kinglet.local.evil.example", "", "1.2.3.4.evil"] {
            assert_eq!(check(Some(host), None), Err(Code::BadHost), "{host}");
        }
        assert_eq!(check(None, None), Err(Code::BadHost));
    }

    #[test]
    fn an_address_by_a_strange_name_is_refused_with_the_setting_and_the_line_to_write() {
        let hosts = Hosts::new(["kinglet.local".to_owned()], []);
        for told in [
            None,
            Some("https://Kinglet.local:9"),
            Some("http://192.168.1.5"),
            Some("no address"),
        ] {
            assert!(hosts.may_be_told(told).is_ok(), "{told:?}");
        }
        let refusal = hosts
            .may_be_told(Some("https://Chat.example:8443"))
            .expect_err("a strange name");
        assert_eq!(refusal.code, Code::BadRequest);
        assert!(refusal.next.contains("listen.hosts"), "{}", refusal.next);
        assert!(
            refusal.next.contains("hosts = [\"chat.example\"]"),
            "{}",
            refusal.next
        );
    }

    #[test]
    fn a_foreign_or_null_origin_is_refused() {
        let own = Some("kinglet.local:8443");
        for origin in ["https://kinglet.local:8443", "https://chat.example"] {
            assert_eq!(check(own, Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "https://kinglet.local",
            "kinglet.local:8443",
            "file://kinglet.local:8443",
        ] {
            assert_eq!(check(own, Some(origin)), Err(Code::BadOrigin), "{origin}");
        }
        let hosts = Hosts::new([], []);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().expect("a header"));
        headers.append(header::ORIGIN, "http://localhost:8080".parse().expect("a header"));
        assert_eq!(hosts.check(&headers, None), Ok(()));
        headers.append(header::ORIGIN, "https://evil.example".parse().expect("a header"));
        assert_eq!(
            hosts.check(&headers, None),
            Err(Code::BadOrigin),
            "one of two is not the browser's"
        );
    }
}
