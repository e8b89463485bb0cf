//! Tables that the same command printed several times, as one of medians. What must not live here: reading or showing them.

use serde_json::{Number, Value};

use super::input::{Line, Table};

/// Puts the tables of one title and one command together, where the first of them stood.
pub fn of(tables: Vec<Table>) -> Vec<Table> {
    let mut groups: Vec<Vec<Table>> = Vec::new();
    for table in tables {
        let same = groups.iter_mut().find(|group| {
            let first = &group[0];
            (&first.title, &first.command, first.rows.len())
                == (&table.title, &table.command, table.rows.len())
        });
        match same {
            Some(group) => group.push(table),
            None => groups.push(vec![table]),
        }
    }
    groups.into_iter().map(one).collect()
}

/// The middle of each cell that is a number in all of them; what is not is the first one's.
fn one(mut group: Vec<Table>) -> Table {
    if group.len() == 1 {
        return group.remove(0);
    }
    let rest = group.split_off(1);
    let mut table = group.remove(0);
    table
        .notes
        .push(format!("each figure is the median of {} runs", rest.len() + 1));
    for (at, row) in table.rows.iter_mut().enumerate() {
        let others: Vec<&Line> = rest.iter().map(|table| &table.rows[at]).collect();
        row.change(|name, value| {
            let mut all: Vec<f64> = others.iter().filter_map(|line| line.number(name)).collect();
            all.extend(value.as_f64());
            if all.len() == others.len() + 1 {
                *value = median(&mut all);
            }
        });
    }
    table
}

fn median(all: &mut [f64]) -> Value {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let value = if all.len().is_multiple_of(2) {
        f64::midpoint(all[middle - 1], all[middle])
    } else {
        all[middle]
    };
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_command_s_tables_become_one_of_medians() {
        let printed = r#"
            {"title":"A","command":"x","notes":["n"],"rows":[{"who":"k","a":1,"b":null},{"who":"l","a":10,"b":2}]}
            {"title":"B","command":"x","notes":[],"rows":[{"who":"k","a":7}]}
            {"title":"A","command":"x","notes":["n"],"rows":[{"who":"k","a":3,"b":4},{"who":"l","a":30,"b":4}]}
            {"title":"A","command":"x","notes":["n"],"rows":[{"who":"k","a":2,"b":5},{"who":"l","a":20,"b":9}]}
            {"title":"A","command":"y","notes":[],"rows":[{"who":"k","a":99}]}"#;
        let tables = of(Table::read_all(printed).expect("it is what report prints"));
        let titles: Vec<(&str, &str)> = tables
            .iter()
            .map(|table| (table.title.as_str(), table.command.as_str()))
            .collect();
        assert_eq!(titles, [("A", "x"), ("B", "x"), ("A", "y")]);
        let numbers = |table: usize, name: &str| -> Vec<Option<f64>> {
            tables[table].rows.iter().map(|row| row.number(name)).collect()
        };
        assert_eq!(numbers(0, "a"), [Some(2.0), Some(20.0)]);
        assert_eq!(numbers(0, "b"), [None, Some(4.0)], "one run did not measure it");
        assert_eq!(tables[0].rows[1].text("who"), "l");
        assert_eq!(tables[0].notes, ["n", "each figure is the median of 3 runs"]);
        assert_eq!(numbers(1, "a"), [Some(7.0)]);
        assert_eq!(numbers(2, "a"), [Some(99.0)]);
    }
}
