//! What is wrong with settings that parse, and what to do about it: for `kinglet check` and for every start.
//! What must not live here: checks that need the running server, its data or the network.

use std::fmt;
use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use serde::Serialize;

use super::{Config, Network, TlsMode};
use crate::session::accounts::is_host;

/// What `listen.address` says where systemd passes the sockets in.
const PASSED_IN: &str = "systemd";
/// The most that `limits.connections` may ask for.
pub const CONNECTIONS_MAX: u32 = 200_000;
const CONNECTIONS: RangeInclusive<u32> = 1..=CONNECTIONS_MAX;
/// The lower end is what a client may send before it signed in.
const MESSAGE_BYTES: RangeInclusive<u32> = 4_096..=1_048_576;
const MEMORY_MIB: RangeInclusive<u32> = 32..=65_536;
const SHARE_MIB: RangeInclusive<u32> = 1..=16_384;
const INVITATION_DAYS: RangeInclusive<u32> = 1..=365;
const FILE_MIB: RangeInclusive<u32> = 1..=65_536;
const RECALL_MINUTES: RangeInclusive<u32> = 0..=366 * 24 * 60;

/// One thing to put right before the server can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The setting, as `section.key`.
    pub key: String,
    pub what: String,
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}. {}.", self.key, self.what, self.fix)
    }
}

pub(super) fn problem(key: &str, what: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem {
        key: key.to_owned(),
        what: what.into(),
        fix: fix.into(),
    }
}

/// How one listening socket speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    Plain,
    /// TLS with a certificate of the server's own authority, beside one that was ordered for the domain.
    Local,
    /// TLS with the operator's certificate.
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
}

impl Config {
    /// Everything that is wrong, in the order of the file; empty when the server can start.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_data_dir(&mut problems);
        self.check_addresses(&mut problems);
        self.check_names(&mut problems);
        self.check_proxies(&mut problems);
        self.check_tls_files(&mut problems);
        self.check_acme(&mut problems);
        self.check_numbers(&mut problems);
        self.push.check(&mut problems);
        self.backup.check(&mut problems);
        self.board.check(&mut problems);
        problems
    }

    /// `listen.address`, parsed. For sockets that systemd passes in: where `kinglet.socket` listens, unless it was changed.
    pub fn address(&self) -> Result<SocketAddr, Problem> {
        if self.is_passed_in() {
            return Ok((Ipv6Addr::UNSPECIFIED, 443).into());
        }
        socket_address("listen.address", &self.listen.address)
    }

    /// What the server binds itself, where nothing was passed in.
    pub fn own_address(&self) -> Result<SocketAddr, Problem> {
        if self.is_passed_in() {
            return socket_address("listen.address", &Config::default().listen.address);
        }
        self.address()
    }

    /// Whether systemd is to pass the sockets in.
    pub fn is_passed_in(&self) -> bool {
        self.listen.address == PASSED_IN
    }

    /// `listen.http_address`, parsed; none if empty.
    pub fn http_address(&self) -> Result<Option<SocketAddr>, Problem> {
        match self.listen.http_address.as_str() {
            "" => Ok(None),
            text => socket_address("listen.http_address", text).map(Some),
        }
    }

    /// `listen.trusted_proxies`, parsed.
    pub fn trusted_proxies(&self) -> Result<Vec<Network>, Problem> {
        self.listen
            .trusted_proxies
            .iter()
            .map(|text| network(text))
            .collect()
    }

    /// How a socket bound to `address` speaks. Also asked for sockets that systemd passed in, so that an inherited
    /// socket cannot carry passwords in the clear either.
    pub fn transport(&self, address: SocketAddr) -> Result<Transport, Problem> {
        let private = address.ip().to_canonical().is_loopback() || self.listen.behind_proxy;
        let named = !self.tls.certificate.as_os_str().is_empty() || !self.tls.key.as_os_str().is_empty();
        match self.tls.mode {
            TlsMode::Off if !private => Err(problem(
                "tls.mode",
                format!(
                    "TLS is off, but {address} can be reached from other machines, which would send passwords in the clear"
                ),
                "Set tls.mode = \"auto\", or listen on 127.0.0.1, or set listen.behind_proxy = true if a proxy encrypts",
            )),
            TlsMode::Off => Ok(Transport::Plain),
            TlsMode::Files => self.certificate_files(),
            TlsMode::Auto if named => self.certificate_files(),
            TlsMode::Auto if private && !self.acme.enabled => Ok(Transport::Plain),
            TlsMode::Auto | TlsMode::Local => Ok(Transport::Local),
        }
    }

    fn certificate_files(&self) -> Result<Transport, Problem> {
        for (key, path) in [
            ("tls.certificate", &self.tls.certificate),
            ("tls.key", &self.tls.key),
        ] {
            if path.as_os_str().is_empty() {
                let fix =
                    "Name the PEM files of both the certificate and its key, or set tls.mode = \"local\"";
                return Err(problem(key, "no file is named, but TLS with files needs it", fix));
            }
        }
        Ok(Transport::Files {
            certificate: self.tls.certificate.clone(),
            key: self.tls.key.clone(),
        })
    }

    fn check_data_dir(&self, problems: &mut Vec<Problem>) {
        let path = &self.data_dir;
        if path.as_os_str().is_empty() {
            problems.push(problem(
                "data_dir",
                "it is empty",
                "Name a directory, for example \"data\"",
            ));
        } else if path.exists() && !path.is_dir() {
            let what = format!("{} is not a directory", path.display());
            problems.push(problem(
                "data_dir",
                what,
                "Name a directory, or a path that does not exist yet",
            ));
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let address = self.address().map_err(|wrong| problems.push(wrong)).ok();
        let http = self
            .http_address()
            .map_err(|wrong| problems.push(wrong))
            .ok()
            .flatten();
        if let (Some(address), Some(http)) = (address, http)
            && address.port() == http.port()
            && overlap(address.ip(), http.ip())
        {
            let what = format!("{http} and listen.address {address} are the same port");
            problems.push(problem(
                "listen.http_address",
                what,
                "Give plain http another port, or leave it empty",
            ));
        }
        let transport =
            address.and_then(|address| self.transport(address).map_err(|wrong| problems.push(wrong)).ok());
        if self.listen.canonical_url.is_empty() {
            return;
        }
        if let Err(what) = web_address(&self.listen.canonical_url) {
            let fix = "Write scheme, name and, if need be, port: \"https://chat.example.org\"";
            problems.push(problem("listen.canonical_url", what, fix));
        } else if self.listen.canonical_url.starts_with("http:")
            && transport.is_some_and(|it| it != Transport::Plain)
        {
            let what = "it starts with http:, but this server speaks TLS";
            problems.push(problem(
                "listen.canonical_url",
                what,
                "Write https: instead of http:",
            ));
        }
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        for origin in &self.listen.origins {
            if let Err(what) = web_address(origin) {
                let fix = "Write scheme, name and, if need be, port: \"https://kinglet.local:8443\"";
                problems.push(problem("listen.origins", format!("{origin:?}: {what}"), fix));
            }
        }
        for (key, names) in [
            ("listen.hosts", &self.listen.hosts),
            ("tls.names", &self.tls.names),
        ] {
            for name in names.iter().filter(|name| !is_host(name)) {
                let fix = "Write only the name or the IP address, without scheme and port: \"kinglet.local\"";
                problems.push(problem(
                    key,
                    format!("{name:?} is neither a host name nor an IP address"),
                    fix,
                ));
            }
        }
    }

    fn check_proxies(&self, problems: &mut Vec<Problem>) {
        let key = "listen.trusted_proxies";
        for text in &self.listen.trusted_proxies {
            match network(text) {
                Err(wrong) => problems.push(wrong),
                Ok(network) if network.is_everyone() => problems.push(problem(
                    key,
                    format!("{text} trusts the whole internet to say which address a client has"),
                    "List only the proxies you run",
                )),
                Ok(_) => {}
            }
        }
        if self.listen.behind_proxy && self.listen.trusted_proxies.is_empty() {
            problems.push(problem(
                key,
                "listen.behind_proxy is true, but no proxy is named, so every client would seem to be the proxy",
                "Name the proxy's address, for example [\"127.0.0.1\"]",
            ));
        }
    }

    fn check_tls_files(&self, problems: &mut Vec<Problem>) {
        let files = [
            ("tls.certificate", &self.tls.certificate),
            ("tls.key", &self.tls.key),
        ];
        for (key, path) in files.into_iter().filter(|(_, path)| !path.as_os_str().is_empty()) {
            if matches!(self.tls.mode, TlsMode::Off | TlsMode::Local) {
                let what = "a file is named, but tls.mode does not use it";
                problems.push(problem(
                    key,
                    what,
                    "Set tls.mode = \"files\", or remove the file's name",
                ));
            } else if let Err(cause) = open_file(path) {
                let what = format!("cannot read {}: {cause}", path.display());
                problems.push(problem(
                    key,
                    what,
                    "Correct the path, or let the server's user read the file",
                ));
            }
        }
    }

    fn check_numbers(&self, problems: &mut Vec<Problem>) {
        let limits = &self.limits;
        let share = |value: u32| (value, CONNECTIONS.start().to_owned()..=limits.connections.max(1));
        let (per_user, up_to_user) = share(limits.connections_per_user);
        let (per_address, up_to_address) = share(limits.connections_per_address);
        let numbers = [
            ("limits.connections", limits.connections, CONNECTIONS),
            ("limits.connections_per_user", per_user, up_to_user),
            ("limits.connections_per_address", per_address, up_to_address),
            ("limits.pace", limits.pace, 1..=crate::limits::PACE_MAX),
            ("limits.message_bytes", limits.message_bytes, MESSAGE_BYTES),
            ("limits.memory_mib", limits.memory_mib, MEMORY_MIB),
            ("limits.roster_mib", limits.roster_mib, SHARE_MIB),
            ("limits.tail_mib", limits.tail_mib, SHARE_MIB),
            (
                "accounts.invitation_days",
                self.accounts.invitation_days,
                INVITATION_DAYS,
            ),
            (
                "messages.recall_minutes",
                self.messages.recall_minutes,
                RECALL_MINUTES,
            ),
            ("files.file_mib", self.files.file_mib, FILE_MIB),
            (
                "files.user_mib",
                self.files.user_mib,
                self.files.file_mib.clamp(*FILE_MIB.start(), *FILE_MIB.end())..=u32::MAX,
            ),
            (
                "messages.edit_limit_minutes",
                self.messages.edit_limit_minutes,
                RECALL_MINUTES,
            ),
            (
                "retention.days",
                self.retention.days,
                0..=crate::limits::RETENTION_DAYS,
            ),
        ];
        for (key, value, range) in numbers
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value))
        {
            let fix = format!("Choose a number from {} to {}", range.start(), range.end());
            problems.push(problem(key, format!("{value} is out of bounds"), fix));
        }
        let shares = u64::from(limits.roster_mib) + u64::from(limits.tail_mib);
        if shares > u64::from(limits.memory_mib / 2) {
            problems.push(problem(
                "limits.memory_mib",
                format!(
                    "roster_mib and tail_mib take {shares} MiB, more than half of {}",
                    limits.memory_mib
                ),
                format!("Raise memory_mib to at least {}, or lower the two", shares * 2),
            ));
        }
    }
}

fn socket_address(key: &str, text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        let fix = if key == "listen.address" {
            "Write an IP address and a port: \"127.0.0.1:8080\", \"0.0.0.0:8443\" or \"[::]:8443\"; or \"systemd\" for sockets that it passes in"
        } else {
            "Write an IP address and a port: \"127.0.0.1:8080\", \"0.0.0.0:8443\" or \"[::]:8443\""
        };
        problem(key, format!("{text:?} is not an IP address with a port"), fix)
    })
}

/// Port 0 lets the kernel choose, so two of them never meet.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || one.is_unspecified() || other.is_unspecified()
}

fn network(text: &str) -> Result<Network, Problem> {
    text.parse().map_err(|cause| {
        let fix = "Write an address or a range: \"127.0.0.1\", \"10.0.0.0/24\", \"fd00::/8\"";
        problem("listen.trusted_proxies", format!("{text:?} is {cause}"), fix)
    })
}

/// Scheme, host and port and nothing else, which is what a browser calls an origin.
fn web_address(text: &str) -> Result<(), String> {
    let uri: Uri = text
        .parse()
        .map_err(|cause| format!("it is not a web address ({cause})"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("it is not a full web address".to_owned());
    };
    if scheme != "http" && scheme != "https" {
        return Err(format!("its scheme is {scheme:?}, not http or https"));
    }
    if authority.as_str().contains('@') {
        return Err("it names a user".to_owned());
    }
    if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
        return Err("it has more than scheme, name and port".to_owned());
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if is_host(host) {
        Ok(())
    } else {
        Err(format!("{host:?} is neither a host name nor an IP address"))
    }
}

pub(super) fn open_file(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    File::open(path).map(drop)
}
