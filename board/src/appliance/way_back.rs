//! An owner or admin who cannot get in, and has the card in their hand: a file with their name on the boot partition makes, once,
//! the link by which they set a new password. Whoever holds the card owns the server anyway. What must not live here: the
//! link's rules, and the journal of it, which are the server's.

use std::time::Duration;

use super::{card, server};
use crate::answer::{Code, Wrong};
use crate::machine::Machine;
use crate::note;

/// What came of it, for the screen and the card, until the next start.
pub const SAID: &str = "/run/kinglet-board/way-back";
const TIME: Duration = Duration::from_secs(60);
const NAME_CHARS: usize = 100;

pub fn run(machine: &Machine) {
    let Some((file, text)) = card::read(machine, card::RESET) else {
        return;
    };
    // Taken away first: a power cut must not make a second link of it.
    let said = match card::remove(machine, &file).and_then(|()| link(machine, text.trim())) {
        Ok(link) => link,
        Err(wrong) => format!("reset-admin: {wrong}."),
    };
    note("reset-admin was on the card; the server's journal says what came of it");
    if let Err(wrong) = machine.write(SAID, &format!("{said}\n")) {
        note(&format!("what came of reset-admin cannot be shown: {wrong}"));
    }
}

fn link(machine: &Machine, name: &str) -> Result<String, Wrong> {
    let plain = !name.is_empty()
        && !name.starts_with('-')
        && name.chars().count() <= NAME_CHARS
        && !name.chars().any(char::is_control);
    if !plain {
        let what = "the file must hold the name of one user, and nothing else; write it anew and start again";
        return Err(Wrong::because(Code::BadArgument, what));
    }
    // Whoever was locked out comes back as well; enabling somebody who is not is no harm.
    server::ask(machine, &["user", "enable", name], "", TIME)?;
    let said = server::ask(machine, &["user", "reset-link", name], "", TIME)?;
    Ok(format!(
        "Asked for by the file reset-admin, good once and for a day:\n{}",
        said.trim()
    ))
}
