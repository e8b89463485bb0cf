//! What is said of a request: what came of it, or a code, a sentence and the next step. What must not live here: when.

use std::fmt;
use std::io;

use serde_json::{Value, json};

/// `Null` where there is nothing to tell but that it is done.
pub type Outcome = Result<Value, Wrong>;

/// Why something was not done. The text form is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It is no request of the known form.
    BadRequest,
    TooLarge,
    TooSlow,
    NotAllowed,
    BadArgument,
    Busy,
    /// This machine has no such thing.
    NotAvailable,
    /// There is more than one to choose from.
    Several,
    BadSignature,
    NotNewer,
    /// It was tried and failed.
    Failed,
    TimedOut,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Code::BadRequest => "bad_request",
            Code::TooLarge => "too_large",
            Code::TooSlow => "too_slow",
            Code::NotAllowed => "not_allowed",
            Code::BadArgument => "bad_argument",
            Code::Busy => "busy",
            Code::NotAvailable => "not_available",
            Code::Several => "several",
            Code::BadSignature => "bad_signature",
            Code::NotNewer => "not_newer",
            Code::Failed => "failed",
            Code::TimedOut => "timed_out",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Code::BadRequest => "This is not a request of the known form.",
            Code::TooLarge => "The request is longer than 8 KiB.",
            Code::TooSlow => "The request did not come in time.",
            Code::NotAllowed => "Only root and the server's user are heard here.",
            Code::BadArgument => "An argument does not have the right form.",
            Code::Busy => "Another request is at work.",
            Code::NotAvailable => "This machine has no such thing.",
            Code::Several => "There is more than one to choose from.",
            Code::BadSignature => "The update is not signed by whom this machine trusts.",
            Code::NotNewer => "The update is not newer than what is installed.",
            Code::Failed => "It was tried and did not work.",
            Code::TimedOut => "It took too long and was ended.",
        }
    }

    fn next(self) -> &'static str {
        match self {
            Code::BadRequest => {
                "Send one line of JSON with a known verb and its arguments, as docs/OPERATING.md says."
            }
            Code::TooLarge => "Send less.",
            Code::TooSlow => "Send the whole line at once.",
            Code::NotAllowed => "Ask as that user.",
            Code::BadArgument => "Correct the argument.",
            Code::Busy => "Ask again in a few seconds.",
            Code::NotAvailable => "Do without.",
            Code::Several => "Name one of those that are listed.",
            Code::BadSignature => "Get the update again from where it is published; do not install this one.",
            Code::NotNewer => "Do nothing; downgrades are not done this way.",
            Code::Failed => "Read the journal: journalctl -t kinglet-board.",
            Code::TimedOut => "Look whether it was done all the same, then ask again.",
        }
    }
}

/// A code, with words that fit the case.
#[derive(Debug)]
pub struct Wrong {
    pub code: Code,
    pub message: String,
    /// What there is to choose from.
    pub choices: Vec<String>,
}

impl Wrong {
    pub fn of(code: Code) -> Wrong {
        Wrong::because(code, code.message())
    }

    pub fn because(code: Code, message: impl Into<String>) -> Wrong {
        Wrong {
            code,
            message: message.into(),
            choices: Vec::new(),
        }
    }

    pub fn several(choices: Vec<String>) -> Wrong {
        Wrong {
            choices,
            ..Wrong::of(Code::Several)
        }
    }

    pub fn io(operation: &str, path: &str, error: &io::Error) -> Wrong {
        Wrong::because(Code::Failed, format!("cannot {operation} {path}: {error}"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.text(), self.message)
    }
}

/// The line that goes out.
pub fn line(outcome: &Outcome) -> String {
    let said = match outcome {
        Ok(Value::Object(more)) => {
            let mut all = more.clone();
            all.insert("ok".to_owned(), Value::Bool(true));
            Value::Object(all)
        }
        Ok(_) => json!({ "ok": true }),
        Err(wrong) => {
            let mut error = json!({
                "code": wrong.code.text(),
                "message": wrong.message,
                "next": wrong.code.next(),
            });
            if !wrong.choices.is_empty() {
                error["choices"] = json!(wrong.choices);
            }
            json!({ "ok": false, "error": error })
        }
    };
    said.to_string()
}
