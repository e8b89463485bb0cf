//! A file that is not SQLite's, under the same rules of sync, crash and cut.
//! Must not live here: any notion of what the file is for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, Ticket};
use super::faults::{self, Failure, Fault, FileKind, Go, Op};

/// A handle that dies with its process, as SQLite's do. Nothing is opened before the first operation; a write creates the file.
pub struct PlainFile {
    disk: Arc<Disk>,
    generation: u64,
    path: PathBuf,
}

impl PlainFile {
    pub(super) fn new(disk: Arc<Disk>, path: PathBuf) -> PlainFile {
        let generation = disk.generation();
        PlainFile {
            disk,
            generation,
            path,
        }
    }

    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let (file, ticket) = self.open(true)?;
        let end = file.metadata()?.len();
        self.put(&file, &ticket, end, bytes)
    }

    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (file, ticket) = self.open(true)?;
        self.put(&file, &ticket, offset, bytes)
    }

    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let (file, ticket) = self.open(false)?;
        let len = file.metadata()?.len() as usize;
        let go = self.disk.admit(&ticket, Op::Read, 0, len as u64).map_err(error)?;
        let mut bytes = vec![0; if go == Go::Half { faults::half(len) } else { len }];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    pub fn sync(&self) -> io::Result<()> {
        let (_file, ticket) = self.open(false)?;
        self.disk.sync(&ticket).map_err(error)
    }

    pub fn truncate(&self, size: u64) -> io::Result<()> {
        let (file, ticket) = self.open(true)?;
        self.disk.admit(&ticket, Op::Truncate, 0, size).map_err(error)?;
        let read = &mut |at, buf: &mut [u8]| peek(&file, at, buf);
        self.disk
            .truncate(&ticket, size, read, || file.set_len(size))
            .map_err(error)?
    }

    fn put(&self, file: &File, ticket: &Ticket, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let go = self
            .disk
            .admit(ticket, Op::Write, offset, bytes.len() as u64)
            .map_err(error)?;
        let part = if go == Go::Half {
            &bytes[..faults::half(bytes.len())]
        } else {
            bytes
        };
        let read = &mut |at, buf: &mut [u8]| peek(file, at, buf);
        let write = || file.write_all_at(part, offset);
        self.disk
            .write(ticket, (offset, part.len()), read, write)
            .map_err(error)??;
        match go {
            Go::Whole => Ok(()),
            Go::Half => Err(error(Failure::Injected(Fault::TornWrite))),
        }
    }

    fn open(&self, create: bool) -> io::Result<(File, Ticket)> {
        let mut ticket = Ticket {
            generation: self.generation,
            kind: FileKind::Other,
            path: self.path.clone(),
            id: 0,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create);
        let opened = self.disk.open(&mut ticket, || options.open(&self.path));
        Ok((opened.map_err(error)??, ticket))
    }
}

fn peek(file: &File, mut at: u64, mut buf: &mut [u8]) {
    buf.fill(0);
    while !buf.is_empty() {
        match file.read_at(buf, at) {
            Ok(0) => return,
            Ok(n) => (at, buf) = (at + n as u64, &mut buf[n..]),
            Err(failure) => panic!("reading back a simulated file failed: {failure}"),
        }
    }
}

fn error(failure: Failure) -> io::Error {
    match failure {
        Failure::Dead => io::Error::other("simulated disk: the process that held this file is dead"),
        Failure::Injected(Fault::Enospc) => io::ErrorKind::StorageFull.into(),
        Failure::Injected(fault) => io::Error::other(format!("simulated disk: {fault:?}")),
        Failure::Code(code) => io::Error::other(format!("simulated disk: refused with {code}")),
    }
}
