//! One page of tables and plots from the JSON that the subcommands print. What must not live here: measuring.
//!
//! - `input`: reading the JSON; `medians`: of several runs; `machine`: what it ran on
//! - `plots`: which figures are drawn; `svg`: how

mod input;
mod machine;
mod medians;
mod plots;
mod svg;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use input::Table;

/// `JSON... --out FILE`; the plots go into `plots/` beside the file.
pub fn run(words: impl Iterator<Item = String>) -> Result<()> {
    let (mut files, mut out) = (Vec::new(), None);
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out" => out = Some(PathBuf::from(words.next().context("--out needs a file")?)),
            option if option.starts_with("--") => bail!("{option} is not an option here; there is --out"),
            _ => files.push(PathBuf::from(word)),
        }
    }
    let out = out.context("name the page to write: --out benches/RESULTS.md")?;
    ensure!(!files.is_empty(), "name the files that were printed with --json");
    let mut tables = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        tables.extend(Table::read_all(&text).with_context(|| format!("in {}", file.display()))?);
    }
    let tables = medians::of(tables);
    let folder = out.parent().unwrap_or(Path::new("")).join("plots");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut drawn = Vec::new();
    for (name, title, image) in plots::all(&tables) {
        std::fs::write(folder.join(name), image).with_context(|| format!("writing {name}"))?;
        drawn.push((name, title));
    }
    let page = page(&machine::lines()?, &tables, &drawn);
    std::fs::write(&out, page).with_context(|| format!("writing {}", out.display()))
}

fn page(machine: &[String], tables: &[Table], drawn: &[(&'static str, String)]) -> String {
    let mut page = String::from(
        "# Measured\n\nWritten by `kinglet-load results`, as `cargo xtask bench` does; each table has the command that made it above it. Times of one \
         machine say little about another: run it on yours.\n\n",
    );
    for line in machine {
        let _ = writeln!(page, "- {line}");
    }
    for (name, title) in drawn {
        let _ = write!(page, "\n![{title}](plots/{name})\n");
    }
    for table in tables {
        let _ = write!(page, "\n## {}\n```sh\n{}\n```\n", table.title, table.command);
        for note in &table.notes {
            let _ = writeln!(page, "- {note}");
        }
        page.push('\n');
        rows(table, &mut page);
    }
    page
}

fn rows(table: &Table, page: &mut String) {
    // A column in which nothing was measured says nothing.
    let columns: Vec<&str> = table
        .columns()
        .into_iter()
        .filter(|name| table.rows.iter().any(|row| !row.get(name).is_null()))
        .collect();
    let _ = writeln!(page, "| {} |", columns.join(" | "));
    let _ = writeln!(page, "|{}", "---|".repeat(columns.len()));
    for row in &table.rows {
        let cells: Vec<String> = columns.iter().map(|name| cell(row.get(name))).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('|', "\\|"),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), grouped),
        other => other.to_string(),
    }
}

/// A number as people write it: no empty decimals, thousands apart.
fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, rest)| {
            (whole, format!(".{rest}"))
        });
    let digits = whole.trim_start_matches('-');
    let mut out = String::from(&whole[..whole.len() - digits.len()]);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_every_table_as_it_was_printed() {
        let printed = r#"{"title":"Speed","command":"kinglet-load x","notes":["one | two"],"rows":[
            {"system":"a|b","rate":12345.0,"b":null,"a":0.5},{"system":"c","rate":-1000,"b":null,"a":null}]}
            {"title":"Empty","command":"kinglet-load y","notes":[],"rows":[]}"#;
        let tables = Table::read_all(printed).expect("it is what report prints");
        let page = page(
            &["One core".to_owned()],
            &tables,
            &[("p.svg", "Speed".to_owned())],
        );
        for part in [
            "- One core\n",
            "![Speed](plots/p.svg)\n",
            "## Speed\n```sh\nkinglet-load x\n```\n- one | two\n\n",
            "| system | rate | a |\n|---|---|---|\n| a\\|b | 12,345 | 0.5 |\n| c | -1,000 |  |\n",
            "## Empty\n",
        ] {
            assert!(page.contains(part), "{part:?} is missed in:\n{page}");
        }
        assert_eq!([999.0, 1e6, 1234.5].map(grouped), ["999", "1,000,000", "1,234.5"]);
    }
}
