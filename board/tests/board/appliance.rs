//! What the appliance does at its start, through its door: the program started with a word, on a root of the test's own. What
//! must not live here: the forms of settings one by one (`src/appliance/settings.rs`).

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use super::KEY;
use super::bench::{BOARD, Bench};

pub const WIFI: &str = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf";
pub const NETWORK: &str = "\
version: 2
wifis:
  wlan0:
    regulatory-domain: DE
    access-points:
      home:
        password: secret of the air
";

/// The system, and the data at its two places.
const MOUNTED: &str = "\
/dev/mmcblk0p5 / ext4 rw 0 0
/dev/mmcblk0p7 /data ext4 rw 0 0
/dev/mmcblk0p7 /var/lib/kinglet ext4 rw 0 0
";

pub fn appliance() -> Bench {
    let bench = Bench::new();
    for directory in [
        "boot/firmware",
        "dev",
        "etc/systemd/network",
        "etc/wpa_supplicant",
        "var/lib/kinglet",
    ] {
        fs::create_dir_all(bench.root().join(directory)).expect("the root is ours");
    }
    bench.file("usr/share/zoneinfo/Asia/Tokyo", "TZif2 and so on");
    bench.file("dev/tty1", "");
    bench.file("sys/class/tty/console/active", "tty0 ttyS1\n");
    bench.file("dev/ttyS1", "");
    bench.file("etc/hostname", "kinglet\n");
    bench.file("proc/self/mounts", MOUNTED);
    for program in ["networkctl", "journalctl", "busctl", "setpriv", "partx"] {
        bench.program(&format!("usr/bin/{program}"), "");
    }
    for program in ["ip", "sfdisk", "resize2fs"] {
        bench.program(&format!("usr/sbin/{program}"), "");
    }
    bench
}

pub fn run(bench: &Bench, word: &str) -> bool {
    let root = bench.root().to_owned();
    let status = Command::new(BOARD).arg("--root").arg(root).arg(word).status();
    status.expect("the program is there").success()
}

/// A server that is asked once whether it has an owner.
pub fn server(bench: &Bench, claimed: bool) -> JoinHandle<()> {
    server_for(bench, claimed, 1)
}

/// The same, asked more than once.
pub fn server_for(bench: &Bench, claimed: bool, times: usize) -> JoinHandle<()> {
    let path = bench.root().join("var/lib/kinglet/control.sock");
    // One that an earlier look left.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(path).expect("the path is short");
    thread::spawn(move || {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().expect("it is asked");
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).expect("it asks");
            assert_eq!(asked, "GET /health HTTP/1.1\r\n");
            let body = format!("{{\"status\":\"ready\",\"claimed\":{claimed}}}");
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .expect("it listens");
        }
    })
}

pub fn network_of(bench: &Bench, name: &str) {
    let card = r#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1","scope":"host"}]},{"ifname":"eth0","addr_info":[{"local":"192.168.1.20","scope":"global"}]}]"#;
    bench.program("usr/sbin/ip", &format!("echo '{card}'"));
    let avahi = format!(
        "case \"$*\" in *GetState) echo '{{\"type\":\"i\",\"data\":[2]}}';; *) echo '{{\"type\":\"s\",\"data\":[\"{name}\"]}}';; esac"
    );
    bench.program("usr/bin/busctl", &avahi);
    bench.program(
        "usr/bin/journalctl",
        "echo 'Nobody owns this server yet. Its claim code is 12345-67890'",
    );
}

#[test]
fn settings_are_taken_over_once_for_each_change_and_the_secret_goes() {
    let bench = appliance();
    let user_data = format!(
        "#cloud-config\r\nhostname: office\r\ntimezone: Asia/Tokyo\r\nssh_authorized_keys: ['{KEY}']\r\n"
    );
    // As an editor leaves it that hides the ends of names.
    bench.file("boot/firmware/user-data.txt", &user_data);
    bench.file("boot/firmware/network-config", NETWORK);
    assert!(run(&bench, "settings"));
    let calls = bench.calls();
    for call in [
        "systemctl --no-block restart wpa_supplicant@wlan0.service",
        "hostnamectl set-hostname office",
        "timedatectl set-timezone Asia/Tokyo",
        "systemctl enable ssh.service",
    ] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
    assert_eq!(
        bench.text("etc/kinglet-board/authorized_keys"),
        Some(format!("{KEY}\n"))
    );
    let wifi = bench.text(WIFI).expect("it is written");
    assert!(
        wifi.contains("psk=\"secret of the air\"") && wifi.contains("country=DE"),
        "{wifi}"
    );
    let mode = fs::metadata(bench.root().join(WIFI))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = bench.text("boot/firmware/network-config").expect("it stays");
    assert!(
        !left.contains("secret of the air") && left.contains("home:"),
        "{left}"
    );

    assert!(run(&bench, "settings"));
    assert_eq!(bench.calls(), [""; 0], "nothing changed");
    // A new password for a box that nobody can reach otherwise; the rest is as it was.
    bench.file(
        "boot/firmware/network-config",
        &NETWORK.replace("of the air", "number two"),
    );
    assert!(run(&bench, "settings"));
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("secret number two"))
    );
    // A country alone does not lose the password.
    let left = bench.text("boot/firmware/network-config").expect("it stays");
    bench.file("boot/firmware/network-config", &left.replace("DE", "FR"));
    assert!(run(&bench, "settings"));
    let wifi = bench.text(WIFI).expect("it is written");
    assert!(
        wifi.contains("secret number two") && wifi.contains("country=FR"),
        "{wifi}"
    );
}

#[test]
fn one_setting_that_fails_keeps_none_of_the_others_and_is_named_on_the_card() {
    let bench = appliance();
    bench.file(
        "boot/firmware/user-data",
        "hostname: office\ntimezone: Mars/Olympus\npackages: [x]\n",
    );
    bench.program("usr/bin/hostnamectl", "echo 'no bus' >&2; exit 1");
    assert!(run(&bench, "settings"));
    network_of(&bench, "kinglet");
    let asked = server(&bench, false);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    let card = bench.text("boot/firmware/KINGLET.txt").expect("it is written");
    for words in ["no bus", "no time zone of that name", "packages is not among"] {
        assert!(card.contains(words), "{words}: {card}");
    }
}

fn on_the_card(name: &str) -> String {
    let place = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pi-image/boot")
        .join(name);
    fs::read_to_string(place).expect("the card's files are here")
}

/// What lies on the card, with the mark taken from every line that is a setting.
fn unmarked(name: &str) -> String {
    let text = on_the_card(name);
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        // A sentence stands one space behind its mark.
        Some(rest) if rest != "cloud-config" && (!rest.starts_with(' ') || rest.starts_with("  ")) => rest,
        _ => line,
    });
    lines.map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn the_cards_own_files_say_nothing_until_somebody_takes_their_marks_away() {
    let bench = appliance();
    bench.file("usr/share/zoneinfo/Europe/Berlin", "TZif2 and so on");
    for name in ["user-data", "network-config"] {
        bench.file(&format!("boot/firmware/{name}"), &on_the_card(name));
    }
    assert!(run(&bench, "settings"));
    assert_eq!(bench.calls(), [""; 0], "nobody has set anything");
    let user_data = unmarked("user-data").replace("ssh-ed25519 AAAA... you@laptop", KEY);
    bench.file("boot/firmware/user-data", &user_data);
    bench.file("boot/firmware/network-config", &unmarked("network-config"));
    assert!(run(&bench, "settings"));
    let calls = bench.calls();
    for call in [
        "hostnamectl set-hostname kinglet",
        "timedatectl set-timezone Europe/Berlin",
        "systemctl enable ssh.service",
        "systemctl --no-block restart wpa_supplicant@wlan0.service",
    ] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
    assert!(
        bench
            .text(WIFI)
            .is_some_and(|text| text.contains("ssid=") && text.contains("psk=\"its password\""))
    );
    let own = fs::read_dir(bench.root().join("etc/systemd/network")).expect("it is there");
    let cable = own
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .any(|text| text.contains("Address=192.168.1.5/24") && text.contains("Gateway=192.168.1.1"));
    assert!(cable, "the cable's address is not in force");
    network_of(&bench, "kinglet");
    let asked = server(&bench, false);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    let card = bench.text("boot/firmware/KINGLET.txt").expect("it is written");
    assert!(!card.contains("About the settings"), "{card}");
}

#[test]
fn address_and_code_are_on_the_screen_on_the_line_and_on_the_card() {
    let bench = appliance();
    network_of(&bench, "kinglet");
    let asked = server(&bench, false);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    for place in ["dev/tty1", "dev/ttyS1", "boot/firmware/KINGLET.txt"] {
        let said = bench.text(place).expect("it is there");
        for words in [
            "http://192.168.1.20/",
            "http://kinglet.local/",
            "claim code  12345-67890",
            "\r\n",
        ] {
            assert!(said.contains(words), "{place}: {words}: {said}");
        }
    }
    // Once it has an owner the code is of no use, and is gone from the card.
    let asked = server(&bench, true);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    let card = bench.text("boot/firmware/KINGLET.txt").expect("it is there");
    assert!(card.contains("192.168.1.20") && !card.contains("12345"), "{card}");
}

#[test]
fn what_devices_compare_is_said_and_nothing_else_that_the_server_may_have_written() {
    let bench = appliance();
    network_of(&bench, "kinglet");
    let print = ["AB"; 32].join(":");
    let words = "brook amber cedar dune ember fern";
    for (text, is_said) in [
        (format!("words: {words}\nSHA-256: {print}\n"), true),
        (format!("words: \u{1b}[2J{words}\nSHA-256: {print}\n"), false),
        (
            format!("words: {words}\nSHA-256: http://evil.example/{print}\n"),
            false,
        ),
        (format!("words: {words}\n"), false),
    ] {
        bench.file("var/lib/kinglet/tls/ca.txt", &text);
        let asked = server(&bench, true);
        assert!(run(&bench, "screen-once"));
        asked.join().expect("it was asked");
        let card = bench.text("boot/firmware/KINGLET.txt").expect("it is there");
        assert_eq!(
            (card.contains(words), card.contains(&print)),
            (is_said, is_said),
            "{card}"
        );
    }
}

/// Neither the server nor its ports are started then, so nothing else says it.
#[test]
fn data_that_cannot_be_reached_is_said_with_what_helps() {
    let bench = appliance();
    network_of(&bench, "kinglet");
    bench.file("proc/self/mounts", "/dev/mmcblk0p5 / ext4 rw 0 0\n");
    // While the card is looked over, or is waited for, it is a start as any other.
    bench.program(
        "usr/bin/systemctl",
        "case \"$*\" in *list-jobs*) echo '87 data.mount start waiting';; esac",
    );
    assert!(run(&bench, "screen-once"));
    let said = bench.text("dev/tty1").expect("it is there");
    assert!(
        said.contains("is starting") && !said.contains("cannot be reached"),
        "{said}"
    );
    bench.program("usr/bin/systemctl", "");
    for place in ["dev/tty1", "dev/ttyS1"] {
        bench.file(place, "");
    }
    assert!(run(&bench, "screen-once"));
    for place in ["dev/tty1", "dev/ttyS1", "boot/firmware/KINGLET.txt"] {
        let said = bench.text(place).expect("it is written");
        for words in [
            "data on this card cannot be reached",
            "sudo e2fsck -f -y /dev/sdX7",
            "recovery key",
            "192.168.1.20",
        ] {
            assert!(said.contains(words), "{place}: {words}: {said}");
        }
        for words in ["is starting", "http://", "claim"] {
            assert!(!said.contains(words), "{place}: {words}: {said}");
        }
    }
    // What cannot be found out is no loss.
    bench.program("usr/bin/systemctl", "exit 1");
    bench.file("dev/tty1", "");
    assert!(run(&bench, "screen-once"));
    assert!(
        bench
            .text("dev/tty1")
            .is_some_and(|said| said.contains("is starting"))
    );
}

#[test]
fn a_network_of_long_addresses_alone_is_a_network() {
    let bench = appliance();
    network_of(&bench, "kinglet");
    let of = |more: &str| {
        let long = r#"{"local":"2001:db8::7:1","scope":"global","temporary":true},{"local":"2001:db8::20","scope":"global"},{"local":"fe80::20","scope":"link"}"#;
        let card = format!(r#"[{{"ifname":"eth0","addr_info":[{more}{long}]}}]"#);
        // As the program says it that is asked for one kind.
        bench.program(
            "usr/sbin/ip",
            &format!("case \"$*\" in *-4*) echo '[]';; *) echo '{card}';; esac"),
        );
        let asked = server(&bench, true);
        assert!(run(&bench, "screen-once"));
        asked.join().expect("it was asked");
        bench.text("boot/firmware/KINGLET.txt").expect("it is there")
    };
    let said = of("");
    assert!(
        said.contains("http://[2001:db8::20]/") && !said.contains("no network"),
        "{said}"
    );
    assert!(!said.contains("fe80") && !said.contains("::7:1"), "{said}");
    let said = of(r#"{"local":"192.168.1.20","scope":"global"},"#);
    assert!(said.contains("192.168.1.20") && !said.contains("2001"), "{said}");
}

#[test]
fn a_second_box_keeps_the_name_that_was_free_unless_people_know_another() {
    let bench = appliance();
    network_of(&bench, "kinglet-2");
    for (claimed, renamed) in [(true, false), (false, true)] {
        bench.calls();
        let asked = server(&bench, claimed);
        assert!(run(&bench, "screen-once"));
        asked.join().expect("it was asked");
        let calls = bench.calls();
        let named = calls
            .iter()
            .any(|call| call == "hostnamectl set-hostname kinglet-2");
        assert_eq!(named, renamed, "{calls:?}");
        let again = calls
            .iter()
            .any(|call| call == "systemctl try-restart kinglet.service");
        assert_eq!(again, renamed, "its certificate is to have the name: {calls:?}");
    }
    // What answers at the bus is not believed beyond that.
    network_of(&bench, "evil");
    let asked = server(&bench, false);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    assert!(!bench.calls().iter().any(|call| call.starts_with("hostnamectl")));
}

#[test]
fn who_holds_the_card_gets_one_link() {
    let bench = appliance();
    network_of(&bench, "kinglet");
    bench.program(
        "usr/bin/setpriv",
        "case \"$*\" in *reset-link*) echo 'https://kinglet.local/reset#abc';; esac",
    );
    bench.file("boot/firmware/reset-admin.txt", "anna\r\n");
    let asked = server_for(&bench, true, 2);
    assert!(run(&bench, "screen-once"));
    asked.join().expect("it was asked");
    let calls = bench.calls();
    let server_calls: Vec<&String> = calls.iter().filter(|call| call.starts_with("setpriv")).collect();
    assert!(
        server_calls.len() == 2
            && server_calls[0].ends_with("user enable anna")
            && server_calls[1].ends_with("user reset-link anna"),
        "{calls:?}"
    );
    assert!(
        server_calls[0].contains("--reuid=kinglet"),
        "not as root: {calls:?}"
    );
    assert!(bench.text("boot/firmware/reset-admin.txt").is_none(), "once");
    for place in ["dev/tty1", "boot/firmware/KINGLET.txt"] {
        assert!(
            bench.text(place).is_some_and(|said| said.contains("reset#abc")),
            "{place}"
        );
    }
    for bad in ["", "--help", "two\nnames"] {
        bench.file("boot/firmware/reset-admin", bad);
        let asked = server_for(&bench, true, 2);
        assert!(run(&bench, "screen-once"));
        asked.join().expect("it was asked");
        let calls = bench.calls();
        let mut server_calls = calls.iter().filter(|call| call.starts_with("setpriv"));
        assert!(
            server_calls.all(|call| call.ends_with("user list --json")),
            "{bad:?}: {calls:?}"
        );
        assert!(
            bench
                .text("boot/firmware/KINGLET.txt")
                .is_some_and(|said| said.contains("one user")),
            "{bad:?}"
        );
    }
}

#[test]
fn the_data_goes_to_the_end_of_the_card_once() {
    let bench = appliance();
    for (name, number) in [
        ("mmcblk0/size", "30000000"),
        ("mmcblk0p7/partition", "7"),
        ("mmcblk0p7/start", "12591104"),
        ("mmcblk0p7/size", "516096"),
    ] {
        bench.file(&format!("sys/class/block/{name}"), number);
    }
    bench.file("dev/mmcblk0", "");
    // udev takes no partition for gone meanwhile.
    let locked = "flock --nonblock dev/mmcblk0 true && echo unlocked >> told";
    bench.program("usr/sbin/sfdisk", &format!("cat >> told; {locked} || true"));
    bench.program("usr/bin/partx", &format!("{locked} || true"));
    assert!(run(&bench, "grow"));
    let options = "--no-reread --no-tell-kernel -N";
    assert_eq!(
        bench.calls(),
        [
            format!("sfdisk {options} 3 /dev/mmcblk0"),
            format!("sfdisk {options} 7 /dev/mmcblk0"),
            "partx --update --nr 7 /dev/mmcblk0".to_owned(),
            "resize2fs /dev/mmcblk0p7".to_owned(),
        ]
    );
    assert_eq!(bench.text("told").as_deref(), Some(", +\n, +\n"));
    bench.file("sys/class/block/mmcblk0p7/size", "17408896");
    assert!(run(&bench, "grow"));
    assert_eq!(bench.calls(), ["resize2fs /dev/mmcblk0p7"], "it is there already");
    bench.file("proc/self/mounts", "/dev/mmcblk0p5 / ext4 rw 0 0\n");
    assert!(
        !run(&bench, "grow") && bench.calls().is_empty(),
        "no data, nothing to grow"
    );
}
