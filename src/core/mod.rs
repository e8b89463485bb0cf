//! The rules: pure, synchronous, no clock, no I/O, no tokio. What must not live here: anything that waits.

pub mod audience;
pub mod change;
pub mod cursor;
pub mod discretion;
pub mod hidden;
pub mod links;
mod members;
pub mod mentions;
pub mod names;
pub mod notify;
pub mod permit;
pub mod push;
pub mod quota;
pub mod retention;
pub mod roster;
pub mod settings;
pub mod text;
