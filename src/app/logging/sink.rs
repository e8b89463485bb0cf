//! Where lines go. What must not live here: waiting anywhere but on the writer's own thread.

use std::io::{self, Write};

use log::Record;
use systemd_journal_logger::JournalLog;

use super::line::Line;

/// Takes a line. It has nobody to report a failure to, so it drops what it cannot write.
pub trait Sink: Send {
    fn write(&mut self, line: &Line);
}

pub struct Stderr;

impl Sink for Stderr {
    fn write(&mut self, line: &Line) {
        let _ = io::stderr().lock().write_all(line.to_string().as_bytes());
    }
}

pub struct Journal(JournalLog);

impl Journal {
    pub fn connect() -> io::Result<Self> {
        Ok(Self(
            JournalLog::empty()?.with_syslog_identifier("kinglet".to_owned()),
        ))
    }
}

impl Sink for Journal {
    fn write(&mut self, line: &Line) {
        let mut record = Record::builder();
        record.level(line.level()).target(line.target());
        let _ = self
            .0
            .journal_send(&record.args(format_args!("{}", line.text())).build());
    }
}
