//! The configuration: one TOML file, environment overrides, nothing else. The doc comments of these structs are the
//! text of `docs/kinglet.example.toml`, so they speak to the operator.
//! What must not live here: reading the environment (it is handed in), and any act upon the settings.
//!
//! - `mod.rs`: the settings and how they are found and read
//! - `environment.rs`: `KINGLET_…` variables
//! - `check.rs`: what is wrong with settings that parse, and the fix
//! - `network.rs`: an address range
//! - `push.rs`, `acme.rs`: the sections about push and about ordered certificates, with their checks
//! - `backup.rs`, `machine.rs`: the sections about backups and about the board, with their checks
//! - `example.rs`: the example file, from this file's doc comments and defaults

// These comments are the text of a TOML file, where brackets and addresses are no links.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

mod acme;
mod backup;
mod check;
mod environment;
mod example;
mod machine;
mod network;
mod push;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acme::{Acme, AcmeChallenge};
pub use backup::{Backup, USB as BACKUP_USB};
pub use check::{CONNECTIONS_MAX, Problem, Transport};
pub use example::EffectiveSetting;
pub use machine::Board;
pub use network::Network;
pub use push::{Push, read_authorities};

/// Where the file is looked for when nobody named one; the first that exists is used.
const DEFAULT_PATHS: [&str; 2] = ["kinglet.toml", "/etc/kinglet/kinglet.toml"];

/// A configuration file is a page of text; anything larger is a mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory for everything the server must not lose: the log, accounts and keys. It is made at the
    /// first start, readable by the server's user only. Put it on the best disk you have. A relative path starts at
    /// the working directory.
    pub data_dir: PathBuf,
    /// Where the server listens, and under which names it is known.
    pub listen: Listen,
    /// Encryption between the clients and this server.
    pub tls: Tls,
    /// A certificate for a domain of your own, ordered from a public authority. It is off: nothing leaves this machine unless
    /// you switch it on.
    pub acme: Acme,
    /// Bounds on what clients may use. The defaults suit a board with 512 MiB; `kinglet limits` prints the memory
    /// they add up to, line by line.
    pub limits: Limits,
    /// Who may join.
    pub accounts: Accounts,
    /// What may be done with a message after it was sent.
    pub messages: Messages,
    /// Pictures, sound and other files that people send. They lie beside the log, in the data directory's `blobs`.
    pub files: Files,
    /// Telling devices that are not connected, through the push service that each of them uses. It is off: nothing leaves
    /// this machine unless you switch it on.
    pub push: Push,
    /// How long what is said is kept.
    pub retention: Retention,
    /// Copies of everything, for the day the card dies or the machine is gone.
    pub backup: Backup,
    /// The machine under the server: how hot it is, what it writes, how long its card lasts.
    pub board: Board,
    /// What is written to the journal, or to standard error when not started by systemd. Never the text of a message,
    /// a name or a token.
    pub log: Log,
    /// The file these settings came from; none if all are defaults.
    #[serde(skip)]
    pub source: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// IP address and port for HTTP and WebSocket, for example "0.0.0.0:8443" or "[::]:8443" for every network
    /// interface. Beyond loopback TLS is required, unless `behind_proxy` is true. "systemd" means sockets that it
    /// passes in (`kinglet.socket`), without any 127.0.0.1:8080; what it passes in is used in any case.
    pub address: String,
    /// IP address and port for plain http, for example "0.0.0.0:8080", which shows how to trust this server's
    /// certificate. Used only when TLS is on; empty means none.
    pub http_address: String,
    /// The one address people are told, in invitations and in the installed app, for example
    /// "https://chat.example.org". Empty means the one that the claim or the first invitation fixed, which was a guess
    /// from the listening address. Set it before that: when it changes, links that were sent lead to the old one, and
    /// installed apps lose their cache.
    pub canonical_url: String,
    /// Further web addresses whose pages may connect, for example ["https://kinglet.local:8443"]. The canonical one
    /// is always accepted.
    pub origins: Vec<String>,
    /// Further names or IP addresses this server answers to, without port, for example ["kinglet.local"].
    pub hosts: Vec<String>,
    /// Addresses or ranges of the proxies whose word about a client's address is believed, for example
    /// ["127.0.0.1", "10.0.0.0/24"]. List only machines you run.
    pub trusted_proxies: Vec<String>,
    /// True when every client comes through a proxy that encrypts. Then `trusted_proxies` must name it.
    pub behind_proxy: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// PEM file with the certificate and its chain. It is read again when it changes.
    pub certificate: PathBuf,
    /// PEM file with the certificate's private key.
    pub key: PathBuf,
    /// Further names and IP addresses for the certificate that the server makes for itself, for example
    /// ["chat.home.arpa"]. Its host name and its current addresses are always in it.
    pub names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// `files` if they are named, else `off` on loopback and behind a proxy, else `local`
    Auto,
    /// plain http; refused beyond loopback without a proxy
    Off,
    /// a certificate authority of its own, made at the first start
    Local,
    /// the certificate and key named below
    Files,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections in all.
    pub connections: u32,
    /// Open connections of one user, over all devices.
    pub connections_per_user: u32,
    /// Open connections from one address (IPv6: from one /64).
    pub connections_per_address: u32,
    /// How fast one user may ask: multiplies the paces that the protocol's limits name (50 messages a second, ...). Raise
    /// it for bots and for measuring.
    pub pace: u32,
    /// The largest frame and message, in bytes.
    pub message_bytes: u32,
    /// Memory for everything that grows with load, in MiB, the kernel's socket buffers included. Near it new
    /// connections are refused; nothing is killed.
    pub memory_mib: u32,
    /// Share of it for the member lists of conversations in use, in MiB.
    pub roster_mib: u32,
    /// Share of it for the newest events of conversations in use, in MiB.
    pub tail_mib: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// Who may invite new people to this server.
    pub who_may_invite: WhoMayInvite,
    /// Days until an invitation ends, if its maker does not say.
    pub invitation_days: u32,
    /// How much of the address a person sees in the list of their own sign-ins.
    pub sign_in_addresses: SignInAddresses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInAddresses {
    /// none is kept
    Nothing,
    /// the network: 24 bits of IPv4, 48 of IPv6
    Prefix,
    /// the whole address
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhoMayInvite {
    /// administrators only
    Admins,
    /// everyone with an account
    Members,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Messages {
    /// For how many minutes a sender may recall a message; 0 means never.
    pub recall_minutes: u32,
    /// For how many minutes a sender may edit a message; 0 means without an end.
    pub edit_limit_minutes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// The largest file, in MiB.
    pub file_mib: u32,
    /// What all files of one user may take, in MiB.
    pub user_mib: u32,
    /// What all files together may take, in MiB; 0 means 80 % of the disk.
    pub total_mib: u32,
    /// Free space of the disk below which no file is taken any more, in MiB, so that messages still find room.
    pub reserve_mib: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days after which messages, edits and reactions lose their content, in every conversation; 0 means never. A conversation
    /// may have a shorter time of its own. What is older at the start is erased then, for ever: `kinglet retention` shows
    /// beforehand how much that is.
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// what stopped something from working
    Error,
    /// what may soon
    Warn,
    /// starts, stops and changes of state
    Info,
    /// for developers; a release build writes `info` instead
    Debug,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            listen: Listen::default(),
            tls: Tls::default(),
            acme: Acme::default(),
            limits: Limits::default(),
            accounts: Accounts::default(),
            messages: Messages::default(),
            files: Files::default(),
            push: Push::default(),
            retention: Retention::default(),
            backup: Backup::default(),
            board: Board::default(),
            log: Log::default(),
            source: None,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8080".to_owned(),
            http_address: String::new(),
            canonical_url: String::new(),
            origins: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            behind_proxy: false,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            mode: TlsMode::Auto,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            names: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_user: 64,
            connections_per_address: 256,
            pace: 1,
            message_bytes: 65_536,
            memory_mib: 304,
            roster_mib: 32,
            tail_mib: 16,
        }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            who_may_invite: WhoMayInvite::Admins,
            invitation_days: 7,
            sign_in_addresses: SignInAddresses::Prefix,
        }
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            recall_minutes: 24 * 60,
            edit_limit_minutes: 0,
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            file_mib: 100,
            user_mib: 2_048,
            total_mib: 0,
            reserve_mib: 256,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
        }
    }
}

/// Settings that cannot be read. Settings that can be read but make no sense are [`Problem`]s.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "cannot read the configuration file {path}: {source}. Check that it exists and that this user may read it"
    )]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the configuration file {path} is wrong:\n{message}\nCorrect it; docs/kinglet.example.toml shows every key"
    )]
    Parse { path: PathBuf, message: String },
    #[error("the environment variable {name} {what}. {fix}")]
    Environment { name: String, what: String, fix: String },
}

impl Config {
    /// Reads the file at `path`, else the one that `KINGLET_CONFIG` names, else the first default path that exists,
    /// else nothing; then lets the `KINGLET_…` variables of `env` override it. A program passes `std::env::vars_os()`.
    pub fn load<K, V>(path: Option<&Path>, env: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Self::load_from(path, env, &DEFAULT_PATHS.map(Path::new))
    }

    fn load_from<K, V>(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (K, V)>,
        default_paths: &[&Path],
    ) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let overrides = environment::Overrides::collect(env)?;
        let named = path.map(Path::to_owned).or_else(|| overrides.config_path());
        let source = named.or_else(|| {
            default_paths
                .iter()
                .find(|path| path.exists())
                .map(|path| path.to_path_buf())
        });
        let Some(source) = source else {
            return overrides.apply(toml::Table::new());
        };
        let text = read(&source).map_err(|error| ConfigError::Read {
            path: source.clone(),
            source: error,
        })?;
        let parse_error = |error: toml::de::Error| ConfigError::Parse {
            path: source.clone(),
            message: error.to_string().trim_end().to_owned(),
        };
        // First against the file alone: this error knows the line, and an override must not hide a mistake in the file.
        toml::from_str::<Self>(&text).map_err(parse_error)?;
        let mut config = overrides.apply(toml::from_str(&text).map_err(parse_error)?)?;
        config.source = Some(source);
        Ok(config)
    }

    /// The example file: every key, commented out, with its default and what it means.
    pub fn example() -> String {
        example::render()
    }

    /// Every setting as it holds, with its default and what it means.
    pub fn effective(&self) -> Vec<EffectiveSetting> {
        example::effective(self)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it has {length} bytes, more than a configuration can have"
        )));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_default_path_that_exists_is_read_and_a_named_one_goes_before() {
        let directory = tempfile::tempdir().expect("a test may make a directory");
        let file = |name: &str, days: u32| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("accounts.invitation_days = {days}"))
                .expect("the directory is new");
            path
        };
        let (missing, near, far) = (directory.path().join("none"), file("near", 1), file("far", 2));
        let (named, by_variable) = (file("named", 3), file("variable", 4));
        let days = |path: Option<&Path>, env: &[(&str, &Path)], defaults: &[&Path]| {
            let env = env
                .iter()
                .map(|(name, path)| (OsString::from(name), path.as_os_str().to_owned()));
            Config::load_from(path, env, defaults)
                .expect("every file is right")
                .accounts
                .invitation_days
        };
        let variable = [("KINGLET_CONFIG", by_variable.as_path())];
        assert_eq!(days(None, &[], &[&missing, &near, &far]), 1);
        assert_eq!(days(None, &[], &[&missing, &far]), 2);
        assert_eq!(days(None, &variable, &[&near]), 4);
        assert_eq!(days(Some(&named), &variable, &[&near]), 3);
        assert_eq!(days(None, &[], &[&missing]), Accounts::default().invitation_days);
    }
}
