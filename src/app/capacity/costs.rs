//! What the server costs, as measured: one line a figure, with the command that measured it. `kinglet capacity` reckons
//! with nothing else. What must not live here: formulas, and what boards can do.
//!
//! Instructions are those of the 64-bit ARM build under emulation, user space only:
//! `cargo xtask aarch64 --count`. The kernel's share is time, of a native server:
//! `kinglet-load count --messages 20480 --group-messages 150`. Bytes: `kinglet-load bytes --loop`, as root.

/// A message that comes alone: from the frame to the ack, a commit of its own included, deliveries not. The row "direct, 1
/// in flight" less one delivery; the next, the mean of 10 and of 64 in flight less one delivery, since the words of a busy stretch
/// come into the index for searches in the next; the third, "group of 1000, 1 at once".
pub const INSTRUCTIONS_LONE_SEND: f64 = 106_000.0;
/// One of many, committed together.
pub const INSTRUCTIONS_BATCHED_SEND: f64 = 85_500.0;
/// One event to one session, in a frame and a write of its own.
pub const INSTRUCTIONS_DELIVERY: f64 = 2_650.0;
/// What the kernel takes for each unit of the server's own time: in a lone send, in one of many, in a delivery.
pub const KERNEL_SHARE_LONE: f64 = 2.3;
pub const KERNEL_SHARE_BATCHED: f64 = 1.8;
pub const KERNEL_SHARE_DELIVERY: f64 = 5.5;

/// Bytes that reach the block device for each message of 100 bytes: alone, and at about 60 a commit.
pub const BYTES_LONE: f64 = 16_000.0;
pub const BYTES_BATCHED: f64 = 1_680.0;
