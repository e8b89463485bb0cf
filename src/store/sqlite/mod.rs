//! The embedded store on SQLite.

#[cfg(feature = "fault-injection")]
pub mod fault_vfs;
