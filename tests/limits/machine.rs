//! The constants of `src/limits.rs` about the board, its card and the plug test, as `list.rs` has the others.
//! What must not live here: the tests themselves.

const MACHINE: &str = "src/workers/machine/warnings.rs";
const WRITES: &str = "src/workers/machine/writes.rs";

pub const REACHED: &[(&str, &str, &str)] = &[
    ("BOARD_HOT", MACHINE, "limits::BOARD_HOT - 1"),
    ("BOARD_COOL", MACHINE, "limits::BOARD_COOL - 1"),
    ("BOARD_CALM", MACHINE, "limits::BOARD_CALM.as_secs() / 60"),
    ("CARD_CALM", MACHINE, "limits::CARD_CALM.as_secs() / 60 - 1"),
    ("CARD_WORN", MACHINE, "limits::CARD_WORN - 10"),
    ("CARD_SHORT_DAYS", MACHINE, "limits::CARD_SHORT_DAYS - 1"),
    ("CARD_LONG_DAYS", MACHINE, "limits::CARD_LONG_DAYS - 1"),
    ("CARD_KNOWN_MS", MACHINE, "limits::CARD_KNOWN_MS - 1"),
    ("CARD_DAYS", WRITES, "limits::CARD_DAYS as u64 + 5"),
    ("CARD_SLOW", MACHINE, "limits::CARD_SLOW * 2"),
    ("CARD_QUICK", MACHINE, "limits::CARD_QUICK"),
    ("CARD_SYNCS", MACHINE, "limits::CARD_SYNCS - 1"),
    (
        "BOARD_ASKED",
        "src/workers/machine/acts.rs",
        "0..limits::BOARD_ASKED",
    ),
    (
        "PLUG_TEST_MOST",
        "src/workers/machine/plug.rs",
        "fn it_ends_by_itself_and_leaves_no_records",
    ),
    (
        "PLUG_TEST_RECORDS",
        "src/workers/machine/records.rs",
        "fn what_was_under_way_at_the_cut_spoils_nothing_that_is_looked_for",
    ),
];

pub const NOT_REACHED: &[(&str, &str)] = &[
    (
        "CARD_WRITES",
        "an assumption; `tests/stories/board_health.rs` reckons with it",
    ),
    ("PLUG_TEST_RECORD", "the size of one write"),
    ("PLUG_TEST_PAUSE", "a pace; nothing is refused"),
];
