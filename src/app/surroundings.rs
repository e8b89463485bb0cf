//! What the machine says about itself, read from `/proc` and `/sys`: memory limit, host name, own addresses, own user.
//! What must not live here: what follows from it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp as Moment;
use socket2::{Domain, Protocol, Socket, Type};

use crate::core::notify;
use crate::proto::Timestamp;

/// A certificate has room for 64 names; a machine with more addresses than this names the rest in `tls.names`.
const ADDRESSES: usize = 32;

/// The memory that the kernel lets this process's group have, in bytes, and the file that says so.
#[must_use]
pub fn memory_limit() -> Option<(u64, PathBuf)> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    memory_limit_in(&own, Path::new("/sys/fs/cgroup"))
}

/// The file in which the kernel accounts this process's group (control groups version 2), if there is one.
#[must_use]
pub fn memory_account() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let file = Path::new("/sys/fs/cgroup")
        .join(path.trim_start_matches('/'))
        .join("memory.stat");
    file.exists().then_some(file)
}

/// A group is bound by its parents, too: the smallest of all counts.
fn memory_limit_in(own: &str, root: &Path) -> Option<(u64, PathBuf)> {
    let mut least: Option<(u64, PathBuf)> = None;
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (base, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            some if some.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = base.join(path.trim_start_matches('/'));
        for directory in group
            .ancestors()
            .take_while(|directory| directory.starts_with(&base))
        {
            let file = directory.join(file);
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            // "max" is no number; version 1 says "no limit" with a number near 2^63.
            let Ok(bytes) = text.trim().parse::<u64>() else {
                continue;
            };
            if bytes < 1 << 60 && least.as_ref().is_none_or(|(known, _)| bytes < *known) {
                least = Some((bytes, file));
            }
        }
    }
    least
}

/// The host name's first label, as it may stand in a certificate; `kinglet` if the machine has none that may.
#[must_use]
pub fn host_name() -> String {
    // Not from `/proc/sys`, which a service may be kept from.
    let name = rustix::system::uname();
    plain_label(&name.nodename().to_string_lossy()).unwrap_or_else(|| "kinglet".to_owned())
}

fn plain_label(name: &str) -> Option<String> {
    let label = name.trim().split('.').next()?.to_ascii_lowercase();
    let plain = label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let fits = (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    (plain && fits).then_some(label)
}

/// The addresses this machine has now, loopback first.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    // Not from `/proc/net`, which is hidden from a service that may see processes only.
    let four = fs::read_to_string("/proc/self/net/fib_trie").unwrap_or_default();
    let six = fs::read_to_string("/proc/self/net/if_inet6").unwrap_or_default();
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for address in addresses_v4(&four).chain(addresses_v6(&six)) {
        if !address.is_loopback() && !found.contains(&address) {
            found.push(address);
        }
    }
    found.truncate(ADDRESSES);
    found
}

/// Each local address is a leaf of the routing tree: `|-- 192.168.1.7`, then `/32 host LOCAL`.
fn addresses_v4(trie: &str) -> impl Iterator<Item = IpAddr> + '_ {
    let mut last = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
            return None;
        }
        (line == "/32 host LOCAL")
            .then_some(last)
            .flatten()
            .map(IpAddr::V4)
    })
}

/// `address index prefix scope flags name`. Temporary ones would make a new certificate every day; link-local ones
/// need a zone that no certificate has.
fn addresses_v6(table: &str) -> impl Iterator<Item = IpAddr> + '_ {
    const TEMPORARY_OR_TENTATIVE: u32 = 0x01 | 0x40;
    table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        let address = Ipv6Addr::from_bits(address);
        let lasting = flags & TEMPORARY_OR_TENTATIVE == 0 && !address.is_unicast_link_local();
        lasting.then_some(IpAddr::V6(address))
    })
}

/// The address by which the rest of the network most likely knows this machine. Nothing is sent: connecting a datagram
/// socket only asks the routing table.
#[must_use]
pub fn main_address() -> Option<IpAddr> {
    let routed = |to: SocketAddr| {
        // Not bound by us: a service may be kept from binding.
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).ok()?;
        socket.connect(&to.into()).ok()?;
        let address = socket.local_addr().ok()?.as_socket()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    };
    // Addresses set aside for documentation: routed like the internet, and nobody's.
    let six = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    routed(SocketAddr::from(([192, 0, 2, 1], 9))).or_else(|| routed(SocketAddr::from((six, 9))))
}

/// Whether something on this machine answers to `name.local` on the network.
#[must_use]
pub fn tells_its_local_name() -> bool {
    Path::new("/run/avahi-daemon/pid").exists()
}

/// How far ahead of UTC the machine's local time is at a moment, in milliseconds; not at all where it does not say.
#[must_use]
pub fn local_time() -> Box<dyn Fn(Timestamp) -> i64 + Send + Sync> {
    let link = fs::read_link("/etc/localtime").unwrap_or_default();
    let name = link.to_string_lossy();
    let zone = name.split_once("zoneinfo/").map(|(_, name)| name);
    let zone = zone.and_then(notify::zone);
    Box::new(move |now| {
        let moment = Moment::from_millisecond(now.cast_signed()).ok();
        let offset = zone
            .as_ref()
            .zip(moment)
            .map(|(zone, moment)| zone.to_offset(moment));
        offset.map_or(0, |offset| i64::from(offset.seconds()) * 1_000)
    })
}

/// The user this process runs as, if `/proc` says so.
#[must_use]
pub fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|own| own.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().expect("a test may make a directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it lies below the root")).expect("the directory is new");
            fs::write(path, text).expect("the directory is ours");
        };
        write("memory.max", "900\n");
        write("system.slice/memory.max", "500\n");
        write("system.slice/kinglet.service/memory.max", "max\n");
        let limit = |own: &str| memory_limit_in(own, root.path()).map(|(bytes, _)| bytes);
        assert_eq!(limit("0::/system.slice/kinglet.service\n"), Some(500));
        assert_eq!(limit("0::/user.slice\n"), Some(900));
        write("memory/docker/x/memory.limit_in_bytes", "300\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("4:cpu,memory:/docker/x\n3:cpuset:/docker/x\n"), Some(300));
        assert_eq!(limit("4:memory:/\n"), None);
        assert_eq!(limit("nonsense\n"), None);
    }

    #[test]
    fn addresses_are_found_in_the_kernels_tables() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.168.1.0\n        \
                    /24 link UNICAST\n     |-- 192.168.1.7\n        /32 host LOCAL\n     |-- 192.168.1.255\n        /32 link BROADCAST\n";
        let four: Vec<_> = addresses_v4(trie).map(|address| address.to_string()).collect();
        assert_eq!(four, ["192.168.1.7"]);
        let table = "fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
                     20010db8000000000000000000000007 02 40 00 00     eth0\n\
                     20010db8000000000000000000000008 02 40 00 01     eth0\n";
        let six: Vec<_> = addresses_v6(table).map(|address| address.to_string()).collect();
        assert_eq!(six, ["2001:db8::7"]);
        assert!(addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn only_a_plain_label_names_the_machine() {
        assert_eq!(plain_label("Kinglet.example.org\n").as_deref(), Some("kinglet"));
        for wrong in ["", "\n", "-x", "x_y", "(none)"] {
            assert_eq!(plain_label(wrong), None, "{wrong:?}");
        }
    }
}
