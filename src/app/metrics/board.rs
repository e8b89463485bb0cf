//! The machine under the server as metrics. What is not reported has no line: a zero would be a lie. What must not live here:
//! looking at the machine.

use super::{Exposition, Labels};
use crate::proto::machine::{BoardFlag, BoardHealth};

pub fn board(page: &mut Exposition, health: &BoardHealth) {
    let card = health.card.as_ref();
    let flag = |flag: Option<BoardFlag>| flag.map(|flag| f64::from(u8::from(flag.now)));
    let big = |figure: Option<u64>| figure.map(|figure| figure as f64);
    let gauges = [
        (
            "kinglet_board_celsius",
            "Temperature of the board's processor.",
            health.celsius.map(f64::from),
        ),
        (
            "kinglet_board_under_voltage",
            "1 while the board gets too little voltage.",
            flag(health.under_voltage),
        ),
        (
            "kinglet_board_throttled",
            "1 while the board runs slower, because of heat or power.",
            flag(health.throttled),
        ),
        (
            "kinglet_board_file_system_errors",
            "Errors that the card's file systems have noted.",
            big(health.file_system_errors),
        ),
        (
            "kinglet_board_card_errors",
            "Errors between board and card since the board was switched on.",
            big(card.and_then(|card| card.errors)),
        ),
        (
            "kinglet_board_card_written_bytes_per_day",
            "Bytes written to the card in a day, by all programs.",
            big(card.and_then(|card| card.written_per_day)),
        ),
        (
            "kinglet_board_card_days_left",
            "Days that the card lasts at this pace: an estimate.",
            big(card.and_then(|card| card.days_left)),
        ),
        (
            "kinglet_board_card_life_used_percent",
            "Life used up, as the card itself says.",
            card.and_then(|card| card.life_used_percent).map(f64::from),
        ),
    ];
    for (name, help, figure) in gauges {
        if let Some(figure) = figure {
            page.gauge(name, help, &[(&[], figure)]);
        }
    }
    let codes: Vec<[(&str, &str); 1]> = health
        .warnings
        .iter()
        .map(|warning| [("code", warning.code.text())])
        .collect();
    if codes.is_empty() {
        return;
    }
    let samples: Vec<(Labels<'_>, f64)> = codes.iter().map(|code| (code.as_slice(), 1.0)).collect();
    page.gauge(
        "kinglet_board_warning",
        "1 for each warning about the board that holds.",
        &samples,
    );
}
