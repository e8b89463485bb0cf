//! Web addresses that a server may be known by: scheme, host and port, and nothing else. Pure. What must not live here:
//! which address is in force, and what a machine answers to.

use std::net::IpAddr;

/// Endings of names that lead nowhere on the public internet (RFC 6762, 6761, 8375, and ICANN's reservation).
const PRIVATE_ENDINGS: [&str; 6] = [".local", ".localhost", ".home.arpa", ".internal", ".lan", ".test"];

/// An address in its one form: in lower case, without the usual port and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress {
    text: String,
    host: String,
    encrypted: bool,
}

impl WebAddress {
    /// Reads an address as a person writes it.
    ///
    /// # Errors
    /// What is wrong with it, for a sentence that names the address.
    pub fn parse(text: &str) -> Result<WebAddress, &'static str> {
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or("it must begin with https://")?;
        let usual = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err("it must begin with https://"),
        };
        if authority.contains(['/', '?', '#', '@']) {
            return Err("it must be no more than scheme, name and port");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let bare = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(six) if six.parse::<std::net::Ipv6Addr>().is_ok() => six,
            Some(_) => return Err("its host is neither a name nor an IP address"),
            None => host,
        };
        if !is_host(bare) || (bare.contains(':') && bare == host) {
            return Err("its host is neither a name nor an IP address");
        }
        let port = match port {
            Some(port) => Some(port_number(port).ok_or("its port is none")?).filter(|port| *port != usual),
            None => None,
        };
        Ok(WebAddress {
            text: port.map_or_else(
                || format!("{scheme}://{host}"),
                |port| format!("{scheme}://{host}:{port}"),
            ),
            host: bare.to_owned(),
            encrypted: scheme == "https",
        })
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether it leads to the machine that asks, whichever that is.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.parse::<IpAddr>().map(|address| address.to_canonical());
        host.map_or_else(
            |_| self.host == "localhost" || self.host.ends_with(".localhost"),
            |address| address.is_loopback(),
        )
    }

    /// Whether it leads no further than this machine and its own network.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self.host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(four)) => four.is_private() || four.is_link_local() || four.is_loopback(),
            Ok(IpAddr::V6(six)) => six.is_unique_local() || six.is_unicast_link_local() || six.is_loopback(),
            Err(_) => !self.host.contains('.') || PRIVATE_ENDINGS.iter().any(|end| self.host.ends_with(end)),
        }
    }
}

/// A port in digits alone: a sign in front is none.
fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Whether a text is a host name or an IP address.
#[must_use]
pub fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (written, read) in [
            ("https://Kinglet.local:8443/", "https://kinglet.local:8443"),
            (" https://chat.example.org:443", "https://chat.example.org"),
            ("http://192.168.1.5:80", "http://192.168.1.5"),
            ("http://192.168.1.5:443", "http://192.168.1.5:443"),
            ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
            ("https://[fd00::1]", "https://[fd00::1]"),
            ("http://localhost:0008080", "http://localhost:8080"),
        ] {
            let address = WebAddress::parse(written).expect(written);
            assert_eq!(address.text(), read);
            assert_eq!(address.is_encrypted(), read.starts_with("https"), "{written}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_address_is_refused() {
        for written in [
            "",
            "kinglet.local",
            "ftp://kinglet.local",
            "javascript://kinglet.local",
            "https://",
            "https://kinglet.local/chat",
            "https://kinglet.local?x",
            "https://kinglet.local#x",
            "https://ada@kinglet.local",
            "https://kinglet.local:0",
            "https://kinglet.local:65536",
            "https://kinglet.local:",
            "https://kinglet.local:+80",
            "https://king let.local",
            "https://-x.local",
            "https://fd00::1",
            "https://[kinglet.local]",
            "https://[fd00::1",
            "https://x\n",
            "https://x\u{0}y",
        ] {
            let read = WebAddress::parse(written);
            // Blanks at the ends are a person's, and are taken away.
            assert!(read.is_err() || written == "https://x\n", "{written:?}: {read:?}");
        }
        assert!(WebAddress::parse(&format!("https://{}.org", "a.".repeat(200))).is_err());
    }

    #[test]
    fn what_opens_on_the_same_machine_only() {
        for (address, loopback) in [
            ("http://127.0.0.1:8080", true),
            ("https://127.8.9.1", true),
            ("http://[::1]:8080", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost:8080", true),
            ("http://chat.localhost", true),
            ("http://localhost.example", false),
            ("http://127.example", false),
            ("http://10.0.0.1", false),
            ("http://kinglet.local", false),
        ] {
            let read = WebAddress::parse(address).expect(address);
            assert_eq!(read.is_loopback(), loopback, "{address}");
        }
    }

    #[test]
    fn what_leads_no_further_than_the_house() {
        for (address, private) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]", true),
            ("http://192.168.1.5", true),
            ("http://[fe80::1]", true),
            ("http://[::ffff:10.0.0.1]", true),
            ("http://kinglet.local", true),
            ("http://kinglet", true),
            ("http://chat.home.arpa", true),
            ("http://203.0.113.9", false),
            ("http://[2001:db8::1]", false),
            ("http://chat.example.org", false),
            ("http://local.example", false),
        ] {
            assert_eq!(
                WebAddress::parse(address).expect(address).is_private(),
                private,
                "{address}"
            );
        }
    }
}
