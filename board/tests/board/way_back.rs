//! An owner who cannot get in, and a server that takes its time. What must not live here: what the link is good for, which is
//! the server's.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use super::appliance::{appliance, network_of, run, server, server_for};
use super::bench::{BOARD, Bench};

const FILE: &str = "boot/firmware/reset-admin";
const WAY_BACK: &str = "run/kinglet-board/way-back";
const SAID: &str = "https://kinglet.local/reset#abc";

fn asked() -> Bench {
    let bench = appliance();
    network_of(&bench, "kinglet");
    bench.program(
        "usr/bin/setpriv",
        &format!("case \"$*\" in *reset-link*) echo '{SAID}'; echo; echo 'Good once.';; esac"),
    );
    bench.file(FILE, "anna\n");
    bench
}

fn card(bench: &Bench) -> String {
    bench.text("boot/firmware/KINGLET.txt").unwrap_or_default()
}

fn hears(notes: &mut impl Iterator<Item = io::Result<String>>, words: &str) -> bool {
    notes.map_while(Result::ok).any(|line| line.contains(words))
}

fn asks(bench: &Bench) -> usize {
    let calls = bench.calls();
    calls.iter().filter(|call| call.starts_with("setpriv")).count()
}

#[test]
fn the_link_waits_for_a_server_that_starts_and_is_made_once() {
    let bench = asked();
    let mut screen = Command::new(BOARD)
        .arg("--root")
        .arg(bench.root())
        .arg("screen")
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is there");
    let mut notes = BufReader::new(screen.stderr.take().expect("it was asked for")).lines();
    assert!(hears(&mut notes, "until the server answers"));
    let shown = bench.text(WAY_BACK).expect("it is said");
    assert!(shown.contains("as soon as the server answers"), "{shown}");
    assert_eq!(bench.text(FILE).as_deref(), Some("anna\n"));
    assert_eq!(asks(&bench), 0);
    let answering = server_for(&bench, true, 2);
    assert!(hears(&mut notes, "reset-admin was on the card"));
    answering.join().expect("it was asked");
    screen.kill().and_then(|()| screen.wait()).expect("ours");
    assert_eq!(asks(&bench), 2, "let in, and one link");
    let answering = server(&bench, true);
    assert!(run(&bench, "screen-once"));
    answering.join().expect("it was asked");
    for link in [SAID, "https://192.168.1.20/reset#abc"] {
        assert!(card(&bench).contains(link), "{link}: {}", card(&bench));
    }
    assert_eq!(asks(&bench), 0, "once");
    assert_eq!(bench.text(FILE), None);
}

#[test]
fn a_server_that_goes_away_uses_nothing_up_and_one_that_says_no_is_believed() {
    let bench = asked();
    let list = r#"{"users":[{"name":"max"},{"name":"bea","role":"owner"},{"name":"carl","role":"admin"},
        {"name":"gone","role":"admin","deactivated":true}],"more":false}"#;
    bench.program(
        "usr/bin/setpriv",
        &format!(
            "case \"$*\" in *list*) echo '{list}'; exit;; esac\necho 'nobody is called anna' >&2; exit 1"
        ),
    );
    let gone = server_for(&bench, true, 1);
    assert!(run(&bench, "screen-once"));
    gone.join().expect("it was asked");
    assert_eq!(bench.text(FILE).as_deref(), Some("anna\n"));
    let there = server_for(&bench, true, 3);
    assert!(run(&bench, "screen-once"));
    there.join().expect("it was asked");
    for said in ["nobody is called anna", "Owners and admins are: bea, carl."] {
        assert!(card(&bench).contains(said), "{}", card(&bench));
    }
    assert_eq!(bench.text(FILE), None);
}
