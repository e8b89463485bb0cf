//! What may be told of a certificate: for status pages, `check` and metrics. Nothing in it is secret. What must not live
//! here: keys.

use std::net::IpAddr;
use std::time::SystemTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Files,
    Local,
    /// Ordered from an authority for the box's own domain.
    Acme,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsStatus {
    pub source: SourceKind,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// DNS names, then addresses.
    pub names: Vec<String>,
    /// SHA-256 of the served certificate.
    pub fingerprint: String,
    /// Names and addresses that were asked for but lie outside what the own authority may vouch for: a public address,
    /// or a name added after the authority was made. Clients would see a warning there.
    pub left_out: Vec<String>,
    /// The own authority, if that is the source.
    pub authority: Option<AuthorityStatus>,
    /// Whether browsers trust it without being told to.
    pub public: bool,
    /// What a device has shown that says it reached this server without a warning: no secret, and another one whenever that
    /// would have to be shown again.
    pub proof: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityStatus {
    /// As devices list it, e.g. `Kinglet 3fa91c CA`.
    pub name: String,
    pub not_after: SystemTime,
    /// SHA-256 of its certificate.
    pub fingerprint: String,
    /// The six words of that fingerprint.
    pub words: [&'static str; 6],
}

impl TlsStatus {
    /// Whether the certificate names a host: a name without a port, or an address without brackets.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            return self.names.iter().any(|name| name.parse() == Ok(address));
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            // One label, and no more (RFC 6125, section 6.4.3).
            Some(above) => host
                .split_once('.')
                .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(above)),
            None => name.eq_ignore_ascii_case(host),
        })
    }

    /// Whether browsers that come by this host trust the certificate without being told to, so that they may be sent to https,
    /// and told to come by nothing else.
    #[must_use]
    pub fn is_public_for(&self, host: &str) -> bool {
        self.public && host.parse::<IpAddr>().is_err() && self.covers(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_covered_by_its_name_its_address_or_one_star() {
        let status = TlsStatus {
            source: SourceKind::Files,
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH,
            names: ["chat.example.org", "*.box.example", "192.168.1.9"]
                .map(str::to_owned)
                .into(),
            fingerprint: String::new(),
            left_out: Vec::new(),
            authority: None,
            public: true,
            proof: String::new(),
        };
        for yes in [
            "Chat.Example.ORG",
            "chat.example.org.",
            "a.box.example",
            "192.168.1.9",
        ] {
            assert!(status.covers(yes), "{yes}");
        }
        for no in [
            "example.org",
            "x.chat.example.org",
            "a.b.box.example",
            "box.example",
            "192.168.1.8",
            "",
        ] {
            assert!(!status.covers(no), "{no}");
        }
        assert!(status.is_public_for("chat.example.org"));
        assert!(
            !status.is_public_for("192.168.1.9"),
            "browsers do not take it for an address"
        );
        let own = TlsStatus {
            public: false,
            ..status
        };
        assert!(!own.is_public_for("chat.example.org"));
    }
}
