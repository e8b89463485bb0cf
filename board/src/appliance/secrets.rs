//! Passwords in a text that people have written: taken out where they stand, however they are written there, and looked for. What
//! must not live here: which of them may go.

use super::yaml;

const NAME: &str = "password";
/// What stands in place of a password that was taken over, where the line has room.
const SAYS: &str = "  # taken over; write a new one here to change it";

/// The text without those of its passwords that are among `taken`, and otherwise as it was.
pub fn without(text: &str, taken: &[&str]) -> String {
    let mut left = text.to_owned();
    let scalars = yaml::scalars(text).unwrap_or_default();
    // From the end, so that what comes before stands where it stood.
    for pair in scalars.windows(2).rev() {
        let [(name, named), (value, place)] = pair else {
            continue;
        };
        if name != NAME || !taken.contains(&value.as_str()) {
            continue;
        }
        let end = place.start + text[place.clone()].trim_end().len();
        let start = folded(text, named.end, place.start).unwrap_or(place.start);
        let line_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
        let rest = text[end..line_end].trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            left.replace_range(start..line_end, &format!("\"\"{SAYS}"));
        } else {
            left.replace_range(start..end, "\"\"");
        }
    }
    left
}

/// Where the mark stands that begins a text of several lines, between a name and the first of them.
fn folded(text: &str, from: usize, to: usize) -> Option<usize> {
    let between = text.get(from..to)?;
    let after = from + between.find(':')? + 1;
    let mark = text.get(after..to)?.trim_start();
    mark.starts_with(['|', '>']).then(|| to - mark.len())
}

/// Whether a password stands in it. What cannot be read may hold one.
pub fn are_in(text: &str) -> bool {
    match yaml::scalars(text) {
        Ok(scalars) => scalars.windows(2).any(|pair| {
            let [(name, _), (value, _)] = pair else {
                return false;
            };
            name == NAME && !yaml::is_nothing(value)
        }),
        Err(_) => text
            .lines()
            .any(|line| !line.trim_start().starts_with('#') && line.contains(NAME)),
    }
}
