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

#[cfg(test)]
pub mod fake {
    //! A board that answers what it is told to. What must not live here: what it is asked.

    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};
    use std::thread::JoinHandle;

    /// One connection for each answer; gives what `heard` makes of each line, before it is answered.
    pub fn board<T: Send + 'static>(
        folder: &Path,
        answers: &'static [&'static str],
        heard: impl Fn(&str) -> T + Send + 'static,
    ) -> (PathBuf, JoinHandle<Vec<T>>) {
        let path = folder.join("board.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let asked = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("it is asked");
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                reader.read_line(&mut line).expect("a line");
                asked.push(heard(line.trim()));
                stream.write_all(answer.as_bytes()).expect("it listens");
            }
            asked
        });
        (path, asked)
    }
}
