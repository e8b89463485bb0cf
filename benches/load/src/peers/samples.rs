//! Figures of several rounds, and their medians. What must not live here: what was measured.

use serde_json::{Value, json};

use crate::report::{Row, figure};

/// One figure of one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub name: &'static str,
    pub decimals: i32,
    pub value: Option<f64>,
    /// The name of a further column with the least and the greatest.
    pub spread: Option<&'static str>,
}

/// A figure of which only the median is shown.
pub fn plain(name: &'static str, decimals: i32, value: Option<f64>) -> Sample {
    Sample {
        name,
        decimals,
        value,
        spread: None,
    }
}

/// A figure that is shown with its spread.
pub fn spread(name: &'static str, range: &'static str, decimals: i32, value: Option<f64>) -> Sample {
    Sample {
        name,
        decimals,
        value,
        spread: Some(range),
    }
}

/// What tells one row from another, such as the system and the number of sessions.
pub type Key = Vec<(&'static str, Value)>;

/// All rounds, in the order in which their rows first came.
#[derive(Default)]
pub struct Samples(Vec<(Key, Vec<Vec<Sample>>)>);

impl Samples {
    pub fn add(&mut self, key: Key, samples: Vec<Sample>) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rounds)) => rounds.push(samples),
            None => self.0.push((key, vec![samples])),
        }
    }

    /// A row for each key, with the medians of its rounds.
    pub fn rows(&self) -> Vec<Row> {
        self.0.iter().map(|(key, rounds)| row(key, rounds)).collect()
    }
}

fn row(key: &Key, rounds: &[Vec<Sample>]) -> Row {
    let mut row: Row = key.clone();
    row.push(("rounds", json!(rounds.len())));
    for (at, sample) in rounds.first().into_iter().flatten().enumerate() {
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round.get(at)?.value).collect();
        values.sort_by(f64::total_cmp);
        row.push((sample.name, figure(median(&values), sample.decimals)));
        if let Some(name) = sample.spread {
            let text = |value: Option<&f64>| {
                value.map_or("-".to_owned(), |value| {
                    format!("{value:.*}", usize::try_from(sample.decimals).unwrap_or(0))
                })
            };
            row.push((
                name,
                json!(format!("{} to {}", text(values.first()), text(values.last()))),
            ));
        }
    }
    row
}

/// The middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted.get(middle).copied()
    } else {
        Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_together_as_medians_with_their_spread() {
        let mut samples = Samples::default();
        for (system, value) in [("a", 3.0), ("b", 8.0), ("a", 1.0), ("b", 9.0), ("a", 20.0)] {
            let round = vec![spread("cpu", "cpu range", 1, Some(value)), plain("lost", 0, None)];
            samples.add(vec![("system", json!(system))], round);
        }
        let rows = samples.rows();
        let expected = |system: &str, rounds: u8, cpu: f64, range: &str| -> Row {
            vec![
                ("system", json!(system)),
                ("rounds", json!(rounds)),
                ("cpu", json!(cpu)),
                ("cpu range", json!(range)),
                ("lost", Value::Null),
            ]
        };
        assert_eq!(
            rows,
            [
                expected("a", 3, 3.0, "1.0 to 20.0"),
                expected("b", 2, 8.5, "8.0 to 9.0")
            ]
        );
    }
}
