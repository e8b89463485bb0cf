//! What the system's network programs are told: systemd-networkd of the cable, wpa_supplicant of the Wi-Fi. What must not live
//! here: where the settings come from.

use std::collections::BTreeMap;
use std::fmt::Write;

use data_encoding::HEXLOWER;

use super::settings::{Password, Wifi, Wire};

pub const WIRE_FILE: &str = "/etc/systemd/network/05-kinglet-eth0.network";
pub const WIFI_FILE: &str = "/etc/wpa_supplicant/wpa_supplicant-wlan0.conf";

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

/// The Wi-Fi's file; what was taken over earlier stays for networks whose password is said to be as before.
pub fn wifi(country: Option<&str>, networks: &[Wifi], before: &str) -> String {
    let (old_country, old) = read_back(before);
    let mut text = String::from(
        "# Written by kinglet-board from network-config on the boot partition.\nctrl_interface=DIR=/run/wpa_supplicant\n\
         update_config=0\n",
    );
    if let Some(country) = country.or(old_country) {
        let _ = writeln!(text, "country={country}");
    }
    for network in networks {
        let ssid = HEXLOWER.encode(network.ssid.as_bytes());
        let secret = match &network.password {
            Password::Open => "key_mgmt=NONE".to_owned(),
            Password::New(password) => secret(password),
            // Nothing is known of it: better left out than open.
            Password::AsBefore => match old.get(ssid.as_str()) {
                Some(secret) => (*secret).to_owned(),
                None => continue,
            },
        };
        let _ = write!(
            text,
            "\nnetwork={{\n    ssid={ssid}\n    scan_ssid=1\n    {secret}\n"
        );
        if secret != "key_mgmt=NONE" {
            text.push_str("    key_mgmt=WPA-PSK SAE\n    ieee80211w=1\n");
        }
        text.push_str("}\n");
    }
    text
}

fn secret(password: &str) -> String {
    if password.len() == 64 {
        format!("psk={password}")
    } else {
        format!("psk=\"{password}\"")
    }
}

/// Country and secrets of a file that was written here.
fn read_back(text: &str) -> (Option<&str>, BTreeMap<&str, &str>) {
    let (mut country, mut ssid, mut secrets) = (None, None, BTreeMap::new());
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("country=") {
            country = Some(value);
        } else if let Some(value) = line.strip_prefix("ssid=") {
            ssid = Some(value);
        } else if line.starts_with("psk=")
            && let Some(ssid) = ssid
        {
            secrets.insert(ssid, line);
        }
    }
    (country, secrets)
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
        let first = wifi(Some("DE"), &[network("Café", new)], "");
        assert!(
            first.contains("country=DE\n") && first.contains("ssid=436166c3a9\n"),
            "{first}"
        );
        assert!(first.contains("psk=\"with \"quotes\"\"\n"), "{first}");
        let same = wifi(None, &[network("Café", Password::AsBefore)], &first);
        assert_eq!(same, first);
        let gone = wifi(None, &[network("other", Password::AsBefore)], &first);
        assert!(!gone.contains("network="), "{gone}");
        let open = wifi(None, &[network("Café", Password::Open)], &first);
        assert!(open.contains("key_mgmt=NONE") && !open.contains("psk"), "{open}");
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
