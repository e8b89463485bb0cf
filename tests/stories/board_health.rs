//! The machine under the server as its admins see it, from a `/sys` as boards have it; and the plug test, with a process that is
//! killed in the place of a plug that is pulled. What must not live here: which figure is bad from where on
//! (`workers/machine/warnings.rs`), and what a real card does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinglet::limits;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Person, Server, id};

const HEALTH: &str = "/api/v1/admin/health";
const PLUG: &str = "/api/v1/admin/plug-test";
const END: &str = "/api/v1/admin/plug-test/end";
const DISK: &str = "sys/devices/platform/mmc_host/mmc1/mmc1:0001/block/mmcblk0";
const GIB: u64 = 1 << 30;

/// A machine as its kernel shows it, below a directory; the server's own directory is on its card.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            root: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("it is below the root")).expect("the root is ours");
        std::fs::write(path, text).expect("the root is ours");
    }

    fn heat(&self, celsius: u32) {
        self.file("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
        self.file(
            "sys/class/thermal/thermal_zone0/temp",
            &format!("{}\n", celsius * 1_000),
        );
    }

    fn boot(&self, name: &str) {
        self.file("proc/sys/kernel/random/boot_id", &format!("{name}\n"));
    }

    /// A card of 32 GiB, so much of it written, and a server's directory on its second part.
    fn card(&self, on: &Path, written: u64) {
        self.file(
            &format!("{DISK}/stat"),
            &format!("1 2 3 4 5 6 {} 8 9 10 11\n", written / 512),
        );
        self.file(&format!("{DISK}/size"), &format!("{}\n", 32 * GIB / 512));
        self.file(&format!("{DISK}/device/type"), "SD\n");
        self.file(&format!("{DISK}/mmcblk0p2/partition"), "2\n");
        self.file("sys/fs/ext4/mmcblk0p2/errors_count", "0\n");
        self.file("sys/fs/ext4/sda1/errors_count", "7\n");
        let device = on.metadata().expect("the directory is there").dev();
        let name = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        let folder = self.path("sys/dev/block");
        std::fs::create_dir_all(&folder).expect("the root is ours");
        symlink(self.path(DISK).join("mmcblk0p2"), folder.join(name)).expect("it is new");
    }

    async fn server(&self) -> Server {
        let root = self.root.path().to_str().expect("a path in UTF-8");
        Server::with(&[("KINGLET_BOARD_ROOT", root)]).await
    }
}

/// Asks until the answer is as wanted: a look for who asks may be a second old.
async fn until(who: &Person, address: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let state = who.get(address).await.json(200);
            if wanted(&state) {
                return state;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("it comes to that")
}

fn codes(health: &Value) -> Vec<&str> {
    let warnings = health["board"]["warnings"].as_array().expect("a list");
    warnings
        .iter()
        .map(|one| one["code"].as_str().expect("a word"))
        .collect()
}

async fn metrics(server: &Server) -> String {
    server.world.get("/metrics", None).await.text
}

#[tokio::test]
async fn a_machine_that_tells_nothing_is_not_reported_and_nothing_is_said() {
    let bench = Bench::new();
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let health = owner.get(HEALTH).await.json(200);
    let board = &health["board"];
    assert_eq!(
        board["not_reported"],
        json!([
            "temperature",
            "under_voltage",
            "throttled",
            "card",
            "written_per_day",
            "life",
            "card_errors",
            "file_system_errors"
        ])
    );
    for name in [
        "celsius",
        "under_voltage",
        "throttled",
        "card",
        "file_system_errors",
    ] {
        assert_eq!(board[name], Value::Null, "{name} is no zero: {board}");
    }
    assert_eq!((&board["asked"], codes(&health)), (&json!(false), Vec::new()));
    let page = metrics(&server).await;
    assert!(!page.contains("kinglet_board_"), "{page}");
    let said = server.output.text();
    assert!(!said.contains("the board"), "{said}");
}

#[tokio::test]
async fn a_board_is_told_as_its_kernel_tells_it_and_the_card_s_life_is_reckoned() {
    let bench = Bench::new();
    bench.heat(48);
    bench.file("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let written = 5 * GIB;
    bench.card(&server.data(), written);
    let health = until(&owner, HEALTH, |health| health["board"]["card"].is_object()).await;
    let board = &health["board"];
    assert_eq!(board["celsius"], 48);
    let ever = json!({ "now": false, "since_start": true });
    assert_eq!((&board["under_voltage"], &board["throttled"]), (&ever, &ever));
    assert_eq!(
        board["file_system_errors"], 0,
        "another disk's are not the card's"
    );
    let card = &board["card"];
    assert_eq!((&card["name"], &card["kind"]), (&json!("mmcblk0"), &json!("SD")));
    assert_eq!(
        (&card["size"], &card["written"]),
        (&json!(32 * GIB), &json!(written))
    );
    let endurance = 32 * GIB * limits::CARD_WRITES;
    assert_eq!(
        (&card["endurance"], &card["assumed"]),
        (&json!(endurance), &json!(true))
    );
    assert_eq!(
        board["not_reported"],
        json!(["card_errors"]),
        "only root may read them"
    );
    assert_eq!(
        codes(&health),
        [""; 0],
        "what was before the first look is no news"
    );
    let up = std::fs::read_to_string("/proc/uptime").expect("there is a /proc");
    let up: f64 = up
        .split('.')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    if up > 700.0 {
        let per_day = card["written_per_day"].as_f64().expect("it is known");
        let expected = written as f64 / up * 86_400.0;
        assert!(
            (per_day / expected - 1.0).abs() < 0.1,
            "{per_day} and not {expected}"
        );
        let days = card["days_left"].as_f64().expect("it is reckoned");
        let left = (endurance - written) as f64 / per_day;
        assert!((days - left).abs() <= 1.0, "{days} and not {left}");
    }
    assert_eq!(server.metric("kinglet_board_celsius").await, 48.0);
    assert_eq!(server.metric("kinglet_board_under_voltage").await, 0.0);
    assert!(!metrics(&server).await.contains("kinglet_board_card_errors"));
    assert!(
        !server.data().join("board.json").exists(),
        "looking writes nothing: the day is not over"
    );
    // The operator knows better than the assumption.
    assert_eq!(server.stop().await, Some(0));
    server.env.push(("KINGLET_BOARD_CARD_TBW".into(), "150".into()));
    server.restart().await;
    let card = owner.get(HEALTH).await.json(200)["board"]["card"].clone();
    assert_eq!(
        (&card["endurance"], &card["assumed"]),
        (&json!(150_000_000_000_000_u64), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_bad_is_said_once_on_the_page_in_the_log_and_in_the_metrics() {
    let bench = Bench::new();
    bench.heat(60);
    let mut server = bench.server().await;
    let owner = server.owner().await;
    until(&owner, HEALTH, |health| health["board"]["celsius"] == 60).await;
    assert!(!metrics(&server).await.contains("kinglet_board_warning"));
    bench.heat(82);
    let health = until(&owner, HEALTH, |health| !codes(health).is_empty()).await;
    let warning = &health["board"]["warnings"][0];
    assert_eq!(warning["code"], "hot");
    assert!(
        warning["message"]
            .as_str()
            .is_some_and(|text| text.contains("82 °C")),
        "{warning}"
    );
    assert!(warning["next"].as_str().is_some_and(|text| text.contains("air")));
    let line = server.says("82 °C").await;
    assert!(line.contains("Give it air"), "with what to do: {line}");
    assert!(
        metrics(&server)
            .await
            .contains("kinglet_board_warning{code=\"hot\"} 1\n")
    );
    // Looked at again while it is bad: nothing new is said of it.
    bench.heat(83);
    let again = until(&owner, HEALTH, |health| health["board"]["celsius"] == 83).await;
    let again = &again["board"]["warnings"][0];
    assert!(
        again["message"]
            .as_str()
            .is_some_and(|text| text.contains("83 °C")),
        "{again}"
    );
    assert_eq!(again["since"], warning["since"]);
    // Cooler, and not cool: it does not come and go.
    bench.heat(72);
    let still = until(&owner, HEALTH, |health| health["board"]["celsius"] == 72).await;
    assert_eq!(still["board"]["warnings"][0]["since"], warning["since"]);
    bench.heat(65);
    until(&owner, HEALTH, |health| codes(health).is_empty()).await;
    server.says("no longer so").await;
    assert!(!metrics(&server).await.contains("kinglet_board_warning"));
    let said = server.output.text();
    assert_eq!(
        said.matches("the board:").count(),
        2,
        "once for each change: {said}"
    );
}

/// A board that answers once; it is given what it was asked.
fn answering(path: &Path, answer: Value) -> std::thread::JoinHandle<String> {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the root is ours");
    let listener = UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it is asked");
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        reader.read_line(&mut line).expect("a line");
        stream
            .write_all(format!("{answer}\n").as_bytes())
            .expect("it listens");
        line
    })
}

#[tokio::test]
async fn what_only_root_may_read_is_asked_of_the_board() {
    let bench = Bench::new();
    let answer = json!({
        "ok": true, "temperature": [{ "sensor": "cpu-thermal", "celsius": 48.3 }], "throttled": null,
        "under_voltage": { "now": false, "since_start": null },
        "disks": [{ "name": "mmcblk0", "kind": "SD", "errors": 3 }, { "name": "sda", "kind": "0", "errors": null }],
        "file_systems": null, "boot_id": "0f1e", "not_reported": ["throttled"],
    });
    let asked = answering(&bench.path("run/kinglet-board.sock"), answer);
    let mut server = bench.server().await;
    let owner = server.owner().await;
    bench.card(&server.data(), GIB);
    let health = until(&owner, HEALTH, |health| {
        health["board"]["card"]["errors"].is_number() && health["board"]["asked"] == true
    })
    .await;
    let board = &health["board"];
    assert_eq!(
        (&board["celsius"], &board["card"]["errors"]),
        (&json!(48), &json!(3))
    );
    assert_eq!(board["under_voltage"], json!({ "now": false }));
    assert_eq!(board["not_reported"], json!(["throttled"]));
    assert_eq!(codes(&health), [""; 0], "a few at the start are usual");
    assert_eq!(server.metric("kinglet_board_card_errors").await, 3.0);
    let line = tokio::task::spawn_blocking(move || asked.join()).await;
    let line = line.expect("no panic").expect("no panic");
    assert_eq!(line.trim(), r#"{"verb":"sensors"}"#);
}

/// Begins a test, and watches until the number is seen.
async fn watched(owner: &Person, upto: u64) -> (String, u64) {
    let run = id();
    let begun = owner.post(PLUG, &json!({ "client_id": run })).await.json(200);
    assert_eq!((&begun["state"], &begun["run"]), (&json!("running"), &json!(run)));
    let seen = until(owner, PLUG, |test| test["acked"].as_u64() >= Some(upto)).await;
    (run, seen["acked"].as_u64().expect("a number"))
}

async fn judged(owner: &Person, run: &str, seen: Option<u64>) -> Value {
    let ask = json!({ "run": run, "acked": seen });
    let told = owner.post(END, &ask).await.json(200);
    assert_eq!(told["state"], "idle");
    let again = owner.post(END, &ask).await.json(200);
    assert_eq!(again["last"], told["last"], "a retry judges nothing anew");
    told["last"].clone()
}

#[tokio::test]
async fn a_card_that_kept_what_it_confirmed_is_told_so_and_the_journal_has_who_pulled() {
    let bench = Bench::new();
    bench.boot("first");
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let member = server.person("anna").await;
    assert_eq!(member.get(PLUG).await.refused(), "forbidden");
    assert_eq!(
        member.post(PLUG, &json!({ "client_id": id() })).await.refused(),
        "forbidden"
    );
    let before = owner.get(PLUG).await.json(200);
    assert_eq!(
        (&before["state"], &before["last"]),
        (&json!("idle"), &Value::Null)
    );
    let (run, seen) = watched(&owner, 5).await;
    let other = json!({ "client_id": id() });
    assert_eq!(owner.post(PLUG, &other).await.refused(), "changed_meanwhile");
    server.kill9();
    bench.boot("second");
    server.restart().await;
    let cut = owner.get(PLUG).await.json(200);
    assert_eq!((&cut["state"], &cut["run"]), (&json!("cut"), &json!(run)));
    let too_many = json!({ "run": run, "acked": cut["most"].as_u64().expect("a number") + 1 });
    assert_eq!(owner.post(END, &too_many).await.refused(), "bad_request");
    let last = judged(&owner, &run, Some(seen)).await;
    assert_eq!((&last["verdict"], &last["lost"]), (&json!("keeps"), &json!(0)));
    assert_eq!(last["acked"], seen);
    assert!(!server.data().join("plug-test.records").exists());
    let page = owner.get("/api/v1/audit?act=plug_test_begun").await.json(200);
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["entries"][0]["by"], json!(owner.user));
    // What came of it is known after another start.
    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    assert_eq!(owner.get(PLUG).await.json(200)["last"], last);
}

#[tokio::test]
async fn a_card_that_lost_what_it_had_confirmed_is_said_everywhere() {
    let bench = Bench::new();
    bench.boot("first");
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let (run, _) = watched(&owner, 2).await;
    let records = server.data().join("plug-test.records");
    let early = std::fs::read(&records).expect("they are written");
    let later = until(&owner, PLUG, |test| test["acked"].as_u64() >= Some(9)).await;
    let seen = later["acked"].as_u64().expect("a number");
    server.kill9();
    // As a card does that confirms what is only in its memory.
    std::fs::write(&records, early).expect("the directory is ours");
    bench.boot("second");
    server.restart().await;
    let last = judged(&owner, &run, Some(seen)).await;
    assert_eq!(last["verdict"], "lost");
    let lost = last["lost"].as_u64().expect("a number");
    assert!(lost > 0 && lost < seen, "{last}");
    server.says("lost").await;
    let health = owner.get(HEALTH).await.json(200);
    assert_eq!(codes(&health), ["card_loses"]);
    let page = metrics(&server).await;
    assert!(
        page.contains("kinglet_board_warning{code=\"card_loses\"} 1\n"),
        "{page}"
    );
}

#[tokio::test]
async fn nothing_is_told_of_a_card_whose_board_was_not_off() {
    let bench = Bench::new();
    bench.boot("first");
    let mut server = bench.server().await;
    let owner = server.owner().await;
    let why = |last: &Value| {
        assert_eq!(last["verdict"], "cannot_tell", "{last}");
        last["why"].as_str().expect("a word").to_owned()
    };
    // The process alone ended.
    let (run, seen) = watched(&owner, 2).await;
    server.kill9();
    server.restart().await;
    assert_eq!(why(&judged(&owner, &run, Some(seen)).await), "not_off");
    // The server was stopped in good order, and the board switched off after that.
    let (run, seen) = watched(&owner, 2).await;
    assert_eq!(server.stop().await, Some(0));
    bench.boot("second");
    server.restart().await;
    assert_eq!(why(&judged(&owner, &run, Some(seen)).await), "stopped");
    // Somebody ends it.
    let (run, seen) = watched(&owner, 2).await;
    assert_eq!(why(&judged(&owner, &run, Some(seen)).await), "stopped");
    // Nobody has seen a number.
    let (run, _) = watched(&owner, 2).await;
    server.kill9();
    bench.boot("third");
    server.restart().await;
    assert_eq!(why(&judged(&owner, &run, None).await), "not_watched");
    // Nobody may read whether it was off: said before anybody pulls.
    std::fs::remove_file(bench.path("proc/sys/kernel/random/boot_id")).expect("it is there");
    let told = owner.post(PLUG, &json!({ "client_id": id() })).await.json(200);
    assert_eq!(
        (why(&told["last"]), &told["state"]),
        ("boot_unknown".into(), &json!("idle"))
    );
    assert_eq!(codes(&owner.get(HEALTH).await.json(200)), [""; 0]);
}
