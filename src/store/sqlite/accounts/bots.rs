//! Bots: users without a password, with one device and one token that admins make and replace. What must not live here:
//! what a bot may do (`core::permit::bots`), and how a token is made.
//!
//! Invariants: a bot has at most one token, that of the newest request for one; its device stays the same, so what it
//! repeats after a new token is known again; nobody becomes a bot, and no bot a person.

use rusqlite::{Connection, OptionalExtension, params};

use super::devices::put_device;
use super::users::{collect, insert_user};
use super::{
    By, GONE, INFO, NewUser, Outcome, Registers, SecretHash, Store, audit, from_sql, office, read_device_id,
    read_info, sql_refusal, to_sql, users,
};
use crate::core::permit::bots::Scopes;
use crate::core::permit::server;
use crate::limits;
use crate::proto::account::{NewDevice, ServerRole};
use crate::proto::answer::UserInfo;
use crate::proto::bots::BotInfo;
use crate::proto::people::AuditWhat;
use crate::proto::{ClientId, Code, DeviceId, Refusal, UserId};

/// What stands for a bot's password: no PHC string, so none is ever right.
const NO_PASSWORD: &str = "bot";

/// A request for a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenRow {
    pub client: ClientId,
    /// Of all that was asked for.
    pub digest: [u8; 32],
    pub token: SecretHash,
}

/// A bot that was given a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equipped {
    pub bot: UserInfo,
    pub device: DeviceId,
    pub scopes: Scopes,
}

impl Store {
    /// Makes a bot and its token. The same request gives the same bot.
    pub async fn make_bot(&self, by: By, bot: NewBotRow, row: TokenRow) -> Outcome<Equipped> {
        self.write(move |registers| make(registers, by, &bot, &row)).await
    }

    /// Gives a bot a new token, and other scopes if they are named; the token before ends.
    pub async fn renew_bot_token(
        &self,
        by: By,
        bot: UserId,
        scopes: Option<Scopes>,
        row: TokenRow,
    ) -> Outcome<Equipped> {
        self.write(move |registers| renew(registers, by, bot, scopes, &row))
            .await
    }

    /// All bots that are here, for those who may see them.
    pub async fn bots(&self, by: By) -> Outcome<Vec<BotInfo>> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.read(move |connection| {
            server::may_oversee(office::office(connection, by)?)?;
            let mut bots = list(connection)?;
            for (device, bot) in &mut bots {
                bot.last_seen = bot.last_seen.max(shared.markers.last_seen(*device).unwrap_or(0));
            }
            Ok(bots.into_iter().map(|(_, bot)| bot).collect())
        })
        .await
    }

    /// Those of some users with whom one shares a conversation, and oneself.
    pub async fn acquaintances(&self, of: UserId, users: Vec<UserId>) -> Outcome<Vec<UserId>> {
        self.read(move |connection| acquaintances(connection, of, users))
            .await
    }
}

/// A bot to be made; its names are in their stored form.
#[derive(Clone, Debug)]
pub struct NewBotRow {
    pub name: String,
    pub skeleton: String,
    pub display_name: String,
    pub scopes: Scopes,
}

pub(super) fn make(
    registers: &mut Registers<'_>,
    by: By,
    bot: &NewBotRow,
    row: &TokenRow,
) -> Outcome<Equipped> {
    server::may_oversee(office::office(registers.connection, by)?)?;
    if let Some(known) = earlier_request(registers, by, row)? {
        return again(registers, known, row);
    }
    room_for(registers.connection, UserId(0))?;
    let user = NewUser {
        name: bot.name.clone(),
        skeleton: bot.skeleton.clone(),
        display_name: bot.display_name.clone(),
        password: NO_PASSWORD.into(),
        scopes: bot.scopes,
    };
    let user = insert_user(registers, &user, ServerRole::Member)?;
    let mut chance = [0; 16];
    registers.clock.random(&mut chance);
    let device = NewDevice {
        id: DeviceId(uuid::Builder::from_random_bytes(chance).into_uuid()),
        name: "bot".into(),
    };
    put_device(registers, user, &device, &row.token)?;
    note(registers, by, user, row)?;
    let scopes = bot.scopes.list();
    audit::note(registers, by, Some(user), &AuditWhat::BotMade { scopes })?;
    equipped(registers.connection, user)
}

pub(super) fn renew(
    registers: &mut Registers<'_>,
    by: By,
    bot: UserId,
    scopes: Option<Scopes>,
    row: &TokenRow,
) -> Outcome<Equipped> {
    let rank = office::authority(registers.connection, by, bot)?;
    if !rank.bot || users::is_gone(registers.connection, bot)? {
        return Err(Refusal::because(Code::NotFound, "There is no bot by that id."));
    }
    if let Some(known) = earlier_request(registers, by, row)? {
        return again(registers, known, row);
    }
    if rank.disabled {
        return Err(Refusal {
            next: "Enable the bot first.".into(),
            ..Refusal::because(
                Code::Forbidden,
                "This bot is disabled; a token would not let it in.",
            )
        });
    }
    if let Some(scopes) = scopes {
        registers
            .connection
            .execute(
                "UPDATE user SET bot = ?2 WHERE id = ?1",
                params![to_sql(bot.0), scopes.number()],
            )
            .map_err(sql_refusal)?;
    }
    put_token(registers, bot, &row.token)?;
    note(registers, by, bot, row)?;
    let made = equipped(registers.connection, bot)?;
    let scopes = made.scopes.list();
    audit::note(registers, by, Some(bot), &AuditWhat::BotTokenMade { scopes })?;
    Ok(made)
}

/// The bot that this very request was about before, and whether no newer one has replaced its token.
fn earlier_request(registers: &Registers<'_>, by: By, row: &TokenRow) -> Outcome<Option<(UserId, bool)>> {
    let (_, device) = by.numbers();
    let found = registers
        .connection
        .query_row(
            "SELECT bot, digest, no = (SELECT max(no) FROM bot_token AS newest WHERE newest.bot = bot_token.bot)
             FROM bot_token WHERE device = ?1 AND client = ?2",
            params![to_sql(device), row.client.0.as_bytes()],
            |found| Ok((UserId(from_sql(found, 0)?), found.get::<_, [u8; 32]>(1)?, found.get(2)?)),
        )
        .optional()
        .map_err(sql_refusal)?;
    match found {
        None => Ok(None),
        Some((_, digest, _)) if digest != row.digest => Err(Code::IdReused.into()),
        Some((bot, _, is_newest)) => Ok(Some((bot, is_newest))),
    }
}

/// The answer to a repeat. After a restart its token is another one: the old one is not stored, so it is replaced, and
/// whoever asks again has not seen it.
fn again(
    registers: &mut Registers<'_>,
    (bot, is_newest): (UserId, bool),
    row: &TokenRow,
) -> Outcome<Equipped> {
    let stored: Option<SecretHash> = registers
        .connection
        .query_row(
            "SELECT device.token FROM device JOIN user ON user.id = device.user AND user.disabled = 0
             WHERE device.user = ?1",
            [to_sql(bot.0)],
            |found| found.get(0),
        )
        .optional()
        .map_err(sql_refusal)?
        .flatten();
    match stored {
        Some(stored) if is_newest => {
            if stored != row.token {
                put_token(registers, bot, &row.token)?;
            }
            equipped(registers.connection, bot)
        }
        _ => Err(Refusal::because(
            Code::LinkInvalid,
            "The token of this request has ended, or was replaced.",
        )),
    }
}

fn put_token(registers: &mut Registers<'_>, bot: UserId, token: &SecretHash) -> Outcome<()> {
    let device = NewDevice {
        id: equipped(registers.connection, bot)?.device,
        name: String::new(),
    };
    put_device(registers, bot, &device, token).map(drop)
}

fn note(registers: &Registers<'_>, by: By, bot: UserId, row: &TokenRow) -> Outcome<()> {
    let (_, device) = by.numbers();
    registers
        .connection
        .execute(
            "INSERT INTO bot_token (bot, device, client, digest, made) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                to_sql(bot.0),
                to_sql(device),
                row.client.0.as_bytes(),
                row.digest,
                to_sql(registers.now.ms),
            ],
        )
        .map_err(sql_refusal)
        .map(drop)
}

/// Whether there may be one bot more beside the others.
pub(super) fn room_for(connection: &Connection, bot: UserId) -> Outcome<()> {
    let sql = format!(
        "SELECT count(*) FROM user WHERE bot > 0 AND disabled <> {GONE} AND id <> ?1
         AND id NOT IN (SELECT user FROM erasure)"
    );
    let count: i64 = connection
        .query_row(&sql, [to_sql(bot.0)], |row| row.get(0))
        .map_err(sql_refusal)?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= limits::BOTS {
        return Err(Refusal::because(
            Code::LimitReached,
            "This server has as many bots as it may have.",
        ));
    }
    Ok(())
}

fn equipped(connection: &Connection, bot: UserId) -> Outcome<Equipped> {
    let sql = format!(
        "SELECT {INFO}, (SELECT device.id FROM device WHERE device.user = user.id ORDER BY device.no LIMIT 1)
         FROM user WHERE id = ?1 AND bot > 0"
    );
    connection
        .query_row(&sql, [to_sql(bot.0)], |row| {
            Ok(Equipped {
                bot: read_info(row)?,
                scopes: Scopes::from_number(row.get(7)?),
                device: read_device_id(row, 8)?,
            })
        })
        .optional()
        .map_err(sql_refusal)?
        .ok_or_else(|| Code::NotFound.into())
}

/// The bots that are here, each with its device's number.
fn list(connection: &Connection) -> Outcome<Vec<(u64, BotInfo)>> {
    let most = users::rows(limits::BOTS);
    let sql = format!(
        "SELECT {INFO}, device_no, token IS NOT NULL, last_seen,
                (SELECT max(made) FROM bot_token WHERE bot_token.bot = id)
         FROM user JOIN (SELECT user AS whose, no AS device_no, token, last_seen FROM device) ON whose = id
         WHERE bot > 0 AND disabled <> {GONE} AND id NOT IN (SELECT user FROM erasure)
         ORDER BY name LIMIT ?1"
    );
    collect(connection, &sql, params![most], |row| {
        let bot = BotInfo {
            bot: read_info(row)?,
            scopes: Scopes::from_number(row.get(7)?).list(),
            signed_in: row.get(9)?,
            last_seen: from_sql(row, 10)?,
            token_made: from_sql(row, 11)?,
        };
        Ok((from_sql(row, 8)?, bot))
    })
}

fn acquaintances(connection: &Connection, of: UserId, asked: Vec<UserId>) -> Outcome<Vec<UserId>> {
    let mut met = Vec::with_capacity(asked.len());
    for user in asked {
        if user == of || users::share(connection, of, user).map_err(sql_refusal)? {
            met.push(user);
        }
    }
    Ok(met)
}
