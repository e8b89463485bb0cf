//! The rules: pure, synchronous, no clock, no I/O, no tokio. What must not live here: anything that waits.

pub mod audience;
pub mod change;
pub mod cursor;
mod members;
pub mod names;
pub mod permit;
pub mod quota;
pub mod retention;
pub mod roster;
