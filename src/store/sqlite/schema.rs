//! The tables, as numbered steps. What must not live here: queries.
//!
//! The log is appended by commit position. What finds a row by (conversation, seq) or by (device, client id) is kept in
//! memory for the newest rows and folded into `segment` and `client` every few thousand rows: an index updated row by row
//! writes ten times as much (docs/decisions/0001-folded-log.md has the figures).

use rusqlite::Connection;

/// Each step runs once, in order, each in a transaction of its own. Steps add; a removal takes two releases.
const STEPS: &[&str] = &[
    r"
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    pos INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    ts INTEGER NOT NULL,
    target INTEGER,
    digest BLOB,
    salt BLOB NOT NULL,
    body BLOB
) STRICT;

CREATE TABLE segment (
    conversation INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    hash BLOB NOT NULL,
    positions BLOB NOT NULL,
    PRIMARY KEY (conversation, first)
) STRICT, WITHOUT ROWID;

-- Client ids in the order of their own time: those of one fold are neighbours, whoever made them.
CREATE TABLE timely_client (
    client BLOB NOT NULL,
    device INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (client, device)
) STRICT, WITHOUT ROWID;

-- Client ids that tell no time: at least those of one device are neighbours.
CREATE TABLE client (
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (device, client)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversation (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    title TEXT NOT NULL,
    join_rule INTEGER NOT NULL,
    history INTEGER NOT NULL,
    mute_all INTEGER NOT NULL,
    dissolved INTEGER NOT NULL,
    annex BLOB NOT NULL,
    one INTEGER,
    other INTEGER,
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_count INTEGER NOT NULL DEFAULT 0,
    last_pos INTEGER NOT NULL DEFAULT 0,
    hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversation_direct ON conversation (one, other) WHERE one IS NOT NULL;
CREATE INDEX conversation_open ON conversation (id) WHERE join_rule <> 2 AND dissolved = 0 AND one IS NULL;

CREATE TABLE member (
    conversation INTEGER NOT NULL,
    user INTEGER NOT NULL,
    role INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_user ON member (user);

CREATE TABLE gone (
    user INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE annotation (
    conversation INTEGER NOT NULL,
    target INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, target, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE marker (
    user INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password TEXT NOT NULL,
    role INTEGER NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    change INTEGER NOT NULL
) STRICT;
CREATE INDEX user_change ON user (change);

CREATE TABLE device (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    token BLOB UNIQUE,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;
CREATE INDEX device_user ON device (user);

CREATE TABLE invitation (
    id INTEGER PRIMARY KEY,
    code BLOB NOT NULL UNIQUE,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    by INTEGER NOT NULL,
    role INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, client)
) STRICT;
",
    r"
-- People who were erased, and how far what they wrote is: all conversations up to one, and some of the next.
CREATE TABLE erasure (
    user INTEGER PRIMARY KEY,
    token BLOB UNIQUE,
    by INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    conversation INTEGER NOT NULL DEFAULT 0,
    within INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0,
    erased INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Keyed hashes of names that nobody gets again.
CREATE TABLE reserved_name (hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Up to which seq a conversation's words were erased because their time was over.
CREATE TABLE retained (conversation INTEGER PRIMARY KEY, floor INTEGER NOT NULL) STRICT;

-- After how many days a conversation's own rule erases; 0: never.
ALTER TABLE conversation ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 0;
",
];

/// Brings the tables to this release's shape; a newer shape is left alone, since newer steps only add.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|v| usize::try_from(v).unwrap_or(usize::MAX))?;
    for (index, step) in STEPS.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).expect("few steps"))?;
        transaction.commit()?;
    }
    Ok(())
}
