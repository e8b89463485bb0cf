//! What is printed: a table for people or JSON for scripts, with the command that made it. What must not live here: figures.

use serde_json::{Map, Value, json};

/// One measurement's figures, in the order of the columns.
pub type Row = Vec<(&'static str, Value)>;

/// A figure with so many decimals; nothing when there was none.
pub fn figure(value: Option<f64>, decimals: i32) -> Value {
    let scale = 10f64.powi(decimals);
    value.map_or(Value::Null, |value| json!((value * scale).round() / scale))
}

/// The command line as it was typed.
pub fn command() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

pub fn print(as_json: bool, title: &str, notes: &[String], rows: &[Row]) {
    let command = command();
    if as_json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                Value::Object(
                    row.iter()
                        .map(|(name, value)| ((*name).to_owned(), value.clone()))
                        .collect::<Map<_, _>>(),
                )
            })
            .collect();
        println!(
            "{}",
            json!({ "title": title, "command": command, "notes": notes, "rows": rows })
        );
        return;
    }
    println!("{title}\n$ {command}");
    notes.iter().for_each(|note| println!("  {note}"));
    table(rows).iter().for_each(|line| println!("{line}"));
}

fn table(rows: &[Row]) -> Vec<String> {
    let Some(first) = rows.first() else {
        return vec!["(nothing)".into()];
    };
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut cells = vec![
        first
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>(),
    ];
    cells.extend(
        rows.iter()
            .map(|row| row.iter().map(|(_, value)| text(value)).collect()),
    );
    let width = |at: usize| {
        cells
            .iter()
            .filter_map(|line| line.get(at))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..first.len()).map(width).collect();
    cells
        .iter()
        .map(|line| {
            let padded = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:>width$}"));
            format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
        })
        .collect()
}
