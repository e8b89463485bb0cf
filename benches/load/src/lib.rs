//! Measures a running Kinglet, and kills it to see what it remembers. Nothing here is taken from the server's own code:
//! it speaks to the server over the wire and looks at it through the operating system.
//!
//! - `args`, `report`: the command line and what is printed
//! - `server`: starts, kills and stops a server; what the kernel says about it
//! - `seed`: users, devices and conversations written into a new database, so that no password is hashed
//! - `wire`, `http`, `tls`: a small client
//! - `closed`: messages in a closed loop or at a fixed rate; `latency`, `metrics`, `trace`, `disk`: what is measured
//! - `sends`, `rate`, `idle`, `bytes`, `count`: the measurements
//! - `kill9`: the crash checker

pub mod args;
pub mod bytes;
pub mod closed;
pub mod count;
pub mod disk;
pub mod http;
pub mod idle;
pub mod kill9;
pub mod latency;
pub mod metrics;
pub mod rate;
pub mod report;
pub mod seed;
pub mod sends;
pub mod server;
pub mod tls;
pub mod trace;
pub mod wire;
