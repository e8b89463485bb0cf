//! Who asks, when a proxy of the operator's asks on their behalf. What must not live here: what the asker may.
//!
//! Invariant: a request through a listed proxy is never taken for one from this machine unless the proxy says so.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::map_request;

use super::config::Network;
use crate::gateway::Peer;

/// The header a proxy adds to; each adds the address it was asked from at the end.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// Replaces a listed proxy's address by that of its client, for everything the router does.
pub fn believe(router: Router, proxies: Vec<Network>) -> Router {
    if proxies.is_empty() {
        return router;
    }
    let proxies: Arc<[Network]> = proxies.into();
    router.layer(map_request(move |mut request: Request| {
        let proxies = Arc::clone(&proxies);
        async move {
            if let Some(Peer { ip }) = request.extensions().get::<Peer>().copied() {
                let ip = client(ip, request.headers(), &proxies);
                request.extensions_mut().insert(Peer { ip });
            }
            request
        }
    }))
}

/// Walks the chain from its near end: the first address that is no proxy of ours is the client. What stands further
/// left was written by strangers. A proxy that tells nothing speaks for nobody in particular.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let listed = |ip: IpAddr| proxies.iter().any(|network| network.contains(ip));
    if !listed(peer) {
        return peer;
    }
    let told: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|value| value.to_str().unwrap_or(""))
        .collect();
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut last = nobody;
    for entry in told.iter().flat_map(|value| value.split(',')).rev() {
        let Some(ip) = address(entry.trim()) else {
            return nobody;
        };
        last = ip;
        if !listed(ip) {
            return ip;
        }
    }
    last
}

/// An address as proxies write it, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .parse::<IpAddr>()
        .or_else(|_| text.trim_matches(['[', ']']).parse());
    let ip = bare
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|with| with.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, told: &[&str]) -> String {
        let proxies = ["127.0.0.1", "10.0.0.0/24"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for value in told {
            headers.append(FORWARDED_FOR, value.parse().expect("a header"));
        }
        client(peer.parse().expect("an address"), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_listed_proxy_is_believed_and_only_about_its_own_client() {
        assert_eq!(found("203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(found("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            found("127.0.0.1", &["127.0.0.1, 203.0.113.9, 10.0.0.7"]),
            "203.0.113.9"
        );
        assert_eq!(
            found("127.0.0.1", &["127.0.0.1", "[2001:db8::1]:4711"]),
            "2001:db8::1"
        );
        assert_eq!(found("127.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_proxy_that_tells_nothing_is_not_this_machine() {
        for told in [&[][..], &[""], &["unknown"], &["127.0.0.1, nonsense"]] {
            assert_eq!(found("127.0.0.1", told), "0.0.0.0", "{told:?}");
        }
        assert_eq!(found("127.0.0.1", &["127.0.0.1"]), "127.0.0.1");
    }
}
