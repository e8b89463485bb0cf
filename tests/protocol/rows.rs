//! Rows of the limits table that belong to one subject. What must not live here: the table.

use kinglet::limits;
use kinglet::proto::Code;

use crate::tables::{bytes, number, personal};

type Row = (&'static str, String, String);

/// All that follow the table's own.
pub fn of_subjects() -> impl Iterator<Item = Row> {
    personal().into_iter().chain(moderation())
}

/// The rows about moderation, and links into conversations.
fn moderation() -> [Row; 7] {
    let refused = |code: Code| format!("`{}`", code.text());
    [
        (
            "a reason, a note of moderation",
            bytes(limits::REASON_BYTES),
            refused(Code::BadRequest),
        ),
        (
            "open links of a user into conversations",
            number(limits::LINKS_PER_USER),
            refused(Code::LimitReached),
        ),
        (
            "open reports: of a user, in total",
            format!(
                "{}, {}",
                limits::REPORTS_OPEN_PER_USER,
                number(limits::REPORTS_OPEN)
            ),
            refused(Code::LimitReached),
        ),
        (
            "messages that a report shows on each side of its own",
            number(limits::REPORT_CONTEXT),
            "nobody sees them by it".into(),
        ),
        (
            "resolved reports that are kept; measures of a user that are over and kept",
            format!(
                "{}; {}",
                number(limits::REPORTS_KEPT),
                number(limits::MEASURES_PER_USER)
            ),
            "the oldest go first".into(),
        ),
        (
            "users muted on the whole server at once",
            number(limits::MUTES),
            refused(Code::LimitReached),
        ),
        (
            "a mute or a ban that ends",
            format!("{} days", number((limits::MEASURE_SECONDS / 86_400) as usize)),
            refused(Code::BadRequest),
        ),
    ]
}
