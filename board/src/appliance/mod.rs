//! What the appliance does at its start, as units of its own and not for whoever asks: takes over the settings that lie on the
//! boot partition, makes its data's partition as large as the card, and says where it is found. What must not live here: the
//! verbs of the socket.
//!
//! - `card.rs`: the boot partition, which people write to with another computer
//! - `yaml.rs`, `settings.rs`: what they write there; `network.rs`: what the system makes of it; `take_over.rs`: when;
//!   `secrets.rs`: passwords out of it
//! - `grow.rs`: the data's partition
//! - `restore.rs`: a new card for a server that there was
//! - `facts.rs`: what is so just now; `screen.rs`: how that is said; `way_back.rs`: an owner who cannot get in
//! - `server.rs`: the server's own command line

mod card;
mod facts;
mod grow;
mod network;
mod restore;
mod screen;
mod secrets;
mod server;
mod settings;
mod take_over;
mod way_back;
mod yaml;

use std::time::Duration;

use rustix::event::{Timespec, poll};

use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;
use facts::Facts;
pub use take_over::TAKEN;
use way_back::WayBack;

/// How often it is looked whether something changed: while somebody waits in front of it, and later.
const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(60);

/// The words that a unit starts this program with.
pub const WORDS: [&str; 5] = ["settings", "grow", "restore", "screen", "screen-once"];

pub fn run(machine: &Machine, word: &str) -> Result<(), Wrong> {
    match word {
        "settings" => take_over::run(machine),
        "grow" => grow::run(machine),
        "restore" => restore::run(machine),
        "screen-once" => {
            show(machine, &mut WayBack::look(machine), &mut String::new());
            Ok(())
        }
        "screen" => watch(machine),
        other => Err(Wrong::because(
            Code::BadRequest,
            format!("there is no word {other:?}"),
        )),
    }
}

/// Says where the server is found, whenever that changes, for as long as the machine is on.
fn watch(machine: &Machine) -> Result<(), Wrong> {
    let (mut way_back, mut shown) = (WayBack::look(machine), String::new());
    loop {
        let is_owned = show(machine, &mut way_back, &mut shown);
        pause(if is_owned && !way_back.waits() {
            SELDOM
        } else {
            SOON
        })?;
    }
}

/// Nothing is waited for but the time; a signal makes the look earlier.
fn pause(time: Duration) -> Result<(), Wrong> {
    let time = Timespec::try_from(time).map_err(|_| Wrong::of(Code::Failed))?;
    let _ = poll(&mut [], Some(&time));
    Ok(())
}

/// One look. Gives whether the server has an owner.
fn show(machine: &Machine, way_back: &mut WayBack, shown: &mut String) -> bool {
    way_back.go_on(machine, || facts::claimed(machine).is_some());
    let facts = Facts::look(machine);
    if facts.is_claimed == Some(false) {
        match facts::settle_name(machine, &facts) {
            // The server starts again under the new name, with another code: what was found out is no longer so.
            Ok(true) => return false,
            Ok(false) => {}
            Err(wrong) => note(&format!("the name that was free is not kept: {wrong}")),
        }
    }
    let text = screen::text(&facts);
    if *shown != text {
        screen::put(machine, &text, &facts);
        *shown = text;
    }
    facts.is_claimed == Some(true)
}
