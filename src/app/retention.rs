//! `kinglet retention`: what would be erased now because it was kept long enough. What must not live here: erasing.

use serde::Serialize;

use super::cli::{Cli, Retention};
use super::failure::Outcome;
use super::{heart, print, serve};
use crate::clock::Clock;
use crate::store::sqlite::peek;

#[derive(Serialize)]
struct Figures {
    /// The server's own time; 0 for ever.
    days: u32,
    conversations: u64,
    events: u64,
    bytes: u64,
    /// While it is false the server erases nothing.
    clock_is_right: bool,
}

/// Counts, and changes nothing.
pub fn retention(cli: &Cli, asked: &Retention) -> Outcome<()> {
    let config = serve::configuration(cli)?;
    let days = asked.days.unwrap_or(config.retention.days);
    if config.data_dir.exists() {
        heart::own_data_dir(&config.data_dir)?;
    }
    let now = Clock::system().now();
    let found = peek::too_old(&config.data_dir, now.ms, days)?;
    let figures = Figures {
        days,
        conversations: found.conversations,
        events: found.events,
        bytes: found.bytes,
        clock_is_right: now.synchronised,
    };
    print(cli, &figures, tell)
}

fn tell(figures: &Figures) -> String {
    let time = match figures.days {
        0 => "The server keeps what is said for ever; conversations may have a time of their own.".to_owned(),
        days => format!(
            "The server keeps what is said for {days} days, or for a conversation's own time if that is shorter."
        ),
    };
    let clock = if figures.clock_is_right {
        ""
    } else {
        "The clock is not known to be right: until it is, the server erases nothing.\n"
    };
    format!(
        "{time}\n{} messages, edits and reactions in {} conversations have been kept longer: {} bytes would be erased.\n{clock}",
        figures.events, figures.conversations, figures.bytes
    )
}
