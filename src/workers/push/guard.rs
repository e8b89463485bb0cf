//! Where a push message may go. An endpoint is an address that a client chose, so it must not lead the server to itself or
//! into its own network. What must not live here: connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

use crate::limits;

const HTTPS: u16 = 443;
/// Addresses of one name that are tried.
const TRIED: usize = 4;

/// Where an endpoint leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it stands in the endpoint; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
    /// Host and port as a request names them.
    pub authority: String,
    /// What comes after them.
    pub path: String,
    /// Named by the operator, so its address may be a private one.
    listed: bool,
}

impl Target {
    /// What a signed greeting is for (RFC 6454).
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.authority)
    }
}

/// Why nothing is sent there, as a sentence.
pub type Wrong = String;

/// The rules of one server.
pub struct Guard {
    /// Hosts that the operator named, each with its port.
    listed: Vec<(String, u16)>,
    /// Whether others on the internet may be sent to.
    public: bool,
    /// This machine's own addresses, as they are now.
    own: Box<dyn Fn() -> Vec<IpAddr> + Send + Sync>,
}

impl Guard {
    /// `hosts`: names or addresses, with a port if it is not 443.
    #[must_use]
    pub fn new(hosts: &[String], public: bool, own: Box<dyn Fn() -> Vec<IpAddr> + Send + Sync>) -> Guard {
        let listed = hosts.iter().filter_map(|host| host_and_port(host)).collect();
        Guard { listed, public, own }
    }

    /// Reads an endpoint and holds it to what can be known without asking anyone.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(&self, endpoint: &str) -> Result<Target, Wrong> {
        if endpoint.len() > limits::PUSH_ENDPOINT_BYTES {
            return Err(format!("it is longer than {} bytes", limits::PUSH_ENDPOINT_BYTES));
        }
        let uri: Uri = endpoint.parse().map_err(|_| "it is not a web address")?;
        if uri.scheme_str() != Some("https") {
            return Err("it does not begin with https://".into());
        }
        let authority = uri.authority().ok_or("it names no host")?.as_str();
        if authority.contains('@') || endpoint.contains('#') {
            return Err("it names a user or a fragment".into());
        }
        let (host, port) = host_and_port(authority).ok_or("its host cannot be read")?;
        let listed = self.listed.contains(&(host.clone(), port));
        if !listed && !self.public {
            return Err(format!("{host} is not one of the hosts that the operator named"));
        }
        if !listed && port != HTTPS {
            return Err("its port is not 443".into());
        }
        if let (false, Ok(address)) = (listed, host.parse::<IpAddr>()) {
            self.open_to_all(address)?;
        }
        let bare = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        Ok(Target {
            authority: if port == HTTPS {
                bare
            } else {
                format!("{bare}:{port}")
            },
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            host,
            port,
            listed,
        })
    }

    /// The addresses of a target, each of them checked: what is connected to is what was looked at. A single one that is not
    /// open to all condemns the name, since the next answer may give only that one.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(
        &self,
        target: &Target,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Wrong> {
        let found: Vec<SocketAddr> = found.collect();
        if !target.listed {
            for address in &found {
                self.open_to_all(address.ip())?;
            }
        }
        if found.is_empty() {
            return Err(format!("{} has no address", target.host));
        }
        Ok(found.into_iter().take(TRIED).collect())
    }

    fn open_to_all(&self, address: IpAddr) -> Result<(), Wrong> {
        let address = address.to_canonical();
        let is_open = match address {
            IpAddr::V4(four) => is_open_v4(four),
            IpAddr::V6(six) => is_open_v6(six),
        };
        if !is_open || (self.own)().contains(&address) {
            return Err("it leads to a private address, or to this machine".into());
        }
        Ok(())
    }
}

/// `example.org`, `example.org:8443`, `192.168.1.9:8443`, `[fd00::9]:8443`; lower case, without a last dot.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (
                host,
                rest.strip_prefix(':')
                    .map_or(Some(""), |port| Some(port).filter(|port| !port.is_empty()))?,
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.is_empty() => (host, port),
            Some(_) => return None,
            None => (text, ""),
        },
    };
    let port = if port.is_empty() {
        HTTPS
    } else {
        port.parse().ok().filter(|port| *port != 0)?
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    (!host.is_empty() && host.len() <= 253 && host.bytes().all(is_plain)).then_some((host, port))
}

/// Not reserved for anything (IANA's registry of special IPv4 addresses).
fn is_open_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, ..)
    )
}

/// Global unicast, and no way around to an IPv4 address that is not open (IANA's registry of special IPv6 addresses).
fn is_open_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let four = |high: u16, low: u16| is_open_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match parts {
        // Translation to IPv4 (RFC 6052), which networks without IPv4 use for all of it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(hosts: &[&str], public: bool) -> Guard {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard::new(
            &hosts,
            public,
            Box::new(|| vec!["9.9.9.9".parse().expect("an address")]),
        )
    }

    #[test]
    fn endpoints_that_lead_out_are_read() {
        let guard = guard(&[], true);
        let target = guard
            .read("https://Push.Example.org/send/abc?x=1")
            .expect("it is fine");
        assert_eq!((target.host.as_str(), target.port), ("push.example.org", 443));
        assert_eq!(
            (target.path.as_str(), target.origin().as_str()),
            ("/send/abc?x=1", "https://push.example.org")
        );
        for fine in [
            "https://push.example.org:443/",
            "https://8.8.8.8/x",
            "https://[2606:4700::1]/x",
            "https://a.b./x",
        ] {
            assert!(guard.read(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn endpoints_that_lead_elsewhere_are_not() {
        let guard = guard(&[], true);
        for bad in [
            "",
            "push.example.org",
            "/send",
            "http://push.example.org/",
            "ftp://push.example.org/",
            "https://push.example.org:8443/",
            "https://push.example.org:0/",
            "https://push.example.org:/",
            "https://user@push.example.org/",
            "https://user:pw@push.example.org/",
            "https://push.example.org/#x",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://172.20.0.1/",
            "https://192.168.1.1/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
            "https://[2001::1]/",
            "https://[ff02::1]/",
            "https://9.9.9.9/",
            "https:///x",
            "https://exa mple/",
        ] {
            assert!(guard.read(bad).is_err(), "{bad}");
        }
        let long = format!(
            "https://push.example.org/{}",
            "x".repeat(limits::PUSH_ENDPOINT_BYTES)
        );
        assert!(guard.read(&long).is_err());
        assert!(guard.read(&long[..limits::PUSH_ENDPOINT_BYTES]).is_ok());
    }

    #[test]
    fn a_name_is_condemned_by_one_address_of_its_own() {
        let guard = guard(&[], true);
        let target = guard.read("https://push.example.org/").expect("it is fine");
        let at = |texts: &[&str]| {
            let found: Vec<SocketAddr> = texts
                .iter()
                .map(|text| SocketAddr::new(text.parse().expect("an address"), 443))
                .collect();
            guard.check(&target, found.into_iter())
        };
        assert_eq!(at(&["8.8.8.8"]).expect("it is open").len(), 1);
        assert!(at(&["8.8.8.8", "192.168.0.2"]).is_err() && at(&["::ffff:10.0.0.1"]).is_err());
        assert!(at(&["9.9.9.9"]).is_err(), "this machine");
        assert!(at(&[]).is_err());
        assert_eq!(at(&["8.8.8.8"; 9]).expect("it is open").len(), TRIED);
    }

    #[test]
    fn what_the_operator_named_may_be_private_with_just_that_port() {
        let guard = guard(&["ntfy.lan", "192.168.1.9:8443", "[fd00::9]:8443"], false);
        for fine in [
            "https://ntfy.lan/up?x=1",
            "https://192.168.1.9:8443/up",
            "https://[fd00::9]:8443/up",
        ] {
            let target = guard.read(fine).unwrap_or_else(|wrong| panic!("{fine}: {wrong}"));
            let found = SocketAddr::from(([192, 168, 1, 9], target.port));
            assert_eq!(
                guard.check(&target, [found].into_iter()),
                Ok(vec![found]),
                "{fine}"
            );
        }
        for bad in [
            "https://ntfy.lan:444/",
            "https://192.168.1.9/",
            "https://push.example.org/",
            "http://ntfy.lan/",
        ] {
            assert!(guard.read(bad).is_err(), "{bad}");
        }
    }
}
