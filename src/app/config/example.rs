//! The example file, made from the settings' doc comments (through their JSON schema) and their defaults.
//! What must not live here: any text about a single setting; that belongs to its doc comment.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

const WIDTH: usize = 100;

const HEAD: &str = "\
Kinglet's configuration. Every key is shown with its default and is commented out: remove the # in front of the ones you change. \
The file is looked for at ./kinglet.toml, then at /etc/kinglet/kinglet.toml; `--config` or KINGLET_CONFIG names another.

A variable overrides the file: KINGLET_, section and key in capitals, lists with commas, for example \
KINGLET_LISTEN_ADDRESS=0.0.0.0:8443 or KINGLET_DATA_DIR=/var/lib/kinglet. `kinglet check` says what is wrong and what to do.";

fn schema() -> Value {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

pub(super) fn render() -> String {
    let schema = schema();
    // The serialiser keeps the order of the structs; the schema, a sorted map, does not.
    let defaults =
        toml::to_string(&Config::default()).expect("the defaults are plain strings, numbers and lists");

    let mut example = String::new();
    comment(&mut example, HEAD);
    let mut section = &schema;
    for line in defaults.lines().filter(|line| !line.is_empty()) {
        example.push('\n');
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = &schema["properties"][name];
            comment(&mut example, description(section));
            example.push_str(line);
        } else {
            let (key, _) = line
                .split_once(" = ")
                .expect("the serialiser writes one setting on one line");
            let field = &section["properties"][key];
            comment(&mut example, description(field));
            choices(&mut example, field);
            example.push('#');
            example.push_str(line);
        }
        example.push('\n');
    }
    example
}

/// A setting as it holds: `value` and `usual` as they would stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    pub key: String,
    pub value: String,
    pub usual: String,
    pub about: String,
}

pub(super) fn effective(config: &Config) -> Vec<EffectiveSetting> {
    let schema = schema();
    let lines =
        |config: &Config| toml::to_string(config).expect("settings are plain strings, numbers and lists");
    let (held, usual) = (lines(config), lines(&Config::default()));
    let mut section = (String::new(), &schema);
    let mut found = Vec::new();
    // Both have every key, in the order of the structs.
    for (line, usual) in held.lines().zip(usual.lines()) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = (format!("{name}."), &schema["properties"][name]);
        } else if let (Some((key, value)), Some((_, usual))) =
            (line.split_once(" = "), usual.split_once(" = "))
        {
            let field = &section.1["properties"][key];
            let mut about = description(field).to_owned();
            for choice in field["oneOf"].as_array().into_iter().flatten() {
                let name = choice["const"].as_str().unwrap_or_default();
                about.push_str(&format!("\n{name}: {}", description(choice)));
            }
            found.push(EffectiveSetting {
                key: format!("{}{key}", section.0),
                value: value.to_owned(),
                usual: usual.to_owned(),
                about,
            });
        }
    }
    found
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn choices(example: &mut String, field: &Value) {
    for choice in field["oneOf"].as_array().into_iter().flatten() {
        let name = choice["const"].as_str().unwrap_or_default();
        comment(example, &format!("  \"{name}\": {}", description(choice)));
    }
}

/// Wraps each paragraph of `text` into lines that start with `# `; a leading indent is kept.
fn comment(example: &mut String, text: &str) {
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            example.push_str("#\n");
        }
        let indent = paragraph.len() - paragraph.trim_start().len();
        let mut line = format!("# {}", " ".repeat(indent));
        let mut fresh = true;
        for word in paragraph.split_whitespace() {
            if !fresh && line.len() + 1 + word.len() > WIDTH {
                example.push_str(&line);
                example.push('\n');
                line = format!("# {}", " ".repeat(indent));
                fresh = true;
            }
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
            fresh = false;
        }
        if !fresh {
            example.push_str(&line);
            example.push('\n');
        }
    }
}
