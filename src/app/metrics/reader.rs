//! A strict reader of the text format, for the tests of this folder.
//! What must not live here: leniency. What the format does not allow is an error.

use std::collections::{BTreeMap, BTreeSet};

use super::exposition::is_name;

/// What a strict reader of the format finds: kind of each family, value of each sample.
#[derive(Debug, Default)]
pub struct Page {
    pub kinds: BTreeMap<String, String>,
    pub samples: BTreeMap<String, f64>,
}

/// Reads a page and accepts nothing the format does not allow.
pub fn read(text: &str) -> Result<Page, String> {
    let mut page = Page::default();
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without text")?;
            unescape(help, false)?;
            family = name.to_owned();
            if !helped.insert(family.clone()) {
                return Err(format!("{name} is written twice"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without kind")?;
            if name != family || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(format!("a wrong TYPE: {line}"));
            }
            page.kinds.insert(name.to_owned(), kind.to_owned());
        } else {
            let (series, name, value) = read_sample(line)?;
            let kind = page.kinds.get(&family).ok_or("a sample before its TYPE")?;
            let suffix = name
                .strip_prefix(family.as_str())
                .ok_or(format!("{name} is outside its family"))?;
            let fits = if kind == "histogram" {
                ["_bucket", "_sum", "_count"].contains(&suffix)
            } else {
                suffix.is_empty()
            };
            if !fits || page.samples.insert(series.clone(), value).is_some() {
                return Err(format!("{series} does not belong here or is written twice"));
            }
        }
    }
    Ok(page)
}

fn read_sample(line: &str) -> Result<(String, &str, f64), String> {
    let end = line.find(['{', ' ']).ok_or("a sample without value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("a label without value")?;
            let close = closing_quote(after).ok_or("a label value without end")?;
            if !is_name(label) || label.contains(':') {
                return Err(format!("the label {label:?}"));
            }
            labels.push(format!("{label}={}", unescape(&after[..close], true)?));
            rest = &after[close + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').ok_or("labels without end")?;
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let parsed = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        digits if digits.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
            digits.parse().map_err(|_| format!("the value {digits:?}"))?
        }
        other => return Err(format!("the value {other:?}")),
    };
    if !is_name(name) {
        return Err(format!("the name {name:?}"));
    }
    Ok((format!("{name}{{{}}}", labels.join(",")), name, parsed))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, character)| {
        let found = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        found.then_some(index)
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut raw = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('\\') => raw.push('\\'),
                Some('n') => raw.push('\n'),
                Some('"') if quotes => raw.push('"'),
                other => return Err(format!("the escape {other:?}")),
            },
            '"' if quotes => return Err("a bare quote".to_owned()),
            other => raw.push(other),
        }
    }
    Ok(raw)
}
