//! What the server prints when it is ready: where to go and what to type next. What must not live here: logs.

use std::io::{Write, stdout};

use super::address::Address;
use super::config::{Config, Transport};
use super::listen::{CA_FILE, Sockets};
use crate::gateway::tls::Tls;

/// Where the server is reached.
pub struct Urls {
    reached: String,
    /// What invitations say, where that is something else.
    told: Option<String>,
    /// What the operator must hear of it.
    news: Option<String>,
    /// By which this very machine reaches it, for the command to type.
    here: String,
    plain_http: Option<String>,
}

impl Urls {
    pub fn of(told: &Address, sockets: &Sockets) -> Urls {
        let reached = told.reached();
        let first = &sockets.clients[0];
        let scheme = if first.transport == Transport::Plain {
            "http"
        } else {
            "https"
        };
        let here = if first.address.ip().is_unspecified() {
            format!("{scheme}://127.0.0.1:{}", first.address.port())
        } else {
            format!("{scheme}://{}", first.address)
        };
        let address = |listener: &std::net::TcpListener| listener.local_addr().ok();
        let plain_http = sockets.http.as_ref().and_then(address).map(|address| {
            let host = reached.split_once("://").map_or(reached, |(_, rest)| rest);
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            format!("http://{host}:{}", address.port())
        });
        Urls {
            reached: reached.to_owned(),
            told: (told.url != reached).then(|| told.url.clone()),
            news: told.news(),
            here,
            plain_http,
        }
    }
}

/// Prints it all at once.
pub fn say(config: &Config, urls: &Urls, tls: Option<&Tls>, claim: Option<&str>) {
    let text = greeting(config, urls, tls, claim, uuid::Uuid::now_v7());
    // Nobody reads a closed standard output, and the server works without.
    let _ = stdout().lock().write_all(text.as_bytes());
}

fn greeting(
    config: &Config,
    urls: &Urls,
    tls: Option<&Tls>,
    claim: Option<&str>,
    device: uuid::Uuid,
) -> String {
    let mut lines = vec![format!(
        "Kinglet {} is ready at {}",
        env!("CARGO_PKG_VERSION"),
        urls.reached
    )];
    if urls.here != urls.reached {
        lines.push(format!("On this machine it listens at {}", urls.here));
    }
    lines.extend(urls.told.iter().map(|told| format!("Invitations say {told}")));
    lines.extend(urls.news.iter().map(|news| format!("\nMind: {news}.")));
    let mut trust = String::new();
    if let Some(authority) = tls.map(Tls::status).and_then(|status| status.authority.clone()) {
        let file = config.data_dir.join("tls").join(CA_FILE);
        trust = format!(" --cacert {}", file.display());
        lines.push(String::new());
        let ordered = config.ordered_names().join(", ");
        lines.push(if ordered.is_empty() {
            "Its certificate is its own. Devices trust it once they have installed".to_owned()
        } else {
            format!("By {ordered} it shows a certificate that is ordered; else its own, which devices trust once they have installed")
        });
        lines.push(format!("  {}  ({})", file.display(), authority.name));
        lines.push(format!("  words: {}", authority.words.join(" ")));
        lines.push(format!("  SHA-256: {}", authority.fingerprint));
        match &urls.plain_http {
            Some(url) => lines.push(format!("How to: {url}")),
            None => lines.push("Set listen.http_address to show how on a page of its own.".to_owned()),
        }
    }
    if config
        .listen
        .trusted_proxies
        .iter()
        .any(|proxy| proxy.starts_with("127."))
    {
        // Else this machine's own request would be taken for the proxy's, and the proxy speaks for strangers.
        trust.push_str(" -H 'X-Forwarded-For: 127.0.0.1'");
    }
    lines.push(String::new());
    match claim {
        Some(code) => {
            lines.push(format!("Nobody owns this server yet. Its claim code is {code}"));
            lines.push(if cfg!(feature = "web") {
                let url = urls.plain_http.as_ref().unwrap_or(&urls.reached);
                format!("Open {url} in a browser to make yourself the owner with it; or, without one:")
            } else {
                "Make yourself the owner, from this machine or its network:".to_owned()
            });
            lines.push(String::new());
            lines.push(format!(
                "  curl{trust} {}/api/v1/claim -H 'Content-Type: application/json' -d \\\n    \
                 '{{\"code\":\"{code}\",\"name\":\"YOUR-NAME\",\"password\":\"YOUR-PASSWORD\",\"device\":{{\"id\":\"{device}\",\
                 \"name\":\"curl\"}}}}'",
                urls.here
            ));
        }
        None => lines.push("Invite somebody: kinglet invite".to_owned()),
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclaimed_server_prints_the_command_that_claims_it() {
        let urls = Urls {
            reached: "http://127.0.0.1:8080".into(),
            told: None,
            news: None,
            here: "http://127.0.0.1:8080".into(),
            plain_http: None,
        };
        let text = greeting(
            &Config::default(),
            &urls,
            None,
            Some("12345-67890"),
            uuid::Uuid::nil(),
        );
        assert!(
            text.contains("ready at http://127.0.0.1:8080\n") && text.ends_with("'\n"),
            "{text}"
        );
        let body = text
            .split('\'')
            .nth(3)
            .expect("the command has its body in quotes");
        let body: serde_json::Value = serde_json::from_str(body).expect("the body is JSON");
        assert_eq!(body["code"], "12345-67890");
        let claimed = greeting(&Config::default(), &urls, None, None, uuid::Uuid::nil());
        assert!(claimed.contains("kinglet invite") && !claimed.contains("curl"));
    }
}
