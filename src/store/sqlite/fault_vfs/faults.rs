//! The words of fault injection: operations, faults, rules that fire on the n-th operation, and counters.
//! Must not live here: files or SQLite.

use std::path::Path;

use super::Cut;

/// One kind of file operation. `Any` is only for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Read,
    Write,
    Sync,
    Truncate,
    Open,
    Delete,
    Any,
}

/// What goes wrong. A fault that does not fit its operation (a short read of a sync) is a plain I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device says no; nothing was done.
    Eio,
    /// The disk is full; nothing was done.
    Enospc,
    /// The first half arrives, the rest reads as zeros, and the file claims to end there.
    ShortRead,
    /// The first half is written, then the device says no.
    TornWrite,
}

/// Which file an operation was on: the database, its write-ahead log, or anything else (journals, temporary and plain files).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Db,
    Wal,
    Other,
}

/// What a hook sees just before an operation.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo<'a> {
    pub op: Op,
    pub kind: FileKind,
    /// Empty for SQLite's unnamed temporary files.
    pub path: &'a Path,
    pub offset: u64,
    pub len: u64,
    /// The disk's running number of this operation, from 1.
    pub index: u64,
}

/// What a hook decides.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Go,
    /// Do nothing and answer with this SQLite result code.
    Fail(i32),
    /// The process dies before this operation.
    CrashHere,
    /// The power goes before this operation.
    CutHere(Cut),
}

/// How many operations were tried on living handles, and how many bytes they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads: u64,
    pub writes: u64,
    pub syncs: u64,
    pub truncates: u64,
    pub opens: u64,
    pub deletes: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
}

impl Counts {
    pub(super) fn add(&mut self, op: Op, bytes: u64) {
        match op {
            Op::Read => (self.reads, self.bytes_read) = (self.reads + 1, self.bytes_read + bytes),
            Op::Write => (self.writes, self.bytes_written) = (self.writes + 1, self.bytes_written + bytes),
            Op::Sync => self.syncs += 1,
            Op::Truncate => self.truncates += 1,
            Op::Open => self.opens += 1,
            Op::Delete => self.deletes += 1,
            Op::Any => {}
        }
    }

    pub(super) fn merge(&mut self, other: &Counts) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.syncs += other.syncs;
        self.truncates += other.truncates;
        self.opens += other.opens;
        self.deletes += other.deletes;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
    }
}

/// How much of an admitted operation happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    Whole,
    Half,
}

/// Why an operation is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The handle belongs to a process that has died.
    Dead,
    Injected(Fault),
    /// A hook's own SQLite result code.
    Code(i32),
}

/// "The n-th operation of this kind fails."
pub(super) struct Rule {
    pub(super) op: Op,
    pub(super) kind: Option<FileKind>,
    /// Matching operations until it fires, counting the one that does.
    pub(super) left: u64,
    pub(super) fault: Fault,
    pub(super) sticky: bool,
}

/// Lets every rule see the operation; the first one due decides.
pub(super) fn apply_rules(rules: &mut Vec<Rule>, op: Op, kind: FileKind) -> Option<Fault> {
    let mut due = None;
    rules.retain_mut(|rule| {
        let matches = (rule.op == Op::Any || rule.op == op) && rule.kind.is_none_or(|wanted| wanted == kind);
        if !matches {
            return true;
        }
        if rule.left > 1 {
            rule.left -= 1;
            return true;
        }
        due = due.or(Some(rule.fault));
        rule.sticky
    });
    due
}

pub(super) fn outcome(op: Op, fault: Fault) -> Result<Go, Failure> {
    match (op, fault) {
        (Op::Read, Fault::ShortRead) | (Op::Write, Fault::TornWrite) => Ok(Go::Half),
        _ => Err(Failure::Injected(fault)),
    }
}

/// How many bytes of a half-done operation happen: whole sectors where there is more than one.
pub(super) fn half(len: usize) -> usize {
    let half = len / 2;
    if half > super::image::SECTOR {
        half - half % super::image::SECTOR
    } else {
        half
    }
}
