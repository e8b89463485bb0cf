//! Updates: real packages, made and read by the system's own dpkg, signed as minisign signs. What must not live here: anything
//! else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use blake2::{Blake2b512, Digest};
use data_encoding::BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;

use crate::bench::{Bench, code};

const COME: &str = "var/lib/kinglet/update/kinglet.deb";
const SIGNATURE: &str = "var/lib/kinglet/update/kinglet.deb.minisig";
const OWN: &str = "var/lib/kinglet-board/update/kinglet.deb";

/// A key pair of minisign's: eight bytes name it.
struct Signer {
    id: [u8; 8],
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(seed: u8) -> Signer {
        Signer {
            id: [seed; 8],
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed has 32 bytes"),
        }
    }

    fn public(&self) -> String {
        let bytes = [b"Ed", &self.id[..], self.pair.public_key().as_ref()].concat();
        format!("untrusted comment: a key\n{}\n", BASE64.encode(&bytes))
    }

    fn sign(&self, bytes: &[u8]) -> String {
        let signature = self.pair.sign(&Blake2b512::digest(bytes));
        let comment = "timestamp:1795457517";
        let whole = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        format!(
            "untrusted comment: a signature\n{}\ntrusted comment: {comment}\n{}\n",
            BASE64.encode(&[b"ED", &self.id[..], signature.as_ref()].concat()),
            BASE64.encode(whole.as_ref())
        )
    }
}

/// A package that holds nothing.
fn package(bench: &Bench, name: &str, version: &str, architecture: &str) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Nobody <nobody@example.org>\nDescription: none\n"
    );
    bench.file("made/DEBIAN/control", &control);
    let file = bench.root().join("made.deb");
    let made = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .args([bench.root().join("made"), file.clone()])
        .output()
        .expect("dpkg is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read(file).expect("it was made")
}

fn here() -> String {
    let said = Command::new("dpkg")
        .arg("--print-architecture")
        .output()
        .expect("dpkg is there");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// The real programs where they only look; the installed version is 0.2.0.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.program(
        "usr/bin/dpkg",
        "case \"$*\" in *--install*) ;; *) exec /usr/bin/dpkg \"$@\";; esac",
    );
    bench.program("usr/bin/dpkg-deb", "exec /usr/bin/dpkg-deb \"$@\"");
    bench.program("usr/bin/dpkg-query", "printf 0.2.0");
    bench.file("usr/share/kinglet/update.pub", &Signer::new(1).public());
    bench.file("var/lib/dpkg/lock-frontend", "");
    bench
}

fn put_down(bench: &Bench, package: &[u8], signature: &str) {
    bench.file(COME, "");
    fs::write(bench.root().join(COME), package).expect("the root is ours");
    bench.file(SIGNATURE, signature);
}

/// Asks for the update that lies there; it must be refused, and nothing of it may stay or be run.
#[track_caller]
fn refused(bench: &Bench, expected: &str) {
    let answer = bench.ask(&json!({ "verb": "update" }));
    assert_eq!(code(&answer), expected, "{answer}");
    assert!(!bench.root().join(OWN).exists(), "a copy stays");
    let calls = bench.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("systemd-run")),
        "{calls:?}"
    );
}

#[test]
fn a_signed_and_newer_package_is_installed_by_a_unit_of_its_own() {
    let bench = bench();
    let new = package(&bench, "kinglet", "0.10.0", &here());
    put_down(&bench, &new, &Signer::new(1).sign(&new));
    let told = bench.done(&json!({ "verb": "update" }));
    assert_eq!(told["version"], "0.10.0");
    let expected = "systemd-run --unit=kinglet-update.service --collect --no-block --setenv=DEBIAN_FRONTEND=noninteractive \
                    /usr/libexec/kinglet/kinglet-board --install 0.10.0";
    assert_eq!(bench.calls().last().map(String::as_str), Some(expected));
    assert_eq!(
        fs::read(bench.root().join(OWN)).expect("the copy is what is installed"),
        new
    );
}

/// It may wait for Debian's own updates, for long, and what it is to install must stay.
#[test]
fn an_update_that_is_being_installed_keeps_its_package() {
    let bench = bench();
    let (first, second) = (
        package(&bench, "kinglet", "0.10.0", &here()),
        package(&bench, "kinglet", "0.11.0", &here()),
    );
    put_down(&bench, &first, &Signer::new(1).sign(&first));
    bench.done(&json!({ "verb": "update" }));
    put_down(&bench, &second, &Signer::new(1).sign(&second));
    for state in ["active", "activating", "deactivating"] {
        bench.program("usr/bin/systemctl", &format!("echo {state}"));
        let answer = bench.ask(&json!({ "verb": "update" }));
        assert_eq!(code(&answer), "busy", "{answer}");
        let kept = fs::read(bench.root().join(OWN)).expect("it is installed from here");
        assert_eq!(kept, first, "{state}");
    }
    bench.program("usr/bin/systemctl", "echo inactive");
    bench.done(&json!({ "verb": "update" }));
}

#[test]
fn what_is_not_signed_by_the_trusted_key_is_refused() {
    let bench = bench();
    let new = package(&bench, "kinglet", "0.10.0", &here());
    let good = Signer::new(1);
    refused(&bench, "not_available");
    put_down(&bench, &new, &Signer::new(2).sign(&new));
    refused(&bench, "bad_signature");
    // Another key that calls itself by the trusted one's name.
    let forger = Signer {
        id: good.id,
        ..Signer::new(2)
    };
    put_down(&bench, &new, &forger.sign(&new));
    refused(&bench, "bad_signature");
    let mut changed = new.clone();
    let last = changed.last_mut().expect("it has bytes");
    *last ^= 1;
    put_down(&bench, &changed, &good.sign(&new));
    refused(&bench, "bad_signature");
    put_down(&bench, &new[..new.len() - 1], &good.sign(&new));
    refused(&bench, "bad_signature");
    for none in [
        "",
        "untrusted comment: x\nAAAA\n",
        &good.sign(&new).replace("timestamp", "Timestamp"),
    ] {
        put_down(&bench, &new, none);
        refused(&bench, "bad_signature");
    }
    fs::remove_file(bench.root().join(SIGNATURE)).expect("it was there");
    refused(&bench, "not_available");
    fs::remove_file(bench.root().join("usr/share/kinglet/update.pub")).expect("it was there");
    put_down(&bench, &new, &good.sign(&new));
    refused(&bench, "not_available");
}

#[test]
fn only_our_own_package_for_this_machine_and_newer_than_it_has() {
    let bench = bench();
    let other = if here() == "arm64" { "amd64" } else { "arm64" };
    for (name, version, architecture, expected) in [
        ("kinglet", "0.2.0", here().as_str(), "not_newer"),
        ("kinglet", "0.1.9", here().as_str(), "not_newer"),
        ("kinglet", "0.2.0~rc1", here().as_str(), "not_newer"),
        ("kinglet", "0.3.0", other, "not_available"),
        ("dropbear", "9", here().as_str(), "not_available"),
    ] {
        let made = package(&bench, name, version, architecture);
        put_down(&bench, &made, &Signer::new(1).sign(&made));
        refused(&bench, expected);
    }
    // Signed, and no package.
    put_down(&bench, b"hello", &Signer::new(1).sign(b"hello"));
    refused(&bench, "failed");
}

/// The server's user writes there, and may be somebody else's by now.
#[test]
fn what_lies_there_is_taken_only_if_it_is_a_file() {
    let bench = bench();
    let new = package(&bench, "kinglet", "0.10.0", &here());
    put_down(&bench, &new, &Signer::new(1).sign(&new));
    let come: PathBuf = bench.root().join(COME);
    fs::rename(&come, bench.root().join("elsewhere")).expect("it was there");
    symlink(bench.root().join("elsewhere"), &come).expect("the root is ours");
    refused(&bench, "failed");
    fs::remove_file(&come).expect("the link");
    let made = Command::new("mkfifo").arg(&come).status();
    assert!(made.expect("coreutils are there").success());
    refused(&bench, "not_available");
    fs::remove_file(&come).expect("the pipe");
    fs::create_dir(&come).expect("the root is ours");
    refused(&bench, "not_available");
}

const ON_USB: &str = "media/kinglet-backup";

#[test]
fn an_update_may_lie_on_a_usb_disk() {
    let bench = bench();
    let asked = json!({ "verb": "update", "from": "usb" });
    assert_eq!(bench.refused(&asked), "not_available", "no disk is there");
    let new = package(&bench, "kinglet", "0.10.0", &here());
    let name = format!("{ON_USB}/kinglet_0.10.0_{}.deb", here());
    bench.file(&name, "");
    fs::write(bench.root().join(&name), &new).expect("the root is ours");
    assert_eq!(bench.refused(&asked), "not_available", "it is not signed");
    bench.file(&format!("{name}.minisig"), &Signer::new(2).sign(&new));
    assert_eq!(bench.refused(&asked), "bad_signature");
    bench.file(&format!("{name}.minisig"), &Signer::new(1).sign(&new));
    // Another one of ours, and others' packages.
    bench.file(&format!("{ON_USB}/dropbear_9_{}.deb", here()), "not ours");
    bench.file(&format!("{ON_USB}/kinglet_0.9.0_{}.deb", here()), "an older one");
    let answer = bench.ask(&asked);
    assert_eq!(code(&answer), "several");
    assert_eq!(
        answer["error"]["choices"].as_array().map(Vec::len),
        Some(2),
        "{answer}"
    );
    fs::remove_file(
        bench
            .root()
            .join(format!("{ON_USB}/kinglet_0.9.0_{}.deb", here())),
    )
    .expect("it was there");
    assert_eq!(bench.done(&asked)["version"], "0.10.0");
    assert_eq!(fs::read(bench.root().join(OWN)).expect("a copy"), new);
    let wrong = json!({ "verb": "update", "from": "/tmp" });
    assert_eq!(bench.refused(&wrong), "bad_request");
}

const OWN_BOARD: &str = "var/lib/kinglet-board/update/kinglet-board.deb";

/// A package on the disk with its signature, called as it is made.
fn on_the_disk(bench: &Bench, name: &str, version: &str, key: u8) -> Vec<u8> {
    let made = package(bench, name, version, &here());
    let path = format!("{ON_USB}/{name}_{version}_{}.deb", here());
    bench.file(&path, "");
    fs::write(bench.root().join(&path), &made).expect("the root is ours");
    bench.file(&format!("{path}.minisig"), &Signer::new(key).sign(&made));
    made
}

/// What is given to the one call of dpkg that installs, by the unit that was begun.
#[track_caller]
fn installed(bench: &Bench) -> Vec<String> {
    let calls = bench.calls();
    let begun = calls
        .iter()
        .filter(|call| call.starts_with("systemd-run"))
        .count();
    assert_eq!(begun, 1, "{calls:?}");
    assert!(installing(bench).wait().expect("ours").success());
    let calls = bench.calls();
    let call = calls
        .iter()
        .find_map(|call| call.strip_prefix("dpkg --force-confold --install "));
    let files = call.unwrap_or_else(|| panic!("nothing is installed: {calls:?}"));
    files.split(' ').map(str::to_owned).collect()
}

/// Root's program has no other way to come to a box without a shell.
#[test]
fn the_boards_own_package_of_the_same_release_comes_along() {
    let bench = bench();
    let asked = json!({ "verb": "update", "from": "usb" });
    let empty_disk = || fs::remove_dir_all(bench.root().join(ON_USB)).expect("it was there");
    let (server, board) = (format!("/{OWN}"), format!("/{OWN_BOARD}"));
    on_the_disk(&bench, "kinglet", "0.10.0", 1);
    let own = on_the_disk(&bench, "kinglet-board", "0.10.0", 1);
    assert_eq!(bench.done(&asked)["version"], "0.10.0");
    assert_eq!(installed(&bench), [server.clone(), board.clone()]);
    assert_eq!(fs::read(bench.root().join(OWN_BOARD)).expect("a copy"), own);

    // The next one brings the server alone: what is left of this one is no part of it.
    empty_disk();
    on_the_disk(&bench, "kinglet", "0.11.0", 1);
    bench.done(&asked);
    assert_eq!(installed(&bench), [server]);
    assert!(!bench.root().join(OWN_BOARD).exists(), "an old copy stays");

    // A server that has it already, by a board that knew only the server's package.
    empty_disk();
    on_the_disk(&bench, "kinglet", "0.10.0", 1);
    on_the_disk(&bench, "kinglet-board", "0.10.0", 1);
    bench.program(
        "usr/bin/dpkg-query",
        "case \"$*\" in *kinglet-board) printf 0.2.0;; *) printf 0.10.0;; esac",
    );
    bench.done(&asked);
    assert_eq!(installed(&bench), [board]);
    assert!(!bench.root().join(OWN).exists(), "what is not installed stays");
    // And one that has both, or has a newer server.
    for has in [
        "printf 0.10.0",
        "case \"$*\" in *kinglet-board) printf 0.2.0;; *) printf 0.10.1;; esac",
    ] {
        bench.program("usr/bin/dpkg-query", has);
        assert_eq!(bench.refused(&asked), "not_newer", "{has}");
    }
    // Without its package it is not there by dpkg, and is left alone.
    bench.program(
        "usr/bin/dpkg-query",
        "case \"$*\" in *kinglet-board) exit 1;; *) printf 0.2.0;; esac",
    );
    bench.calls();
    bench.done(&asked);
    assert_eq!(installed(&bench), [format!("/{OWN}")]);
}

#[test]
fn the_boards_own_package_is_verified_as_the_servers_is() {
    let asked = json!({ "verb": "update", "from": "usb" });
    for (name, version, key, expected) in [
        ("kinglet-board", "0.10.0", 2, "bad_signature"),
        ("kinglet-board", "0.9.0", 1, "not_available"),
        ("kinglet-board", "0.11.0", 1, "not_available"),
    ] {
        let bench = bench();
        on_the_disk(&bench, "kinglet", "0.10.0", 1);
        on_the_disk(&bench, name, version, key);
        assert_eq!(bench.refused(&asked), expected, "{version} by {key}");
        let calls = bench.calls();
        assert!(
            !calls.iter().any(|call| call.starts_with("systemd-run")),
            "{calls:?}"
        );
        for copy in [OWN, OWN_BOARD] {
            assert!(!bench.root().join(copy).exists(), "{copy} stays");
        }
    }
    let bench = bench();
    on_the_disk(&bench, "kinglet", "0.10.0", 1);
    on_the_disk(&bench, "kinglet-board", "0.10.0", 1);
    let own = format!("{ON_USB}/kinglet-board_0.10.0_{}.deb", here());
    // Another program that calls itself so, signed as ours.
    let other = package(&bench, "dropbear", "0.10.0", &here());
    fs::write(bench.root().join(&own), &other).expect("the root is ours");
    bench.file(&format!("{own}.minisig"), &Signer::new(1).sign(&other));
    assert_eq!(bench.refused(&asked), "not_available");
    fs::remove_file(bench.root().join(format!("{own}.minisig"))).expect("it was there");
    assert_eq!(bench.refused(&asked), "not_available", "it is not signed");
    on_the_disk(&bench, "kinglet-board", "0.10.0", 1);
    on_the_disk(&bench, "kinglet-board", "0.9.0", 1);
    assert_eq!(bench.refused(&asked), "several");
}

/// Somebody who holds an old update, signed and with a hole, and a machine that lost what it had installed.
#[test]
fn what_is_below_the_floor_is_refused_though_it_is_newer_than_what_is_installed() {
    let bench = bench();
    bench.file("var/lib/kinglet-switch/floor", "0.10.0\n");
    for (version, expected) in [
        ("0.9.0", Some("not_newer")),
        ("0.10.0~rc1", Some("not_newer")),
        ("0.10.0", None),
    ] {
        let made = package(&bench, "kinglet", version, &here());
        put_down(&bench, &made, &Signer::new(1).sign(&made));
        match expected {
            Some(code) => refused(&bench, code),
            None => assert_eq!(bench.done(&json!({ "verb": "update" }))["version"], version),
        }
    }
}

/// dpkg says that it is installed; what runs is the one before, and the file may have been mended.
#[test]
fn a_version_that_was_gone_back_from_is_told_and_may_be_tried_again() {
    let bench = bench();
    let versions = bench.root().join("usr/lib/kinglet");
    fs::create_dir_all(&versions).expect("the root is ours");
    symlink("versions/0.1.0", versions.join("current")).expect("the root is ours");
    let state = json!({ "previous": null, "trial": null, "failed": { "version": "0.2.0", "why": "it ended 3 times" } });
    bench.file("var/lib/kinglet-switch/state.json", &state.to_string());
    let told = bench.done(&json!({ "verb": "sensors" }));
    assert_eq!(told["failed_update"], state["failed"]);
    for (version, is_taken) in [("0.1.0", false), ("0.2.0", true), ("0.2.1", true)] {
        let made = package(&bench, "kinglet", version, &here());
        put_down(&bench, &made, &Signer::new(1).sign(&made));
        if is_taken {
            assert_eq!(bench.done(&json!({ "verb": "update" }))["version"], version);
        } else {
            refused(&bench, "not_newer");
        }
        fs::remove_file(bench.root().join(OWN)).ok();
    }
}

fn installing(bench: &Bench) -> std::process::Child {
    let mut command = Command::new(crate::bench::BOARD);
    command.arg("--root").arg(bench.root());
    command.args(["--install", "0.3.0"]).stderr(Stdio::piped());
    command.spawn().expect("it can be run")
}

/// The lock is held as apt and unattended-upgrades hold it.
#[test]
fn an_installation_waits_for_another_and_is_alone_meanwhile() {
    let bench = bench();
    let lock = bench.root().join("var/lib/dpkg/lock-frontend");
    bench.file(OWN, "a package");
    let script = format!(
        "[ \"$DPKG_FRONTEND_LOCKED\" = 1 ] || exit 7\n\
         perl -MErrno -MFcntl -e 'open my $f, \"+<\", $ARGV[0] or die; \
         my $lock = pack(\"s s x!8 q q i x!8\", F_WRLCK, 0, 0, 0, 0); \
         exit(fcntl($f, F_SETLK, $lock) ? 8 : $!{{EAGAIN}} || $!{{EACCES}} ? 0 : 9)' '{}'",
        lock.display()
    );
    bench.program("usr/bin/dpkg", &script);
    let other = fs::OpenOptions::new()
        .write(true)
        .open(&lock)
        .expect("it is there");
    fcntl_lock(&other, FlockOperation::LockExclusive).expect("nobody else has it");
    let mut child = installing(&bench);
    let mut said = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
    let line = said.next().expect("it says something").expect("a line");
    assert!(line.contains("waits for its end"), "{line}");
    assert_eq!(bench.calls(), [""; 0], "it has not waited");
    drop(other);
    let status = child.wait().expect("ours");
    assert!(status.success(), "{status}: {:?}", said.next());
    assert_eq!(
        bench.calls(),
        ["dpkg --force-confold --install /var/lib/kinglet-board/update/kinglet.deb"]
    );
    assert_eq!(
        bench.done(&json!({ "verb": "sensors" }))["failed_update"],
        json!(null)
    );
}

#[test]
fn an_installation_that_fails_is_told_until_another_one_does_not() {
    let bench = bench();
    bench.file(OWN, "a package");
    bench.program("usr/bin/dpkg", "exit 2");
    assert!(!installing(&bench).wait().expect("ours").success());
    let told = bench.done(&json!({ "verb": "sensors" }))["failed_update"].clone();
    assert_eq!(told["version"], "0.3.0");
    assert!(
        told["why"]
            .as_str()
            .is_some_and(|why| why.contains("exit status: 2")),
        "{told}"
    );
    bench.program("usr/bin/dpkg", "");
    assert!(installing(&bench).wait().expect("ours").success());
    assert_eq!(
        bench.done(&json!({ "verb": "sensors" }))["failed_update"],
        json!(null)
    );
}
