//! YAML as far as settings need it: text, lists and maps, where every scalar is text. What must not live here: what it means.

use std::ops::Range;

use saphyr_parser::{Event, Parser, StrInput};

/// Settings are flat; whatever is deeper is something else.
const DEPTH: usize = 12;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node)
    }

    pub fn entries(&self) -> &[(String, Node)] {
        match self {
            Node::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list, or the one text that stands where a list may.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Node::List(nodes) => nodes.iter().filter_map(Node::text).collect(),
            Node::Text(text) if !text.is_empty() => vec![text],
            _ => Vec::new(),
        }
    }

    pub fn items(&self) -> &[Node] {
        match self {
            Node::List(nodes) => nodes,
            _ => &[],
        }
    }
}

type Events<'a> = Parser<'a, StrInput<'a>>;

/// The first document of a text; an empty one is an empty map.
pub fn read(text: &str) -> Result<Node, String> {
    let mut events = Parser::new_from_str(text);
    loop {
        match next(&mut events)? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node::Map(Vec::new())),
            event => {
                let node = node(event, &mut events, DEPTH)?;
                return match node {
                    Node::Text(text) if is_nothing(&text) => Ok(Node::Map(Vec::new())),
                    node => Ok(node),
                };
            }
        }
    }
}

/// A name without a value.
pub fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~")
}

/// Every text of a document in its order, names and values, with the bytes where it is written.
pub fn scalars(text: &str) -> Result<Vec<(String, Range<usize>)>, String> {
    // The parser counts characters.
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
    let mut found = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        if let Event::Scalar(value, ..) = event {
            found.push((
                value.into_owned(),
                place(span.start.index())..place(span.end.index()),
            ));
        }
    }
    Ok(found)
}

fn next<'a>(events: &mut Events<'a>) -> Result<Event<'a>, String> {
    match events.next_event() {
        Some(Ok((event, _))) => Ok(event),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it ends too early".to_owned()),
    }
}

fn node<'a>(event: Event<'a>, events: &mut Events<'a>, depth: usize) -> Result<Node, String> {
    if depth == 0 {
        return Err(format!("it is nested deeper than {DEPTH} times"));
    }
    match event {
        Event::Scalar(text, ..) => Ok(Node::Text(text.into_owned())),
        Event::SequenceStart(..) => {
            let mut nodes = Vec::new();
            loop {
                match next(events)? {
                    Event::SequenceEnd => return Ok(Node::List(nodes)),
                    event => nodes.push(node(event, events, depth - 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                let key = match next(events)? {
                    Event::MappingEnd => return Ok(Node::Map(entries)),
                    event => node(event, events, depth - 1)?,
                };
                let Node::Text(key) = key else {
                    return Err("a name in it is no text".to_owned());
                };
                let event = next(events)?;
                entries.push((key, node(event, events, depth - 1)?));
            }
        }
        // What refers to another place can be made to grow without bound.
        Event::Alias(_) => Err("it uses an alias (*name), which is not understood here".to_owned()),
        _ => Err("it is not of the form of settings".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_is_text() {
        let node = read("a: 12345678\nb: [yes, 'x: y']\nc:\n  d: ~\n").expect("it is YAML");
        assert_eq!(node.get("a").and_then(Node::text), Some("12345678"));
        assert_eq!(node.get("b").map(Node::texts), Some(vec!["yes", "x: y"]));
        assert_eq!(
            node.get("c").and_then(|c| c.get("d")).and_then(Node::text),
            Some("~")
        );
        for empty in ["", "#cloud-config\n", "---\n", "~"] {
            assert_eq!(read(empty), Ok(Node::Map(Vec::new())), "{empty:?}");
        }
    }

    #[test]
    fn what_grows_or_is_no_yaml_is_refused() {
        for bad in [
            "a: &x [1]\nb: *x\n",
            "a: [1",
            "a: 'x",
            &"[".repeat(50),
            "{[a]: b}",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
