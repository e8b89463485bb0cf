//! From the configuration to what the floors below take: limits, settings, names. What must not live here: acts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::address::{Address, Origin};
use super::config::{self, Config, Transport};
use super::surroundings;
use crate::core::permit::Settings;
use crate::gateway::tls::Names;
use crate::limits::{self, BudgetLine, FileLimits, Limits};
use crate::session::accounts::{AccountSettings, KeptAddress, WhoMayInvite};

const MIB: usize = 1024 * 1024;
/// What one membership of a loaded roster costs; `memory_budget` says the same.
const MEMBERSHIP: usize = 24;
/// Descriptors for everything but clients: database, logs, listeners, and the runtime's own.
const OWN_DESCRIPTORS: u64 = 64;
/// With fewer connections than this a server is of no use.
const FEWEST_CONNECTIONS: usize = 8;

fn size(number: u32) -> usize {
    usize::try_from(number).expect("a 32-bit number fits on every machine that we build for")
}

/// The limits as configured. `tls`: whether any listener speaks TLS.
#[must_use]
pub fn limits(config: &Config, tls: bool) -> Limits {
    let asked = &config.limits;
    Limits {
        frame: size(asked.message_bytes),
        connections: size(asked.connections),
        connections_per_user: size(asked.connections_per_user),
        connections_per_address: size(asked.connections_per_address),
        pace: asked.pace,
        roster_members: size(asked.roster_mib) * MIB / MEMBERSHIP,
        tail_bytes: size(asked.tail_mib) * MIB,
        recall_seconds: messages(config).recall_seconds,
        edit_seconds: messages(config).edit_seconds,
        retention_days: config.retention.days,
        tls,
        files: files(config),
        push: config.push.enabled,
        orders: config.acme.enabled,
    }
}

/// What files may take.
fn files(config: &Config) -> FileLimits {
    let asked = &config.files;
    let mib = |number: u32| u64::from(number) << 20;
    let is_large = size(config.limits.memory_mib) >= limits::PICTURE_LARGE_MIB;
    FileLimits {
        file_bytes: mib(asked.file_mib),
        user_bytes: mib(asked.user_mib),
        total_bytes: Some(mib(asked.total_mib)).filter(|bytes| *bytes > 0),
        reserve_bytes: mib(asked.reserve_mib),
        last_bytes: limits::DISK_LAST,
        picture_bytes: if is_large {
            limits::PICTURE_BYTES_LARGE
        } else {
            limits::PICTURE_BYTES
        },
    }
}

/// How long a sender may recall a message, and edit it.
#[must_use]
pub fn messages(config: &Config) -> Settings {
    let seconds = |minutes: u32| u64::from(minutes).saturating_mul(60);
    Settings {
        recall_seconds: seconds(config.messages.recall_minutes),
        edit_seconds: match config.messages.edit_limit_minutes {
            0 => u64::MAX,
            minutes => seconds(minutes),
        },
    }
}

/// Whether clients reach the configured address over TLS. Sockets that systemd passed in know better ([`super::listen::Sockets`]).
#[must_use]
pub fn speaks_tls(config: &Config) -> bool {
    let transport = config.address().and_then(|address| config.transport(address));
    transport.is_ok_and(|transport| transport != Transport::Plain)
}

/// Why fewer connections are taken than configured, in a sentence with the next step.
pub type Lowered = String;

/// Lowers the number of connections until the budget is within `memory_mib` and descriptors suffice. `Err` names what
/// cannot be had at all.
pub fn fit(
    config: &Config,
    wanted: Limits,
    descriptors: u64,
) -> Result<(Limits, Vec<Lowered>), config::Problem> {
    let mut fitted = wanted;
    let mut lowered = Vec::new();
    let memory = size(config.limits.memory_mib) * MIB;
    let without = limits::memory_total(&Limits {
        connections: 0,
        ..wanted
    });
    let each = limits::memory_total(&Limits {
        connections: 1,
        ..wanted
    }) - without;
    let affordable = memory.saturating_sub(without) / each;
    if affordable < FEWEST_CONNECTIONS {
        return Err(problem(
            "limits.memory_mib",
            format!(
                "{} MiB are less than the {} MiB that the limits add up to without a single connection",
                config.limits.memory_mib,
                without.div_ceil(MIB)
            ),
            "Raise it, or lower limits.roster_mib and limits.tail_mib; `kinglet limits` shows every line",
        ));
    }
    if affordable < fitted.connections {
        let needed = limits::memory_total(&wanted).div_ceil(MIB);
        lowered.push(format!(
            "at most {affordable} connections instead of {}, since limits.memory_mib is {}: raise it to {needed} for all of them",
            wanted.connections, config.limits.memory_mib
        ));
        fitted.connections = affordable;
    }
    let open = usize::try_from(descriptors.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(usize::MAX);
    if open < FEWEST_CONNECTIONS {
        return Err(problem(
            "limits.connections",
            format!("this process may open only {descriptors} files and sockets"),
            "Raise LimitNOFILE in the systemd unit, or `ulimit -n`",
        ));
    }
    if open < fitted.connections {
        let needed = size(config.limits.connections) as u64 + OWN_DESCRIPTORS;
        lowered.push(format!(
            "at most {open} connections instead of {}, since this process may open only {descriptors} files and sockets: \
             set LimitNOFILE={needed} in the systemd unit, or `ulimit -n {needed}`",
            wanted.connections
        ));
        fitted.connections = open;
    }
    Ok((fitted, lowered))
}

/// Refuses limits that the kernel would answer with a kill.
pub fn within_memory(limits: &Limits, allowed: Option<(u64, PathBuf)>) -> Result<(), config::Problem> {
    let Some((allowed, file)) = allowed else {
        return Ok(());
    };
    let needed = limits::memory_total(limits) as u64;
    if needed <= allowed {
        return Ok(());
    }
    let mib = MIB as u64;
    let largest = largest_line(limits);
    Err(problem(
        "limits.memory_mib",
        format!(
            "the limits add up to {} MiB, but {} lets this server have {} MiB",
            needed.div_ceil(mib),
            file.display(),
            allowed / mib
        ),
        format!(
            "Set limits.memory_mib = {} or less, or raise MemoryMax in the systemd unit; the largest line is {} with {} MiB",
            allowed / mib,
            largest.pool,
            largest.bytes / MIB
        ),
    ))
}

fn largest_line(limits: &Limits) -> BudgetLine {
    let lines = limits::memory_budget(limits);
    lines
        .into_iter()
        .max_by_key(|line| line.bytes)
        .expect("the budget has lines")
}

fn problem(key: &str, what: String, fix: impl Into<String>) -> config::Problem {
    config::Problem {
        key: key.to_owned(),
        what,
        fix: fix.into(),
    }
}

#[must_use]
pub fn accounts(config: &Config, address: &Address, tls: bool) -> AccountSettings {
    AccountSettings {
        who_may_invite: match config.accounts.who_may_invite {
            config::WhoMayInvite::Admins => WhoMayInvite::Admins,
            config::WhoMayInvite::Members => WhoMayInvite::Members,
        },
        invitation_days: config.accounts.invitation_days,
        sign_in_addresses: match config.accounts.sign_in_addresses {
            config::SignInAddresses::Nothing => KeptAddress::Nothing,
            config::SignInAddresses::Prefix => KeptAddress::Prefix,
            config::SignInAddresses::Whole => KeptAddress::Whole,
        },
        canonical_url: address.url.clone(),
        address_is_set: address.origin == Origin::Setting,
        encrypted: tls || config.listen.behind_proxy,
    }
}

/// The best guess at what reaches a socket bound to `address`.
#[must_use]
pub fn guessed_url(address: SocketAddr, tls: bool) -> String {
    let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
    let host = if !address.ip().is_unspecified() {
        host_text(address.ip())
    } else if surroundings::tells_its_local_name() {
        format!("{}.local", surroundings::host_name())
    } else {
        // A guess that the server's own certificate cannot name would be a warning in every invitation.
        let main = surroundings::main_address().filter(|address| !tls || is_private(*address));
        main.map_or_else(|| format!("{}.local", surroundings::host_name()), host_text)
    };
    if address.port() == usual {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{}", address.port())
    }
}

/// Whether the box's own authority may name it.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_link_local() || four.is_loopback(),
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local() || six.is_loopback(),
    }
}

fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    }
}

/// What the server's own certificate names: the machine as it is called and reached now, and what the operator adds.
#[must_use]
pub fn certificate_names(config: &Config) -> Names {
    let mut names = Names::new(&surroundings::host_name());
    names.addresses = surroundings::addresses();
    let canonical = host_of(&config.listen.canonical_url);
    let ordered = config.ordered_names();
    let asked = config.tls.names.iter().map(String::as_str).chain(canonical);
    for name in asked.filter(|name| !ordered.iter().any(|ordered| ordered.eq_ignore_ascii_case(name))) {
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => names.addresses.push(address),
            Err(_) => names.extra.push(name.to_owned()),
        }
    }
    names
}

/// Names and addresses this server answers to, without ports.
#[must_use]
pub fn host_names(config: &Config, canonical_url: &str) -> Vec<String> {
    let own = surroundings::host_name();
    let mut hosts = vec!["localhost".to_owned(), format!("{own}.local"), own];
    hosts.extend(surroundings::addresses().into_iter().map(host_text));
    hosts.extend(config.listen.hosts.iter().chain(&config.tls.names).cloned());
    hosts.extend(host_of(canonical_url).map(str::to_owned));
    hosts.extend(config.ordered_names());
    hosts.extend(
        config
            .listen
            .origins
            .iter()
            .filter_map(|origin| host_of(origin))
            .map(str::to_owned),
    );
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// The host of a web address, without its port.
#[must_use]
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    Some(&authority[..end]).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }

    #[test]
    fn the_budget_stays_within_what_the_operator_gives() {
        let config = config(|config| config.limits.memory_mib = 304);
        let (fitted, lowered) = fit(&config, limits(&config, true), 100_000).expect("there is room for some");
        assert!(limits::memory_total(&fitted) <= 304 * MIB);
        assert!(fitted.connections < 10_000 && lowered.len() == 1, "{lowered:?}");
        let (fitted, lowered) = fit(&config, limits(&config, false), 1_024).expect("there is room for some");
        assert_eq!(fitted.connections, 960);
        assert!(lowered.len() == 1 && lowered[0].contains("10064"), "{lowered:?}");
        let few = Config {
            limits: config::Limits {
                memory_mib: 64,
                ..config.limits.clone()
            },
            ..config
        };
        let refused = fit(&few, limits(&few, false), 100_000).expect_err("64 MiB do not hold the pools");
        assert_eq!(refused.key, "limits.memory_mib");
    }

    #[test]
    fn limits_over_the_groups_memory_are_refused_with_both_numbers() {
        let limits = limits(&Config::default(), false);
        let total = limits::memory_total(&limits) as u64;
        let file = || PathBuf::from("/sys/fs/cgroup/memory.max");
        assert!(within_memory(&limits, None).is_ok());
        assert!(within_memory(&limits, Some((total, file()))).is_ok());
        let refused = within_memory(&limits, Some((total - 1, file()))).expect_err("one byte is missing");
        let text = refused.to_string();
        assert!(
            text.contains("memory.max") && text.contains("limits.memory_mib ="),
            "{text}"
        );
    }

    #[test]
    fn the_guessed_address_is_the_bound_one() {
        let bound: SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        assert_eq!(guessed_url(bound, false), "http://127.0.0.1:8080");
        let six: SocketAddr = "[::1]:443".parse().expect("an address");
        assert_eq!(guessed_url(six, true), "https://[::1]");
    }

    #[test]
    fn a_web_addresss_host() {
        assert_eq!(
            host_of("https://chat.example.org:8443/x"),
            Some("chat.example.org")
        );
        assert_eq!(host_of("http://[::1]:80"), Some("[::1]"));
        assert_eq!(host_of("nonsense"), None);
        assert_eq!(host_of(""), None);
    }
}
