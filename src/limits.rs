//! Every bound of the server, by name, and the sum of what they can cost (`budget`).
//! What must not live here: anything that is not a number or the sum of numbers.

use std::time::Duration;

/// A frame before sign-in, in bytes.
pub const FRAME_BEFORE_SIGN_IN: usize = 4 * 1024;
/// A frame after sign-in, in bytes, unless the configuration says otherwise.
pub const FRAME_DEFAULT: usize = 64 * 1024;
/// The largest frame the configuration may ask for.
pub const FRAME_MAX: usize = 1024 * 1024;
/// What may surround a body inside a frame: ids, field names, escapes that the client could have left out.
pub const FRAME_OVERHEAD: usize = 2 * 1024;
/// Fragments of one WebSocket message.
pub const FRAGMENTS: u32 = 1024;
/// Nesting of JSON that is still read (the parser's own bound; a test holds it to this).
pub const JSON_DEPTH: usize = 127;
/// Application bytes a connection may send before it signs in: on a live socket all together, over HTTP in one body.
pub const BYTES_BEFORE_SIGN_IN: usize = 16 * 1024;
/// The time to sign in on a new connection, whatever traffic it shows.
pub const SIGN_IN_TIME: Duration = Duration::from_secs(10);
/// An HTTP request's head, in bytes and header count.
pub const HEAD_BYTES: usize = 16 * 1024;
pub const HEADERS: usize = 64;
/// A JSON body on an HTTP route, in bytes.
pub const HTTP_BODY: usize = 64 * 1024;
/// A whole HTTP request that is not a long poll.
pub const HTTP_TIME: Duration = Duration::from_secs(30);

/// What a TLS connection keeps of a record that is here in part; the longest has 16,645 bytes (RFC 8446, 5.2).
pub const TLS_HELD: usize = 18 * 1024;

/// Unanswered requests of one connection; beyond it the socket is not read.
pub const IN_FLIGHT: usize = 32;
/// Commands waiting for the writer, and their bytes; beyond it `busy`.
pub const QUEUE_COMMANDS: usize = 4096;
pub const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Commands in one commit.
pub const BATCH_COMMANDS: usize = 512;
/// The shortest time from the beginning of one commit to that of the next while several devices write, unless so many
/// commands wait already that there is no need for more.
pub const COMMIT_PACE: Duration = Duration::from_millis(2);
pub const COMPANY: usize = 16;
/// Rows of the log whose indexes are still in memory; then they are folded into the store.
pub const FOLD_ROWS: usize = 4096;
/// Conversation states (seq, count, hash) the writer keeps at hand.
pub const WRITER_STATES: usize = 8192;
/// Pages of 4 KiB in the write-ahead log at which the checkpointer starts.
pub const WAL_PAGES: u32 = 1024;
/// After an erasure the write-ahead log is emptied at once, and then at most once in this time, since each costs a sync.
pub const ERASURE_PACE: Duration = Duration::from_secs(10);
/// An attempt waits so long for readers, and the writer as long for it; one that fails is tried again after this time, and
/// told in the log once it has lasted.
pub const ERASURE_WAIT: Duration = Duration::from_millis(200);
pub const ERASURE_RETRY: Duration = Duration::from_secs(1);
pub const ERASURE_WITHIN: Duration = Duration::from_secs(60);
/// How long the writer waits for the log to be emptied before it takes the disk for broken: on a bad card a sync takes seconds.
pub const EMPTYING_TIME: Duration = Duration::from_secs(30);
/// A step of a sweep: rows that a reader looks at; rows that one commit erases, and their bytes, which are all overwritten.
pub const SWEEP_LOOKS: u64 = 2_048;
pub const SWEEP_ROWS: usize = 256;
pub const SWEEP_BYTES: u64 = 256 * 1024;
/// SQLite's page caches, in KiB: the writer's, and each reader's.
pub const WRITER_CACHE_KIB: usize = 4096;
pub const READER_CACHE_KIB: usize = 256;
/// Reading connections of the store, and reads waiting for one.
pub const READERS: usize = 2;
pub const READS_WAITING: usize = 1024;

/// Events of a history page, and their bytes.
pub const PAGE_EVENTS: usize = 100;
pub const PAGE_BYTES: usize = 256 * 1024;
/// Later edits and reactions reported with a history page.
pub const PAGE_ANNOTATIONS: usize = 200;
/// Rows of a list: conversations, members, users, readers.
pub const LIST_ROWS: usize = 200;
/// Positions a resuming or slow reader is walked through; further behind it is told to pull pages.
pub const STREAM_POSITIONS: u64 = 3_000;
/// Outgoing bytes gathered for one write.
pub const WRITE_BYTES: usize = 16 * 1024;
/// Encoded events kept in memory for readers near the end, in bytes, unless the configuration says otherwise.
pub const TAIL_BYTES: usize = 8 * 1024 * 1024;
/// Unsequenced notices (typing, presence, read markers) kept per conversation.
pub const NOTICES: usize = 16;
/// Presence, typing and read notices are told in conversations up to this size.
pub const NOTICE_MEMBERS: usize = 256;
/// The time a write may make no progress before the connection is closed.
pub const WRITE_TIME: Duration = Duration::from_secs(60);
/// A ping goes out after this silence, and the connection ends after twice as much.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// Events in one answer to a long poll; who is owed more is told to pull pages.
pub const POLL_BYTES: usize = 512 * 1024;
/// The longest wait of a long poll.
pub const POLL_WAIT: Duration = Duration::from_secs(25);
/// A revoked session is closed within this time.
pub const REVOKE_WITHIN: Duration = Duration::from_secs(1);

/// Connections in total, per user and per address (an IPv6 /64 is one address), unless configured.
pub const CONNECTIONS: usize = 10_000;
pub const CONNECTIONS_PER_USER: usize = 64;
pub const CONNECTIONS_PER_ADDRESS: usize = 256;
/// Connections that have not signed in yet.
pub const CONNECTIONS_UNSIGNED: usize = 1_000;

/// Members of a group and of a channel.
pub const GROUP_MEMBERS: usize = 1_000;
pub const CHANNEL_MEMBERS: usize = 10_000;
/// Users named in one command.
pub const USERS_PER_COMMAND: usize = 100;
/// Conversations of one user.
pub const CONVERSATIONS_PER_USER: usize = 1_000;
/// Memberships of all loaded rosters together, unless configured.
pub const ROSTER_MEMBERS: usize = 400_000;
/// Bans and open join requests of one conversation.
pub const BANS: usize = 1_000;
pub const REQUESTS: usize = 200;
/// Departures a roster remembers: the one who left still sees it, and sees their old time again once back.
pub const DEPARTURES: usize = 1_000;
/// Earlier memberships a roster remembers, of one user and of all: who comes and goes more often loses sight of the oldest.
pub const RETURNS_PER_USER: usize = 16;
pub const RETURNS: usize = 2_000;
/// A title, a name, an emoji, a body in bytes.
pub const TITLE_BYTES: usize = 128;
pub const EMOJI_BYTES: usize = 32;
pub const BODY_BYTES: usize = 32 * 1024;
/// Devices of one user.
pub const DEVICES_PER_USER: usize = 32;
/// Device ids one user may ever present: rows stay for ever, since client ids do.
pub const DEVICE_IDS_PER_USER: usize = 1_024;
/// Open invitations of the server.
pub const INVITATIONS: usize = 1_000;
/// The most uses of one invitation, and the most days it lasts.
pub const INVITATION_USES: u32 = 1_000;
pub const INVITATION_DAYS: u32 = 365;
/// The longest time to keep what is said, in days.
pub const RETENTION_DAYS: u32 = 36_500;
/// Archives of people's own data that are made at once, how often one may be had, and the memory of one: a page of events, its
/// members' list, and the piece on its way.
pub const EXPORTS_AT_ONCE: usize = 2;
pub const EXPORT_EVERY: Duration = Duration::from_secs(300);
pub const EXPORT_BYTES: usize = 2 * 1024 * 1024;
/// Users of the server.
pub const USERS: usize = 100_000;

/// The most that `limits.pace` may multiply the token buckets with.
pub const PACE_MAX: u32 = 1_000;
/// Token buckets of one user: how many at once, and how many come back per second.
pub struct Bucket {
    pub burst: u32,
    pub per_second: u32,
}
/// Sends, edits, recalls and reactions of one user.
pub const BUCKET_SEND: Bucket = Bucket {
    burst: 200,
    per_second: 50,
};
/// Commands that change a conversation or its members.
pub const BUCKET_CHANGE: Bucket = Bucket {
    burst: 50,
    per_second: 5,
};
/// Typing, presence and read markers.
pub const BUCKET_NOTICE: Bucket = Bucket {
    burst: 50,
    per_second: 20,
};
/// Reads: history, lists, sync.
pub const BUCKET_READ: Bucket = Bucket {
    burst: 200,
    per_second: 50,
};
/// Sign-in attempts from one address.
pub const BUCKET_SIGN_IN: Bucket = Bucket {
    burst: 20,
    per_second: 1,
};
/// Sign-in attempts at one account from devices it does not know: so many at once, then one in so many milliseconds.
pub const ACCOUNT_TRIES: u32 = 10;
pub const ACCOUNT_TRY_EVERY_MS: u64 = 10_000;
/// Addresses, and accounts, whose failed attempts are remembered; beyond it the oldest are forgotten.
pub const TRIES_REMEMBERED: usize = 4_096;

/// Memory of one argon2id hash, hashes at once, and callers waiting for one.
pub const ARGON2_KIB: usize = 19 * 1024;
pub const ARGON2_AT_ONCE: usize = 2;
pub const ARGON2_WAITING: usize = 64;

/// The kernel's buffers of one socket, in bytes: what we ask for with `SO_SNDBUF`, and with `TCP_WINDOW_CLAMP` for what
/// comes in.
pub const SOCKET_SEND: usize = 64 * 1024;
pub const SOCKET_RECEIVE: usize = 32 * 1024;
/// Pools shared by all connections: leftover frames, outgoing bytes, TLS records, store pages.
pub const POOL_PARTIAL: usize = 8 * 1024 * 1024;
pub const POOL_OUTGOING: usize = 8 * 1024 * 1024;
/// Kernel socket memory is charged by use, not by cap: idle sockets hold none. This is the share planned for it.
pub const POOL_SOCKET: usize = 32 * 1024 * 1024;
/// An idle signed-in connection in user space: plain, and over TLS. Measured, with a tenth more; see OPERATING.md.
pub const CONNECTION_PLAIN: usize = 1_664;
pub const CONNECTION_TLS: usize = 5_760;
/// The kernel's own objects for one connection, which it charges to us too: socket, file and their names. Measured by
/// `cargo xtask guest`: half of the slab for each session, since both ends are there.
pub const CONNECTION_KERNEL: usize = 4_100;
/// Code, runtime, allocator and SQLite at rest. Measured; see OPERATING.md.
pub const BASE: usize = 16 * 1024 * 1024;

const _: () = assert!(FRAME_BEFORE_SIGN_IN <= FRAME_DEFAULT && FRAME_DEFAULT <= FRAME_MAX);
const _: () = assert!(BODY_BYTES + FRAME_OVERHEAD <= FRAME_DEFAULT);
const _: () = assert!(FRAME_BEFORE_SIGN_IN * 2 <= BYTES_BEFORE_SIGN_IN);
const _: () = assert!(BATCH_COMMANDS <= QUEUE_COMMANDS && BATCH_COMMANDS <= FOLD_ROWS);
const _: () = assert!(FRAME_MAX <= QUEUE_BYTES / 4);
const _: () = assert!(PAGE_BYTES >= BODY_BYTES * 2);
const _: () = assert!(CONNECTIONS_UNSIGNED <= CONNECTIONS);
const _: () = assert!(GROUP_MEMBERS <= CHANNEL_MEMBERS && CHANNEL_MEMBERS <= ROSTER_MEMBERS);
const _: () = assert!(USERS_PER_COMMAND <= GROUP_MEMBERS);
const _: () = assert!(HTTP_BODY >= FRAME_DEFAULT);

/// The limits an operator may set, with the defaults above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub frame: usize,
    pub connections: usize,
    pub connections_per_user: usize,
    pub connections_per_address: usize,
    /// Multiplies the token buckets.
    pub pace: u32,
    pub roster_members: usize,
    pub tail_bytes: usize,
    /// A message may be recalled by its sender for this long: 0 never, `u64::MAX` for ever.
    pub recall_seconds: u64,
    /// Days after which what is said is erased; 0 never.
    pub retention_days: u32,
    pub tls: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame: FRAME_DEFAULT,
            connections: CONNECTIONS,
            connections_per_user: CONNECTIONS_PER_USER,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            pace: 1,
            roster_members: ROSTER_MEMBERS,
            tail_bytes: TAIL_BYTES,
            recall_seconds: u64::MAX,
            retention_days: 0,
            tls: false,
        }
    }
}

/// One line of the memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLine {
    pub pool: &'static str,
    pub bytes: usize,
    pub why: &'static str,
}

/// The most memory the server can come to hold, line by line, kernel socket buffers included.
#[must_use]
pub fn memory_budget(limits: &Limits) -> Vec<BudgetLine> {
    let connection = if limits.tls {
        CONNECTION_TLS
    } else {
        CONNECTION_PLAIN
    };
    let line = |pool, bytes, why| BudgetLine { pool, bytes, why };
    vec![
        line("base", BASE, "code, runtime, allocator and SQLite at rest"),
        line("connections", limits.connections * connection, "idle connections"),
        line(
            "kernel",
            limits.connections * CONNECTION_KERNEL,
            "the kernel's objects for them: sockets, files, names",
        ),
        line(
            "unsigned",
            CONNECTIONS_UNSIGNED * BYTES_BEFORE_SIGN_IN,
            "connections before sign-in",
        ),
        line("partial", POOL_PARTIAL, "frames that arrived in part"),
        line("outgoing", POOL_OUTGOING, "bytes a slow socket has not taken yet"),
        line("queue", QUEUE_BYTES, "commands waiting for the writer"),
        line(
            "tails",
            limits.tail_bytes,
            "encoded events for readers near the end",
        ),
        line(
            "rosters",
            limits.roster_members * 24,
            "memberships of conversations in use",
        ),
        line("recent", FOLD_ROWS * 160, "indexes of the log not folded yet"),
        line("states", WRITER_STATES * 128, "conversation states of the writer"),
        line(
            "pages",
            (READS_WAITING.min(64)) * PAGE_BYTES,
            "history pages on their way",
        ),
        line(
            "exports",
            EXPORTS_AT_ONCE * EXPORT_BYTES,
            "archives of people's own data on their way",
        ),
        line(
            "sqlite",
            (WRITER_CACHE_KIB + READERS * READER_CACHE_KIB) * 1024,
            "page caches",
        ),
        line(
            "argon2",
            ARGON2_AT_ONCE * ARGON2_KIB * 1024,
            "password hashes at work",
        ),
        line(
            "sockets",
            POOL_SOCKET,
            "kernel socket buffers, capped per socket and charged to us",
        ),
    ]
}

/// The sum of `memory_budget`.
#[must_use]
pub fn memory_total(limits: &Limits) -> usize {
    memory_budget(limits).iter().map(|line| line.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_grows_with_what_the_operator_allows() {
        let small = Limits {
            connections: 1_000,
            ..Limits::default()
        };
        let large = Limits {
            connections: 50_000,
            tls: true,
            ..Limits::default()
        };
        assert!(memory_total(&small) < memory_total(&Limits::default()));
        assert!(memory_total(&large) > 50_000 * CONNECTION_TLS);
    }
}
