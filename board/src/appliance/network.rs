//! What the system's network programs are told: systemd-networkd of the cable, wpa_supplicant of the Wi-Fi. What must not live
//! here: where the settings come from.

use std::fmt::Write;

use data_encoding::HEXLOWER;

use super::settings::{Password, Wifi, Wire};

pub const WIRE_FILE: &str = "/etc/systemd/network/05-kinglet-eth0.network";
pub const WIFI_FILE: &str = "/etc/wpa_supplicant/wpa_supplicant-wlan0.conf";

/// In place of a secret, where none is asked for.
const OPEN: &str = "key_mgmt=NONE";
/// The prefixes of this machine's networks; the firewall lets nobody else reach what is meant for neighbours.
const NEIGHBOURS: &str = "\
NFTSet=prefix:inet:kinglet:neighbours4
NFTSet=prefix:inet:kinglet:neighbours6
";

pub fn wire(wire: &Wire) -> String {
    let mut text = String::from(
        "# Written by kinglet-board from network-config on the boot partition.\n[Match]\nName=eth0\n\n[Network]\n",
    );
    let dynamic = if wire.is_dynamic { "yes" } else { "no" };
    let _ = writeln!(
        text,
        "DHCP={dynamic}\nIPv6AcceptRA=yes\nLinkLocalAddressing=yes\nMulticastDNS=no"
    );
    for gateway in &wire.gateways {
        let _ = writeln!(text, "Gateway={gateway}");
    }
    for resolver in &wire.resolvers {
        let _ = writeln!(text, "DNS={resolver}");
    }
    for address in &wire.addresses {
        let family = if address.contains(':') { "6" } else { "4" };
        let _ = write!(
            text,
            "\n[Address]\nAddress={address}\nNFTSet=prefix:inet:kinglet:neighbours{family}\n"
        );
    }
    let (four, six) = NEIGHBOURS.split_once('\n').unwrap_or_default();
    let _ = write!(
        text,
        "\n[DHCPv4]\n{four}\nUseHostname=no\n\n[DHCPv6]\n{six}\nUseHostname=no\n\n[IPv6AcceptRA]\n{six}"
    );
    text
}

/// The Wi-Fi's file as it should be.
pub struct Wireless {
    pub text: String,
    /// Networks whose password is said to be as before, and there is none.
    pub missing: Vec<String>,
}

/// What was taken over earlier stays for networks whose password is said to be as before, and with `keep` also for those that are
/// not among `networks`.
pub fn wifi(country: Option<&str>, networks: &[Wifi], keep: bool, before: &str) -> Wireless {
    let (old_country, old) = read_back(before);
    let mut text = String::from(
        "# Written by kinglet-board from network-config on the boot partition.\nctrl_interface=DIR=/run/wpa_supplicant\n\
         update_config=0\n",
    );
    if let Some(country) = country.or(old_country) {
        let _ = writeln!(text, "country={country}");
    }
    let (mut missing, mut named) = (Vec::new(), Vec::new());
    for network in networks {
        let ssid = HEXLOWER.encode(network.ssid.as_bytes());
        let known = old.iter().find(|(name, secret)| *name == ssid && *secret != OPEN);
        match (&network.password, known) {
            (Password::Open, _) => text.push_str(&block(&ssid, OPEN)),
            (Password::New(password), _) => text.push_str(&block(&ssid, &secret(password))),
            (Password::AsBefore, Some((_, secret))) => text.push_str(&block(&ssid, secret)),
            // Nothing is known of it: better left out than open.
            (Password::AsBefore, None) => missing.push(network.ssid.clone()),
        }
        named.push(ssid);
    }
    for (ssid, secret) in &old {
        if keep && !named.iter().any(|name| name == ssid) {
            text.push_str(&block(ssid, secret));
        }
    }
    Wireless { text, missing }
}

fn block(ssid: &str, secret: &str) -> String {
    let manner = if secret == OPEN {
        ""
    } else {
        "    key_mgmt=WPA-PSK SAE\n    ieee80211w=1\n"
    };
    format!("\nnetwork={{\n    ssid={ssid}\n    scan_ssid=1\n    {secret}\n{manner}}}\n")
}

fn secret(password: &str) -> String {
    if password.len() == 64 {
        format!("psk={password}")
    } else {
        format!("psk=\"{password}\"")
    }
}

/// Country, and networks with their secrets, of a file that was written here.
fn read_back(text: &str) -> (Option<&str>, Vec<(&str, &str)>) {
    let (mut country, mut ssid, mut networks) = (None, None, Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("country=") {
            country = Some(value);
        } else if let Some(value) = line.strip_prefix("ssid=") {
            ssid = Some(value);
        } else if (line.starts_with("psk=") || line == OPEN)
            && let Some(ssid) = ssid.take()
        {
            networks.push((ssid, line));
        }
    }
    (country, networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ssid: &str, password: Password) -> Wifi {
        Wifi {
            ssid: ssid.to_owned(),
            password,
        }
    }

    #[test]
    fn a_password_is_kept_until_there_is_another() {
        let new = Password::New("with \"quotes\"".to_owned());
        let cafe = |password| [network("Café", password)];
        let text = |country, networks: &[Wifi], keep, before| wifi(country, networks, keep, before).text;
        let first = text(Some("DE"), &cafe(new), false, "");
        assert!(
            first.contains("country=DE\n") && first.contains("ssid=436166c3a9\n"),
            "{first}"
        );
        assert!(first.contains("psk=\"with \"quotes\"\"\n"), "{first}");
        let same = text(None, &cafe(Password::AsBefore), false, &first);
        assert_eq!(same, first);
        let other = [network("other", Password::AsBefore)];
        let gone = wifi(None, &other, false, &first);
        assert!(!gone.text.contains("network="), "{}", gone.text);
        assert_eq!(gone.missing, ["other"]);
        assert_eq!(text(None, &other, true, &first), first, "kept beside");
        let open = text(None, &cafe(Password::Open), true, &first);
        assert!(open.contains("key_mgmt=NONE") && !open.contains("psk"), "{open}");
        assert_eq!(text(None, &[], true, &open), open, "also one that is open");
    }

    #[test]
    fn a_fixed_address_needs_no_dhcp_and_its_neighbours_are_known() {
        let fixed = wire(&Wire {
            is_dynamic: false,
            addresses: vec!["192.168.1.5/24".to_owned()],
            gateways: vec!["192.168.1.1".parse().expect("an address")],
            resolvers: Vec::new(),
        });
        for line in [
            "Name=eth0",
            "DHCP=no",
            "Gateway=192.168.1.1",
            "Address=192.168.1.5/24\nNFTSet=prefix:inet:kinglet:neighbours4",
        ] {
            assert!(fixed.contains(&format!("{line}\n")), "{line}: {fixed}");
        }
        assert!(
            wire(&Wire {
                is_dynamic: true,
                ..Wire::default()
            })
            .contains("DHCP=yes\n")
        );
    }
}
