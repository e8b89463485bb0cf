//! The board through its door: a real socket, the real program, files and programs below a root of the test's own.
//! What must not live here: the forms of arguments one by one (`src/request.rs`).

#[path = "board/appliance.rs"]
mod appliance;
#[path = "board/bench.rs"]
mod bench;
#[path = "board/cut_off.rs"]
mod cut_off;
#[path = "board/disks.rs"]
mod disks;
#[path = "board/new_card.rs"]
mod new_card;
#[path = "board/packages.rs"]
mod packages;
#[path = "board/settings.rs"]
mod settings;
#[path = "board/way_back.rs"]
mod way_back;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use bench::{BOARD, Bench, answer, code, own_uid};

/// A key as `ssh-keygen` writes it; nobody has its other half.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH anna@laptop";

#[test]
fn each_verb_does_its_one_thing() {
    let bench = Bench::new();
    bench.file("usr/share/zoneinfo/Europe/Berlin", "TZif2 and so on");
    for (request, called) in [
        (json!({ "verb": "reboot" }), "systemctl --no-block reboot"),
        (json!({ "verb": "power_off" }), "systemctl --no-block poweroff"),
        (
            json!({ "verb": "host_name", "name": "kinglet2" }),
            "hostnamectl set-hostname kinglet2",
        ),
        (
            json!({ "verb": "time_zone", "zone": "Europe/Berlin" }),
            "timedatectl set-timezone Europe/Berlin",
        ),
    ] {
        bench.done(&request);
        assert_eq!(bench.calls(), [called]);
    }
    bench.file("usr/share/zoneinfo/Europe/Nowhere", "no zone");
    for zone in ["Europe/Paris", "Europe/Nowhere", "Europe"] {
        assert_eq!(
            bench.refused(&json!({ "verb": "time_zone", "zone": zone })),
            "bad_argument",
            "{zone}"
        );
    }
    assert_eq!(bench.calls(), [""; 0]);
    bench.program("usr/bin/systemctl", "echo 'Access denied' >&2; exit 4");
    let answer = bench.ask(&json!({ "verb": "reboot" }));
    assert_eq!(code(&answer), "failed");
    assert!(
        answer["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("Access denied")),
        "{answer}"
    );
}

#[test]
fn what_is_no_request_reaches_no_program() {
    let bench = Bench::new();
    for (line, expected) in [
        ("", "bad_request"),
        ("\n", "bad_request"),
        ("{}\n", "bad_request"),
        ("[]\n", "bad_request"),
        ("reboot\n", "bad_request"),
        ("{\"verb\":\"reboot\"}", "bad_request"),
        ("{\"verb\":\"reboot\"} {\"verb\":\"reboot\"}\n", "bad_request"),
        ("{\"verb\":\"run\",\"program\":\"/bin/sh\"}\n", "bad_request"),
        ("{\"verb\":\"reboot\",\"now\":true}\n", "bad_request"),
        ("{\"verb\":\"reboot\",\"verb\":\"power_off\"}\n", "bad_request"),
        ("{\"verb\":\"host_name\"}\n", "bad_request"),
        ("{\"verb\":\"host_name\",\"name\":7}\n", "bad_request"),
        (
            "{\"verb\":\"host_name\",\"name\":\"a\",\"name\":\"b\"}\n",
            "bad_request",
        ),
        (
            "{\"verb\":\"host_name\",\"name\":\"a; reboot\"}\n",
            "bad_argument",
        ),
        ("{\"verb\":\"host_name\",\"name\":\"--help\"}\n", "bad_argument"),
        (
            "{\"verb\":\"time_zone\",\"zone\":\"../../etc/passwd\"}\n",
            "bad_argument",
        ),
        (
            "{\"verb\":\"usb_mount\",\"device\":\"mmcblk0p2\"}\n",
            "bad_argument",
        ),
        (
            "{\"verb\":\"ssh_on\",\"key\":\"command=\\\"x\\\" ssh-ed25519 AAAA\"}\n",
            "bad_argument",
        ),
        (
            "{\"verb\":\"factory_reset\",\"keep_data\":false,\"confirm\":\"yes\"}\n",
            "bad_argument",
        ),
        (
            "{\"verb\":\"factory_reset\",\"keep_data\":false}\n",
            "bad_request",
        ),
        ("\u{0}\u{1}\n", "bad_request"),
    ] {
        assert_eq!(code(&bench.send(line.as_bytes())), expected, "{line:?}");
    }
    assert_eq!(code(&bench.send(b"\xff\xfe\n")), "bad_request");
    assert_eq!(code(&bench.send(&[b'['; 8_000])), "bad_request");
    assert_eq!(bench.calls(), [""; 0]);
}

#[test]
fn a_line_has_a_length_and_a_time() {
    let bench = Bench::new();
    assert_eq!(code(&bench.send(&[b' '; 20_000])), "too_large");
    let (mut client, child) = bench.connect();
    client.write_all(b"{\"verb\":").expect("it is read");
    assert_eq!(
        code(&answer(client)),
        "too_slow",
        "half a line, and nothing after it"
    );
    assert!(
        child
            .wait_with_output()
            .expect("it is our child")
            .status
            .success()
    );
    // A byte now and then does not buy time.
    let (mut client, child) = bench.connect();
    let mut writer = client.try_clone().expect("a descriptor is left");
    client
        .set_read_timeout(Some(std::time::Duration::from_millis(500)))
        .expect("a socket can");
    let mut first = [0];
    let mut sent = 0;
    while let Err(error) = std::io::Read::read(&mut client, &mut first) {
        // A machine that was stopped for a moment goes on with this one.
        if error.kind() == std::io::ErrorKind::Interrupted {
            continue;
        }
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
        writer.write_all(b" ").expect("it is read");
        sent += 1;
        assert!(sent < 60, "it waits for ever");
    }
    assert!(
        child
            .wait_with_output()
            .expect("it is our child")
            .status
            .success()
    );
    assert_eq!(bench.calls(), [""; 0]);
}

/// Who is neither root nor the server's user is turned away before a word is read.
#[test]
fn strangers_are_not_heard() {
    let bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).expect("the path is short");
    if own_uid() != 0 {
        bench.file(
            "etc/passwd",
            &format!("kinglet:x:{}:1::/:/bin/false\n", own_uid() + 1),
        );
        let client = UnixStream::connect(bench.socket()).expect("it listens");
        let mut child = bench.serve(&listener);
        assert_eq!(code(&answer(client)), "not_allowed");
        child.wait().expect("it is our child");
        return;
    }
    // This test again, as nobody.
    let everybody = |path: &std::path::Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
    };
    everybody(bench.root());
    everybody(&bench.socket());
    let copy = bench.root().join("stranger");
    bench::installed(&std::env::current_exe().expect("a test knows itself"), &copy);
    // After the emulator, where it is made for another processor.
    let mut start: Vec<OsString> = std::env::var("TEST_EMULATOR")
        .unwrap_or_default()
        .split_whitespace()
        .map(OsString::from)
        .collect();
    start.push(copy.into_os_string());
    let stranger = Command::new(&start[0])
        .args(&start[1..])
        .args(["--exact", "a_stranger", "--nocapture"])
        .env("KINGLET_BOARD_SOCKET", bench.socket())
        .current_dir(bench.root())
        .uid(65_534)
        .gid(65_534)
        .stdout(Stdio::piped())
        .spawn()
        .expect("root may become nobody");
    let mut child = bench.serve(&listener);
    let output = stranger.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("turned away"), "{said}");
    child.wait().expect("it is our child");
    assert_eq!(bench.calls(), [""; 0]);
}

/// The body of the process started by the test above; by itself it has nobody to ask.
#[test]
fn a_stranger() {
    let Some(socket) = std::env::var_os("KINGLET_BOARD_SOCKET") else {
        return;
    };
    let mut client = UnixStream::connect(socket).expect("the socket is open to all");
    // It may be turned away before it has spoken.
    let _ = client.write_all(b"{\"verb\":\"reboot\"}\n");
    assert_eq!(code(&answer(client)), "not_allowed");
    println!("turned away");
}

#[test]
fn one_at_a_time_changes_something() {
    let bench = Bench::new();
    let lock = fs::File::create(bench.root().join("run/kinglet-board/lock")).expect("the root is ours");
    lock.lock().expect("nobody else has it");
    assert_eq!(bench.refused(&json!({ "verb": "reboot" })), "busy");
    bench.done(&json!({ "verb": "sensors" }));
    assert_eq!(bench.calls(), [""; 0]);
    drop(lock);
    bench.done(&json!({ "verb": "reboot" }));
}

#[test]
fn ssh_is_for_one_user_by_one_key_and_for_a_day() {
    let bench = Bench::new();
    let (keys, settings) = (
        "etc/kinglet-board/authorized_keys",
        "etc/ssh/sshd_config.d/00-kinglet.conf",
    );
    let told = bench.done(&json!({ "verb": "ssh_on", "key": KEY }));
    assert_eq!(
        (&told["user"], &told["hours"]),
        (&json!("kinglet-admin"), &json!(24))
    );
    assert_eq!(bench.text(keys).as_deref(), Some(format!("{KEY}\n").as_str()));
    let written = bench.text(settings).expect("sshd is told");
    for line in [
        "PasswordAuthentication no",
        "PermitRootLogin no",
        "AllowUsers kinglet-admin",
    ] {
        assert!(written.lines().any(|it| it == line), "{line}: {written}");
    }
    assert_eq!(
        fs::metadata(bench.root().join(keys)).expect("it is there").mode() & 0o777,
        0o644
    );
    assert_eq!(
        bench.calls(),
        [
            "systemctl stop kinglet-board-ssh-off.timer kinglet-board-ssh-off.service",
            "systemctl disable ssh.service",
            "systemctl restart ssh.service",
            "systemctl start kinglet-board-ssh-off.timer",
        ]
    );
    let told = bench.done(&json!({ "verb": "ssh_on", "key": KEY, "keep": true }));
    assert_eq!(told["hours"], Value::Null);
    assert_eq!(
        bench.calls()[1..],
        ["systemctl enable ssh.service", "systemctl restart ssh.service"]
    );

    bench.done(&json!({ "verb": "ssh_off" }));
    assert!(bench.text(keys).is_none() && bench.text(settings).is_none());
    assert_eq!(
        bench.calls(),
        [
            "systemctl stop kinglet-board-ssh-off.timer",
            "systemctl disable --now ssh.service",
            "loginctl terminate-user kinglet-admin",
        ]
    );
    // What does not come to its end lets nobody in.
    bench.program("usr/bin/systemctl", "case \"$1\" in restart) exit 1;; esac");
    assert_eq!(bench.refused(&json!({ "verb": "ssh_on", "key": KEY })), "failed");
    assert!(bench.text(keys).is_none() && bench.text(settings).is_none());
    assert!(
        bench
            .calls()
            .contains(&"systemctl disable --now ssh.service".to_owned())
    );

    bench.file("etc/passwd", "root:x:0:0::/:/bin/sh\n");
    if own_uid() == 0 {
        assert_eq!(
            bench.refused(&json!({ "verb": "ssh_on", "key": KEY })),
            "not_available"
        );
        assert_eq!(bench.refused(&json!({ "verb": "ssh_off" })), "not_available");
        assert_eq!(bench.calls(), [""; 0], "somebody else's SSH is left alone");
    }
}

/// What the timer starts, by the command line that its unit has.
#[test]
fn ssh_ends_after_its_day_as_if_it_were_switched_off() {
    let units = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    let read = |name: &str| fs::read_to_string(units.join(name)).unwrap_or_default();
    let hours = "OnActiveSec=24h";
    assert!(
        read("kinglet-board-ssh-off.timer")
            .lines()
            .any(|line| line == hours),
        "{hours}"
    );
    let unit = read("kinglet-board-ssh-off.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<&str> = line
        .expect("the unit starts something")
        .split(' ')
        .skip(1)
        .collect();

    let bench = Bench::new();
    bench.done(&json!({ "verb": "ssh_on", "key": KEY }));
    bench.calls();
    let end = || {
        let mut command = Command::new(BOARD);
        command.arg("--root").arg(bench.root()).args(&words);
        command.stderr(Stdio::null()).spawn().expect("it can be run")
    };
    // A request that is being done is not disturbed.
    let lock = fs::File::create(bench.root().join("run/kinglet-board/lock")).expect("the root is ours");
    lock.lock().expect("nobody else has it");
    let mut child = end();
    // One that ended is a zombie until it is waited for.
    let is_over = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").expect("there is a /proc");
        let pid = format!(" {} ", child.id());
        locks
            .lines()
            .any(|line| line.contains("->") && line.contains(&pid))
    };
    while !waits() {
        assert!(!is_over(child.id()), "it does not wait");
        std::thread::yield_now();
    }
    assert_eq!(bench.calls(), [""; 0]);
    drop(lock);
    assert!(child.wait().expect("ours").success());
    assert!(bench.text("etc/kinglet-board/authorized_keys").is_none());
    assert!(bench.text("etc/ssh/sshd_config.d/00-kinglet.conf").is_none());
    assert_eq!(
        bench.calls(),
        [
            "systemctl disable --now ssh.service",
            "loginctl terminate-user kinglet-admin"
        ]
    );
    // The unit tries again what failed.
    bench.program("usr/bin/systemctl", "exit 1");
    assert!(!end().wait().expect("ours").success());
    assert!(unit.lines().any(|line| line == "Restart=on-failure"));
}

#[test]
fn a_factory_reset_erases_only_what_is_inside_and_only_when_it_is_meant() {
    let bench = Bench::new();
    let outside = bench.root().join("outside");
    let fill = || {
        bench.file("outside/precious", "stays");
        bench.file("var/lib/kinglet/kinglet.db", "messages");
        bench.file("var/lib/kinglet/blobs/ab/cdef", "a file");
        bench.file("var/lib/kinglet/lost+found/x", "the file system's own");
        bench.file("var/lib/kinglet-board/update/kinglet.deb", "an update");
        bench.file("var/lib/kinglet-board/settings-taken", "what was on the card");
        bench.file("etc/kinglet/kinglet.toml", "changed");
        bench.file("etc/kinglet/tls/own.key", "a key of one's own");
        bench.file("etc/systemd/system/kinglet.service.d/push.conf", "a way out");
        bench.file("etc/systemd/system/kinglet.service.d/mine.conf", "the operator's");
        bench.file("usr/share/kinglet/kinglet.toml", "as it came");
        // Whoever held the server may have left this behind.
        let link = bench.root().join("var/lib/kinglet/link");
        if fs::symlink_metadata(&link).is_err() {
            symlink(&outside, link).expect("the root is ours");
        }
    };
    let data = bench.root().join("var/lib/kinglet");
    let ask =
        |keep: bool, confirm: &str| json!({ "verb": "factory_reset", "keep_data": keep, "confirm": confirm });
    fill();
    for (keep, confirm) in [(false, "reset settings"), (true, "erase everything"), (false, "")] {
        assert_eq!(bench.refused(&ask(keep, confirm)), "bad_argument");
    }
    assert_eq!(bench.calls(), [""; 0]);

    bench.done(&ask(true, "reset settings"));
    assert_eq!(
        bench.text("var/lib/kinglet/kinglet.db").as_deref(),
        Some("messages")
    );
    assert_eq!(
        bench.text("etc/kinglet/kinglet.toml").as_deref(),
        Some("as it came\n")
    );
    // What the settings were for is off; what they may name again is there.
    let ways_out = ["push.conf", "mine.conf"]
        .map(|name| bench.text(&format!("etc/systemd/system/kinglet.service.d/{name}")));
    assert_eq!(ways_out, [None, Some("the operator's".to_owned())]);
    assert!(bench.text("etc/kinglet/tls/own.key").is_some());
    // The card's settings are taken over once more by the next start.
    assert_eq!(bench.text("var/lib/kinglet-board/settings-taken"), None);
    let calls = bench.calls();
    assert!(
        !calls.iter().any(|call| call.contains("kinglet.service")),
        "{calls:?}"
    );
    for call in [
        "systemctl disable --now ssh.service",
        "hostnamectl set-hostname kinglet",
        "timedatectl set-timezone Etc/UTC",
    ] {
        assert!(calls.iter().any(|it| it == call), "{call}: {calls:?}");
    }
    assert_eq!(
        calls.last().map(String::as_str),
        Some("systemctl --no-block reboot")
    );

    // While the server cannot be stopped nothing is taken from under it.
    bench.program(
        "usr/bin/systemctl",
        "case \"$*\" in *kinglet.service*) exit 1;; esac",
    );
    assert_eq!(bench.refused(&ask(false, "erase everything")), "failed");
    assert!(bench.text("var/lib/kinglet/kinglet.db").is_some());
    bench.calls();

    bench.program("usr/bin/systemctl", "");
    bench.done(&ask(false, "erase everything"));
    let left: Vec<_> = fs::read_dir(&data)
        .expect("it stays")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["lost+found"]);
    assert_eq!(bench.text("etc/kinglet/tls/own.key"), None);
    assert_eq!(
        bench.text("etc/kinglet/kinglet.toml").as_deref(),
        Some("as it came\n")
    );
    assert_eq!(
        fs::read_dir(bench.root().join("var/lib/kinglet-board"))
            .expect("it stays")
            .count(),
        0
    );
    assert_eq!(bench.text("outside/precious").as_deref(), Some("stays"));
    let calls = bench.calls();
    assert!(
        calls
            .iter()
            .any(|it| it == "systemctl stop kinglet.socket kinglet-http.socket kinglet.service"),
        "{calls:?}"
    );
}

/// The ports are closed while it erases: whatever comes of that, the machine must start again.
#[test]
fn a_reset_that_cannot_erase_all_still_starts_the_machine_again() {
    let bench = Bench::new();
    let asked = json!({ "verb": "factory_reset", "keep_data": false, "confirm": "erase everything" });
    // Cannot be read as a folder, whoever reads it.
    let data = bench.root().join("var/lib/kinglet");
    fs::write(&data, "no folder").expect("the root is ours");
    bench.file("var/lib/kinglet-board/update/kinglet.deb", "an update");
    assert_eq!(bench.refused(&asked), "failed");
    let calls = bench.calls();
    assert_eq!(
        calls.last().map(String::as_str),
        Some("systemctl --no-block reboot")
    );
    assert!(
        bench.text("var/lib/kinglet-board/update/kinglet.deb").is_none(),
        "the rest goes all the same"
    );
    // Where the server does not stop nothing is erased, and what did stop is there again.
    bench.program(
        "usr/bin/systemctl",
        "case \"$*\" in stop*kinglet.service*) exit 1;; esac",
    );
    assert_eq!(bench.refused(&asked), "failed");
    let calls = bench.calls();
    assert_eq!(
        calls.last().map(String::as_str),
        Some("systemctl start kinglet.socket kinglet-http.socket kinglet.service")
    );
}

#[test]
fn systemds_own_starter_passes_connections_on() {
    let bench = Bench::new();
    let mut starter = Command::new("systemd-socket-activate")
        .arg("--accept")
        .arg("--inetd")
        .arg("--listen")
        .arg(bench.socket())
        .arg(BOARD)
        .arg("--root")
        .arg(bench.root())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("systemd-socket-activate is there; it comes with Debian's package systemd");
    let mut lines = BufReader::new(starter.stderr.take().expect("it was piped"))
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Listening on")), "it listens");
    // What it goes on to say must be read, or it would wait.
    let rest = std::thread::spawn(move || lines.collect::<Vec<_>>().join("\n"));
    for _ in 0..2 {
        let mut client = UnixStream::connect(bench.socket()).expect("it listens");
        client.write_all(b"{\"verb\":\"reboot\"}\n").expect("it is read");
        assert_eq!(answer(client), json!({ "ok": true }));
    }
    starter.kill().expect("it is our child");
    starter.wait().expect("it is our child");
    let said = rest.join().expect("no panic");
    assert!(
        said.contains("asked for reboot: done"),
        "the journal has it: {said}"
    );
    assert_eq!(bench.calls().len(), 2);
}
