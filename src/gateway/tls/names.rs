//! What the box is called: the names a leaf is made for, and which of them an authority is permitted to vouch for.
//! What must not live here: keys, files, the clock.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, bail, ensure};
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints, SanType};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Far above any home or office; a bound, so that a misread interface list cannot make a certificate of a megabyte.
const MAX_NAMES: usize = 64;

/// Every address range that is nobody's on the public internet. An authority that leaks is worth nothing outside them.
const PRIVATE_RANGES: [(&str, u8); 8] = [
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("169.254.0.0", 16),
    ("127.0.0.0", 8),
    ("fc00::", 7),
    ("fe80::", 10),
    ("::1", 128),
];

/// Labels of letters that are nobody's tree: the name that a card comes with, which is no part of the internet, and RFC 6761's.
const OWN_LABELS: [&str; 2] = ["kinglet", "localhost"];

/// Who has a constraint of their kind may have no other of it, and no mail goes to this one (RFC 2606): so no address of anybody.
const NOBODYS_MAIL: &str = "invalid";

/// What the operator and the network say this box is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The host name alone, e.g. `kinglet`.
    pub host: String,
    /// The multicast DNS name, e.g. `kinglet.local`.
    pub local: String,
    /// Further DNS names from the configuration.
    pub extra: Vec<String>,
    /// The addresses the box answers at. Prefer stable ones: each change of the set makes a new leaf.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// The host name and its `.local` form; the rest is empty.
    pub fn new(host: &str) -> Names {
        Names {
            host: host.to_string(),
            local: format!("{host}.local"),
            extra: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Everything the leaf should name, normalised.
    pub(super) fn wanted(&self) -> Result<SanSet> {
        let mut wanted = SanSet::default();
        let local = normalise(&self.local)?;
        ensure!(
            local.ends_with(".local"),
            "naming the box: `{local}` does not end in .local; set the local name to e.g. kinglet.local"
        );
        wanted.dns.insert(local);
        wanted.dns.insert(normalise(&self.host)?);
        for name in &self.extra {
            wanted.dns.insert(normalise(name)?);
        }
        wanted.ips.extend(self.addresses.iter().map(IpAddr::to_canonical));
        ensure!(
            wanted.len() <= MAX_NAMES,
            "naming the box: {} names and addresses are more than {MAX_NAMES}; list fewer extra names or addresses",
            wanted.len()
        );
        Ok(wanted)
    }
}

/// Lower case, no trailing dot, letters, digits and hyphens only.
fn normalise(name: &str) -> Result<String> {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    let next = "write a plain DNS name such as chat.example.org (xn-- form for other scripts, no wildcard)";
    if name.parse::<IpAddr>().is_ok() {
        bail!("naming the box: `{name}` is an address; put it under the addresses, not the names");
    }
    ensure!(
        !name.is_empty() && name.len() <= 253,
        "naming the box: an empty or overlong name; {next}"
    );
    for label in name.split('.') {
        let plain = label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let fits = !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
        ensure!(
            plain && fits,
            "naming the box: `{name}` is not a DNS name; {next}"
        );
    }
    Ok(name)
}

/// The names of one certificate, in an order that does not depend on who listed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SanSet {
    pub(super) dns: BTreeSet<String>,
    pub(super) ips: BTreeSet<IpAddr>,
}

impl SanSet {
    pub(super) fn len(&self) -> usize {
        self.dns.len() + self.ips.len()
    }

    /// For people: names first, then addresses.
    pub(super) fn listed(&self) -> Vec<String> {
        self.dns
            .iter()
            .cloned()
            .chain(self.ips.iter().map(IpAddr::to_string))
            .collect()
    }

    pub(super) fn of(certificate: &X509Certificate<'_>) -> SanSet {
        let mut set = SanSet::default();
        let Ok(Some(extension)) = certificate.subject_alternative_name() else {
            return set;
        };
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(dns) => {
                    set.dns.insert(dns.to_ascii_lowercase());
                }
                GeneralName::IPAddress(bytes) => set.ips.extend(address(bytes)),
                _ => {}
            }
        }
        set
    }

    pub(super) fn to_rcgen(&self) -> Result<Vec<SanType>> {
        let mut all = Vec::with_capacity(self.len());
        for name in &self.dns {
            all.push(SanType::DnsName(name.as_str().try_into()?));
        }
        all.extend(self.ips.iter().copied().map(SanType::IpAddress));
        Ok(all)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// What an authority may vouch for, as its own certificate says. Fixed when the authority is made: the devices that
/// trust it have a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Permitted {
    dns: Vec<String>,
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Permitted {
    /// The constraints for a new authority: `.local`, the box's own names, private addresses, and nobody's mail.
    pub(super) fn for_new(wanted: &SanSet) -> NameConstraints {
        let mut permitted_subtrees = vec![
            GeneralSubtree::DnsName("local".to_string()),
            GeneralSubtree::Rfc822Name(NOBODYS_MAIL.to_string()),
        ];
        for name in wanted
            .dns
            .iter()
            .filter(|name| !name.ends_with(".local") && !is_public_tree(name))
        {
            permitted_subtrees.push(GeneralSubtree::DnsName(name.clone()));
        }
        for (base, prefix) in PRIVATE_RANGES {
            let base: IpAddr = base
                .parse()
                .expect("a constant of this file, checked by its tests");
            permitted_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                base, prefix,
            )));
        }
        NameConstraints {
            permitted_subtrees,
            excluded_subtrees: Vec::new(),
        }
    }

    pub(super) fn of(certificate: &X509Certificate<'_>) -> Permitted {
        let mut permitted = Permitted::default();
        let Ok(Some(extension)) = certificate.name_constraints() else {
            return permitted;
        };
        for subtree in extension.value.permitted_subtrees.iter().flatten() {
            match &subtree.base {
                GeneralName::DNSName(name) => permitted.dns.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => {
                    let (base, mask) = bytes.split_at(bytes.len() / 2);
                    permitted.ranges.push((base.to_vec(), mask.to_vec()));
                }
                _ => {}
            }
        }
        permitted
    }

    /// The part of `wanted` that this authority may sign, and the part it may not. One name outside would make every
    /// client refuse the whole certificate, so the rest is left out and shown to the operator instead.
    pub(super) fn split(&self, wanted: &SanSet) -> (SanSet, Vec<String>) {
        let mut inside = SanSet::default();
        let mut outside = SanSet::default();
        for name in &wanted.dns {
            let side = if self.allows_name(name) {
                &mut inside
            } else {
                &mut outside
            };
            side.dns.insert(name.clone());
        }
        for ip in &wanted.ips {
            let side = if self.allows_address(*ip) {
                &mut inside
            } else {
                &mut outside
            };
            side.ips.insert(*ip);
        }
        (inside, outside.listed())
    }

    fn allows_name(&self, name: &str) -> bool {
        self.dns.iter().any(|tree| {
            name.strip_suffix(tree.as_str())
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }

    fn allows_address(&self, ip: IpAddr) -> bool {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        self.ranges.iter().any(|(base, mask)| {
            base.len() == octets.len()
                && octets
                    .iter()
                    .zip(base)
                    .zip(mask)
                    .all(|((o, b), m)| o & m == b & m)
        })
    }
}

/// Whether a name is or may become a whole tree of the internet, so that no authority of one box may vouch for it: a constraint
/// permits what is below, too. New trees come each few years, and an authority lives for ten; but each is of letters alone, or of
/// another script's (RFC 1123, section 2.1; ICANN's rules for them).
#[must_use]
pub fn is_public_tree(name: &str) -> bool {
    let of_letters = name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let of_another_script = name.starts_with("xn--");
    !name.contains('.') && (of_letters || of_another_script) && !OWN_LABELS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_or_refused() {
        let mut names = Names::new("Kinglet");
        names.extra = vec!["Chat.Example.ORG.".into()];
        names.addresses = vec!["::ffff:192.168.1.9".parse().expect("an address")];
        let wanted = names.wanted().expect("plain names");
        assert_eq!(
            wanted.listed(),
            ["chat.example.org", "kinglet", "kinglet.local", "192.168.1.9"]
        );

        let long = "a".repeat(64);
        for bad in [
            "",
            "a b",
            "*.team.example",
            "-a.b",
            "a..b",
            "192.168.1.1",
            "чат.example",
            "a_b",
            long.as_str(),
        ] {
            let names = Names {
                extra: vec![bad.to_string()],
                ..Names::new("kinglet")
            };
            assert!(names.wanted().is_err(), "`{bad}` must be refused");
        }
        let names = Names {
            local: "kinglet.lan".into(),
            ..Names::new("kinglet")
        };
        assert!(names.wanted().is_err(), "a local name outside .local");
        let addresses = (0..=255).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert!(
            Names {
                addresses,
                ..Names::new("kinglet")
            }
            .wanted()
            .is_err(),
            "more than the bound"
        );
    }

    #[test]
    fn a_host_named_like_a_public_tree_does_not_open_it() {
        let trees = |host: &str| {
            let constraints = Permitted::for_new(&Names::new(host).wanted().expect("plain"));
            let is_host = |tree: &GeneralSubtree| *tree == GeneralSubtree::DnsName(host.to_string());
            constraints.permitted_subtrees.iter().any(is_host)
        };
        for own in ["kinglet", "kinglet-2", "chat1", "my-chat", "chat.example.org"] {
            assert!(trees(own), "{own}");
        }
        // The first two are trees already; the last may be one tomorrow.
        for public in ["chat", "box", "com", "de", "xn--p1ai", "raspberrypi"] {
            assert!(!trees(public), "{public}");
        }
    }

    #[test]
    fn private_ranges_are_exactly_the_private_ones() {
        let ranges = PRIVATE_RANGES
            .iter()
            .map(|(base, prefix)| {
                let base: IpAddr = base.parse().expect("a constant");
                match CidrSubnet::from_addr_prefix(base, *prefix) {
                    CidrSubnet::V4(base, mask) => (base.to_vec(), mask.to_vec()),
                    CidrSubnet::V6(base, mask) => (base.to_vec(), mask.to_vec()),
                }
            })
            .collect();
        let permitted = Permitted {
            dns: vec!["local".into()],
            ranges,
        };
        for inside in [
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.9.9",
            "127.0.0.1",
            "fd00::1",
            "fe80::1",
            "::1",
        ] {
            assert!(
                permitted.allows_address(inside.parse().expect("an address")),
                "{inside}"
            );
        }
        for outside in [
            "11.0.0.1",
            "172.32.0.1",
            "172.15.255.255",
            "9.255.255.255",
            "192.167.0.1",
            "169.253.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "fe00::1",
            "fec0::1",
            "fbff::1",
            "192.169.0.1",
            "8.8.8.8",
            "2001:db8::1",
            "::2",
            "::",
            "0.0.0.0",
        ] {
            assert!(
                !permitted.allows_address(outside.parse().expect("an address")),
                "{outside}"
            );
        }
        assert!(permitted.allows_name("kinglet.local") && permitted.allows_name("local"));
        assert!(!permitted.allows_name("notlocal") && !permitted.allows_name("local.example"));
    }
}
