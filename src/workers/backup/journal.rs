//! The list of erasures that lies beside backups: what was erased after a backup was made must not come back with it. Ids alone,
//! with a seal of the server's own, so that nobody who has the stick can erase anything by writing on it. What must not live
//! here: finding erasures in the log, and erasing once more (`store::sqlite::replay`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::place::{Place, write_whole};
use super::wrong::{Outcome, Wrong};
use crate::limits;
use crate::proto::UserId;
use crate::store::Pos;
use crate::store::sqlite::image::{Image, ImageFacts};
use crate::store::sqlite::replay::Erased;

const LABEL: &str = "kinglet 2026 seal of the list of erasures v1";

/// The list, as it stands behind its seal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    epoch: u64,
    /// The log was looked through up to here.
    upto: Pos,
    pub erased: Vec<Erased>,
    pub people: Vec<UserId>,
}

fn seal(secret: &[u8; 32], body: &[u8]) -> String {
    let key = blake3::derive_key(LABEL, secret);
    blake3::keyed_hash(&key, body).to_hex().to_string()
}

/// The list at a path, if there is one that this server wrote.
pub fn read(path: &Path, secret: &[u8; 32]) -> Option<Journal> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(limits::BACKUP_LIST_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let (told, body) = text.split_once('\n')?;
    let expected = blake3::Hash::from_hex(seal(secret, body.as_bytes())).ok()?;
    // Compared in constant time, as hashes of this kind are.
    let is_ours = blake3::Hash::from_hex(told).is_ok_and(|told| told == expected);
    if !is_ours {
        log::warn!(
            "backup: {} does not bear this server's seal, and is not used",
            path.display()
        );
        return None;
    }
    serde_json::from_str(body).ok()
}

/// Everything that a database knows to be erased since a place in its log.
pub fn of(image: &Image, facts: &ImageFacts, after: Pos) -> Outcome<Journal> {
    Ok(Journal {
        epoch: facts.epoch,
        upto: facts.head,
        erased: image.erased(after)?,
        people: image.erased_people()?,
    })
}

/// Brings the list at a place up to this moment. `oldest`: where the log ended in the oldest backup there; what was said before
/// is erased in all of them.
pub fn bring_up(place: &Place, image: &Image, facts: &ImageFacts, oldest: Pos) -> Outcome<()> {
    let Some(secret) = &facts.secret else {
        return Ok(());
    };
    let path = place.erasures_path();
    let mut journal = read(&path, secret).unwrap_or_default();
    if journal.epoch != facts.epoch {
        // Places of the time before a restore are no places of now: these stay for as long as there is room.
        journal.erased.iter_mut().for_each(|one| one.pos = Pos::MAX);
        (journal.epoch, journal.upto) = (facts.epoch, 0);
    }
    let new = of(image, facts, journal.upto.max(oldest.min(facts.head)))?;
    journal.upto = facts.head;
    journal.people = new.people;
    journal.erased.extend(new.erased);
    trim(&mut journal, oldest);
    let body = serde_json::to_string(&journal).expect("a list is made of what JSON can say");
    let text = format!("{}\n{body}", seal(secret, body.as_bytes()));
    write_whole(&path, text.as_bytes()).map_err(|error| Wrong::io("write", &path, &error))
}

/// Drops what no backup needs any more, and what there is no room for.
fn trim(journal: &mut Journal, oldest: Pos) {
    journal.erased.retain(|one| one.pos > oldest);
    let over = journal.erased.len().saturating_sub(limits::ERASURES_LISTED);
    if over > 0 {
        log::warn!("backup: the list of erasures is full; {over} of the oldest are not on it any more");
        journal.erased.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ConversationId;

    #[test]
    fn the_list_has_an_end_and_the_oldest_go_first() {
        let one = |pos| Erased {
            pos,
            conversation: ConversationId(1),
            seq: pos,
            whole: false,
            mark: 0,
        };
        let many = limits::ERASURES_LISTED as u64 + 12;
        let mut journal = Journal {
            erased: (1..=many).map(one).collect(),
            ..Journal::default()
        };
        trim(&mut journal, 2);
        assert_eq!(journal.erased.len(), limits::ERASURES_LISTED);
        assert_eq!(journal.erased[0].pos, 13);
        trim(&mut journal, many - 1);
        assert_eq!(journal.erased, [one(many)]);
    }

    #[test]
    fn a_list_that_somebody_else_wrote_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list");
        let journal = Journal {
            people: vec![UserId(7)],
            ..Journal::default()
        };
        let body = serde_json::to_string(&journal).expect("JSON");
        let own = [1; 32];
        std::fs::write(&path, format!("{}\n{body}", seal(&own, body.as_bytes()))).expect("written");
        assert_eq!(read(&path, &own), Some(journal));
        assert_eq!(read(&path, &[2; 32]), None);
        let text = std::fs::read_to_string(&path)
            .expect("readable")
            .replace("u0000000007", "u0000000008");
        std::fs::write(&path, text).expect("written");
        assert_eq!(read(&path, &own), None);
    }
}
