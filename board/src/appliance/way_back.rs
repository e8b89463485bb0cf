//! An owner or admin who cannot get in, and has the card in their hand: a file with their name on the boot partition makes, once,
//! the link by which they set a new password. Whoever holds the card owns the server anyway. What must not live here: the
//! link's rules, and the journal of it, which are the server's.

use std::time::Duration;

use serde_json::Value;

use super::{card, server};
use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;

/// What came of it, for the screen and the card, until the next start.
pub const SAID: &str = "/run/kinglet-board/way-back";
const WAITS: &str = "The file reset-admin makes a link as soon as the server answers.";
const TIME: Duration = Duration::from_secs(60);
const NAME_CHARS: usize = 100;
/// What a screen has room for.
const NAMES: usize = 20;

/// What lay on the card at this start, until something came of it. The card is read once: it is closed unless somebody looks.
pub struct WayBack {
    asked: Option<(String, String)>,
    is_waiting: bool,
}

impl WayBack {
    pub fn look(machine: &Machine) -> WayBack {
        let asked = card::read(machine, card::RESET).unwrap_or_else(|wrong| {
            say(machine, &format!("{wrong}."));
            None
        });
        WayBack {
            asked,
            is_waiting: false,
        }
    }

    pub fn waits(&self) -> bool {
        self.asked.is_some()
    }

    /// Asks for the link once the server answers, and takes the file away once there is one, or a reason why there cannot be. Not
    /// before: while a server starts nobody can make a link. A power cut in between costs a second link, and not the only one.
    pub fn go_on(&mut self, machine: &Machine, is_answering: impl Fn() -> bool) {
        let Some((file, text)) = &self.asked else { return };
        let outcome = match name(text) {
            _ if !is_answering() => return self.wait(machine),
            Ok(name) => link(machine, name),
            Err(wrong) => Err(wrong),
        };
        let mut said = match outcome {
            Ok(link) => link,
            // It went away meanwhile.
            Err(wrong) if wrong.code != Code::BadArgument && !is_answering() => {
                note(&format!("reset-admin waits: {wrong}"));
                return self.wait(machine);
            }
            Err(wrong) => format!("reset-admin: {wrong}.{}", names_it_could_hold(machine)),
        };
        if let Err(wrong) = card::remove(machine, file) {
            said.push_str(&format!(
                "\nThe file {file} could not be taken off the card, so the next start does the same again: {wrong}."
            ));
        }
        say(machine, &said);
        note("reset-admin was on the card; the server's journal says what came of it");
        self.asked = None;
    }

    fn wait(&mut self, machine: &Machine) {
        if !self.is_waiting {
            say(machine, WAITS);
            note("reset-admin waits until the server answers");
            self.is_waiting = true;
        }
    }
}

fn say(machine: &Machine, said: &str) {
    if let Err(wrong) = machine.write(SAID, &format!("{said}\n")) {
        note(&format!("what came of reset-admin cannot be shown: {wrong}"));
    }
}

/// The link in what was said, with a number for its name: many phones find no name that ends in `.local`.
pub fn by_number(said: &str, address: &str) -> Option<String> {
    let from = &said[said.find("https://")?..];
    let link = from.split_whitespace().next()?;
    let rest = link.strip_prefix("https://")?;
    let (place, path) = rest.split_at(rest.find('/')?);
    let port = place.rsplit_once(':').map_or(String::new(), |(_, port)| {
        port.parse::<u16>()
            .map_or(String::new(), |port| format!(":{port}"))
    });
    Some(format!("https://{address}{port}{path}"))
}

fn name(text: &str) -> Result<&str, Wrong> {
    let name = text.trim();
    let plain = !name.is_empty()
        && !name.starts_with('-')
        && name.chars().count() <= NAME_CHARS
        && !name.chars().any(char::is_control);
    if plain {
        return Ok(name);
    }
    let what = "the file must hold the name of one user, and nothing else; write it anew and start again";
    Err(Wrong::because(Code::BadArgument, what))
}

/// Whoever knows none of them has nothing to ask but the card. Without an answer no names are told.
fn names_it_could_hold(machine: &Machine) -> String {
    let list = server::ask(machine, &["user", "list", "--json"], "", TIME).ok();
    let list: Value = list
        .and_then(|list| serde_json::from_str(&list).ok())
        .unwrap_or_default();
    let users = list["users"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = users
        .iter()
        .filter(|user| user["role"] == "owner" || user["role"] == "admin")
        .filter(|user| user["deactivated"] != true)
        .filter_map(|user| user["name"].as_str())
        .take(NAMES)
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("\nOwners and admins are: {}.", names.join(", "))
}

fn link(machine: &Machine, name: &str) -> Result<String, Wrong> {
    // Whoever was locked out comes back as well; enabling somebody who is not is no harm.
    server::ask(machine, &["user", "enable", name], "", TIME)?;
    let said = server::ask(machine, &["user", "reset-link", name], "", TIME)?;
    Ok(format!(
        "Asked for by the file reset-admin, good once and for a day:\n{}",
        said.trim()
    ))
}
