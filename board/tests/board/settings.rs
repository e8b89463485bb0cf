//! Settings on the boot partition that are wrong, half there, or not there any more: nothing that works may be lost by them, no
//! password before it is in force, and what was not changed is not applied again. What must not live here: settings as they
//! should be (`appliance.rs`), and their forms one by one (`src/appliance/settings.rs`).

use std::fs;
use std::io::Read;

use super::KEY;
use super::appliance::{NETWORK, WIFI, appliance, network_of, run, server};
use super::bench::Bench;

const FILE: &str = "boot/firmware/network-config";
const USER_DATA: &str = "boot/firmware/user-data";
const CABLE: &str = "etc/systemd/network/05-kinglet-eth0.network";

/// What lies on the card for people after a look.
fn card(bench: &Bench) -> String {
    network_of(bench, "kinglet");
    let asked = server(bench, true);
    assert!(run(bench, "screen-once"));
    asked.join().expect("it was asked");
    bench.text("boot/firmware/KINGLET.txt").expect("it is written")
}

/// A box that has taken a Wi-Fi over.
fn by_wifi() -> Bench {
    let bench = appliance();
    bench.file(FILE, NETWORK);
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("psk=\"secret of the air\""))
    );
    bench.calls();
    bench
}

#[test]
fn a_network_config_that_is_not_understood_loses_neither_the_wifi_nor_itself() {
    for (bad, named) in [
        (NETWORK.replace("access-points", "access_points"), "access_points"),
        (NETWORK.replace("secret of the air", "short"), "8 to 63"),
        (NETWORK.replace("password", "pasword"), "pasword"),
        (
            NETWORK.replace("password: secret of the air", "secret of the air"),
            "home",
        ),
        (NETWORK.replace("    access", "\taccess"), "cannot be read"),
        (NETWORK.replace("version: 2", "version: 1"), "version 2"),
        (NETWORK.replace("wifis", "wifi"), "wifi "),
        (NETWORK.replace("  wlan0", "  wlan1"), "wlan1"),
        ("home secret of the air\n".to_owned(), "cannot be read"),
    ] {
        let bench = by_wifi();
        let bad = bad
            .replace("secret of the air", "secret number two")
            .replace("DE", "FR");
        bench.file(FILE, &bad);
        assert!(run(&bench, "settings"));
        let wifi = bench.text(WIFI).expect("it stays");
        assert!(
            wifi.contains("ssid=686f6d65") && wifi.contains("psk=\"secret of the air\""),
            "the network of before is gone by {bad}: {wifi}"
        );
        assert_eq!(bench.text(FILE).as_deref(), Some(bad.as_str()), "to be corrected");
        let said = card(&bench);
        assert!(said.contains(named), "{named}: {said}");
        assert!(
            !bad.contains("password:") || said.contains("still holds a password"),
            "{said}"
        );
    }
}

#[test]
fn a_password_goes_when_it_is_in_force_and_one_that_is_not_stays_to_be_corrected() {
    let bench = by_wifi();
    bench.file(
        FILE,
        "version: 2\nwifis:\n  wlan0:\n    access-points:\n      work: {password: \"secret number two\"}\n      guests:\n        password: short\n",
    );
    assert!(run(&bench, "settings"));
    let wifi = bench.text(WIFI).expect("it is written");
    for psk in ["psk=\"secret number two\"", "psk=\"secret of the air\""] {
        assert!(wifi.contains(psk), "{psk}: {wifi}");
    }
    let left = bench.text(FILE).expect("it stays");
    assert!(
        !left.contains("number two") && left.contains("password: short"),
        "{left}"
    );
    // Corrected: what it does not name any more is not wanted.
    bench.file(FILE, &left.replace("short", "long enough"));
    assert!(run(&bench, "settings"));
    let wifi = bench.text(WIFI).expect("it is written");
    for (psk, is_there) in [
        ("psk=\"secret number two\"", true),
        ("psk=\"long enough\"", true),
        ("psk=\"secret of the air\"", false),
    ] {
        assert_eq!(wifi.contains(psk), is_there, "{psk}: {wifi}");
    }
    let left = bench.text(FILE).expect("it stays");
    assert!(
        !left.contains("long enough") && left.contains("guests:"),
        "{left}"
    );
    assert!(!card(&bench).contains("password"));
}

/// However it is written: the password goes, and nothing else does.
#[test]
fn a_password_is_taken_out_of_every_form_and_the_rest_stays_as_it_was() {
    for form in [
        "{password: secret of the air}",
        "{password: 'secret of the air'} # at home",
        "{\n        password: \"secret of the air\" }",
        "\n        auth: {key-management: psk, password: secret of the air}",
        "\n        password: >-\n          secret of\n          the air",
        "\n        password: |-\n          secret of the air\n        hidden: true",
        "\n        \"password\": secret of the air",
        "\n        password:\n          secret of the air",
    ] {
        let bench = appliance();
        let text = format!(
            "version: 2\nwifis:\n  wlan0:\n    regulatory-domain: DE\n    access-points:\n      \"Café zu Hause\": {form}\nethernets:\n  eth0:\n    dhcp4: true # a cable\n"
        );
        bench.file(FILE, &text);
        assert!(run(&bench, "settings"));
        assert!(
            bench
                .text(WIFI)
                .is_some_and(|wifi| wifi.contains("psk=\"secret of the air\"")),
            "{text}"
        );
        let left = bench.text(FILE).expect("it stays");
        assert!(!left.contains("secret") && !left.contains("air"), "{left}");
        for words in ["Café zu Hause", "regulatory-domain: DE", "dhcp4: true # a cable"] {
            assert!(left.contains(words), "{words}: {left}");
        }
        assert!(!card(&bench).contains("settings on the card"), "{left}");
        bench.calls();
        assert!(run(&bench, "settings"));
        assert_eq!(bench.calls(), [""; 0], "nothing changed");
    }
}

#[test]
fn a_password_that_could_not_be_stored_stays_on_the_card_and_is_tried_again() {
    let bench = appliance();
    let folder = bench.root().join("etc/wpa_supplicant");
    fs::remove_dir(&folder).expect("it is empty");
    fs::write(&folder, "no folder").expect("the root is ours");
    bench.file(FILE, NETWORK);
    assert!(run(&bench, "settings"));
    assert_eq!(bench.text(FILE).as_deref(), Some(NETWORK));
    assert!(card(&bench).contains("wpa_supplicant"), "it is said");
    fs::remove_file(&folder).expect("the root is ours");
    fs::create_dir(&folder).expect("the root is ours");
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("secret of the air"))
    );
    assert!(
        bench
            .text(FILE)
            .is_some_and(|text| !text.contains("secret of the air"))
    );
}

#[test]
fn what_was_not_changed_is_not_applied_again() {
    let bench = appliance();
    let user_data = format!("hostname: office\ntimezone: Asia/Tokyo\nssh_authorized_keys: ['{KEY}']\n");
    bench.file("usr/share/zoneinfo/Europe/Berlin", "TZif2 and so on");
    bench.file(USER_DATA, &user_data);
    bench.file(FILE, NETWORK);
    assert!(run(&bench, "settings"));
    // The name and SSH are the page's from here on.
    bench.calls();
    bench.file(FILE, &NETWORK.replace("of the air", "number two"));
    assert!(run(&bench, "settings"));
    let calls = bench.calls();
    assert!(
        calls.iter().any(|call| call.contains("wpa_supplicant")),
        "{calls:?}"
    );
    for not in ["hostnamectl", "timedatectl", "ssh.service"] {
        assert!(!calls.iter().any(|call| call.contains(not)), "{not}: {calls:?}");
    }
    bench.file(USER_DATA, &user_data.replace("Asia/Tokyo", "Europe/Berlin"));
    assert!(run(&bench, "settings"));
    assert_eq!(bench.calls(), ["timedatectl set-timezone Europe/Berlin"]);
    // A file that cannot be read for once changes nothing, and what it says is as old as before.
    bench.file(USER_DATA, "hostname: [\n");
    assert!(run(&bench, "settings"));
    fs::remove_file(bench.root().join(USER_DATA)).expect("it was there");
    assert!(run(&bench, "settings"));
    bench.file(USER_DATA, &user_data.replace("Asia/Tokyo", "Europe/Berlin"));
    assert!(run(&bench, "settings"));
    assert_eq!(bench.calls(), [""; 0]);
    // Whoever writes it anew means it.
    bench.file(USER_DATA, "timezone: Europe/Berlin\n");
    assert!(run(&bench, "settings"));
    bench.file(USER_DATA, &user_data.replace("Asia/Tokyo", "Europe/Berlin"));
    assert!(run(&bench, "settings"));
    let calls = bench.calls();
    assert!(
        calls.contains(&"hostnamectl set-hostname office".to_owned())
            && calls.contains(&"systemctl enable ssh.service".to_owned())
            && !calls.iter().any(|call| call.starts_with("timedatectl")),
        "{calls:?}"
    );
}

#[test]
fn what_failed_is_tried_at_each_start_and_said_at_each() {
    let bench = appliance();
    bench.file(USER_DATA, "hostname: office\ntimezone: Mars/Olympus\n");
    bench.program("usr/bin/hostnamectl", "echo 'no bus' >&2; exit 1");
    for _ in 0..2 {
        let _ = fs::remove_file(bench.root().join("run/kinglet-board/settings-notes"));
        assert!(run(&bench, "settings"));
        let said = card(&bench);
        assert!(said.contains("no bus") && said.contains("no time zone"), "{said}");
    }
    bench.program("usr/bin/hostnamectl", "");
    bench.calls();
    assert!(run(&bench, "settings"));
    // And it is told on the network, which began with the one of before.
    assert_eq!(
        bench.calls(),
        [
            "hostnamectl set-hostname office",
            "systemctl try-restart avahi-daemon.service"
        ]
    );
    assert!(!card(&bench).contains("no bus"));
}

const FIXED: &str = "version: 2\nethernets:\n  eth0:\n    addresses: [192.168.9.5/24]\n";

#[test]
fn a_fixed_address_goes_when_the_file_does_not_name_it_any_more() {
    let marked = FIXED.replace("ethernets", "#ethernets").replace("  ", "#  ");
    for is_reset in [false, true] {
        let bench = appliance();
        bench.file(FILE, FIXED);
        assert!(run(&bench, "settings"));
        let cable = bench.text(CABLE).expect("it is written");
        assert!(cable.contains("Address=192.168.9.5/24"), "{cable}");
        // Not by a slip, nor by a card that cannot be read.
        for slip in [
            FIXED.replace("ethernets", "ethernet"),
            FIXED.replace("eth0", "eth1"),
            FIXED.replace("addresses", "adresses"),
            FIXED.replace("/24", ""),
            FIXED.replace("version: 2", "version: 1"),
            FIXED.replace("eth0:", "eth0: ["),
            FIXED.replace("  eth0", "  - eth0"),
        ] {
            bench.file(FILE, &slip);
            assert!(run(&bench, "settings"));
            assert_eq!(bench.text(CABLE).as_ref(), Some(&cable), "{slip}");
            assert!(card(&bench).contains("settings on the card"), "{slip}");
        }
        fs::remove_file(bench.root().join(FILE)).expect("it was there");
        assert!(run(&bench, "settings"));
        assert_eq!(bench.text(CABLE), Some(cable));
        if is_reset {
            fs::remove_file(bench.root().join("var/lib/kinglet-board/settings-taken")).expect("it was there");
        }
        bench.file(FILE, &marked);
        bench.calls();
        assert!(run(&bench, "settings"));
        assert_eq!(bench.text(CABLE), None);
        assert_eq!(bench.calls(), ["networkctl reload"]);
        assert!(run(&bench, "settings"));
        assert_eq!(bench.calls(), [""; 0]);
    }
}

#[test]
fn a_wifi_goes_when_its_list_does_not_name_it_and_not_when_there_is_no_list() {
    let bench = by_wifi();
    bench.file(FILE, FIXED);
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("secret of the air"))
    );
    bench.file(FILE, "version: 2\nwifis: {wlan0: {regulatory-domain: FR}}\n");
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("secret of the air") && text.contains("country=FR"))
    );
    bench.file(FILE, "version: 2\nwifis: {wlan0: {access-points: {}}}\n");
    assert!(run(&bench, "settings"));
    assert!(bench.text(WIFI).is_some_and(|text| !text.contains("network=")));
}

fn utf_16(text: &str, is_little: bool) -> Vec<u8> {
    let units = format!("\u{feff}{text}");
    let both = units.encode_utf16();
    both.flat_map(|unit| {
        if is_little {
            unit.to_le_bytes()
        } else {
            unit.to_be_bytes()
        }
    })
    .collect()
}

#[test]
fn a_file_of_two_bytes_for_each_character_is_read_and_one_that_is_no_text_is_named() {
    for is_little in [true, false] {
        let bench = appliance();
        bench.file(FILE, "");
        let text = utf_16(&NETWORK.replace('\n', "\r\n"), is_little);
        fs::write(bench.root().join(FILE), text).expect("the root is ours");
        assert!(run(&bench, "settings"));
        assert!(
            bench
                .text(WIFI)
                .is_some_and(|text| text.contains("secret of the air"))
        );
        let left = bench.text(FILE).expect("in UTF-8 now");
        assert!(left.contains("home:") && !left.contains("secret"), "{left}");
        assert!(!card(&bench).contains("settings on the card"));
    }
    let without_mark = utf_16(NETWORK, true)[2..].to_vec();
    for no_text in [b"version: \xff2\n".to_vec(), without_mark, vec![b'#'; 70_000]] {
        let bench = by_wifi();
        fs::write(bench.root().join(FILE), no_text).expect("the root is ours");
        assert!(run(&bench, "settings"));
        let said = card(&bench);
        assert!(
            said.contains("settings on the card") && said.contains("network-config"),
            "{said}"
        );
        assert!(
            bench
                .text(WIFI)
                .is_some_and(|text| text.contains("secret of the air"))
        );
    }
}

#[test]
fn what_a_file_with_a_password_was_is_written_over() {
    let bench = appliance();
    bench.file(FILE, NETWORK);
    // Its bytes, whatever their name is by now.
    let mut old = fs::File::open(bench.root().join(FILE)).expect("it is there");
    assert!(run(&bench, "settings"));
    let mut left = String::new();
    old.read_to_string(&mut left).expect("it is text");
    assert_eq!(left, "#".repeat(NETWORK.len()));
    let names: Vec<_> = fs::read_dir(bench.root().join("boot/firmware"))
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["network-config"]);
    // A power cut in the middle of it.
    bench.file("boot/firmware/kinglet.new", NETWORK);
    let mut old = fs::File::open(bench.root().join("boot/firmware/kinglet.new")).expect("it is there");
    assert!(run(&bench, "settings"));
    left.clear();
    old.read_to_string(&mut left).expect("it is text");
    assert_eq!(left, "#".repeat(NETWORK.len()));
    assert_eq!(bench.text("boot/firmware/kinglet.new"), None);
}

#[test]
fn version_2_may_be_left_out() {
    let bench = appliance();
    bench.file(FILE, &NETWORK.replace("version: 2\n", ""));
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("secret of the air"))
    );
}
