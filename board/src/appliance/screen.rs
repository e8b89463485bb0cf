//! Where the server is found, in words: on the screen, on the serial line, and in a file that any computer can read on the
//! card. What must not live here: finding it out.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::card;
use super::facts::Facts;
use crate::machine::Machine;
use crate::note;

const CONSOLES: &str = "/sys/class/tty/console/active";
const SCREEN: &str = "/dev/tty1";
const PATIENCE: Duration = Duration::from_secs(3);
const CLEAR: &str = "\x1b[2J\x1b[H";

/// What helps, the least first. Nothing can be typed at the box itself, since nobody has a password there.
const DATA_LOST: &str = "  The data on this card cannot be reached, so this chat server does not run.

  1. Turn the power off and on again, once.
  2. If this stays: turn it off, and put the card into a computer with Linux. See by  lsblk  which disk it is. Then type
     (for a card that is called /dev/sdX; for /dev/mmcblk0 it is /dev/mmcblk0p7):

         sudo e2fsck -f -y /dev/sdX7

     and put the card back. Whoever has no backup copies the whole card first: what e2fsck cannot mend it throws away.
  3. If e2fsck finds no such partition or cannot read it, or if this comes back, the card is worn out: write a new one, and put
     the last backup onto it from the USB stick, with the recovery key of the emergency sheet (APPLIANCE.md, \"A new card for
     the server that there was\").
";

pub fn text(facts: &Facts) -> String {
    let mut text = String::from("\n  Kinglet\n\n");
    if facts.is_data_lost {
        text.push_str(DATA_LOST);
        if let Some(address) = facts.addresses.first() {
            let _ = writeln!(
                text,
                "\n  Why, by SSH where that was left on ({address}):  sudo journalctl -b -u data.mount -u 'systemd-fsck@*'"
            );
        }
        said_of_settings(&mut text, facts);
        return text;
    }
    if let Some(restore) = &facts.restore {
        let _ = writeln!(text, "  {}\n", restore.replace('\n', "\n  "));
    }
    match (facts.is_claimed, &facts.code) {
        // That is what it waits for.
        (None, _) if facts.restore.is_some() => {}
        (None, _) => text.push_str("  The server is starting. If this stays for minutes, turn the power off and on again.\n"),
        (Some(true), _) => text.push_str("  This chat server runs. Open it with a browser in the same network:\n"),
        (Some(false), Some(code)) => {
            let _ = writeln!(text, "  This chat server has no owner yet. With a phone or a computer in the same network:");
            let _ = writeln!(text, "  open the address, and enter the claim code  {code}");
        }
        (Some(false), None) => text.push_str(
            "  This chat server has no owner yet, and too many wrong claim codes were tried: turn the power off and on, and the right one holds again.\n",
        ),
    }
    text.push('\n');
    match facts.addresses.first() {
        None => text.push_str(
            "  There is no network. Plug in a cable, or turn it off, put the card into a computer, and write the Wi-Fi's\n  \
             name and password into the file network-config.\n",
        ),
        Some(first) => {
            for address in &facts.addresses {
                let _ = writeln!(text, "      http://{address}/");
            }
            let name = facts.found_as.as_ref().unwrap_or(&facts.name);
            let _ = writeln!(text, "      http://{name}.local/   (many phones do not find this one)\n");
            let address = format!("http://{first}/");
            text.push_str(&picture(facts.link.as_ref().unwrap_or(&address)));
        }
    }
    if let Some((words, print)) = &facts.compared {
        let _ = writeln!(
            text,
            "\n  Before a device is made to trust this box, it shows the same:  {words}"
        );
        let _ = writeln!(text, "  SHA-256  {print}");
    }
    if let Some(way_back) = &facts.way_back {
        let _ = writeln!(text, "\n  {}", way_back.replace('\n', "\n  "));
    }
    said_of_settings(&mut text, facts);
    text
}

fn said_of_settings(text: &mut String, facts: &Facts) {
    if facts.notes.is_empty() {
        return;
    }
    text.push_str("\n  About the settings on the card:\n");
    for said in &facts.notes {
        let _ = writeln!(text, "  - {said}");
    }
}

/// Light on dark, as a screen shows text.
fn picture(url: &str) -> String {
    // An address is short enough for any.
    let Ok(code) = QrCode::with_error_correction_level(url, EcLevel::L) else {
        return String::new();
    };
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    drawn.lines().map(|line| format!("    {line}\n")).collect()
}

/// Puts it wherever somebody may look. Where that fails, the others still have it.
pub fn put(machine: &Machine, text: &str, facts: &Facts) {
    let lines = text.replace('\n', "\r\n");
    for console in consoles(machine) {
        // Not waited for: a line to which nobody listens may hold its writer for ever.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(machine.path(&console));
        let clear = if console == SCREEN { CLEAR } else { "" };
        let said = opened.and_then(|mut file| written(&mut file, format!("{clear}{lines}").as_bytes()));
        if let Err(error) = said {
            note(&format!("cannot write to {console}: {error}"));
        }
    }
    // A server that is starting will be found in a moment; the card is not written twice for that.
    if (facts.is_claimed.is_some() || facts.restore.is_some() || facts.is_data_lost)
        && let Err(wrong) = card::write(machine, card::ANSWER, &lines)
    {
        note(&format!("the card does not say where the server is: {wrong}"));
    }
}

/// A line that is slow is waited for a little; one to which nobody listens is left.
fn written(file: &mut File, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match file.write(text) {
            Ok(count) => text = &text[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let patience = Timespec::try_from(PATIENCE).map_err(|_| ErrorKind::InvalidInput)?;
                if poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&patience))? == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn consoles(machine: &Machine) -> Vec<String> {
    let active = machine.text(CONSOLES).unwrap_or_default();
    let serial = active
        .split(' ')
        .filter(|name| !name.is_empty() && *name != "tty0");
    let serial = serial
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .map(|name| format!("/dev/{name}"));
    std::iter::once(SCREEN.to_owned()).chain(serial).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_always_said_as_a_number_too() {
        let facts = Facts {
            addresses: vec!["192.168.1.20".to_owned()],
            name: "kinglet".to_owned(),
            found_as: Some("kinglet-2".to_owned()),
            is_claimed: Some(false),
            code: Some("12345-67890".to_owned()),
            compared: Some(("wand ".repeat(6).trim().to_owned(), ["AB"; 32].join(":"))),
            ..Facts::default()
        };
        let said = text(&facts);
        for words in [
            "http://192.168.1.20/",
            "http://kinglet-2.local/",
            "claim code  12345-67890",
            "it shows the same:  wand wand",
            "SHA-256  AB:AB",
            "█",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= 120), "{said}");
        let claimed = text(&Facts {
            is_claimed: Some(true),
            code: None,
            ..facts
        });
        assert!(
            !claimed.contains("claim") && claimed.contains("192.168.1.20"),
            "{claimed}"
        );
        let alone = text(&Facts::default());
        assert!(
            alone.contains("starting") && alone.contains("network-config") && !alone.contains(".local"),
            "{alone}"
        );
    }

    #[test]
    fn the_picture_fits_a_screen_of_text() {
        let drawn = picture("http://192.168.100.200/");
        assert!(drawn.lines().count() <= 17, "{drawn}");
        assert!(
            drawn
                .lines()
                .next()
                .is_some_and(|line| line.trim().chars().all(|c| c == '█')),
            "{drawn}"
        );
    }
}
