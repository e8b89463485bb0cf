//! An address range, as `trusted_proxies` lists them. What must not live here: who is trusted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address, or all addresses that share its first `prefix` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or a range such as 10.0.0.0/24")]
pub struct NotANetwork;

impl Network {
    /// An IPv4 address inside IPv6 (`::ffff:10.0.0.1`, which a socket on `[::]` reports) counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits())
                    .checked_shr(32 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits())
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    /// True for `0.0.0.0/0` and `::/0`.
    pub fn is_everyone(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let canonical = address.to_canonical();
        let bits = if canonical.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // A prefix of a mapped address would count the 96 bits in front; nobody writes that on purpose.
            Some(_) if canonical != address => return Err(NotANetwork),
            Some(digits) if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                return Err(NotANetwork);
            }
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or(NotANetwork)?,
        };
        Ok(Self {
            address: canonical,
            prefix,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Network = network.parse().expect("the test names a network");
        network.contains(address.parse().expect("the test names an address"))
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_other() {
        assert!(contains("10.1.2.0/24", "10.1.2.255"));
        assert!(!contains("10.1.2.0/24", "10.1.3.0"));
        assert!(contains("10.1.2.3", "10.1.2.3"));
        assert!(!contains("10.1.2.3", "10.1.2.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(contains("::ffff:127.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "kinglet.local",
            "::ffff:1.2.3.4/120",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
