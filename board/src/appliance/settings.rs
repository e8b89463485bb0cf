//! Settings as they are written on the boot partition: a subset of cloud-init's `user-data` and `network-config`, each value
//! checked against a narrow form. What must not live here: putting them into force.

use std::net::IpAddr;

use super::yaml::{self, Node};
use crate::request::{HostName, Key, Zone};

/// Networks, addresses, routes: a box at home has one or two.
const SEVERAL: usize = 8;

#[derive(Debug, Default)]
pub struct Settings {
    pub name: Option<HostName>,
    pub zone: Option<Zone>,
    pub key: Option<Key>,
    /// Whether there is a `user-data` that can be read: what it does not name was taken out of it.
    pub has_user_data: bool,
    pub country: Option<String>,
    /// In the order in which they are written. `None`: there is no list of them.
    pub wifi: Option<Vec<Wifi>>,
    /// `None`: nothing is said of the cable.
    pub wire: Option<Wire>,
    /// Whether there is a `network-config` of which every word is understood. Only then is what it does not name not wanted.
    pub is_whole: bool,
    /// What is not as it should be, in sentences.
    pub notes: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub struct Wifi {
    pub ssid: String,
    pub password: Password,
}

#[derive(Debug, PartialEq)]
pub enum Password {
    /// None is asked for.
    Open,
    /// As it was taken over earlier.
    AsBefore,
    New(String),
}

#[derive(Debug, Default, PartialEq)]
pub struct Wire {
    pub is_dynamic: bool,
    /// `192.168.1.5/24`
    pub addresses: Vec<String>,
    pub gateways: Vec<IpAddr>,
    pub resolvers: Vec<IpAddr>,
}

impl Settings {
    pub fn read(user_data: Option<&str>, network: Option<&str>) -> Settings {
        let mut settings = Settings::default();
        if let Some(text) = user_data {
            settings.has_user_data = settings.understand("user-data", text, Settings::user_data);
        }
        if let Some(text) = network {
            let before = settings.notes.len();
            settings.understand("network-config", text, Settings::network);
            settings.is_whole = settings.notes.len() == before;
        }
        settings
    }

    fn understand(&mut self, file: &str, text: &str, read: fn(&mut Settings, &Node)) -> bool {
        let why = match yaml::read(text) {
            Ok(node @ Node::Map(_)) => {
                read(self, &node);
                return true;
            }
            Ok(_) => "it has no names with values".to_owned(),
            Err(why) => why,
        };
        self.notes
            .push(format!("{file} cannot be read, and changes nothing: {why}."));
        false
    }

    /// Takes a value whose form the type checks.
    fn value<T: TryFrom<String, Error = String>>(&mut self, name: &str, node: &Node) -> Option<T> {
        let read = T::try_from(node.text().unwrap_or_default().to_owned());
        read.map_err(|why| {
            let why = why.trim_start_matches("argument: ");
            self.notes
                .push(format!("{name} in user-data is not taken over. {why}"));
        })
        .ok()
    }

    fn user_data(&mut self, node: &Node) {
        for (name, value) in node.entries() {
            match name.as_str() {
                "hostname" => self.name = self.value("hostname", value),
                "timezone" => self.zone = self.value("timezone", value),
                "ssh_authorized_keys" => self.keys(value),
                // Where an imaging program writes the key.
                "users" => {
                    let keys = value
                        .items()
                        .iter()
                        .find_map(|user| user.get("ssh_authorized_keys"));
                    if let Some(keys) = keys {
                        self.keys(keys);
                    }
                }
                other => self.unknown("user-data", other),
            }
        }
    }

    fn keys(&mut self, node: &Node) {
        let keys = node.texts();
        let Some(first) = keys.first() else { return };
        self.key = self.value("ssh_authorized_keys", &Node::Text((*first).to_owned()));
        if keys.len() > 1 {
            self.notes
                .push("Only the first of ssh_authorized_keys is taken over.".to_owned());
        }
    }

    fn unknown(&mut self, file: &str, name: &str) {
        let name = shown(name);
        self.notes.push(format!(
            "{file}: {name} is not among what is understood here, and is left out."
        ));
    }

    /// What stands below a name of `network-config`.
    fn below<'a>(&mut self, name: &str, node: &'a Node) -> &'a [(String, Node)] {
        if !matches!(node, Node::Map(_)) && !node.text().is_some_and(yaml::is_nothing) {
            let name = shown(name);
            self.notes.push(format!(
                "network-config: below {name} names with values are expected; what stands there is left out."
            ));
        }
        node.entries()
    }

    fn network(&mut self, node: &Node) {
        let inner = node.get("network").unwrap_or(node);
        if inner
            .get("version")
            .is_some_and(|version| version.text() != Some("2"))
        {
            let what = "network-config must be of version 2; it is not taken over.";
            self.notes.push(what.to_owned());
            return;
        }
        for (name, value) in self.below("network", inner) {
            match name.as_str() {
                "version" | "renderer" => {}
                "ethernets" => {
                    for (card, wire) in self.below("ethernets", value) {
                        if card == "eth0" {
                            self.wire(wire);
                        } else {
                            self.unknown("network-config", card);
                        }
                    }
                }
                "wifis" => self.wifis(value),
                other => self.unknown("network-config", other),
            }
        }
    }

    fn wire(&mut self, node: &Node) {
        let mut wire = Wire::default();
        let mut dynamic = None;
        let (before, mut unknown) = (self.notes.len(), 0);
        for (name, value) in self.below("eth0", node) {
            match name.as_str() {
                "dhcp4" | "dhcp6" => dynamic = Some(dynamic == Some(true) || is_true(value)),
                "optional" => {}
                "addresses" => wire.addresses = self.each(name, value, with_prefix),
                "gateway4" | "gateway6" => wire.gateways.extend(self.each(name, value, address)),
                "routes" => {
                    for route in value.items() {
                        let to = route.get("to").and_then(Node::text);
                        match route.get("via") {
                            Some(via) if matches!(to, Some("default" | "0.0.0.0/0" | "::/0")) => {
                                wire.gateways.extend(self.each("via", via, address));
                            }
                            _ => {
                                unknown += 1;
                                self.unknown("network-config", "a route to elsewhere than default");
                            }
                        }
                    }
                }
                "nameservers" => {
                    let of = value.get("addresses").cloned().unwrap_or(Node::List(Vec::new()));
                    wire.resolvers = self.each("nameservers", &of, address);
                }
                other => {
                    unknown += 1;
                    self.unknown("network-config", other);
                }
            }
        }
        let is_wrong = self.notes.len() > before + unknown;
        if is_wrong || (unknown > 0 && wire.addresses.is_empty()) {
            self.notes
                .push("network-config: eth0 stays as it was until that is corrected.".to_owned());
            return;
        }
        wire.is_dynamic = dynamic.unwrap_or(wire.addresses.is_empty());
        if !wire.is_dynamic && wire.addresses.is_empty() {
            self.notes.push(
                "eth0 in network-config would have neither an address nor DHCP; it keeps DHCP.".to_owned(),
            );
            wire.is_dynamic = true;
        }
        self.wire = Some(wire);
    }

    /// Every text of a list that has the form; the others are named.
    fn each<T>(&mut self, name: &str, node: &Node, form: fn(&str) -> Option<T>) -> Vec<T> {
        let texts = node.texts();
        let mut values = Vec::new();
        for text in texts.into_iter().take(SEVERAL) {
            match form(text) {
                Some(value) => values.push(value),
                None => self.notes.push(format!(
                    "network-config: {name} has a value that is none, and is left out."
                )),
            }
        }
        values
    }

    fn wifis(&mut self, node: &Node) {
        for (card, wifi) in self.below("wifis", node) {
            // An imaging program writes this one level higher.
            if card == "renderer" {
                continue;
            }
            if card != "wlan0" {
                self.unknown("network-config", card);
                continue;
            }
            for (name, value) in self.below("wlan0", wifi) {
                match name.as_str() {
                    "regulatory-domain" => {
                        let text = value.text().unwrap_or_default().to_ascii_uppercase();
                        if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
                            self.country = Some(text);
                        } else {
                            let what = "regulatory-domain in network-config is a country's two letters.";
                            self.notes.push(what.to_owned());
                        }
                    }
                    "access-points" => {
                        let points = self.below("access-points", value);
                        if points.len() > SEVERAL {
                            self.notes.push(format!(
                                "network-config names more than {SEVERAL} Wi-Fis: the first {SEVERAL} are taken over."
                            ));
                        }
                        let points = points.iter().take(SEVERAL);
                        self.wifi = Some(
                            points
                                .filter_map(|(ssid, point)| self.point(ssid, point))
                                .collect(),
                        );
                    }
                    "dhcp4" | "dhcp6" | "optional" => {}
                    other => self.unknown("network-config", other),
                }
            }
        }
    }

    fn point(&mut self, ssid: &str, point: &Node) -> Option<Wifi> {
        let before = self.notes.len();
        let mut password = None;
        for (name, value) in self.below(ssid, point) {
            match name.as_str() {
                "password" => password = Some(value),
                "auth" => password = value.get("password").or(password),
                // All are asked for by name.
                "hidden" => {}
                other => self.unknown("network-config", other),
            }
        }
        let password = match password {
            // What is not understood may have been one.
            None if self.notes.len() > before => return None,
            None => Password::Open,
            Some(Node::Text(text)) if yaml::is_nothing(text) => Password::AsBefore,
            Some(Node::Text(text)) if is_passphrase(text) => Password::New(text.clone()),
            Some(_) => {
                let what = "A Wi-Fi password has 8 to 63 letters, digits and signs of ASCII, or is 64 hexadecimal digits.";
                self.notes.push(what.to_owned());
                return None;
            }
        };
        if !(1..=32).contains(&ssid.len()) {
            self.notes.push("A Wi-Fi's name has 1 to 32 bytes.".to_owned());
            return None;
        }
        Some(Wifi {
            ssid: ssid.to_owned(),
            password,
        })
    }
}

/// Of what somebody has written, as much as fits a line.
pub fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn is_true(node: &Node) -> bool {
    matches!(
        node.text().map(str::to_ascii_lowercase).as_deref(),
        Some("true" | "yes" | "on")
    )
}

fn is_passphrase(text: &str) -> bool {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_key = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_key || (printable && (8..=63).contains(&text.len()))
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn with_prefix(text: &str) -> Option<String> {
    let (ip, prefix) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    (1..=most).contains(&prefix).then(|| format!("{ip}/{prefix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Raspberry Pi's own imaging program writes it, and as people do.
    const NETWORK: &str = "\
network:
  version: 2
  ethernets:
    eth0:
      addresses: [192.168.1.5/24, 'fd00::5/64']
      routes:
        - to: default
          via: 192.168.1.1
      nameservers: {addresses: [192.168.1.1]}
  wifis:
    renderer: networkd
    wlan0:
      dhcp4: true
      regulatory-domain: \"de\"
      access-points:
        \"Café 2\": {password: 12345678}
        guests: {}
        old: {password: ''}
";

    #[test]
    fn what_people_write_is_understood() {
        let settings = Settings::read(
            Some("#cloud-config\nhostname: office\ntimezone: Europe/Berlin\n"),
            Some(NETWORK),
        );
        assert_eq!(settings.notes, [""; 0]);
        assert_eq!(settings.name.as_ref().map(HostName::as_str), Some("office"));
        assert_eq!(settings.zone.as_ref().map(Zone::as_str), Some("Europe/Berlin"));
        assert_eq!(settings.country.as_deref(), Some("DE"));
        let wire = settings.wire.expect("the cable is spoken of");
        assert!(!wire.is_dynamic);
        assert_eq!(wire.addresses, ["192.168.1.5/24", "fd00::5/64"]);
        assert_eq!(
            wire.gateways,
            ["192.168.1.1".parse::<IpAddr>().expect("an address")]
        );
        assert!(settings.is_whole && settings.has_user_data);
        let wifi: Vec<_> = settings
            .wifi
            .iter()
            .flatten()
            .map(|wifi| (wifi.ssid.as_str(), &wifi.password))
            .collect();
        assert_eq!(
            wifi,
            [
                ("Café 2", &Password::New("12345678".to_owned())),
                ("guests", &Password::Open),
                ("old", &Password::AsBefore)
            ]
        );
    }

    #[test]
    fn what_is_wrong_or_unknown_is_named_and_the_rest_holds() {
        let settings = Settings::read(
            Some(
                "hostname: Bad_Name\ntimezone: Asia/Tokyo\nruncmd: [reboot]\nssh_authorized_keys: ['command=\"x\" ssh-rsa AAAA']\n",
            ),
            Some(
                "version: 2\nethernets:\n  eth0: {dhcp4: false, addresses: [1.2.3.4, '1.2.3.4/99', \"5.6.7.8/8\\n[Route]\"]}\n  eth1: {}\n",
            ),
        );
        assert!(settings.name.is_none() && settings.key.is_none());
        assert_eq!(settings.zone.as_ref().map(Zone::as_str), Some("Asia/Tokyo"));
        for word in [
            "hostname",
            "runcmd",
            "ssh_authorized_keys",
            "addresses",
            "eth1",
            "stays as it was",
        ] {
            assert!(
                settings.notes.iter().any(|note| note.contains(word)),
                "{word}: {:?}",
                settings.notes
            );
        }
        assert!(settings.wire.is_none() && !settings.is_whole);
        let neither = Settings::read(None, Some("ethernets: {eth0: {dhcp4: false}}\n"));
        assert!(neither.wire.is_some_and(|wire| wire.is_dynamic));
        assert!(neither.notes[0].contains("keeps DHCP"), "{:?}", neither.notes);
    }

    #[test]
    fn nothing_gets_into_a_file_by_way_of_a_value() {
        for password in ["short", &"x".repeat(65), "with a\\nline", "ümlaute ü"] {
            let text = format!(
                "version: 2\nwifis: {{wlan0: {{access-points: {{a: {{password: \"{password}\"}}}}}}}}\n"
            );
            let settings = Settings::read(None, Some(&text));
            assert!(
                settings.wifi.as_ref().is_some_and(Vec::is_empty) && settings.notes.len() == 1,
                "{password:?}: {settings:?}"
            );
            assert!(
                !settings.notes[0].contains(password),
                "a password is not repeated"
            );
        }
        let old = Settings::read(
            None,
            Some("version: 1\nwifis: {wlan0: {access-points: {a: {}}}}\n"),
        );
        assert!(old.wifi.is_none() && old.notes.len() == 1, "{old:?}");
        let broken = Settings::read(Some("a: [\n"), None);
        assert!(broken.notes[0].contains("user-data cannot be read"), "{broken:?}");
    }
}
