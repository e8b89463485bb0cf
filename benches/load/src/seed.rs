//! Users, signed-in devices and groups written into a server's database while it is stopped, since ten thousand sign-ins
//! would hash passwords for minutes. Knows the tables of `src/store/sqlite/schema.rs`; a change there shows here at once.
//! What must not live here: messages; those go through the door.

use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::{Connection, params};

use crate::server::Setup;

const MASK: u64 = (1 << 48) - 1;
const TOKEN_CONTEXT: &str = "kinglet 2026 session token v1";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Ids as wide as the server's own; an odd factor keeps them apart.
fn spread(number: usize) -> u64 {
    (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & MASK
}

fn wire(prefix: char, id: u64) -> String {
    let digits = (0..10)
        .rev()
        .map(|place| char::from(ALPHABET[((id >> (5 * place)) & 31) as usize]));
    std::iter::once(prefix).chain(digits).collect()
}

/// The id of the n-th user on the wire.
pub fn user(number: usize) -> String {
    wire('u', spread(number))
}

/// The id of the n-th group on the wire.
pub fn group(number: usize) -> String {
    wire('c', spread(number))
}

fn secret(user: usize, device: usize) -> [u8; 32] {
    *blake3::hash(format!("load {user} {device}").as_bytes()).as_bytes()
}

/// The token of a user's device.
pub fn token(user: usize, device: usize) -> String {
    format!("kt_{}", BASE64URL_NOPAD.encode(&secret(user, device)))
}

/// Who is written.
pub struct Seed {
    pub users: usize,
    pub devices: usize,
    /// Members of each group, by number; the first one owns it.
    pub groups: Vec<Vec<usize>>,
}

/// Makes the tables by starting the server once, then fills them.
pub async fn plant(setup: &Setup, seed: &Seed) -> Result<()> {
    setup.start().await?.stop().await?;
    write(&setup.database(), seed).context("writing users into the new database")
}

/// Fills the tables of a database that nobody uses.
pub fn write(database: &Path, seed: &Seed) -> Result<()> {
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    {
        let mut user = transaction.prepare(
            "INSERT INTO user (id, name, skeleton, display_name, password, role, created, change)
             VALUES (?1, ?2, ?2, ?2, '!', ?3, 0, ?4)",
        )?;
        let mut device = transaction.prepare(
            "INSERT INTO device (user, id, name, token, created, last_seen) VALUES (?1, ?2, 'load', ?3, 0, 0)",
        )?;
        for number in 0..seed.users {
            let id = spread(number).cast_signed();
            let role = if number == 0 { 2 } else { 0 };
            user.execute(params![id, format!("load{number}"), role, number as i64 + 1])?;
            for at in 0..seed.devices {
                let secret = secret(number, at);
                let token = blake3::derive_key(TOKEN_CONTEXT, &secret);
                device.execute(params![id, uuid(&secret).as_slice(), token.as_slice()])?;
            }
        }
        let mut group = transaction.prepare(
            "INSERT INTO conversation (id, kind, title, join_rule, history, mute_all, dissolved, annex, hash)
             VALUES (?1, 1, ?2, 2, 1, 0, 0, zeroblob(5), zeroblob(32))",
        )?;
        let mut member = transaction
            .prepare("INSERT INTO member (conversation, user, role, from_seq) VALUES (?1, ?2, ?3, 1)")?;
        for (number, members) in seed.groups.iter().enumerate() {
            let id = spread(number).cast_signed();
            group.execute(params![id, format!("group {number}")])?;
            for (at, user) in members.iter().enumerate() {
                let role = if at == 0 { 2 } else { 0 };
                member.execute(params![id, spread(*user).cast_signed(), role])?;
            }
        }
    }
    transaction.commit()?;
    let left: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    anyhow::ensure!(left == 0, "somebody else uses the database");
    Ok(())
}

/// Gives everybody the password of one user, whose hash the server has made.
pub fn share_password(database: &Path, name: &str) -> Result<()> {
    let connection = Connection::open(database)?;
    let changed = connection.execute(
        "UPDATE user SET password = (SELECT password FROM user WHERE name = ?1)
         WHERE EXISTS (SELECT 1 FROM user WHERE name = ?1)",
        [name],
    )?;
    anyhow::ensure!(changed > 0, "there is no user {name:?}");
    Ok(())
}

/// A device id that reads as a UUID of version 4.
fn uuid(secret: &[u8; 32]) -> [u8; 16] {
    let mut bytes: [u8; 16] = std::array::from_fn(|at| secret[at]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// Groups of `size` such that every user is in `each` of them, and any two users in few together.
pub fn mixed_groups(users: usize, each: usize, size: usize) -> Vec<Vec<usize>> {
    let size = size.min(users).max(1);
    let mut groups = Vec::new();
    for round in 0..each {
        // Neighbours of one round are far apart in the next.
        let mut stride = 1 + round * (users / each.max(1) + 1);
        while gcd(stride, users) != 1 {
            stride += 1;
        }
        let order: Vec<usize> = (0..users).map(|at| at * stride % users).collect();
        groups.extend(order.chunks(size).map(<[usize]>::to_vec));
    }
    groups
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_is_in_as_many_groups() {
        for users in [100, 1_000, 1_050] {
            let groups = mixed_groups(users, 20, 100);
            let mut counts = vec![0; users];
            groups.iter().flatten().for_each(|user| counts[*user] += 1);
            assert!(counts.iter().all(|count| *count == 20), "{users}");
            assert!(groups.iter().all(|group| group.len() <= 100));
        }
    }

    #[test]
    fn tokens_have_the_servers_form() {
        assert_eq!(token(1, 2).len(), 46);
        assert_eq!(user(0).len(), 11);
        assert_eq!(wire('u', MASK), "u7zzzzzzzzz");
    }
}
