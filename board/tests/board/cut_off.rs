//! An installation that a power cut has ended: what is half done stands in files, and programs that stand for dpkg's go by them. What
//! must not live here: an update that is not cut off (`packages.rs`).

use std::fs;
use std::process::Command;

use crate::bench::Bench;

const OWN: &str = "var/lib/kinglet-board/update/kinglet.deb";
const OWN_BOARD: &str = "var/lib/kinglet-board/update/kinglet-board.deb";
const ARCHIVES: &str = "var/cache/apt/archives";
const DPKG: &str = "env DEBIAN_FRONTEND=noninteractive KINGLET_REPAIR=1 /usr/bin/dpkg --force-confold";
const REINSTALL: &str = "install reinstreq half-installed";

/// While `half` is there, that is what dpkg's own list says of a package of Debian's, and nothing is configured; while `pending` is
/// there, something waits for that.
fn bench() -> Bench {
    let bench = Bench::new();
    let root = bench.root().display().to_string();
    bench.program(
        "usr/bin/dpkg",
        &format!(
            "cd '{root}'; case \"$1\" in\n\
             --audit) [ ! -e half ] || printf 'They must be reinstalled:\\n libssl3:arm64        Secure Sockets\\n\\nOnce more:\\n libssl3:arm64        Secure Sockets\\n'\n\
             [ ! -e pending ] || printf 'only half configured:\\n kinglet              a chat\\n';;\n\
             *) exec /usr/bin/dpkg \"$@\";;\nesac"
        ),
    );
    bench.program(
        "usr/bin/env",
        &format!(
            "cd '{root}'; case \"$*\" in\n\
             *--unpack*) mv half pending;;\n\
             *--configure*) [ ! -e half ] || exit 1; rm -f pending;;\nesac"
        ),
    );
    own(&bench, "install ok installed", "install ok installed");
    bench
}

/// What dpkg's list says of our own packages; of all it is a list that is longer than what other programs say.
fn own(bench: &Bench, server: &str, board: &str) {
    bench.program(
        "usr/bin/dpkg-query",
        &format!(
            "case \"$*\" in *kinglet-board) printf '{board}'; exit;; *kinglet) printf '{server}'; exit;; esac\n\
             seq -f 'ii \tpackage%.0f\tarm64\t1.0-1' 2000\n\
             cat '{}'",
            bench.root().join("half").display()
        ),
    );
}

/// A power cut while libssl3 was unpacked: dpkg still tells the version from before.
fn cut_off(bench: &Bench) {
    bench.file("half", "iHR\tlibssl3\tarm64\t1:3.0.15-1\n");
}

/// Whether it ended well, what it told, and the calls that change something.
fn repair(bench: &Bench) -> (bool, String, Vec<String>) {
    let mut command = Command::new(crate::bench::BOARD);
    let output = command.arg("--root").arg(bench.root()).arg("--repair").output();
    let output = output.expect("it can be run");
    let mut calls = bench.calls();
    calls.retain(|call| call.starts_with("env "));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), told, calls)
}

#[track_caller]
fn finished(bench: &Bench) -> Vec<String> {
    let (is_well, told, calls) = repair(bench);
    assert!(is_well, "{told}");
    calls
}

fn configured() -> String {
    format!("{DPKG} --configure --pending")
}

/// What dpkg says of itself after a power cut decides what is done.
#[test]
fn an_installation_that_was_cut_off_is_finished() {
    let bench = bench();
    assert_eq!(finished(&bench), [""; 0], "nothing was cut off");
    bench.file("pending", "");
    assert_eq!(finished(&bench), [configured()]);
    bench.file("pending", "");
    own(&bench, REINSTALL, REINSTALL);
    assert_eq!(
        finished(&bench),
        [configured()],
        "without a verified copy there is nothing to unpack"
    );
    bench.file("pending", "");
    bench.file(OWN, "verified before");
    let unpacked = format!("{DPKG} --install /{OWN}");
    assert_eq!(finished(&bench), [unpacked.clone(), configured()]);
    bench.file(OWN_BOARD, "verified before");
    assert_eq!(finished(&bench)[0], format!("{unpacked} /{OWN_BOARD}"));
    own(&bench, "install ok installed", REINSTALL);
    assert_eq!(finished(&bench)[0], format!("{DPKG} --install /{OWN_BOARD}"));
}

/// Security updates of the system are cut off as updates of ours are.
#[test]
fn another_package_that_was_cut_off_is_unpacked_again_from_what_apt_has_fetched() {
    let bench = bench();
    cut_off(&bench);
    let newest = "libssl3_1%3a3.0.100-1_arm64.deb";
    for name in [
        newest,
        "libssl3_1%3a3.0.16-1_arm64.deb",
        // Of another machine, of another package, and what is no archive.
        "libssl3_1%3a3.0.200-1_armhf.deb",
        "libssl3-dev_1%3a3.0.300-1_arm64.deb",
        "libssl3_1%3a3.0.400-1_arm64.deb.new",
        "package1_2.0-1_arm64.deb",
    ] {
        bench.file(&format!("{ARCHIVES}/{name}"), "fetched");
    }
    let (is_well, told, calls) = repair(&bench);
    assert!(is_well && told.contains("it is finished"), "{told}");
    assert_eq!(
        calls,
        [
            configured(),
            format!("{DPKG} --auto-deconfigure --unpack /{ARCHIVES}/{newest}"),
            configured()
        ]
    );
    assert_eq!(finished(&bench), [""; 0], "it was finished before");
}

#[test]
fn what_stays_broken_is_told_with_the_next_step() {
    let bench = bench();
    cut_off(&bench);
    let still_broken = |calls: &[String]| {
        let (is_well, told, called) = repair(&bench);
        assert!(!is_well && !told.contains("it is finished"), "{told}");
        let last = told.lines().next_back().expect("it tells something");
        assert!(last.contains("cannot be finished"), "{told}");
        assert!(
            last.contains("broken: libssl3:arm64. Next: sudo apt-get --fix-broken install;"),
            "{told}"
        );
        assert!(
            last.ends_with("sudo apt-get install --reinstall libssl3:arm64"),
            "{told}"
        );
        assert_eq!(called, calls);
    };
    still_broken(&[configured()]);
    // Left from an earlier day: to go back to it would bring back the holes that were mended since.
    let archive = |version: &str| format!("{ARCHIVES}/libssl3_1%3a{version}_arm64.deb");
    bench.file(&archive("3.0.14-1"), "fetched");
    still_broken(&[configured()]);
    // An archive that cannot be unpacked.
    bench.file(&archive("3.0.16-1"), "");
    let root = bench.root().display().to_string();
    bench.program("usr/bin/env", &format!("[ ! -e '{root}/half' ]"));
    let unpacked = format!("{DPKG} --auto-deconfigure --unpack /{}", archive("3.0.16-1"));
    still_broken(&[configured(), unpacked, configured()]);
    fs::remove_file(bench.root().join("half")).expect("it was there");
    assert_eq!(finished(&bench), [""; 0], "somebody took the next step");
}

/// Another package may be what our own waits for.
#[test]
fn an_update_that_fails_does_not_keep_the_others_from_being_finished() {
    let bench = bench();
    cut_off(&bench);
    own(&bench, REINSTALL, "install ok installed");
    bench.file(OWN, "verified before");
    bench.file(&format!("{ARCHIVES}/libssl3_1%3a3.0.16-1_all.deb"), "fetched");
    let root = bench.root().display().to_string();
    bench.program(
        "usr/bin/env",
        &format!("cd '{root}'; case \"$*\" in *--install*) exit 1;; *--unpack*) rm half;; esac"),
    );
    let (is_well, told, calls) = repair(&bench);
    assert!(is_well && told.contains("exit status: 1"), "{told}");
    assert_eq!(calls.len(), 4, "{calls:?}");
}
