//! Reads what `report::print` printed, columns in their order. What must not live here: how it is shown.

use std::fmt;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

#[derive(Deserialize)]
pub struct Table {
    pub title: String,
    pub command: String,
    pub notes: Vec<String>,
    pub rows: Vec<Line>,
}

/// A row's cells in the order of the columns.
pub struct Line(Vec<(String, Value)>);

impl Line {
    pub fn get(&self, name: &str) -> &Value {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or(&Value::Null, |(_, value)| value)
    }

    /// Hands each cell over with its name.
    pub fn change(&mut self, mut with: impl FnMut(&str, &mut Value)) {
        self.0.iter_mut().for_each(|(name, value)| with(name, value));
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).as_f64()
    }

    pub fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Line, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Line;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut cells = Vec::new();
                while let Some(cell) = map.next_entry()? {
                    cells.push(cell);
                }
                Ok(Line(cells))
            }
        }
        from.deserialize_map(Cells)
    }
}

impl Table {
    /// All tables of a file: one JSON value after the other.
    pub fn read_all(text: &str) -> Result<Vec<Table>> {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .context("this is not what a subcommand prints with --json")
    }

    /// The names of the columns, in the order in which the rows have them.
    pub fn columns(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.0) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}
