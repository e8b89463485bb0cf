//! Where a reader stands: the resume token and the decision how to catch up. What must not live here: reading.

use crate::limits;

/// A place in the log of one server: (epoch, commit position, account change number). Opaque on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Changes when the server was restored from a backup.
    pub epoch: u64,
    /// The last log position delivered.
    pub log: u64,
    /// The last account change known.
    pub accounts: u64,
}

/// How a reader that comes with a position gets what it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Walk the log from there.
    Walk(Position),
    /// Too much was missed, or there is no position: start at the end; the client lists and pulls.
    List,
    /// The position is of another epoch, or ahead of the log: the client drops its copy.
    Resync,
}

const TAG: u8 = 1;

impl Position {
    /// The opaque text form.
    #[must_use]
    pub fn to_token(self) -> String {
        let mut bytes = [0u8; 29];
        bytes[0] = TAG;
        bytes[1..9].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.log.to_le_bytes());
        bytes[17..25].copy_from_slice(&self.accounts.to_le_bytes());
        let check = blake3::hash(&bytes[..25]);
        bytes[25..].copy_from_slice(&check.as_bytes()[..4]);
        data_encoding::BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads the text form; anything else is nothing (the answer is `resync`).
    #[must_use]
    pub fn from_token(text: &str) -> Option<Position> {
        if text.len() != 39 {
            return None;
        }
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let check = blake3::hash(&bytes[..25]);
        if bytes[0] != TAG || bytes[25..] != check.as_bytes()[..4] {
            return None;
        }
        Some(Position {
            epoch: number(1)?,
            log: number(9)?,
            accounts: number(17)?,
        })
    }

    /// What a reader with this token does on a server that stands at `head`.
    #[must_use]
    pub fn start(token: Option<&str>, head: Position) -> Start {
        let Some(token) = token else { return Start::List };
        match Position::from_token(token) {
            Some(place)
                if place.epoch == head.epoch && place.log <= head.log && place.accounts <= head.accounts =>
            {
                if head.log - place.log <= limits::STREAM_POSITIONS {
                    Start::Walk(place)
                } else {
                    Start::List
                }
            }
            _ => Start::Resync,
        }
    }
}

/// Where a search goes on: everything before this place in the log. Opaque on the wire, and of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchCursor {
    pub epoch: u64,
    pub before: u64,
}

const SEARCH_TAG: u8 = 2;

impl SearchCursor {
    /// The opaque text form.
    #[must_use]
    pub fn to_token(self) -> String {
        let mut bytes = [0u8; 21];
        bytes[0] = SEARCH_TAG;
        bytes[1..9].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.before.to_le_bytes());
        let check = blake3::hash(&bytes[..17]);
        bytes[17..].copy_from_slice(&check.as_bytes()[..4]);
        data_encoding::BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads the text form of a cursor of this epoch; anything else is nothing.
    #[must_use]
    pub fn from_token(text: &str, epoch: u64) -> Option<SearchCursor> {
        if text.len() != 28 {
            return None;
        }
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let check = blake3::hash(bytes.get(..17)?);
        if bytes[0] != SEARCH_TAG || bytes.get(17..)? != &check.as_bytes()[..4] {
            return None;
        }
        let before = number(9)?;
        (number(1)? == epoch && before <= i64::MAX as u64).then_some(SearchCursor { epoch, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_a_foreign_one_means_resync() {
        let head = Position {
            epoch: 9,
            log: 70_000,
            accounts: 3,
        };
        let near = Position { log: 69_000, ..head };
        assert_eq!(Position::start(Some(&near.to_token()), head), Start::Walk(near));
        assert_eq!(Position::start(None, head), Start::List);
        assert_eq!(
            Position::start(Some(&Position { log: 1, ..head }.to_token()), head),
            Start::List
        );
        assert_eq!(
            Position::start(Some(&Position { log: 70_001, ..head }.to_token()), head),
            Start::Resync
        );
        assert_eq!(
            Position::start(Some(&Position { epoch: 8, ..head }.to_token()), head),
            Start::Resync
        );
        let mut broken = near.to_token();
        broken.replace_range(5..6, if &broken[5..6] == "A" { "B" } else { "A" });
        for bad in ["", "x", &broken, &"A".repeat(39), &"é".repeat(20)] {
            assert_eq!(Position::start(Some(bad), head), Start::Resync, "{bad}");
        }
    }

    #[test]
    fn search_cursors_read_back_in_their_own_epoch_only() {
        let cursor = SearchCursor {
            epoch: 9,
            before: 70_000,
        };
        let token = cursor.to_token();
        assert_eq!(SearchCursor::from_token(&token, 9), Some(cursor));
        assert_eq!(SearchCursor::from_token(&token, 8), None);
        let resume = Position {
            epoch: 9,
            log: 1,
            accounts: 1,
        };
        let mut broken = token.clone();
        broken.replace_range(14..15, if &broken[14..15] == "A" { "B" } else { "A" });
        for bad in [
            "",
            &broken,
            &token[1..],
            &resume.to_token(),
            &"é".repeat(14),
            &"A".repeat(28),
        ] {
            assert_eq!(SearchCursor::from_token(bad, 9), None, "{bad}");
        }
    }
}
