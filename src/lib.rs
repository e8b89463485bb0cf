//! Kinglet's floors, lowest first. An arrow between them may only point down; `tests/tidy.rs` checks it.
//! What must not live here: code. Only the list of rooms.

pub mod clock;
pub mod limits;
pub mod meters;
pub mod planted;

pub mod proto;

pub mod core;

pub mod hub;
pub mod store;

pub mod session;
pub mod workers;

pub mod gateway;

pub mod app;
