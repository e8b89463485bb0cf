//! Wiring, the only floor that knows everyone.

pub mod cli;
pub mod config;
pub mod logging;
pub mod metrics;
pub mod systemd;
