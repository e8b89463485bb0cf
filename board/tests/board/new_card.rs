//! A new card that becomes the server of a stick. What must not live here: other starts of the appliance.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::appliance::{appliance, network_of, run};
use super::bench::{BOARD, Bench};

/// A new card, a stick on USB, and the server's program, which notes what it is told.
fn new_card() -> Bench {
    let bench = appliance();
    bench.program("usr/sbin/blkid", "echo vfat");
    bench.program(
        "usr/bin/setpriv",
        "cat >> told; echo 'The backup is restored: 2 users.'; echo 'Start the server. And so on.'",
    );
    bench.file("media/kinglet-backup/kinglet-1a2b3c4d-000007.json", "{}");
    bench.file(
        "boot/firmware/restore-key.txt",
        &format!("# the sheet\r\n{SECRET}\r\n"),
    );
    bench
}

const SECRET: &str = "AGE-SECRET-KEY-1QQQQQQQQ";

fn plug_in(bench: &Bench) {
    let device = bench.root().join("sys/devices/usb1/1-1/block/sda");
    fs::create_dir_all(device).expect("the root is ours");
    fs::create_dir_all(bench.root().join("sys/class/block")).expect("the root is ours");
    std::os::unix::fs::symlink(
        "../../devices/usb1/1-1/block/sda",
        bench.root().join("sys/class/block/sda"),
    )
    .expect("it is new");
}

/// Starts it, and waits until it says so. It goes on while there is something to wait for.
fn restoring(bench: &Bench, words: &str) -> Child {
    let mut child = Command::new(BOARD)
        .arg("--root")
        .arg(bench.root())
        .arg("restore")
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is there");
    let notes = BufReader::new(child.stderr.take().expect("it was asked for"));
    let (tell, told) = sync_channel(64);
    thread::spawn(move || {
        for line in notes.lines().map_while(Result::ok) {
            // Who waited has heard enough.
            let _ = tell.send(line);
        }
    });
    let mut all = Vec::new();
    while all.last().is_none_or(|line: &String| !line.contains(words)) {
        let line = told.recv_timeout(Duration::from_secs(120));
        all.push(line.unwrap_or_else(|_| panic!("it does not say {words:?}, but {all:?}")));
    }
    child
}

fn said(bench: &Bench) -> String {
    bench.text("run/kinglet-board/restore").unwrap_or_default()
}

#[test]
fn a_new_card_becomes_the_server_of_the_stick_once() {
    let bench = new_card();
    let mut child = restoring(&bench, "plug in the USB stick");
    // On the screen and on the card, though no server answers.
    network_of(&bench, "kinglet");
    assert!(run(&bench, "screen-once"));
    for place in ["dev/tty1", "boot/firmware/KINGLET.txt"] {
        let shown = bench.text(place).expect("it is written");
        assert!(
            shown.contains("plug in the USB stick") && !shown.contains("is starting"),
            "{place}: {shown}"
        );
    }
    bench.calls();
    plug_in(&bench);
    assert!(child.wait().expect("ours").success());
    assert!(
        said(&bench).contains("2 users") && !said(&bench).contains("Start the server"),
        "{}",
        said(&bench)
    );
    assert_eq!(bench.text("told"), Some(format!("{SECRET}\n")));
    let calls = bench.calls();
    assert!(
        calls.iter().any(
            |call| call.ends_with("restore /media/kinglet-backup/kinglet-1a2b3c4d-000007.json")
                && call.contains("--reuid=kinglet")
        ),
        "{calls:?}"
    );
    assert!(
        !calls.iter().any(|call| call.contains("AGE-SECRET")),
        "a key is in no list of programs: {calls:?}"
    );
    assert!(bench.text("boot/firmware/restore-key.txt").is_none(), "taken off");
    // Nothing is left to do, and the server may start.
    assert!(run(&bench, "restore") && bench.calls().is_empty());
}

/// A card may have a name of its own; else phones find the server where it was.
#[test]
fn a_new_card_is_called_as_the_machine_of_the_backup_unless_it_names_itself() {
    let told = "cat >/dev/null; echo 'The backup is restored: 2 users.'; echo 'Name of its machine: NAME'; \
                echo 'Time zone of its machine: Asia/Shanghai'";
    let naming = |name: &str, user_data: &str| {
        let bench = new_card();
        bench.file("usr/share/zoneinfo/Asia/Shanghai", "TZif2");
        bench.program("usr/bin/setpriv", &told.replace("NAME", name));
        if !user_data.is_empty() {
            bench.file(
                "boot/firmware/user-data",
                &format!("#cloud-config\n{user_data}\n"),
            );
        }
        plug_in(&bench);
        assert!(run(&bench, "restore"));
        let mut calls = bench.calls();
        calls.retain(|call| {
            ["hostnamectl", "timedatectl"]
                .iter()
                .any(|it| call.starts_with(it))
                || call.contains("avahi")
        });
        (calls, said(&bench))
    };
    let (calls, shown) = naming("kinglet-2", "");
    assert_eq!(
        calls,
        [
            "hostnamectl set-hostname kinglet-2",
            "systemctl try-restart avahi-daemon.service",
            "timedatectl set-timezone Asia/Shanghai"
        ]
    );
    assert!(
        shown.contains("It is called kinglet-2.local, as before.") && !shown.contains("Name of its machine"),
        "{shown}"
    );
    let (calls, shown) = naming("kinglet-2", "hostname: attic\ntimezone: Asia/Shanghai");
    assert_eq!(calls, [""; 0]);
    assert!(!shown.contains("kinglet-2.local"), "{shown}");
    let (calls, shown) = naming("--help", "timezone: Asia/Shanghai");
    assert_eq!(calls, [""; 0]);
    assert!(shown.contains("could not be taken over"), "{shown}");
}

#[test]
fn a_backup_that_cannot_be_put_back_leaves_the_key_and_holds_the_server_back() {
    let bench = new_card();
    bench.program(
        "usr/bin/setpriv",
        "cat >/dev/null; echo 'Another key opens it.' >&2; exit 1",
    );
    plug_in(&bench);
    let mut child = restoring(&bench, "Another key opens it");
    assert!(said(&bench).contains("older backup"), "{}", said(&bench));
    assert!(
        child.try_wait().expect("ours").is_none(),
        "the server still waits"
    );
    child.kill().and_then(|()| child.wait()).expect("ours");
    assert!(
        bench
            .text("boot/firmware/restore-key.txt")
            .is_some_and(|text| text.contains(SECRET))
    );
    // Never over a server that is there.
    bench.file("var/lib/kinglet/kinglet.db", "");
    bench.calls();
    assert!(run(&bench, "restore") && bench.calls().is_empty());
    assert!(said(&bench).contains("on this card already"), "{}", said(&bench));
    assert!(
        bench.text("boot/firmware/restore-key.txt").is_none(),
        "no key stays on the card"
    );
}

#[test]
fn a_recovery_key_that_cannot_be_read_holds_the_server_back_too() {
    let bench = new_card();
    let file = bench.root().join("boot/firmware/restore-key.txt");
    fs::write(&file, [0xff]).expect("the root is ours");
    plug_in(&bench);
    let mut child = restoring(&bench, "its first line must be the recovery key");
    assert!(child.try_wait().expect("ours").is_none(), "the server waits");
    child.kill().and_then(|()| child.wait()).expect("ours");
    // As Windows' own shell writes it.
    let units = format!("\u{feff}{SECRET}\r\n");
    let text: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, text).expect("the root is ours");
    assert!(run(&bench, "restore"));
    assert_eq!(bench.text("told"), Some(format!("{SECRET}\n")));
    assert!(!file.exists());
}
