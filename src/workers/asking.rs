//! A question to `kinglet-board`, which is root: one line there, one line back. What must not live here: what is asked, and what
//! the answer means.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const LINE_BYTES: u64 = 64 * 1024;

/// The answer to a verb without arguments.
pub fn ask(board: &Path, verb: &str, patience: Duration) -> io::Result<String> {
    let mut stream = UnixStream::connect(board)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(format!("{{\"verb\":\"{verb}\"}}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES)).read_line(&mut line)?;
    Ok(line)
}
