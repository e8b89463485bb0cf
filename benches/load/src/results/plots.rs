//! Which figures are drawn, and from which tables. What must not live here: how a drawing is made.

use super::input::{Line, Table};
use super::svg::{self, Series};

type Drawing = (&'static str, String, String);

/// File name, title and drawing of each plot whose table is there.
pub fn all(tables: &[Table]) -> Vec<Drawing> {
    let find = |title: &str| tables.iter().find(|table| table.title == title);
    let mut drawn = Vec::new();
    if let Some(table) = find("Direct messages") {
        drawn.extend(cpu_per_message(table));
    }
    let idle = [
        (
            find("Idle sessions, systems compared"),
            ["memory-session.svg", "memory-growth.svg", "cpu-growth.svg"],
            "",
        ),
        (
            find("Idle sessions over TLS, systems compared"),
            [
                "memory-session-tls.svg",
                "memory-growth-tls.svg",
                "cpu-growth-tls.svg",
            ],
            " over TLS",
        ),
    ];
    for (table, names, how) in idle {
        drawn.extend(table.into_iter().flat_map(|table| resting(table, names, how)));
    }
    if let Some(table) = find("One conversation, everybody online") {
        drawn.extend(cpu_per_delivery(table));
    }
    let history = |table: &&Table| table.title.to_lowercase().contains("history");
    if let Some(table) = tables.iter().find(history) {
        drawn.extend(history_page(table, "history.svg", "p50"));
        drawn.extend(history_page(table, "history-cpu.svg", "server cpu"));
    }
    drawn
}

fn cpu_per_message(table: &Table) -> Option<Drawing> {
    let title = "Server CPU for a direct message, 64 in flight".to_owned();
    let rows = table.rows.iter().filter(|row| row.text("load") == "64 in flight");
    let image = bars(&title, "us", rows, "cpu us/msg")?;
    Some(("cpu-message.svg", title, image))
}

fn bars<'a>(title: &str, unit: &str, rows: impl Iterator<Item = &'a Line>, column: &str) -> Option<String> {
    let values: Vec<(String, f64)> = rows
        .filter_map(|row| Some((row.text("system").to_owned(), row.number(column)?)))
        .collect();
    (!values.is_empty()).then(|| svg::bars(title, unit, &values))
}

/// One line for each name in a column.
fn series<'a>(rows: impl Iterator<Item = &'a Line>, who: &str, x: &str, y: &str) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let (Some(x), Some(y)) = (row.number(x), row.number(y)) else {
            continue;
        };
        let name = row.text(who);
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, points)) => points.push((x, y)),
            None => all.push((name.to_owned(), vec![(x, y)])),
        }
    }
    for (_, points) in &mut all {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    all
}

fn resting(table: &Table, [each, growth, cpu]: [&'static str; 3], how: &str) -> Vec<Drawing> {
    let most = table
        .rows
        .iter()
        .filter_map(|row| row.number("sessions"))
        .fold(0.0, f64::max);
    let title = format!("Memory of an idle session{how}, at {most} sessions");
    let largest = table
        .rows
        .iter()
        .filter(|row| row.number("sessions") == Some(most));
    let mut drawn = Vec::new();
    if let Some(image) = bars(&title, "bytes", largest, "B/session") {
        drawn.push((each, title, image));
    }
    for (name, what, column, unit) in [
        (growth, "Memory", "pss MB", "MB"),
        (cpu, "CPU", "cpu % at rest", "% of a core"),
    ] {
        let title = format!("{what} of the server with idle sessions{how}");
        let lines = series(table.rows.iter(), "system", "sessions", column);
        if !lines.is_empty() {
            drawn.push((
                name,
                title.clone(),
                svg::lines(&title, ("sessions", unit), &lines),
            ));
        }
    }
    drawn
}

fn cpu_per_delivery(table: &Table) -> Option<Drawing> {
    let title = "Server CPU for a copy delivered, one post in flight".to_owned();
    let rows = table
        .rows
        .iter()
        .filter(|row| row.number("in flight") == Some(1.0));
    let lines = series(rows, "system", "members", "cpu us/delivery");
    let image = svg::lines(&title, ("members online", "us"), &lines);
    (!lines.is_empty()).then_some(("cpu-delivery.svg", title, image))
}

/// Of the columns, whichever count what is stored and what is asked for.
fn history_page(table: &Table, name: &'static str, what: &str) -> Option<Drawing> {
    let columns = table.columns();
    let x = columns.iter().find(|name| name.contains("stored"))?;
    let y = columns.iter().find(|name| name.contains(what))?;
    let title = format!("A page of history: {y}");
    let lines = series(table.rows.iter(), "way", x, y);
    let image = svg::lines(&title, (x, y), &lines);
    (!lines.is_empty()).then_some((name, title, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plot_comes_from_its_table() {
        let printed = r#"
            {"title":"Direct messages","command":"","notes":[],"rows":[
              {"system":"Kinglet","load":"1 in flight","cpu us/msg":500.0},
              {"system":"Kinglet","load":"64 in flight","cpu us/msg":40.0}]}
            {"title":"Idle sessions, systems compared","command":"","notes":[],"rows":[
              {"sessions":1000,"system":"Kinglet","pss MB":19,"B/session":6000,"cpu % at rest":0.1},
              {"sessions":5000,"system":"Kinglet","pss MB":29,"B/session":3000}]}
            {"title":"Pages of history","command":"","notes":[],"rows":[
              {"stored":1000,"way":"a","page p50 ms":1.0,"server cpu us/page":9},{"stored":100000,"way":"a","page p50 ms":1.1},
              {"stored":1000,"way":"b","page p50 ms":1.2}]}
            {"title":"Something else","command":"","notes":[],"rows":[{"system":"x"}]}"#;
        let tables = Table::read_all(printed).expect("it is what report prints");
        let drawn = all(&tables);
        let names: Vec<&str> = drawn.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(
            names,
            [
                "cpu-message.svg",
                "memory-session.svg",
                "memory-growth.svg",
                "cpu-growth.svg",
                "history.svg",
                "history-cpu.svg"
            ]
        );
        assert!(drawn[0].2.contains(">40<") && !drawn[0].2.contains(">500<"));
        assert!(drawn[1].1.contains("5000") && !drawn[1].2.contains("6000"));
        let count = |what| drawn[4].2.matches(what).count();
        assert_eq!((count("<circle"), count("<polyline")), (3, 2));
    }
}
