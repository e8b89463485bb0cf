//! Every bound of the server, by name, and the sum of what they can cost (`budget`).
//! What must not live here: anything that is not a number or the sum of numbers.

mod budget;

use std::time::Duration;

pub use budget::{BudgetLine, memory_budget, memory_total};

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
/// Read markers, and last-seen times, that one commit writes out beside what it is for.
pub const FLUSHED_AT_ONCE: usize = 256;
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
/// Entries of the admins' journal that are looked at for a page that was asked for by what they are about.
pub const AUDIT_LOOKED: u64 = 5_000;
/// Positions a resuming or slow reader is walked through; further behind it is told to pull pages.
pub const STREAM_POSITIONS: u64 = 3_000;
/// Outgoing bytes gathered for one write.
pub const WRITE_BYTES: usize = 16 * 1024;
/// Encoded events kept in memory for readers near the end, in bytes, unless the configuration says otherwise.
pub const TAIL_BYTES: usize = 8 * 1024 * 1024;
/// Unsequenced notices (typing, presence, read markers) kept per conversation.
pub const NOTICES: usize = 16;
/// Changed profiles that are kept to be told to all who are connected; who is further behind asks `sync`.
pub const NOTICES_TO_ALL: usize = 64;
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
/// Users whom one message mentions; unread mentions that are counted.
pub const MENTIONS: usize = 50;
pub const MENTIONS_COUNTED: usize = 100;
/// Events asked for by their seqs at once.
pub const EVENTS_ASKED: usize = 50;
/// Threads that a user follows; beyond it the one followed longest is not followed any more.
pub const THREADS_FOLLOWED: usize = 500;
/// Changes of what a user follows that are still told to devices that come back; the oldest are forgotten first.
pub const FOLLOWS_TOLD: usize = 200;
/// Pins of one conversation, and the bytes of its announcement.
pub const PINS: usize = 100;
pub const ANNOUNCEMENT_BYTES: usize = 1024;
/// Devices of one user.
pub const DEVICES_PER_USER: usize = 32;
/// Device ids one user may ever present: rows stay for ever, since client ids do.
pub const DEVICE_IDS_PER_USER: usize = 1_024;
/// Open invitations of the server.
pub const INVITATIONS: usize = 1_000;
/// Open invitations of one user that lead into conversations.
pub const LINKS_PER_USER: usize = 50;
/// The most uses of one invitation, and the most days it lasts.
pub const INVITATION_USES: u32 = 1_000;
pub const INVITATION_DAYS: u32 = 365;
/// The most hours that a link to a new password lasts.
pub const RESET_LINK_HOURS: u32 = 168;
/// What a person is told about their account and may ask for later: so many, the oldest go first.
pub const NEWS_PER_USER: usize = 100;
/// Codes by which a new device asks to be let in: how many are open at once on the server, and how long one is good.
pub const DEVICE_CODES: usize = 256;
pub const DEVICE_CODE_TIME: Duration = Duration::from_secs(300);
/// Sign-ins of a user that are kept for them, the newest.
pub const SIGN_INS_PER_USER: usize = 50;
/// The longest time to keep what is said, in days.
pub const RETENTION_DAYS: u32 = 36_500;
/// Archives of people's own data that are made at once, how often one may be had, and the memory of one: a page of events, its
/// members' list, and the piece on its way.
pub const EXPORTS_AT_ONCE: usize = 2;
pub const EXPORT_EVERY: Duration = Duration::from_secs(300);
pub const EXPORT_BYTES: usize = 2 * 1024 * 1024;
/// Users of the server.
pub const USERS: usize = 100_000;
/// Bots of the server, which are users as well. They are told in one list.
pub const BOTS: usize = 100;
const _: () = assert!(BOTS <= LIST_ROWS);

/// Why a message is reported, what was made of it, why somebody is warned, muted or banned: each in bytes.
pub const REASON_BYTES: usize = 500;
/// Open reports of the server, and of one user; reports that are resolved and kept, the newest.
pub const REPORTS_OPEN: usize = 1_000;
pub const REPORTS_OPEN_PER_USER: usize = 50;
pub const REPORTS_KEPT: usize = 10_000;
/// Messages that a report shows on each side of the one it is about.
pub const REPORT_CONTEXT: usize = 2;
/// Users muted on the whole server at once: they are kept in memory.
pub const MUTES: usize = 1_000;
/// The longest mute or ban that ends, in seconds: ten years.
pub const MEASURE_SECONDS: u64 = 10 * 365 * 86_400;
/// Warnings, mutes and bans of one user that are over and kept, the newest.
pub const MEASURES_PER_USER: usize = 100;

/// Personal settings of one key that a user may have set.
pub const SETTINGS_OF_KEY: usize = 1_000;
/// Cleared settings of one user that are still told to devices that come back; the oldest are forgotten first.
pub const SETTINGS_CLEARED: usize = 1_000;
/// The text of a draft, and all drafts of a user together, in bytes.
pub const DRAFT_BYTES: usize = 4 * 1024;
pub const DRAFTS_BYTES: usize = 256 * 1024;
/// A status' text, in bytes.
pub const STATUS_BYTES: usize = 100;
/// Stretches of a week's quiet hours.
pub const QUIET_STRETCHES: usize = 14;
/// Blocks of all users together: they are kept in memory.
pub const BLOCKS: usize = 20_000;
/// Messages that people have deleted for themselves, of all users together: they are kept in memory.
pub const HIDDEN: usize = 50_000;
/// Push subscriptions of the server; an endpoint's address in bytes; conversations waiting for a device, over all devices.
pub const PUSH_SUBSCRIPTIONS: usize = 10_000;
pub const PUSH_ENDPOINT_BYTES: usize = 2_048;
pub const PUSH_WAITING: usize = 20_000;
/// Members looked at in one step when a message is laid out for those who subscribed.
pub const PUSH_STEP: usize = 200;
/// Messages looked at, the newest first, for one that its reader is to be told of: some are taken back or of somebody they block.
pub const PUSH_LOOKS_BACK: u64 = 100;
/// Push messages under way at once; to one host; tests that people asked for.
pub const PUSH_AT_ONCE: usize = 4;
pub const PUSH_PER_HOST: usize = 2;
pub const PUSH_TESTS: usize = 2;
/// The time for one push message, from the name's resolution to the answer, and the head of that answer in bytes.
pub const PUSH_TIME: Duration = Duration::from_secs(15);
pub const PUSH_HEAD_BYTES: usize = 16 * 1024;
/// A message's text inside a push message, in bytes; the rest is cut off.
pub const PUSH_TEXT_BYTES: usize = 1_000;
/// Who is connected has this time to read a message before it is pushed.
pub const PUSH_GRACE: Duration = Duration::from_secs(3);
/// The least time between two push messages about one conversation to one device.
pub const PUSH_PAUSE: Duration = Duration::from_secs(5);
/// Waits between attempts double from the first to the last; after so much waiting a push message is given up.
pub const PUSH_FIRST_WAIT: Duration = Duration::from_secs(30);
pub const PUSH_LAST_WAIT: Duration = Duration::from_secs(60 * 60);
pub const PUSH_GIVE_UP: Duration = Duration::from_secs(24 * 60 * 60);
/// Signed greetings kept, one for each push service.
pub const PUSH_GREETINGS: usize = 64;

/// Ordering a certificate: each of its two parts, the proof (and the time of a hook for each name) and the certificate; waiting for the authority to have checked, one request, and the operator's hook.
pub const ACME_TIME: Duration = Duration::from_secs(15 * 60);
pub const ACME_ASKING_TIME: Duration = Duration::from_secs(3 * 60);
pub const ACME_REQUEST_TIME: Duration = Duration::from_secs(30);
pub const ACME_HOOK_TIME: Duration = Duration::from_secs(5 * 60);
/// An authority's answer: its head, and its body.
pub const ACME_HEAD_BYTES: usize = 16 * 1024;
pub const ACME_BODY_BYTES: usize = 256 * 1024;
/// Names in one certificate that is ordered.
pub const ACME_NAMES: usize = 16;
/// Waits between attempts double from the first to the last. Let's Encrypt allows five failures an hour.
pub const ACME_FIRST_WAIT: Duration = Duration::from_secs(5 * 60);
pub const ACME_LAST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

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
/// Personal settings, which are written to the card one by one.
pub const BUCKET_SETTING: Bucket = Bucket {
    burst: 60,
    per_second: 2,
};
/// Searches: each may look at much.
pub const BUCKET_SEARCH: Bucket = Bucket {
    burst: 30,
    per_second: 3,
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

/// A search's query, in bytes, and the hits of one page.
pub const SEARCH_QUERY_BYTES: usize = 256;
pub const SEARCH_HITS: usize = 50;
/// What one search looks at before it answers with what it has: rows of the asker's own conversations, bytes of their
/// texts, and rows of the log that the index does not have yet, whosever they are.
pub const SEARCH_LOOKED: usize = 2_000;
pub const SEARCH_BYTES: usize = 512 * 1024;
pub const SEARCH_TAIL: usize = 4_096;
/// The time after which a search goes to no further stretch of the log.
pub const SEARCH_TIME: Duration = Duration::from_millis(25);
/// Places of the log that are asked of the index at once: at first, and at most.
pub const SEARCH_STRETCH: u64 = 16_384;
pub const SEARCH_STRETCH_MAX: u64 = 262_144;
/// Parts of a query, and conversations, that the index is asked for; what goes beyond is checked row by row.
pub const SEARCH_GRAMS: usize = 16;
pub const SEARCH_CONVERSATIONS: usize = 32;
/// Searches at work at once, which leaves a reader to everybody else, and those that wait for their turn.
pub const SEARCHES_AT_ONCE: usize = 1;
pub const SEARCHES_WAITING: usize = 64;
/// Memory of one search: a page of the index for each part and each of some forty segments, and the texts looked at.
pub const SEARCH_MEMORY: usize = 3 * 1024 * 1024;
/// Rows that wait for the index before the idle writer puts them into it, and the bytes of text it takes at once.
pub const INDEX_ROWS: u64 = 512;
pub const INDEX_BYTES: usize = 96 * 1024;
/// Pages of the index that the idle writer merges at once.
pub const INDEX_MERGE_PAGES: u32 = 16;
/// Memory that the index gathers before it writes (SQLite's `hashsize`).
pub const INDEX_MEMORY: usize = 1024 * 1024;

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

/// A file, and all files of a user, in bytes, unless the configuration says otherwise.
pub const FILE_BYTES: u64 = 100 * 1024 * 1024;
pub const USER_FILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// All files together, in hundredths of the disk, unless the configuration says otherwise.
pub const FILES_PERCENT: u64 = 80;
/// A file's name in bytes.
pub const FILE_NAME_BYTES: usize = 255;
/// Uploads of a user that are not finished.
pub const UPLOADS_OPEN: usize = 16;
/// Uploads that send at the same moment: in total and of one user.
pub const UPLOADS_AT_ONCE: usize = 16;
pub const UPLOADS_AT_ONCE_PER_USER: usize = 4;
/// Downloads at the same moment: in total and of one user.
pub const DOWNLOADS_AT_ONCE: usize = 32;
pub const DOWNLOADS_AT_ONCE_PER_USER: usize = 8;
/// What is read or written of a file at once. An upload must bring as much within `HTTP_TIME`.
pub const FILE_PIECE: usize = 64 * 1024;
/// Pieces of files that are at the disk at the same moment, each on a thread that waits for it.
pub const FILE_THREADS: usize = 2;
/// After so many bytes an upload is synced and noted, and it is asked anew whether who sends it may.
pub const UPLOAD_SYNC: u64 = 8 * 1024 * 1024;
/// Begun hashes of uploads that rest; without one a resumed upload is read once more.
pub const UPLOAD_HASHES: usize = 64;
/// An upload, and a file that no message carries, is kept so long.
pub const BLOB_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of a picture that stands for somebody.
pub const AVATAR_BYTES: u64 = 2 * 1024 * 1024;
/// Free bytes of the disk below which no upload is taken, unless configured.
pub const DISK_RESERVE: u64 = 256 * 1024 * 1024;
/// Free bytes of the disk below which no message is taken, and the size of the file that is given up when it is full all
/// the same, so that what makes room can be written.
pub const DISK_LAST: u64 = 32 * 1024 * 1024;
pub const DISK_BALLAST: u64 = 8 * 1024 * 1024;
/// Held back for a start on a disk that is full to its last byte: the database's shared memory and its log need files.
pub const DISK_SPARE: u64 = 512 * 1024;
/// Bytes for a picture at work, of which there is one at a time: its file while it is cleaned, then its pixels. With
/// `limits.memory_mib` from `PICTURE_LARGE_MIB` on it is more.
pub const PICTURE_BYTES: usize = 24 * 1024 * 1024;
pub const PICTURE_BYTES_LARGE: usize = 160 * 1024 * 1024;
pub const PICTURE_LARGE_MIB: usize = 1024;
/// The longer side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;
pub const THUMBHASH_BYTES: usize = 25;

/// The largest part of a backup: below what FAT can hold.
pub const BACKUP_PART: u64 = 4_000 * 1024 * 1024;
/// After so many bytes a backup is synced, so that little of it ever stands in the way of a commit's sync.
pub const BACKUP_SYNC: u64 = 4 * 1024 * 1024;
/// How long the write-ahead log may grow while a backup reads the database; beyond it the backup is given up.
pub const BACKUP_WAL: u64 = 512 * 1024 * 1024;
/// What a backup at work holds: a reader's page cache, a thread, the list of what was erased.
pub const BACKUP_MEMORY: usize = 8 * 1024 * 1024;
/// Backups that are kept at most, whatever is configured.
pub const BACKUPS_KEPT: u32 = 366;
/// Erasures on the list that goes beside backups; beyond it the oldest are dropped.
pub const ERASURES_LISTED: usize = 50_000;
/// Requests for a backup whose ids are remembered.
pub const BACKUPS_ASKED: usize = 16;
/// Files of keys and certificates in a backup, and the bytes of one.
pub const BACKUP_KEYS: usize = 64;
pub const BACKUP_KEY_BYTES: u64 = 1024 * 1024;
/// A list beside a backup, in bytes.
pub const BACKUP_LIST_BYTES: u64 = 16 * 1024 * 1024;

/// Requests to kinglet-board whose ids are remembered.
pub const BOARD_ASKED: usize = 16;

/// Degrees of a board's processor from which on there is a warning, and below which it is over. A Raspberry Pi slows down between
/// 80 and 85 (raspberrypi.com, "Frequency management and thermal control"). Under-voltage is the firmware's own word, below 4.63 V.
pub const BOARD_HOT: i32 = 75;
pub const BOARD_COOL: i32 = 70;
/// What comes and goes (voltage, a slower processor) is over once it was good for so long; errors of the card likewise.
pub const BOARD_CALM: Duration = Duration::from_secs(60 * 60);
pub const CARD_CALM: Duration = Duration::from_secs(24 * 60 * 60);
/// Percent of its life from which on a card that tells it is to be replaced. It tells in steps of ten (JEDEC eMMC).
pub const CARD_WORN: u32 = 80;
/// How often a card can be written from end to end, if the operator does not say: an assumption, and a cautious one, since makers
/// of SD cards seldom state any.
pub const CARD_WRITES: u64 = 100;
/// Days left, by that estimate, below which there is a warning, and from which on it is over; and how long must have been measured.
pub const CARD_SHORT_DAYS: u64 = 365;
pub const CARD_LONG_DAYS: u64 = 450;
pub const CARD_KNOWN_MS: u64 = 24 * 60 * 60 * 1_000;
/// Days of which the bytes written are remembered.
pub const CARD_DAYS: usize = 30;
/// One commit in twenty within an hour takes longer than the first: a warning. Fewer than that longer than the second: it is over.
/// With fewer commits nothing is said. An ack waits for its commit, and from half a second on that is felt.
pub const CARD_SLOW: Duration = Duration::from_millis(500);
pub const CARD_QUICK: Duration = Duration::from_millis(250);
pub const CARD_SYNCS: u64 = 20;

/// The plug test: bytes of a record, places for them, how many there are at most, and the pause before each: ten minutes together.
pub const PLUG_TEST_RECORD: usize = 4_096;
pub const PLUG_TEST_RECORDS: u64 = 256;
pub const PLUG_TEST_MOST: u64 = 6_000;
pub const PLUG_TEST_PAUSE: Duration = Duration::from_millis(100);

/// The largest file of a picture that is cleaned within so many bytes: what takes it apart needs some, too.
#[must_use]
pub fn picture_file(picture_bytes: usize) -> usize {
    picture_bytes / 6 * 5
}

const _: () =
    assert!(UPLOADS_AT_ONCE_PER_USER <= UPLOADS_AT_ONCE && UPLOADS_AT_ONCE_PER_USER <= UPLOADS_OPEN);
const _: () = assert!(DISK_BALLAST < DISK_LAST && DISK_LAST < DISK_RESERVE);
const _: () = assert!(DOWNLOADS_AT_ONCE_PER_USER <= DOWNLOADS_AT_ONCE);
const _: () = assert!(FILE_BYTES <= USER_FILE_BYTES && (FILE_PIECE as u64) < UPLOAD_SYNC);
const _: () = assert!(FRAME_BEFORE_SIGN_IN <= FRAME_DEFAULT && FRAME_DEFAULT <= FRAME_MAX);
const _: () = assert!(BODY_BYTES + FRAME_OVERHEAD <= FRAME_DEFAULT);
const _: () = assert!(FRAME_BEFORE_SIGN_IN * 2 <= BYTES_BEFORE_SIGN_IN);
const _: () = assert!(BATCH_COMMANDS <= QUEUE_COMMANDS && BATCH_COMMANDS <= FOLD_ROWS);
const _: () = assert!(FRAME_MAX <= QUEUE_BYTES / 4);
const _: () = assert!(PAGE_BYTES >= BODY_BYTES * 2);
const _: () = assert!(CONNECTIONS_UNSIGNED <= CONNECTIONS);
const _: () = assert!(SEARCHES_AT_ONCE < READERS && SEARCH_BYTES >= BODY_BYTES);
const _: () = assert!(INDEX_ROWS as usize <= SEARCH_TAIL / 4 && INDEX_BYTES >= BODY_BYTES);
const _: () = assert!(GROUP_MEMBERS <= CHANNEL_MEMBERS && CHANNEL_MEMBERS <= ROSTER_MEMBERS);
const _: () = assert!(USERS_PER_COMMAND <= GROUP_MEMBERS);
const _: () = assert!(HTTP_BODY >= FRAME_DEFAULT);
const _: () = assert!(PUSH_PER_HOST <= PUSH_AT_ONCE && PUSH_TEXT_BYTES <= 2_048);

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
    /// A message may be edited by its sender for this long; `u64::MAX` for ever.
    pub edit_seconds: u64,
    /// Days after which what is said is erased; 0 never.
    pub retention_days: u32,
    pub tls: bool,
    pub files: FileLimits,
    /// Whether push messages are sent.
    pub push: bool,
    /// Whether certificates are ordered.
    pub orders: bool,
}

/// What files may take, with the defaults above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    pub file_bytes: u64,
    pub user_bytes: u64,
    /// Nothing: `FILES_PERCENT` of the disk.
    pub total_bytes: Option<u64>,
    pub reserve_bytes: u64,
    /// Free bytes of the disk below which no message is taken.
    pub last_bytes: u64,
    pub picture_bytes: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        FileLimits {
            file_bytes: FILE_BYTES,
            user_bytes: USER_FILE_BYTES,
            total_bytes: None,
            reserve_bytes: DISK_RESERVE,
            last_bytes: DISK_LAST,
            picture_bytes: PICTURE_BYTES,
        }
    }
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
            edit_seconds: u64::MAX,
            retention_days: 0,
            tls: false,
            files: FileLimits::default(),
            push: false,
            orders: false,
        }
    }
}
