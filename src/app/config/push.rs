//! The settings of push, and what is wrong with them. What must not live here: sending.

#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)] // this is the text of a TOML file, too

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Problem, open_file, problem};
use crate::session::accounts::is_host;
use crate::workers::push::guard::host_and_port;

/// A file of certificates is not larger than this.
const AUTHORITIES_MAX: u64 = 1024 * 1024;
/// Names that only a network of one's own resolves: a push service refuses them as an address to write to.
pub(super) const PRIVATE_NAMES: [&str; 9] = [
    "local",
    "localhost",
    "lan",
    "home",
    "internal",
    "arpa",
    "test",
    "example",
    "invalid",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// True to send push messages. Then `subject` must be set. Push services see when and to which device something is
    /// sent, and its size; what it says only the device can read.
    pub enabled: bool,
    /// Whom a push service may write to when something is wrong with what this server sends: a mail address that you
    /// read, "mailto:admin@example.org", or the public address of this server, "https://chat.example.org". Services refuse
    /// names that are only known in a network, such as kinglet.local.
    pub subject: String,
    /// Push services of your own, in your network: name or IP address, with the port if it is not 443, for example
    /// ["ntfy.lan", "192.168.1.9:8443"]. Only these may have a private address.
    pub hosts: Vec<String>,
    /// False to send to `hosts` only, and to nobody on the internet.
    pub public: bool,
    /// PEM file with certificates of the authorities that your own push services' certificates come from, besides the
    /// public ones. Empty means none.
    pub ca: PathBuf,
    /// False to never send names and text. True sends them, encrypted, to devices that asked for it; all others are told
    /// only that there is something new.
    pub text: bool,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            enabled: false,
            subject: String::new(),
            hosts: Vec::new(),
            public: true,
            ca: PathBuf::new(),
            text: true,
        }
    }
}

impl Push {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let fix = "Write a mail address that you read, \"mailto:admin@example.org\", or the public address of this \
                   server, \"https://chat.example.org\"";
        if self.subject.is_empty() && self.enabled {
            let what = "push is enabled, but nobody is named whom a push service may write to";
            problems.push(problem("push.subject", what, fix));
        } else if !self.subject.is_empty()
            && let Err(what) = subject(&self.subject)
        {
            problems.push(problem("push.subject", what, fix));
        }
        for host in &self.hosts {
            let name = host_and_port(host).map(|(name, _)| name);
            if !name.is_some_and(|name| is_host(&name)) {
                let fix = "Write a name or an IP address, with the port if it is not 443: \"ntfy.lan\", \"192.168.1.9:8443\", \
                           \"[fd00::9]:8443\"";
                problems.push(problem("push.hosts", format!("{host:?} is no host"), fix));
            }
        }
        if self.enabled && !self.public && self.hosts.is_empty() {
            let what = "push is enabled, but push.public is false and no host is named, so there is nobody to send to";
            problems.push(problem(
                "push.hosts",
                what,
                "Name a push service of your own, or set push.public = true",
            ));
        }
        if !self.ca.as_os_str().is_empty()
            && let Err(cause) = open_file(&self.ca)
        {
            let what = format!("cannot read {}: {cause}", self.ca.display());
            problems.push(problem(
                "push.ca",
                what,
                "Correct the path, or let the server's user read the file",
            ));
        }
    }
}

/// What a push service takes as the one to write to (RFC 8292, section 2.1).
fn subject(text: &str) -> Result<(), String> {
    let domain = if let Some(address) = text.strip_prefix("mailto:") {
        let (name, domain) = address.split_once('@').ok_or("it is no mail address")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it is no mail address".into());
        }
        domain
    } else if let Some(rest) = text.strip_prefix("https://") {
        let end = rest.find(['/', ':']).unwrap_or(rest.len());
        &rest[..end]
    } else {
        return Err("it begins neither with mailto: nor with https://".into());
    };
    let last = domain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if !is_host(domain) || !domain.contains('.') || domain.parse::<IpAddr>().is_ok() {
        return Err(format!("{domain:?} is no public name"));
    }
    if PRIVATE_NAMES.contains(&last.as_str()) {
        return Err(format!(
            "push services refuse {domain:?}, since .{last} is known in no other network"
        ));
    }
    Ok(())
}

/// The certificates in the operator's file; none without one.
pub fn read_authorities(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path.as_os_str().is_empty() {
        return Ok(bytes);
    }
    File::open(path)?
        .take(AUTHORITIES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > AUTHORITIES_MAX {
        return Err(io::Error::other("it is too large for a file of certificates"));
    }
    if !bytes.windows(16).any(|part| part == b"BEGIN CERTIFICAT") {
        return Err(io::Error::other("there is no certificate in it"));
    }
    Ok(bytes)
}
