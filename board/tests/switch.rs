//! Versions side by side through the door: the real program on files below a root of the test's own, where `systemctl` is a script
//! that says what a server would be like. It is also killed at each of its acts, and must come to a good end all the same.
//! What must not live here: a real server and a power cut, which are the packages' test in a machine of its own.

#[path = "board/bench.rs"]
#[allow(dead_code)] // connections are the board's
mod bench;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use bench::Bench;
use serde_json::Value;

const SWITCH: &str = env!("CARGO_BIN_EXE_kinglet-switch");
const STATE: &str = "var/lib/kinglet-switch/state.json";
const FLOOR: &str = "var/lib/kinglet-switch/floor";
const COUNTS: &str = "var/lib/kinglet/starts.json";

/// What changes a file or a folder, so that a kill before each of these is every state that can be seen from outside.
const ACTS: [&str; 12] = [
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "fsync",
];

fn bench() -> Bench {
    let bench = Bench::new();
    bench.program("usr/bin/dpkg", "exec /usr/bin/dpkg \"$@\"");
    bench
}

/// The package brings a program, and what it says of old ones.
fn unpack(bench: &Bench, content: &str, floor: &str) {
    // As dpkg does it: under another name first.
    bench.file("usr/lib/kinglet/packaged/kinglet.dpkg-new", content);
    let new = bench.root().join("usr/lib/kinglet/packaged/kinglet.dpkg-new");
    fs::rename(&new, new.with_extension("")).expect("the root is ours");
    bench.file("usr/share/kinglet/floor", floor);
}

/// A server as systemd would tell of it, by version: those with `sick` in them answer nobody, those with `dead` do not start.
fn with_servers(bench: &Bench) {
    let root = bench.root().display();
    let script = format!(
        "program=$(cat '{root}/usr/lib/kinglet/current/kinglet')\n\
         case \"$*\" in\n\
         show*) case \"$program\" in\n\
         *dead*) printf 'ActiveState=activating\\nMainPID=0\\nNRestarts=3\\n';;\n\
         *rest*) printf 'ActiveState=inactive\\nMainPID=0\\nNRestarts=0\\n';;\n\
         *) printf 'ActiveState=active\\nMainPID=7\\nNRestarts=0\\n';;\n\
         esac;;\n\
         'start kinglet-health.service') case \"$program\" in *sick*) exit 1;; esac;;\n\
         esac"
    );
    bench.program("usr/bin/systemctl", &script);
}

fn switch(bench: &Bench, words: &[&str]) -> Output {
    let mut command = Command::new(SWITCH);
    command.arg("--root").arg(bench.root()).args(words);
    command.output().expect("it can be run")
}

#[track_caller]
fn done(bench: &Bench, words: &[&str]) {
    let output = switch(bench, words);
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[track_caller]
fn refused(bench: &Bench, words: &[&str]) -> String {
    let output = switch(bench, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn judge(bench: &Bench) {
    done(bench, &["judge", "--every", "1"]);
}

fn status(bench: &Bench) -> Value {
    let output = switch(bench, &["status", "--json"]);
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

/// What would run: the program that the link leads to.
#[track_caller]
fn runs(bench: &Bench) -> String {
    bench
        .text("usr/lib/kinglet/current/kinglet")
        .expect("a version runs")
}

fn versions(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.root().join("usr/lib/kinglet/versions")).expect("there are some");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("it is ours")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .collect();
    names.sort();
    names
}

/// 0.1.0-1 runs, as after an installation.
fn installed() -> Bench {
    let bench = bench();
    with_servers(&bench);
    unpack(&bench, "one", "0.1.0");
    done(&bench, &["take", "0.1.0-1"]);
    bench
}

#[test]
fn the_first_version_needs_no_trial() {
    let bench = installed();
    assert_eq!(runs(&bench), "one");
    let told = status(&bench);
    assert_eq!((&told["runs"], &told["trial"]), (&"0.1.0-1".into(), &Value::Null));
    let number = |path: &str| fs::metadata(bench.root().join(path)).expect("it is there").ino();
    assert_eq!(
        number("usr/lib/kinglet/packaged/kinglet"),
        number("usr/lib/kinglet/versions/0.1.0-1/kinglet"),
        "the same file, which takes no room twice"
    );
    judge(&bench);
    done(&bench, &["take", "0.1.0-1"]);
    assert_eq!(
        (runs(&bench), status(&bench)["trial"].clone()),
        ("one".into(), Value::Null)
    );
    let said = String::from_utf8(switch(&bench, &["status"]).stdout).expect("text");
    assert_eq!(said, "Kinglet 0.1.0-1 runs.\n");
}

#[test]
fn a_new_version_is_kept_once_it_was_found_well() {
    let bench = installed();
    for (version, content) in [("0.2.0-1", "two"), ("0.3.0-1", "three")] {
        unpack(&bench, content, "0.1.0");
        assert_ne!(runs(&bench), content, "unpacking changes nothing that runs");
        done(&bench, &["take", version]);
        assert_eq!(
            (runs(&bench).as_str(), &status(&bench)["trial"]["version"]),
            (content, &version.into())
        );
        bench.calls();
        judge(&bench);
        let looked = bench.calls();
        let health = looked
            .iter()
            .filter(|call| *call == "systemctl start kinglet-health.service");
        assert_eq!(health.count(), 2, "found well twice: {looked:?}");
        assert!(!looked.iter().any(|call| call.contains("restart")), "{looked:?}");
    }
    let told = status(&bench);
    assert_eq!(
        (&told["runs"], &told["previous"], &told["trial"], &told["failed"]),
        (&"0.3.0-1".into(), &"0.2.0-1".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(versions(&bench), ["0.2.0-1", "0.3.0-1"], "two, and no more");
}

#[test]
fn one_that_is_not_well_is_gone_back_from() {
    for content in ["dead", "sick"] {
        let bench = installed();
        unpack(&bench, content, "0.2.0");
        done(&bench, &["take", "0.2.0-1"]);
        bench.file(COUNTS, "{\"failed\":5}");
        judge(&bench);
        assert_eq!(runs(&bench), "one", "{content}");
        assert_eq!(
            bench.calls().last().map(String::as_str),
            Some("systemctl restart kinglet.service")
        );
        assert_eq!(
            bench.text(COUNTS),
            None,
            "the old version is not held to the new one's starts"
        );
        assert_eq!(
            bench.text(FLOOR),
            None,
            "nothing is learnt of a version that was not kept"
        );
        let told = status(&bench);
        assert_eq!(
            (&told["failed"]["version"], &told["trial"]),
            (&"0.2.0-1".into(), &Value::Null)
        );
        let said = String::from_utf8(switch(&bench, &["status"]).stdout).expect("text");
        assert!(said.contains("0.2.0-1 was tried and was not well"), "{said}");

        // A repair leaves it at that; whoever installs it by hand has it tried again.
        done(&bench, &["take", "0.2.0-1", "--unless-failed"]);
        assert_eq!(runs(&bench), "one");
        unpack(&bench, "mended", "0.1.0");
        done(&bench, &["take", "0.2.0-1"]);
        judge(&bench);
        assert_eq!(runs(&bench), "mended");
    }
}

#[test]
fn one_that_nobody_starts_stays_on_trial() {
    let bench = installed();
    unpack(&bench, "rest", "0.1.0");
    done(&bench, &["take", "0.2.0-1"]);
    for _ in 0..5 {
        judge(&bench);
        assert_eq!(
            status(&bench)["trial"]["tries"],
            0,
            "nothing was seen, so this was no try"
        );
    }
    assert_eq!(runs(&bench), "rest");
}

#[test]
fn a_machine_that_goes_down_again_and_again_goes_back() {
    let bench = installed();
    unpack(&bench, "two", "0.1.0");
    done(&bench, &["take", "0.2.0-1"]);
    for _ in 0..3 {
        assert_eq!(runs(&bench), "two");
        // Cut off in the middle, by whatever the new version does to the machine.
        bench.program("usr/bin/systemctl", "kill -9 $PPID");
        let output = switch(&bench, &["judge", "--every", "1"]);
        assert_eq!(output.status.code(), None, "killed");
    }
    with_servers(&bench);
    judge(&bench);
    assert_eq!(runs(&bench), "one");
    assert!(
        status(&bench)["failed"]["why"]
            .as_str()
            .is_some_and(|why| why.contains("3 times"))
    );
}

#[test]
fn nothing_is_known_of_versions_that_were_removed() {
    for (content, is_judged) in [("two", true), ("sick", true), ("two", false)] {
        let bench = installed();
        unpack(&bench, content, "0.1.0");
        done(&bench, &["take", "0.2.0-1"]);
        if is_judged {
            judge(&bench);
        }
        // As the package's postrm does it.
        fs::remove_dir_all(bench.root().join("usr/lib/kinglet")).expect("the root is ours");
        unpack(&bench, "again", "0.1.0");
        done(&bench, &["take", "0.2.0-1"]);
        judge(&bench);
        assert_eq!(runs(&bench), "again");
        let said = String::from_utf8(switch(&bench, &["status"]).stdout).expect("text");
        assert_eq!(said, "Kinglet 0.2.0-1 runs.\n");
    }
}

#[test]
fn who_comes_meanwhile_goes_back_to_the_last_that_was_kept() {
    let bench = installed();
    unpack(&bench, "sick two", "0.1.0");
    done(&bench, &["take", "0.2.0-1"]);
    unpack(&bench, "sick three", "0.1.0");
    done(&bench, &["take", "0.3.0-1"]);
    judge(&bench);
    assert_eq!(runs(&bench), "one");
}

#[test]
fn nothing_below_the_floor_comes_back() {
    let bench = installed();
    unpack(&bench, "two", "0.2.0");
    done(&bench, &["take", "0.2.0-1"]);
    judge(&bench);
    assert_eq!(bench.text(FLOOR).as_deref(), Some("0.2.0\n"));
    let said = refused(&bench, &["back"]);
    assert!(said.contains("0.1.0-1") && said.contains("0.2.0"), "{said}");
    unpack(&bench, "one", "0.1.0");
    for old in ["0.1.0-1", "0.1.9-5", "0.2.0~rc1-1"] {
        refused(&bench, &["take", old]);
        assert_eq!(
            (runs(&bench).as_str(), &status(&bench)["trial"]),
            ("two", &Value::Null),
            "{old}"
        );
    }
    // A floor never sinks.
    unpack(&bench, "three", "0.1.0");
    done(&bench, &["take", "0.3.0-1"]);
    judge(&bench);
    assert_eq!(bench.text(FLOOR).as_deref(), Some("0.2.0\n"));
    // Above it one may go back, on trial like any other.
    done(&bench, &["back"]);
    assert_eq!(
        (runs(&bench).as_str(), &status(&bench)["trial"]["previous"]),
        ("two", &"0.3.0-1".into())
    );
    judge(&bench);
    assert_eq!(status(&bench)["previous"], "0.3.0-1");
}

#[test]
fn what_is_no_version_or_not_there_is_refused() {
    let bench = bench();
    refused(&bench, &["take", "0.1.0-1"]);
    unpack(&bench, "one", "0.1.0");
    for wrong in ["", "..", "../../etc", "0/1", "latest", "1:0"] {
        refused(&bench, &["take", wrong]);
    }
    refused(&bench, &["back"]);
    for usage in [
        &["take"][..],
        &["judge", "--every", "x"],
        &["keep", "0.1.0-1"],
        &[],
    ] {
        assert_eq!(switch(&bench, usage).status.code(), Some(2), "{usage:?}");
    }
    // A note that cannot be read keeps nothing from running.
    done(&bench, &["take", "0.1.0-1"]);
    for nonsense in ["", "{", "[]", "{\"trial\":{\"version\":\"../x\"}}"] {
        bench.file(STATE, nonsense);
        with_servers(&bench);
        judge(&bench);
        assert_eq!(runs(&bench), "one", "{nonsense}");
    }
}

/// Kills the program before it does this for the `nth` time; false once it comes to its end without.
fn killed_at(bench: &Bench, words: &[&str], act: &str, nth: usize) -> bool {
    let mut command = Command::new("strace");
    command
        // Not every processor has every one of them.
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace=?{act}")])
        .args(["-e", &format!("inject=?{act}:signal=KILL:when={nth}")])
        .arg(SWITCH)
        .arg("--root")
        .arg(bench.root())
        .args(words);
    let output = command
        .output()
        .expect("strace is there; it comes with Debian's package strace");
    assert!(
        output.status.success() || output.status.code().is_none(),
        "{words:?} at {act} {nth}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.status.code().is_none()
}

/// What must hold whenever the power goes: something whole runs, and only what was there before or what is new.
#[track_caller]
fn holds(bench: &Bench, content: &str, at: &str) {
    let found = runs(bench);
    assert!(found == "one" || found == content, "{at}: {found:?} runs");
    let state = bench.text(STATE).unwrap_or_else(|| "{}".to_owned());
    assert!(serde_json::from_str::<Value>(&state).is_ok(), "{at}: {state}");
    let on_trial = status(bench)["trial"].is_object();
    assert!(
        found == "one" || on_trial || found == "two",
        "{at}: {found:?} runs and is not on trial"
    );
}

/// The next start of the machine: the server's trial goes on, then dpkg configures what it had not.
fn start_again(bench: &Bench) {
    judge(bench);
    done(bench, &["take", "0.2.0-1", "--unless-failed"]);
    judge(bench);
}

/// One state, and what comes of it; false once there is none any more.
fn one_state(content: &str, end: &str, words: &[&str], act: &str, nth: usize) -> bool {
    let at = format!("{content}, {words:?} at {act} {nth}");
    let bench = installed();
    unpack(&bench, content, "0.1.0");
    if words[0] == "judge" {
        done(&bench, &["take", "0.2.0-1"]);
    }
    if !killed_at(&bench, words, act, nth) {
        return false;
    }
    holds(&bench, content, &at);
    start_again(&bench);
    assert_eq!(runs(&bench), end, "{at}");
    let told = status(&bench);
    assert_eq!(told["trial"], Value::Null, "{at}");
    assert_eq!(told["failed"].is_object(), end == "one", "{at}: {told}");
    assert!(
        leftovers(bench.root()).is_empty(),
        "{at}: {:?}",
        leftovers(bench.root())
    );
    true
}

#[test]
fn killed_at_any_act_it_comes_to_the_same_end() {
    let mut states = 0;
    for (content, end) in [("two", "two"), ("sick", "one"), ("dead", "one")] {
        for words in [&["take", "0.2.0-1"][..], &["judge", "--every", "1"]] {
            for act in ACTS {
                states += (1..)
                    .take_while(|nth| one_state(content, end, words, act, *nth))
                    .count();
            }
        }
    }
    println!("{states} states");
    assert!(states > 50, "{states} states");
}

/// What a kill may leave is used or removed by the next one.
fn leftovers(root: &Path) -> Vec<String> {
    let found = Command::new("find")
        .arg(root.join("usr/lib/kinglet"))
        .args(["-name", "*.new"])
        .output()
        .expect("findutils are there");
    String::from_utf8_lossy(&found.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}
