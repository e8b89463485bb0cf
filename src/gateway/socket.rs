//! The one socket option that no crate of ours has a name for. What must not live here: anything else.

// `setsockopt` with TCP_WINDOW_CLAMP; std and socket2 offer no safe way to it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Bounds what the other end may send ahead of our reading, in bytes. On a listener it holds for all that it accepts.
pub fn clamp_window(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    let pointer = (&raw const value).cast();
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel reads one int from `value`, which
    // lives until the call is over.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_WINDOW_CLAMP,
            pointer,
            size,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_takes_the_clamp_and_a_file_does_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        clamp_window(&listener, 32 * 1024).expect("a TCP socket takes it");
        let file = tempfile::tempfile().expect("a file");
        assert!(clamp_window(&file, 32 * 1024).is_err());
    }
}
