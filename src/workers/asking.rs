//! A question to `kinglet-board`, which is root: one line there, one line back. What must not live here: what is asked, and what
//! the answer means.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// As long as the board itself has for one request.
pub const PATIENCE: Duration = Duration::from_secs(300);
const LINE_BYTES: u64 = 64 * 1024;

/// Why the board does not do something.
#[derive(Debug, Deserialize)]
pub struct Refused {
    pub code: String,
    message: String,
    #[serde(default)]
    pub next: String,
    #[serde(default)]
    choices: Vec<String>,
}

impl Refused {
    /// In a sentence, with what there is to choose from.
    pub fn sentence(&self) -> String {
        let mut sentence = self.message.clone();
        if !self.choices.is_empty() {
            sentence.push_str(&format!(" ({})", self.choices.join(", ")));
        }
        sentence
    }
}

/// The answer to a verb without arguments.
pub fn ask(board: &Path, verb: &str, patience: Duration) -> io::Result<String> {
    tell(
        UnixStream::connect(board)?,
        &format!("{{\"verb\":\"{verb}\"}}"),
        patience,
    )
}

/// The answer to a request: a line of JSON.
pub fn tell(mut board: UnixStream, request: &str, patience: Duration) -> io::Result<String> {
    board.set_read_timeout(Some(patience))?;
    board.set_write_timeout(Some(patience))?;
    board.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(board.take(LINE_BYTES)).read_line(&mut line)?;
    Ok(line)
}
