//! Measures a running Kinglet, and kills it to see what it remembers. Nothing here is taken from the server's own code:
//! it speaks to the server over the wire and looks at it through the operating system.
//!
//! - `args`, `report`: the command line and what is printed
//! - `server`: starts, kills and stops a server; what the kernel says about it
//! - `seed`: users, devices and conversations written into a new database, so that no password is hashed
//! - `wire`, `line`, `http`, `tls`: a small client; `dice`: chance with a seed
//! - `closed`: messages in a closed loop or at a fixed rate; `latency`, `metrics`, `trace`, `disk`: what is measured
//! - `sends`, `rate`, `idle`, `bytes`, `count`: the measurements
//! - `storm`, `history`, `vendor`, `catchup`: days that go otherwise; `crowd`, `pair`: who takes part in a storm
//! - `search`: searches, in talk that `words` makes up
//! - `peers`: the same work for Kinglet and for other servers, side by side; `results`: tables and plots of all figures
//! - `kill9`: the crash checker; `through`: a talk that goes on while somebody else restarts the server

pub mod args;
pub mod bare;
pub mod bytes;
pub mod catchup;
pub mod closed;
pub mod count;
pub mod crowd;
pub mod dice;
pub mod disk;
pub mod history;
pub mod http;
pub mod idle;
pub mod kill9;
pub mod latency;
pub mod line;
pub mod metrics;
pub mod pair;
pub mod peers;
pub mod rate;
pub mod report;
pub mod results;
pub mod search;
pub mod seed;
pub mod sends;
pub mod server;
pub mod storm;
pub mod through;
pub mod tls;
pub mod trace;
pub mod vendor;
pub mod wire;
pub mod words;
