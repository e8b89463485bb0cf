//! How a table of expectations is read: `name | a word for each persona | what is asked | what to look for`.
//! What must not live here: what the words mean at the door (`ask`), or which rows there must be (`complete`).

use std::collections::BTreeSet;
use std::path::Path;

use kinglet::proto::Code;

/// The columns. Every row must have a word for each.
pub const PERSONAS: [&str; 12] = [
    "nobody",
    "stranger",
    "ex-member",
    "new-off",
    "new-on",
    "member",
    "admin",
    "owner",
    "s-admin",
    "s-owner",
    "revoked",
    "bot",
];

/// Words that are no refusal's code.
const WORDS: [&str; 8] = ["ok", "sees", "not", "hears", "told", "-", "all", "none"];
/// What may lie in a page of the reading table.
pub const MARKS: [&str; 5] = ["old", "exit", "between", "in", "new"];
/// What a row may say of itself in its name.
const FLAGS: [&str; 6] = ["@http", "@live", "@channel", "@fresh", "@absent", "@open"];
/// Steps of one request.
const THEN: &str = " ;; ";

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it stands, for people.
    pub place: String,
    pub name: String,
    pub flags: BTreeSet<String>,
    /// One for each persona, in their order.
    pub words: Vec<String>,
    /// What somebody does before, as `(who, request)`.
    pub before: Vec<(String, String)>,
    /// Who asks: `me` unless the row says otherwise.
    pub by: String,
    pub request: String,
    pub shows: Option<String>,
}

impl Row {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Every template of the row.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        let before = self.before.iter().map(|(_, request)| request.as_str());
        before
            .chain(std::iter::once(self.request.as_str()))
            .chain(self.shows.as_deref())
    }
}

/// A table of this folder.
pub fn load(name: &str) -> Result<Vec<Row>, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/matrix/{name}.txt"));
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{name}.txt: {error}")])?;
    parse(name, &text)
}

/// Reads a table, or says all that is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Vec<Row>, Vec<String>> {
    let (mut rows, mut complaints) = (Vec::<Row>::new(), Vec::new());
    let mut headed = false;
    for (at, line) in text.lines().enumerate() {
        let place = format!("{file}.txt:{}", at + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = if headed { row(&place, line) } else { header(line) };
        match read {
            Ok(None) => headed = true,
            Ok(Some(row)) if rows.iter().any(|other| other.name == row.name) => {
                complaints.push(format!("{place}: there is a row `{}` already", row.name));
            }
            Ok(Some(row)) => rows.push(row),
            Err(why) => complaints.push(format!("{place}: {why}")),
        }
    }
    if complaints.is_empty() {
        Ok(rows)
    } else {
        Err(complaints)
    }
}

fn header(line: &str) -> Result<Option<Row>, String> {
    let names = line.split('|').nth(1).unwrap_or_default();
    if names.split_whitespace().eq(PERSONAS) {
        Ok(None)
    } else {
        Err(format!(
            "the first line names the personas: {}",
            PERSONAS.join(" ")
        ))
    }
}

fn row(place: &str, line: &str) -> Result<Option<Row>, String> {
    let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let (&[name, words, asked], shows) = parts
        .split_first_chunk::<3>()
        .map(|(head, rest)| (head, rest.first()))
        .ok_or("a row is `name | words | request`, and maybe `| what to look for`")?;
    if parts.len() > 4 {
        return Err("a row has at most four parts".into());
    }
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    if words.len() != PERSONAS.len() {
        return Err(format!("{} words for {} personas", words.len(), PERSONAS.len()));
    }
    if let Some(word) = words.iter().find(|word| !word.split('/').all(is_word)) {
        return Err(format!(
            "`{word}` is neither a word of a table nor a refusal's code"
        ));
    }
    let flags: BTreeSet<String> = name
        .split_whitespace()
        .filter(|word| word.starts_with('@'))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect();
    if let Some(flag) = flags.iter().find(|flag| !FLAGS.contains(&flag.as_str())) {
        return Err(format!("there is no flag `{flag}`"));
    }
    let mut steps: Vec<(String, String)> = asked.split(THEN).map(step).collect();
    let (by, request) = steps.pop().ok_or("nothing is asked")?;
    Ok(Some(Row {
        place: place.to_owned(),
        name: name.to_owned(),
        flags,
        words,
        before: steps,
        by,
        request,
        shows: shows.map(|text| (*text).to_owned()),
    }))
}

/// `owner: {...}` is the owner's step; without a name it is the persona's own.
fn step(text: &str) -> (String, String) {
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    match text.split_once(": ") {
        Some((who, request)) if is_name(&who) => (who.to_owned(), request.trim().to_owned()),
        _ => ("me".to_owned(), text.trim().to_owned()),
    }
}

fn is_word(word: &str) -> bool {
    WORDS.contains(&word)
        || Code::ALL.iter().any(|code| code.text() == word)
        || word.split('+').all(|mark| MARKS.contains(&mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(row: &str) -> Result<Vec<Row>, Vec<String>> {
        parse(
            "t",
            &format!("# of a test\npersonas | {} |\n{row}\n", PERSONAS.join(" ")),
        )
    }

    fn words(word: &str) -> String {
        [word; PERSONAS.len()].join(" ")
    }

    #[test]
    fn a_row_has_a_name_a_word_for_each_persona_and_steps() {
        let line = format!(
            "kick @channel | {} | owner: {{\"type\":\"x\"}} ;; {{\"type\":\"y\"}} | {{c}}",
            words("ok")
        );
        let rows = with(&line).expect("it is a row");
        let row = &rows[0];
        assert!(row.has("@channel") && row.words.len() == PERSONAS.len());
        assert_eq!(row.before, [("owner".to_owned(), "{\"type\":\"x\"}".to_owned())]);
        assert_eq!(
            (row.by.as_str(), row.request.as_str()),
            ("me", "{\"type\":\"y\"}")
        );
        assert_eq!(row.shows.as_deref(), Some("{c}"));
        assert_eq!(row.templates().count(), 3);
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_its_line() {
        let full = words("ok");
        for (line, why) in [
            ("a | ok ok | {}".to_owned(), "2 words"),
            (format!("a | {} | {{}}", words("okay")), "okay"),
            (format!("a | {} | {{}}", words("old+nwe")), "old+nwe"),
            (format!("a @b | {full} | {{}}"), "@b"),
            (format!("a | {full}"), "request"),
            (format!("a | {full} | {{}}\na | {full} | {{}}"), "already"),
        ] {
            let complaints = with(&line).expect_err("it is no row");
            assert!(
                complaints[0].contains(why) && complaints[0].starts_with("t.txt:"),
                "{complaints:?}"
            );
        }
        assert!(
            parse("t", "personas | nobody |\n").is_err(),
            "the header names all"
        );
    }
}
