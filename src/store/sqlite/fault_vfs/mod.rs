//! A storage layer for tests that forgets what was not synced.
//!
//! Lives here: a SQLite VFS over the ordinary `unix` one. File bytes, file locks and WAL shared memory are the real ones
//! (locking mode NORMAL, several connections, several threads), but a [`Disk`] remembers, for each 512-byte sector, what a
//! power cut would leave. A process crash keeps the page cache (and what in it is still unsynced); a power cut does not.
//! Rooms: `image` (what a cut leaves of one file, pure), `disk` (the registry by path, crash and cut), `faults` (the words of
//! injection and counting), `ffi` (the only unsafe one), `plain` (the same rules for a file that is not SQLite's).
//! Must not live here: anything a release needs. The feature `fault-injection` guards the whole directory.
//!
//! What is modelled, and what is not:
//! - A cut mixes, sector by sector, the durable bytes with any unsynced write; a sector is whole or not written at all, which is
//!   SQLite's "powersafe overwrite" and what SD cards and file systems promise.
//! - Shrinking a file is ordered metadata, as in a journaling file system: writes after it cannot reach the disk before it.
//! - A created file is durable after its own first sync, which also syncs its directory, as SQLite's does for journals and logs.
//!   A deletion without a directory sync may be undone by a cut.
//! - A failed sync makes nothing durable, and by default the kernel forgets those pages (see [`Disk::forget_on_failed_sync`]).
//! - Nothing here calls the real fsync, so a test runs at memory speed and says nothing about the real disk's latency.
//! - One process only: another process that opens the same files is not seen. Memory-mapped reads are refused.

mod disk;
mod faults;
mod ffi;
mod image;
mod plain;

pub use disk::{Cut, CutReport, Disk};
pub use faults::{Action, Counts, Fault, FileKind, Op, OpInfo};
pub use plain::PlainFile;
