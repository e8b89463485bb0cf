//! The list of people, and those of them whose names begin with some letters. What must not live here: one person's row.

use rusqlite::{Connection, params};

use super::users::{collect, rows};
use super::{GONE, INFO, Outcome, read_info};
use crate::limits;
use crate::proto::account::UserList;

pub(super) fn users(
    connection: &Connection,
    find: Option<&str>,
    after: Option<&str>,
    limit: usize,
    gone: bool,
) -> Outcome<UserList> {
    let limit = limit.clamp(1, limits::LIST_ROWS);
    let (after, most) = (after.unwrap_or(""), rows(limit + 1));
    let mut users = match find {
        None => collect(
            connection,
            &format!(
                "SELECT {INFO} FROM user WHERE name > ?1 AND (disabled = {GONE}) = ?3 ORDER BY name LIMIT ?2"
            ),
            params![after, most, gone],
            read_info,
        )?,
        // User names are stored folded; display names as they were given.
        Some(find) => collect(
            connection,
            &format!(
                "SELECT {INFO} FROM user
                 WHERE (name >= ?4 AND name < ?5
                        OR display_name COLLATE NOCASE >= ?6 AND display_name COLLATE NOCASE < ?7)
                   AND name > ?1 AND (disabled = {GONE}) = ?3 ORDER BY name LIMIT ?2"
            ),
            params![
                after,
                most,
                gone,
                find.to_lowercase(),
                beyond(&find.to_lowercase()),
                find,
                beyond(find)
            ],
            read_info,
        )?,
    };
    let more = users.len() > limit;
    users.truncate(limit);
    Ok(UserList { users, more })
}

/// What comes after every text that begins with this one.
fn beyond(start: &str) -> String {
    format!("{start}\u{10ffff}")
}
