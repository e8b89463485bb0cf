//! The rules: pure, synchronous, no clock, no I/O, no tokio. What must not live here: anything that waits.

pub mod audience;
pub mod change;
pub mod cursor;
pub mod links;
mod members;
pub mod mentions;
pub mod names;
pub mod permit;
pub mod quota;
pub mod roster;
