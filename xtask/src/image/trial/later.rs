//! What is tried with a card that has an owner, each from its own start: a clock of 1970 with new settings on the card, a full
//! disk, a factory reset. What must not live here: how it came to an owner (`first`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::inside::Inside;
use super::machine::{Bench, Plugged};
use super::neighbour::Neighbour;
use super::owner::{Owner, SAID};
use super::{TIME_ZONE, answers, looks};

const DAY: Duration = Duration::from_secs(86_400);
const WIFI_SECRET: &str = "secret of the air";
/// Asks what needs root, as the server does. Apart from whoever says so, since they may be shown out.
const ASK: &str = "\
systemd-run --quiet --collect --property=StandardOutput=journal+console --property=StandardError=journal+console python3 -c 'import socket
s = socket.socket(socket.AF_UNIX); s.connect(\"/run/kinglet-board.sock\")
s.sendall(b\"\"\"@REQUEST@\n\"\"\"); print(s.recv(4096).decode())'";
const FULL: &str = include_str!("full.sh");
/// Files that have a word in them or in their name. What is free on the partitions is not looked at: deleting is not shredding.
const SEARCH: &str = "\
grep --recursive --files-with-matches --text --fixed-strings --devices=skip --regexp='@WORD@' @PLACE@ || [ $? = 1 ]
find @PLACE@ -name '*@WORD@*'";

/// The board's clock says 1970, a password lies on the card, and the owner cannot get in.
pub fn wrong_clock(bench: &Bench<'_>, inside: &Inside, wire: &Neighbour) -> Result<()> {
    // So much that no start takes as long.
    let noted = SystemTime::now().duration_since(UNIX_EPOCH)? + DAY;
    let noted = noted.as_secs();
    bench.change(
        &bench.card,
        &format!("touch --no-create --date=@{noted} data/timesync/clock"),
    )?;
    println!("a start in 1970, with reset-admin and a Wi-Fi's password on the card");
    bench.write("reset-admin", "person0\n")?;
    bench.write(
        "network-config",
        &format!(
            "version: 2\nwifis:\n  wlan0:\n    regulatory-domain: DE\n    access-points:\n      home:\n        password: {WIFI_SECRET}\n"
        ),
    )?;
    let plugged = Plugged {
        clock: Some("1970-01-01T00:00:00"),
        ..Plugged::default()
    };
    let mut machine = bench.start_with("1970", &plugged, wire)?;
    let link = machine.hear(bench.patience, "link for the owner", |line| {
        let at = line.find("https://")?;
        line.contains("#").then(|| line[at..].to_owned())
    })?;
    answers(bench, &mut machine, true)?;
    inside.awaited(&mut machine)?;
    looks::later(inside, WIFI_SECRET, noted)?;
    let_in_again(bench, link.trim())?;
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    ensure!(
        bench.read("reset-admin")?.is_none(),
        "reset-admin is still on the card"
    );
    let network = bench.read("network-config")?.context("network-config is gone")?;
    ensure!(
        !network.contains(WIFI_SECRET),
        "the Wi-Fi's password is still on the card: {network}"
    );
    let told = bench.read("KINGLET.txt")?.context("the card says nothing")?;
    ensure!(told.contains(link.trim()), "the link is not on the card: {told}");
    Ok(())
}

/// Who cannot get in comes in by the link's code, and other admins can see that the operator made it.
fn let_in_again(bench: &Bench<'_>, link: &str) -> Result<()> {
    let (_, code) = link.split_once('#').context("a link without a code")?;
    let owner = Owner::let_in_again(bench, code)?;
    // None but admins are shown it.
    let journal = owner.gets("audit?operator=true")?;
    let made = journal["entries"]
        .as_array()
        .context("the journal's entries")?
        .iter()
        .find(|entry| entry["act"] == "reset_link_made")
        .with_context(|| format!("the journal knows nothing of the link: {journal}"))?;
    println!("  let in again by the code on the card, once; the journal has {made}");
    Ok(())
}

/// No room on the data's partition, and room again.
pub fn full(inside: &Inside) -> Result<()> {
    println!("  a full disk: {}", inside.run(FULL)?.replace('\n', "\n    "));
    Ok(())
}

/// First the settings alone, and then everything.
pub fn reset(bench: &Bench<'_>, inside: &Inside, wire: &Neighbour) -> Result<()> {
    println!("factory reset, with what people have said kept");
    let ask = |name: &str, request: &str| -> Result<()> {
        let mut machine = bench.start(name, wire)?;
        answers(bench, &mut machine, true)?;
        inside.awaited(&mut machine)?;
        inside.run("echo '# by hand' >>/etc/kinglet/kinglet.toml; timedatectl set-timezone Europe/Berlin")?;
        inside.end(&ASK.replace("@REQUEST@", request));
        machine.ended(bench.patience)
    };
    ask(
        "reset-settings",
        r#"{"verb":"factory_reset","keep_data":true,"confirm":"reset settings"}"#,
    )?;
    let mut machine = bench.start("after-settings", wire)?;
    answers(bench, &mut machine, true)?;
    // Its key lies on the card, which counts again.
    inside.awaited(&mut machine)?;
    let said = inside.run(
        "readlink /etc/localtime; grep -c 'by hand' /etc/kinglet/kinglet.toml || true; \
         kinglet --config /etc/kinglet/kinglet.toml user list --json | grep -c person0",
    )?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(
        lines.len() == 3 && lines[0].ends_with(TIME_ZONE) && lines[1] == "0" && lines[2] != "0",
        "not as after a reset of the settings: {said}"
    );
    println!("  settings as they came, what lies on the card in force again, and its people are there");
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;

    println!("factory reset, with everything erased");
    for word in SAID {
        let found = searched(bench, word, "data/kinglet")?;
        ensure!(
            !found.is_empty(),
            "nobody has said {word:?}: there is nothing to be erased"
        );
    }
    ask(
        "reset-all",
        r#"{"verb":"factory_reset","keep_data":false,"confirm":"erase everything"}"#,
    )?;
    let mut machine = bench.start("after-all", wire)?;
    let is_free = machine.hear(bench.patience, "claim code", |line| {
        let is_free = line.contains("claim code  ");
        (is_free || line.contains("This chat server runs.")).then_some(is_free)
    })?;
    ensure!(is_free, "everything was erased, and it still has an owner");
    answers(bench, &mut machine, false)?;
    inside.awaited(&mut machine)?;
    let left =
        inside.run("find /data/kinglet -name before-restore; systemctl --failed --plain --no-legend")?;
    ensure!(left.is_empty(), "not as on the first day: {left}");
    println!("  it has no owner, and a new claim code");
    inside.end("systemctl --no-block poweroff");
    machine.ended(bench.patience)?;
    for word in SAID {
        let found = searched(bench, word, ".")?;
        ensure!(
            found.is_empty(),
            "everything was erased, and {word:?} is still in {found}"
        );
    }
    println!("  no file of its system or of its data has a name or a word of the first day");
    Ok(())
}

fn searched(bench: &Bench<'_>, word: &str, place: &str) -> Result<String> {
    let script = SEARCH.replace("@WORD@", word).replace("@PLACE@", place);
    Ok(bench.look(&bench.card, &script)?.trim().replace('\n', ", "))
}
