//! A person's own sign-ins, the newest few. What must not live here: refused tries one by one; those are counted in memory
//! and come with the next sign-in, so that who guesses makes the disk write nothing.

use rusqlite::{Connection, Row, params};

use super::{Entered, Outcome, Registers, Store, from_sql, read_device_id, sql_refusal, to_sql};
use crate::core::permit::DeviceNo;
use crate::limits;
use crate::proto::UserId;
use crate::proto::history::{SignInEntry, SignInHow};

/// How somebody came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    pub how: SignInHow,
    /// The address as the operator wants it kept; empty: not at all.
    pub address: String,
    /// Refused tries at the account since the sign-in before.
    pub refused: u32,
}

impl Store {
    /// A user's sign-ins, newest first.
    pub async fn sign_ins(&self, user: UserId, current: DeviceNo) -> Outcome<Vec<SignInEntry>> {
        self.read(move |connection| list(connection, user, current)).await
    }
}

/// The numbers of `SignInHow` in the table never change.
const HOWS: [SignInHow; 5] = [
    SignInHow::Password,
    SignInHow::Claim,
    SignInHow::Invitation,
    SignInHow::ResetLink,
    SignInHow::DeviceCode,
];

pub(super) fn note(registers: &mut Registers<'_>, entered: &Entered, by: &Entrance) -> Outcome<()> {
    let user = entered.profile.user;
    let how = HOWS.iter().position(|how| *how == by.how).unwrap_or(0);
    let most = i64::try_from(limits::SIGN_INS_PER_USER).expect("a small bound");
    let connection = registers.connection;
    connection
        .execute(
            "INSERT INTO sign_in (user, ts, unsynchronised, device, address, how, refused)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                to_sql(user.0),
                to_sql(registers.now.ms),
                !registers.now.synchronised,
                to_sql(entered.device_no),
                by.address,
                to_sql(how as u64),
                by.refused,
            ],
        )
        .and_then(|_| {
            connection.execute(
                "DELETE FROM sign_in WHERE user = ?1 AND no <=
                    (SELECT no FROM sign_in WHERE user = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2)",
                params![to_sql(user.0), most],
            )
        })
        .map_err(sql_refusal)
        .map(drop)
}

pub(super) fn list(connection: &Connection, user: UserId, current: DeviceNo) -> Outcome<Vec<SignInEntry>> {
    let read = |row: &Row<'_>| {
        let how = usize::try_from(from_sql(row, 6)?).unwrap_or(usize::MAX);
        Ok(SignInEntry {
            ts: from_sql(row, 0)?,
            unsynchronised: row.get(1)?,
            device: read_device_id(row, 2)?,
            device_name: row.get(3)?,
            current: from_sql(row, 4)? == current,
            address: row.get(5)?,
            how: HOWS.get(how).copied().unwrap_or(SignInHow::Password),
            refused: row.get(7)?,
        })
    };
    connection
        .prepare_cached(
            "SELECT sign_in.ts, sign_in.unsynchronised, device.id, device.name, device.no, sign_in.address,
                    sign_in.how, sign_in.refused
             FROM sign_in JOIN device ON device.no = sign_in.device
             WHERE sign_in.user = ?1 ORDER BY sign_in.no DESC",
        )
        .and_then(|mut find| find.query_map([to_sql(user.0)], read)?.collect())
        .map_err(sql_refusal)
}
