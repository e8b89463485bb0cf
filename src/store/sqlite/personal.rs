//! Personal settings: one row for each key of a user, with the change that it stands since. What must not live here: what
//! a setting may hold and who may keep it (see `core::settings`).
//!
//! A cleared setting keeps its row without a value, so that a device which comes back learns of it. Only so many are kept
//! for each user; what is forgotten of them leaves a floor behind, and a device from before it loads anew.

use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::users;
use super::blobs::uses;
use super::registers::Registers;
use super::{Store, int, sql_refusal};
use crate::core::discretion::{Discreet, Discretion};
use crate::core::settings::{Facts, may_set};
use crate::limits;
use crate::proto::setting::{Kept, Key, Notify, Place, Quiet, Setting};
use crate::proto::{Code, ConversationId, Refusal, UserId};
use crate::store::AccountEffect;

type Outcome<T> = Result<T, Refusal>;

/// Settings that changed, and how far back cleared ones are known.
#[derive(Clone, Debug, Default)]
pub struct ChangedSettings {
    pub settings: Vec<Kept>,
    pub floor: u64,
}

impl Store {
    /// Keeps a setting, and gives the change that it stands since. The same value again changes nothing. `sees` is what
    /// was found out about the event it is about; the rest is looked up where it is written.
    pub async fn set(&self, user: UserId, setting: Setting, sees: bool) -> Outcome<u64> {
        let discretion = std::sync::Arc::clone(&self.shared.discretion);
        self.write(move |registers| set(registers, user, &setting, (sees, &discretion)))
            .await
    }

    /// What changed after a change number, oldest change first. From the beginning on only what is set.
    pub async fn settings_since(&self, user: UserId, change: u64, limit: usize) -> Outcome<ChangedSettings> {
        self.read(move |connection| since(connection, user, change, limit).map_err(sql))
            .await
    }

    /// What is set of one key or of all, after a change number, oldest change first.
    pub async fn settings(
        &self,
        user: UserId,
        key: Option<Key>,
        after: u64,
        limit: usize,
    ) -> Outcome<Vec<Kept>> {
        self.read(move |connection| listed(connection, user, key, after, limit).map_err(sql))
            .await
    }

    /// Who blocks whom, who is not to be seen, and what is hidden.
    #[must_use]
    pub fn discretion(&self) -> &std::sync::Arc<Discretion> {
        &self.shared.discretion
    }
}

fn sql(error: rusqlite::Error) -> Refusal {
    sql_refusal(&error)
}

/// The largest change number that any register has kept.
pub(super) fn last_change(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .query_row(
            "SELECT max((SELECT coalesce(max(change), 0) FROM user),
                        (SELECT coalesce(max(change), 0) FROM personal),
                        (SELECT coalesce(max(change), 0) FROM personal_floor),
                        (SELECT coalesce(max(change), 0) FROM follow_change))",
            [],
            |row| row.get::<_, i64>(0),
        )
        .map(i64::cast_unsigned)
}

/// What is kept in memory of all people's settings.
pub(super) fn discretion(connection: &Connection) -> rusqlite::Result<Discretion> {
    let discretion = Discretion::default();
    let mut find = connection.prepare(
        "SELECT user, key, subject, seq FROM personal WHERE key IN (9, 10) AND value IS NOT NULL
                  UNION ALL SELECT user, key, subject, seq FROM personal WHERE key = 13 AND value IS NOT NULL
                  UNION ALL SELECT user, key, subject, seq FROM personal WHERE key = 5 AND value IS NOT NULL",
    )?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let number = |at: usize| row.get::<_, i64>(at).map(|id| UserId(id.cast_unsigned()));
        let by = number(0)?;
        discretion.apply(match Key::from_number(row.get(1)?) {
            Some(Key::Blocked) => Discreet::Blocked {
                by,
                user: number(2)?,
                on: true,
            },
            Some(Key::Hidden) => Discreet::Hidden {
                user: by,
                conversation: ConversationId(number(2)?.0),
                seq: number(3)?.0,
                on: true,
            },
            Some(Key::ReadsUnseen) => Discreet::ReadsUnseen { user: by, on: true },
            _ => Discreet::Unseen { user: by, on: true },
        });
    }
    Ok(discretion)
}

fn set(
    registers: &mut Registers<'_>,
    user: UserId,
    setting: &Setting,
    (sees, discretion): (bool, &Discretion),
) -> Outcome<u64> {
    let (place, value) = (setting.place(), setting.stored());
    // It was handed in before their connections were cut: of one who was erased nothing is kept anew.
    if !is_let_in(registers.connection, user).map_err(sql)? {
        return Err(Code::SignedOut.into());
    }
    let facts = facts(registers.connection, user, setting, sees).map_err(sql)?;
    may_set(setting, user, facts)?;
    let before = stored(registers.connection, user, place).map_err(sql)?;
    let (known, since) = before.unwrap_or_default();
    if known == value {
        return Ok(since);
    }
    if let Some(value) = &value {
        // What of this very commit is not counted yet does not matter.
        if place.key == Key::Hidden && discretion.hidden().count() >= limits::HIDDEN {
            let sentence = "This server keeps as many hidden messages as it may; tell the operator.";
            return Err(Refusal::because(Code::LimitReached, sentence));
        }
        room(registers.connection, user, place.key, (known.as_deref(), value))?;
    }
    let change = registers.next_change();
    registers
        .connection
        .prepare_cached(
            "INSERT INTO personal (user, key, subject, seq, value, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET value = excluded.value, change = excluded.change",
        )
        .and_then(|mut put| {
            put.execute(params![
                int(user.0),
                place.key as i64,
                int(place.subject),
                int(place.seq),
                value,
                int(change)
            ])
        })
        .map_err(sql)?;
    if value.is_none() {
        forget_cleared(registers.connection, user).map_err(sql)?;
    }
    registers.effects.push(AccountEffect::Setting {
        user,
        change,
        discreet: discreet(user, setting),
    });
    if place.key == Key::Status {
        users::put_status(registers, user, value.as_deref())?;
    }
    if let Setting::Avatar { value } = setting {
        let before = match known.and_then(|known| Setting::read(place, Some(&known))) {
            Some(Setting::Avatar { value }) => value,
            _ => None,
        };
        users::put_avatar(registers, user, *value)?;
        let stands = |id| uses::stand(registers.connection, user, id, registers.now.ms);
        *registers.files |= stands((before, *value)).map_err(sql)?;
    }
    Ok(change)
}

fn is_let_in(connection: &Connection, user: UserId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM user WHERE id = ?1 AND disabled = 0")?
        .exists([int(user.0)])
}

fn discreet(by: UserId, setting: &Setting) -> Option<Discreet> {
    match setting {
        Setting::Blocked { user, value } => Some(Discreet::Blocked {
            by,
            user: *user,
            on: *value,
        }),
        Setting::Unseen { value } => Some(Discreet::Unseen { user: by, on: *value }),
        Setting::ReadsUnseen { value } => Some(Discreet::ReadsUnseen { user: by, on: *value }),
        Setting::Hidden {
            conversation,
            seq,
            value,
        } => Some(Discreet::Hidden {
            user: by,
            conversation: *conversation,
            seq: *seq,
            on: *value,
        }),
        _ => None,
    }
}

fn facts(connection: &Connection, user: UserId, setting: &Setting, sees: bool) -> rusqlite::Result<Facts> {
    let mut facts = Facts {
        sees,
        ..Facts::default()
    };
    if let Some(conversation) = setting.conversation() {
        facts.member = connection
            .prepare_cached("SELECT 1 FROM member WHERE conversation = ?1 AND user = ?2")?
            .exists([int(conversation.0), int(user.0)])?;
    }
    if let Setting::Blocked { user, .. } = setting {
        facts.user = connection
            .prepare_cached("SELECT 1 FROM user WHERE id = ?1")?
            .exists([int(user.0)])?;
    }
    if let Setting::Avatar { value: Some(id) } = setting {
        facts.picture = uses::picture(connection, user, *id)?;
    }
    Ok(facts)
}

/// The value and the change of a setting that was ever kept and is not forgotten.
fn stored(
    connection: &Connection,
    user: UserId,
    place: Place,
) -> rusqlite::Result<Option<(Option<String>, u64)>> {
    connection
        .prepare_cached(
            "SELECT value, change FROM personal WHERE user = ?1 AND key = ?2 AND subject = ?3 AND seq = ?4",
        )?
        .query_row(
            params![int(user.0), place.key as i64, int(place.subject), int(place.seq)],
            |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())),
        )
        .optional()
}

/// Whether there is room for one more setting, or for a larger one.
fn room(
    connection: &Connection,
    user: UserId,
    key: Key,
    (before, value): (Option<&str>, &str),
) -> Outcome<()> {
    let full = |what: &str, most: usize| {
        let sentence = format!("You have as many {what} as one may have: {most}.");
        Err(Refusal::because(Code::LimitReached, sentence))
    };
    let (count, bytes): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(value), coalesce(sum(octet_length(value)), 0) FROM personal WHERE user = ?1 AND key = ?2",
        )
        .and_then(|mut find| {
            find.query_row(params![int(user.0), key as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .map_err(sql)?;
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    if before.is_none() && size(count) >= limits::SETTINGS_OF_KEY {
        return full("settings of this key", limits::SETTINGS_OF_KEY);
    }
    let bytes = size(bytes) + value.len() - before.map_or(0, str::len);
    if key == Key::Draft && bytes > limits::DRAFTS_BYTES {
        return full("bytes of drafts", limits::DRAFTS_BYTES);
    }
    if key == Key::Blocked {
        let all: i64 = connection
            .query_row(
                "SELECT count(*) FROM personal WHERE key IN (9, 10) AND value IS NOT NULL AND key = 9",
                [],
                |row| row.get(0),
            )
            .map_err(sql)?;
        if size(all) >= limits::BLOCKS {
            let sentence = "This server keeps as many blocks as it may; tell the operator.";
            return Err(Refusal::because(Code::LimitReached, sentence));
        }
    }
    Ok(())
}

/// Forgets the oldest cleared settings of a user beyond the limit, and remembers up to which change.
fn forget_cleared(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT change FROM personal WHERE user = ?1 AND value IS NULL ORDER BY change DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(
            params![
                int(user.0),
                i64::try_from(limits::SETTINGS_CLEARED).expect("a small bound")
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(last) = last else { return Ok(()) };
    connection
        .prepare_cached("DELETE FROM personal WHERE user = ?1 AND value IS NULL AND change <= ?2")?
        .execute([int(user.0), last])?;
    raise_floor(connection, user, last)
}

/// Changes up to this one are no longer all told: who has seen less asks anew for all of a user's own.
pub(super) fn raise_floor(connection: &Connection, user: UserId, change: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO personal_floor (user, change) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET change = max(change, excluded.change)",
        )?
        .execute([int(user.0), change])
        .map(drop)
}

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Kept>> {
    let Some(key) = Key::from_number(row.get(0)?) else {
        return Ok(None);
    };
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let place = Place {
        key,
        subject: number(1)?,
        seq: number(2)?,
    };
    let value: Option<String> = row.get(3)?;
    let change = number(4)?;
    Ok(Setting::read(place, value.as_deref()).map(|setting| Kept { change, setting }))
}

fn since(
    connection: &Connection,
    user: UserId,
    change: u64,
    limit: usize,
) -> rusqlite::Result<ChangedSettings> {
    let floor: Option<i64> = connection
        .prepare_cached("SELECT change FROM personal_floor WHERE user = ?1")?
        .query_row([int(user.0)], |row| row.get(0))
        .optional()?;
    let mut find = connection.prepare_cached(
        "SELECT key, subject, seq, value, change FROM personal
         WHERE user = ?1 AND change > ?2 AND (value IS NOT NULL OR ?2 > 0) ORDER BY change LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).expect("a small bound");
    let rows = find.query_map([int(user.0), int(change), limit], kept)?;
    Ok(ChangedSettings {
        settings: rows
            .filter_map(Result::transpose)
            .collect::<rusqlite::Result<_>>()?,
        floor: floor.unwrap_or(0).cast_unsigned(),
    })
}

fn listed(
    connection: &Connection,
    user: UserId,
    key: Option<Key>,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let mut find = connection.prepare_cached(
        "SELECT key, subject, seq, value, change FROM personal
         WHERE user = ?1 AND change > ?2 AND value IS NOT NULL AND (?3 IS NULL OR key = ?3)
         ORDER BY change LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).expect("a small bound");
    let rows = find.query_map(
        params![int(user.0), int(after), key.map(|key| key as i64), limit],
        kept,
    )?;
    rows.filter_map(Result::transpose).collect()
}

/// What somebody has chosen to be notified of: in one conversation, wherever nothing else is set, and when not at all.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub here: Option<Notify>,
    pub elsewhere: Option<Notify>,
    pub quiet: Option<Quiet>,
}

pub(super) fn wishes(
    connection: &Connection,
    user: UserId,
    conversation: ConversationId,
) -> rusqlite::Result<Wishes> {
    let mut find = connection.prepare_cached(
        "SELECT key, subject, seq, value, change FROM personal
         WHERE user = ?1 AND value IS NOT NULL AND (key = ?2 OR key = ?3 AND subject IN (0, ?4))",
    )?;
    let keys = [Key::Quiet as i64, Key::Notify as i64];
    let rows = find.query_map([int(user.0), keys[0], keys[1], int(conversation.0)], kept)?;
    let mut wishes = Wishes::default();
    for row in rows {
        match row?.map(|kept| kept.setting) {
            Some(Setting::Notify {
                conversation: Some(_),
                value,
            }) => wishes.here = value,
            Some(Setting::Notify {
                conversation: None,
                value,
            }) => wishes.elsewhere = value,
            Some(Setting::Quiet { value }) => wishes.quiet = value,
            _ => {}
        }
    }
    Ok(wishes)
}
