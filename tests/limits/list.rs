//! Every constant of `src/limits.rs`: the test that sees it reached, or why there is none to reach.
//! What must not live here: the tests themselves.

use std::collections::BTreeSet;
use std::path::Path;

use crate::machine;

const SEARCH: &str = "tests/store_contract/search.rs";
const INDEX: &str = "tests/store_contract/indexing.rs";
const STORIES: &str = "tests/stories/limits.rs";
const HERE: &str = "tests/limits.rs";
const PATIENCE: &str = "tests/stories/patience.rs";
const POOLS: &str = "tests/stories/pools.rs";
const PACE: &str = "src/store/sqlite/pace.rs";
const QUEUE: &str = "tests/store_contract/queue.rs";
const STORE: &str = "tests/store_contract/limits.rs";
const SAID: &str = "tests/store_contract/said.rs";
const DEVICES: &str = "src/store/sqlite/accounts/tests/mod.rs";
const INVITED: &str = "src/store/sqlite/accounts/tests/invitations.rs";
const PERSONAL: &str = "tests/store_contract/personal.rs";
const SETTINGS: &str = "src/core/settings.rs";
const UPLOADS: &str = "tests/stories/uploads.rs";
const FILES: &str = "tests/stories/files.rs";
const PLACES: &str = "src/session/files/places.rs";
const PUSHED: &str = "src/store/sqlite/push/tests.rs";
const PUSH_STORIES: &str = "tests/stories/push.rs";
const PUSH_LIMITS: &str = "tests/stories/push_limits.rs";
const PUSH_RULES: &str = "src/core/push.rs";
const ACME_LINE: &str = "src/workers/acme/line.rs";
const ACME_HOOK: &str = "src/workers/acme/hook.rs";
const ACME_DUE: &str = "src/workers/acme/due.rs";
const MODERATED: &str = "src/store/sqlite/accounts/tests/moderation.rs";
const MODERATION: &str = "tests/stories/moderation.rs";
const BOTS: &str = "src/store/sqlite/accounts/tests/bots.rs";
const BACKUP_ARCHIVE: &str = "src/workers/backup/archive.rs";
const INSIDE: &str = "src/session/accounts/tests/inside.rs";

/// The limit, the file of its test, and words of that test.
const REACHED: &[(&str, &str, &str)] = &[
    ("BOTS", BOTS, "limits::BOTS"),
    (
        "FRAME_BEFORE_SIGN_IN",
        STORIES,
        "fn a_frame_before_sign_in_has_four_kibibytes",
    ),
    (
        "BYTES_BEFORE_SIGN_IN",
        "tests/stories/strangers.rs",
        "fn a_socket_has_sixteen_kibibytes_until_its_hello_is_complete",
    ),
    ("FRAME_DEFAULT", STORIES, "fn a_frame_after_sign_in_has_the_limit"),
    ("FRAME_MAX", HERE, "limits::FRAME_MAX"),
    (
        "FRAGMENTS",
        "src/gateway/frame/tests/memory.rs",
        "fn a_million_fragments_stay_small_and_are_refused",
    ),
    (
        "JSON_DEPTH",
        "tests/stories/bad_input.rs",
        "fn texts_that_are_no_request_are_refused",
    ),
    (
        "SIGN_IN_TIME",
        STORIES,
        "fn who_does_not_sign_in_within_ten_seconds_is_shown_out",
    ),
    ("HEAD_BYTES", "tests/stories/bad_http.rs", "a head without an end"),
    ("HEADERS", "tests/stories/bad_http.rs", "counted(HEADERS + 1)"),
    ("HTTP_BODY", STORIES, "fn a_body_over_http_has_its_limit"),
    (
        "TLS_HELD",
        "src/gateway/tls/stream.rs",
        "fn a_hello_that_does_not_end_is_kept_up_to_its_limit",
    ),
    ("IN_FLIGHT", STORIES, "each of 500 at once is answered"),
    (
        "FLUSHED_AT_ONCE",
        "src/store/sqlite/markers.rs",
        "fn one_commit_carries_at_most_a_portion",
    ),
    ("QUEUE_COMMANDS", QUEUE, "fn a_full_queue_is_busy"),
    ("QUEUE_BYTES", QUEUE, "fn queued_bytes_are_bounded_too"),
    ("BATCH_COMMANDS", QUEUE, "Some(BATCH_COMMANDS)"),
    ("COMMIT_PACE", PACE, "limits::COMMIT_PACE - STEP"),
    ("COMPANY", PACE, "limits::COMPANY as u64"),
    ("READS_WAITING", STORE, "READS_WAITING"),
    ("PAGE_EVENTS", STORIES, "limits::PAGE_EVENTS + 1"),
    (
        "PAGE_BYTES",
        "tests/store_contract/pages.rs",
        "fn a_page_has_a_weight",
    ),
    ("PAGE_ANNOTATIONS", STORE, "PAGE_ANNOTATIONS"),
    ("LIST_ROWS", STORIES, "limits::LIST_ROWS + 1"),
    (
        "AUDIT_LOOKED",
        "src/store/sqlite/accounts/tests/people.rs",
        "limits::AUDIT_LOOKED",
    ),
    (
        "THUMBHASH_BYTES",
        "src/core/permit/blobs.rs",
        "limits::THUMBHASH_BYTES + 1",
    ),
    ("STREAM_POSITIONS", HERE, "limits::STREAM_POSITIONS + 1"),
    ("TAIL_BYTES", HERE, "limits::TAIL_BYTES"),
    ("NOTICES", HERE, "limits::NOTICES as u64 + 9"),
    ("NOTICES_TO_ALL", HERE, "limits::NOTICES_TO_ALL as u64 + 9"),
    ("NOTICE_MEMBERS", HERE, "limits::NOTICE_MEMBERS as u64 + 1"),
    ("POLL_BYTES", STORIES, "limits::POLL_BYTES"),
    (
        "REVOKE_WITHIN",
        "tests/stories/revocation.rs",
        "fn a_revoked_session_is_closed_within_a_second",
    ),
    ("CONNECTIONS", STORIES, "fn connections_have_a_limit_in_total"),
    (
        "CONNECTIONS_PER_USER",
        STORIES,
        "fn connections_have_a_limit_per_user",
    ),
    (
        "CONNECTIONS_PER_ADDRESS",
        STORIES,
        "fn connections_have_a_limit_per_address",
    ),
    (
        "CONNECTIONS_UNSIGNED",
        STORIES,
        "fn strangers_have_a_limit_of_their_own",
    ),
    ("GROUP_MEMBERS", HERE, "limits::GROUP_MEMBERS"),
    ("CHANNEL_MEMBERS", HERE, "limits::CHANNEL_MEMBERS"),
    ("USERS_PER_COMMAND", HERE, "limits::USERS_PER_COMMAND + 1"),
    ("CONVERSATIONS_PER_USER", STORE, "CONVERSATIONS_PER_USER"),
    (
        "ROSTER_MEMBERS",
        "tests/store_contract/folding.rs",
        "fn rosters_beyond_the_budget_are_busy",
    ),
    ("BANS", HERE, "limits::BANS"),
    ("REQUESTS", HERE, "limits::REQUESTS"),
    ("DEPARTURES", HERE, "limits::DEPARTURES"),
    (
        "RETURNS_PER_USER",
        "src/core/roster.rs",
        "assert_eq!(of(restless), limits::RETURNS_PER_USER)",
    ),
    ("RETURNS", HERE, "limits::RETURNS)"),
    ("TITLE_BYTES", HERE, "limits::TITLE_BYTES + 1"),
    ("EMOJI_BYTES", HERE, "limits::EMOJI_BYTES + 1"),
    ("BODY_BYTES", HERE, "limits::BODY_BYTES + 1"),
    (
        "MENTIONS",
        "src/core/mentions.rs",
        "fn a_text_mentions_a_limited_number_of_users",
    ),
    ("MENTIONS_COUNTED", SAID, "MENTIONS_COUNTED"),
    ("PINS", "tests/stories/board.rs", "limits::PINS"),
    (
        "ANNOUNCEMENT_BYTES",
        "tests/stories/board.rs",
        "limits::ANNOUNCEMENT_BYTES + 1",
    ),
    (
        "EVENTS_ASKED",
        "tests/stories/quotes.rs",
        "limits::EVENTS_ASKED + 1",
    ),
    ("THREADS_FOLLOWED", SAID, "THREADS_FOLLOWED"),
    ("FOLLOWS_TOLD", SAID, "FOLLOWS_TOLD"),
    ("DEVICES_PER_USER", DEVICES, "limits::DEVICES_PER_USER"),
    ("DEVICE_IDS_PER_USER", DEVICES, "limits::DEVICE_IDS_PER_USER"),
    ("INVITATIONS", INVITED, "limits::INVITATIONS"),
    (
        "LINKS_PER_USER",
        "tests/stories/links.rs",
        "0..limits::LINKS_PER_USER",
    ),
    ("INVITATION_USES", INSIDE, "uses: Some(1_001)"),
    ("INVITATION_DAYS", HERE, "limits::INVITATION_DAYS"),
    (
        "RESET_LINK_HOURS",
        "tests/stories/people.rs",
        "for hours in [0, 169]",
    ),
    (
        "NEWS_PER_USER",
        "src/store/sqlite/accounts/tests/people.rs",
        "limits::NEWS_PER_USER",
    ),
    (
        "DEVICE_CODES",
        "src/session/accounts/pairing.rs",
        "fn a_full_table_is_busy",
    ),
    (
        "DEVICE_CODE_TIME",
        "src/session/accounts/pairing.rs",
        "fn what_is_over_is_forgotten",
    ),
    (
        "SIGN_INS_PER_USER",
        "src/store/sqlite/accounts/tests/people.rs",
        "limits::SIGN_INS_PER_USER",
    ),
    (
        "EXPORTS_AT_ONCE",
        "src/session/export.rs",
        "2..=limits::EXPORTS_AT_ONCE as u64",
    ),
    (
        "EXPORT_EVERY",
        "tests/stories/export.rs",
        "fn one_archive_in_five_minutes",
    ),
    (
        "RETENTION_DAYS",
        "tests/store_contract/retention.rs",
        "limits::RETENTION_DAYS + 1",
    ),
    ("USERS", INVITED, "limits::USERS"),
    ("SETTINGS_OF_KEY", PERSONAL, "fn settings_of_a_key_are_limited"),
    (
        "SETTINGS_CLEARED",
        PERSONAL,
        "fn cleared_settings_are_forgotten_in_time",
    ),
    ("AVATAR_BYTES", SETTINGS, "limits::AVATAR_BYTES + 1"),
    ("DRAFT_BYTES", SETTINGS, "limits::DRAFT_BYTES + 1"),
    (
        "DRAFTS_BYTES",
        "tests/stories/personal.rs",
        "fn drafts_have_their_bytes_together",
    ),
    ("STATUS_BYTES", SETTINGS, "\"x\".repeat(most + 1)"),
    ("QUIET_STRETCHES", SETTINGS, "vec![night.clone(); most + 1]"),
    (
        "BLOCKS",
        PERSONAL,
        "fn blocks_are_kept_and_limited_for_all_together",
    ),
    (
        "HIDDEN",
        PERSONAL,
        "fn what_is_hidden_is_kept_and_limited_for_all_together",
    ),
    ("BUCKET_SETTING", STORIES, "limits::BUCKET_SETTING.burst"),
    ("PACE_MAX", HERE, "fn the_pace_has_an_end"),
    (
        "BUCKET_SEND",
        STORIES,
        "fn who_asks_too_fast_is_told_when_to_ask_again",
    ),
    ("BUCKET_CHANGE", STORIES, "limits::BUCKET_CHANGE.burst"),
    ("BUCKET_NOTICE", STORIES, "limits::BUCKET_NOTICE.burst"),
    ("BUCKET_READ", STORIES, "limits::BUCKET_READ.burst"),
    (
        "BUCKET_SIGN_IN",
        STORIES,
        "fn guessing_passwords_is_slowed_down_by_address",
    ),
    (
        "ACCOUNT_TRIES",
        "src/session/accounts/tries.rs",
        "fn only_wrong_guesses_cost",
    ),
    (
        "ACCOUNT_TRY_EVERY_MS",
        "src/session/accounts/tries.rs",
        "<= limits::ACCOUNT_TRY_EVERY_MS",
    ),
    (
        "TRIES_REMEMBERED",
        "src/session/accounts/tries.rs",
        "fn a_full_table_forgets_the_most_forgiven",
    ),
    (
        "ARGON2_KIB",
        "src/session/accounts/password.rs",
        "fn no_more_than_the_stated_memory_is_ever_made",
    ),
    (
        "ARGON2_AT_ONCE",
        "src/session/accounts/password.rs",
        "fn no_more_than_the_stated_memory_is_ever_made",
    ),
    (
        "ARGON2_WAITING",
        "src/session/accounts/password.rs",
        "fn who_finds_the_queue_full_is_told_when_to_come_back",
    ),
    (
        "SOCKET_RECEIVE",
        "src/gateway/socket.rs",
        "fn a_listener_takes_the_clamp_and_a_file_does_not",
    ),
    (
        "POOL_PARTIAL",
        POOLS,
        "fn half_frames_fill_a_pool_and_then_others_wait_for_it",
    ),
    (
        "POOL_OUTGOING",
        POOLS,
        "fn who_takes_nothing_is_cut_once_the_pool_for_such_bytes_is_empty",
    ),
    ("SEARCH_QUERY_BYTES", STORIES, "limits::SEARCH_QUERY_BYTES"),
    ("SEARCH_HITS", STORIES, "limits::SEARCH_HITS + 1"),
    ("BUCKET_SEARCH", STORIES, "limits::BUCKET_SEARCH.burst"),
    ("SEARCH_LOOKED", SEARCH, "{SEARCH_LOOKED} rows end a page"),
    ("SEARCH_BYTES", SEARCH, "{SEARCH_BYTES} bytes end a page"),
    ("SEARCH_TAIL", INDEX, "{SEARCH_TAIL} rows end a page"),
    ("SEARCH_CONVERSATIONS", SEARCH, "SEARCH_CONVERSATIONS as u64 + 5"),
    ("SEARCHES_WAITING", SEARCH, "fn waiting_searches_are_limited"),
    ("HTTP_TIME", PATIENCE, "slow_body(&anna, \"/api/v1/sign-in\")"),
    ("PING_EVERY", PATIENCE, "silent(&anna)"),
    ("WRITE_TIME", PATIENCE, "stuck(&dan, &ben)"),
    ("POLL_WAIT", PATIENCE, "poll(&anna)"),
    (
        "POOL_SOCKET",
        "src/gateway/pools.rs",
        "fn a_share_is_given_back_and_an_empty_pool_gives_none",
    ),
    ("FILE_BYTES", UPLOADS, "limits::FILE_BYTES + 1"),
    ("USER_FILE_BYTES", UPLOADS, "fn room_is_limited_and_given_back"),
    (
        "FILE_NAME_BYTES",
        "src/core/permit/blobs.rs",
        "limits::FILE_NAME_BYTES + 1",
    ),
    ("REASON_BYTES", MODERATION, "limits::REASON_BYTES + 1"),
    ("REPORTS_OPEN", MODERATED, "limits::REPORTS_OPEN,"),
    (
        "REPORTS_OPEN_PER_USER",
        MODERATED,
        "limits::REPORTS_OPEN_PER_USER,",
    ),
    ("REPORTS_KEPT", MODERATED, "limits::REPORTS_KEPT"),
    (
        "REPORT_CONTEXT",
        MODERATION,
        "fn a_report_shows_two_messages_on_each_side_and_no_more",
    ),
    ("MUTES", MODERATED, "limits::MUTES"),
    ("MEASURE_SECONDS", MODERATION, "limits::MEASURE_SECONDS + 1"),
    ("MEASURES_PER_USER", MODERATED, "limits::MEASURES_PER_USER"),
    ("UPLOADS_OPEN", UPLOADS, "0..limits::UPLOADS_OPEN"),
    ("UPLOADS_AT_ONCE", PLACES, "three are all"),
    (
        "UPLOADS_AT_ONCE_PER_USER",
        UPLOADS,
        "limits::UPLOADS_AT_ONCE_PER_USER",
    ),
    ("DOWNLOADS_AT_ONCE", PLACES, "three are all"),
    (
        "DOWNLOADS_AT_ONCE_PER_USER",
        FILES,
        "limits::DOWNLOADS_AT_ONCE_PER_USER",
    ),
    ("UPLOAD_SYNC", UPLOADS, "saturating_sub(limits::UPLOAD_SYNC)"),
    ("BLOB_KEPT", "src/session/files/tests.rs", "limits::BLOB_KEPT"),
    (
        "DISK_RESERVE",
        UPLOADS,
        "fn a_disk_below_its_reserve_takes_no_files_and_goes_on_with_messages",
    ),
    (
        "DISK_LAST",
        "src/session/files/tests.rs",
        "fn a_disk_almost_full_takes_back_and_takes_nothing_new",
    ),
    ("DISK_BALLAST", "tests/power_cut/full.rs", "limits::DISK_BALLAST"),
    ("DISK_SPARE", "tests/stories/backup_place.rs", "blobs/spare"),
    ("PICTURE_BYTES", "tests/pictures.rs", "limits::PICTURE_BYTES"),
    ("THUMBNAIL_SIDE", "tests/pictures.rs", "limits::THUMBNAIL_SIDE"),
    (
        "PUSH_SUBSCRIPTIONS",
        PUSHED,
        "fn subscriptions_are_limited_and_one_may_still_be_changed",
    ),
    (
        "PUSH_ENDPOINT_BYTES",
        PUSH_STORIES,
        "repeat(limits::PUSH_ENDPOINT_BYTES)",
    ),
    (
        "PUSH_WAITING",
        PUSHED,
        "fn what_waits_is_limited_and_the_rest_is_counted",
    ),
    (
        "PUSH_STEP",
        PUSHED,
        "fn a_large_room_is_laid_out_in_steps_to_each_device_once",
    ),
    ("PUSH_LOOKS_BACK", PUSHED, "limits::PUSH_LOOKS_BACK"),
    ("PUSH_AT_ONCE", PUSH_LIMITS, "limits::PUSH_AT_ONCE"),
    ("PUSH_PER_HOST", PUSH_LIMITS, "limits::PUSH_PER_HOST"),
    ("PUSH_TESTS", PUSH_LIMITS, "limits::PUSH_TESTS"),
    ("PUSH_TIME", PUSH_LIMITS, "limits::PUSH_TIME"),
    ("PUSH_HEAD_BYTES", PUSH_LIMITS, "repeat(limits::PUSH_HEAD_BYTES)"),
    (
        "PUSH_TEXT_BYTES",
        "src/workers/push/letter.rs",
        "fn a_long_text_is_cut_at_a_whole_character",
    ),
    ("PUSH_GRACE", PUSH_STORIES, "limits::PUSH_GRACE"),
    ("PUSH_PAUSE", PUSH_STORIES, "limits::PUSH_PAUSE"),
    ("PUSH_FIRST_WAIT", PUSH_RULES, "assert_eq!(waits[..4], [30,"),
    ("PUSH_LAST_WAIT", PUSH_RULES, "limits::PUSH_LAST_WAIT"),
    ("PUSH_GIVE_UP", PUSH_RULES, "waited >= limits::PUSH_GIVE_UP"),
    (
        "PUSH_GREETINGS",
        "src/workers/push/greeting.rs",
        "limits::PUSH_GREETINGS * 2",
    ),
    (
        "ACME_REQUEST_TIME",
        ACME_LINE,
        "fn an_authority_that_never_answers_is_left",
    ),
    ("ACME_HEAD_BYTES", ACME_LINE, "repeat(limits::ACME_HEAD_BYTES)"),
    (
        "ACME_BODY_BYTES",
        ACME_LINE,
        "repeat(limits::ACME_BODY_BYTES + 1)",
    ),
    (
        "ACME_HOOK_TIME",
        ACME_HOOK,
        "fn a_hook_without_end_is_ended_with_all_that_it_started",
    ),
    (
        "ACME_TIME",
        "src/workers/acme/order.rs",
        "fn what_took_too_long_leaves_no_record",
    ),
    ("ACME_NAMES", "src/app/config/acme.rs", "limits::ACME_NAMES + 1"),
    (
        "ACME_FIRST_WAIT",
        ACME_DUE,
        "assert_eq!(pause(1), limits::ACME_FIRST_WAIT)",
    ),
    ("ACME_LAST_WAIT", ACME_DUE, "limits::ACME_LAST_WAIT"),
    ("BACKUP_WAL", BACKUP_ARCHIVE, "limits::BACKUP_WAL + 1"),
    ("BACKUP_KEYS", BACKUP_ARCHIVE, "0..limits::BACKUP_KEYS"),
    ("BACKUP_KEY_BYTES", BACKUP_ARCHIVE, "limits::BACKUP_KEY_BYTES + 1"),
    (
        "BACKUPS_KEPT",
        "src/app/config/backup.rs",
        "limits::BACKUPS_KEPT + 1",
    ),
    (
        "BACKUPS_ASKED",
        "src/workers/backup/mod.rs",
        "0..=limits::BACKUPS_ASKED",
    ),
    (
        "ERASURES_LISTED",
        "src/workers/backup/journal.rs",
        "limits::ERASURES_LISTED as u64 + 12",
    ),
];

/// What nobody can overstep.
const NOT_REACHED: &[(&str, &str)] = &[
    (
        "ACME_ASKING_TIME",
        "held by instant-acme, which asks no longer than it is told",
    ),
    (
        "FRAME_OVERHEAD",
        "an allowance between two limits, held by an assertion",
    ),
    ("FOLD_ROWS", "when work is done; nothing is refused"),
    ("WRITER_STATES", "a cache's size"),
    (
        "WAL_PAGES",
        "when work is done; the log's size is seen by `power_cut`",
    ),
    ("SEARCH_TIME", "when a search pauses; its cursor goes on"),
    ("SEARCH_STRETCH", "the size of one question; more follow"),
    ("SEARCH_STRETCH_MAX", "the size of one question; more follow"),
    (
        "SEARCH_GRAMS",
        "what is beyond is compared with the text, as all of it is",
    ),
    ("SEARCHES_AT_ONCE", "a number of places; others wait"),
    ("SEARCH_MEMORY", "an estimate"),
    ("INDEX_ROWS", "when work is done; nothing is refused"),
    ("INDEX_BYTES", "the size of one step; more follow"),
    ("INDEX_MERGE_PAGES", "the size of one step; more follow"),
    ("INDEX_MEMORY", "a buffer's size, kept by SQLite"),
    (
        "ERASURE_PACE",
        "when work is done; `tests/stories/erasing.rs` waits for it",
    ),
    ("ERASURE_WAIT", "how long one attempt lasts; another follows"),
    ("ERASURE_RETRY", "when work is done; nothing is refused"),
    ("ERASURE_WITHIN", "when the operator is told"),
    (
        "EMPTYING_TIME",
        "how long the writer waits; the process ends after it",
    ),
    (
        "SWEEP_BYTES",
        "the size of one step; `tests/store_contract/retention.rs` needs several",
    ),
    ("SWEEP_LOOKS", "the size of one step; another follows"),
    (
        "SWEEP_ROWS",
        "the size of one step; `tests/stories/forgetting.rs` needs several",
    ),
    ("WRITER_CACHE_KIB", "a cache's size, kept by SQLite"),
    ("READER_CACHE_KIB", "a cache's size, kept by SQLite"),
    ("READERS", "a number of threads"),
    ("WRITE_BYTES", "the size of one write; more follows in the next"),
    ("EXPORT_BYTES", "an estimate of two bounded pages and a list"),
    ("SOCKET_SEND", "kept by the kernel"),
    (
        "CONNECTION_PLAIN",
        "an estimate; a connection's task is measured beside it",
    ),
    ("CONNECTION_TLS", "an estimate"),
    ("CONNECTION_KERNEL", "an estimate"),
    ("BASE", "an estimate"),
    (
        "FILES_PERCENT",
        "a default that the disk's size makes a number of",
    ),
    (
        "FILE_PIECE",
        "the size of one read or write; more follows in the next",
    ),
    ("FILE_THREADS", "a number of threads; who comes next waits"),
    ("UPLOAD_HASHES", "a cache's size"),
    (
        "PICTURE_BYTES_LARGE",
        "`PICTURE_BYTES` where there is more memory",
    ),
    ("PICTURE_LARGE_MIB", "where that begins"),
    (
        "BACKUP_PART",
        "a default; `tests/stories/restore.rs` has several parts of a smaller one",
    ),
    ("BACKUP_SYNC", "when work is done; nothing is refused"),
    ("BACKUP_MEMORY", "an estimate"),
    (
        "BACKUP_LIST_BYTES",
        "bounds the reading of lists that have bounds of their own",
    ),
];

/// The constants that a text declares as public.
fn constants(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|rest| rest.split_once(':').map(|(name, _)| name))
        .collect()
}

#[test]
fn every_limit_has_a_test_that_sees_it_reached() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| {
        std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let text = read("src/limits.rs");
    let declared = constants(&text);
    let listed: Vec<&str> = REACHED
        .iter()
        .chain(machine::REACHED)
        .map(|(name, ..)| *name)
        .chain(machine::NOT_REACHED.iter().map(|(name, _)| *name))
        .chain(NOT_REACHED.iter().map(|(name, _)| *name))
        .collect();
    let unique: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(unique.len(), listed.len(), "a limit is listed twice");
    let declared: BTreeSet<&str> = declared.into_iter().collect();
    let missing: Vec<_> = declared.difference(&unique).collect();
    assert!(
        missing.is_empty(),
        "write a test that overflows {missing:?}, and list it"
    );
    let gone: Vec<_> = unique.difference(&declared).collect();
    assert!(gone.is_empty(), "{gone:?} are no limits any more");
    for (name, file, words) in REACHED.iter().chain(machine::REACHED) {
        assert!(
            read(file).contains(words),
            "{name}: {file} no longer has `{words}`"
        );
    }
}
