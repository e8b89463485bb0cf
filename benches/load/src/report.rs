//! What is printed: a table for people or JSON for scripts, with the command that made it. What must not live here: figures.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

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

/// A table as scripts get it, the columns in their order.
#[derive(Serialize)]
struct Printed<'a> {
    title: &'a str,
    command: &'a str,
    notes: &'a [String],
    rows: Vec<Ordered<'a>>,
}

struct Ordered<'a>(&'a Row);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn as_json(title: &str, command: &str, notes: &[String], rows: &[Row]) -> String {
    let rows = rows.iter().map(Ordered).collect();
    let printed = Printed {
        title,
        command,
        notes,
        rows,
    };
    serde_json::to_string(&printed).expect("texts and numbers can be written")
}

pub fn print(json: bool, title: &str, notes: &[String], rows: &[Row]) {
    let command = command();
    if json {
        println!("{}", as_json(title, &command, notes, rows));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order() {
        let row = vec![
            ("z", json!(1)),
            ("a", figure(Some(0.123), 1)),
            ("m", figure(None, 1)),
        ];
        let printed = as_json("T", "c", &["n".to_owned()], std::slice::from_ref(&row));
        assert_eq!(
            printed,
            r#"{"title":"T","command":"c","notes":["n"],"rows":[{"z":1,"a":0.1,"m":null}]}"#
        );
        assert_eq!(table(&[row]), ["| z |   a | m |", "| 1 | 0.1 | - |"]);
    }
}
