//! What a person must hear about their account: kept until newer news push it out, so that a device that was away asks
//! for it. What must not live here: what is worth telling, and any text for people.

use rusqlite::{Connection, params};

use super::{Outcome, Registers, Store, from_sql, sql_refusal, to_sql};
use crate::limits;
use crate::proto::people::{News, NewsPage, NewsWhat};
use crate::proto::{Code, UserId};
use crate::store::AccountEffect;

impl Store {
    /// A user's news after a number, ascending.
    pub async fn news(&self, user: UserId, after: u64, limit: usize) -> Outcome<NewsPage> {
        self.read(move |connection| page(connection, user, after, limit))
            .await
    }
}

/// Tells a user something, and their sessions that there is something.
pub(super) fn tell(registers: &mut Registers<'_>, user: UserId, what: &NewsWhat) -> Outcome<()> {
    let words = serde_json::to_string(what).map_err(|_| Code::Internal)?;
    let most = i64::try_from(limits::NEWS_PER_USER).expect("a small bound");
    let connection = registers.connection;
    connection
        .execute(
            "INSERT INTO news (user, ts, unsynchronised, what) VALUES (?1, ?2, ?3, ?4)",
            params![
                to_sql(user.0),
                to_sql(registers.now.ms),
                !registers.now.synchronised,
                words
            ],
        )
        .and_then(|_| {
            connection.execute(
                "DELETE FROM news WHERE user = ?1 AND no <=
                    (SELECT no FROM news WHERE user = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2)",
                params![to_sql(user.0), most],
            )
        })
        .map_err(sql_refusal)?;
    registers.effects.push(AccountEffect::News(user));
    Ok(())
}

pub(super) fn page(connection: &Connection, user: UserId, after: u64, limit: usize) -> Outcome<NewsPage> {
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut news: Vec<News> = connection
        .prepare_cached(
            "SELECT no, ts, unsynchronised, what FROM news WHERE user = ?1 AND no > ?2 ORDER BY no LIMIT ?3",
        )
        .and_then(|mut find| {
            let rows = find.query_map(params![to_sql(user.0), to_sql(after), most], |row| {
                let words: String = row.get(3)?;
                // Words of a later release are not told by this one.
                let what = serde_json::from_str(&words).ok();
                let (no, ts, unsynchronised) = (from_sql(row, 0)?, from_sql(row, 1)?, row.get(2)?);
                Ok(what.map(|what| News {
                    no,
                    ts,
                    unsynchronised,
                    what,
                }))
            })?;
            rows.filter_map(Result::transpose).collect()
        })
        .map_err(sql_refusal)?;
    let more = news.len() > limit;
    news.truncate(limit);
    Ok(NewsPage { news, more })
}
