//! `KINGLET_<SECTION>_<FIELD>` variables that override the file. The names and types come from the defaults, so a new
//! setting has its variable without a line here.
//! What must not live here: reading the process environment; it is handed in.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, ConfigError};

const PREFIX: &str = "KINGLET_";
const CONFIG: &str = "KINGLET_CONFIG";
const ADDRESS: &str = "KINGLET_LISTEN_ADDRESS";
const UPDATE_GOLDEN: &str = "KINGLET_UPDATE_GOLDEN";
const TEST_PREFIX: &str = "KINGLET_TEST_";

/// One setting as the environment names it.
struct Setting {
    name: String,
    section: Option<String>,
    field: String,
    default: Value,
}

/// The variables that were set, already checked for name and type.
pub(super) struct Overrides {
    config: Option<PathBuf>,
    values: Vec<(Setting, Value)>,
}

impl Overrides {
    pub(super) fn collect<K, V>(env: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut config = None;
        let mut values = Vec::new();
        for (name, value) in env {
            let (name, value) = (name.into(), value.into());
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) || name == UPDATE_GOLDEN || name.starts_with(TEST_PREFIX) {
                continue;
            }
            if name == CONFIG {
                config = Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
                continue;
            }
            let setting = find(&name)?;
            let value = value
                .to_str()
                .ok_or_else(|| wrong(&name, "is not UTF-8", "Write it in UTF-8"))?;
            let value = parse(&setting, value)?;
            values.push((setting, value));
        }
        Ok(Self { config, values })
    }

    pub(super) fn config_path(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    /// The settings of `file` (known to be right by itself) with the variables laid over them.
    pub(super) fn apply(self, file: Table) -> Result<Config, ConfigError> {
        let mut table = file;
        let mut names = Vec::new();
        for (setting, value) in self.values {
            let target = match setting.section {
                Some(section) => table
                    .entry(section)
                    .or_insert_with(|| Value::Table(Table::new()))
                    .as_table_mut()
                    .expect("the file was read into the struct, so its sections are tables"),
                None => &mut table,
            };
            target.insert(setting.field, value);
            // Each variable is tried as it comes, so that an error can name it.
            Config::deserialize(Value::Table(table.clone())).map_err(|error| {
                wrong(
                    &setting.name,
                    &format!("is wrong: {}", error.message()),
                    "See docs/kinglet.example.toml",
                )
            })?;
            names.push(setting.name);
        }
        Config::deserialize(Value::Table(table)).map_err(|error| {
            wrong(
                &names.join(", "),
                error.message(),
                "See docs/kinglet.example.toml",
            )
        })
    }
}

fn wrong(name: &str, what: &str, fix: &str) -> ConfigError {
    ConfigError::Environment {
        name: name.to_owned(),
        what: what.to_owned(),
        fix: fix.to_owned(),
    }
}

fn settings() -> Vec<Setting> {
    let defaults =
        Table::try_from(Config::default()).expect("the defaults are plain strings, numbers and lists");
    let mut settings = Vec::new();
    for (key, value) in defaults {
        let Value::Table(section) = value else {
            let name = format!("{PREFIX}{}", key.to_uppercase());
            settings.push(Setting {
                name,
                section: None,
                field: key,
                default: value,
            });
            continue;
        };
        for (field, default) in section {
            let name = format!("{PREFIX}{}_{}", key.to_uppercase(), field.to_uppercase());
            settings.push(Setting {
                name,
                section: Some(key.clone()),
                field,
                default,
            });
        }
    }
    settings
}

fn find(name: &str) -> Result<Setting, ConfigError> {
    let mut settings = settings();
    if let Some(index) = settings.iter().position(|setting| setting.name == name) {
        return Ok(settings.swap_remove(index));
    }
    let common = |other: &str| {
        name.bytes()
            .zip(other.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let most = settings.iter().map(|setting| common(&setting.name)).max();
    let nearest: Vec<&str> = settings
        .iter()
        .map(|setting| setting.name.as_str())
        .filter(|other| Some(common(other)) == most)
        .collect();
    let fix = match nearest.as_slice() {
        _ if name.ends_with("_PORT") => {
            format!("The port stands behind the address: {ADDRESS}=127.0.0.1:8080")
        }
        [only] if most > Some(PREFIX.len()) => format!("Did you mean {only}? Else unset it"),
        several if most > Some(PREFIX.len()) => {
            format!("Did you mean one of {}? Else unset it", several.join(", "))
        }
        _ => "Unset it; docs/kinglet.example.toml shows every setting".to_owned(),
    };
    Err(wrong(name, "is not a setting of Kinglet", &fix))
}

fn parse(setting: &Setting, text: &str) -> Result<Value, ConfigError> {
    match &setting.default {
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| {
            wrong(
                &setting.name,
                "is not a number",
                "Write digits only, for example 64",
            )
        }),
        Value::Boolean(_) => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .map_err(|_| wrong(&setting.name, "is neither true nor false", "Write true or false")),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_own_name_and_none_is_reserved() {
        let mut names: Vec<String> = settings().into_iter().map(|setting| setting.name).collect();
        let all = names.len();
        assert!(all > 20, "only {all} settings were found");
        assert!(names.iter().any(|name| name == ADDRESS), "hints name {ADDRESS}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "two settings share a variable");
        for name in names {
            assert!(
                name != CONFIG && name != UPDATE_GOLDEN && !name.starts_with(TEST_PREFIX),
                "{name} is reserved"
            );
        }
    }
}
