//! How a subcommand ends when it does not end well: a sentence and an exit code. What must not live here: the sentences.

use std::fmt;

use super::cli::{EXIT_CONFIG, EXIT_DAMAGED, EXIT_FAILED, EXIT_UNAVAILABLE};
use super::config::ConfigError;
use crate::proto::Refusal;
use crate::store::OpenError;

/// Why a subcommand failed, and the process's exit code for it.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub text: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: u8, text: impl Into<String>) -> Failure {
        Failure {
            code,
            text: text.into(),
        }
    }

    pub fn failed(text: impl Into<String>) -> Failure {
        Failure::new(EXIT_FAILED, text)
    }

    pub fn config(text: impl Into<String>) -> Failure {
        Failure::new(EXIT_CONFIG, text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::config(error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::failed(refusal.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let code = match &error {
            OpenError::InUse(_) => EXIT_UNAVAILABLE,
            OpenError::Sql { source, .. } if is_damage(source) => EXIT_DAMAGED,
            _ => EXIT_FAILED,
        };
        Failure::new(code, error.to_string())
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
