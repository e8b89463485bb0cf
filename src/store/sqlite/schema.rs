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
    PERSONAL,
    SEARCH,
    FILES,
    PEOPLE,
    TALK,
    PUSH,
    PRIVACY,
    MODERATION,
    GONE,
    AWAY,
    BOTS,
    MERGES,
    READING,
];

/// Personal settings, and what all see of them. Keys are numbers (`proto::setting::Key`); a cleared setting has no value.
const PERSONAL: &str = r"
CREATE TABLE personal (
    user INTEGER NOT NULL,
    key INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    value TEXT,
    change INTEGER NOT NULL,
    PRIMARY KEY (user, key, subject, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX personal_change ON personal (user, change);
-- What is kept in memory: who blocks whom, and who is not to be seen.
CREATE INDEX personal_discreet ON personal (key) WHERE key IN (9, 10) AND value IS NOT NULL;

-- Cleared settings up to this change are forgotten.
CREATE TABLE personal_floor (
    user INTEGER PRIMARY KEY,
    change INTEGER NOT NULL
) STRICT;

ALTER TABLE user ADD COLUMN status TEXT;
CREATE INDEX user_display_name ON user (display_name COLLATE NOCASE);
";

/// Search.
const SEARCH: &str = r"
-- What is said, as pairs of characters (see `search`): a row for each message, numbered as its place in the log. The old
-- words are given with each removal, so that they go from the pages at once.
CREATE VIRTUAL TABLE search USING fts5 (words, content='', columnsize=0, detail=none, tokenize='ascii');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
INSERT INTO search (search, rank) VALUES ('automerge', 0);
INSERT INTO search (search, rank) VALUES ('usermerge', 8);

-- Messages that were edited: the place of the event with the newest words.
CREATE TABLE reworded (pos INTEGER PRIMARY KEY, words INTEGER NOT NULL) STRICT;
";

/// Stored files: what is there (`idle`: since when no event carries it), who brought it (`sent`: it has gone out since),
/// which events carry it, what is on its way, and how much room is taken (-1: by all together).
const FILES: &str = r"
CREATE TABLE blob (
    hash BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    thumbhash BLOB,
    thumbnail INTEGER NOT NULL,
    created INTEGER NOT NULL,
    idle INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_idle ON blob (idle) WHERE idle IS NOT NULL;

CREATE TABLE blob_owner (
    hash BLOB NOT NULL,
    user INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (hash, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob_use (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_use_hash ON blob_use (hash, conversation, seq);

CREATE TABLE upload (
    id INTEGER PRIMARY KEY,
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    size INTEGER NOT NULL,
    arrived INTEGER NOT NULL,
    announced BLOB,
    created INTEGER NOT NULL,
    blob BLOB,
    UNIQUE (device, client)
) STRICT;
CREATE INDEX upload_open ON upload (user) WHERE blob IS NULL;
CREATE INDEX upload_created ON upload (created);

CREATE TABLE blob_room (whose INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
";

/// Ways back to an account, and what is noted of it.
const PEOPLE: &str = r"
-- One link a user at most: a newer one ends the older. `by` is 0 for the operator, `ended` 1 once used, 2 once revoked.
CREATE TABLE reset_link (
    user INTEGER PRIMARY KEY,
    code BLOB NOT NULL UNIQUE,
    by INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What a person must hear about their account, the newest few; `what` is its words as JSON.
CREATE TABLE news (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    unsynchronised INTEGER NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX news_user ON news (user, no);

-- A person's own sign-ins, the newest few. `refused` counts the wrong passwords since the one before.
CREATE TABLE sign_in (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    unsynchronised INTEGER NOT NULL,
    device INTEGER NOT NULL,
    address TEXT NOT NULL,
    how INTEGER NOT NULL,
    refused INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_in_user ON sign_in (user, no);

-- What admins did. Rows are added, and nothing else: the triggers hold that for whoever opens the database, too.
CREATE TABLE audit (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    unsynchronised INTEGER NOT NULL,
    by INTEGER NOT NULL,
    device INTEGER NOT NULL,
    whom INTEGER,
    what TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the journal of admins is only added to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the journal of admins is only added to'); END;
";

/// Mentions, versions, threads.
const TALK: &str = r"
-- What is said: whom it mentions, its versions, its threads and who follows them.
ALTER TABLE conversation ADD COLUMN all_mentions INTEGER;
ALTER TABLE conversation ADD COLUMN members_pin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN read_lists INTEGER NOT NULL DEFAULT 1;
ALTER TABLE conversation ADD COLUMN announcement TEXT;

-- Who is mentioned where; -1 is everyone.
CREATE TABLE mention (
    conversation INTEGER NOT NULL,
    user INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, user, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE edit (
    conversation INTEGER NOT NULL,
    target INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, target, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO edit SELECT conversation, target, seq FROM log WHERE kind & ~64 IN (3, 4, 9) AND target IS NOT NULL;

CREATE TABLE thread (
    conversation INTEGER NOT NULL,
    root INTEGER NOT NULL,
    replies INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    last_pos INTEGER NOT NULL,
    PRIMARY KEY (conversation, root)
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_newest ON thread (conversation, last_pos);

CREATE TABLE thread_message (
    conversation INTEGER NOT NULL,
    root INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (conversation, root, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE follow (
    user INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    root INTEGER NOT NULL,
    since INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (user, conversation, root)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    conversation INTEGER NOT NULL,
    target INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    by INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    PRIMARY KEY (conversation, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE nickname (
    conversation INTEGER NOT NULL,
    user INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;

-- Messages with a link.
CREATE TABLE link (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
";

/// Whom to tell who is away.
const PUSH: &str = r"
CREATE TABLE push_subscription (
    device INTEGER PRIMARY KEY,
    user INTEGER NOT NULL,
    endpoint TEXT NOT NULL UNIQUE,
    p256dh BLOB NOT NULL,
    auth BLOB NOT NULL,
    text INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX push_subscription_user ON push_subscription (user);

CREATE TABLE push_due (
    conversation INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    after INTEGER NOT NULL
) STRICT;

CREATE TABLE push_waiting (
    device INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    waited INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (device, conversation)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER push_signed_out AFTER UPDATE OF token ON device WHEN new.token IS NULL BEGIN
    DELETE FROM push_subscription WHERE device = new.no;
    DELETE FROM push_waiting WHERE device = new.no;
END;
";

/// What is to be forgotten.
const PRIVACY: &str = r"
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
";

/// Moderation: messages that people reported, and what was done about people.
const MODERATION: &str = r"
-- The text of the message is not here: it is the log's to keep, or to erase. `shown_from` is the first seq that the one who
-- reports sees without a gap before it. While a report is open, `resolved` is empty.
CREATE TABLE report (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    shown_from INTEGER NOT NULL,
    author INTEGER NOT NULL,
    by INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    reason TEXT NOT NULL,
    ts INTEGER NOT NULL,
    unsynchronised INTEGER NOT NULL,
    resolved INTEGER,
    resolved_by INTEGER,
    resolved_unsynchronised INTEGER,
    note TEXT,
    UNIQUE (device, client)
) STRICT;
CREATE UNIQUE INDEX report_open ON report (by, conversation, seq) WHERE resolved IS NULL;

-- Warnings (kind 0), mutes (1) and bans (2). `ended` is 0 while it holds, 1 once lifted, 2 once replaced, 3 once it ran out.
-- One made while the clock was wrong has `created` 0 and in `expires` its duration, until a right clock dates it.
CREATE TABLE measure (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    ts INTEGER NOT NULL,
    unsynchronised INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    ended INTEGER NOT NULL,
    UNIQUE (device, client)
) STRICT;
CREATE INDEX measure_user ON measure (user, no);
CREATE UNIQUE INDEX measure_held ON measure (user, kind) WHERE kind > 0 AND ended = 0;

-- An invitation that leads into a conversation, too.
ALTER TABLE invitation ADD COLUMN conversation INTEGER;
CREATE INDEX invitation_conversation ON invitation (conversation, by) WHERE conversation IS NOT NULL;
";

/// Files that are erased: their hashes, until they are off the disk; what finds an upload by its file; pictures of people. Erasures and
/// retention had left out some kinds of messages: they go over all once more. The index for searching had no captions and
/// file names, and cannot take words out that it does not have: it is made anew, in the background.
const GONE: &str = r"
CREATE TABLE blob_gone (hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE INDEX upload_blob ON upload (blob) WHERE blob IS NOT NULL;
ALTER TABLE user ADD COLUMN avatar BLOB;
CREATE INDEX user_avatar ON user (avatar) WHERE avatar IS NOT NULL;
UPDATE erasure SET done = 0, conversation = 0, within = 0, seq = 0;
DELETE FROM retained;
UPDATE report SET reason = '' WHERE by IN (SELECT user FROM erasure);
UPDATE report SET note = NULL WHERE resolved_by IN (SELECT user FROM erasure);
INSERT INTO search (search) VALUES ('delete-all');
DELETE FROM meta WHERE key = 'indexed';
UPDATE measure SET reason = '' WHERE user IN (SELECT user FROM erasure) OR by IN (SELECT user FROM erasure);
";

/// What devices are told that are not there: from which message on something waits to be pushed (0: from the first that is not
/// read), and threads whose following somebody changed, since which change (the state itself is in `follow`).
const AWAY: &str = r"
ALTER TABLE push_due ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE push_waiting ADD COLUMN first INTEGER NOT NULL DEFAULT 0;

CREATE TABLE follow_change (
    user INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    root INTEGER NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (user, conversation, root)
) STRICT, WITHOUT ROWID;
CREATE INDEX follow_change_since ON follow_change (user, change);

-- What is kept in memory, too: what people have hidden.
CREATE INDEX personal_hidden ON personal (key) WHERE key = 5 AND value IS NOT NULL;
";

/// Bots.
const BOTS: &str = r"
-- 0 for a person; for a bot 8, and with it 1 (read), 2 (write), 4 (manage).
ALTER TABLE user ADD COLUMN bot INTEGER NOT NULL DEFAULT 0;

-- Requests for a bot's token: only the newest one's is good. `device` is that of who asked.
CREATE TABLE bot_token (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    bot INTEGER NOT NULL,
    device INTEGER NOT NULL,
    client BLOB NOT NULL,
    digest BLOB NOT NULL,
    made INTEGER NOT NULL,
    UNIQUE (device, client)
) STRICT;
CREATE INDEX bot_token_bot ON bot_token (bot, no);
";

/// The index merges less often, and more at once: each merge writes everything in it anew.
const MERGES: &str = "INSERT INTO search (search, rank) VALUES ('usermerge', 16)";

/// What is kept in memory, too: who does not show what they have read.
const READING: &str = "
CREATE INDEX personal_reading ON personal (key) WHERE key = 13 AND value IS NOT NULL;
";

/// How many steps this release knows; a database's `user_version` says how many it has had.
pub fn version() -> usize {
    STEPS.len()
}

/// Brings the tables to this release's shape; a newer shape is left alone, since newer steps only add.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|v| usize::try_from(v).unwrap_or(usize::MAX))?;
    let steps = STEPS.iter().copied().chain(crate::planted::next_step());
    for (index, step) in steps.enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).expect("few steps"))?;
        transaction.commit()?;
    }
    Ok(())
}
