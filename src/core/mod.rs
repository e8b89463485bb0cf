//! The rules: pure, synchronous, no clock, no I/O, no tokio.

pub mod names;
