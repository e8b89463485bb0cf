//! The units in `systemd/`, as systemd itself reads them: that they are sound, how far they open the system, and that what they
//! say agrees with the program. What must not live here: a running systemd, which is the packages' test in a machine of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_kinglet");
/// Of ten, which is a service that may do everything. A typical daemon has more than nine.
const EXPOSURE: f64 = 1.2;
/// What the units start.
const PROGRAMS: [&str; 4] = [
    "usr/bin/kinglet",
    "usr/bin/kill",
    "usr/libexec/kinglet/kinglet-switch",
    "usr/libexec/kinglet/kinglet-board",
];

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(units().join(name)).unwrap_or_else(|error| panic!("systemd/{name}: {error}"))
}

/// The values of a setting, in order.
fn values<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .collect()
}

#[track_caller]
fn said(unit: &str, name: &str) -> String {
    let found = values(unit, name);
    let [one] = found.as_slice() else {
        panic!("{name} is there {} times", found.len());
    };
    (*one).to_owned()
}

fn analyze(arguments: &[&str]) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .expect("systemd-analyze is there; it comes with Debian's package systemd")
}

/// A root directory with the units and something at the places of their programs.
fn root() -> (TempDir, Vec<String>) {
    let root = tempfile::tempdir().expect("a test may make a directory");
    for program in PROGRAMS {
        let path = root.path().join(program);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("the root is ours");
        fs::write(&path, "#!/bin/sh\n").expect("the root is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }
    let place = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&place).expect("the root is ours");
    let mut names = Vec::new();
    for entry in fs::read_dir(units()).expect("there are units") {
        let entry = entry.expect("there are units");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if name.ends_with(".conf") {
            continue;
        }
        fs::copy(entry.path(), place.join(&name)).expect("the root is ours");
        names.push(name.replace("@.", "@one."));
    }
    (root, names)
}

fn verify(root: &Path, names: &[String]) -> Output {
    let root = format!("--root={}", root.display());
    let mut arguments = vec!["verify", root.as_str(), "--man=no", "--recursive-errors=no"];
    arguments.extend(names.iter().map(String::as_str));
    analyze(&arguments)
}

#[test]
fn systemd_reads_every_unit_without_a_complaint() {
    let (root, names) = root();
    assert!(names.len() >= 5, "{names:?}");
    let output = verify(root.path(), &names);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.trim().is_empty(),
        "{complaints}"
    );

    // The check sees what it is there for.
    let service = root.path().join("usr/lib/systemd/system/kinglet.service");
    let wrong = unit("kinglet.service").replace("WatchdogSec=", "WatchdogSecs=");
    fs::write(&service, wrong).expect("the root is ours");
    let output = verify(root.path(), &names);
    assert!(String::from_utf8_lossy(&output.stderr).contains("WatchdogSecs"));
    fs::write(&service, unit("kinglet.service")).expect("the root is ours");
    fs::remove_file(root.path().join(PROGRAMS[0])).expect("it was there");
    assert!(
        !verify(root.path(), &names).status.success(),
        "a program that is not there"
    );
}

/// What `systemd-analyze security` makes of a service, and all that it says.
fn exposure(path: &Path) -> (f64, String) {
    let output = analyze(&["security", "--offline=yes", "--no-pager", &path.to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("Overall exposure level"));
    let level = line.and_then(|line| line.rsplit_once(": ")?.1.split(' ').next()?.parse().ok());
    let errors = String::from_utf8_lossy(&output.stderr);
    (
        level.unwrap_or_else(|| panic!("no level in:\n{text}{errors}")),
        text,
    )
}

#[test]
fn the_services_open_little_of_the_system() {
    for name in [
        "kinglet.service",
        "kinglet-health.service",
        "kinglet-trial.service",
        "kinglet-board@.service",
        "kinglet-board-ssh-off.service",
    ] {
        let (level, text) = exposure(&units().join(name));
        println!("{name}: {level}");
        assert!(level <= EXPOSURE, "{name} is at {level}:\n{text}");
        let unit = unit(name);
        for (key, value) in [
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("MemoryDenyWriteExecute", "yes"),
            ("MemorySwapMax", "0"),
            ("LimitCORE", "0"),
        ] {
            assert_eq!(said(&unit, key), value, "{name}: {key}");
        }
    }
    assert_eq!(
        said(&unit("kinglet.service"), "CapabilityBoundingSet"),
        "",
        "no capability at all"
    );
    let open = tempfile::tempdir().expect("a test may make a directory");
    let path = open.path().join("open.service");
    fs::write(&path, "[Service]\nExecStart=/usr/bin/true\n").expect("the directory is ours");
    assert!(exposure(&path).0 > 9.0, "the scale is the one that is meant");
}

#[test]
fn nothing_outside_is_reached_unless_something_is_switched_on() {
    let service = unit("kinglet.service");
    assert_eq!(values(&service, "IPAddressDeny"), ["any"]);
    assert_eq!(values(&service, "IPAddressAllow"), ["localhost"]);
    assert_eq!(values(&service, "SocketBindDeny"), ["any"]);
    for more in ["push.conf", "acme.conf"] {
        assert_eq!(
            values(&unit(more), "IPAddressDeny"),
            [""],
            "{more}: an empty one takes it back"
        );
    }
    let board = unit("kinglet-board@.service");
    assert_eq!(said(&board, "PrivateNetwork"), "yes");
    assert_eq!(said(&board, "RestrictAddressFamilies"), "AF_UNIX");
    let socket = unit("kinglet-board.socket");
    assert_eq!(
        (said(&socket, "SocketMode"), said(&socket, "SocketGroup")),
        ("0660".into(), "kinglet".into())
    );
}

/// Where the number of `MemoryMax=` comes from: the sum of `kinglet limits` over TLS with every setting at its default.
#[test]
fn the_memory_limit_is_the_servers_own_budget() {
    let directory = tempfile::tempdir().expect("a test may make a directory");
    let mut command = Command::new(BINARY);
    let foreign = std::env::vars_os().map(|(name, _)| name);
    for name in foreign.filter(|name| name.to_string_lossy().starts_with("KINGLET_")) {
        command.env_remove(name);
    }
    let output = command
        .args(["limits", "--json"])
        .env("KINGLET_LISTEN_ADDRESS", "systemd")
        .current_dir(directory.path())
        .output()
        .expect("the binary can be run");
    let limits: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
    assert_eq!(limits["tls"], true);
    let needed = limits["memory_total_bytes"].as_u64().expect("a sum");
    let limit = said(&unit("kinglet.service"), "MemoryMax");
    let mib: u64 = limit
        .strip_suffix('M')
        .and_then(|number| number.parse().ok())
        .expect("in MiB");
    let allowed = mib << 20;
    assert!(
        needed <= allowed && allowed - needed < 1 << 20,
        "MemoryMax={limit}, and the limits add up to {needed} bytes: set it to {}M",
        needed.div_ceil(1 << 20)
    );
}

/// The program knows each word of a unit's command line.
fn its_options_are_known(line: &str) {
    let words: Vec<&str> = line.split(' ').skip(1).chain(["--help"]).collect();
    let output = Command::new(BINARY)
        .args(&words)
        .output()
        .expect("the binary can be run");
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whoever starts the server has a new version of it watched, and what that goes by is a subcommand that there is.
#[test]
fn a_new_version_is_watched_from_its_first_start_on() {
    let service = unit("kinglet.service");
    assert_eq!(values(&service, "Wants"), ["kinglet-trial.service"]);
    assert_eq!(
        values(&unit("kinglet-trial.service"), "After"),
        ["kinglet.service"]
    );
    let health = unit("kinglet-health.service");
    let line = said(&health, "ExecStart");
    assert_eq!(
        line.split(' ').next(),
        said(&service, "ExecStart").split(' ').next(),
        "the version that runs is asked by itself"
    );
    its_options_are_known(&line);
    assert_eq!(said(&health, "User"), "kinglet");
}

/// Ended in the middle it would leave a box that is off: the server was stopped for it.
#[test]
fn no_time_ends_a_factory_reset() {
    assert_eq!(said(&unit("kinglet-board@.service"), "RuntimeMaxSec"), "infinity");
}

/// The lines of a file that name places which need not be there.
fn places(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == '`' || c == '#');
    let keys = ["ReadWritePaths=", "ExecPaths="];
    let starts = |word: &&str| {
        keys.iter()
            .any(|key| word.starts_with(key) && word.len() > key.len())
    };
    words.filter(starts).collect()
}

/// What systemd cannot set up fails before the program, which then cannot count it, let alone show a page: a disk that is not there
/// would leave nothing but starts each second.
#[test]
fn what_people_are_told_to_add_to_the_unit_does_not_keep_it_from_starting() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let guide = fs::read_to_string(docs.join("OPERATING.md")).expect("it is there");
    let told = places(&guide);
    assert!(told.len() >= 2, "{told:?}");
    for word in told {
        assert!(word.contains("=-/"), "{word}");
    }
    for name in ["acme.conf", "push.conf", "clock.conf"] {
        let text = unit(name);
        let lines = text.lines().filter_map(|line| {
            let line = line.trim_start_matches('#').trim();
            line.strip_prefix("ExecPaths=")
                .or_else(|| line.strip_prefix("ReadWritePaths="))
        });
        for place in lines.flat_map(|line| line.split(' ')) {
            assert!(place.starts_with('-'), "{name}: {place}");
        }
    }
}

/// What the units use is newer than 247, which the packages once asked for: 248 has ExecPaths=, 249 SocketBindDeny=.
#[test]
fn the_packages_ask_for_the_systemd_that_the_guide_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/OPERATING.md")).expect("it is there");
    assert!(guide.contains("systemd 252 or newer"));
    for package in ["kinglet", "kinglet-board"] {
        let control = root.join("packaging").join(package).join("control");
        let control = fs::read_to_string(control).expect("it is there");
        assert!(control.contains("systemd (>= 252)"), "{package}:\n{control}");
    }
}

#[test]
fn a_server_that_fails_is_started_again_for_ever() {
    let service = unit("kinglet.service");
    assert_eq!(said(&service, "Restart"), "always");
    assert_eq!(said(&service, "StartLimitIntervalSec"), "0");
    assert_eq!(
        (said(&service, "Type"), said(&service, "WatchdogSec")),
        ("notify".into(), "30s".into())
    );
    for socket in ["kinglet.socket", "kinglet-http.socket", "kinglet-board.socket"] {
        assert_eq!(said(&unit(socket), "TriggerLimitIntervalSec"), "0", "{socket}");
    }
    // The options are known, and the names are those that the server looks for.
    let line = said(&service, "ExecStart");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/bin/kinglet"));
    let words: Vec<&str> = words.collect();
    assert!(words.contains(&"--safe-mode"), "{line}");
    its_options_are_known(&line);
    assert_eq!(said(&unit("kinglet-http.socket"), "FileDescriptorName"), "http");
    assert_eq!(said(&unit("kinglet.socket"), "ListenStream"), "443");
    assert_eq!(said(&unit("kinglet-http.socket"), "ListenStream"), "80");
}
