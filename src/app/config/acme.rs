//! The settings of certificates from a public authority, and what is wrong with them. What must not live here: ordering.

#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)] // this is the text of a TOML file, too

use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Problem, open_file, problem};
use super::push::PRIVATE_NAMES;
use super::{Config, TlsMode};
use crate::limits;
use crate::session::accounts::is_host;

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// True to order a certificate for a domain of your own, and a new one in time. Then `listen.canonical_url` must be the
    /// https address with the domain. Whoever comes by another name or by address gets the server's own certificate.
    pub enabled: bool,
    /// True if you agree to the authority's terms of service. For Let's Encrypt: https://letsencrypt.org/repository/
    pub terms_agreed: bool,
    /// Further names for the certificate, besides that of `listen.canonical_url`.
    pub names: Vec<String>,
    /// Whom the authority may write to, "mailto:admin@example.org". Empty means nobody.
    pub contact: String,
    /// The address of the authority's directory.
    pub directory: String,
    /// How the authority finds out that the domain is yours.
    pub challenge: AcmeChallenge,
    /// The program that changes the domain's records, for `dns`. It is called with three words: add or remove, the record's
    /// name (_acme-challenge.chat.example.org), and its text. It ends with 0 once the record can be seen, within five minutes.
    pub hook: PathBuf,
    /// PEM file with certificates of the authorities that the directory's own server is trusted by, besides the public ones.
    /// Empty means none.
    pub ca: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// it connects to port 443 of the domain, which must lead to this server (TLS-ALPN-01)
    #[serde(rename = "tls-alpn")]
    TlsAlpn,
    /// it looks for a record that `hook` makes (DNS-01)
    #[serde(rename = "dns")]
    Dns,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            enabled: false,
            terms_agreed: false,
            names: Vec::new(),
            contact: String::new(),
            directory: LETS_ENCRYPT.to_owned(),
            challenge: AcmeChallenge::TlsAlpn,
            hook: PathBuf::new(),
            ca: PathBuf::new(),
        }
    }
}

impl Config {
    /// The names that a certificate is ordered for, the canonical one first; none if none is.
    #[must_use]
    pub fn ordered_names(&self) -> Vec<String> {
        if !self.acme.enabled {
            return Vec::new();
        }
        let canonical = self.listen.canonical_url.parse::<Uri>().ok();
        let canonical = canonical.as_ref().and_then(|uri| uri.host());
        let mut names: Vec<String> = Vec::new();
        for name in canonical
            .into_iter()
            .chain(self.acme.names.iter().map(String::as_str))
        {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn check_acme(&self, problems: &mut Vec<Problem>) {
        let acme = &self.acme;
        for name in &acme.names {
            if !is_domain(name) {
                let fix = "Write a name such as \"chat.example.org\", without scheme, port and star";
                problems.push(problem(
                    "acme.names",
                    format!("{name:?} is not a domain's name"),
                    fix,
                ));
            }
        }
        if !acme.ca.as_os_str().is_empty()
            && let Err(cause) = open_file(&acme.ca)
        {
            let what = format!("cannot read {}: {cause}", acme.ca.display());
            let fix = "Correct the path, or let the server's user read the file";
            problems.push(problem("acme.ca", what, fix));
        }
        if !acme.enabled {
            return;
        }
        self.check_acme_address(problems);
        self.check_acme_authority(problems);
        if acme.challenge == AcmeChallenge::Dns
            && let Err(cause) = open_file(&acme.hook)
        {
            let what = format!(
                "acme.challenge is \"dns\", but {:?} cannot be read: {cause}",
                acme.hook
            );
            problems.push(problem(
                "acme.hook",
                what,
                "Name the program that changes the domain's records",
            ));
        }
        if matches!(self.tls.mode, TlsMode::Off | TlsMode::Files)
            || !self.tls.certificate.as_os_str().is_empty()
        {
            let what = "acme.enabled is true, but tls.mode or tls.certificate says otherwise";
            let fix =
                "Set tls.mode = \"auto\" and remove tls.certificate and tls.key, or set acme.enabled = false";
            problems.push(problem("tls.mode", what, fix));
        } else if self.listen.behind_proxy {
            let what = "acme.enabled is true, but listen.behind_proxy says that a proxy has the certificate";
            problems.push(problem(
                "acme.enabled",
                what,
                "Let the proxy order it, or remove the proxy",
            ));
        }
    }

    fn check_acme_address(&self, problems: &mut Vec<Problem>) {
        let names = self.ordered_names();
        let url = &self.listen.canonical_url;
        if !url.starts_with("https://") || !names.first().is_some_and(|name| is_domain(name)) {
            let what = format!("acme.enabled is true, but {url:?} is no https address with a domain's name");
            let fix = "Set it to the address that people are to use: \"https://chat.example.org\"";
            problems.push(problem("listen.canonical_url", what, fix));
            return;
        }
        if names.len() > limits::ACME_NAMES {
            let what = format!("{} names are more than {}", names.len(), limits::ACME_NAMES);
            problems.push(problem("acme.names", what, "List fewer"));
        }
        let private = names.iter().filter(|name| {
            let last = name.rsplit('.').next().unwrap_or_default();
            PRIVATE_NAMES.contains(&last)
        });
        for name in private.filter(|_| self.acme.directory == LETS_ENCRYPT) {
            let what = format!("{name} is a name that no public authority makes certificates for");
            let fix = "Use a name in a domain that you own, or set acme.enabled = false: the server's own certificate names it";
            problems.push(problem("acme.names", what, fix));
        }
    }

    fn check_acme_authority(&self, problems: &mut Vec<Problem>) {
        let acme = &self.acme;
        if !acme.terms_agreed {
            let what = "acme.enabled is true, but nobody has agreed to the authority's terms of service";
            let fix = "Read them (Let's Encrypt: https://letsencrypt.org/repository/), then set acme.terms_agreed = true";
            problems.push(problem("acme.terms_agreed", what, fix));
        }
        let directory = acme.directory.parse::<Uri>();
        if !directory.is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some()) {
            let what = format!("{:?} is no https address", acme.directory);
            problems.push(problem(
                "acme.directory",
                what,
                format!("Write for example {LETS_ENCRYPT:?}"),
            ));
        }
        let contact = acme.contact.as_str();
        let is_mail = contact
            .strip_prefix("mailto:")
            .is_some_and(|mail| mail.contains('@'));
        if !contact.is_empty() && !is_mail {
            let what = format!("{contact:?} does not look like a mail address");
            problems.push(problem(
                "acme.contact",
                what,
                "Write \"mailto:admin@example.org\", or leave it empty",
            ));
        }
    }
}

fn is_domain(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    is_host(name) && name.contains('.') && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordering(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        config.acme.enabled = true;
        config.acme.terms_agreed = true;
        config.listen.canonical_url = "https://chat.example.net".into();
        change(&mut config);
        config.problems().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn what_is_missing_for_an_order_is_named() {
        assert_eq!(ordering(|_| {}), [""; 0]);
        assert_eq!(
            ordering(|config| config.acme.terms_agreed = false),
            ["acme.terms_agreed"]
        );
        for wrong in [
            "",
            "http://chat.example.net",
            "https://192.168.1.9",
            "https://kinglet",
        ] {
            let keys = ordering(|config| config.listen.canonical_url = wrong.into());
            assert!(
                keys.contains(&"listen.canonical_url".to_owned()),
                "{wrong}: {keys:?}"
            );
        }
        let local = |config: &mut Config| config.listen.canonical_url = "https://kinglet.local".into();
        assert_eq!(ordering(local), ["acme.names"]);
        let own = |config: &mut Config| {
            local(config);
            config.acme.directory = "https://ca.internal/acme/directory".into();
        };
        assert_eq!(ordering(own), [""; 0], "an authority of one's own may");
        assert_eq!(
            ordering(|config| config.acme.directory = "http://ca".into()),
            ["acme.directory"]
        );
        assert_eq!(
            ordering(|config| config.acme.contact = "me".into()),
            ["acme.contact"]
        );
        assert_eq!(
            ordering(|config| config.acme.names = vec!["*.example.net".into()]),
            ["acme.names"]
        );
        let dns = |config: &mut Config| config.acme.challenge = AcmeChallenge::Dns;
        assert_eq!(ordering(dns), ["acme.hook"]);
        assert_eq!(ordering(|config| config.tls.mode = TlsMode::Off), ["tls.mode"]);
        let behind = |config: &mut Config| {
            config.listen.behind_proxy = true;
            config.listen.trusted_proxies = vec!["127.0.0.1".into()];
        };
        assert_eq!(ordering(behind), ["acme.enabled"]);
        let many = |config: &mut Config| {
            let names = (1..limits::ACME_NAMES + 1).map(|n| format!("n{n}.example.net"));
            config.acme.names = names.collect();
        };
        assert_eq!(ordering(many), ["acme.names"]);
    }

    #[test]
    fn the_canonical_name_comes_first_and_none_comes_twice() {
        let mut config = Config::default();
        config.listen.canonical_url = "https://Chat.example.net:8443".into();
        config.acme.names = vec!["www.example.net.".into(), "chat.example.net".into()];
        assert!(config.ordered_names().is_empty(), "nothing is ordered");
        config.acme.enabled = true;
        assert_eq!(config.ordered_names(), ["chat.example.net", "www.example.net"]);
    }
}
