//! The generated tables of `docs/PROTOCOL.md`: refusals, limits, and who may do what, each taken from the code that
//! decides. What must not live here: the page, and how it is compared.

use std::fmt::Write;

use kinglet::limits::{self, Bucket};
use kinglet::proto::answer::ErrorReply;
use kinglet::proto::{Code, Refusal, RequestId};

pub fn refusals() -> String {
    let mut table =
        "| code | status | message | what to do | `retry_after_ms` |\n|---|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let Refusal {
            message,
            next,
            retry_after_ms,
            ..
        } = Refusal::new(*code);
        let wait = match code {
            Code::RateLimited => "as long as it takes".to_owned(),
            _ => retry_after_ms.map_or(String::new(), |ms| number(ms as usize)),
        };
        let (text, status) = (code.text(), code.status());
        writeln!(table, "| `{text}` | {status} | {message} | {next} | {wait} |").expect("writing to a text");
    }
    table
}

pub fn refusal_examples() -> String {
    let mut block = "```json error\n".to_owned();
    for (index, code) in Code::ALL.iter().enumerate() {
        let refusal = match code {
            Code::RateLimited => Refusal::later(*code, 20),
            _ => Refusal::new(*code),
        };
        let reply = ErrorReply {
            re: Some(RequestId::Number(index as u64 + 1)),
            error: refusal,
        };
        block.push_str(&serde_json::to_string(&reply).expect("a refusal encodes"));
        block.push('\n');
    }
    block + "```\n"
}

/// 1,000 for people.
pub fn number(value: usize) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

pub fn bytes(value: usize) -> String {
    match value {
        value if value % 1024 == 0 && value >= 1024 => format!("{} KiB", number(value / 1024)),
        value => format!("{} bytes", number(value)),
    }
}

fn bucket(bucket: &Bucket) -> String {
    format!("{} at once, {} a second", bucket.burst, bucket.per_second)
}

/// The rows about settings of one's own.
pub fn personal() -> [(&'static str, String, String); 7] {
    let refused = |code: Code| format!("`{}`", code.text());
    [
        (
            "settings of one key, per user",
            number(limits::SETTINGS_OF_KEY),
            refused(Code::LimitReached),
        ),
        (
            "a draft; all drafts of a user",
            format!("{}; {}", bytes(limits::DRAFT_BYTES), bytes(limits::DRAFTS_BYTES)),
            format!("{}; {}", refused(Code::TooLarge), refused(Code::LimitReached)),
        ),
        (
            "a status; stretches of quiet hours",
            format!("{}; {}", bytes(limits::STATUS_BYTES), limits::QUIET_STRETCHES),
            refused(Code::BadRequest),
        ),
        (
            "cleared settings of a user that are still told",
            number(limits::SETTINGS_CLEARED),
            "`settings_stale`".into(),
        ),
        (
            "blocks; hidden messages of all users together",
            format!("{}; {}", number(limits::BLOCKS), number(limits::HIDDEN)),
            refused(Code::LimitReached),
        ),
        (
            "changes of what a user follows that are still told",
            number(limits::FOLLOWS_TOLD),
            "`settings_stale`".into(),
        ),
        (
            "`find` of `users`",
            bytes(limits::TITLE_BYTES),
            refused(Code::BadRequest),
        ),
    ]
}

pub fn limits() -> String {
    let seconds = |time: std::time::Duration| format!("{} seconds", time.as_secs());
    let two = |one: usize, other: usize| format!("{}, {}", number(one), number(other));
    let closes = |code: u16| format!("close {code}");
    let refused = |code: Code| format!("`{}`", code.text());
    let rows = [
        (
            "a frame before `welcome`",
            bytes(limits::FRAME_BEFORE_SIGN_IN),
            closes(1009),
        ),
        ("a frame after it", bytes(limits::FRAME_DEFAULT), closes(1009)),
        (
            "fragments of a message",
            number(limits::FRAGMENTS as usize),
            closes(1008),
        ),
        (
            "bytes before the end of `hello`, pings and frames' heads included",
            bytes(limits::BYTES_BEFORE_SIGN_IN),
            format!("{}, close 1009", refused(Code::TooLarge)),
        ),
        ("time to sign in", seconds(limits::SIGN_IN_TIME), closes(4408)),
        (
            "nesting of JSON",
            number(limits::JSON_DEPTH),
            refused(Code::BadRequest),
        ),
        (
            "silence before a ping; before the end",
            format!(
                "{}; {}",
                seconds(limits::PING_EVERY),
                seconds(limits::PING_EVERY * 2)
            ),
            closes(4408),
        ),
        (
            "time that a write may make no progress",
            seconds(limits::WRITE_TIME),
            "the connection is cut".into(),
        ),
        (
            "requests without an answer, per connection",
            number(limits::IN_FLIGHT),
            "the socket is not read".into(),
        ),
        (
            "connections in total",
            number(limits::CONNECTIONS),
            refused(Code::TooManyConnections),
        ),
        (
            "connections of a user",
            number(limits::CONNECTIONS_PER_USER),
            refused(Code::TooManyConnections),
        ),
        (
            "connections from an address (IPv6: a /64)",
            number(limits::CONNECTIONS_PER_ADDRESS),
            refused(Code::TooManyConnections),
        ),
        (
            "connections not signed in",
            number(limits::CONNECTIONS_UNSIGNED),
            refused(Code::TooManyConnections),
        ),
        (
            "commands `send`, `edit`, `recall`, `react`",
            bucket(&limits::BUCKET_SEND),
            refused(Code::RateLimited),
        ),
        (
            "commands that change a conversation",
            bucket(&limits::BUCKET_CHANGE),
            refused(Code::RateLimited),
        ),
        (
            "commands `typing`, `presence`, `mark_read`",
            bucket(&limits::BUCKET_NOTICE),
            refused(Code::RateLimited),
        ),
        (
            "commands `set`",
            bucket(&limits::BUCKET_SETTING),
            refused(Code::RateLimited),
        ),
        (
            "commands that read",
            bucket(&limits::BUCKET_READ),
            refused(Code::RateLimited),
        ),
        (
            "command `search`",
            bucket(&limits::BUCKET_SEARCH),
            refused(Code::RateLimited),
        ),
        (
            "wrong guesses (sign-in, claim, invitation, reset link) from an address",
            bucket(&limits::BUCKET_SIGN_IN),
            refused(Code::RateLimited),
        ),
        (
            "wrong passwords for an account from devices it does not know",
            format!(
                "{} at once, one in {} seconds",
                limits::ACCOUNT_TRIES,
                limits::ACCOUNT_TRY_EVERY_MS / 1_000
            ),
            refused(Code::RateLimited),
        ),
        ("a body", bytes(limits::BODY_BYTES), refused(Code::TooLarge)),
        (
            "a title; an emoji",
            format!("{}; {}", bytes(limits::TITLE_BYTES), bytes(limits::EMOJI_BYTES)),
            refused(Code::BadRequest),
        ),
        (
            "users that a message mentions",
            number(limits::MENTIONS),
            refused(Code::BadRequest),
        ),
        (
            "unread mentions that are counted",
            number(limits::MENTIONS_COUNTED),
            "the number stays there".into(),
        ),
        (
            "pins of a conversation",
            number(limits::PINS),
            refused(Code::LimitReached),
        ),
        (
            "an announcement",
            bytes(limits::ANNOUNCEMENT_BYTES),
            refused(Code::BadRequest),
        ),
        (
            "members up to which it is told who has not read",
            number(limits::NOTICE_MEMBERS),
            refused(Code::LimitReached),
        ),
        (
            "seqs of an `events`",
            number(limits::EVENTS_ASKED),
            refused(Code::BadRequest),
        ),
        (
            "threads that a user follows",
            number(limits::THREADS_FOLLOWED),
            "the one followed longest is not any more".into(),
        ),
        (
            "users named in a command",
            number(limits::USERS_PER_COMMAND),
            refused(Code::BadRequest),
        ),
        (
            "members of a group, of a channel",
            two(limits::GROUP_MEMBERS, limits::CHANNEL_MEMBERS),
            refused(Code::LimitReached),
        ),
        (
            "conversations of a user",
            number(limits::CONVERSATIONS_PER_USER),
            refused(Code::LimitReached),
        ),
        (
            "bans, open requests of a conversation",
            two(limits::BANS, limits::REQUESTS),
            refused(Code::LimitReached),
        ),
        (
            "departures that a conversation remembers",
            number(limits::DEPARTURES),
            "the oldest are forgotten".into(),
        ),
        (
            "members up to which notices are told",
            number(limits::NOTICE_MEMBERS),
            "no notices".into(),
        ),
        (
            "events of a page; their bodies",
            format!("{}; {}", number(limits::PAGE_EVENTS), bytes(limits::PAGE_BYTES)),
            "`more`".into(),
        ),
        (
            "annotations of a page",
            format!("{}, and 256 KiB", number(limits::PAGE_ANNOTATIONS)),
            "the first ones".into(),
        ),
        ("rows of a list", number(limits::LIST_ROWS), "`more`".into()),
        (
            "a search's query",
            bytes(limits::SEARCH_QUERY_BYTES),
            refused(Code::BadRequest),
        ),
        (
            "a search's page: found, messages looked at, their texts",
            format!(
                "{}; {}; {}",
                limits::SEARCH_HITS,
                number(limits::SEARCH_LOOKED),
                bytes(limits::SEARCH_BYTES)
            ),
            "`more`".into(),
        ),
        (
            "searches at work; waiting",
            format!("{}; {}", limits::SEARCHES_AT_ONCE, limits::SEARCHES_WAITING),
            refused(Code::Busy),
        ),
        (
            "missed places in the log that are streamed",
            number(limits::STREAM_POSITIONS as usize),
            "`catch_up` is `sync`, or `behind`".into(),
        ),
        (
            "an HTTP body: without a token, with one",
            format!(
                "{}; {}",
                bytes(limits::BYTES_BEFORE_SIGN_IN),
                bytes(limits::HTTP_BODY)
            ),
            refused(Code::TooLarge),
        ),
        (
            "an HTTP request's head; its headers",
            format!("{}; {}", bytes(limits::HEAD_BYTES), limits::HEADERS),
            "status 431 without a body".into(),
        ),
        (
            "time for an HTTP request to arrive",
            seconds(limits::HTTP_TIME),
            "408 `slow_sign_in`".into(),
        ),
        (
            "wait of a long poll",
            seconds(limits::POLL_WAIT),
            "the answer, empty".into(),
        ),
        (
            "devices of a user: signed in, ever",
            two(limits::DEVICES_PER_USER, limits::DEVICE_IDS_PER_USER),
            refused(Code::LimitReached),
        ),
        (
            "hours of a reset link",
            number(limits::RESET_LINK_HOURS as usize),
            refused(Code::BadRequest),
        ),
        (
            "codes for new devices at once on the server; time that one is good",
            format!(
                "{}; {}",
                number(limits::DEVICE_CODES),
                seconds(limits::DEVICE_CODE_TIME)
            ),
            format!("{}; {}", refused(Code::Busy), refused(Code::LinkInvalid)),
        ),
        (
            "sign-ins of a user that are kept",
            number(limits::SIGN_INS_PER_USER),
            "the oldest go first".into(),
        ),
        (
            "news of a user that are kept",
            number(limits::NEWS_PER_USER),
            "the oldest go first".into(),
        ),
        (
            "uses of an invitation; days",
            format!(
                "{}; {}",
                number(limits::INVITATION_USES as usize),
                limits::INVITATION_DAYS
            ),
            refused(Code::BadRequest),
        ),
        (
            "archives of one's own data: at once in all; time from one to the next",
            format!("{}; {}", limits::EXPORTS_AT_ONCE, seconds(limits::EXPORT_EVERY)),
            format!("{}; {}", refused(Code::Busy), refused(Code::RateLimited)),
        ),
        (
            "days that a conversation keeps what is said",
            number(limits::RETENTION_DAYS as usize),
            refused(Code::BadRequest),
        ),
        (
            "open invitations; users of the server",
            format!("{}; {}", number(limits::INVITATIONS), number(limits::USERS)),
            refused(Code::LimitReached),
        ),
        (
            "bots of the server",
            number(limits::BOTS),
            refused(Code::LimitReached),
        ),
        (
            "a file; all files of a user; all files (settings)",
            format!(
                "{} MiB; {} MiB; {} % of the disk",
                limits::FILE_BYTES >> 20,
                number((limits::USER_FILE_BYTES >> 20) as usize),
                limits::FILES_PERCENT
            ),
            format!(
                "{}; {}; {}",
                refused(Code::TooLarge),
                refused(Code::LimitReached),
                refused(Code::StorageFull)
            ),
        ),
        (
            "a file's name",
            bytes(limits::FILE_NAME_BYTES),
            refused(Code::BadRequest),
        ),
        (
            "uploads of a user that are not finished",
            number(limits::UPLOADS_OPEN),
            refused(Code::LimitReached),
        ),
        (
            "uploads at the same moment: of a user, in total",
            two(limits::UPLOADS_AT_ONCE_PER_USER, limits::UPLOADS_AT_ONCE),
            refused(Code::Busy),
        ),
        (
            "downloads at the same moment: of a user, in total",
            two(limits::DOWNLOADS_AT_ONCE_PER_USER, limits::DOWNLOADS_AT_ONCE),
            refused(Code::Busy),
        ),
        (
            "an upload, a file that no message carries",
            format!("{} hours", limits::BLOB_KEPT.as_secs() / 3_600),
            "it is removed".into(),
        ),
        (
            "a picture that is cleaned of what it tells",
            format!("{} MiB", limits::picture_file(limits::PICTURE_BYTES) >> 20),
            "it is kept as it came".into(),
        ),
        (
            "push subscriptions of the server; the address of one",
            format!(
                "{}; {}",
                number(limits::PUSH_SUBSCRIPTIONS),
                bytes(limits::PUSH_ENDPOINT_BYTES)
            ),
            format!("{}; {}", refused(Code::LimitReached), refused(Code::PushRefused)),
        ),
        (
            "text in a push message",
            bytes(limits::PUSH_TEXT_BYTES),
            "it is cut off".into(),
        ),
        (
            "tests of push at once, over all users",
            number(limits::PUSH_TESTS),
            refused(Code::Busy),
        ),
        (
            "time between two push messages about a conversation to a device",
            seconds(limits::PUSH_PAUSE),
            "they become one".into(),
        ),
    ];
    let rows = rows.into_iter().chain(crate::rows::of_subjects());
    let mut table = "| what | at most | beyond it |\n|---|---|---|\n".to_owned();
    for (what, most, beyond) in rows {
        writeln!(table, "| {what} | {most} | {beyond} |").expect("writing to a text");
    }
    table
}
