//! Which of the messages that wait are worth telling their reader: not what was taken back meanwhile, nor what the reader hid, nor
//! what somebody says whom they block. What must not live here: whether they want to be told at all (see `core::notify`).

use rusqlite::{Connection, params};

use super::number;
use crate::core::discretion::Discretion;
use crate::limits;
use crate::proto::{ConversationId, Seq, UserId};
use crate::store::sqlite::find::{self, RecentSlice};
use crate::store::sqlite::int;
use crate::store::sqlite::talk::EVERYONE;

/// What of the messages that wait there is to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// The newest of them, if there is any.
    pub newest: Option<Seq>,
    /// Whether one of them mentions the reader.
    pub mentioned: bool,
}

/// Who looks at which conversation.
pub struct Look<'a> {
    pub connection: &'a Connection,
    pub recent: &'a RecentSlice,
    pub discretion: &'a Discretion,
    pub user: UserId,
    pub conversation: ConversationId,
}

impl Look<'_> {
    /// What there is to tell of the messages from `first` to `last`. Nearly always it is the last one.
    pub fn worth(&self, first: Seq, last: Seq) -> rusqlite::Result<Worth> {
        let newest = self.newest(first, last)?;
        Ok(Worth {
            newest,
            mentioned: newest.is_some() && self.is_mentioned(first, last)?,
        })
    }

    fn newest(&self, first: Seq, last: Seq) -> rusqlite::Result<Option<Seq>> {
        let first = first.max(last.saturating_sub(limits::PUSH_LOOKS_BACK - 1)).max(1);
        for seq in (first..=last).rev() {
            if self.is_worth(seq, true)? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    fn is_mentioned(&self, first: Seq, last: Seq) -> rusqlite::Result<bool> {
        let most = i64::try_from(limits::PUSH_LOOKS_BACK).expect("a small bound");
        let mut find = self.connection.prepare_cached(
            "SELECT seq FROM mention WHERE conversation = ?1 AND user IN (?2, ?3) AND seq BETWEEN ?4 AND ?5
             ORDER BY seq DESC LIMIT ?6",
        )?;
        let place = [int(self.conversation.0), int(self.user.0), EVERYONE];
        let mut rows = find.query(params![place[0], place[1], place[2], int(first), int(last), most])?;
        while let Some(row) = rows.next()? {
            if self.is_worth(number(row, 0)?, false)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an event is a message that its reader should hear of; `counted` asks for those that count as unread.
    fn is_worth(&self, seq: Seq, counted: bool) -> rusqlite::Result<bool> {
        let place = find::positions(self.connection, self.recent, self.conversation.0, seq, seq)?;
        let Some((_, pos)) = place.first() else {
            return Ok(false);
        };
        let Some(row) = find::row_at(self.connection, *pos)? else {
            return Ok(false);
        };
        let by = UserId(row.sender);
        let said = row.is_message() && !row.is_erased() && (row.counts() || !counted);
        Ok(said
            && by != self.user
            && !self.discretion.blocks(self.user, by)
            && !self.discretion.hidden().hides(self.user, self.conversation, seq))
    }
}
